"""Texts that a language model writes, piece by piece and of any length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import framework as F
from framework.errors import ArgumentError
from text.generation import token_steps
from text.generation.config import of_model
from text.generation.streaming import PieceDecoder


def write(model: Any, tokenizer: Any, prompt: str, count: int, **options: Any) -> Iterator[str]:
    """The continuation of a prompt, or the answer to it, while it is written.

    Where the model has no more places, it goes on from the last half of what it has read and written.

    Args:
        prompt: a text; an empty one begins with the token of the beginning, or with a line's end.
        count: tokens to write at most.
        options: for ``text.generation.generate``.
    """
    ids = _begin(model, tokenizer, prompt)
    places = None if model.config.is_encoder_decoder else model.config.get("max_position_embeddings")
    decoder = PieceDecoder(tokenizer, skip_special_tokens=True)
    ends = options.get("stop_strings") or ()
    written, left = "", count
    while left > 0:
        if places is not None and len(ids) >= places:
            ids = ids[-max(places // 2, 1) :]
        part = left if places is None else min(left, places - len(ids))
        got = []
        read = F.tensor([ids]).to(next(iter(model.parameters())).device)
        for tokens in token_steps(model, read, F.ones_like(read), max_new_tokens=part, tokenizer=tokenizer, **options):
            got += tokens.tolist()
            piece = decoder.push(got[-1:])
            written += piece
            if piece:
                yield piece
        ids, left = ids + got, left - len(got)
        if len(got) < part or _ended(model, got[-1]) or any(end in written for end in ends):
            break
    rest = decoder.flush()
    if rest:
        yield rest


def _begin(model: Any, tokenizer: Any, prompt: str) -> list[int]:
    if prompt:
        return list(tokenizer(prompt)["input_ids"])
    first = of_model(model).bos_token_id
    if first is not None:
        return [int(first)]
    try:
        return list(tokenizer("\n")["input_ids"]) or [0]
    except ArgumentError:  # a vocabulary of characters without a line's end
        return [0]


def _ended(model: Any, token: int) -> bool:
    end = of_model(model).eos_token_id
    return token in (end if isinstance(end, list) else [end])
