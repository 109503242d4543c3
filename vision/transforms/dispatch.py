"""Which code treats what: a functional transform looks its kernel up by the type of its first argument.

The function itself is the kernel of Pillow images and of tensors (..., C, H, W), whether plain, ``Image`` or ``Video``;
``kernel`` adds those of masks, boxes and points, and ``register_kernel`` those of a user's own kinds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from PIL import Image

from framework.errors import ArgumentError
from framework.tensor import Tensor
from vision import tv_tensors
from vision.tv_tensors import TVTensor

Kernel = Callable[..., Any]

_KERNELS: dict[str, dict[type, Kernel]] = {}  # by the functional's name: the kernels as registered,
_FOUND: dict[str, dict[type, Kernel | None]] = {}  # and as looked up for the types that came


def functional(function: Kernel) -> Kernel:
    """Make a function of images the entry of a functional transform, which gives every input to its kernel."""
    name = function.__name__
    found = _FOUND[name] = {}
    same_kind = _same_kind(function)
    _KERNELS[name] = {
        Image.Image: function, Tensor: function, tv_tensors.Image: same_kind, tv_tensors.Video: same_kind,
    }  # fmt: skip

    @functools.wraps(function)
    def entry(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kernel = found.get(type(inpt)) or find_kernel(name, type(inpt))
        if kernel is None:
            raise unsupported(name, inpt)
        return kernel(inpt, *args, **kwargs)

    return entry


def kernel(entry: Kernel, *kinds: type) -> Callable[[Kernel], Kernel]:
    """Register the decorated function as what a functional does with inputs of some types."""

    def register(function: Kernel) -> Kernel:
        for kind in kinds:
            _KERNELS[entry.__name__][kind] = function
        _FOUND[entry.__name__].clear()
        return function

    return register


def find_kernel(name: str, kind: type) -> Kernel | None:
    """The kernel of a functional for a type, or None. A user's kind of tensor is never taken for an image."""
    found = _FOUND[name]
    if kind not in found:
        kinds = kind.__mro__[: kind.__mro__.index(TVTensor)] if issubclass(kind, TVTensor) else kind.__mro__
        found[kind] = next((_KERNELS[name][base] for base in kinds if base in _KERNELS[name]), None)
    return found[kind]


def call_kernel(entry: Kernel, inpt: Any, *args: Any, **kwargs: Any) -> Any:
    """What a functional makes of an input, which passes through where there is no kernel for its type."""
    found = find_kernel(entry.__name__, type(inpt))
    return inpt if found is None else found(inpt, *args, **kwargs)


def unsupported(name: str, inpt: Any) -> TypeError:
    """The error for what a functional has no kernel for."""
    kinds = ", ".join(kind.__name__ for kind in _KERNELS[name] if kind not in (Image.Image, Tensor))
    return TypeError(
        f"{name}: expected a Pillow image or a tensor (..., C, H, W), plain or one of {kinds}, got "
        f"{type(inpt).__name__}; put ToImage before it, or register a kernel"
    )


def _same_kind(function: Kernel) -> Kernel:
    """A function of plain tensors as one of ``Image`` and ``Video``, which gives what it was given."""

    @functools.wraps(function)
    def wrapped(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        out = function(inpt, *args, **kwargs)
        if isinstance(out, tuple):
            return tuple(tv_tensors.wrap(part, like=inpt) for part in out)
        return tv_tensors.wrap(out, like=inpt) if type(out) is Tensor else out

    return wrapped


def register_kernel(functional: Kernel | str, tv_tensor_cls: type) -> Callable[[Kernel], Kernel]:
    """Say what a functional does with a kind of tensor of one's own.

    Args:
        functional: a function of ``vision.transforms.functional``, or its name.
        tv_tensor_cls: a subclass of ``TVTensor``. The kernel gets such a tensor and the functional's arguments, and
            gives such a tensor back.

    Example:
        >>> @register_kernel("horizontal_flip", Depth)
        ... def flip_depth(depth):
        ...     return tv_tensors.wrap(depth.flip(-1), like=depth)
    """
    name = functional if isinstance(functional, str) else getattr(functional, "__name__", "")
    if name not in _KERNELS:
        raise ArgumentError(f"register_kernel: expected a functional transform or its name, got {functional!r}")
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, TVTensor)):
        raise ArgumentError(f"register_kernel: expected a subclass of TVTensor, got {tv_tensor_cls!r}")
    if tv_tensor_cls.__module__.startswith(tv_tensors.__name__):
        raise ArgumentError(f"register_kernel: {tv_tensor_cls.__name__} has its kernels; subclass it to change them")
    if tv_tensor_cls in _KERNELS[name]:
        raise ArgumentError(f"register_kernel: {name} has a kernel for {tv_tensor_cls.__name__} already")

    def register(function: Kernel) -> Kernel:
        _KERNELS[name][tv_tensor_cls] = function
        _FOUND[name].clear()
        return function

    return register
