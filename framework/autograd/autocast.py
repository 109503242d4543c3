"""Autocast: regions of a program in which each op runs in the element type that suits it.

A function of ``framework.ops`` that is on one of the lists asks ``region()`` first, which is None outside of autocast,
and hands itself over to ``recast`` inside:

    def matmul(input, other, *, out=None):
        if region() is not None:
            return recast(matmul, locals())

``recast`` casts the arguments as the lists say and calls the function again, with autocast off: what an op is made of is
not cast on its own. The casts are ops, so gradients come back in each input's own type. The state belongs to the
running context (thread or task), like the grad mode.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast_lists import BANNED, FLOAT32, FLOAT32_UNLESS_GIVEN, LOW, POLICIES, STATE
from framework.autograd.autocast_state import Region, _region, current, kind_of, region, set_current, switched
from framework.autograd.mode import _enabled, _Mode
from framework.errors import DeviceError, DtypeError
from framework.tensor import Tensor

SUPPORTED = (dtypes.bfloat16, dtypes.float16)


def recast(function: Callable[..., Any], named: dict[str, Any], *given: Any, name: str = "") -> Any:
    """Call a function of ``framework.ops`` on arguments cast as autocast's lists say, and with autocast off inside.

    Args:
        named: its arguments by name; those with ``out=`` are left as they are, as an op in place is.
        given: its positional arguments.
        name: under which it is listed, if not its own name.
    """
    here = region()
    token = _region.set(None)
    try:
        device = _device_of((*given, *named.values()))
        if here is None or device not in here.on or named.get("out") is not None:
            return function(*given, **named)
        name = name or function.__name__
        policy = POLICIES[device].get(name)
        if policy is None:
            return function(*given, **named)
        if policy == BANNED:
            raise DtypeError(
                f"{name}: not safe under autocast, where a probability that float16 rounds to 0 or 1 gives an infinite "
                f"loss; leave the sigmoid out and use {name}_with_logits (BCEWithLogitsLoss), or switch autocast off "
                "around it"
            )
        if policy == FLOAT32_UNLESS_GIVEN and any(
            isinstance(named.get(k), dtypes.dtype) for k in ("dtype", "_stacklevel")
        ):
            return function(*given, **named)
        target = here.low[device] if policy == LOW else dtypes.float32
        if policy not in (LOW, FLOAT32, FLOAT32_UNLESS_GIVEN, STATE):
            target = _widest(name, here.low[device], device, (*given, *named.values()))
        found = function(
            *[_cast(v, target, device, here) for v in given],
            **{k: _cast(v, target, device, here) for k, v in named.items()},
        )
        if policy == STATE:
            found = _cast(found, _kept(named), device, here)
        return found
    finally:
        _region.reset(token)


def outside(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function with autocast off: what writes in place keeps the type of what it writes to."""
    token = _region.set(None)
    try:
        return function(*args, **kwargs)
    finally:
        _region.reset(token)


def listed(name: str, *args: Any) -> bool:
    """Whether autocast is on for the device of the arguments, and has a rule for the op there."""
    state, device = region(), _device_of(args)
    return state is not None and device in state.on and name in POLICIES[device]


def _tensors(values: Any) -> Any:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _device_of(values: Any) -> str:
    """The kind of device that an op on these arguments runs on: a GPU's if one of the tensors is there; "" for none."""
    device = ""
    for tensor in _tensors(values):
        if not isinstance(tensor.array, np.ndarray):
            return "cuda"
        device = "cpu"
    return device


def _kept(named: dict[str, Any]) -> dtypes.dtype:
    """The type of the state that a recurrent net or cell takes on; of another op's input."""
    state = next(named[key] for key in ("hx", "states", "input") if key in named)
    return next(_tensors((state,))).dtype  # type: ignore[no-any-return]


def _castable(tensor: Tensor, device: str) -> bool:
    """Whether autocast casts a tensor: floating-point, no float64, and on the device that it is about."""
    kind = tensor.array.dtype
    if not (kind in dtypes.HALF or kind == np.float32):
        return False
    return isinstance(tensor.array, np.ndarray) == (device == "cpu")


def _widest(name: str, low: dtypes.dtype, device: str, values: Any) -> dtypes.dtype:
    """float32 if any tensor is float32, else autocast's type."""
    kinds = {t.dtype for t in _tensors(values) if _castable(t, device)}
    if dtypes.float32 in kinds:
        return dtypes.float32
    for kind in kinds - {low}:
        raise DtypeError(
            f"{name}: autocast is to {low} and can't tell which type to promote a {kind} tensor to; convert it with "
            f".to({low}) or .float()"
        )
    return low


