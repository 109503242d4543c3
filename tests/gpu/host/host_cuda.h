// What a CUDA kernel needs to run on the host: g++ includes this before a .cu text, and run_cuda.py calls the kernels.
//
// The blocks of a grid run one after another. The threads of a block are fibers, each with a stack of its own, that take
// turns: one runs until it comes to a barrier or ends. In every other block they start from the last to the first, so
// that a value which is read without the barrier that it needs is likely to be the wrong one.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include "host_types.h"
#include "host_math.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__
#define CUDART_INF_F ((float)INFINITY)
#define HOST_CUDA 1

extern "C" {
__attribute__((visibility("hidden"))) dim3 threadIdx, blockIdx, blockDim, gridDim;
}
static const int warpSize = 32;

namespace host {

const int STACK = 1 << 16, THREADS = 1024, WARPS = THREADS / 32, LANES = 32, WIDEST = 16;

struct Fiber {
#if defined(__x86_64__)
    void* top;
#else
    ucontext_t context;
#endif
    dim3 index;
    bool started, done;
};

struct Meeting {  // of the lanes of a warp that are named in a mask
    unsigned mask;
    int arrived;
    unsigned long long turn;
    alignas(16) unsigned char values[2][LANES][WIDEST];
    bool given[2][LANES];
};

struct Block {
    Fiber fibers[THREADS], scheduler;
    unsigned char* stacks;
    int threads, running, current, waiting, count[2];
    unsigned long long turn;
    bool moved;  // something has happened since the last round: no deadlock
    Meeting meetings[WARPS][8];
    void* dynamic;
    void (*body)(void**);
    void** arguments;
};
static Block block;

#if defined(__x86_64__)
extern "C" __attribute__((visibility("hidden"))) void host_switch(void** from, void* to);
asm(R"(
.text
.hidden host_switch
.globl host_switch
.type host_switch, @function
host_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size host_switch, .-host_switch
)");
inline void change(Fiber& from, Fiber& to) { host_switch(&from.top, to.top); }
#else
inline void change(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }
#endif

inline void pause() {
    Fiber& fiber = block.fibers[block.current];
    change(fiber, block.scheduler);
    threadIdx = fiber.index;
}

static void thread() {
    block.body(block.arguments);
    block.fibers[block.current].done = true;
    --block.running;
    block.moved = true;
    change(block.fibers[block.current], block.scheduler);
    std::abort();
}

inline void prepare(Fiber& fiber, unsigned char* stack) {
#if defined(__x86_64__)
    void** top = (void**)(stack + STACK);
    *--top = 0;              // keeps the stack aligned as after a call
    *--top = (void*)thread;  // where host_switch returns to
    for (int i = 0; i < 6; ++i) *--top = 0;
    fiber.top = top;
#else
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack;
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = 0;
    makecontext(&fiber.context, thread, 0);
#endif
}

// All threads that have not ended meet; true where the predicate holds is counted.
inline int meet(int predicate) {
    unsigned long long turn = block.turn;
    if (!block.waiting) block.count[turn & 1] = 0;
    block.count[turn & 1] += predicate != 0;
    ++block.waiting;
    block.moved = true;
    while (block.turn == turn) {
        if (block.waiting == block.running) {
            block.waiting = 0;
            ++block.turn;
            break;
        }
        pause();
    }
    return block.count[turn & 1];
}

inline int lane() {
    return (int)((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % LANES);
}

inline unsigned alive() {  // the lanes of this warp that have not ended
    int first = block.current / LANES * LANES;
    unsigned lanes = 0;
    for (int i = 0; i < LANES && first + i < block.threads; ++i)
        if (!block.fibers[first + i].done) lanes |= 1u << i;
    return lanes;
}

// Every lane of the mask gives a value; what they gave is there until the second meeting after this.
template <class T> inline const Meeting& exchange(unsigned mask, T value, int& slot) {
    static_assert(sizeof(T) <= WIDEST, "too wide a value for a warp's exchange");
    int me = lane();
    if (!(mask >> me & 1u)) std::fprintf(stderr, "a warp operation's mask leaves out the lane that calls it\n");
    Meeting* meeting = block.meetings[block.current / LANES];
    while (meeting->mask && meeting->mask != mask) ++meeting;
    meeting->mask = mask;
    unsigned long long turn = meeting->turn;
    slot = (int)(turn & 1);
    if (!meeting->arrived) {
        std::memset(meeting->values[slot], 0xff, sizeof meeting->values[slot]);  // whole nans for those who give none
        std::memset(meeting->given[slot], 0, sizeof meeting->given[slot]);
    }
    std::memcpy(meeting->values[slot][me], &value, sizeof(T));
    meeting->given[slot][me] = true;
    ++meeting->arrived;
    block.moved = true;
    while (meeting->turn == turn) {
        if (meeting->arrived == __builtin_popcount(mask & alive())) {
            meeting->arrived = 0;
            ++meeting->turn;
            break;
        }
        pause();
    }
    return *meeting;
}

template <class T> inline T from_lane(unsigned mask, T value, int source) {
    int slot;
    const Meeting& meeting = exchange(mask, value, slot);
    T result;
    std::memcpy(&result, meeting.values[slot][source & (LANES - 1)], sizeof(T));
    return result;
}

inline const char* run(unsigned shared) {
    if (!block.stacks) block.stacks = (unsigned char*)std::malloc((std::size_t)STACK * THREADS);
    block.threads = (int)(blockDim.x * blockDim.y * blockDim.z);
    if (block.threads < 1 || block.threads > THREADS) return "a block has 1 to 1024 threads";
    if (shared > 232448) return "more than 227 KiB of shared memory";
    block.dynamic = std::malloc(shared ? shared : 1);
    static unsigned launches;
    ++launches;
    const char* error = 0;
    for (unsigned z = 0; z < gridDim.z && !error; ++z)
        for (unsigned y = 0; y < gridDim.y && !error; ++y)
            for (unsigned x = 0; x < gridDim.x && !error; ++x) {
                blockIdx = dim3(x, y, z);
                std::memset(block.dynamic, 0xff, shared);
                std::memset((void*)block.meetings, 0, sizeof(Meeting) * 8 * ((block.threads + 31) / 32));
                block.running = block.threads;
                block.waiting = 0;
                for (int i = 0; i < block.threads; ++i) {
                    Fiber& fiber = block.fibers[i];
                    fiber.done = fiber.started = false;
                    fiber.index = dim3(i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y));
                }
                bool backwards = (launches + x + y + z) % 2;
                while (block.running && !error) {
                    block.moved = false;
                    for (int i = 0; i < block.threads; ++i) {
                        block.current = backwards ? block.threads - 1 - i : i;
                        Fiber& fiber = block.fibers[block.current];
                        if (fiber.done) continue;
                        if (!fiber.started) prepare(fiber, block.stacks + (std::size_t)STACK * block.current);
                        fiber.started = true;
                        threadIdx = fiber.index;
                        change(block.scheduler, fiber);
                    }
                    if (!block.moved) error = "deadlock: not all threads came to a barrier or a warp operation";
                }
            }
    std::free(block.dynamic);
    return error;
}

template <class T> struct Code { static constexpr char value = std::is_same<T, bool>::value ? '?' : 's'; };
#define HOST_CODE(T, C) template <> struct Code<T> { static constexpr char value = C; };
HOST_CODE(float, 'f') HOST_CODE(double, 'd') HOST_CODE(__half, 'e') HOST_CODE(__nv_bfloat16, 'E')
HOST_CODE(signed char, 'b') HOST_CODE(unsigned char, 'B') HOST_CODE(short, 'h') HOST_CODE(unsigned short, 'H')
HOST_CODE(int, 'i') HOST_CODE(unsigned int, 'I') HOST_CODE(long long, 'q') HOST_CODE(unsigned long long, 'Q')
HOST_CODE(long, 'q') HOST_CODE(unsigned long, 'Q') HOST_CODE(void, 'v') HOST_CODE(char, 'v')

// A kernel's parameters, two letters each: '*' or ' ', and the type (pointed to).
template <class T> inline void describe(char*& text) {
    *text++ = std::is_pointer<T>::value ? '*' : ' ';
    *text++ = Code<typename std::remove_cv<typename std::remove_pointer<T>::type>::type>::value;
}

template <class F> struct Kernel;
template <class... A> struct Kernel<void (*)(A...)> {
    static void (*function)(A...);
    template <std::size_t... I> static void spread(void** arguments, std::index_sequence<I...>) {
        function(*(typename std::remove_cv<A>::type*)arguments[I]...);
    }
    static void call(void** arguments) { spread(arguments, std::index_sequence_for<A...>()); }
    static const char* signature() {
        static char text[2 * sizeof...(A) + 1];
        char* end = text;
        (describe<A>(end), ...);
        *end = 0;
        return text;
    }
};
template <class... A> void (*Kernel<void (*)(A...)>::function)(A...);

template <class F> inline const char* launch(F function, const unsigned* sizes, unsigned shared, void** arguments) {
    Kernel<F>::function = function;
    gridDim = dim3(sizes[0], sizes[1], sizes[2]);
    blockDim = dim3(sizes[3], sizes[4], sizes[5]);
    block.body = Kernel<F>::call;
    block.arguments = arguments;
    return run(shared);
}

}  // namespace host

