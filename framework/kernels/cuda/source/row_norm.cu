// Layer norm, or without CENTERED RMS norm, over rows. A row is taken by blockDim.x threads (a multiple of 32), of which
// with K > 0 each keeps K packs of V elements in registers; with K = 0 a row is read again for each sweep.
// compiled with: T=float W=float V=1,4 K=0,1,4 CENTERED=0,1 | T=double W=double V=1,2 K=0,4 CENTERED=1 | T=__nv_bfloat16 W=float,__nv_bfloat16 V=1,8 K=0,1,4 CENTERED=0,1 | T=__half W=__half V=1,8 K=0,4 CENTERED=1
#include "common.cuh"
#include "row_norm.cuh"

extern "C" __global__ void __launch_bounds__(K ? 512 : 1024)
row_norm(T* y, const T* x, const W* weight, const W* bias, R* means, R* rstds, const R eps, const long long rows,
         const int length) {
    long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y, start = row * length;
    bool there = row < rows;
    R mean = 0, square = 0;
#if K
    Pack<T, V> packs[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
        int at = (k * blockDim.x + threadIdx.x) * V;
        if (!there || at >= length) continue;
        packs[k] = load<V>(x + start + at);
        if (CENTERED)
#pragma unroll
            for (int i = 0; i < V; ++i) mean += to_real(packs[k].at[i]);
    }
    if (CENTERED) mean = group_sum(mean) / length;
#pragma unroll
    for (int k = 0; k < K; ++k) {
        if (!there || (k * blockDim.x + threadIdx.x) * V >= length) continue;
#pragma unroll
        for (int i = 0; i < V; ++i) {
            R part = to_real(packs[k].at[i]) - mean;
            square += part * part;
        }
    }
#else
    if (CENTERED) {
        for (int i = threadIdx.x; there && i < length; i += blockDim.x) mean += to_real(x[start + i]);
        mean = group_sum(mean) / length;
    }
    for (int i = threadIdx.x; there && i < length; i += blockDim.x) {
        R part = to_real(x[start + i]) - mean;
        square += part * part;
    }
#endif
    R rstd = rsqrt_of(group_sum(square) / length + eps);
    if (!there) return;
    if (!threadIdx.x) {
        if (CENTERED) means[row] = mean;
        rstds[row] = rstd;
    }
#if K
#pragma unroll
    for (int k = 0; k < K; ++k) {
        int at = (k * blockDim.x + threadIdx.x) * V;
        if (at >= length) continue;
        R factor[V], offset[V];
        take(factor, weight, at, R(1)), take(offset, bias, at, R(0));
#pragma unroll
        for (int i = 0; i < V; ++i)
            packs[k].at[i] = from_real<T>((to_real(packs[k].at[i]) - mean) * rstd * factor[i] + offset[i]);
        store(y + start + at, packs[k]);
    }
#else
    for (int i = threadIdx.x; i < length; i += blockDim.x)
        y[start + i] = from_real<T>((to_real(x[start + i]) - mean) * rstd * weight_at(weight, i) + bias_at(bias, i));
#endif
}
