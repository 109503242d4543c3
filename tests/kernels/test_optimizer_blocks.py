"""Optimizer steps on large parameters, and clipping: oneDNN's passes and threads against plain NumPy."""

import contextlib

import numpy as np
import pytest

import framework
from framework import kernels, nn, optim
from framework.kernels import threads
from framework.kernels.generic import clipping, flat
from framework.kernels.generic import optimizer as generic

WITH_ONEDNN = "onednn" in kernels.libraries()
needs_onednn = pytest.mark.skipif(not WITH_ONEDNN, reason="oneDNN is not installed")

OPTIMIZERS = [
    ("SGD", {}), ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.5, "dampening": 1.0}), ("SGD", {"momentum": 0.5, "dampening": 0.3, "maximize": True}),
    ("Adam", {}), ("Adam", {"weight_decay": 0.1, "maximize": True}), ("Adam", {"amsgrad": True, "betas": (0.0, 0.0)}),
    ("AdamW", {"weight_decay": 0.3}), ("AdamW", {"weight_decay": 2.0, "lr": 0.3}),
    ("AdamW", {"amsgrad": True, "maximize": True}),
    ("RMSprop", {"eps": 1e-3}), ("RMSprop", {"eps": 1e-3, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("Adagrad", {}), ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1}), ("Adadelta", {"rho": 0.5}),
    ("NAdam", {}), ("NAdam", {"betas": (0.0, 0.9)}), ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}), ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.9, 0.9)}),
    ("Adamax", {"weight_decay": 0.1}), ("ASGD", {}), ("ASGD", {"t0": 1, "lambd": 0.1, "weight_decay": 0.1}),
    ("Rprop", {}), ("Lion", {}), ("Lion", {"weight_decay": 0.1, "maximize": True}), ("Lamb", {"weight_decay": 0.1}),
]  # fmt: skip
SIZE = 40001


def trained(name, options, *, shape=(SIZE,), dtype=np.float32, library=None, steps=3, nonfinite=False, order=None):
    """A parameter and its state after some steps."""
    rng = np.random.default_rng(0)

    def draw():
        x = np.asarray(rng.standard_normal(shape)).astype(dtype)
        return x if order is None else np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))

    p = nn.Parameter(framework.from_numpy(draw()))
    optimizer = getattr(optim, name)([p], **options)
    with kernels.force(library) if library else contextlib.nullcontext(), np.errstate(all="ignore"):
        for _ in range(steps):
            g = draw()
            if nonfinite:
                g.reshape(-1)[[1, 5]] = np.nan, np.inf
            p.grad = framework.from_numpy(g)
            optimizer.step()
    state = optimizer.state.get(p, {})
    return {"p": p.array, **{key: value.array for key, value in state.items() if isinstance(value, framework.Tensor)}}


def assert_close(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].strides == value.strides
        np.testing.assert_allclose(found[key], value, err_msg=key, **tolerance)


@needs_onednn
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_passes_give_what_numpy_gives(name, options):
    found, expected = (trained(name, options, library=library) for library in ("onednn", "generic"))
    assert_close(found, expected, rtol=2e-5, atol=2e-6)


@needs_onednn
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_nan_and_infinity_stay_in_their_places(name, options):
    if name == "Lamb":
        pytest.skip("one nan spoils the whole step of a parameter")
    found, expected = (trained(name, options, library=library, nonfinite=True) for library in ("onednn", "generic"))
    for key, value in expected.items():
        np.testing.assert_array_equal(np.isnan(found[key]), np.isnan(value), err_msg=key)


@needs_onednn
@pytest.mark.parametrize("name", ["SGD", "AdamW"])
@pytest.mark.parametrize(("shape", "order"), [((8, 65, 9, 9), (0, 2, 3, 1)), ((300, 150), (1, 0)), ((0, 4), None)])
def test_memory_order_is_kept(name, shape, order):
    found, expected = (trained(name, {}, shape=shape, order=order, library=lib) for lib in ("onednn", "generic"))
    assert_close(found, expected, rtol=2e-5, atol=2e-6)