// Run_cuda.py writes one of these for each kernel, after the .cu text.
#define HOST_KERNEL(SYMBOL, ...)                                                                                    \
    extern "C" const char* host_launch_##SYMBOL(const unsigned* sizes, unsigned shared, void** arguments) {         \
        return host::launch(&__VA_ARGS__, sizes, shared, arguments);                                                \
    }                                                                                                               \
    extern "C" const char* host_signature_##SYMBOL() { return host::Kernel<decltype(&__VA_ARGS__)>::signature(); }

inline void* host_dynamic_shared() { return host::block.dynamic; }

inline void __syncthreads() { host::meet(0); }
inline int __syncthreads_count(int predicate) { return host::meet(predicate); }
inline int __syncthreads_or(int predicate) { return host::meet(predicate) > 0; }
inline int __syncthreads_and(int predicate) { return host::meet(!predicate) == 0; }
inline void __syncwarp(unsigned mask = 0xffffffffu) { int slot; host::exchange(mask, 0, slot); }
inline unsigned __activemask() { return host::alive(); }

template <class T> inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    int first = host::lane() & ~(width - 1);
    return host::from_lane(mask, value, first + (source & (width - 1)));
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int other, int width = 32) {
    int me = host::lane(), source = me ^ other;
    return host::from_lane(mask, value, source / width > me / width ? me : source);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
    int me = host::lane(), source = me + (int)by;
    return host::from_lane(mask, value, source / width != me / width ? me : source);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
    int me = host::lane(), source = me - (int)by;
    return host::from_lane(mask, value, source < (me & ~(width - 1)) ? me : source);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    int slot;
    const host::Meeting& meeting = host::exchange(mask, (int)(predicate != 0), slot);
    unsigned lanes = 0;
    for (int i = 0; i < 32; ++i) lanes |= (unsigned)(meeting.given[slot][i] && meeting.values[slot][i][0]) << i;
    return lanes;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
template <class T> inline unsigned __match_any_sync(unsigned mask, T value) {
    int slot;
    const host::Meeting& meeting = host::exchange(mask, value, slot);
    unsigned lanes = 0;
    for (int i = 0; i < 32; ++i)
        lanes |= (unsigned)(meeting.given[slot][i] && !std::memcmp(meeting.values[slot][i], &value, sizeof(T))) << i;
    return lanes;
}
template <class T, class F> inline T host_reduced(unsigned mask, T value, F join) {
    int slot;
    const host::Meeting& meeting = host::exchange(mask, value, slot);
    T total = value;
    for (int i = 0; i < 32; ++i) {
        T other;
        std::memcpy(&other, meeting.values[slot][i], sizeof(T));
        if (meeting.given[slot][i] && i != host::lane()) total = join(total, other);
    }
    return total;
}
template <class T> inline T __reduce_add_sync(unsigned mask, T value) {
    return host_reduced(mask, value, [](T a, T b) { return (T)(a + b); });
}
template <class T> inline T __reduce_max_sync(unsigned mask, T value) {
    return host_reduced(mask, value, [](T a, T b) { return a < b ? b : a; });
}
template <class T> inline T __reduce_min_sync(unsigned mask, T value) {
    return host_reduced(mask, value, [](T a, T b) { return b < a ? b : a; });
}
