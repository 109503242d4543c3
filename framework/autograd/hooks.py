"""Hooks on tensors' gradients, and ``retain_grad``."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from framework.errors import GraphError
from framework.tensor import Tensor

Hook = Callable[[Tensor], Any]

_keys = itertools.count()


class RemovableHandle:
    """What registering a hook gives: ``remove()`` takes the hook away, as does leaving a ``with`` block."""

    def __init__(self, hooks: dict[Any, Any], *, extra_dict: Any = None) -> None:
        self.id = next(_keys)
        self._hooks = hooks
        self._extra = (extra_dict,) if isinstance(extra_dict, dict) else tuple(extra_dict or ())

    def remove(self) -> None:
        """Take the hook away; doing it twice is no error."""
        self._hooks.pop(self.id, None)
        for hooks in self._extra:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Call ``hook(grad)`` whenever this tensor's gradient is known; a tensor it returns takes the gradient's place.

    Raises:
        GraphError: the tensor does not require a gradient.
    """
    if not self.requires_grad:
        raise GraphError("register_hook: cannot register a hook on a tensor that doesn't require gradient")
    node = self._node
    if node is None:
        if self._hooks is None:
            self._hooks = {}
        handle = RemovableHandle(self._hooks)
        self._hooks[handle.id] = hook
        return handle
    if node.hooks is None:
        node.hooks = {}
    handle = RemovableHandle(node.hooks)
    node.hooks[handle.id] = (self._output_nr, hook)
    return handle


def register_post_accumulate_grad_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Call ``hook(tensor)`` each time a backward pass has added to this leaf's ``.grad``.

    Raises:
        GraphError: the tensor is not a leaf that requires a gradient.
    """
    if not self.requires_grad or self._node is not None:
        raise GraphError("register_post_accumulate_grad_hook: the tensor must be a leaf that requires a gradient")
    if self._post_hooks is None:
        self._post_hooks = {}
    handle = RemovableHandle(self._post_hooks)
    self._post_hooks[handle.id] = hook
    return handle


def retain_grad(self: Tensor) -> None:
    """Have ``backward`` set ``.grad`` on this tensor although it is not a leaf."""
    if not self.requires_grad:
        raise GraphError("retain_grad: can't retain_grad on a tensor that has requires_grad=False")
    if self._node is None or self._retained:
        return
    self._retained = True
    target = weakref.ref(self)

    def keep(gradient: Tensor) -> None:
        tensor = target()
        if tensor is not None:
            tensor._grad = gradient.clone() if tensor._grad is None else tensor._grad + gradient

    if self._node.hooks is None:
        self._node.hooks = {}
    self._node.hooks[f"retain {self._output_nr}"] = (self._output_nr, keep)  # runs after all hooks, whenever they came