@needs_onednn
def test_a_parameter_larger_than_a_block(monkeypatch):
    from framework.kernels.onednn import optimizer as onednn

    monkeypatch.setattr(onednn, "BLOCK", 16384)
    found = trained("AdamW", {}, library="onednn")
    assert_close(found, trained("AdamW", {}, library="generic"), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
@pytest.mark.parametrize("library", ["generic", pytest.param("onednn", marks=needs_onednn)])
def test_the_number_of_threads_changes_no_bit(name, options, library, monkeypatch):
    monkeypatch.setattr(generic, "SHARED", 0)
    monkeypatch.setattr(flat, "BLOCK", 4096)
    results = []
    for count in (1, 2):
        with threads.limited(count):
            results.append(trained(name, options, library=library))
    for key, value in results[0].items():
        np.testing.assert_array_equal(results[1][key], value, err_msg=key)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.complex64])
def test_other_dtypes_in_threads(dtype, monkeypatch):
    expected = trained("Adam", {}, dtype=dtype)
    monkeypatch.setattr(generic, "SHARED", 0)
    for key, value in trained("Adam", {}, dtype=dtype).items():
        np.testing.assert_array_equal(value, expected[key])


@needs_onednn
def test_explain_says_why_not():
    from framework.kernels.onednn import optimizer as onednn

    x = np.zeros(SIZE, np.float32)
    assert onednn.declines(x, x, rule="sgd") is None
    assert "float32" in onednn.declines(x, x.astype(np.float64), rule="sgd")
    assert "rule" in kernels.explain("optimizer", x, x, rule="rprop")


# Clipping


@pytest.mark.parametrize("shared", [0, 1 << 30])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_scales_to_the_common_norm(dtype, count, shared, monkeypatch):
    monkeypatch.setattr(clipping, "SHARED", shared)
    monkeypatch.setattr(clipping, "PIECE", 1000)
    rng = np.random.default_rng(0)
    grads = [np.asarray(rng.standard_normal(shape), dtype) for shape in ((70, 80), (3,), (), (0, 2))]
    params = [nn.Parameter(framework.from_numpy(np.zeros_like(g))) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = framework.from_numpy(g.copy())
    norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in grads))
    with threads.limited(count):
        total = nn.utils.clip_grad_norm_(params, 2.0)
    assert total.numpy().dtype == dtype
    np.testing.assert_allclose(total.item(), norm, rtol=1e-6)
    for p, g in zip(params, grads, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g * (2.0 / (norm + 1e-6)), rtol=1e-6)


def test_length_does_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(clipping, "SHARED", 0)
    arrays = [np.random.default_rng(0).standard_normal(1 << 19).astype(np.float32)]
    lengths = []
    for count in (1, 2):
        with threads.limited(count):
            lengths.append(clipping.length(arrays))
    assert lengths[0] == lengths[1]


@pytest.mark.parametrize("value", [np.inf, np.nan, 0.0, 3.0])
def test_norms_that_are_no_number(value):
    p = nn.Parameter(framework.zeros(2))
    p.grad = framework.from_numpy(np.array([value, 0], np.float32))
    with np.errstate(all="ignore"):
        expected = np.linalg.norm([np.float64(value), 0])
        np.testing.assert_allclose(nn.utils.get_total_norm([p.grad]).item(), expected, rtol=1e-6)


def test_clipping_counts_as_a_write():
    p = nn.Parameter(framework.ones(3))
    p.grad = framework.ones(3)
    version = p.grad._version
    nn.utils.clip_grad_norm_([p], 0.5)
    assert p.grad._version > version


def test_a_parameter_given_twice_is_scaled_twice():
    p = nn.Parameter(framework.ones(3))
    p.grad = framework.ones(3)
    nn.utils.clip_grads_with_norm_([p, p], 1.0, framework.tensor(2.0))
    np.testing.assert_allclose(p.grad.numpy(), np.full(3, 0.25), rtol=1e-5)
