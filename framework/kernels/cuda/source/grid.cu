// Images and volumes sampled at the places of a grid, and the gradients. Three axes; an image's first has length 1 and a
// coordinate of 0, which is its only pixel.
// compiled with: T=float V=1,4 MODE=LINEAR,NEAREST,BICUBIC I=int AXES=2 | T=float V=1,4 MODE=LINEAR I=int AXES=3 | T=double V=2 MODE=LINEAR,BICUBIC I=long_long AXES=2
#include "common.cuh"
#include "reals.cuh"

#define LINEAR 0
#define NEAREST 1
#define BICUBIC 2
#define ZEROS 0
#define BORDER 1
#define REFLECTION 2
#define THREADS 256
#define TAPS (MODE == LINEAR ? 2 : MODE == NEAREST ? 1 : 4)

typedef T R;

struct Layout {  // of x: steps in elements between samples, channels and places along the axes
    long long sample, channel, place[3];
    int length[3];
};

struct How {
    int padding, corners, channels, each;  // `each`: channels that a thread takes
};

struct Taps {  // along one axis
    int pixel[4];  // -1 for one outside
    R weight[4], slope[4];
};

// A coordinate brought among the pixels; how it grows with what it was goes into `sign`. A nan becomes 0.
__device__ __forceinline__ R held(R at, int length, const How& how, R& sign) {
    sign = 1;
    if (how.padding == REFLECTION) {
        double low = how.corners ? 0.0 : -0.5, span = how.corners ? length - 1.0 : (double)length;
        if (span <= 0) {
            sign = 0;
            return 0;
        }
        double away = (double)at - low;
        if (away < 0) away = -away, sign = -1;
        double turns = floor(away / span), rest = away - turns * span;
        if (fmod(turns, 2.0) != 0) rest = span - rest, sign = -sign;
        at = (R)(rest + low);
    }
    if (!(at > 0 && at < length - 1)) sign = 0;
    return at > 0 ? (at < length - 1 ? at : R(length - 1)) : R(0);
}

__device__ __forceinline__ int whole(R at, int length) {  // far outside and nan: some pixel outside
    return at >= -3 && at <= length + 2 ? (int)at : -3;
}

__device__ __forceinline__ R keys_near(R x) { return ((R(-0.75) + 2) * x - (R(-0.75) + 3)) * x * x + 1; }
__device__ __forceinline__ R keys_far(R x) { return ((R(-0.75) * x + R(3.75)) * x - 6) * x + 3; }
__device__ __forceinline__ R keys_near_slope(R x) { return (3 * R(1.25) * x - 2 * R(2.25)) * x; }
__device__ __forceinline__ R keys_far_slope(R x) { return (3 * R(-0.75) * x + R(7.5)) * x - 6; }

__device__ __forceinline__ Taps taps_of(R at, int length, const How& how) {
    Taps taps;
    R grows = how.corners ? R(length - 1) / 2 : R(length) / 2, sign = 1;
    at = how.corners ? (at + 1) * grows : (at + 1) * grows - R(0.5);
    if (MODE != BICUBIC && how.padding != ZEROS) at = held(at, length, how, sign);
    R low = MODE == NEAREST ? rint_of(at) : floor_of(at), part = at - low;
    if (!(part >= 0 && part <= 1)) part = 0;  // of what is not finite
    if (MODE == NEAREST) {
        taps.weight[0] = 1, taps.slope[0] = 0;
    } else if (MODE == LINEAR) {
        taps.weight[0] = 1 - part, taps.weight[1] = part;
        taps.slope[0] = -sign * grows, taps.slope[1] = sign * grows;
    } else {
        taps.weight[0] = keys_far(part + 1), taps.weight[1] = keys_near(part);
        taps.weight[2] = keys_near(1 - part), taps.weight[3] = keys_far(2 - part);
        taps.slope[0] = keys_far_slope(part + 1) * grows, taps.slope[1] = keys_near_slope(part) * grows;
        taps.slope[2] = -keys_near_slope(1 - part) * grows, taps.slope[3] = -keys_far_slope(2 - part) * grows;
    }
#pragma unroll
    for (int i = 0; i < TAPS; ++i) {
        R place = low + i - (MODE == BICUBIC ? 1 : 0), unused;
        if (MODE == BICUBIC && how.padding != ZEROS) place = held(place, length, how, unused);
        int pixel = whole(place, length);
        taps.pixel[i] = pixel >= 0 && pixel < length ? pixel : -1;
    }
    return taps;
}

// The taps along the three axes of a place; the grid has its coordinates the other way round.
__device__ __forceinline__ void places(const T* grid, const Layout& x, const How& how, Taps (&taps)[3]) {
    taps[0].pixel[0] = 0, taps[0].weight[0] = 1;
#pragma unroll
    for (int axis = 3 - AXES; axis < 3; ++axis) taps[axis] = taps_of(grid[2 - axis], x.length[axis], how);
}

