"""Batches of sequences of different lengths: padded with a value, or packed step by step without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from framework import dtypes
from framework.errors import ArgumentError, ShapeError
from framework.nn.conversion import parse_to
from framework.ops.creation import full
from framework.ops.joining import stack
from framework.ops.padding import constant_pad_nd
from framework.ops.scatter import index_copy
from framework.ops.values import as_tensor
from framework.tensor import Tensor, missing, wrap


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Packed):
    """A batch of sequences, longest first, stored step by step. ``pack_padded_sequence`` makes one.

    Attributes:
        data: (sum of the lengths, ...): all first elements, then all second ones, and so on.
        batch_sizes: int64, on the CPU: how many sequences reach each step.
        sorted_indices: where each packed sequence stood in the batch; None if the batch was sorted.
        unsorted_indices: the inverse: where each sequence of the batch is packed.
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ArgumentError(
                "PackedSequence: batch_sizes should always be on CPU; make it with pack_padded_sequence()"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The data with another dtype or device; the packing follows to the device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        device, _, _, _ = parse_to(*args, **kwargs)
        moved = [
            t if t is None or device is None else t.to(device) for t in (self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(data, self.batch_sizes, *moved)

    def cpu(self) -> Self:
        """The sequence in main memory."""
        return self.to("cpu")

    def cuda(self, device: Any = "cuda") -> Self:
        """The sequence on a GPU."""
        return self.to(device)

    def double(self) -> Self:
        """As float64."""
        return self.to(dtypes.float64)

    def float(self) -> Self:
        """As float32."""
        return self.to(dtypes.float32)

    def half(self) -> Self:
        """As float16."""
        return self.to(dtypes.float16)

    def long(self) -> Self:
        """As int64."""
        return self.to(dtypes.int64)

    def int(self) -> Self:
        """As int32."""
        return self.to(dtypes.int32)

    def short(self) -> Self:
        """As int16."""
        return self.to(dtypes.int16)

    def char(self) -> Self:
        """As int8."""
        return self.to(dtypes.int8)

    def byte(self) -> Self:
        """As uint8."""
        return self.to(dtypes.uint8)

    def pin_memory(self) -> Self:
        """The sequence itself."""
        return self

    def is_pinned(self) -> bool:
        """Whether the data lies in pinned memory."""
        return self.data.is_pinned()

    @property
    def is_cuda(self) -> bool:
        """Whether the data lies on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes this one; None for None."""
    return None if permutation is None else permutation.argsort()


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch of sequences.

    Args:
        input: (T, B, ...), or (B, T, ...) with ``batch_first``.
        lengths: the length of each sequence, at least 1: a list or an int64 tensor on the CPU.
        enforce_sorted: whether the sequences must come longest first; else they are sorted here.
    """
    if isinstance(lengths, Tensor) and lengths.is_cuda:
        raise ArgumentError(
            "pack_padded_sequence: 'lengths' argument should be a 1D CPU int64 tensor; use lengths.cpu()"
        )
    counts = np.asarray(lengths.array if isinstance(lengths, Tensor) else as_tensor(lengths).array).astype(np.int64)
    if counts.ndim != 1:
        raise ShapeError(f"pack_padded_sequence: 'lengths' should be 1D, got shape {counts.shape}")
    sorted_indices = None
    if not enforce_sorted:
        order = np.argsort(-counts, kind="stable")
        counts = counts[order]
        sorted_indices = wrap(order).to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if input.numel() == 0:
        raise ArgumentError("pack_padded_sequence: cannot pack empty tensors")
    steps_first = input.transpose(0, 1) if batch_first else input
    steps, batch = steps_first.shape[:2]
    if len(counts) != batch:
        raise ArgumentError(
            f"pack_padded_sequence: expected `len(lengths)` to be equal to batch_size, but got {len(counts)} "
            f"(batch_size={batch})"
        )
    if (counts <= 0).any():
        raise ArgumentError(
            "pack_padded_sequence: length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if (np.diff(counts) > 0).any():
        raise ArgumentError(
            "pack_padded_sequence: `lengths` array must be sorted in decreasing order when `enforce_sorted` is True; "
            "pass enforce_sorted=False to have it sorted"
        )
    if counts[0] > steps:
        raise ShapeError(f"pack_padded_sequence: a length of {counts[0]} exceeds the {steps} steps of the input")
    sizes, rows = _packing(counts)
    flat = steps_first.reshape((steps * batch, *steps_first.shape[2:]))
    index = wrap((rows[0] * batch + rows[1]).astype(np.int64)).to(input.device)
    return PackedSequence(flat.index_select(0, index), wrap(sizes), sorted_indices, None)


def _packing(counts: Any) -> tuple[Any, tuple[Any, Any]]:
    """How many sequences reach each step, and the step and sequence of each packed element."""
    reached = np.arange(counts[0])[:, None] < counts  # (steps, batch)
    steps, owners = np.nonzero(reached)
    return reached.sum(1), (steps, owners)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Undo ``pack_padded_sequence``: the padded batch, in its first order, and the lengths (int64).

    Args:
        total_length: pad to so many steps; to the longest sequence unless given.
    """
    sizes = sequence.batch_sizes.array
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ArgumentError(
                "pad_packed_sequence: expected total_length to be at least the length of the longest sequence "
                f"in input, but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    data, batch = sequence.data, int(sizes[0])
    counts = (sizes[:, None] > np.arange(batch)).sum(0)
    rows = np.nonzero(np.arange(len(sizes))[:, None] < counts)
    index = wrap((rows[0] * batch + rows[1]).astype(np.int64)).to(data.device)
    empty = full((steps * batch, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    padded = index_copy(empty, 0, index, data).reshape((steps, batch, *data.shape[1:]))
    padded = padded.transpose(0, 1) if batch_first else padded
    lengths: Any = wrap(counts.astype(np.int64))
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(0 if batch_first else 1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.to("cpu")]
    return padded, lengths


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Stack sequences (L, ...) of different lengths into (T, B, ...), or (B, T, ...) with ``batch_first``.

    Args:
        padding_side: "right" pads after a sequence, "left" before it.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: expected iterable for input sequences, but got {type(sequences).__name__}")
    sequences = list(sequences)
    if not sequences:
        raise ArgumentError("pad_sequence: received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise ArgumentError(f"pad_sequence: expected padding_side to be one of left or right, but got {padding_side!r}")
    longest = max(s.shape[0] for s in sequences)
    return stack(
        [_padded(s, longest - s.shape[0], padding_value, padding_side) for s in sequences], 0 if batch_first else 1
    )


def _padded(sequence: Any, missing: int, value: float, side: str) -> Any:
    widths = (missing, 0) if side == "left" else (0, missing)
    return constant_pad_nd(sequence, (0, 0) * (sequence.ndim - 1) + widths, value) if missing else sequence


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, each with its own length: undoes ``pad_sequence``."""
    batch = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [sequence[: int(n)] for sequence, n in zip(batch, lengths, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L, ...), longest first unless ``enforce_sorted`` is off."""
    return pack_padded_sequence(pad_sequence(sequences), [s.shape[0] for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch: undoes ``pack_sequence``."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def __getattr__(name: str) -> Any:
    missing("module 'framework.nn.utils.rnn'", name, globals())
