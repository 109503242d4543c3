"""Weights in several files: an index of JSON says which file of the same folder holds which tensor.

{"metadata": {...}, "weight_map": {"embeddings.weight": "model-00001-of-00002.safetensors", ...}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from framework.io import FileFormatError
from framework.tensor import Tensor
from hub.reading.files import Mapped
from hub.reading.machine import Refusal, shown

_LONGEST = 100_000_000
_IN_FOLDERS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def in_folder(folder: str) -> str:
    """The path of the weights in a model's folder: safetensors before pickles, one file before an index.

    Raises:
        FileFormatError: the folder holds none.
    """
    for name in _IN_FOLDERS:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    held = ", ".join(sorted(os.listdir(folder))[:10]) or "nothing"
    raise FileFormatError(
        f"{folder}: a folder without {', '.join(_IN_FOLDERS)}; it holds {held}. Give the file of weights"
    )


def read(file: Mapped, read_part: Callable[[str], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors that an index lists, in its order. What the files hold beside them is left out.

    Args:
        file: the index.
        read_part: reads the named tensors of one file.

    Raises:
        Refusal: it is no index, or names a file outside its folder.
        FileNotFoundError: a file that it names is missing.
        FileFormatError: such a file holds no tensor of a name.
    """
    names = _weight_map(file)
    folder = os.path.dirname(file.path)
    parts: dict[str, dict[str, Tensor]] = {}
    for part in sorted(set(names.values())):
        path = os.path.join(folder, part)
        if not os.path.isfile(path):
            raise FileNotFoundError(f"{file.path}: names {part!r}, which is not beside it; download all parts")
        parts[part] = read_part(path)
    for name, part in names.items():
        if name not in parts[part]:
            raise FileFormatError(
                f"{file.path}: there is no tensor {name!r} in {part}; download the index and all parts again"
            )
    return {name: parts[part][name] for name, part in names.items()}


def _weight_map(file: Mapped) -> dict[str, str]:
    if len(file) > _LONGEST:
        raise Refusal(f"{len(file)} bytes of JSON")
    found: Any = json.loads(file.memory[:].decode("utf-8-sig"))
    names = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(names, dict) or not names:
        raise Refusal("JSON without a weight_map; give the weights, or the index that came with them")
    for part in names.values():
        if not isinstance(part, str) or part in ("", ".", "..") or any(c in part for c in "/\\\0:"):
            raise Refusal(f"the part {shown(part)}, which is no file beside the index")
    return names
