"""Low-rank adapters: what they compute, what is trained, merging, and files; PEFT's are the reference where it is there."""

from __future__ import annotations

import importlib
import json
import warnings

import numpy as np
import pytest

import framework
from framework import nn, optim
from framework.errors import ArgumentError, StateError
from framework.io import FileFormatError, load_file, save_file
from text.adapters import (
    LoraConfig,
    LoraLayer,
    add_lora,
    disabled,
    load_adapter,
    lora_layers,
    merge,
    merge_and_unload,
    merged_state_dict,
    save_adapter,
    unload,
    unmerge,
)
from text.models.bert import BertConfig, BertForSequenceClassification
from text.models.gpt2 import Conv1D, GPT2Config, GPT2LMHeadModel
from vision.models import resnet18

SMALL = {
    "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37,
    "max_position_embeddings": 40,
}  # fmt: skip


def bert() -> BertForSequenceClassification:
    return BertForSequenceClassification(BertConfig(**SMALL, num_labels=3)).eval()


def gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=40)).eval()


def shake(model: nn.Module, seed: int = 0) -> None:
    """Give adapters values, so that they change something."""
    rng = np.random.default_rng(seed)
    for name, p in model.named_parameters():
        if "lora_" in name and p.ndim == 2:
            p.detach().copy_(framework.tensor(rng.normal(0, 0.3, tuple(p.shape)).astype(p.array.dtype)))


IDS = framework.tensor(np.random.default_rng(1).integers(3, 99, (2, 11)))


@pytest.mark.parametrize("transposed", [False, True], ids=["linear", "conv1d"])
@pytest.mark.parametrize("config", [{}, {"use_rslora": True}, {"use_dora": True}], ids=["lora", "rslora", "dora"])
def test_a_layer_computes_the_formula(transposed, config):
    base = Conv1D(7, 5) if transposed else nn.Linear(5, 7)
    model = nn.Sequential(base)
    weight = base.weight.array.T.copy() if transposed else base.weight.array.copy()
    bias = base.bias.array.copy()
    add_lora(model, LoraConfig(r=3, lora_alpha=6, target_modules=["0"], **config))
    x = framework.randn(4, 5)
    framework.testing.assert_close(model(x), framework.tensor(x.array @ weight.T + bias))  # nothing yet
    shake(model)
    layer = model[0]
    a, b = layer.lora_A.weight.array, layer.lora_B.weight.array
    new = weight + b @ a * (6 / (3**0.5 if config.get("use_rslora") else 3))
    if config.get("use_dora"):
        new *= (np.linalg.norm(weight, axis=1) / np.linalg.norm(new, axis=1))[:, None]
    expected = framework.tensor(x.array @ new.T + bias)
    framework.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)
    framework.testing.assert_close(layer.weight, framework.tensor(new.T if transposed else new))
    with disabled(model):
        framework.testing.assert_close(model(x), framework.tensor(x.array @ weight.T + bias))
    merge(model)
    framework.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)
    unmerge(model)
    assert np.array_equal(layer.base_layer.weight.array, weight.T if transposed else weight)
    whole = merged_state_dict(model)
    merge_and_unload(model)
    assert list(whole) == list(model.state_dict())
    for key, value in model.state_dict().items():
        assert np.array_equal(whole[key].numpy(), value.numpy())
    assert type(model[0]) is (Conv1D if transposed else nn.Linear)
    framework.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "make, config, names",
    [
        (bert, {}, ["query", "value"]),
        (gpt2, {}, ["c_attn"]),
        (bert, {"target_modules": ["query"]}, ["query"]),
        (bert, {"target_modules": r".*layer\.1\..*(key|value)"}, ["key", "value"]),
        (bert, {"target_modules": "all-linear"}, ["query", "key", "value", "dense"]),
        (gpt2, {"target_modules": "ALL-linear"}, ["c_attn", "c_proj", "c_fc"]),
        (bert, {"target_modules": "all-linear", "exclude_modules": ["dense"]}, ["query", "key", "value"]),
    ],
)
def test_layers_are_chosen_by_name(make, config, names):
    model = make()
    add_lora(model, LoraConfig(**config))
    found = lora_layers(model)
    assert {name.rpartition(".")[2] for name in found} == set(names)
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == {f"{name}.lora_{x}.weight" for name in found for x in "AB"}


@pytest.mark.parametrize(
    "config, layers",
    [({"layers_to_transform": 1}, {1}), ({"layers_to_transform": [0], "layers_pattern": "layer"}, {0})],
)
def test_some_layers_only(config, layers):
    model = add_lora(bert(), LoraConfig(target_modules=["query"], **config))
    assert {int(name.split(".")[3]) for name in lora_layers(model)} == layers


def test_ranks_and_alphas_by_pattern():
    config = LoraConfig(r=4, rank_pattern={"value": 2}, alpha_pattern={r"layer\.0\..*query": 16})
    found = lora_layers(add_lora(bert(), config))
    assert {layer.lora_A.out_features for name, layer in found.items() if name.endswith("value")} == {2}
    assert [layer.scaling for name, layer in found.items() if name.endswith("query")] == [4, 2]


