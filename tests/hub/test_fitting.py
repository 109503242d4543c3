"""Weights from a file into a model: strict, but for the head; and freezing."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from framework.io import FileFormatError, save, save_checkpoint, save_file


class Net(nn.Module):
    def __init__(self, classes: int = 5, width: int = 4) -> None:
        super().__init__()
        self.scale = nn.Parameter(F.ones(1))
        self.body = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU())
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        return self.fc(self.body(x * self.scale).mean((-2, -1)))


def values(model) -> dict[str, np.ndarray]:
    return {key: tensor.numpy().copy() for key, tensor in model.state_dict().items()}


def test_the_same_head_is_loaded():
    source, target = Net(), Net()
    fit = hub.load_pretrained(target, source.state_dict())
    assert fit.swapped == [] and fit.loaded == list(source.state_dict()) and str(fit) == "10 tensors loaded"
    for key, value in values(source).items():
        np.testing.assert_array_equal(values(target)[key], value)


def test_another_number_of_classes_keeps_the_fresh_head():
    source, target = Net(5), Net(7)
    fresh = values(target)
    fit = hub.load_pretrained(target, source.state_dict())
    assert fit.swapped == ["fc.weight", "fc.bias"] and "starts afresh: fc.weight, fc.bias" in str(fit)
    for key, value in values(target).items():
        np.testing.assert_array_equal(value, fresh[key] if key.startswith("fc.") else values(source)[key])


def test_all_else_is_strict_and_every_wrong_key_is_named():
    state = dict(Net(5).state_dict())
    del state["body.1.running_mean"], state["fc.bias"]
    state["body.9.weight"] = F.ones(3)
    state["body.0.weight"] = F.ones(4, 1, 5, 5)
    with pytest.raises(RuntimeError) as caught:
        hub.load_pretrained(Net(7), state)
    for key in ("body.1.running_mean", "fc.bias", "body.9.weight", "body.0.weight"):
        assert key in str(caught.value)


def test_a_head_for_other_features_is_no_head_swap():
    state = {**Net(5).state_dict(), "fc.weight": F.ones(5, 9)}
    with pytest.raises(RuntimeError, match=r"fc\.weight"):
        hub.load_pretrained(Net(7), state)


def test_head_of():
    assert hub.head_of(Net()) == "fc" and hub.head_of(hub.create("small_cnn")) == "classifier.4"
    with pytest.raises(ValueError, match="no linear or convolutional layer"):
        hub.head_of(nn.ReLU())


def test_files_of_weights(tmp_path):
    state = Net().state_dict()
    save_file(state, tmp_path / "plain.safetensors")
    save(state, tmp_path / "saved.pt")
    save_checkpoint(tmp_path / "run.ckpt", model=Net(), epoch=3)
    for name in ("plain.safetensors", "saved.pt", "run.ckpt"):
        assert set(hub.read_state_dict(tmp_path / name)) == set(state)
    save([1, 2], tmp_path / "list.pt")
    save_checkpoint(tmp_path / "other.ckpt", epoch=3)
    for name in ("list.pt", "other.ckpt"):
        with pytest.raises(ValueError, match=f"{name}: holds no weights"):
            hub.read_state_dict(tmp_path / name)
    (tmp_path / "broken.safetensors").write_bytes(b"1234")
    with pytest.raises(FileFormatError, match="broken"):
        hub.read_state_dict(tmp_path / "broken.safetensors")


def step(model, frozen) -> None:
    model.train()
    for module in frozen:
        module.eval()
    chosen = [p for p in model.parameters() if p.requires_grad]
    optimizer = F.optim.SGD(chosen, lr=0.5)
    nn.functional.cross_entropy(model(F.randn(8, 1, 6, 6)), F.arange(8) % 5).backward()
    optimizer.step()


@pytest.mark.parametrize(
    "prefixes, moving",
    [
        (["backbone"], {"fc"}),
        (["body"], {"scale", "fc"}),
        (["body.0", "fc"], {"scale", "body.1"}),
    ],
)
def test_frozen_parts_stay_and_the_rest_learns(prefixes, moving):
    model = Net()
    before = values(model)
    step(model, hub.freeze(model, prefixes))
    for key, value in values(model).items():
        learns = any(key == name or key.startswith(f"{name}.") for name in moving)
        assert (not np.array_equal(value, before[key])) == learns, key


def test_freezing_what_is_not_there():
    with pytest.raises(ValueError, match="'head', 'x' is no part of the model; its parts: body, fc"):
        hub.freeze(Net(), ["head", "body", "x"])
    for nothing in ([], [""]):
        with pytest.raises(ValueError, match="no part of the model"):
            hub.freeze(Net(), nothing)
