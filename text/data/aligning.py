"""Labels of words, brought to the tokens that the words are cut into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from framework.errors import ArgumentError
from text.data.padding import IGNORE_INDEX


def align_labels(
    labels: Sequence[int],
    word_ids: Sequence[int | None],
    all_tokens: bool = False,
    inside: Mapping[int, int] | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> list[int]:
    """A label for each token.

    Args:
        labels: of the words.
        word_ids: each token's word, None for special tokens: ``encoding.word_ids()``.
        all_tokens: label a word's further tokens too, and not its first alone.
        inside: with ``all_tokens``, the label for further tokens where it is not the word's own: from B-X to I-X.
        ignore_index: for tokens without a label.

    Raises:
        ArgumentError: a token is of a word without a label.

    Example:
        >>> align_labels([3, 0], [None, 0, 0, 1, None])
        [-100, 3, -100, 0, -100]
    """
    aligned, before = [], None
    for word in word_ids:
        if word is not None and word >= len(labels):
            raise ArgumentError(f"align_labels: there are {len(labels)} labels, and a token of word {word}")
        if word is None:
            aligned.append(ignore_index)
        elif word != before:
            aligned.append(labels[word])
        elif all_tokens:
            aligned.append((inside or {}).get(labels[word], labels[word]))
        else:
            aligned.append(ignore_index)
        before = word
    return aligned