def _cast(value: Any, target: dtypes.dtype, device: str, state: Region) -> Any:
    """An argument with its tensors cast."""
    if isinstance(value, Tensor):
        if value.array.dtype == target.numpy or not _castable(value, device):
            return value
        if state.caching and state.nesting and value._requires_grad and value._node is None and value._view is None:
            return _cached(value, target, state)
        return value.to(target)
    if type(value) in (list, tuple):
        return type(value)([_cast(v, target, device, state) for v in value])
    return value


def _cached(leaf: Tensor, target: dtypes.dtype, state: Region) -> Any:
    """A parameter's cast, made once while the outermost region lasts and the parameter stays as it is.

    One made under ``no_grad`` has no history, so it is kept apart.
    """
    key = (id(leaf), target.name, _enabled.get())
    found = state.casts.get(key)
    if found is None or found[0] is not leaf or found[1] is not leaf.array or found[2] != leaf._version:
        found = state.casts[key] = (leaf, leaf.array, leaf._version, leaf.to(target))
    return found[3]


class autocast(_Mode):
    """A region in which products run in 16 bits, and ops that need the range or the digits in float32.

    Put the forward pass and the loss inside it, and leave parameters and inputs in float32: each op casts what it
    takes. ``backward`` belongs outside: the gradient of an op has the type in which the op ran. In bfloat16 that is all;
    in float16 small gradients vanish unless the loss is scaled up by a ``GradScaler``. It serves as a context and as a
    decorator; inside, another one may change the type or switch it off.

    Args:
        device_type: "cpu" or "cuda": ops on tensors there are concerned.
        dtype: ``bfloat16`` or ``float16``; bfloat16 on the CPU and float16 on the GPU unless given.
        enabled: False switches autocast off inside.
        cache_enabled: keep the casts of parameters, for their next use in the outermost region.

    Raises:
        DeviceError: another kind of device.

    Warns:
        where it does nothing: the type is neither of the two, or there is no GPU; and once where it saves no time: on
        a CPU that does not multiply the type faster than float32.

    Example:
        >>> with framework.autocast("cuda", dtype=framework.bfloat16):
        ...     loss = loss_fn(model(x), y)
        >>> loss.backward()

    Reference: Micikevicius et al., Mixed Precision Training, https://arxiv.org/abs/1710.03740. Unlike PyTorch's, the
    cache notices a parameter that was written to, and one cast under ``no_grad`` does not cut later gradients off.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        self.device = kind_of(device_type)
        state = current()
        self.fast_dtype = state.low[self.device] if dtype is None else dtypes.as_dtype(dtype)
        self._cache_enabled = state.caching if cache_enabled is None else bool(cache_enabled)
        self._enabled = bool(enabled) and _usable(self.device, self.fast_dtype)

    def __enter__(self) -> autocast:  # type: ignore[override]
        before = current()
        self.__dict__.setdefault("_previous", []).append(before)
        if self._enabled:
            _warn_of_speed(self.device, self.fast_dtype)
        state = switched(before, self.device, self._enabled, self.fast_dtype)
        set_current(replace(state, caching=self._cache_enabled, nesting=before.nesting + 1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before = self.__dict__["_previous"].pop()
        if not before.nesting:
            before.casts.clear()
        set_current(before)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(function):
            raise TypeError(
                f"autocast()(function): expected a callable, got {type(function).__name__}; as a context it is used "
                "by `with autocast(...):`"
            )
        return super().__call__(function)


def _usable(device: str, dtype: dtypes.dtype) -> bool:
    """Whether autocast can be on; a warning says why not."""
    if device == "cuda":
        from framework import cuda

        if not cuda.is_available():
            warnings.warn("autocast: CUDA is not available; autocast stays off", stacklevel=4)
            return False
        if dtype is dtypes.bfloat16 and not cuda.is_bf16_supported():
            raise DeviceError("autocast: this GPU does not compute in bfloat16; use dtype=framework.float16")
    if dtype not in SUPPORTED:
        warnings.warn(
            f"autocast: supports bfloat16 and float16, got {dtype}; autocast stays off on {device}", stacklevel=4
        )
        return False
    return True


def _warn_of_speed(device: str, dtype: dtypes.dtype) -> None:
    """Say once that a type saves no time on this processor."""
    if device == "cpu" and dtype.name not in _warned:
        from framework.kernels.precision import multiplies

        if multiplies(dtype):
            return
        _warned.add(dtype.name)
        warnings.warn(
            f"autocast: {dtype.name} saves no time on this processor, which multiplies it no faster than float32 if at "
            "all: products are computed in float32 and rounded. Activations take half the memory; for speed leave "
            "autocast off",
            stacklevel=4,
        )


_warned: set[str] = set()
