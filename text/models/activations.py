"""Activations by the names that ``config.json`` files call them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from framework.errors import ArgumentError
from framework.nn import functional as F


def _quick_gelu(x: Any) -> Any:
    return x * F.sigmoid(x * 1.702)


def _relu_squared(x: Any) -> Any:
    return F.relu(x).square()


def _linear(x: Any) -> Any:
    return x


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": F.gelu,
    "gelu_fast": partial(F.gelu, approximate="tanh"),
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu_python": F.gelu,
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "leaky_relu": F.leaky_relu,
    "linear": _linear,
    "mish": F.mish,
    "quick_gelu": _quick_gelu,
    "relu": F.relu,
    "relu2": _relu_squared,
    "relu6": F.relu6,
    "sigmoid": F.sigmoid,
    "silu": F.silu,
    "swish": F.silu,
    "tanh": F.tanh,
}


def activation(name: str) -> Callable[[Any], Any]:
    """The function of a name such as ``"gelu"`` or ``"silu"``.

    Raises:
        ArgumentError: no activation has the name.
    """
    if name not in ACTIVATIONS:
        raise ArgumentError(f"activation: there is none named {name!r}; known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
