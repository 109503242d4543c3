"""The real MiniLM, and every form that its weights may come in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import framework as F
import hub
import text
from framework.io import save_file


@pytest.fixture
def source(realdata):
    return realdata / "minilm-l6-v2-fp16"


@pytest.fixture
def folder(tmp_path):
    """A place for a variant, which is too large to be kept after the test."""
    made = tmp_path / "variant"
    made.mkdir()
    yield made
    shutil.rmtree(made)


def sharded(state, folder: Path) -> None:
    names = sorted(state)
    weight_map = {}
    for i, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{i:05}-of-00002.safetensors"
        save_file({name: state[name] for name in part}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def zipped(state, folder: Path) -> None:
    hub.save_state_dict(state, folder / "pytorch_model.bin")


def legacy(state, folder: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(tensor.numpy().copy()) for name, tensor in state.items()}
    torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def halved(state, folder: Path) -> None:
    brain = {name: t.to(F.bfloat16) if t.is_floating_point() else t for name, t in state.items()}
    save_file(brain, folder / "model.safetensors")


def prefixed(state, folder: Path) -> None:
    save_file({f"bert.{name}": tensor for name, tensor in state.items()}, folder / "model.safetensors")


def cosines(encoder, expected) -> np.ndarray:
    vectors, wanted = encoder.encode(expected["sentences"]), np.array(expected["embeddings"])
    assert vectors.shape == (8, 384) and vectors.dtype == np.float32
    return (vectors * wanted).sum(1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted, axis=1)


def test_ids_states_and_embeddings(source):
    expected = json.loads((source / "expected.json").read_text())
    encoder = text.SentenceEncoder.from_pretrained(source)
    assert encoder.tokenizer(expected["sentences"])["input_ids"] == expected["input_ids"]
    with F.no_grad():
        hidden = encoder.model(F.tensor([expected["input_ids"][0]])).last_hidden_state[0].numpy()
    np.testing.assert_allclose(hidden, np.load(source / "expected_hidden_sentence0.npy"), atol=1e-5)
    assert cosines(encoder, expected).min() >= 0.99999
    vectors = encoder.encode(expected["sentences"])
    assert float(encoder.similarity(vectors[2:3], vectors[3:4])) == pytest.approx(0.755, abs=5e-4)  # as published


@pytest.mark.parametrize(
    ("write", "least"), [(sharded, 0.99999), (zipped, 0.99999), (legacy, 0.99999), (halved, 0.999), (prefixed, 0.99999)]
)
def test_forms_of_the_weights(write, least, source, folder):
    expected = json.loads((source / "expected.json").read_text())
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "sentence_bert_config.json"):
        shutil.copy(source / name, folder / name)
    shutil.copytree(source / "1_Pooling", folder / "1_Pooling")
    write(hub.load_state_dict(source), folder)
    assert cosines(text.SentenceEncoder.from_pretrained(folder), expected).min() >= least


def test_three_layers_alone(source, folder):
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    state = hub.load_state_dict(source)
    few = {name: t for name, t in state.items() if not name.startswith(tuple(f"encoder.layer.{i}." for i in (3, 4, 5)))}
    save_file(few, folder / "model.safetensors")
    ids = F.tensor([[101, 2023, 2003, 102]])
    alone, cut = text.from_pretrained(folder), text.from_pretrained(source, num_hidden_layers=3)
    assert len(alone.encoder.layer) == 3
    with F.no_grad():
        states = text.from_pretrained(source)(ids, output_hidden_states=True).hidden_states
        np.testing.assert_array_equal(alone(ids).last_hidden_state.numpy(), states[3].numpy())
        np.testing.assert_array_equal(cut(ids).last_hidden_state.numpy(), states[3].numpy())


def test_a_classifier_starts_from_it_with_a_fresh_head(source):
    with pytest.warns(UserWarning, match=r"classifier\.weight, classifier\.bias; these start afresh"):
        model = text.from_pretrained(source, "sequence-classification", num_labels=3)
    assert model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.2) and not model.classifier.bias.any()
    assert model.config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
