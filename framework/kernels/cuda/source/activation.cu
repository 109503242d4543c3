// An activation or its gradient over memory without gaps, 16 bytes at a time.
// compiled with: T=float,double,__half,__nv_bfloat16 KIND=_gelu,_elu | T=float,__nv_bfloat16 KIND=_exp,_sigmoid,_tanh,_relu,_hardtanh,_threshold,_leaky_relu,_silu,_mish,_hardsigmoid,_hardswish,_softplus,_logsigmoid,_hardshrink,_softshrink
#include "common.cuh"
#include "reals.cuh"

#define THREADS 256
#define EACH (16 / (int)sizeof(T))
#define JOINED(A, B) A##B
#define NAMED(A, B) JOINED(A, B)

typedef typename Real<T>::type R;

#include "activation_functions.cuh"

// Where all begin at 16 bytes a thread does as much at once; else, and at the end, one element after the other.
extern "C" __global__ void __launch_bounds__(THREADS)
forward(const T* x, T* y, const long long count, const R a, const R b, const R c) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (at + EACH <= count && !(((size_t)x | (size_t)y) & 15)) {
        Pack<T, EACH> some = load<EACH>(x + at);
#pragma unroll
        for (int i = 0; i < EACH; ++i) some.at[i] = from_real<T>(NAMED(f, KIND)(to_real(some.at[i]), a, b, c));
        store(y + at, some);
    } else {
        for (long long end = min(at + EACH, count); at < end; ++at)
            y[at] = from_real<T>(NAMED(f, KIND)(to_real(x[at]), a, b, c));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
backward(const T* g, const T* v, T* gx, const long long count, const R a, const R b, const R c) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (at + EACH <= count && !(((size_t)g | (size_t)v | (size_t)gx) & 15)) {
        Pack<T, EACH> some = load<EACH>(g + at), other = load<EACH>(v + at);
#pragma unroll
        for (int i = 0; i < EACH; ++i)
            some.at[i] = from_real<T>(NAMED(d, KIND)(to_real(some.at[i]), to_real(other.at[i]), a, b, c));
        store(gx + at, some);
    } else {
        for (long long end = min(at + EACH, count); at < end; ++at)
            gx[at] = from_real<T>(NAMED(d, KIND)(to_real(g[at]), to_real(v[at]), a, b, c));
    }
}
