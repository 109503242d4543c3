// An optimizer's step for all parameters in one launch: each element's arrays are read and written once.
#include "common.cuh"
#include "tensors.cuh"
#include "philox.cuh"
#include "optimizer_rules.cuh"

#define THREADS 256

struct Numbers {
    R at[12];
};

template <class T> struct alignas(4 * sizeof(T)) Four {
    T at[4];
};

template <class T> __device__ __forceinline__ void take(R (&values)[4], const T* from, bool whole, int count) {
    if (whole) {
        Four<T> four = *(const Four<T>*)from;
        for (int i = 0; i < 4; ++i) values[i] = (R)to_real(four.at[i]);
    } else {
        for (int i = 0; i < 4; ++i) values[i] = i < count ? (R)to_real(from[i]) : R(0);
    }
}

template <class T> __device__ __forceinline__ void put(T* to, const R (&values)[4], bool whole, int count) {
    if (whole) {
        Four<T> four;
        for (int i = 0; i < 4; ++i) four.at[i] = from_real<T>(values[i]);
        *(Four<T>*)to = four;
    } else {
        for (int i = 0; i < count; ++i) to[i] = from_real<T>(values[i]);
    }
}

// A number rounded to bfloat16, up with the probability of what is cut off: its expectation is the number.
__device__ __forceinline__ __nv_bfloat16 rounded_by(float x, unsigned int bits16) {
    unsigned int bits = __float_as_uint(x);
    if ((bits & 0x7f800000u) == 0x7f800000u) return from_real<__nv_bfloat16>(x);
    return __ushort_as_bfloat16((unsigned short)((bits + bits16) >> 16));
}

// The arrays of a row: parameter, gradient, STATES of state, and if COPIED what takes the parameter in 16 bits.
// The chunk c of a launch draws its random numbers from blocks first + 512 c on.
extern "C" __global__ void __launch_bounds__(THREADS) step(
    const __grid_constant__ Table table, const __grid_constant__ Numbers numbers, const int rows,
    const unsigned long long seed, const unsigned long long first) {
    Span span = span_of(table, rows, blockIdx.x);
    P* parameter = (P*)span.row[0];
    const G* gradient = (const G*)span.row[1];
    bool whole = aligned(span, 4 * WIDEST);
    for (long long at = span.start + 4 * threadIdx.x; at < span.stop; at += 4 * THREADS) {
        int count = (int)min(span.stop - at, 4LL);
        bool full = whole && count == 4;
        R p[4], g[4], state[STATES ? STATES : 1][4];
        take(p, parameter + at, full, count);
        take(g, gradient + at, full, count);
        for (int i = 0; i < STATES; ++i) take(state[i], (const S*)span.row[2 + i] + at, full, count);
        for (int i = 0; i < 4; ++i) {
            R own[STATES ? STATES : 1];
            for (int j = 0; j < STATES; ++j) own[j] = state[j][i];
            RULE<STATES>(p[i], g[i], own, numbers.at);
            for (int j = 0; j < STATES; ++j) state[j][i] = own[j];
        }
        for (int i = 0; i < STATES; ++i) put((S*)span.row[2 + i] + at, state[i], full, count);
#if COPIED
        put((C*)span.row[2 + STATES] + at, p, full, count);
#endif
#if DRAWN
        unsigned int words[4];
        long long within = (at - span.start) / 4;
        philox_words(words, seed, first + blockIdx.x * (CHUNK / 8ULL) + within / 2);
        for (int i = 0; i < 4; ++i) {
            unsigned int word = words[within % 2 * 2 + i / 2];
            if (i < count) parameter[at + i] = rounded_by(p[i], i % 2 ? word >> 16 : word & 0xffffu);
        }
#else
        put(parameter + at, p, full, count);
#endif
    }
}
