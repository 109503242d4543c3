"""User-written differentiable functions, as PyTorch spells them: ``Function`` with ``forward`` and ``backward``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from framework.autograd.mode import enable_grad, is_grad_enabled, no_grad
from framework.autograd.op import FREED, Op, edge_of, record
from framework.autograd.views import bump, check_writable, rebase
from framework.devices import array_module
from framework.errors import GraphError
from framework.tensor import Tensor, wrap


class Context:
    """What ``forward`` leaves for ``backward``; ``ctx`` in both. Any attribute can be set on it."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Tensor | None, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._fixed: tuple[Tensor, ...] = ()
        self._materialize = True
        self._node: UserNode | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or other tensors for ``backward``, which finds them in ``saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward: takes tensors and None, got {type(t).__name__}; set other values as attributes"
                )
        self._saved = tensors

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors given to ``save_for_backward``."""
        node = self._node
        if node is None:
            return self._saved
        for t, version in zip(self._saved, node.saved_versions, strict=True):
            if t is not None and t._version != version:
                raise GraphError(
                    f"{node.name}: one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation ({t._shared_counter()[1]}); clone() it before saving, or use the form not in-place"
                )
        return tuple(node.relinked(t) for t in self._saved)

    def mark_dirty(self, *args: Tensor) -> None:
        """Declare inputs that ``forward`` wrote to in place; they must be among its outputs."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Declare outputs that have no gradient."""
        self._fixed = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (True) or None for outputs that took no part."""
        self._materialize = value

    @property
    def saved_variables(self) -> tuple[Tensor | None, ...]:
        """The old name of ``saved_tensors``."""
        return self.saved_tensors


class UserNode(Op):
    """The graph's node of a user-written function."""

    gives_fresh = False  # its author may hold on to what it returns

    context: Any
    function: Any
    shapes: tuple[Any, ...]
    saved_versions: tuple[int, ...]
    own_outputs: dict[int, int]

    def relinked(self, tensor: Tensor | None) -> Tensor | None:
        """A saved tensor; an output of this call gets its history back, which it is saved without to avoid a cycle."""
        number = self.own_outputs.get(id(tensor))
        if tensor is None or number is None:
            return tensor
        linked = wrap(tensor.array)
        linked._node, linked._output_nr, linked._requires_grad = self, number, True
        return linked

    def backward(self, *gradients: Any) -> Any:
        context = self.context
        if context._materialize:
            gradients = tuple(_zeros(s) if g is None else g for g, s in zip(gradients, self.shapes, strict=True))
        recorded = any(isinstance(g, Tensor) for g in gradients)
        given = tuple(g if g is None or isinstance(g, Tensor) else wrap(_array(g)) for g in gradients)
        context._node = self  # only now: a node that its context held on to would outlive its graph
        try:
            with enable_grad() if recorded else no_grad():
                found = self.function.backward(context, *given)
        finally:
            context._node = None
        found = found if isinstance(found, tuple) else (found,)
        count = len(context.needs_input_grad)
        if len(found) > count and any(g is not None for g in found[count:]):
            raise GraphError(f"{self.name}: backward returned {len(found)} gradients, expected {count}, one an input")
        found = found[:count] + (None,) * (count - len(found))
        for g in found:
            if g is not None and not isinstance(g, Tensor):
                raise TypeError(f"{self.name}: backward must return tensors or None, got {type(g).__name__}")
        chosen = [found[i] for i in self.places]
        return tuple(g if g is None or recorded else g.array for g in chosen)

    places: tuple[int, ...]

    def release(self) -> None:
        """Free the saved tensors; a function that saved none can be differentiated again."""
        if self.context._saved:
            self.saved = FREED
            self.context._saved = ()

    def __repr__(self) -> str:
        return f"<{self.name}Backward>"


def _array(g: Any) -> Any:
    return np.asarray(g) if isinstance(g, np.generic) else g


def _zeros(like: Any) -> Any:
    return like[0].zeros(like[1], like[2])


