"""Whole files of each format, told apart by their first bytes, and the containers around a state dict."""

from __future__ import annotations

import gc
import pickle
import shutil
from collections import OrderedDict

import numpy as np
import pytest

import framework
import hub
from framework import nn
from framework.io import FileFormatError, save_checkpoint, save_file
from framework.tensor import Tensor
from tests.hub.weight_files import (
    VALUES,
    WHOLE,
    entry,
    index,
    legacy,
    npz,
    number,
    safetensors,
    storage,
    table,
    tarred,
    tensor,
    text,
    written,
    zipped,
)

GRID = VALUES.reshape(2, 3)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("called", ("weights.pth", "weights.safetensors", "weights"))
def test_the_format_is_told_by_the_first_bytes(tmp_path, kind, called):
    found = hub.load_state_dict(written(tmp_path, WHOLE[kind], called))
    assert type(found) is dict and type(found["weight"]) is Tensor
    np.testing.assert_array_equal(found["weight"].array, GRID)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_change_of_a_tensor_changes_no_file(tmp_path, kind):
    path = written(tmp_path, WHOLE[kind])
    hub.load_state_dict(path)["weight"].fill_(7)
    assert path.read_bytes() == WHOLE[kind]
    assert hub.load_state_dict(path)["weight"].array.flags.aligned


def test_the_tensors_outlive_their_file(tmp_path):
    path = written(tmp_path, safetensors())
    found = hub.load_state_dict(path)
    path.unlink()
    gc.collect()
    np.testing.assert_array_equal(found["weight"].array, GRID)


@pytest.mark.parametrize("shift", range(9))
def test_memory_that_is_not_aligned_is_copied(tmp_path, shift):
    header = f'{{"weight": {{"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}{" " * shift}}}'.encode()
    found = hub.load_state_dict(written(tmp_path, safetensors(header)))["weight"].array
    assert found.flags.aligned and found.flags.writeable
    np.testing.assert_array_equal(found, GRID)


@pytest.mark.parametrize("size", (0x7B, 0x7B20, 0x20, 0x0A))
def test_a_length_that_looks_like_text_is_none(tmp_path, size):
    """A header of 123 bytes starts the file with "{", as an index does."""
    header = b'{"weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    if size < len(header):
        header = b"{}".ljust(size)
        assert hub.read_checkpoint(written(tmp_path, safetensors(header, b""))) == {}
    else:
        found = hub.load_state_dict(written(tmp_path, safetensors(header.ljust(size))))
        np.testing.assert_array_equal(found["weight"].array, GRID)


def test_every_dtype_of_safetensors(tmp_path):
    values = {d.name: framework.arange(5).to(d) for d in framework.dtypes.ALL if d.name != "complex128"}
    values |= {"scalar": framework.tensor(2.5), "empty": framework.zeros(0, 3), "bool": framework.tensor([True, False])}
    save_file(values, tmp_path / "file")
    found = hub.load_state_dict(tmp_path / "file")
    assert found.keys() == values.keys()
    for name, value in values.items():
        assert found[name].dtype is value.dtype and found[name].shape == value.shape
        np.testing.assert_array_equal(found[name].array, value.array)


def test_our_own_files(tmp_path):
    weight = framework.arange(6.0)
    value = {
        "weight": weight,
        "tied": weight,
        "more": framework.tensor([1 + 2j], dtype=framework.complex128),
        "epoch": 3,
    }
    framework.save(value, tmp_path / "saved")
    found = hub.load_state_dict(tmp_path / "saved")
    assert list(found) == ["weight", "tied", "more"]
    found["weight"].array[0] = 5
    assert found["tied"].array[0] == 5 and found["more"].dtype is framework.complex128
    assert hub.read_checkpoint(tmp_path / "saved")["epoch"] == 3


def test_training_checkpoints(tmp_path):
    model, other = nn.Linear(3, 2), nn.Linear(3, 4)
    save_checkpoint(tmp_path / "last.ckpt", model=model, average=other, epoch=3)
    found = hub.load_state_dict(tmp_path / "last.ckpt")
    assert found.keys() == {"weight", "bias"} and not found["weight"].requires_grad
    np.testing.assert_array_equal(found["weight"].array, model.weight.array)
    save_checkpoint(tmp_path / "other.ckpt", optimizer={"lr": 0.1}, epoch=3)
    with pytest.raises(FileFormatError, match="no named tensors, but the keys version, random, parts"):
        hub.load_state_dict(tmp_path / "other.ckpt")


