"""oneDNN's activations beside NumPy's."""

import numpy as np
import pytest

import framework
from framework.kernels import explain, force
from framework.kernels.generic import activation as generic

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")

F = framework.nn.functional
KERNELS = [
    ("relu", {}), ("hardtanh", {"low": 0.0, "high": 6.0}), ("hardtanh", {"low": -1.0, "high": 0.5}),
    ("leaky_relu", {"slope": 0.1}), ("leaky_relu", {"slope": -2.0}), ("gelu", {"tanh": False}), ("gelu", {"tanh": True}),
    ("silu", {}), ("hardswish", {}), ("sigmoid", {}), ("tanh", {}), ("exp", {}),
]  # fmt: skip
SHARED = [
    ("threshold", {"threshold": 0.1, "value": 20.0}), ("mish", {}), ("hardsigmoid", {}), ("logsigmoid", {}),
    ("elu", {"alpha": 1.5, "scale": 1.0, "input_scale": 1.0}), ("softplus", {"beta": 2.0, "threshold": 20.0}),
    ("hardshrink", {"lambd": 0.5}), ("softshrink", {"lambd": 0.5}),
]  # fmt: skip
FROM_OUTPUT = ("relu", "hardtanh", "sigmoid", "tanh")
FLAT = ("relu", "hardtanh", "hardswish")  # whose gradient is 0 where they are flat, whatever comes from above
LAYOUTS = {
    "vector": lambda x: x.reshape(-1),
    "rows": lambda x: x,
    "channels last": lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "transposed": lambda x: x.transpose(3, 1, 2, 0),
}


def module():
    from framework.kernels.onednn import activation

    return activation


def values(*shape, seed=0):
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype("float32")


def close(found, expected, atol=2e-6):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=atol)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name, params", KERNELS)
def test_functions_and_their_gradients(name, params, layout):
    x = LAYOUTS[layout](values(5, 7, 9, 11))
    y = getattr(module(), name)(x, **params)
    close(y, getattr(generic, name)(x, **params))
    assert y.strides == x.strides
    if name == "exp":
        return
    v = y if name in FROM_OUTPUT else x
    for g in (values(*x.shape, seed=1), np.broadcast_to(np.float32(2), x.shape), np.asfortranarray(values(*x.shape))):
        d = getattr(module(), f"{name}_backward")(g, v, **params)
        # times up to 10 in g; of GELU's approximation both kernels' gradients are 1e-6 off, oneDNN's less so
        close(d, getattr(generic, f"{name}_backward")(g, v, **params), 2e-5 if params.get("tanh") else 3e-6)
        assert d.strides == x.strides


@pytest.mark.parametrize("name, params", KERNELS)
def test_nan_infinities_and_limits(name, params):
    x = np.full(2000, 0.25, "float32")
    x[:12] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 6, -1, 0.5, 1e-30, -60, 60, 1e30]
    if name in ("gelu", "silu", "hardswish"):
        x[1:3] = 5  # a nan or not, as PyTorch's differ between its vector and scalar loops
    with np.errstate(all="ignore"):
        expected = getattr(generic, name)(x, **params)
        close(getattr(module(), name)(x, **params), expected)
        if name in ("exp", "leaky_relu"):
            return
        v = expected if name in FROM_OUTPUT else x
        if name in ("gelu", "silu", "hardswish"):
            v[0] = 0.0
        g = np.ones_like(x)
        close(
            getattr(module(), f"{name}_backward")(g, v, **params), getattr(generic, f"{name}_backward")(g, v, **params)
        )


