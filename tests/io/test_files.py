"""Files: atomic, tied, exact, and without code."""

from __future__ import annotations

import io as std_io
import os
from collections import OrderedDict

import numpy as np
import pytest

import framework as F
from framework.io import (
    FileFormatError,
    atomic_path,
    atomic_write,
    load_checkpoint,
    load_file,
    load_with_metadata,
    save_checkpoint,
    save_file,
)
from framework.nn import Parameter

DTYPES = [
    F.bool, F.uint8, F.int8, F.int16, F.int32, F.int64, F.uint16, F.uint32, F.uint64,
    F.float16, F.bfloat16, F.float32, F.float64, F.complex64, F.complex128,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_every_dtype_and_shape_comes_back(tmp_path, dtype, shape):
    values = F.from_numpy(np.random.default_rng(0).integers(0, 2, shape).astype(dtype.numpy).reshape(shape))
    save_file({"a": values}, tmp_path / "w.safetensors")
    back = load_file(tmp_path / "w.safetensors")["a"]
    assert back.dtype is dtype and tuple(back.shape) == shape
    assert back.numpy().tobytes() == values.numpy().tobytes()


def test_strided_memory_is_stored_row_major(tmp_path):
    x = F.arange(24).reshape(2, 3, 4)
    save_file({"t": x.transpose(0, 2), "s": x[:, ::2, 1:]}, tmp_path / "w")
    back = load_file(tmp_path / "w")
    np.testing.assert_array_equal(back["t"].numpy(), x.numpy().transpose(2, 1, 0))
    np.testing.assert_array_equal(back["s"].numpy(), x.numpy()[:, ::2, 1:])


def test_tied_tensors_are_stored_once_and_stay_tied(tmp_path):
    x = F.ones(1000)
    save_file({"a": x, "b": x, "c": F.ones(1000)}, tmp_path / "w", {"note": "hello"})
    assert os.path.getsize(tmp_path / "w") < 2.5 * 4000
    back, notes = load_with_metadata(tmp_path / "w")
    back["a"][0] = 7
    assert back["b"][0].item() == 7 and back["c"][0].item() == 1 and notes == {"note": "hello"}


def test_the_safetensors_library_reads_what_we_write(tmp_path):
    import safetensors.numpy

    save_file({"a": F.ones(2, 2)}, tmp_path / "w")
    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "w")["a"], np.ones((2, 2), np.float32))


def test_containers_come_back_as_they_were(tmp_path):
    shared = F.ones(3)
    value = {
        "tensors": [shared, shared, (F.zeros(2, dtype=F.bfloat16),)],
        1: {"nested": OrderedDict(b=1, a=None), "set": {1, 2}, "size": F.Size([1, 2])},
        ("k", 2): [True, 1.5, float("inf"), float("-inf"), "text", b"bytes", 1 + 2j, 2**70],
        "dtype": F.float16,
        "device": F.device("cpu"),
        "array": np.arange(3),
        "scalar": np.float32(2.5),
        "parameter": Parameter(F.ones(2)),
        "grad": F.ones(1, requires_grad=True),
    }
    F.save(value, tmp_path / "o")
    back = F.load(tmp_path / "o")
    assert list(back) == list(value)
    assert back["tensors"][0].tolist() == [1.0] * 3 and isinstance(back["tensors"][2], tuple)
    back["tensors"][0][0] = 9
    assert back["tensors"][1][0].item() == 9
    assert back[1] == value[1] and type(back[1]["nested"]) is OrderedDict and isinstance(back[1]["size"], F.Size)
    assert back["k", 2] == value["k", 2]
    assert back["dtype"] is F.float16 and back["device"] == F.device("cpu")
    np.testing.assert_array_equal(back["array"], value["array"])
    assert back["scalar"] == np.float32(2.5) and isinstance(back["scalar"], np.float32)
    assert isinstance(back["parameter"], Parameter) and back["parameter"].requires_grad and back["grad"].requires_grad


def test_file_objects():
    buffer = std_io.BytesIO()
    F.save([F.arange(3)], buffer)
    buffer.seek(0)
    assert F.load(buffer)[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("place", [None, "cpu", {"cuda:0": "cpu"}, {"cpu": "cpu"}, lambda tensor, place: None])
def test_where_tensors_go(tmp_path, place):
    F.save([F.arange(3)], tmp_path / "o")
    assert F.load(tmp_path / "o", map_location=place)[0].tolist() == [0, 1, 2]
    assert F.load(tmp_path / "o", map_location=lambda tensor, place: tensor + 1)[0].tolist() == [1, 2, 3]


def test_what_cannot_be_saved_says_where(tmp_path):
    with pytest.raises(TypeError, match=r"object\['a'\]\[1\] is a function"):
        F.save({"a": [1, lambda: 0]}, tmp_path / "o")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"x", b"\x80\x04K\x01.", b"\xff" * 100, b"\x10\0\0\0\0\0\0\0{}"])
def test_broken_files_are_errors_that_name_the_file(tmp_path, content):
    path = tmp_path / "broken.ckpt"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"broken\.ckpt"):
        F.load(path)
    with pytest.raises(FileNotFoundError, match="no file"):
        F.load(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"PK\x03\x04\0\0\x08", b"\x80\x02\x8a\nl\xfc\x9cF\xf9"])
def test_a_file_of_pytorch_says_what_reads_it(tmp_path, content):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"net\.pth: a file of PyTorch's; read it with hub\.load_state_dict"):
        F.load(tmp_path / "net.pth")


def test_a_file_cut_short_is_an_error(tmp_path):
    F.save({"a": F.ones(100)}, tmp_path / "o")
    whole = (tmp_path / "o").read_bytes()
    for length in (4, 8, 50, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            F.load(tmp_path / "cut")


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file"
    atomic_write(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half of the ne")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_restores_parts_and_randomness(tmp_path):
    class Part:
        def __init__(self, value):
            self.value = value

        def state_dict(self):
            return {"value": self.value}

        def load_state_dict(self, state):
            self.value = state["value"]

    save_checkpoint(tmp_path / "c", part=Part(F.ones(2)), epoch=3)
    expected = F.rand(3).tolist()
    F.manual_seed(12345)
    part = Part(None)
    states = load_checkpoint(tmp_path / "c", part=part)
    assert part.value.tolist() == [1.0, 1.0] and states["epoch"] == 3 and F.rand(3).tolist() == expected
    with pytest.raises(FileFormatError, match="holds no other"):
        load_checkpoint(tmp_path / "c", other=part)
    F.save({"a": 1}, tmp_path / "d")
    with pytest.raises(FileFormatError, match="not a training checkpoint"):
        load_checkpoint(tmp_path / "d")
