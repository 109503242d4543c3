"""What PyTorch writes, in both of its formats, is read as PyTorch itself reads it."""

from __future__ import annotations

import argparse
import collections
import warnings
import zipfile

import numpy as np
import pytest

import framework
import hub
from framework import nn
from framework.io import FileFormatError
from framework.tensor import Tensor
from tests.hub.weight_files import written

torch = pytest.importorskip("torch")

DTYPES = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128",
    "uint16", "uint32", "uint64",
]  # fmt: skip


def as_torch(value):
    """A tensor of ours as PyTorch's."""
    if value.dtype is framework.bfloat16:
        return torch.from_numpy(np.array(value.array, order="C").view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(np.array(value.array))


def same(found, expected) -> None:
    """Whether what was read is what PyTorch reads, container by container."""
    if isinstance(expected, torch.Tensor):
        assert type(found) is (nn.Parameter if isinstance(expected, torch.nn.Parameter) else Tensor)
        assert found.dtype.name == str(expected.dtype).removeprefix("torch.") and tuple(found.shape) == tuple(
            expected.shape
        )
        assert found.requires_grad == expected.requires_grad
        if expected.numel() and found.array.flags.writeable:
            assert found.stride() == expected.stride()
        assert torch.equal(as_torch(found), expected.detach().resolve_conj().resolve_neg())
    elif isinstance(expected, dict):
        assert isinstance(found, collections.OrderedDict) == isinstance(expected, collections.OrderedDict)
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
    elif isinstance(expected, torch.Size):
        assert type(found) is framework.Size and tuple(found) == tuple(expected)
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, torch.dtype | torch.device):
        assert str(found).removeprefix("framework.") == str(expected).removeprefix("torch.")
    else:
        assert found == expected and type(found) is type(expected)


def saved(folder, value, zip_format: bool):
    path = folder / "file.pth"
    torch.save(value, path, _use_new_zipfile_serialization=zip_format)
    return path


def packed_again(path, replaced, method=zipfile.ZIP_STORED):
    """The path of an archive with other bytes in some entries."""
    target = path.with_suffix(".packed")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", method) as new:
        for item in old.infolist():
            new.writestr(item.filename, replaced.get(item.filename.partition("/")[2], old.read(item)))
    return target


both = pytest.mark.parametrize("zip_format", (True, False), ids=("zip", "legacy"))


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(tmp_path, dtype, zip_format):
    kind = getattr(torch, dtype)
    value = (torch.arange(17) - 7 * kind.is_signed).to(kind)
    values = {
        "all": value,
        "scalar": value[3],
        "empty": value[:0],
        "grid": value[:15].reshape(3, 5),
        "step": value[1::3],
    }
    path = saved(tmp_path, values, zip_format)
    unread = not zip_format and dtype in ("uint16", "uint32", "uint64")  # PyTorch writes these, and fails to read them
    same(hub.load_state_dict(path), values if unread else torch.load(path, weights_only=True))


def views():
    base = torch.arange(60.0).reshape(3, 4, 5)
    return {
        "offset": base[1:], "step": base[:, ::2, 1::2], "turned": base.permute(2, 0, 1), "row": base[1, 2], "one": base[2, 3, 4],
        "repeated": base[0, 0].expand(7, 5), "no rows": base[:, :0], "nothing": torch.zeros(0, 3, 0),
        "channels last": torch.randn(2, 3, 5, 7).contiguous(memory_format=torch.channels_last), "windows": base.flatten().unfold(0, 6, 2),
    }  # fmt: skip


@both
def test_views(tmp_path, zip_format):
    path = saved(tmp_path, views(), zip_format)
    same(hub.load_state_dict(path), torch.load(path, weights_only=True))


@both
def test_what_shared_memory_shares_it(tmp_path, zip_format):
    weight = torch.arange(12.0)
    values = {"a": weight, "b": weight, "c": weight.reshape(3, 4), "d": weight[6:], "other": weight.clone()}
    path = saved(tmp_path, values, zip_format)
    before = path.read_bytes()
    found = hub.load_state_dict(path)
    found["a"].array[7] = 100
    assert found["b"].array[7] == 100 and found["c"].array[1, 3] == 100 and found["d"].array[1] == 100
    assert found["other"].array[7] == 7
    assert path.read_bytes() == before
    assert hub.load_state_dict(path)["a"].array[7] == 7


def nested():
    weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    marked = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    marked.label = "attribute"
    return {
        "weight": weight, "tied": weight, "marked": marked, "leaf": torch.ones(3, requires_grad=True),
        "list": [1, 2.5, None, True, "text", b"bytes", 2**70, 1 + 2j, bytearray(b"ab")], "tuple": ((), (torch.zeros(2),)),
        "ordered": collections.OrderedDict(a=torch.ones(1), b={}), "size": torch.Size([2, 3]), "dtype": torch.bfloat16,
        "device": torch.device("cpu"), "card": torch.device("cuda", 1), "set": {1, 2}, 3: "three", (1, "a"): 4,
        "conj": torch.tensor([1 + 2j, 3 - 1j]).conj(), "counter": collections.Counter("aab")["a"],
    }  # fmt: skip


