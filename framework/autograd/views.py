"""Views: tensors over another tensor's memory, and what an in-place write does to the histories of both.

A view remembers its base and the ops that take it from there. After an in-place write the written tensor's base gets a
new history (``ViewScatter``: the old base with the view's region replaced), and every view of that base takes its
history anew from the base when it is next used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.autocast import outside, region
from framework.autograd.autocast_lists import LISTED
from framework.autograd.mode import _enabled, enable_grad
from framework.autograd.op import OUTPUT, Op, _saved_hooks, apply, edge_of, record, sequence
from framework.errors import DtypeError, GraphError, ShapeError
from framework.tensor import Tensor, wrap

Step = tuple[type[Op], dict[str, Any]]


class View:
    """How a view is taken from its base."""

    __slots__ = ("base", "detached", "multiple", "stamp", "steps")

    def __init__(self, base: Tensor, steps: tuple[Step, ...], multiple: str | None = None) -> None:
        self.base = base
        self.steps = steps
        self.multiple = multiple  # the op's name, if it gave several views at once
        self.stamp = base._rebased

    def replay(self, base: Any) -> Any:
        """Take the same view of another tensor or array of the base's shape."""
        for op, params in self.steps:
            base = apply(op, base, **params)
        return base

    def refresh(self, tensor: Tensor) -> None:
        """Give a view the history that its base has had since an in-place write."""
        base = self.base
        if self.stamp == base._rebased:
            return
        self.stamp = base._rebased
        with enable_grad():
            fresh = self.replay(base)
        tensor._node, tensor._output_nr = fresh._node, fresh._output_nr
        tensor._requires_grad = fresh._requires_grad


def shares_memory(out: Any, source: Any) -> bool:
    """Whether NumPy or CuPy made ``out`` as a view of ``source`` (or gave ``source`` itself)."""
    return out is source or out.base is source or (source.base is not None and out.base is source.base)


def apply_view(op: type[Op], tensor: Any, **params: Any) -> Any:
    """Call a view op: the result shares its input's memory, version and, through the base, its history."""
    out = apply(op, tensor, **params)
    if isinstance(tensor, Tensor) and shares_memory(out.array, tensor.array):
        mark_view(out, tensor, ((op, params),))
    return out


def mark_view(out: Tensor, tensor: Tensor, steps: tuple[Step, ...], multiple: str | None = None) -> None:
    """Declare ``out`` a view that ``steps`` take from ``tensor``."""
    parent = tensor._view
    if parent is None:
        out._view = View(tensor, steps, multiple)
    else:
        out._view = View(parent.base, parent.steps + steps, multiple or parent.multiple)
    out._counter = tensor._shared_counter()


class ViewScatter(Op):
    """The base after a write into one of its views. Only its history: the memory is written already."""

    def backward(self, g: Any) -> Any:
        copy = _like(g, self.order)
        region = self.view.replay(copy)
        if isinstance(g, Tensor):
            return apply(Cleared, g, view=self.view, order=self.order), region
        gradient = region.copy()
        region[...] = 0
        return copy, gradient

    order: tuple[int, ...]
    view: View


class Cleared(Op):
    """A base's gradient with the region of a view set to zero. It is its own adjoint."""

    def forward(self, g: Any, view: View, order: tuple[int, ...]) -> Any:
        self.view, self.order = view, order
        copy = _like(g, order)
        view.replay(copy)[...] = 0
        return copy

    def backward(self, g: Any) -> Any:
        return apply(Cleared, g, view=self.view, order=self.order)


def _like(g: Any, order: tuple[int, ...]) -> Any:
    """A copy of a gradient whose memory runs in the base's axis order, so that the view can be taken of it."""
    inverse = tuple(int(i) for i in np.argsort(order))
    if isinstance(g, Tensor):
        return g.permute(order).clone(memory_format=None).permute(inverse)
    return g.transpose(order).copy(order="C").transpose(inverse)


def check_writable(tensor: Tensor, name: str) -> None:
    """Refuse an in-place write that would damage the graph or be lost.

    Raises:
        GraphError: the tensor is a leaf (or a view of one) that requires a gradient, one of several views made at
            once, or a copy that ``view`` had to make.
    """
    if tensor._detached_copy:
        raise GraphError(
            f"{name}: this tensor is a copy that view() had to make of channels-last memory, so the write would not "
            "reach the original; write into the original, or call contiguous() first"
        )
    array = tensor.array
    if (
        0 in array.strides
        and array.size
        and any(s == 0 < n - 1 for s, n in zip(array.strides, array.shape, strict=True))
    ):
        raise GraphError(
            f"{name}: an expanded tensor has several elements that refer to a single memory location; clone() it first"
        )
    if not _enabled.get():
        return
    if tensor.requires_grad:
        if tensor._node is None:
            raise GraphError(
                f"{name}: a leaf tensor that requires grad is being used in an in-place operation; "
                "do it under no_grad(), or on a clone()"
            )
        view = tensor._view
        if view is not None and view.base._requires_grad and view.base._node is None:
            raise GraphError(
                f"{name}: a view of a leaf tensor that requires grad is being used in an in-place operation; "
                "do it under no_grad(), or on a clone()"
            )
        if view is not None and view.multiple:
            raise GraphError(
                f"{name}: this view is one of several that {view.multiple} returned, and such a view can't be modified "
                "in-place; use narrow or select, or clone() it first"
            )


