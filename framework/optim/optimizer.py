"""``Optimizer``: parameter groups, state, hooks and checkpoints, common to all optimizers."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from framework.autograd.hooks import RemovableHandle
from framework.autograd.mode import enable_grad
from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap

Hook = Callable[..., Any]
Group = dict[str, Any]
State = dict[str, Any]

_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_post_hooks: OrderedDict[int, Hook] = OrderedDict()


class _Required:
    """The default of an option that every parameter group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def _add_hook(hooks: OrderedDict[int, Hook], hook: Hook, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer."""
    return _add_hook(_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer."""
    return _add_hook(_post_hooks, hook)


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """A ``step`` that runs the hooks before and after, unless a subclass's own ``step`` calls it."""

    @functools.wraps(step)
    def wrapper(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if type(self).step is not wrapper:
            return step(self, *args, **kwargs)
        for hook in chain(_pre_hooks.values(), self._optimizer_step_pre_hooks.values()):
            result = hook(self, (self, *args), kwargs)
            if result is not None:
                if not isinstance(result, tuple) or len(result) != 2:
                    raise RuntimeError(
                        f"{step.__qualname__}: a step pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {result}."
                    )
                (self, *args), kwargs = result  # type: ignore[assignment]
        out = step(self, *args, **kwargs)
        for hook in chain(self._optimizer_step_post_hooks.values(), _post_hooks.values()):
            hook(self, (self, *args), kwargs)
        return out

    return wrapper


_HOOK_TABLES = (
    "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks", "_optimizer_load_state_dict_post_hooks",
)  # fmt: skip


class Optimizer:
    """The base class of optimizers. A subclass passes its options' defaults to ``__init__`` and writes ``step``.

    Args:
        params: tensors, ``(name, tensor)`` pairs, or dicts of ``params`` and the options that differ for these.
        defaults: the value of each option where a group does not give its own.

    Attributes:
        param_groups: a dict for each group: its ``params`` and options. Schedules change ``lr`` here.
        state: what the optimizer keeps for each parameter, by the parameter.
    """

    _optimizer_step_pre_hooks: OrderedDict[int, Hook]
    _optimizer_step_post_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook]

    def __init_subclass__(cls) -> None:
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        for name in _HOOK_TABLES:
            setattr(self, name, OrderedDict())
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}"
            )
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[Group] = []
        groups = list(params)
        if not groups:
            raise ArgumentError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOK_TABLES:
            if name not in self.__dict__:
                setattr(self, name, OrderedDict())
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    # Hooks

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return the arguments to use instead."""
        return _add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return _add_hook(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict``."""
        return _add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after ``state_dict``; what it returns is given instead."""
        return _add_hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before ``load_state_dict``; what it returns is loaded instead."""
        return _add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after ``load_state_dict``."""
        return _add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # Checkpoints

    def state_dict(self) -> dict[str, Any]:
        """The state and the groups, with a number for each parameter: ``{"state": ..., "param_groups": ...}``."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        start = 0
        groups = []
        for group in self.param_groups:
            for number, p in enumerate(group["params"], start):
                numbers.setdefault(id(p), number)
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            start += len(group["params"])
            groups.append(packed)
        state = {numbers[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items()}
        packed_state: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            result = hook(self, packed_state)
            if result is not None:
                packed_state = result
        return packed_state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave: parameters are matched by their order, options and state are copied.

        State tensors are cast to their parameter's dtype and device, except step counts, and except that of 16-bit
        parameters, which is float32. Unlike PyTorch's, they never share memory with the given ones.

        Raises:
            ValueError: the groups differ in number or in size.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            result = hook(self, state_dict)
            if result is not None:
                state_dict = result
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ArgumentError("loaded state dict has a different number of parameter groups")
        if any(len(mine["params"]) != len(theirs["params"]) for mine, theirs in zip(groups, saved, strict=True)):
            raise ArgumentError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        owner = {
            number: p
            for mine, theirs in zip(groups, saved, strict=True)
            for number, p in zip(theirs["params"], mine["params"], strict=True)
        }
        state: defaultdict[Any, Any] = defaultdict(dict)
        for number, value in state_dict["state"].items():
            if number in owner:
                state[owner[number]] = _adopt(value, owner[number], self._state_dtype(owner[number]))
            else:
                state[number] = value
        for mine, theirs in zip(groups, saved, strict=True):
            theirs["params"] = mine["params"]
            if "param_names" in mine:
                theirs.setdefault("param_names", mine["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _state_dtype(self, p: Tensor) -> Any:
        """What a floating-point parameter's loaded state is cast to."""
        return p.dtype

    # Use

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every parameter's gradient, or fill it with zeros where ``set_to_none`` is False."""
        for group in self.param_groups:
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                if set_to_none:
                    p._grad = None
                    continue
                if grad.grad_fn is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once from their gradients.

        Args:
            closure: recomputes the loss and the gradients first; its loss is returned.
        """
        raise NotImplementedError(f"{type(self).__name__}: step is not written")

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with their own options, such as layers unfrozen during fine-tuning.

        Args:
            param_group: ``params`` and the options that differ from the defaults.

        Raises:
            TypeError: the group is no dict, its parameters are a set, or one is no tensor.
            ValueError: a parameter is no leaf or in another group, an option is missing, or only some have names.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        given = [params] if isinstance(params, Tensor) else list(params)
        names = [item[0] for item in given if isinstance(item, tuple)]
        params = param_group["params"] = [item[1] if isinstance(item, tuple) else item for item in given]
        if names:
            if len(names) != len(params):
                raise ArgumentError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = names
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise ArgumentError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ArgumentError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; it would update them twice a step",
                stacklevel=3,
            )
        taken: set[Tensor] = set()
        for group in self.param_groups:
            taken.update(group["params"])
            if ("param_names" in param_group) != ("param_names" in group):
                kind = "with names" if "param_names" in param_group else "without names"
                raise ArgumentError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {kind} to the optimizer"
                )
        if not taken.isdisjoint(params):
            raise ArgumentError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)


def _adopt(value: Any, p: Tensor, dtype: Any, key: Any = None) -> Any:
    """A copy of loaded state, with tensors of a dtype and on the parameter's device (a step count keeps its dtype)."""
    if isinstance(value, Tensor):
        fresh = value.detach()
        if key != "step":
            fresh = fresh.to(p.device, dtype) if p.is_floating_point() else fresh.to(p.device)
        return wrap(fresh.array.copy(order="K")) if fresh.array is value.array else fresh
    if isinstance(value, dict):
        return {name: _adopt(item, p, dtype, name) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(_adopt(item, p, dtype) for item in value)
    return value


def loss_of(closure: Callable[[], Any] | None) -> Any:
    """Run a closure with gradients on; None without one."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def number(value: Any) -> Any:
    """The Python number of an option that may be a tensor."""
    return value.item() if isinstance(value, Tensor) else value


# What constructors check


def check_learning_rate(lr: Any, words: str = "Invalid learning rate") -> None:
    """Refuse a negative learning rate, and a tensor of several."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ArgumentError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ArgumentError(f"{words}: {lr}")


def check_not_negative(words: str, value: Any) -> None:
    """Refuse a negative option: ``words`` begin the message."""
    if not value >= 0.0:
        raise ArgumentError(f"{words}: {value}")


def check_betas(betas: Any) -> None:
    """Refuse averaging factors outside [0, 1)."""
    for position, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ArgumentError(f"Invalid beta parameter at index {position}: {beta}")


def check_fused(optimizer: Optimizer, fused: bool | None, differentiable: bool, foreach: bool | None) -> None:
    """Refuse ``fused`` together with what excludes it. Here the flag changes nothing else: every update is fused."""
    if not fused:
        return
    if differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    for group in optimizer.param_groups:
        for p in group["params"]:
            if not p.is_floating_point():
                raise RuntimeError(
                    f"`fused=True` requires all the params to be floating point Tensors, but got {p.dtype}"
                )
