"""Printed tensors, character by character against PyTorch."""

from __future__ import annotations

import re

import ml_dtypes
import numpy as np
import pytest

import framework

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64", "complex128",
)  # fmt: skip
OPTIONS = [
    {}, {"profile": "short"}, {"profile": "full"}, {"precision": 2}, {"sci_mode": True}, {"sci_mode": False},
    {"linewidth": 120}, {"edgeitems": 1, "threshold": 5}, {"edgeitems": 0, "threshold": 5},
]  # fmt: skip


@pytest.fixture(autouse=True)
def _default_options():
    yield
    framework.set_printoptions(profile="default")


def without_name(text):
    """The text without the library's name, whose length moves the line break before the dtype."""
    return re.sub(r",\s+dtype=\w+\.", ", dtype=", text)


def values(rng, dtype):
    shape = tuple(int(n) for n in rng.integers(0, 9, rng.integers(0, 5)))
    if rng.random() < 0.1:
        shape = [(1500,), (40, 40), (3, 12, 30)][rng.integers(3)]
    x = np.asarray(rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 10))
    if rng.random() < 0.3:
        x = np.asarray(np.round(x))
    if rng.random() < 0.2:
        x = np.asarray(x * 10.0 ** rng.integers(-5, 5, shape))
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0]
    if dtype.startswith(("float", "bfloat", "complex")):
        if rng.random() < 0.3 and x.size:
            x.reshape(-1)[rng.integers(0, x.size)] = special[rng.integers(5)]
        return x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x
    return np.clip(x, -100, 100)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_repr_matches_pytorch(dtype, options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng([DTYPES.index(dtype), OPTIONS.index(options)])
    torch.set_printoptions(**options)
    framework.set_printoptions(**options)
    try:
        for _ in range(12):
            with np.errstate(all="ignore"):
                theirs = torch.from_numpy(np.asarray(values(rng, dtype))).to(getattr(torch, dtype))
            bits = theirs.view(torch.int16).numpy().view(ml_dtypes.bfloat16) if dtype == "bfloat16" else theirs.numpy()
            assert without_name(repr(framework.from_numpy(bits))) == without_name(repr(theirs))
    finally:
        torch.set_printoptions(profile="default")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: framework.tensor(3), "tensor(3)"),
        (lambda: framework.tensor(2.5), "tensor(2.5000)"),
        (lambda: framework.zeros(0, 3), "tensor([], size=(0, 3))"),
        (lambda: framework.zeros(0, dtype=framework.int64), "tensor([], dtype=framework.int64)"),
        (lambda: framework.tensor([True, False]), "tensor([ True, False])"),
        (lambda: framework.tensor([1.0, float("nan")]), "tensor([1., nan])"),
        (lambda: framework.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
        (lambda: framework.tensor([1 + 2j]), "tensor([1.+2.j])"),
        (lambda: framework.ones(1, dtype=framework.float64), "tensor([1.], dtype=framework.float64)"),
        (lambda: framework.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
        (lambda: framework.ones(2, requires_grad=True) + 1, "tensor([2., 2.], grad_fn=<AddBackward0>)"),
        (lambda: framework.ones(2, requires_grad=True).view(1, 2), "tensor([[1., 1.]], grad_fn=<ViewBackward0>)"),
    ],
)
def test_suffixes(make, text):
    assert repr(make()) == text
    assert str(make()) == text


def test_default_dtype_is_not_named():
    framework.set_default_dtype(framework.float64)
    assert repr(framework.zeros(1)) == "tensor([0.], dtype=framework.float64)".replace(", dtype=framework.float64", "")
    assert repr(framework.zeros(1, dtype=framework.float32)) == "tensor([0.], dtype=framework.float32)"


def test_options_can_be_asked_for_and_put_back():
    before = framework.get_printoptions()
    with framework.printoptions(precision=1):
        assert repr(framework.tensor(1.25)) == "tensor(1.2)"
    assert framework.get_printoptions() == before
    with pytest.raises(ValueError, match="profile"):
        framework.set_printoptions(profile="long")
