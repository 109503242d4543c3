"""Carry values and callables from PyTorch over to `framework`, and compare.

PyTorch is the reference of the parity checks: its test databases produce
inputs as torch objects, often as small lambdas over torch functions. The
`Bridge` rebuilds such values out of framework objects (a tensor keeps its
dtype, shape, strides and `requires_grad`), and `transplant` rebuilds a python
function so that every torch name in it means the framework's.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided

torch.set_num_threads(1)

ours: Any = importlib.import_module("framework")


class Unconvertible(Exception):
    """A torch value that the framework has no counterpart for by design."""


class MissingName(Exception):
    """A public torch name that the framework does not offer."""


def short(dtype: Any) -> str:
    """Return a dtype's name without the package it belongs to."""
    return str(dtype).rsplit(".", 1)[-1]


def lookup(dotted: str) -> Any:
    """Return the framework's object at a dotted path below the package."""
    found = ours
    walked = ours.__name__
    for part in dotted.split("."):
        walked = f"{walked}.{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            if not isinstance(found, types.ModuleType):
                raise MissingName(dotted) from None
            try:
                found = importlib.import_module(walked)
            except ImportError:
                raise MissingName(dotted) from None
    return found


def counterpart(thing: Any) -> Any:
    """Return our object for a torch module, class, function or method."""
    if isinstance(thing, types.ModuleType):
        name = thing.__name__
        return ours if name == "torch" else lookup(name.removeprefix("torch."))
    if thing is torch.Tensor:
        return lookup("Tensor")
    qualified = str(getattr(thing, "__qualname__", "") or getattr(thing, "__name__", ""))
    leaf = qualified.rsplit(".", 1)[-1]
    paths = []
    if "TensorBase" in qualified or qualified.startswith("Tensor."):
        paths.append(f"Tensor.{leaf}")
    else:
        home = str(getattr(thing, "__module__", "") or "")
        if isinstance(thing, type) and home.startswith("torch.nn."):
            paths.append(f"nn.{leaf}")
        if home.startswith("torch.") and not home.startswith("torch._"):
            paths.append(f"{home.removeprefix('torch.')}.{qualified}")
        if not isinstance(thing, type):
            named = torch.overrides.resolve_name(thing)
            paths.append(str(named).removeprefix("torch.") if named else "")
    for path in filter(None, paths or [leaf]):
        try:
            return lookup(path)
        except MissingName:
            continue
    raise MissingName(paths[0] or leaf)


def _is_test_helper(fn: types.FunctionType) -> bool:
    home = fn.__module__ or ""
    in_tests = home.startswith(("torch.testing", "torch.utils._pytree"))
    return in_tests or not home.startswith("torch") or fn.__name__ == "<lambda>"