def state(value: float) -> dict[str, Tensor]:
    return {"weight": framework.tensor([value])}


# name: (what a file holds, the value of the weight in the state dict that is found)
HELD = {
    "bare": (state(1), 1),
    "state_dict": ({"epoch": 3, "state_dict": state(1), "optimizer": {"state": {0: state(2)}}}, 1),
    "model_state_dict": ({"model_state_dict": state(1), "loss": 0.5}, 1),
    "model": ({"model": state(1), "ema": state(2)}, 1),
    "state_dict before averages": ({"state_dict_ema": state(2), "state_dict": state(1)}, 1),
    "averages alone": ({"model_ema": state(2), "epoch": 3}, 2),
    "params_ema": ({"params_ema": state(2)}, 2),
    "net": ({"net": state(1)}, 1),
    "params": ({"params": state(1)}, 1),
    "weights": ({"weights": state(1)}, 1),
    "module": ({"module": state(1)}, 1),
    "two deep": ({"model": {"state_dict": state(1)}}, 1),
    "a name that is none": ({"model": "resnet18", "net": state(1)}, 1),
    "an empty container": ({"state_dict": {}, "model": state(1)}, 1),
    "a tensor called weights": ({"weight": framework.tensor([1.0]), "weights": framework.tensor([2.0])}, 1),
    "one other name": ({"epoch": 3, "netG": state(1), "optG": {"state": {0: {"mean": state(2)}}}}, 1),
    "one other name beside a score": ({"encoder": state(1), "best": framework.tensor(0.5)}, 1),
    "other things beside": ({**state(1), "_metadata": None, "epoch": 3, "name": "x", "sizes": [1]}, 1),
}


@pytest.mark.parametrize("name", HELD)
def test_containers(tmp_path, name):
    held, value = HELD[name]
    framework.save(held, tmp_path / "file")
    found = hub.load_state_dict(tmp_path / "file")
    assert found["weight"].tolist() == [value]
    assert all(isinstance(entry, Tensor) for entry in found.values())


def test_counters_that_are_numbers_become_tensors(tmp_path):
    framework.save(
        {**state(1), "bn.num_batches_tracked": 7, "bn.momentum": 0.1, 3: framework.ones(1)}, tmp_path / "file"
    )
    found = hub.load_state_dict(tmp_path / "file")
    assert list(found) == ["weight", "bn.num_batches_tracked"]
    assert found["bn.num_batches_tracked"].dtype is framework.int64 and found["bn.num_batches_tracked"].item() == 7


def test_a_container_of_containers_says_what_it_holds(tmp_path):
    framework.save({"generator": state(1), "discriminator": state(2)}, tmp_path / "file")
    with pytest.raises(
        FileFormatError, match=r"under generator, discriminator; .*read_checkpoint\(path\)\['generator'\]"
    ):
        hub.load_state_dict(tmp_path / "file")


def test_arrays_of_numpy(tmp_path):
    values = {
        "f4": GRID, "big": GRID.astype(">f8"), "fortran": np.asfortranarray(GRID), "half": GRID.astype("f2"), "scalar": np.float32(3),
        "none": np.zeros((0, 3), "i2"), "flags": np.array([True, False]), "layer/kernel:0": GRID.astype("c16"),
    }  # fmt: skip
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "file.npz", **values)
        found = hub.load_state_dict(tmp_path / "file.npz")
        assert list(found) == list(values)
        for name, value in values.items():
            assert found[name].array.dtype == value.dtype.newbyteorder("=") and found[name].array.shape == value.shape
            assert found[name].array.flags.writeable and found[name].array.flags.aligned
            np.testing.assert_array_equal(found[name].array, value)


def test_a_pickle_of_arrays(tmp_path):
    path = written(tmp_path, pickle.dumps({"model": {"weight": GRID}, "__author__": "me"}, 2))
    found = hub.load_state_dict(path)["weight"]
    assert found.array.flags.writeable
    np.testing.assert_array_equal(found.array, GRID)
    assert hub.read_checkpoint(path)["__author__"] == "me"


