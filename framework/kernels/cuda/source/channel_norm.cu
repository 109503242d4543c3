// Batch, group and instance norm: statistics of the channels of samples, the sums of their gradients, and the factors that
// follow from them. Arrays are (S, rows, C) with LAST, channels innermost, else (S, rows, C, inner); S is 1 where all
// samples share a statistic, whose rows are then all of theirs. A row is what is cut in splits, `each` rows a split.
//
// Each thread follows mean and squares one value at a time (Welford), what threads, splits and the channels of a group
// have found is joined by their differences (Chan), so that a mean far from 0 costs no precision. Nothing is added up in
// an order that could change.
// compiled with: T=float W=float V=1,4 LAST=0,1 I=unsigned_int | T=double W=double V=1,2 LAST=0,1 I=long_long | T=__half,__nv_bfloat16 W=float V=1,8 LAST=0,1 I=unsigned_int | T=__nv_bfloat16 W=__nv_bfloat16 V=1,8 LAST=1 I=long_long
#include "common.cuh"

#define ACROSS 32
#define DOWN 8
#define THREADS 256

typedef typename Real<T>::type R;

struct Sizes {
    long long samples, rows, channels, inner, each;
    int splits;
};

struct Where {
    long long sample, first, stop, channel;  // the sample, its rows, and a thread's first channel
    int split;
};

__device__ __forceinline__ Where where(const Sizes& n) {
    Where w;
    w.split = blockIdx.y % n.splits, w.sample = blockIdx.y / n.splits + (long long)blockIdx.z * (65535 / n.splits);
    w.first = w.split * n.each, w.stop = min(w.first + n.each, n.rows);
    w.channel = LAST ? ((long long)blockIdx.x * ACROSS + threadIdx.x) * V : blockIdx.x;
    return w;
}

// Goes through a thread's values: body(index, i) is called for packs of V elements at an index of the array. With LAST
// they are V channels of a row, else V elements of one channel.
template <class F> __device__ __forceinline__ void each_pack(const Sizes& n, const Where& w, F body) {
#if LAST
    if (w.channel < n.channels)
        for (long long row = w.first + threadIdx.y; row < w.stop; row += DOWN)
            body((w.sample * n.rows + row) * n.channels + w.channel);
#else
    unsigned int packs = (unsigned int)(n.inner / V), all = (unsigned int)(w.stop - w.first) * packs;
    for (unsigned int i = threadIdx.y * ACROSS + threadIdx.x; i < all; i += THREADS) {
        long long row = w.first + i / packs;
        body(((w.sample * n.rows + row) * n.channels + w.channel) * n.inner + i % packs * V);
    }
#endif
}

// Two values for each channel, joined over the threads that have values of it: over threadIdx.y with LAST, else over all
// of the block. Thread (x, 0), else thread (0, 0), has the result.
template <int N> __device__ __forceinline__ void join(R (&a)[N], R (&b)[N]) {
    __shared__ R part[2][DOWN][N][ACROSS];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N; ++i) part[0][threadIdx.y][i][threadIdx.x] = a[i], part[1][threadIdx.y][i][threadIdx.x] = b[i];
    __syncthreads();
    if (threadIdx.y) return;
#pragma unroll
    for (int i = 0; i < N; ++i)
        for (int j = 1; j < DOWN; ++j) a[i] += part[0][j][i][threadIdx.x], b[i] += part[1][j][i][threadIdx.x];
#if !LAST
#pragma unroll
    for (int by = 16; by; by /= 2)
#pragma unroll
        for (int i = 0; i < N; ++i)
            a[i] += __shfl_xor_sync(ALL_LANES, a[i], by), b[i] += __shfl_xor_sync(ALL_LANES, b[i], by);
#endif
}

#define PER (LAST ? V : 1)  // channels of a thread

