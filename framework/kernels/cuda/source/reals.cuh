// Functions of float and double under one name each, beside those of common.cuh.
#pragma once

#define IN_BOTH(NAME)                                                              \
    __device__ __forceinline__ float NAME##_of(float x) { return NAME##f(x); }     \
    __device__ __forceinline__ double NAME##_of(double x) { return NAME(x); }
IN_BOTH(sqrt) IN_BOTH(tanh) IN_BOTH(erf) IN_BOTH(expm1) IN_BOTH(log1p) IN_BOTH(floor) IN_BOTH(ceil) IN_BOTH(rint)
#undef IN_BOTH

template <class R> __device__ __forceinline__ R logistic(R x) { return R(1) / (R(1) + exp_of(-x)); }

// NumPy's maximum, minimum and sign: a nan stays one.
template <class R> __device__ __forceinline__ R greater_of(R a, R b) { return a >= b || a != a ? a : b; }
template <class R> __device__ __forceinline__ R lesser_of(R a, R b) { return a <= b || a != a ? a : b; }
template <class R> __device__ __forceinline__ R sign_of(R x) { return x > 0 ? R(1) : x < 0 ? R(-1) : x; }
