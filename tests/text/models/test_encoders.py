"""Encoder families beside transformers' models of the same small config, both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import framework
from framework.errors import ArgumentError
from tests.text.models.parity import SMALL, check
from tests.text.peer import transformers
from text.models import (
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
    ElectraForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    ModernBertModel,
    MPNetForSequenceClassification,
    RobertaForSequenceClassification,
)

EXACT = {
    "hidden_size": 36,
    "num_attention_heads": 3,
    "problem_type": "single_label_classification",
}  # whose scale 1 / 6 transformers' float32 does not round
DEBERTA_V2 = {
    "type_vocab_size": 2, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "conv_kernel_size": 3,
    "norm_rel_ebd": "layer_norm", "position_buckets": 4, "share_att_key": True, "position_biased_input": False,
    **EXACT,
}  # fmt: skip
DEBERTA_V3 = {
    "type_vocab_size": 0, "relative_attention": True, "pos_att_type": "c2p|p2c", "max_relative_positions": 8,
    "embedding_size": 24, **EXACT,
}  # fmt: skip
MODERN = {
    "local_attention": 14, "pad_token_id": 0, "num_hidden_layers": 4, "bos_token_id": 1, "eos_token_id": 2,
    "cls_token_id": 1, "sep_token_id": 2,
}  # fmt: skip

# family, fields beside the small ones, whether there are segments
FAMILIES: list[tuple[str, dict[str, Any], bool]] = [
    ("albert", {"embedding_size": 24, "num_hidden_groups": 2, "inner_group_num": 2, "num_hidden_layers": 3}, True),
    ("bert", {}, True),
    ("camembert", {"type_vocab_size": 1, "pad_token_id": 1}, False),
    ("deberta-v2", DEBERTA_V2, True),
    ("deberta-v2", DEBERTA_V3, False),
    (
        "deberta-v2",
        {"type_vocab_size": 0, "num_attention_heads": 8, "problem_type": "single_label_classification"},
        False,
    ),
    (
        "deberta-v2",
        {
            "type_vocab_size": 0,
            "num_attention_heads": 8,
            "legacy": False,
            "conv_kernel_size": 3,
            "problem_type": "single_label_classification",
        },
        False,
    ),
    ("distilbert", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 37}, False),
    ("electra", {"embedding_size": 24}, True),
    ("electra", {"embedding_size": 32, "classifier_dropout": 0.3}, True),
    ("modernbert", MODERN, False),
    (
        "modernbert",
        {
            **MODERN,
            "norm_bias": True,
            "mlp_bias": True,
            "attention_bias": True,
            "classifier_bias": True,
            "classifier_pooling": "mean",
            "decoder_bias": False,
        },
        False,
    ),
    ("mpnet", {"pad_token_id": 1}, False),
    ("roberta", {"pad_token_id": 1}, True),
    ("xlm-roberta", {"type_vocab_size": 1, "pad_token_id": 1}, False),
]


TASKS = (None, "sequence-classification", "token-classification", "question-answering", "masked-lm")


@pytest.mark.parametrize("task", TASKS, ids=str)
@pytest.mark.parametrize(
    ("family", "fields", "segments"), FAMILIES, ids=[f"{i}-{f[0]}" for i, f in enumerate(FAMILIES)]
)
def test_a_family_agrees_with_transformers(family, fields, segments, task, tmp_path):
    config = transformers().AutoConfig.for_model(
        family, **{**SMALL, "num_labels": 2 if task == "question-answering" else 3, **fields}
    )
    check(tmp_path, config, task, segments, double=family != "modernbert")  # theirs turns and weighs in float32


@pytest.mark.parametrize("place", [0, 1, 2, 4, 7, 8, 9, 11, 12, 13], ids=lambda place: f"{place}-{FAMILIES[place][0]}")
def test_choices_agree_with_transformers(place, tmp_path):
    family, fields, segments = FAMILIES[place]
    config = transformers().AutoConfig.for_model(family, **{**SMALL, **fields, "classifier_bias": True})
    check(tmp_path, config, "multiple-choice", segments, double=family != "modernbert")


@pytest.mark.parametrize(
    ("family", "task"),
    [("bert", "next-sentence-prediction"), *((f, "pretraining") for f in ("bert", "albert", "electra"))],
)
def test_pretraining_agrees_with_transformers(family, task, tmp_path):
    check(tmp_path, transformers().AutoConfig.for_model(family, **SMALL), task, True, double=family != "electra")


def test_waves_for_places():
    config = DistilBertConfig(vocab_size=9, dim=6, n_layers=1, n_heads=2, hidden_dim=5, sinusoidal_pos_embds=True)
    table = DistilBertModel(config).embeddings.position_embeddings.weight
    assert not table.requires_grad
    np.testing.assert_allclose(table[3, :3].numpy(), [np.sin(3), np.cos(3), np.sin(3 / 10000 ** (2 / 6))], rtol=1e-6)


def test_older_fields_of_modernbert_say_the_same():
    older = {
        "num_hidden_layers": 5,
        "global_attn_every_n_layers": 2,
        "global_rope_theta": 99.0,
        "local_rope_theta": 9.0,
    }
    config = ModernBertConfig(**older)
    kinds = ["full_attention", "sliding_attention"]
    assert config.attention_types() == [*kinds, *kinds, "full_attention"]
    assert [config.rope(kind)["rope_theta"] for kind in kinds] == [99.0, 9.0]
    newer = ModernBertConfig(
        num_hidden_layers=2, layer_types=kinds[::-1], rope_parameters={"sliding_attention": {"rope_theta": 7.0}}
    )
    assert newer.attention_types() == kinds[::-1]
    assert [newer.rope(kind)["rope_theta"] for kind in kinds] == [160000.0, 7.0]


def test_modernbert_refuses_strange_layers_and_pooling():
    small = {"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "pad_token_id": 0}
    with pytest.raises(ArgumentError, match="layer_types: expected full_attention and sliding_attention, got linear"):
        ModernBertModel(ModernBertConfig(**small, layer_types=["linear"]))
    with pytest.raises(ArgumentError, match="classifier_pooling: expected 'cls' or 'mean', got 'max'"):
        ModernBertForSequenceClassification(ModernBertConfig(**small, classifier_pooling="max"))


def test_modernbert_starts_smaller_where_layers_add_up():
    config = ModernBertConfig(vocab_size=40, hidden_size=64, intermediate_size=64, num_hidden_layers=8, num_attention_heads=2, pad_token_id=0)  # fmt: skip
    model = ModernBertForSequenceClassification(config)
    layer, cut = model.model.layers[1], 0.88  # a normal cut off at two deviations has this much of its spread
    assert layer.attn.Wqkv.weight.std().item() == pytest.approx(0.02 * cut, rel=0.1)
    assert layer.mlp.Wo.weight.std().item() == pytest.approx(0.02 / 4 * cut, rel=0.1)
    assert model.classifier.weight.std().item() == pytest.approx(cut / 8, rel=0.2)
    assert layer.mlp.Wi.weight.abs().max() <= 0.04


EARLY = (
    BertForSequenceClassification, DistilBertForSequenceClassification, ElectraForSequenceClassification,
    MPNetForSequenceClassification, RobertaForSequenceClassification,
)  # fmt: skip


@pytest.mark.parametrize("cls", EARLY, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_classifiers_end_early_with_the_same_numbers(cls, checkpointing):
    """The last layer computes the first token's state alone, unless all states are asked for."""
    options = {**SMALL, "num_labels": 3, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    options |= {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
    model = cls(cls.config_class(**options)).double().eval()
    if checkpointing:
        model.gradient_checkpointing_enable()
        model.train()
    ids = framework.randint(4, SMALL["vocab_size"], (3, 7))
    mask = framework.ones(3, 7, dtype=framework.int64)
    mask[1, 5:] = 0
    results = []
    for whole in (False, True):
        model.zero_grad()
        out = model(ids, mask, labels=framework.tensor([0, 2, 1]), output_hidden_states=whole)
        out.loss.backward()
        results.append((out.logits, {key: p.grad for key, p in model.named_parameters() if p.grad is not None}))
    (logits, grads), (all_logits, all_grads) = results
    assert grads.keys() == all_grads.keys() and len(grads) > 20
    np.testing.assert_allclose(logits.detach(), all_logits.detach(), rtol=1e-12, atol=1e-12)
    for key, grad in grads.items():
        np.testing.assert_allclose(grad, all_grads[key], rtol=1e-9, atol=1e-13, err_msg=key)
    states = model.base_model(ids, mask, first_only=True).last_hidden_state
    assert states.shape == (3, 1, model.config.hidden_size)
