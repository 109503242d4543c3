"""Texts in, texts out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.tensor import wrap
from text.generation.config import of_model
from text.generation.generate import generate


def generate_text(
    model: Any,
    tokenizer: Any,
    prompts: str | Sequence[str],
    *,
    skip_special_tokens: bool = True,
    return_full_text: bool = False,
    **options: Any,
) -> Any:
    """Continue texts, or answer them: ``generate`` with the tokenizer around it.

    Args:
        model: as for ``generate``.
        tokenizer: encodes the prompts and decodes the tokens.
        prompts: one text or several, of any lengths.
        skip_special_tokens: leave out tokens such as the end.
        return_full_text: of a decoder: give the prompt, too.
        options: for ``generate``, such as ``max_new_tokens``.

    Returns:
        A text for one prompt, a list of texts for several; with ``num_return_sequences``, lists of texts in their place.

    Raises:
        ArgumentError: as for ``generate``, or there is no prompt.

    Example:
        >>> text.generation.generate_text(model, tokenizer, "Once upon a time", max_new_tokens=20)
        ' there was a king who'
    """
    several = [prompts] if isinstance(prompts, str) else list(prompts)
    if not several:
        raise ArgumentError("generate_text: expected one prompt at least, got none")
    rows = [tokenizer(prompt)["input_ids"] for prompt in several]
    both = model.config.is_encoder_decoder
    ids, mask = padded(rows, _padding(model, tokenizer), left=not both)
    config = of_model(model)
    copies = options.get("num_return_sequences") or config.num_return_sequences or 1
    options = {"tokenizer": tokenizer, **options, "return_dict_in_generate": False}
    found = generate(model, wrap(ids), wrap(mask), **options).array
    begin = 1 if both else ids.shape[1]
    texts: list[str] = []
    for number, row in enumerate(found[:, begin:].tolist()):
        new = [*rows[number // copies], *row] if return_full_text and not both else row
        texts.append(tokenizer.decode(new, skip_special_tokens=skip_special_tokens))
    grouped: list[Any] = [texts[i : i + copies] for i in range(0, len(texts), copies)] if copies > 1 else list(texts)
    return grouped[0] if isinstance(prompts, str) else grouped


def padded(rows: Sequence[Sequence[int]], padding: int, left: bool) -> tuple[Any, Any]:
    """Rows of ids as an array (B, length), and its mask, 0 at padding."""
    length = max(len(row) for row in rows)
    ids, mask = np.full((len(rows), length), padding, np.int64), np.zeros((len(rows), length), np.int64)
    for number, row in enumerate(rows):
        place = slice(length - len(row), length) if left else slice(0, len(row))
        ids[number, place], mask[number, place] = row, 1
    return ids, mask


def _padding(model: Any, tokenizer: Any) -> int:
    """A token to pad with, which the mask hides."""
    for owner in (tokenizer, of_model(model)):
        if getattr(owner, "pad_token_id", None) is not None:
            return int(owner.pad_token_id)
    return 0
