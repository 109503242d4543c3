// What is done to all gradients together: their common length, scaling them by it, and taking a loss's scale off them.
// compiled with: G=float,double,__half,__nv_bfloat16 WORDS=480 | G=float WORDS=4000
#include "common.cuh"

#define ARRAYS 1
#define THREADS 256

typedef typename Real<G>::type R;

#include "reals.cuh"
#include "tensors.cuh"

// The sum of squares of each chunk. Squares are added in pairs of a thread's, a warp's and a block's, as R.
extern "C" __global__ void __launch_bounds__(THREADS)
squares(const __grid_constant__ Table table, R* sums, const int rows) {
    Span span = span_of(table, rows, blockIdx.x);
    const G* gradient = (const G*)span.row[0];
    const bool whole = aligned(span, sizeof(G));
    R total = 0;
    for (long long at = span.start + GROUP * threadIdx.x; at < span.stop; at += GROUP * THREADS) {
        int count = (int)min(span.stop - at, (long long)GROUP);
        R g[GROUP];
        take(g, gradient + at, whole && count == GROUP, count);
        total += (g[0] * g[0] + g[1] * g[1]) + (g[2] * g[2] + g[3] * g[3]);
    }
    total = group_sum(total);
    if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

// The root of the sum of `count` sums, by one block, added up in double.
extern "C" __global__ void __launch_bounds__(1024) root(const R* sums, G* length, const long long count) {
    double total = 0;
    for (long long i = threadIdx.x; i < count; i += 1024) total += sums[i];
    total = group_sum(total);
    if (threadIdx.x == 0) *length = from_real<G>((R)sqrt(total));
}

// Gradients times most / (length + 1e-6), where that is under 1.
extern "C" __global__ void __launch_bounds__(THREADS)
scale(const __grid_constant__ Table table, const G* length, const R most, const int rows) {
    R factor = most / (to_real(*length) + R(1e-6));
    if (factor >= 1) return;
    Span span = span_of(table, rows, blockIdx.x);
    G* gradient = (G*)span.row[0];
    const bool whole = aligned(span, sizeof(G));
    for (long long at = span.start + GROUP * threadIdx.x; at < span.stop; at += GROUP * THREADS) {
        int count = (int)min(span.stop - at, (long long)GROUP);
        R g[GROUP];
        take(g, gradient + at, whole && count == GROUP, count);
#pragma unroll
        for (int i = 0; i < GROUP; ++i) g[i] *= factor;
        put(gradient + at, g, whole && count == GROUP, count);
    }
}

// Gradients times a number; `found` becomes 1 if one of them is infinite or a nan.
extern "C" __global__ void __launch_bounds__(THREADS)
unscale(const __grid_constant__ Table table, const float* inverse, float* found, const int rows) {
    R factor = *inverse;
    Span span = span_of(table, rows, blockIdx.x);
    G* gradient = (G*)span.row[0];
    const bool whole = aligned(span, sizeof(G));
    bool finite = true;
    for (long long at = span.start + GROUP * threadIdx.x; at < span.stop; at += GROUP * THREADS) {
        int count = (int)min(span.stop - at, (long long)GROUP);
        R g[GROUP];
        take(g, gradient + at, whole && count == GROUP, count);
#pragma unroll
        for (int i = 0; i < GROUP; ++i) {
            finite = finite && g[i] - g[i] == 0;
            g[i] *= factor;
        }
        put(gradient + at, g, whole && count == GROUP, count);
    }
    if (!finite) *found = 1;  // whoever writes, writes the same
}
