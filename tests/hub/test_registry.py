"""Models and their weights by name."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from hub import registry

PLAIN = {"width": 3}


class Tiny(nn.Module):
    fit_rules = hub.FitRules(head=("fc",), stem="conv")

    def __init__(self, num_classes: int = 4, width: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.fc(self.conv(x).mean((-2, -1)))


@pytest.fixture
def empty(monkeypatch):
    monkeypatch.setattr(registry, "_architectures", {})
    monkeypatch.setattr(registry, "_weights", {})


@pytest.fixture
def published(empty, tmp_path, monkeypatch):
    """A registered net whose two sets of weights lie in the cache already: (builder, enum, the state dicts)."""
    monkeypatch.setenv("EAGERKIT_HOME", str(tmp_path))
    monkeypatch.setenv("HUB_OFFLINE", "1")
    states = {}

    def entry(name, width):
        state = states[name] = Tiny(4, width).state_dict()
        path = tmp_path / f"{name}.safetensors"
        hub.save_state_dict(state, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:10]
        hub.save_state_dict(state, hub.cache.weights_path(f"{name}-{digest}.safetensors"))
        meta = {"categories": ["a", "b", "c", "d"], "num_params": 1, "_metrics": {"Toy": {"acc@1": 71.5}}}
        url = f"https://nowhere.invalid/{name}-{digest}.safetensors"
        return hub.Weights(url, dict, meta, sha256=digest, head=("fc",), config={"width": width})

    class Tiny_Weights(hub.WeightsEnum):
        V1 = entry("tiny1", 3)
        V2 = entry("tiny2", 5)
        DEFAULT = V2

    @hub.register_model(weights=Tiny_Weights)
    def tiny(**config):
        """A toy."""
        return Tiny(**config)

    return tiny, Tiny_Weights, states


def test_register_list_create(empty):
    @hub.register_model
    def tiny(width=3):
        return width

    @hub.register_model
    def another(**config):
        return tiny(**config)

    assert hub.list_models() == ["another", "tiny"]
    assert hub.create("tiny") == 3 and hub.create("tiny", width=5) == 5 and hub.create("another", width=7) == 7
    assert hub.get_model_builder("tiny")(width=6) == 6
    for name in ("tiny", "another"):  # the second finds out when it calls the first
        with pytest.raises(ValueError, match=r"model 'tiny'.*'depth'"):
            hub.create(name, depth=5)


def test_a_name_is_given_once(empty):
    def net():
        return None

    hub.register_model(net)
    with pytest.raises(ValueError, match="already registered under the name 'net'"):
        hub.register_model(net)


def test_unknown_names(empty):
    @hub.register_model
    def resnet18():
        return None

    with pytest.raises(ValueError, match="unknown model 'resnet81'; nearest: resnet18"):
        hub.create("resnet81")
    with pytest.raises(ValueError, match="unknown model 'zzz'; known: resnet18"):
        hub.create("zzz.V1")
    with pytest.raises(ValueError, match="resnet18 has no weights 'V1'; known: none; a file"):
        hub.create("resnet18", weights="V1")
    with pytest.raises(ValueError, match="resnet18 has no published weights"):
        hub.get_model_weights("resnet18")
    with pytest.raises(ValueError, match=r"unknown weights 'ResNet_Weights\.V1'"):
        hub.get_weight("ResNet_Weights.V1")


def test_errors_inside_a_builder_stay_what_they_are(empty):
    @hub.register_model
    def bad():
        return len(5)

    with pytest.raises(TypeError, match="has no len"):
        hub.create("bad")


@pytest.mark.parametrize(
    "spelling", ["V1", "v1", "tiny.V1", "tiny.v1", "Tiny_Weights.V1", "member", "entry", "name", "get_weight"]
)
def test_weights_by_every_spelling(published, spelling):
    tiny, enum, states = published
    if spelling == "name":
        model = hub.create("tiny.V1")
    else:
        weights = {"member": enum.V1, "entry": enum.V1.value, "get_weight": hub.get_weight("Tiny_Weights.v1")}
        model = tiny(weights=weights.get(spelling, spelling), progress=False)
    for key, value in states["tiny1"].items():
        np.testing.assert_array_equal(model.state_dict()[key].numpy(), value.numpy())


def test_the_default_and_what_goes_with_the_weights(published):
    _, enum, states = published
    assert enum.DEFAULT is enum.V2 and hub.get_weights("tiny.default") is enum.V2.value
    model = hub.create("tiny", weights="DEFAULT")
    assert model.conv.out_channels == 5  # the width of the entry's configuration
    model = hub.create("tiny", weights="DEFAULT", num_classes=7, in_channels=1)
    assert model.fc.out_features == 7 and tuple(model(F.ones(2, 1, 5, 5)).shape) == (2, 7)
    kernel = states["tiny2"]["conv.weight"].numpy()
    np.testing.assert_allclose(model.conv.weight.detach().numpy(), kernel.sum(1, keepdims=True), rtol=1e-6)
    with pytest.raises(RuntimeError, match=r"(?s)does not fit Tiny: .*conv\.weight .*mis-shaped: \(5, 3, 3, 3\)"):
        hub.create("tiny", weights="DEFAULT", width=9)


def test_a_files_name_is_the_end_of_the_addresss_path():
    entry = hub.Weights("https://a.org/x/net-12345678.pth?download=true#top", dict, {}, sha256="12345678")
    assert entry.file_name == "net-12345678.pth"


def test_weights_of_features_alone_have_no_classes(published):
    """They leave the number of outputs to the builder, as their file does."""
    tiny, enum, states = published
    entry = enum.V1.value
    bare = replace(entry, meta={**entry.meta, "categories": None})
    hub.register_weights("tiny", "FEATURES", bare)
    assert bare.categories == [] and "classes" not in hub.describe("tiny.FEATURES")
    assert hub.create("tiny.FEATURES").fc.out_features == 4 and "classes: 4" in hub.describe("tiny.V1")
    np.testing.assert_array_equal(
        tiny(weights=bare).conv.weight.detach().numpy(), states["tiny1"]["conv.weight"].numpy()
    )


def test_a_file_tells_its_number_of_classes(published, tmp_path):
    hub.save_state_dict(Tiny(9).state_dict(), tmp_path / "nine.pth")
    assert hub.create("tiny", weights=str(tmp_path / "nine.pth")).fc.out_features == 9
    assert hub.create("tiny", weights=tmp_path / "nine.pth", num_classes=2).fc.out_features == 2
    with pytest.raises(FileNotFoundError, match=r"ten\.pth"):
        hub.create("tiny", weights=str(tmp_path / "ten.pth"))


def test_wrong_weights(published):
    tiny, enum, _ = published

    class Other_Weights(hub.WeightsEnum):
        V1 = enum.V1.value

    with pytest.raises(TypeError, match=r"Other_Weights\.V1 are weights of another architecture"):
        tiny(weights=Other_Weights.V1)
    with pytest.raises(TypeError, match=r"expected one of Tiny_Weights"):
        enum.verify(Other_Weights.V1)
    with pytest.raises(ValueError, match=r"has no weights 'V3'; known: tiny\.V1, tiny\.V2; a file"):
        tiny(weights="V3")
    with pytest.raises(FileNotFoundError, match=r"no file of weights 'best\.pth'"):
        tiny(weights="best.pth")
    with pytest.raises(ValueError, match="instead of pretrained, pass weights=None, or 'V1', 'V2'"):
        tiny(pretrained=True)
    with pytest.raises(TypeError, match="a name, an entry or a path, got 3"):
        tiny(weights=3)
    with pytest.raises(ValueError, match="names weights already"):
        hub.create("tiny.V1", weights="V2")
    with pytest.raises(ValueError, match="Tiny_Weights has no 'V9'; known: V1, V2, DEFAULT"):
        enum.verify("V9")
    assert enum.verify(None) is None and enum.verify("v2") is enum.V2


def test_lists_and_descriptions(published):
    tiny, enum, _ = published
    assert hub.list_weights() == ["tiny.V1", "tiny.V2"] and hub.list_weights("*.V2") == ["tiny.V2"]
    hub.register_weights("tiny", "mine", enum.V1.value)
    assert hub.list_weights(["*.mine", "*.V1"]) == ["tiny.V1", "tiny.mine"]
    assert hub.get_weights("tiny.mine") is enum.V1.value
    with pytest.raises(ValueError, match=r"already registered under the name 'tiny\.mine'"):
        hub.register_weights("tiny", "mine", enum.V1.value)
    assert hub.get_model_weights(tiny) is enum and repr(enum.V1) == "Tiny_Weights.V1"
    text = hub.describe("tiny")
    assert text.startswith("tiny: A toy.\n") and "tiny.V1: Toy: acc@1 71.5" in text
    text = hub.describe("tiny.V1")
    assert "nowhere.invalid/tiny1" in text and "classes: 4, from 'a' to 'd'" in text and "head: fc" in text


def test_models_are_listed_by_package_and_pattern():
    import vision

    names = hub.list_models(vision.models)
    assert {"small_cnn", "resnet18", "resnext50_32x4d"} <= set(names) and names == sorted(names)
    assert hub.list_models(vision.models.small) == ["small_cnn"] and hub.list_models(nn) == []
    assert hub.list_models(include="resnet??") == ["resnet18", "resnet34", "resnet50"]
    assert "resnet18" not in hub.list_models(include=["resnet*"], exclude="resnet1*")
    assert "small_cnn" not in hub.list_models(pretrained=True) and "resnet18" in hub.list_models(pretrained=True)
    assert vision.models.get_model("small_cnn", weights=None, num_classes=4).classifier[-1].out_features == 4
