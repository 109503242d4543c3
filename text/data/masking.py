"""Masked language modelling: tokens hidden from the model, which is to name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.random import default_generator
from framework.tensor import Tensor, wrap
from text.data.padding import IGNORE_INDEX, PaddingCollator

Array = np.ndarray[Any, Any]


def mask_tokens(
    tokens: Array,
    maskable: Array,
    mask_id: int,
    vocab_size: int,
    probability: float = 0.15,
    mask_share: float = 0.8,
    random_share: float = 0.1,
    words: Array | None = None,
) -> tuple[Array, Array]:
    """Choose tokens and hide them: most behind the mask token, some behind a random one, and some not at all.

    Random numbers come from the default generator, which a loader keys by pass and batch, so that they do not depend on
    the number of its workers.

    Args:
        tokens: token numbers (N, L).
        maskable: which of them may be chosen (N, L), bool.
        mask_id: the mask token's number.
        vocab_size: random tokens are drawn from 0..vocab_size-1.
        probability: of a token, or of a word, to be chosen.
        mask_share, random_share: of those chosen; the rest stays as it is.
        words: the number of each token's word in its row (N, L), of which tokens are chosen together; negative for
            tokens of no word, which are not chosen.

    Returns:
        The tokens with some hidden, and the labels: the tokens chosen, -100 elsewhere.

    Reference: Devlin et al., "BERT", https://arxiv.org/abs/1810.04805, section 3.1.
    """
    random = default_generator.numpy
    draws = random.random(tokens.shape)
    if words is not None:
        rows = np.arange(len(words))[:, None] * (words.max(initial=0) + 1)
        _, first, group = np.unique(np.where(words >= 0, rows + words, -1), return_index=True, return_inverse=True)
        draws = np.where(words >= 0, draws.ravel()[first][group].reshape(words.shape), 1.0)  # a word's first token's
    chosen = (draws < probability) & maskable
    fate = random.random(tokens.shape)
    others = random.integers(0, vocab_size, tokens.shape)
    hidden = np.where(chosen & (fate < mask_share), mask_id, tokens)
    hidden = np.where(chosen & (fate >= mask_share) & (fate < mask_share + random_share), others, hidden)
    return hidden, np.where(chosen, tokens, IGNORE_INDEX)


class MaskingCollator:
    """Joins samples into a padded batch with some tokens hidden; labels are the hidden ones, -100 elsewhere.

    Args:
        tokenizer: tells the mask, padding and special tokens, which are never hidden.
        probability: of a token to be chosen.
        mask_share, random_share: what share of those chosen is replaced by the mask token, and by a random one.
        whole_words: choose words, with all their tokens. They are told by ``word_ids`` in the samples, or by the "##"
            that WordPiece puts before all but a word's first token.
        pad_to_multiple_of: as in ``PaddingCollator``.

    Raises:
        ArgumentError: there is no mask token, a share is not one, or nothing tells the words.
    """

    def __init__(
        self,
        tokenizer: Any,
        probability: float = 0.15,
        mask_share: float = 0.8,
        random_share: float = 0.1,
        whole_words: bool = False,
        pad_to_multiple_of: int | None = None,
    ) -> None:
        if tokenizer.mask_token_id is None:
            raise ArgumentError("MaskingCollator: the tokenizer has no mask token; its model is of another kind")
        if not (0 < probability <= 1 and mask_share >= 0 and random_share >= 0 and mask_share + random_share <= 1):
            raise ArgumentError(
                f"MaskingCollator: expected a probability in (0, 1] and shares that sum to 1 at most, got {probability}, "
                f"{mask_share} and {random_share}"
            )
        self.mask_id = tokenizer.mask_token_id
        self.vocab_size = len(tokenizer)
        self.probability = probability
        self.mask_share = mask_share
        self.random_share = random_share
        self.whole_words = whole_words
        self._special = np.array([number for number in tokenizer.all_special_ids if number is not None], np.int64)
        self._continues = _continuations(tokenizer) if whole_words else None
        self._pad = PaddingCollator(tokenizer, pad_to_multiple_of=pad_to_multiple_of)

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]:
        batch = self._pad(samples)
        tokens = batch["input_ids"].numpy()
        special = batch.pop("special_tokens_mask", None)
        word_ids = batch.pop("word_ids", None)
        held = np.isin(tokens, self._special) if special is None else special.numpy() != 0
        maskable = ~held & (batch["attention_mask"].numpy() != 0)
        words = self._words(tokens, maskable, word_ids) if self.whole_words else None
        hidden, labels = mask_tokens(
            tokens, maskable, self.mask_id, self.vocab_size, self.probability, self.mask_share, self.random_share, words
        )
        return {**batch, "input_ids": wrap(hidden), "labels": wrap(labels)}

    def _words(self, tokens: Array, maskable: Array, word_ids: Any) -> Array:
        """The number of each token's word, -1 where there is none."""
        if isinstance(word_ids, Tensor):
            return np.where(maskable, word_ids.numpy(), -1)
        if word_ids is not None:  # with None for special tokens; nobody has padded them
            words: Array = np.full(tokens.shape, -1, np.int64)
            for row, numbers in enumerate(word_ids):
                start = words.shape[1] - len(numbers) if self._pad.side == "left" else 0
                words[row, start : start + len(numbers)] = [-1 if number is None else number for number in numbers]
            return words
        if self._continues is None:
            raise ArgumentError(
                "MaskingCollator: whole_words needs word_ids in the samples, since no token begins with ##"
            )
        starts = maskable & ~self._continues[tokens]
        return np.where(maskable, np.cumsum(starts, axis=1) - 1, -1)


def _continuations(tokenizer: Any) -> Array | None:
    """Which tokens of a WordPiece vocabulary go on with a word; None for other vocabularies."""
    names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    found = np.array([name is not None and name.startswith("##") for name in names])
    return found if found.any() else None
