"""The hooks: functions of the framework replaced by recording ones while a profiler is on, and put back after.

Nothing in the framework asks whether a profiler is on, so a step without one costs nothing. What is replaced: ``forward``
and ``backward`` of every op, also of ops that are defined meanwhile; the kernels' functions; the sums that a backward
pass makes; in-place methods; ``step`` and ``zero_grad`` of optimizers; the loader's ``__next__``; and, with
``with_modules``, the call of a module.
"""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable
from typing import Any

from framework.autograd import walk
from framework.autograd.function import Function
from framework.autograd.op import Op
from framework.kernels import registry
from framework.profiler.recording import KERNEL, MODULE, OP, RULE, USER, Recorder, wrapped
from framework.tensor import Tensor


class Hooks:
    """The replaced functions, and what stood in their place."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        self._lock = threading.Lock()
        self._removed = False

    def install(self) -> None:
        """Put every hook in place; if one can't be, those before it are taken back."""
        try:
            self._ops()
            self._engine()
            self._kernels()
            self._methods()
            self._optimizers()
            self._loader()
            if self.recorder.options.modules:
                self._modules()
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Put back what stood there, except where something else was put since."""
        with self._lock:
            self._removed = True
            for owner, name, old, new in reversed(self._replaced):
                if _held(owner, name) is new:
                    setattr(owner, name, old)
            self._replaced.clear()

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        with self._lock:
            if not self._removed:
                self._replaced.append((owner, name, _held(owner, name), new))
                setattr(owner, name, new)

    def _around(self, owner: Any, name: str, label: Callable[..., str], kind: str) -> None:
        self._replace(owner, name, wrapped(self.recorder, _held(owner, name), label, kind))

    def _each_class(self, base: type, hook: Callable[[type], None]) -> None:
        """Hook every subclass, and those that are still to come."""
        old = vars(base)["__init_subclass__"]

        def init_subclass(cls: type) -> None:
            old.__get__(None, cls)()
            hook(cls)

        self._replace(base, "__init_subclass__", classmethod(init_subclass))
        for cls in dict.fromkeys(_subclasses(base)):
            hook(cls)

    # Ops and the walk over them

    def _ops(self) -> None:
        def hook(cls: type) -> None:
            if "forward" in vars(cls):
                self._replace(cls, "forward", _forward(self.recorder, vars(cls)["forward"]))
            if "backward" in vars(cls):
                self._replace(cls, "backward", _backward(self.recorder, vars(cls)["backward"]))

        self._each_class(Op, hook)
        apply = wrapped(self.recorder, vars(Function)["apply"].__func__, lambda cls, *_: cls.__name__, OP)
        self._replace(Function, "apply", classmethod(apply))

    def _engine(self) -> None:
        self._around(walk, "accumulate", lambda *_: "AccumulateGrad", OP)
        self._around(walk.Walk, "add", lambda *_: "AddGradients", OP)

    def _methods(self) -> None:
        for name, value in list(vars(Tensor).items()):
            if (
                name.endswith("_")
                and name[0] != "_"
                and isinstance(value, types.FunctionType)
                and name != "requires_grad_"
            ):
                self._around(Tensor, name, lambda *_, name=name: name, OP)

    # Kernels

    def _kernels(self) -> None:
        """Hook the functions that the generic kernels of a family have, in each library's module."""
        for family in registry.families():
            modules = [kernel for kernel in registry.in_use(family) if isinstance(kernel, types.ModuleType)]
            if not modules:
                continue
            generic = modules[-1]
            for name, value in list(vars(generic).items()):
                public = name[0] != "_" and name != "declines" and isinstance(value, types.FunctionType)
                if not public or value.__module__ != generic.__name__:
                    continue
                for module in modules:
                    function = vars(module).get(name)
                    if isinstance(function, types.FunctionType):
                        library = function.__module__.split(".")[-2]  # a library may hand on a generic function
                        kernel = _kernel(self.recorder, function, f"{library}::{family}.{name}")
                        self._replace(module, name, kernel)

    # The training loop. These rooms stand above this one.

    def _optimizers(self) -> None:
        from framework.optim.optimizer import Optimizer

        def label(self: Any, *_: Any) -> str:
            return f"Optimizer.step#{type(self).__name__}.step"

        def hook(cls: type) -> None:
            # A class's ``step`` is the one that was written, in a closure that runs the step hooks around it. Schedules
            # hold on to the outer function, so it is the inner one that is replaced.
            step = vars(cls).get("step")
            names = step.__code__.co_freevars if isinstance(step, types.FunctionType) else ()
            if "step" in names and step is not None:
                self._around(step.__closure__[names.index("step")], "cell_contents", label, USER)

        self._each_class(Optimizer, hook)
        self._around(
            Optimizer, "zero_grad", lambda self, *_: f"Optimizer.zero_grad#{type(self).__name__}.zero_grad", USER
        )

    def _loader(self) -> None:
        from framework.data.loader import _Pass

        self._around(_Pass, "__next__", lambda self: f"enumerate(DataLoader)#{type(self).__name__}.__next__", USER)

    def _modules(self) -> None:
        from framework.nn.module import Module

        self._around(Module, "__call__", lambda self, *_: f"nn.Module: {type(self).__name__}", MODULE)


def _held(owner: Any, name: str) -> Any:
    """What an owner itself holds: a class's own classmethod objects, a module's functions, a cell's contents."""
    return getattr(owner, name) if isinstance(owner, types.CellType) else vars(owner)[name]


def _subclasses(base: type) -> list[type]:
    found: list[type] = list(base.__subclasses__())
    for cls in tuple(found):
        found += _subclasses(cls)
    return found


def _forward(recorder: Recorder, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def forward(self: Op, *arrays: Any, **params: Any) -> Any:
        if not recorder.on:
            return function(self, *arrays, **params)
        item = recorder.begin(self.name, OP, arrays)
        result = None
        try:
            result = function(self, *arrays, **params)
        finally:
            recorder.end(item, arrays, result)
        recorder.link(self, item)
        return result

    return forward


def _backward(recorder: Recorder, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def backward(self: Op, *gradients: Any) -> Any:
        if not recorder.on:
            return function(self, *gradients)
        saved = self.saved
        item = recorder.begin(repr(self)[1:-1], RULE, gradients)
        item.sequence = self.sequence
        item.forward = recorder.forward_of(self)
        if item.forward is not None:
            item.forward.sequence = self.sequence
        result = None
        try:
            result = function(self, *gradients)
        finally:
            recorder.end(item, (*gradients, *saved), result)
        return result

    return backward


def _kernel(recorder: Recorder, function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def kernel(*args: Any, **kwargs: Any) -> Any:
        if not recorder.on or not recorder.wants_kernel():
            return function(*args, **kwargs)
        item = recorder.begin(name, KERNEL, args)
        result = None
        try:
            result = function(*args, **kwargs)
        finally:
            recorder.end(item, args, result)
        return result

    return kernel
