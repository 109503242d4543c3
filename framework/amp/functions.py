"""How the ``forward`` and ``backward`` of a user-written ``Function`` stand to autocast."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from framework import dtypes
from framework.autograd.autocast import autocast
from framework.autograd.autocast_state import get_autocast_dtype, is_autocast_enabled
from framework.tensor import Tensor


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None
) -> Callable[..., Any]:
    """Decorate the ``forward`` of a ``Function``: its ``backward``, under ``custom_bwd``, runs as autocast was here.

    Args:
        device_type: the kind of device that autocast is asked about, "cpu" or "cuda".
        cast_inputs: where autocast is on, convert the floating-point arguments to this type (float64 stays) and run
            ``forward`` without autocast. None leaves arguments and autocast alone.

    Example:
        >>> class Product(autograd.Function):
        ...     @staticmethod
        ...     @amp.custom_fwd(device_type="cuda", cast_inputs=framework.float32)
        ...     def forward(ctx, a, b):
        ...         ctx.save_for_backward(a, b)
        ...         return a @ b
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    is_autocast_enabled(device_type)  # refuses other kinds of device here and not at the first call

    @functools.wraps(fwd)
    def wrapper(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        enabled = is_autocast_enabled(device_type)
        ctx._autocast = (enabled and cast_inputs is None, get_autocast_dtype(device_type))
        if not enabled or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        target = dtypes.as_dtype(cast_inputs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_converted(args, device_type, target), **_converted(kwargs, device_type, target))

    return wrapper


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Callable[..., Any]:
    """Decorate the ``backward`` that belongs to a ``forward`` under ``custom_fwd``; see there."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    is_autocast_enabled(device_type)

    @functools.wraps(bwd)
    def wrapper(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        enabled, dtype = ctx._autocast
        with autocast(device_type, dtype, enabled):
            return bwd(ctx, *args, **kwargs)

    return wrapper


def _converted(value: Any, device: str, dtype: dtypes.dtype) -> Any:
    """A value with the tensors in it converted."""
    if isinstance(value, Tensor):
        castable = value.is_floating_point() and value.dtype is not dtypes.float64 and value.device.type == device
        return value.to(dtype) if castable else value
    if isinstance(value, Mapping):
        return {key: _converted(v, device, dtype) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_converted(v, device, dtype) for v in value])
    return value
