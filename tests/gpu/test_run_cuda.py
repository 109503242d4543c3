"""The machinery that runs CUDA kernels on the host, checked on kernels whose results are known."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.gpu.host import run_cuda

pytestmark = pytest.mark.skipif(run_cuda.why_not() is not None, reason=str(run_cuda.why_not()))

KERNELS = r"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>

extern "C" __global__ void add(float* out, const float* a, const float* b, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}
extern "C" __global__ void __launch_bounds__(256) total(double* out, const float* x, int n) {
    extern __shared__ double part[];
    double sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
    part[threadIdx.x] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    if (!threadIdx.x) atomicAdd(out, part[0]);
}
extern "C" __global__ void shuffled(int* out) {
    int lane = threadIdx.x, all = lane;
    for (int by = 16; by; by /= 2) all += __shfl_xor_sync(0xffffffffu, all, by);
    out[lane] = all;
    out[32 + lane] = __shfl_down_sync(0xffffffffu, lane, 3);
    out[64 + lane] = __shfl_up_sync(0xffffffffu, lane, 3);
    out[96 + lane] = __shfl_sync(0xffffffffu, lane, 5, 8);
    out[128 + lane] = (int)__ballot_sync(0xffffffffu, lane % 3 == 0);
    if (lane < 8) out[160 + lane] = __shfl_xor_sync(0xffu, lane, 1);
}
extern "C" __global__ void stuck() { if (threadIdx.x < 40) __syncwarp(); if (threadIdx.x) __syncthreads(); else while (!__any_sync(~0u, 0)); }
extern "C" __global__ void halves(__half* h, __nv_bfloat16* b, float* back, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) { h[i] = __float2half(x[i]); b[i] = __float2bfloat16(x[i]); back[i] = __half2float(h[i]); }
}
extern "C" __global__ void high(unsigned long long* out, unsigned long long a, unsigned long long b) {
    out[0] = __umul64hi(a, b);
}
template <class T, int N> __global__ void filled(T* out) { out[threadIdx.x] = (T)N; }
"""


@pytest.fixture(scope="module")
def module():
    return run_cuda.HostModule(KERNELS, name_expressions=["filled<float, 7>"])


def test_threads_of_several_blocks(module):
    a, b = np.arange(1000, dtype="f4"), np.ones(1000, "f4")
    out = np.zeros(1000, "f4")
    module.get("add")((8,), (128,), (out, a, b, np.int64(1000)))
    assert np.array_equal(out, a + 1)


def test_barriers_shared_memory_and_atomics(module):
    x, out = np.random.default_rng(0).random(5000, "f4"), np.zeros(1)
    module.get("total")((1,), (256,), (out, x, np.int32(5000)), shared_mem=256 * 8)
    assert np.isclose(out[0], x.sum(dtype="f8"), rtol=1e-12)


def test_warp_operations(module):
    out = np.zeros(192, "i4")
    module.get("shuffled")((1,), (32,), (out,))
    lane = np.arange(32)
    assert (out[:32] == lane.sum()).all()
    assert np.array_equal(out[32:64], np.where(lane + 3 < 32, lane + 3, lane))
    assert np.array_equal(out[64:96], np.where(lane >= 3, lane - 3, lane))
    assert np.array_equal(out[96:128], lane // 8 * 8 + 5)
    assert (out[128:160].view("u4") == np.uint32(sum(1 << i for i in range(0, 32, 3)))).all()
    assert np.array_equal(out[160:168], np.arange(8) ^ 1)


def test_a_barrier_that_not_all_come_to_is_a_deadlock(module):
    with pytest.raises(RuntimeError, match="deadlock"):
        module.get("stuck")((1,), (64,), ())


def test_sixteen_bit_types_round_as_numpy_does(module):
    every = np.arange(1 << 16, dtype=np.uint16)
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 1 << 32, 20000, np.uint32).view("f4")
    halves = every.view("f2").astype("f4")
    with np.errstate(all="ignore"):
        edges = np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf))
        between = (halves[:-1] + halves[1:]) / 2
    x = np.concatenate((patterns, halves, *edges, between, every.view(ml_dtypes.bfloat16).astype("f4")))
    h, b, back = np.zeros(x.size, "f2"), np.zeros(x.size, ml_dtypes.bfloat16), np.zeros(x.size, "f4")
    module.get("halves")((-(-x.size // 256),), (256,), (h, b, back, x, np.int32(x.size)))
    with np.errstate(all="ignore"):
        assert np.array_equal(h, x.astype("f2"), equal_nan=True)
        assert np.array_equal(back, x.astype("f2").astype("f4"), equal_nan=True)
        assert np.array_equal(b.astype("f4"), x.astype(ml_dtypes.bfloat16).astype("f4"), equal_nan=True)


def test_high_half_of_a_product(module):
    out = np.zeros(1, "u8")
    a, b = 0xFEDCBA9876543210, 0x123456789ABCDEF1
    module.get("high")((1,), (1,), (out, np.uint64(a), np.uint64(b)))
    assert int(out[0]) == a * b >> 64


def test_instances_of_templates(module):
    out = np.zeros(32, "f4")
    module.get("filled<float, 7>")((1,), (32,), (out,))
    assert (out == 7).all()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((np.zeros(4, "f4"), np.zeros(4, "f4"), np.zeros(4, "f4"), np.int32(4)), "declared 'q'"),
        ((np.zeros(4, "f4"), np.zeros(4, "f4"), np.zeros(4, "f4"), 4), "scalar of int"),
        ((np.zeros(4, "f8"), np.zeros(4, "f4"), np.zeros(4, "f4"), np.int64(4)), "points to 'f'"),
        ((np.zeros(4, "f4"),), "takes 4 arguments"),
    ],
)
def test_arguments_of_other_types_are_refused(module, args, message):
    with pytest.raises(TypeError, match=message):
        module.get("add")((1,), (32,), args)


def test_errors_of_the_compiler_are_shown():
    with pytest.raises(RuntimeError, match="nonsense"):
        run_cuda.HostModule('extern "C" __global__ void f() { nonsense; }')
