"""Processors and warpers: against plain NumPy or worked examples, and against transformers' where it is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import framework
from framework.errors import ArgumentError
from tests.text.peer import transformers
from text import generation as G

WORDS = 23
OUT = -np.inf
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, WORDS, (4, 9))
IDS[0] = [5, 6, 7, 5, 6, 9, 2, 5, 6]
IDS[1] = 4
SCORES = RNG.normal(0, 3, (4, WORDS)).astype(np.float32)
READ = RNG.integers(0, WORDS, (2, 6))


def process(processor: Any, ids: Any = IDS, scores: Any = SCORES) -> np.ndarray:
    before = np.array(scores, np.float32)
    given = framework.tensor(before.copy())
    y = processor(framework.tensor(np.array(ids)), given)
    np.testing.assert_array_equal(given.numpy(), before)  # what is given is not written into
    return y.numpy()


def one(logits: Any) -> np.ndarray:
    return np.array([logits], np.float32)


@pytest.mark.parametrize(
    "processor, ids, scores, expected",
    [
        (G.TemperatureLogitsWarper(2.0), [[0]], [4, 2, -2], [2, 1, -1]),
        (G.TopKLogitsWarper(2), [[0]], [1, 3, 2, 0], [OUT, 3, 2, OUT]),
        (G.TopKLogitsWarper(9), [[0]], [1, 3, 2, 0], [1, 3, 2, 0]),
        (G.TopKLogitsWarper(1, 3), [[0]], [1, 3, 2, 0], [1, 3, 2, OUT]),
        (G.TopPLogitsWarper(0.8), [[0]], np.log([0.1, 0.5, 0.1, 0.3]), [OUT, np.log(0.5), OUT, np.log(0.3)]),
        (G.TopPLogitsWarper(0.0), [[0]], np.log([0.1, 0.5, 0.1, 0.3]), [OUT, np.log(0.5), OUT, OUT]),
        (G.MinPLogitsWarper(0.5), [[0]], np.log([0.1, 0.5, 0.1, 0.3]), [OUT, np.log(0.5), OUT, np.log(0.3)]),
        (G.EpsilonLogitsWarper(0.2), [[0]], np.log([0.1, 0.5, 0.1, 0.3]), [OUT, np.log(0.5), OUT, np.log(0.3)]),
        (G.RepetitionPenaltyLogitsProcessor(2.0), [[0, 2, 2]], [4, 4, -3, 0], [2, 4, -6, 0]),
        (G.RepetitionPenaltyLogitsProcessor(2.0, 1), [[0, 2, 2]], [4, 4, -3, 0], [4, 4, -6, 0]),
        (G.RepetitionPenaltyLogitsProcessor(2.0), [[0, 7]], [4, 4, -3, 0], [2, 4, -3, 0]),  # 7 has no score
        (G.NoRepeatNGramLogitsProcessor(2), [[1, 2, 3, 1]], [0, 0, 0, 0], [0, 0, OUT, 0]),
        (G.NoRepeatNGramLogitsProcessor(1), [[1, 2]], [0, 0, 0, 0], [0, OUT, OUT, 0]),
        (G.NoRepeatNGramLogitsProcessor(3), [[1, 2]], [0, 0, 0, 0], [0, 0, 0, 0]),
        (G.NoBadWordsLogitsProcessor([[3], [1, 2], [0]], 0), [[1]], [0, 0, 0, 0], [0, 0, OUT, OUT]),
        (G.SequenceBiasLogitsProcessor([[[1, 2], -1.5], [[0], 2.0]]), [[1]], [0, 0, 0, 0], [2, 0, -1.5, 0]),
        (G.MinLengthLogitsProcessor(3, [1, 2]), [[0, 0]], [4, 4, 4, 4], [4, OUT, OUT, 4]),
        (G.MinLengthLogitsProcessor(2, [1, 2]), [[0, 0]], [4, 4, 4, 4], [4, 4, 4, 4]),
        (G.MinNewTokensLengthLogitsProcessor(2, 1, 3), [[0, 0]], [4, 4, 4, 4], [4, 4, 4, OUT]),
        (G.ForcedBOSTokenLogitsProcessor(2), [[0]], [4, 4, 4, 4], [OUT, OUT, 0, OUT]),
        (G.ForcedBOSTokenLogitsProcessor(2), [[0, 1]], [4, 4, 4, 4], [4, 4, 4, 4]),
        (G.ForcedEOSTokenLogitsProcessor(3, [1, 3]), [[0, 1]], [4, 4, 4, 4], [OUT, 0, OUT, 0]),
        (G.SuppressTokensLogitsProcessor([0, 3]), [[0, 1]], [4, 4, 4, 4], [OUT, 4, 4, OUT]),
        (G.SuppressTokensAtBeginLogitsProcessor([0], 2), [[0, 1]], [4, 4, 4, 4], [OUT, 4, 4, 4]),
        (G.SuppressTokensAtBeginLogitsProcessor([0], 1), [[0, 1]], [4, 4, 4, 4], [4, 4, 4, 4]),
        (G.ExponentialDecayLengthPenalty((1, 2.0), 3, 1), [[0] * 4], [4, 4, 4, -2], [4, 4, 4, 4]),
        (G.InfNanRemoveLogitsProcessor(), [[0]], [np.nan, 1, np.inf, OUT], [0, 1, np.finfo("f4").max, np.finfo("f4").min]),
        (G.LogitNormalization(), [[0]], np.log([2, 4, 2]), np.log([0.25, 0.5, 0.25])),
        (G.LogitsProcessorList([G.TemperatureLogitsWarper(2.0), G.TopKLogitsWarper(1)]), [[0]], [4, 2], [2, OUT]),
    ],
)  # fmt: skip
def test_worked_examples(processor, ids, scores, expected):
    np.testing.assert_allclose(process(processor, ids, one(scores)), one(expected), rtol=1e-6)


def peer_processors() -> dict[str, tuple[Any, Any]]:
    """Of each kind, transformers' and ours."""
    transformers()
    import torch
    from transformers.generation import logits_process as P

    made = {}
    for name, *args in [
        ("TemperatureLogitsWarper", 0.7), ("TopKLogitsWarper", 5), ("TopPLogitsWarper", 0.6), ("TopPLogitsWarper", 0.99),
        ("TopPLogitsWarper", 0.05), ("MinPLogitsWarper", 0.1), ("MinPLogitsWarper", 1.0), ("TypicalLogitsWarper", 0.3),
        ("TypicalLogitsWarper", 0.95), ("EpsilonLogitsWarper", 0.03), ("EtaLogitsWarper", 0.1), ("EtaLogitsWarper", 0.6),
        ("RepetitionPenaltyLogitsProcessor", 1.7), ("RepetitionPenaltyLogitsProcessor", 0.5),
        ("NoRepeatNGramLogitsProcessor", 1), ("NoRepeatNGramLogitsProcessor", 2), ("NoRepeatNGramLogitsProcessor", 3),
        ("NoBadWordsLogitsProcessor", [[2], [5, 6, 9], [6, 3], [4, 4, 8]], [2]), ("MinLengthLogitsProcessor", 10, [3, 5]),
        ("MinNewTokensLengthLogitsProcessor", 4, 6, 3), ("ForcedEOSTokenLogitsProcessor", 10, 3),
        ("SequenceBiasLogitsProcessor", {(5, 6, 2): 3.0, (4,): -2.0}), ("SuppressTokensLogitsProcessor", [1, 2]),
        ("ExponentialDecayLengthPenalty", (2, 1.3), [4, 6], 3), ("LogitNormalization",), ("InfNanRemoveLogitsProcessor",),
    ]:  # fmt: skip
        made[f"{name}{args}"] = getattr(P, name)(*args), getattr(G, name)(*args)
    for name in (
        "TopPLogitsWarper",
        "MinPLogitsWarper",
        "EpsilonLogitsWarper",
        "TypicalLogitsWarper",
        "TopKLogitsWarper",
    ):
        value = 1 if name == "TopKLogitsWarper" else 0.02
        keep = {"min_tokens_to_keep": 3}
        made[f"{name} keeps 3"] = getattr(P, name)(value, **keep), getattr(G, name)(value, **keep)
    read = torch.tensor(READ), framework.tensor(READ)
    for name, value in (("EncoderRepetitionPenaltyLogitsProcessor", 1.5), ("EncoderNoRepeatNGramLogitsProcessor", 2)):
        made[name] = getattr(P, name)(value, read[0]), getattr(G, name)(value, read[1])
    return made


