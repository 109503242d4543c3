// The softmax of attention's scores and its gradient, between products of matrices; and attention of one query, whole.
//
// T is what is computed in or, for one query, the arrays' type; B the type of a mask: bool, or a number to add. K is how
// many scores a thread keeps of its row; 0 stands for rows that are read again.
// compiled with: T=float B=bool,float,__half,__nv_bfloat16 K=0,4,16 | T=double B=bool,float,double K=0,4 | T=__half B=bool,float,__half K=0 | T=__nv_bfloat16 B=bool,float,__nv_bfloat16 K=0
#include "common.cuh"

typedef Real<T>::type R;

struct Mask {  // its steps in elements from batch to batch, head to head, query to query, key to key; null if there is none
    const B* at;
    long long batch, head, row, column;
};

__device__ __forceinline__ R masked(R score, bool mask) { return mask ? score : -R(INFINITY); }
template <class M> __device__ __forceinline__ R masked(R score, M mask) { return score + (R)to_real(mask); }

// The row of a mask that belongs to a row of scores (batch, head, query).
__device__ __forceinline__ const B* mask_row(const Mask& mask, long long row, int heads, int queries) {
    long long query = row % queries, outer = row / queries;
    return mask.at + outer / heads * mask.batch + outer % heads * mask.head + query * mask.row;
}

// A maximum that exponentials can be taken against: where no key takes part it is 0, for their sum to be 0.
__device__ __forceinline__ R reference(R top) { return top == -R(INFINITY) ? R(0) : top; }

#if K
#define EACH(k) _Pragma("unroll") for (int k = 0; k < K; ++k)
#define ROOM K
#else
#define EACH(k) for (int k = 0; k < parts; ++k)
#endif

// Scores become probabilities where they are; what dropout leaves of them goes to another place, if there is one.
extern "C" __global__ void __launch_bounds__(K ? 256 : 512)
attention_softmax(T* scores, T* left, const bool* keep, const Mask mask, const R scale, const R keep_scale,
                  const long long rows, const int heads, const int queries, const int keys, const int causal,
                  const int first) {
    long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    bool there = row < rows;
    T* p = scores + row * keys;
    int seen = causal ? min(keys, first + (int)(row % queries) + 1) : keys;
    const B* bias = mask.at && there ? mask_row(mask, row, heads, queries) : nullptr;
    R top = -R(INFINITY), total = 0;
    auto score = [&](int at) {
        if (!there || at >= seen) return -R(INFINITY);
        R value = (R)to_real(p[at]) * scale;
        return bias ? masked(value, bias[at * mask.column]) : value;
    };
#if K
    R x[ROOM];
#else
    int parts = (keys + blockDim.x - 1) / blockDim.x;
#endif
    EACH(k) {
        R value = score(k * blockDim.x + threadIdx.x);
#if K
        x[k] = value;
#endif
        top = Max()(top, value);
    }
    top = reference(group_max(top));
    EACH(k) {
#if K
        x[k] = exp_of(x[k] - top);
        total += x[k];
#else
        total += exp_of(score(k * blockDim.x + threadIdx.x) - top);
#endif
    }
    total = group_sum(total);
    R inverse = total == 0 ? R(0) : R(1) / total;
    EACH(k) {
        int at = k * blockDim.x + threadIdx.x;
        if (!there || at >= keys) continue;
#if K
        R value = x[k] * inverse;
#else
        R value = exp_of(score(at) - top) * inverse;
#endif
        p[at] = from_real<T>(value);
        if (left) left[row * keys + at] = from_real<T>(keep[row * keys + at] ? value * keep_scale : R(0));
    }
}

