"""Words with tags: files of columns, a word a line and an empty line after each sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from framework.data import Dataset
from framework.io import FileFormatError
from hub.dataset_files import reading
from text.datasets.named import NamedDataset, Source
from text.datasets.strings import Strings

Sentence = tuple[list[str], ...]


class ConllDataset(Dataset):
    """Sentences from a file of columns, as the shared tasks of CoNLL have them.

    Args:
        path: the file; it may be compressed.
        columns: the columns to give, by number, negative ones from the end; all of them unless given. The file's first
            and last, the words and their tags: ``(0, -1)``.
        separator: what stands between columns; blanks unless given.
        comments: what lines that are no words start with, such as "#" in CoNLL-U.
        transform: applied to the sentence.

    Shape:
        A sample is a tuple of lists of equal length, one for each column.

    Raises:
        DatasetNotFound: there is no such file.
        FileFormatError: lines differ in how many columns they have.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: Sequence[int] | None = None,
        separator: str | None = None,
        comments: str | None = None,
        transform: Callable[[Sentence], Any] | None = None,
    ) -> None:
        self.sentences = read_columns(path, columns, separator, comments)
        self.transform = transform

    def tags(self, column: int = -1) -> list[str]:
        """The different values of a column, sorted."""
        return sorted({tag for sentence in self.sentences for tag in sentence[column]})

    def __getitem__(self, index: int) -> Any:
        sentence = self.sentences[index]
        return sentence if self.transform is None else self.transform(sentence)

    def __len__(self) -> int:
        return len(self.sentences)


def read_columns(
    path: str | os.PathLike[str],
    columns: Sequence[int] | None = None,
    separator: str | None = None,
    comments: str | None = None,
) -> list[Sentence]:
    """The sentences of a file of columns; ``ConllDataset`` says what the arguments mean. Documents' marks are left out."""
    sentences: list[Sentence] = []
    words: list[list[str]] = []

    def finish() -> None:
        if words and not words[0][0].startswith("-DOCSTART-"):
            wanted = range(len(words[0])) if columns is None else columns
            sentences.append(tuple([word[column] for word in words] for column in wanted))
        words.clear()

    with reading(path, "a file of columns"):
        for number, line in enumerate(Strings.lines(path)):
            if not line.strip():
                finish()
                continue
            if comments is not None and line.startswith(comments):
                continue
            cells = line.split(separator)
            if words and len(cells) != len(words[0]):
                raise FileFormatError(
                    f"{os.fspath(path)}: line {number + 1} has {len(cells)} columns, the one before {len(words[0])}"
                )
            words.append(cells)
        finish()
    return sentences


class UDPOS(NamedDataset):
    """English web texts with parts of speech: (words, universal tags, Penn tags).

    Reference: Silveira et al., "A Gold Standard Dependency Corpus for English", 2014, of Universal Dependencies 2.
    """

    splits = ("train", "valid", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 12_543, "valid": 2_002, "test": 2_077}
    _names: ClassVar[dict[str, str]] = {"train": "train", "valid": "dev", "test": "test"}
    _source: ClassVar[Source] = Source(
        "https://bitbucket.org/sivareddyg/public/downloads/en-ud-v2.zip", "bdcac7c52d934656bae1699541424545"
    )

    def _read(self) -> Sequence[Any]:
        part = self._names[self.split]
        names = (f"en-ud-v2/en-ud-tag.v2.{part}.txt", f"{part}.txt")
        return read_columns(self._file(names, self._source), separator="\t")


class CoNLL2000Chunking(NamedDataset):
    """News with phrases: (words, parts of speech, chunks in IOB2).

    Reference: Tjong Kim Sang and Buchholz, "Introduction to the CoNLL-2000 Shared Task: Chunking", 2000,
    https://www.clips.uantwerpen.be/conll2000/chunking/.
    """

    splits = ("train", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 8_936, "test": 2_012}
    _digests: ClassVar[dict[str, str]] = {
        "train": "6969c2903a1f19a83569db643e43dcc8",
        "test": "a916e1c2d83eb3004b38fc6fcd628939",
    }

    def _read(self) -> Sequence[Any]:
        name = f"{self.split}.txt.gz"
        source = Source(f"https://www.clips.uantwerpen.be/conll2000/chunking/{name}", self._digests[self.split])
        return read_columns(self._file((name, f"{self.split}.txt"), source), separator=" ")


class CoNLL2003(NamedDataset):
    """News with named entities of persons, organisations, places and others: (words, parts of speech, chunks, entities).

    The texts are Reuters', which gives them out itself (https://trec.nist.gov/data/reuters/reuters.html); the files
    ``eng.train``, ``eng.testa`` and ``eng.testb`` made of them, also named ``train.txt``, ``valid.txt`` and
    ``test.txt``, have to be got by hand. The entities are in IOB1 in the official files, in IOB2 in many copies.

    Reference: Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 Shared Task",
    https://aclanthology.org/W03-0419.
    """

    splits = ("train", "valid", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 14_041, "valid": 3_250, "test": 3_453}
    _names: ClassVar[dict[str, str]] = {"train": "eng.train", "valid": "eng.testa", "test": "eng.testb"}

    def _read(self) -> Sequence[Any]:
        return read_columns(self._file((self._names[self.split], f"{self.split}.txt"), None))
