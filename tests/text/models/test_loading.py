"""From folders to models: families, tasks, heads that start afresh, and what is refused."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

import framework as F
import text
from framework import nn
from framework.errors import ArgumentError, StateError
from framework.io import FileFormatError, load_file, save_file
from text.models import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaModel,
    register_family,
)

SMALL = {
    "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
    "max_position_embeddings": 12,
}  # fmt: skip
IDS = [[2, 5, 9, 11, 3]]


def values(model) -> dict[str, np.ndarray]:
    return {key: tensor.numpy().copy() for key, tensor in model.state_dict().items()}


def same(target, source, prefix: str = "") -> None:
    """Every tensor of ``target`` that the source has, too."""
    mine, theirs = values(target), values(source)
    shared = [key for key in mine if prefix + key in theirs]
    assert shared
    for key in shared:
        np.testing.assert_array_equal(mine[key], theirs[prefix + key], err_msg=key)


@pytest.fixture
def masked(tmp_path):
    model = BertForMaskedLM(BertConfig(**SMALL))
    model.save_pretrained(tmp_path)
    return model


def test_the_same_class_comes_back_in_evaluation_mode(masked, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = text.from_pretrained(tmp_path, "masked-lm")
    assert type(again) is BertForMaskedLM and not again.training
    same(again, masked)
    ids = F.tensor(IDS)
    np.testing.assert_array_equal(again(ids).logits.detach().numpy(), masked.eval()(ids).logits.detach().numpy())
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["BertForMaskedLM"] and config["dtype"] == "float32"


def test_tied_parameters_are_stored_once_and_shared_again(masked, tmp_path):
    stored = list(load_file(tmp_path / "model.safetensors"))
    import safetensors

    with safetensors.safe_open(tmp_path / "model.safetensors", "np") as file:
        names = set(file.keys())
        assert file.metadata()["format"] == "pt"
    assert "cls.predictions.decoder.weight" in stored and "cls.predictions.decoder.weight" not in names
    again = text.from_pretrained(tmp_path, "masked-lm")
    assert again.cls.predictions.decoder.weight is again.bert.embeddings.word_embeddings.weight
    assert again.cls.predictions.decoder.bias is again.cls.predictions.bias


def test_untied_parameters_stay_apart(tmp_path):
    BertForMaskedLM(BertConfig(**SMALL, tie_word_embeddings=False)).save_pretrained(tmp_path)
    again = text.from_pretrained(tmp_path, "masked-lm")
    assert again.cls.predictions.decoder.weight is not again.bert.embeddings.word_embeddings.weight


def test_a_trunk_out_of_a_file_with_a_head(masked, tmp_path):
    with pytest.warns(UserWarning, match=r"BertModel.* pooler\.dense\.weight, pooler\.dense\.bias; these start afresh"):
        trunk = text.from_pretrained(tmp_path)
    same(trunk, masked, "bert.")
    assert trunk.pooler.dense.weight.std().item() == pytest.approx(0.02, rel=0.2)
    bare = text.from_pretrained(tmp_path, add_pooling_layer=False)  # an argument of the class
    assert bare.pooler is None


def test_a_head_on_a_file_of_the_trunk(tmp_path):
    trunk = BertModel(BertConfig(**SMALL))
    trunk.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="BertForSequenceClassification") as caught:
        model = text.from_pretrained(tmp_path, "sequence-classification", id2label={0: "no", 1: "yes", 2: "both"})
    assert len(caught) == 1
    same(model.bert, trunk)
    assert model.config.label2id == {"no": 0, "yes": 1, "both": 2} and model(F.tensor(IDS)).logits.shape == (1, 3)
    assert model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.3) and not model.classifier.bias.any()


def test_a_fresh_head_leaves_the_tied_embeddings(tmp_path):
    trunk = BertModel(BertConfig(**SMALL))
    trunk.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"fits cls\.predictions\.bias, cls\.predictions\.transform") as caught:
        model = text.from_pretrained(tmp_path, "masked-lm")
    assert "decoder.weight" not in str(caught[0].message)
    same(model.bert, trunk)
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert model.cls.predictions.transform.LayerNorm.weight.eq(1).all() and not model.cls.predictions.bias.any()


@pytest.mark.parametrize(
    ("made", "keys"),
    [
        (
            lambda: BertForSequenceClassification(BertConfig(**SMALL, num_labels=5)),
            "classifier.weight, classifier.bias",
        ),
        (
            lambda: RobertaForSequenceClassification(RobertaConfig(**SMALL, num_labels=5)),
            "classifier.out_proj.weight, classifier.out_proj.bias",
        ),
    ],
)
def test_a_head_for_another_number_of_labels_is_swapped(made, keys, tmp_path):
    source = made()
    source.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert text.from_pretrained(tmp_path, "sequence-classification").config.num_labels == 5
        text.from_pretrained(tmp_path, "sequence-classification", num_labels=5)
    with pytest.warns(UserWarning, match=rf"fits {keys.replace('.', '[.]')}; these start afresh"):
        model = text.from_pretrained(tmp_path, "sequence-classification", num_labels=2)
    same(model.base_model, source.base_model)
    assert model(F.tensor(IDS)).logits.shape == (1, 2)
    if hasattr(model.classifier, "dense"):  # only the scores depend on the labels
        same(model.classifier.dense, source.classifier.dense)


def test_old_names_and_old_buffers(tmp_path):
    trunk = BertModel(BertConfig(**SMALL))
    trunk.save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    old = {
        "bert." + key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for key, value in state.items()
    }
    old["bert.embeddings.position_ids"] = F.arange(12).unsqueeze(0)
    old["cls.seq_relationship.weight"] = F.zeros(2, 16)
    save_file(old, tmp_path / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(text.from_pretrained(tmp_path), trunk)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("encoder.layer.1.output.dense.weight"), "encoder.layer.1.output.dense.weight *missing"),
        (lambda s: s.update({"encoder.layer.2.output.dense.weight": F.ones(2)}), "unexpected"),
        (
            lambda s: s.update({"embeddings.word_embeddings.weight": F.ones(29, 16)}),
            r"\(29, 16\) in the file, \(30, 16\)",
        ),
    ],
)
def test_the_trunk_is_strict(change, words, tmp_path):
    BertModel(BertConfig(**SMALL)).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    change(state)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(StateError, match=words):
        text.from_pretrained(tmp_path)


def test_overrides_and_types(masked, tmp_path):
    model = text.from_pretrained(
        tmp_path, "masked-lm", dtype=F.bfloat16, num_hidden_layers=1, attention_probs_dropout_prob=0.0
    )
    assert len(model.bert.encoder.layer) == 1 and model.bert.encoder.layer[0].attention.self.share == 0.0
    assert {p.dtype for p in model.parameters()} == {F.bfloat16}
    model.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_class_loads_its_own_family_alone(masked, tmp_path):
    same(BertForMaskedLM.from_pretrained(tmp_path), masked)
    with pytest.raises(ArgumentError, match="holds a model of the family 'bert'"):
        XLMRobertaModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"model_type": "elmo"}, {}, "no family has the model_type 'elmo'; known are albert, .*bert"),
        ({}, {"task": "seq2seq-lm"}, "'bert' has no class for task 'seq2seq-lm'; it has None"),
        ({}, {"hidden_dropout": 0.0}, "its config has no field hidden_dropout"),
        ({}, {"num_labels": 3, "id2label": {0: "a"}, "task": "sequence-classification"}, "num_labels=3, but id2label"),
        ({"add_cross_attention": True}, {}, "cross-attention is not made"),
        ({"position_embedding_type": "relative_key"}, {}, "only absolute positions"),
        ({"num_attention_heads": 3}, {}, "hidden_size 16 is no multiple"),
        ({"hidden_act": "gelu_20"}, {}, "none named 'gelu_20'"),
    ],
)
def test_what_is_refused(fields, options, words, masked, tmp_path):
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **fields}))
    with pytest.raises(ArgumentError, match=words):
        text.from_pretrained(tmp_path, **options)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"it has no config\.json"):
        text.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"it has no config\.json"):
        text.from_pretrained(tmp_path / "absent")
    for content in ("{", "[1]"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(FileFormatError, match=r"config\.json: "):
            text.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", **SMALL}))
    with pytest.raises(FileFormatError, match=r"a folder without model\.safetensors"):
        text.from_pretrained(tmp_path)


def test_a_family_is_registered_once():
    with pytest.raises(ArgumentError, match="BertModel is 'bert' for task None already"):
        register_family("bert")(BertModel)
    with pytest.raises(ArgumentError, match="there is no task 'translation'"):
        register_family("bert", "translation")


def test_other_languages_keep_their_names(tmp_path):
    XLMRobertaModel(RobertaConfig(**SMALL, model_type="xlm-roberta")).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["XLMRobertaModel"] and config["model_type"] == "xlm-roberta"
    assert isinstance(text.from_pretrained(tmp_path), XLMRobertaModel)


def test_initial_values():
    F.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**{**SMALL, "vocab_size": 500}, initializer_range=0.1))
    words = model.bert.embeddings.word_embeddings.weight
    assert not words[0].any() and words[1:].std().item() == pytest.approx(0.1, rel=0.05)
    assert model.bert.encoder.layer[0].output.LayerNorm.weight.eq(1).all()
    with nn.init.skipped():
        skipped = BertModel(BertConfig(**SMALL))
    assert not skipped.embeddings.word_embeddings.weight.equal(
        BertModel(BertConfig(**SMALL)).embeddings.word_embeddings.weight
    )
