// Many arrays in one launch: a table by value in the parameters of the kernel says where they are.
//
// A row holds the addresses of the arrays of one tensor (ARRAYS of them), the number of its elements, the number of its
// first chunk, and the first word of its random numbers. A block takes one chunk, and finds its row by halving: the table
// lies in the constant bank, whose words all threads of a block read at once.
#pragma once

#define ROW (ARRAYS + 3)
#define CHUNK 4096  // elements
#define GROUP 4     // elements of each array that a thread reads and writes at once

struct Table {
    unsigned long long word[WORDS];
};

struct Span {
    const unsigned long long* row;
    long long start, stop;  // of the chunk, in elements of the tensor
};

__device__ __forceinline__ Span span_of(const Table& table, int rows, long long chunk) {
    int low = 0, high = rows;  // the last row that begins at or before the chunk
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (chunk >= (long long)table.word[middle * ROW + ARRAYS + 1])
            low = middle;
        else
            high = middle;
    }
    Span span;
    span.row = table.word + low * ROW;
    span.start = (chunk - (long long)span.row[ARRAYS + 1]) * CHUNK;
    span.stop = min(span.start + CHUNK, (long long)span.row[ARRAYS]);
    return span;
}

// Whether each array of a row begins at a whole group of elements of some size at most.
__device__ __forceinline__ bool aligned(const Span& span, unsigned int bytes) {
    unsigned long long all = 0;
    for (int i = 0; i < ARRAYS; ++i) all |= span.row[i];
    return !(all & (GROUP * bytes - 1));
}

template <class T, class R>
__device__ __forceinline__ void take(R (&values)[GROUP], const T* from, bool whole, int count) {
    if (whole) {
        Pack<T, GROUP> pack = load<GROUP>(from);
#pragma unroll
        for (int i = 0; i < GROUP; ++i) values[i] = (R)to_real(pack.at[i]);
    } else {
        for (int i = 0; i < GROUP; ++i) values[i] = i < count ? (R)to_real(from[i]) : R(0);
    }
}

template <class T, class R>
__device__ __forceinline__ void put(T* to, const R (&values)[GROUP], bool whole, int count) {
    if (whole) {
        Pack<T, GROUP> pack;
#pragma unroll
        for (int i = 0; i < GROUP; ++i) pack.at[i] = from_real<T>(values[i]);
        store(to, pack);
    } else {
        for (int i = 0; i < GROUP; ++i)
            if (i < count) to[i] = from_real<T>(values[i]);
    }
}
