"""Our CUDA kernels of dropout and random numbers: what NumPy draws from the same seed, and the generic kernels."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import framework as F
from framework import random
from framework.kernels.generic import dropout as generic

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype("f4"), np.dtype("f8"), np.dtype("f2"), BFLOAT16]
SEED = 0x9E3779B97F4A7C15


@pytest.fixture
def pair(gpu):
    """Generators of the CPU and of the GPU with the same seed, on the GPU with our kernels."""
    gpu.use("cuda")
    return random.Generator().manual_seed(SEED), random.Generator("cuda").manual_seed(SEED)


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import dropout

    return dropout


def same(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert np.asarray(a).tobytes() == b.get().tobytes()


@pytest.mark.parametrize("count", [1, 4, 5, 17, 1000, 5003])
def test_bits_are_numpy_s(pair, count):
    cpu, there = pair
    for _ in range(3):
        same(cpu.bits16(count), there.bits16(count))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_uniform_numbers_are_numpy_s(pair, dtype):
    cpu, there = pair
    for shape in [(3,), (0,), (1,), (5, 7), (), (1001,), (2, 4)]:
        same(np.asarray(cpu.uniform(shape, dtype)), there.uniform(shape, dtype))


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 10),
        (-5, 6),
        (0, 1),
        (3, 4),
        (0, 2**32),
        (-(2**31), 2**31),
        (0, 2**16),
        (0, 2**40),
        (-(2**63), 2**63),
        (0, 2**64),
    ],
)
def test_integers_are_numpy_s(pair, low, high):
    cpu, there = pair
    for count in (3, 1, 700, 2):
        same(cpu.integers(low, high, (count,)), there.integers(low, high, (count,)))


@pytest.mark.parametrize(("low", "high"), [(0, 3 * 2**30), (0, 3 * 2**62)])
def test_rejected_integers_are_drawn_again(pair, low, high):
    _, there = pair
    drawn = there.integers(low, high, (40000,)).get().astype(np.float64)
    assert drawn.min() >= low and drawn.max() < high
    assert np.allclose(np.histogram(drawn, 12, (float(low), float(high)))[0], 40000 / 12, rtol=0.06)  # 3 deviations


def test_draws_of_all_kinds_follow_one_another(pair):
    cpu, there = pair
    for generator in pair:
        generator.uniform((3,), np.dtype("f4"))  # leaves half a word
        generator.bits16(6)
        generator.uniform((1,), np.dtype("f8"))
        generator.integers(0, 7, (2,))
        generator.uniform((5,), BFLOAT16)
    assert np.array_equal(
        cpu.poisson(np.full(9, 3.5)), there.poisson(F.full((9,), 3.5, device="cuda").double().array).get()
    )
    same(cpu.bits16(21), there.bits16(21))
    same(cpu.uniform((4,), np.dtype("f4")), there.uniform((4,), np.dtype("f4")))


def test_states_move_between_devices(pair):
    cpu, there = pair
    for generator in pair:
        generator.uniform((7,), np.dtype("f4"))
    state = cpu.get_state()
    assert state.shape == there.get_state().shape
    other = random.Generator("cuda").set_state(state)
    back = random.Generator().set_state(there.get_state())
    expected = cpu.uniform((9,), np.dtype("f4"))
    for drawn in (there, other):
        same(expected, drawn.uniform((9,), np.dtype("f4")))
    assert np.array_equal(expected, back.uniform((9,), np.dtype("f4")))
    assert there.initial_seed() == other.initial_seed() == SEED
    kept = there.get_state()
    first = there.bits16(100).get()
    assert np.array_equal(first, there.set_state(kept).bits16(100).get())


def test_states_of_keyed_streams_move_too(gpu):
    gpu.use("cuda")
    with random.keyed(3, 1, 2):
        state = random.get_rng_state()
        expected = random.default_generator.bits16(40)
    same(expected, random.Generator("cuda").set_state(state).bits16(40))


def test_normal_numbers_and_permutations(pair):
    _, there = pair
    drawn = there.normal((20001,), np.dtype("f4")).get()
    assert abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.03
    assert sorted(there.permutation(101).get().tolist()) == list(range(101))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.999999])
@pytest.mark.parametrize("before", [0, 4, 8, 12, 20])
def test_masks_are_the_cpu_s(pair, kernel, p, before):
    cpu, there = pair
    for shape in [(7, 11), (513,), (3, 1, 5), (0, 4), (40, 33)]:
        for generator in pair:
            generator.bits16(before)
        expected = generic.keep_mask(shape, p, cpu)
        assert np.array_equal(expected, kernel.keep_mask(shape, p, there).get())


@pytest.mark.parametrize("before", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_drawn_and_applied_at_once(gpu, pair, kernel, dtype, before):
    cpu, there = pair
    rng = np.random.default_rng(0)
    for shape in [(17, 11), (1,), (4, 3, 64), (2, 513)]:
        for generator in pair:
            generator.bits16(4 * before)
        x = rng.standard_normal(shape, "f4").astype(dtype)
        x.reshape(-1)[:1] = np.nan
        expected, mask = generic.drop(x, 0.3, 1 / 0.7, cpu)
        y, kept = kernel.drop(gpu.xp.asarray(x), 0.3, 1 / 0.7, there)
        same(mask, kept)
        assert np.array_equal(expected.astype("f8"), y.get().astype("f8"), equal_nan=True)
        assert y.dtype == dtype


def layouts(xp, x):
    yield xp.asarray(x)
    yield xp.asarray(np.ascontiguousarray(x.swapaxes(0, 1))).swapaxes(0, 1)
    yield xp.asarray(np.repeat(x, 2, -1))[..., ::2]
    yield xp.asarray(np.concatenate([x.reshape(-1)[:1], x.reshape(-1)]))[1:].reshape(x.shape)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_applied_in_every_layout(gpu, kernel, dtype):
    rng = np.random.default_rng(1)
    x, mask = rng.standard_normal((5, 6, 7), "f4").astype(dtype), rng.random((5, 6, 7)) < 0.5
    expected = generic.apply_mask(x, mask, 1.25).astype("f8")
    for array in layouts(gpu.xp, x):
        for flags in layouts(gpu.xp, mask):
            assert np.array_equal(kernel.apply_mask(array, flags, 1.25).get().astype("f8"), expected)
    channels = mask[:, :, :1]
    expected = generic.apply_mask(x, channels, 1.25).astype("f8")
    last = gpu.xp.asarray(np.ascontiguousarray(x.transpose(0, 2, 1))).transpose(0, 2, 1)
    for array in (*layouts(gpu.xp, x), last):
        assert np.array_equal(kernel.apply_mask(array, gpu.xp.asarray(channels), 1.25).get().astype("f8"), expected)


def test_what_is_declined(gpu, kernel):
    assert "int64" in kernel.declines(gpu.xp.zeros(3, np.int64))
    assert kernel.declines(gpu.xp.zeros(0, np.float32)) == "nothing to compute"
    assert kernel.declines(gpu.xp.zeros(3, np.float32)) is None


@pytest.mark.parametrize("name", ["dropout", "feature_dropout", "alpha_dropout"])
def test_the_ops_drop_what_they_drop_on_the_cpu(gpu, name):
    gpu.use("cuda")
    values = np.random.default_rng(2).standard_normal((6, 10, 5), "f4")
    results = []
    for device in ("cpu", "cuda"):
        F.manual_seed(5)
        x = F.tensor(values, device=device, requires_grad=True)
        y = getattr(F, name)(x, 0.4, True)
        y.backward(F.ones_like(y))
        results.append((y.detach().cpu().numpy(), x.grad.cpu().numpy()))
    for here, there in zip(*results, strict=True):
        assert np.allclose(here, there, rtol=1e-6)
    if gpu.waits is not None and name == "dropout":
        gpu.waits.clear()
        F.dropout(x, 0.4, True)
        assert not gpu.waits
