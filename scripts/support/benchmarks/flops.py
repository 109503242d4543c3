"""How many floating-point operations a step asks for: its products and convolutions, counted by hooks while it runs."""

from __future__ import annotations

import math
from typing import Any

from support.benchmarks.peer import Work


def count(lib: Any, work: Work) -> int | None:
    """The operations of one step, a multiplication and an addition each; None where the case has no model.

    Only products count: convolutions, linear layers, recurrent layers, attention. The gradient costs as much as the
    forward pass for a layer's weights, and as much again for its input where that needs one.
    """
    if work.model is None:
        return None
    total = 0

    def add(layer: Any, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        total += sum(2 * products * passes for products, passes in _products(lib, layer, inputs, output))

    hooks = [layer.register_forward_hook(add) for layer in work.model.modules()]
    try:
        work.step()
    finally:
        for hook in hooks:
            hook.remove()
    return total


def _products(lib: Any, layer: Any, inputs: tuple[Any, ...], output: Any) -> list[tuple[int, int]]:
    """(multiplications of a forward pass, how many times they are done in a step) of one call of a layer."""
    nn, x = lib.nn, inputs[0]
    learning = lib.is_grad_enabled() and output is not None
    both = 1 + learning + (learning and x.requires_grad)
    if isinstance(layer, nn.Conv2d):
        return [(output.numel() * math.prod(layer.weight.shape[1:]), both)]
    if isinstance(layer, nn.Linear):
        return [(output.numel() * layer.in_features, both)]
    if isinstance(layer, nn.LSTM):
        steps = math.prod(x.shape[:2])
        return [(steps * layer.weight_ih_l0.numel(), both), (steps * layer.weight_hh_l0.numel(), 1 + 2 * learning)]
    if type(layer).__name__ == "Attend":
        return [(2 * x.numel() * inputs[1].shape[-2], 1 + 2 * learning)]  # queries with keys, weights with values
    return []
