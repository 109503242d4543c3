"""What tests of tensors need: ``assert_close`` and ``make_tensor``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.errors import ArgumentError
from framework.ops.dims import shape_of
from framework.random import generator_of
from framework.tensor import Tensor, missing, wrap

# rtol and atol by dtype; exact where it is not listed
TOLERANCES = {
    dtypes.float16: (1e-3, 1e-5),
    dtypes.bfloat16: (1.6e-2, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
    dtypes.complex64: (1.3e-6, 1e-5),
    dtypes.complex128: (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise unless ``abs(actual - expected) <= atol + rtol * abs(expected)`` everywhere, and all else is the same.

    Args:
        actual, expected: tensors, arrays, numbers, or sequences and mappings of them, of the same structure.
        allow_subclasses: whether types may differ where one is a subclass of the other.
        rtol, atol: give both or neither; those of the dtype (the larger of two) unless given.
        equal_nan: whether two nans are close.
        check_device, check_dtype, check_stride: whether these must be the same.
        check_layout: accepted; every tensor is dense.
        msg: the error's text, or a function of the text it would have.

    Raises:
        AssertionError: they are not close; the text says how many elements differ and where most.
        TypeError: something is neither a number nor a tensor.

    Example:
        >>> framework.testing.assert_close(framework.ones(2), framework.ones(2) + 1e-7)
    """
    if (rtol is None) != (atol is None):
        raise ArgumentError(f"assert_close: give both rtol and atol or neither, got rtol={rtol} and atol={atol}")
    options = {
        "subclasses": allow_subclasses, "rtol": rtol, "atol": atol, "equal_nan": equal_nan, "device": check_device,
        "dtype": check_dtype, "stride": check_stride,
    }  # fmt: skip
    found = _difference(actual, expected, options, "")
    if found is not None:
        raise AssertionError(msg(found) if callable(msg) else msg if msg is not None else found)


def _difference(actual: Any, expected: Any, options: dict[str, Any], where: str) -> str | None:
    """Words for the first disagreement, or None."""
    place = f"\n\nThe failure occurred for item {where}" if where else ""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
            return (
                f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {sorted(map(str, missing))}"
                f"\nAdditional keys in the actual mapping: {sorted(map(str, extra))}{place}"
            )
        return _first(((actual[key], expected[key], f"{where}[{key!r}]") for key in expected), options)
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}{place}"
        return _first(((a, e, f"{where}[{i}]") for i, (a, e) in enumerate(zip(actual, expected, strict=True))), options)
    if actual is None or expected is None:
        return None if actual is expected else f"None mismatch: {actual} is not {expected}{place}"
    a, e = _tensor(actual), _tensor(expected)
    number = not hasattr(actual, "dtype")
    if number is hasattr(expected, "dtype") or isinstance(actual, Tensor) is not isinstance(expected, Tensor):
        a = None
    if a is None or e is None or not (options["subclasses"] or type(actual) is type(expected)):
        raise TypeError(
            f"assert_close: no comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}"
        )
    if number and options["dtype"] and type(actual) is not type(expected):
        return f"The (d)types do not match: {type(actual)} != {type(expected)}.{place}"
    words = _unequal(a, e, options, "Scalars" if a.ndim == 0 else "Tensor-likes", number)
    return None if words is None else words + place


def _first(items: Any, options: dict[str, Any]) -> str | None:
    return next((found for a, e, where in items if (found := _difference(a, e, options, where)) is not None), None)


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str)


def _tensor(x: Any) -> Tensor | None:
    """A value as a tensor, or None if it is none. Python numbers are taken in 64 bits."""
    if isinstance(x, Tensor):
        return x.detach()
    if isinstance(x, bool | int | float | complex | np.ndarray | np.generic):
        array = np.asarray(x)
        return wrap(array) if array.dtype in dtypes.OF_NUMPY else None
    return None


