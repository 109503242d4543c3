// a OP b over memory without gaps, 16 bytes at a time; the result may be one of the operands. Where b is shorter it is
// read again and again: a vector for every row, or a number for each.
// compiled with: T=float,double,__half,__nv_bfloat16 OP=+,-,*,/
#include "common.cuh"

#define THREADS 256
#define EACH (16 / (int)sizeof(T))

extern "C" __global__ void __launch_bounds__(THREADS)
combine(const T* a, const T* b, T* y, const long long count) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (at + EACH <= count && !(((size_t)a | (size_t)b | (size_t)y) & 15)) {
        Pack<T, EACH> some = load<EACH>(a + at), other = load<EACH>(b + at);
#pragma unroll
        for (int i = 0; i < EACH; ++i) some.at[i] = from_real<T>(to_real(some.at[i]) OP to_real(other.at[i]));
        store(y + at, some);
    } else {
        for (long long end = min(at + EACH, count); at < end; ++at)
            y[at] = from_real<T>(to_real(a[at]) OP to_real(b[at]));
    }
}

// b (length): element i of a goes with b[i / repeat % length].
extern "C" __global__ void __launch_bounds__(THREADS) combine_repeated(
    const T* a, const T* b, T* y, const long long count, const long long repeat, const long long length,
    const bool swapped) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH, end = min(at + EACH, count);
    if (at >= count) return;
    long long place = at / repeat, within = at - place * repeat;
    place %= length;
    bool whole = at + EACH <= count && !(((size_t)a | (size_t)y) & 15);
    Pack<T, EACH> some;
    if (whole) some = load<EACH>(a + at);
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
        if (at + i >= end) break;
        auto x = to_real(whole ? some.at[i] : a[at + i]), other = to_real(b[place]);
        some.at[i] = from_real<T>(swapped ? other OP x : x OP other);
        if (!whole) y[at + i] = some.at[i];
        if (++within == repeat) {
            within = 0;
            if (++place == length) place = 0;
        }
    }
    if (whole) store(y + at, some);
}
