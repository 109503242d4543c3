"""The functions and methods of the stand-in: NumPy's under CuPy's signatures, and what CuPy does otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from tests.gpu.host import fake_cuda, fake_ufunc
from tests.gpu.host.cupy_names import FUNCTIONS, METHODS, SPECIAL
from tests.gpu.host.fake_array import check_device, host, ndarray, synchronises, table, waits, wrap

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FUNCTION_SIGNATURES = table(FUNCTIONS)
SPECIAL_SIGNATURES = table(SPECIAL)
METHOD_SIGNATURES = table(METHODS)
UFUNCS = fake_ufunc.TABLE

_WAITING = """
argwhere array_equal bincount compress delete extract flatnonzero histogram intersect1d isin nonzero setdiff1d
trim_zeros union1d unique unique_all unique_counts unique_inverse unique_values allclose array_equiv
"""
WAITING = _WAITING.split()
"""Functions whose results have a shape that the values decide, or that read values to check them."""

_ANY_DTYPE = """
sum prod iscomplexobj isrealobj argwhere array array_equal array_split asanyarray asarray ascontiguousarray
asfortranarray asnumpy astype atleast_1d atleast_2d atleast_3d broadcast_arrays broadcast_to choose clip
column_stack compress concat concatenate copy copyto count_nonzero diag diagflat diagonal dot dsplit dstack
empty empty_like expand_dims extract eye fill_diagonal flatnonzero flip fliplr flipud full full_like hsplit
hstack identity matmul max min amax amin meshgrid moveaxis ndim nonzero ones ones_like pad permute_dims put
put_along_axis ravel repeat reshape require roll rollaxis rot90 shape split squeeze stack swapaxes take
take_along_axis tile transpose tril triu vsplit vstack where zeros zeros_like all any isdtype result_type
promote_types can_cast may_share_memory shares_memory lib.stride_tricks.as_strided
lib.stride_tricks.sliding_window_view matrix_transpose get_array_module select size flatten item tolist sum
prod nansum nanprod nanmax nanmin
"""
ANY_DTYPE = _ANY_DTYPE.split()
"""Functions that take bfloat16. CuPy takes it in more; those that are not known to are refused here."""

_FROM_HOST = """
array asarray asanyarray asnumpy copyto get_array_module result_type take searchsorted
"""
FROM_HOST = _FROM_HOST.split()
"""Functions that take NumPy's arrays."""


def flat(value: Any) -> list[Any]:
    """The items of nested tuples and lists."""
    if isinstance(value, tuple | list):
        return [found for item in value for found in flat(item)]
    return [value]


def arrays_in(value: Any) -> list[ndarray]:
    return [item for item in flat(value) if isinstance(item, ndarray)]


def call(name: str, *args: Any, **options: Any) -> Any:
    """A function by its name, or a method by its name with the array first."""
    found = arrays_in((args, tuple(options.values())))
    for array in found:
        if name not in ("array", "asarray", "asanyarray"):  # which copy to the device in use
            check_device(array)
    for value in flat((args, tuple(options.values()))):
        if isinstance(value, np.ndarray) and name not in FROM_HOST:
            raise TypeError(f"{name}: Unsupported type {type(value)}")
    if name not in ANY_DTYPE and any(array.dtype == BFLOAT16 for array in found):
        raise TypeError(f"{name}: bfloat16 is not known to work in CuPy")
    if name in WAITING:
        synchronises(name)
    if name in OVERRIDES:
        return OVERRIDES[name](*args, **options)
    function = functools.reduce(getattr, name.split("."), np) if not hasattr(np.ndarray, name) else None
    if function is None:
        function = getattr(np, name, None) or getattr(np.ndarray, name)
    place = options.get("out")
    with np.errstate(all="ignore"):
        result = function(*(host(a) for a in args), **{k: host(v) for k, v in options.items()})
    return place if place is not None else _as_ours(result, found)


def _as_ours(result: Any, sources: list[ndarray]) -> Any:
    if isinstance(result, tuple | list) and not hasattr(result, "_fields"):
        return type(result)(_as_ours(item, sources) for item in result)
    if isinstance(result, np.ndarray):
        for source in sources:
            if result is source._numpy:
                return source
            if np.may_share_memory(result, source._numpy):
                return ndarray._over(result, source)
    return wrap(result)


OVERRIDES: dict[str, Callable[..., Any]] = {}


def override(function: Callable[..., Any]) -> Callable[..., Any]:
    OVERRIDES[function.__name__.rstrip("_")] = function
    return function


# Making arrays


