// What a step of a recurrent net does to its gates once the two products are made. One thread does a unit of a sequence.
// Rows hold the gates side by side, each `width` wide, in PyTorch's order; a gate's place holds its activation after.
// compiled with: T=float,double
#include "common.cuh"
#include "reals.cuh"

typedef T R;

#define THREADS 256
#define UNIT                                                            \
    long long unit = (long long)blockIdx.x * THREADS + threadIdx.x;     \
    if (unit >= count) return;                                          \
    long long row = unit / width, column = unit % width

// gates (n, 4 width), product (n, 4 width): input, forget, cell, output
extern "C" __global__ void __launch_bounds__(THREADS) lstm(
    R* gates, const R* product, const R* before, R* cell, R* tanh_cell, R* hidden, const int width,
    const long long count) {
    UNIT;
    long long at = row * 4 * width + column;
    R in = logistic(gates[at] + product[at]), keep = logistic(gates[at + width] + product[at + width]);
    R made = tanh_of(gates[at + 2 * width] + product[at + 2 * width]);
    R out = logistic(gates[at + 3 * width] + product[at + 3 * width]);
    R c = keep * before[unit] + in * made, t = tanh_of(c);
    gates[at] = in, gates[at + width] = keep, gates[at + 2 * width] = made, gates[at + 3 * width] = out;
    cell[unit] = c, tanh_cell[unit] = t, hidden[unit] = out * t;
}

// from the gradient of the hidden state (of which `more`, if any, is a part) those of the gates and of the cell before
extern "C" __global__ void __launch_bounds__(THREADS) lstm_gradient(
    const R* gates, const R* before, const R* tanh_cell, const R* gradient, const R* more, R* cell, R* found,
    const int width, const long long count) {
    UNIT;
    long long at = row * 4 * width + column;
    R in = gates[at], keep = gates[at + width], made = gates[at + 2 * width], out = gates[at + 3 * width];
    R g = gradient[unit] + (more ? more[unit] : R(0)), t = tanh_cell[unit];
    R c = cell[unit] + g * out * (1 - t * t);
    found[at] = c * made * (in - in * in);
    found[at + width] = c * before[unit] * (keep - keep * keep);
    found[at + 2 * width] = c * in * (1 - made * made);
    found[at + 3 * width] = g * t * (out - out * out);
    cell[unit] = c * keep;
}

// gates (n, 3 width), product (n, 3 width), bias (3 width) or null: reset, update, new
extern "C" __global__ void __launch_bounds__(THREADS) gru(
    R* gates, const R* product, const R* bias, const R* before, R* candidate, R* hidden, const int width,
    const long long count) {
    UNIT;
    long long at = row * 3 * width + column;
    R p[3];
    for (int i = 0; i < 3; ++i) p[i] = product[at + i * width] + (bias ? bias[column + i * width] : R(0));
    R reset = logistic(gates[at] + p[0]), update = logistic(gates[at + width] + p[1]);
    R made = tanh_of(gates[at + 2 * width] + reset * p[2]);
    gates[at] = reset, gates[at + width] = update, gates[at + 2 * width] = made;
    candidate[unit] = p[2];
    hidden[unit] = (before[unit] - made) * update + made;
}

// `gradient` becomes the part of the one of the hidden state before that does not go through the product
extern "C" __global__ void __launch_bounds__(THREADS) gru_gradient(
    const R* gates, const R* before, const R* candidate, R* gradient, const R* more, R* of_input, R* of_product,
    const int width, const long long count) {
    UNIT;
    long long at = row * 3 * width + column;
    R reset = gates[at], update = gates[at + width], made = gates[at + 2 * width];
    R g = gradient[unit] + (more ? more[unit] : R(0));
    R of_made = g * (1 - made * made) * (1 - update);
    R of_update = g * (1 - update) * update * (before[unit] - made);
    R of_reset = of_made * candidate[unit] * (1 - reset) * reset;
    of_input[at] = of_product[at] = of_reset;
    of_input[at + width] = of_product[at + width] = of_update;
    of_input[at + 2 * width] = of_made, of_product[at + 2 * width] = of_made * reset;
    gradient[unit] = g * update;
}

extern "C" __global__ void __launch_bounds__(THREADS)
rnn(const R* gates, const R* product, R* hidden, const bool relu, const long long count) {
    long long unit = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (unit >= count) return;
    R a = gates[unit] + product[unit];
    hidden[unit] = relu ? (a < 0 ? R(0) : a) : tanh_of(a);
}

extern "C" __global__ void __launch_bounds__(THREADS) rnn_gradient(
    const R* hidden, const R* gradient, const R* more, R* found, const bool relu, const long long count) {
    long long unit = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (unit >= count) return;
    R y = hidden[unit], slope = relu ? (y > 0 ? R(1) : R(0)) : 1 - y * y;
    found[unit] = slope * (gradient[unit] + (more ? more[unit] : R(0)));
}
