"""Norms: values and gradients against PyTorch, running statistics, layouts, precision and refusals."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import DtypeError, ShapeError
from framework.kernels.generic import channels
from framework.nn import functional as F
from framework.ops.memory import is_channels_last
from tests.ops.parity import check


def both(call):
    """One call of either library's functions, given as ``f``."""
    torch = pytest.importorskip("torch")
    return lambda *t: call(F, *t), lambda *t: call(torch.nn.functional, *t)


def last(values):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)


def draw(rng, *shapes):
    return [rng.standard_normal(s) for s in shapes]


SHAPES = [(5, 6), (5, 6, 3), (4, 6, 5, 7), (2, 6, 2, 3, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm(shape, rng):
    x, w, b = draw(rng, shape, 6, 6)
    check(*both(lambda f, x, w, b: f.batch_norm(x, None, None, w, b, True)), x, w, b)
    check(*both(lambda f, x: f.batch_norm(x, None, None, training=True, eps=0.1)), x)
    mean, var = rng.standard_normal(6), rng.random(6) + 0.5
    check(*both(lambda f, x, m, v, w, b: f.batch_norm(x, m, v, w, b)), x, mean, var, w, b, fixed=(1, 2))
    check(*both(lambda f, x, m, v: f.batch_norm(x, m, v)), x, mean, var, fixed=(1, 2))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm(shape, groups, rng):
    if groups == 6 and len(shape) == 2:
        return  # a single value a group
    x, w, b = draw(rng, shape, 6, 6)
    check(*both(lambda f, x, w, b: f.group_norm(x, groups, w, b)), x, w, b)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_instance_norm(shape, rng):
    x, w, b = draw(rng, shape, 6, 6)
    check(*both(lambda f, x, w, b: f.instance_norm(x, weight=w, bias=b)), x, w, b)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_layer_and_rms_norm(dims, rng):
    shape = (4, 3, 5, 7)
    x, w, b = draw(rng, shape, shape[-dims:], shape[-dims:])
    check(*both(lambda f, x, w, b: f.layer_norm(x, shape[-dims:], w, b)), x, w, b)
    check(*both(lambda f, x, b: f.layer_norm(x, shape[-dims:], None, b, 0.1)), x, b)
    check(*both(lambda f, x, w: f.rms_norm(x, shape[-dims:], w)), x, w)
    check(*both(lambda f, x: f.rms_norm(x, shape[-dims:], eps=0.1)), x)


@pytest.mark.parametrize("dtype", [framework.float32, framework.float64, framework.bfloat16])
@pytest.mark.parametrize("lay", [lambda x: x.t(), lambda x: x[:, ::2], lambda x: x[3].expand(12, 16)])
def test_layer_and_rms_norm_of_memory_with_steps(lay, dtype, rng):
    """float32 is what oneDNN serves, which reads rows that follow one another."""
    strided = lay(framework.tensor(rng.standard_normal((16, 16))).to(dtype))
    rows = strided.shape[1]
    found, expected = strided.detach().requires_grad_(), strided.contiguous().detach().requires_grad_()
    for call in (F.layer_norm, F.rms_norm):
        results = [call(x, (rows,)) for x in (found, expected)]
        assert results[0].equal(results[1])
        for x, y in zip((found, expected), results, strict=True):
            x.grad = None
            (y * framework.arange(rows)).sum().backward()
        assert found.grad.equal(expected.grad)


@pytest.mark.parametrize("shape", [(4, 6), (3, 5, 16)])
def test_gradients_of_layer_norm_from_a_sum(shape, rng):
    """A sum's gradient is one number, expanded."""
    values = draw(rng, shape, shape[-1:], shape[-1:])
    found = []
    for total in (lambda y: y.sum(), lambda y: (y * framework.ones(shape)).sum()):
        x, w, b = (framework.tensor(v).float().requires_grad_() for v in values)
        total(F.layer_norm(x, shape[-1:], w, b)).backward()
        found.append([t.grad.numpy() for t in (x, w, b)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_local_response_norm(size, rng):
    for shape in SHAPES[1:]:
        check(*both(lambda f, x: f.local_response_norm(x, size, 0.3, 0.6, 1.5)), rng.standard_normal(shape))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: F.batch_norm(x, framework.ones(4).double(), framework.full((4,), 2.0).double(), w, b),
        lambda x, w, b: F.group_norm(x, 2, w, b),
        lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
        lambda x, w, b: F.layer_norm(x, (4,), w, b),
        lambda x, w, b: F.rms_norm(x, (4,), w) + b,
        lambda x, w, b: F.local_response_norm(x, 3) * w * b,
    ],
)
@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_of_gradients(call, transposed, rng):
    x = last(rng.standard_normal((3, 4, 2, 4))) if transposed else rng.standard_normal((3, 4, 2, 4))
    x, w, b = (framework.from_numpy(v).requires_grad_() for v in (x, rng.standard_normal(4), rng.standard_normal(4)))
    assert gradcheck(call, (x, w, b), fast_mode=True)
    assert gradgradcheck(call, (x, w, b), fast_mode=True)


@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_running_statistics(momentum, rng):
    torch = pytest.importorskip("torch")
    x, mean, var = rng.standard_normal((4, 6, 3, 3)), rng.standard_normal(6), rng.random(6)
    for name in ("batch_norm", "instance_norm"):
        ours, theirs = [framework.tensor(v) for v in (mean, var)], [torch.tensor(v) for v in (mean, var)]
        flag = {"training" if name == "batch_norm" else "use_input_stats": True, "momentum": momentum}
        getattr(F, name)(framework.tensor(x), *ours, **flag)
        getattr(torch.nn.functional, name)(torch.tensor(x), *theirs, **flag)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)


def test_channels_last_in_and_out(rng):
    x, g = (last(rng.standard_normal((3, 6, 5, 4))) for _ in range(2))
    for call in (
        lambda t: F.batch_norm(t, None, None, training=True),
        lambda t: F.batch_norm(t, framework.zeros(6).double(), framework.ones(6).double()),
        lambda t: F.group_norm(t, 2),
    ):
        t, plain = framework.from_numpy(x).requires_grad_(), framework.tensor(x.copy(order="C"), requires_grad=True)
        y, z = call(t), call(plain)
        y.retain_grad()
        assert is_channels_last(y.array)
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-12)
        y.backward(framework.from_numpy(g))
        z.backward(framework.from_numpy(g))
        assert is_channels_last(t.grad.array)
        np.testing.assert_allclose(t.grad.numpy(), plain.grad.numpy(), atol=1e-12)


