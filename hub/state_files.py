"""Files of weights in any format that is in use, told apart by their first bytes and read without running anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import framework
from framework import devices
from framework.io import FileFormatError
from framework.tensor import Tensor
from hub.reading import legacy_format, npz_format, safetensors_format, sharded, tar_format, zip_format
from hub.reading.files import Mapped, refusing
from hub.reading.machine import Refusal
from hub.reading.zips import Archive

CONTAINERS = (
    "state_dict", "model_state_dict", "model", "module", "net", "params", "weights",
    "state_dict_ema", "model_ema", "ema", "params_ema",
)  # fmt: skip
_COUNTER = "num_batches_tracked"
_DEEPEST = 3  # containers around the state dict
_HEAD = 512  # bytes that tell the format

_STRANGERS = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the weights; fetch the file that it stands for (git lfs pull)",
    ),
    (b"\x93NUMPY", "a single NumPy array; save named ones with numpy.savez"),
    (b"\x89HDF", "an HDF5 file; convert it to safetensors"),
    (b"GGUF", "a GGUF file; convert it to safetensors"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"\xfd7zXZ", "an xz file; unpack it first"),
    (b"BZh", "a bzip2 file; unpack it first"),
    (b"(\xb5/\xfd", "a Zstandard file; unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
)
_BLANK = b"\xef\xbb\xbf \t\r\n"  # what may stand before text
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<error")
_KNOWN = "safetensors, PyTorch's .pth (zip, legacy or tar), NumPy's .npz and index files (.index.json)"


def load_state_dict(path: str | os.PathLike[str], *, device: Any = "cpu") -> dict[str, Tensor]:
    """Read the named tensors of a file of weights. Nothing in the file is run.

    The format is told by the first bytes, not by the name: safetensors, also in parts with an index; PyTorch's zip files,
    the ones it wrote before 1.6 and before 0.2; NumPy's ``.npz``; what ``framework.save`` and training runs write. Tensors
    that share memory in the file share it here.

    Containers around the state dict are opened: under ``parts`` in a checkpoint of ours, else under the first of
    ``state_dict``, ``model_state_dict``, ``model``, ``module``, ``net``, ``params``, ``weights`` that holds one, and, where
    none does, averaged weights under ``state_dict_ema``, ``model_ema``, ``ema``, ``params_ema``; else under any other name,
    if it is the only one that holds named tensors and none stand beside it but single numbers. Counters of batch norm that
    are plain numbers become tensors; other entries that are no tensors are left out.

    Args:
        path: a file; an index (``model.safetensors.index.json``); or the folder of a model that holds ``model.safetensors``
            or ``pytorch_model.bin``, or the index of one.
        device: where the tensors go.

    Returns:
        The tensors, without gradients. On the CPU their memory is the file's, mapped where the format allows: pages are read
        when they are used and copied when they are written to, so that the file never changes. While they live, another file
        may be renamed over it, as ``framework.save`` does, but it must not be written in place.

    Raises:
        FileNotFoundError: there is no such file, or a part is missing.
        FileFormatError: the file is broken or of another format, holds anything but tensors, arrays, numbers, strings and
            plain containers of them, or no named tensors; the message says what was found.

    Example:
        >>> state = hub.load_state_dict("resnet18-f37072fd.pth")
        >>> state["fc.weight"].shape
        framework.Size([1000, 512])
    """
    content = read_checkpoint(path, device=device)
    found = state_in(content)
    if found is None:
        raise FileFormatError(f"{os.fspath(path)}: holds {_described(content)}")
    return found


def state_in(content: Any) -> dict[str, Tensor] | None:
    """The named tensors in what ``read_checkpoint`` gives, by the rule of ``load_state_dict``; None if there are none."""
    return _state_in(content, _DEEPEST)


def read_checkpoint(path: str | os.PathLike[str], *, device: Any = "cpu") -> Any:
    """Read all that a file of weights or a training checkpoint holds. Nothing in the file is run.

    Args:
        path: as for ``load_state_dict``.
        device: where the tensors go.

    Returns:
        Tensors, parameters, arrays, numbers, strings and plain containers, as they were saved. Objects that hold nothing but
        fields, such as ``argparse.Namespace``, come as dicts; paths as text; a ``defaultdict`` as a plain dict.

    Raises:
        FileNotFoundError, FileFormatError: as for ``load_state_dict``.

    Example:
        >>> hub.read_checkpoint("checkpoint.pth")["epoch"]
        89
    """
    place = devices.device(device)
    where = os.fspath(path)
    if os.path.isdir(where):
        where = sharded.in_folder(where)
    file = Mapped(where)
    with refusing(where):
        head = file.head(_HEAD)
        if head.lstrip(_BLANK).startswith(b"{") and not safetensors_format.is_safetensors(head):
            return sharded.read(file, lambda part: _read_part(part, place))
        return _read(file, place)


def _read(file: Mapped, device: devices.device) -> Any:
    """What a file holds that is no index."""
    head = file.head(_HEAD)
    if safetensors_format.is_safetensors(head):
        return safetensors_format.read(file, device)
    if head.startswith(b"PK"):
        archive = Archive(file)
        if npz_format.is_npz(archive):
            return npz_format.read(archive, device)
        return zip_format.read(file, archive, device)
    if head.startswith(b"\x80"):
        return legacy_format.read(file, device)
    if tar_format.is_tar(head):
        return tar_format.read(file, device)
    for start, words in _STRANGERS:
        if head.startswith(start):
            raise Refusal(words)
    if head.lstrip(_BLANK).lower().startswith(_PAGES):
        raise Refusal("a web page, not the weights; open it to see what went wrong, and download the file itself")
    raise Refusal(f"none of the known formats ({_KNOWN}); its first bytes are {head[:8]!r}")


def _read_part(path: str, device: devices.device) -> dict[str, Tensor]:
    with refusing(path):
        found = state_in(_read(Mapped(path), device))
        if found is None:
            raise Refusal("no named tensors")
        return found


def _state_in(value: Any, depth: int) -> dict[str, Tensor] | None:
    """The state dict in a value, or None."""
    if not isinstance(value, Mapping) or not depth:
        return None
    parts = value.get("parts")
    if isinstance(parts, Mapping):
        return _state_in(parts, depth)
    for name in CONTAINERS:
        inner = _state_in(value.get(name), depth - 1)
        if inner is not None:
            return inner
    found = dict(_tensors(value))
    arrays = [value[name] for name in found if isinstance(value[name], Tensor | np.ndarray)]
    if any(array.ndim for array in arrays):
        return found
    inside = _states_inside(value, depth - 1)
    return next(iter(inside.values())) if len(inside) == 1 else found if arrays else None


def _states_inside(value: Mapping[Any, Any], depth: int) -> dict[str, dict[str, Tensor]]:
    """The state dicts under the names in a value."""
    states = {name: _state_in(entry, depth) for name, entry in value.items() if isinstance(name, str)}
    return {name: state for name, state in states.items() if state is not None}


def _tensors(value: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    for name, entry in value.items():
        if not isinstance(name, str):
            continue
        if isinstance(entry, Tensor):
            yield name, entry.detach()
        elif isinstance(entry, np.ndarray):
            yield name, framework.tensor(entry)
        elif name.endswith(_COUNTER) and isinstance(entry, int | np.integer):
            yield name, framework.tensor(int(entry))


def _described(content: Any) -> str:
    """What a file holds that is no state dict."""
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}, not named tensors; save the model's state_dict()"
    several = list(_states_inside(content, _DEEPEST - 1))
    if several:
        return f"named tensors under {', '.join(several)}; take one of them: read_checkpoint(path)[{several[0]!r}]"
    keys = ", ".join(str(key)[:40] for key in list(content)[:10])
    return f"no named tensors, but the keys {keys or '(none)'}; save the model's state_dict()"