// Loops over constant numbers of taps are unrolled, so that the taps stay in registers.
#define EVERY_TAP                                                                               \
    _Pragma("unroll") for (int a = 0; a < (AXES == 3 ? TAPS : 1); ++a)                          \
        _Pragma("unroll") for (int b = 0; b < TAPS; ++b)                                        \
            _Pragma("unroll") for (int c = 0; c < TAPS; ++c)                                    \
                if (taps[0].pixel[a] >= 0 && taps[1].pixel[b] >= 0 && taps[2].pixel[c] >= 0)
#define PIXEL (taps[0].pixel[a] * x.place[0] + taps[1].pixel[b] * x.place[1] + taps[2].pixel[c] * x.place[2])
#define WEIGHT (taps[0].weight[a] * taps[1].weight[b] * taps[2].weight[c])

// grid (N, count, axes); y lies as x does, with `outputs` places. A thread takes `each` channels of a place, V at once;
// the channels of a place are those of neighbouring threads where they lie together (V > 1), and else in gridDim.y.
extern "C" __global__ void __launch_bounds__(THREADS) sample(
    const T* values, const T* grid, T* y, const Layout x, const Layout out, const How how, const I count,
    const I threads) {
    I thread = (I)blockIdx.x * THREADS + threadIdx.x;
    if (thread >= threads) return;
    I groups = V > 1 ? how.channels / V : 1, group = V > 1 ? thread % groups : blockIdx.y;
    I place = thread / groups, number = place / count;
    Taps taps[3];
    places(grid + (long long)place * AXES, x, how, taps);
    const T* image = values + number * x.sample;
    T* target = y + number * out.sample + (place - number * count) * out.place[2];
    for (int channel = group * how.each; channel < min((int)(group + 1) * how.each, how.channels); channel += V) {
        R total[V];
        for (int i = 0; i < V; ++i) total[i] = 0;
        EVERY_TAP {
            R weight = WEIGHT;
            if (weight == 0) continue;
            Pack<T, V> pixel = load<V>(image + channel * x.channel + PIXEL);
            for (int i = 0; i < V; ++i) total[i] += pixel.at[i] * weight;
        }
        Pack<T, V> sums;
        for (int i = 0; i < V; ++i) sums.at[i] = total[i];
        store(target + channel * out.channel, sums);
    }
}

// What a place's gradient adds to the pixels, in the order in which threads arrive.
extern "C" __global__ void __launch_bounds__(THREADS) spread(
    const T* g, const T* grid, T* gx, const Layout x, const Layout out, const How how, const I count,
    const I threads) {
    I thread = (I)blockIdx.x * THREADS + threadIdx.x;
    if (thread >= threads) return;
    I groups = V > 1 ? how.channels / V : 1, group = V > 1 ? thread % groups : blockIdx.y;
    I place = thread / groups, number = place / count;
    Taps taps[3];
    places(grid + (long long)place * AXES, x, how, taps);
    T* image = gx + number * x.sample;
    const T* above = g + number * out.sample + (place - number * count) * out.place[2];
    for (int channel = group * how.each; channel < min((int)(group + 1) * how.each, how.channels); channel += V) {
        Pack<T, V> values = load<V>(above + channel * out.channel);
        EVERY_TAP {
            R weight = WEIGHT;
            for (int i = 0; i < V; ++i)
                atomicAdd(image + (channel + i) * x.channel + PIXEL, values.at[i] * weight);
        }
    }
}

// The gradient of a place: a thread each, over all channels.
extern "C" __global__ void __launch_bounds__(THREADS) slopes(
    const T* g, const T* values, const T* grid, T* gg, const Layout x, const Layout out, const How how, const I count,
    const I threads) {
    I place = (I)blockIdx.x * THREADS + threadIdx.x;
    if (place >= threads) return;
    I number = place / count;
    Taps taps[3];
    places(grid + (long long)place * AXES, x, how, taps);
    const T* image = values + number * x.sample;
    const T* above = g + number * out.sample + (place - number * count) * out.place[2];
    R total[3] = {0, 0, 0};
    EVERY_TAP {
        R agreement = 0;  // of the pixel with the gradient
#pragma unroll 1
        for (int channel = 0; channel < how.channels; channel += V) {
            Pack<T, V> pixel = load<V>(image + channel * x.channel + PIXEL);
            Pack<T, V> grads = load<V>(above + channel * out.channel);
            for (int i = 0; i < V; ++i) agreement += pixel.at[i] * grads.at[i];
        }
        if (AXES == 3) total[0] += agreement * taps[0].slope[a] * taps[1].weight[b] * taps[2].weight[c];
        total[1] += agreement * taps[0].weight[a] * taps[1].slope[b] * taps[2].weight[c];
        total[2] += agreement * taps[0].weight[a] * taps[1].weight[b] * taps[2].slope[c];
    }
    for (int axis = 3 - AXES; axis < 3; ++axis) gg[(long long)place * AXES + 2 - axis] = total[axis];
}