def test_many_blocks_add_up(rng, monkeypatch):
    monkeypatch.setattr(channels, "CACHED", 200)
    monkeypatch.setattr(channels, "BUFFER", 12)
    x, w, b = last(rng.standard_normal((4, 6, 5, 7))), rng.standard_normal(6), rng.standard_normal(6)
    check(*both(lambda f, x, w, b: f.batch_norm(x, None, None, w, b, True)), x, w, b)
    check(*both(lambda f, x, w, b: f.group_norm(x, 3, w, b)), x, w, b)
    check(*both(lambda f, x, w: f.layer_norm(x, (7,), w, w)), x, rng.standard_normal(7))


def test_a_large_mean_costs_no_precision(rng):
    x = (rng.standard_normal((64, 4, 16, 16)) + 1000).astype(np.float32)
    exact = (x.astype(np.float64) - x.mean((0, 2, 3), dtype=np.float64)[:, None, None]) / x.std(
        (0, 2, 3), dtype=np.float64
    )[:, None, None]
    y = F.batch_norm(framework.from_numpy(x), None, None, training=True)
    np.testing.assert_allclose(y.numpy(), exact, atol=2e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_computed_in_float32(dtype, rng):
    kind = getattr(framework, dtype)
    x = framework.tensor(rng.standard_normal((3, 4, 5, 8)), dtype=kind)
    for call in (
        lambda t: F.layer_norm(t, (8,)),
        lambda t: F.rms_norm(t, (8,), eps=1e-5),
        lambda t: F.group_norm(t, 2),
        lambda t: F.batch_norm(t, None, None, training=True),
    ):
        assert call(x).dtype is kind
        np.testing.assert_array_equal(call(x).float().numpy(), call(x.float()).to(kind).float().numpy())
    w = framework.ones(8)
    assert F.layer_norm(x, (8,), w).dtype is kind  # a float32 weight does not widen the result


def test_the_native_forms_give_the_statistics(rng):
    x = framework.from_numpy(rng.standard_normal((3, 4, 5)))
    y, mean, rstd = framework.native_layer_norm(x, (5,), None, None, 1e-5)
    np.testing.assert_allclose(mean.numpy(), x.numpy().mean(-1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(rstd.numpy(), 1 / np.sqrt(x.numpy().var(-1, keepdims=True) + 1e-5), atol=1e-12)
    y, mean, rstd = framework.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)
    np.testing.assert_allclose(y.numpy().mean((0, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(rstd.numpy(), 1 / np.sqrt(x.numpy().var((0, 2)) + 1e-5), atol=1e-12)
    assert framework.native_group_norm(x, None, None, 3, 4, 5, 2, 1e-5)[1].shape == (3, 2)


def test_empty_batches():
    x = framework.zeros(0, 4, 3, 3, requires_grad=True)
    for call in (
        lambda t: F.batch_norm(t, None, None, training=True),
        lambda t: F.group_norm(t, 2),
        lambda t: F.layer_norm(t, (3,)),
    ):
        y = call(x)
        assert y.shape == (0, 4, 3, 3)
        y.sum().backward()


ONES = framework.ones
REFUSED = [
    (lambda: F.batch_norm(ONES(1, 2), None, None, training=True), ValueError, "more than 1 value per channel"),
    (lambda: F.batch_norm(ONES(1, 2), None, None), ShapeError, "running_mean must be defined"),
    (lambda: F.batch_norm(ONES(3, 2), ONES(3), ONES(3)), ShapeError, "should contain 2 elements not 3"),
    (lambda: F.batch_norm(ONES(3, 2).long(), ONES(2), ONES(2)), DtypeError, "not implemented for"),
    (lambda: F.batch_norm(ONES(3, 2), None, None, training=True, eps=0.0), ValueError, "must be positive"),
    (lambda: F.batch_norm(ONES(3, 2), ONES(2), ONES(2), eps=-1.0), ValueError, "must be non-negative"),
    (lambda: F.layer_norm(ONES(3, 2), (3,)), ShapeError, "expected input with shape"),
    (lambda: F.layer_norm(ONES(3, 2), (2,), ONES(3)), ShapeError, "same shape as normalized_shape"),
    (lambda: F.rms_norm(ONES(3, 2), ()), ShapeError, "at least 1-dimensional"),
    (lambda: F.group_norm(ONES(3, 5), 2), ShapeError, "divisible by num_groups"),
    (lambda: F.instance_norm(ONES(3, 2, 1)), ValueError, "more than 1 spatial element"),
    (lambda: F.local_response_norm(ONES(3, 2), 2), ValueError, "3D or higher"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, words", REFUSED)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