@pytest.mark.parametrize("above", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name, params", [row for row in KERNELS if row[0] in FLAT])
def test_a_gradient_that_is_not_finite_stops_where_the_function_is_flat(name, params, above):
    x = np.concatenate([np.full(1000, -10), np.full(1000, 10)]).astype("float32")
    v = getattr(generic, name)(x, **params) if name in FROM_OUTPUT else x
    d = getattr(module(), f"{name}_backward")(np.full(2000, above, "float32"), v, **params)
    np.testing.assert_array_equal(d, getattr(generic, f"{name}_backward")(np.full(2000, above, "float32"), v, **params))
    assert (d[:1000] == 0).all()


@pytest.mark.parametrize("name, params", SHARED)
def test_large_arrays_in_blocks(name, params):
    x = LAYOUTS["channels last"](values(3, 3, 347, 349))
    assert x.size > module().SHARED
    assert x.size % module().BLOCK
    g = values(*x.shape, seed=1)
    y, d = getattr(module(), name)(x, **params), getattr(module(), f"{name}_backward")(g, x, **params)
    close(y, getattr(generic, name)(x, **params))
    close(d, getattr(generic, f"{name}_backward")(g, x, **params))
    assert y.strides == d.strides == x.strides


def test_a_nan_is_found_wherever_it_is():
    x = values(2, 3, 500, 500)
    assert not module().has_nan(x)
    for place in (0, 700_001, x.size - 1):
        x.flat[place] = np.nan
        assert module().has_nan(x)
        x.flat[place] = np.inf
        assert not module().has_nan(LAYOUTS["channels last"](x))


def test_sixteen_bits():
    from framework.kernels.onednn.plans import BFLOAT16, has_bfloat16

    if not has_bfloat16():
        pytest.skip("the processor has no bfloat16")
    x, g = values(4000).astype(BFLOAT16), values(4000, seed=1).astype(BFLOAT16)
    for name, params in KERNELS:
        if name in ("exp", "tanh", "sigmoid"):  # whose op widens first
            continue
        y, expected = getattr(module(), name)(x, **params), getattr(generic, name)(x, **params)
        assert y.dtype == x.dtype
        np.testing.assert_allclose(y.astype("float32"), expected.astype("float32"), rtol=8e-3, atol=1e-2)
        v = expected if name in FROM_OUTPUT else x
        d = getattr(module(), f"{name}_backward")(g, v, **params)
        expected = getattr(generic, f"{name}_backward")(g, v, **params)
        np.testing.assert_allclose(d.astype("float32"), expected.astype("float32"), rtol=1e-2, atol=2e-2)


OPS = {
    "relu": F.relu, "relu6": F.relu6, "leaky_relu": F.leaky_relu, "gelu": F.gelu, "silu": F.silu,
    "hardswish": F.hardswish, "sigmoid": framework.sigmoid, "tanh": framework.tanh, "exp": framework.exp,
}  # fmt: skip


@pytest.mark.parametrize("name", OPS)
def test_gradients_through_the_op_are_those_in_float64(name):
    x = framework.tensor(values(2, 8, 96, 96), requires_grad=True)
    wide = framework.tensor(x.detach().numpy().astype("float64"), requires_grad=True)
    weight = values(2, 8, 96, 96, seed=3)
    y = OPS[name](x)
    (y * framework.tensor(weight)).sum().backward()
    with force("generic"):
        z = OPS[name](wide)
        (z * framework.tensor(weight.astype("float64"))).sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(x.grad.numpy(), wide.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", ["onednn", "generic"])
@pytest.mark.parametrize("name", ["relu", "relu6", "hardtanh"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_in_place_writes_into_the_memory(name, kernel, channels_last):
    x = framework.tensor(values(2, 8, 96, 96), requires_grad=True)
    other = framework.tensor(x.detach().numpy().copy(), requires_grad=True)
    with force(kernel):
        h = x * 2
        h = h.contiguous(memory_format=framework.channels_last) if channels_last else h
        array, alias = h.array, h.detach()
        y = getattr(framework.Tensor, f"{name}_", None) or getattr(F, f"{name}_", None)
        out = y(h) if y else getattr(F, name)(h, inplace=True)
        assert out is h
        assert h.array is array
        (h * h).sum().backward()
        z = getattr(F, name)(other * 2)
        (z * z).sum().backward()
    np.testing.assert_array_equal(alias.numpy(), z.detach().numpy())
    np.testing.assert_array_equal(x.grad.numpy(), other.grad.numpy())


def test_in_place_over_what_a_gradient_needs_is_an_error():
    x = framework.tensor(values(4, 5), requires_grad=True)
    h = x * 1
    y = h * h
    F.relu(h, inplace=True)
    with pytest.raises(RuntimeError, match="relu_"):
        y.sum().backward()


def test_in_place_leaves_a_hook_its_own_memory():
    x = framework.tensor(values(4, 5), requires_grad=True)
    with framework.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        h = F.relu(x * 1, inplace=True)
        h += 1
        h.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), (x.detach().numpy() > 0).astype("float32"))


def test_in_place_on_a_view_reaches_the_base():
    x = framework.tensor(values(4, 6), requires_grad=True)
    h = x * 1
    F.relu(h[:, ::2], inplace=True)
    expected = x.detach().numpy().copy()
    expected[:, ::2] = expected[:, ::2].clip(0)
    np.testing.assert_array_equal(h.detach().numpy(), expected)
    h.sum().backward()
    slope = np.ones((4, 6), "float32")
    slope[:, ::2] = x.detach().numpy()[:, ::2] > 0
    np.testing.assert_array_equal(x.grad.numpy(), slope)


@pytest.mark.parametrize(
    "x, kind, words",
    [
        (values(500, 500).astype("float64"), "relu", "float32"),
        (values(9, 9), "relu", "too small"),
        (values(700, 700), "elu", "too small"),
        (values(700, 700)[:, ::2], "relu", "gaps"),
    ],
)
def test_explain_says_why_numpy_serves(x, kind, words):
    text = explain("activation", x, kind=kind)
    assert text.startswith("activation: generic")
    assert words in text