def test_the_oldest_format(tmp_path):
    path = written(tmp_path, tarred())
    found = hub.load_state_dict(path)
    assert found["part"].tolist() == [3, 5]  # every second element of the part that starts at 2, from its second on
    found["weight"].array[1, 0] = 50
    assert found["part"].tolist() == [50, 5]
    torch = pytest.importorskip("torch")
    theirs = torch.load(path, weights_only=False)
    for name, value in hub.load_state_dict(path).items():
        assert torch.equal(torch.from_numpy(value.array), theirs[name])


def test_a_part_of_a_legacy_storage(tmp_path):
    part = storage("0", "torch.FloatStorage", 6, b"(" + text("1") + number(2) + number(4) + b"t")
    whole = storage("0", "torch.FloatStorage", 6, number(None))
    body = table(part=tensor(part, start=1, shape=(3,), steps=(1,)), weight=tensor(whole))
    found = hub.load_state_dict(written(tmp_path, legacy(body)))
    assert found["part"].tolist() == [3, 4, 5]
    found["weight"].array[1, 2] = 50
    assert found["part"].tolist() == [3, 4, 50]


def test_what_python_2_wrote(tmp_path):
    short = zipped(b"}(U\x06weight" + tensor() + b"U\x04nameU\x02\xc3\xa4U\x03oldU\x01\xffu")
    found = hub.read_checkpoint(written(tmp_path, short))
    assert list(found) == ["weight", "name", "old"] and found["name"] == "ä" and found["old"] == "ÿ"


def test_numbers_as_attributes_of_an_ordered_dict(tmp_path):
    body = b"ccollections\nOrderedDict\n)R" + text("weight") + tensor() + b"s" + table(_metadata=b"}") + b"b"
    found = hub.read_checkpoint(written(tmp_path, zipped(body)))
    assert type(found) is OrderedDict and list(found) == ["weight"]


def sharded(folder, first, second):
    written(folder, first, "part-1.bin")
    written(folder, second, "part-2.bin")


@pytest.mark.parametrize("name", ("model.safetensors.index.json", "pytorch_model.bin.index.json"))
def test_parts_with_an_index(tmp_path, name):
    one, two = safetensors({"b": entry(), "unlisted": entry(24, 48)}, bytes(48)), zipped(table(a=tensor()))
    sharded(tmp_path, *((one, two) if name.startswith("model") else (two, one)))
    parts = (
        {"a": "part-2.bin", "b": "part-1.bin"} if name.startswith("model") else {"a": "part-1.bin", "b": "part-2.bin"}
    )
    path = written(tmp_path, b"\n" + index(parts), name)
    for where in (path, tmp_path):
        found = hub.load_state_dict(where)
        assert list(found) == ["a", "b"] and found["b"].tolist() == [[0] * 3] * 2
        np.testing.assert_array_equal(found["a"].array, GRID)


def test_folders_hold_safetensors_first(tmp_path):
    written(tmp_path, zipped(table(old=tensor())), "pytorch_model.bin")
    assert list(hub.load_state_dict(tmp_path)) == ["old"]
    written(tmp_path, safetensors(), "model.safetensors")
    assert list(hub.load_state_dict(tmp_path)) == ["weight"]
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    written(tmp_path, npz(), "other.npz")
    with pytest.raises(FileFormatError, match=r"it holds other\.npz"):
        hub.load_state_dict(tmp_path)


def test_a_device_may_be_given(tmp_path):
    path = written(tmp_path, zipped())
    assert hub.load_state_dict(path, device=framework.device("cpu"))["weight"].device.type == "cpu"
    with pytest.raises(framework.errors.DeviceError):
        hub.load_state_dict(path, device="tpu")
    if not framework.cuda.is_available():
        with pytest.raises(framework.errors.DeviceError):
            hub.load_state_dict(path, device="cuda")


def test_devices_that_the_framework_has_not_are_names(tmp_path):
    names = {"card": ("cuda", 1), "other": ("mps", 0), "strange": ("cuda:x:y", 2)}
    body = table(**{k: b"ctorch\ndevice\n" + b"(" + text(kind) + number(n) + b"tR" for k, (kind, n) in names.items()})
    found = hub.read_checkpoint(written(tmp_path, zipped(body)))
    assert found == {"card": framework.device("cuda:1"), "other": "mps:0", "strange": "cuda:x:y:2"}
