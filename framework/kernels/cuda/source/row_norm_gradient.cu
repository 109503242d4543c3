// The gradients of the norms of row_norm.cu. Blocks take every gridDim.x-th group of rows (with K = 0 one row each), and
// each thread sums its own columns of the gradients of weight and bias on the way, so that both arrays are read once.
// What the blocks have summed is added up by a second launch (columns.cu): the same in each run.
// compiled with: T=float W=float V=4 K=0,1,2 CENTERED=0,1 | T=float W=float V=1 K=1,8 CENTERED=1 | T=double W=double V=2 K=0,1,4 CENTERED=1 | T=__nv_bfloat16 W=float,__nv_bfloat16 V=8 K=0,1 CENTERED=0,1 | T=__nv_bfloat16 W=float V=1 K=1,8 CENTERED=1 | T=__half W=__half V=8 K=1 CENTERED=1
#include "common.cuh"
#include "row_norm.cuh"

#define MOST 512  // threads of a block

// With n = (x - mean) * rstd and h = g * weight: dx = rstd * (h - average of h - n * average of (h * n)).
extern "C" __global__ void __launch_bounds__(MOST)
norm_gradient(T* dx, R* parts, const T* g, const T* x, const R* means, const R* rstds, const W* weight,
              const long long rows, const int length) {
    R sums[2];
#if K
    R dw[K][V] = {}, db[K][V] = {}, factor[K][V];
#pragma unroll
    for (int k = 0; k < K; ++k) {
        int at = (k * blockDim.x + threadIdx.x) * V;
        if (at < length) take(factor[k], weight, at, R(1));
    }
    for (long long first = (long long)blockIdx.x * blockDim.y; first < rows; first += (long long)gridDim.x * blockDim.y) {
        long long row = first + threadIdx.y, start = row * length;
        bool there = row < rows;
        R mean = CENTERED && there ? means[row] : R(0), rstd = there ? rstds[row] : R(0);
        Pack<T, V> slopes[K], values[K];
        sums[0] = sums[1] = 0;
#pragma unroll
        for (int k = 0; k < K; ++k) {
            int at = (k * blockDim.x + threadIdx.x) * V;
            if (!there || at >= length) continue;
            slopes[k] = load<V>(g + start + at), values[k] = load<V>(x + start + at);
#pragma unroll
            for (int i = 0; i < V; ++i) {
                R slope = to_real(slopes[k].at[i]), normal = (to_real(values[k].at[i]) - mean) * rstd;
                db[k][i] += slope, dw[k][i] += slope * normal;
                sums[0] += slope * factor[k][i], sums[1] += slope * factor[k][i] * normal;
            }
        }
        if (!dx) continue;
        group_reduce(sums, Sum(), R(0));
        R even = CENTERED ? sums[0] / length : R(0), along = sums[1] / length;
#pragma unroll
        for (int k = 0; k < K; ++k) {
            int at = (k * blockDim.x + threadIdx.x) * V;
            if (!there || at >= length) continue;
#pragma unroll
            for (int i = 0; i < V; ++i) {
                R normal = (to_real(values[k].at[i]) - mean) * rstd;
                slopes[k].at[i] = from_real<T>(rstd * (to_real(slopes[k].at[i]) * factor[k][i] - even - normal * along));
            }
            store(dx + start + at, slopes[k]);
        }
    }
    if (!parts) return;
    __shared__ R joined[MOST * K * V];
    int self = threadIdx.y * blockDim.x + threadIdx.x, all = blockDim.x * blockDim.y;
#pragma unroll
    for (int which = 0; which < 2; ++which) {
        if (blockDim.y > 1) {
            __syncthreads();
#pragma unroll
            for (int k = 0; k < K; ++k)
#pragma unroll
                for (int i = 0; i < V; ++i) joined[(k * V + i) * all + self] = which ? db[k][i] : dw[k][i];
            __syncthreads();
        }
        if (threadIdx.y) continue;
#pragma unroll
        for (int k = 0; k < K; ++k) {
            int at = (k * blockDim.x + threadIdx.x) * V;
            if (at >= length) continue;
#pragma unroll
            for (int i = 0; i < V; ++i) {
                R total = which ? db[k][i] : dw[k][i];
                for (int j = 1; j < blockDim.y; ++j) total += joined[(k * V + i) * all + j * blockDim.x + threadIdx.x];
                parts[((long long)blockIdx.x * 2 + which) * length + at + i] = total;
            }
        }
    }
#else
    long long start = (long long)blockIdx.x * length;
    R mean = CENTERED ? means[blockIdx.x] : R(0), rstd = rstds[blockIdx.x];
    sums[0] = sums[1] = 0;
    for (int i = threadIdx.x; i < length; i += blockDim.x) {
        R slope = to_real(g[start + i]) * weight_at(weight, i);
        sums[0] += slope, sums[1] += slope * (to_real(x[start + i]) - mean) * rstd;
    }
    group_reduce(sums, Sum(), R(0));
    R even = CENTERED ? sums[0] / length : R(0), along = sums[1] / length;
    for (int i = threadIdx.x; i < length; i += blockDim.x) {
        R slope = to_real(g[start + i]) * weight_at(weight, i), normal = (to_real(x[start + i]) - mean) * rstd;
        dx[start + i] = from_real<T>(rstd * (slope - even - normal * along));
    }
#endif
}

// The gradients of weight and bias where rows are too long for the kernel above: a thread sums a column of some rows.
extern "C" __global__ void __launch_bounds__(256)
norm_columns(R* parts, const T* g, const T* x, const R* means, const R* rstds, const long long rows, const int length,
             const long long each) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= length) return;
    R dw = 0, db = 0;
    for (long long row = blockIdx.y * each; row < min((blockIdx.y + 1) * each, rows); ++row) {
        R slope = to_real(g[row * length + column]);
        db += slope, dw += slope * (to_real(x[row * length + column]) - (CENTERED ? means[row] : R(0))) * rstds[row];
    }
    parts[blockIdx.y * 2 * length + column] = dw, parts[(blockIdx.y * 2 + 1) * length + column] = db;
}
