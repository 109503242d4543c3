// What all kernels share: element types and the type they are computed in, packs of elements, reductions of a group.
#pragma once
#include <cuda_fp16.h>
#include <cuda_bf16.h>

#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fc00000)
#endif
#define ALL_LANES 0xffffffffu

typedef unsigned char uchar;
typedef unsigned short ushort;

// 16-bit numbers are computed in float, all others in their own type.
template <class T> struct Real { typedef T type; };
template <> struct Real<__half> { typedef float type; };
template <> struct Real<__nv_bfloat16> { typedef float type; };

template <class T> __device__ __forceinline__ T to_real(T x) { return x; }
__device__ __forceinline__ float to_real(__half x) { return __half2float(x); }
__device__ __forceinline__ float to_real(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class T> struct FromReal {
    template <class R> static __device__ __forceinline__ T of(R x) { return (T)x; }
};
template <> struct FromReal<__half> {
    static __device__ __forceinline__ __half of(float x) { return __float2half(x); }
};
template <> struct FromReal<__nv_bfloat16> {
    static __device__ __forceinline__ __nv_bfloat16 of(float x) { return __float2bfloat16(x); }
};
template <class T, class R> __device__ __forceinline__ T from_real(R x) { return FromReal<T>::of(x); }

__device__ __forceinline__ float exp_of(float x) { return expf(x); }
__device__ __forceinline__ double exp_of(double x) { return exp(x); }
__device__ __forceinline__ float log_of(float x) { return logf(x); }
__device__ __forceinline__ double log_of(double x) { return log(x); }
__device__ __forceinline__ float rsqrt_of(float x) { return 1.0f / sqrtf(x); }
__device__ __forceinline__ double rsqrt_of(double x) { return 1.0 / sqrt(x); }

// N neighbouring elements, read and written at once: 16 bytes is the most that one access moves.
template <class T, int N> struct alignas(sizeof(T) * N) Pack {
    T at[N];
};
template <int N, class T> __device__ __forceinline__ Pack<T, N> load(const T* from) {
    return *(const Pack<T, N>*)from;
}
template <class T, int N> __device__ __forceinline__ void store(T* to, const Pack<T, N>& pack) {
    *(Pack<T, N>*)to = pack;
}

struct Sum {
    template <class R> __device__ __forceinline__ R operator()(R a, R b) const { return a + b; }
};
struct Max {  // of a nan and a number, the number
    __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
    __device__ __forceinline__ double operator()(double a, double b) const { return fmax(a, b); }
};

// N values joined over the threads that share a threadIdx.y, whose number is a multiple of 32. Every thread gets the
// results, the same in each run. All threads of the block have to come here together.
template <int N, class R, class F>
__device__ __forceinline__ void group_reduce(R (&values)[N], F join, R neutral) {
#pragma unroll
    for (int by = 16; by; by /= 2)
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] = join(values[i], __shfl_xor_sync(ALL_LANES, values[i], by));
    int warps = blockDim.x / 32, lane = threadIdx.x % 32;
    if (warps == 1) return;
    __shared__ R part[32][N];
    int first = threadIdx.y * warps;
    __syncthreads();  // what an earlier call left has been read
    if (!lane)
        for (int i = 0; i < N; ++i) part[first + threadIdx.x / 32][i] = values[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = lane < warps ? part[first + lane][i] : neutral;
#pragma unroll
    for (int by = 16; by; by /= 2)
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] = join(values[i], __shfl_xor_sync(ALL_LANES, values[i], by));
}
template <class R> __device__ __forceinline__ R group_sum(R value) {
    R values[1] = {value};
    group_reduce(values, Sum(), R(0));
    return values[0];
}
template <class R> __device__ __forceinline__ R group_max(R value) {
    R values[1] = {value};
    group_reduce(values, Max(), R(-INFINITY));
    return values[0];
}
