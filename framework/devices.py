"""Devices, and the array module that serves each.

What concerns CuPy is not yet run on a GPU: checked on a stand-in for it (tests/gpu).
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from framework.errors import DeviceError


class device:
    """Where a tensor's memory lies: ``device("cpu")``, ``device("cuda", 1)``, ``device("cuda:0")``, ``device(0)``."""

    type: str
    index: int | None

    __slots__ = ("index", "type")

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        if isinstance(type, device):
            where = type
            type, index = where.type, where.index
        elif isinstance(type, int):
            index, type = type, "cuda"
        kind, _, number = type.partition(":")
        if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise DeviceError(f"device: expected 'cpu', 'cuda' or 'cuda:N', got {type!r}")
        if number and index is not None:
            raise DeviceError(f"device: {type!r} already holds an index; drop index={index}")
        self.type = kind
        self.index = int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        _outer.append(_default[0])
        set_default_device(self)
        return self

    def __exit__(self, *_: object) -> None:
        _default[0] = _outer.pop()


CPU = device("cpu")
_default = [CPU]  # where factory functions make tensors
_outer: list[device] = []  # the defaults around the ``with device(...)`` blocks that are open


def default() -> device:
    """The device of new tensors for which none is given; ``CPU`` itself when that is main memory."""
    return _default[0]


def get_default_device() -> device:
    """The device of new tensors for which none is given."""
    return _default[0]


def set_default_device(device: Any) -> None:
    """Set the device of new tensors for which none is given; None stands for the CPU.

    Example:
        >>> with framework.device("cuda"):
        ...     model = framework.nn.Linear(4, 2)
    """
    where = CPU if device is None else _device(device)
    module_of(where)
    _default[0] = CPU if where.type == "cpu" else where


_device = device


def array_module(array: Any) -> Any:
    """NumPy for a NumPy array or a Python number, CuPy for a CuPy array. The library is never imported by this."""
    if isinstance(array, np.ndarray):
        return np
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(array, cupy.ndarray) else np


def scipy_for(xp: Any, module: str) -> Any:
    """A part of SciPy that works on an array module's arrays, such as ``"special"``; imported when first asked for."""
    return import_module(f"scipy.{module}" if xp is np else f"cupyx.scipy.{module}")


def of(array: Any) -> device:
    """The device that holds an array."""
    if isinstance(array, np.ndarray):
        return CPU
    return device("cuda", array.device.id)


def module_of(where: device) -> Any:
    """The array module that makes arrays on a device, which is to be in use meanwhile: ``move`` what it makes.

    Raises:
        DeviceError: a CUDA device is asked for, and CuPy or the GPU is missing.
    """
    if where.type == "cpu":
        return np
    try:
        import cupy
    except ImportError:
        raise DeviceError(
            f"device {where}: CuPy is not installed; install the extra with pip install 'eagerkit[cuda]', or use 'cpu'"
        ) from None
    if not cupy.cuda.is_available():
        raise DeviceError(f"device {where}: no CUDA GPU is available to CuPy; check the driver, or use 'cpu'")
    if where.index is not None and where.index != cupy.cuda.runtime.getDevice():
        use_several(cupy, where.index)
    return cupy


def index_of(where: device) -> int:
    """The number of a CUDA device; that of the GPU in use where it names none."""
    return int(module_of(where).cuda.runtime.getDevice()) if where.index is None else where.index


def use_several(cupy: Any, index: int) -> None:
    """Note that a GPU is used which is not the one in use: ops look from now on where their arrays lie.

    Raises:
        DeviceError: there is no such GPU.
    """
    global several
    count = cupy.cuda.runtime.getDeviceCount()
    if not 0 <= index < count:
        raise DeviceError(f"device cuda:{index}: there are {count} GPUs, counted from cuda:0; use one of them")
    several = True


several = False  # whether arrays lie on more than one GPU, as far as is known


def _arrays(values: Any) -> Iterator[tuple[int, Any]]:
    """The arrays among an op's inputs and parameters, in lists too, with the number of the argument."""
    for number, value in enumerate(values):
        if type(value) in (list, tuple):
            yield from ((number, array) for _, array in _arrays(value))
        elif hasattr(value, "strides") and not isinstance(value, np.generic):
            yield number, value


def apart(name: str, arrays: Any, params: dict[str, Any]) -> DeviceError | None:
    """The error for arrays that lie on several devices; None where they do not."""
    found = [(number, of(array)) for number, array in _arrays((*arrays, *params.values()))]
    if len({where for _, where in found}) < 2:
        return None
    first, where = found[0]
    number, other = next(pair for pair in found if pair[1] != where)
    return DeviceError(
        f"{name}: expected all tensors to be on the same device, but argument {first} is on {where} and argument "
        f"{number} on {other}; move one with .to({str(where)!r})"
    )


