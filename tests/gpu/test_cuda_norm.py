"""Our CUDA kernels of the norms give what the generic kernels give."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import framework as F
from framework.kernels.generic import norm as generic

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
ROUNDING = {np.dtype("f4"): 4e-6, np.dtype("f8"): 1e-13, np.dtype("f2"): 2e-3, BFLOAT16: 1.6e-2}
DTYPES = pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import norm

    return norm


def close(found, expected, dtype):
    if expected is None:
        assert found is None
        return
    assert found.dtype == expected.dtype and found.shape == expected.shape
    a, b = found.get().astype("f8"), expected.astype("f8")
    bound = ROUNDING[dtype] * max(1.0, np.abs(b).max(initial=0))
    assert np.allclose(a, b, rtol=ROUNDING[dtype], atol=bound), np.abs(a - b).max()


def last(xp, x):
    """The same array with the channels innermost in memory."""
    return xp.asarray(np.ascontiguousarray(np.moveaxis(x, 1, -1))).transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def gaps(xp, x):
    return xp.asarray(np.repeat(x, 2, -1))[..., ::2]


def moved(xp, v):
    return None if v is None else xp.asarray(v)


@pytest.mark.parametrize(
    ("dtype", "length", "parameters"),
    [
        *((np.dtype("f4"), length, "same") for length in (1, 7, 64, 768, 1001, 4104)),
        *((BFLOAT16, length, "wide") for length in (7, 96, 768, 8200)),
        (np.dtype("f4"), 96, "none"), (BFLOAT16, 96, "same"), (np.dtype("f8"), 96, "same"), (np.dtype("f2"), 96, "wide"),
    ],
)  # fmt: skip
def test_layer_norm(gpu, kernel, dtype, length, parameters):
    rng, xp = np.random.default_rng(length), gpu.xp
    rows = 5 if length > 100 else 37
    x, g = ((rng.standard_normal((rows, length)) * 2 + 1).astype(dtype) for _ in range(2))
    weight = bias = None
    if parameters != "none":
        kind = dtype if parameters == "same" or dtype == "f8" else np.dtype("f4")
        weight, bias = (rng.standard_normal(length).astype(kind) for _ in range(2))
    y, mean, rstd = generic.layer_norm(x, weight, bias, 1e-5)
    found = kernel.layer_norm(xp.asarray(x), moved(xp, weight), moved(xp, bias), 1e-5)
    for a, b in zip(found, (y, mean, rstd), strict=True):
        close(a, b, dtype)
    for wanted in [(True, True, True), (True, False, False), (False, True, True)]:
        expected = generic.layer_norm_gradient(g, x, mean, rstd, weight, wanted)
        got = kernel.layer_norm_gradient(xp.asarray(g), xp.asarray(x), found[1], found[2], moved(xp, weight), wanted)
        for a, b in zip(got, expected, strict=True):
            close(a, b, dtype)


@pytest.mark.parametrize("dtype", [np.dtype("f4"), BFLOAT16], ids=str)
@pytest.mark.parametrize(("rows", "length"), [(3, 64), (3, 16411), (300, 96)])
@pytest.mark.parametrize("weighted", [False, True])
def test_rms_norm(gpu, kernel, dtype, rows, length, weighted):
    rng, xp = np.random.default_rng(length), gpu.xp
    x, g = (rng.standard_normal((rows, length)).astype(dtype) for _ in range(2))
    weight = rng.standard_normal(length).astype(dtype) if weighted else None
    y, rstd = generic.rms_norm(x, weight, 1e-6)
    found, root = kernel.rms_norm(xp.asarray(x), moved(xp, weight), 1e-6)
    close(found, y, dtype)
    close(root, rstd, dtype)
    wanted = (True, weighted, False)
    expected = generic.layer_norm_gradient(g, x, None, rstd, weight, wanted)
    got = kernel.layer_norm_gradient(xp.asarray(g), xp.asarray(x), None, root, moved(xp, weight), wanted)
    for a, b in zip(got, expected, strict=True):
        close(a, b, dtype)


def test_rows_that_begin_anywhere_and_a_mean_far_from_0(gpu, kernel):
    rng, xp = np.random.default_rng(0), gpu.xp
    x = (rng.standard_normal((9, 64)) + 1e4).astype("f4")
    weight = rng.standard_normal(64, "f4")
    expected = (x - x.mean(1, keepdims=True, dtype="f8")) / np.sqrt(x.var(1, keepdims=True, dtype="f8") + 1e-5) * weight
    anywhere = xp.asarray(np.concatenate([x.reshape(-1)[:1], x.reshape(-1)]))[1:].reshape(x.shape)
    beside = xp.asarray(np.concatenate([weight[:1], weight]))[1:]
    for array in (xp.asarray(x), anywhere):
        for w in (xp.asarray(weight), beside):
            assert np.allclose(kernel.layer_norm(array, w, None, 1e-5)[0].get(), expected, atol=3e-3)


@pytest.mark.parametrize(
    ("dtype", "shape", "parameters"),
    [
        *((np.dtype("f4"), shape, "same") for shape in [(5, 7), (64, 40), (2, 3, 5), (2, 70, 6, 2), (1, 1, 1), (3, 2, 2, 3, 4)]),
        *((BFLOAT16, shape, "wide") for shape in [(300, 8), (3, 8, 4, 4), (4, 16, 5, 3)]),
        (np.dtype("f4"), (3, 8, 4, 4), "none"), (BFLOAT16, (3, 8, 4, 4), "same"), (np.dtype("f4"), (3, 8, 4, 4), "bias"),
        (np.dtype("f8"), (4, 16, 5, 4), "same"), (np.dtype("f2"), (3, 8, 4, 4), "wide"),
    ],
    ids=str,
)  # fmt: skip
def test_batch_norm(gpu, kernel, dtype, shape, parameters):
    rng, xp = np.random.default_rng(len(shape)), gpu.xp
    x, g = ((rng.standard_normal(shape) * 2 + 1).astype(dtype) for _ in range(2))
    kind = dtype if parameters == "same" or dtype == "f8" else np.dtype("f4")
    weight, bias = (rng.standard_normal(shape[1]).astype(kind) for _ in range(2))
    weight = None if parameters in ("none", "bias") else weight
    bias = None if parameters == "none" else bias
    expected = generic.batch_norm(x, weight, bias, 1e-2)
    rstd = 1 / np.sqrt(expected[2] + expected[2].dtype.type(1e-2))
    for array, slope in ((xp.asarray(x), xp.asarray(g)), (last(xp, x), last(xp, g)), (gaps(xp, x), last(xp, g))):
        found = kernel.batch_norm(array, moved(xp, weight), moved(xp, bias), 1e-2)
        for a, b in zip(found, expected, strict=True):
            close(a, b, dtype)
        for fixed in (False, True):
            for wanted in ((True, True, True), (False, True, False), (True, False, False)):
                d = generic.batch_norm_gradient(g, x, expected[1], rstd, weight, fixed, wanted)
                got = kernel.batch_norm_gradient(
                    slope, array, xp.asarray(expected[1]), xp.asarray(rstd), moved(xp, weight), fixed, wanted
                )
                for a, b in zip(got, d, strict=True):
                    close(a, b, dtype)
        scale = expected[1] + 1
        close(
            kernel.affine(array, xp.asarray(scale), xp.asarray(expected[1])),
            generic.affine(x, scale, expected[1]),
            dtype,
        )


@DTYPES
@pytest.mark.parametrize("shape", [(5, 8), (3, 16, 6, 5), (2, 5, 7)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_batch_norm_with_relu(gpu, kernel, dtype, shape, weighted):
    rng, xp = np.random.default_rng(len(shape)), gpu.xp
    x, g = ((rng.standard_normal(shape) * 2 + 1).astype(dtype) for _ in range(2))
    weight, bias = (rng.standard_normal(shape[1]).astype(dtype) if weighted else None for _ in range(2))
    *expected, passed = generic.batch_norm_relu(x, weight, bias, 1e-2)
    rstd = 1 / np.sqrt(expected[2] + expected[2].dtype.type(1e-2))
    for array, slope in ((xp.asarray(x), xp.asarray(g)), (last(xp, x), last(xp, g)), (gaps(xp, x), last(xp, g))):
        *found, kept = kernel.batch_norm_relu(array, moved(xp, weight), moved(xp, bias), 1e-2)
        for a, b in zip(found, expected, strict=True):
            close(a, b, dtype)
        for wanted in ((True, True, True), (False, True, False), (True, False, False)):
            d = generic.batch_norm_relu_gradient(g, x, passed, expected[1], rstd, weight, wanted)
            got = kernel.batch_norm_relu_gradient(
                slope, array, kept, xp.asarray(expected[1]), xp.asarray(rstd), moved(xp, weight), wanted
            )
            for a, b in zip(got, d, strict=True):
                close(a, b, dtype)


@pytest.mark.parametrize("memory", ["rows", "last"])
def test_operands_that_lie_unevenly(gpu, kernel, memory):
    """A gradient that begins within a vector, and factors that lie apart or are one number."""
    rng, xp = np.random.default_rng(0), gpu.xp
    x, g = rng.standard_normal((3, 8, 4, 4)).astype("f4"), rng.standard_normal(3 * 8 * 4 * 4 + 1).astype("f4")
    weight, bias = rng.standard_normal((8, 2)).astype("f4")[:, 1], np.broadcast_to(np.float32(0.5), 8)
    array = xp.asarray(x) if memory == "rows" else last(xp, x)
    w, b = xp.asarray(np.repeat(weight, 2))[::2], xp.broadcast_to(xp.asarray(np.float32([0.5])), (8,))
    y, mean, variance = expected = generic.batch_norm(x, weight, bias, 1e-5)
    for a, e in zip(kernel.batch_norm(array, w, b, 1e-5), expected, strict=True):
        close(a, e, x.dtype)
    rstd = 1 / np.sqrt(variance + np.float32(1e-5))
    shape = (3, 8, 4, 4) if memory == "rows" else (3, 4, 4, 8)
    flat, order = xp.asarray(g)[1:].reshape(shape), (0, 1, 2, 3) if memory == "rows" else (0, 3, 1, 2)
    assert flat.data.ptr % 16
    slope = g[1:].reshape(shape).transpose(order)
    found = kernel.batch_norm_gradient(
        flat.transpose(order), array, xp.asarray(mean), xp.asarray(rstd), w, False, (True, True, True)
    )
    for a, e in zip(found, generic.batch_norm_gradient(slope, x, mean, rstd, weight, False, (True,) * 3), strict=True):
        close(a, e, x.dtype)


def test_relu_hides_no_nan(gpu, kernel):
    x, g = np.ones((4, 8), "f4"), np.ones((4, 8), "f4")
    x[1:, 0], x[2, 3] = 3, np.nan
    y, mean, variance, kept = kernel.batch_norm_relu(gpu.xp.asarray(x), None, None, 1e-5)
    assert np.isnan(y.get()[:, 3]).all() and np.isfinite(np.delete(y.get(), 3, 1)).all()
    rstd = 1 / np.sqrt(variance + np.float32(1e-5))
    dx = kernel.batch_norm_relu_gradient(gpu.xp.asarray(g), gpu.xp.asarray(x), kept, mean, rstd, None, (True,) * 3)[0]
    assert np.isnan(dx.get()[:, 3]).all() and np.isfinite(np.delete(dx.get(), 3, 1)).all()


@pytest.mark.parametrize("shape", [(40000, 8), (40, 8, 20, 30), (600, 3, 11)], ids=str)
@pytest.mark.parametrize("far", [0.0, 3000.0])
def test_many_rows_are_summed_in_parts(gpu, kernel, shape, far):
    rng, xp = np.random.default_rng(1), gpu.xp
    x = (rng.standard_normal(shape) + far).astype("f4")
    axes = (0, *range(2, len(shape)))
    mean, variance = x.mean(axes, dtype="f8"), x.var(axes, dtype="f8")
    for array in (xp.asarray(x), last(xp, x)):
        _, found, spread = kernel.batch_norm(array, None, None, 1e-5)
        assert np.allclose(found.get(), mean, rtol=1e-6, atol=1e-6)
        assert np.allclose(spread.get(), variance, rtol=1e-4 if far else 1e-5)
        again = kernel.batch_norm(array, None, None, 1e-5)
        assert np.array_equal(again[1].get(), found.get()) and np.array_equal(again[2].get(), spread.get())


@pytest.mark.parametrize("dtype", [np.dtype("f4"), BFLOAT16], ids=str)
@pytest.mark.parametrize(
    ("shape", "groups"), [((2, 6, 5), 3), ((3, 8, 4, 4), 8), ((2, 16, 4, 2), 1), ((4, 64, 2, 2), 4), ((3, 4), 2)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_group_norm(gpu, kernel, dtype, shape, groups, weighted):
    rng, xp = np.random.default_rng(groups), gpu.xp
    x, g = ((rng.standard_normal(shape) * 2 + 1).astype(dtype) for _ in range(2))
    weight, bias = (rng.standard_normal(shape[1]).astype(dtype) if weighted else None for _ in range(2))
    expected = generic.group_norm(x, groups, weight, bias, 1e-5)
    d = generic.group_norm_gradient(g, x, groups, expected[1], expected[2], weight, (True, weighted, weighted))
    for array, slope in ((xp.asarray(x), xp.asarray(g)), (last(xp, x), last(xp, g)), (gaps(xp, x), xp.asarray(g))):
        found = kernel.group_norm(array, groups, moved(xp, weight), moved(xp, bias), 1e-5)
        for a, b in zip(found, expected, strict=True):
            close(a, b, dtype)
        got = kernel.group_norm_gradient(
            slope, array, groups, found[1], found[2], moved(xp, weight), (True, weighted, weighted)
        )
        for a, b in zip(got, d, strict=True):
            close(a, b, dtype)


@DTYPES
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1000, 64), (300, 33), (4, 0), (70, 4096)], ids=str)
def test_column_sums(gpu, kernel, dtype, shape):
    from framework.kernels.cuda.columns import column_sums

    x = np.random.default_rng(2).standard_normal(shape).astype(dtype)
    wide = np.dtype("f8") if dtype == "f8" else np.dtype("f4")
    found = column_sums(gpu.xp.asarray(x))
    assert found.dtype == wide
    assert np.allclose(found.get(), x.astype("f8").sum(0), rtol=1e-5, atol=2e-4)


def test_what_is_declined(gpu, kernel):
    assert "int64" in kernel.declines(gpu.xp.zeros((3, 2), np.int64))
    assert kernel.declines(gpu.xp.zeros((3, 0), np.float32), kind="layer") == "nothing to compute"


@pytest.mark.parametrize(
    "layer",
    [
        lambda: F.nn.LayerNorm(12), lambda: F.nn.RMSNorm((4, 12)), lambda: F.nn.BatchNorm1d(4), lambda: F.nn.GroupNorm(2, 4),
        lambda: F.nn.InstanceNorm1d(4, affine=True), lambda: F.nn.BatchNorm1d(4).eval(),
    ],
)  # fmt: skip
def test_layers(gpu, layer):
    gpu.use("cuda")
    F.manual_seed(0)
    here = layer()
    values = np.random.default_rng(3).standard_normal((6, 4, 12), "f4")
    results = []
    for device in ("cpu", "cuda"):
        net = here.to(device)
        net.zero_grad()
        x = F.tensor(values, device=device, requires_grad=True)
        if gpu.waits is not None:
            gpu.waits.clear()
        y = net(x)
        (y * y * 0.5 + y).sum().backward()
        assert not gpu.waits
        grads = [p.grad.cpu().numpy() for p in net.parameters()]
        results.append([y.detach().cpu().numpy(), x.grad.cpu().numpy(), *grads])
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, rtol=2e-5, atol=2e-5)
