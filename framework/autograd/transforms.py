"""``framework.func``: gradients as functions of functions, and batching by ``vmap``.

These compose by nesting. ``vmap`` calls the function once a row and stacks the results: right for every op, at the
price of the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from framework.autograd import engine, functional
from framework.autograd.mode import enable_grad
from framework.errors import ArgumentError, GraphError
from framework.ops.creation import zeros_like
from framework.ops.joining import stack
from framework.tensor import Tensor

Function = Callable[..., Any]


def _map(function: Function, tree: Any, *rest: Any) -> Any:
    """Apply a function to the leaves of nested tuples, lists and dicts."""
    if isinstance(tree, tuple | list):
        values = [_map(function, *items) for items in zip(tree, *rest, strict=True)]
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    if isinstance(tree, dict):
        return {key: _map(function, value, *[r[key] for r in rest]) for key, value in tree.items()}
    return function(tree, *rest)


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, tuple | list):
        return [leaf for item in tree for leaf in _leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in _leaves(item)]
    return [tree]


def _own(value: Any) -> Any:
    """A tensor of this transform's own, still part of any outer graph."""
    if not isinstance(value, Tensor):
        return value
    return value.view_as(value) if value.requires_grad else value.detach().requires_grad_()


def grad_and_value(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """A function that gives ``(gradient, value)`` of a one-element ``func`` (``(gradient, (value, aux))`` with aux)."""

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        outer = any(t.requires_grad for t in _leaves(args) if isinstance(t, Tensor))
        values = list(args)
        for place in places:
            values[place] = _map(_own, values[place])
        with enable_grad():
            result = func(*values, **kwargs)
            output, aux = result if has_aux else (result, None)
            if not isinstance(output, Tensor) or output.numel() != 1:
                raise GraphError("grad: expected the function to return a scalar tensor")
            chosen = [values[place] for place in places]
            wanted = [t for t in _leaves(chosen) if isinstance(t, Tensor)]
            found = (
                engine.grad([output], wanted, create_graph=True, allow_unused=True)
                if output.requires_grad
                else [None] * len(wanted)
            )
        keep = (lambda t: t) if outer else (lambda t: t.detach())
        gradients = iter([zeros_like(t) if g is None else keep(g) for g, t in zip(found, wanted, strict=True)])
        trees = tuple(_map(lambda t: next(gradients) if isinstance(t, Tensor) else t, c) for c in chosen)
        gradient = trees[0] if isinstance(argnums, int) else trees
        value = keep(output)
        return (gradient, (value, aux)) if has_aux else (gradient, value)

    return wrapper


def grad(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient of a one-element ``func`` with respect to its arguments ``argnums``.

    Example:
        >>> framework.func.grad(lambda x: x**3)(framework.tensor(2.0))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """``(outputs, vjp_function)``: the function takes a cotangent and gives the gradients of all primals."""
    outer = any(t.requires_grad for t in _leaves(primals) if isinstance(t, Tensor))
    own = _map(_own, primals)
    with enable_grad():
        result = func(*own)
    outputs, aux = result if has_aux else (result, None)

    def pullback(*cotangents: Any) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        wanted = [t for t in _leaves(own) if isinstance(t, Tensor)]
        pairs = [(o, g) for o, g in zip(_leaves(outputs), _leaves(given), strict=True) if o.requires_grad]
        recorded = outer or any(g.requires_grad for _, g in pairs)
        seeds = [g for _, g in pairs]
        found = engine.grad([o for o, _ in pairs], wanted, seeds, True, recorded, allow_unused=True)
        gradients = iter([zeros_like(t) if g is None else g for g, t in zip(found, wanted, strict=True)])
        return _map(lambda t: next(gradients) if isinstance(t, Tensor) else t, own)

    shown = outputs if outer else _map(lambda t: t.detach(), outputs)
    return (shown, pullback, aux) if has_aux else (shown, pullback)


def jvp(func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """``(outputs, J tangents)``."""
    outer = any(t.requires_grad for t in _leaves((primals, tangents)) if isinstance(t, Tensor))
    kept: list[Any] = []

    def plain(*args: Any) -> Any:
        result = func(*args)
        if has_aux:
            kept.append(result[1])
            return result[0]
        return result

    found = functional.jvp(plain, tuple(primals), tuple(tangents), create_graph=outer, strict=strict)
    return (*found, kept[0]) if has_aux else found


def jacrev(
    func: Function, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: Any = None
) -> Function:
    """A function that gives the Jacobian of ``func`` with respect to ``argnums``, row by row."""

    @wraps(func)
    def wrapper(*args: Any) -> Any:
        places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        kept: list[Any] = []

        def of_chosen(*chosen: Any) -> Any:
            values = list(args)
            for place, value in zip(places, chosen, strict=True):
                values[place] = value
            result = func(*values)
            if has_aux:
                kept.append(result[1])
                result = result[0]
            return result

        outer = any(t.requires_grad for t in _leaves(args) if isinstance(t, Tensor))
        chosen = tuple(args[place] for place in places)
        given = chosen[0] if isinstance(argnums, int) else chosen
        result = functional.jacobian(of_chosen, given, create_graph=outer)
        return (result, kept[0]) if has_aux else result

    return wrapper


def jacfwd(
    func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Function:
    """``jacrev``: the same matrix; rows are taken in reverse mode here.

    Args:
        randomness: accepted, for PyTorch's signature.
    """
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Function, argnums: int = 0) -> Function:
    """A function that gives the second derivatives of a one-element ``func``."""

    @wraps(func)
    def wrapper(*args: Any) -> Any:
        def of_one(x: Tensor) -> Any:
            values = list(args)
            values[argnums] = x
            return func(*values)

        return functional.hessian(of_one, args[argnums], create_graph=args[argnums].requires_grad)

    return wrapper


def vmap(
    func: Function, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: Any = None
) -> Function:
    """A function that maps ``func`` over a dim of its arguments and stacks the results.

    Args:
        in_dims: the dim to map over, for all arguments or one each (nested as they are); None passes one whole.
        out_dims: where the mapped dim goes in the results.
        randomness, chunk_size: accepted for PyTorch's signature.

    Raises:
        ArgumentError: no argument is mapped, or the mapped lengths differ.
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        dims = tuple(in_dims) if isinstance(in_dims, tuple | list) else (in_dims,) * len(args)
        spread = tuple(_spread(d, a) for d, a in zip(dims, args, strict=True))
        lengths = {t.shape[d] for d, t in zip(_leaves(spread), _leaves(args), strict=True) if d is not None}
        if len(lengths) != 1:
            why = f"mapped lengths differ: {sorted(lengths)}" if lengths else "got no argument to map over"
            raise ArgumentError(f"vmap: {why}")

        def row(i: int) -> Any:
            pairs = zip(args, spread, strict=True)
            return func(*[_map(lambda t, d: t if d is None else t.select(d, i), a, s) for a, s in pairs], **kwargs)

        rows = [row(i) for i in range(lengths.pop())]
        if not rows:
            raise ArgumentError("vmap: the mapped dim is empty")
        ends = _spread(out_dims, rows[0])
        return _map(lambda end, *values: values[0] if end is None else stack(values, end), ends, *rows)

    return wrapper


def _spread(dims: Any, tree: Any) -> Any:
    """One dim a leaf: a single number stands for a whole tree, and what is no tensor is never mapped."""
    if isinstance(dims, tuple | list | dict):
        pairs = dims.items() if isinstance(dims, dict) else enumerate(dims)
        if isinstance(tree, dict):
            return {key: _spread(d, tree[key]) for key, d in pairs}
        values = [_spread(d, tree[key]) for key, d in pairs]
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    return _map(lambda leaf: dims if isinstance(leaf, Tensor) else None, tree)
