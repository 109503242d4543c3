// Values joined into the places that an index names, by atomic operations in the order in which they come.
// compiled with: T=float A=float OP=0,1,2,3 | T=double A=double OP=0,1,2 | T=__half,__nv_bfloat16 A=float OP=0 | T=int A=int OP=0,1,2,3 | T=long_long A=long_long OP=0,1,3
#include "common.cuh"
#include "scatter.cuh"

#if OP == 0
__device__ __forceinline__ void join(float* at, float value) { atomicAdd(at, value); }
__device__ __forceinline__ void join(double* at, double value) { atomicAdd(at, value); }
__device__ __forceinline__ void join(int* at, int value) { atomicAdd(at, value); }
__device__ __forceinline__ void join(long long* at, long long value) {
    atomicAdd((unsigned long long*)at, (unsigned long long)value);
}
#else
template <class U, class W> __device__ __forceinline__ void join_bits(U* at, W* bits, U value) {
    W before = *bits, seen;
    do {
        seen = before;
        U old = *(U*)&seen, next = joined(old, value);
        W wanted = *(W*)&next;
        if (wanted == seen) return;
        before = atomicCAS(bits, seen, wanted);
    } while (before != seen);
}
__device__ __forceinline__ void join(float* at, float value) { join_bits(at, (unsigned int*)at, value); }
__device__ __forceinline__ void join(int* at, int value) { join_bits(at, (unsigned int*)at, value); }
__device__ __forceinline__ void join(double* at, double value) { join_bits(at, (unsigned long long*)at, value); }
__device__ __forceinline__ void join(long long* at, long long value) { join_bits(at, (unsigned long long*)at, value); }
#endif

// out (., width), places (n,), values (n, width): a thread takes one value.
extern "C" __global__ void __launch_bounds__(THREADS)
combine(A* out, const long long* places, const T* values, const long long count, const long long width) {
    long long at = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    long long row = width == 1 ? at : at / width, column = width == 1 ? 0 : at - row * width;
    join(out + places[row] * width + column, (R)to_real(values[at]));
}
