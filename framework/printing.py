"""How tensors print: the same characters as PyTorch's, so that outputs and doctests can be compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.tensor import Tensor


@dataclass
class Options:
    """What ``set_printoptions`` sets.

    Attributes:
        precision: digits after the point.
        threshold: tensors with more elements are summarized.
        edgeitems: entries shown at each end of a summarized dim.
        linewidth: characters a line.
        sci_mode: scientific notation always (True), never (False) or where numbers ask for it (None).
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = Options()
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print; what is None stays, but for ``sci_mode``, which None puts back to automatic.

    Args:
        precision: digits after the point, 4 at first.
        threshold: tensors with more elements than this are summarized, 1000 at first.
        edgeitems: entries shown at each end of a summarized dim, 3 at first.
        linewidth: characters a line, 80 at first.
        profile: "default", "short" or "full" (never summarized); the other arguments change it.
        sci_mode: whether numbers are written like 1.0000e-03; None decides by their range.
    """
    values: dict[str, Any] = {}
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile must be 'default', 'short' or 'full', got {profile!r}")
        values.update(_PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    values.update((name, value) for name, value in given.items() if value is not None)
    for name, value in values.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options that ``set_printoptions`` sets, by name."""
    return asdict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """``set_printoptions`` within a block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


class _Format:
    """One width and notation for all the numbers of an array."""

    def __init__(self, values: Any) -> None:
        self.floating = values.dtype.kind in "fV"
        self.whole, self.scientific, self.width = True, False, 1
        if not self.floating:
            self.width = max((len(str(v)) for v in set(values.reshape(-1).tolist())), default=1)
            return
        values = values.astype(np.float64).reshape(-1)
        values = values[np.isfinite(values) & (values != 0)]
        if not values.size:
            return
        size = np.abs(values)
        low, high = float(size.min()), float(size.max())
        self.whole = bool((values == np.ceil(values)).all())
        self.scientific = high / low > 1000 or high > 1e8 or low < 1e-4
        if _options.sci_mode is not None:
            self.scientific = _options.sci_mode
        notation = f".{_options.precision}e" if self.scientific else ".0f" if self.whole else f".{_options.precision}f"
        width = max(len(format(v, notation)) for v in values.tolist())
        self.width = width + (self.whole and not self.scientific)  # room for the point after a whole number

    def __call__(self, value: Any) -> str:
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = format(value, f"{self.width}.{_options.precision}e")
        elif self.whole:
            text = format(value, ".0f") + ("." if math.isfinite(value) else "")
        else:
            text = format(value, f".{_options.precision}f")
        return text.rjust(self.width)


class _Numbers:
    """The text of numbers, and its width; complex ones are two numbers."""

    def __init__(self, values: Any) -> None:
        if values.dtype.kind == "c":
            self.real, self.imaginary = _Format(values.real), _Format(values.imag)
            self.width = self.real.width + self.imaginary.width + 1
        else:
            self.real = _Format(values)
            self.width = self.real.width

    def __call__(self, value: Any) -> str:
        if not isinstance(value, complex):
            return self.real(value)
        imaginary = (self.imaginary(value.imag) + "j").lstrip()
        return self.real(value.real) + ("" if imaginary[0] in "+-" else "+") + imaginary


def _edges(array: Any) -> Any:
    """The array without what a summary leaves out."""
    n = _options.edgeitems
    for axis in range(array.ndim):
        if array.shape[axis] > 2 * n:
            keep = [*range(n), *range(array.shape[axis] - n, array.shape[axis])]
            array = array.take(keep, axis)
    return array


def _rows(array: Any, indent: int, summarize: bool, number: _Numbers) -> str:
    n = _options.edgeitems
    if array.ndim == 0:
        return number(array.item())
    shortened = summarize and array.shape[0] > 2 * n
    if array.ndim == 1:
        if summarize and not n:
            texts = ["..."]
        elif shortened:
            texts = [number(v) for v in array[:n].tolist()] + [" ..."] + [number(v) for v in array[-n:].tolist()]
        else:
            texts = [number(v) for v in array.tolist()]
        each = max(1, (_options.linewidth - indent) // (number.width + 2))
        lines = [", ".join(texts[i : i + each]) for i in range(0, len(texts), each)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    if shortened:
        shown = [*range(n), None, *range(array.shape[0] - n, array.shape[0])]
    else:
        shown = list(range(array.shape[0]))
    parts = ["..." if i is None else _rows(array[i], indent + 1, summarize, number) for i in shown]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _contents(array: Any, indent: int) -> str:
    summarize = array.size > _options.threshold
    sample = _edges(array) if summarize else array
    if array.dtype == dtypes.bfloat16.numpy:
        array, sample = array.astype(np.float32) if not summarize else array, sample.astype(np.float32)
    return _rows(_Readable(array) if array.dtype.kind == "V" else array, indent, summarize, _Numbers(sample))


class _Readable:
    """A bfloat16 array whose numbers read as Python's; what a summary leaves out is never converted."""

    def __init__(self, array: Any) -> None:
        self.array, self.ndim, self.shape = array, array.ndim, array.shape

    def __getitem__(self, index: Any) -> _Readable:
        return _Readable(self.array[index])

    def tolist(self) -> Any:
        return self.array.astype(np.float32).tolist()

    def item(self) -> Any:
        return float(self.array)


def text(tensor: Tensor, contents: str | None = None) -> str:
    """What ``print`` and ``repr`` show of a tensor.

    Args:
        contents: text to show in place of the numbers.
    """
    kind = type(tensor).__name__
    prefix = "tensor(" if kind in ("Tensor", "Parameter") else f"{kind}("
    default = dtypes.get_default_dtype()
    suffixes = []
    if tensor.device.type != devices.default().type:
        suffixes.append(f"device='{tensor.device}'")
    if tensor.numel() == 0:
        if tensor.ndim != 1:
            suffixes.append(f"size={tuple(tensor.shape)}")
        if tensor.dtype is not default:
            suffixes.append(f"dtype={tensor.dtype}")
        contents = "[]" if contents is None else contents
    else:
        if not _options.edgeitems:
            suffixes.append(f"size={tuple(tensor.shape)}")
        if tensor.dtype not in (default, default.to_complex(), dtypes.int64, dtypes.bool_):
            suffixes.append(f"dtype={tensor.dtype}")
        if contents is None:
            contents = _contents(devices.move(tensor.array, devices.CPU), len(prefix))
    if tensor.grad_fn is not None:
        suffixes.append(f"grad_fn={tensor.grad_fn!r}")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + contents, suffixes, len(prefix))


def _with_suffixes(body: str, suffixes: list[str], indent: int) -> str:
    last = len(body) - body.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > _options.linewidth:
            body += ",\n" + " " * indent + suffix
            last = indent + len(suffix)
        else:
            body += ", " + suffix
            last += len(suffix) + 2
    return body + ")"
