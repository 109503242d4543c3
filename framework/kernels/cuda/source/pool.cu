// Maxima and means over windows. Arrays lie as (N, D, H, W, C); a thread does V channels of one place, which it reads and
// writes at once. Gradients are gathered: each input's thread looks at the windows that hold it, so that there is neither
// an atomic addition nor an array to be zeroed first.
// compiled with: T=float V=1,4 I=int K=uchar | T=__half V=8 I=int K=ushort | T=__nv_bfloat16 V=2,8 I=int,long_long K=uchar | T=double V=2 I=long_long K=int
#include "common.cuh"

#define THREADS 256

typedef typename Real<T>::type R;

struct Window {  // for each of three axes; those there are not have length 1
    int kernel[3], stride[3], padding[3], dilation[3], length[3], outputs[3];
};

// Where a thread is: its sample, its place along the axes, and its first channel.
struct Place {
    I sample, at[3], channel;
};

__device__ __forceinline__ Place place_of(I thread, const int (&lengths)[3], I channels) {
    Place place;
    I groups = channels / V;
    place.channel = thread % groups * V;
    thread /= groups;
    for (int axis = 2; axis >= 0; --axis) {
        place.at[axis] = thread % lengths[axis];
        thread /= lengths[axis];
    }
    place.sample = thread;
    return place;
}

__device__ __forceinline__ I offset_of(const Place& place, I d, I h, I w, const int (&lengths)[3], I channels) {
    return (((place.sample * lengths[0] + d) * lengths[1] + h) * lengths[2] + w) * channels + place.channel;
}

__device__ __forceinline__ I thread_number() { return (I)blockIdx.x * THREADS + threadIdx.x; }

// The taps of a window that lie inside the input, from the first to the one before the last.
__device__ __forceinline__ void inside(const Window& w, int axis, I output, int& start, int& first, int& stop) {
    start = (int)output * w.stride[axis] - w.padding[axis];
    first = start < 0 ? (w.dilation[axis] - 1 - start) / w.dilation[axis] : 0;
    stop = min(w.kernel[axis], (w.length[axis] - start + w.dilation[axis] - 1) / w.dilation[axis]);
}

extern "C" __global__ void __launch_bounds__(THREADS)
max_pool(const T* x, T* y, K* taps, const Window w, const I channels, const I count) {
    I thread = thread_number();
    if (thread >= count) return;
    Place place = place_of(thread, w.outputs, channels);
    int start[3], first[3], stop[3];
    for (int axis = 0; axis < 3; ++axis) inside(w, axis, place.at[axis], start[axis], first[axis], stop[axis]);
    R best[V];
    int won[V];
    int any = (first[0] * w.kernel[1] + first[1]) * w.kernel[2] + first[2];
    for (int i = 0; i < V; ++i) best[i] = -(R)INFINITY, won[i] = any;
    for (int a = first[0]; a < stop[0]; ++a)
        for (int b = first[1]; b < stop[1]; ++b)
            for (int c = first[2]; c < stop[2]; ++c) {
                I at = offset_of(place, start[0] + a * w.dilation[0], start[1] + b * w.dilation[1],
                                 start[2] + c * w.dilation[2], w.length, channels);
                Pack<T, V> values = load<V>(x + at);
                int tap = (a * w.kernel[1] + b) * w.kernel[2] + c;
                for (int i = 0; i < V; ++i) {
                    R value = to_real(values.at[i]);
                    if (value > best[i] || value != value) best[i] = value, won[i] = tap;  // of nans the last wins
                }
            }
    Pack<T, V> maxima;
    for (int i = 0; i < V; ++i) maxima.at[i] = from_real<T>(best[i]);
    store(y + thread * V, maxima);
    if (taps) {
        Pack<K, V> numbers;
        for (int i = 0; i < V; ++i) numbers.at[i] = (K)won[i];
        store(taps + thread * V, numbers);
    }
}

// The windows along an axis that may hold an input, from the first to the last.
__device__ __forceinline__ void windows_of(const Window& w, int axis, I input, int& first, int& last) {
    int far = (int)input + w.padding[axis], near = far - w.dilation[axis] * (w.kernel[axis] - 1);
    first = near > 0 ? (near + w.stride[axis] - 1) / w.stride[axis] : 0;
    last = min(far / w.stride[axis], w.outputs[axis] - 1);
}

// Which tap of window o an input is, or -1.
__device__ __forceinline__ int tap_of(const Window& w, int axis, I input, int o) {
    int steps = (int)input + w.padding[axis] - o * w.stride[axis], dilation = w.dilation[axis];
    if (dilation == 1) return steps;
    return steps % dilation ? -1 : steps / dilation;
}

extern "C" __global__ void __launch_bounds__(THREADS)
max_pool_gradient(const T* g, const K* taps, T* gx, const Window w, const I channels, const I count) {
    I thread = thread_number();
    if (thread >= count) return;
    Place place = place_of(thread, w.length, channels);
    int first[3], last[3];
    for (int axis = 0; axis < 3; ++axis) windows_of(w, axis, place.at[axis], first[axis], last[axis]);
    R total[V];
    for (int i = 0; i < V; ++i) total[i] = 0;
    for (int a = first[0]; a <= last[0]; ++a) {
        int tap_a = tap_of(w, 0, place.at[0], a);
        if (tap_a < 0) continue;
        for (int b = first[1]; b <= last[1]; ++b) {
            int tap_b = tap_of(w, 1, place.at[1], b);
            if (tap_b < 0) continue;
            for (int c = first[2]; c <= last[2]; ++c) {
                int tap_c = tap_of(w, 2, place.at[2], c);
                if (tap_c < 0) continue;
                I at = offset_of(place, a, b, c, w.outputs, channels);
                int tap = (tap_a * w.kernel[1] + tap_b) * w.kernel[2] + tap_c;
                Pack<K, V> numbers = load<V>(taps + at);
                Pack<T, V> values = load<V>(g + at);
                for (int i = 0; i < V; ++i)
                    if ((int)numbers.at[i] == tap) total[i] += (R)to_real(values.at[i]);
            }
        }
    }
    Pack<T, V> sums;
    for (int i = 0; i < V; ++i) sums.at[i] = from_real<T>(total[i]);
    store(gx + thread * V, sums);
}

