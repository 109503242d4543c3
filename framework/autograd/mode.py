"""Whether ops record history: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``.

The mode belongs to the running context (thread or task), as PyTorch's belongs to the thread.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

_enabled: ContextVar[bool] = ContextVar("framework.grad_enabled", default=True)
_inference: ContextVar[bool] = ContextVar("framework.inference", default=False)

is_grad_enabled = _enabled.get
is_inference_mode_enabled = _inference.get


class _Mode:
    """A context manager that is a decorator too, also of generator functions."""

    grad: bool
    inference: bool | None = None

    def __enter__(self) -> None:
        stack = self.__dict__.setdefault("_previous", [])
        stack.append((_enabled.get(), _inference.get()))
        _enabled.set(self.grad)
        if self.inference is not None:
            _inference.set(self.inference)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        grad, inference = self.__dict__["_previous"].pop()
        _enabled.set(grad)
        _inference.set(inference)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                # the mode holds while the generator runs, not while its consumer does
                steps = function(*args, **kwargs)
                try:
                    with self:
                        value = next(steps)
                    while True:
                        try:
                            sent = yield value
                        except GeneratorExit:
                            steps.close()
                            raise
                        except BaseException as error:  # what the consumer throws belongs to the generator
                            with self:
                                value = steps.throw(error)
                        else:
                            with self:
                                value = steps.send(sent)
                except StopIteration as stop:
                    return stop.value

            return generator

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapper


class no_grad(_Mode):
    """Record nothing inside: for evaluation and for updating parameters.

    Example:
        >>> with framework.no_grad():
        ...     weight -= 0.1 * weight.grad
    """

    grad = False

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)


class enable_grad(_Mode):
    """Record inside, also within ``no_grad``."""

    grad = True

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)


class set_grad_enabled(_Mode):
    """Switch recording on or off: at once when called as a function, and until the block's end in ``with``."""

    def __init__(self, mode: bool) -> None:
        self._before = (_enabled.get(), _inference.get())
        self.grad = bool(mode)
        _enabled.set(self.grad)

    def __enter__(self) -> None:
        self.__dict__.setdefault("_previous", []).append(self._before)
        _enabled.set(self.grad)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _enabled.set(self._before[0])  # used as a decorator: the switch is for the function only
        return super().__call__(function)


class inference_mode(_Mode):
    """``no_grad`` for results that never meet autograd again; ``inference_mode(False)`` records inside it."""

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        self = super().__new__(cls)
        self._set(mode if isinstance(mode, bool) else True)
        return self if isinstance(mode, bool) else self(mode)

    def _set(self, mode: bool) -> None:
        self.grad, self.inference = not mode, mode
