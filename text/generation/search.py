"""Texts grown a token at a time: the likeliest each time, or one drawn by its probability."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import framework
from framework.devices import array_module
from framework.tensor import wrap
from text.generation.decoding import Decoding
from text.generation.plan import Plan
from text.generation.warpers import probabilities


def grow(plan: Plan, decoding: Decoding, ids: Any) -> Iterator[Any]:
    """Write token after token into ``ids`` (rows, max_length), and give each step's, (rows,), until all are finished.

    A row that is finished gets padding, unless there is no token for it.
    """
    xp, config = array_module(ids), plan.config
    done = xp.zeros(len(ids), bool)
    logits = decoding.begin()
    for length in range(plan.prompt_length, plan.max_length):
        scores = plan.processed(ids[:, :length], logits)
        if config.do_sample:
            drawn = framework.multinomial(wrap(probabilities(scores)), 1, generator=plan.generator)
            tokens = drawn.array[:, 0]
        else:
            tokens = scores.argmax(-1)
        if plan.pad_token_id is not None and done.any():
            tokens = xp.where(done, plan.pad_token_id, tokens)
        ids[:, length] = tokens
        if plan.stopping:
            done |= plan.stopping(wrap(ids[:, : length + 1]), plan.scores).array
        yield tokens
        if length + 1 == plan.max_length or (plan.stopping and done.all()):
            return
        logits = decoding.step(tokens)
