"""Compare results and gradients of torch with those of `framework`."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from tests.parity.bridge import Bridge, array_view, ours, short, tensors_in

Tolerance = tuple[float, float]
"""Relative and absolute tolerance."""

_TOLERANCES: dict[str, Tolerance] = {
    "float64": (1e-7, 1e-8),
    "complex128": (1e-7, 1e-8),
    "float32": (1e-4, 2e-5),
    "complex64": (1e-4, 2e-5),
    "float16": (4e-3, 2e-3),
    "bfloat16": (2.5e-2, 1.6e-2),
}


def tolerance(dtype: torch.dtype) -> Tolerance:
    """Return how closely results computed in `dtype` have to agree."""
    return _TOLERANCES.get(short(dtype), (0.0, 0.0))


def same_tensors(first: Any, second: Any) -> bool:
    """Tell whether two torch results are equal throughout, NaN included."""
    pairs = zip(tensors_in(first), tensors_in(second), strict=True)
    close = functools.partial(torch.allclose, rtol=0, atol=0, equal_nan=True)
    return all(close(a.detach(), b.detach()) for a, b in pairs)


def compare(
    expected: Any,
    got: Any,
    limits: Tolerance | None = None,
    *,
    values: bool = True,
    grad_flag: bool = False,
    where: str = "result",
) -> str | None:
    """Describe the first difference of our result from torch's, if any.

    `limits` replaces the dtype's own tolerance where it is looser, `values`
    false checks only dtypes and shapes, and `grad_flag` asks for the same
    `requires_grad`.
    """
    again = functools.partial(compare, limits=limits, values=values, grad_flag=grad_flag)
    if isinstance(expected, torch.Tensor):
        if not isinstance(got, ours.Tensor):
            return f"{where}: expected a Tensor, got {type(got).__name__}"
        return _compare_tensors(expected, got, limits, values, grad_flag, where)
    if isinstance(expected, torch.Size):
        same = isinstance(got, tuple) and tuple(got) == tuple(expected)
        return None if same else f"{where}: expected {expected}, got {got!r}"
    if isinstance(expected, (tuple, list)):
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            size = len(got) if isinstance(got, (tuple, list)) else type(got).__name__
            return f"{where}: expected {len(expected)} items, got {size}"
        if isinstance(got, list) != isinstance(expected, list):
            return f"{where}: expected {type(expected).__name__}, got {type(got).__name__}"
        if type(expected).__module__ == "torch.return_types":
            for name in getattr(type(expected), "__match_args__", ()):
                if not hasattr(got, name):
                    return f"{where}: no field {name!r}"
        numbered = enumerate(zip(expected, got, strict=True))
        found = (again(a, b, where=f"{where}[{i}]") for i, (a, b) in numbered)
        return next(filter(None, found), None)
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return f"{where}: expected a dict, got {type(got).__name__}"
        if set(got) != set(expected):
            lacks, extra = set(expected) - set(got), set(got) - set(expected)
            return f"{where}: keys lack {lacks or 'none'}, have too many {extra or 'none'}"
        found = (again(v, got[k], where=f"{where}[{k!r}]") for k, v in expected.items())
        return next(filter(None, found), None)
    if isinstance(expected, (torch.dtype, torch.device)):
        same = short(expected) == short(got)
        return None if same else f"{where}: expected {expected}, got {got}"
    if expected is not None and type(got) is not type(expected):
        return f"{where}: expected {type(expected).__name__}, got {type(got).__name__}"
    if isinstance(expected, (float, complex)) and values:
        rtol, atol = limits or _TOLERANCES["float32"]
        close = np.isclose(got, expected, rtol, atol, equal_nan=True)
        return None if close else f"{where}: expected {expected}, got {got}"
    if values and (expected is None) != (got is None):
        return f"{where}: expected {expected}, got {type(got).__name__}"
    if values and isinstance(expected, (bool, int, str)) and expected != got:
        return f"{where}: expected {expected!r}, got {got!r}"
    return None


def _compare_tensors(
    expected: torch.Tensor,
    got: Any,
    limits: Tolerance | None,
    values: bool,
    grad_flag: bool,
    where: str,
) -> str | None:
    if short(got.dtype) != short(expected.dtype):
        return f"{where}: expected {short(expected.dtype)}, got {short(got.dtype)}"
    if tuple(got.shape) != tuple(expected.shape):
        return f"{where}: expected shape {tuple(expected.shape)}, got {tuple(got.shape)}"
    if grad_flag and bool(got.requires_grad) != expected.requires_grad:
        return f"{where}: expected requires_grad={expected.requires_grad}, got {got.requires_grad}"
    if not values or expected.numel() == 0:
        return None
    wanted, actual = array_view(expected), np.asarray(got.detach().numpy())
    if actual.shape != wanted.shape or actual.dtype != wanted.dtype:
        return f"{where}: array of {actual.dtype} {actual.shape} behind {short(got.dtype)}"
    if not (expected.is_floating_point() or expected.is_complex()):
        bad = wanted != actual
    else:
        wide = np.complex128 if expected.is_complex() else np.float64
        wanted, actual = wanted.astype(wide), actual.astype(wide)
        own = tolerance(expected.dtype)
        rtol, atol = map(max, own, limits) if limits else own
        bad = ~np.isclose(actual, wanted, rtol, atol, equal_nan=True)
    if not bad.any():
        return None
    at = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(bad)))
    want, have = np.atleast_1d(wanted)[at], np.atleast_1d(actual)[at]
    shown = list(at) if wanted.ndim else []
    return f"{where}: {bad.sum()} of {bad.size} differ, at {shown} want {want} got {have}"


def differentiable(outputs: Any, kind: Any) -> list[Any]:
    """Collect the tensors in nested outputs that require grad."""
    if isinstance(outputs, kind):
        return [outputs] if outputs.requires_grad else []
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, (list, tuple)):
        return [leaf for item in outputs for leaf in differentiable(item, kind)]
    return []


def grad_of(module: Any, outputs: list[Any], inputs: list[Any], weights: list[Any]) -> Any:
    """Return gradients of the weighted outputs; zeros and None are one."""
    return module.autograd.grad(outputs, inputs, weights, allow_unused=True)


def cotangents(outputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Draw random weights for outputs, the same in every run."""
    generator = torch.Generator().manual_seed(7)
    weights = []
    for out in outputs:
        wide = torch.complex128 if out.is_complex() else torch.float64
        weights.append(torch.randn(out.shape, dtype=wide, generator=generator).to(out.dtype))
    return weights


def compare_gradients(
    expected: Iterable[torch.Tensor | None],
    got: Iterable[Any],
    names: Iterable[str],
    limits: Tolerance | None,
) -> str | None:
    """Compare gradients one by one; an absent one counts as zeros."""
    for want, have, name in zip(expected, got, names, strict=True):
        if want is None and have is None:
            continue
        if want is None:
            want = torch.zeros(tuple(have.shape), dtype=getattr(torch, short(have.dtype)))
        if have is None:
            have = Bridge()(torch.zeros_like(want))
        found = compare(want, have, limits, where=f"gradient of {name}")
        if found:
            return found
    return None