@override
def array(
    obj: Any,
    dtype: Any = None,
    copy: bool = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: Any = False,
) -> ndarray:
    if isinstance(obj, ndarray):
        same = dtype is None or np.dtype(dtype) == obj.dtype
        copy = copy or obj.device.id != fake_cuda.runtime.getDevice()
        found = (
            obj
            if same and not copy and (order in "KA" or obj.flags.c_contiguous)
            else obj.astype(obj.dtype if dtype is None else dtype, order)
        )
        return found.reshape((1,) * (ndmin - found.ndim) + found.shape) if found.ndim < ndmin else found
    if isinstance(obj, list | tuple) and arrays_in(obj):
        return (
            call("stack", [array(o) for o in obj]).astype(dtype, copy=False)
            if dtype
            else call("stack", [array(o) for o in obj])
        )
    if not isinstance(obj, np.ndarray | np.generic | bool | int | float | complex | list | tuple) and not hasattr(
        obj, "__array__"
    ):
        raise TypeError(f"Unsupported type {type(obj)}")
    made = np.array(obj, dtype, order=order, ndmin=ndmin)
    if made.dtype.kind not in "biufcV" or (made.dtype.kind == "V" and made.dtype != BFLOAT16):
        raise ValueError(f"Unsupported dtype {made.dtype}")
    if blocking:
        waits.append("array(blocking=True)")
    return ndarray._over(made if made.flags.c_contiguous or made.flags.f_contiguous else made.copy("C"))


@override
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> ndarray:
    return array(a, dtype, bool(copy), order or "K", blocking=blocking)


OVERRIDES["asanyarray"] = asarray


@override
def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    return array(a, dtype, False, "C", ndmin=1)


@override
def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Any:
    return a.get(stream, order, out, blocking) if isinstance(a, ndarray) else np.asarray(a, order=order)


@override
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    if dtype is None:
        dtype = fill_value.dtype if isinstance(fill_value, ndarray) else np.asarray(fill_value).dtype
    made = ndarray(shape, dtype, order=order)
    made[...] = fill_value
    return made


@override
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    made = ndarray._over(np.empty_like(a._numpy, dtype, order, False, shape))
    made[...] = fill_value
    return made


@override
def from_dlpack(array: Any, *, device: Any = None, copy: Any = None) -> ndarray:
    kind, index = array.__dlpack_device__()
    if kind != 2:
        raise ValueError(f"Unsupported array exported from device {kind}")

    class Export:
        __dlpack__ = staticmethod(lambda **_: array.__dlpack__())
        __dlpack_device__ = staticmethod(lambda: (1, 0))

    found = ndarray._over(np.from_dlpack(Export()))
    found._numpy.flags.writeable = True if found._numpy.base is None else found._numpy.flags.writeable
    return found


# Indexing


@override
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return call("nonzero", condition)
    if not isinstance(condition, ndarray):
        raise AttributeError(f"{type(condition).__name__!r} object has no attribute 'astype'")
    return fake_ufunc.WHERE(condition.astype("?", copy=False), x, y)


@override
def clip(a: ndarray, a_min: Any = None, a_max: Any = None, out: Any = None) -> Any:
    if a.dtype.kind == "c":
        raise TypeError("clip: complex numbers have no order")
    if a_min is None and a_max is None:
        raise ValueError("array_clip: must set either max or min")
    if a_min is None or a_max is None:
        bound, name = (a_max, "minimum") if a_min is None else (a_min, "maximum")
        return UFUNCS[name](a, bound, out=out)
    return fake_ufunc.CLIP(a, a_min, a_max, out=out)


@override
def take(a: ndarray, indices: Any, axis: Any = None, out: Any = None) -> Any:
    if isinstance(indices, ndarray) and indices.dtype.kind not in "iu":
        raise TypeError(f"take: integer indices, got {indices.dtype}")
    found = np.take(a._numpy, host(indices), axis, mode="wrap")
    if out is None:
        return wrap(found)
    out._numpy[...] = found
    return out


@override
def take_along_axis(a: ndarray, indices: ndarray, axis: Any) -> ndarray:
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if a.ndim != indices.ndim:
        raise ValueError("`indices` and `a` must have the same number of dimensions")
    return wrap(np.take_along_axis(a._numpy, indices._numpy % max(1, a.shape[axis]), axis))


@override
def put_along_axis(arr: ndarray, indices: ndarray, values: Any, axis: Any) -> None:
    np.put_along_axis(arr._numpy, indices._numpy, host(values), axis)


