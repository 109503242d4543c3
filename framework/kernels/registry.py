"""Which implementations a kernel family has, and the choice among them."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

from framework.devices import array_module

FAMILIES = (
    "gemm", "conv", "pool", "norm", "softmax", "attention", "recurrent", "activation", "scatter", "dropout", "resize",
    "optimizer", "clipping", "elementwise", "conversion", "boxes", "grid",
)  # fmt: skip
LARGE = 1 << 16  # elements from which on threads beat one pass of NumPy at elementwise work


# for each kind of device, which families each library serves; of two that serve a family the later is asked first
LIBRARIES: dict[str, dict[str, tuple[str, ...]]] = {
    "cpu": {
        "onednn": (
            "gemm", "conv", "pool", "norm", "softmax", "attention", "recurrent", "activation",
            "dropout", "resize", "optimizer", "elementwise", "conversion",
        ),
    },
    "cuda": {
        "cuda": (
            "softmax", "norm", "scatter", "dropout", "optimizer", "clipping", "pool", "resize",
            "boxes", "elementwise", "activation", "recurrent", "grid", "attention",
        ),
        "cublas": ("gemm",),
        "cudnn": ("conv", "norm", "attention", "recurrent"),
    },
}  # fmt: skip


class Kernel(Protocol):
    """One library's implementation of a family: a module with the family's functions and this one."""

    NAME: str

    def declines(self, *arrays: Any, **params: Any) -> str | None:
        """None if it can serve these arrays, else why not, in words."""


_tables: dict[tuple[str, str], list[Any]] = {}  # by family and kind of device
_forced: ContextVar[str | None] = ContextVar("framework.kernels.forced", default=None)
_fallbacks: Counter[tuple[str, str]] = Counter()


def register(family: str, kernel: Any, device: str = "cpu") -> None:
    """Add an implementation of a family for a kind of device, tried before those already there."""
    table(family, device).insert(0, kernel)


def families() -> tuple[str, ...]:
    """The names of the kernel families."""
    return FAMILIES


def libraries(device: str = "cpu") -> tuple[str, ...]:
    """The names of the libraries that serve some family on a kind of device, the generic kernels among them."""
    found = {name for name in LIBRARIES[device] if why_not(name) is None}
    added = {kernel.NAME for (_, kind), table in _tables.items() if kind == device for kernel in table}
    return tuple(sorted({"generic", *found, *added}))


def table(family: str, device: str = "cpu") -> list[Any]:
    """The implementations of a family for a kind of device, in the order in which they are asked; generic is last."""
    found = _tables.get((family, device))
    if found is None:
        if family not in FAMILIES:
            raise ValueError(f"kernels: no family {family!r}; there are {', '.join(FAMILIES)}")
        found = [importlib.import_module(f"framework.kernels.generic.{family}")]
        for name, served in LIBRARIES[device].items():
            if family in served and why_not(name) is None:
                found.insert(0, importlib.import_module(f"framework.kernels.{name}.{family}"))
        _tables[family, device] = found
    return found


def in_use(family: str) -> list[Any]:
    """The CPU's implementations of a family, and another device's once it has been used; generic is last."""
    found = [
        kernel
        for (name, device), kernels in _tables.items()
        if name == family and device != "cpu"
        for kernel in kernels
    ]
    return [kernel for kernel in found if kernel.NAME != "generic"] + table(family)


def why_not(name: str) -> str | None:
    """None if a library is installed and serves this machine, else why not, in words."""
    return importlib.import_module(f"framework.kernels.{name}").why_not()


def _device_of(arrays: tuple[Any, ...]) -> str:
    return "cpu" if not arrays or type(arrays[0]) is np.ndarray or array_module(arrays[0]) is np else "cuda"


def choose(family: str, *arrays: Any, **params: Any) -> Any:
    """The implementation that serves a call: the first registered that does not decline, or the forced one.

    The first array says for which device.
    """
    device = _device_of(arrays)
    found = _tables.get((family, device)) or table(family, device)
    forced = _forced.get()
    if len(found) > 1:
        for kernel in found:
            if (forced is None or forced == kernel.NAME) and kernel.declines(*arrays, **params) is None:
                break
        else:
            kernel = found[-1]
    else:
        kernel = found[0]
    if device == "cuda" and forced is None and kernel is found[-1]:
        why = "; ".join(f"{other.NAME}: {other.declines(*arrays, **params)}" for other in found[:-1])
        _fallbacks[family, why or "no library serves it"] += 1
    return kernel


def next_after(name: str, family: str, why: str, *arrays: Any, **params: Any) -> Any:
    """The implementation that serves a call which a library took on and turned out not to serve, and said why."""
    found = table(family, _device_of(arrays))
    place = next(number for number, kernel in enumerate(found) if name == kernel.NAME)
    for kernel in found[place + 1 :]:
        if kernel.declines(*arrays, **params) is None:
            break
    if kernel is found[-1]:
        _fallbacks[family, why] += 1
    return kernel


def fallbacks() -> dict[tuple[str, str], int]:
    """How often a GPU's call came to the generic kernels, by family and by why every library declined."""
    return dict(_fallbacks)


def reset_fallbacks() -> None:
    """Count ``fallbacks`` from nought."""
    _fallbacks.clear()


def explain(family: str, *arrays: Any, **params: Any) -> str:
    """Words on which implementation a call would take, and why each other declined.

    Example:
        >>> print(framework.kernels.explain("gemm", a, b))
        gemm: generic
    """
    values = tuple(getattr(a, "array", a) for a in arrays)
    counts = _fallbacks.copy()
    chosen = choose(family, *values, **params)
    _fallbacks.clear()
    _fallbacks.update(counts)  # asking is no call
    device = _device_of(values)
    lines = [f"{family}: {chosen.NAME}"]
    for kernel in table(family, device):
        if kernel is not chosen:
            why = kernel.declines(*values, **params)
            forced = _forced.get()
            lines.append(f"  {kernel.NAME}: {why or (f'{forced} is forced' if forced else 'not tried')}")
    for name, served in LIBRARIES[device].items():
        missing = why_not(name) if family in served else None
        if missing is not None:
            lines.append(f"  {name}: {missing}")
    return "\n".join(lines)


@contextmanager
def force(name: str) -> Iterator[None]:
    """Within it, every family that has an implementation of this name uses it; the others use the generic one.

    Example:
        >>> with framework.kernels.force("generic"):
        ...     y = model(x)
    """
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)