// Mean and sum of squared differences from it, for each split: parts (S, splits, 2, C).
extern "C" __global__ void __launch_bounds__(THREADS)
moments(R* parts, const T* x, const long long samples, const long long rows, const long long channels,
        const long long inner, const long long each, const int splits) {
    Sizes n = {samples, rows, channels, inner, each, splits};
    Where w = where(n);
    if (w.sample >= samples) return;
    R mean[PER] = {}, square[PER] = {}, count = 0;
    each_pack(n, w, [&](long long at) {
        Pack<T, V> pack = load<V>(x + at);
#if LAST
        count += 1;
        R share = R(1) / count;
#endif
#pragma unroll
        for (int i = 0; i < V; ++i) {
#if !LAST
            count += 1;
            R share = R(1) / count;
#endif
            R value = to_real(pack.at[i]), off = value - mean[LAST ? i : 0];
            mean[LAST ? i : 0] += off * share;
            square[LAST ? i : 0] += off * (value - mean[LAST ? i : 0]);
        }
    });
    R counts[PER], sums[PER], whole = R((w.stop - w.first) * inner);
    __shared__ R means[PER][ACROSS];
#pragma unroll
    for (int i = 0; i < PER; ++i) counts[i] = count, sums[i] = count * mean[i];
    join(sums, counts);
    if (!threadIdx.y)
        for (int i = 0; i < PER; ++i) means[i][threadIdx.x] = sums[i] / whole;
    __syncthreads();
    R found[PER];
#pragma unroll
    for (int i = 0; i < PER; ++i) {
        found[i] = means[i][threadIdx.x];
        R off = mean[i] - found[i];
        square[i] += count * off * off, counts[i] = 0;
    }
    join(square, counts);
    if (threadIdx.y || (!LAST && threadIdx.x) || w.channel >= channels) return;
    R* to = parts + (w.sample * splits + w.split) * 2 * channels + w.channel;
#pragma unroll
    for (int i = 0; i < PER; ++i) to[i] = found[i], to[channels + i] = square[i];
}

// Whether ReLU lets nothing through at a value, by the factors that made its input of it; without ReLU there are none.
__device__ __forceinline__ bool cut_off(const R* scale, const R* shift, long long channel, R value) {
    return scale && value * scale[channel] + shift[channel] <= R(0);
}

// The sums of g and of g * (x - mean) for each split: parts (S, splits, 2, C). A group's channels share a mean. With
// `scale` and `shift`, a factor and an offset for each channel, g is that of ReLU behind the norm.
extern "C" __global__ void __launch_bounds__(THREADS)
gradient_sums(R* parts, const T* g, const T* x, const R* means, const long long group, const R* scale, const R* shift,
              const long long samples, const long long rows, const long long channels, const long long inner,
              const long long each, const int splits) {
    Sizes n = {samples, rows, channels, inner, each, splits};
    Where w = where(n);
    if (w.sample >= samples) return;
    R total[PER] = {}, product[PER] = {}, mean[PER];
#pragma unroll
    for (int i = 0; i < PER; ++i)
        mean[i] = w.channel + i < channels ? means[(w.sample * channels + w.channel + i) / group] : R(0);
    each_pack(n, w, [&](long long at) {
        Pack<T, V> slopes = load<V>(g + at), values = load<V>(x + at);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            R slope = to_real(slopes.at[i]), value = to_real(values.at[i]);
            if (cut_off(scale, shift, w.channel + (LAST ? i : 0), value)) continue;
            total[LAST ? i : 0] += slope;
            product[LAST ? i : 0] += slope * (value - mean[LAST ? i : 0]);
        }
    });
    join(total, product);
    if (threadIdx.y || (!LAST && threadIdx.x) || w.channel >= channels) return;
    R* to = parts + (w.sample * splits + w.split) * 2 * channels + w.channel;
#pragma unroll
    for (int i = 0; i < PER; ++i) to[i] = total[i], to[channels + i] = product[i];
}

__device__ __forceinline__ double over_lanes(double value, int lanes) {
    for (int by = lanes / 2; by; by /= 2) value += __shfl_xor_sync(ALL_LANES, value, by);
    return value;
}

// A group of channels of a sample is taken by `lanes` threads: one, or a warp.
#define GROUP                                                                                       \
    long long thread = (long long)blockIdx.x * THREADS + threadIdx.x, number = thread / lanes;      \
    int lane = (int)(thread % lanes);                                                               \
    long long groups = channels / group, sample = number / groups, first = number % groups * group; \
    bool there = number < samples * groups;                                                         \
    const R* own = parts + sample * splits * 2 * channels

