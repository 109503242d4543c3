"""Padding, and its opposite, cropping, at the ends of dims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.ops.joining import cat
from framework.ops.rearrange import flip
from framework.ops.shape import expand
from framework.ops.slices import narrow
from framework.tensor import Tensor

Widths = tuple[tuple[int, int], ...]


class ConstantPad(Op):
    """A number put around an array; a negative width crops."""

    name = "ConstantPadNd"

    def forward(self, x: Any, widths: Widths, value: Any) -> Any:
        self.widths = widths
        shape = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
        inner = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True))
        place = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape, widths, strict=True))
        out = array_module(x).empty_like(x, shape=shape)
        if out.size:
            out[...] = value
            out[place] = x[inner]
        return out

    def backward(self, g: Any) -> Any:
        return apply(ConstantPad, g, widths=tuple((-a, -b) for a, b in self.widths), value=0)


def _widths(name: str, input: Any, pad: Sequence[int]) -> Widths:
    """``pad``, which starts from the last dim, as (before, after) for each dim."""
    pad = tuple(int(n) for n in pad)
    if len(pad) % 2:
        raise ArgumentError(f"{name}: padding length must be divisible by 2, got {pad}")
    if len(pad) // 2 > input.ndim:
        raise ShapeError(
            f"{name}: padding length should be less than or equal to two times the input dimension but got padding "
            f"length {len(pad)} and input of dimension {input.ndim}"
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    widths = (*((0, 0),) * (input.ndim - len(pairs)), *reversed(pairs))
    for axis, (n, (before, after)) in enumerate(zip(input.shape, widths, strict=True)):
        if n + before + after < 0:
            raise ShapeError(
                f"{name}: the input size {n}, plus negative padding {before} and {after}, resulted in a negative "
                f"output size, which is invalid; check dimension {axis} of the input"
            )
    return widths


def constant_pad_nd(input: Any, pad: Sequence[int], value: Any = 0) -> Any:
    """The tensor with ``value`` around it: ``pad`` is (before, after) of the last dim, then of the one before, ..."""
    return apply(ConstantPad, input, widths=_widths("constant_pad_nd", input, pad), value=value)


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Any:
    """The tensor with its ends padded; negative widths crop.

    Args:
        pad: (before, after) of the last dim, then of the one before it, and so on.
        mode: "constant", "reflect" (mirrored, the end itself not repeated), "replicate" (the end repeated) or
            "circular" (the other end). All but "constant" pad the last 1, 2 or 3 dims of inputs that have one or two
            dims before them.
        value: what "constant" pads with, 0 unless given.

    Example:
        >>> framework.nn.functional.pad(framework.tensor([1.0, 2.0]), (1, 2))
        tensor([0., 1., 2., 0., 0.])
    """
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise ArgumentError(f'pad: padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _ENDS:
        raise ArgumentError(
            f"pad: unrecognised padding mode {mode!r}; use 'constant', 'reflect', 'replicate' or 'circular'"
        )
    widths = _widths("pad", input, pad)
    count = len(pad) // 2
    if not 1 <= count <= 3 or input.ndim not in (count + 1, count + 2):
        raise ShapeError(
            f"pad: mode {mode!r} pads the last 1, 2 or 3 dims of an input with one or two more, got {len(pad)} widths "
            f"for shape {tuple(input.shape)}"
        )
    if 0 in tuple(input.shape)[1:] and not (
        mode == "circular" or (input.ndim == count + 2 and 0 not in input.shape[2:])
    ):
        raise ShapeError(f"pad: expected non-zero lengths in all but the batch dim, got shape {tuple(input.shape)}")
    return _pad_ends(input, mode, widths, count)


def _pad_ends(input: Any, mode: str, widths: Widths, count: int) -> Any:
    """The last ``count`` dims of a tensor padded with what is at their own ends."""
    if region() is not None:
        name = {"reflect": "reflection", "replicate": "replication"}.get(mode, mode)
        return recast(
            _pad_ends, {"input": input, "mode": mode, "widths": widths, "count": count}, name=f"{name}_pad{count}d"
        )
    for axis in range(input.ndim - count, input.ndim):
        input = _pad_axis(mode, input, axis, *widths[axis])
    return input


def _reflected(x: Any, axis: int, before: int, after: int) -> tuple[Any, Any]:
    n = x.shape[axis]
    if before >= n or after >= n:
        raise ShapeError(
            f"pad: padding size should be less than the corresponding input dimension, but got padding ({before}, "
            f"{after}) at dimension {axis} of input {list(x.shape)}"
        )
    return flip(narrow(x, axis, 1, before), axis), flip(narrow(x, axis, n - 1 - after, after), axis)


def _replicated(x: Any, axis: int, before: int, after: int) -> tuple[Any, Any]:
    shape, n = tuple(x.shape), x.shape[axis]
    if not n:
        raise ShapeError(f"pad: can't replicate the ends of dimension {axis}, which is empty: shape {shape}")
    first, last = narrow(x, axis, 0, 1), narrow(x, axis, n - 1, 1)
    return (
        expand(first, (*shape[:axis], before, *shape[axis + 1 :])),
        expand(last, (*shape[:axis], after, *shape[axis + 1 :])),
    )


def _wrapped(x: Any, axis: int, before: int, after: int) -> tuple[Any, Any]:
    n = x.shape[axis]
    if before > n or after > n:
        raise ShapeError(
            f"pad: padding value causes wrapping around more than once: padding ({before}, {after}) at dimension "
            f"{axis} of input {list(x.shape)}"
        )
    return narrow(x, axis, n - before, before), narrow(x, axis, 0, after)


_ENDS = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}


def _pad_axis(mode: str, x: Any, axis: int, before: int, after: int) -> Any:
    cropped = narrow(x, axis, max(-before, 0), x.shape[axis] - max(-before, 0) - max(-after, 0))
    # what a negative width crops does not come round the other end, but may be mirrored
    ends = cropped if mode == "circular" else x
    front, back = _ENDS[mode](ends, axis, max(before, 0), max(after, 0)) if before > 0 or after > 0 else (None, None)
    x = cropped if before < 0 or after < 0 else x
    parts = [front] * (before > 0) + [x] + [back] * (after > 0)
    if len(parts) > 1:
        return cat(parts, axis)
    return x.clone() if isinstance(x, Tensor) and (before or after) else x
