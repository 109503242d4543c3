"""Questions about paragraphs, answered by pieces of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from hub.dataset_files import reading
from text.datasets.named import NamedDataset, Source


class _SQuAD(NamedDataset):
    """Samples are (context, question, answers, starts): the texts of the answers, and their first characters' places.

    Attributes:
        ids: the identifier of every question, by which official scores are asked for.
    """

    splits = ("train", "dev")
    _version: ClassVar[str]
    _digests: ClassVar[dict[str, str]]
    ids: list[str]

    def _read(self) -> Sequence[Any]:
        name = f"{self.split}-v{self._version}.json"
        url = f"https://rajpurkar.github.io/SQuAD-explorer/dataset/{name}"
        path = self._file(name, Source(url, self._digests[self.split]))
        samples: list[Any] = []
        self.ids = []
        with reading(path, "a file of paragraphs and questions"):
            articles = json.loads(path.read_bytes())["data"]
            for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
                for question in paragraph["qas"]:
                    answers = question["answers"] or [{"text": "", "answer_start": -1}]
                    texts = [str(answer["text"]) for answer in answers]
                    starts = [int(answer["answer_start"]) for answer in answers]
                    samples.append((paragraph["context"], question["question"], texts, starts))
                    self.ids.append(question["id"])
        return samples


class SQuAD1(_SQuAD):
    """Questions about Wikipedia's paragraphs, each with its answer: (context, question, answers, starts).

    ``ids`` has the identifier of every question, by which official scores are asked for.

    Reference: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text",
    https://arxiv.org/abs/1606.05250.
    """

    sizes: ClassVar[dict[str, int]] = {"train": 87_599, "dev": 10_570}
    _version = "1.1"
    _digests: ClassVar[dict[str, str]] = {
        "train": "981b29407e0affa3b1b156f72073b945",
        "dev": "3e85deb501d4e538b6bc56f786231552",
    }


class SQuAD2(_SQuAD):
    """SQuAD1 and as many questions without an answer, which have the answers ``[""]`` at the places ``[-1]``.

    Reference: Rajpurkar, Jia and Liang, "Know What You Don't Know: Unanswerable Questions for SQuAD",
    https://arxiv.org/abs/1806.03822.
    """

    sizes: ClassVar[dict[str, int]] = {"train": 130_319, "dev": 11_873}
    _version = "2.0"
    _digests: ClassVar[dict[str, str]] = {
        "train": "62108c273c268d70893182d5cf8df740",
        "dev": "246adae8b7002f8679c027697b0b7cf8",
    }
