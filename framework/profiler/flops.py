"""How many floating-point operations a product takes, from its shapes: a multiplication and an addition count two."""

from __future__ import annotations

from math import prod
from typing import Any


def flops_of(name: str, arrays: tuple[Any, ...], result: Any) -> int:
    """The operations of one op's forward; 0 for what is not counted: all but products, of recurrent layers too.

    A kernel is not counted, since its op is, unless a gradient rule calls it: the two gradients of a linear layer's weights.
    """
    if name.endswith("::gemm.weight_gradients"):  # (N, M) and (N, K) to (M, K)
        return 2 * prod(arrays[0].shape) * arrays[1].shape[-1]
    if name == "MatMul":
        return 2 * prod(result.shape) * arrays[0].shape[-1]
    if name == "Linear":
        return 2 * prod(result.shape) * arrays[1].shape[-1]
    if name == "Convolution":
        return 2 * prod(result.shape) * prod(arrays[1].shape[1:])
    if name == "ConvolutionTranspose":
        return 2 * prod(arrays[0].shape) * prod(arrays[1].shape[1:])
    if name == "WeightGradient":  # (Cout, Cin / groups, *kernel) for each place of the output's gradient
        return 2 * prod(arrays[0].shape) * prod(result.shape[1:])
    if name == "ScaledDotProductAttention":  # queries with keys, and weights with values
        return 2 * prod(result.shape[:-1]) * arrays[1].shape[-2] * (arrays[0].shape[-1] + result.shape[-1])
    if name == "Recurrent":  # each step's input and state, by their weights
        return 2 * arrays[0].shape[0] * (arrays[3].size + arrays[4].size)
    return 0
