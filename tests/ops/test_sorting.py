"""Sorting, ranks, distinct values and searches: values against NumPy, ties, NaN, gradients, refusals."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DimensionError, DtypeError, ShapeError

RNG = np.random.default_rng(3)
X = RNG.standard_normal((3, 5))
TIES = RNG.integers(0, 3, (4, 9))
NAN = float("nan")


def leaf(values):
    return framework.tensor(np.asarray(values)).requires_grad_()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int32", "uint8", "bool"])
def test_sort(dtype, dim, descending):
    x = framework.tensor(TIES).to(getattr(framework, dtype))
    plain = x.double().numpy()
    values, indices = x.sort(dim, descending)
    wanted = np.argsort(-plain if descending else plain, axis=dim, kind="stable")
    assert (indices.numpy() == wanted).all()
    assert values.dtype == x.dtype
    assert (values.double().numpy() == np.take_along_axis(plain, wanted, dim)).all()
    assert (x.argsort(dim, descending).numpy() == wanted).all()
    if dim == 0 and not descending:
        assert (x.msort().double().numpy() == np.sort(plain, 0)).all()


def test_sort_forms_and_nan():
    x = framework.tensor([2.0, NAN, 1.0])
    assert x.sort().indices.tolist() == [2, 0, 1]
    assert x.sort(descending=True).indices.tolist() == [1, 0, 2]
    assert framework.sort(x, stable=True, dim=0).indices.tolist() == [2, 0, 1]
    single = framework.tensor(3.0).sort()
    assert single.values.shape == single.indices.shape == ()
    assert framework.zeros(0, 2).sort(0).values.shape == (0, 2)
    with pytest.raises(DtypeError, match="complex"):
        (x + 0j).sort()


@pytest.mark.parametrize("k, n", [(0, 5), (2, 5), (5, 5), (3, 200), (7, 1000)])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dim", [0, 1])
def test_topk(k, n, largest, dim):
    x = RNG.permutation(3 * n).reshape((3, n) if dim else (n, 3)).astype(np.float32)
    values, indices = framework.tensor(x).topk(k, dim, largest)
    wanted = np.sort(-x if largest else x, dim)[(slice(None),) * dim + (slice(0, k),)]
    assert (values.numpy() == (-wanted if largest else wanted)).all()
    assert (np.take_along_axis(x, indices.numpy(), dim) == values.numpy()).all()


@pytest.mark.parametrize("k", [-1, 6])
def test_topk_refusals(k):
    with pytest.raises(ArgumentError, match="k out of range"):
        framework.tensor(X).topk(k)
    with pytest.raises(DtypeError, match="bool"):
        framework.tensor([True]).topk(1)


def test_topk_takes_nan_for_the_largest():
    values = np.arange(100.0)
    values[7] = np.nan
    assert framework.tensor(values).topk(2).indices.tolist() == [7, 99]
    assert framework.tensor(values).topk(2, largest=False).indices.tolist() == [0, 1]


def test_kthvalue():
    x = framework.tensor(X)
    for k in (1, 3, 5):
        values, indices = x.kthvalue(k, keepdim=True)
        assert (values.numpy() == np.sort(X, 1)[:, k - 1 : k]).all()
        assert (np.take_along_axis(X, indices.numpy(), 1) == values.numpy()).all()
    with pytest.raises(ArgumentError, match="out of range"):
        x.kthvalue(0)
    with pytest.raises(DimensionError, match="non-zero size"):
        framework.zeros(0, 2).kthvalue(1, 0)


GRADIENTS = {
    "sort": lambda x: x.sort(0, True).values,
    "msort": lambda x: x.msort(),
    "topk": lambda x: x.topk(2, 1).values,
    "kthvalue": lambda x: x.kthvalue(2).values,
    "median": lambda x: x.median(),
    "median_dim": lambda x: x.median(1).values,
    "nanmedian": lambda x: x.nanmedian(0, keepdim=True).values,
    "mode": lambda x: x.mode(0).values,
    "quantile": lambda x: x.quantile(framework.tensor([0.2, 0.6], dtype=framework.float64), 1),
    "nanquantile": lambda x: x.nanquantile(0.3, interpolation="midpoint"),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    x = leaf(RNG.permutation(15).reshape(3, 5) / 4.0)
    assert gradcheck(GRADIENTS[name], (x,))
    assert gradgradcheck(GRADIENTS[name], (x,))


def test_quantile_gradient_of_the_levels():
    x, q = framework.tensor(X), leaf([0.23, 0.61])
    assert gradcheck(lambda q: framework.quantile(x, q, 1), (q,))


def test_tie_gradients():
    x = leaf([1.0, 2.0, 2.0, 3.0, 2.0])
    x.median().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 1 / 3, 1 / 3, 0, 1 / 3])
    y = leaf([2.0, 1.0, 2.0])
    y.median(0).values.backward()
    assert y.grad.tolist() == [1, 0, 0]


def test_median():
    x = framework.tensor(X[:, :4].copy())
    lower = np.sort(X[:, :4], 1)[:, 1]
    assert (x.median(1).values.numpy() == lower).all()
    assert x.median().item() == np.sort(X[:, :4].ravel())[5]
    holes = framework.tensor([[NAN, 3.0, 1.0, 2.0], [4.0, 5.0, 6.0, 7.0]])
    assert np.isnan(holes.median().item()) and holes.nanmedian().item() == 4
    assert np.isnan(holes.median(1).values[0].item()) and holes.median(1).indices[0].item() == 0
    assert holes.nanmedian(1).values.tolist() == [2, 5] and holes.nanmedian(1).indices.tolist() == [3, 1]
    assert np.isnan(framework.tensor([NAN, NAN]).nanmedian(0).values.item())
    assert np.isnan(framework.zeros(0).median().item())
    assert framework.tensor([3, 1, 2, 9]).median().item() == 2


def test_mode():
    values, indices = framework.tensor(TIES).mode(1)
    for row, value, index in zip(TIES, values.tolist(), indices.tolist(), strict=True):
        counts = np.bincount(row)
        assert value == counts.argmax()  # the smallest of the most frequent
        assert index == np.nonzero(row == value)[0][-1]
    assert framework.tensor(5.0).mode().values.item() == 5
    with pytest.raises(DimensionError, match="non-zero size"):
        framework.zeros(0, 2).mode(0)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("dim", [None, 0, 1])
@pytest.mark.parametrize("keepdim", [False, True])
def test_quantile(interpolation, dim, keepdim):
    levels = np.array([0.0, 0.15, 0.5, 0.9, 1.0])
    wanted = np.quantile(X, levels, axis=dim, keepdims=keepdim, method=interpolation)
    q = framework.tensor(levels)
    got = framework.tensor(X).quantile(q, dim, keepdim, interpolation=interpolation)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)
    holes = np.where(X > 1, np.nan, X)
    wanted = np.nanquantile(holes, levels, axis=dim, keepdims=keepdim, method=interpolation)
    got = framework.nanquantile(framework.tensor(holes), q, dim, keepdim, interpolation=interpolation)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)
    got = framework.quantile(framework.tensor(holes), 0.5, dim, keepdim, interpolation=interpolation)
    np.testing.assert_array_equal(np.isnan(got.numpy()), np.isnan(holes).any(axis=dim, keepdims=keepdim))


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda x: x.quantile(1.5), "range"),
        (lambda x: x.quantile(0.5, interpolation="cubic"), "one of linear"),
        (lambda x: x.quantile(framework.ones(1, 1).double()), "scalar or 1D"),
        (lambda x: x.quantile(framework.tensor([0.5])), "same dtype"),
        (lambda x: x.half().quantile(0.5), "float or double"),
        (lambda x: x[:0].quantile(0.5), "non-empty"),
    ],
)
def test_quantile_refusals(call, match):
    with pytest.raises(RuntimeError, match=match):
        call(framework.tensor(X))


def test_unique():
    x = framework.tensor(TIES)
    values, inverse, counts = framework.unique(x, return_inverse=True, return_counts=True)
    wanted = np.unique(TIES, return_inverse=True, return_counts=True)
    assert (values.numpy() == wanted[0]).all() and (counts.numpy() == wanted[2]).all()
    assert inverse.shape == x.shape and (values.numpy()[inverse.numpy()] == TIES).all()
    for dim in (0, 1):
        rows = TIES % 2 if dim == 0 else TIES[:2]
        got = framework.tensor(rows).unique(dim=dim, return_inverse=True, return_counts=True)
        values, counts = np.unique(rows, return_counts=True, axis=dim)
        assert (got[0].numpy() == values).all() and (got[2].numpy() == counts).all()
        assert (np.take(got[0].numpy(), got[1].numpy(), dim) == rows).all()
    assert framework.unique(framework.tensor([NAN, 1.0, NAN])).shape == (3,)  # a NaN equals no other
    assert framework.unique(framework.zeros(0)).shape == (0,)
    with pytest.raises(ShapeError, match="0 sized"):
        framework.unique(framework.zeros(2, 0), dim=0)


def test_unique_consecutive():
    x = framework.tensor([1, 1, 2, 2, 2, 1])
    values, inverse, counts = x.unique_consecutive(return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 1] and inverse.tolist() == [0, 0, 1, 1, 1, 2] and counts.tolist() == [2, 3, 1]
    rows = framework.tensor([[1, 2], [1, 2], [3, 4]])
    assert rows.unique_consecutive(dim=0).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("out_int32", [False, True])
def test_searchsorted(right, out_int32):
    rows = np.sort(RNG.integers(0, 9, (2, 3, 6)), -1)
    values = RNG.integers(-1, 10, (2, 3, 4))
    got = framework.searchsorted(framework.tensor(rows), framework.tensor(values), right=right, out_int32=out_int32)
    side = "right" if right else "left"
    assert got.dtype is (framework.int32 if out_int32 else framework.int64)
    for i in np.ndindex(2, 3):
        assert (got.numpy()[i] == np.searchsorted(rows[i], values[i], side)).all()
    flat = framework.tensor(rows[0, 0])
    buckets = framework.bucketize(framework.tensor(values), flat, right=right)
    assert (buckets.numpy() == np.searchsorted(rows[0, 0], values, side)).all()
    assert framework.searchsorted(flat, 4.5, side=side).item() == np.searchsorted(rows[0, 0], 4.5, side)
    shuffled = framework.tensor(rows[0, 0][::-1].copy())
    sorter = framework.tensor([5, 4, 3, 2, 1, 0])
    assert framework.searchsorted(shuffled, 4, sorter=sorter).item() == np.searchsorted(rows[0, 0], 4)


def test_searchsorted_refusals():
    rows = framework.ones(2, 3)
    with pytest.raises(ShapeError, match="first N-1"):
        framework.searchsorted(rows, framework.ones(3, 1))
    with pytest.raises(ShapeError, match="scalar only when"):
        framework.searchsorted(rows, 1)
    with pytest.raises(ArgumentError, match="opposites"):
        framework.searchsorted(rows, rows, right=True, side="left")
    with pytest.raises(ShapeError, match="must be 1 dimension"):
        framework.bucketize(1, rows)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("dtype", ["int64", "float32", "bfloat16"])
def test_isin(dtype, invert):
    x = framework.tensor([[1, 5], [3, 9]]).to(getattr(framework, dtype))
    tests = framework.tensor([9, 1, 1])
    assert framework.isin(x, tests, invert=invert).tolist() == [[not invert, invert], [invert, not invert]]
    assert framework.isin(x, framework.zeros(0), invert=invert).tolist() == [[invert] * 2] * 2
    assert framework.isin(1, x).item() and not framework.isin(x, 4).any()
    with pytest.raises(TypeError, match="two numbers"):
        framework.isin(1, 2)
