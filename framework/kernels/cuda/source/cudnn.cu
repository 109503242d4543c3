// The small things around cuDNN's graphs: numbers of dropout in the device's memory, and a variance of what it leaves.

// Seed and offset, each at an address that is a multiple of 16 bytes.
extern "C" __global__ void seed_and_offset(long long* out, const long long seed, const long long offset) {
    if (threadIdx.x == 0) out[0] = seed, out[2] = offset;
}

extern "C" __global__ void variance(float* out, const float* rstd, const float eps, const int count) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at < count) out[at] = fmaxf(1.0f / (rstd[at] * rstd[at]) - eps, 0.0f);
}
