"""Find the ways of calling an operator, in torch and in `framework`."""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from tests.parity import bridge
from tests.parity.bridge import Bridge, MissingName


@dataclass
class Variant:
    """One way to call an op: torch's callable and ours (None: not offered)."""

    name: str
    reference: Any
    ours: Callable[..., Any] | None
    mutates: bool = False
    most: int = 1_000_000


def _has(dotted: str) -> bool:
    """Tell whether torch itself has a function at that path."""
    try:
        return callable(operator.attrgetter(dotted)(torch))
    except AttributeError:
        return False


def _resolve(fn: Any, name: str) -> Callable[..., Any] | None:
    """Find our callable for torch's: under its name, a wrapper by rebuilding it."""
    rebuilt = isinstance(fn, functools.partial) or (
        isinstance(fn, types.FunctionType) and fn.__module__.startswith("torch.testing")
    )
    try:
        found: Callable[..., Any] = Bridge()(fn) if rebuilt else bridge.lookup(name)
    except MissingName:
        return None
    return found


def _reference(fn: Any) -> Callable[..., Any]:
    """Return torch's callable, freed of the wrapper that fixes the seed."""
    if bridge.uses_random_wrapper(fn):
        return bridge.regraft(fn, lambda value: value)
    return fn  # type: ignore[no-any-return]


def _with_out(fn: Callable[..., Any] | None) -> Callable[..., Any]:
    """Wrap a function so that it runs again with `out=` filled from zeros."""
    assert fn is not None

    def run(*args: Any, **kwargs: Any) -> Any:
        plain = fn(*args, **kwargs)
        if isinstance(plain, (list, tuple)):
            out: Any = tuple(item.detach().clone().zero_() for item in plain)
            fn(*args, out=out, **kwargs)
            return out
        out = plain.detach().clone().zero_()
        return fn(*args, out=out, **kwargs) is out, out

    return run


def variants(op: Any, with_out: bool = False) -> list[Variant]:
    """List the ways of calling an op that torch's database knows."""
    leaf = op.name.rsplit(".", 1)[-1]
    name = op.name if _has(op.name) else f"Tensor.{leaf}"
    found = [Variant("function", _reference(op.op), _resolve(op.op, name))]
    if with_out:
        return [Variant("out=", _with_out(v.reference), v.ours and _with_out(v.ours)) for v in found if op.supports_out]
    for label, fn in (("method", op.method_variant), ("in-place", op.inplace_variant)):
        if fn is not None:
            own = _resolve(fn, f"Tensor.{getattr(fn, '__name__', leaf)}")
            found.append(Variant(label, _reference(fn), own, label == "in-place"))
    for label, fn in (
        ("operator", op.operator_variant),
        ("in-place operator", op.inplace_operator_variant),
    ):
        if fn is not None and getattr(operator, fn.__name__, None) is fn:
            dunder = f"__{getattr(fn, '__name__', '').strip('_')}__"
            lacks = hasattr(torch.Tensor, dunder) and not hasattr(bridge.ours.Tensor, dunder)
            found.append(Variant(label, fn, None if lacks else fn, label.startswith("in-place")))
    for alias in op.aliases:
        last = f"Tensor.{alias.name}"
        path = alias.name.removeprefix("torch.")
        found.append(Variant(path, alias.op, _resolve(alias.op, path), most=2))
        for name, fn in ((last, alias.method_variant), (last + "_", alias.inplace_variant)):
            if fn is not None:
                found.append(Variant(name, fn, _resolve(fn, name), name[-1] == "_", 2))
    return found
