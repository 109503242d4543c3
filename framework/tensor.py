"""The tensor: a plain array, its gradient, and the history that leads to it.

A ``Tensor`` holds one ``numpy.ndarray`` or ``cupy.ndarray`` in ``array``. Operators and methods are the functions of
``framework.ops``, attached by ``framework.methods``; what stands here is what needs no op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from framework import devices, dtypes
from framework.errors import GraphError, ShapeError, nearest
from framework.size import Size as Size

if TYPE_CHECKING:
    from framework.autograd.op import Op
    from framework.autograd.views import View

# [number of in-place writes, name of the op that wrote last, whether the memory was handed out], shared by a tensor and
# its views
Counter = list[Any]


class Tensor:
    """A multi-dimensional array with automatic differentiation.

    Make one with ``framework.tensor(data)``, ``framework.zeros(...)`` and their like. ``Tensor(2, 3)`` gives an
    uninitialised float tensor of that shape and ``Tensor([1, 2])`` a float tensor of these values, as in PyTorch.

    Attributes:
        array: the plain array underneath. Shapes are NCHW; the memory of feature maps may be channels-last (strides).
        grad: the gradient that ``backward`` accumulated, or None.
    """

    array: Any

    # The operators, which ``framework.methods`` attaches; declared for type checkers.
    __add__: Callable[..., Any]
    __sub__: Callable[..., Any]
    __mul__: Callable[..., Any]
    __truediv__: Callable[..., Any]
    __neg__: Callable[..., Any]
    __getitem__: Callable[..., Any]
    __setitem__: Callable[..., None]

    # State of a fresh tensor. It stands on the class so that making a tensor sets nothing but ``array``.
    _requires_grad: bool = False
    _node: Op | None = None  # the op that made it; None for a leaf
    _output_nr: int = 0  # which of that op's outputs it is
    _counter: Counter | None = None
    _view: View | None = None  # set on a view: its base, and how it is taken from it
    _rebased: int = 0  # times an in-place write gave it a new history
    _made: tuple[int, Any, dict[Any, Any]] | None = None  # what kernels made of its values, and of which
    _grad: Tensor | None = None
    _hooks: dict[int, Callable[..., Any]] | None = None  # a leaf's gradient hooks
    _post_hooks: dict[int, Callable[..., Any]] | None = None
    _retained: bool = False
    _detached_copy: bool = False  # a ``view`` that had to copy: an in-place write into it would be lost
    _names_missing = "Tensor"

    __array_priority__ = 1000  # ``ndarray * Tensor`` is the tensor's to answer

    def __init__(self, *data: Any, dtype: Any = None, device: Any = None) -> None:
        from framework.legacy import construct

        self.array = construct("Tensor", data, dtypes.as_dtype(dtype or dtypes.get_default_dtype()), device)

    # What it is

    @property
    def shape(self) -> Size:
        """Its lengths, as a ``Size``."""
        return Size(self.array.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    @property
    def dtype(self) -> dtypes.dtype:
        """Its element type."""
        return dtypes.OF_NUMPY[self.array.dtype]

    @property
    def device(self) -> devices.device:
        """Where its memory lies."""
        return devices.of(self.array)

    @property
    def is_cuda(self) -> bool:
        """Whether it lies on a GPU."""
        return not isinstance(self.array, np.ndarray)

    @property
    def is_cpu(self) -> bool:
        """Whether it lies in main memory."""
        return isinstance(self.array, np.ndarray)

    is_sparse = is_quantized = is_meta = is_nested = is_mps = is_xla = is_mkldnn = False

    @property
    def itemsize(self) -> int:
        """Bytes an element takes."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes all elements take."""
        return self.array.nbytes

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one dimension."""
        return self.shape if dim is None else self.shape[self._dim(dim)]

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes an element takes."""
        return self.array.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps in elements from one entry to the next, along each dimension or along ``dim``."""
        strides = tuple(s // self.array.itemsize for s in self.array.strides)
        return strides if dim is None else strides[self._dim(dim)]

    def data_ptr(self) -> int:
        """The address of its first element."""
        array = self._hand_out()
        return int(array.ctypes.data if self.is_cpu else array.data.ptr)

    def get_device(self) -> int:
        """The GPU's index, or -1 on the CPU."""
        return -1 if self.is_cpu else self.array.device.id

    def is_floating_point(self) -> bool:
        """Whether it holds real floating-point numbers."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether it holds complex numbers."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether its dtype has negative values."""
        return self.dtype.is_signed

    def _dim(self, dim: int) -> int:
        from framework.ops.dims import normalize_dim

        return normalize_dim(dim, self.array.ndim)

    # Its history

    @property
    def requires_grad(self) -> bool:
        """Whether ops on it are recorded. Settable on leaves only."""
        if self._view is not None:
            self._view.refresh(self)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None:
            if not value:
                raise GraphError(
                    "requires_grad: only a leaf can stop requiring gradients; use detach() to cut a computed tensor off"
                )
            return
        if value and self.dtype.category < dtypes.FLOATING:
            raise GraphError(
                f"requires_grad: only floating-point and complex tensors can require gradients, got {self.dtype}"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Op | None:
        """The node that made it, or None for a leaf."""
        if self._view is not None:
            self._view.refresh(self)
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made it: parameters, data, and all that needs no gradient."""
        return self.grad_fn is None

    @property
    def output_nr(self) -> int:
        """Which output of ``grad_fn`` it is."""
        return self._output_nr

    @property
    def retains_grad(self) -> bool:
        """Whether ``retain_grad`` was called on this non-leaf."""
        return self._retained

    @property
    def _version(self) -> int:
        return self._counter[0] if self._counter is not None else 0

    @property
    def _base(self) -> Tensor | None:
        return self._view.base if self._view is not None else None

    def _is_view(self) -> bool:
        return self._view is not None

    def _shared_counter(self) -> Counter:
        if self._counter is None:
            self._counter = [0, "", False]
        return self._counter

    def _hand_out(self) -> Any:
        """The array, for somebody who may write to it: such writes are not counted."""
        self._shared_counter()[2] = True
        return self.array

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, of the tensor's shape and dtype; None before the first ``backward``."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
            if value.array.shape != self.array.shape:
                raise ShapeError(
                    f"grad: assigned grad has shape {tuple(value.shape)}, expected the tensor's {tuple(self.shape)}"
                )
            if value.array.dtype != self.array.dtype:
                raise GraphError(f"grad: assigned grad has dtype {value.dtype}, expected the tensor's {self.dtype}")
        self._grad = value

    @property
    def data(self) -> Tensor:
        """A tensor over the same memory, without history; writes through it are not seen by autograd."""
        return wrap(self._hand_out())

    @data.setter
    def data(self, value: Tensor) -> None:
        self.array = value.array

    # Python values and NumPy

    def item(self) -> Any:
        """The Python number of a one-element tensor."""
        if self.array.size != 1:
            raise GraphError(f"item: expected a tensor with one element, got shape {tuple(self.shape)}; use tolist()")
        return self.array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers; a number for a 0-d tensor."""
        values = self.array.astype(np.float32) if self.dtype is dtypes.bfloat16 else self.array
        return values.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The NumPy array underneath, sharing memory. ``force`` detaches and copies to the CPU where needed.

        Raises:
            GraphError: the tensor requires gradients, and ``force`` is off.
            TypeError: the tensor is on a GPU, and ``force`` is off.
        """
        if not force:
            if self.requires_grad:
                raise GraphError(
                    "numpy: can't call numpy() on a tensor that requires grad; use detach().numpy() or numpy(force=True)"
                )
            if self.is_cuda:
                raise TypeError("numpy: the tensor is on a GPU; use cpu().numpy() or numpy(force=True)")
        return devices.move(self._hand_out(), devices.CPU)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
        return wrap(np.asarray(array))

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise GraphError("dlpack: can't export a tensor that requires grad; use detach() first")
        return self._hand_out().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def _number(self, kind: str) -> Any:
        if self.array.size != 1:
            raise GraphError(
                f"{kind}: only a one-element tensor converts to a Python number, got shape {tuple(self.shape)}"
            )
        return self.array.item()

    def __bool__(self) -> bool:
        if self.array.size != 1:
            hint = "is empty" if self.array.size == 0 else "has several values; use .any() or .all()"
            raise GraphError(f"bool: the truth of a tensor with shape {tuple(self.shape)} is ambiguous: it {hint}")
        return bool(self.array.item())

    def __int__(self) -> int:
        return int(self._number("int"))

    def __float__(self) -> float:
        return float(self._number("float"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __index__(self) -> int:
        if self.array.size != 1 or self.dtype.category > dtypes.INTEGRAL:
            raise TypeError("index: only one-element integer tensors can be used as an index")
        return int(self.array.item())

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __hash__(self) -> int:
        return id(self)

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    def __repr__(self) -> str:
        from framework.printing import text

        return text(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.array.ndim == 0 and spec else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._node is not None:
            raise GraphError("deepcopy/pickle: only leaf tensors can be copied or pickled; use detach() first")
        return _rebuild, (type(self), self.array, self._requires_grad, self.__dict__.get("_attributes"))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._node is not None:
            raise GraphError(
                "deepcopy: only leaf tensors (made by the user) can be deep-copied; use clone() or detach()"
            )
        copy = _rebuild(type(self), self.array.copy(order="K"), self._requires_grad)
        copy._grad = self._grad.__deepcopy__(memo) if self._grad is not None else None
        memo[id(self)] = copy
        return copy

    def __getattr__(self, name: str) -> Any:
        missing(self._names_missing, name, dir(type(self)))


def missing(owner: str, name: str, candidates: Any) -> NoReturn:
    """Raise the error for a name that is not there, naming the nearest ones that are."""
    raise AttributeError(f"{owner} has no attribute {name!r}{nearest(name, candidates) if name[:2] != '__' else ''}")


def wrap(array: Any) -> Tensor:
    """A tensor over an array (never over a NumPy scalar), without history. The fast way in for results of ops."""
    tensor = _new(Tensor)
    tensor.array = array
    return tensor


_new = object.__new__


def _rebuild(kind: type[Tensor], array: Any, requires_grad: bool, attributes: Any = None) -> Tensor:
    tensor: Tensor = _new(kind)
    tensor.array = array
    tensor._requires_grad = requires_grad
    return tensor
