"""Activations by oneDNN."""

from __future__ import annotations

from typing import Any

from framework.kernels.onednn.library import ELTWISE

NAME = "onednn"

# a kernel of the family with its parameters, as oneDNN's algorithm, alpha and beta
_ALGORITHMS: dict[str, Any] = {
    "relu": lambda: ("relu", 0.0, 0.0),
    "leaky_relu": lambda slope: ("relu", slope, 0.0),
    "hardtanh": lambda low, high: ("clip_v2", low, high),
    "gelu": lambda tanh: ("gelu_tanh" if tanh else "gelu_erf", 0.0, 0.0),
    "silu": lambda: ("swish", 1.0, 0.0),
    "mish": lambda: ("mish", 0.0, 0.0),
    "hardsigmoid": lambda: ("hardsigmoid", 1 / 6, 0.5),
    "hardswish": lambda: ("hardswish", 1 / 6, 0.5),
    "sigmoid": lambda: ("logistic", 0.0, 0.0),
    "tanh": lambda: ("tanh", 0.0, 0.0),
}


def post_op(activation: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """The post-ops for an activation, which is the name of a kernel of this family and its parameters; or None."""
    if activation is None:
        return ()
    name, *params = activation
    algorithm, alpha, beta = _ALGORITHMS[name](*params)
    return (("eltwise", ELTWISE[algorithm], alpha, beta),)