class Function:
    """A differentiable function with a gradient of your own.

    Subclass it with static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``, and call ``apply``. The other
    style, ``forward(*args)`` with ``setup_context(ctx, inputs, output)``, works too.

    Example:
        >>> class Exp(framework.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         y = x.exp()
        ...         ctx.save_for_backward(y)
        ...         return y
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         (y,) = ctx.saved_tensors
        ...         return g * y
        >>> Exp.apply(framework.tensor([0.0]))
        tensor([1.])
    """

    generate_vmap_rule = False

    def __init__(self, *_: Any, **__: Any) -> None:
        name = type(self).__name__
        raise GraphError(f"{name}: a Function is not called or instantiated; use {name}.apply")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs from the inputs."""
        raise NotImplementedError("Function: define a static method forward(ctx, *args)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save for ``backward``, where ``forward`` takes no ``ctx``."""
        raise NotImplementedError("Function: setup_context is not defined")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each input, from the gradient of each output."""
        raise NotImplementedError("Function: define a static method backward(ctx, *grads)")

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and record the call."""
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        context = Context(needs)
        with no_grad():
            if cls.setup_context is not Function.setup_context:
                results = cls.forward(*args, **kwargs)
                cls.setup_context(context, args, results)
            else:
                results = cls.forward(context, *args, **kwargs)
        outputs = results if isinstance(results, tuple) else (results,)
        recording = any(needs) and is_grad_enabled()
        for t in context._dirty:
            if recording:
                check_writable(t, cls.__name__)
            bump(t, cls.__name__)
        if recording:
            outputs = _record(cls, context, args, outputs)
        return outputs if isinstance(results, tuple) else outputs[0]


def _record(cls: type[Function], context: Context, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    # an input handed back is a new tensor over the same memory; one that was written in place takes its history below
    inputs = {id(a) for a in args if isinstance(a, Tensor)}
    written = outputs
    outputs = tuple(wrap(o.array) if isinstance(o, Tensor) and id(o) in inputs else o for o in outputs)
    tensors = tuple(o for o in outputs if isinstance(o, Tensor))
    node = object.__new__(UserNode)
    node.saved = ()
    node.places = tuple(i for i, a in enumerate(args) if isinstance(a, Tensor))
    node.needs = [edge_of(args[i]) if context.needs_input_grad[i] else None for i in node.places]
    node.context, node.function = context, cls
    node.name = cls.__name__  # type: ignore[misc]
    node.shapes = tuple((array_module(t.array), t.array.shape, t.array.dtype) for t in tensors)
    fixed = {id(t) for t in context._fixed}
    node.non_differentiable = tuple(i for i, t in enumerate(tensors) if id(t) in fixed)
    numbers = {id(t): i for i, t in enumerate(tensors)}
    saved = []
    node.own_outputs = {}
    for t in context._saved:
        if t is not None and id(t) in numbers and id(t) not in fixed:
            plain = wrap(t.array)
            plain._counter = t._shared_counter()
            node.own_outputs[id(plain)] = numbers[id(t)]
            t = plain
        saved.append(t)
    context._saved = tuple(saved)
    node.saved_versions = tuple(0 if t is None else t._version for t in saved)
    arrays = [args[i].array for i in node.places]
    record(node, [args[i] for i in node.places], arrays, tensors, tuple(t.array for t in tensors))
    dirty = {id(t) for t in context._dirty}
    for old, new in zip(written, outputs, strict=True):
        if id(old) in dirty:
            rebase(old, new)
    return tuple(old if id(old) in dirty else new for old, new in zip(written, outputs, strict=True))


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a ``backward`` that can't itself be differentiated: doing so raises."""

    @wraps(function)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            found = function(ctx, *grads)
        if not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return found
        results = found if isinstance(found, tuple) else (found,)
        marked = tuple(_Once.apply(g, *[x for x in grads if x is not None]) if g is not None else None for g in results)
        return marked if isinstance(found, tuple) else marked[0]

    return wrapper


class _Once(Function):
    """Passes a value on; its gradient is an error."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *_: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise GraphError("once_differentiable: trying to differentiate twice a function that was marked so")
