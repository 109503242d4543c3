"""Activations: against PyTorch, first and second derivatives, dtypes, in-place forms, layers and refusals."""

import numpy as np
import pytest

import framework
import framework.nn.functional as F
from framework import nn
from framework.autograd.gradcheck import gradcheck, gradgradcheck

FUNCTIONS = [
    ("relu", {}), ("relu6", {}), ("hardtanh", {}), ("hardtanh", {"min_val": -0.5, "max_val": 2.0}),
    ("threshold", {"threshold": 0.2, "value": -3.0}), ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.3}),
    ("gelu", {}), ("gelu", {"approximate": "tanh"}), ("silu", {}), ("mish", {}), ("elu", {}), ("elu", {"alpha": 0.4}),
    ("selu", {}), ("celu", {}), ("celu", {"alpha": 2.0}), ("hardsigmoid", {}), ("hardswish", {}), ("softplus", {}),
    ("softplus", {"beta": 2.0, "threshold": 3.0}), ("logsigmoid", {}), ("hardshrink", {}),
    ("softshrink", {"lambd": 0.3}), ("softsign", {}), ("tanhshrink", {}), ("glu", {"dim": 0}), ("rrelu", {}),
    ("sigmoid", {}), ("tanh", {}),
]  # fmt: skip
IDS = [f"{name}-{'-'.join(map(str, kwargs.values()))}" for name, kwargs in FUNCTIONS]
INPLACE = ["relu", "relu6", "hardtanh", "leaky_relu", "silu", "mish", "elu", "selu", "celu", "hardsigmoid", "hardswish"]
EDGES = [-30.0, -6.0, -3.0, -1.0, -0.5, -0.25, 0.0, 0.3, 0.5, 1.0, 2.5, 3.0, 6.0, 25.0, float("inf"), float("nan")]


@pytest.mark.parametrize(("name", "kwargs"), FUNCTIONS, ids=IDS)
def test_values_and_gradients_are_pytorchs(name, kwargs, rng):
    torch = pytest.importorskip("torch")
    for x in (np.array(EDGES), rng.standard_normal((4, 3)), rng.standard_normal((4, 0)), rng.standard_normal((6, 4)).T):
        ours = framework.tensor(x, requires_grad=True)
        theirs = torch.tensor(x, requires_grad=True)
        y, expected = getattr(F, name)(ours, **kwargs), getattr(torch.nn.functional, name)(theirs, **kwargs)
        np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-14)
        y.sum().backward()
        expected.sum().backward()
        rtol = 1e-7 if name == "hardsigmoid" else 1e-10  # PyTorch's constant 1 / 6 is a float32
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize(("name", "kwargs"), FUNCTIONS, ids=IDS)
def test_derivatives(name, kwargs):
    x = framework.tensor([-4.1, -2.3, -0.7, -0.1, 0.15, 0.9, 2.7, 7.3], dtype=framework.float64, requires_grad=True)

    def f(t):
        return getattr(F, name)(t, **kwargs)

    assert gradcheck(f, (x,))
    assert gradgradcheck(f, (x,))


@pytest.mark.parametrize(("name", "kwargs"), FUNCTIONS, ids=IDS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtypes_are_kept_and_half_is_computed_in_float32(name, kwargs, dtype):
    x = framework.linspace(-5, 5, 40).to(getattr(framework, dtype)).requires_grad_()
    y = getattr(F, name)(x, **kwargs)
    assert y.dtype == x.dtype
    exact = getattr(F, name)(x.detach().double(), **kwargs)
    eps = framework.finfo(x.dtype).eps
    np.testing.assert_allclose(y.detach().float().numpy(), exact.float().numpy(), rtol=eps * 4, atol=eps * 2)
    y.sum().backward()
    assert x.grad.dtype == x.dtype


@pytest.mark.parametrize(("name", "kwargs"), FUNCTIONS, ids=IDS)
def test_zero_dims(name, kwargs):
    if name == "glu":
        with pytest.raises(RuntimeError, match="0-dimensional"):
            F.glu(framework.tensor(1.0))
        return
    x = framework.tensor(0.7, requires_grad=True)
    y = getattr(F, name)(x, **kwargs)
    y.backward()
    assert y.shape == () and x.grad.shape == ()


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_stores_the_result_and_keeps_the_gradient(name, rng):
    x = framework.tensor(rng.standard_normal((3, 4)) * 4, requires_grad=True)
    f = getattr(F, name)
    expected = f(x)
    (g,) = framework.autograd.grad((expected**2).sum(), x)
    t = x * 1
    assert f(t, inplace=True) is t
    assert framework.equal(t, expected)
    (g2,) = framework.autograd.grad((t**2).sum(), x)
    assert framework.allclose(g, g2)
    with pytest.raises(RuntimeError, match="leaf"):
        f(x, inplace=True)


@pytest.mark.parametrize("name", ["relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_", "rrelu_"])
def test_underscore_functions(name):
    t = framework.tensor([-2.0, 2.0])
    expected = getattr(F, name[:-1])(t)
    assert getattr(F, name)(t) is t and framework.equal(t, expected)
    assert framework.tensor([-1.0, 1.0]).relu_().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", ["relu", "relu6", "hardtanh", "threshold"])
def test_integers_stay_integers(name):
    kwargs = {"threshold": 1, "value": -7} if name == "threshold" else {}
    y = getattr(F, name)(framework.tensor([-9, 0, 9]), **kwargs)
    expected = {"relu": [0, 0, 9], "relu6": [0, 0, 6], "hardtanh": [-1, 0, 1], "threshold": [-7, -7, 9]}[name]
    assert y.dtype == framework.int64 and y.tolist() == expected


@pytest.mark.parametrize("name", ["gelu", "silu", "elu", "leaky_relu", "softplus", "hardswish", "mish", "logsigmoid"])
def test_integers_are_refused(name):
    with pytest.raises(RuntimeError, match=r"not implemented for framework\.int64"):
        getattr(F, name)(framework.tensor([1, 2]))
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        getattr(F, name)([1.0])


def test_integers_promote_where_pytorch_promotes():
    assert F.softsign(framework.tensor([1, 3])).tolist() == [0.5, 0.75]
    assert F.tanhshrink(framework.tensor([0])).dtype == framework.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.gelu(x, approximate="erf"), "approximate"),
        (lambda x: F.softshrink(x, -1.0), "lambda must be greater"),
        (lambda x: F.celu(x, 0.0), "alpha cannot be 0"),
        (lambda x: F.hardtanh(x, 1.0, -1.0), "min_val can't be greater"),
        (lambda x: F.glu(x, 1), "must be even"),
        (lambda x: F.relu(x > 0), "not implemented for framework.bool"),
        (lambda x: F.rrelu(x, 2.0, 1.0), "lower <= upper"),
        (lambda x: F.prelu(x, framework.ones(4)), "mismatch of parameter numbers"),
        (lambda x: F.prelu(x, framework.ones(1, 1)), "scalar or 1D"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(framework.randn(2, 3))


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3), (5,), ()])
@pytest.mark.parametrize("count", [1, 3])
def test_prelu(shape, count, rng):
    torch = pytest.importorskip("torch")
    if count == 3 and len(shape) < 2:
        pytest.skip("a weight for each channel needs channels")
    x, w = rng.standard_normal(shape), rng.standard_normal(count)
    ours = [framework.tensor(v, requires_grad=True) for v in (x, w)]
    theirs = [torch.tensor(v, requires_grad=True) for v in (x, w)]
    y, expected = F.prelu(*ours), torch.nn.functional.prelu(*theirs)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy())
    for a, b in zip(framework.autograd.grad(y.sum(), ours), torch.autograd.grad(expected.sum(), theirs), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy())
    assert gradcheck(F.prelu, tuple(ours)) and gradgradcheck(F.prelu, tuple(ours))


