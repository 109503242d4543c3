"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from framework.ops.joining import cat
from framework.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, one after the other, as a 1-d tensor."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the values of a vector, whose memory they then share."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, but got {type(vec).__name__}")
    start = 0
    for p in parameters:
        count = p.numel()
        p.data = vec.detach()[start : start + count].view(p.shape)
        start += count
