// An activation or its gradient over memory without gaps, 16 bytes at a time.
#include "common.cuh"
#include "activation_functions.cuh"

#define THREADS 256
#define EACH (16 / (int)sizeof(T))
#define JOINED(A, B) A##B
#define NAMED(A, B) JOINED(A, B)

struct alignas(16) Some {
    T at[EACH];
};

extern "C" __global__ void __launch_bounds__(THREADS)
forward(const T* x, T* y, const long long count, const R a, const R b, const R c) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (at + EACH <= count) {
        Some some = *(const Some*)(x + at);
        for (int i = 0; i < EACH; ++i) some.at[i] = from_real<T>(NAMED(f_, KIND)((R)to_real(some.at[i]), a, b, c));
        *(Some*)(y + at) = some;
    } else {
        for (; at < count; ++at) y[at] = from_real<T>(NAMED(f_, KIND)((R)to_real(x[at]), a, b, c));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
backward(const T* g, const T* v, T* gx, const long long count, const R a, const R b, const R c) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (at + EACH <= count) {
        Some some = *(const Some*)(g + at), other = *(const Some*)(v + at);
        for (int i = 0; i < EACH; ++i)
            some.at[i] = from_real<T>(NAMED(d_, KIND)((R)to_real(some.at[i]), (R)to_real(other.at[i]), a, b, c));
        *(Some*)(gx + at) = some;
    } else {
        for (; at < count; ++at)
            gx[at] = from_real<T>(NAMED(d_, KIND)((R)to_real(g[at]), (R)to_real(v[at]), a, b, c));
    }
}
