"""The optimizers' step on arrays: a rule applied to every parameter, in place.

Elementwise rules (``update_rules``) run over blocks that stay in the cache, large parameters' in threads: a rule of a
dozen NumPy calls then reads and writes main memory once. The others (``whole_rules``) take a parameter at a time.
Measured for AdamW over 21 M elements on two threads of an EPYC: 30 ms with blocks of 32 K, 67 with 16 K, where the
threads wait for the interpreter; 43 on one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels import threads
from framework.kernels.generic import flat
from framework.kernels.generic.update_rules import RULES, Rule
from framework.kernels.generic.whole_rules import WHOLE

NAME = "generic"

SHARED = 1 << 19  # elements from which on threads share the blocks

Job = tuple[tuple[Any, ...], dict[str, Any]]  # (parameter, gradient, state...), the rule's numbers


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def step(rule: str, jobs: list[Job], copies: Sequence[Any] = (), generator: Any = None) -> None:
    """Apply a rule to parameters: for each, its arrays (parameter, gradient, state) and the rule's numbers.

    Arithmetic of 16-bit arrays is done in float32; complex parameters are updated as pairs of reals.

    Args:
        copies: for each job the 16-bit array that takes the parameter's new values; or none at all.
        generator: stores bfloat16 parameters rounded at random, up with the probability of what is cut off, from its
            numbers of 16 bits: one an element, in memory order, job after job.
    """
    whole = rule in WHOLE
    function = WHOLE[rule] if whole else RULES[rule]
    for arrays, numbers in jobs:
        if generator is not None:
            _rounded(function, numbers, arrays, generator, whole)
            continue
        p = arrays[0]
        kind, size = p.dtype, p.size
        if not size:
            continue
        if kind.kind == "c":
            arrays = tuple([_as_real(a) for a in arrays])
        update = _updated
        for array in arrays:
            dtype = array.dtype
            if (dtype is not kind and dtype != kind) or dtype.itemsize == 2:
                update = _widened
        if whole or size <= flat.BLOCK:
            update(function, numbers, arrays)
        elif size < SHARED:
            for block in flat.blocks(arrays):
                update(function, numbers, block)
        else:
            threads.parallel(partial(update, function, numbers), flat.blocks(arrays))
    for (arrays, _), copy in zip(jobs, copies):
        copy[...] = arrays[0].astype(copy.dtype)


def unscale(gradients: list[Any], inverse_scale: Any) -> Any:
    """Multiply gradients in place, and say whether one of them held an infinity or a nan.

    Args:
        gradients: of one element type, on one device.
        inverse_scale: a 0-d float32 array there.

    Returns:
        A 0-d float32 array there, 1 or 0; nothing waits for a GPU.
    """
    xp = array_module(gradients[0])
    finite = xp.asarray(True)
    for g in gradients:
        if not g.size:
            continue
        wide = g.astype(np.float32) if g.dtype in dtypes.HALF else g
        for extreme in (wide.max(), wide.min()) if wide.dtype.kind != "c" else (wide.sum(),):  # a nan is both
            finite = finite & xp.isfinite(extreme)
        if wide is g:
            xp.multiply(g, inverse_scale.astype(g.dtype), out=g)
        else:
            g[...] = (wide * inverse_scale).astype(g.dtype)
    return xp.asarray(~finite).astype(np.float32)


def _updated(function: Rule, numbers: dict[str, Any], arrays: tuple[Any, ...]) -> None:
    function(array_module(arrays[0]), *arrays, **numbers)


def _widened(function: Rule, numbers: dict[str, Any], arrays: tuple[Any, ...]) -> None:
    """Run a rule on float32 (or wider) copies, and store what it changed."""
    wide = [a.astype(np.float32) if a.dtype in dtypes.HALF else a for a in arrays]
    function(array_module(arrays[0]), *wide, **numbers)
    for position, (array, copy) in enumerate(zip(arrays, wide, strict=True)):
        if position != 1 and copy is not array:
            array[...] = copy.astype(array.dtype)


def _rounded(function: Rule, numbers: dict[str, Any], arrays: tuple[Any, ...], generator: Any, whole: bool) -> None:
    """Run a rule on a float32 copy of a bfloat16 parameter, and store it rounded at random."""
    p = arrays[0]
    draws = array_module(p).empty_like(p, np.uint16)
    order = sorted(range(p.ndim), key=lambda axis: -draws.strides[axis])
    draws.transpose(order).reshape(-1)[...] = generator.bits16(p.size)

    def update(block: tuple[Any, ...]) -> None:
        *block, bits = block  # type: ignore[assignment]
        wide = [a.astype(np.float32) for a in block[:2]]
        function(array_module(p), *wide, *block[2:], **numbers)
        block[0][...] = rounded_at_random(wide[0], bits)

    if whole:
        update((*arrays, draws))
    else:
        threads.parallel(update, flat.blocks((*arrays, draws)))


def rounded_at_random(x: Any, bits: Any) -> Any:
    """float32 numbers in bfloat16, rounded away from 0 where the 16 bits that are cut off and random ones carry."""
    words = x.view(np.uint32) + bits
    finite = (x.view(np.uint32) & 0x7F800000) != 0x7F800000
    xp = array_module(x)
    rounded = (words >> 16).astype(np.uint16).view(dtypes.bfloat16.numpy)
    return xp.where(finite, rounded, x.astype(dtypes.bfloat16.numpy))


def _as_real(array: Any) -> Any:
    """A complex array's memory as reals, with one more axis of length 2."""
    if array.dtype.kind != "c":
        return array
    real = array.real
    shape, strides = (*array.shape, 2), (*array.strides, real.itemsize)
    return array_module(array).lib.stride_tricks.as_strided(real, shape, strides)
