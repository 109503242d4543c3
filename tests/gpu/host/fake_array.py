"""The stand-in's array: a NumPy array that nobody can reach but through what CuPy's array offers.

It mixes with no NumPy array, reductions give 0-d arrays, results of operators are C-contiguous whatever the operands'
layout (CuPy never keeps another), and what makes the host wait for the device is noted in ``waits``.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
from typing import Any

import numpy as np

from tests.gpu.host.cupy_names import METHODS

waits: list[str] = []
"""What made the host wait for the device, in order."""


def synchronises(why: str) -> None:
    """Note that the host waits, which a captured stream refuses."""
    from tests.gpu.host import fake_cuda

    if fake_cuda.get_current_stream().is_capturing():
        raise fake_cuda.CUDARuntimeError(f"cudaErrorStreamCaptureUnsupported: {why}")
    waits.append(why)


def cupy() -> Any:
    """The stand-in's module."""
    from tests.gpu.host import fake_cupy

    return fake_cupy.MODULE


def check_device(array: ndarray) -> None:
    from tests.gpu.host import fake_cuda

    if array.device.id != fake_cuda.runtime.getDevice():
        raise ValueError(
            f"The device where the array resides ({array.device.id}) is different from the current device "
            f"({fake_cuda.runtime.getDevice()}). Peer access is unavailable between these devices."
        )


def host(value: Any) -> Any:
    """The NumPy array of the stand-in's array, in nested tuples and lists too; anything else as it is."""
    if isinstance(value, ndarray):
        check_device(value)
        return value._numpy
    if type(value) in (tuple, list):
        return type(value)(host(item) for item in value)
    return value


def wrap(result: Any, order: str = "K") -> Any:
    """An array over NumPy's result, in nested tuples and lists too."""
    if isinstance(result, np.ndarray | np.generic):
        return ndarray._over(np.asarray(result, order=order))
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*(wrap(item) for item in result))
    if type(result) in (tuple, list):
        return type(result)(wrap(item) for item in result)
    return result


def _memory_of(array: np.ndarray[Any, Any]) -> Any:
    """The bytes from an array's first element on, writable."""
    address, reach = array.__array_interface__["data"][0], np.lib.array_utils.byte_bounds(array)[1]
    memory = (ctypes.c_uint8 * max(1, reach - address)).from_address(address)
    memory.owner = array  # type: ignore[attr-defined]  # which keeps it
    return memory


def signature(text: str) -> inspect.Signature:
    """The signature of parameters written as `a, axis=0`."""
    return inspect.signature(eval(f"lambda {text}: None"))


def table(text: str) -> dict[str, inspect.Signature]:
    """Signatures by name, of a table of ``cupy_names``."""
    entries = [entry.strip() for entry in text.replace("\n", " ").split(";") if entry.strip()]
    return {e[: e.index("(")]: signature(e[e.index("(") + 1 : -1]) for e in entries}


class Flags:
    """All that CuPy knows of an array's memory."""

    def __init__(self, flags: Any, owns: bool) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, owns
        self.forc, self.fnc = flags.forc, flags.fnc

    def __getitem__(self, name: str) -> bool:
        return {"C_CONTIGUOUS": self.c_contiguous, "F_CONTIGUOUS": self.f_contiguous, "OWNDATA": self.owndata}[name]


