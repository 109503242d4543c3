// The softmax of a row. Along an axis whose elements are neighbours, a row is taken by blockDim.x threads (a multiple of
// 32; blockDim.y rows a block): with K > 0 each keeps K packs of V elements in registers, so that the row is read once.
// With K = 0, for longer ones, the maximum and the sum are found together in a first sweep (the sum is rescaled when the
// maximum grows), and the row is read again, from the cache it is hoped. Along another axis each thread takes a column,
// neighbouring threads neighbouring columns.
//
// LOG: log-softmax. P is the type of the results. Arrays begin at whole packs; rows do so too where K > 0.
#pragma once

typedef typename Real<T>::type R;

#define ROW_THREADS (K ? 512 : 1024)

// Packs of a row that starts anywhere: elements up to the first whole 16 bytes, packs, and the rest one by one.
template <class F, class G> __device__ __forceinline__ void sweep(const T* row, int length, F pack, G single) {
    int head = V == 1 ? 0 : (int)((16 - (unsigned long long)row % 16) % 16 / sizeof(T));
    head = min(head, length);
    int packs = (length - head) / V, tail = head + packs * V;
    for (int i = threadIdx.x; i < head; i += blockDim.x) single(i);
    for (int i = threadIdx.x; i < packs; i += blockDim.x) pack(head + i * V);
    for (int i = tail + threadIdx.x; i < length; i += blockDim.x) single(i);
}

struct Statistics {
    R most, sum;  // the maximum, and the sum of exp(x - most); while all are -inf, the sum of exp(x)

    __device__ __forceinline__ R base() const { return most == -(R)INFINITY ? R(0) : most; }
    __device__ __forceinline__ void raise(R next) {
        if (next != most) sum *= exp_of(most - next), most = next;
    }
    __device__ __forceinline__ void add(R x) {
        raise(Max()(most, x));
        sum += exp_of(x - base());
    }
    template <int N> __device__ __forceinline__ void add(const Pack<T, N>& pack) {
        R next = most;
#pragma unroll
        for (int i = 0; i < N; ++i) next = Max()(next, (R)to_real(pack.at[i]));
        raise(next);
        R from = base();
#pragma unroll
        for (int i = 0; i < N; ++i) sum += exp_of(to_real(pack.at[i]) - from);
    }
    __device__ __forceinline__ void join() {  // over the threads of the row
        raise(group_max(most));
        sum = group_sum(sum);
    }
};

__device__ __forceinline__ Statistics nothing() {
    Statistics s;
    s.most = -(R)INFINITY, s.sum = 0;
    return s;
}

__device__ __forceinline__ R last_of(const Statistics& s) { return LOG ? log_of(s.sum) : R(1) / s.sum; }
__device__ __forceinline__ R result(R x, const Statistics& s, R last) {
    return LOG ? x - s.most - last : exp_of(x - s.most) * last;
}

// The softmax of a row goes to y if there is a y.
__device__ __forceinline__ Statistics whole_row(const T* x, P* y, int length, bool there) {
    Statistics s = nothing();
#if K
    Pack<T, V> packs[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
        int at = (k * blockDim.x + threadIdx.x) * V;
        if (there && at < length) {
            packs[k] = load<V>(x + at);
#pragma unroll
            for (int i = 0; i < V; ++i) s.most = Max()(s.most, (R)to_real(packs[k].at[i]));
        }
    }
    s.most = group_max(s.most);
#pragma unroll
    for (int k = 0; k < K; ++k)
        if (there && (k * blockDim.x + threadIdx.x) * V < length)
#pragma unroll
            for (int i = 0; i < V; ++i) s.sum += exp_of(to_real(packs[k].at[i]) - s.most);
    s.sum = group_sum(s.sum);
    if (!y || !there) return s;
    R last = last_of(s);
#pragma unroll
    for (int k = 0; k < K; ++k) {
        int at = (k * blockDim.x + threadIdx.x) * V;
        if (at >= length) continue;
        Pack<P, V> out;
#pragma unroll
        for (int i = 0; i < V; ++i) out.at[i] = from_real<P>(result(to_real(packs[k].at[i]), s, last));
        store(y + at, out);
    }
#else
    if (there) sweep(x, length, [&](int at) { s.add(load<V>(x + at)); }, [&](int at) { s.add((R)to_real(x[at])); });
    s.join();
    if (!y || !there) return s;
    R last = last_of(s);
    sweep(
        x, length,
        [&](int at) {
            Pack<T, V> pack = load<V>(x + at);
            Pack<P, V> out;
#pragma unroll
            for (int i = 0; i < V; ++i) out.at[i] = from_real<P>(result(to_real(pack.at[i]), s, last));
            store(y + at, out);  // aligned as x is, for both begin at a whole number of packs
        },
        [&](int at) { y[at] = from_real<P>(result(to_real(x[at]), s, last)); });
#endif
    return s;
}

__device__ __forceinline__ long long row_number() { return (long long)blockIdx.x * blockDim.y + threadIdx.y; }

#define COLUMN                                                                           \
    long long column = (long long)blockIdx.x * blockDim.x + threadIdx.x;                 \
    if (column >= outer * inner) return;                                                 \
    long long start = column / inner * inner * length + column % inner
