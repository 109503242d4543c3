"""Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from framework.autograd.engine import grad
from framework.autograd.mode import enable_grad
from framework.errors import ArgumentError, GraphError, ShapeError
from framework.ops.creation import ones_like, zeros, zeros_like
from framework.ops.joining import stack
from framework.tensor import Tensor, missing

Inputs = Tensor | Sequence[Tensor]


def _as_tuple(values: Any, who: str, what: str) -> tuple[tuple[Tensor, ...], bool]:
    single = isinstance(values, Tensor)
    found = (values,) if single else tuple(values)
    for i, t in enumerate(found):
        if not isinstance(t, Tensor):
            raise TypeError(f"{who}: {what} must be a Tensor or a tuple of them, but element {i} is {type(t).__name__}")
    return found, single


def _fresh(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    """The inputs as tensors of their own, so that gradients can be taken with respect to them."""
    return tuple(t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_() for t in inputs)


def _finish(values: Any, create_graph: bool) -> Any:
    if isinstance(values, tuple):
        return tuple(_finish(v, create_graph) for v in values)
    return values if create_graph else values.detach()


def _unpack(values: tuple[Any, ...], single: bool) -> Any:
    return values[0] if single else values


def _gradient(outputs: Any, inputs: Any, seeds: Any, create_graph: bool, strict: bool, who: str) -> tuple[Tensor, ...]:
    reachable = [(o, s) for o, s in zip(outputs, seeds, strict=True) if o.requires_grad]
    if strict and len(reachable) < len(outputs):
        raise GraphError(f"{who}: an output is independent of the inputs, which strict=True refuses")
    if not reachable:
        return tuple(zeros_like(t) for t in inputs)
    outputs, seeds = [o for o, _ in reachable], [s for _, s in reachable]
    found = grad(outputs, inputs, seeds, retain_graph=True, create_graph=create_graph, allow_unused=True)
    if strict and any(g is None for g in found):
        raise GraphError(f"{who}: an output is independent of an input, which strict=True refuses")
    return tuple(zeros_like(t) if g is None else g for g, t in zip(found, inputs, strict=True))


def _call(func: Callable[..., Any], inputs: tuple[Tensor, ...], who: str) -> tuple[tuple[Tensor, ...], bool]:
    return _as_tuple(func(*inputs), who, "what func returns")


def vjp(
    func: Callable[..., Any], inputs: Inputs, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of a vector with the Jacobian: ``v^T J``.

    Args:
        v: of the outputs' shapes; may be left out for a one-element output.
        create_graph: make the result differentiable.
        strict: raise where an output does not depend on an input, rather than give zeros.
    """
    with enable_grad():
        given, single = _as_tuple(inputs, "vjp", "inputs")
        fresh = _fresh(given, create_graph)
        outputs, single_output = _call(func, fresh, "vjp")
        seeds = _vectors(v, outputs, "vjp")
        products = _gradient(outputs, fresh, seeds, create_graph, strict, "vjp")
    return _unpack(_finish(outputs, create_graph), single_output), _unpack(_finish(products, create_graph), single)


def _vectors(v: Any, like: tuple[Tensor, ...], who: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise ArgumentError(f"{who}: the vector v can only be None if the function has one one-element result")
        return (ones_like(like[0]),)
    vectors, _ = _as_tuple(v, who, "v")
    for i, (a, b) in enumerate(zip(vectors, like, strict=True)):
        if a.shape != b.shape:
            raise ShapeError(f"{who}: v[{i}] has shape {tuple(a.shape)}, expected {tuple(b.shape)}")
    return vectors


def jvp(
    func: Callable[..., Any], inputs: Inputs, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of the Jacobian with a vector: ``J v``, by two backward passes."""
    with enable_grad():
        given, _ = _as_tuple(inputs, "jvp", "inputs")
        fresh = _fresh(given, create_graph)
        vectors = _vectors(v, fresh, "jvp")
        outputs, single_output = _call(func, fresh, "jvp")
        # the vector-Jacobian product is linear in its vector, and its derivative along that vector is J v
        seeds = tuple(zeros_like(o).requires_grad_() for o in outputs)
        back = _gradient(outputs, fresh, seeds, True, strict, "jvp")
        products = _gradient(back, seeds, vectors, create_graph, False, "jvp")
    results = (_finish(outputs, create_graph), _finish(products, create_graph))
    return _unpack(results[0], single_output), _unpack(results[1], single_output)


def jacobian(
    func: Callable[..., Any],
    inputs: Inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func``: for each output and input a tensor of shape (*output, *input).

    Args:
        vectorize, strategy: accepted for PyTorch's signature; rows are taken one by one in reverse mode.

    Example:
        >>> jacobian(lambda x: x**2, framework.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    with enable_grad():
        given, single = _as_tuple(inputs, "jacobian", "inputs")
        fresh = _fresh(given, create_graph)
        outputs, single_output = _call(func, fresh, "jacobian")
        blocks = []
        for output in outputs:
            rows = []
            for place in range(output.numel()):
                seed = zeros(output.numel(), dtype=output.dtype, device=output.device)
                seed[place] = 1
                seed = seed.reshape(output.shape)
                rows.append(_gradient((output,), fresh, (seed,), create_graph, strict, "jacobian"))
            columns = zip(*rows, strict=True) if rows else [()] * len(fresh)
            blocks.append(
                tuple(
                    (stack(column) if column else zeros(0, *t.shape)).reshape((*output.shape, *t.shape))
                    for column, t in zip(columns, fresh, strict=True)
                )
            )
    result = tuple(_unpack(_finish(block, create_graph), single) for block in blocks)
    return _unpack(result, single_output)


def hessian(
    func: Callable[..., Any],
    inputs: Inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a one-element ``func``: for inputs i and j a tensor of shape (*input_i, *input_j)."""
    single = isinstance(inputs, Tensor)

    def gradient(*values: Tensor) -> Any:
        output = _scalar(func(*values), "hessian")
        found = _gradient((output,), values, (ones_like(output),), True, strict, "hessian")
        return _unpack(found, single)

    return jacobian(gradient, inputs, create_graph, strict)


def _scalar(output: Any, who: str) -> Tensor:
    if not isinstance(output, Tensor) or output.numel() != 1:
        raise GraphError(f"{who}: the function must return a Tensor with a single element")
    return output


def vhp(
    func: Callable[..., Any], inputs: Inputs, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output of a one-element function, and the product of a vector with its Hessian."""
    with enable_grad():
        given, single = _as_tuple(inputs, "vhp", "inputs")
        fresh = _fresh(given, create_graph)
        vectors = _vectors(v, fresh, "vhp")
        output = _scalar(func(*fresh), "vhp")
        first = _gradient((output,), fresh, (ones_like(output),), True, strict, "vhp")
        products = _gradient(first, fresh, vectors, create_graph, strict, "vhp")
    return _finish(output, create_graph), _unpack(_finish(products, create_graph), single)


hvp = vhp  # a Hessian is symmetric: one product serves both names


def __getattr__(name: str) -> Any:
    missing("module 'framework.autograd.functional'", name, globals())
