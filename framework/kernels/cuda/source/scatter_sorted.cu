// Values joined into sorted places: each place's by one thread a column, in their own order, the same in each run.
// compiled with: T=float A=float OP=0,1 | T=double A=double OP=0,1 | T=__half A=__half OP=0 | T=__nv_bfloat16 A=__nv_bfloat16,float OP=0
#include "common.cuh"
#include "scatter.cuh"

// The places sorted, and where each came from. Each thread takes a column of a place, or several as far apart as the grid
// is wide; those that are not at the first of a run of equal places have nothing to do.
extern "C" __global__ void __launch_bounds__(THREADS)
combine_sorted(A* out, const long long* places, const long long* sources, const T* values, const long long count,
               const long long width) {
    long long first = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    if (first >= count) return;
    long long place = places[first];
    if (first && places[first - 1] == place) return;
    long long step = (long long)gridDim.y * blockDim.x;
    for (long long column = (long long)blockIdx.y * blockDim.x + threadIdx.x; column < width; column += step) {
        R total = to_real(out[place * width + column]);
#if OP == 0
        R sum = 0;
#pragma unroll 4
        for (long long i = first; i < count && places[i] == place; ++i)
            sum += (R)to_real(values[sources[i] * width + column]);
        total += sum;
#else
        for (long long i = first; i < count && places[i] == place; ++i)
            total = joined(total, (R)to_real(values[sources[i] * width + column]));
#endif
        out[place * width + column] = from_real<A>(total);
    }
}
