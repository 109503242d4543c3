"""From texts to the numbers that a model takes: by words, or by the tokenizer of a language model's folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.data import Dataset
from framework.errors import ArgumentError
from framework.io import FileFormatError, atomic_write
from text.data import PaddingCollator
from text.tokenizers import Tokenizer
from text.utils import get_tokenizer
from text.vocab import Vocab, build_vocab_from_iterator

Texts = Sequence[Any]  # strings, or (first, second) pairs of them
Fields = dict[str, np.ndarray[Any, Any]]
VOCABULARY = "vocab.txt"
_CHUNK = 1024  # texts that are encoded at once


class Words:
    """Numbers of words, cut by ``basic_english``, out of a vocabulary that was learnt from the training texts.

    Args:
        vocab: with ``SPECIALS`` first.
        max_length: words after which a text is cut.
    """

    SPECIALS = ("<pad>", "<unk>", "<sep>")
    MOST = 50_000  # words in a vocabulary
    kind = "basic_english"
    masked = False  # the models know the padding word
    collator = PaddingCollator(pad_id=0)

    def __init__(self, vocab: Vocab, max_length: int) -> None:
        self.vocab, self.max_length = vocab, max_length
        self._cut = get_tokenizer("basic_english")

    @classmethod
    def learn(cls, texts: Texts, max_length: int) -> Words:
        """With the words of texts that come more than once; with all of them where there are few texts."""
        cut = get_tokenizer("basic_english")
        words = (cut(text) for entry in texts for text in ((entry,) if isinstance(entry, str) else entry))
        often = 2 if len(texts) >= 1000 else 1
        return cls(build_vocab_from_iterator(words, often, cls.SPECIALS, max_tokens=cls.MOST), max_length)

    @classmethod
    def load(cls, folder: Path, max_length: int) -> Words:
        """Out of a run's folder.

        Raises:
            FileNotFoundError, FileFormatError: the vocabulary is not there, or damaged.
        """
        path = folder / VOCABULARY
        words = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        if tuple(words[: len(cls.SPECIALS)]) != cls.SPECIALS:
            raise FileFormatError(
                f"{path}: not the vocabulary of a run; it should begin with {', '.join(cls.SPECIALS)}"
            )
        return cls(Vocab(words), max_length)

    def save(self, folder: Path) -> None:
        """``vocab.txt``, one word a line."""
        atomic_write(folder / VOCABULARY, "".join(f"{word}\n" for word in self.vocab.get_itos()))

    def encode(self, texts: Texts) -> Iterator[dict[str, Any]]:
        """The fields of each text."""
        self.vocab.set_default_index(1)
        for entry in texts:
            words = (
                self._cut(entry) if isinstance(entry, str) else [*self._cut(entry[0]), "<sep>", *self._cut(entry[1])]
            )
            yield {"input_ids": self.vocab(words[: self.max_length] or ["<unk>"])}


class Subwords:
    """Numbers of a language model's tokens.

    Args:
        tokenizer: the model's.
        max_length: tokens after which a text, or the longer of two, is cut.
    """

    kind = "tokenizer"
    masked = True

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token is None:
                raise ArgumentError("--model: its tokenizer has no token for padding; add one and save it again")
            tokenizer.pad_token = tokenizer.eos_token
        self.tokenizer, self.max_length = tokenizer, max_length
        self.collator = PaddingCollator(tokenizer)

    @classmethod
    def load(cls, folder: str | Path, max_length: int) -> Subwords:
        """Out of a model's folder or a run's, or by a name on the hub."""
        return cls(Tokenizer.from_pretrained(folder), max_length)

    def save(self, folder: Path) -> None:
        """The tokenizer's files."""
        self.tokenizer.save_pretrained(folder)

    def encode(self, texts: Texts) -> Iterator[dict[str, Any]]:
        """The fields of each text."""
        for start in range(0, len(texts), _CHUNK):
            part = [texts[i] for i in range(start, min(start + _CHUNK, len(texts)))]
            pairs = None if isinstance(part[0], str) else [second for _, second in part]
            firsts = part if pairs is None else [first for first, _ in part]
            batch = self.tokenizer(
                firsts, pairs, truncation=True, max_length=self.max_length, return_attention_mask=False
            )
            for row, ids in enumerate(batch["input_ids"]):
                if ids:
                    yield {name: values[row] for name, values in batch.items()}
                else:  # an empty text, of a tokenizer without special tokens
                    yield {name: [self.tokenizer.pad_token_id] for name in batch}


Encoder = Words | Subwords


class Encoded(Dataset):
    """Texts as numbers, in one array a field, and their classes; a sample is ({field: numbers}, target).

    Args:
        rows: the fields of each text.
        targets: (N) classes, or numbers.
    """

    def __init__(self, rows: Iterable[dict[str, Any]], targets: Any) -> None:
        found = np.asarray(targets)
        self.targets = found.astype(np.float32 if found.dtype.kind == "f" else np.int64)
        self.starts = np.zeros(len(self.targets) + 1, np.int64)
        flat: dict[str, list[Any]] = {}
        for place, row in enumerate(rows, 1):
            self.starts[place] = self.starts[place - 1] + len(row["input_ids"])
            for name, values in row.items():
                flat.setdefault(name, []).append(np.asarray(values, np.int32))
        self.fields = {name: np.concatenate(parts) for name, parts in flat.items()}

    @property
    def lengths(self) -> np.ndarray[Any, Any]:
        """(N) numbers of tokens."""
        return np.diff(self.starts)

    def take(self, order: Any) -> Encoded:
        """These samples in another order."""
        rows = (self[i][0] for i in order)
        return Encoded(rows, self.targets[order])

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Fields, Any]:
        part = slice(self.starts[index], self.starts[index + 1])
        return {name: values[part] for name, values in self.fields.items()}, self.targets[index].item()


class Padded:
    """Joins samples of ``Encoded`` to a batch ({field: (B, longest)}, (B) targets), padded to the longest of them."""

    def __init__(self, encoder: Encoder) -> None:
        self._join, self._masked = encoder.collator, encoder.masked

    def __call__(self, samples: Sequence[tuple[Fields, Any]]) -> tuple[dict[str, Any], Any]:
        batch = self._join(samples)
        targets = batch.pop("labels")
        if not self._masked:
            del batch["attention_mask"]
        return batch, targets
