// An optimizer's step for all parameters in one launch: each element's arrays are read and written once.
// compiled with: RULE=adam STATES=2 P=float G=float,__half,__nv_bfloat16 S=float COPIED=0 DRAWN=0 WORDS=480,4000 | RULE=adam STATES=2,3 P=float G=__nv_bfloat16 S=float COPIED=1 C=__nv_bfloat16 DRAWN=0 WORDS=480 | RULE=adam,nadam STATES=2 P=__nv_bfloat16 G=__nv_bfloat16 S=float COPIED=0 DRAWN=1 WORDS=480 | RULE=sgd STATES=0,1 P=float,__half G=__half S=float COPIED=0 DRAWN=0 WORDS=480 | RULE=nadam,radam,adadelta,adamax,rprop,rmsprop STATES=2 P=float G=float S=float COPIED=0 DRAWN=0 WORDS=480 | RULE=adagrad,asgd,lion,rmsprop,sgd STATES=1 P=float,double G=float S=float COPIED=0 DRAWN=0 WORDS=480 | RULE=rmsprop,adam STATES=3 P=double G=double S=double COPIED=0 DRAWN=0 WORDS=480
#include "common.cuh"

#define ARRAYS (2 + STATES + COPIED)
#define THREADS 256

typedef typename Real<P>::type R;

#include "reals.cuh"
#include "philox.cuh"
#include "tensors.cuh"
#include "optimizer_rules.cuh"

struct Numbers {
    R at[12];
};

// A number rounded to bfloat16, up with the probability of what is cut off: its expectation is the number.
__device__ __forceinline__ __nv_bfloat16 rounded_by(float x, unsigned int bits16) {
    unsigned int bits = __float_as_uint(x);
    if ((bits & 0x7f800000u) == 0x7f800000u) return __float2bfloat16(x);
    return __ushort_as_bfloat16((unsigned short)((bits + bits16) >> 16));
}

// The arrays of a row: parameter, gradient, STATES of state, and if COPIED what takes the parameter in 16 bits.
extern "C" __global__ void __launch_bounds__(THREADS) optimizer_step(
    const __grid_constant__ Table table, const __grid_constant__ Numbers numbers, const int rows,
    const unsigned long long key, const unsigned long long key_high, const unsigned long long first) {
    Span span = span_of(table, rows, blockIdx.x);
    P* parameter = (P*)span.row[0];
    const G* gradient = (const G*)span.row[1];
    const bool whole = aligned(span, sizeof(P) > sizeof(S) ? sizeof(P) : sizeof(S) > sizeof(G) ? sizeof(S) : sizeof(G));
#if DRAWN
    // a word serves four elements; each thread draws a block of four words, which may begin before those of the chunk
    __shared__ unsigned long long words[(THREADS + 1) * 4];
    unsigned long long word = first + span.row[ARRAYS + 2] + span.start / GROUP;
    int before = (int)(word % 4);
    for (int block = threadIdx.x; block <= THREADS; block += THREADS) {
        unsigned long long drawn[4];
        philox_words(drawn, key, word / 4 + block, key_high);
        for (int i = 0; i < 4; ++i) words[block * 4 + i] = drawn[i];
    }
    __syncthreads();
#endif
    for (long long at = span.start + GROUP * threadIdx.x; at < span.stop; at += GROUP * THREADS) {
        int count = (int)min(span.stop - at, (long long)GROUP);
        bool full = whole && count == GROUP;
        R p[GROUP], g[GROUP], state[STATES + 1][GROUP];
        take(p, parameter + at, full, count);
        take(g, gradient + at, full, count);
#pragma unroll
        for (int j = 0; j < STATES; ++j) take(state[j], (const S*)span.row[2 + j] + at, full, count);
#pragma unroll
        for (int i = 0; i < GROUP; ++i) {
            R own[STATES + 1];
#pragma unroll
            for (int j = 0; j < STATES; ++j) own[j] = state[j][i];
            RULE<STATES>(p[i], g[i], own, numbers.at);
#pragma unroll
            for (int j = 0; j < STATES; ++j) state[j][i] = own[j];
        }
#pragma unroll
        for (int j = 0; j < STATES; ++j) put((S*)span.row[2 + j] + at, state[j], full, count);
#if COPIED
        put((C*)span.row[2 + STATES] + at, p, full, count);
#endif
#if DRAWN
        unsigned long long bits = words[before + (at - span.start) / GROUP];
        Pack<P, GROUP> rounded;
#pragma unroll
        for (int i = 0; i < GROUP; ++i) rounded.at[i] = rounded_by(p[i], (unsigned int)(bits >> 16 * i) & 0xffffu);
        if (full) {
            store(parameter + at, rounded);
        } else {
            for (int i = 0; i < count; ++i) parameter[at + i] = rounded.at[i];
        }
#else
        put(parameter + at, p, full, count);
#endif
    }
}
