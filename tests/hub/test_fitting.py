"""Weights into a model: strict, but for what the model's class says may differ."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from framework.io import FileFormatError, save, save_checkpoint, save_file
from framework.optim.swa_utils import AveragedModel
from vision import models


class Net(nn.Module):
    def __init__(self, classes: int = 5, width: int = 4, channels: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(F.ones(1))
        self.body = nn.Sequential(nn.Conv2d(channels, width, 3), nn.BatchNorm2d(width), nn.ReLU())
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        return self.fc(self.body(x * self.scale).mean((-2, -1)))


class Two(Net):
    """With an auxiliary head, old names in its files, and a table that depends on the picture's size."""

    fit_rules = hub.FitRules(
        head=("fc", "aux.fc"),
        stem="body.0",
        optional=("extra.",),
        key_map=((r"^trunk\.", "body."),),
        adapt=lambda model, state: {**state, "table": state["table"][: len(model.table)]},
    )

    def __init__(self, classes: int = 5, length: int = 3, aux: bool = True, **config) -> None:
        super().__init__(classes, **config)
        self.table = nn.Parameter(F.arange(length).float())
        self.aux = nn.ModuleDict({"fc": nn.Linear(4, classes)}) if aux else None


def values(model) -> dict[str, np.ndarray]:
    return {key: tensor.numpy().copy() for key, tensor in model.state_dict().items()}


def same(target, source, fresh=(), but=()) -> None:
    for key, value in values(target).items():
        if key not in but:
            np.testing.assert_array_equal(value, fresh[key] if key in fresh else values(source)[key], err_msg=key)


def test_the_same_head_is_loaded():
    source, target = Net(), Net()
    fit = hub.load_pretrained(target, source.state_dict())
    assert fit.swapped == [] and fit.loaded == list(source.state_dict()) and str(fit) == "10 tensors loaded"
    same(target, source)


def test_another_number_of_classes_keeps_the_fresh_head():
    source, target = Net(5), Net(7)
    fresh = {k: v for k, v in values(target).items() if k.startswith("fc.")}
    fit = hub.load_pretrained(target, source.state_dict())
    assert fit.swapped == ["fc.weight", "fc.bias"] and "starts afresh: fc.weight, fc.bias" in str(fit)
    same(target, source, fresh)


PREFIXED = [(), ("module.",), ("model.",), ("net.",), ("backbone.",), ("_orig_mod.",), ("module.", "model."), ("_orig_mod.", "module."), ("module.", "_orig_mod.", "backbone.")]  # fmt: skip


@pytest.mark.parametrize("prefixes", PREFIXED, ids="".join)
def test_wrappers_prefixes_are_taken_off(prefixes):
    source, target = Net(), Net()
    fit = hub.load_pretrained(target, {"".join(prefixes) + k: v for k, v in source.state_dict().items()})
    assert len(fit.loaded) == 10
    same(target, source)


def test_a_checkpoint_read_before_is_opened_too():
    source, target = Net(), Net()
    held = {"epoch": 3, "state_dict": {f"module.{k}": v.numpy() for k, v in source.state_dict().items()}}
    assert len(hub.load_pretrained(target, held).loaded) == 10
    same(target, source)


def test_an_averaged_models_count_is_none_of_the_weights():
    source, target = Net(), Net()
    averaged = AveragedModel(source)
    assert len(hub.load_pretrained(target, averaged.state_dict()).loaded) == 10
    same(target, source)
    assert "n_averaged" in hub.load_pretrained(AveragedModel(Net()), averaged.state_dict()).loaded


def test_a_models_own_prefix_stays():
    source = nn.ModuleDict({"model": Net(), "backbone": nn.Linear(2, 2)})
    target = nn.ModuleDict({"model": Net(), "backbone": nn.Linear(2, 2)})
    assert len(hub.load_pretrained(target, {f"module.{k}": v for k, v in source.state_dict().items()}).loaded) == 12
    same(target, source)
    with pytest.raises(RuntimeError, match=r"(?s)head\.weight +unexpected: not in the model"):
        hub.load_pretrained(
            Net(), {**{f"backbone.{k}": v for k, v in Net().state_dict().items()}, "head.weight": F.ones(2)}
        )


def test_all_else_is_strict_and_every_wrong_key_is_named():
    state = dict(Net(5).state_dict())
    del state["body.1.running_mean"], state["fc.bias"]
    state["body.9.weight"] = F.ones(3)
    state["body.0.weight"] = F.ones(4, 1, 5, 5)
    target = Net(7)
    before = values(target)
    with pytest.raises(RuntimeError) as caught:
        hub.load_pretrained(target, state)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("the state dict does not fit Net: 6 of the model's 10 tensors fit")
    for words in (
        "body.1.running_mean missing in the file",
        "fc.bias missing in the file",
        "body.9.weight unexpected: not in the model",
        "body.0.weight mis-shaped: (4, 1, 5, 5) in the file, (4, 1, 3, 3) in the model",
    ):
        assert words in [" ".join(line.split()) for line in lines]
    for key, value in values(target).items():
        np.testing.assert_array_equal(value, before[key])  # nothing is half loaded
    fit = hub.load_pretrained(target, state, strict=False)
    assert fit.missing == ["body.1.running_mean", "fc.bias"] and fit.unexpected == ["body.9.weight"]
    assert fit.misshaped == {"body.0.weight": ((4, 1, 5, 5), (4, 1, 3, 3))} and len(fit.table().splitlines()) == 11
    assert "missing: body.1.running_mean, fc.bias; unexpected: body.9.weight; of another shape: body.0.weight" in str(
        fit
    )


