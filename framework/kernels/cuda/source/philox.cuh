// Philox 4x64-10: words 4b to 4b + 3 of the stream of a key, as numpy.random.Philox(key=key).random_raw draws them.
// Reference: Salmon et al., 2011, https://doi.org/10.1145/2063384.2063405
#pragma once

__device__ __forceinline__ void philox_words(unsigned long long (&words)[4], unsigned long long key,
                                             unsigned long long block, unsigned long long key_high = 0,
                                             unsigned long long lane = 0) {
    unsigned long long c0 = block + 1;  // NumPy counts before it draws
    unsigned long long c1 = lane, c2 = 0, c3 = 0, k0 = key, k1 = key_high;
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        unsigned long long low0 = 0xD2E7470EE14C6C93ull * c0, high0 = __umul64hi(0xD2E7470EE14C6C93ull, c0);
        unsigned long long low1 = 0xCA5A826395121157ull * c2, high1 = __umul64hi(0xCA5A826395121157ull, c2);
        c0 = high1 ^ c1 ^ k0, c1 = low1, c2 = high0 ^ c3 ^ k1, c3 = low0;
        k0 += 0x9E3779B97F4A7C15ull, k1 += 0xBB67AE8584CAA73Bull;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

// Sixteen random bits of a block: bits 0 to 15 of its first word, then 16 to 31, and so on.
__device__ __forceinline__ unsigned int philox_bits16(const unsigned long long (&words)[4], int which) {
    return (unsigned int)(words[which / 4] >> which % 4 * 16) & 0xffffu;
}