@pytest.mark.filterwarnings("ignore")
def test_every_processor_against_transformers():
    pairs = peer_processors()
    import torch

    ids = np.concatenate((IDS, READ.repeat(2, 0)[:, 2:4]), 1)  # ends as what is read goes on
    hard = SCORES.copy()
    hard[:, ::5] = OUT
    changed = 0
    for name, (theirs, ours) in pairs.items():
        for those, scores in ((IDS, SCORES), (ids, SCORES), (IDS, hard)):
            expected = theirs(torch.tensor(those), torch.tensor(scores.copy())).numpy()
            got = process(ours, those, scores)
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6, err_msg=name)
            changed += not np.array_equal(got, scores)
    assert changed > 2 * len(pairs)


def test_equally_likely_tokens_at_the_border_all_stay():
    scores = one([1, 1, 1, 0])
    assert np.isfinite(process(G.TopKLogitsWarper(2), [[0]], scores)).tolist() == [[True, True, True, False]]
    assert np.isfinite(process(G.TopPLogitsWarper(0.4), [[0]], scores)).tolist() == [[True, True, True, False]]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: G.TemperatureLogitsWarper(0.0), "temperature"),
        (lambda: G.TopKLogitsWarper(0), "top_k"),
        (lambda: G.TopPLogitsWarper(1.2), "top_p"),
        (lambda: G.MinPLogitsWarper(-0.1), "min_p"),
        (lambda: G.TopKLogitsWarper(3, 0), "min_tokens_to_keep"),
        (lambda: G.RepetitionPenaltyLogitsProcessor(0.0), "repetition_penalty"),
        (lambda: G.EncoderRepetitionPenaltyLogitsProcessor(-1.0, framework.tensor(READ)), "encoder_repetition_penalty"),
        (lambda: G.NoRepeatNGramLogitsProcessor(0), "no_repeat_ngram_size"),
        (lambda: G.NoBadWordsLogitsProcessor([]), "bad_words_ids"),
        (lambda: G.SequenceBiasLogitsProcessor({}), "sequence_bias"),
        (lambda: G.SequenceBiasLogitsProcessor({(): 1.0}), "sequence_bias"),
        (lambda: process(G.SequenceBiasLogitsProcessor({(99,): 1.0})), "sequence_bias"),
        (lambda: process(G.PrefixConstrainedLogitsProcessor(lambda row, ids: [], 1)), "prefix_allowed_tokens_fn"),
        (lambda: G.StopStringCriteria(None, []), "stop_strings"),
        (lambda: G.StopStringCriteria(None, ["x", ""]), "stop_strings"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()
