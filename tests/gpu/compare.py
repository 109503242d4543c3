"""The same call on the CPU and on a GPU: moving its values there, and comparing what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import framework

TOLERANCE = {
    framework.float64: 1e-9,
    framework.complex128: 1e-9,
    framework.float16: 4e-3,
    framework.bfloat16: 2e-2,
}
"""How far results may lie apart, absolutely and relatively; 1e-4 for other dtypes."""


def tensors_in(value: Any) -> Iterator[framework.Tensor]:
    """The tensors of nested values."""
    if isinstance(value, framework.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Nested values with every tensor and every mention of the CPU changed."""
    if isinstance(value, framework.Tensor | framework.device) or (isinstance(value, str) and value == "cpu"):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(mapped(item, change) for item in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, change) for item in value))
    return {k: mapped(v, change) for k, v in value.items()} if isinstance(value, dict) else value


def moved(value: Any, where: str) -> Any:
    """Nested values on another device: every tensor is a new leaf there, the same one for the same one here."""
    seen: dict[int, Any] = {}

    def change(item: Any) -> Any:
        if not isinstance(item, framework.Tensor):
            return framework.device(where)
        if id(item) not in seen:
            seen[id(item)] = item, item.detach().to(where).requires_grad_(item.requires_grad)
        return seen[id(item)][1]

    return mapped(value, change)


def check(there: Any, here: Any, what: str = "", values: bool = True) -> None:
    """Check that a result of the GPU has the CPU's dtype, shape and values, and lies on the GPU."""
    found, expected = list(tensors_in(there)), list(tensors_in(here))
    assert len(found) == len(expected), what
    for number, (a, b) in enumerate(zip(found, expected, strict=True)):
        where = f"{what} [{number}]"
        assert a.is_cuda, f"{where}: is on the CPU"
        assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{where}: {a.dtype} {a.shape}, on the CPU {b.dtype} {b.shape}"
        if values:
            x, y = (
                t.detach().cpu().to(framework.float32 if t.dtype.itemsize == 2 else t.dtype).numpy() for t in (a, b)
            )
            limit = TOLERANCE.get(b.dtype, 1e-4)
            np.testing.assert_allclose(x, y, rtol=limit, atol=limit, err_msg=where)


def gradients(outputs: Any, inputs: list[framework.Tensor]) -> list[Any]:
    """The gradients, in the inputs that require one, of the outputs' sum with fixed weights."""
    total: Any = 0
    for t in tensors_in(outputs):
        if t.requires_grad:
            weight = np.linspace(0.5, 1.5, t.numel(), dtype=np.float32).reshape(t.shape)
            part = (t * framework.tensor(weight).to(t.device, t.dtype)).sum()
            total = total + (part.real if part.is_complex() else part)
    if not isinstance(total, framework.Tensor):
        return []
    found = framework.autograd.grad(total, inputs, allow_unused=True)
    return [t for t in found if t is not None]
