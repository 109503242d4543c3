// The cross-entropy of class indices: scale * -log p[target] + smooth * the (weighted) sum of -log p over the classes.
// P is R, the type of the probabilities.
// compiled with: T=float P=float V=1,4 K=0,1,4 | T=double P=double V=1,2 K=0,4 | T=__half,__nv_bfloat16 P=float V=1,8 K=0,4
#define LOG 0
#include "common.cuh"
#include "softmax_rows.cuh"

// A number for each sample, or one for all: the step is then 0; null stands for the value beside it.
struct Numbers {
    const R* many;
    R one;
    int step;
    __device__ __forceinline__ R of(long long sample) const { return many ? many[sample * step] : one; }
};
#define FACTORS                                                                                                     \
    const R *scales, const R one_scale, const int scale_step, const bool smoothed, const R *smooths, const R one_smooth, \
        const int smooth_step
#define UNPACKED Numbers scale = {scales, one_scale, scale_step}, smooth = {smooths, one_smooth, smooth_step}

extern "C" __global__ void __launch_bounds__(ROW_THREADS)
cross_entropy(R* loss, P* p, const T* x, const long long* target, const R* class_weight, FACTORS, const long long rows,
              const int length) {
    UNPACKED;
    long long row = row_number(), start = row * length;
    bool there = row < rows;
    Statistics s = whole_row(x + start, p ? p + start : 0, length, there);
    R total[2] = {0, 0};  // the (weighted) sum of x - most, and of the weights
    if (smoothed) {
        if (there)
            for (int i = threadIdx.x; i < length; i += blockDim.x) {
                R weight = class_weight ? class_weight[i] : R(1);
                total[0] += weight * (to_real(x[start + i]) - s.most), total[1] += weight;
            }
        group_reduce(total, Sum(), R(0));
    }
    if (!there || threadIdx.x) return;
    R log_total = log_of(s.sum);
    R found = (log_total - (to_real(x[start + target[row]]) - s.most)) * scale.of(row);
    if (smoothed) found += (log_total * total[1] - total[0]) * smooth.of(row);
    loss[row] = found;
}

extern "C" __global__ void cross_entropy_columns(R* loss, P* p, const T* x, const long long* target,
                                                 const R* class_weight, FACTORS, const long long outer,
                                                 const int length, const long long inner) {
    UNPACKED;
    COLUMN;
    Statistics s = nothing();
    for (int i = 0; i < length; ++i) s.add((R)to_real(x[start + i * inner]));
    R last = last_of(s), log_total = log_of(s.sum), total = 0, mass = 0;
    for (int i = 0; i < length && (p || smoothed); ++i) {
        R value = to_real(x[start + i * inner]), weight = class_weight ? class_weight[i] : R(1);
        if (p) p[start + i * inner] = from_real<P>(result(value, s, last));
        total += weight * (value - s.most), mass += weight;
    }
    R found = (log_total - (to_real(x[start + target[column] * inner]) - s.most)) * scale.of(column);
    if (smoothed) found += (log_total * mass - total) * smooth.of(column);
    loss[column] = found;
}

// p * (scale + smooth * mass) - scale * onehot - smooth * class_weight, mass being the sum of the weights, or the number
// of classes. A thread takes V elements, which may lie in two rows or more. T is R here.
extern "C" __global__ void cross_entropy_gradient(T* d, const T* p, const long long* target, const R* class_weight,
                                                  const R* mass, FACTORS, const long long count, const int length,
                                                  const long long inner) {
    UNPACKED;
    long long at = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * V;
    int some = (int)min((long long)V, count - at);
    if (some <= 0) return;
    Pack<T, V> values;
    if (some == V)
        values = load<V>(p + at);
    else
#pragma unroll
        for (int i = 0; i < V; ++i) values.at[i] = i < some ? p[at + i] : T(0);
    R whole = !smoothed ? R(0) : mass ? *mass : R(length), own = 0, even = 0;
    long long within = at % inner, outer = at / inner / length, goal = -1;
    int label = (int)(at / inner % length);
    bool fresh = true;
#pragma unroll
    for (int i = 0; i < V; ++i) {
        if (i < some && (fresh || inner > 1)) {
            long long sample = outer * inner + within;
            goal = target[sample], own = scale.of(sample), even = smoothed ? smooth.of(sample) : R(0);
            fresh = false;
        }
        R value = to_real(values.at[i]) * (own + even * whole) - (label == goal ? own : R(0));
        if (smoothed) value -= class_weight ? even * class_weight[label] : even;
        values.at[i] = from_real<T>(value);
        if (++within == inner) {
            within = 0;
            if (++label == length) label = 0, ++outer, fresh = true;
        }
    }
    if (some == V)
        store(d + at, values);
    else
#pragma unroll
        for (int i = 0; i < V; ++i)
            if (i < some) d[at + i] = values.at[i];
}

extern "C" __global__ void pick(T* out, const T* x, const long long* target, const long long samples, const int length,
                                const long long inner) {
    long long sample = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (sample >= samples) return;
    out[sample] = x[(sample / inner * length + target[sample]) * inner + sample % inner];
}