def call_plainly(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call `fn`; stands in for torch's helper that seeds the generator first."""
    return fn(*args, **kwargs)


def _names_used(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_used(constant)


def regraft(fn: types.FunctionType, convert: Callable[[Any], Any]) -> types.FunctionType:
    """Copy a python function with its globals, defaults and cells converted."""
    environment: dict[str, Any] = {"__builtins__": builtins}
    itself = []
    for name in set(_names_used(fn.__code__)):
        value = fn.__globals__.get(name)
        if name == "wrapper_set_seed":
            environment[name] = call_plainly
        elif name == "freeze_rng_state":
            environment[name] = contextlib.nullcontext
        elif value is fn:
            itself.append(name)
        elif name in fn.__globals__:
            environment[name] = convert(value)
    cells = tuple(types.CellType(convert(cell.cell_contents)) for cell in fn.__closure__ or ())
    grafted = types.FunctionType(fn.__code__, environment, fn.__name__, convert(fn.__defaults__), cells)
    environment.update(dict.fromkeys(itself, grafted))
    grafted.__kwdefaults__ = convert(fn.__kwdefaults__)
    return grafted


def uses_random_wrapper(fn: Any) -> bool:
    """Tell whether a test database function seeds a generator around its call."""
    wrappers = {"wrapper_set_seed", "freeze_rng_state"}
    return isinstance(fn, types.FunctionType) and not wrappers.isdisjoint(fn.__code__.co_names)


def array_view(value: torch.Tensor) -> np.ndarray[Any, Any]:
    """View a torch tensor's memory as an array with the same strides."""
    plain = value.detach()
    odd = plain.layout != torch.strided or plain.is_quantized or plain.is_nested
    if odd or plain.device.type != "cpu" or plain.dtype == torch.complex32:
        raise Unconvertible(f"{plain.dtype} {plain.layout} {plain.device}")
    plain = plain.resolve_conj().resolve_neg()
    plain = torch.zeros_like(plain) if plain._is_zerotensor() else plain
    if plain.dtype == torch.bfloat16:
        return plain.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    try:
        return plain.numpy()
    except (TypeError, ValueError) as error:
        raise Unconvertible(str(error)) from None


def to_array(value: torch.Tensor) -> np.ndarray[Any, Any]:
    """Copy a torch tensor to an array of the same values and strides."""
    source = array_view(value)
    if source.flags.c_contiguous or source.size == 0:
        return source.copy()
    steps = tuple(stride // source.itemsize for stride in source.strides)
    span = 1 + sum((n - 1) * step for n, step in zip(source.shape, steps, strict=True))
    memory = as_strided(source, (span,), (source.itemsize,)).copy()
    return as_strided(memory, source.shape, source.strides)


def duplicate(value: Any, keep_grad: bool, seen: dict[int, Any] | None = None) -> Any:
    """Copy nested torch values; a copied tensor keeps strides and is a leaf."""
    seen = {} if seen is None else seen
    if isinstance(value, torch.Tensor):
        if id(value) not in seen:
            copy = value.detach().resolve_conj().resolve_neg()
            if copy.layout == torch.strided:
                memory = copy.untyped_storage().clone()
                place = (memory, copy.storage_offset(), copy.size(), copy.stride())
                copy = torch.empty(0, dtype=copy.dtype).set_(*place)
            else:
                copy = copy.clone()
            seen[id(value)] = copy.requires_grad_(keep_grad and value.requires_grad)
        return seen[id(value)]
    if type(value) in (list, tuple):
        return type(value)(duplicate(item, keep_grad, seen) for item in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(duplicate(item, keep_grad, seen) for item in value))
    if isinstance(value, dict):
        return {key: duplicate(item, keep_grad, seen) for key, item in value.items()}
    return value


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Walk the torch tensors of nested values."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


_MADE_WITH = "_constructor_arguments_for_parity"


def _new_module(cls: type, *args: Any, **kwargs: Any) -> Any:
    """Create a torch module that keeps what it was built with, to rebuild it."""
    module: Any = object.__new__(cls)
    object.__setattr__(module, _MADE_WITH, (args, kwargs))
    return module


torch.nn.Module.__new__ = _new_module  # type: ignore[method-assign]


class Bridge:
    """Convert torch values; one torch tensor always becomes the same tensor."""

    def __init__(self, keep_storage: bool = False) -> None:
        """Start afresh; `keep_storage` keeps views of one memory as such."""
        self._seen: dict[int, tuple[Any, Any]] = {}
        self._memory: dict[Any, Any] = {}
        self._keep_storage = keep_storage

    def __call__(self, value: Any) -> Any:
        """Return the framework's counterpart of any nested torch value."""
        if isinstance(value, torch.Tensor):
            return self._once(value, self._tensor)
        if value is None or isinstance(value, (bool, int, float, complex, str)):
            return value
        if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
            return lookup(short(value))
        if isinstance(value, torch.device):
            return lookup("device")(str(value))
        if isinstance(value, torch.Size):
            return getattr(ours, "Size", tuple)(tuple(value))
        if isinstance(value, torch.Generator):
            raise Unconvertible("torch.Generator")
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            kind = type(value)
            kind = counterpart(kind) if kind.__module__.startswith("torch.") else kind
            return kind(*(self(item) for item in value))
        if isinstance(value, (list, tuple, set, frozenset)):
            return type(value)(self(item) for item in value)
        if isinstance(value, dict):
            return type(value)((self(key), self(item)) for key, item in value.items())
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, functools.partial):
            parts = (self(part) for part in value.args)
            return functools.partial(self(value.func), *parts, **self(value.keywords))
        if isinstance(value, torch.nn.Module):
            return self._once(value, self._module)
        return self._named(value)

    def _once(self, value: Any, make: Callable[[Any], Any]) -> Any:
        if id(value) not in self._seen:
            self._seen[id(value)] = (value, make(value))
        return self._seen[id(value)][1]

    def _tensor(self, value: torch.Tensor) -> Any:
        if self._keep_storage:
            memory = value.untyped_storage()
            key = (memory.data_ptr(), value.dtype)
            if key not in self._memory:
                base = torch.empty(0, dtype=value.dtype).set_(memory)
                self._memory[key] = ours.from_numpy(to_array(base))
            place = (tuple(value.shape), value.stride(), value.storage_offset())
            tensor = ours.as_strided(self._memory[key], *place)
        else:
            tensor = ours.from_numpy(to_array(value))
        return tensor.requires_grad_(True) if value.requires_grad else tensor

    def _module(self, value: torch.nn.Module) -> Any:
        args, kwargs = value.__dict__[_MADE_WITH]
        module = counterpart(type(value))(*self(args), **self(kwargs))
        module.load_state_dict(self(dict(value.state_dict())))
        return module

    def _named(self, value: Any) -> Any:
        """Convert what goes by a name: functions, classes and modules of torch."""
        if isinstance(value, types.FunctionType) and _is_test_helper(value):
            return self._once(value, self.transplant)
        if isinstance(value, types.ModuleType):
            outside = value.__name__.split(".")[0] != "torch"
            return value if outside else counterpart(value)
        home = str(getattr(value, "__module__", "") or "")
        if isinstance(value, type):
            inside = home.startswith("torch") and not home.startswith("torch.testing")
            return counterpart(value) if inside else value
        owner = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
        if callable(value) and (home.startswith("torch") or "torch" in str(owner)):
            return counterpart(value)
        return value

    def transplant(self, fn: types.FunctionType) -> Callable[..., Any]:
        """Copy a python function so that torch in it means the framework."""

        def convert(value: Any) -> Any:
            return None if value is fn else self(value)

        return regraft(fn, convert)


def _raised_in_tests(error: BaseException) -> bool:
    """Tell whether a rebuilt function of torch's databases raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    source = inspect.getfile(trace.tb_frame.f_code) if trace else ""
    return "testing/_internal" in source.replace("\\", "/")


def is_missing(error: BaseException, leaf: str) -> bool:
    """Tell whether an error says that the framework lacks the name `leaf`."""
    if isinstance(error, MissingName):
        return True
    if not isinstance(error, AttributeError) or error.name is None:
        return False
    if isinstance(error.obj, types.ModuleType) and _raised_in_tests(error):
        return bool(error.obj.__name__.split(".")[0] == ours.__name__)
    kind = error.obj if isinstance(error.obj, (type, types.ModuleType)) else type(error.obj)
    home = str(getattr(kind, "__module__", None) or getattr(kind, "__name__", ""))
    asked = error.name.rstrip("_") == leaf.rstrip("_")
    return bool(asked and home.split(".")[0] == ours.__name__)
