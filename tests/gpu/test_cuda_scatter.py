"""Our CUDA kernels of scattering give what the generic kernels give, in any order and in theirs."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import framework as F
from framework.kernels.generic import scatter as generic

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = {np.dtype("f4"): 1e-5, np.dtype("f8"): 1e-13, np.dtype("f2"): 2e-3, BFLOAT16: 1.6e-2}
OTHERS = [np.dtype(name) for name in ("bool", "u1", "i1", "i2", "u2", "i4", "u4", "i8")]


@pytest.fixture(params=[False, True], ids=["any order", "deterministic"])
def kernel(gpu, request):
    gpu.use("cuda")
    from framework.kernels.cuda import scatter

    F.use_deterministic_algorithms(request.param)
    yield scatter
    F.use_deterministic_algorithms(False)


def numbers(rng, shape, dtype):
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return rng.integers(0, 9, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def close(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape
    tolerance = FLOATS.get(expected.dtype, 0)
    a, b = found.get().astype("f8"), expected.astype("f8")
    assert np.allclose(
        a, b, rtol=tolerance, atol=tolerance * max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0)), equal_nan=True
    )


@pytest.mark.parametrize("dtype", [*FLOATS, *OTHERS], ids=str)
@pytest.mark.parametrize(("places", "count"), [(1, 50), (7, 1000), (500, 33), (9, 0)])
def test_values_added_at_places(gpu, kernel, dtype, places, count):
    rng, xp = np.random.default_rng(count), gpu.xp
    out, values, at = numbers(rng, places, dtype), numbers(rng, count, dtype), rng.integers(0, places, count)
    there = xp.asarray(out)
    assert kernel.declines(there, xp.asarray(at)) is None
    kernel.add_at(there, xp.asarray(at), xp.asarray(values))
    generic.add_at(out, at, values)
    close(there, out)


@pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8"), *OTHERS], ids=str)
@pytest.mark.parametrize("reduce", ["sum", "prod", "amax", "amin"])
def test_values_reduced_into_places(gpu, kernel, dtype, reduce):
    rng, xp = np.random.default_rng(1), gpu.xp
    out, values, at = numbers(rng, 9, dtype), numbers(rng, 60, dtype), rng.integers(0, 8, 60)
    if dtype.kind == "f":
        values[::17], out[3] = np.nan, np.inf
        at[17::17] = 0
    there = xp.asarray(out)
    kernel.reduce_at(there, xp.asarray(at), xp.asarray(values), reduce)
    with np.errstate(all="ignore"):
        generic.reduce_at(out, at, values, reduce)
    close(there, out)


@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype("i8")], ids=str)
@pytest.mark.parametrize(
    ("rows", "count", "width"), [(5, 40, 1), (5, 40, 3), (300, 10, 7), (4, 33, 64), (6, 20, 300), (4, 0, 3)]
)
def test_rows_added(gpu, kernel, dtype, rows, count, width):
    rng, xp = np.random.default_rng(width), gpu.xp
    out, values, at = (
        numbers(rng, (rows, width), dtype),
        numbers(rng, (count, width), dtype),
        rng.integers(0, rows, count),
    )
    for index in (at, at.astype("i4")):
        here, there = out.copy(), xp.asarray(out)
        kernel.add_rows(there, xp.asarray(index), xp.asarray(values))
        generic.add_rows(here, index, values)
        close(there, here)
    if values.size:
        there = xp.asarray(out)
        kernel.add_rows(there, xp.asarray(at), xp.asarray(np.asfortranarray(values)))
        close(there, here)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("rows", "count"), [(10, 64), (2000, 5), (30, 0)])
def test_the_gradient_of_a_table(gpu, kernel, dtype, rows, count):
    rng, xp = np.random.default_rng(rows), gpu.xp
    g, at = rng.standard_normal((count, 12)).astype(dtype), rng.integers(0, rows, count)
    wide = np.zeros((rows, 12))
    np.add.at(wide, at, g.astype("f8"))
    found = kernel.embedding_gradient(xp.asarray(g), xp.asarray(at), rows)
    close(found, wide.astype(dtype))


def test_an_order_that_is_the_same_in_each_run(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import scatter

    rng, xp = np.random.default_rng(4), gpu.xp
    values, at = (rng.standard_normal(400) * 10.0 ** rng.integers(-6, 6, 400)).astype("f4"), rng.integers(0, 3, 400)
    expected = np.zeros(3, "f4")
    for place in range(3):  # one after the other
        for value in values[at == place]:
            expected[place] += value
    F.use_deterministic_algorithms(True)
    try:
        there = xp.zeros(3, "f4")
        scatter.add_at(there, xp.asarray(at), xp.asarray(values))
        assert np.array_equal(there.get(), expected)
    finally:
        F.use_deterministic_algorithms(False)


def test_what_is_declined(gpu, kernel):
    assert "complex64" in kernel.declines(gpu.xp.zeros(3, np.complex64), gpu.xp.zeros(3, np.int64))


def test_ops(gpu):
    gpu.use("cuda")
    rng = np.random.default_rng(5)
    table, index = rng.standard_normal((11, 6), "f4"), rng.integers(0, 11, (4, 5))
    results = []
    for device in ("cpu", "cuda"):
        weight = F.tensor(table, device=device, requires_grad=True)
        at = F.tensor(index, device=device)
        y = F.nn.functional.embedding(at, weight).sum(1) @ weight[at[0]].T
        z = F.zeros(3, 6, device=device).scatter_add(0, at[:3, :4] % 3, weight[:3, :4])
        (y.sum() + (z * z).sum() + weight.index_select(0, at[1]).sum()).backward()
        results.append(weight.grad.cpu().numpy())
    assert np.allclose(*results, rtol=1e-5, atol=1e-5)
