"""oneDNN's softmax and cross-entropy beside NumPy's."""

import numpy as np
import pytest

import framework
from framework.kernels import explain, force
from framework.kernels.generic import softmax as generic

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")

F = framework.nn.functional
CASES = {
    "rows": (lambda x: x.reshape(-1, 11), 1),
    "one row": (lambda x: x.reshape(1, -1), 1),
    "rows of one": (lambda x: x.reshape(-1, 1), 1),
    "last of four": (lambda x: x, 3),
    "from the end": (lambda x: x, -1),
    "channels last": (lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), 1),
    "first": (lambda x: np.asfortranarray(x), 0),
}


def module():
    from framework.kernels.onednn import softmax

    return softmax


def values(*shape, seed=0):
    return (4 * np.random.default_rng(seed).standard_normal(shape)).astype("float32")


def close(found, expected, atol=2e-6):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_and_its_gradient(name, case):
    arranged, axis = CASES[case]
    x = arranged(values(5, 7, 9, 11))
    assert module().declines(x, axis) is None
    y = getattr(module(), name)(x, axis)
    close(y, getattr(generic, name)(x, axis))
    assert y.strides == x.strides
    for g in (values(*x.shape, seed=1), np.broadcast_to(np.float32(2), x.shape)):
        d = getattr(module(), f"{name}_backward")(g, y, axis)
        close(d, getattr(generic, f"{name}_backward")(g, y, axis), 1e-3 if case == "one row" else 5e-5)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_rows_with_nan_and_infinities(name):
    x = values(60, 37)
    x[0, 3], x[1, 3], x[2, 3], x[3], x[4, 3] = np.nan, np.inf, -np.inf, -np.inf, 1e30
    with np.errstate(all="ignore"):
        y = getattr(module(), name)(x, 1)
        close(y, getattr(generic, name)(x, 1))
        g = values(60, 37, seed=1)
        close(getattr(module(), f"{name}_backward")(g, y, 1), getattr(generic, f"{name}_backward")(g, y, 1), atol=1e-5)
    assert np.isnan(y[[0, 1, 3]]).all()


def test_large_log_softmax_in_blocks_of_rows():
    x = values(3, 101, 60, 61).transpose(0, 3, 1, 2)
    x[1, :, 5, 5] = np.nan
    assert x.size > module().SHARED
    y = module().log_softmax(x, 1)
    close(y, generic.log_softmax(x, 1))
    assert y.strides == x.strides


@pytest.mark.parametrize("rows, classes", [(64, 10), (1, 700), (3, 4001), (700, 1), (130, 1111)])
def test_losses_of_rows(rows, classes):
    x, target = values(rows, classes), np.random.default_rng(2).integers(0, classes, rows)
    loss, p, place = module().row_losses(x, target, True)
    expected, q, there = generic.row_losses(x, target, True)
    each, r = generic.cross_entropy(x, target, 1.0, None, None, True)
    np.testing.assert_allclose([loss, expected], each.sum(), rtol=1e-5)
    close(p, q)
    close(p, r)
    np.testing.assert_array_equal(place, there)
    scale = np.float32(-1.5)
    d = generic.cross_entropy_backward(r, target, scale, None, None)
    close(module().row_losses_backward(p, place, scale), d)
    close(generic.row_losses_backward(p, place, scale), d)


def test_unlikely_targets_have_exact_losses():
    x = np.zeros((64, 20), "float32")
    x[:, 0] = np.linspace(50, 300, 64)
    x[5, 0], x[6, 1] = np.inf, -np.inf
    target = np.ones(64, np.int64)
    x[7, 3] = np.nan
    with np.errstate(all="ignore"):
        loss, p, _ = module().row_losses(x, target, True)
        expected, q, _ = generic.row_losses(x, target, True)
        assert np.isnan(loss)
        assert np.isnan(expected)
        close(p, q)
        fine = np.delete(x, [5, 6, 7], 0)
        loss, *_ = module().row_losses(fine, target[:61], True)
    np.testing.assert_allclose(loss, fine[:, 0].sum(), rtol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("rows, classes", [(64, 10), (5, 3), (16, 1000)])
def test_plain_cross_entropy_is_that_of_class_weights_of_one(rows, classes, reduction):
    x = framework.tensor(values(rows, classes), requires_grad=True)
    target = framework.tensor(np.random.default_rng(3).integers(0, classes, rows))
    gradients, losses = [], []
    for weight in (None, framework.ones(classes)):
        loss = F.cross_entropy(x, target, weight, reduction=reduction)
        (gradient,) = framework.autograd.grad(loss * 3, x, create_graph=True)
        (second,) = framework.autograd.grad(gradient.pow(2).sum(), x)
        x.grad = None
        (F.cross_entropy(x, target, weight, reduction=reduction) * 3).backward()
        losses.append(loss.detach().numpy())
        gradients.append([gradient.detach().numpy(), second.numpy(), x.grad.numpy()])
        with framework.no_grad():
            np.testing.assert_allclose(F.cross_entropy(x, target, weight, reduction=reduction).numpy(), losses[-1])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_target_may_change_after_the_loss():
    x = framework.tensor(values(64, 10), requires_grad=True)
    target = framework.zeros(64, dtype=framework.int64)
    loss = F.cross_entropy(x, target)
    target.fill_(3)
    loss.backward()
    assert (x.grad.numpy()[:, 0] < 0).all()


@pytest.mark.parametrize("wrong", [-1, 10, 2**40])
def test_an_index_out_of_range_is_an_error(wrong):
    target = framework.zeros(64, dtype=framework.int64)
    target[7] = wrong
    with pytest.raises(IndexError, match=str(wrong)):
        F.cross_entropy(framework.tensor(values(64, 10)), target)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_gradients_through_the_op_are_those_in_float64(name):
    x = framework.tensor(values(40, 6, 50), requires_grad=True)
    wide = framework.tensor(x.detach().numpy().astype("float64"), requires_grad=True)
    weight = values(40, 6, 50, seed=3)
    y = getattr(F, name)(x, -1)
    (y * framework.tensor(weight)).sum().backward()
    z = getattr(F, name)(wide, -1)
    (z * framework.tensor(weight.astype("float64"))).sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), wide.grad.numpy(), rtol=1e-4, atol=2e-5)


def test_forced_kernels_agree_on_a_training_step():
    found = {}
    for name in ("onednn", "generic"):
        with force(name):
            layer = framework.nn.Linear(20, 10)
            with framework.no_grad():
                layer.weight.copy_(framework.tensor(values(10, 20)))
                layer.bias.zero_()
            F.cross_entropy(layer(framework.tensor(values(64, 20))), framework.arange(64) % 10).backward()
            found[name] = layer.weight.grad.numpy()
    np.testing.assert_allclose(*found.values(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "x, axis, words",
    [
        (values(50, 50).astype("float64"), 1, "float32"),
        (values(9, 9), 1, "too small"),
        (values(50, 50), 0, "not neighbours"),
        (values(50, 50)[::2], 1, "gaps"),
    ],
)
def test_explain_says_why_numpy_serves(x, axis, words):
    text = explain("softmax", x, axis=axis)
    assert text.startswith("softmax: generic")
    assert words in text
