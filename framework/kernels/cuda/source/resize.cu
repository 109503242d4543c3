// Weighted sums along the spatial axes by tables: interpolation and its gradient. Arrays lie as (N, D, H, W, C).
// compiled with: T=float Y=float V=1,4 I=int | T=__half Y=__half V=8 I=int | T=__nv_bfloat16 Y=float V=8 I=long_long | T=float Y=__nv_bfloat16 V=1 I=int | T=double Y=double V=2 I=int | T=uchar Y=uchar V=1,16 I=int
#include "common.cuh"

#define THREADS 256

typedef typename Real<T>::type R;

// An axis's table, on the device: inputs (outputs, taps), of which -1 ends a row early, and weights of the same shape.
// Null inputs stand for an axis that stays as it is, null weights for single taps of weight 1.
struct Axis {
    const int* inputs;
    const R* weights;
    int taps, length, outputs;
};

struct Axes {
    Axis axis[3];
};

struct Place {
    I sample, at[3], channel;
};

__device__ __forceinline__ Place place_of(I thread, const Axes& axes, I channels) {
    Place place;
    I groups = channels / V;
    place.channel = thread % groups * V;
    thread /= groups;
    for (int axis = 2; axis >= 0; --axis) {
        place.at[axis] = thread % axes.axis[axis].outputs;
        thread /= axes.axis[axis].outputs;
    }
    place.sample = thread;
    return place;
}

__device__ __forceinline__ int input_of(const Axis& axis, I output, int tap) {
    return axis.inputs ? axis.inputs[output * axis.taps + tap] : (int)output;
}

__device__ __forceinline__ R weight_of(const Axis& axis, I output, int tap) {
    return axis.weights ? axis.weights[output * axis.taps + tap] : R(1);
}

// All axes at once; the sums along the last axis are made first, as the axes are taken in turn elsewhere.
extern "C" __global__ void __launch_bounds__(THREADS)
resample(const T* x, Y* y, const Axes axes, const I channels, const I count) {
    I thread = (I)blockIdx.x * THREADS + threadIdx.x;
    if (thread >= count) return;
    const Axis &depth = axes.axis[0], &height = axes.axis[1], &width = axes.axis[2];
    Place place = place_of(thread, axes, channels);
    R volume[V];
    for (int i = 0; i < V; ++i) volume[i] = 0;
    for (int a = 0; a < depth.taps; ++a) {
        int d = input_of(depth, place.at[0], a);
        if (d < 0) break;
        R plane[V];
        for (int i = 0; i < V; ++i) plane[i] = 0;
        for (int b = 0; b < height.taps; ++b) {
            int h = input_of(height, place.at[1], b);
            if (h < 0) break;
            R line[V];
            for (int i = 0; i < V; ++i) line[i] = 0;
            const T* row = x + ((place.sample * depth.length + d) * height.length + h) * width.length * channels;
            for (int c = 0; c < width.taps; ++c) {
                int w = input_of(width, place.at[2], c);
                if (w < 0) break;
                Pack<T, V> values = load<V>(row + w * channels + place.channel);
                R weight = weight_of(width, place.at[2], c);
                for (int i = 0; i < V; ++i) line[i] += (R)to_real(values.at[i]) * weight;
            }
            R weight = weight_of(height, place.at[1], b);
            for (int i = 0; i < V; ++i) plane[i] += line[i] * weight;
        }
        R weight = weight_of(depth, place.at[0], a);
        for (int i = 0; i < V; ++i) volume[i] += plane[i] * weight;
    }
    Pack<Y, V> sums;
    for (int i = 0; i < V; ++i) sums.at[i] = from_real<Y>(volume[i]);
    store(y + thread * V, sums);
}

// Single taps of weight 1: elements are copied, whatever they are.
extern "C" __global__ void __launch_bounds__(THREADS)
pick(const T* x, T* y, const Axes axes, const I channels, const I count) {
    I thread = (I)blockIdx.x * THREADS + threadIdx.x;
    if (thread >= count) return;
    Place place = place_of(thread, axes, channels);
    I at = place.sample;
    for (int axis = 0; axis < 3; ++axis)
        at = at * axes.axis[axis].length + input_of(axes.axis[axis], place.at[axis], 0);
    store(y + thread * V, load<V>(x + at * channels + place.channel));
}
