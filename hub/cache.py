"""Where fetched files are kept, and whether the network may be used at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from framework.errors import ArgumentError

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
_chosen: list[str] = []  # what set_dir was last given


def home() -> Path:
    """The cache folder: ``EAGERKIT_HOME`` if it is set, else the one that the platform provides for such files.

    That is ``$XDG_CACHE_HOME/eagerkit`` or ``~/.cache/eagerkit`` on Linux, ``~/Library/Caches/eagerkit`` on macOS and
    ``%LOCALAPPDATA%\\eagerkit\\Cache`` on Windows. Nothing is created.
    """
    if given := os.environ.get("EAGERKIT_HOME"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "eagerkit" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "eagerkit"
    base = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG rules have a relative path ignored
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "eagerkit"


def get_dir() -> str:
    """The folder of fetched files: what ``set_dir`` was given, else ``hub`` in the cache folder (see ``home``)."""
    return _chosen[-1] if _chosen else str(home() / "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep fetched files in another folder, for as long as the program runs.

    Args:
        d: the folder. It need not be there yet.
    """
    _chosen[:] = [os.path.expanduser(d)]


def weights_path(file_name: str) -> Path:
    """Where a file of weights lies once it is fetched: ``checkpoints`` in ``get_dir()``.

    Raises:
        ArgumentError: the name is not one of a file in that folder.
    """
    return Path(get_dir(), "checkpoints", plain_name(file_name))


def plain_name(name: str) -> str:
    """The name, if it can only mean a file in the folder that it is put in."""
    if name in ("", ".", "..") or set(name) & set("/\\:\0"):
        raise ArgumentError(f"cache: {name!r} is no name of a file; pass one without folders")
    return name


def offline() -> bool:
    """Whether ``HUB_OFFLINE`` forbids the network: 1, true, yes or on, in any case.

    Raises:
        ArgumentError: it is set to a word that means neither yes nor no.
    """
    word = os.environ.get("HUB_OFFLINE", "").strip().lower()
    if word not in _TRUE | _FALSE:
        raise ArgumentError(f"HUB_OFFLINE expects 1 or 0 (or true, yes, on; false, no, off), got {word!r}")
    return word in _TRUE
