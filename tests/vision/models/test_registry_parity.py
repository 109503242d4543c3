"""Every model that torchvision has a namesake of: the same keys, shapes, dtypes; and every entry of weights the same facts."""

from __future__ import annotations

import copy
import pickle

import pytest

import framework as F
import hub
from tests.vision.models.harness import peer_models, without_initial_values
from tests.vision.peer import torchvision
from vision import models

OURS_ALONE = {"small_cnn"} | {name for name in hub.list_models() if name.startswith("cifar_")}
NAMES = [name for name in hub.list_models(models) if name not in OURS_ALONE]
WEIGHTS = [name for name in hub.list_weights() if name.split(".")[0] in NAMES]


def list_of(value):
    return list(value) if isinstance(value, tuple | list) else value


def test_all_of_torchvisions_are_here():
    peer = peer_models()
    assert set(peer.list_models(module=peer)) == set(NAMES)
    expected = {f"{n}.{w.name}" for n in NAMES for w in peer.get_model_weights(n)}
    assert expected == set(WEIGHTS)


def test_names_of_the_package_are_torchvisions():
    theirs = peer_models()
    later = {"detection", "segmentation", "video", "quantization", "optical_flow", "mobilenet"}  # tasks of other kinds
    absent = {name for name in dir(theirs) if not name.startswith("_")} - set(dir(models)) - later
    assert absent == set()


@pytest.mark.filterwarnings("ignore:The default weight initialization")  # of torchvision's inception nets
@pytest.mark.parametrize("name", NAMES)
def test_keys_shapes_and_dtypes(name, monkeypatch):
    peer = peer_models()
    without_initial_values(monkeypatch)  # so that no memory is touched; on the meta device regnets can't be built
    expected = getattr(peer, name)(weights=None).state_dict()
    with F.nn.init.skipped():
        found = getattr(models, name)(weights=None, progress=False).state_dict()
    assert list(found) == list(expected)
    assert {k: tuple(v.shape) for k, v in found.items()} == {k: tuple(v.shape) for k, v in expected.items()}
    kinds = [{k: str(v.dtype).split(".")[-1] for k, v in state.items()} for state in (found, expected)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("name", WEIGHTS)
def test_entries_of_weights(name):
    arch, tag = name.split(".")
    torchvision()
    theirs, ours = peer_models().get_model_weights(arch)[tag], hub.get_model_weights(arch)[tag]
    assert type(ours).__name__ == type(theirs).__name__ and repr(ours) == repr(theirs)
    assert ours.url == theirs.url and ours.value is hub.get_weights(name)
    facts = {k: v for k, v in theirs.meta.items() if k != "_docs"}
    assert set(facts) == set(ours.meta)
    for key, value in facts.items():
        assert repr(ours.meta[key]) == repr(value), key  # by their text, since an accuracy may be a nan
    assert ours.url.endswith(f"-{ours.value.sha256}.pth") and len(ours.value.sha256) >= 8
    for field in ("crop_size", "resize_size", "mean", "std", "antialias"):
        assert list_of(getattr(ours.transforms(), field)) == list_of(getattr(theirs.transforms(), field)), field
    assert ours.transforms().interpolation.value == theirs.transforms().interpolation.value
    assert hub.get_model_weights(arch).DEFAULT.name == peer_models().get_model_weights(arch).DEFAULT.name
    assert ours.value.paper.startswith("https://arxiv.org/abs/") and ours.value.licence and ours.value.head
    assert f"{theirs.meta['_metrics']['ImageNet-1K']['acc@1']:g}" in hub.describe(name)


def test_entries_are_pickled_by_name():
    weights = models.ResNet50_Weights.IMAGENET1K_V2
    assert pickle.loads(pickle.dumps(weights)) is weights is copy.deepcopy(weights)


@pytest.mark.parametrize("name", NAMES)
def test_the_rules_name_what_is_there(name):
    with F.nn.init.skipped():
        model = getattr(models, name)()
    rules = hub.rules_of(model)
    modules = dict(model.named_modules())
    assert rules is type(model).fit_rules and rules.head and set(rules.containers) <= set(modules)
    assert all(modules[h].weight.shape[0] == 1000 for h in rules.head if h in modules) and rules.head[0] in modules
    assert modules[rules.stem].weight.shape[1] == 3
    layers = hub.layers_of(model)
    flat = [key for layer in layers for key in layer]
    assert sorted(flat) == sorted(k for k, _ in model.named_parameters()) and len(layers) >= 7
    assert any(key.startswith(f"{rules.head[0]}.") for key in layers[-1])
