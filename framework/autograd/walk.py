"""The walk of a backward pass: gradients flow from the outputs to the leaves, newest op first.

A node is numbered when it is recorded, so every consumer of its result has a greater number than its own. Taking the
greatest number first therefore visits a node only when its gradient is complete: a heap is all the order there is, and
no recursion. Gradients are dropped as they are consumed, and added in place only into sums that the pass made itself.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from framework import devices
from framework.autograd import anomaly
from framework.autograd.mode import _enabled
from framework.autograd.op import FREED, Op
from framework.autograd.rules import as_tensor, call, cast, fit, raise_overwritten
from framework.devices import array_module
from framework.errors import GraphError
from framework.kernels.memory import is_whole
from framework.kernels.registry import LARGE, choose
from framework.tensor import Tensor, wrap

Key = Any  # a leaf tensor, or (node, output number)


def run(
    roots: list[tuple[Tensor, Any]], create_graph: bool, retain_graph: bool, wanted: dict[Key, Tensor] | None
) -> dict[Key, Any]:
    """Walk the graph. With ``wanted``, return the gradients of those keys and touch no ``.grad``; else accumulate."""
    walk = Walk(create_graph, retain_graph, wanted)
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
        with devices.returning():
            walk.drain()
    finally:
        _enabled.reset(token)
    return walk.found


class Walk:
    """The state of one backward pass."""

    def __init__(self, create_graph: bool, retain_graph: bool, wanted: dict[Key, Tensor] | None) -> None:
        self.create_graph = create_graph
        self.retain_graph = retain_graph
        self.wanted = wanted
        self.useful: set[Op] = set()
        self.found: dict[Key, Any] = {}
        self.heap: list[tuple[int, Op]] = []
        self.pending: dict[Op, list[Any]] = {}
        self.sums: set[int] = set()  # ids of live sums that this pass made: they may be added to in place
        self.hooked: dict[Tensor, Any] = {}

    def push(self, node: Op, number: int, g: Any, fresh: bool = False) -> None:
        """Add a gradient to a node's output. A fresh one belongs to nobody else, and may be written to."""
        slots = self.pending.get(node)
        if slots is None:
            self.pending[node] = slots = [None] * node.outputs
            heappush(self.heap, (-node.sequence, node))
        slots[number] = g if slots[number] is None else self.add(slots[number], g, fresh)

    def add(self, total: Any, g: Any, fresh: bool) -> Any:
        if self.create_graph:
            return total + g
        own = total if id(total) in self.sums else g if fresh else None
        if total.size >= LARGE:
            result = choose("elementwise", total, g).add(total, g, own)
        elif own is None:
            result = total + g
        else:
            own += g if own is total else total
            result = own
        if result is total:
            return total
        total = result
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
            accumulate(tensor, g, self.create_graph)

    def drain(self) -> None:
        """Take node after node, newest first, until no gradient is pending."""
        heap, pending, sums, useful, wanted = self.heap, self.pending, self.sums, self.useful, self.wanted
        create_graph, retain_graph = self.create_graph, self.retain_graph
        plain = not create_graph and not anomaly.enabled()
        several = devices.several
        next_gradients: list[Any] = []
        following: Op | None = None  # the node that is next for certain: in a chain nothing else is pending
        while heap or following is not None:
            if following is None:
                node = heappop(heap)[1]
                gradients = pending.pop(node)
            else:
                node, gradients, following = following, next_gradients, None
            if several:
                devices.turn_to(gradients)
            if sums:
                for g in gradients:
                    sums.discard(id(g))
            if node.hooks:
                _run_hooks(node, gradients, create_graph)
            if wanted is not None:
                for number, g in enumerate(gradients):
                    if g is not None and (node, number) in wanted:
                        self.found[node, number] = g
                if node not in useful:
                    continue
            saved = node.saved
            if saved is FREED:
                raise GraphError(
                    f"{node.name}: trying to backward through the graph a second time, but what it saved was freed by "
                    "the first pass; pass retain_graph=True to the first one"
                )
            if saved:
                for tag in node.tags:
                    if tag is not None and tag[1][0] != tag[2]:
                        raise_overwritten(node, tag)
            if plain and node.unpack is None:
                results = node.backward(*gradients)
            else:
                results = call(node, gradients, create_graph)
            if type(results) is not tuple:
                results = (results,)
            if len(results) != len(node.edges):
                raise GraphError(f"{node.name}: the rule gave {len(results)} gradients for {len(node.edges)} inputs")
            for edge, g in zip(node.edges, results):
                if edge is None or g is None:
                    continue
                target, number, shape, dtype = edge
                if g.shape != shape:
                    g = fit(node, g, shape)
                if (g.array.dtype if create_graph else g.dtype) is not dtype:
                    g = cast(g, dtype)
                if isinstance(target, Op):
                    if wanted is None or target in useful or (target, number) in wanted:
                        if following is not None:
                            self.push(following, 0, next_gradients[0])
                            following = None
                        elif not heap and target.outputs == 1:
                            following, next_gradients = target, [g]
                            continue
                        self.push(
                            target, number, g, plain and target in pending and _is_fresh(node, g, gradients, results)
                        )
                elif plain and wanted is None and target._grad is None and _is_fresh(node, g, gradients, results):
                    self.keep(target, g)
                else:
                    self.leaf(target, g)
            if not retain_graph:
                if not node.bare:
                    node.release()
                elif saved:  # all there is to release
                    node.saved = FREED
        for tensor, g in self.hooked.items():
            _finish_hooked(tensor, g, create_graph)

    def keep(self, tensor: Tensor, g: Any) -> None:
        """Let a leaf have an array that the rule made for it alone, without a copy."""
        if tensor._hooks or tensor._post_hooks:
            self.leaf(tensor, g)
        else:
            tensor._grad = wrap(g)


def _is_fresh(node: Op, g: Any, gradients: list[Any], results: tuple[Any, ...]) -> bool:
    """Whether a rule made this array for one edge alone: not the gradient passed on, no view, not given twice."""
    if not node.gives_fresh or not is_whole(g) or not g.ndim:
        return False
    for other in gradients:
        if other is g:
            return False
    times = 0
    for other in results:
        if other is g:
            times += 1
    return times == 1


def accumulate(tensor: Tensor, g: Any, create_graph: bool) -> None:
    """Add a gradient to a leaf's ``.grad``, in memory of its own."""
    current = tensor._grad
    if create_graph:
        tensor._grad = as_tensor(g) if current is None else current + g
    elif current is None:
        g = g.array if isinstance(g, Tensor) else g
        tensor._grad = wrap(array_module(g).array(g, order="K"))
    elif current._requires_grad:
        tensor._grad = current + as_tensor(g)
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
        result = hook(as_tensor(g))
        if result is not None:
            gradients[number] = result if create_graph else result.array


def _finish_hooked(tensor: Tensor, g: Any, create_graph: bool) -> None:
    for hook in list((tensor._hooks or {}).values()):
        result = hook(as_tensor(g))
        if result is not None:
            g = result if create_graph else result.array
    accumulate(tensor, g, create_graph)
    for hook in list((tensor._post_hooks or {}).values()):
        hook(tensor)


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
