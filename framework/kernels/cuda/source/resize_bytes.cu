// Weighted sums of bytes along one axis, by 16-bit fixed-point weights, rounded to a byte, as image libraries do.
// compiled with: I=int,long_long
#include "common.cuh"

// x (outer, length, inner), y (outer, outputs, inner)
extern "C" __global__ void __launch_bounds__(256) resample_bytes(
    const unsigned char* x, unsigned char* y, const int* inputs, const int* weights, const int taps, const int length,
    const int outputs, const int bits, const I inner, const I count) {
    I thread = (I)blockIdx.x * 256 + threadIdx.x;
    if (thread >= count) return;
    I within = thread % inner, line = thread / inner, output = line % outputs, outer = line / outputs;
    int total = 1 << (bits - 1);
    for (int tap = 0; tap < taps; ++tap) {
        I at = (outer * length + inputs[output * taps + tap]) * inner + within;
        total += (int)x[at] * weights[output * taps + tap];
    }
    y[thread] = (unsigned char)min(max(total >> bits, 0), 255);
}
