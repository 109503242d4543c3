// CUDA's 16-bit floating-point and vector types for g++. Included by host_cuda.h.
#pragma once

inline unsigned host_bits_of(float x) { unsigned u; std::memcpy(&u, &x, 4); return u; }
inline float host_float_of(unsigned u) { float x; std::memcpy(&x, &u, 4); return x; }

inline unsigned short host_to_half(float x) {  // round to nearest, ties to even
    unsigned u = host_bits_of(x), sign = u >> 16 & 0x8000u;
    u &= 0x7fffffffu;
    if (u > 0x7f800000u) return (unsigned short)(0x7fffu);  // a nan, as CUDA gives it
    if (u >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);
    if (u < 0x38800000u) {  // a subnormal number: a whole number of 2**-24
        float whole = host_float_of(u) * 16777216.0f;  // exact
        return (unsigned short)(sign | (unsigned)std::nearbyintf(whole));
    }
    unsigned rounded = u + 0xfffu + (u >> 13 & 1u) - 0x38000000u;
    return (unsigned short)(sign | rounded >> 13);
}
inline unsigned short host_double_to_half(double x) {  // through a float that is rounded to odd: once in effect
    float f = (float)x;
    unsigned u = host_bits_of(f);
    if (std::isfinite(f) && (double)f != x && !(u & 1u)) u += ((double)f < x) == (x > 0) ? 1u : -1u;
    return host_to_half(host_float_of(u));
}
inline float host_from_half(unsigned short h) {
    unsigned sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31u, fraction = h & 0x3ffu;
    if (exponent == 31) return host_float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent) return host_float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float small = (float)fraction / 16777216.0f;
    return sign ? -small : small;
}
inline unsigned short host_to_bfloat(float x) {
    unsigned u = host_bits_of(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
    return (unsigned short)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}
inline unsigned short host_double_to_bfloat(double x) {
    float f = (float)x;
    unsigned u = host_bits_of(f);
    if (std::isfinite(f) && (double)f != x && !(u & 1u)) u += ((double)f < x) == (x > 0) ? 1u : -1u;
    return host_to_bfloat(host_float_of(u));
}
inline float host_from_bfloat(unsigned short b) { return host_float_of((unsigned)b << 16); }

#define HOST_HALF(NAME, PAIR, TO, DOUBLE_TO, FROM)                                                      \
    struct NAME {                                                                                       \
        unsigned short bits;                                                                            \
        NAME() = default;                                                                               \
        NAME(float x) : bits(TO(x)) {}                                                                  \
        NAME(double x) : bits(DOUBLE_TO(x)) {}                                                          \
        NAME(int x) : bits(TO((float)x)) {}                                                             \
        operator float() const { return FROM(bits); }                                                   \
    };                                                                                                  \
    inline NAME operator+(NAME a, NAME b) { return NAME((float)a + (float)b); }                         \
    inline NAME operator-(NAME a, NAME b) { return NAME((float)a - (float)b); }                         \
    inline NAME operator*(NAME a, NAME b) { return NAME((float)a * (float)b); }                         \
    inline NAME operator/(NAME a, NAME b) { return NAME((float)a / (float)b); }                         \
    inline NAME operator-(NAME a) { a.bits ^= 0x8000u; return a; }                                      \
    inline NAME& operator+=(NAME& a, NAME b) { return a = a + b; }                                      \
    inline NAME& operator-=(NAME& a, NAME b) { return a = a - b; }                                      \
    inline NAME& operator*=(NAME& a, NAME b) { return a = a * b; }                                      \
    inline bool operator==(NAME a, NAME b) { return (float)a == (float)b; }                             \
    inline bool operator!=(NAME a, NAME b) { return (float)a != (float)b; }                             \
    inline bool operator<(NAME a, NAME b) { return (float)a < (float)b; }                               \
    inline bool operator>(NAME a, NAME b) { return (float)a > (float)b; }                               \
    inline bool operator<=(NAME a, NAME b) { return (float)a <= (float)b; }                             \
    inline bool operator>=(NAME a, NAME b) { return (float)a >= (float)b; }                             \
    struct alignas(4) PAIR { NAME x, y; };                                                              \
    inline NAME __hadd(NAME a, NAME b) { return a + b; }                                                \
    inline NAME __hsub(NAME a, NAME b) { return a - b; }                                                \
    inline NAME __hmul(NAME a, NAME b) { return a * b; }                                                \
    inline NAME __hmax(NAME a, NAME b) { return NAME(std::fmax((float)a, (float)b)); }                  \
    inline NAME __hmin(NAME a, NAME b) { return NAME(std::fmin((float)a, (float)b)); }                  \
    inline bool __hgt(NAME a, NAME b) { return a > b; }                                                 \
    inline bool __hlt(NAME a, NAME b) { return a < b; }                                                 \
    inline bool __hisnan(NAME a) { return std::isnan((float)a); }                                       \
    inline NAME __low2##NAME(PAIR p) { return p.x; }                                                    \
    inline NAME __high2##NAME(PAIR p) { return p.y; }

HOST_HALF(__half, __half2, host_to_half, host_double_to_half, host_from_half)
HOST_HALF(__nv_bfloat16, __nv_bfloat162, host_to_bfloat, host_double_to_bfloat, host_from_bfloat)
typedef __half half;
typedef __half2 half2;
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

struct alignas(8) float2 { float x, y; };
inline float __half2float(__half h) { return h; }
inline __half __float2half(float x) { return x; }
inline __half __float2half_rn(float x) { return x; }
inline __half __double2half(double x) { return x; }
inline float2 __half22float2(__half2 p) { return {p.x, p.y}; }
inline __half2 __float22half2_rn(float2 p) { return {__half(p.x), __half(p.y)}; }
inline __half2 __floats2half2_rn(float x, float y) { return {__half(x), __half(y)}; }
inline unsigned short __half_as_ushort(__half h) { return h.bits; }
inline __half __ushort_as_half(unsigned short u) { __half h; h.bits = u; return h; }
inline float __bfloat162float(__nv_bfloat16 b) { return b; }
inline __nv_bfloat16 __float2bfloat16(float x) { return x; }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return x; }
inline __nv_bfloat16 __double2bfloat16(double x) { return x; }
inline float2 __bfloat1622float2(__nv_bfloat162 p) { return {p.x, p.y}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 p) { return {__nv_bfloat16(p.x), __nv_bfloat16(p.y)}; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {__nv_bfloat16(x), __nv_bfloat16(y)}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 b) { return b.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) { __nv_bfloat16 b; b.bits = u; return b; }

