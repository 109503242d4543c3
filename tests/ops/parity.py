"""The same call of this framework and of PyTorch, on the same float64 arrays: results and gradients must agree."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import framework

TOLERANCE = {"rtol": 1e-6, "atol": 1e-9}


def tensors(arrays: Sequence[Any], fixed: Sequence[int] = ()) -> tuple[list[Any], list[Any]]:
    """Our tensors and PyTorch's over copies of the arrays; floating-point ones but the ``fixed`` require gradients."""
    torch = pytest.importorskip("torch")
    arrays = [np.asarray(a) for a in arrays]
    grad = [a.dtype.kind == "f" and i not in fixed for i, a in enumerate(arrays)]
    ours = [framework.from_numpy(a.copy()).requires_grad_(g) for a, g in zip(arrays, grad, strict=True)]
    theirs = [torch.from_numpy(a.copy()).requires_grad_(g) for a, g in zip(arrays, grad, strict=True)]
    return ours, theirs


def same(ours: Any, theirs: Any, where: str = "") -> None:
    """Check shape and values of a tensor, or of nested tuples of them."""
    if isinstance(theirs, tuple | list):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            same(a, b, f"{where}[{i}]")
    elif theirs is None:
        assert ours is None, where
    else:
        assert tuple(ours.shape) == tuple(theirs.shape), where
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1], where
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), err_msg=where, **TOLERANCE)


def flat(value: Any) -> list[Any]:
    """The tensors of nested tuples that require gradients."""
    if isinstance(value, tuple | list):
        return [t for v in value for t in flat(v)]
    return [value] if value is not None and value.requires_grad else []


def check(ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: Any, fixed: Sequence[int] = ()) -> None:
    """Compare outputs, and the gradients of a weighted sum of them in all real arguments but the ``fixed``."""
    torch = pytest.importorskip("torch")
    mine, their = tensors(arrays, fixed)
    y = ours(*mine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        z = theirs(*their)
    same(y, z, "result")
    total, wanted = 0, 0
    for i, (a, b) in enumerate(zip(flat(y), flat(z), strict=True)):
        w = np.asarray(np.random.default_rng(i).standard_normal(tuple(b.shape)))
        total = total + (a * framework.from_numpy(w)).sum()
        wanted = wanted + (b * torch.from_numpy(w)).sum()
    total.backward()
    wanted.backward()
    for i, (a, b) in enumerate(zip(mine, their, strict=True)):
        if b.requires_grad:
            same(a.grad, b.grad, f"gradient of argument {i}")