def there(name: str, forward: Callable[..., Any], arrays: Any, params: dict[str, Any]) -> Any:
    """An op's forward, run on the GPU that holds its arrays."""
    found = [array for _, array in _arrays((*arrays, *params.values())) if not isinstance(array, np.ndarray)]
    if not found:
        return forward(*arrays, **params)
    if any(array.device != found[0].device for array in found):
        raise apart(name, arrays, params)  # type: ignore[misc]
    with found[0].device:
        return forward(*arrays, **params)


def store(array: Any, index: Any, value: Any) -> None:
    """``array[index] = value``, on the GPU that holds the array."""
    if several and not isinstance(array, np.ndarray):
        with array.device:
            array[index] = value
    else:
        array[index] = value


def turn_to(values: Any) -> None:
    """Put the GPU in use that holds the first array of a GPU among arrays, Tensors and None."""
    for value in values:
        array = getattr(value, "array", value)
        if array is not None and not isinstance(array, np.ndarray | np.generic):
            array.device.use()
            return


class returning:
    """A context after which the GPU is in use again that was before, where there are several."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before = sys.modules["cupy"].cuda.Device() if several else None

    def __exit__(self, *_: object) -> None:
        if self.before is not None:
            self.before.use()


def keep_for(array: Any, stream: Any) -> None:
    """Let an array's memory be used again only after what a stream has to do when the array is gone.

    Args:
        array: CuPy's.
        stream: CuPy's.
    """
    owner = array if array.base is None else array.base
    weakref.finalize(owner, _park, array.data, stream).atexit = False


def _park(memory: Any, stream: Any) -> None:
    with memory.device:  # where the stream is
        _park_until(stream, memory)


def _park_until(stream: Any, held: Any) -> None:
    _parked[:] = [(event, other) for event, other in _parked if not event.done]
    _parked.append((stream.record(), held))


_parked: list[tuple[Any, Any]] = []  # memory that is given back when the event beside it has come


def at(array: Any, where: device) -> bool:
    """Whether an array lies on a device; a CUDA device without an index stands for any."""
    if isinstance(array, np.ndarray):
        return where.type == "cpu"
    return where.type != "cpu" and where.index in (None, array.device.id)


def move(array: Any, where: device, non_blocking: bool = False) -> Any:
    """The array itself if it lies on the device already, else a copy there, in the same memory order.

    Args:
        array: of NumPy or CuPy.
        where: the device.
        non_blocking: let the copy run behind the host's back: from page-locked memory, whose values must stay until the
            stream has come to the copy; to main memory (page-locked then), whose values are there only after that.
    """
    if at(array, where):
        return array
    if not array.flags.c_contiguous and array.ndim > 1:
        order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
        dense = array.transpose(order)
        if dense.flags.c_contiguous:  # channels-last memory, say: copied as it lies
            return move(dense, where, non_blocking).transpose(sorted(range(array.ndim), key=order.__getitem__))
    if where.type == "cpu":
        if not non_blocking:
            return array.get()
        with array.device:
            dense = array if array.flags.forc else array_module(array).ascontiguousarray(array)
            out = dense.get(out=_pinned_like(dense), blocking=False)
            _park_until(array_module(array).cuda.get_current_stream(), out)  # it may be dropped before it is written
            return out
    cupy = module_of(where)
    if isinstance(array, np.ndarray):
        with cupy.cuda.Device(where.index):  # None is the one in use
            return cupy.asarray(array, blocking=not non_blocking and is_pinned(array))
    with array.device:
        written = cupy.cuda.get_current_stream().record()
    with cupy.cuda.Device(where.index):
        cupy.cuda.get_current_stream().wait_event(written)
        return cupy.asarray(array)


def _pinned_like(array: Any) -> np.ndarray[Any, Any]:
    from cupyx import empty_like_pinned

    return empty_like_pinned(array)  # type: ignore[no-any-return]


def pinned(array: Any) -> Any:
    """A copy of a NumPy array in page-locked memory, in the same order.

    Raises:
        DeviceError: CuPy or the GPU is missing.
    """
    module_of(device("cuda"))
    copy = _pinned_like(array)
    copy[...] = array
    return copy


def is_pinned(array: Any) -> bool:
    """Whether a NumPy array lies in memory that CuPy page-locked."""
    cupy = sys.modules.get("cupy")
    while cupy is not None and array is not None:
        if isinstance(array, cupy.cuda.pinned_memory.PinnedMemoryPointer):
            return True
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    return False
