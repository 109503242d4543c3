"""Activations and their gradients on the GPU, over memory without gaps in any order, 16 bytes an access, one launch each.

Each has the parameters of the generic kernel of its name; 16-bit arrays are computed in float32.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import BYTES, CTYPES, FLOATS, blocks, kernel, real
from framework.kernels.cuda.tensors import is_dense

NAME = "cuda"
THREADS = 256

Function = Callable[..., Any]


def declines(x: Any, kind: str = "") -> str | None:
    """None if it can serve an activation of x, else why not."""
    return None if x.dtype in FLOATS else f"there is no kernel for {x.dtype}"


def activated(x: Any, activation: tuple[Any, ...] | None) -> Any:
    """What an activation, the name of a function here and its parameters, makes of x; x itself for None."""
    return x if activation is None else globals()[activation[0]](x, *activation[1:])


def _pair(kind: str, *names: str) -> tuple[Function, Function]:
    """An activation of some parameters and its gradient."""

    def forward(x: Any, *values: Any, out: Any = None, **params: Any) -> Any:
        numbers = _numbers(real(x.dtype), values or tuple([params[name] for name in names]))
        source = x if is_dense(x) else array_module(x).ascontiguousarray(x)
        y = array_module(x).empty_like(source) if out is None or out.strides != source.strides else out
        _launch(kind, "forward", (source, y), numbers)
        if out is None or out is y:
            return y
        out[...] = y
        return out

    def backward(g: Any, v: Any, *values: Any, **params: Any) -> Any:
        numbers = _numbers(real(g.dtype), values or tuple([params[name] for name in names]))
        xp = array_module(g)
        saved = v if is_dense(v) else xp.ascontiguousarray(v)
        if g.strides != saved.strides:
            same = xp.empty_like(saved)
            same[...] = g
            g = same
        gx = xp.empty_like(saved)
        _launch(kind, "backward", (g, saved, gx), numbers)
        return gx

    forward.__name__ = forward.__qualname__ = kind
    backward.__name__ = backward.__qualname__ = f"{kind}_backward"
    return forward, backward


@lru_cache(256)
def _numbers(kind: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The kernel's three numbers."""
    return tuple(kind.type(value) for value in (*values, 0, 0, 0)[:3])


def _launch(kind: str, name: str, arrays: tuple[Any, ...], numbers: tuple[Any, ...]) -> None:
    x = arrays[0]
    if x.size:
        kernel("activation", name, T=CTYPES[x.dtype], KIND=f"_{kind}")(
            (blocks(x.size, THREADS * BYTES // x.itemsize),), (THREADS,), (*arrays, np.int64(x.size), *numbers)
        )


exp, _ = _pair("exp")
sigmoid, sigmoid_backward = _pair("sigmoid")
tanh, tanh_backward = _pair("tanh")
relu, relu_backward = _pair("relu")
hardtanh, hardtanh_backward = _pair("hardtanh", "low", "high")
threshold, threshold_backward = _pair("threshold", "threshold", "value")
leaky_relu, leaky_relu_backward = _pair("leaky_relu", "slope")
gelu, gelu_backward = _pair("gelu", "tanh")
silu, silu_backward = _pair("silu")
mish, mish_backward = _pair("mish")
elu, elu_backward = _pair("elu", "alpha", "scale", "input_scale")
hardsigmoid, hardsigmoid_backward = _pair("hardsigmoid")
hardswish, hardswish_backward = _pair("hardswish")
softplus, softplus_backward = _pair("softplus", "beta", "threshold")
logsigmoid, logsigmoid_backward = _pair("logsigmoid")
hardshrink, hardshrink_backward = _pair("hardshrink", "lambd")
softshrink, softshrink_backward = _pair("softshrink", "lambd")