#define HOST_VECTORS(NAME, T, LIMIT)                                                                        \
    struct alignas(sizeof(T)) NAME##1 { T x; };                                                             \
    struct alignas(sizeof(T)) NAME##3 { T x, y, z; };                                                       \
    struct alignas(sizeof(T) * 4 > LIMIT ? LIMIT : sizeof(T) * 4) NAME##4 { T x, y, z, w; };                \
    inline NAME##1 make_##NAME##1(T x) { return {x}; }                                                      \
    inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }                                              \
    inline NAME##3 make_##NAME##3(T x, T y, T z) { return {x, y, z}; }                                      \
    inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define HOST_PAIR(NAME, T) struct alignas(sizeof(T) * 2) NAME##2 { T x, y; };
HOST_PAIR(double, double) HOST_PAIR(char, signed char) HOST_PAIR(uchar, unsigned char) HOST_PAIR(short, short)
HOST_PAIR(ushort, unsigned short) HOST_PAIR(int, int) HOST_PAIR(uint, unsigned int)
HOST_PAIR(longlong, long long) HOST_PAIR(ulonglong, unsigned long long)
HOST_VECTORS(float, float, 16) HOST_VECTORS(double, double, 16) HOST_VECTORS(char, signed char, 16)
HOST_VECTORS(uchar, unsigned char, 16) HOST_VECTORS(short, short, 16) HOST_VECTORS(ushort, unsigned short, 16)
HOST_VECTORS(int, int, 16) HOST_VECTORS(uint, unsigned int, 16) HOST_VECTORS(longlong, long long, 16)
HOST_VECTORS(ulonglong, unsigned long long, 16)

struct dim3 {
    unsigned int x, y, z;
    dim3(unsigned int x = 1, unsigned int y = 1, unsigned int z = 1) : x(x), y(y), z(z) {}
};
