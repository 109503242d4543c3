"""Broken and hostile files: each is an error that names the file and says what was refused, soon and in little memory."""

from __future__ import annotations

import io
import os
import re
import struct
import tarfile
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

import hub
from framework.io import FileFormatError
from tests.hub.weight_files import (
    ENTRIES,
    FACTS,
    MAGIC,
    TAR,
    TAR_TENSORS,
    VALUES,
    VERSION,
    WHOLE,
    call,
    entry,
    group,
    index,
    legacy,
    name,
    npy,
    npz,
    number,
    numbers,
    program,
    safetensors,
    storage,
    table,
    tarred,
    tensor,
    text,
    written,
    zipped,
)

RAW = struct.pack("<q", 6) + VALUES.tobytes()
PART = storage("0", "torch.FloatStorage", 6, number(None))


def weights(body: bytes) -> bytes:
    return zipped(table(weight=body))


def old(body: bytes, **more: bytes) -> bytes:
    return legacy(table(weight=body), **more)


def altered(data: bytes, before: bytes, after: bytes, which: int = 0) -> bytes:
    """Bytes with one place changed: the first, or the last by ``which=-1``."""
    place = data.find(before) if which == 0 else data.rfind(before)
    assert place >= 0 and len(before) == len(after)
    return data[:place] + after + data[place + len(before) :]


def doubled() -> bytes:
    buffer = io.BytesIO(zipped())
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("net/data/0", VALUES.tobytes())
    return buffer.getvalue()


def listed(which: int, offset: int, value: bytes) -> bytes:
    """An archive with something else in the list of its entries, at an offset from the record of one."""
    data = zipped()
    place = [m.start() for m in re.finditer(b"PK\1\2", data)][which] + offset
    return data[:place] + value + data[place + len(value) :]


def bomb() -> bytes:
    """200 MB of zeros in 200 kB."""
    return zipped(entries={"data/0": bytes(200_000_000)}, method=zipfile.ZIP_DEFLATED)


def lying_bomb() -> bytes:
    """An entry that unpacks to much more than it says."""
    data = zipped(entries={"data/0": bytes(30_000_000)}, method=zipfile.ZIP_DEFLATED)
    true = struct.pack("<I", 30_000_000)
    return altered(altered(data, true, struct.pack("<I", 24)), true, struct.pack("<I", 24))