def _unequal(a: Tensor, e: Tensor, options: dict[str, Any], what: str, number: bool) -> str | None:
    attributes: list[tuple[str, Any, Any, bool]] = [
        ("shape", tuple(a.shape), tuple(e.shape), True),
        ("device", a.device, e.device, options["device"]),
        ("dtype", a.dtype, e.dtype, options["dtype"] and not number),
        ("stride()", a.stride(), e.stride(), options["stride"]),
    ]
    for name, mine, theirs, checked in attributes:
        if checked and mine != theirs:
            return f"The values for attribute {name!r} do not match: {mine} != {theirs}."
    rtol, atol = options["rtol"], options["atol"]
    if rtol is None:
        pairs = [TOLERANCES.get(x.dtype, (0.0, 0.0)) for x in (a, e)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    x, y = (_wide(devices.move(t.array, devices.CPU)) for t in (a, e))
    with np.errstate(all="ignore"):
        gap = np.abs(x - y)
        close = (x == y) | (np.isfinite(y) & (gap <= atol + rtol * np.abs(y)))
        if options["equal_nan"]:
            close |= np.isnan(x) & np.isnan(y)
        if close.all():
            return None
        relative = gap / np.abs(y)
    if x.ndim == 0:
        return (
            f"{what} are not close!\n\nExpected {y.item()} but got {x.item()}.\nAbsolute difference: {gap.item()} "
            f"(up to {atol} allowed)\nRelative difference: {relative.item()} (up to {rtol} allowed)"
        )
    wrong = int((~close).sum())
    lines = [
        f"{what} are not {'equal' if rtol == atol == 0 else 'close'}!\n",
        f"Mismatched elements: {wrong} / {x.size} ({100 * wrong / x.size:.1f}%)",
    ]
    for name, values, limit in (("absolute", gap, atol), ("relative", relative, rtol)):
        at = np.unravel_index(np.argmax(np.where(close, -1, np.where(np.isnan(values), np.inf, values))), x.shape)
        lines.append(
            f"Greatest {name} difference: {values[at]} at index {tuple(int(i) for i in at)} (up to {limit} allowed)"
        )
    return "\n".join(lines)


def _wide(x: Any) -> Any:
    """An array in a dtype in which differences neither wrap around nor round much."""
    if x.dtype.kind == "c":
        return x.astype(np.complex128)
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8:
        return x.astype(np.longdouble)
    return x.astype(np.float64)


def make_tensor(
    *shape: Any,
    dtype: dtypes.dtype,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of random numbers in [low, high), drawn from the device's default generator.

    Args:
        shape: lengths, or one sequence of them.
        low, high: [-9, 9) for floating-point numbers, [-9, 10) for signed and [0, 10) for unsigned integers, and both
            values for bools, unless given.
        noncontiguous: put gaps between the elements.
        exclude_zero: replace zeros by the dtype's smallest positive number (1 for integers).
        memory_format: the order of the memory; not beside ``noncontiguous``.

    Raises:
        ArgumentError: ``low`` is not below ``high``, or both ``noncontiguous`` and ``memory_format`` are given.
    """
    if noncontiguous and memory_format is not None:
        raise ArgumentError("make_tensor: noncontiguous and memory_format are mutually exclusive; give one of them")
    size = shape_of(shape)
    kind = dtypes.as_dtype(dtype)
    where = devices.device(device)
    real = kind.category >= dtypes.FLOATING
    bounds = (0, 2) if kind is dtypes.bool_ else (-9, 9) if real else (-9 if kind.is_signed else 0, 10)
    start, stop = bounds[0] if low is None else low, bounds[1] if high is None else high
    if not start < stop and not (start == stop and real):
        raise ArgumentError(f"make_tensor: low must be below high, got low={start} and high={stop}")
    drawn = (*size[:-1], 2 * size[-1]) if noncontiguous and size else size
    generator = generator_of(where)
    if not real:
        array = generator.integers(int(np.ceil(start)), int(np.ceil(stop)), drawn).astype(kind.numpy)
    else:
        wide = np.dtype(np.float64 if kind in (dtypes.float64, dtypes.complex128) else np.float32)
        array = start + (stop - start) * generator.uniform(drawn, wide)
        if kind.is_complex:
            array = array + 1j * (start + (stop - start) * generator.uniform(drawn, wide))
        array = array.astype(kind.numpy)
    if exclude_zero:
        array[array == 0] = dtypes.finfo(kind).tiny if real else 1
    if noncontiguous and size:
        array = array[..., ::2]
    out = wrap(array)
    if memory_format is not None:
        out = out.contiguous(memory_format=memory_format)
    return out.requires_grad_(requires_grad)


def __getattr__(name: str) -> Any:
    missing("module 'framework.testing'", name, globals())
