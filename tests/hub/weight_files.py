"""Files of weights put together byte by byte, whole ones and strange ones, without PyTorch."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

VALUES = np.arange(6, dtype=np.float32)
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
VERSION = b"\x80\x02M\xe9\x03."
FACTS = b"\x80\x02}."

# Parts of pickles.


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: Any) -> bytes:
    if isinstance(value, bool) or value is None:
        return {True: b"\x88", False: b"\x89", None: b"N"}[value]
    return b"\x8a\x10" + value.to_bytes(16, "little", signed=True)


def group(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def numbers(values: Any) -> bytes:
    return group(*map(number, values))


def name(dotted: str) -> bytes:
    module, _, last = dotted.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def call(dotted: str, *arguments: bytes) -> bytes:
    return name(dotted) + group(*arguments) + b"R"


def table(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(key.replace("__", ".")) + value for key, value in items.items()) + b"u"


def program(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def storage(key: str = "0", kind: str = "torch.FloatStorage", count: Any = 6, *more: bytes) -> bytes:
    return group(text("storage"), name(kind), text(key), text("cuda:0"), number(count), *more) + b"Q"


def tensor(
    over: bytes | None = None, start: Any = 0, shape: Any = (2, 3), steps: Any = (3, 1), notes: bytes = b""
) -> bytes:
    hooks = call("collections.OrderedDict")
    parts = (storage() if over is None else over, number(start), numbers(shape), numbers(steps), number(False), hooks)
    return call("torch._utils._rebuild_tensor_v2", *parts, *([notes] if notes else []))


# Whole files, as bytes.

ENTRIES = {"data/0": VALUES.tobytes(), "version": b"3\n", "byteorder": b"little"}


def zipped(
    body: bytes | None = None,
    entries: Mapping[str, bytes] = ENTRIES,
    method: int = zipfile.ZIP_STORED,
    folder: str = "net/",
) -> bytes:
    """What PyTorch writes; the body gives the object."""
    buffer = io.BytesIO()
    content = {"data.pkl": program(table(weight=tensor()) if body is None else body), **entries}
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for key, data in content.items():
            archive.writestr(f"{folder}{key}", data)
    return buffer.getvalue()


def legacy(body: bytes | None = None, order: bytes | None = None, raw: bytes | None = None) -> bytes:
    """What PyTorch wrote before 1.6."""
    if body is None:
        body = table(weight=tensor(storage("0", "torch.FloatStorage", 6, number(None))))
    if order is None:
        order = b"](" + text("0") + b"e"
    if raw is None:
        raw = struct.pack("<q", 6) + VALUES.tobytes()
    return MAGIC + VERSION + FACTS + program(body) + program(order) + raw


TAR_STORAGES = (
    program(number(1)) + program(group(number(70), text("cpu"), name("torch.FloatStorage"))) + struct.pack("<q", 6)
    + VALUES.tobytes() + program(b"]((" + b"".join(map(number, (71, 70, 2, 4))) + b"te")
)  # fmt: skip
TAR_TENSORS = (
    program(number(2))
    + program(group(number(80), number(70), name("torch.FloatTensor"))) + struct.pack("<2i5q", 2, 0, 2, 3, 3, 1, 0)
    + program(group(number(81), number(71), name("torch.FloatTensor"))) + struct.pack("<2i3q", 1, 0, 2, 2, 1)
)  # fmt: skip
TAR_OBJECT = program(table(weight=number(80) + b"Q", part=text("81") + b"Q"))
TAR = {"sys_info": FACTS, "pickle": TAR_OBJECT, "tensors": TAR_TENSORS, "storages": TAR_STORAGES}


def tarred(members: Mapping[str, bytes] = TAR, kind: bytes = tarfile.REGTYPE) -> bytes:
    """What PyTorch wrote before 0.2: times that are fractions stand in members of their own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for key, data in members.items():
            info = tarfile.TarInfo(key)
            info.size, info.mtime, info.type = len(data), 1500000000.25, kind
            info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def entry(begin: Any = 0, end: Any = 24, shape: Any = (2, 3), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def safetensors(header: Any = None, data: bytes = VALUES.tobytes(), size: int | None = None) -> bytes:
    content = (
        header if isinstance(header, bytes) else json.dumps({"weight": entry()} if header is None else header).encode()
    )
    return struct.pack("<Q", len(content) if size is None else size) + content + data


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **(arrays or {"weight": VALUES.reshape(2, 3)}))
    return buffer.getvalue()


def index(parts: Any) -> bytes:
    return json.dumps({"metadata": {"total_size": 24}, "weight_map": parts}).encode()


WHOLE = {"zip": zipped(), "legacy": legacy(), "tar": tarred(), "safetensors": safetensors(), "npz": npz()}


def written(folder: Path, data: bytes, called: str = "strange.bin") -> Path:
    path = folder / called
    path.write_bytes(data)
    return path
