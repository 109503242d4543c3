"""Whole texts against transformers' ``generate``: greedy and beams, token by token, on tiny models of four families."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import framework
import text
from tests.text.peer import transformers
from text.generation import LogitsProcessorList

WORDS = 37
TOKENS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "vocab_size": WORDS}
PROMPTS = np.array([[5, 6, 7, 8, 9, 5], [2, 2, 11, 12, 13, 20], [2, 3, 4, 5, 6, 30]])
LEFT = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]])


def configs(T: Any) -> dict[str, tuple[Any, Any]]:
    rotary = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
    t5 = {"d_model": 32, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 2}
    bart = {
        "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 64, "decoder_start_token_id": 1,
    }  # fmt: skip
    return {
        "gpt2": (T.GPT2LMHeadModel, T.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64, **TOKENS)),
        "llama": (T.LlamaForCausalLM, T.LlamaConfig(num_key_value_heads=2, **rotary, **TOKENS)),
        "t5": (T.T5ForConditionalGeneration, T.T5Config(**t5, **TOKENS)),
        "bart": (T.BartForConditionalGeneration, T.BartConfig(**bart, **TOKENS)),
    }


FAMILIES = ("gpt2", "llama", "t5", "bart")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that gives the pair of a family: transformers' and ours."""
    T = transformers()
    import torch

    made: dict[str, Any] = {}

    def pair(family: str) -> Any:
        if family not in made:
            torch.manual_seed(3)
            cls, config = configs(T)[family]
            theirs = cls(config).eval()
            with torch.no_grad():
                for p in theirs.parameters():
                    if p.ndim > 1:  # so that texts differ, and end, and scores are never close
                        p.normal_(0, 0.35)
            folder = tmp_path_factory.mktemp(family)
            theirs.save_pretrained(folder)
            task = "seq2seq-lm" if theirs.config.is_encoder_decoder else "causal-lm"
            made[family] = theirs, text.from_pretrained(folder, task)
        return made[family]

    return pair


def texts(model: Any, tensor: Any, **options: Any) -> Any:
    return model.generate(tensor(PROMPTS), attention_mask=tensor(LEFT), **options)


