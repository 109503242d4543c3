"""``save`` and ``load``: tensors inside plain containers, in one safetensors file and without pickle.

The tensors are the file's tensors; the containers around them are JSON in its metadata. What can be saved: tensors,
parameters, dicts (of any plain keys), lists, tuples, sets, strings, bytes, numbers, None, dtypes, devices, sizes and
NumPy arrays. Two places that held one tensor, or tensors over the same memory, do so again after loading.
"""

from __future__ import annotations

import base64
import json
import math
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.io.weights import FileFormatError, load_with_metadata, memory_key, save_file
from framework.nn.parameter import Parameter
from framework.tensor import Size, Tensor, wrap

FORMAT = "eagerkit.tree"


def save(obj: Any, f: Any, pickle_module: Any = None, pickle_protocol: int = 2, **_unused: Any) -> None:
    """Write an object to a file, atomically where ``f`` is a path.

    Args:
        obj: tensors in plain containers, such as a ``state_dict``.
        f: a path, or a binary file open for writing.
        pickle_module, pickle_protocol: accepted; nothing is pickled.

    Raises:
        TypeError: the object holds something that is neither a tensor nor plain data; the message says where.
    """
    if not isinstance(f, str | os.PathLike):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "object"
            save(obj, path)
            f.write(path.read_bytes())
        return
    tensors: dict[str, Tensor] = {}
    tree = _encode(obj, tensors, {}, "object")
    save_file(tensors, f, {FORMAT: json.dumps(tree)})


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool = True,
    mmap: bool | None = None,
    **_unused: Any,
) -> Any:
    """Read what ``save`` wrote. Nothing in a file can run code.

    Args:
        f: a path, or a binary file open for reading.
        map_location: the device for the tensors, or a function of (tensor, "cpu") that gives each tensor back, or a
            mapping with a device under "cpu". The CPU unless given: a tensor counts as saved there wherever it was.
        pickle_module, weights_only, mmap: accepted; there is no other way to load here, and files are memory-mapped while read.

    Raises:
        FileFormatError: the file was not written by ``save``. Checkpoints of PyTorch are read by ``hub``.
    """
    if not isinstance(f, str | os.PathLike):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "object"
            path.write_bytes(f.read())
            return load(path, map_location)
    if not os.path.exists(f):
        raise FileNotFoundError(f"load: there is no file {os.fspath(f)!r}")
    place, move = placing(map_location)
    tensors, notes = load_with_metadata(f, place)
    if move is not None:
        tensors = {name: move(tensor) for name, tensor in tensors.items()}
    if FORMAT not in notes:
        if not notes and not tensors:
            raise FileFormatError(f"{f}: holds nothing that framework.save wrote")
        return OrderedDict(tensors)  # a plain safetensors file is a state dict
    return _decode(json.loads(notes[FORMAT]), tensors)


def placing(map_location: Any) -> tuple[Any, Callable[[Tensor], Tensor] | None]:
    """The device that a ``map_location`` means, and what is done with each tensor then, if it is a function."""
    if isinstance(map_location, Mapping):
        map_location = map_location.get("cpu")
    if not callable(map_location):
        return "cpu" if map_location is None else map_location, None

    def move(tensor: Tensor) -> Tensor:
        moved: Tensor | None = map_location(tensor, "cpu")
        return tensor if moved is None else moved

    return "cpu", move


def _encode(value: Any, tensors: dict[str, Tensor], seen: dict[Any, str], where: str) -> Any:
    """A value as JSON: plain numbers, strings and lists as themselves, all else as {"kind": ...}."""
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Tensor):
        key = memory_key(value.array)
        name = seen.get(key)
        if name is None:
            name = seen[key] = str(len(tensors))
            tensors[name] = value.detach()
        kind = "parameter" if isinstance(value, Parameter) else "tensor"
        return {kind: name, "grad": value.requires_grad and value.is_leaf}
    if isinstance(value, dict):
        items = [
            [_encode(k, tensors, seen, f"a key of {where}"), _encode(v, tensors, seen, f"{where}[{k!r}]")]
            for k, v in value.items()
        ]
        return {"ordered" if isinstance(value, OrderedDict) else "dict": items}
    if type(value) is list:
        return [_encode(v, tensors, seen, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, Size):
        return {"size": list(value)}
    if isinstance(value, tuple | set | frozenset | list):
        kind = "tuple" if isinstance(value, tuple) else "list" if isinstance(value, list) else type(value).__name__
        return {kind: [_encode(v, tensors, seen, f"{where}[{i}]") for i, v in enumerate(value)]}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, dtypes.dtype):
        return {"dtype": value.name}
    if isinstance(value, devices.device):
        return {"device": str(value)}
    if isinstance(value, np.ndarray | np.generic):
        name = str(len(tensors))
        tensors[name] = wrap(np.asarray(value))
        return {"array" if isinstance(value, np.ndarray) else "scalar": name}
    if isinstance(value, int | float):
        return _encode(int(value) if isinstance(value, int) else float(value), tensors, seen, where)
    if hasattr(value, "_asdict"):
        return _encode(dict(value._asdict()), tensors, seen, where)
    raise TypeError(
        f"save: {where} is a {type(value).__name__}; only tensors and plain data can be saved. Save its state_dict(), or "
        "turn it into dicts, lists, strings and numbers"
    )


def _decode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(node, dict | list):
        return node
    if isinstance(node, list):
        return [_decode(n, tensors) for n in node]
    kind, content = next(iter(node.items()))
    if kind in ("dict", "ordered"):
        pairs = [(_decode(k, tensors), _decode(v, tensors)) for k, v in content]
        return OrderedDict(pairs) if kind == "ordered" else dict(pairs)
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](_decode(n, tensors) for n in content)
    if kind in ("tensor", "parameter"):
        tensor = wrap(tensors[content].array)
        if kind == "parameter":
            return Parameter(tensor, requires_grad=node["grad"])
        return tensor.requires_grad_(node["grad"])
    if kind == "array":
        return tensors[content].array
    if kind == "scalar":
        return tensors[content].array[()]
    if kind == "bytes":
        return base64.b64decode(content)
    if kind == "complex":
        return complex(*content)
    if kind == "dtype":
        return next(d for d in dtypes.ALL if d.name == content)
    if kind == "device":
        return devices.device(content)
    if kind == "float":
        return float(content)
    raise FileFormatError(f"load: the file holds a {kind!r}, which this version does not know; update eagerkit")


_SEQUENCES: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset, "list": list, "size": Size}