def test_a_head_for_other_features_is_no_head_swap():
    state = {**Net(5).state_dict(), "fc.weight": F.ones(5, 9)}
    with pytest.raises(RuntimeError, match=r"fc\.weight"):
        hub.load_pretrained(Net(7), state)


def test_counters_that_old_files_lack_are_not_missed():
    state = {k: v for k, v in Net().state_dict().items() if "num_batches" not in k}
    assert hub.load_pretrained(Net(), state).missing == []


def test_dtypes_are_converted():
    source, target = Net(), Net()
    hub.load_pretrained(target, {k: v.half() if v.is_floating_point() else v for k, v in source.state_dict().items()})
    assert target.fc.weight.dtype is F.float32
    np.testing.assert_allclose(values(target)["fc.weight"], values(source)["fc.weight"], atol=1e-3)


def test_declared_rules():
    source, target = Two(5, length=5), Two(7, length=3)
    fresh = {k: v for k, v in values(target).items() if ".fc." in f".{k}"}
    state = {k.replace("body.", "trunk."): v for k, v in source.state_dict().items()}
    fit = hub.load_pretrained(target, {**state, "extra.weight": F.ones(2)})
    assert fit.swapped == ["fc.weight", "fc.bias", "aux.fc.weight", "aux.fc.bias"]
    assert fit.adapted == ["table"] and fit.ignored == ["extra.weight"]
    assert "resized: table; left out: extra.weight" in str(fit)
    same(target, source, fresh, but=["table"])
    assert target.table.tolist() == [0, 1, 2]
    assert hub.head_of(target) == ("fc", "aux.fc") and hub.head_of(Two(aux=False)) == ("fc",)


@pytest.mark.parametrize("before, after", [(3, 1), (3, 4), (3, 6), (1, 3), (4, 2)])
def test_another_number_of_channels(before, after):
    source, target = Net(channels=before), Net(channels=after)
    fit = hub.load_pretrained(target, source.state_dict())
    assert fit.adapted == ["body.0.weight"]
    kernel, found = values(source)["body.0.weight"], values(target)["body.0.weight"]
    if after == 1:
        expected = kernel.sum(1, keepdims=True)
    else:
        expected = np.stack([kernel[:, c % before] for c in range(after)], 1) * before / after
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if after % before == 0 or after == 1:  # channels that are all alike give what they gave
        x = F.randn(2, 1, 6, 6)
        source.eval(), target.eval()
        one, other = source(x.expand(2, before, 6, 6)), target(x.expand(2, after, 6, 6))
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), atol=1e-5)


def test_a_stem_that_cannot_be_changed():
    with pytest.raises(ValueError, match="in_channels=2: ReLU has no first convolution"):
        hub.fitting.swap_stem(nn.ReLU(), 2)


def test_head_of():
    assert hub.head_of(Net()) == ("fc",) and hub.head_of(models.small_cnn()) == ("classifier.4",)
    with pytest.raises(ValueError, match="no linear or convolutional layer"):
        hub.head_of(nn.ReLU())


def test_files_of_weights(tmp_path):
    source = Net()
    save_file(source.state_dict(), tmp_path / "plain.safetensors")
    save(source.state_dict(), tmp_path / "saved.pt")
    save_checkpoint(tmp_path / "run.ckpt", model=source, epoch=3)
    hub.save_torch(
        {"epoch": 2, "state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "t.pth"
    )
    for name in ("plain.safetensors", "saved.pt", "run.ckpt", "t.pth"):
        for path in (tmp_path / name, str(tmp_path / name)):
            target = Net()
            assert len(hub.load_pretrained(target, path).loaded) == 10
            same(target, source)
    save([1, 2], tmp_path / "list.pt")
    save_checkpoint(tmp_path / "other.ckpt", epoch=3)
    for name in ("list.pt", "other.ckpt"):
        with pytest.raises(ValueError, match=name):
            hub.load_pretrained(Net(), tmp_path / name)
    (tmp_path / "broken.safetensors").write_bytes(b"1234")
    with pytest.raises(FileFormatError, match="broken"):
        hub.load_pretrained(Net(), tmp_path / "broken.safetensors")
    for nothing in (tmp_path / "none.pth", str(tmp_path / "none.pth"), "none.pt.h"):
        with pytest.raises(FileNotFoundError, match="none"):
            hub.load_pretrained(Net(), nothing)
    with pytest.raises(ValueError, match="unknown model 'none'"):
        hub.load_pretrained(Net(), "none.pth")
