"""Matrix products by cuBLAS: batches and operands as they lie in memory, bias and activation in the same kernel.

16-bit types are multiplied with sums in float32 and rounded once. float32 rounds to TF32 only where
``set_float32_matmul_precision`` allows it. cuBLASLt's GELU is the approximation by tanh, so the exact one is a kernel of
its own, as is every other activation but ReLU.

Not yet run on a GPU: checked on the host with a library of cuBLAS's interface (tests/gpu).
"""

from __future__ import annotations

from typing import Any

from framework.kernels.cublas import library as api
from framework.kernels.cublas.library import Handle, current
from framework.kernels.cublas.plans import fused, product
from framework.kernels.generic.activation import Activation
from framework.kernels.precision import products_round
from framework.kernels.registry import choose

NAME = "cublas"

_EPILOGUES: dict[Any, int] = {("relu",): api.EPILOGUE_RELU, ("gelu", True): api.EPILOGUE_GELU}


def declines(a: Any, b: Any) -> str | None:
    """None if it can serve ``a @ b``, else why not."""
    return None if a.dtype in api.TYPES else f"cuBLAS has no products of {a.dtype}"


def _tf32(x: Any) -> bool:
    return products_round(x.dtype) != "ieee"


def matmul(a: Any, b: Any) -> Any:
    """``a @ b`` over the last two axes, the leading ones broadcasting."""
    plan = product(a.shape, a.strides, b.shape, b.strides, a.dtype, _tf32(a))
    return plan.run(current(), a, b)


def linear(
    x: Any, weight: Any, bias: Any, activation: Activation | None = None, kept: dict[Any, Any] | None = None
) -> Any:
    """``x @ weight.T + bias`` for a matrix ``x``, then the activation; ``bias`` and ``activation`` may be None.

    Args:
        kept: a place for what is made of a weight that does not change, which cuBLAS has no use for.

    Shape:
        x (N, K), weight (M, K), bias (M,) -> (N, M).
    """
    handle, tf32 = current(), _tf32(x)
    within = _EPILOGUES.get(activation, 0)
    epilogue = within if bias is None else within | api.EPILOGUE_BIAS
    right = weight.T
    y = None
    if epilogue and x.size and weight.size and x.dtype.kind != "c":
        if bias is not None and bias.strides[0] != bias.itemsize:
            bias = handle.xp.ascontiguousarray(bias)
        y = fused(handle, x, right, tf32, epilogue, bias)
    if y is None:
        within = 0
        y = product(x.shape, x.strides, right.shape, right.strides, x.dtype, tf32).run(handle, x, right)
        if bias is not None:
            y += bias
    if activation is None or within:
        return y
    name, *params = activation
    return getattr(choose("activation", y, kind=name), name)(y, *params)


def weight_gradients(g: Any, x: Any) -> tuple[Any, Any]:
    """The gradients of a linear layer's weight and bias: ``g.T @ x``, and the sum of g's rows.

    Shape:
        g (N, M), x (N, K) -> (M, K), (M,).
    """
    handle, tf32 = current(), _tf32(g)
    left = g.T
    if g.size and x.size and g.dtype.kind != "c":
        sums = handle.xp.empty(g.shape[1], g.dtype)
        gw = fused(handle, left, x, tf32, api.EPILOGUE_BGRADB, sums)
        if gw is not None:
            return gw, sums
    gw = product(left.shape, left.strides, x.shape, x.strides, g.dtype, tf32).run(handle, left, x)
    return gw, _column_sums(handle, g)


def _column_sums(handle: Handle, g: Any) -> Any:
    """The sum of a matrix's rows, as a product with ones: it reads g once, and sums 16-bit types in float32."""
    ones = handle.xp.ones(g.shape[0], g.dtype)
    return product(ones.shape, ones.strides, g.shape, g.strides, g.dtype, False).run(handle, ones, g)
