"""Our CUDA kernels of softmax and cross-entropy give what the generic kernels give."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import framework as F
from framework.kernels.generic import softmax as generic

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
ROUNDING = {np.dtype("f4"): 2e-6, np.dtype("f8"): 1e-14, np.dtype("f2"): 2e-3, BFLOAT16: 1.6e-2}
DTYPES = pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import softmax

    return softmax


def close(found, expected, dtype=None):
    dtype = expected.dtype if dtype is None else dtype
    assert found.dtype == expected.dtype and found.shape == expected.shape
    a, b = found.get().astype("f8"), expected.astype("f8")
    bound = ROUNDING[dtype] * max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0))
    assert np.allclose(a, b, rtol=ROUNDING[dtype], atol=bound, equal_nan=True), np.nanmax(np.abs(a - b))


def layouts(xp, x):
    """The same array row-major, with every other axis innermost, with gaps, and beginning at any place."""
    yield xp.asarray(x)
    for axis in range(x.ndim - 1):
        yield xp.asarray(np.ascontiguousarray(np.moveaxis(x, axis, -1))).transpose(
            *range(axis), x.ndim - 1, *range(axis, x.ndim - 1)
        )
    yield xp.asarray(np.repeat(x, 2, -1))[..., ::2]
    yield xp.asarray(np.concatenate([x.reshape(-1)[:1], x.reshape(-1)]))[1:].reshape(x.shape)


SHAPES = [
    ((5, 7), 1), ((3, 64), 1), ((2, 3, 100), 2), ((2, 2049), 1), ((3, 5, 40), 1), ((40, 3), 0), ((2, 17, 3, 5), 1), ((1, 1), 1),
    ((4, 1, 3), 1), ((9,), 0),
]  # fmt: skip
F4, F8, F2 = (np.dtype(name) for name in ("f4", "f8", "f2"))
CASES = [
    *((name, F4, *case) for name in ("softmax", "log_softmax") for case in SHAPES),
    *(("softmax", BFLOAT16, *case) for case in SHAPES),
    *((name, dtype, (3, 64), 1) for name, dtype in (("softmax", F8), ("softmax", F2), ("log_softmax", F8))),
    ("log_softmax", BFLOAT16, (2, 130), 1),
]


@pytest.mark.parametrize(("name", "dtype", "shape", "axis"), CASES, ids=str)
def test_along_any_axis_of_any_layout(gpu, kernel, name, dtype, shape, axis):
    rng = np.random.default_rng(len(shape))
    x, g = ((rng.standard_normal(shape) * 3).astype(dtype) for _ in range(2))
    y = getattr(generic, name)(x, axis)
    d = getattr(generic, f"{name}_backward")(g, y, axis)
    for array, gradient in zip(layouts(gpu.xp, x), layouts(gpu.xp, g), strict=True):
        assert kernel.declines(array, axis) is None
        found = getattr(kernel, name)(array, axis)
        close(found, y)
        close(getattr(kernel, f"{name}_backward")(gradient, found, axis), d)
    close(getattr(kernel, f"{name}_backward")(gpu.xp.asarray(g), gpu.xp.asarray(y), axis - len(shape)), d)


@pytest.mark.parametrize("dtype", [np.dtype("f4"), BFLOAT16], ids=str)
@pytest.mark.parametrize("length", [8200, 16400, 16411])
def test_rows_longer_than_registers(gpu, kernel, dtype, length):
    rng = np.random.default_rng(1)
    x = (rng.standard_normal((3, length)) * 4).astype(dtype)
    g = rng.standard_normal(x.shape).astype(dtype)
    for name in ("softmax", "log_softmax"):
        y = getattr(generic, name)(x, 1)
        for array in (
            gpu.xp.asarray(x),
            gpu.xp.asarray(np.concatenate([x[0, :1], x.reshape(-1)]))[1:].reshape(x.shape),
        ):
            close(getattr(kernel, name)(array, 1), y)
        d = getattr(generic, f"{name}_backward")(g, y, 1)
        close(getattr(kernel, f"{name}_backward")(gpu.xp.asarray(g), gpu.xp.asarray(y), 1), d)


@pytest.mark.parametrize("length", [6, 8, 300, 9001])
@pytest.mark.parametrize("axis", [0, 1])
def test_rows_with_infinities_and_nans(gpu, kernel, length, axis):
    if axis == 0 and length > 1000:
        pytest.skip("columns are not that long")
    rows = np.zeros((7 if axis else 40, length), "f4")
    rows[0, 1], rows[1, 2], rows[2, 0], rows[3], rows[4, 2:] = -np.inf, np.nan, np.inf, -np.inf, -np.inf
    rows[5, : length // 2], rows[6], rows[6, 0] = -np.inf, 1e30, -1e30
    x = rows if axis else np.ascontiguousarray(rows.T)
    for name in ("softmax", "log_softmax"):
        with np.errstate(all="ignore"):
            expected = getattr(generic, name)(x, axis)
        found = getattr(kernel, name)(gpu.xp.asarray(x), axis).get()
        assert np.array_equal(np.isnan(found), np.isnan(expected))
        assert np.allclose(found, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


FACTORS = {
    "plain": (lambda shape, c, r: (1.0, None, None)),
    "one number": (lambda shape, c, r: (0.25, 0.125, None)),
    "weights": (lambda shape, c, r: (r.random(shape), None, None)),
    "ignored": (lambda shape, c, r: ((r.random(shape) < 0.5) * 1.0, None, None)),
    "smooth": (lambda shape, c, r: (r.random(shape), r.random(shape), None)),
    "smooth, weighted": (
        lambda shape, c, r: (r.random(shape), r.random(shape), r.random((1, c, *(1,) * (len(shape) - 1))))
    ),
}


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        *((F4, shape) for shape in [(5, 7), (3, 64), (2, 2049), (3, 5, 40), (1, 1), (2, 70, 4, 9)]),
        (BFLOAT16, (3, 64)), (BFLOAT16, (2, 5, 4, 9)), (F8, (5, 7)), (F2, (3, 64)),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("name", FACTORS)
def test_cross_entropy_and_its_gradient(gpu, kernel, dtype, shape, name):
    rng, xp = np.random.default_rng(3), gpu.xp
    wide = np.dtype("f8") if dtype == "f8" else np.dtype("f4")
    x = (rng.standard_normal(shape) * 3).astype(dtype)
    places = (shape[0], *shape[2:])
    target = rng.integers(0, shape[1], places)
    factors = [v.astype(wide) if isinstance(v, np.ndarray) else v for v in FACTORS[name](places, shape[1], rng)]
    there = [xp.asarray(v) if isinstance(v, np.ndarray) else v for v in factors]
    loss, p = generic.cross_entropy(x, target, *factors, True)
    last = xp.asarray(np.ascontiguousarray(np.moveaxis(x, 1, -1))).transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
    for array in (xp.asarray(x), last):
        found, probabilities = kernel.cross_entropy(array, xp.asarray(target), *there, True)
        close(found, loss.astype(wide), wide)
        close(probabilities, p, wide)
        alone, nothing = kernel.cross_entropy(array, xp.asarray(target), *there, False)
        assert nothing is None and np.array_equal(alone.get(), found.get())
        d = generic.cross_entropy_backward(p, target, *factors)
        close(kernel.cross_entropy_backward(probabilities, xp.asarray(target), *there), d, wide)


@pytest.mark.parametrize("dtype", [np.dtype("f4"), BFLOAT16], ids=str)
def test_a_vocabulary(gpu, kernel, dtype):
    rng, xp = np.random.default_rng(4), gpu.xp
    x = rng.standard_normal((3, 50257)).astype(dtype)
    target = rng.integers(0, 50257, 3)
    factor = np.array([0.5, 0.0, 2.0], "f4")
    for smooth in (None, factor):
        there = None if smooth is None else xp.asarray(smooth)
        loss, p = generic.cross_entropy(x, target, factor, smooth, None, True)
        found, probabilities = kernel.cross_entropy(
            xp.asarray(x), xp.asarray(target), xp.asarray(factor), there, None, True
        )
        assert np.allclose(found.get(), loss, rtol=2e-5)
        assert np.allclose(probabilities.get(), p, rtol=2e-5, atol=1e-9)
        d = generic.cross_entropy_backward(p, target, factor, smooth, None)
        got = kernel.cross_entropy_backward(xp.asarray(p), xp.asarray(target), xp.asarray(factor), there, None)
        assert np.allclose(got.get(), d, rtol=2e-5, atol=1e-7)


@DTYPES
def test_picked_entries(gpu, kernel, dtype):
    rng, xp = np.random.default_rng(5), gpu.xp
    for shape in [(5, 7), (3, 4, 6)]:
        x = rng.standard_normal(shape).astype(dtype)
        target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
        for array in layouts(xp, x):
            assert np.array_equal(kernel.pick(array, xp.asarray(target)).get(), generic.pick(x, target))


def test_summed_losses(gpu, kernel):
    rng, xp = np.random.default_rng(6), gpu.xp
    x, target = rng.standard_normal((5, 9), "f4"), rng.integers(0, 9, 5)
    loss, p, place = generic.row_losses(x, target, True)
    found, probabilities, places = kernel.row_losses(xp.asarray(x), xp.asarray(target), True)
    assert np.isclose(float(found.get()), loss) and np.array_equal(places.get(), place)
    close(probabilities, p)
    close(
        kernel.row_losses_backward(probabilities, places, np.float32(0.5)),
        generic.row_losses_backward(p, place, np.float32(0.5)),
    )


def test_what_is_declined(gpu, kernel):
    assert "int64" in kernel.declines(gpu.xp.zeros((3, 2), np.int64), 1)
    assert kernel.declines(gpu.xp.zeros((3, 0), np.float32), 1) == "nothing to compute"


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"ignore_index": 2}, {"reduction": "none"}], ids=str)
@pytest.mark.parametrize("shape", [(6, 5), (2, 5, 3, 4)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_losses_of_the_ops(gpu, options, shape, weighted):
    gpu.use("cuda")
    rng = np.random.default_rng(7)
    values, labels, weight = (
        rng.standard_normal(shape, "f4"),
        rng.integers(0, 5, (shape[0], *shape[2:])),
        rng.random(5, "f4"),
    )
    results = []
    for device in ("cpu", "cuda"):
        x = F.tensor(values, device=device, requires_grad=True)
        more = {"weight": F.tensor(weight, device=device)} if weighted else {}
        loss = F.nn.functional.cross_entropy(x, F.tensor(labels, device=device), **more, **options)
        (loss * 1.5).sum().backward()
        results.append((loss.detach().cpu().numpy(), x.grad.cpu().numpy()))
    for here, there in zip(*results, strict=True):
        assert np.allclose(here, there, rtol=1e-5, atol=1e-7)
