"""Parametrizations: a parameter computed, whenever it is read, from others that are trained in its place."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from framework.autograd.mode import no_grad
from framework.nn.containers import ModuleDict, ModuleList
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.tensor import Tensor, missing

_cache: ContextVar[dict[tuple[int, str], Tensor] | None] = ContextVar("framework.nn.parametrize.cache", default=None)


@contextmanager
def cached() -> Iterator[None]:
    """Within it, a parametrized tensor is computed once and then remembered.

    Example:
        >>> with nn.utils.parametrize.cached():
        ...     y = model(x)  # a recurrent net reads its weight at every step
    """
    token = _cache.set({}) if _cache.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _cache.reset(token)


def _check(result: Any, like: Tensor, who: str, dtype: bool = True, shape: bool = True) -> None:
    """Refuse a result that is not a tensor of the same dtype and shape."""
    if not isinstance(result, Tensor):
        raise ValueError(f"{who}: must return a tensor, got {type(result).__name__}")
    if dtype and result.dtype != like.dtype:
        raise ValueError(f"{who}: may not change the dtype, unless unsafe=True: got {result.dtype} for {like.dtype}")
    if shape and result.shape != like.shape:
        raise ValueError(
            f"{who}: may not change the shape, unless unsafe=True: got {tuple(result.shape)} for {tuple(like.shape)}"
        )


def _replace(tensor: Tensor, value: Tensor) -> None:
    """Give a tensor the memory of another; it stays the same object."""
    tensor.array = value.array
    tensor._shared_counter()[0] += 1


def _keep(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied one after the other, and what they start from.

    Attributes:
        original: the trained tensor; ``original0``, ``original1``, ... if the first parametrization takes several.
        unsafe: whether dtype and shape may change.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # without one, the tensor's value is the start
                        new = module.right_inverse(new)
        if not isinstance(new, Tensor) and not isinstance(new, list | tuple):
            raise ValueError(f"right_inverse: must return a tensor or a sequence of tensors, got {type(new).__name__}")
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        if isinstance(new, Tensor):
            _check(new, original, "right_inverse", shape=False)
            if new.device != original.device:
                raise ValueError(f"right_inverse: may not change the device, got {new.device} for {original.device}")
            _replace(original, new)
            _keep(self, "original", original)
        else:
            for i, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise ValueError(f"right_inverse: must return tensors, got {type(part).__name__} at {i}")
                trained = isinstance(original, Parameter)
                part = (
                    Parameter(part, original.requires_grad) if trained else part.requires_grad_(original.requires_grad)
                )
                _keep(self, f"original{i}", part)
        if not unsafe:
            result = self()
            if isinstance(result, Tensor) and (result.shape, result.dtype) != (shape, dtype):
                raise ValueError(
                    "register_parametrization: may not change the shape or dtype of the tensor, unless unsafe=True: "
                    f"got {tuple(result.shape)} {result.dtype} for {tuple(shape)} {dtype}"
                )
            _check(result, result, "parametrization")

    def _originals(self) -> list[Tensor]:
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor takes this value: what an assignment to it does."""
        new: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse")
                new = module.right_inverse(new)
        parts = [new] if self.is_tensor else new
        if not isinstance(parts, list | tuple) or len(parts) != self.ntensors:
            raise ValueError(
                f"right_inverse: must return a sequence of {self.ntensors} tensors, got {type(new).__name__}"
            )
        for original, part in zip(self._originals(), parts, strict=True):
            _check(part, original, "right_inverse", shape=False)
            _replace(original, part)

    def forward(self) -> Any:
        """The parametrized tensor."""
        modules = iter(self)
        value = next(modules)(*self._originals())
        for module in modules:
            value = module(value)
        return value


def _own_class(module: Module) -> None:
    """Give a module a class of its own, to hold the properties of its parametrized tensors."""
    cls = type(module)

    def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        replica = object.__new__(type(self))
        memo[id(self)] = replica
        replica.__dict__ = copy.deepcopy(self.__dict__, memo)
        return replica

    def getstate(self: Any) -> Any:
        raise RuntimeError("a parametrized module can't be pickled; save its state_dict() instead")

    members: dict[str, Any] = {"__getstate__": getstate}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _add_property(module: Module, name: str) -> None:
    def read(self: Any) -> Tensor:
        cache = _cache.get()
        if cache is None:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in cache:
            cache[key] = self.parametrizations[name]()
        return cache[key]

    def write(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(read, write))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute a parameter or buffer of a module through ``parametrization`` from now on.

    Args:
        parametrization: its ``forward`` maps the trained tensor to the one that the module reads. With a
            ``right_inverse`` the trained tensor starts where it gives the present value, and the parametrized one can
            be assigned to; a sequence from it makes several trained tensors.
        unsafe: allow the dtype and shape to change.

    Example:
        >>> class Symmetric(nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).mT
        >>> nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        present: Any = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            _check(after, before, "parametrization")
            if hasattr(parametrization, "right_inverse"):
                with suppress(NotImplementedError):
                    _check(parametrization.right_inverse(after), before, "right_inverse")
        present.append(parametrization)
        present.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _own_class(module)
            module.parametrizations = ModuleDict()
        _add_property(module, tensor_name)
        module.parametrizations[tensor_name] = parametrizations
    else:
        raise ValueError(
            f"register_parametrization: module {module._get_name()} does not have a parameter, a buffer, or a "
            f"parametrized element with name {tensor_name!r}"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrized tensors, or whether this one is."""
    found = module._modules.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized tensor an ordinary one again.

    Args:
        leave_parametrized: with the value it has now; else with the trained tensor's value.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"remove_parametrizations: module {module._get_name()} does not have a parametrization on {tensor_name}"
        )
    parametrizations: Any = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with no_grad():
                _replace(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "remove_parametrizations: leave_parametrized=False can't restore a tensor that is parametrized in terms of "
            "a sequence of tensors"
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _keep(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize a module as another one is, sharing its trained tensors.

    Args:
        tensor_name: the tensor to transfer; all unless given.
    """
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module.parametrizations
    for name in list(source) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source[name]:
            register_parametrization(to_module, name, parametrization)
        target: Any = to_module.parametrizations[name]
        names = ["original"] if source[name].is_tensor else [f"original{i}" for i in range(source[name].ntensors)]
        for original in names:
            setattr(target, original, getattr(source[name], original))
    return to_module


def __getattr__(name: str) -> Any:
    missing("module 'framework.nn.utils.parametrize'", name, globals())
