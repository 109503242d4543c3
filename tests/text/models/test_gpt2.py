"""GPT-2 beside transformers', its cache, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import framework as F
import text
from framework.errors import ArgumentError, ShapeError
from tests.text.models.decoders import check, logits_in_steps, randomised, save, texts
from tests.text.peer import transformers
from text.models.cache import position_ids
from text.models.gpt2 import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel, GPT2Model

SMALL: dict[str, Any] = {
    "vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
    "attn_pdrop": 0.0, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "num_labels": 3,
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "inner": {"n_inner": 37, "activation_function": "relu", "scale_attn_by_inverse_layer_idx": True},
    "untied": {"tie_word_embeddings": False, "scale_attn_weights": False},
}


def small(seed: int = 0, **fields: Any) -> GPT2LMHeadModel:
    F.manual_seed(seed)
    model = GPT2LMHeadModel(GPT2Config(**{**SMALL, "initializer_range": 0.3, **fields}))
    return model.double().eval()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("task", [None, "causal-lm", "sequence-classification", "token-classification"])
def test_agrees_with_transformers(task, side, tmp_path):
    check(tmp_path, transformers().GPT2Config(**SMALL), task, side)


def test_answers_agree_with_transformers(tmp_path):
    check(tmp_path, transformers().GPT2Config(**SMALL), "question-answering")


@pytest.mark.parametrize("variant", ["inner", "untied"])
def test_variants_agree(variant, tmp_path):
    check(tmp_path, transformers().GPT2Config(**SMALL, **VARIANTS[variant]), "causal-lm")


def test_files_without_prefix_and_with_masks(tmp_path):
    theirs = randomised(transformers().GPT2Config(**SMALL), "causal-lm")
    save(theirs, tmp_path)
    file = tmp_path / "model.safetensors"
    state = {k.removeprefix("transformer."): v for k, v in F.io.load_file(file).items()}
    F.io.save_file({**state, "h.0.attn.bias": F.ones(1, 1, 64, 64)}, file)
    ours = text.from_pretrained(tmp_path, "causal-lm")
    assert ours.lm_head.weight is ours.transformer.wte.weight
    ids, _ = texts(1, "right", 0)
    import torch

    with F.no_grad(), torch.no_grad():
        np.testing.assert_allclose(
            ours(F.tensor(ids)).logits.numpy(), theirs(torch.as_tensor(ids)).logits.numpy(), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("cuts", [(0, 11), (0, 5, 6, 7, 8, 9, 10, 11), (0, 1, 2, 5, 8, 9, 11)], ids=str)
@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("dtype", [F.float64, F.float32, F.float16], ids=str)
def test_in_steps_as_at_once(cuts, side, dtype):
    model = small().to(dtype)
    ids, mask = texts(1, side or "right", 0)
    mask = None if side is None else mask
    given = {} if mask is None else {"attention_mask": F.tensor(mask), "position_ids": position_ids(F.tensor(mask))}
    with F.no_grad():
        expected = model(F.tensor(ids), **given).logits.numpy()
        last = model(F.tensor(ids), **given, logits_to_keep=2).logits.numpy()
    found = logits_in_steps(model, ids, mask, cuts)
    seen = np.ones(ids.shape, bool) if mask is None else mask == 1
    tolerance = {"float64": 1e-10, "float32": 1e-4, "float16": 5e-2}[dtype.name]
    np.testing.assert_allclose(found[seen], expected[seen], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(last[seen[:, -2:]], expected[:, -2:][seen[:, -2:]], rtol=tolerance, atol=tolerance)


def test_cache_grows_reorders_and_crops():
    model = small()
    ids = np.random.default_rng(0).integers(3, 99, (2, 60))
    rows = [1, 0, 1, 1]
    with F.no_grad():
        cache = model(F.tensor(ids[:, :20]), use_cache=True).past_key_values
        assert len(cache) == cache.length == cache.get_seq_length() == 20
        held = cache.layers[0]._keys
        cache.reorder([0, 1])
        assert cache.layers[0]._keys is held
        cache.reorder(rows)
        for stop in range(21, 50):  # past the 32 tokens that memory is taken for at first
            found = model(F.tensor(ids[rows, stop - 1 : stop]), past_key_values=cache).logits
        assert cache.layers[0]._keys.shape[2] == 64
        np.testing.assert_allclose(found.numpy()[:, 0], model(F.tensor(ids[rows, :49])).logits.numpy()[:, -1])
        cache.crop(30)
        cache.reorder(F.tensor([3, 1]))
        found = model(F.tensor(ids[:, 30:35][[1, 0]]), past_key_values=cache, logits_to_keep=1).logits
        np.testing.assert_allclose(found.numpy()[:, 0], model(F.tensor(ids[[1, 0], :35])).logits.numpy()[:, -1])
        with pytest.raises(ShapeError, match="holds 2 sequences"):
            model(F.tensor(ids[:1, :1]), past_key_values=cache)
    for wrong in ([[0]], [0.5]):
        with pytest.raises(ArgumentError, match="integers in one dim"):
            cache.reorder(wrong)
    with pytest.raises(ArgumentError, match="0 or more"):
        cache.crop(-1)


def test_memory_is_taken_once_for_the_length_asked_for():
    model, ids = small(), F.tensor(np.random.default_rng(0).integers(3, 99, (1, 40)))
    cache = model.new_cache(3, 50)
    with F.no_grad():
        model(ids[:, :3], past_key_values=cache)
        held = cache.layers[1]._values
        assert held.shape == (3, 4, 50, 8)
        cache.reorder([0, 0, 0])
        model(ids[:, 3:].expand(3, -1), past_key_values=cache)
    assert cache.layers[1]._values is held


def test_gradients_go_through_the_cache():
    model, ids = small(), F.tensor(np.random.default_rng(0).integers(3, 99, (2, 9)))
    model(ids).logits[:, -1].square().sum().backward()
    expected = {k: p.grad.numpy().copy() for k, p in model.named_parameters()}
    model.zero_grad()
    cache = model.new_cache()
    model(ids[:, :5], past_key_values=cache)
    model(ids[:, 5:8], past_key_values=cache)
    model(ids[:, 8:], past_key_values=cache).logits[:, -1].square().sum().backward()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), expected[name], rtol=1e-8, atol=1e-8, err_msg=name)


def test_without_a_cache_none_is_made_and_checkpointing_refuses_one():
    model, ids = small(), F.tensor([[5, 6, 7]])
    assert model(ids).past_key_values is None and "past_key_values" not in model(ids)
    before = model(ids, labels=ids).loss
    model.train().gradient_checkpointing_enable()
    assert model(ids, labels=ids).loss.item() == pytest.approx(before.item())
    with pytest.raises(ArgumentError, match="gradient checkpointing"):
        model(ids, use_cache=True)


def test_words_by_vectors_and_types():
    model, ids = small(), F.tensor([[5, 6, 7]])
    vectors = model.get_input_embeddings()(ids)
    np.testing.assert_allclose(*(t.logits.detach().numpy() for t in (model(ids), model(inputs_embeds=vectors))))
    summed = model(inputs_embeds=vectors + model.transformer.wte(F.tensor([[9, 9, 8]])))
    typed = model(ids, token_type_ids=F.tensor([[9, 9, 8]]))
    np.testing.assert_allclose(typed.logits.detach().numpy(), summed.logits.detach().numpy())


def test_resized_tables_stay_tied(tmp_path):
    model = small().float()
    model.resize_token_embeddings(105)
    assert model.lm_head.weight is model.transformer.wte.weight and model(F.tensor([[104]])).logits.shape[-1] == 105
    model.save_pretrained(tmp_path)
    assert text.from_pretrained(tmp_path, "causal-lm").config.vocab_size == 105


def test_initial_values():
    F.manual_seed(0)
    block = GPT2Model(GPT2Config(vocab_size=99, n_embd=256, n_layer=8, n_head=4)).h[3]
    assert float(block.attn.c_attn.weight.std()) == pytest.approx(0.02, rel=0.05)
    assert float(block.attn.c_proj.weight.std()) == pytest.approx(0.02 / 4, rel=0.05)
    assert float(block.mlp.c_proj.weight.std()) == pytest.approx(0.02 / 4, rel=0.05)


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="add_cross_attention"):
        GPT2Model(GPT2Config(**SMALL, add_cross_attention=True))
    with pytest.raises(ArgumentError, match="no multiple"):
        GPT2Model(GPT2Config(**{**SMALL, "n_head": 5}))
    model = small()
    with pytest.raises(ArgumentError, match="65 tokens are more than the 64 places"):
        model(F.zeros(1, 65, dtype=F.int64))
    with pytest.raises(ArgumentError, match="either input_ids or inputs_embeds"):
        model()
    classifier = GPT2ForSequenceClassification(GPT2Config(**{**SMALL, "pad_token_id": None}))
    assert classifier(F.tensor([[5, 6]])).logits.shape == (1, 3)
    with pytest.raises(ArgumentError, match="pad_token_id"):
        classifier(F.tensor([[5, 6], [7, 8]]))
