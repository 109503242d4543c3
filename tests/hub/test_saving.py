"""Weights written for PyTorch to read, and read back."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import framework as F
import hub
from framework import nn

KINDS = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128",
]  # fmt: skip


def sample(kind: str, shape=(3, 5)):
    return (F.randn(*shape) * 50).to(getattr(F, kind))


def as_numpy(tensor) -> np.ndarray:
    return np.asarray(tensor.float() if "bfloat16" in str(tensor.dtype) else tensor)


def same(theirs, ours) -> None:
    assert str(theirs.dtype).split(".")[-1] == str(ours.dtype).split(".")[-1]
    assert tuple(theirs.shape) == tuple(ours.shape)
    np.testing.assert_array_equal(as_numpy(theirs), as_numpy(ours))


@pytest.mark.parametrize("suffix", hub.saving.TORCH_SUFFIXES)
def test_torch_reads_every_dtype(tmp_path, suffix):
    torch = pytest.importorskip("torch")
    state = OrderedDict((kind, sample(kind)) for kind in KINDS)
    state |= {"empty": F.zeros(0, 3), "scalar": F.tensor(3.5), "turned": F.randn(4, 6).t(), "maps": F.randn(2, 3, 4, 5)}
    path = tmp_path / f"model{suffix}"
    hub.save_state_dict(state, path)
    for options in ({}, {"mmap": True}):
        found = torch.load(path, weights_only=True, **options)
        assert list(found) == list(state)
        for key, value in found.items():
            assert value.is_contiguous()
            same(value, state[key])
    ours = hub.load_state_dict(path)
    assert list(ours) == list(state)
    for key, value in ours.items():
        same(value, state[key])


def test_tied_tensors_stay_tied(tmp_path):
    torch = pytest.importorskip("torch")
    shared = F.randn(4, 4)
    for name in ("model.pth", "model.safetensors"):
        hub.save_state_dict({"a": shared, "b": shared, "c": shared.clone()}, tmp_path / name)
        ours = hub.load_state_dict(tmp_path / name)
        assert ours["a"].data_ptr() == ours["b"].data_ptr() != ours["c"].data_ptr()
    found = torch.load(tmp_path / "model.pth", weights_only=True)
    assert found["a"].data_ptr() == found["b"].data_ptr() != found["c"].data_ptr()


def test_containers(tmp_path):
    torch = pytest.importorskip("torch")
    plain = {
        "epoch": 3,
        "seed": 2**63,
        "low": -(2**40),
        "rate": 1e-3,
        "name": "größe 🙂",
        "on": [True, False, None],
        "size": (1, (2, [])),
    }
    hub.saving.save_torch({**plain, "model": {"w": F.arange(3)}}, tmp_path / "run.pt")
    found = torch.load(tmp_path / "run.pt", weights_only=True)
    assert found.pop("model")["w"].tolist() == [0, 1, 2] and found == plain


def test_a_model_goes_to_torch_and_back(tmp_path):
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 9, 2)).eval()
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4 * 9, 2)
    ).eval()
    hub.save_state_dict(ours.state_dict(), tmp_path / "model.pth")
    theirs.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True))
    x = F.randn(2, 1, 5, 5)
    np.testing.assert_allclose(
        ours(x).detach().numpy(), theirs(torch.from_numpy(x.numpy())).detach().numpy(), atol=1e-5
    )
    torch.save(theirs.state_dict(), tmp_path / "back.pth")
    fit = hub.load_pretrained(ours, tmp_path / "back.pth")
    assert len(fit.loaded) == len(ours.state_dict())


def test_refusals_leave_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match=r"should end in \.safetensors or one of \.pth"):
        hub.save_state_dict({}, tmp_path / "model.onnx")
    with pytest.raises(TypeError, match=r"no storage of .*uint16.*safetensors"):
        hub.save_state_dict({"a": F.zeros(2, dtype=F.uint16)}, tmp_path / "model.pth")
    with pytest.raises(TypeError, match="a set cannot be written"):
        hub.saving.save_torch({"a": {1}}, tmp_path / "model.pth")
    assert not list(tmp_path.iterdir())
