// The optimizers' elementwise rules, as generic/update_rules.py has them: p and the state s are changed in place.
//
// R is float, or double for double parameters. n holds the rule's numbers in the order of optimizer.py's table; those
// that are the same for all elements, such as 1 - beta, are computed there, in double.
#pragma once

template <class R> __device__ __forceinline__ R size_of(R x) { return x < 0 ? -x : x; }

template <class R> __device__ __forceinline__ void average(R& m, R g, R rest) { m += (g - m) * rest; }
template <class R> __device__ __forceinline__ void average_square(R& v, R g, R beta, R rest) {
    v = v * beta + g * g * rest;
}

// n: maximize (1 or -1), weight decay
template <class R> __device__ __forceinline__ R descent(R p, R g, const R* n) { return g * n[0] + p * n[1]; }

// The penalty is left out where it is 0, since 0 times a parameter that is not finite is a nan.
#define DESCENT n[1] != 0 ? descent(p, g, n) : g * n[0]

// n: ..., lr, momentum, 1 - dampening, nesterov
template <int COUNT, class R> __device__ __forceinline__ void sgd(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    if constexpr (COUNT > 0) {
        s[0] = s[0] * n[3] + g * n[4];
        g = n[5] != 0 ? g + s[0] * n[3] : s[0];
    }
    p -= g * n[2];
}

// n: ..., 1 - beta1, beta2, 1 - beta2, rate * correction, eps * correction, decay
template <int COUNT, class R> __device__ __forceinline__ void adam(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    average(s[0], g, n[2]);
    average_square(s[1], g, n[3], n[4]);
    R v = s[1];
    if constexpr (COUNT == 3) v = s[2] = greater_of(s[2], v);
    p = p * n[7] - s[0] / (sqrt_of(v) + n[6]) * n[5];
}

// n: ..., lr, alpha, 1 - alpha, eps, centered, momentum
template <int COUNT, class R> __device__ __forceinline__ void rmsprop(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    average_square(s[0], g, n[3], n[4]);
    R v = s[0];
    if constexpr (COUNT > 1) {
        if (n[6] != 0) {
            average(s[1], g, n[4]);
            v -= s[1] * s[1];
        }
    }
    R update = g / (sqrt_of(v) + n[5]);
    if constexpr (COUNT > 1) {
        if (n[7] > 0) update = s[COUNT - 1] = s[COUNT - 1] * n[7] + update;
    }
    p -= update * n[2];
}

// n: ..., rate, eps
template <int COUNT, class R> __device__ __forceinline__ void adagrad(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    s[0] += g * g;
    p -= g / (sqrt_of(s[0]) + n[3]) * n[2];
}

// n: ..., lr, rho, 1 - rho, eps
template <int COUNT, class R> __device__ __forceinline__ void adadelta(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    average_square(s[0], g, n[3], n[4]);
    R change = sqrt_of(s[1] + n[5]) / sqrt_of(s[0] + n[5]) * g;
    average_square(s[1], change, n[3], n[4]);
    p -= change * n[2];
}

// n: ..., 1 - beta1, beta2, 1 - beta2, rate_gradient, rate_mean, 1 / correction, eps, decay
template <int COUNT, class R> __device__ __forceinline__ void nadam(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    average(s[0], g, n[2]);
    average_square(s[1], g, n[3], n[4]);
    p = p * n[9] - (g * n[5] + s[0] * n[6]) / (sqrt_of(s[1]) * n[7] + n[8]);
}

// n: ..., 1 - beta1, beta2, 1 - beta2, rate, rate * rectified (0 while that is not known), eps, decay
template <int COUNT, class R> __device__ __forceinline__ void radam(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    average(s[0], g, n[2]);
    average_square(s[1], g, n[3], n[4]);
    p = p * n[8] - (n[6] == 0 ? s[0] * n[5] : s[0] / (sqrt_of(s[1]) + n[7]) * n[6]);
}

// n: ..., 1 - beta1, beta2, rate, eps
template <int COUNT, class R> __device__ __forceinline__ void adamax(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    average(s[0], g, n[2]);
    s[1] = greater_of(s[1] * n[3], size_of(g) + n[5]);
    p -= s[0] / s[1] * n[4];
}

// n: ..., eta, mu, 1 - lambd eta
template <int COUNT, class R> __device__ __forceinline__ void asgd(R& p, R g, R* s, const R* n) {
    g = DESCENT;
    p = p * n[4] - g * n[2];
    s[0] = n[3] == 1 ? p : s[0] + (p - s[0]) * n[3];
}

// n: ..., shrink, grow, smallest, largest; there is no weight decay
template <int COUNT, class R> __device__ __forceinline__ void rprop(R& p, R g, R* s, const R* n) {
    g = g * n[0];
    R agreement = g * s[0], size = s[1];
    size = agreement > 0 ? size * n[3] : agreement < 0 ? size * n[2] : size;
    s[1] = size = size > n[5] ? n[5] : size < n[4] ? n[4] : size;
    s[0] = agreement < 0 ? R(0) : g;
    p -= sign_of(s[0]) * size;
}

// n: ..., lr, beta1, 1 - beta1, 1 - beta2, decay; the weight decay is all in the last
template <int COUNT, class R> __device__ __forceinline__ void lion(R& p, R g, R* s, const R* n) {
    g = g * n[0];
    p = p * n[6] - sign_of(s[0] * n[3] + g * n[4]) * n[2];
    average(s[0], g, n[5]);
}