def pair_of_texts(models: Any, family: str, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    import torch

    theirs, ours = models(family)
    return texts(theirs, torch.tensor, **options).numpy(), texts(ours, framework.tensor, **options).numpy()


OPTIONS = {
    "plain": {},
    "penalty": {"repetition_penalty": 1.7},
    "ngrams": {"no_repeat_ngram_size": 2},
    "least": {"min_new_tokens": 9},
    "ends": {"eos_token_id": [1, 4, 9, 15]},
    "banned": {"bad_words_ids": [[5], [6, 7], [1], [8, 9, 3]], "suppress_tokens": [10, 11]},
    "forced": {"forced_bos_token_id": 7, "forced_eos_token_id": 1},
    "decay": {"exponential_decay_length_penalty": (3, 1.6), "renormalize_logits": True},
    "biased": {"sequence_bias": {(12,): 2.0, (5, 6): -9.0}, "begin_suppress_tokens": [3, 20], "min_length": 8},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", OPTIONS)
def test_greedy_texts(models, family, name):
    expected, got = pair_of_texts(models, family, max_new_tokens=13, **OPTIONS[name])
    np.testing.assert_array_equal(got, expected)


BEAMS = {
    "plain": {"num_beams": 3},
    "two": {"num_beams": 2, "num_return_sequences": 2},
    "four": {"num_beams": 4, "num_return_sequences": 3, "early_stopping": True},
    "long": {"num_beams": 3, "length_penalty": 2.0, "early_stopping": "never"},
    "short": {"num_beams": 3, "length_penalty": -1.0},
    "neutral": {"num_beams": 4, "length_penalty": 0.0, "early_stopping": "never"},
    "penalties": {"num_beams": 3, "repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "min_new_tokens": 4},
    "ends": {"num_beams": 3, "eos_token_id": [1, 4, 9], "early_stopping": True},
    "endless": {"num_beams": 2, "eos_token_id": 36, "bad_words_ids": [[36, 36]]},
    "forced": {"num_beams": 2, "forced_bos_token_id": 7, "forced_eos_token_id": 1},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", BEAMS)
def test_texts_of_beams(models, family, name):
    expected, got = pair_of_texts(models, family, max_new_tokens=11, **BEAMS[name])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["gpt2", "bart"])
@pytest.mark.parametrize("beams", [1, 3])
def test_scores_and_beams_are_returned(models, family, beams):
    import torch

    options = {"num_beams": beams, "max_new_tokens": 7, "return_dict_in_generate": True, "output_scores": True,
               "output_logits": True, "repetition_penalty": 1.3}  # fmt: skip
    theirs, ours = models(family)
    expected, got = texts(theirs, torch.tensor, **options), texts(ours, framework.tensor, **options)
    np.testing.assert_array_equal(got.sequences.numpy(), expected.sequences.numpy())
    assert len(got.scores) == len(expected.scores) == len(got.logits)
    for x, y in zip(got.scores, expected.scores, strict=True):
        np.testing.assert_allclose(x.numpy()[:3], y.numpy()[:3], rtol=1e-4, atol=1e-4)
    for x, y in zip(got.logits, expected.logits, strict=True):
        np.testing.assert_allclose(x.numpy()[:3], y.numpy()[:3], rtol=1e-4, atol=1e-4)
    if beams > 1:
        np.testing.assert_allclose(got.sequences_scores.numpy(), expected.sequences_scores.numpy(), rtol=1e-4)
        np.testing.assert_array_equal(got.beam_indices.numpy(), expected.beam_indices.numpy())
    else:
        assert got.beam_indices is None
    assert len(got.past_key_values) == len(got.scores) - 1 + (PROMPTS.shape[1] if family == "gpt2" else 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_answers_go_on_from_what_is_given(models, family):
    import torch

    theirs, ours = models(family)
    for begin in ([[5], [6], [7]], [[ours.config.decoder_start_token_id, 8]] * 3):
        options = {"max_new_tokens": 6, "num_beams": 2}
        expected = texts(theirs, torch.tensor, decoder_input_ids=torch.tensor(begin), **options)
        got = texts(ours, framework.tensor, decoder_input_ids=framework.tensor(begin), **options)
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
    encoded = ours.get_encoder()(framework.tensor(PROMPTS), framework.tensor(LEFT))
    again = ours.generate(encoder_outputs=encoded, attention_mask=framework.tensor(LEFT), max_new_tokens=6)
    np.testing.assert_array_equal(again.numpy(), texts(ours, framework.tensor, max_new_tokens=6).numpy())


@pytest.mark.filterwarnings("ignore")
def test_what_is_taken_for_granted(models):
    import torch

    theirs, ours = models("gpt2")
    ids = PROMPTS[:1, :5]
    expected = theirs.generate(torch.tensor(ids)).numpy()  # 20 new tokens at most, no mask
    np.testing.assert_array_equal(ours.generate(framework.tensor(ids)).numpy(), expected)
    expected = theirs.generate(torch.tensor(PROMPTS), max_length=11).numpy()  # the mask is told by the padding
    np.testing.assert_array_equal(ours.generate(framework.tensor(PROMPTS), max_length=11).numpy(), expected)
    expected = theirs.generate(max_new_tokens=5).numpy()  # a text from nothing
    np.testing.assert_array_equal(ours.generate(max_new_tokens=5).numpy(), expected)

    def allowed(row: int, ids: Any) -> list[int]:
        return [3 + row, 10 + int(ids[-1]) % 5, 20]

    for beams in (1, 2):
        options = {"max_new_tokens": 6, "num_beams": beams, "prefix_allowed_tokens_fn": allowed}
        expected, got = pair_of_texts(models, "gpt2", **options)
        np.testing.assert_array_equal(got, expected)
    own = LogitsProcessorList([lambda ids, scores: -scores])
    theirs_own = transformers().LogitsProcessorList([lambda ids, scores: -scores])
    expected = texts(theirs, torch.tensor, logits_processor=theirs_own, max_new_tokens=6).numpy()
    got = texts(ours, framework.tensor, logits_processor=own, max_new_tokens=6).numpy()
    np.testing.assert_array_equal(got, expected)


@pytest.mark.filterwarnings("ignore")
def test_a_folder_says_how_to_generate(models, tmp_path):
    theirs, ours = models("gpt2")
    T = transformers()
    import torch

    settings = {
        "max_new_tokens": 8,
        "num_beams": 3,
        "no_repeat_ngram_size": 2,
        "eos_token_id": [1, 5],
        "pad_token_id": 2,
    }
    T.GenerationConfig(**settings).save_pretrained(tmp_path)
    theirs.config.save_pretrained(tmp_path)
    from framework.io import save_file

    save_file(ours.state_dict(), tmp_path / "model.safetensors", {"format": "pt"})
    model = text.from_pretrained(tmp_path, "causal-lm")
    expected = texts(theirs, torch.tensor, generation_config=T.GenerationConfig(**settings)).numpy()
    np.testing.assert_array_equal(texts(model, framework.tensor).numpy(), expected)
    model.save_pretrained(tmp_path / "again")
    again = T.GenerationConfig.from_pretrained(tmp_path / "again")
    assert (again.num_beams, again.eos_token_id) == (3, [1, 5])
    assert texts(model, framework.tensor, num_beams=1, max_new_tokens=4).shape == (3, 10)
