"""The backward pass: gradients flow from the outputs to the leaves, newest op first.

A node is numbered when it is recorded, so every consumer of its result has a greater number than its own. Taking the
greatest number first therefore visits a node only when its gradient is complete: a heap is all the order there is, and
no recursion. Gradients are dropped as they are consumed, and added in place only into sums that the pass made itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from framework.autograd import anomaly
from framework.autograd.mode import _enabled, is_grad_enabled
from framework.autograd.op import OUTPUT, Op, Tag
from framework.devices import array_module
from framework.errors import GraphError, ShapeError
from framework.tensor import Tensor, wrap

Key = Any  # a leaf tensor, or (node, output number)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Accumulate into ``.grad`` of the leaves the gradient of ``sum(t * g)`` over ``tensors`` and ``grad_tensors``.

    Args:
        tensors: what to differentiate.
        grad_tensors: the gradient of each of ``tensors``, of its shape; None stands for 1 and needs one element.
        retain_graph: keep what the ops saved, so that a second pass is possible; ``create_graph`` unless given.
        create_graph: record the gradients themselves, for gradients of gradients.
        inputs: accumulate into these tensors only.
    """
    roots = _roots(tensors, grad_tensors, create_graph, "backward")
    wanted = None
    if inputs is not None:
        inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        if not inputs:
            raise GraphError("backward: inputs is empty; leave it out to accumulate into every leaf")
        wanted = {key_of(t): t for t in inputs}
    found = run(roots, create_graph, create_graph if retain_graph is None else retain_graph, wanted)
    if wanted is not None:
        for key, gradient in found.items():
            _accumulate(wanted[key], gradient, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, as new tensors; ``.grad`` stays as it is.

    Raises:
        GraphError: an input took no part in the outputs, and neither ``allow_unused`` nor ``materialize_grads`` is on.

    Example:
        >>> x = framework.tensor(3.0, requires_grad=True)
        >>> framework.autograd.grad(x**2, x)
        (tensor(6.),)
    """
    if is_grads_batched:
        outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
        batched = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
        rows = [
            grad(outputs, inputs, [g[i] for g in batched], True, create_graph, allow_unused, False, materialize_grads)
            for i in range(len(batched[0]))
        ]
        return tuple(None if column[0] is None else _stack(column) for column in zip(*rows, strict=True))
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    for number, t in enumerate(inputs):
        if not t.requires_grad:
            raise GraphError(f"grad: inputs[{number}] does not require grad; call requires_grad_() on it before the ops")
    roots = _roots(outputs, grad_outputs, create_graph, "grad")
    wanted = {key_of(t): t for t in inputs}
    found = run(roots, create_graph, create_graph if retain_graph is None else retain_graph, wanted)
    results: list[Tensor | None] = []
    for number, t in enumerate(inputs):
        gradient = found.get(key_of(t))
        if gradient is None:
            if materialize_grads:
                gradient = array_module(t.array).zeros_like(t.array)
            elif not allow_unused:
                raise GraphError(
                    f"grad: inputs[{number}] appears to not have been used in the graph; pass allow_unused=True if that "
                    "is meant"
                )
        results.append(None if gradient is None else _as_tensor(gradient))
    return tuple(results)


def _stack(tensors: Sequence[Any]) -> Tensor:
    from framework.ops.joining import stack

    return stack(tensors)


def key_of(tensor: Tensor) -> Key:
    """What names a tensor in the graph: the leaf itself, or the node's output."""
    node = tensor.grad_fn
    return tensor if node is None else (node, tensor._output_nr)


def _roots(tensors: Any, seeds: Any, create_graph: bool, who: str) -> list[tuple[Tensor, Any]]:
    tensors = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    seeds = (seeds,) if seeds is None or isinstance(seeds, Tensor) else tuple(seeds)
    if len(seeds) == 1 and seeds[0] is None:
        seeds = (None,) * len(tensors)
    if len(seeds) != len(tensors):
        raise GraphError(f"{who}: got {len(tensors)} tensors and {len(seeds)} gradients for them; give one each")
    roots = []
    for number, (t, seed) in enumerate(zip(tensors, seeds, strict=True)):
        if not t.requires_grad:
            raise GraphError(
                f"{who}: element {number} of tensors does not require grad and does not have a grad_fn; "
                "was it computed under no_grad(), detached, or from data alone?"
            )
        if seed is None:
            if t.array.size != 1:
                raise GraphError(
                    f"{who}: grad can be implicitly created only for scalar outputs, got shape {tuple(t.shape)}; "
                    "reduce it with .sum() or .mean(), or pass the gradient"
                )
            seed = array_module(t.array).ones_like(t.array)
            seed = wrap(seed) if create_graph else seed
        else:
            if seed.shape != t.array.shape:
                raise ShapeError(
                    f"{who}: mismatch in shape: the gradient of element {number} has shape {tuple(seed.shape)}, "
                    f"its tensor {tuple(t.shape)}"
                )
            seed = seed if create_graph else seed.array
        roots.append((t, seed))
    return roots


def run(roots: list[tuple[Tensor, Any]], create_graph: bool, retain_graph: bool, wanted: dict[Key, Tensor] | None) -> Any:
    """Walk the graph. With ``wanted``, return the gradients of those keys and touch no ``.grad``; else accumulate."""
    walk = _Walk(create_graph, retain_graph, wanted)
    token = _enabled.set(create_graph)
    try:
        for tensor, seed in roots:
            node = tensor._node
            if node is None:
                walk.leaf(tensor, seed)
            else:
                walk.push(node, tensor._output_nr, seed)
        if wanted is not None:
            walk.useful = _leading_to(wanted, [t._node for t, _ in roots if t._node is not None])
        walk.drain()
    finally:
        _enabled.reset(token)
    return walk.found


class _Walk:
    """The state of one backward pass."""

    def __init__(self, create_graph: bool, retain_graph: bool, wanted: dict[Key, Tensor] | None) -> None:
        self.create_graph = create_graph
        self.retain_graph = retain_graph
        self.wanted = wanted
        self.useful: set[Op] | None = None
        self.found: dict[Key, Any] = {}
        self.heap: list[tuple[int, Op]] = []
        self.pending: dict[Op, list[Any]] = {}
        self.sums: set[int] = set()  # ids of live sums that this pass made: they may be added to in place
        self.hooked: dict[Tensor, Any] = {}

    def push(self, node: Op, number: int, g: Any) -> None:
        """Add a gradient to a node's output."""
        slots = self.pending.get(node)
        if slots is None:
            self.pending[node] = slots = [None] * node.outputs
            heappush(self.heap, (-node.sequence, node))
        slots[number] = g if slots[number] is None else self.add(slots[number], g)

    def add(self, total: Any, g: Any) -> Any:
        if self.create_graph:
            return total + g
        if id(total) in self.sums:
            total += g
            return total
        total = total + g
        if total.ndim:  # a 0-d sum is a NumPy scalar, which can't be added to in place
            self.sums.add(id(total))
        return total

    def leaf(self, tensor: Tensor, g: Any) -> None:
        """A gradient arrived at a leaf."""
        if self.wanted is not None:
            if tensor in self.wanted:
                self.found[tensor] = g if tensor not in self.found else self.found[tensor] + g
        elif tensor._hooks or tensor._post_hooks:
            self.hooked[tensor] = g if tensor not in self.hooked else self.hooked[tensor] + g
        else:
            _accumulate(tensor, g, self.create_graph)

    def drain(self) -> None:
        """Take node after node, newest first, until no gradient is pending."""
        heap, pending, sums, useful, wanted = self.heap, self.pending, self.sums, self.useful, self.wanted
        create_graph, retain_graph, push = self.create_graph, self.retain_graph, self.push
        plain = not create_graph and not anomaly.enabled()
        while heap:
            node = heappop(heap)[1]
            gradients = pending.pop(node)
            if sums:
                for g in gradients:
                    sums.discard(id(g))
            if node.hooks:
                _run_hooks(node, gradients, create_graph)
            if wanted is not None:
                for number, g in enumerate(gradients):
                    if g is not None and (node, number) in wanted:
                        self.found[node, number] = g
                if useful is not None and node not in useful:
                    continue
            if node.freed:
                raise GraphError(
                    f"{node.name}: trying to backward through the graph a second time, but what it saved was freed by "
                    "the first pass; pass retain_graph=True to the first one"
                )
            if node.saved:
                for tag in node.tags:
                    if tag is not None and tag[1][0] != tag[2]:
                        _raise_overwritten(node, tag)
            if plain and node.unpack is None:
                results = node.backward(*gradients)
            else:
                results = _call(node, gradients, create_graph)
            if type(results) is not tuple:
                results = (results,)
            edges = node.edges
            if len(results) != len(edges):
                raise GraphError(f"{node.name}: the gradient rule gave {len(results)} gradients for {len(edges)} inputs")
            for edge, g in zip(edges, results, strict=True):
                if edge is None or g is None:
                    continue
                target, number, shape, dtype = edge
                if g.shape != shape:
                    g = _fit(node, g, shape)
                if (g.array.dtype if create_graph else g.dtype) != dtype:
                    g = _cast(g, dtype)
                if isinstance(target, Op):
                    if useful is None or target in useful or (wanted is not None and (target, number) in wanted):
                        push(target, number, g)
                elif plain and wanted is None and target._grad is None and _is_fresh(node, g, gradients, results):
                    self.keep(target, g)
                else:
                    self.leaf(target, g)
            if not retain_graph:
                node.release()
        for tensor, g in self.hooked.items():
            _finish_hooked(tensor, g, create_graph)

    def keep(self, tensor: Tensor, g: Any) -> None:
        """Let a leaf have an array that the rule made for it alone, without a copy."""
        if tensor._hooks or tensor._post_hooks:
            self.leaf(tensor, g)
        else:
            tensor._grad = wrap(g)


def _call(node: Op, gradients: list[Any], create_graph: bool) -> Any:
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


def _raise_overwritten(node: Op, tag: Tag) -> None:
    (now, writer), saved = tag[1], tag[2]
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
    for slot in ("edges", "freed", "hooks", "needs", "outputs", "saved", "sequence", "trace", "unpack"):
        setattr(clone, slot, getattr(node, slot))
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
    tensor = _as_tensor(array)
    tensor._node, tensor._output_nr, tensor._requires_grad = edge[0], edge[1], True
    return tensor


def _fit(node: Op, g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes that broadcasting added to an input."""
    if not node.broadcasts:
        raise ShapeError(f"{node.name}: the gradient rule gave shape {tuple(g.shape)} for an input of shape {shape}")
    from framework.ops.reduction import sum_to_size

    return sum_to_size(g, shape)


def _cast(g: Any, dtype: Any) -> Any:
    """The gradient in its input's dtype; a real input takes the real part of a complex gradient."""
    from framework.ops.casting import cast_gradient

    return cast_gradient(g, dtype)


def _is_fresh(node: Op, g: Any, gradients: list[Any], results: tuple[Any, ...]) -> bool:
    """Whether a rule made this array for one edge alone: not the gradient passed on, no view, not given twice."""
    if not node.gives_fresh or g.base is not None or not g.ndim or any([g is other for other in gradients]):
        return False
    return sum([g is other for other in results]) <= 1


def _as_tensor(g: Any) -> Tensor:
    return g if isinstance(g, Tensor) else wrap(np.asarray(g) if isinstance(g, np.generic) else g)


def _accumulate(tensor: Tensor, g: Any, create_graph: bool) -> None:
    current = tensor._grad
    if create_graph:
        tensor._grad = _as_tensor(g) if current is None else current + g
    elif current is None:
        g = g.array if isinstance(g, Tensor) else g
        tensor._grad = wrap(array_module(g).array(g, order="K"))
    elif current._requires_grad:
        tensor._grad = current + _as_tensor(g)
    else:
        current.array[...] += g.array if isinstance(g, Tensor) else g
        current._shared_counter()[0] += 1


def _run_hooks(node: Op, gradients: list[Any], create_graph: bool) -> None:
    hooks = node.hooks or {}
    retained = [value for key, value in hooks.items() if isinstance(key, str)]
    for number, hook in [value for key, value in hooks.items() if not isinstance(key, str)] + retained:
        g = gradients[number]
        if g is None:
            continue
        result = hook(_as_tensor(g))
        if result is not None:
            gradients[number] = result if create_graph else result.array


def _finish_hooked(tensor: Tensor, g: Any, create_graph: bool) -> None:
    for hook in list((tensor._hooks or {}).values()):
        result = hook(_as_tensor(g))
        if result is not None:
            g = result if create_graph else result.array
    _accumulate(tensor, g, create_graph)
    for hook in list((tensor._post_hooks or {}).values()):
        hook(tensor)


def _check_nan(node: Op, results: Any) -> None:
    for number, g in enumerate(results if type(results) is tuple else (results,)):
        array = g.array if isinstance(g, Tensor) else g
        if array is not None and array.dtype.kind not in "iub" and bool((array != array).any()):
            raise GraphError(f"{node.name}: the gradient of input {number} returned nan values")


def _leading_to(wanted: dict[Key, Tensor], roots: list[Op]) -> set[Op]:
    """The nodes from which a wanted tensor can be reached."""
    seen: set[Op] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack.extend(edge[0] for edge in node.edges if edge and isinstance(edge[0], Op))
    useful: set[Op] = set()
    for node in sorted(seen, key=lambda n: n.sequence):  # inputs before their consumers
        for edge in node.edges:
            if edge and (edge[0] in useful or edge[0] in wanted or (edge[0], edge[1]) in wanted):
                useful.add(node)
                break
    return useful


__all__ = ["backward", "grad", "is_grad_enabled", "key_of", "run"]
