"""The best of many scores, and following beams in the cache: the short ways against the plain ones."""

from __future__ import annotations

import numpy as np
import pytest

import framework
from framework.errors import ArgumentError
from text.generation.beams import _best
from text.generation.decoding import Decoding
from text.models.gpt2 import GPT2Config, GPT2LMHeadModel


@pytest.mark.parametrize("size", [3, 11, 700, 5003, 20000])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_best_are_those_of_a_sort(size, count):
    count = min(count, size)
    scores = np.random.default_rng(size).normal(size=(5, size)).astype(np.float32)
    scores[1] = -np.inf
    scores[1, : count + 1] = np.arange(min(count + 1, size))
    np.testing.assert_array_equal(_best(scores, count), np.argsort(-scores, 1)[:, :count])


def test_following_beams_moves_what_differs():
    framework.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=30)).eval()
    prompt = np.array([[3, 4, 5], [6, 7, 8]])
    decoding = Decoding(model, prompt, None, None, 12, copies=3)
    decoding.begin()
    ids = prompt.repeat(3, 0)
    rng = np.random.default_rng(0)
    for _ in range(6):
        tokens = rng.integers(9, 50, 6)
        tokens[1] = tokens[0]  # two beams that agree
        logits = decoding.step(tokens)
        ids = np.concatenate((ids, tokens[:, None]), 1)
        with framework.no_grad():
            expected = model(framework.tensor(ids)).logits.numpy()[:, -1]
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
        sources = np.concatenate((rng.integers(0, 3, 3), rng.integers(3, 6, 3)))
        decoding.follow(sources, ids)
        ids = ids[sources]


def test_beams_that_share_every_token_stay_where_they_are():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, n_positions=30)).eval()
    decoding = Decoding(model, np.array([[3, 4]]), None, None, 9, copies=2)
    decoding.begin()
    decoding.cache.layers = []  # nothing may be moved
    decoding.follow(np.array([1, 0]), np.array([[3, 4], [3, 4]]))


def test_beams_need_candidates():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=5, n_embd=16, n_layer=1, n_head=2, n_positions=30, eos_token_id=1))
    ids = framework.tensor([[3]])
    assert model.eval().generate(ids, num_beams=4, max_new_tokens=3).shape[0] == 1
    with pytest.raises(ArgumentError, match="vocabulary"):
        model.generate(ids, num_beams=2, eos_token_id=[0, 1, 2, 3, 4], max_new_tokens=3)
