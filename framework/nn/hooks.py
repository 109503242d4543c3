"""Hooks: functions that a module calls before and after its forward, and when gradients pass through it."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from framework.autograd.hooks import RemovableHandle
from framework.autograd.mode import is_grad_enabled
from framework.autograd.op import Op, apply
from framework.tensor import Tensor, wrap

Hook = Callable[..., Any]


class Hooks(OrderedDict[int, Any]):
    """The hooks of one kind, by handle id, in the order they run."""

    def add(self, hook: Hook, *extra: Any, prepend: bool = False) -> RemovableHandle:
        """Add a hook; ``extra`` tables get an entry under the same id, removed with it."""
        handle = RemovableHandle(self, extra_dict=list(extra))
        self[handle.id] = hook
        if prepend:
            self.move_to_end(handle.id, last=False)
        for table in extra:
            table[handle.id] = True
        return handle


class Hookable:
    """The part of ``Module`` that registers hooks on it."""

    _hooked: Hooks  # an entry for each of this module's hooks that a call must run
    _backward_pre_hooks: Hooks
    _backward_hooks: Hooks
    _forward_hooks: Hooks
    _forward_hooks_with_kwargs: Hooks
    _forward_hooks_always_called: Hooks
    _forward_pre_hooks: Hooks
    _forward_pre_hooks_with_kwargs: Hooks

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward; what it returns replaces the positional arguments.

        Args:
            prepend: run it before this module's other hooks.
            with_kwargs: call ``hook(module, args, kwargs)``, which may return ``(args, kwargs)``.
        """
        extra = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return self._forward_pre_hooks.add(hook, self._hooked, *extra, prepend=prepend)

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward; what it returns replaces the output.

        Args:
            prepend: run it before this module's other hooks.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: call it also when the forward raised, with None as the output.

        Example:
            >>> features = {}
            >>> handle = model.layer4.register_forward_hook(lambda m, args, out: features.update(layer4=out))
        """
        tables = ((self._forward_hooks_with_kwargs, with_kwargs), (self._forward_hooks_always_called, always_call))
        return self._forward_hooks.add(hook, self._hooked, *[t for t, on in tables if on], prepend=prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when gradients reach the output; it may return a new ``grad_output``."""
        return self._backward_pre_hooks.add(hook, self._hooked, prepend=prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are ready.

        Both are tuples with an entry for each positional argument or output, None where there is no gradient. What the
        hook returns replaces ``grad_input``.
        """
        return self._backward_hooks.add(hook, self._hooked, prepend=prepend)

    register_backward_hook = register_full_backward_hook


# Hooks of every module

any_global = Hooks()  # an entry for each global hook that a call must run
forward_pre_hooks, forward_hooks, backward_pre_hooks, backward_hooks = Hooks(), Hooks(), Hooks(), Hooks()
forward_hooks_with_kwargs, forward_hooks_always_called = Hooks(), Hooks()
buffer_registration, module_registration, parameter_registration = Hooks(), Hooks(), Hooks()


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of every module; what it returns replaces the arguments."""
    return forward_pre_hooks.add(hook, any_global)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of every module; what it returns replaces the output.

    Args:
        with_kwargs: call ``hook(module, args, kwargs, output)`` instead.
        always_call: call it also when the forward raised.
    """
    extra = [
        t for t, on in ((forward_hooks_with_kwargs, with_kwargs), (forward_hooks_always_called, always_call)) if on
    ]
    return forward_hooks.add(hook, any_global, *extra)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` when the gradient reaches any module's output; it may return a replacement."""
    return backward_pre_hooks.add(hook, any_global)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` when any module's input gradients are ready."""
    return backward_hooks.add(hook, any_global)


register_module_backward_hook = register_module_full_backward_hook


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` whenever a buffer is registered; a tensor it returns is taken instead."""
    return buffer_registration.add(hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` whenever a module is registered; one it returns is taken instead."""
    return module_registration.add(hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, param)`` whenever a parameter is registered; one it returns is taken instead."""
    return parameter_registration.add(hook)


def registered(table: Hooks, module: Any, name: str, value: Any) -> Any:
    """The value to register after the registration hooks have seen it."""
    for hook in table.values():
        replacement = hook(module, name, value)
        if replacement is not None:
            value = replacement
    return value


# Gradients through a module


class _Gate(Op):
    """The identity around a module, where its gradients are shown to hooks."""

    def forward(self, *arrays: Any, meet: Any) -> Any:
        self.meet = meet
        return arrays

    def backward(self, *gradients: Any) -> Any:
        return self.meet(gradients)


class Gates:
    """One call's backward hooks, with the gradients that reached the output."""

    def __init__(self, module: Any, pre_hooks: list[Hook], hooks: list[Hook]) -> None:
        self.module, self.pre_hooks, self.hooks = module, pre_hooks, hooks
        self.inputs: list[int] | None = None
        self.input_count = self.output_count = 0
        self.outputs: list[int] = []
        self.grad_output: tuple[Any, ...] | None = None

    def around_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, with the tensors among them passed through the gate."""
        self.input_count = len(args)
        passed, places = _pass(args, self.at_input)
        self.inputs = places
        return passed

    def around_outputs(self, result: Any) -> Any:
        """The module's output, passed through the gate."""
        several = isinstance(result, tuple)
        values = result if several else (result,)
        self.output_count = len(values)
        passed, places = _pass(values, self.at_output)
        self.outputs = places or []
        if not several:
            return passed[0]
        return type(result)(*passed) if hasattr(result, "_fields") else passed

    def at_output(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradient reached the output."""
        full = _spread(gradients, self.outputs, self.output_count)
        for hook in self.pre_hooks:
            given = hook(self.module, full)
            if given is not None:
                full = _checked(given, len(full), "grad_output")
        self.grad_output = full
        if self.inputs is None:
            nothing = (None,) * self.input_count
            for hook in self.hooks:
                given = hook(self.module, nothing, full)
                if given is not None and not (isinstance(given, tuple) and all(g is None for g in given)):
                    raise RuntimeError(
                        "full backward hook: a module none of whose inputs requires grad has no grad_input to replace; "
                        "return None"
                    )
        return _gather(full, self.outputs, gradients)

    def at_input(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of all inputs are there."""
        places = self.inputs or []
        full = _spread(gradients, places, self.input_count)
        for hook in self.hooks:
            given = hook(self.module, full, self.grad_output)
            if given is not None:
                full = _checked(given, len(full), "grad_input")
        self.grad_output = None
        return _gather(full, places, gradients)


def _pass(values: tuple[Any, ...], meet: Any) -> tuple[tuple[Any, ...], list[int] | None]:
    """Values with their tensors passed through a gate, and where these stand; None if no gradient can come."""
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    if not is_grad_enabled() or not any(values[i].requires_grad for i in places):
        return values, None
    passed = list(values)
    for i, out in zip(places, apply(_Gate, *[values[i] for i in places], meet=meet), strict=True):
        out._counter = values[i]._shared_counter()
        if not values[i].requires_grad:
            out._requires_grad, out._node, out._output_nr = False, None, 0
        passed[i] = out
    return tuple(passed), places


def _spread(gradients: tuple[Any, ...], places: list[int], count: int) -> tuple[Any, ...]:
    full: list[Any] = [None] * count
    for i, g in zip(places, gradients, strict=True):
        full[i] = g if g is None or isinstance(g, Tensor) else wrap(g)
    return tuple(full)


def _gather(full: tuple[Any, ...], places: list[int], like: tuple[Any, ...]) -> tuple[Any, ...]:
    """The gradients at some places, as Tensors or arrays like those that came."""
    tensors = any(isinstance(g, Tensor) for g in like)
    return tuple(g if g is None or tensors else g.array for g in (full[i] for i in places))


def _checked(given: Any, count: int, what: str) -> tuple[Any, ...]:
    given = (given,) if isinstance(given, Tensor) else tuple(given)
    if len(given) != count:
        raise RuntimeError(
            f"backward hook: it returned {len(given)} {what}, expected {count}; return one each, or None"
        )
    return given


# A call with hooks


def call(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module.forward`` with all its hooks and the global ones."""
    ran: set[int] = set()
    state: list[Any] = [args, kwargs, None]
    try:
        return _call(module, state, ran)
    except Exception:
        for table, with_kwargs, always in (
            (forward_hooks, forward_hooks_with_kwargs, forward_hooks_always_called),
            (module._forward_hooks, module._forward_hooks_with_kwargs, module._forward_hooks_always_called),
        ):
            for number, hook in list(table.items()):
                if number in always and number not in ran:
                    try:
                        _after(module, hook, number in with_kwargs, state)
                    except Exception as error:  # the forward's own error counts
                        warnings.warn(f"forward hook with always_call=True raised {error!r}", stacklevel=2)
        raise


def _call(module: Any, state: list[Any], ran: set[int]) -> Any:
    pre = [*backward_pre_hooks.values(), *module._backward_pre_hooks.values()]
    full = [*backward_hooks.values(), *module._backward_hooks.values()]
    for number, hook in [*forward_pre_hooks.items(), *module._forward_pre_hooks.items()]:
        if number in module._forward_pre_hooks_with_kwargs:
            given = hook(module, state[0], state[1])
            if given is not None:
                if not isinstance(given, tuple) or len(given) != 2:
                    raise RuntimeError(f"forward pre-hook: must return None or a tuple (args, kwargs), got {given!r}")
                state[:2] = given
        else:
            given = hook(module, state[0])
            if given is not None:
                state[0] = given if isinstance(given, tuple) else (given,)
    gates = Gates(module, pre, full) if pre or full else None
    if gates is not None:
        state[0] = gates.around_inputs(state[0])
    state[2] = module.forward(*state[0], **state[1])
    for table, with_kwargs in (
        (forward_hooks, forward_hooks_with_kwargs),
        (module._forward_hooks, module._forward_hooks_with_kwargs),
    ):
        for number, hook in list(table.items()):
            ran.add(number)
            _after(module, hook, number in with_kwargs, state)
    return state[2] if gates is None else gates.around_outputs(state[2])


def _after(module: Any, hook: Hook, with_kwargs: bool, state: list[Any]) -> None:
    args, kwargs, result = state
    given = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
    if given is not None:
        state[2] = given
