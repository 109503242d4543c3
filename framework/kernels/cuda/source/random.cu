// The numbers of a stream as NumPy's generators draw them. A thread draws one block of four words.
//
// A draw takes whole words, from word `first` of the stream on, or halves of words, the low one first. `spare` is a half
// that an earlier draw left over, and goes first; above 32 bits it says that there is none.
#include "common.cuh"
#include "philox.cuh"

#define THREADS 256
#define NO_SPARE 0xffffffffffffffffull

typedef unsigned long long Word;

struct Drawn {
    Word words[4];
    long long first;  // the place of the first of them in the draw; may be below 0
};

__device__ __forceinline__ Drawn drawn(Word key, Word key_high, Word first) {
    Drawn found;
    Word block = first / 4 + (Word)blockIdx.x * THREADS + threadIdx.x;
    philox_words(found.words, key, block, key_high);
    found.first = (long long)(block * 4 - first);
    return found;
}

extern "C" __global__ void __launch_bounds__(THREADS)
words(Word* out, const long long count, const Word key, const Word key_high, const Word first) {
    Drawn found = drawn(key, key_high, first);
    for (int i = 0; i < 4; ++i) {
        long long at = found.first + i;
        if (at >= 0 && at < count) out[at] = found.words[i];
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
uniform_double(double* out, const long long count, const Word key, const Word key_high, const Word first,
               const Word spare) {
    Drawn found = drawn(key, key_high, first);
    for (int i = 0; i < 4; ++i) {
        long long at = found.first + i;
        if (at >= 0 && at < count) out[at] = (double)(found.words[i] >> 11) * (1.0 / 9007199254740992.0);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
uniform_float(float* out, const long long count, const Word key, const Word key_high, const Word first,
              const Word spare) {
    Drawn found = drawn(key, key_high, first);
    int before = spare != NO_SPARE;
    if (before && !blockIdx.x && !threadIdx.x) out[0] = (float)((unsigned int)spare >> 8) * (1.0f / 16777216.0f);
    for (int i = 0; i < 8; ++i) {
        long long word = found.first + i / 2, at = 2 * word + before + i % 2;
        unsigned int half = (unsigned int)(found.words[i / 2] >> i % 2 * 32);
        if (word >= 0 && at < count) out[at] = (float)(half >> 8) * (1.0f / 16777216.0f);
    }
}

// From sixteen bits each, of which a number in [0, 1) keeps the upper ones that it can hold.
template <class T, int BITS>
__device__ __forceinline__ void uniform16(T* out, long long count, Word key, Word key_high, Word first, Word spare) {
    Drawn found = drawn(key, key_high, first);
    int before = spare != NO_SPARE ? 2 : 0;
    if (before && !blockIdx.x && !threadIdx.x)
        for (int i = 0; i < 2 && i < count; ++i)
            out[i] = from_real<T>((float)(((unsigned int)spare >> i * 16 & 0xffffu) >> (16 - BITS)) * (1.0f / (1 << BITS)));
    for (int i = 0; i < 16; ++i) {
        long long word = found.first + i / 4, at = 4 * word + before + i % 4;
        unsigned int bits = philox_bits16(found.words, i) >> (16 - BITS);
        if (word >= 0 && at < count) out[at] = from_real<T>((float)bits * (1.0f / (1 << BITS)));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
uniform_half(__half* out, const long long count, const Word key, const Word key_high, const Word first,
             const Word spare) {
    uniform16<__half, 11>(out, count, key, key_high, first, spare);
}

extern "C" __global__ void __launch_bounds__(THREADS)
uniform_bfloat16(__nv_bfloat16* out, const long long count, const Word key, const Word key_high, const Word first,
                 const Word spare) {
    uniform16<__nv_bfloat16, 8>(out, count, key, key_high, first, spare);
}

// Lemire's method (2019, https://doi.org/10.1145/3230636): the high half of number * span, drawn again where the low
// half is too small for all results to be equally likely. NumPy draws again from the same stream, which would make each
// number depend on all before it; here what is drawn again comes from a stream of its own.
__device__ __forceinline__ Word below32(unsigned int number, unsigned int span, Word key, Word key_high, Word place) {
    if (!span) return number;  // all of 32 bits
    Word product = (Word)number * span;
    if ((unsigned int)product < span) {
        unsigned int least = (0u - span) % span;
        for (Word lane = 1; (unsigned int)product < least; ++lane) {
            Word words[4];
            philox_words(words, key, place, key_high, lane);
            product = (words[0] & 0xffffffffu) * span;
        }
    }
    return product >> 32;
}

__device__ __forceinline__ Word below64(Word number, Word span, Word key, Word key_high, Word place) {
    if (!span) return number;  // all of 64 bits
    Word low = number * span, high = __umul64hi(number, span);
    if (low < span) {
        Word least = (0ull - span) % span;
        for (Word lane = 1; low < least; ++lane) {
            Word words[4];
            philox_words(words, key, place, key_high, lane);
            low = words[0] * span, high = __umul64hi(words[0], span);
        }
    }
    return high;
}

extern "C" __global__ void __launch_bounds__(THREADS)
integers32(Word* out, const long long count, const Word key, const Word key_high, const Word first, const Word spare,
           const Word low, const Word span) {
    Drawn found = drawn(key, key_high, first);
    int before = spare != NO_SPARE;
    if (before && !blockIdx.x && !threadIdx.x)
        out[0] = low + below32((unsigned int)spare, (unsigned int)span, key, key_high, 2 * first - 1);
    for (int i = 0; i < 8; ++i) {
        long long word = found.first + i / 2, at = 2 * word + before + i % 2;
        unsigned int half = (unsigned int)(found.words[i / 2] >> i % 2 * 32);
        if (word >= 0 && at < count)
            out[at] = low + below32(half, (unsigned int)span, key, key_high, 2 * (first + word) + i % 2);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
integers64(Word* out, const long long count, const Word key, const Word key_high, const Word first, const Word spare,
           const Word low, const Word span) {
    Drawn found = drawn(key, key_high, first);
    for (int i = 0; i < 4; ++i) {
        long long at = found.first + i;
        if (at >= 0 && at < count) out[at] = low + below64(found.words[i], span, key, key_high, 2 * (first + at));
    }
}
