"""Film reviews of the Internet Movie Database.

Reference: Maas et al., "Learning Word Vectors for Sentiment Analysis", 2011,
https://ai.stanford.edu/~amaas/data/sentiment/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from text.datasets.folder import read_folder
from text.datasets.named import NamedDataset, Rows, Source


class IMDB(NamedDataset):
    """Reviews, negative (1) or positive (2): (label, text); 25,000 for training and as many for test."""

    splits = ("train", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 25_000, "test": 25_000}
    classes: ClassVar[list[str]] = ["neg", "pos"]
    _source: ClassVar[Source] = Source(
        "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz", "7c2ac02c03563afcf9b574c7e56c153a"
    )

    def _read(self) -> Sequence[Any]:
        folder = self._file((f"aclImdb/{self.split}", self.split), self._source)
        texts, targets, _ = read_folder(folder, self.classes, (".txt",))
        return Rows(np.array(targets, np.int64) + 1, texts)
