"""Reductions: values against NumPy, gradients of both orders, dtypes, empty and 0-d inputs, refusals."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DimensionError, DtypeError, ShapeError

RNG = np.random.default_rng(1)
X = RNG.standard_normal((3, 4, 2))
HOLES = np.where(RNG.random((3, 4, 2)) < 0.3, np.nan, X)
DISTINCT = RNG.permutation(24).reshape(3, 4, 2) / 7.0


def leaf(values):
    return framework.tensor(np.asarray(values)).requires_grad_()


def lse(x, axis=None, keepdims=False):
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


# name, NumPy's function, the data, whether it takes several dims
REDUCTIONS = [
    ("sum", np.sum, X, True),
    ("nansum", np.nansum, HOLES, True),
    ("mean", np.mean, X, True),
    ("nanmean", np.nanmean, HOLES, True),
    ("prod", np.prod, X, False),
    ("logsumexp", lse, X, True),
    ("amax", np.max, X, True),
    ("amin", np.min, X, True),
    ("any", np.any, X > 1, True),
    ("all", np.all, X > -1, True),
    ("argmax", np.argmax, X, False),
    ("argmin", np.argmin, X, False),
]


@pytest.mark.parametrize("name, reference, data, several", REDUCTIONS, ids=[r[0] for r in REDUCTIONS])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, -1, (0, 2), (1,)])
def test_values(name, reference, data, several, keepdim, dim):
    if isinstance(dim, tuple) and not several:
        with pytest.raises(TypeError, match="dim"):
            getattr(framework, name)(framework.tensor(data), dim)
        return
    for array in (data, data.transpose(2, 0, 1)):  # the second is not contiguous
        wanted = reference(array, axis=dim, keepdims=keepdim)
        given = framework.tensor(array) if array is data else framework.tensor(data).permute(2, 0, 1)
        for got in (getattr(framework, name)(given, dim, keepdim), getattr(given, name)(dim=dim, keepdim=keepdim)):
            np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)
            assert got.numpy().dtype == np.asarray(wanted).dtype


@pytest.mark.parametrize("name, reference, data, several", REDUCTIONS, ids=[r[0] for r in REDUCTIONS])
def test_whole_and_single(name, reference, data, several):
    if name != "logsumexp":
        np.testing.assert_allclose(
            getattr(framework, name)(framework.tensor(data)).numpy(), reference(data), rtol=1e-12
        )
    single = data[0, 0, 0]
    got = getattr(framework, name)(framework.tensor(single), 0)
    assert got.shape == ()
    np.testing.assert_allclose(got.numpy(), reference(single))


def test_numpy_argument_names():
    x = framework.tensor(X)
    assert framework.sum(x, axis=0, keepdims=True).shape == (1, 4, 2)
    assert x.mean(axis=(0, 1)).shape == (2,)
    with pytest.raises(TypeError, match="must be Tensor, not float"):
        framework.sum(1.0)


GRADIENTS = {
    "sum": lambda x: x.sum((0, 2), keepdim=True),
    "mean": lambda x: x.mean(1),
    "prod": lambda x: x.prod(1),
    "prod_all": lambda x: x.prod(),
    "nansum": lambda x: framework.nansum(x, 1),
    "nanmean": lambda x: framework.nanmean(x),
    "logsumexp": lambda x: x.logsumexp((0, 1)),
    "amax": lambda x: x.amax((0, 1)),
    "amin": lambda x: x.amin(2, keepdim=True),
    "max": lambda x: x.max(),
    "max_dim": lambda x: x.max(1).values,
    "min_dim": lambda x: x.min(0, keepdim=True).values,
    "aminmax": lambda x: tuple(framework.aminmax(x, dim=1)),
    "sum_to_size": lambda x: x.sum_to_size(4, 1),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    x = leaf(DISTINCT + 0.1)
    assert gradcheck(GRADIENTS[name], (x,))
    assert gradgradcheck(GRADIENTS[name], (x,))


@pytest.mark.parametrize("dim", [0, 1])
def test_prod_gradient_at_zeros(dim):
    x = leaf([[1.0, 0.0, 2.0, 0.5], [0.0, 3.0, 0.0, 1.0], [2.0, 1.5, -1.0, 0.3]])
    assert gradcheck(lambda t: t.prod(dim), (x,))
    assert gradgradcheck(lambda t: t.prod(dim), (x,))


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "logsumexp"])
def test_complex_gradients(name):
    x = leaf(RNG.standard_normal((2, 3)) + 1j * RNG.standard_normal((2, 3)))
    assert gradcheck(lambda t: getattr(t, name)(1), (x,))
    assert gradgradcheck(lambda t: getattr(t, name)(1), (x,))


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("amax", [0, 0.5, 0.5]),  # ties share evenly
        ("full_max", [0, 0.5, 0.5]),
        ("max_dim", [0, 1, 0]),  # the index gets all, and it is the first
        ("aminmax", [0, 0.5, 0.5]),
    ],
)
def test_ties(name, wanted):
    x = leaf([1.0, 3.0, 3.0])
    {
        "amax": lambda: x.amax(),
        "full_max": lambda: x.max(),
        "max_dim": lambda: x.max(0).values,
        "aminmax": lambda: x.aminmax().max,
    }[name]().backward()
    assert x.grad.tolist() == wanted


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "logsumexp", "norm", "nansum", "amax"])
def test_half_types_accumulate_wide(half, name):
    values = np.full(4099, 0.7, np.float32)
    values[::2] = 0.3
    x = framework.tensor(values).to(getattr(framework, half))
    call = (lambda t: t.logsumexp(0)) if name == "logsumexp" else (lambda t: getattr(t, name)())
    got, wanted = call(x), call(x.double())
    assert got.dtype == x.dtype
    # far more than 4099 roundings of 16-bit sums would leave
    assert abs(float(got) - float(wanted)) <= abs(float(wanted)) * 2**-8


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_integers(dtype):
    x = framework.tensor([[1, 0], [1, 1]]).to(getattr(framework, dtype))
    for name in ("sum", "prod"):
        assert getattr(x, name)(0).dtype is framework.int64
        assert getattr(x, name)(0, dtype=framework.float32).dtype is framework.float32
    assert x.sum(0).tolist() == [2, 1]
    assert x.amax(0).dtype == x.dtype and x.max(1).values.dtype == x.dtype
    assert x.logsumexp(0).dtype is framework.float32
    assert x.any().dtype is (framework.uint8 if dtype == "uint8" else framework.bool)
    assert x.count_nonzero(1).tolist() == [1, 2]
    for name in ("mean", "var", "std", "nanmean"):
        with pytest.raises(DtypeError, match="floating point"):
            getattr(x, name)()


def test_empty():
    x = framework.zeros(0, 3)
    assert x.sum().item() == 0 and x.prod().item() == 1
    assert x.sum(0).tolist() == [0, 0, 0] and x.prod(0).tolist() == [1, 1, 1]
    assert bool(x.all()) and not bool(x.any())
    assert x.all(0).tolist() == [True] * 3
    assert np.isnan(x.mean().item()) and np.isnan(x.var(0).numpy()).all()
    assert x.logsumexp(0).tolist() == [-np.inf] * 3
    assert x.amax(1).shape == (0,) and x.max(1).indices.shape == (0,)
    for name in ("max", "min", "amax", "amin"):
        with pytest.raises(ArgumentError, match="Expected reduction dim to be specified"):
            getattr(x, name)()
        with pytest.raises(DimensionError, match="dim 0 to have non-zero size"):
            getattr(x, name)(0)
    for name in ("argmax", "argmin"):
        with pytest.raises(IndexError, match="numel"):
            getattr(x, name)()
    with pytest.raises(RuntimeError, match="no identity"):
        x.aminmax()


def test_max_has_three_forms():
    a, b = framework.tensor([[1.0, 5.0], [7.0, 2.0]]), framework.tensor([[3.0, 3.0], [3.0, 3.0]])
    assert a.max().item() == 7 and a.min().item() == 1
    values, indices = a.max(1)
    assert values.tolist() == [5, 7] and indices.tolist() == [1, 0]
    result = framework.min(a, dim=0, keepdim=True)
    assert type(result) is framework.return_types.min and result._fields == ("values", "indices")
    assert result.indices.tolist() == [[0, 1]]
    for got in (a.max(b), framework.max(a, b), framework.max(input=a, other=b)):
        assert got.tolist() == [[3, 5], [7, 3]]
    assert a.aminmax()._fields == ("min", "max")


def test_nan_wins():
    x = framework.tensor([1.0, float("nan"), 3.0, float("nan")])
    assert x.argmax().item() == x.argmin().item() == x.max(0).indices.item() == 1
    assert all(np.isnan(v.item()) for v in (x.max(), x.amin(), x.min(0).values))
    assert x.any() and x.nansum().item() == 4 and x.nanmean().item() == 2


def test_no_dims_of_any_and_all_reduce_nothing():
    x = framework.tensor([[0.0, 2.0]])
    assert x.any(dim=()).tolist() == x.all(dim=()).tolist() == [[False, True]]


def test_out():
    x, out = framework.tensor(X), framework.zeros(0).double()
    assert framework.sum(x, 0, out=out) is out and out.shape == (4, 2)
    values, indices = framework.zeros(0).double(), framework.zeros(0).long()
    framework.max(x, 1, out=(values, indices))
    assert values.tolist() == X.max(1).tolist() and indices.tolist() == X.argmax(1).tolist()


def test_sum_to_size():
    x = framework.ones(2, 3, 4)
    assert x.sum_to_size(3, 1).tolist() == [[8.0]] * 3
    assert x.sum_to_size((2, 3, 4)).shape == (2, 3, 4)
    assert framework.ones(4).to(framework.uint8).sum_to_size(1).dtype is framework.int64
    with pytest.raises(ShapeError, match="not expandable"):
        x.sum_to_size(2, 4)


@pytest.mark.parametrize(
    "call, error, match",
    [
        (lambda x: x.sum(5), DimensionError, "out of range"),
        (lambda x: x.sum((0, 0)), RuntimeError, "multiple times"),
        (lambda x: x.max((0, 1)), TypeError, "must be int"),
        (lambda x: (x + 0j).max(), DtypeError, "complex"),
        (lambda x: (x > 0).argmax(), DtypeError, "bool"),
        (lambda x: x.mean(dtype=framework.int32), DtypeError, "Optional dtype"),
        (lambda x: (x + 0j).nansum(), DtypeError, "complex"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call(framework.tensor(X))


def test_hash_tensor_matches_torch():
    torch = pytest.importorskip("torch")
    if not hasattr(torch, "hash_tensor"):
        pytest.skip("this torch has no hash_tensor")
    for values in (X.astype(np.float32), np.arange(6).reshape(2, 3) - 2):
        wanted = torch.hash_tensor(torch.from_numpy(values), 0).numpy()
        assert (framework.hash_tensor(framework.tensor(values), 0).numpy() == wanted).all()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "bool", "float16", "float64"])
def test_a_dtype_is_that_of_the_result(dtype):
    kind = getattr(framework, dtype)
    x = framework.tensor([200, 100, 3])
    for total in (framework.sum(x, dtype=kind), x.sum(0, dtype=kind), x.nansum(dtype=kind)):
        assert total.dtype is kind
        assert total.item() == np.array([200, 100, 3]).astype(kind.numpy).sum(dtype=kind.numpy)
    assert x.prod(dtype=kind).dtype is kind
