/* 16-bit floating-point numbers in plain C, which not every compiler has types for. */
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float as_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static inline uint32_t as_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static inline float from_half(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023;
    if (!exponent) return as_float(sign | as_bits(ldexpf((float)fraction, -24)));
    if (exponent == 31) return as_float(sign | 0x7F800000 | fraction << 13);
    return as_float(sign | (exponent + 112) << 23 | fraction << 13);
}

static inline uint16_t to_half(float x) {
    uint32_t bits = as_bits(x), sign = bits >> 16 & 0x8000;
    if (isnan(x)) return 0x7E00;
    if (fabsf(x) >= 65520) return sign | 0x7C00;
    if (fabsf(x) < 6.103515625e-5f) return sign | (uint16_t)lrintf(ldexpf(fabsf(x), 24));
    bits += 0xFFF + (bits >> 13 & 1);
    return sign | ((bits & 0x7FFFFFFF) - (112u << 23)) >> 13;
}

static inline float from_bfloat16(uint16_t b) { return as_float((uint32_t)b << 16); }

static inline uint16_t to_bfloat16(float x) {
    uint32_t bits = as_bits(x);
    return isnan(x) ? 0x7FC0 : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}