def test_rrelu_draws_its_slopes_in_training_only():
    x = -framework.ones(1000)
    slopes = -F.rrelu(x, 0.2, 0.6, training=True)
    assert float(slopes.min()) >= 0.2 and float(slopes.max()) < 0.6 and abs(float(slopes.mean()) - 0.4) < 0.02
    assert F.rrelu(x, 0.2, 0.6)[0].item() == pytest.approx(-0.4)
    layer = nn.RReLU()
    assert len(set(layer(x).tolist())) > 1 and len(set(layer.eval()(x).tolist())) == 1


def test_memory_order_is_kept(rng):
    x = framework.tensor(rng.standard_normal((2, 3, 4, 5))).contiguous(memory_format=framework.channels_last)
    for name, kwargs in FUNCTIONS:
        if name != "glu":
            assert getattr(F, name)(x, **kwargs).is_contiguous(memory_format=framework.channels_last), name


LAYERS = [
    (nn.ReLU(), "ReLU()"), (nn.ReLU(inplace=True), "ReLU(inplace=True)"), (nn.ReLU6(), "ReLU6()"),
    (nn.GELU(), "GELU(approximate='none')"), (nn.SiLU(), "SiLU()"), (nn.Mish(), "Mish()"), (nn.SELU(), "SELU()"),
    (nn.ELU(0.5), "ELU(alpha=0.5)"), (nn.CELU(inplace=True), "CELU(alpha=1.0, inplace=True)"),
    (nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"), (nn.Hardtanh(), "Hardtanh(min_val=-1.0, max_val=1.0)"),
    (nn.Threshold(0.1, 2), "Threshold(threshold=0.1, value=2)"), (nn.Hardsigmoid(), "Hardsigmoid()"),
    (nn.Hardswish(), "Hardswish()"), (nn.Sigmoid(), "Sigmoid()"), (nn.Tanh(), "Tanh()"), (nn.Softsign(), "Softsign()"),
    (nn.Tanhshrink(), "Tanhshrink()"), (nn.LogSigmoid(), "LogSigmoid()"), (nn.Hardshrink(), "Hardshrink(0.5)"),
    (nn.Softshrink(0.2), "Softshrink(0.2)"), (nn.Softplus(), "Softplus(beta=1.0, threshold=20.0)"),
    (nn.GLU(), "GLU(dim=-1)"), (nn.PReLU(3), "PReLU(num_parameters=3)"), (nn.Softmax(1), "Softmax(dim=1)"),
    (nn.LogSoftmax(1), "LogSoftmax(dim=1)"), (nn.Softmin(1), "Softmin(dim=1)"), (nn.Softmax2d(), "Softmax2d()"),
    (nn.RReLU(), "RReLU(lower=0.125, upper=0.3333333333333333)"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "text"), LAYERS, ids=[text for _, text in LAYERS])
def test_layers_run_and_print_as_pytorchs(layer, text):
    assert repr(layer) == text
    x = framework.randn(2, 3, 4, 4)
    before = x.clone()
    y = layer(x)
    assert y.shape == ((2, 3, 4, 2) if isinstance(layer, nn.GLU) else x.shape)
    if getattr(layer, "inplace", False):
        assert y is x
    else:
        assert framework.equal(x, before)


def test_softmax2d_is_over_channels():
    y = nn.Softmax2d()(framework.randn(2, 3, 4, 4))
    np.testing.assert_allclose(y.sum(1).numpy(), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="3D or 4D"):
        nn.Softmax2d()(framework.ones(2, 3))
    with pytest.raises(AssertionError, match="larger"):
        nn.Hardtanh(1.0, 1.0)