class ndarray:
    __array_priority__ = 100

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None, order: str = "C"
    ) -> None:
        if memptr is None:
            fresh = np.empty(shape, dtype, order)
        else:
            count = memptr.mem.size - (memptr.ptr - memptr.mem.ptr)
            raw = np.frombuffer(memptr.mem.buffer, np.uint8, count, memptr.ptr - memptr.mem.ptr)
            fresh = np.ndarray(shape, dtype, raw, strides=strides, order=order)
        self._own(fresh, memptr)

    @classmethod
    def _over(cls, array: np.ndarray[Any, Any], base: ndarray | None = None) -> ndarray:
        self = object.__new__(cls)
        if not array.flags.writeable:  # as NumPy's views along a diagonal are, and CuPy's are not
            array = np.ndarray(array.shape, array.dtype, _memory_of(array), 0, array.strides)
        if base is None:
            self._own(array)
        else:
            self._numpy, self.base, self._memory = array, base if base.base is None else base.base, base._memory
        return self

    def _own(self, array: np.ndarray[Any, Any], memptr: Any = None) -> None:
        from tests.gpu.host import fake_cuda

        self._numpy, self.base = array, None
        self._memory = memptr.mem if memptr is not None else fake_cuda.adopt(array)

    def _view(self, array: np.ndarray[Any, Any]) -> ndarray:
        """A view of this array where NumPy made one, else an array of its own."""
        return ndarray._over(array, self if np.may_share_memory(array, self._numpy) or array.size == 0 else None)

    # What it is

    shape = property(lambda self: self._numpy.shape)
    dtype = property(lambda self: self._numpy.dtype)
    strides = property(lambda self: self._numpy.strides)
    ndim = property(lambda self: self._numpy.ndim)
    size = property(lambda self: self._numpy.size)
    itemsize = property(lambda self: self._numpy.itemsize)
    nbytes = property(lambda self: self._numpy.nbytes)
    flags = property(lambda self: Flags(self._numpy.flags, self.base is None))
    T = property(lambda self: self._view(self._numpy.T))
    mT = property(lambda self: self._view(self._numpy.mT))
    device = property(lambda self: self._memory.device)

    @shape.setter
    def shape(self, shape: Any) -> None:
        self._numpy.shape = shape

    @property
    def data(self) -> Any:
        from tests.gpu.host import fake_cuda

        start = self._numpy.__array_interface__["data"][0]
        return fake_cuda.MemoryPointer(self._memory, start - self._memory.ptr)

    @property
    def real(self) -> ndarray:
        return self._view(self._numpy.real) if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        self._numpy.real = host(value)

    @property
    def imag(self) -> ndarray:
        return self._view(self._numpy.imag) if self.dtype.kind == "c" else cupy().zeros(self.shape, self.dtype)

    @imag.setter
    def imag(self, value: Any) -> None:
        self._numpy.imag = host(value)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        where = self.data.ptr if self.size else 0
        strides = None if self.flags.c_contiguous else self.strides
        what = {"shape": self.shape, "typestr": self.dtype.str, "descr": self.dtype.descr}
        return {**what, "stream": 1, "version": 3, "strides": strides, "data": (where, False)}

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        return self._numpy.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.device.id  # kDLCUDA

    # To the host

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> Any:
        if blocking:
            synchronises(f"get() of {self.dtype} {self.shape}")
        if out is None:
            kept = "C" if order == "A" and not self._numpy.flags.fnc else "F" if order == "A" else order
            return self._numpy.copy(kept)
        if out.dtype != self.dtype or out.shape != self.shape:
            raise ValueError(f"get: out is {out.dtype} {out.shape}, the array {self.dtype} {self.shape}")
        if not (out.flags.c_contiguous or out.flags.f_contiguous):
            raise RuntimeError("`out` cannot be specified when copying to non-contiguous ndarray")
        out[...] = self._numpy
        return out

    def set(self, arr: Any, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError("set: only a NumPy array of the same dtype and shape")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        self._numpy[...] = arr

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self.get().tobytes(order)

    __float__ = lambda self: float(self.get())  # noqa: E731
    __int__ = lambda self: int(self.get())  # noqa: E731
    __complex__ = lambda self: complex(self.get())  # noqa: E731
    __bool__ = lambda self: bool(self.get())  # noqa: E731
    __repr__ = lambda self: repr(self.get())  # noqa: E731
    __str__ = lambda self: str(self.get())  # noqa: E731
    __format__ = lambda self, spec: format(self.get(), spec)  # noqa: E731

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __reduce__(self) -> Any:
        return cupy().array, (self.get(),)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return len(self._numpy)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    __hash__ = None  # type: ignore[assignment]

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            if len(options["out"]) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            options["out"] = options["out"][0]
        ours = getattr(cupy(), ufunc.__name__, None)
        return NotImplemented if method != "__call__" or ours is None else ours(*inputs, **options)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        try:
            module = functools.reduce(getattr, func.__module__.split(".")[1:], cupy())
            ours = getattr(module, func.__name__)
        except AttributeError:
            return NotImplemented
        if any(t not in (ndarray, np.ndarray) for t in types):
            return NotImplemented
        return ours(*args, **kwargs)

    # Indexing

    def _index(self, index: Any, takes: bool) -> Any:
        index = index if isinstance(index, tuple) else (index,)
        found, _axis = [], 0
        for part in index:
            if isinstance(part, (list | tuple | np.ndarray, bool | np.bool_)):
                part = cupy().array(part)
                part = part.astype(np.int32) if part.size == 0 and part.dtype.kind == "f" else part
            if isinstance(part, ndarray):
                if part.dtype.kind not in "biu":
                    raise IndexError(f"arrays used as indices must be of integer or boolean type, got {part.dtype}")
                if part.dtype.kind == "b":
                    synchronises("the number of places in a boolean mask")
            elif part is not None and part is not Ellipsis and not isinstance(part, slice | int | np.integer):
                raise IndexError(
                    f"only integers, slices, ellipsis, None and arrays are valid indices, got {type(part)}"
                )
            found.append(host(part))
        if not any(part is Ellipsis for part in found):
            found.append(Ellipsis)  # a full index gives a 0-d view
        return tuple(self._wrapped(found))

    def _wrapped(self, index: list[Any]) -> Any:
        """The index with its integer arrays wrapped round, as CuPy reads places out of range."""
        used = sum(1 if not isinstance(p, np.ndarray) or p.dtype != bool else p.ndim for p in index if p is not None)
        axis = 0
        for part in index:
            if part is Ellipsis:
                axis += self.ndim - (used - 1)
            elif isinstance(part, np.ndarray) and part.dtype == bool:
                axis += part.ndim
            elif part is not None:
                if isinstance(part, np.ndarray) and axis < self.ndim and self.shape[axis]:
                    part = part % self.shape[axis]
                axis += 1
            yield part

    def __getitem__(self, index: Any) -> ndarray:
        check_device(self)
        return self._view(np.asarray(self._numpy[self._index(index, True)]))

    def __setitem__(self, index: Any, value: Any) -> None:
        check_device(self)
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        if isinstance(value, list | tuple):
            raise TypeError(f"Unsupported type {type(value)}")
        with np.errstate(all="ignore"):
            self._numpy[self._index(index, False)] = host(value)

    # Copies and views

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        if casting is not None or subok is not None:
            raise TypeError("astype: casting and subok are not supported yet")
        if not copy and self.dtype == dtype:
            return self
        with np.errstate(all="ignore"):
            return ndarray._over(self._numpy.astype(dtype, order))

    def copy(self, order: str = "C") -> ndarray:
        return ndarray._over(self._numpy.copy(order))

    __copy__ = lambda self: self.copy()  # noqa: E731
    __deepcopy__ = lambda self, memo: self.copy()  # noqa: E731

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        return self._view(self._numpy.view() if dtype is None else self._numpy.view(dtype))

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> ndarray:
        return self._view(self._numpy.reshape(*shape, order=order))

    def transpose(self, *axes: Any) -> ndarray:
        return self._view(self._numpy.transpose(*axes))

    def fill(self, value: Any) -> None:
        if isinstance(value, np.ndarray | ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        with np.errstate(all="ignore"):
            self._numpy.fill(host(value) if not isinstance(value, ndarray) else value._numpy[()])

    def scatter_add(self, slices: Any, value: Any) -> None:
        from tests.gpu.host.fake_ufunc import scatter

        scatter("add", self, slices, value)

    def scatter_max(self, slices: Any, value: Any) -> None:
        from tests.gpu.host.fake_ufunc import scatter

        scatter("maximum", self, slices, value)

    def scatter_min(self, slices: Any, value: Any) -> None:
        from tests.gpu.host.fake_ufunc import scatter

        scatter("minimum", self, slices, value)


def _method(name: str) -> Any:
    def method(self: ndarray, *args: Any, **options: Any) -> Any:
        from tests.gpu.host.fake_functions import METHOD_SIGNATURES, call

        METHOD_SIGNATURES[name].bind(*args, **options)
        return call(name, self, *args, **options)

    method.__name__ = name
    return method


for _name in table(METHODS):
    if _name not in ndarray.__dict__:
        setattr(ndarray, _name, _method(_name))
