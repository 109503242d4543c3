// nan for every element of the channels whose factor or offset, (2, channels), is not finite: cuDNN's ReLU makes 0 of a nan.
// Elements of a channel lie `channels` apart with `last`, else in runs of `inner`. A block looks at a channel.
// compiled with: T=float,__half,__nv_bfloat16
#include "common.cuh"

#define THREADS 256

extern "C" __global__ void __launch_bounds__(THREADS)
spoil(T* y, const float* factors, const int channels, const long long inner, const long long each, const bool last) {
    int channel = blockIdx.x;
    float factor = factors[channel], offset = factors[channels + channel];
    if (factor - factor == 0.0f && offset - offset == 0.0f) return;
    for (long long i = threadIdx.x; i < each; i += THREADS) {
        long long at = last ? i * channels + channel : (i / inner * channels + channel) * inner + i % inner;
        y[at] = from_real<T>(NAN);
    }
}
