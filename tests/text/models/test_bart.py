"""BART and Marian beside transformers', their caches, biases and positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import framework as F
import text
from framework.errors import ArgumentError
from tests.text.models.decoders import check, logits_in_steps, randomised, save, texts
from tests.text.peer import transformers
from text.models.bart import BartConfig, BartForConditionalGeneration, BartForSequenceClassification, BartModel
from text.models.marian import MarianConfig, MarianModel, MarianMTModel, SinusoidalPositions

SMALL: dict[str, Any] = {
    "vocab_size": 99, "d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 37, "decoder_ffn_dim": 29, "max_position_embeddings": 40,
    "dropout": 0.0, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
    "forced_eos_token_id": 2,
}  # fmt: skip
APART = {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 77}
FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("bart", {}),
    ("bart", {"scale_embedding": True, "activation_function": "relu"}),
    ("marian", {"scale_embedding": True, "activation_function": "swish"}),
    ("marian", {}),
]
CLASSES = {"bart": (BartConfig, BartForConditionalGeneration), "marian": (MarianConfig, MarianMTModel)}


def small(family: str, **fields: Any) -> Any:
    F.manual_seed(0)
    config, model = CLASSES[family]
    made = model(config(**{**SMALL, "init_std": 0.3, **fields})).double().eval()
    made.final_logits_bias.copy_(F.randn(1, made.lm_head.out_features))
    return made


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("task", [None, "seq2seq-lm"])
@pytest.mark.parametrize(("family", "fields"), FAMILIES, ids=str)
def test_agrees_with_transformers(family, fields, task, side, tmp_path):
    check(tmp_path, transformers().AutoConfig.for_model(family, **SMALL, **fields), task, side)


def test_bart_classifies_as_transformers_does(tmp_path):
    config = transformers().BartConfig(**SMALL)
    check(tmp_path, config, "sequence-classification")
    with pytest.raises(ArgumentError, match="must hold the token 2"):
        text.from_pretrained(tmp_path / "ours", "sequence-classification")(F.tensor([[5, 6]]))


def test_bart_answers_as_transformers_does(tmp_path):
    check(tmp_path, transformers().BartConfig(**SMALL, num_labels=2), "question-answering")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", CLASSES)
def test_the_decoder_alone_agrees_with_transformers(family, side, tmp_path):
    config = transformers().AutoConfig.for_model(family, **SMALL, is_decoder=True, is_encoder_decoder=False)
    check(tmp_path, config, "causal-lm", side)


@pytest.mark.parametrize("family", CLASSES)
def test_the_decoder_alone_of_a_whole_model(family, tmp_path):
    """It reads the words that encoder and decoder share, and looks at an encoder's states as the whole model does."""
    whole = small(family).float()
    whole.final_logits_bias.copy_(F.zeros(1, 99))
    whole.save_pretrained(tmp_path)
    alone = text.from_pretrained(tmp_path, "causal-lm")
    assert not alone.config.is_encoder_decoder and alone.get_input_embeddings().weight is alone.lm_head.weight
    source, target = F.tensor([[7, 5, 2], [9, 2, 1]]), F.tensor([[2, 6, 7, 8, 9], [2, 5, 4, 3, 8]])
    mask = source.ne(1).long()
    with F.no_grad():
        encoded = whole.get_encoder()(source, mask)
        expected = whole(encoder_outputs=encoded, attention_mask=mask, decoder_input_ids=target).logits
        seen = {"encoder_hidden_states": encoded[0], "encoder_attention_mask": mask}
        found = alone(target, **seen).logits
        cache = alone.new_cache()
        steps = [alone(target[:, i : i + 1], past_key_values=cache, **seen).logits for i in range(5)]
        alone_steps = logits_in_steps(alone, target.numpy(), None, (0, 2, 3, 4, 5))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(F.cat(steps, 1).numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(alone_steps, alone(target).logits.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert alone.generate(target, max_new_tokens=3, eos_token_id=None).shape == (2, 8)


def test_marian_with_vocabularies_apart(tmp_path):
    import torch

    config = transformers().MarianConfig(**SMALL, **APART)
    theirs = randomised(config, "seq2seq-lm")
    ours = text.from_pretrained(save(theirs, tmp_path / "theirs"), "seq2seq-lm")
    ids, target = np.array([[90, 5, 2]]), np.array([[2, 76, 3, 4]])
    with F.no_grad(), torch.no_grad():
        found = ours(F.tensor(ids), decoder_input_ids=F.tensor(target)).logits.numpy()
        expected = theirs(torch.as_tensor(ids), decoder_input_ids=torch.as_tensor(target)).logits.numpy()
    assert found.shape == (1, 4, 77)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    ours.save_pretrained(tmp_path / "ours")
    again = transformers().MarianMTModel.from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        back = again(torch.as_tensor(ids), decoder_input_ids=torch.as_tensor(target)).logits.numpy()
    np.testing.assert_allclose(back, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cuts", [(0, 9), (0, 4, 5, 6, 7, 8, 9), (0, 1, 2, 5, 7, 9)], ids=str)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("family", CLASSES)
def test_in_steps_as_at_once(family, padded, cuts):
    model = small(family)
    ids, mask = texts(1, "left", 1)
    target = np.random.default_rng(5).integers(5, 99, (3, 9))
    source = {"attention_mask": F.tensor(mask)} if padded else {}
    with F.no_grad():
        encoded = model.get_encoder()(F.tensor(ids), *source.values())
        expected = model(F.tensor(ids), **source, decoder_input_ids=F.tensor(target)).logits.numpy()
        last = model(F.tensor(ids), **source, decoder_input_ids=F.tensor(target), logits_to_keep=1).logits.numpy()
    found = logits_in_steps(model, target, None, cuts, encoder_outputs=encoded, **source)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(last, expected[:, -1:], rtol=1e-9, atol=1e-9)


def test_without_a_target_bart_reads_the_source():
    model, ids = small("bart"), F.tensor([[0, 5, 6, 2]])
    found, told = model(ids).logits, model(ids, decoder_input_ids=F.tensor([[2, 0, 5, 6]])).logits
    np.testing.assert_array_equal(found.detach().numpy(), told.detach().numpy())
    with pytest.raises(ArgumentError, match="either input_ids or inputs_embeds"):
        small("marian")(ids)


def test_a_file_without_bias_and_one_with_positions(tmp_path):
    model = small("marian").float()
    model.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = F.io.load_file(file)
    assert not any("embed_positions" in key for key in state)
    del state["final_logits_bias"]
    F.io.save_file({**state, "model.encoder.embed_positions.weight": F.ones(40, 32)}, file)
    again = text.from_pretrained(tmp_path, "seq2seq-lm")
    assert not bool(again.final_logits_bias.any())
    assert type(text.from_pretrained(tmp_path)) is MarianModel
    with F.no_grad():
        ids = F.tensor([[5, 6, 2]])
        found = again(ids, labels=ids).logits + model.final_logits_bias
        np.testing.assert_allclose(found.numpy(), model(ids, labels=ids).logits.numpy(), rtol=1e-5, atol=1e-5)


def test_positions_are_sines_then_cosines():
    table = SinusoidalPositions(9, 6).weight.numpy()
    rates = 10000.0 ** (-np.array([0, 2, 4]) / 6)
    angles = np.arange(9)[:, None] * rates
    np.testing.assert_allclose(table, np.concatenate([np.sin(angles), np.cos(angles)], 1), atol=1e-6)


def test_resized_tables_stay_tied_and_the_bias_grows():
    model = small("bart")
    model.resize_token_embeddings(104)
    shared = model.model.shared.weight
    assert model.lm_head.weight is shared and model.model.decoder.embed_tokens.weight is shared
    assert model.final_logits_bias.shape == (1, 104) and not bool(model.final_logits_bias[:, 99:].any())
    assert model(F.tensor([[0, 103, 2]])).logits.shape == (1, 3, 104)
    model.resize_token_embeddings(50)
    assert model(F.tensor([[0, 49, 2]])).logits.shape == (1, 3, 50)


@pytest.mark.parametrize("fields", [{}, APART], ids=["shared", "apart"])
def test_resized_tables_of_marian(fields, tmp_path):
    model = small("marian", **fields).float()
    model.resize_token_embeddings(110)
    assert model.lm_head.weight is model.model.decoder.embed_tokens.weight
    ids = F.tensor([[5, 109, 2]])
    assert model(ids, labels=ids).logits.shape == (1, 3, 110)
    model.save_pretrained(tmp_path)
    assert text.from_pretrained(tmp_path, "seq2seq-lm")(ids, labels=ids).logits.shape == (1, 3, 110)


def test_labels_and_places_of_bart():
    assert BartConfig().num_labels == 3 and BartConfig(num_labels=5).num_labels == 5
    model = BartModel(BartConfig(**SMALL)).eval()
    assert model.encoder.embed_positions.weight.shape == (42, 32)
    with pytest.raises(ArgumentError, match="more than"):
        model(F.zeros(1, 41, dtype=F.int64))
    with pytest.raises(ArgumentError, match="number of heads 5"):
        BartForSequenceClassification(BartConfig(**{**SMALL, "encoder_attention_heads": 5}))
