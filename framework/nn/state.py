"""State dicts: a module's parameters and buffers under dotted names, and their loading back."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from framework.autograd.mode import no_grad
from framework.errors import StateError
from framework.nn.hooks import Hooks, RemovableHandle
from framework.nn.parameter import Parameter, is_lazy
from framework.tensor import Tensor

EXTRA_STATE = "_extra_state"  # the key's suffix for what get_extra_state gives


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class _IncompatibleKeys(_Keys):
    """What ``load_state_dict`` did not find in the state dict, and what it found besides."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"

    __str__ = __repr__


class Stateful:
    """The part of ``Module`` that saves and loads."""

    _version: int = 1
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: Hooks
    _state_dict_pre_hooks: Hooks
    _load_state_dict_pre_hooks: Hooks
    _load_state_dict_post_hooks: Hooks

    def get_extra_state(self) -> Any:
        """Further state to put in the state dict. A module that overrides it overrides ``set_extra_state`` too."""
        raise NotImplementedError(f"{type(self).__name__}: get_extra_state is not written")

    def set_extra_state(self, state: Any) -> None:
        """Take back what ``get_extra_state`` gave."""
        raise NotImplementedError(
            f"{type(self).__name__}: the state dict holds extra state for this module, but set_extra_state is not "
            "written"
        )

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict`` collects this module."""
        return self._state_dict_pre_hooks.add(hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after ``state_dict`` collected this module."""
        return self._state_dict_hooks.add(hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call the hook before this module loads.

        It gets ``(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``.
        """
        return self._load_state_dict_pre_hooks.add(_WithModule(hook, self))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return self._load_state_dict_pre_hooks.add(_WithModule(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after this module loaded; it may change the two lists in place."""
        return self._load_state_dict_post_hooks.add(hook)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._parameters.items():
            if tensor is not None:
                destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()
        for name, tensor in self._buffers.items():
            if tensor is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """All parameters and persistent buffers under their dotted names, in module order. Memory is shared.

        A flat OrderedDict; its ``_metadata`` holds each module's version by its dotted name.

        Args:
            destination: a dict to fill and return; a new one unless given.
            prefix: put before every key.
            keep_vars: give the tensors themselves, with ``requires_grad``; else detached ones.

        Example:
            >>> list(nn.Linear(2, 3).state_dict())
            ['weight', 'bias']
        """
        given: Any = (*args, *(destination, prefix, keep_vars)[len(args) :])
        destination, prefix, keep_vars = given
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata: dict[str, Any] = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, local_metadata)
            if replaced is not None:
                destination = replaced
        return destination

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own tensors, not its children's. What does not fit is added to the three lists."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        persistent = {n: b for n, b in self._buffers.items() if n not in self._non_persistent_buffers_set}
        own = {n: t for n, t in itertools.chain(self._parameters.items(), persistent.items()) if t is not None}
        for name, tensor in own.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            given = state_dict[key]
            problem = self._load_one(name, tensor, given, assign)
            if problem:
                error_msgs.append(problem.format(key=key))
        extra = prefix + EXTRA_STATE
        if type(self).set_extra_state is not Stateful.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    name, _, rest = key[len(prefix) :].partition(".")
                    if (rest and name not in self._modules) or (not rest and name not in own):
                        unexpected_keys.append(key)

    def _load_one(self, name: str, tensor: Any, given: Any, assign: bool) -> str | None:
        """Store one loaded tensor; words on what is wrong if it does not fit."""
        if not isinstance(given, Tensor):
            return f"expected a Tensor for the parameter named {{key}}, but the checkpoint has {type(given).__name__}"
        if is_lazy(tensor):
            if not is_lazy(given):
                with no_grad():
                    tensor.materialize(given.shape)
        elif not is_lazy(given):
            if tensor.ndim == 0 and tuple(given.shape) == (1,) and not assign:
                given = given.reshape(())  # checkpoints written before there were 0-d tensors
            if tensor.array.shape != given.array.shape:
                return (
                    f"size mismatch for {{key}}: the checkpoint has shape {tuple(given.shape)}, the model "
                    f"{tuple(tensor.shape)}"
                )
        if is_lazy(given):
            return None if is_lazy(tensor) else "{key}: the checkpoint was written before the lazy module had its shape"
        with no_grad():
            if assign:
                fits = isinstance(given, Parameter) and given.requires_grad == tensor.requires_grad
                if isinstance(tensor, Parameter) and not fits:
                    given = Parameter(given, requires_grad=tensor.requires_grad)
                setattr(self, name, given)
            else:
                tensor.copy_(given)
        return None

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy tensors of a state dict into this module's parameters and buffers, converting their dtype.

        Args:
            state_dict: tensors under dotted names, as ``state_dict()`` gives them.
            strict: whether a missing or an unexpected key is an error.
            assign: take the tensors themselves, with their dtype and device, instead of copying their values.

        Returns:
            The missing and the unexpected keys.

        Raises:
            StateError: it names every key that is missing, unexpected or of the wrong shape.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a dict of tensors, got {type(state_dict).__name__}")
        missing: list[str] = []
        unexpected: list[str] = []
        problems: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        entries = OrderedDict(state_dict)

        def load(module: Any, local: Any, prefix: str) -> None:
            local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                local_metadata["assign_to_params_buffers"] = True
            module._load_from_state_dict(local, prefix, local_metadata, True, missing, unexpected, problems)
            for name, child in module._modules.items():
                if child is not None:
                    below = f"{prefix}{name}."
                    load(child, {k: v for k, v in local.items() if k.startswith(below)}, below)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, _IncompatibleKeys(missing, unexpected)) is not None:
                    raise StateError("load_state_dict: a post hook must return None; change the lists of keys in place")

        load(self, entries, "")
        if strict:
            for keys, what in ((unexpected, "Unexpected"), (missing, "Missing")):
                if keys:
                    listed = ", ".join(f'"{k}"' for k in keys)
                    problems.insert(0, f"{what} key(s) in state_dict: {listed}.")
        if problems:
            lines = "\n\t".join(problems)
            raise StateError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{lines}")
        return _IncompatibleKeys(missing, unexpected)


class _WithModule:
    """A hook that gets the module as its first argument; a copied module's hook gets the copy."""

    def __init__(self, hook: Callable[..., Any], module: Any) -> None:
        self.hook, self.module = hook, module

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module, *args)
