"""The errors the framework raises.

Each is also the built-in that PyTorch raises in its place, so a program that catches ``RuntimeError`` or ``IndexError``
keeps working. A message has one form: the op, what it expects, what came, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ShapeError(ValueError, RuntimeError):
    """Shapes that do not fit the op."""


class DtypeError(TypeError, NotImplementedError):  # the latter is a RuntimeError
    """A dtype the op is not defined for."""


class ArgumentError(ValueError, RuntimeError):
    """An argument's value outside what the op takes."""


class DimensionError(IndexError, ValueError):
    """A ``dim`` outside the tensor's range."""


class BoundsError(IndexError, ValueError, RuntimeError):
    """An index outside the dimension that it points into."""


class LinAlgError(RuntimeError, ValueError):
    """A matrix without the factorisation or inverse that is asked for."""


class GraphError(RuntimeError):
    """A misuse of the autograd graph: freed buffers, a value overwritten in place, no gradient to ask for."""


class ScalerError(RuntimeError, AssertionError):
    """Steps of a ``GradScaler`` in an order that makes no sense."""


class DeviceError(RuntimeError, AssertionError):
    """A device that is absent, which PyTorch reports by an AssertionError, or operands on two devices."""


class OutOfMemoryError(RuntimeError, MemoryError):
    """Memory that ran out. Where CuPy is in use, its own error stands under this name in ``framework.cuda``."""


class StateError(RuntimeError):
    """A state dict that does not fit the module it is loaded into."""


class MissingAttribute(AttributeError):
    """An attribute that is not there. Its message names the nearest ones, which are looked for when it is read."""

    def __init__(self, message: str, name: str, obj: object) -> None:
        super().__init__(message, name=name, obj=obj)

    def __str__(self) -> str:
        return f"{self.args[0]}{nearest(str(self.name), dir(self.obj))}"

    def __reduce__(self) -> tuple[object, ...]:
        return AttributeError, (str(self),)


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Words for "did you mean": the candidates closest to ``name``, or an empty string where none is close."""
    matches = difflib.get_close_matches(name, list(candidates), n=3, cutoff=0.6)
    return f"; nearest: {', '.join(matches)}" if matches else ""
