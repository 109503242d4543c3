// What joins values: OP 0 adds, 1 multiplies, 2 takes the maximum, 3 the minimum (of which a nan is one, as for NumPy).
// T is the type of the values, and A that of what they are joined into, in which an index names a row of `width`.
#pragma once

#define THREADS 256

typedef typename Real<A>::type R;

__device__ __forceinline__ R joined(R a, R b) {
#if OP == 0
    return a + b;
#elif OP == 1
    return a * b;
#elif OP == 2
    return a > b || a != a ? a : b;
#else
    return a < b || a != a ? a : b;
#endif
}
