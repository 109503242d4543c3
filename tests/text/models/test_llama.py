"""Llama, Mistral, Qwen2 and Qwen3 beside transformers', and the rotary positions by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import framework as F
import text
from framework.autograd import gradcheck
from framework.errors import ArgumentError
from tests.text.models.decoders import check, logits_in_steps, randomised, save, texts
from tests.text.peer import transformers
from text.models.cache import position_ids
from text.models.llama import LlamaConfig, LlamaForCausalLM, LlamaModel
from text.models.rope import RotaryPositions, rope_parameters, rotate

SMALL: dict[str, Any] = {
    "vocab_size": 99, "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    "num_labels": 3, "attention_dropout": 0.0,
}  # fmt: skip
FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 12, "tie_word_embeddings": True}),
    ("llama", {"num_key_value_heads": 4, "hidden_act": "gelu"}),
    ("mistral", {"sliding_window": 4}),
    ("mistral", {"sliding_window": None, "head_dim": 10}),
    ("qwen2", {}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1, "tie_word_embeddings": True}),
    ("qwen3", {"head_dim": 10}),
    ("qwen3", {"use_sliding_window": True, "sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"]}),
]  # fmt: skip
PAIRS = 4
ROPES: dict[str, dict[str, Any]] = {
    "default": {"rope_theta": 500.0},
    "linear": {"factor": 3.0},
    "dynamic": {"factor": 2.5},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 16},
    "yarn told": {"factor": 4.0, "attention_factor": 0.7, "beta_fast": 5.0, "beta_slow": 0.5, "truncate": False},
    "yarn scaled": {"factor": 8.0, "mscale": 0.8, "mscale_all_dim": 0.5, "original_max_position_embeddings": 8},
    "longrope": {
        "factor": 4.0, "short_factor": [1.0, 1.1, 1.3, 1.7], "long_factor": [1.5, 2.0, 3.0, 4.0],
        "original_max_position_embeddings": 8,
    },
    "llama3": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
}  # fmt: skip


def ids_of(family: str, **fields: Any) -> Any:
    return transformers().AutoConfig.for_model(family, **{**SMALL, **fields})


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("family", "fields"), FAMILIES, ids=str)
def test_families_agree_with_transformers(family, fields, side, tmp_path):
    check(tmp_path, ids_of(family, **fields), "causal-lm", side, exact=False)


@pytest.mark.parametrize("task", [None, "sequence-classification", "token-classification", "question-answering"])
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_tasks_agree_with_transformers(family, task, tmp_path):
    check(tmp_path, ids_of(family), task, "right", exact=False)


@pytest.mark.parametrize("cuts", [(0, 5, 6, 7, 8, 9, 10, 11), (0, 1, 2, 5, 8, 9, 11)], ids=str)
@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize(("family", "fields"), FAMILIES, ids=str)
def test_in_steps_as_at_once(family, fields, cuts, side):
    kind = text.models.loading._families[family]["causal-lm"]
    F.manual_seed(0)
    model = kind(kind.config_class(**{**SMALL, "initializer_range": 0.3, **fields})).double().eval()
    ids, mask = texts(1, side or "right", 0)
    mask = None if side is None else mask
    given = {} if mask is None else {"attention_mask": F.tensor(mask), "position_ids": position_ids(F.tensor(mask))}
    with F.no_grad():
        expected = model(F.tensor(ids), **given).logits.numpy()
    found = logits_in_steps(model, ids, mask, cuts)
    seen = np.ones(ids.shape, bool) if mask is None else mask == 1
    np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-9, atol=1e-9)


def test_weights_in_steps_with_a_window():
    F.manual_seed(0)
    model = text.models.MistralForCausalLM(
        text.models.MistralConfig(**{**SMALL, "sliding_window": 3, "initializer_range": 0.3})
    )
    ids = F.tensor(np.random.default_rng(0).integers(5, 99, (2, 9)))
    with F.no_grad():
        whole = model(ids, output_attentions=True)
        cache = model(ids[:, :8], use_cache=True).past_key_values
        last = model(ids[:, 8:], past_key_values=cache, output_attentions=True)
    np.testing.assert_allclose(last.logits[:, 0].numpy(), whole.logits[:, 8].numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        last.attentions[1].numpy()[:, :, 0], whole.attentions[1].numpy()[:, :, 8, 6:], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("length", [5, 21, 90])
@pytest.mark.parametrize("name", ROPES)
def test_rotations_agree_with_transformers(name, length):
    import torch

    transformers()
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    parameters = {"rope_type": name.split()[0], "rope_theta": 10000.0, **ROPES[name]}
    theirs = ids_of("llama", rope_parameters=dict(parameters))
    ours = LlamaConfig(**SMALL, rope_parameters=parameters)
    x = np.random.default_rng(0).normal(size=(2, length, 3, 2 * PAIRS)).astype("f")
    places = torch.arange(length).expand(2, -1)
    turns = LlamaRotaryEmbedding(theirs)(torch.as_tensor(x), places)
    expected = apply_rotary_pos_emb(*(torch.as_tensor(x),) * 2, *turns, unsqueeze_dim=2)[0].numpy()
    positions = RotaryPositions(ours)
    for given in ((0, length), (0, length, F.tensor(places.numpy().copy()))):
        found = rotate(F.tensor(x), positions(*given, like=F.tensor(x))).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)
    if length == 21:  # a piece of a longer text
        found = rotate(F.tensor(x[:, 20:]), positions(20, 21, like=F.tensor(x))).numpy()
        np.testing.assert_allclose(found, expected[:, 20:], rtol=1e-4, atol=2e-5)


def test_rotation_is_multiplication_by_a_complex_number():
    config = LlamaConfig(**SMALL, rope_parameters={"rope_type": "default", "rope_theta": 100.0})
    x = np.random.default_rng(0).normal(size=(1, 7, 2, 8))
    angles = np.arange(7)[:, None] * 100.0 ** (-np.arange(4) / 4)
    turned = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * angles)[None, :, None]
    found = rotate(F.tensor(x), RotaryPositions(config)(0, 7, like=F.tensor(x))).numpy()
    np.testing.assert_allclose(found, np.concatenate([turned.real, turned.imag], -1), rtol=1e-6, atol=1e-6)


def test_a_part_of_the_features_turns_and_gradients_are_right():
    config = LlamaConfig(**SMALL, rope_parameters={"rope_type": "default", "partial_rotary_factor": 0.5})
    x = F.tensor(np.random.default_rng(0).normal(size=(1, 3, 2, 8)), requires_grad=True)
    rotation = RotaryPositions(config)(0, 3, like=x)
    turned = rotate(x, rotation)
    np.testing.assert_array_equal(turned[..., 4:].detach().numpy(), x[..., 4:].detach().numpy())
    assert not np.allclose(turned[..., :4].detach().numpy(), x[..., :4].detach().numpy())
    assert gradcheck(lambda t: rotate(t, rotation), (x,))


@pytest.mark.parametrize(
    "older",
    [
        {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}},
    ],
)
def test_older_fields(older):
    found = rope_parameters(LlamaConfig(**SMALL, **older))
    assert found == {
        "rope_type": "linear", "factor": 2.0, "rope_theta": 5e5, "original_max_position_embeddings": 64,
    }  # fmt: skip


def test_old_files_hold_frequencies(tmp_path):
    theirs = randomised(ids_of("llama"), "causal-lm")
    file = save(theirs, tmp_path) / "model.safetensors"
    F.io.save_file({**F.io.load_file(file), "model.layers.0.self_attn.rotary_emb.inv_freq": F.ones(4)}, file)
    assert type(text.from_pretrained(tmp_path)) is LlamaModel
    assert type(text.from_pretrained(tmp_path, "causal-lm")) is LlamaForCausalLM


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3"])
def test_the_trunk_goes_by_two_names(family, tmp_path):
    """The file of a model that answers questions gives the others their trunk, and theirs gives it one."""
    kinds = text.models.loading._families[family]
    answerer = kinds["question-answering"](kinds[None].config_class(**SMALL))
    answerer.save_pretrained(tmp_path)
    trunk = text.from_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"holds? nothing that fits lm_head\.weight"):
        model = text.from_pretrained(tmp_path, "causal-lm")
    model.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"fits qa_outputs\.weight, qa_outputs\.bias; these"):
        again = text.from_pretrained(tmp_path, "question-answering")
    for other in (trunk, model.model, again.base_model):
        for key, value in answerer.base_model.state_dict().items():
            np.testing.assert_array_equal(other.state_dict()[key].numpy(), value.numpy(), err_msg=key)


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="rope_type: expected one of default"):
        LlamaModel(LlamaConfig(**SMALL, rope_parameters={"rope_type": "spiral"}))
    with pytest.raises(ArgumentError, match="needs the parameter 'factor'"):
        LlamaModel(LlamaConfig(**SMALL, rope_parameters={"rope_type": "yarn"}))
    with pytest.raises(ArgumentError, match="one table for all layers"):
        LlamaModel(LlamaConfig(**SMALL, rope_parameters={"full_attention": {"rope_type": "default"}}))
    with pytest.raises(ArgumentError, match="num_key_value_heads 3"):
        LlamaModel(LlamaConfig(**{**SMALL, "num_key_value_heads": 3}))
