// Dropout: sixteen random bits an element, from the same places of the stream as on the CPU.
//
// A thread draws a block of four words, the bits of sixteen neighbours. The elements of a warp are then read and written
// V at a time, neighbours by neighbouring lanes, each lane asking the one that drew for the bits. A draw starts at any
// word: its first element is number 4 * (first % 4) of its first block.
// compiled with: T=float V=1,4 | T=double V=1,2 | T=__half,__nv_bfloat16 V=1,4,8
#include "common.cuh"
#include "philox.cuh"

#define THREADS 256
#define EACH 16

typedef unsigned long long Word;
typedef typename Real<T>::type R;

__device__ __forceinline__ unsigned int kept_of(Word key, Word key_high, Word first, unsigned int limit) {
    Word words[4];
    philox_words(words, key, first / 4 + (Word)blockIdx.x * THREADS + threadIdx.x, key_high);
    unsigned int kept = 0;
#pragma unroll
    for (int i = 0; i < EACH; ++i) kept |= (unsigned int)(philox_bits16(words, i) >= limit) << i;
    return kept;
}

extern "C" __global__ void __launch_bounds__(THREADS)
keep(bool* mask, const long long count, const unsigned int limit, const Word key, const Word key_high,
     const Word first) {
    unsigned int kept = kept_of(key, key_high, first, limit);
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * EACH - (long long)(first % 4) * 4;
#pragma unroll
    for (int part = 0; part < EACH; part += 4, at += 4) {
        Pack<bool, 4> flags;
        for (int i = 0; i < 4; ++i) flags.at[i] = kept >> (part + i) & 1u;
        if (at >= 0 && at + 4 <= count) {
            store(mask + at, flags);
        } else if (at >= 0) {
            for (int i = 0; i < 4 && at + i < count; ++i) mask[at + i] = flags.at[i];
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
drop(T* y, const T* x, bool* mask, const long long count, const R factor, const unsigned int limit, const Word key,
     const Word key_high, const Word first) {
    unsigned int kept = kept_of(key, key_high, first, limit);
    int lane = threadIdx.x % 32;
    long long start = ((long long)blockIdx.x * THREADS + threadIdx.x - lane) * EACH - (long long)(first % 4) * 4;
#pragma unroll 4
    for (int i = 0; i < EACH / V; ++i) {
        int chunk = (i * 32 + lane) * V;  // of the warp's elements
        unsigned int bits = __shfl_sync(ALL_LANES, kept, chunk / EACH) >> chunk % EACH;
        long long at = start + chunk;
        if (at < 0 || at + V > count) {  // a first or last part of V elements
            for (int j = 0; j < V; ++j)
                if (at + j >= 0 && at + j < count) {
                    y[at + j] = from_real<T>(to_real(x[at + j]) * (R)(bits >> j & 1u) * factor);
                    mask[at + j] = bits >> j & 1u;
                }
            continue;
        }
        Pack<T, V> values = load<V>(x + at);
        Pack<bool, V> flags;
#pragma unroll
        for (int j = 0; j < V; ++j) {
            flags.at[j] = bits >> j & 1u;
            values.at[j] = from_real<T>(to_real(values.at[j]) * (R)flags.at[j] * factor);
        }
        store(y + at, values);
        store(mask + at, flags);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
apply(T* y, const T* x, const bool* mask, const long long count, const R factor) {
    long long at = ((long long)blockIdx.x * THREADS + threadIdx.x) * V;
    if (at + V <= count) {
        Pack<T, V> values = load<V>(x + at);
        Pack<bool, V> flags = load<V>(mask + at);
#pragma unroll
        for (int j = 0; j < V; ++j) values.at[j] = from_real<T>(to_real(values.at[j]) * (R)flags.at[j] * factor);
        store(y + at, values);
    } else {
        for (; at < count; ++at) y[at] = from_real<T>(to_real(x[at]) * (R)mask[at] * factor);
    }
}

// A flag for each sample and channel. `inner` is how far the channels lie apart, and `sample` how far the samples.
extern "C" __global__ void __launch_bounds__(THREADS)
apply_channels(T* y, const T* x, const bool* mask, const long long count, const R factor, const long long sample,
               const long long inner, const long long channels) {
    long long at = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    bool flag = mask[at / sample * channels + at / inner % channels];
    y[at] = from_real<T>(to_real(x[at]) * (R)flag * factor);
}
