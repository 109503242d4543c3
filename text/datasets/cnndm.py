"""News of CNN and the Daily Mail with their highlights, to be summed up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, overload

from hub.archives import google_drive
from hub.dataset_files import reading
from text.datasets.named import NamedDataset, Source
from text.datasets.strings import Strings

_ENDS = (".", "!", "?", "'", "`", '"', "\u2019", "\u201d", ")")
_HIGHLIGHT = "@highlight"


class CNNDM(NamedDataset):
    """Articles and their highlights, which are taken for a summary: (article, summary). Stories are read when asked for.

    Which story is in which part follows from lists of the pages' addresses, which are fetched as well; no hashes of the
    lists are published.

    Reference: See, Liu and Manning, "Get To The Point: Summarization with Pointer-Generator Networks",
    https://arxiv.org/abs/1704.04368.
    """

    splits = ("train", "val", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 287_227, "val": 13_368, "test": 11_490}
    _stories: ClassVar[dict[str, Source]] = {
        "cnn": Source(
            google_drive("0BwmD_VLjROrfTHk4NFg2SndKcjQ"), "85ac23a1926a831e8f46a6b8eaf57263", "cnn_stories.tgz"
        ),
        "dailymail": Source(
            google_drive("0BwmD_VLjROrfM1BxdkxVaTY2bWs"), "f9c5f565e8abe86c38bfa4ae8f96fd72", "dailymail_stories.tgz"
        ),
    }
    _LISTS: ClassVar[str] = "https://raw.githubusercontent.com/abisee/cnn-dailymail/master/url_lists/"
    _parts: ClassVar[dict[str, str]] = {"train": "training", "val": "validation", "test": "test"}

    def _read(self) -> Sequence[Any]:
        paths: list[Path] = []
        for paper, source in self._stories.items():
            name = f"{paper}_wayback_{self._parts[self.split]}_urls.txt"
            addresses = Strings.lines(self._file((name, f"url_lists/{name}"), Source(self._LISTS + name, "")))
            folder = self._file(f"{paper}/stories", source)
            paths += [folder / f"{_digest(address)}.story" for address in addresses if address]
        return _Stories(paths)


class _Stories(Sequence[tuple[str, str]]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...

    @overload
    def __getitem__(self, index: slice) -> _Stories: ...

    def __getitem__(self, index: Any) -> Any:
        return _Stories(self.paths[index]) if isinstance(index, slice) else read_story(self.paths[index])


def read_story(path: Path) -> tuple[str, str]:
    """A story's article and its highlights. A line without a full stop at its end gets one."""
    with reading(path, "a story"):
        lines = [_finished(line) for line in map(str.strip, path.read_text(encoding="utf-8").split("\n")) if line]
    article: list[str] = []
    highlights: list[str] = []
    marked = False
    for line in lines:
        if line.startswith(_HIGHLIGHT):
            marked = True
        elif marked:
            highlights.append(line)
        else:
            article.append(line)
    return " ".join(article), " ".join(highlights)


def _finished(line: str) -> str:
    return line if line.startswith(_HIGHLIGHT) or line.endswith(_ENDS) else f"{line}."


def _digest(address: str) -> str:
    return hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
