"""Checkpoints by address, under the names that ``torch.hub`` has for that."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from framework.io.serialization import placing
from framework.tensor import Tensor
from hub.cache import get_dir, plain_name
from hub.download import obtain
from hub.hashes import check_digests, hash_in_name, verify


def download_url_to_file(
    url: str, dst: str | os.PathLike[str], hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Fetch a file, over one that may be there.

    Args:
        url: the address.
        dst: where the file goes, once it is whole.
        hash_prefix: its SHA-256, or the first 8 or more digits of it. A file that is there and has it is kept.
        progress: show how far it is.

    Raises:
        ArgumentError: ``hash_prefix`` cannot be a hash.
        DownloadError: the file could not be had, or has another hash.
    """
    check_digests(None, hash_prefix)

    def there(file: Path) -> bool:
        return hash_prefix is not None and verify(file, sha256=hash_prefix)

    wanted = f"sha256 {hash_prefix}" if hash_prefix is not None else ""
    obtain(url, os.path.expanduser(dst), there, wanted, progress=progress)


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """What a checkpoint at an address holds. It is fetched once and kept.

    Differs from ``torch.hub`` in that no file can run code, that a hash in the file's name is compared also when
    ``check_hash`` does not ask for it, and each time, and that asking for it where there is none is an error.

    Args:
        url: the address.
        model_dir: the folder that keeps the file; ``checkpoints`` in ``hub.get_dir()`` unless given.
        map_location: the device for the tensors, or a function of (tensor, "cpu") that gives each tensor back, or a
            mapping with a device under "cpu". The CPU unless given: a tensor counts as saved there wherever it was.
        progress: show how far the download is.
        check_hash: the file's name must end in ``-`` and at least 8 digits of its SHA-256. Without that, eight digits that
            read as a date are not taken for a hash.
        file_name: the name under which the file is kept; the address's last part unless given.
        weights_only: accepted for PyTorch's sake; only weights and plain values are read whatever it says.

    Raises:
        ArgumentError: the address names no file, or no hash where one is asked for.
        DownloadError: the file could not be had, or has another hash.
        FileFormatError: it is no checkpoint.

    Example:
        >>> state = hub.load_state_dict_from_url("https://example.org/resnet18-f37072fd.pth")  # doctest: +SKIP
    """
    from hub.state_files import read_checkpoint

    name = plain_name(os.path.basename(urllib.parse.urlsplit(url).path) if file_name is None else file_name)
    digest = hash_in_name(name, dates=check_hash)
    if check_hash and digest is None:
        raise ArgumentError(f"load_state_dict_from_url: {name!r} carries no hash to check; pass check_hash=False")
    target = Path(os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir, name)

    def there(file: Path) -> bool:
        return file.is_file() if digest is None else verify(file, sha256=digest)

    obtain(url, target, there, f"sha256 {digest}" if digest else "", progress=progress)
    place, move = placing(map_location)
    content = read_checkpoint(target, device=place)
    if move is None:
        return content
    moved: dict[int, Tensor] = {}

    def once(tensor: Tensor) -> Tensor:
        if id(tensor) not in moved:  # what is tied stays tied
            moved[id(tensor)] = move(tensor)
        return moved[id(tensor)]

    return _map_tensors(content, once)


def _map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = _map_tensors(item, function)
    elif isinstance(value, list):
        value[:] = [_map_tensors(item, function) for item in value]
    elif isinstance(value, tuple):
        return tuple(_map_tensors(item, function) for item in value)
    return value
