// Weight and bias of a norm over rows, of type W; null stands for ones and zeros.
#pragma once

typedef typename Real<T>::type R;

__device__ __forceinline__ R weight_at(const W* weight, int at) { return weight ? (R)to_real(weight[at]) : R(1); }
__device__ __forceinline__ R bias_at(const W* bias, int at) { return bias ? (R)to_real(bias[at]) : R(0); }

// V values of a vector of W that begins at a whole pack
__device__ __forceinline__ void take(R (&values)[V], const W* from, int at, R otherwise) {
    if (from) {
        Pack<W, V> pack = load<V>(from + at);
#pragma unroll
        for (int i = 0; i < V; ++i) values[i] = to_real(pack.at[i]);
    } else {
#pragma unroll
        for (int i = 0; i < V; ++i) values[i] = otherwise;
    }
}
