// The activations and their derivatives, as generic/activation.py has them. R is float or double; a, b and c are an
// activation's numbers, in its order. f_name(x, ...) is the value, d_name(g, v, ...) the gradient, where v is what the
// generic kernel is given: the input, or the output of relu, hardtanh, sigmoid and tanh.
#pragma once

#define SQRT_HALF R(0.70710678118654752440)
#define SQRT_2_OVER_PI R(0.79788456080286535588)
#define CUBIC R(0.044715)

#define VALUE(NAME) __device__ __forceinline__ R f_##NAME(R x, R a, R b, R c)
#define SLOPE(NAME) __device__ __forceinline__ R d_##NAME(R g, R v, R a, R b, R c)


VALUE(exp) { return exp_of(x); }
SLOPE(exp) { return g * v; }

VALUE(sigmoid) { return logistic(x); }
SLOPE(sigmoid) { return g * ((1 - v) * v); }

VALUE(tanh) { return tanh_of(x); }
SLOPE(tanh) { return g * (1 - v * v); }

VALUE(relu) { return greater_of(x, R(0)); }
SLOPE(relu) { return v <= 0 ? R(0) : g; }

VALUE(hardtanh) { return lesser_of(greater_of(x, a), b); }
SLOPE(hardtanh) { return v > a && v < b ? g : R(0); }

VALUE(threshold) { return x <= a ? b : x; }
SLOPE(threshold) { return v <= a ? R(0) : g; }

VALUE(leaky_relu) { return x > 0 ? x : x * a; }
SLOPE(leaky_relu) { return v > 0 ? g : g * a; }

VALUE(gelu) {
    R t = a != 0 ? tanh_of(SQRT_2_OVER_PI * (x + CUBIC * x * x * x)) : erf_of(x * SQRT_HALF);
    return R(0.5) * x * (1 + t);
}
SLOPE(gelu) {
    R square = v * v, t, slope;
    if (a != 0) {
        t = tanh_of(SQRT_2_OVER_PI * (v + CUBIC * square * v));
        slope = SQRT_2_OVER_PI * (1 + 3 * CUBIC * square) * v * (1 - t * t);
    } else {
        t = erf_of(v * SQRT_HALF);
        slope = SQRT_2_OVER_PI * v * exp_of(R(-0.5) * square);
    }
    return R(0.5) * (1 + t + slope) * g;
}

VALUE(silu) { return x / (1 + exp_of(-x)); }
SLOPE(silu) {
    R s = logistic(v);
    return ((1 - s) * v + 1) * s * g;
}

__device__ __forceinline__ R tanh_softplus(R x) {
    R e = exp_of(lesser_of(x, R(20))), n = e * (e + 2);  // beyond 20 the quotient is 1 in double too
    return n / (n + 2);
}
VALUE(mish) { return x * tanh_softplus(x); }
SLOPE(mish) {
    R t = tanh_softplus(v);
    return g * (t + v * logistic(v) * (1 - t * t));
}

// a: alpha, b: scale, c: input scale
VALUE(elu) { return x > 0 ? b * x : b * a * expm1_of(c * x); }
SLOPE(elu) { return g * (v > 0 ? b : b * a * c * exp_of(c * v)); }

VALUE(hardsigmoid) { return lesser_of(greater_of(x + 3, R(0)), R(6)) / 6; }
SLOPE(hardsigmoid) { return v > -3 && v < 3 ? g / 6 : R(0); }

VALUE(hardswish) { return lesser_of(greater_of(x + 3, R(0)), R(6)) * x / 6; }
SLOPE(hardswish) { return v <= -3 ? R(0) : v >= 3 ? g : g * (v / 3 + R(0.5)); }

// a: beta, b: threshold
VALUE(softplus) {
    R z = x * a;
    return z > b ? x : log1p_of(exp_of(z)) / a;
}
SLOPE(softplus) {
    R z = v * a;
    return z > b ? g : g * logistic(z);
}

VALUE(logsigmoid) { return lesser_of(x, R(0)) - log1p_of(exp_of(x < 0 ? x : -x)); }
SLOPE(logsigmoid) { return g * logistic(-v); }

VALUE(hardshrink) { return x >= -a && x <= a ? R(0) : x; }
SLOPE(hardshrink) { return v < -a || v > a ? g : R(0); }

VALUE(softshrink) { return x > a ? x - a : x < -a ? x + a : x * 0; }
SLOPE(softshrink) { return d_hardshrink(g, v, a, b, c); }
