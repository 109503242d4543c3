"""View ops whose results are copies, under PyTorch's ``_copy`` names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.ops.casting import into
from framework.ops.diagonals import diagonal
from framework.ops.memory import clone, contiguous_format
from framework.ops.shape import expand, permute, squeeze, t, transpose, unsqueeze, view
from framework.ops.slices import as_strided, narrow, select, sliced, unfold
from framework.ops.splitting import split, split_with_sizes, unbind


def _copy(result: Any, out: Any) -> Any:
    y = clone(result, memory_format=contiguous_format)
    return y if out is None else into(out, y)


def alias_copy(input: Any, *, out: Any = None) -> Any:
    """A copy of the tensor."""
    return _copy(input, out)


detach_copy = alias_copy


def as_strided_copy(input: Any, size: Any, stride: Any, storage_offset: int | None = None, *, out: Any = None) -> Any:
    """A copy of what ``as_strided`` shows."""
    return _copy(as_strided(input, size, stride, storage_offset), out)


def diagonal_copy(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1, *, out: Any = None) -> Any:
    """A copy of the diagonal of two dims."""
    return _copy(diagonal(input, offset, dim1, dim2), out)


def expand_copy(input: Any, size: Any, *, implicit: bool = False, out: Any = None) -> Any:
    """A copy of the expanded tensor."""
    return _copy(expand(input, size), out)


def narrow_copy(input: Any, dim: int, start: int, length: int, *, out: Any = None) -> Any:
    """A copy of a range of a dim."""
    return _copy(narrow(input, dim, start, length), out)


def permute_copy(input: Any, dims: Any, *, out: Any = None) -> Any:
    """A copy with the dims in another order."""
    return _copy(permute(input, dims), out)


def select_copy(input: Any, dim: int, index: int, *, out: Any = None) -> Any:
    """A copy of one position of a dim."""
    return _copy(select(input, dim, index), out)


def slice_copy(
    input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1, *, out: Any = None
) -> Any:
    """A copy of ``[start:end:step]`` of a dim."""
    return _copy(sliced(input, dim, start, end, step), out)


def split_copy(input: Any, split_size: int, dim: int = 0, *, out: Any = None) -> Any:
    """Copies of the parts of a dim, of equal length."""
    return _copies(split(input, split_size, dim), out)


def split_with_sizes_copy(input: Any, split_sizes: Sequence[int], dim: int = 0, *, out: Any = None) -> Any:
    """Copies of the parts of a dim, of the lengths listed."""
    return _copies(split_with_sizes(input, split_sizes, dim), out)


def _copies(parts: Any, out: Any) -> Any:
    copies = tuple(clone(part, memory_format=contiguous_format) for part in parts)
    return copies if out is None else into(tuple(out), copies)


def squeeze_copy(input: Any, dim: Any = None, *, out: Any = None) -> Any:
    """A copy without length-1 dims."""
    return _copy(squeeze(input, dim), out)


def t_copy(input: Any, *, out: Any = None) -> Any:
    """A transposed copy of a matrix."""
    return _copy(t(input), out)


def transpose_copy(input: Any, dim0: int, dim1: int, *, out: Any = None) -> Any:
    """A copy with two dims swapped."""
    return _copy(transpose(input, dim0, dim1), out)


def unbind_copy(input: Any, dim: int = 0, *, out: Any = None) -> Any:
    """Copies of the tensors at each position of a dim."""
    return _copies(unbind(input, dim), out)


def unfold_copy(input: Any, dimension: int, size: int, step: int, *, out: Any = None) -> Any:
    """A copy of the sliding windows of a dim."""
    return _copy(unfold(input, dimension, size, step), out)


def unsqueeze_copy(input: Any, dim: int, *, out: Any = None) -> Any:
    """A copy with a length-1 dim inserted."""
    return _copy(unsqueeze(input, dim), out)


def view_copy(input: Any, size: Any = None, *, dtype: Any = None, out: Any = None) -> Any:
    """A copy in another shape, or of the bytes read as another dtype."""
    return _copy(view(input, dtype if dtype is not None else size), out)
