"""Freezing, thawing, and groups of parameters for optimizers."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import framework as F
import hub
from framework import nn


class Net(nn.Module):
    def __init__(self, classes: int = 5, width: int = 4) -> None:
        super().__init__()
        self.scale = nn.Parameter(F.ones(1))
        self.body = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.5))
        self.late = nn.Sequential(nn.Conv2d(width, width, 3), nn.BatchNorm2d(width))
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        return self.fc(self.late(self.body(x * self.scale)).mean((-2, -1)))


def values(model) -> dict[str, np.ndarray]:
    return {key: tensor.numpy().copy() for key, tensor in model.state_dict().items()}


def step(model) -> None:
    model.train()
    optimizer = F.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    nn.functional.cross_entropy(model(F.randn(8, 1, 8, 8)), F.arange(8) % 5).backward()
    optimizer.step()


FROZEN = [
    ({}, {"fc"}),
    ({"parts": "backbone"}, {"fc"}),
    ({"parts": ["backbone"]}, {"fc"}),
    ({"parts": ["body"]}, {"scale", "late", "fc"}),
    ({"parts": ["body.0", "fc"]}, {"scale", "body.1", "late"}),
    ({"until": "body"}, {"late", "fc"}),
    ({"until": "body.0"}, {"body.1", "late", "fc"}),
    ({"until": "late"}, {"fc"}),
]


@pytest.mark.parametrize("how, moving", FROZEN)
def test_frozen_parts_stay_and_the_rest_learns(how, moving):
    model = Net()
    before = values(model)
    names = hub.freeze(model, **how)
    assert {n for n, p in model.named_parameters() if not p.requires_grad} == set(names)
    step(model)
    for key, value in values(model).items():
        learns = any(key == name or key.startswith(f"{name}.") for name in moving)
        assert (not np.array_equal(value, before[key])) == learns, key


def test_frozen_modules_stay_in_evaluation_through_copies_and_modes():
    model = Net()
    hub.freeze(model, until="body")
    for one in (model, copy.deepcopy(model)):
        one.train()
        assert one.training and one.late[1].training and not any(m.training for m in one.body.modules())
        one.eval()
        assert not any(m.training for m in one.modules())
    copied = copy.deepcopy(model)
    hub.unfreeze(copied)
    copied.train()
    model.train()
    assert copied.body[1].training and not model.body[1].training


def test_a_frozen_model_can_be_pickled():
    model = Net()
    hub.freeze(model)
    other = pickle.loads(pickle.dumps(model)).train()
    assert other.fc.training and not other.body[1].training and other.body.train.module is other.body
    hub.unfreeze(other)
    assert other.body[1].training and not model.train().body[1].training


def test_thawing_by_stages():
    model = Net()
    hub.freeze(model)
    model.train()
    assert hub.unfreeze(model, "late") == ["late.0.weight", "late.0.bias", "late.1.weight", "late.1.bias"]
    assert model.late[1].training and not model.body[1].training and model.fc.training
    assert hub.unfreeze(model, ["body.1"]) == ["body.1.weight", "body.1.bias"]
    model.train()
    assert model.body[1].training and not model.body[3].training and not model.body[0].weight.requires_grad
    assert set(hub.unfreeze(model)) == {"scale", "body.0.weight", "body.0.bias"} and hub.unfreeze(model) == []
    model.train()
    assert all(m.training for m in model.modules())


def test_what_is_not_there():
    with pytest.raises(ValueError, match="'head', 'x' is no part of the model; its parts: body, late, fc"):
        hub.freeze(Net(), ["head", "body", "x"])
    for nothing in ([], [""]):
        with pytest.raises(ValueError, match="no part of the model"):
            hub.freeze(Net(), nothing)
    with pytest.raises(ValueError, match="until, not both"):
        hub.freeze(Net(), "body", until="late")
    with pytest.raises(ValueError, match="'tail' is no part"):
        hub.freeze(Net(), until="tail")
    with pytest.raises(ValueError, match="unfreeze: 'tail' is no part"):
        hub.unfreeze(Net(), "tail")


def test_a_module_that_is_called_backbone_is_meant():
    model = nn.ModuleDict({"backbone": nn.Linear(2, 2), "neck": nn.Linear(2, 2), "fc": nn.Linear(2, 2)})
    assert hub.freeze(model, "backbone") == ["backbone.weight", "backbone.bias"]


def test_layers_of():
    assert hub.layers_of(Net()) == [
        ["scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias"],
        ["late.0.weight", "late.0.bias", "late.1.weight", "late.1.bias"],
        ["fc.weight", "fc.bias"],
    ]
    assert hub.layers_of(nn.Linear(2, 2)) == [["weight", "bias"]] and hub.layers_of(nn.ReLU()) == []


def test_layers_of_a_transformer():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])

    class Trunk(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(3, 2)
            self.encoder = nn.Module()
            self.encoder.layer = nn.ModuleList([Block(), Block()])

    class Classifier(nn.Module):
        fit_rules = hub.FitRules(head=("classifier",), base="bert")

        def __init__(self):
            super().__init__()
            self.bert, self.classifier = Trunk(), nn.Linear(2, 2)

    layers = hub.layers_of(Classifier())
    assert [layer[0].rpartition(".parts")[0] or layer[0] for layer in layers] == [
        "bert.words.weight", "bert.encoder.layer.0", "bert.encoder.layer.1", "classifier.weight",
    ]  # fmt: skip


def test_param_groups():
    model = Net()
    model.late[0].bias.requires_grad_(False)
    groups = hub.param_groups(model, 0.1, layer_decay=0.5, weight_decay=0.01)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert len(found) == sum(len(g["params"]) for g in groups) == len(list(model.parameters())) - 1
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = 0.1 if "fc" in name else 0.05 if "late" in name else 0.025
            assert found[id(parameter)] == (rate, 0.01 if parameter.ndim > 1 else 0.0), name
    plain = hub.param_groups(model, 0.1, weight_decay=0.01, no_decay_on_1d=False)
    assert [(g["lr"], g["weight_decay"]) for g in plain] == [(0.1, 0.01)]
    optimizer = F.optim.AdamW(groups)
    assert sorted({g["lr"] for g in optimizer.param_groups}) == [0.025, 0.05, 0.1]
    with pytest.raises(ValueError, match="layer_decay should be above 0"):
        hub.param_groups(model, 0.1, layer_decay=1.5)
