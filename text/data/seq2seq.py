"""Batches for models that answer one text by another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap
from text.data.padding import IGNORE_INDEX, PaddingCollator


def shift_tokens_right(labels: Any, pad_id: int, start_id: int) -> Tensor:
    """What a decoder is fed when it is to give the labels: the start token, then all labels but the last.

    Args:
        labels: token numbers (N, L), -100 after a row's end.
        pad_id: the padding token's number, which stands in place of -100.
        start_id: the token that decoding starts with.

    Example:
        >>> shift_tokens_right(framework.tensor([[7, 8, 1], [9, 1, -100]]), pad_id=0, start_id=2)
        tensor([[2, 7, 8],
                [2, 9, 1]])
    """
    targets = labels.numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    shifted = np.empty_like(targets)
    shifted[:, :1] = start_id
    shifted[:, 1:] = targets[:, :-1]
    return wrap(np.where(shifted == IGNORE_INDEX, pad_id, shifted))


class Seq2SeqCollator:
    """Joins samples with ``input_ids`` and ``labels``, both token numbers, into a padded batch with
    ``decoder_input_ids``.

    Args:
        tokenizer: tells the padding token and the side to pad, unless ``pad_id`` is given.
        decoder_start_id: the token that decoding starts with, such as the model's ``decoder_start_token_id``; the
            padding token unless given, as T5 and Marian have it.
        pad_id, max_length, pad_to_multiple_of: as in ``PaddingCollator``.

    Raises:
        ArgumentError: a sample has no labels.
    """

    def __init__(
        self,
        tokenizer: Any = None,
        decoder_start_id: int | None = None,
        *,
        pad_id: int | None = None,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
    ) -> None:
        self._pad = PaddingCollator(
            tokenizer, pad_id=pad_id, max_length=max_length, pad_to_multiple_of=pad_to_multiple_of
        )
        # a decoder's tokens start together whichever side the encoder's are padded on
        self._pad_labels = PaddingCollator(
            tokenizer, pad_id=pad_id, side="right", max_length=max_length, pad_to_multiple_of=pad_to_multiple_of
        )
        self.pad_id = self._pad.pad_id
        self.decoder_start_id = self.pad_id if decoder_start_id is None else decoder_start_id

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]:
        rows = [
            {"input_ids": sample[0], "labels": sample[1]} if isinstance(sample, tuple) else sample for sample in samples
        ]
        if any("labels" not in row for row in rows):
            raise ArgumentError("Seq2SeqCollator: every sample needs labels; give the tokenizer text_target=...")
        batch = self._pad([{name: value for name, value in row.items() if name != "labels"} for row in rows])
        labels = self._pad_labels([{"labels": row["labels"]} for row in rows])["labels"]
        return {
            **batch,
            "labels": labels,
            "decoder_input_ids": shift_tokens_right(labels, self.pad_id, self.decoder_start_id),
        }
