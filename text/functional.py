"""The functions behind ``text.transforms``: of one list, or of a list of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import framework
from framework import Tensor
from framework.errors import ArgumentError
from framework.nn.utils.rnn import pad_sequence


def to_tensor(input: Any, padding_value: int | None = None, dtype: Any = framework.long) -> Tensor:
    """A tensor of a list of numbers, or of a list of such lists.

    Args:
        input: the numbers.
        padding_value: what shorter lists are filled up with; without it they must be of one length.
        dtype: of the tensor.

    Raises:
        ArgumentError: the lists are of several lengths and there is no ``padding_value``.
    """
    if not input or not isinstance(input[0], list | tuple):
        return framework.tensor(input, dtype=dtype)
    if padding_value is None:
        lengths = {len(row) for row in input}
        if len(lengths) > 1:
            raise ArgumentError(f"to_tensor: lists of {min(lengths)} to {max(lengths)} numbers; give a padding_value")
        return framework.tensor(input, dtype=dtype)
    rows = [framework.tensor(row, dtype=dtype) for row in input]
    return pad_sequence(rows, batch_first=True, padding_value=float(padding_value))


def truncate(input: Any, max_seq_len: int) -> Any:
    """The first ``max_seq_len`` entries of a list, or of each of a list of lists."""
    if max_seq_len < 0:
        raise ArgumentError(f"truncate: expected a length of 0 or more, got {max_seq_len}")
    if _nested(input):
        return [row[:max_seq_len] for row in input]
    return input[:max_seq_len]


def add_token(input: Any, token_id: int | str, begin: bool = True) -> Any:
    """A token before (``begin``) or after a list, or each of a list of lists."""
    if _nested(input):
        return [add_token(row, token_id, begin) for row in input]
    return [token_id, *input] if begin else [*input, token_id]


def str_to_int(input: Any) -> Any:
    """The numbers that strings spell, of a list or of a list of lists."""
    return [str_to_int(row) if isinstance(row, list | tuple) else int(row) for row in input]


def _nested(rows: Sequence[Any]) -> bool:
    return bool(rows) and isinstance(rows[0], list | tuple)
