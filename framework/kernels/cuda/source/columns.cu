// The sums of a matrix's columns: bias gradients, and the second stage of other sums. Threads side by side take V columns
// each, those above one another every blockDim.y-th row; a block does the rows of its split, so that the sum is the same
// in each run.
// compiled with: T=float V=1,4 | T=double V=1,2 | T=__half,__nv_bfloat16 V=1,8
#include "common.cuh"

#define ACROSS 32
#define DOWN 16

typedef typename Real<T>::type R;

extern "C" __global__ void __launch_bounds__(ACROSS * DOWN)
column_sums(R* out, const T* x, const long long rows, const long long columns, const long long each) {
    long long column = ((long long)blockIdx.x * ACROSS + threadIdx.x) * V;
    long long start = blockIdx.y * each, stop = min(start + each, rows);
    R sums[V] = {};
    if (column < columns)
#pragma unroll 4
        for (long long row = start + threadIdx.y; row < stop; row += DOWN) {
            Pack<T, V> pack = load<V>(x + row * columns + column);
#pragma unroll
            for (int i = 0; i < V; ++i) sums[i] += to_real(pack.at[i]);
        }
    __shared__ R part[DOWN][V][ACROSS];
#pragma unroll
    for (int i = 0; i < V; ++i) part[threadIdx.y][i][threadIdx.x] = sums[i];
    __syncthreads();
    for (int i = threadIdx.y; i < V; i += DOWN) {
        R total = 0;
        for (int j = 0; j < DOWN; ++j) total += part[j][i][threadIdx.x];
        if (column < columns) out[blockIdx.y * columns + column + i] = total;
    }
}
