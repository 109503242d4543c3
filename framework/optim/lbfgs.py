"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.mode import enable_grad
from framework.autograd.views import bump
from framework.devices import array_module
from framework.errors import ArgumentError
from framework.optim.line_search import strong_wolfe
from framework.optim.optimizer import Optimizer, check_learning_rate, number
from framework.tensor import Tensor, wrap

Closure = Callable[[], Any]


class LBFGS(Optimizer):
    """A quasi-Newton method, for deterministic losses of few parameters: it learns the curvature from past gradients.

    ``step`` needs a closure that clears the gradients, computes the loss, calls ``backward`` and returns the loss; it
    is called several times a step. All parameters form one group.

    Args:
        params: the parameters.
        lr: the step length along the found direction, or where the line search begins.
        max_iter: directions a step.
        max_eval: calls of the closure a step; None for ``max_iter * 1.25``.
        tolerance_grad: a largest gradient element at which to stop.
        tolerance_change: a change of the loss or of the parameters at which to stop.
        history_size: gradients remembered; each takes twice the parameters' memory.
        line_search_fn: "strong_wolfe", or None for steps of length ``lr``.

    Example:
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = loss_fn(model(x), y)
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)

    Reference: Nocedal and Wright, Numerical Optimization, algorithms 7.4, 3.5 and 3.6.
    """

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ArgumentError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]

    # All parameters as one vector

    def _flat_gradient(self) -> Any:
        parts = []
        for p in self._params:
            xp = array_module(p.array)
            part = xp.zeros(p.array.size, p.array.dtype) if p.grad is None else p.grad.array.reshape(-1)
            part = part.astype(np.float32) if part.dtype in dtypes.HALF else part
            parts.append(part.view(part.real.dtype) if part.dtype.kind == "c" else part)
        return array_module(parts[0]).concatenate(parts)

    def _move(self, length: float, direction: Any) -> None:
        """Go along a direction."""
        start = 0
        for p in self._params:
            size = p.array.size * (2 if p.array.dtype.kind == "c" else 1)
            part = direction[start : start + size] * length
            part = part.view(p.array.dtype) if p.array.dtype.kind == "c" else part
            p.array += part.reshape(p.array.shape).astype(p.array.dtype, copy=False)
            bump(p, "LBFGS.step")
            start += size

    def _try(self, closure: Closure, start: list[Any], direction: Any, length: float) -> tuple[float, Any]:
        """The loss and the gradient at a length along a direction; the parameters are back at the start afterwards."""
        self._move(length, direction)
        loss = float(closure())
        gradient = self._flat_gradient()
        for p, values in zip(self._params, start, strict=True):
            p.array[...] = values
            bump(p, "LBFGS.step")
        return loss, gradient

    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Minimise the closure's loss further.

        Args:
            closure: recomputes the loss and the gradients.

        Returns:
            The loss before the step.
        """
        group = self.param_groups[0]
        lr = number(group["lr"])
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        closure = enable_grad()(closure)
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss = float(first_loss)
        state["func_evals"] += 1
        evaluations, done = 1, 0
        gradient = self._flat_gradient()
        if _largest(gradient) <= group["tolerance_grad"]:
            return first_loss
        memory = _Memory(state, group["history_size"], self._params[0].array.real.dtype)
        direction, length, previous = memory.direction, memory.length, memory.gradient
        previous_loss = state.get("prev_loss")
        while done < group["max_iter"]:
            done += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                memory.clear()
                direction = -gradient
            else:
                memory.add(gradient - previous, direction * length)
                direction = memory.newton(gradient)
            previous, previous_loss = gradient.copy(), loss
            length = lr * (min(1.0, 1.0 / float(abs(gradient).sum())) if state["n_iter"] == 1 else 1)
            slope = float(gradient @ direction)
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if search is not None:
                start = [p.array.copy() for p in self._params]
                loss, gradient, length, used = strong_wolfe(
                    partial(self._try, closure, start, direction), length, _largest(direction), loss, gradient, slope,
                    direction, max_ls=group["max_eval"] - evaluations,
                )  # fmt: skip
                self._move(length, direction)
            else:
                self._move(length, direction)
                if done != group["max_iter"]:  # the last evaluation would go unused
                    loss = float(closure())
                    gradient = self._flat_gradient()
                    used = 1
            evaluations += used
            state["func_evals"] += used
            if (
                done == group["max_iter"]
                or evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(direction * length) <= group["tolerance_change"]
                or abs(loss - previous_loss) < group["tolerance_change"]
            ):
                break
        if direction is not None:  # max_iter may be 0
            memory.store(state, direction, length, previous)
        if isinstance(group["lr"], Tensor):
            state["t"] = wrap(np.asarray(length, group["lr"].array.dtype))
        state["prev_loss"] = previous_loss
        return first_loss


def _largest(x: Any) -> float:
    return float(abs(x).max())


class _Memory:
    """The last steps and gradient changes, and the inverse curvature that they tell."""

    def __init__(self, state: dict[str, Any], size: int, kind: Any) -> None:
        self.size = size
        self.kind = kind  # the dtype it is stored in; half precision is computed in float32
        self.changes, self.steps = (_arrays(state.get(name) or []) for name in ("old_dirs", "old_stps"))
        self.inverse = [number(value) for value in state.get("ro") or []]
        self.scale = number(state.get("H_diag", 1))
        self.weights = [number(value) for value in state.get("al") or []]
        self.direction, self.gradient = (_array(state.get(name)) for name in ("d", "prev_flat_grad"))
        self.length = number(state.get("t"))

    def clear(self) -> None:
        """Forget everything."""
        self.changes, self.steps, self.inverse, self.scale = [], [], [], 1

    def add(self, change: Any, step: Any) -> None:
        """Remember a step and how it changed the gradient, if the curvature along it is positive."""
        curvature = float(change @ step)
        if curvature > 1e-10:
            if len(self.changes) == self.size:
                for past in (self.changes, self.steps, self.inverse):
                    past.pop(0)
            self.changes.append(change)
            self.steps.append(step)
            self.inverse.append(1.0 / curvature)
            self.scale = curvature / float(change @ change)

    def newton(self, gradient: Any) -> Any:
        """Minus the inverse Hessian times the gradient, by the two-loop recursion."""
        self.weights = self.weights or [None] * self.size
        q = -gradient
        for i in reversed(range(len(self.changes))):
            self.weights[i] = float(self.steps[i] @ q) * self.inverse[i]
            q -= self.changes[i] * self.weights[i]
        q *= self.scale
        for i in range(len(self.changes)):
            q += self.steps[i] * (self.weights[i] - float(self.changes[i] @ q) * self.inverse[i])
        return q

    def store(self, state: dict[str, Any], direction: Any, length: float, gradient: Any) -> None:
        """Put it into the optimizer's state, as PyTorch lays it out."""

        def tensors(*values: Any) -> list[Any]:
            xp = array_module(direction)
            return [None if value is None else wrap(xp.asarray(value).astype(self.kind)) for value in values]

        state["d"], state["prev_flat_grad"] = tensors(direction, gradient)
        state["t"] = length
        state["old_dirs"], state["old_stps"], state["ro"] = (
            tensors(*self.changes),
            tensors(*self.steps),
            tensors(*self.inverse),
        )
        state["H_diag"] = tensors(self.scale)[0] if self.changes else self.scale
        if self.weights:
            state["al"] = tensors(*self.weights)


def _array(value: Any) -> Any:
    array = value.array if isinstance(value, Tensor) else value
    return array.astype(np.float32) if array is not None and array.dtype in dtypes.HALF else array


def _arrays(values: list[Any]) -> list[Any]:
    return [_array(value) for value in values]
