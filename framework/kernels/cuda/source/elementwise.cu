// a OP b over memory without gaps, 16 bytes at a time; the result may be one of the operands.
#include "common.cuh"

#define THREADS 256
#define EACH (16 / (int)sizeof(T))

struct alignas(16) Some {
    T at[EACH];
};

extern "C" __global__ void __launch_bounds__(THREADS)
combine(const T* a, const T* b, T* y, const long long count) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (at + EACH <= count) {
        Some some = *(const Some*)(a + at), other = *(const Some*)(b + at);
        for (int i = 0; i < EACH; ++i)
            some.at[i] = from_real<T>((R)to_real(some.at[i]) OP (R)to_real(other.at[i]));
        *(Some*)(y + at) = some;
    } else {
        for (; at < count; ++at) y[at] = from_real<T>((R)to_real(a[at]) OP (R)to_real(b[at]));
    }
}
