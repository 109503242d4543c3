// The small things around cuDNN's graphs: numbers of dropout in the device's memory, and statistics of what it leaves.

// Seed and offset, each at an address that is a multiple of 16 bytes.
extern "C" __global__ void seed_and_offset(long long* out, const long long seed, const long long offset) {
    if (threadIdx.x == 0) out[0] = seed, out[2] = offset;
}

// What batch norm leaves as 1 / deviation, as a variance; and, where it is asked for (ReLU's gradient needs it), the factor
// and the offset of each channel that made the output of the input, (2, count).
extern "C" __global__ void batch_statistics(float* variance, float* factors, const float* mean, const float* rstd,
                                            const float* weight, const float* bias, const float eps, const int count) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    variance[at] = fmaxf(1.0f / (rstd[at] * rstd[at]) - eps, 0.0f);
    if (!factors) return;
    float factor = rstd[at] * weight[at];
    factors[at] = factor, factors[count + at] = bias[at] - mean[at] * factor;
}