@pytest.mark.parametrize("bias, count", [("none", 0), ("lora_only", 4), ("all", 18)])
def test_biases_and_heads_are_trained_where_asked(bias, count, tmp_path):
    model, other = bert(), bert()
    other.load_state_dict(model.state_dict())
    add_lora(model, LoraConfig(bias=bias, modules_to_save=["classifier"]))
    named = {name for name, p in model.named_parameters() if p.requires_grad and name.endswith("bias")}
    assert "classifier.bias" in named
    assert len(named) - 1 == count
    shake(model)
    for name, p in model.named_parameters():
        if p.requires_grad and name.endswith("bias"):
            p.detach().copy_(framework.randn(*p.shape))
    save_adapter(model, tmp_path)
    load_adapter(other, tmp_path)
    framework.testing.assert_close(other(IDS).logits, model(IDS).logits)
    assert not any(p.requires_grad for p in other.parameters())


def test_training_moves_the_adapters_alone():
    framework.manual_seed(0)
    model = add_lora(bert().train(), LoraConfig(r=4, lora_dropout=0.1, modules_to_save=["classifier"]))
    before = {name: p.array.copy() for name, p in model.named_parameters()}
    optimizer = optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-2)
    labels = framework.tensor([0, 2])
    losses = []
    for _ in range(25):
        loss = model(IDS, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    moved = {name for name, p in model.named_parameters() if not np.array_equal(p.array, before[name])}
    assert moved == {n for n, p in model.named_parameters() if p.requires_grad}
    assert losses[-1] < 0.3 * losses[0]


def test_pictures_too(tmp_path):
    model = resnet18(num_classes=5)
    block = nn.Sequential(nn.MultiheadAttention(8, 2), nn.Linear(8, 8))
    add_lora(block, LoraConfig(target_modules=["out_proj", "1"]))
    shake(block)
    x = framework.randn(3, 2, 8)
    y = block[0](x, x, x)[0]  # reads the weight of its linear layer
    with disabled(block):
        assert not np.allclose(block[0](x, x, x)[0].array, y.array)
    with pytest.raises(ArgumentError, match="Conv2d"):
        add_lora(model, LoraConfig(target_modules=["conv1"]))
    add_lora(model, LoraConfig(target_modules=["fc"]))
    shake(model)
    save_adapter(model, tmp_path)
    image = framework.randn(2, 3, 32, 32)
    model.eval()
    expected = model(image)
    plain = resnet18(num_classes=5)
    plain.load_state_dict(unload(model).state_dict())
    framework.testing.assert_close(load_adapter(plain.eval(), tmp_path)(image), expected)


def test_half_precision_layers_have_adapters_in_single():
    model = nn.Sequential(nn.Linear(6, 4)).to(framework.bfloat16)
    add_lora(model, LoraConfig(target_modules=["0"]))
    shake(model)
    assert model[0].lora_A.weight.dtype is framework.float32
    y = model(framework.randn(3, 6).to(framework.bfloat16))
    assert y.dtype is framework.bfloat16
    merge(model)
    assert model[0].base_layer.weight.dtype is framework.bfloat16


def test_a_files_layout_is_pefts(tmp_path):
    model = add_lora(bert(), LoraConfig(r=2, modules_to_save=["classifier"]))
    save_adapter(model, tmp_path)
    keys = set(load_file(tmp_path / "adapter_model.safetensors"))
    layers = [f"base_model.model.bert.encoder.layer.{i}.attention.self.{x}" for i in (0, 1) for x in ("query", "value")]
    assert keys == {f"{name}.lora_{x}.weight" for name in layers for x in "AB"} | {
        "base_model.model.classifier.weight",
        "base_model.model.classifier.bias",
    }
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["modules_to_save"]) == ("LORA", 2, ["classifier"])


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: LoraConfig(r=0), "ranks"),
        (lambda: LoraConfig(lora_dropout=1.0), "lora_dropout"),
        (lambda: LoraConfig(bias="some"), "bias"),
        (lambda: LoraConfig(init_lora_weights="pissa"), "init_lora_weights"),
        (lambda: LoraConfig(target_modules="x", layers_to_transform=[1]), "layers_to_transform"),
        (lambda: LoraConfig(layers_pattern="x"), "layers_pattern"),
        (lambda: add_lora(bert(), LoraConfig(target_modules=["nothing"])), "linear layers end in query, key"),
        (lambda: add_lora(bert(), LoraConfig(target_modules=["LayerNorm"])), "LayerNorm"),
        (lambda: add_lora(bert(), LoraConfig(modules_to_save=["nothing"])), "modules_to_save"),
        (lambda: add_lora(nn.Sequential(nn.Linear(2, 2)), LoraConfig()), "give target_modules"),
        (lambda: add_lora(add_lora(bert(), LoraConfig()), LoraConfig()), "has adapters"),
        (lambda: merge(bert()), "no adapters"),
        (lambda: merge(add_lora(gpt2(), LoraConfig(target_modules=["lm_head"]))), "also that of"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()


def test_broken_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"adapter_config\.json"):
        load_adapter(bert(), tmp_path)
    save_adapter(add_lora(bert(), LoraConfig()), tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    state = load_file(path)
    first = next(iter(state))
    save_file({**{k: v for k, v in state.items() if k != first}, "base_model.model.more": state[first]}, path)
    with pytest.raises(StateError, match=r"missing: bert(.|\n)*unexpected: more"):
        load_adapter(bert(), tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="adapter_model"):
        load_adapter(bert(), tmp_path)
    for content, error in (("[]", FileFormatError), ("{", FileFormatError), ('{"peft_type": "IA3"}', ArgumentError),
                           ('{"use_bdlora": true}', ArgumentError)):  # fmt: skip
        (tmp_path / "adapter_config.json").write_text(content)
        with pytest.raises(error):
            load_adapter(bert(), tmp_path)


def test_the_model_is_as_it_was_where_a_folder_does_not_fit(tmp_path):
    save_adapter(add_lora(bert(), LoraConfig(r=2)), tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    save_file({key: value[:, :5].clone() for key, value in load_file(path).items()}, path)
    model = bert()
    expected = model(IDS).logits
    with pytest.raises(StateError, match="of another shape"):
        load_adapter(model, tmp_path)
    framework.testing.assert_close(model(IDS).logits, expected)
    assert not lora_layers(model)
    assert all(p.requires_grad for p in model.parameters())


def peft():
    """PEFT, or the test is skipped."""
    from tests.text.peer import transformers

    transformers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("peft")
        return importlib.import_module("peft"), transformers(), importlib.import_module("torch")


CASES = [
    ("bert", {"target_modules": ["query", "value"], "modules_to_save": ["classifier"]}),
    ("bert", {"target_modules": "all-linear", "use_rslora": True, "task_type": "SEQ_CLS"}),
    ("bert", {"target_modules": ["query", "dense"], "bias": "lora_only", "rank_pattern": {"query": 5}}),
    ("bert", {"target_modules": ["key"], "bias": "all", "alpha_pattern": {"key": 3}, "layers_to_transform": [1]}),
    ("bert", {"target_modules": ["value", "key"], "use_dora": True}),
    ("gpt2", {"target_modules": ["c_attn", "c_fc"], "fan_in_fan_out": True}),
    ("gpt2", {"target_modules": "all-linear", "fan_in_fan_out": True, "use_dora": True}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family, options", CASES)
def test_folders_go_both_ways(family, options, tmp_path):
    PEFT, T, torch = peft()
    ours = (bert if family == "bert" else gpt2)()
    ours.save_pretrained(tmp_path / "base")
    cls = T.BertForSequenceClassification if family == "bert" else T.GPT2LMHeadModel
    theirs = cls.from_pretrained(tmp_path / "base").eval()
    adapted = PEFT.get_peft_model(theirs, PEFT.LoraConfig(r=4, lora_alpha=6, **options)).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for p in adapted.parameters():
            if p.requires_grad:
                p.add_(0.3 * torch.randn_like(p))
    adapted.save_pretrained(tmp_path / "theirs")
    load_adapter(ours, tmp_path / "theirs", trainable=True)
    ids = torch.tensor(IDS.array)
    expected = adapted(ids).logits
    framework.testing.assert_close(ours(IDS).logits, framework.tensor(expected.detach().numpy()), rtol=1e-4, atol=1e-5)
    trained = {n.replace(".default", "").replace(".modules_to_save", "").removeprefix("base_model.model.")
               .removesuffix(".weight")
               for n, p in adapted.named_parameters() if p.requires_grad}  # fmt: skip
    assert {n.removesuffix(".weight") for n, p in ours.named_parameters() if p.requires_grad} == trained
    expected.square().sum().backward()
    ours(IDS).logits.square().sum().backward()
    grads = {n.replace(".default", ""): p.grad for n, p in adapted.named_parameters() if "lora_A" in n}
    for name, p in ours.named_parameters():
        if "lora_A" in name:
            want = framework.tensor(grads[f"base_model.model.{name}"].numpy())
            framework.testing.assert_close(p.grad, want, rtol=1e-3, atol=1e-3)
    shake(ours, 5)
    save_adapter(ours, tmp_path / "ours")
    back = PEFT.PeftModel.from_pretrained(cls.from_pretrained(tmp_path / "base"), tmp_path / "ours").eval()
    with torch.no_grad():
        again = framework.tensor(back(ids).logits.numpy())
    framework.testing.assert_close(ours(IDS).logits, again, rtol=1e-4, atol=1e-5)
    assert isinstance(next(iter(lora_layers(ours).values())), LoraLayer)
