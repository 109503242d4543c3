"""Which implementations a kernel family has, and the choice among them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

FAMILIES = (
    "gemm", "conv", "pool", "norm", "softmax", "attention", "recurrent", "activation", "scatter", "dropout", "resize",
    "optimizer", "elementwise",
)  # fmt: skip
LARGE = 1 << 16  # elements from which on threads beat one pass of NumPy at elementwise work


# which families each library serves, and the module that says whether the library is here
LIBRARIES = {
    "onednn": (
        "gemm", "conv", "pool", "norm", "softmax", "attention", "recurrent", "activation",
        "dropout", "resize", "optimizer", "elementwise",
    ),
}  # fmt: skip


class Kernel(Protocol):
    """One library's implementation of a family: a module with the family's functions and this one."""

    NAME: str

    def declines(self, *arrays: Any, **params: Any) -> str | None:
        """None if it can serve these arrays, else why not, in words."""


_tables: dict[str, list[Any]] = {}
_forced: ContextVar[str | None] = ContextVar("framework.kernels.forced", default=None)


def register(family: str, kernel: Any) -> None:
    """Add an implementation of a family, tried before those already there."""
    _table(family).insert(0, kernel)


def families() -> tuple[str, ...]:
    """The names of the kernel families."""
    return FAMILIES


def libraries() -> tuple[str, ...]:
    """The names of the libraries that serve some family, the generic kernels among them."""
    found = {name for name in LIBRARIES if why_not(name) is None}
    return tuple(sorted({"generic", *found, *(kernel.NAME for table in _tables.values() for kernel in table)}))


def _table(family: str) -> list[Any]:
    table = _tables.get(family)
    if table is None:
        if family not in FAMILIES:
            raise ValueError(f"kernels: no family {family!r}; there are {', '.join(FAMILIES)}")
        table = [importlib.import_module(f"framework.kernels.generic.{family}")]
        for name, served in LIBRARIES.items():
            if family in served and why_not(name) is None:
                table.insert(0, importlib.import_module(f"framework.kernels.{name}.{family}"))
        _tables[family] = table
    return table


def why_not(name: str) -> str | None:
    """None if a library is installed and serves this machine, else why not, in words."""
    return importlib.import_module(f"framework.kernels.{name}").why_not()


def choose(family: str, *arrays: Any, **params: Any) -> Any:
    """The implementation that serves a call: the first registered that does not decline, or the forced one."""
    table = _table(family)
    if len(table) == 1:
        return table[0]
    forced = _forced.get()
    for kernel in table:
        if (forced is None or forced == kernel.NAME) and kernel.declines(*arrays, **params) is None:
            return kernel
    return table[-1]


def explain(family: str, *arrays: Any, **params: Any) -> str:
    """Words on which implementation a call would take, and why each other declined.

    Example:
        >>> print(framework.kernels.explain("gemm", a, b))
        gemm: generic
    """
    values = [getattr(a, "array", a) for a in arrays]
    chosen = choose(family, *values, **params)
    lines = [f"{family}: {chosen.NAME}"]
    for kernel in _table(family):
        if kernel is not chosen:
            why = kernel.declines(*values, **params)
            forced = _forced.get()
            lines.append(f"  {kernel.NAME}: {why or (f'{forced} is forced' if forced else 'not tried')}")
    for name, served in LIBRARIES.items():
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