@override
def copyto(dst: ndarray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    with np.errstate(all="ignore"):
        np.copyto(dst._numpy, host(src), casting, True if where is None else host(where))


@override
def repeat(a: ndarray, repeats: Any, axis: Any = None) -> ndarray:
    if isinstance(repeats, ndarray):
        raise ValueError("cupy.ndaray object cannot be specified as `repeats` argument.")
    return wrap(np.repeat(a._numpy, repeats, axis))


@override
def as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    return ndarray._over(np.lib.stride_tricks.as_strided(x._numpy, shape, strides), x)


OVERRIDES["lib.stride_tricks.as_strided"] = as_strided


@override
def split(ary: ndarray, indices_or_sections: Any, axis: int = 0) -> list[ndarray]:
    if isinstance(indices_or_sections, ndarray):
        raise TypeError("split: the sequence on the device memory is not allowed")
    return [ary._view(part) for part in np.split(ary._numpy, indices_or_sections, axis)]


@override
def broadcast_to(array: ndarray, shape: Any) -> ndarray:
    if not isinstance(array, ndarray):
        raise TypeError(f"broadcast_to: Argument 'array' has incorrect type {type(array)}")
    return ndarray._over(np.lib.stride_tricks.as_strided(*_broadcast(array._numpy, shape)), array)


def _broadcast(array: Any, shape: Any) -> Any:
    view = np.broadcast_to(array, shape)
    return array, view.shape, view.strides


# Sorting


@override
def sort(a: ndarray, axis: Any = -1, kind: Any = None) -> ndarray:
    if kind not in (None, "stable"):
        raise ValueError(f"kind can only be None or 'stable', got {kind}")
    return wrap(np.sort(a._numpy, axis, "stable"))


@override
def argsort(a: ndarray, axis: Any = -1, kind: Any = None) -> ndarray:
    if kind not in (None, "stable"):
        raise ValueError(f"kind can only be None or 'stable', got {kind}")
    return wrap(np.argsort(np.atleast_1d(a._numpy), axis, "stable"))


@override
def lexsort(keys: ndarray) -> ndarray:
    if not isinstance(keys, ndarray):
        raise AttributeError(f"{type(keys).__name__!r} object has no attribute 'ndim'")
    if keys.ndim > 2:
        raise NotImplementedError("Keys with the rank of three or more is not supported in lexsort")
    return wrap(np.lexsort(keys._numpy))


@override
def searchsorted(a: ndarray, v: Any, side: str = "left", sorter: Any = None) -> ndarray:
    if a.ndim > 1:
        raise ValueError("object too deep for desired array")
    return wrap(np.searchsorted(a._numpy, host(v), side, host(sorter)))


# Products


@override
def matmul(
    *args: Any, out: Any = None, dtype: Any = None, casting: Any = None, axes: Any = None, axis: Any = None
) -> Any:
    a, b = args[:2]
    out = args[2] if len(args) > 2 else out
    if not (isinstance(a, ndarray) and isinstance(b, ndarray)):
        raise TypeError(f"Unsupported type {type(b if isinstance(a, ndarray) else a)}")
    if BFLOAT16 in (a.dtype, b.dtype) and max(a.ndim, b.ndim) > 2:
        raise TypeError(
            "matmul: CuPy multiplies stacked bfloat16 matrices by a kernel for integers, which refuses them"
        )
    kind = np.result_type(a.dtype, b.dtype)
    wide = np.float32 if kind in (np.dtype(np.float16), BFLOAT16) else kind
    result = np.matmul(a._numpy.astype(wide, copy=False), b._numpy.astype(wide, copy=False)).astype(kind)
    if out is None:
        return wrap(result)
    out._numpy[...] = result
    return out


@override
def dot(a: ndarray, b: ndarray, out: Any = None) -> Any:
    return matmul(a, b, out=out) if a.ndim and b.ndim else UFUNCS["multiply"](a, b, out=out)


@override
def einsum(*operands: Any, **options: Any) -> Any:
    if any(array.dtype.kind == "V" for array in arrays_in(operands)):
        raise TypeError("einsum: bfloat16 is not known to work in CuPy")
    return wrap(np.einsum(*(host(o) for o in operands), **options))


# Linear algebra: single and double precision, and no error for a matrix that cannot be factored


def linalg(name: str) -> Callable[..., Any]:
    def function(*args: Any, **options: Any) -> Any:
        for found in arrays_in(args):
            check_device(found)
            if found.dtype.kind not in "fc" or found.dtype.itemsize < 4:
                raise TypeError(f"linalg.{name}: {found.dtype} is unsupported in linalg")
        if any(isinstance(a, np.ndarray) for a in args):
            raise np.linalg.LinAlgError("cupy.linalg only supports cupy.ndarray")
        try:
            return wrap(getattr(np.linalg, name)(*(host(a) for a in args), **{k: host(v) for k, v in options.items()}))
        except np.linalg.LinAlgError as error:
            if "dimension" in str(error) or "square" in str(error):
                raise
            shape = args[0].shape if name != "solve" else args[1].shape
            nothing = np.full(shape, np.nan, args[0].dtype)
            return wrap(
                (np.full(shape[:-1], np.nan, nothing.real.dtype), nothing) if name in ("eigh", "eig") else nothing
            )

    return function


for _name in FUNCTION_SIGNATURES:
    if _name.startswith("linalg.") and hasattr(np.linalg, _name[7:]):
        OVERRIDES[_name] = linalg(_name[7:])


def module_function(name: str) -> Callable[..., Any]:
    """What ``cupy.name`` is: CuPy's parameters, then the override of that name or NumPy's function."""

    def function(*args: Any, **options: Any) -> Any:
        FUNCTION_SIGNATURES[name].bind(*args, **options)
        return call(name, *args, **options)

    function.__name__ = function.__qualname__ = name.rpartition(".")[2]
    function.__module__ = "cupy"
    return function
