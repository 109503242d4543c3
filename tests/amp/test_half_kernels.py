"""Kernels on 16-bit arrays: each library's beside float32's."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import framework as F
from framework import kernels, nn

HALVES = [F.bfloat16, F.float16]
LIBRARIES = [name for name in ("generic", "onednn") if name in kernels.libraries()]
f = nn.functional


def values(*shape, seed=0, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def convolution(x, w, b):
    return f.conv2d(x, w, b, stride=2, padding=1)


def attention(q, k, v):
    return f.scaled_dot_product_attention(q, k, v, is_causal=True)


def lstm(x, *weights):
    zero = F.zeros(1, x.shape[1], 24, dtype=x.dtype)
    return F.lstm(x, (zero, zero), list(weights), True, 1, 0.0, True, False, False)[0]


CASES = {
    "matmul": (F.matmul, [(130, 96), (96, 70)]),
    "batched matmul": (F.matmul, [(6, 70, 96), (6, 96, 40)]),
    "linear": (f.linear, [(7, 33, 64), (96, 64), (96,)]),
    "linear of few rows": (f.linear, [(3, 512), (640, 512), (640,)]),
    "conv2d": (convolution, [(3, 16, 21, 19), (24, 16, 3, 3), (24,)]),
    "conv_transpose2d": (f.conv_transpose2d, [(3, 16, 11, 9), (16, 24, 3, 3), (24,)]),
    "conv1d": (f.conv1d, [(3, 16, 101), (24, 16, 5), (24,)]),
    "attention": (attention, [(2, 4, 64, 32)] * 3),
    "softmax": (lambda x: x.softmax(-1), [(65, 130)]),
    "log_softmax": (lambda x: x.log_softmax(-1), [(65, 130)]),
    "gelu": (f.gelu, [(70, 1000)]),
    "relu": (f.relu, [(300, 1000)]),
    "silu": (f.silu, [(70, 1000)]),
    "sigmoid": (F.sigmoid, [(70, 1000)]),
    "hardswish": (f.hardswish, [(70, 1000)]),
    "layer_norm": (lambda x, w, b: f.layer_norm(x, (130,), w, b), [(65, 130), (130,), (130,)]),
    "batch_norm": (lambda x, w, b: f.batch_norm(x, None, None, w, b, True), [(5, 16, 20, 20), (16,), (16,)]),
    "add": (F.add, [(300, 400), (300, 400)]),
    "mul": (F.mul, [(300, 400), (300, 400)]),
    "times a number": (lambda x: x * 0.3, [(300, 400)]),
    "max_pool2d": (lambda x: f.max_pool2d(x, 3, 2, 1), [(3, 16, 21, 19)]),
    "avg_pool2d": (lambda x: f.avg_pool2d(x, 3, 2, 1), [(3, 16, 21, 19)]),
    "interpolate": (lambda x: f.interpolate(x, scale_factor=2, mode="bilinear"), [(3, 16, 21, 19)]),
    "lstm": (lstm, [(9, 20, 16), (96, 16), (96, 24), (96,), (96,)]),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", HALVES, ids=lambda k: k.name)
@pytest.mark.parametrize("name", CASES)
def test_sixteen_bits_are_float32_rounded(name, kind, library):
    function, shapes = CASES[name]
    given = [F.tensor(values(*s, seed=i, scale=0.5)).to(kind) for i, s in enumerate(shapes)]
    halves = [t.detach().requires_grad_() for t in given]
    wides = [t.float().requires_grad_() for t in given]
    with kernels.force(library):
        y = function(*halves)
        assert y.dtype is kind
        g = F.tensor(values(*y.shape, seed=9)).to(kind)
        y.backward(g)
    with kernels.force("generic"):
        exact = function(*wides)
        exact.backward(g.float())
    step = 2.0**-7 if kind is F.bfloat16 else 2.0**-10
    pairs = [(y, exact), *((a.grad, b.grad) for a, b in zip(halves, wides, strict=True))]
    for found, wanted in pairs:
        assert found.dtype is kind
        wanted, found = wanted.detach().numpy(), found.detach().float().numpy()
        assert abs(found - wanted).max() <= 2 * step * max(abs(wanted).max(), 1e-3)


def test_dropout_of_sixteen_bits():
    x = F.ones(300, 400, dtype=F.bfloat16)
    y = f.dropout(x, 0.25)
    found = y.float().numpy()
    assert y.dtype is F.bfloat16 and set(np.unique(found)) == {0.0, np.float32(ml_dtypes.bfloat16(4 / 3))}
    assert abs((found == 0).mean() - 0.25) < 0.01


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", HALVES, ids=lambda k: k.name)
def test_what_is_not_finite_stays_so(kind, library):
    x = values(300, 1000)
    x[0, 0], x[1, 1], x[2, 2] = np.nan, np.inf, -np.inf
    t = F.tensor(x).to(kind).requires_grad_()
    with kernels.force(library):
        for function in (f.relu, lambda v: v.softmax(-1), lambda v: v + v, f.hardswish):
            t.grad = None
            y = function(t)
            y.backward(F.ones_like(y))
            assert F.isnan(y[0, 0]) and F.isnan(y).sum() >= 1
        assert f.relu(t)[1, 1] == float("inf") and f.relu(t)[2, 2] == 0


def conversions():
    yield "row-major", lambda x: x
    yield "channels-last", lambda x: x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    yield "a slice", lambda x: np.concatenate([x, x], 1)[:, : x.shape[1]]
    yield "reversed", lambda x: x[:, ::-1]


@pytest.mark.parametrize(("order", "arrange"), list(conversions()))
@pytest.mark.parametrize("pair", [(a, b) for a in ("float32", "bfloat16", "float16") for b in ("float32", "bfloat16", "float16") if a != b])  # fmt: skip
def test_conversions_are_numpys(order, arrange, pair):
    given, wanted = (np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name) for name in pair)
    x = arrange(values(4, 32, 31, 33, scale=100.0).astype(given))
    t = F.from_numpy(np.ascontiguousarray(x)) if order == "row-major" else F.from_numpy(x.copy(order="K"))
    t.array = x
    with kernels.force("onednn"):
        y = t.to(F.bfloat16 if pair[1] == "bfloat16" else getattr(F, pair[1]))
    assert np.array_equal(y.array.astype(np.float32), x.astype(wanted).astype(np.float32))
    odd = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-8] * 20000, np.float32).astype(given)
    found = F.from_numpy(odd).to(y.dtype).array
    assert np.array_equal(found.astype(np.float32), odd.astype(wanted).astype(np.float32), equal_nan=True)


def test_a_step_of_autocast_makes_no_detour_through_numpy(monkeypatch):
    """The large arrays of a bfloat16 training step are converted and computed by oneDNN, where it is there."""
    if "onednn" not in LIBRARIES:
        pytest.skip("oneDNN is not there")
    from framework.kernels import registry

    chosen = []
    real = registry.choose

    def noting(family, *arrays, **params):
        kernel = real(family, *arrays, **params)
        if arrays[0].size >= registry.LARGE:
            chosen.append((family, kernel.NAME, arrays[0].dtype.name))
        return kernel

    for module in ("matmul", "activation", "dropout", "softmax", "norm", "attention", "arithmetic", "casting"):
        monkeypatch.setattr(f"framework.ops.{module}.choose", noting)
    layer = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.1, activation="gelu", batch_first=True)
    x = F.rand(16, 128, 64, requires_grad=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("framework.autograd.autocast._warned", {"bfloat16"})
        with F.autocast("cpu"):
            loss = layer(x).float().pow(2).mean()
        loss.backward()
    generic = {entry for entry in chosen if entry[1] == "generic" and entry[2] == "bfloat16"}
    assert not generic and len(chosen) > 10
