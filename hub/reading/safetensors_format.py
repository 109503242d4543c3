"""Safetensors files as memory: a header of JSON, which is checked as strictly as the format asks, then the numbers.

Reference: the format, https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from typing import Any

from framework import devices, dtypes
from framework.io import load
from framework.tensor import Tensor
from hub.reading.files import Mapped, elements, foreign, tensor_of
from hub.reading.machine import Refusal, shown
from hub.reading.standins import check_lengths

_LONGEST_HEADER = 100_000_000  # as the format says
_NOTES = "__metadata__"
_OURS = "eagerkit."  # notes of the framework's own files, which hold more than a safetensors file can
_KINDS = {
    "F64": dtypes.float64, "F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16, "C64": dtypes.complex64,
    "I64": dtypes.int64, "I32": dtypes.int32, "I16": dtypes.int16, "I8": dtypes.int8, "BOOL": dtypes.bool_,
    "U64": dtypes.uint64, "U32": dtypes.uint32, "U16": dtypes.uint16, "U8": dtypes.uint8,
}  # fmt: skip


def is_safetensors(head: bytes) -> bool:
    """Whether a file that starts so is one: a length, in which there are bytes that no text has, and JSON."""
    return head[8:9] == b"{" and (0 in head[:8] or 255 in head[:8])


def read(file: Mapped, device: devices.device) -> Any:
    """The named tensors; of a file that ``framework.save`` wrote, the object that was saved.

    Raises:
        Refusal: the header is broken, absurd or does not fit the file, or a tensor is of a dtype that the framework has not.
    """
    header, start = _header(file)
    notes = header.pop(_NOTES, {})
    if not isinstance(notes, dict) or not all(isinstance(text, str) for text in notes.values()):
        raise Refusal("notes that are no text")
    tensors = {name: _entry(name, entry) for name, entry in header.items()}
    _check_places(tensors, len(file) - start)
    if any(note.startswith(_OURS) for note in notes):
        return load(file.path, device)
    return {name: _read(file, start, entry, device) for name, entry in tensors.items()}


def _header(file: Mapped) -> tuple[dict[str, Any], int]:
    size = int.from_bytes(file.head(8), "little")
    if size > _LONGEST_HEADER:
        raise Refusal(f"a header of {size} bytes, and {_LONGEST_HEADER} is the most that the format allows")
    if 8 + size > len(file):
        raise Refusal(f"a header of {size} bytes, which the file ends before: it is cut short")
    found = json.loads(file.memory[8 : 8 + size].decode("utf-8"), object_pairs_hook=_unique)
    if not isinstance(found, dict):
        raise Refusal("a header that is no table of tensors")
    return found, 8 + size


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refusal("a name twice in its header")
    return found


def _entry(name: str, entry: Any) -> tuple[dtypes.dtype, tuple[int, ...], int, int]:
    """The dtype and shape of a tensor, and where its numbers begin and end."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise Refusal(f"an entry {shown(name)} without dtype, shape and data_offsets")
    kind = _KINDS.get(str(entry["dtype"]))
    if kind is None:
        raise Refusal(f"the tensor {shown(name)} of dtype {shown(entry['dtype'])}, which the framework has not")
    lengths, places = entry["shape"], entry["data_offsets"]
    if not isinstance(lengths, list) or not isinstance(places, list) or len(places) != 2:
        raise Refusal(f"a broken shape or place of the tensor {shown(name)}")
    shape, (begin, end) = tuple(lengths), places
    check_lengths(f"the tensor {shown(name)}", shape)
    check_lengths(f"the place of the tensor {shown(name)}, as an array", tuple(places))
    if end - begin != math.prod(shape) * kind.itemsize:
        raise Refusal(f"the tensor {shown(name)} of shape {shape} with {end - begin} bytes")
    return kind, shape, begin, end


def _check_places(tensors: dict[str, tuple[dtypes.dtype, tuple[int, ...], int, int]], size: int) -> None:
    """Refuse tensors that overlap, leave holes between them, or end elsewhere than the file."""
    last = 0
    for name, (_, _, begin, end) in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if begin != last:
            raise Refusal(
                f"the tensor {shown(name)} at {begin} where {last} is expected: it overlaps another or leaves a hole"
            )
        last = end
    if last != size:
        raise Refusal(f"{size} bytes of numbers where {last} are expected: it is cut short or altered")


def _read(
    file: Mapped, start: int, entry: tuple[dtypes.dtype, tuple[int, ...], int, int], device: devices.device
) -> Tensor:
    kind, shape, begin, end = entry
    data = file.piece(start + begin, end - begin, "a tensor")
    return tensor_of(elements(data, kind.numpy, foreign("little")).reshape(shape), device)
