"""Weights as safetensors files, the format of this toolkit: named arrays and text, with no place for code.

Tensors that share their memory (tied weights) are stored once; the other names stand in the file's metadata.

Reference: the format, https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from framework import devices
from framework.io.atomic import atomic_path
from framework.tensor import Tensor, wrap

ALIASES = "eagerkit.aliases"
COMPLEX128 = "eagerkit.complex128"  # the format has no such type: stored as float64 with a last dim of 2
_PYTORCH = (b"PK\x03\x04", b"\x80\x02\x8a\n")  # how the files of torch.save begin: since 1.6, and before


class FileFormatError(ValueError, RuntimeError):
    """A file that is not what it should be: not of this format, cut short, or holding something unexpected."""


def memory_key(array: Any) -> Any:
    """What two tensors over the same memory, shape and steps have in common. Empty arrays share nothing."""
    pointer = array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
    return (pointer, array.shape, array.strides, array.dtype.name) if array.size else id(array)


def save_file(
    tensors: Mapping[str, Tensor], filename: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors to a safetensors file, atomically. Memory is stored row-major whatever the strides.

    Args:
        tensors: of any dtype and device.
        filename: where to.
        metadata: text to go with them.
    """
    import safetensors.numpy

    arrays: dict[str, np.ndarray[Any, Any]] = {}
    aliases: dict[str, str] = {}
    complex_names: list[str] = []
    first: dict[Any, str] = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"save_file: {name!r} is a {type(tensor).__name__}, expected a Tensor")
        original = first.setdefault(memory_key(tensor.array), name)
        if original != name:
            aliases[name] = original
            continue
        array = devices.move(tensor.array, devices.CPU)
        array = np.ascontiguousarray(array).reshape(array.shape)  # a 0-d array would come back 1-d
        if array.dtype == np.complex128:
            complex_names.append(name)
            array = np.stack((array.real, array.imag), -1)
        arrays[name] = array
    notes = dict(metadata or {})
    if aliases:
        notes[ALIASES] = json.dumps(aliases)
    if complex_names:
        notes[COMPLEX128] = json.dumps(complex_names)
    with atomic_path(filename) as temporary:
        safetensors.numpy.save_file(arrays, temporary, notes or None)


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Tensor]:
    """Read the named tensors of a safetensors file; names that were tied share their memory again.

    Raises:
        FileFormatError: the file is not a whole safetensors file.
    """
    return load_with_metadata(filename, device)[0]


def load_with_metadata(
    filename: str | os.PathLike[str], device: Any = "cpu"
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """``load_file``, and the text that was stored with the tensors."""
    from safetensors import SafetensorError, safe_open

    where = devices.device(device)
    try:
        with safe_open(filename, framework="np") as file:
            notes = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        with open(filename, "rb") as stream:
            foreign = stream.read(4) in _PYTORCH
        raise FileFormatError(
            f"{filename}: a file of PyTorch's; read it with hub.load_state_dict or hub.read_checkpoint"
            if foreign
            else f"{filename}: not a whole safetensors file ({error}); download or save it again"
        ) from None
    for name in json.loads(notes.pop(COMPLEX128, "[]")):
        arrays[name] = np.asarray(arrays[name][..., 0] + 1j * arrays[name][..., 1])
    tensors = {name: wrap(devices.move(array, where)) for name, array in arrays.items()}
    for name, original in json.loads(notes.pop(ALIASES, "{}")).items():
        tensors[name] = wrap(tensors[original].array)
    return tensors, notes
