// a OP b over memory without gaps, 16 bytes at a time; the result may be one of the operands. Where b is shorter it is
// read again and again: a vector for every row, a number for each, or a vector for all rows of a sample.
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

// One operand is a number, the second unless swapped.
extern "C" __global__ void __launch_bounds__(THREADS)
combine_number(const T* a, const Real<T>::type b, T* y, const long long count, const bool swapped) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH;
    if (at + EACH <= count && !(((size_t)a | (size_t)y) & 15)) {
        Pack<T, EACH> some = load<EACH>(a + at);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            auto x = to_real(some.at[i]);
            some.at[i] = from_real<T>(swapped ? b OP x : x OP b);
        }
        store(y + at, some);
    } else {
        for (long long end = min(at + EACH, count); at < end; ++at) {
            auto x = to_real(a[at]);
            y[at] = from_real<T>(swapped ? b OP x : x OP b);
        }
    }
}

// Each element of b goes with a run of ``repeat`` elements of a. ``length`` such runs are gone through ``again`` times, and
// then the next ``length`` elements of b are.
extern "C" __global__ void __launch_bounds__(THREADS) combine_repeated(
    const T* a, const T* b, T* y, const long long count, const long long repeat, const long long length,
    const long long again, const bool swapped) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH, end = min(at + EACH, count);
    if (at >= count) return;
    long long run = at / repeat, within = at - run * repeat;
    long long turn = run / length, place = run - turn * length;
    long long part = turn / again, left = again - (turn - part * again);
    b += part * length;
    bool whole = at + EACH <= count && !(((size_t)a | (size_t)y) & 15);
    Pack<T, EACH> some;
    if (whole) some = load<EACH>(a + at);
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
        if (at + i >= end) break;
        auto x = to_real(whole ? some.at[i] : a[at + i]), other = to_real(b[place]);
        some.at[i] = from_real<T>(swapped ? other OP x : x OP other);
        if (!whole) y[at + i] = some.at[i];
        if (++within < repeat) continue;
        within = 0;
        if (++place < length) continue;
        place = 0;
        if (--left) continue;
        left = again;
        b += length;
    }
    if (whole) store(y + at, some);
}
