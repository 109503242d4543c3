"""GoogLeNet and Inception v3: torchvision's numbers, auxiliary classifiers, initial values, arguments."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from tests.vision.models.harness import check_numbers, check_outputs
from vision import models
from vision.models.googlenet import to_unit_range

FILLED = {"init_weights": True}  # without which torchvision warns of changes to come


@pytest.mark.parametrize("name, size", [("googlenet", (15, 80)), ("inception_v3", (75, 96))])
def test_outputs(name, size, monkeypatch):
    check_outputs(name, monkeypatch, size, **FILLED)


@pytest.mark.parametrize(
    "name, size, training, config",
    [
        ("googlenet", (65, 49), True, {"transform_input": True}),
        ("googlenet", (65, 49), False, {"transform_input": True}),
        ("inception_v3", (97, 81), True, {"aux_logits": False, "transform_input": True}),
        ("inception_v3", (97, 81), False, {"aux_logits": False}),
        pytest.param("inception_v3", (299, 299), True, {}, marks=pytest.mark.slow),  # the auxiliary one needs the size
    ],
)
def test_numbers(name, size, training, config, monkeypatch):
    check_numbers(name, monkeypatch, size, training, num_classes=7, **FILLED, **config)


def test_auxiliary_classifiers():
    model = models.googlenet(num_classes=4)
    picture = F.randn(2, 3, 64, 64)
    found = model(picture)
    assert isinstance(found, models.GoogLeNetOutputs) and found._fields == ("logits", "aux_logits2", "aux_logits1")
    assert [tuple(part.shape) for part in found] == [(2, 4)] * 3
    assert tuple(model.eval()(picture).shape) == (2, 4)
    model.train().aux_logits = False  # as programs for torchvision turn them off
    assert tuple(model(picture).shape) == (2, 4)
    assert models.googlenet(num_classes=4, aux_logits=False).aux1 is None

    model = models.inception_v3(num_classes=4)
    found = model(F.randn(2, 3, 299, 299))
    assert isinstance(found, models.InceptionOutputs) and found._fields == ("logits", "aux_logits")
    assert [tuple(part.shape) for part in found] == [(2, 4)] * 2
    model.aux_logits, model.AuxLogits = False, None
    assert tuple(model(F.randn(2, 3, 75, 75)).shape) == (2, 4)
    assert not any(key.startswith("AuxLogits") for key in model.state_dict())


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_a_file_with_auxiliary_classifiers_fits_a_net_without(name):
    state = getattr(models, name)(num_classes=5, init_weights=False).state_dict()
    model = getattr(models, name)(num_classes=3, aux_logits=False, init_weights=False)
    fit = hub.load_pretrained(model, state)
    assert fit.swapped == ["fc.weight", "fc.bias"] and not fit.missing and not fit.unexpected
    assert {key.split(".")[0] for key in fit.ignored} == ({"aux1", "aux2"} if name == "googlenet" else {"AuxLogits"})
    np.testing.assert_array_equal(next(model.parameters()).detach().numpy(), next(iter(state.values())).numpy())


def test_what_goes_with_the_weights():
    assert dict(hub.get_weights("googlenet.DEFAULT").config) == {"transform_input": True, "aux_logits": False}
    assert dict(hub.get_weights("inception_v3.DEFAULT").config) == {"transform_input": True}
    for name, part in (("googlenet", "aux2.fc2"), ("inception_v3", "AuxLogits.fc")):
        assert part in hub.get_weights(f"{name}.DEFAULT").head


def test_pictures_of_imagenets_statistics_become_those_between_minus_one_and_one(rng):
    values = rng.random((2, 3, 5, 4))
    mean, std = (np.array(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    found = to_unit_range(F.from_numpy((values - mean) / std))
    np.testing.assert_allclose(found.numpy(), values * 2 - 1, atol=1e-12)
    assert to_unit_range(F.zeros(1, 3, 2, 2, dtype=F.float16)).dtype is F.float16


def test_initial_values():
    def deviation(tensor):
        return float(tensor.detach().numpy().std())

    model = models.googlenet(num_classes=50)
    assert deviation(model.inception4c.branch2[1].conv.weight) == pytest.approx(0.01, rel=0.02)
    assert deviation(model.aux1.fc2.weight) == pytest.approx(0.01, rel=0.02)
    model = models.inception_v3(num_classes=50)
    assert deviation(model.AuxLogits.fc.weight) == pytest.approx(0.001, rel=0.02)
    assert deviation(model.AuxLogits.conv1.conv.weight) == pytest.approx(0.1, rel=0.02)
    assert deviation(model.Mixed_6c.branch7x7_2.conv.weight) == pytest.approx(0.1, rel=0.02)
    plain = models.inception_v3(num_classes=50, init_weights=False)
    assert deviation(plain.fc.weight) == pytest.approx((3 * 2048) ** -0.5, rel=0.02)


def test_arguments():
    with pytest.raises(ValueError, match="blocks should hold 3 builders, got 2"):
        models.googlenet(blocks=[nn.Conv2d, nn.Conv2d])
    with pytest.raises(ValueError, match="inception_blocks should hold 7 builders, got 1"):
        models.inception_v3(inception_blocks=[nn.Conv2d])
    with pytest.raises(ValueError, match="transform_input takes 3 channels"):
        models.googlenet(transform_input=True, in_channels=1, init_weights=False)
    model = models.googlenet(dropout=0.1, dropout_aux=0.2, num_classes=2, init_weights=False)
    assert (model.dropout.p, model.aux1.dropout.p) == (0.1, 0.2)
    assert models.inception_v3(dropout=0.1, num_classes=2, init_weights=False).dropout.p == 0.1
