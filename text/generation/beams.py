"""Beam search: several texts are followed at once, and the likeliest are kept.

Scores are sums of log-probabilities; those of finished texts are divided by their length to the power of
``length_penalty``. Results are transformers', whose rules for when to end are followed.

Reference: Freitag and Al-Onaizan, "Beam Search Strategies for Neural Machine Translation", https://arxiv.org/abs/1702.01806.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import framework
from framework.devices import array_module
from framework.errors import ArgumentError
from framework.tensor import wrap
from text.generation.decoding import Decoding
from text.generation.plan import Plan
from text.generation.warpers import log_probabilities, log_sums, probabilities

OUT = np.float32(-1e9)  # the score of what is out of the race
_RUN = 128  # scores that are looked at together


@dataclass
class Found:
    """The best texts, (B * num_return_sequences, length), their scores, and which rows their tokens came from."""

    sequences: Any
    scores: Any
    rows: Any


@dataclass
class _Beams:
    """Texts of a batch: ids (B, beams, max_length), scores (B, beams), and the row of each new token, -1 where none is."""

    ids: Any
    scores: Any
    rows: Any

    def taken(self, places: Any) -> _Beams:
        """Those at places (B, count) among the beams."""
        batch = array_module(places).arange(len(places))[:, None]
        return _Beams(self.ids[batch, places], self.scores[batch, places], self.rows[batch, places])


def search(plan: Plan, decoding: Decoding, prompt: Any) -> Found:
    """The best texts that begin with the prompts (B, length)."""
    xp, config = array_module(prompt), plan.config
    batch, length = prompt.shape
    beams, most = config.num_beams, plan.max_length
    each = max(2, 1 + len(plan.eos))  # so many that one at least is not at its end
    filler = plan.pad_token_id or (plan.eos[0] if plan.eos else -1)
    ids = xp.full((batch, beams, most), filler, np.int64)
    ids[:, :, :length] = prompt[:, None]
    scores = xp.full((batch, beams), OUT, np.float32)
    rows = xp.full((batch, beams, most - length), -1, np.int32)
    done = _Beams(ids.copy(), scores.copy(), rows.copy())
    is_done = xp.zeros((batch, beams), bool)
    open_ = xp.ones((batch, 1), bool)  # whether a text can still become better than those that are done
    scores[:, 0] = 0  # at first all beams are the same, and one is enough
    running = _Beams(ids, scores, rows)
    first_rows = (xp.arange(batch) * beams)[:, None]
    logits = decoding.begin()
    if each > logits.shape[1]:
        raise ArgumentError(
            f"generate: all of the vocabulary's {logits.shape[1]} tokens are ends; beams need one that is not"
        )
    for place in range(length, most):
        totals, sources, tokens = _candidates(plan, running, logits, each * beams, place)
        new = running.taken(sources)
        new.scores = totals
        new.ids[:, :, place] = tokens
        new.rows[:, :, place - length] = sources + first_rows
        ended = _ended(plan, new.ids[:, :, : place + 1])
        going = xp.where(ended, new.scores + OUT, new.scores)
        old = running.ids[:, :, :place].reshape(-1, place)
        running = _Beams(new.ids, going, new.rows).taken(_best(going, beams))
        # of the candidates, only as many as there are beams may be done
        final = ended.copy()
        final[:, beams:] = False
        stopped = config.early_stopping is True and is_done.all(1, keepdims=True)
        ranks = new.scores / np.float32((place + 1 - length) ** config.length_penalty)
        new.scores = ranks + OUT * stopped + OUT * ~open_ + OUT * ~final
        pairs = ((done.ids, new.ids), (done.scores, new.scores), (done.rows, new.rows))
        merged = _Beams(*(xp.concatenate(pair, 1) for pair in pairs))
        places = _best(merged.scores, beams)
        done = merged.taken(places)
        is_done = xp.take_along_axis(xp.concatenate((is_done, final), 1), places, 1)
        open_ &= _can_improve(plan, running.scores, done.scores, is_done, place + 1)
        if not open_.any() or (config.early_stopping is True and is_done.all()) or ended.all():
            break
        decoding.follow(running.rows[:, :, place - length].reshape(-1), old)
        logits = decoding.step(running.ids[:, :, place].reshape(-1))
    return _first(done, config.num_return_sequences, length)


def _first(done: _Beams, count: int, length: int) -> Found:
    """The first texts of each prompt, cut to the longest."""
    ids, scores, rows = (x[:, :count].reshape(-1, *x.shape[2:]) for x in (done.ids, done.scores, done.rows))
    new = int((rows >= 0).sum(1).max())
    return Found(ids[:, : length + new], scores, rows[:, :new])


def _candidates(plan: Plan, running: _Beams, logits: Any, count: int, place: int) -> tuple[Any, Any, Any]:
    """The total scores, the beams and the tokens of the ``count`` best continuations of each prompt, (B, count) each."""
    xp = array_module(logits)
    batch, beams = running.scores.shape
    words = logits.shape[1]
    if plan.config.do_sample or plan.processors or plan.scores is not None:
        ids = running.ids[:, :, :place].reshape(-1, place)
        logs, shift = plan.processed(ids, log_probabilities(logits)), None
    else:
        logs, shift = logits, log_sums(logits)
    if plan.config.do_sample:
        totals = (logs.reshape(batch, beams, words) + running.scores[:, :, None]).reshape(batch, -1)
        drawn = framework.multinomial(wrap(probabilities(totals)), count, generator=plan.generator).array
        best = xp.take_along_axis(drawn, xp.argsort(-xp.take_along_axis(totals, drawn, 1), 1), 1)
        return xp.take_along_axis(totals, best, 1), best // words, best % words
    tokens = _best(logs, min(count, words))  # of each beam, and then of all beams of a prompt
    totals = xp.take_along_axis(logs, tokens, 1)
    totals = (totals if shift is None else totals - shift).reshape(batch, beams, -1) + running.scores[:, :, None]
    each, totals = totals.shape[2], totals.reshape(batch, -1)
    best = _best(totals, count)
    tokens = xp.take_along_axis(tokens.reshape(batch, -1), best, 1)
    return xp.take_along_axis(totals, best, 1), best // each, tokens


def _best(scores: Any, count: int) -> Any:
    """The places of the ``count`` greatest numbers of each row, the greatest first.

    Of a long row, runs of numbers whose greatest is not among the ``count`` greatest of those are left out at once: it
    takes a fifth of the time.
    """
    xp = array_module(scores)
    rows, size = scores.shape
    runs = size // _RUN  # run i has the numbers i, i + runs, i + 2 * runs ...: vectors are compared, not their numbers
    if runs > 4 * count:
        tops = scores[:, : runs * _RUN].reshape(rows, _RUN, runs).max(1)
        kept = xp.argpartition(tops, runs - count, 1)[:, runs - count :]
        places = (kept[:, :, None] + xp.arange(0, runs * _RUN, runs)).reshape(rows, -1)
        rest = xp.arange(runs * _RUN, size)
        places = xp.concatenate((places, xp.broadcast_to(rest, (rows, len(rest)))), 1)
        return xp.take_along_axis(places, _best(xp.take_along_axis(scores, places, 1), count), 1)
    if count < size:
        places = xp.argpartition(scores, size - count, 1)[:, size - count :]
    else:
        places = xp.broadcast_to(xp.arange(size), scores.shape)
    order = xp.argsort(-xp.take_along_axis(scores, places, 1), 1)
    return xp.take_along_axis(places, order, 1)


def _ended(plan: Plan, ids: Any) -> Any:
    """Which candidates (B, candidates, length) are at their end, bool (B, candidates)."""
    xp = array_module(ids)
    batch, candidates, length = ids.shape
    if length == plan.max_length:
        return xp.ones((batch, candidates), bool)
    if not plan.stopping:
        return xp.zeros((batch, candidates), bool)
    return plan.stopping(wrap(ids.reshape(-1, length)), plan.scores).array.reshape(batch, candidates)


def _can_improve(plan: Plan, running: Any, done: Any, is_done: Any, length: int) -> Any:
    """Whether the best running text of each prompt may yet come before the worst that is done, bool (B, 1)."""
    config = plan.config
    reached = plan.max_length if config.early_stopping == "never" and config.length_penalty > 0 else length
    best = running[:, :1] / np.float32((reached - plan.prompt_length) ** config.length_penalty)
    worst = array_module(done).where(is_done, done.min(1, keepdims=True), OUT)
    return (best > worst).any(1, keepdims=True)
