"""Calling one node's gradient rule: on arrays, or on Tensors with their history, with what it gives made to fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd import anomaly
from framework.autograd.op import OUTPUT, Op, Tag
from framework.errors import GraphError, ShapeError
from framework.tensor import Tensor, wrap


def call(node: Op, gradients: list[Any], create_graph: bool) -> Any:
    """Run a node's rule, on arrays or (``create_graph``) on Tensors."""
    recorded = node
    if node.unpack is not None:
        node = _clone(node)
        node.saved = tuple(None if v is None else recorded.unpack(v).array for v in recorded.saved)
    if create_graph and node.saved:
        node = _with_tensors(node, recorded)
    if not anomaly.enabled():
        return node.backward(*gradients)
    try:
        results = node.backward(*gradients)
        if anomaly.checks_nan():
            _check_nan(node, results)
    except Exception as error:
        error.add_note(
            f"{node.name}: the gradient of the forward call at (most recent call last):\n"
            + ("".join(node.trace.format()) if node.trace else "(recorded before anomaly detection was switched on)")
        )
        raise
    return results


def raise_overwritten(node: Op, tag: Tag) -> None:
    """Refuse a rule that would read a value which an in-place op has overwritten since it was saved."""
    (now, writer, _), saved = tag[1], tag[2]
    error = GraphError(
        f"{node.name}: one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"{writer or 'an in-place op'} wrote into a value that {node.name} saved (version {now}, expected {saved}); "
        f"use the form of {writer or 'it'} that is not in-place, or clone() the value first"
    )
    if node.trace is not None:
        error.add_note("the forward call was (most recent call last):\n" + "".join(node.trace.format()))
    raise error


def _clone(node: Op) -> Op:
    clone = object.__new__(type(node))
    clone.__dict__.update(node.__dict__)
    clone.edges, clone.needs, clone.saved, clone.sequence = node.edges, node.needs, node.saved, node.sequence
    return clone


def _with_tensors(node: Op, recorded: Op) -> Op:
    """A copy of the node whose saved values are Tensors with their history, so that its rule is recorded."""
    clone = _clone(node)
    values = []
    for value, tag in zip(node.saved, recorded.tags, strict=True):
        source = tag[0] if tag is not None else 0
        if tag is None or (source >= 0 and node.edges[source] is None):
            values.append(value)  # a constant: rules take arrays and Tensors side by side
            continue
        edge = node.edges[source] if source >= 0 else (recorded, OUTPUT - source)
        values.append(_linked(value, edge))
    clone.saved = tuple(values)
    return clone


def _linked(array: Any, edge: Any) -> Tensor:
    if isinstance(edge[0], Tensor):
        return edge[0]
    tensor = as_tensor(array)
    tensor._node, tensor._output_nr, tensor._requires_grad = edge[0], edge[1], True
    return tensor


def fit(node: Op, g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes that broadcasting added to an input."""
    if not node.broadcasts:
        raise ShapeError(f"{node.name}: the gradient rule gave shape {tuple(g.shape)} for an input of shape {shape}")
    from framework.ops.reduction import sum_to_size

    return sum_to_size(g, shape)


def cast(g: Any, dtype: Any) -> Any:
    """The gradient in its input's dtype; a real input takes the real part of a complex gradient."""
    if (g.array if isinstance(g, Tensor) else g).dtype == dtype:
        return g
    from framework.ops.casting import cast_gradient

    return cast_gradient(g, dtype)


def as_tensor(g: Any) -> Tensor:
    """A gradient as a Tensor."""
    return g if isinstance(g, Tensor) else wrap(np.asarray(g) if isinstance(g, np.generic) else g)


def _check_nan(node: Op, results: Any) -> None:
    for number, g in enumerate(results if type(results) is tuple else (results,)):
        array = g.array if isinstance(g, Tensor) else g
        if array is not None and array.dtype.kind not in "iub" and bool((array != array).any()):
            raise GraphError(f"{node.name}: the gradient of input {number} returned nan values")