def bump(tensor: Tensor, name: str) -> None:
    """Count an in-place write, so that a gradient that would read the overwritten value raises instead."""
    counter = tensor._shared_counter()
    counter[0] += 1
    counter[1] = name


def write(tensor: Tensor, result: Tensor, name: str, started: int | None = None, over: bool = False) -> Tensor:
    """Store an op's result in a tensor in place: memory, version and history. Returns the tensor.

    ``started`` is the sequence number before the op; what nodes younger than that saved of the old values is copied.
    ``over`` says that the result is in the tensor's memory already.
    """
    if result.array.shape != tensor.array.shape:
        raise ShapeError(
            f"{name}: output with shape {tuple(tensor.shape)} doesn't match the broadcast shape {tuple(result.shape)}; "
            "an in-place op can't grow its tensor"
        )
    if not dtypes.can_cast(result.dtype, tensor.dtype):
        raise DtypeError(f"{name}: result type {result.dtype} can't be cast to the desired output type {tensor.dtype}")
    if result.array.dtype != tensor.array.dtype:
        result = result.to(tensor.dtype)
    if result._node is not None and started is not None:
        _keep_old_values(tensor, result._node, started)
    if not over and result.array is not tensor.array:
        devices.store(tensor.array, ..., result.array)
    bump(tensor, name)
    if result._requires_grad:
        _keep_one_copy(tensor, result)
        rebase(tensor, result)
    return tensor


def _keep_old_values(tensor: Tensor, newest: Op, started: int) -> None:
    """Let the nodes of an in-place op hold a copy of the values that it is about to overwrite."""
    copy = None
    stack, seen = [newest], {newest}
    while stack:
        node = stack.pop()
        for position, tag in enumerate(node.tags if node.saved else ()):
            if tag is not None and tag[1] is tensor._counter and node.saved[position] is tensor.array:
                copy = tensor.array.copy(order="K") if copy is None else copy
                node.tags[position] = (tag[0], [0, ""], 0)
                node.saved = (*node.saved[:position], copy, *node.saved[position + 1 :])
        for edge in node.edges:
            if edge and isinstance(edge[0], Op) and edge[0].sequence > started and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])


def _keep_one_copy(tensor: Tensor, result: Tensor) -> None:
    """Let a node that saved its output hold the written memory instead of the temporary result."""
    node = result._node
    if node is None or not node.saved or node.unpack is not None:
        return
    counter = tensor._shared_counter()
    own = OUTPUT - result._output_nr
    for position, tag in enumerate(node.tags):
        if tag is not None and tag[0] == own:
            node.tags[position] = (own, counter, counter[0])
            node.saved = (*node.saved[:position], tensor.array, *node.saved[position + 1 :])


def rebase(tensor: Tensor, result: Tensor) -> None:
    """Give a tensor that was written in place the history of what was written, and its base too if it is a view."""
    view = tensor._view
    if view is None:
        tensor._node, tensor._output_nr, tensor._requires_grad = result._node, result._output_nr, True
        tensor._rebased += 1
        return
    base = view.base
    node = object.__new__(ViewScatter)
    node.saved = ()
    node.needs = [edge_of(base) if base._requires_grad else None, edge_of(result)]
    strides = base.array.strides
    node.order = tuple(sorted(range(base.array.ndim), key=lambda axis: -abs(strides[axis])))
    node.view = View(base, view.steps)
    node.view.base = None  # type: ignore[assignment]  # the node must not keep the base, whose history it is
    written = wrap(base.array)
    record(node, (base, result), [base.array, result.array], written, base.array)
    base._node, base._output_nr, base._requires_grad = written._node, 0, True
    base._rebased += 1


def inplace(function: Callable[..., Any], name: str, over: Callable[..., Any] | None = None) -> Callable[..., Tensor]:
    """The ``name_`` form of an op: compute, then store the result in the first argument.

    Args:
        over: the same function, with its result in a view of the first argument's memory: for an op whose gradient
            reads its output only. It saves a pass over the memory.
    """

    asks = getattr(function, "__name__", "") in LISTED

    def method(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if asks and region() is not None:
            return outside(method, input, *args, **kwargs)  # type: ignore[no-any-return]
        check_writable(input, name)
        if over is not None and _saved_hooks.get() is None:  # a hook may keep what it is given: not this memory
            return write(input, over(input, *args, **kwargs), name, over=True)
        started = next(sequence)
        return write(input, function(input, *args, **kwargs), name, started)

    method.__name__ = method.__qualname__ = name
    method.__wrapped__ = function  # type: ignore[attr-defined]  # gives it a signature
    method.__doc__ = f"``{name[:-1]}`` in place: stores the result in this tensor and returns it."
    return method
