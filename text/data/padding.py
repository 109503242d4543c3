"""Batches of token numbers, padded to the longest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap

Array = np.ndarray[Any, Any]
IGNORE_INDEX = -100  # what losses leave out
_LABELS = {"label": "labels", "label_ids": "labels"}


def pad_sequences(
    sequences: Sequence[Any],
    value: int = 0,
    length: int | None = None,
    multiple_of: int | None = None,
    side: str = "right",
) -> tuple[Array, Array]:
    """Rows of token numbers in one array.

    Args:
        sequences: lists, arrays or tensors of numbers (L_i).
        value: what stands where a row has ended.
        length: tokens a row, at least as many as the longest has; that many unless given.
        multiple_of: pad on to a multiple of this.
        side: where to pad, "right" or "left".

    Returns:
        The array (N, L), int64, and which of its places are tokens (N, L), bool.
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"pad_sequences: side must be 'left' or 'right', got {side!r}")
    rows = [_array(row) for row in sequences]
    sizes = np.array([len(row) for row in rows], np.int64)
    width = int(sizes.max(initial=0))
    if length is not None and length < width:
        raise ArgumentError(f"pad_sequences: a row has {width} tokens, more than length {length}; truncate it")
    width = width if length is None else length
    if multiple_of:
        width = -(-width // multiple_of) * multiple_of
    places = np.arange(width)
    there = places < sizes[:, None] if side == "right" else places >= width - sizes[:, None]
    padded = np.full((len(rows), width), value, np.int64)
    padded[there] = np.concatenate(rows) if rows else []
    return padded, there


class PaddingCollator:
    """Joins samples into a batch, padded to its longest: for a loader's ``collate_fn``.

    A sample is what a tokenizer gives for one text, with ``label`` or ``labels`` if there is one; or token numbers
    alone; or a pair (token numbers, label). Entries that are lists of whole numbers are padded, numbers and lists of
    floats stacked, anything else is left a list.

    Args:
        tokenizer: tells the padding token, its type and the side to pad, unless given by the next two.
        pad_id: the padding token's number.
        side: where to pad, "right" or "left".
        max_length: pad to this length whatever the batch; a longer sample is an error.
        pad_to_multiple_of: pad on to a multiple of this.
        label_pad_id: what is put after labels that are one a token.

    Returns:
        A dict of tensors: input_ids and attention_mask (N, L), labels (N) or (N, L), and other entries by name.

    Raises:
        ArgumentError: there is no padding token, samples have different entries, or one is too long.

    Example:
        >>> PaddingCollator(pad_id=0)([([5, 6, 7], 1), ([8], 0)])
        {'input_ids': tensor([[5, 6, 7],
                [8, 0, 0]]), 'attention_mask': tensor([[1, 1, 1],
                [1, 0, 0]]), 'labels': tensor([1, 0])}
    """

    def __init__(
        self,
        tokenizer: Any = None,
        *,
        pad_id: int | None = None,
        side: str | None = None,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        label_pad_id: int = IGNORE_INDEX,
    ) -> None:
        pad_id = tokenizer.pad_token_id if pad_id is None and tokenizer is not None else pad_id
        if pad_id is None:
            raise ArgumentError("PaddingCollator: pass pad_id, or a tokenizer with a padding token")
        self.pad_id = pad_id
        self.side = side or (tokenizer.padding_side if tokenizer is not None else "right")
        self.max_length = max_length
        self.pad_to_multiple_of = pad_to_multiple_of
        self.label_pad_id = label_pad_id
        self._fills = {
            "input_ids": pad_id,
            "decoder_input_ids": pad_id,
            "token_type_ids": tokenizer.pad_token_type_id if tokenizer is not None else 0,
            "special_tokens_mask": 1,
            "labels": label_pad_id,
        }

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]:
        rows = [_named(sample) for sample in samples]
        names = list(rows[0]) if rows else []
        for number, row in enumerate(rows):
            if row.keys() != rows[0].keys():
                raise ArgumentError(
                    f"PaddingCollator: sample {number} has the entries {', '.join(row)}, the first {', '.join(names)}"
                )
        batch: dict[str, Any] = {}
        for name in names:
            column = [row[name] for row in rows]
            joined, there = self._joined(name, column)
            batch[name] = joined
            if name == "input_ids" and there is not None and "attention_mask" not in names:
                batch["attention_mask"] = wrap(there.astype(np.int64))
        return batch

    def _joined(self, name: str, column: list[Any]) -> tuple[Any, Array | None]:
        """An entry of all samples, and which places are not padding, if it is padded."""
        try:
            values = [_array(value) for value in column]
        except (TypeError, ValueError):
            return column, None
        kinds = {value.dtype.kind if value.size else "i" for value in values}
        if not kinds <= set("iubf"):
            return column, None
        if values[0].ndim == 0 or "f" in kinds:
            if len({value.shape for value in values}) > 1:
                raise ArgumentError(f"PaddingCollator: {name} has floats of different shapes, which are not padded")
            stacked = np.stack(values)
            return wrap(stacked.astype(np.float32 if stacked.dtype.kind == "f" else np.int64)), None
        fill = self._fills.get(name, 0)
        padded, there = pad_sequences(values, fill, self.max_length, self.pad_to_multiple_of, self.side)
        return wrap(padded), there


def _array(value: Any) -> Array:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _named(sample: Any) -> dict[str, Any]:
    """A sample's entries by name."""
    if isinstance(sample, Mapping):
        return {_LABELS.get(name, str(name)): value for name, value in sample.items()}
    if isinstance(sample, tuple) and len(sample) == 2 and not isinstance(sample[0], int | np.integer):
        if isinstance(sample[0], Mapping):
            return {**_named(sample[0]), "labels": sample[1]}
        return {"input_ids": sample[0], "labels": sample[1]}
    return {"input_ids": sample}