// The gradient of the scores, in the place of that of the probabilities that dropout left.
extern "C" __global__ void __launch_bounds__(K ? 256 : 512)
attention_softmax_gradient(T* slopes, const T* probabilities, const bool* keep, const R scale, const R keep_scale,
                           const long long rows, const int keys) {
    long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    bool there = row < rows;
    T* d = slopes + row * keys;
    const T* p = probabilities + row * keys;
    R total = 0;
    auto slope = [&](int at) {
        R value = (R)to_real(d[at]);
        return keep ? (keep[row * keys + at] ? value * keep_scale : R(0)) : value;
    };
#if K
    R g[ROOM], y[ROOM];
#else
    int parts = (keys + blockDim.x - 1) / blockDim.x;
#endif
    EACH(k) {
        int at = k * blockDim.x + threadIdx.x;
        bool in = there && at < keys;
        R one = in ? slope(at) : R(0), other = in ? (R)to_real(p[at]) : R(0);
#if K
        g[k] = one, y[k] = other;
#endif
        total += one * other;
    }
    total = group_sum(total);
    EACH(k) {
        int at = k * blockDim.x + threadIdx.x;
        if (!there || at >= keys) continue;
#if K
        R value = y[k] * (g[k] - total);
#else
        R value = (R)to_real(p[at]) * (slope(at) - total);
#endif
        d[at] = from_real<T>(value * scale);
    }
}

#define QUERY_WARPS 8

struct Steps {  // in elements from batch to batch, head to head, key to key, feature to feature
    long long batch, head, row, column;
};

// One query's attention, a block for each head: scores in shared memory, keys and values read once.
extern "C" __global__ void __launch_bounds__(QUERY_WARPS * 32, 4)
attend_one(T* out, const T* q, const T* k, const T* v, const Steps q_steps, const Steps k_steps, const Steps v_steps,
           const Mask mask, const R scale, const int heads, const int keys, const int width, const int depth) {
    extern __shared__ __align__(16) R room[];  // the query, then a score for each key
    __shared__ R part[QUERY_WARPS][32];
    long long batch = blockIdx.x / heads, head = blockIdx.x % heads;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    R *query = room, *p = room + width;
    const T* key = k + batch * k_steps.batch + head * k_steps.head;
    const T* value = v + batch * v_steps.batch + head * v_steps.head;
    for (int i = threadIdx.x; i < width; i += blockDim.x)
        query[i] = (R)to_real(q[batch * q_steps.batch + head * q_steps.head + i * q_steps.column]) * scale;
    __syncthreads();
    const B* bias = mask.at ? mask.at + batch * mask.batch + head * mask.head : nullptr;
    R top = -R(INFINITY), total = 0;
#pragma unroll 4
    for (int j = warp; j < keys; j += QUERY_WARPS) {
        R sum = 0;
        for (int i = lane; i < width; i += 32)
            sum += query[i] * (R)to_real(key[j * k_steps.row + i * k_steps.column]);
#pragma unroll
        for (int by = 16; by; by /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, by);
        if (bias) sum = masked(sum, bias[j * mask.column]);
        if (!lane) p[j] = sum;
        top = Max()(top, sum);
    }
    top = reference(group_max(top));  // and every score is there
    __syncthreads();
    for (int j = threadIdx.x; j < keys; j += blockDim.x) {
        R e = exp_of(p[j] - top);
        p[j] = e;
        total += e;
    }
    total = group_sum(total);
    R inverse = total == 0 ? R(0) : R(1) / total;
    __syncthreads();
    for (int start = 0; start < depth; start += 32) {
        R sum = 0;
        if (start + lane < depth)
#pragma unroll 4
            for (int j = warp; j < keys; j += QUERY_WARPS)
                sum += p[j] * (R)to_real(value[j * v_steps.row + (start + lane) * v_steps.column]);
        part[warp][lane] = sum;
        __syncthreads();
        if (!warp && start + lane < depth) {
            for (int i = 1; i < QUERY_WARPS; ++i) sum += part[i][lane];
            out[((long long)batch * heads + head) * depth + start + lane] = from_real<T>(sum * inverse);
        }
        __syncthreads();
    }
}
