"""Sentences and their translations."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from framework.errors import ArgumentError
from framework.io import FileFormatError
from hub.archives import extract_archive, google_drive
from hub.dataset_files import chosen, reading
from text.datasets.corpus import aligned
from text.datasets.named import NamedDataset, Rows, Source
from text.datasets.strings import Strings

_TAGS = ("url", "keywords", "talkid", "description", "reviewer", "translator", "title", "speaker", "doc", "transcript")
_TAGGED = re.compile(rf"\s*</?(?:{'|'.join(_TAGS)})\b")
_SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL)


def _languages(dataset: object, pair: Sequence[str], known: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """The languages of a pair, if it is one of those known: to which others each is translated."""
    if len(pair) != 2 or pair[1] not in known.get(pair[0], ()):
        listed = ", ".join(f"{first}-{second}" for first, others in known.items() for second in others)
        raise ArgumentError(f"{type(dataset).__name__}: language_pair must be one of {listed}, got {tuple(pair)!r}")
    return pair[0], pair[1]


class Multi30k(NamedDataset):
    """Descriptions of pictures and their translations: (source, target); 29,000, 1,014 and 1,000 of them.

    Args:
        root, split, download: as in ``NamedDataset``.
        language_pair: what is translated into what: two of "en", "de", "fr" and "cs".

    Files are ``train.LANGUAGE``, ``val.LANGUAGE`` and ``test_2016_flickr.LANGUAGE`` (or ``test.LANGUAGE``), plain or
    with ``.gz``.

    Reference: Elliott et al., "Multi30K: Multilingual English-German Image Descriptions",
    https://arxiv.org/abs/1605.00459.
    """

    splits = ("train", "valid", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 29_000, "valid": 1_014, "test": 1_000}
    _names: ClassVar[dict[str, str]] = {"train": "train", "valid": "val", "test": "test_2016_flickr"}
    _digests: ClassVar[dict[str, str]] = {
        "train.en": "0065d13af80720a55ca8153d126e6627",
        "train.de": "81ff90b99829c0cd4b1b587d394afd39",
        "train.fr": "6cb767741dcad3931f966fefbc05203f",
        "train.cs": "d9a5fc268917725a2b0efce3a0cc8607",
        "val.en": "2b69aa9253948ac9f67e94917272dd40",
        "val.de": "6e0e229eb049e3fc99a1ef02fb2d5f91",
        "val.fr": "93fc564584b7e5ba410c761ea5a1c682",
        "val.cs": "83cdc082f646b769095615384cf5c0ca",
        "test_2016_flickr.en": "ff2c0fcb4893a13bd73414306bc250ae",
        "test_2016_flickr.de": "efd67d314d98489b716b145475101932",
        "test_2016_flickr.fr": "08dc7cd4a662f31718412de95ca9bfe3",
        "test_2016_flickr.cs": "3104872229daa1bef3b401d44dd2220b",
    }
    _URL: ClassVar[str] = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"

    def __init__(
        self, root: Any = None, split: Any = None, language_pair: Sequence[str] = ("de", "en"), download: bool = False
    ) -> None:
        all_four = ("en", "de", "fr", "cs")
        known = {one: tuple(other for other in all_four if other != one) for one in all_four}
        self.language_pair = _languages(self, language_pair, known)
        super().__init__(root, split, download)

    def _read(self) -> Sequence[Any]:
        paths = []
        for language in self.language_pair:
            name = f"{self._names[self.split]}.{language}"
            names = [
                f"{name}.gz",
                name,
                f"{self.split}.{language}",
                f"test2016.{language}" if self.split == "test" else name,
            ]
            paths.append(self._file(names, Source(f"{self._URL}{name}.gz", self._digests[name])))
        return Rows(*aligned(paths))


class _IWSLT(NamedDataset):
    """Talks in sentences: (source, target). Training texts are freed of their headers, the others of their XML."""

    splits = ("train", "valid", "test")
    _year: ClassVar[int]
    _source: ClassVar[Source]
    _known: ClassVar[dict[str, Sequence[str]]]
    _sets: ClassVar[tuple[str, ...]]

    language_pair: tuple[str, str]
    valid_set: str
    test_set: str

    def _inner(self) -> str:
        """The archive inside the archive, without its ending."""
        raise NotImplementedError(f"{type(self).__name__}: a set of talks must define _inner()")

    def _read(self) -> Sequence[Any]:
        first, second = self.language_pair
        part = {"train": "", "valid": self.valid_set, "test": self.test_set}[self.split]
        columns, paths = [], []
        for language in self.language_pair:
            if self.split == "train":
                name = f"train.tags.{first}-{second}.{language}"
            else:
                name = f"IWSLT{self._year}.TED.{part}.{first}-{second}.{language}.xml"
            path = self._talks(name)
            paths.append(path)
            with reading(path, "a text of talks"):
                columns.append(Strings.of(_sentences(path, self.split == "train")))
        if len(columns[0]) != len(columns[1]):
            sizes = " and ".join(
                f"{os.fspath(path)} {len(column)}" for path, column in zip(paths, columns, strict=True)
            )
            raise FileFormatError(f"the files do not belong together, their numbers of sentences differ: {sizes}")
        return Rows(*columns)

    def _talks(self, name: str) -> Path:
        """A file of the archive inside the archive."""
        inner = self._inner()
        names = (f"{inner}/{name}", name)
        found = self._find(names)
        if found is None:
            extract_archive(self._file(f"{inner}.tgz", self._source))
            found = self._find(names)
        if found is None:
            raise FileFormatError(f"{inner}.tgz: holds no {name}")
        return found


def _sentences(path: Path, tagged: bool) -> Iterable[str]:
    if tagged:
        return (line.strip() for line in Strings.lines(path) if not _TAGGED.match(line))
    return (html.unescape(found).strip() for found in _SEGMENT.findall(path.read_text(encoding="utf-8")))


class IWSLT2016(_IWSLT):
    """TED talks between English and Arabic, Czech, French or German: (source, target).

    Args:
        root, split, download: as in ``NamedDataset``.
        language_pair: the languages.
        valid_set, test_set: what the parts are: "dev2010", or "tst2010" to "tst2014" (without 2014 for Czech).

    Reference: https://wit3.fbk.eu/2016-01.
    """

    _year = 16
    _source = Source(
        google_drive("1l5y6Giag9aRPwGtuZHswh3w5v3qEz8D8"), "c393ed3fc2a1b0f004b3331043f615ae", "2016-01.tgz"
    )
    _known: ClassVar[dict[str, Sequence[str]]] = {
        "en": ("ar", "de", "fr", "cs"), "ar": ("en",), "fr": ("en",), "de": ("en",), "cs": ("en",),
    }  # fmt: skip
    _sets = ("dev2010", "tst2010", "tst2011", "tst2012", "tst2013", "tst2014")

    def __init__(
        self,
        root: Any = None,
        split: Any = None,
        language_pair: Sequence[str] = ("de", "en"),
        valid_set: str = "tst2013",
        test_set: str = "tst2014",
        download: bool = False,
    ) -> None:
        self.language_pair = _languages(self, language_pair, self._known)
        sets = self._sets[:-1] if "cs" in self.language_pair else self._sets
        self.valid_set = chosen(self, "valid_set", valid_set, sets)
        self.test_set = chosen(self, "test_set", test_set, sets)
        super().__init__(root, split, download)

    def _inner(self) -> str:
        first, second = self.language_pair
        return f"2016-01/texts/{first}/{second}/{first}-{second}"


class IWSLT2017(_IWSLT):
    """TED talks between any two of English, Dutch, German, Italian and Romanian: (source, target).

    Args:
        root, split, download: as in ``NamedDataset``. "valid" is dev2010, "test" tst2010.
        language_pair: the languages.

    Reference: https://wit3.fbk.eu/2017-01.
    """

    _year = 17
    _source = Source(
        google_drive("12ycYSzLIG253AFN35Y6qoyf9wtkOjakp"), "aca701032b1c4411afc4d9fa367796ba", "2017-01-trnmted.tgz"
    )
    _known: ClassVar[dict[str, Sequence[str]]] = {
        one: tuple(other for other in ("en", "nl", "de", "it", "ro") if other != one)
        for one in ("en", "nl", "de", "it", "ro")
    }
    valid_set = "dev2010"
    test_set = "tst2010"

    def __init__(
        self, root: Any = None, split: Any = None, language_pair: Sequence[str] = ("de", "en"), download: bool = False
    ) -> None:
        self.language_pair = _languages(self, language_pair, self._known)
        super().__init__(root, split, download)

    def _inner(self) -> str:
        return "2017-01-trnmted/texts/DeEnItNlRo/DeEnItNlRo/DeEnItNlRo-DeEnItNlRo"
