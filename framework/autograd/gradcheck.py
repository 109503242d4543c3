"""Gradients checked against finite differences, as a public tool: ``gradcheck`` and ``gradgradcheck``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.engine import grad
from framework.autograd.mode import enable_grad, no_grad
from framework.tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """A gradient that disagrees with the finite differences of its function."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
    **_unused: Any,
) -> bool:
    """Compare the gradient of ``func`` with central differences, for every input that requires one.

    Args:
        func: takes the inputs and gives a Tensor or a tuple of them.
        inputs: float64 or complex128 tensors are meant: in float32 the differences drown in rounding.
        eps: the step of the differences.
        atol, rtol: how far the two may differ.
        raise_exception: raise at the first disagreement rather than return False.
        nondet_tol: how far two runs of the gradient may differ.
        fast_mode: compare along one random direction rather than element by element.

    Raises:
        GradcheckError: where they disagree: which input and output, with both values.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        _check(func, inputs, eps, atol, rtol, nondet_tol, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Any = None,
    *,
    gen_non_contig_grad_outputs: bool = False,
    **options: Any,
) -> bool:
    """``gradcheck`` of the gradient itself, with respect to the inputs and to the gradients coming in.

    Args:
        grad_outputs: the incoming gradients; random ones unless given.
        gen_non_contig_grad_outputs: make the random ones non-contiguous.
        options: those of ``gradcheck``.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    with enable_grad():
        outputs = _differentiable(func(*inputs))
    if grad_outputs is None:
        generator = np.random.default_rng(0)
        grad_outputs = tuple(_random_like(o, generator, gen_non_contig_grad_outputs) for o in outputs)
    else:
        grad_outputs = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    places = [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]

    def gradient(*values: Any) -> tuple[Tensor, ...]:
        arguments, seeds = values[: len(inputs)], values[len(inputs) :]
        with enable_grad():
            outputs = _differentiable(func(*arguments))
            found = grad(outputs, [arguments[i] for i in places], seeds, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(gradient, (*inputs, *grad_outputs), **options)


def _random_like(tensor: Tensor, generator: np.random.Generator, scattered: bool) -> Tensor:
    shape = tensor.array.shape
    values = generator.standard_normal((*shape, 2) if scattered else shape)
    values = values[..., 0] if scattered else values
    if tensor.array.dtype.kind == "c":
        values = values + 1j * generator.standard_normal(shape)
    return wrap(_beside(np.asarray(values, tensor.array.dtype), tensor)).requires_grad_()


def _host(array: Any) -> Any:
    return devices.move(array, devices.CPU) if not isinstance(array, np.generic) else array


def _beside(array: Any, tensor: Tensor) -> Any:
    return devices.move(array, tensor.device)


def _differentiable(outputs: Any) -> tuple[Tensor, ...]:
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    return tuple(o for o in outputs if isinstance(o, Tensor) and o.requires_grad)


def _check(
    func: Callable[..., Any],
    inputs: tuple[Any, ...],
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    fast: bool,
) -> None:
    places = [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]
    if not places:
        raise ValueError("gradcheck: expects at least one input tensor to require gradient, but none of them does")
    for i in places:
        if 0 in inputs[i].array.strides and inputs[i].array.size > 1 and min(inputs[i].array.shape) > 1:
            raise GradcheckError(f"gradcheck: input {i} is expanded: its elements share memory; clone() it")
    with enable_grad():
        outputs = _differentiable(func(*inputs))
    if not outputs:
        numeric = _numeric(func, inputs, places, eps)
        if any(np.abs(np.asarray(j)).max(initial=0) > atol for row in numeric for j in row):
            raise GradcheckError("gradcheck: no output requires grad, but the outputs do depend on the inputs")
        return
    if fast:
        _check_direction(func, inputs, places, outputs, eps, atol, rtol)
        return
    jacobians = _numeric(func, inputs, places, eps)
    for number, output in enumerate(outputs):
        for unit in (1.0, 1j) if output.array.dtype.kind == "c" else (1.0,):
            for k in range(output.array.size):
                seed = np.zeros(output.array.shape, output.array.dtype)
                seed.flat[k] = unit
                wanted = [inputs[i] for i in places]
                seeds = [wrap(_beside(seed, output))]
                found = grad([output], wanted, seeds, retain_graph=True, allow_unused=True)
                again = grad([output], wanted, seeds, retain_graph=True, allow_unused=True) if k == 0 else found
                for place, g, g2, jacobian in zip(places, found, again, jacobians, strict=True):
                    tensor = inputs[place]
                    analytic = np.zeros(tensor.array.shape, tensor.array.dtype) if g is None else _host(g.array)
                    if g is not None and g.array.dtype != tensor.array.dtype:
                        raise GradcheckError(f"gradcheck: the gradient of input {place} has dtype {g.dtype}")
                    if (
                        g is not None
                        and g2 is not None
                        and np.abs(_host(g.array - g2.array)).max(initial=0) > nondet_tol
                    ):
                        raise GradcheckError(f"gradcheck: two runs gave different gradients for input {place}")
                    # L = Re(conj(seed) . output); its derivative along the real and the imaginary axis of each element
                    rows = (
                        np.conj(unit) * jacobian[number].reshape(*jacobian[number].shape[:2], output.array.size)[..., k]
                    ).real
                    expected = rows[:, 0] + (1j * rows[:, 1] if rows.shape[1] > 1 else 0)
                    expected = expected.reshape(tensor.array.shape)
                    if not np.allclose(analytic, expected, rtol=rtol, atol=atol, equal_nan=True):
                        raise GradcheckError(
                            f"gradcheck: the gradient of output {number}, element {k}, with respect to input {place} is\n"
                            f"{analytic}\nby backward, and\n{expected}\nby central differences"
                        )


def _is_floating(tensor: Tensor) -> bool:
    return dtypes.of(tensor.array).category >= dtypes.FLOATING


def _recorded(func: Callable[..., Any], inputs: tuple[Any, ...]) -> list[int]:
    """The numbers of the outputs that require grad."""
    with enable_grad():
        outputs = func(*inputs)
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    return [i for i, o in enumerate(outputs) if isinstance(o, Tensor) and o.requires_grad]


def _evaluate(func: Callable[..., Any], inputs: tuple[Any, ...], keep: list[int] | None) -> list[Any]:
    with no_grad():
        outputs = func(*inputs)
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    chosen = outputs if keep is None else [outputs[i] for i in keep]
    return [_host(o.array.copy()) for o in chosen if isinstance(o, Tensor) and _is_floating(o)]


def _numeric(func: Callable[..., Any], inputs: tuple[Any, ...], places: list[int], eps: float) -> list[list[Any]]:
    """For each input and output, d output / d input of shape (elements of input, 1 or 2 directions, *output shape)."""
    keep = _recorded(func, inputs) or None
    jacobians = []
    for place in places:
        array = inputs[place].array
        rows: list[list[list[Any]]] = []
        for index in np.ndindex(*array.shape):
            directions = []
            for step in (eps, 1j * eps) if array.dtype.kind == "c" else (eps,):
                value = array[index].copy()  # on a GPU it is a view
                array[index] = value + step
                above = _evaluate(func, inputs, keep)
                array[index] = value - step
                below = _evaluate(func, inputs, keep)
                array[index] = value
                directions.append([(a - b) / (2 * eps) for a, b in zip(above, below, strict=True)])
            rows.append(directions)
        count = len(_evaluate(func, inputs, keep))
        directions_count = 2 if array.dtype.kind == "c" else 1
        jacobians.append(
            [
                np.array([[d[o] for d in row] for row in rows])
                if rows
                else np.zeros((0, directions_count, *_evaluate(func, inputs, keep)[o].shape))
                for o in range(count)
            ]
        )
    return jacobians


def _check_direction(
    func: Callable[..., Any],
    inputs: tuple[Any, ...],
    places: list[int],
    outputs: tuple[Tensor, ...],
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    """<v, J u> by differences against <J^T v, u> by backward, for random u and v."""
    generator = np.random.default_rng(0)
    seeds = [_random_like(o, generator, False).detach() for o in outputs]
    steps = [_random_like(inputs[i], generator, False).array for i in places]
    found = grad(outputs, [inputs[i] for i in places], seeds, allow_unused=True)
    analytic = sum(
        float((np.conj(_host(g.array)) * _host(u)).sum().real)
        for g, u in zip(found, steps, strict=True)
        if g is not None
    )
    originals = [inputs[i].array.copy() for i in places]
    totals = []
    keep = _recorded(func, inputs)
    for sign in (1.0, -1.0):
        for i, original, u in zip(places, originals, steps, strict=True):
            inputs[i].array[...] = original + sign * eps * u
        values = _evaluate(func, inputs, keep)
        totals.append(sum(float((np.conj(_host(s.array)) * v).sum().real) for s, v in zip(seeds, values, strict=True)))
    for i, original in zip(places, originals, strict=True):
        inputs[i].array[...] = original
    numeric = (totals[0] - totals[1]) / (2 * eps)
    if not np.isclose(analytic, numeric, rtol=rtol, atol=atol * max(1, len(places))):
        raise GradcheckError(f"gradcheck: along a random direction backward gives {analytic}, differences {numeric}")