def nested_json() -> bytes:
    return safetensors(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"
EXPONENT = tensor(shape=(2,) * 64, steps=(0,) * 64)

# id: (the file's bytes, what the error says)
HOSTILE = {
    # files of other kinds
    "empty": (b"", "empty"),
    "one byte": (b"x", "none of the known formats"),
    "zeros": (bytes(4096), "none of the known formats"),
    "a web page": (b"<!DOCTYPE html>\n<html><body>404</body></html>", "a web page"),
    "a web page after blanks": (b"\xef\xbb\xbf\n  <HTML>Sign in</HTML>", "a web page"),
    "an error in XML": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "a web page"),
    "a Git LFS pointer": (LFS, "Git LFS pointer"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(20), "gzip"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
    "one array": (npy(VALUES), "single NumPy array"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(20), "none of the known formats"),
    # zip archives
    "zip: cut short": (WHOLE["zip"][:-40], "broken"),
    "zip: only a start": (WHOLE["zip"][:20], "broken"),
    "zip: empty": (b"PK\5\6" + bytes(18), "broken"),
    "zip: its middle missing": (WHOLE["zip"][:100] + WHOLE["zip"][200:], "broken|refused"),
    "zip: no pickle": (zipped().replace(b"data.pkl", b"data.pxl"), "0 entries data.pkl"),
    "zip: two pickles": (zipped(entries={**ENTRIES, "more/data.pkl": b"N."}), "2 entries data.pkl"),
    "zip: another folder": (zipped(entries={**ENTRIES, "../else": b""}), "leads out of the archive"),
    "zip: a name outside the folder": (
        zipped().replace(b"net/version", b"nut/version"),
        "outside the folder",
    ),
    "zip: an absolute name": (zipped(folder="/etc/"), "leads out of the archive"),
    "zip: a name that goes up": (zipped(folder="a/../../"), "leads out of the archive"),
    "zip: a backslash": (zipped(entries={**ENTRIES, "..\\up": b""}), "leads out of the archive"),
    "zip: an entry twice": (doubled(), "twice"),
    "zip: a bomb": (bomb(), "zip bomb"),
    "zip: a bomb that lies": (lying_bomb(), "not those that were written"),
    "zip: bzip2": (zipped(method=zipfile.ZIP_BZIP2), "compressed by method 12"),
    "zip: two names of an entry": (altered(zipped(), b"net/data/0", b"net/data/1"), "which its own header calls"),
    "zip: TorchScript": (zipped(entries={**ENTRIES, "code/net.py": b"", "constants.pkl": b"N."}), "TorchScript"),
    "zip: strange byte order": (zipped(entries={**ENTRIES, "byteorder": b"middle"}), "byte order"),
    "zip: an altered pickle": (altered(zipped(), b"weight", b"weighs"), "not those that were written"),
    "zip: encrypted": (listed(1, 8, b"\1"), "encrypted"),
    "zip: overlapping entries": (listed(0, 20, struct.pack("<2I", 500, 500)), "overlaps another"),
    "zip: an entry past the end": (listed(-1, 20, struct.pack("<2I", 2**31, 2**31)), "overlaps another or ends outside"),
    "zip: an entry of two sizes": (listed(1, 24, struct.pack("<I", 2**31)), "of two sizes"),
    "zip: an entry that starts elsewhere": (listed(1, 42, struct.pack("<I", 3)), "no header of the entry"),
    # what the pickle in an archive says
    "storage: missing": (weights(tensor(storage("7"))), "which the file has not"),
    "storage: a path": (weights(tensor(storage("../../etc/passwd"))), "which the file has not"),
    "storage: longer than it says": (weights(tensor(storage(count=5), shape=(5,), steps=(1,))), "should have 20"),
    "storage: shorter than it says": (weights(tensor(storage(count=7))), "24 bytes of the storage '0'"),
    "storage: absurd": (weights(tensor(storage(count=2**60))), "which should have"),
    "storage: more than absurd": (weights(tensor(storage(count=2**100))), "a storage of"),
    "storage: negative": (weights(tensor(storage(count=-1))), "a storage of -1"),
    "storage: quantised": (weights(tensor(storage(kind="torch.QInt8Storage"))), "torch.QInt8Storage"),
    "storage: bare": (weights(storage()), "the file holds a storage"),
    "storage: no type": (weights(tensor(group(text("storage"), *[text("a")] * 4) + b"Q")), "a storage of the type 'a'"),
    "storage: another persistent id": (weights(text("module") + b"Q"), "persistent id 'module'"),
    "tensor: past its storage": (weights(tensor(shape=(3, 3))), r"shape \(3, 3\)"),
    "tensor: an offset past its storage": (weights(tensor(start=1)), "at 1 in a storage of 6"),
    "tensor: a negative offset": (weights(tensor(start=-1)), "at -1"),
    "tensor: a negative step": (weights(tensor(start=5, shape=(6,), steps=(-1,))), "steps of shape"),
    "tensor: a negative length": (weights(tensor(shape=(-2, 3))), r"shape \(-2, 3\)"),
    "tensor: an absurd length": (weights(tensor(shape=(2**62,), steps=(1,))), "of shape"),
    "tensor: absurd steps": (weights(tensor(shape=(2,), steps=(2**61,))), "in a storage of 6"),
    "tensor: one element a thousand million times": (weights(tensor(shape=(2**30,), steps=(0,))), "over a storage of 6"),
    "tensor: 64 dims": (weights(EXPONENT), "over a storage of 6"),
    "tensor: 65 dims": (weights(tensor(shape=(1,) * 65, steps=(0,) * 65)), "of shape"),
    "tensor: fewer steps": (weights(tensor(steps=(1,))), "broken"),
    "tensor: over a number": (weights(tensor(number(1))), "a tensor over 1"),
    "tensor: strange notes": (weights(tensor(notes=table(code=text("x")))), "a tensor with"),
    "tensor: sparse": (weights(call("torch._utils._rebuild_sparse_tensor", b"N", b"N")), "_rebuild_sparse_tensor"),
    "tensor: a float of 8 bits": (
        weights(
            call(
                "torch._utils._rebuild_tensor_v3", storage(kind="torch.storage.UntypedStorage", count=24), number(0),
                numbers((24,)), numbers((1,)), b"\x89", b"N", name("torch.float8_e4m3fn"),
            )
        ),
        "torch.float8_e4m3fn",
    ),
    "parameter: of a number": (weights(call("torch._utils._rebuild_parameter", number(1), b"\x88", b"N")), "a parameter of 1"),
    "subclass: strange": (
        weights(call("torch._tensor._rebuild_from_type_v2", name("os.system"), name("torch.Tensor"), group(), b"N")),
        "os.system",
    ),
    "size: absurd": (weights(call("torch.Size", numbers((-1,)))), "a size of shape"),
    "names: os.system": (weights(call("os.system", text("touch mark"))), "the name os.system"),
    "names: builtins.eval": (weights(call("builtins.eval", text("1"))), "builtins.eval"),
    "names: builtins.getattr": (weights(call("builtins.getattr", text("a"), text("b"))), "builtins.getattr"),
    "names: torch.load": (weights(call("torch.load", text("a"))), "torch.load"),
    "names: nested pickles": (weights(call("torch.storage._load_from_bytes", text("a"))), "_load_from_bytes"),
    "names: a module": (weights(name("torch.nn.modules.linear.Linear") + b")\x81}b"), "torch.nn.modules.linear.Linear"),
    "names: a call of a dtype": (weights(call("torch.float32")), "a call of a dtype"),
    "names: an object of a storage": (weights(name("torch.FloatStorage") + b")\x81"), "an object of the class"),
    "names: the state of a tensor": (weights(tensor() + table(array=b"N") + b"b"), "set the state of a view"),
    "names: the state of a dict": (weights(b"}}b"), "set the state of a dict"),
    "instructions: an extension code": (weights(b"\x82\x01"), "the instruction EXT1"),
    "instructions: INST": (weights(b"(ios\nmkdir\n"), "the instruction INST"),
    "instructions: OBJ": (weights(b"(cos\nmkdir\no"), "os.mkdir"),
    "pickle: empty": (zipped().replace(program(table(weight=tensor())), b""), "refused|broken"),
    "pickle: nested deeply": (zipped(b"]" * 100_000 + b"a" * 99_999), "nested too deeply"),
    "pickle: within itself": (zipped(b"]q\x00h\x00a"), "nested too deeply"),
    "pickle: an empty stack": (zipped(b"aaa"), "broken"),
    "pickle: no end": (zipped().replace(b"u.PK", b"uNPK"), "refused|broken"),
    "nothing but numbers": (zipped(table(epoch=number(3), loss=text("low"))), "no named tensors, but the keys epoch, loss"),
    "a list": (zipped(b"]"), "holds a list"),
    "a bare tensor": (zipped(tensor()), "holds a Tensor"),
    "nothing": (zipped(b"}"), "no named tensors"),
    # PyTorch's older formats
    "legacy: another magic number": (legacy().replace(MAGIC, program(number(7))), "PyTorch did not write"),
    "legacy: another version": (legacy().replace(VERSION, program(number(1002))), "the version 1002"),
    "legacy: a version that is a list": (legacy().replace(VERSION, program(b"]")), "the version a list"),
    "legacy: code in the facts": (legacy().replace(FACTS, program(call("os.getcwd"))), "os.getcwd"),
    "legacy: only the magic number": (MAGIC, "cut short"),
    "legacy: cut in the object": (legacy()[:200], "cut short"),
    "legacy: cut in the storages": (legacy()[:-1], "cut short or altered"),
    "legacy: no storages": (legacy(raw=b""), "cut short or altered"),
    "legacy: a storage of another length": (legacy(raw=struct.pack("<q", 5) + VALUES.tobytes()), "5 elements of storage"),
    "legacy: an absurd length": (legacy(raw=struct.pack("<q", 2**60) + VALUES.tobytes()), "elements of storage"),
    "legacy: a negative length": (legacy(raw=struct.pack("<q", -6) + VALUES.tobytes()), "-6 elements"),
    "legacy: a storage without bytes": (legacy(order=b"]", raw=b""), "that the file has no bytes of"),
    "legacy: a storage twice": (legacy(order=b"](" + text("0") * 2 + b"e", raw=RAW * 2), "comes twice"),
    "legacy: a storage that nobody has": (legacy(order=b"](" + text("1") + b"e"), "not mentioned"),
    "legacy: an order of numbers": (legacy(order=b"](K\x00e"), "the order of storages"),
    "legacy: code in the order": (legacy(order=call("os.getcwd")), "os.getcwd"),
    "legacy: a class with its source": (
        old(group(text("module"), name("torch.nn.Linear"), text("a.py"), text("import os")) + b"Q"), "torch.nn.Linear",
    ),
    "legacy: a part outside its storage": (
        old(tensor(storage("0", "torch.FloatStorage", 6, group(text("1"), number(4), number(3))), shape=(3,), steps=(1,))),
        "lies outside it",
    ),
    "legacy: a storage of two types": (
        legacy(table(a=tensor(PART), b=tensor(storage("0", "torch.IntStorage", 6, number(None))))), "two sizes or types",
    ),
    "legacy: the newer persistent id": (old(tensor()), "persistent id"),
    "plain pickle: trailing bytes": (program(table(a=number(1))) + b"x", "PyTorch did not write"),
    "tar: another archive": (tarred({"readme.txt": b"hello"}), "'readme.txt' in a tar"),
    "tar: a member missing": (tarred({k: v for k, v in TAR.items() if k != "tensors"}), "no member tensors"),
    "tar: a name that goes up": (tarred({**TAR, "../pickle": b""}), "'../pickle' in a tar"),
    "tar: a link": (tarred(kind=tarfile.SYMTYPE), "no plain file"),
    "tar: cut short": (tarred()[:3590], "ends before"),
    "tar: a broken header": (altered(tarred(), b"ustar", b"ustxr", -1), "broken header"),
    "tar: an absurd count": (tarred({**TAR, "tensors": program(number(2**90))}), "cut short"),
    "tar: a negative count": (tarred({**TAR, "storages": program(number(-1))}), "-1 as a number"),
    "tar: an absurd dim": (
        tarred({**TAR, "tensors": TAR_TENSORS.replace(struct.pack("<2i", 2, 0), struct.pack("<2i", 2**30, 0))}), "a tensor of",
    ),
    "tar: code": (tarred({**TAR, "pickle": program(call("os.getcwd"))}), "os.getcwd"),
    "tar: an unknown tensor": (tarred({**TAR, "pickle": program(number(99) + b"Q")}), "a mention of 99"),
    "tar: a class": (tarred({**TAR, "pickle": program(group(number(1)) + b"Q")}), "persistent id"),
    # safetensors
    "safetensors: an absurd header": (safetensors(size=2**63), "and 100000000 is the most"),
    "safetensors: a header past the end": (safetensors(size=90_000), "ends before"),
    "safetensors: no header": (struct.pack("<Q", 0), "none of the known formats"),
    "safetensors: broken JSON": (safetensors(b'{"weight": '), "broken"),
    "safetensors: no UTF-8": (safetensors(b'{"\xff": 1}'), "broken"),
    "safetensors: nested JSON": (nested_json(), "broken"),
    "safetensors: a name twice": (safetensors(b'{"a": 1, "a": 2}'), "a name twice"),
    "safetensors: cut short": (safetensors()[:-1], "cut short or altered"),
    "safetensors: trailing bytes": (safetensors() + b"x", "cut short or altered"),
    "safetensors: past the end": (safetensors({"a": entry(0, 24), "b": entry(24, 48)}), "cut short or altered"),
    "safetensors: overlapping": (safetensors({"a": entry(0, 24), "b": entry(12, 36)}, bytes(36)), "overlaps another"),
    "safetensors: the same place twice": (safetensors({"a": entry(), "b": entry()}), "overlaps another"),
    "safetensors: a hole": (safetensors({"a": entry(8, 32)}, bytes(32)), "leaves a hole"),
    "safetensors: ends before it begins": (safetensors({"a": entry(24, 0)}), "with -24 bytes"),
    "safetensors: negative": (safetensors({"a": entry(-24, 0)}), "place of the tensor"),
    "safetensors: absurd place": (safetensors({"a": entry(2**80, 2**80 + 24)}), "place of the tensor"),
    "safetensors: absurd shape": (safetensors({"a": entry(shape=(2**40, 2**40))}), "with 24 bytes"),
    "safetensors: negative shape": (safetensors({"a": entry(shape=(-2, -3))}), "of shape"),
    "safetensors: fractions": (safetensors({"a": entry(shape=(2.0, 3))}), "of shape"),
    "safetensors: truths": (safetensors({"a": entry(shape=(True, 6))}), "of shape"),
    "safetensors: another size": (safetensors({"a": entry(shape=(7,))}), "with 24 bytes"),
    "safetensors: an unknown dtype": (safetensors({"a": entry(shape=(24,), dtype="F8_E4M3")}), "F8_E4M3"),
    "safetensors: a dtype that is a list": (safetensors({"a": entry(dtype=[])}), "of dtype"),
    "safetensors: more fields": (safetensors({"a": {**entry(), "code": "x"}}), "without dtype, shape and data_offsets"),
    "safetensors: not a table": (safetensors({"a": [1]}), "without dtype"),
    "safetensors: strange notes": (safetensors({"__metadata__": {"a": 1}, "w": entry()}), "notes that are no text"),
    "safetensors: broken notes of ours": (safetensors({"__metadata__": {"eagerkit.tree": "{"}, "w": entry()}), "broken"),
    "safetensors: an unknown part of ours": (
        safetensors({"__metadata__": {"eagerkit.tree": '{"code": 1}'}, "w": entry()}), "holds a 'code'",
    ),
    "safetensors: ties to nothing": (
        safetensors({"__metadata__": {"eagerkit.aliases": '{"a": "b"}'}, "w": entry()}), "broken",
    ),
    # arrays of NumPy
    "npz: objects": (npz(a=np.array([{"a": 1}], object)), "of object elements"),
    "npz: text": (npz(a=np.array(["x"])), "of <U1 elements"),
    "npz: dates": (npz(a=np.zeros(2, "M8[s]")), "elements"),
    "npz: records": (npz(a=np.zeros(2, "i4,f4")), "elements"),
    "npz: a longer shape": (altered(npz(), b"(2, 3)", b"(2, 9)"), "with 24 bytes"),
    "npz: an absurd shape": (altered(npz(), b"(2, 3), }          ", b"(2, 999999999999),}"), "with 24 bytes"),
    "npz: code for a header": (altered(npz(), b"'<f4', ", b"exit(),"), "broken"),
    "npz: no magic": (altered(npz(), b"\x93NUMPY", b"\x93NUMPX"), "broken"),
    "npz: another version": (altered(npz(), b"NUMPY\x01", b"NUMPY\x09"), "version"),
    "npz: cut short": (npz()[:-30], "broken"),
    "npz: not only arrays": (altered(altered(npz(), b".npy", b".txt"), b".npy", b".txt"), "0 entries data.pkl"),
    # indices
    "index: no map": (b'{"metadata": {}}', "JSON without a weight_map"),
    "index: an empty map": (index({}), "JSON without a weight_map"),
    "index: a list": (b"{}", "JSON without a weight_map"),
    "index: broken": (b'{"weight_map": {', "broken"),
    "index: goes up": (index({"a": "../secret.bin"}), "no file beside the index"),
    "index: absolute": (index({"a": "/etc/passwd"}), "no file beside the index"),
    "index: the folder itself": (index({"a": "."}), "no file beside the index"),
    "index: a drive": (index({"a": "C:part.bin"}), "no file beside the index"),
    "index: a number": (index({"a": 3}), "no file beside the index"),
    "index: nested": (b'{"weight_map": ' + b"[" * 200_000, "broken"),
    "index: itself": (index({"a": "strange.bin"}), "none of the known formats"),
    "index: no such tensor": (index({"other": "part.bin"}), "no tensor 'other' in part.bin"),
    "index: a broken part": (index({"weight": "broken.bin"}), r"broken\.bin"),
}  # fmt: skip

LIMIT = 150_000_000  # bytes that a reader may take for one of these files; the largest are 200 kB and 400 kB long


@pytest.mark.parametrize("case", HOSTILE)
def test_refused(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    data, words = HOSTILE[case]
    path = written(tmp_path, data)
    written(tmp_path, zipped(), "part.bin")
    written(tmp_path, zipped()[:50], "broken.bin")
    before = sorted(tmp_path.iterdir())
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=words) as caught:
            hub.load_state_dict(path)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    assert str(tmp_path) in str(caught.value) and len(str(caught.value)) < 1000
    assert time.process_time() - began < 5
    assert sorted(tmp_path.iterdir()) == before and path.read_bytes() == data


def test_there_are_many():
    assert len(HOSTILE) >= 60
    assert len({data for data, _ in HOSTILE.values()}) == len(HOSTILE)


@pytest.mark.parametrize("read", (hub.load_state_dict, hub.read_checkpoint))
def test_files_that_are_not_there(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="absent"):
        read(tmp_path / "absent.pth")
    (tmp_path / "link.pth").symlink_to(tmp_path / "absent.pth")
    with pytest.raises(FileNotFoundError, match="link"):
        read(tmp_path / "link.pth")
    written(tmp_path, index({"a": "missing.bin"}), "index.json")
    with pytest.raises(FileNotFoundError, match=r"missing\.bin"):
        read(tmp_path / "index.json")


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileFormatError, match=r"a folder without .* it holds nothing"):
        hub.load_state_dict(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileFormatError, match="not a file"):
        hub.load_state_dict(tmp_path / "pipe")


@pytest.mark.parametrize("kind", WHOLE)
def test_every_beginning_of_a_file_is_refused(tmp_path, kind):
    whole = WHOLE[kind]
    lengths = range(len(whole)) if len(whole) < 2000 else (*range(0, len(whole) - 1024, 61), len(whole) - 1025)
    for length in lengths:
        path = written(tmp_path, whole[:length])
        try:
            hub.load_state_dict(path)
        except FileFormatError:
            continue
        assert kind == "tar" and length >= len(whole.rstrip(b"\0")), length  # a tar ends in zeros that hold nothing
