"""Differentiation: ``backward`` accumulates into ``.grad``, ``grad`` returns gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework import devices
from framework.autograd.rules import as_tensor
from framework.autograd.walk import Key, accumulate, run
from framework.devices import array_module
from framework.errors import GraphError, ShapeError
from framework.tensor import Tensor, wrap


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate into ``.grad`` of the leaves the gradient of ``sum(t * g)`` over ``tensors`` and ``grad_tensors``.

    Args:
        tensors: what to differentiate.
        grad_tensors: the gradient of each of ``tensors``, of its shape; None stands for 1 and needs one element.
        retain_graph: keep what the ops saved, so that a second pass is possible; ``create_graph`` unless given.
        create_graph: record the gradients themselves, for gradients of gradients.
        grad_variables: ``grad_tensors`` under its older name.
        inputs: accumulate into these tensors only.
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise GraphError(
                "backward: grad_tensors and grad_variables are two names of one argument; pass grad_tensors"
            )
        grad_tensors = grad_variables
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
            accumulate(wanted[key], gradient, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, as new tensors; ``.grad`` stays as it is.

    Args:
        only_inputs: accepted; gradients are for ``inputs`` alone.

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
            grad(
                outputs,
                inputs,
                [g[i] for g in batched],
                True,
                create_graph,
                True,
                allow_unused,
                False,
                materialize_grads,
            )
            for i in range(len(batched[0]))
        ]
        return tuple(None if column[0] is None else _stack(column) for column in zip(*rows, strict=True))
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    for number, t in enumerate(inputs):
        if not t.requires_grad:
            raise GraphError(f"grad: inputs[{number}] does not require grad; call requires_grad_() before the ops")
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
                    f"grad: inputs[{number}] appears to not have been used in the graph; pass allow_unused=True if "
                    "that is meant"
                )
        results.append(None if gradient is None else as_tensor(gradient))
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
            ones = array_module(t.array).ones_like
            seed = devices.there("backward", ones, (t.array,), {}) if devices.several else ones(t.array)
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
