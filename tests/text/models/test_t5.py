"""T5 beside transformers', its cache, and the ways its head may lie in a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import framework as F
import text
from framework.errors import ArgumentError
from tests.text.models.decoders import check, logits_in_steps, randomised, save, texts
from tests.text.peer import transformers
from text.models.t5 import T5Config, T5EncoderModel, T5ForConditionalGeneration, T5Model
from text.models.t5_layers import buckets

SMALL: dict[str, Any] = {
    "vocab_size": 99, "d_model": 32, "d_kv": 6, "d_ff": 37, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4,
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 7, "dropout_rate": 0.0,
    "decoder_start_token_id": 0,
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "1.0": {},
    "1.1": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "silu": {"feed_forward_proj": "gated-silu"},
}


def small(**fields: Any) -> T5ForConditionalGeneration:
    F.manual_seed(0)
    return T5ForConditionalGeneration(T5Config(**{**SMALL, **fields})).double().eval()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("task", [None, "seq2seq-lm"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_agrees_with_transformers(variant, task, side, tmp_path):
    check(tmp_path, transformers().T5Config(**SMALL, **VARIANTS[variant]), task, side, exact=False)


@pytest.mark.parametrize("task", ["sequence-classification", "token-classification", "question-answering"])
def test_tasks_agree_with_transformers(task, tmp_path):
    check(
        tmp_path,
        transformers().T5Config(**SMALL, num_labels=2 if task == "question-answering" else 3),
        task,
        exact=False,
    )


def test_heads_start_on_any_file(tmp_path):
    """Of T5 with scores of tokens, with its trunk held by another name, and of the encoder alone."""
    small().float().save_pretrained(tmp_path)
    for task, keys in (
        ("sequence-classification", r"classification_head\.dense\.weight"),
        ("token-classification", r"classifier\.weight, classifier\.bias"),
        ("question-answering", r"qa_outputs\.weight, qa_outputs\.bias"),
    ):
        with pytest.warns(UserWarning, match=rf"nothing that fits {keys}"):
            model = text.from_pretrained(tmp_path, task)
        model.save_pretrained(tmp_path / task)
        assert type(T5EncoderModel.from_pretrained(tmp_path / task)) is T5EncoderModel
        if task != "token-classification":
            assert type(text.from_pretrained(tmp_path / task)) is T5Model
        if task != "question-answering":
            assert model.get_input_embeddings() is model.transformer.shared
    with pytest.warns(UserWarning, match=r"fits classifier\.weight, classifier\.bias; these"):
        again = text.from_pretrained(tmp_path / "token-classification", "token-classification", num_labels=7)
    assert again(F.tensor([[5, 6, 1]])).logits.shape == (1, 3, 7)
    assert again.classifier.weight.std().item() == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("cuts", [(0, 9), (0, 4, 5, 6, 7, 8, 9), (0, 1, 2, 5, 7, 9)], ids=str)
@pytest.mark.parametrize("padded", [False, True])
def test_in_steps_as_at_once(padded, cuts):
    model = small(feed_forward_proj="gated-gelu")
    ids, mask = texts(1, "left", 0)
    target = np.random.default_rng(5).integers(5, 99, (3, 9))
    source = {"attention_mask": F.tensor(mask)} if padded else {}
    with F.no_grad():
        encoded = model.get_encoder()(F.tensor(ids), *source.values())
        expected = model(F.tensor(ids), **source, decoder_input_ids=F.tensor(target)).logits.numpy()
    found = logits_in_steps(model, target, None, cuts, encoder_outputs=encoded, **source)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_encoder_is_asked_once_and_sequences_fan_out():
    model, ids = small(), F.tensor(np.random.default_rng(0).integers(5, 99, (2, 7)))
    target = np.random.default_rng(5).integers(5, 99, (2, 5))
    rows = [1, 0, 1]
    with F.no_grad():
        cache = model(ids, decoder_input_ids=F.tensor(target[:, :3]), use_cache=True).past_key_values
        held = cache.cross[0].get()[0].array
        cache.reorder(rows)
        output = model(decoder_input_ids=F.tensor(target[rows, 3:4]), past_key_values=cache)
        assert "encoder_last_hidden_state" not in output
        found = model(decoder_input_ids=F.tensor(target[rows, 4:]), past_key_values=cache).logits.numpy()
        expected = model(ids[rows], decoder_input_ids=F.tensor(target[rows])).logits.numpy()
    np.testing.assert_allclose(found[:, 0], expected[:, -1], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(cache.cross[0].get()[0].array, held[rows])


def test_a_padded_target_in_steps():
    model = small()
    ids = F.tensor(np.random.default_rng(0).integers(5, 99, (3, 7)))
    target, mask = texts(3, "left", 0)
    with F.no_grad():
        expected = model(ids, decoder_input_ids=F.tensor(target), decoder_attention_mask=F.tensor(mask)).logits.numpy()
        cache, found = model.new_cache(), []
        for start, stop in ((0, 4), (4, 7), (7, 8), (8, 9), (9, 10), (10, 11)):
            step = {"decoder_input_ids": target[:, start:stop], "decoder_attention_mask": mask[:, :stop]}
            found.append(model(ids, past_key_values=cache, **{k: F.tensor(v) for k, v in step.items()}).logits.numpy())
    np.testing.assert_allclose(np.concatenate(found, 1)[mask == 1], expected[mask == 1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize(("count", "longest"), [(32, 128), (16, 64), (8, 20)])
def test_buckets_agree_with_transformers(both, count, longest):
    import torch

    transformers()
    from transformers.models.t5.modeling_t5 import T5Attention

    distances = np.arange(-1500, 1500)
    theirs = T5Attention._relative_position_bucket(torch.as_tensor(distances), both, count, longest)
    np.testing.assert_array_equal(buckets(distances, both, count, longest), theirs.numpy())


def test_buckets_of_short_and_long_distances():
    found = buckets(np.array([0, -1, -7, -8, -15, -16, -127, -128, -9999, 1, 7, 8, 9999]), True, 32, 128)
    np.testing.assert_array_equal(found, [0, 1, 7, 8, 9, 10, 15, 15, 15, 17, 23, 24, 31])
    assert (buckets(np.array([3, 0]), False, 32, 128) == 0).all()


def test_the_encoder_alone(tmp_path):
    import torch

    theirs = randomised(transformers().T5Config(**SMALL), "seq2seq-lm")
    ours = T5EncoderModel.from_pretrained(save(theirs, tmp_path / "whole"))
    ids, mask = texts(1, "right", 0)
    with F.no_grad(), torch.no_grad():
        found = ours(F.tensor(ids), F.tensor(mask)).last_hidden_state.numpy()
        expected = theirs.encoder(torch.as_tensor(ids), torch.as_tensor(mask)).last_hidden_state.numpy()
    np.testing.assert_allclose(found[mask == 1], expected[mask == 1], rtol=1e-4, atol=1e-5)
    ours.save_pretrained(tmp_path / "ours")
    again = transformers().T5EncoderModel.from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        back = again(torch.as_tensor(ids), torch.as_tensor(mask)).last_hidden_state.numpy()
    np.testing.assert_allclose(back[mask == 1], expected[mask == 1], rtol=1e-4, atol=1e-5)


def test_a_head_of_its_own_whatever_the_config_says(tmp_path):
    model = small(tie_word_embeddings=False, feed_forward_proj="gated-gelu").float()
    model.config.tie_word_embeddings, model.config.scale_decoder_outputs = True, False
    model.save_pretrained(tmp_path)  # as transformers saves what it read of T5 1.1
    again = text.from_pretrained(tmp_path, "seq2seq-lm")
    assert again.lm_head.weight is not again.shared.weight
    assert again.encoder.embed_tokens.weight is again.shared.weight
    ids = F.tensor([[5, 6, 7]])
    with F.no_grad():
        np.testing.assert_allclose(*(m(ids, labels=ids).logits.numpy() for m in (model, again)), rtol=1e-5, atol=1e-5)


def test_old_files_hold_distances_to_the_source(tmp_path):
    file = save(randomised(transformers().T5Config(**SMALL), "seq2seq-lm"), tmp_path) / "model.safetensors"
    key = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    F.io.save_file({**F.io.load_file(file), key: F.ones(8, 4)}, file)
    assert type(text.from_pretrained(tmp_path)) is T5Model


def test_checkpointed_gradients_are_the_same():
    model = small().train()
    ids, labels = F.tensor([[5, 6, 7]]), F.tensor([[8, 9, -100]])
    model(ids, labels=labels).loss.backward()
    expected = {k: p.grad.numpy().copy() for k, p in model.named_parameters()}
    model.zero_grad()
    model.gradient_checkpointing_enable()
    model(ids, labels=labels).loss.backward()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_initial_values():
    F.manual_seed(0)
    model = T5ForConditionalGeneration(T5Config(d_model=128, d_ff=256, num_layers=1, num_heads=2, vocab_size=500))
    part = model.decoder.block[0].layer[1].EncDecAttention
    assert float(model.shared.weight.std()) == pytest.approx(1, rel=0.05)
    assert float(part.q.weight.std()) == pytest.approx((128 * 64) ** -0.5, rel=0.05)
    assert float(part.k.weight.std()) == pytest.approx(128**-0.5, rel=0.05)
    assert float(model.encoder.block[0].layer[1].DenseReluDense.wo.weight.std()) == pytest.approx(1 / 16, rel=0.05)


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="decoder_start_token_id"):
        small(decoder_start_token_id=None)(F.tensor([[5]]), labels=F.tensor([[5]]))
    with pytest.raises(ArgumentError, match="either input_ids or inputs_embeds"):
        small()(F.tensor([[5]]))
