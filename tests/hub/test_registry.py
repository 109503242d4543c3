"""Models by name."""

from __future__ import annotations

import pytest

import hub
import vision.models
from hub import registry


@pytest.fixture
def empty(monkeypatch):
    monkeypatch.setattr(registry, "_builders", {})


def test_register_list_create(empty):
    @hub.register_model
    def tiny(*, weights=None, progress=True, width=3):
        return width

    @hub.register_model
    def another(**config):
        return tiny(**config)

    assert hub.list_models() == ["another", "tiny"]
    assert hub.create("tiny") == 3 and hub.create("tiny", width=5) == 5 and hub.create("another", width=7) == 7
    for name in ("tiny", "another"):  # the second finds out when it calls the first
        with pytest.raises(ValueError, match=f"model '{name}'.*'depth'"):
            hub.create(name, depth=5)


def test_a_name_is_given_once(empty):
    def net():
        return None

    hub.register_model(net)
    with pytest.raises(ValueError, match="already registered under the name 'net'"):
        hub.register_model(net)


def test_unknown_names(empty):
    hub.register_model(vision.models.resnet18)
    with pytest.raises(ValueError, match="unknown model 'resnet81'; nearest: resnet18"):
        hub.create("resnet81")
    with pytest.raises(ValueError, match="unknown model 'zzz'; known: resnet18"):
        hub.create("zzz")


def test_errors_inside_a_builder_stay_what_they_are(empty):
    @hub.register_model
    def bad():
        return len(5)

    with pytest.raises(TypeError, match="has no len"):
        hub.create("bad")


def test_weights_are_refused_with_the_way_to_load_them():
    with pytest.raises(ValueError, match=r"resnet18: weights must be None.*hub\.load_pretrained"):
        hub.create("resnet18", weights="IMAGENET1K_V1")
    with pytest.raises(ValueError, match=r"small_cnn.*hub\.load_pretrained"):
        vision.models.small_cnn(weights="DEFAULT")


def test_vision_models_are_known():
    assert {"small_cnn", "resnet18", "resnext50_32x4d", "wide_resnet101_2"} <= set(hub.list_models())
    model = vision.models.get_model("small_cnn", weights=None, num_classes=4)
    assert model.classifier[-1].out_features == 4
