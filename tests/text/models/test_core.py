"""Configs, outputs, masks, attention and what models share, on small hand-made cases."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import framework as F
from framework import nn
from framework.errors import ArgumentError, ShapeError
from tests.text.peer import transformers
from text.models import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel, Config
from text.models.activations import ACTIVATIONS, activation
from text.models.attention import attend, merge_heads, split_heads
from text.models.heads import classification_loss, span_loss, token_loss
from text.models.masks import causal_mask, padding_mask, window_mask
from text.models.outputs import BaseModelOutputWithPooling, SequenceClassifierOutput

SMALL = {
    "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
    "max_position_embeddings": 12, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
IDS = F.tensor([[2, 5, 9, 11, 3], [2, 7, 3, 0, 0]])
MASK = F.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


class Renamed(Config):
    model_type = "renamed"
    attribute_map = {"hidden_size": "n_embd"}  # noqa: RUF012
    defaults = {"n_embd": 8, "tables": []}  # noqa: RUF012


def test_a_config_keeps_every_field():
    config = Config.from_dict({"model_type": "other", "strange": {"a": [1]}, "vocab_size": 7})
    assert config.strange == {"a": [1]} and config.to_dict()["model_type"] == "other"
    assert config.get("absent") is None and config.get("absent", 3) == 3
    with pytest.raises(AttributeError, match="Config has no field 'absent'"):
        config.absent
    assert Renamed().tables is not Renamed().tables  # defaults are copied


def test_fields_go_by_two_names():
    for config in (Renamed(n_embd=4), Renamed(hidden_size=4), Renamed.from_dict({"n_embd": 8}, hidden_size=4)):
        assert config.n_embd == config.hidden_size == 4 and "hidden_size" not in config.to_dict()
    config.hidden_size = 5
    assert config.n_embd == 5


def test_labels():
    config = Config(num_labels=3)
    assert config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"} and config.label2id["LABEL_2"] == 2
    read = Config.from_dict({"id2label": {"0": "no", "1": "yes"}})
    assert read.id2label == {0: "no", 1: "yes"} and read.label2id == {"no": 0, "yes": 1} and read.num_labels == 2
    named = {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}}
    assert Config.from_dict(named, num_labels=2).id2label[1] == "yes"  # as many: they keep their names
    assert Config.from_dict(named, num_labels=3).label2id == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}
    assert Config.from_dict(named, id2label={0: "a", 1: "b", 2: "c"}).label2id == {"a": 0, "b": 1, "c": 2}
    with pytest.raises(ArgumentError, match="num_labels must be 1 or more"):
        config.num_labels = 0


def test_a_config_comes_back(tmp_path):
    config = BertConfig(num_labels=3, extra=[1, 2])
    config.save_pretrained(tmp_path / "new")
    assert (
        BertConfig.from_pretrained(tmp_path / "new") == config != BertConfig.from_pretrained(tmp_path / "new", extra=0)
    )
    assert json.loads((tmp_path / "new" / "config.json").read_text())["model_type"] == "bert"
    assert "hidden_size=768" in repr(config)


def test_outputs_are_read_in_every_way():
    output = SequenceClassifierOutput(logits="l", attentions=("a",))
    assert output.logits == output["logits"] == output[0] == "l" and output.loss is None
    assert list(output) == ["logits", "attentions"] and output.to_tuple() == ("l", ("a",)) == output[:2]
    assert "loss" not in output and output.get("loss") is None and len(output) == 2 and dict(output)["logits"] == "l"
    with pytest.raises(KeyError):
        output["loss"]
    assert BaseModelOutputWithPooling("h", "p")[1] == "p"


def test_padding_masks():
    assert padding_mask(None) is None and padding_mask(F.ones(2, 3)) is None
    mask = padding_mask(MASK)
    assert mask.shape == (2, 1, 1, 5) and mask[1, 0, 0].tolist() == [True, True, True, False, False]
    assert padding_mask(F.tensor(np.tri(3)[None])).shape == (1, 1, 3, 3)
    whole = F.zeros(2, 1, 5, 5)
    assert padding_mask(whole) is whole
    with pytest.raises(ShapeError, match=r"got \(5,\)"):
        padding_mask(F.ones(5))


LEFT = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])


@pytest.mark.parametrize("window", [None, 1, 2, 5, 9])
@pytest.mark.parametrize("given", [None, LEFT, LEFT[:, ::-1].copy()], ids=["all", "left", "right"])
@pytest.mark.parametrize("queries", [1, 3, 5])
def test_causal_masks(queries, given, window):
    mask, causal = causal_mask(queries, 5, None if given is None else F.tensor(given), window, like=F.ones(1))
    row, column = np.arange(5 - queries, 5)[:, None], np.arange(5)
    expected = (column <= row) & (True if window is None else column > row - window)
    expected = expected & (np.ones((1, 1, 1, 5), bool) if given is None else given[:, None, None, :] == 1)
    if causal:
        assert mask is None and queries == 5
        mask = F.tensor(np.tri(5, dtype=bool))
    found = np.ones((1, 1), bool) if mask is None else mask.numpy()
    np.testing.assert_array_equal(np.broadcast_to(found, expected.shape), expected)
    if given is None and (window is None or window >= 5) and queries != 3:
        assert causal == (queries == 5) and (causal or mask is None)  # nothing was built


@pytest.mark.parametrize("radius", [0, 1, 3, 4])
def test_windows_on_both_sides(radius):
    place = np.arange(5)
    near = abs(place - place[:, None]) <= radius
    mask = window_mask(5, radius, like=F.ones(1))
    np.testing.assert_array_equal(np.ones((5, 5), bool) if mask is None else mask.numpy(), near)
    assert (mask is None) == (radius == 4)
    padded = window_mask(5, radius, MASK, like=F.ones(1)).numpy()
    np.testing.assert_array_equal(np.broadcast_to(padded, (2, 1, 5, 5)), near & (MASK.numpy() == 1)[:, None, None])


def plain_attention(q, k, v, seen, bias, scale):
    scores = q @ k.swapaxes(-1, -2) * scale + bias
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights @ v, weights


@pytest.mark.parametrize("heads", [4, 2, 1], ids=lambda n: f"{n}-key-heads")
@pytest.mark.parametrize("kind", ["all", "mask", "causal", "bias", "bias-mask", "bias-causal"])
def test_attention_with_and_without_weights(kind, heads, rng):
    q, k, v = (rng.normal(size=(2, n, 5, 3)) for n in (4, heads, heads))
    bias = rng.normal(size=(1, 4, 5, 5)) if "bias" in kind else 0.0
    seen = MASK.numpy()[:, None, None] == 1 if "mask" in kind else np.tri(5, dtype=bool) if "causal" in kind else True
    expected, shares = plain_attention(q, *(t.repeat(4 // heads, 1) for t in (k, v)), seen, bias, 1 / math.sqrt(3))
    options = {
        "mask": padding_mask(MASK) if "mask" in kind else None,
        "causal": "causal" in kind,
        "bias": F.tensor(bias) if "bias" in kind else None,
    }
    found, none = attend(*map(F.tensor, (q, k, v)), **options)
    again, weights = attend(*map(F.tensor, (q, k, v)), **options, output_attentions=True)
    assert none is None
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(again.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(weights.numpy(), shares, rtol=1e-12, atol=1e-15)


def test_heads_are_views():
    x = F.arange(2 * 5 * 12).float().reshape(2, 5, 12)
    split = split_heads(x, 4)
    assert split.shape == (2, 4, 5, 3) and np.shares_memory(split.numpy(), x.numpy())
    y, _ = attend(split, split, split)
    assert np.shares_memory(merge_heads(y).numpy(), y.numpy()) and merge_heads(split).equal(x)


def test_activations_are_those_of_transformers():
    torch = pytest.importorskip("torch")
    peer = transformers().activations.ACT2FN
    x = np.linspace(-4, 4, 17)
    for name in ACTIVATIONS:
        expected = peer[name](torch.as_tensor(x)).numpy()
        np.testing.assert_allclose(activation(name)(F.tensor(x)).numpy(), expected, atol=1e-7, err_msg=name)


def test_losses_by_hand():
    logits = F.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 2.0]])
    chosen = classification_loss(logits, F.tensor([0, 2]), Config(num_labels=3)).item()
    shares = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    assert chosen == pytest.approx(-np.log(shares[[0, 1], [0, 2]]).mean())
    several = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    odds = 1 / (1 + np.exp(-logits.numpy()))
    by_hand = -(several * np.log(odds) + (1 - several) * np.log(1 - odds)).mean()
    assert classification_loss(logits, F.tensor(several), Config(num_labels=3)).item() == pytest.approx(by_hand)
    one = classification_loss(F.tensor([[1.0], [3.0]]), F.tensor([2.0, 5.0]), Config(num_labels=1)).item()
    assert one == pytest.approx((1 + 4) / 2)
    table = Config(num_labels=3, problem_type="regression")
    assert classification_loss(logits, logits + 2, table).item() == pytest.approx(4)
    with pytest.raises(ArgumentError, match="problem_type: expected regression"):
        classification_loss(logits, logits, Config(problem_type="ranking"))
    tokens = token_loss(logits.unsqueeze(0), F.tensor([[0, -100]])).item()
    assert tokens == pytest.approx(-np.log(shares[0, 0]))
    span = span_loss(logits, logits, F.tensor([0, 7]), F.tensor([[2], [2]])).item()  # 7 is past the text
    ends = -np.log(shares[[0, 1], [2, 2]]).mean()
    assert span == pytest.approx((-np.log(shares[0, 0]) + ends) / 2)


def grads(model, **flags):
    model.zero_grad()
    labels = F.tensor([0, 1])
    output = model(IDS, MASK, labels=labels, **flags)
    output.loss.backward()
    return output.loss.item(), {name: p.grad.numpy().copy() for name, p in model.named_parameters()}


def test_checkpointing_changes_nothing_but_the_memory(monkeypatch):
    model = BertForSequenceClassification(BertConfig(**{**SMALL, "hidden_dropout_prob": 0.2})).train()
    F.manual_seed(3)
    plain = grads(model)
    calls = []
    from text.models import base

    def counted(*args):
        calls.append(args[0])
        return original(*args)

    original = base.checkpoint
    monkeypatch.setattr(base, "checkpoint", counted)
    model.gradient_checkpointing_enable()
    F.manual_seed(3)
    again = grads(model)
    assert len(calls) == 2 and again[0] == plain[0]
    for name, value in plain[1].items():
        np.testing.assert_allclose(again[1][name], value, rtol=1e-5, atol=1e-8, err_msg=name)
    model.gradient_checkpointing_disable()
    grads(model)
    assert len(calls) == 2


@pytest.mark.parametrize("number", [33, 20, 30])
@pytest.mark.parametrize("tied", [True, False])
def test_resizing_the_vocabulary(number, tied, tmp_path):
    model = BertForMaskedLM(BertConfig(**SMALL, tie_word_embeddings=tied)).eval()
    before = model(IDS).logits.detach().numpy()
    words = model.get_input_embeddings().weight.detach().numpy().copy()
    embedding = model.resize_token_embeddings(number)
    assert embedding is model.get_input_embeddings() and embedding.weight.shape == (number, 16)
    assert (model.cls.predictions.decoder.weight is embedding.weight) == tied
    assert model.cls.predictions.bias is model.cls.predictions.decoder.bias
    after = model(IDS).logits.detach().numpy()
    kept = min(number, 30)
    np.testing.assert_allclose(after[..., :kept], before[..., :kept], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(embedding.weight.detach().numpy()[30:], words.mean(0)[None].repeat(max(number - 30, 0), 0), rtol=1e-6)  # fmt: skip
    model.save_pretrained(tmp_path)
    np.testing.assert_array_equal(BertForMaskedLM.from_pretrained(tmp_path)(IDS).logits.detach().numpy(), after)
    with pytest.raises(ArgumentError, match="num_tokens must be 1 or more"):
        model.resize_token_embeddings(0)


def test_flags_of_the_config_and_of_the_call():
    model = BertModel(BertConfig(**SMALL, output_hidden_states=True)).eval()
    assert list(model(IDS)) == ["last_hidden_state", "pooler_output", "hidden_states"]
    output = model(IDS, output_hidden_states=False, output_attentions=True)
    assert list(output) == ["last_hidden_state", "pooler_output", "attentions"]
    assert [w.shape for w in output.attentions] == [(2, 2, 5, 5)] * 2


def test_inputs_that_go_by_another_way():
    model = BertModel(BertConfig(**SMALL)).eval()
    expected = model(IDS).last_hidden_state.detach().numpy()
    words = model.get_input_embeddings()(IDS)
    for given in (
        {"inputs_embeds": words},
        {"input_ids": IDS, "position_ids": F.arange(5).unsqueeze(0), "token_type_ids": F.zeros(2, 5).long()},
        {"input_ids": IDS, "attention_mask": F.ones(2, 5, 5)},
    ):
        np.testing.assert_allclose(model(**given).last_hidden_state.detach().numpy(), expected, atol=1e-6)
    for given in ({}, {"input_ids": IDS, "inputs_embeds": words}):
        with pytest.raises(ArgumentError, match="either input_ids or inputs_embeds"):
            model(**given)
    with pytest.raises(ArgumentError, match="13 tokens are more than the 12 places"):
        model(F.zeros(1, 13).long())


def test_padding_says_nothing():
    model = BertModel(BertConfig(**SMALL)).eval()
    alone = model(IDS[1:, :3]).last_hidden_state.detach().numpy()
    padded = model(IDS, MASK).last_hidden_state[1:, :3].detach().numpy()
    np.testing.assert_allclose(padded, alone, atol=1e-6)


def test_parameters_are_counted_once():
    model = BertForMaskedLM(BertConfig(**SMALL))
    trunk = model.bert.num_parameters()
    assert model.num_parameters() == trunk + 16 * 16 + 16 + 2 * 16 + 30  # dense, norm and the tokens' biases
    model.bert.requires_grad_(False)
    assert model.num_parameters(only_trainable=True) == 16 * 16 + 16 + 2 * 16 + 30
    assert model.base_model is model.bert and model.bert.base_model is model.bert
    assert isinstance(model.get_output_embeddings(), nn.Linear) and model.bert.get_output_embeddings() is None
    with pytest.raises(ArgumentError, match="expected a Config, got a dict"):
        BertModel({})  # type: ignore[arg-type]