// Mean, (biased) variance and 1 / deviation of each group, and y = x * scale + shift for each channel.
extern "C" __global__ void __launch_bounds__(THREADS)
finish(R* means, R* variances, R* rstds, R* scale, R* shift, const R* parts, const W* weight, const W* bias,
       const double eps, const int lanes, const long long group, const long long samples, const long long rows,
       const long long channels, const long long inner, const long long each, const int splits) {
    GROUP;
    double count = (double)rows * inner, mean = 0, square = 0;
    for (long long c = first + lane; there && c < first + group; c += lanes)
        for (int s = 0; s < splits; ++s)
            mean += (double)min(each, rows - s * each) * inner * own[s * 2 * channels + c];
    mean = over_lanes(mean, lanes) / (count * group);
    for (long long c = first + lane; there && c < first + group; c += lanes)
        for (int s = 0; s < splits; ++s) {
            double off = own[s * 2 * channels + c] - mean;
            square += own[(s * 2 + 1) * channels + c] + (double)min(each, rows - s * each) * inner * off * off;
        }
    double variance = over_lanes(square, lanes) / (count * group), rstd = rsqrt_of(variance + eps);
    if (!there) return;
    if (!lane) means[number] = (R)mean, variances[number] = (R)variance, rstds[number] = (R)rstd;
    for (long long c = first + lane; c < first + group; c += lanes) {
        double factor = rstd * (weight ? (double)to_real(weight[c]) : 1.0);
        scale[sample * channels + c] = (R)factor;
        shift[sample * channels + c] = (R)((bias ? (double)to_real(bias[c]) : 0.0) - mean * factor);
    }
}

// The sums of g and of g * (x - mean) * rstd for each sample and channel (S, 2, C), product first, and if there is a
// `scale` what makes dx = g * scale + x * factor + offset; `fixed` statistics leave only the first.
extern "C" __global__ void __launch_bounds__(THREADS)
finish_gradient(R* sums, R* scale, R* factor, R* offset, const R* parts, const R* means, const R* rstds,
                const W* weight, const bool fixed, const int lanes, const long long group, const long long samples,
                const long long rows, const long long channels, const long long inner, const long long each,
                const int splits) {
    GROUP;
    double mean = there ? means[number] : 0, rstd = there ? rstds[number] : 0, even = 0, along = 0;
    for (long long c = first + lane; there && c < first + group; c += lanes) {
        double total = 0, product = 0;
        for (int s = 0; s < splits; ++s)
            total += own[s * 2 * channels + c], product += own[(s * 2 + 1) * channels + c];
        product *= rstd;
        sums[sample * 2 * channels + c] = (R)product, sums[(sample * 2 + 1) * channels + c] = (R)total;
        double by = weight ? (double)to_real(weight[c]) : 1.0;
        even += by * total, along += by * product;
    }
    double count = (double)rows * inner * group;
    even = over_lanes(even, lanes) / count, along = over_lanes(along, lanes) / count;
    if (!there || !scale) return;
    double slope = -rstd * rstd * along;
    for (long long c = first + lane; c < first + group; c += lanes) {
        long long at = sample * channels + c;
        scale[at] = (R)(rstd * (weight ? (double)to_real(weight[c]) : 1.0));
        if (!fixed) factor[at] = (R)slope, offset[at] = (R)(-rstd * even - slope * mean);
    }
}

// Elements between samples that have factors of their own are `sample`; 0 stands for factors that all share. I is the type
// of an index.
__device__ __forceinline__ I factor_of(I at, I channels, I inner, I sample) {
    return (LAST ? at % channels : at / inner % channels) + (sample ? at / sample * channels : 0);
}

extern "C" __global__ void __launch_bounds__(THREADS)
affine(T* y, const T* x, const R* scale, const R* shift, const bool relu, const I count, const I channels,
       const I inner, const I sample) {
    I at = ((I)blockIdx.x * THREADS + threadIdx.x) * V;
    if (at >= count) return;
    I c = factor_of(at, channels, inner, sample);
    Pack<T, V> pack = load<V>(x + at);
#pragma unroll
    for (int i = 0; i < V; ++i) {
        I own = c + (LAST ? i : 0);
        R value = to_real(pack.at[i]) * scale[own] + (shift ? shift[own] : R(0));
        pack.at[i] = from_real<T>(relu && value <= R(0) ? R(0) : value);
    }
    store(y + at, pack);
}

extern "C" __global__ void __launch_bounds__(THREADS)
combine(T* dx, const T* g, const T* x, const R* scale, const R* factor, const R* offset, const R* relu_scale,
        const R* relu_shift, const I count, const I channels, const I inner, const I sample) {
    I at = ((I)blockIdx.x * THREADS + threadIdx.x) * V;
    if (at >= count) return;
    I c = factor_of(at, channels, inner, sample);
    Pack<T, V> slopes = load<V>(g + at), values = load<V>(x + at);
#pragma unroll
    for (int i = 0; i < V; ++i) {
        I own = c + (LAST ? i : 0);
        R value = to_real(values.at[i]), slope = to_real(slopes.at[i]) * scale[own];
        if (cut_off(relu_scale, relu_shift, own, value)) slope = 0;
        slopes.at[i] = from_real<T>(slope + value * factor[own] + offset[own]);
    }
    store(dx + at, slopes);
}