__device__ __forceinline__ R divisor_of(const Window& w, const R* divisors, R divisor, I d, I h, I l) {
    return divisors ? divisors[(d * w.outputs[1] + h) * w.outputs[2] + l] : divisor;
}

extern "C" __global__ void __launch_bounds__(THREADS) avg_pool(
    const T* x, T* y, const R* divisors, const R divisor, const Window w, const I channels, const I count) {
    I thread = thread_number();
    if (thread >= count) return;
    Place place = place_of(thread, w.outputs, channels);
    int start[3], first[3], stop[3];
    for (int axis = 0; axis < 3; ++axis) inside(w, axis, place.at[axis], start[axis], first[axis], stop[axis]);
    R total[V];
    for (int i = 0; i < V; ++i) total[i] = 0;
    for (int a = start[0] + first[0]; a < start[0] + stop[0]; ++a)
        for (int b = start[1] + first[1]; b < start[1] + stop[1]; ++b)
            for (int c = start[2] + first[2]; c < start[2] + stop[2]; ++c) {
                Pack<T, V> values = load<V>(x + offset_of(place, a, b, c, w.length, channels));
                for (int i = 0; i < V; ++i) total[i] += (R)to_real(values.at[i]);
            }
    R by = divisor_of(w, divisors, divisor, place.at[0], place.at[1], place.at[2]);
    Pack<T, V> means;
    for (int i = 0; i < V; ++i) means.at[i] = from_real<T>(total[i] / by);
    store(y + thread * V, means);
}

extern "C" __global__ void __launch_bounds__(THREADS) avg_pool_gradient(
    const T* g, T* gx, const R* divisors, const R divisor, const Window w, const I channels, const I count) {
    I thread = thread_number();
    if (thread >= count) return;
    Place place = place_of(thread, w.length, channels);
    int first[3], last[3];
    for (int axis = 0; axis < 3; ++axis) windows_of(w, axis, place.at[axis], first[axis], last[axis]);
    R total[V];
    for (int i = 0; i < V; ++i) total[i] = 0;
    for (int a = first[0]; a <= last[0]; ++a)
        for (int b = first[1]; b <= last[1]; ++b)
            for (int c = first[2]; c <= last[2]; ++c) {
                R by = divisor_of(w, divisors, divisor, a, b, c);
                Pack<T, V> values = load<V>(g + offset_of(place, a, b, c, w.outputs, channels));
                for (int i = 0; i < V; ++i) total[i] += (R)to_real(values.at[i]) / by;
            }
    Pack<T, V> sums;
    for (int i = 0; i < V; ++i) sums.at[i] = from_real<T>(total[i]);
    store(gx + thread * V, sums);
}

// Means over wide windows: a block for each window, whose rows of threads share its pixels. blockDim.x threads hold
// blockDim.x * V channels; blockDim is (2^k, THREADS / 2^k).
extern "C" __global__ void __launch_bounds__(THREADS) avg_pool_wide(
    const T* x, T* y, const R* divisors, const R divisor, const Window w, const I channels, const I count) {
    __shared__ R parts[THREADS * V];
    I output = blockIdx.x;
    Place place;
    place.channel = ((I)blockIdx.y * blockDim.x + threadIdx.x) * V;
    I rest = output;
    for (int axis = 2; axis >= 0; --axis) {
        place.at[axis] = rest % w.outputs[axis];
        rest /= w.outputs[axis];
    }
    place.sample = rest;
    int start[3], first[3], stop[3], wide[3];
    for (int axis = 0; axis < 3; ++axis) {
        inside(w, axis, place.at[axis], start[axis], first[axis], stop[axis]);
        start[axis] += first[axis];
        wide[axis] = stop[axis] - first[axis];
    }
    R total[V];
    for (int i = 0; i < V; ++i) total[i] = 0;
    bool mine = place.channel < channels;
    if (mine && wide[0] > 0 && wide[1] > 0 && wide[2] > 0)
        for (I pixel = threadIdx.y; pixel < (I)wide[0] * wide[1] * wide[2]; pixel += blockDim.y) {
            I line = pixel / wide[2], c = pixel % wide[2];
            I at = offset_of(place, start[0] + line / wide[1], start[1] + line % wide[1], start[2] + c, w.length, channels);
            Pack<T, V> values = load<V>(x + at);
            for (int i = 0; i < V; ++i) total[i] += (R)to_real(values.at[i]);
        }
    int self = threadIdx.y * blockDim.x + threadIdx.x;
    for (int i = 0; i < V; ++i) parts[i * THREADS + self] = total[i];
    for (int rows = blockDim.y / 2; rows > 0; rows /= 2) {
        __syncthreads();
        if (threadIdx.y < rows)
            for (int i = 0; i < V; ++i) parts[i * THREADS + self] += parts[i * THREADS + self + rows * blockDim.x];
    }
    if (mine && threadIdx.y == 0) {
        R by = divisor_of(w, divisors, divisor, place.at[0], place.at[1], place.at[2]);
        Pack<T, V> means;
        for (int i = 0; i < V; ++i) means.at[i] = from_real<T>(parts[i * THREADS + self] / by);
        store(y + output * channels + place.channel, means);
    }
}
