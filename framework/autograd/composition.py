"""Gradients of a fused op by way of the plain ops it is equal to.

A fused kernel's own gradient runs on arrays. When the gradient itself is to be differentiated, its op states the same
function as a composition of other ops, and autograd differentiates that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from framework.autograd.engine import grad
from framework.autograd.mode import enable_grad
from framework.tensor import Tensor


def gradients_of(composition: Callable[..., Any], inputs: Sequence[Any], *gradients: Any) -> tuple[Any, ...]:
    """The recorded gradients of ``composition(*inputs)`` with respect to its Tensor inputs; None for the others.

    Args:
        composition: gives a Tensor, or a tuple of them.
        inputs: Tensors, and constants of any kind (arrays, numbers, None).
        gradients: one for each output; None for an output that took no part.
    """
    with enable_grad():
        # a tensor of its own for each input, so that one tensor given twice gets its two gradients apart
        inputs = [t.view_as(t) if isinstance(t, Tensor) and t.requires_grad else t for t in inputs]
        outputs = composition(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        used = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and o.requires_grad]
        wanted = [t for t in inputs if isinstance(t, Tensor) and t.requires_grad]
        found = iter(
            grad([o for o, _ in used], wanted, [g for _, g in used], create_graph=True, allow_unused=True)
            if used and wanted
            else [None] * len(wanted)
        )
    return tuple(next(found) if isinstance(t, Tensor) and t.requires_grad else None for t in inputs)
