// Softmax, log-softmax (LOG), and their gradients.
// compiled with: T=float P=float V=1,4 K=0,1,4 LOG=0,1 | T=double P=double V=1,2 K=0,4 LOG=0,1 | T=__half P=__half V=1,8 K=0,4 LOG=0 | T=__nv_bfloat16 P=__nv_bfloat16 V=1,8 K=0,1,4 LOG=0,1
#include "common.cuh"
#include "softmax_rows.cuh"

extern "C" __global__ void __launch_bounds__(ROW_THREADS)
softmax(P* y, const T* x, const long long rows, const int length) {
    long long row = row_number();
    whole_row(x + row * length, y + row * length, length, row < rows);
}

// From the gradient and the result: softmax's is y * (g - sum(g * y)), log-softmax's g - exp(y) * sum(g).
__device__ __forceinline__ R slope(R g, R y, R total) { return LOG ? g - exp_of(y) * total : y * (g - total); }

extern "C" __global__ void __launch_bounds__(ROW_THREADS)
softmax_gradient(T* d, const T* g, const T* y, const long long rows, const int length) {
    long long row = row_number(), start = row * length;
    bool there = row < rows;
    R total = 0;
#if K
    Pack<T, V> slopes[K], values[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
        int at = (k * blockDim.x + threadIdx.x) * V;
        if (!there || at >= length) continue;
        slopes[k] = load<V>(g + start + at), values[k] = load<V>(y + start + at);
#pragma unroll
        for (int i = 0; i < V; ++i) total += to_real(slopes[k].at[i]) * (LOG ? R(1) : (R)to_real(values[k].at[i]));
    }
    total = group_sum(total);
#pragma unroll
    for (int k = 0; k < K; ++k) {
        int at = (k * blockDim.x + threadIdx.x) * V;
        if (!there || at >= length) continue;
        Pack<T, V> out;
#pragma unroll
        for (int i = 0; i < V; ++i)
            out.at[i] = from_real<T>(slope(to_real(slopes[k].at[i]), to_real(values[k].at[i]), total));
        store(d + start + at, out);
    }
#else
    const T *gradient = g + start, *value = y + start;
    auto product = [&](T a, T b) { return (R)to_real(a) * (LOG ? R(1) : (R)to_real(b)); };
    if (there)
        sweep(
            gradient, length,
            [&](int at) {
                Pack<T, V> a = load<V>(gradient + at), b = load<V>(value + at);
#pragma unroll
                for (int i = 0; i < V; ++i) total += product(a.at[i], b.at[i]);
            },
            [&](int at) { total += product(gradient[at], value[at]); });
    total = group_sum(total);
    if (there)
        sweep(
            gradient, length,
            [&](int at) {
                Pack<T, V> a = load<V>(gradient + at), b = load<V>(value + at);
#pragma unroll
                for (int i = 0; i < V; ++i) a.at[i] = from_real<T>(slope(to_real(a.at[i]), to_real(b.at[i]), total));
                store(d + start + at, a);
            },
            [&](int at) { d[start + at] = from_real<T>(slope(to_real(gradient[at]), to_real(value[at]), total)); });
#endif
}

extern "C" __global__ void softmax_columns(P* y, const T* x, const long long outer, const int length,
                                           const long long inner) {
    COLUMN;
    Statistics s = nothing();
    for (int i = 0; i < length; ++i) s.add((R)to_real(x[start + i * inner]));
    R last = last_of(s);
    for (int i = 0; i < length; ++i)
        y[start + i * inner] = from_real<P>(result(to_real(x[start + i * inner]), s, last));
}

extern "C" __global__ void softmax_columns_gradient(T* d, const T* g, const T* y, const long long outer,
                                                    const int length, const long long inner) {
    COLUMN;
    R total = 0;
    for (int i = 0; i < length; ++i) {
        long long at = start + i * inner;
        total += to_real(g[at]) * (LOG ? R(1) : (R)to_real(y[at]));
    }
    for (int i = 0; i < length; ++i) {
        long long at = start + i * inner;
        d[at] = from_real<T>(slope(to_real(g[at]), to_real(y[at]), total));
    }
}
