"""Sentence encoders: pooling by hand-made sums, and folders written and read."""

from __future__ import annotations

import json

import numpy as np
import pytest

import framework as F
import text
from framework import nn
from framework.errors import ArgumentError
from text.models import BertConfig, BertModel, RobertaConfig, RobertaModel
from text.pooling import Dense, Normalize, Pooling
from text.tokenizers import Tokenizer

WORDS = [
    "a man is eating food",
    "the girl is carrying a baby",
    "a cheetah is running",
    "stock markets fell sharply today",
]


@pytest.fixture(scope="module")
def tokenizer():
    pytest.importorskip("tokenizers")
    return Tokenizer.train("wordpiece", WORDS * 5, 80)


def encoder(tokenizer, modes=("mean_tokens",), after=(), **settings):
    F.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
        max_position_embeddings=16, initializer_range=0.3,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False)
    return text.SentenceEncoder(model, tokenizer, Pooling(24, modes), after, **settings).eval()


HIDDEN = np.random.default_rng(0).normal(size=(2, 5, 3))
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
POOLED = {
    "cls_token": lambda h: h[0],
    "max_tokens": lambda h: h.max(0),
    "mean_tokens": lambda h: h.mean(0),
    "mean_sqrt_len_tokens": lambda h: h.sum(0) / np.sqrt(len(h)),
    "weightedmean_tokens": lambda h: np.average(h, 0, np.arange(1, len(h) + 1)),
    "lasttoken": lambda h: h[-1],
}


@pytest.mark.parametrize("mode", POOLED)
def test_each_way_of_pooling(mode):
    pooled = Pooling(3, [mode])(F.tensor(HIDDEN), F.tensor(MASK)).numpy()
    expected = [POOLED[mode](h[: m.sum()]) for h, m in zip(HIDDEN, MASK, strict=True)]
    np.testing.assert_allclose(pooled, expected, rtol=1e-12)


def test_several_ways_stand_side_by_side_in_their_own_order():
    both = Pooling(3, ["mean_tokens", "cls_token"])(F.tensor(HIDDEN), F.tensor(MASK)).numpy()
    np.testing.assert_allclose(both[0], np.concatenate([HIDDEN[0, 0], HIDDEN[0].mean(0)]))


@pytest.mark.parametrize("modes", [(), ("median",)])
def test_other_ways_are_refused(modes):
    with pytest.raises(ArgumentError, match="expected modes among cls_token"):
        Pooling(3, modes)


def test_batches_by_length_give_what_each_sentence_gives_alone(tokenizer):
    made = encoder(tokenizer, after=[Normalize()])
    sentences = ["a", *WORDS, "man " * 30, ""]
    together = made.encode(sentences, batch_size=3)
    alone = np.stack([made.encode(sentence) for sentence in sentences])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-6)
    assert made.encode([]).shape == (0, 24) and isinstance(made.encode(WORDS, convert_to_tensor=True), F.Tensor)
    assert made.similarity(together, together).shape == (7, 7)


def test_encoding_leaves_the_mode_and_keeps_no_graph(tokenizer):
    made = encoder(tokenizer).train()
    first = made.encode(WORDS, convert_to_tensor=True)
    assert made.training and made.model.training and not first.requires_grad
    np.testing.assert_array_equal(first.numpy(), made.encode(WORDS))  # no dropout


def test_forward_can_be_trained(tokenizer):
    made = encoder(tokenizer, after=[Normalize()])
    batch = tokenizer(WORDS, padding=True, return_tensors="pt")
    made(batch["input_ids"], batch["attention_mask"]).sum().backward()
    assert made.model.embeddings.word_embeddings.weight.grad.abs().sum() > 0


def test_normalising_prompts_and_lower_case(tokenizer):
    made = encoder(tokenizer, do_lower_case=True, prompts={"query": "the girl "}, default_prompt_name=None)
    np.testing.assert_array_equal(made.encode("A Man"), made.encode("a man"))
    np.testing.assert_array_equal(made.encode("is", prompt_name="query"), made.encode("the girl is"))
    np.testing.assert_array_equal(made.encode("is", prompt="a "), made.encode("a is"))
    assert np.linalg.norm(made.encode("a man", normalize_embeddings=True)) == pytest.approx(1)
    with pytest.raises(ArgumentError, match="no prompt 'document'; there are query"):
        made.encode("is", prompt_name="document")
    with pytest.raises(ArgumentError, match="batch_size"):
        made.encode("is", batch_size=0)


def test_a_folder_comes_back_the_same(tokenizer, tmp_path):
    after = [Dense(48, 7, activation=nn.Identity()), Normalize()]
    made = encoder(tokenizer, ("mean_tokens", "max_tokens"), after, max_seq_length=9, prompts={"query": "a "})
    made.save_pretrained(tmp_path)
    again = text.SentenceEncoder.from_pretrained(tmp_path)
    assert [type(part).__name__ for part in again.after] == ["Dense", "Normalize"] and not again.training
    assert again.max_seq_length == 9 and again.prompts == {"query": "a "} and again.pooling.modes == made.pooling.modes
    np.testing.assert_array_equal(again.encode(WORDS), made.encode(WORDS))
    listed = json.loads((tmp_path / "modules.json").read_text())
    assert [entry["path"] for entry in listed] == ["", "1_Pooling", "2_Dense", "3_Normalize"]
    assert listed[1]["type"] == "sentence_transformers.models.Pooling"
    assert again.encode([]).shape == (0, 7)


def test_a_plain_model_folder_is_averaged(tokenizer, tmp_path):
    made = encoder(tokenizer)
    made.model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = text.SentenceEncoder.from_pretrained(tmp_path)
    assert again.pooling.modes == ("mean_tokens",) and again.max_seq_length == 16
    np.testing.assert_array_equal(again.encode(WORDS), made.encode(WORDS))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda listed: [{**listed[0], "type": "sentence_transformers.models.CLIPModel"}], "only Transformer is known"),
        (
            lambda listed: [*listed, {"path": "", "type": "sentence_transformers.models.WeightedLayerPooling"}],
            "not known",
        ),
    ],
)
def test_strange_modules_are_refused(change, words, tokenizer, tmp_path):
    encoder(tokenizer).save_pretrained(tmp_path)
    file = tmp_path / "modules.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(ArgumentError, match=words):
        text.SentenceEncoder.from_pretrained(tmp_path)


def test_the_places_of_a_roberta_begin_after_its_padding(tokenizer):
    config = RobertaConfig(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=12)  # fmt: skip
    made = text.SentenceEncoder(RobertaModel(config, add_pooling_layer=False), tokenizer).eval()
    assert made.max_seq_length == 10
    assert made.encode("man " * 30).shape == (8,)