@both
def test_everything_that_a_checkpoint_holds(tmp_path, zip_format):
    path = saved(tmp_path, nested(), zip_format)
    found = hub.read_checkpoint(path)
    same(found, torch.load(path, weights_only=True))
    assert found["weight"] is found["tied"]


@both
def test_models_and_optimizers(tmp_path, zip_format):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(36, 2)
    )
    model(torch.randn(2, 3, 5, 5)).sum().backward()
    moments = {
        n: {"step": torch.tensor(1.0), "exp_avg": p.grad, "exp_avg_sq": p.grad**2}
        for n, p in enumerate(model.parameters())
    }
    optimizer = {
        "state": moments,
        "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "fused": None, "params": [*moments]}],
    }
    args = argparse.Namespace(lr=0.1, steps=[30, 60], device=torch.device("cpu"))
    held = {"model": model.state_dict(), "optimizer": optimizer, "epoch": 3, "best": np.float64(0.5)}
    path = saved(tmp_path, {**held, "args": args}, zip_format)
    found = hub.read_checkpoint(path)
    assert found["args"]["lr"] == 0.1 and found["args"]["steps"] == [30, 60] and found["best"] == 0.5
    same(found["model"], model.state_dict())
    same(found["optimizer"], held["optimizer"])
    state = hub.load_state_dict(path)
    same(state, {**model.state_dict()})
    mine = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2))
    mine.load_state_dict(state)
    model.eval(), mine.eval()
    x = torch.randn(2, 3, 5, 5)
    np.testing.assert_allclose(
        mine(framework.from_numpy(x.numpy())).detach().numpy(), model(x).detach().numpy(), atol=1e-5
    )


@both
@pytest.mark.parametrize("kind", (torch.float8_e4m3fn, torch.float8_e5m2))
def test_floats_of_eight_bits_are_refused(tmp_path, kind, zip_format):
    with pytest.raises(FileFormatError, match="float8"):
        hub.load_state_dict(saved(tmp_path, {"a": torch.ones(3).to(kind)}, zip_format))


@both
def test_whole_models_are_refused(tmp_path, zip_format):
    with pytest.raises(FileFormatError, match=r"torch\.nn\.modules\.linear\.Linear"):
        hub.load_state_dict(saved(tmp_path, torch.nn.Linear(2, 3), zip_format))


@pytest.mark.parametrize("kind", ("float32", "bfloat16", "complex64", "int16", "uint8", "bool"))
def test_the_other_byte_order(tmp_path, kind):
    value = torch.tensor([1, 0, 3, 1]).to(getattr(torch, kind))
    values = {"a": value, "part": value[2:]}
    width = value.element_size() // (2 if value.is_complex() else 1)
    turned = value.view(torch.uint8).numpy().reshape(-1, width)[:, ::-1].tobytes()
    path = packed_again(saved(tmp_path, values, True), {"byteorder": b"big", "data/0": turned})
    found = hub.load_state_dict(path)
    same(found, torch.load(path, weights_only=True))
    same(found, values)


def test_the_byte_order_in_the_facts_of_a_legacy_file_means_nothing(tmp_path):
    value = torch.arange(5.0)
    data = saved(tmp_path, {"a": value}, False).read_bytes()
    marked = b"little_endian"
    place = data.index(marked) + len(marked)
    data = data[:place] + data[place : place + 10].replace(b"\x88", b"\x89") + data[place + 10 :]
    path = written(tmp_path, data)
    same(hub.load_state_dict(path), torch.load(path, weights_only=True))


def test_compressed_again(tmp_path):
    values = {"a": torch.arange(1000.0), "b": torch.zeros(5, 7)}
    path = packed_again(saved(tmp_path, values, True), {}, zipfile.ZIP_DEFLATED)
    found = hub.load_state_dict(path)
    same(found, values)
    found["b"].fill_(1)


def test_scripted_programs_are_refused(tmp_path):
    path = tmp_path / "program.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), path)
    with pytest.raises(FileFormatError, match="TorchScript program; load it in PyTorch and save its state_dict"):
        hub.load_state_dict(path)


@pytest.mark.parametrize(
    "file",
    (
        "squeezenet1_1/squeezenet1_1.pth",
        "resnet20-cifar10/resnet20-12fca82f.th",
        "fastestdet-coco/fastestdet-coco.pth",
        "fastestdet-coco/shufflenetv2-trunk.pth",
    ),
)
def test_real_checkpoints(realdata, file):
    theirs = torch.load(realdata / file, weights_only=True, map_location="cpu")
    same(hub.read_checkpoint(realdata / file), theirs)
    same(hub.load_state_dict(realdata / file), {**theirs.get("state_dict", theirs)})


@pytest.mark.parametrize(
    "file", ("squeezenet1_1/squeezenet1_1-fp16.safetensors", "minilm-l6-v2-fp16/model.safetensors")
)
def test_real_safetensors(realdata, file):
    from safetensors.torch import load_file

    found, theirs = hub.load_state_dict(realdata / file), load_file(realdata / file)
    same({name: found[name] for name in sorted(found)}, {name: theirs[name] for name in sorted(theirs)})
    if file.startswith("minilm"):
        assert list(hub.load_state_dict(realdata / "minilm-l6-v2-fp16")) == list(found)
