// The activations and their derivatives, as generic/activation.py has them. R is float or double; a, b and c are an
// activation's numbers, in its order. f_name(x, ...) is the value, d_name(g, v, ...) the gradient, where v is what the
// generic kernel is given: the input, or the output of relu, hardtanh, sigmoid and tanh.
#pragma once

#define SQRT_HALF R(0.70710678118654752440)
#define SQRT_2_OVER_PI R(0.79788456080286535588)
#define CUBIC R(0.044715)

#define VALUE(NAME) __device__ __forceinline__ R f_##NAME(R x, R a, R b, R c)
#define SLOPE(NAME) __device__ __forceinline__ R d_##NAME(R g, R v, R a, R b, R c)

__device__ __forceinline__ R logistic(R x) { return R(1) / (R(1) + EXP(-x)); }
// NumPy's maximum and minimum: a nan stays one
__device__ __forceinline__ R at_least(R x, R low) { return x < low ? low : x; }
__device__ __forceinline__ R at_most(R x, R high) { return x > high ? high : x; }

VALUE(exp) { return EXP(x); }
SLOPE(exp) { return g * v; }

VALUE(sigmoid) { return logistic(x); }
SLOPE(sigmoid) { return g * ((1 - v) * v); }

VALUE(tanh) { return TANH(x); }
SLOPE(tanh) { return g * (1 - v * v); }

VALUE(relu) { return at_least(x, R(0)); }
SLOPE(relu) { return v <= 0 ? R(0) : g; }

VALUE(hardtanh) { return at_most(at_least(x, a), b); }
SLOPE(hardtanh) { return v > a && v < b ? g : R(0); }

VALUE(threshold) { return x <= a ? b : x; }
SLOPE(threshold) { return v <= a ? R(0) : g; }

VALUE(leaky_relu) { return x > 0 ? x : x * a; }
SLOPE(leaky_relu) { return v > 0 ? g : g * a; }

VALUE(gelu) {
    R t = a != 0 ? TANH(SQRT_2_OVER_PI * (x + CUBIC * x * x * x)) : ERF(x * SQRT_HALF);
    return R(0.5) * x * (1 + t);
}
SLOPE(gelu) {
    R square = v * v, t, slope;
    if (a != 0) {
        t = TANH(SQRT_2_OVER_PI * (v + CUBIC * square * v));
        slope = SQRT_2_OVER_PI * (1 + 3 * CUBIC * square) * v * (1 - t * t);
    } else {
        t = ERF(v * SQRT_HALF);
        slope = SQRT_2_OVER_PI * v * EXP(R(-0.5) * square);
    }
    return R(0.5) * (1 + t + slope) * g;
}

VALUE(silu) { return x / (1 + EXP(-x)); }
SLOPE(silu) {
    R s = logistic(v);
    return ((1 - s) * v + 1) * s * g;
}

__device__ __forceinline__ R tanh_softplus(R x) {
    R e = EXP(at_most(x, R(20))), n = e * (e + 2);  // beyond 20 the quotient is 1 in double too
    return n / (n + 2);
}
VALUE(mish) { return x * tanh_softplus(x); }
SLOPE(mish) {
    R t = tanh_softplus(v);
    return g * (t + v * logistic(v) * (1 - t * t));
}

// a: alpha, b: scale, c: input scale
VALUE(elu) { return x > 0 ? b * x : b * a * EXPM1(c * x); }
SLOPE(elu) { return g * (v > 0 ? b : b * a * c * EXP(c * v)); }

VALUE(hardsigmoid) { return at_most(at_least(x + 3, R(0)), R(6)) / 6; }
SLOPE(hardsigmoid) { return v > -3 && v < 3 ? g / 6 : R(0); }

VALUE(hardswish) { return at_most(at_least(x + 3, R(0)), R(6)) * x / 6; }
SLOPE(hardswish) { return v <= -3 ? R(0) : v >= 3 ? g : g * (v / 3 + R(0.5)); }

// a: beta, b: threshold
VALUE(softplus) {
    R z = x * a;
    return z > b ? x : LOG1P(EXP(z)) / a;
}
SLOPE(softplus) {
    R z = v * a;
    return z > b ? g : g * logistic(z);
}

VALUE(logsigmoid) { return at_most(x, R(0)) - LOG1P(EXP(x < 0 ? x : -x)); }
SLOPE(logsigmoid) { return g * logistic(-v); }

VALUE(hardshrink) { return x >= -a && x <= a ? R(0) : x; }
SLOPE(hardshrink) { return v < -a || v > a ? g : R(0); }

VALUE(softshrink) { return x > a ? x - a : x < -a ? x + a : x * 0; }
SLOPE(softshrink) { return d_hardshrink(g, v, a, b, c); }
