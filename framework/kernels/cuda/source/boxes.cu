// Non-maximum suppression by bit masks: which later boxes each box suppresses, then one sweep by one block. And regions
// pooled by bilinear samples.
// compiled with: T=float,double
#include "common.cuh"
#include "reals.cuh"

typedef T R;

#define WORD 64  // boxes that a word of a mask stands for
#define SWEEPERS 512
#define THREADS 256

typedef unsigned long long Word;

struct Box {
    R left, top, right, bottom;
};

// Products that are not contracted with a sum: overlaps then round as the CPU's do, and the same boxes stay.
__device__ __forceinline__ float multiplied(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ double multiplied(double a, double b) { return __dmul_rn(a, b); }

__device__ __forceinline__ R area(const Box& box) { return multiplied(box.right - box.left, box.bottom - box.top); }

__device__ __forceinline__ bool overlap(const Box& a, const Box& b, R limit) {
    R width = min(a.right, b.right) - max(a.left, b.left), height = min(a.bottom, b.bottom) - max(a.top, b.top);
    R shared = multiplied(max(width, R(0)), max(height, R(0)));
    return shared / (area(a) + area(b) - shared) > limit;  // a nan, such as 0 / 0, is no overlap
}

// A block compares 64 boxes with 64, a thread one with all of them: grid (words, words), of which those below the
// diagonal have nothing to do. boxes (count, 4) are in descending order of score; categories may be null.
extern "C" __global__ void __launch_bounds__(WORD) suppression(
    const R* boxes, const long long* categories, Word* mask, const R limit, const int count) {
    int word = blockIdx.x, row = blockIdx.y;
    if (word < row) return;
    __shared__ Box others[WORD];
    __shared__ long long kinds[WORD];
    int first = word * WORD, box = row * WORD + threadIdx.x, there = min(count - first, WORD);
    if ((int)threadIdx.x < there) {
        others[threadIdx.x] = ((const Box*)boxes)[first + threadIdx.x];
        kinds[threadIdx.x] = categories ? categories[first + threadIdx.x] : 0;
    }
    __syncthreads();
    if (box >= count) return;
    Box own = ((const Box*)boxes)[box];
    long long kind = categories ? categories[box] : 0;
    Word bits = 0;
    for (int i = word == row ? threadIdx.x + 1 : 0; i < there; ++i)
        if (kinds[i] == kind && overlap(own, others[i], limit)) bits |= (Word)1 << i;
    mask[(long long)box * gridDim.x + word] = bits;
}

// One block goes through the boxes, a word of them at a time: one thread settles these among themselves, then all
// threads put out what those that stay suppress.
extern "C" __global__ void __launch_bounds__(SWEEPERS)
sweep(const Word* mask, bool* kept, const int count, const int words) {
    extern __shared__ Word gone[];  // a bit for each box
    __shared__ Word own[WORD];
    __shared__ Word stay;
    for (int word = threadIdx.x; word < words; word += SWEEPERS) gone[word] = 0;
    for (int word = 0; word < words; ++word) {
        int first = word * WORD, there = min(count - first, WORD);
        if ((int)threadIdx.x < there) own[threadIdx.x] = mask[(long long)(first + threadIdx.x) * words + word];
        __syncthreads();
        if (threadIdx.x == 0) {
            Word out = gone[word], in = 0;
            for (int i = 0; i < there; ++i)
                if (!(out >> i & 1)) in |= (Word)1 << i, out |= own[i];
            stay = in;
        }
        __syncthreads();
        if ((int)threadIdx.x < there) kept[first + threadIdx.x] = stay >> threadIdx.x & 1;
        for (int later = word + 1 + threadIdx.x; later < words; later += SWEEPERS) {
            Word out = gone[later];
            for (Word left = stay; left; left &= left - 1)
                out |= mask[(long long)(first + __ffsll((long long)left) - 1) * words + later];
            gone[later] = out;
        }
        __syncthreads();
    }
}

struct Roi {  // how regions are cut, the same for all
    int maps, channels, height, width, rows, columns, ratio, unused;
    R scale, shift, least;
};

// The samples of a bin along one axis.
struct Samples {
    R start, step;
    int count;
};

__device__ __forceinline__ Samples samples_of(R low, R high, const Roi& roi, int bins, int bin) {
    Samples samples;
    R start = multiplied(low, roi.scale) - roi.shift, length = multiplied(high, roi.scale) - roi.shift - start;
    length = roi.least > 0 && length < roi.least ? roi.least : length;
    samples.step = length / bins;
    R number = roi.ratio > 0 ? (R)roi.ratio : ceil_of(samples.step);
    bool finite = samples.step - samples.step == 0;
    samples.count = finite && number > 0 ? (int)number : 0;
    samples.start = start + multiplied((R)bin, samples.step);
    return samples;
}

// Where a sample lies between two pixels; false if it lies more than one outside.
__device__ __forceinline__ bool pixels_of(const Samples& samples, int number, int length, int& low, int& high, R& part) {
    R at = samples.start + multiplied((R)number + R(0.5), samples.step) / samples.count;
    if (!(at >= -1 && at <= length)) return false;
    at = min(max(at, R(0)), R(length - 1));
    low = (int)at;
    high = min(low + 1, length - 1);
    part = at - low;
    return true;
}

struct Bin {
    long long pixels;  // of the map's first pixel, in elements
    int channel;
    Samples down, across;
    bool known;  // whether the map is one there is
};

__device__ __forceinline__ Bin bin_of(const R* regions, const Roi& roi, long long thread) {
    Bin bin;
    bin.channel = thread % roi.channels;
    thread /= roi.channels;
    int column = thread % roi.columns, row = thread / roi.columns % roi.rows;
    const R* region = regions + thread / roi.columns / roi.rows * 5;
    bin.known = region[0] >= 0 && region[0] < roi.maps;
    bin.pixels = bin.known ? (long long)region[0] * roi.height * roi.width * roi.channels : 0;
    bin.down = samples_of(region[2], region[4], roi, roi.rows, row);
    bin.across = samples_of(region[1], region[3], roi, roi.columns, column);
    return bin;
}

// x (N, H, W, C), y (K, rows, columns, C)
extern "C" __global__ void __launch_bounds__(THREADS)
roi_align(const R* x, const R* regions, R* y, const Roi roi, const long long count) {
    long long thread = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (thread >= count) return;
    Bin bin = bin_of(regions, roi, thread);
    const R* map = x + bin.pixels + bin.channel;
    R total = 0;
    for (int i = 0; i < bin.down.count; ++i) {
        int top, bottom, left, right;
        R lower, later;
        if (!pixels_of(bin.down, i, roi.height, top, bottom, lower)) continue;
        const R *above = map + (long long)top * roi.width * roi.channels;
        const R *below = map + (long long)bottom * roi.width * roi.channels;
        for (int j = 0; j < bin.across.count; ++j) {
            if (!pixels_of(bin.across, j, roi.width, left, right, later)) continue;
            long long near = (long long)left * roi.channels, far = (long long)right * roi.channels;
            total += (above[near] * (1 - later) + above[far] * later) * (1 - lower) +
                     (below[near] * (1 - later) + below[far] * later) * lower;
        }
    }
    long long samples = (long long)bin.down.count * bin.across.count;
    y[thread] = !bin.known ? (R)NAN : samples ? total / samples : R(0);
}

// g (K, rows, columns, C) is added to gx (N, H, W, C).
extern "C" __global__ void __launch_bounds__(THREADS)
roi_align_gradient(const R* g, const R* regions, R* gx, const Roi roi, const long long count) {
    long long thread = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (thread >= count) return;
    Bin bin = bin_of(regions, roi, thread);
    if (!bin.known) return;
    R* map = gx + bin.pixels + bin.channel;
    R each = g[thread] / ((R)bin.down.count * bin.across.count);  // without samples nothing is added
    for (int i = 0; i < bin.down.count; ++i) {
        int top, bottom, left, right;
        R lower, later;
        if (!pixels_of(bin.down, i, roi.height, top, bottom, lower)) continue;
        R* above = map + (long long)top * roi.width * roi.channels;
        R* below = map + (long long)bottom * roi.width * roi.channels;
        for (int j = 0; j < bin.across.count; ++j) {
            if (!pixels_of(bin.across, j, roi.width, left, right, later)) continue;
            long long near = (long long)left * roi.channels, far = (long long)right * roi.channels;
            atomicAdd(above + near, each * (1 - lower) * (1 - later));
            atomicAdd(above + far, each * (1 - lower) * later);
            atomicAdd(below + near, each * lower * (1 - later));
            atomicAdd(below + far, each * lower * later);
        }
    }
}
