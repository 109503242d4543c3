"""Files of Hugging Face repositories, through the ``huggingface_hub`` library, whose cache and settings they share.

The variables that it reads hold here too: ``HF_HOME`` and ``HF_HUB_CACHE`` (the cache), ``HF_ENDPOINT`` (the server),
``HF_TOKEN`` (for repositories that are not public), ``HF_HUB_OFFLINE``; ``HUB_OFFLINE`` does what the last one does.
"""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from framework.errors import ArgumentError
from hub.cache import offline
from hub.download import DownloadError

# what a repository's tokenizer and settings are kept in: data, from which no code can come
_PLAIN = ("*.json", "*.jsonl", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.md", "LICENSE*")
_SAFE_WEIGHTS = ("*.safetensors",)
_OTHER_WEIGHTS = ("*.bin", "*.pth", "*.pt", "*.th")  # pickles, which our own reader takes apart without running them

_PICKLE_INDEX = "*.bin.index.json"


def is_local(path: str | os.PathLike[str]) -> bool:
    """Whether a path means a folder of this machine, there or not, and no repository such as ``owner/name``."""
    name = os.fspath(path)
    if isinstance(path, Path) or os.path.isdir(name):
        return True
    return name.count("/") > 1 or name.startswith((".", "/", "~", os.sep)) or (os.sep == "\\" and "\\" in name)


def file(
    repo_id: str,
    filename: str,
    revision: str | None = None,
    *,
    repo_type: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    update: bool = False,
) -> Path:
    """One file of a repository, from the cache if it is there; then nothing is asked of the network.

    Args:
        repo_id: owner and name, such as ``"google/vit-base-patch16-224"``.
        filename: the file's path in the repository.
        revision: a branch, tag or commit; ``main`` unless given.
        repo_type: ``"dataset"`` or ``"space"``; a model unless given.
        cache_dir: another cache folder than the library's.
        update: ask the server whether the branch has moved on, instead of trusting what it was when last seen.

    Raises:
        ArgumentError: ``repo_id`` is not of that form.
        DownloadError: there is no such file, or the server cannot be reached, or must not be.
        ImportError: ``huggingface_hub`` is not installed.

    Example:
        >>> hub.huggingface.file("google/vit-base-patch16-224", "config.json")  # doctest: +SKIP
    """
    library = _library()
    alone = _alone(library)
    with _errors(f"{filename} of {repo_id}", alone):
        if alone or not update:
            found = library.try_to_load_from_cache(repo_id, filename, cache_dir, revision, repo_type)
            if isinstance(found, str):
                return Path(found)
        return Path(
            library.hf_hub_download(
                repo_id, filename, revision=revision, repo_type=repo_type, cache_dir=cache_dir, local_files_only=alone
            )
        )


def snapshot(
    repo_id: str,
    *,
    revision: str | None = None,
    patterns: str | Sequence[str] | None = None,
    repo_type: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    update: bool = False,
) -> Path:
    """A folder with the files of a repository, from the cache if they are there; then nothing is asked of the network.

    Without ``patterns`` these are its settings and tokenizer (JSON and text) and its weights: the safetensors files, or,
    if it has none, PyTorch's. Its programs are not fetched.

    Args:
        repo_id: owner and name.
        revision: a branch, tag or commit; ``main`` unless given.
        patterns: which files instead, by names in which ``*`` stands for anything.
        repo_type: ``"dataset"`` or ``"space"``; a model unless given.
        cache_dir: another cache folder than the library's.
        update: ask the server whether the branch has moved on.

    Raises:
        ArgumentError: ``repo_id`` is not of that form.
        DownloadError: the files cannot be had, or none match.
        ImportError: ``huggingface_hub`` is not installed.

    Example:
        >>> folder = hub.huggingface.snapshot("google/vit-base-patch16-224")  # doctest: +SKIP
        >>> state = hub.load_state_dict(folder / "model.safetensors")  # doctest: +SKIP
    """
    library = _library()
    alone = _alone(library)
    asked = [patterns] if isinstance(patterns, str) else patterns

    def bring(wanted: Sequence[str], version: str | None, local: bool, but: str | None = None) -> Path:
        return Path(
            library.snapshot_download(
                repo_id,
                revision=version,
                repo_type=repo_type,
                cache_dir=cache_dir,
                allow_patterns=list(wanted),
                ignore_patterns=but,
                local_files_only=local,
            )
        )

    def chosen(found: Sequence[str]) -> list[str]:
        matching = _choose(found) if asked is None else _matching(found, asked)
        if not matching:
            raise DownloadError(f"{repo_id} has none of the files asked for; it has {', '.join(sorted(found)[:20])}")
        return [glob.escape(name) for name in matching]  # names, where the library expects patterns

    def listed(version: str | None) -> list[str]:
        tree = library.get_cached_repo_tree(repo_id, revision=version, repo_type=repo_type, cache_dir=cache_dir)
        return [entry.path for entry in tree]

    with _errors(f"a snapshot of {repo_id}", alone):
        if alone or not update:
            try:
                return bring(chosen(listed(revision)), revision, True)
            except library.errors.CachedRepoTreeNotFoundError:
                if alone:  # files fetched one by one, or by an older library: what is there is all that can be had
                    folder = bring(["*"], revision, True)
                    chosen([path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()])
                    return folder
            except library.errors.LocalEntryNotFoundError:
                if alone:
                    raise
        # the first call also brings the list of files, which tells what the second is to bring
        folder = bring(_PLAIN, revision, False, _PICKLE_INDEX) if asked is None else bring(asked, revision, False)
        return bring(chosen(listed(folder.name)), folder.name, False)


def _choose(names: Sequence[str]) -> list[str]:
    """The files that a model is made from, of all that its repository has."""
    weights = _matching(names, _SAFE_WEIGHTS)
    plain = _matching(names, _PLAIN)
    if weights:
        plain = [name for name in plain if not fnmatch.fnmatchcase(name, _PICKLE_INDEX)]  # it lists what stays behind
    return plain + (weights or _matching(names, _OTHER_WEIGHTS))


def _matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _library() -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise ImportError(
            "hub.huggingface needs the library huggingface_hub; install it with: pip install 'eagerkit[hf]'"
        ) from error
    return huggingface_hub


def _alone(library: ModuleType) -> bool:
    """Whether to do without the network: by our variable or by the library's."""
    return offline() or bool(library.constants.HF_HUB_OFFLINE)


@contextlib.contextmanager
def _errors(what: str, alone: bool) -> Iterator[None]:
    """The library's many errors as ours."""
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except HFValidationError as error:
        raise ArgumentError(f"huggingface: {error}") from error
    except DownloadError:
        raise
    except LocalEntryNotFoundError as error:
        words = " ".join(str(error).split())
        if alone:
            raise DownloadError(
                f"HUB_OFFLINE or HF_HUB_OFFLINE is set, and {what} is not whole in the cache of huggingface_hub ({words}); "
                "fetch it once where there is a network, copy that cache folder here, or unset the variable"
            ) from error
        raise DownloadError(f"could not fetch {what}: {words}") from error
    except Exception as error:  # its HTTP client has errors of its own, which go by no public name
        words = " ".join(str(error).split())
        raise DownloadError(f"could not fetch {what}: {type(error).__name__}: {words}") from error
