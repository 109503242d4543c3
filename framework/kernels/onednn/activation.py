"""Activations by oneDNN, over any memory without gaps; those that it has no exact function for, by NumPy on its threads.

oneDNN's limits lose a nan (``relu`` gives 0 for it) and its exponential makes infinity of one. So ``relu`` and ``exp``
are made of other primitives in one pass, and ``hardtanh`` is NumPy's, whose single pass costs what the memory does. A
gradient that is 0 where the function is flat is a product with 0 in oneDNN, a nan where the gradient above is not
finite; so these results are looked through and computed anew by NumPy if they hold a nan. ELU, mish and softplus lose
digits near 0 or far below it, so these and the rarer functions are the generic ones, in blocks.

Measured on two threads of a 2-core EPYC, float32, for a million elements, beside the generic kernels: ReLU 68 us and
115 (for half a million its gradient 74 and 157), GELU 252 and 1870 (its gradient 1026 and 2645), SiLU 336 and 781,
sigmoid 230 and 821, tanh 265 and 376, exp 199 and 459. The largest error of GELU is 1e-6, as PyTorch's is, where the
generic kernel's is 6e-7.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from framework.kernels import threads
from framework.kernels.generic import activation as generic
from framework.kernels.generic.passes import order
from framework.kernels.onednn import library as api
from framework.kernels.onednn.library import BINARY, ELTWISE, library
from framework.kernels.onednn.plans import FLOAT32, Plan, kind_of, planned

NAME = "onednn"
# elements from which on oneDNN is the faster
WORTH = {
    "relu": 1 << 17, "hardtanh": 1 << 20, "leaky_relu": 1 << 15, "gelu": 1 << 10, "silu": 1 << 13,
    "hardswish": 1 << 15, "sigmoid": 1 << 14, "tanh": 1 << 16, "exp": 1 << 15,
}  # fmt: skip
SMALLEST = 1 << 10  # the least of these, for a gradient
SHARED = 1 << 20  # elements from which on NumPy's work is worth sharing among threads
BLOCK = 1 << 17  # elements that a thread takes at once; a turn costs 8 us
_INFINITY = 0x7F80  # bfloat16's, which only nans are above, whatever the sign

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


def declines(x: Any, kind: str = "") -> str | None:
    """None if it can serve an activation of x, else why not."""
    if x.size < WORTH.get(kind, SHARED):
        return "too small to be worth a call of oneDNN"
    if kind_of(x) is None or (kind not in WORTH and x.dtype != FLOAT32):
        return "not a NumPy array of float32, or of bfloat16 on a processor that has it and for a function of oneDNN's"
    return None if filled(x) else "elements with gaps between them in memory"


def filled(x: Any) -> bool:
    """Whether x fills its memory without gaps, in any order of the axes."""
    return x.flags.c_contiguous or _order(x.shape, x.strides, x.dtype) is not None


@functools.lru_cache(512)
def _order(shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> Any:
    return order(np.lib.stride_tricks.as_strided(np.empty(0, dtype), shape, strides))


def line(x: Any) -> Any:
    """The elements of a filled array in memory order."""
    return x.reshape(-1) if x.flags.c_contiguous else x.transpose(_order(x.shape, x.strides, x.dtype)).reshape(-1)


def has_nan(x: Any) -> bool:
    """Whether a filled array holds a nan: by BLAS, which reads float32 faster than ``isnan``, or by bfloat16's bits."""
    every = line(x)
    if x.itemsize == 2:
        bits = every.view(np.uint16)
        return any(bool((part << 1).max() > _INFINITY << 1) for part in np.array_split(bits, -(-bits.size // BLOCK)))
    if x.size < SHARED:
        return math.isnan(np.dot(every, every))
    found = []

    def look(part: Any) -> None:
        found.append(math.isnan(np.dot(part, part)))

    threads.parallel(look, np.array_split(every, threads.current()))
    return any(found)


def in_order_of(g: Any, x: Any) -> Any:
    """g in x's memory order and dtype: itself, or a copy."""
    if g.dtype is x.dtype and (g.strides == x.strides or (g.flags.c_contiguous and x.flags.c_contiguous)):
        return g
    same = np.empty_like(x)
    same[...] = g
    return same


# oneDNN's functions


def _kind(x: Any) -> str:
    """The name of x's element type, one of the two there are; ``dtype.name`` takes 1.5 us to find it."""
    return "float32" if x.itemsize == 4 else "bfloat16"


def _forward(name: str) -> Callable[..., Any]:
    algorithm = _ALGORITHMS[name]

    def compute(x: Any, *params: Any, **named: Any) -> Any:
        y = np.empty_like(x)
        _eltwise(x.size, _kind(x), *algorithm(*params, **named), work=x.size).run(x, y)
        return y

    return _documented(compute, name)


def _backward(name: str, saves_output: bool = False, flat: bool = False) -> Callable[..., Any]:
    """The gradient of a function that may be flat somewhere, where it is 0 whatever comes from above."""
    algorithm, plain = _ALGORITHMS[name], getattr(generic, f"{name}_backward")

    def compute(g: Any, v: Any, *params: Any, **named: Any) -> Any:
        if v.size < SMALLEST or kind_of(v) is None or not filled(v):  # a hook on saved tensors gave another array back
            return plain(g, v, *params, **named)
        g, d = in_order_of(g, v), np.empty_like(v)
        plan = _eltwise_backward(v.size, _kind(v), *algorithm(*params, **named), saves_output, work=v.size)
        plan.run(v, g, d)
        return plain(g, v, *params, **named) if flat and has_nan(d) else d

    return _documented(compute, f"{name}_backward")


def _documented(compute: Callable[..., Any], name: str) -> Callable[..., Any]:
    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = getattr(generic, name).__doc__
    return compute


def _eltwise_arguments(size: int, kind: str, algorithm: str, alpha: float, beta: float) -> tuple[Any, ...]:
    layout = library().layout((size,), kind, (1,))
    return api.FORWARD_TRAINING, ELTWISE[algorithm], layout, layout, alpha, beta


@planned
def _eltwise(size: int, kind: str, algorithm: str, alpha: float, beta: float) -> Plan:
    arguments = _eltwise_arguments(size, kind, algorithm, alpha, beta)
    return Plan("eltwise_forward", arguments, (api.SRC, api.DST))


@planned
def _eltwise_backward(size: int, kind: str, algorithm: str, alpha: float, beta: float, saves_output: bool) -> Plan:
    if saves_output:
        algorithm += "_dst"
    _, number, layout, *_ = arguments = _eltwise_arguments(size, kind, algorithm, alpha, beta)
    hint = Plan("eltwise_forward", arguments, (api.SRC, api.DST))
    kinds = (api.DST if saves_output else api.SRC, api.DIFF_DST, api.DIFF_SRC)
    return Plan("eltwise_backward", (number, layout, layout, layout, alpha, beta), kinds, hint=hint, forward=False)


@planned
def _larger(size: int, kind: str, of: tuple[str, float], exponential: bool) -> Plan:
    """The larger of x and of what a binary algorithm with a number, and perhaps the exponential, make of it.

    Of the two, oneDNN takes the second, x, where one is a nan.
    """
    lib = library()
    layout, number = lib.layout((size,), kind, (1,)), lib.layout((1,), kind, (1,))
    after = (("eltwise", ELTWISE["exp"], 0.0, 0.0),) if exponential else ()
    post_ops = (*after, ("binary", BINARY["max"], layout))
    last = api.POST_OP * len(post_ops) | api.SRC_1
    arguments = BINARY[of[0]], layout, number, layout
    return Plan("binary", arguments, (api.SRC, api.SRC_1, last, api.DST), post_ops)


@functools.lru_cache(8)
def _number(value: float, dtype: Any) -> Any:
    return np.full(1, value, dtype)


def relu(x: Any, out: Any = None) -> Any:
    """``max(x, 0)``, into ``out`` if given, which may be x itself."""
    y = np.empty_like(x) if out is None else out
    _larger(x.size, _kind(x), ("max", 0.0), False).run(x, _number(0.0, x.dtype), x, y)
    return y


def exp(x: Any) -> Any:
    """``e ** x``."""
    y = np.empty_like(x)
    _larger(x.size, _kind(x), ("mul", 1.0), True).run(x, _number(1.0, x.dtype), x, y)
    return y


def relu_backward(g: Any, y: Any) -> Any:
    """Its gradient, from the output."""
    if y.size < SMALLEST or kind_of(y) is None or not filled(y):
        return generic.relu_backward(g, y)
    g, d = in_order_of(g, y), np.empty_like(y)
    _where_positive(y.size, _kind(y)).run(y, _number(0.0, y.dtype), g, d)
    return generic.relu_backward(g, y) if has_nan(d) else d


@planned
def _where_positive(size: int, kind: str) -> Plan:
    """Whether y is not at most 0 (a nan is not), as 1 or 0, times g."""
    lib = library()
    layout, number = lib.layout((size,), kind, (1,)), lib.layout((1,), kind, (1,))
    post_ops = (("eltwise", ELTWISE["linear"], -1.0, 1.0), ("binary", BINARY["mul"], layout))
    kinds = (api.SRC, api.SRC_1, api.POST_OP * 2 | api.SRC_1, api.DST)
    return Plan("binary", (BINARY["le"], layout, number, layout), kinds, post_ops)


hardtanh, hardtanh_backward = generic.hardtanh, _backward("hardtanh", saves_output=True, flat=True)
leaky_relu, leaky_relu_backward = _forward("leaky_relu"), _backward("leaky_relu")
gelu, gelu_backward = _forward("gelu"), _backward("gelu")
silu, silu_backward = _forward("silu"), _backward("silu")
hardswish, hardswish_backward = _forward("hardswish"), _backward("hardswish", flat=True)
sigmoid, sigmoid_backward = _forward("sigmoid"), _backward("sigmoid", saves_output=True)
tanh, tanh_backward = _forward("tanh"), _backward("tanh", saves_output=True)


# NumPy's functions, in threads


def _shared(name: str) -> Callable[..., Any]:
    """A generic kernel of the family, by blocks in threads where its arrays are large and filled."""
    plain, count = getattr(generic, name), 2 if name.endswith("_backward") else 1

    @functools.wraps(plain)
    def compute(*given: Any, **named: Any) -> Any:
        arrays, params = given[:count], given[count:]
        v = arrays[-1]  # the input, or what was saved, whose memory order the result has
        if v.size < SHARED or kind_of(v) != "float32" or not filled(v):
            return plain(*given, **named)
        y = np.empty_like(v)
        sources, target = [line(in_order_of(a, v)) for a in arrays], line(y)

        def block(start: int) -> None:
            part = slice(start, start + BLOCK)
            target[part] = plain(*[s[part] for s in sources], *params, **named)

        threads.parallel(block, range(0, v.size, BLOCK))
        return y

    return compute


threshold, threshold_backward = _shared("threshold"), _shared("threshold_backward")
mish, mish_backward = _shared("mish"), _shared("mish_backward")
elu, elu_backward = _shared("elu"), _shared("elu_backward")
hardsigmoid, hardsigmoid_backward = _shared("hardsigmoid"), _shared("hardsigmoid_backward")
softplus, softplus_backward = _shared("softplus"), _shared("softplus_backward")
logsigmoid, logsigmoid_backward = _shared("logsigmoid"), _shared("logsigmoid_backward")
hardshrink, hardshrink_backward = _shared("hardshrink"), _shared("hardshrink_backward")
softshrink, softshrink_backward = _shared("softshrink"), _shared("softshrink_backward")
