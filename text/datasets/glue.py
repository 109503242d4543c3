"""Sentences and pairs of them: SST-2 and the other tasks of GLUE.

Reference: Wang et al., "GLUE: A Multi-Task Benchmark and Analysis Platform", https://arxiv.org/abs/1804.07461.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hub.dataset_files import reading
from text.datasets.named import NamedDataset, Source
from text.datasets.reading import read_delimited

_GLUE = "https://dl.fbaipublicfiles.com/glue/data/"
_ENTAILMENT = {"entailment": 0, "not_entailment": 1}


class _Task(NamedDataset):
    """A tab-separated table; quotes in it are characters like others."""

    _header: ClassVar[bool] = True  # whether the first line names the columns
    _quoting: ClassVar[bool] = False

    def _table(self) -> tuple[Sequence[str], Source]:
        """The names that the part's file may have, and where it comes from."""
        raise NotImplementedError(f"{type(self).__name__}: a task must define _table()")

    def _sample(self, row: list[str]) -> tuple[Any, ...] | None:
        """What a row gives; None to leave it out."""
        raise NotImplementedError(f"{type(self).__name__}: a task must define _sample(row)")

    def _read(self) -> Sequence[Any]:
        path = self._file(*self._table())
        with reading(path, f"a table of {type(self).__name__}"):
            rows = read_delimited(path, "\t", self._quoting)
            if self._header:
                next(rows, None)
            return [sample for row in rows if (sample := self._sample(row)) is not None]


def _in_folder(folder: str, source: Source) -> Callable[[Any], tuple[Sequence[str], Source]]:
    """``_table`` of a task whose archive has train.tsv, dev.tsv and test.tsv in a folder."""

    def table(self: Any) -> tuple[Sequence[str], Source]:
        return (f"{folder}/{self.split}.tsv", f"{self.split}.tsv"), source

    return table


class SST2(_Task):
    """Sentences of film reviews, negative (0) or positive (1): (text, label), and (text,) in the test part.

    Reference: Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank", 2013,
    https://nlp.stanford.edu/sentiment/.
    """

    splits = ("train", "dev", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 67_349, "dev": 872, "test": 1_821}
    classes: ClassVar[list[str]] = ["negative", "positive"]
    _table = _in_folder("SST-2", Source(_GLUE + "SST-2.zip", "9f81648d4199384278b86e315dac217c"))

    def _sample(self, row: list[str]) -> tuple[Any, ...]:
        return (row[1].strip(),) if self.split == "test" else (row[0].strip(), int(row[1]))


class CoLA(_Task):
    """Sentences, acceptable (1) or not (0): (source, label, text). "test" is the out-of-domain development part.

    Reference: Warstadt, Singh and Bowman, "Neural Network Acceptability Judgments", https://arxiv.org/abs/1805.12471.
    """

    splits = ("train", "dev", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 8_551, "dev": 527, "test": 516}
    classes: ClassVar[list[str]] = ["unacceptable", "acceptable"]
    _header = False
    _NAMES: ClassVar[dict[str, str]] = {"train": "in_domain_train", "dev": "in_domain_dev", "test": "out_of_domain_dev"}

    def _table(self) -> tuple[Sequence[str], Source]:
        source = Source("https://nyu-mll.github.io/CoLA/cola_public_1.1.zip", "9f6d88c3558ec424cd9d66ea03589aba")
        return (f"cola_public/raw/{self._NAMES[self.split]}.tsv", f"{self.split}.tsv"), source

    def _sample(self, row: list[str]) -> tuple[Any, ...]:
        return row[0], int(row[1]), row[3]


class MRPC(_Task):
    """Pairs of sentences, one a paraphrase of the other (1) or not (0): (label, sentence, sentence).

    Reference: Dolan and Brockett, "Automatically Constructing a Corpus of Sentential Paraphrases", 2005.
    """

    splits = ("train", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 4_076, "test": 1_725}
    classes: ClassVar[list[str]] = ["not_equivalent", "equivalent"]
    _digests: ClassVar[dict[str, str]] = {
        "train": "793daf7b6224281e75fe61c1f80afe35",
        "test": "e437fdddb92535b820fe8852e2df8a49",
    }

    def _table(self) -> tuple[Sequence[str], Source]:
        name = f"msr_paraphrase_{self.split}.txt"
        url = f"https://dl.fbaipublicfiles.com/senteval/senteval_data/{name}"
        return (name,), Source(url, self._digests[self.split])

    def _sample(self, row: list[str]) -> tuple[Any, ...]:
        return int(row[0]), row[3], row[4]


class QQP(_Task):
    """Pairs of questions from Quora that ask the same (1) or not (0): (label, question, question). One part, train."""

    splits = ("train",)
    sizes: ClassVar[dict[str, int]] = {"train": 404_290}
    classes: ClassVar[list[str]] = ["not_duplicate", "duplicate"]
    _quoting = True

    def _table(self) -> tuple[Sequence[str], Source]:
        name = "quora_duplicate_questions.tsv"
        return (name,), Source(f"http://qim.fs.quoracdn.net/{name}", "b6d5672bd9dc1e66ab2bb020ebeafb8d")

    def _sample(self, row: list[str]) -> tuple[Any, ...]:
        return int(row[-1]), row[3], row[4]


class STSB(_Task):
    """Pairs of sentences by how like they are, 0 to 5: (number, score, sentence, sentence).

    Reference: Cer et al., "SemEval-2017 Task 1", https://arxiv.org/abs/1708.00055.
    """

    splits = ("train", "dev", "test")
    sizes: ClassVar[dict[str, int]] = {"train": 5_749, "dev": 1_500, "test": 1_379}
    _header = False

    def _table(self) -> tuple[Sequence[str], Source]:
        url = "http://ixa2.si.ehu.es/stswiki/images/4/48/Stsbenchmark.tar.gz"
        name = f"sts-{self.split}.csv"
        return (f"stsbenchmark/{name}", name), Source(url, "4eb0065aba063ef77873d3a9c8088811")

    def _sample(self, row: list[str]) -> tuple[Any, ...]:
        return int(row[3]), float(row[4]), row[5], row[6]


class MNLI(_Task):
    """Premises and hypotheses that follow (0), may or may not be (1), or contradict them (2): (label, premise, hypothesis).

    Pairs on which the judges did not agree are left out.

    Reference: Williams, Nangia and Bowman, "A Broad-Coverage Challenge Corpus for Sentence Understanding through
    Inference", https://arxiv.org/abs/1704.05426.
    """

    splits = ("train", "dev_matched", "dev_mismatched")
    sizes: ClassVar[dict[str, int]] = {"train": 392_702, "dev_matched": 9_815, "dev_mismatched": 9_832}
    classes: ClassVar[list[str]] = ["entailment", "neutral", "contradiction"]

    def _table(self) -> tuple[Sequence[str], Source]:
        source = Source("https://cims.nyu.edu/~sbowman/multinli/multinli_1.0.zip", "0f70aaf66293b3c088a864891db51353")
        name = f"multinli_1.0_{self.split}.txt"
        return (f"multinli_1.0/{name}", name), source

    def _sample(self, row: list[str]) -> tuple[Any, ...] | None:
        return (self.classes.index(row[0]), row[5], row[6]) if row[0] in self.classes else None


class _Inference(_Task):
    """Pairs that do (0) or do not (1) follow one from the other: (label, first, second), without label for the test."""

    splits = ("train", "dev", "test")
    classes: ClassVar[list[str]] = list(_ENTAILMENT)

    def _sample(self, row: list[str]) -> tuple[Any, ...]:
        return (row[1], row[2]) if self.split == "test" else (self._label(row[3]), row[1], row[2])

    def _label(self, name: str) -> int:
        return _ENTAILMENT[name]


class QNLI(_Inference):
    """Questions and sentences that answer them (0) or do not (1): (label, question, sentence); the test has no labels."""

    sizes: ClassVar[dict[str, int]] = {"train": 104_743, "dev": 5_463, "test": 5_463}
    _table = _in_folder("QNLI", Source(_GLUE + "QNLIv2.zip", "b4efd6554440de1712e9b54e14760e82"))


class RTE(_Inference):
    """Texts and sentences that follow from them (0) or do not (1): (label, text, sentence); the test has no labels."""

    sizes: ClassVar[dict[str, int]] = {"train": 2_490, "dev": 277, "test": 3_000}
    _table = _in_folder("RTE", Source(_GLUE + "RTE.zip", "bef554d0cafd4ab6743488101c638539"))


class WNLI(_Inference):
    """Sentences, and others with a pronoun resolved, that do (1) or do not (0) follow: (label, sentence, sentence)."""

    sizes: ClassVar[dict[str, int]] = {"train": 635, "dev": 71, "test": 146}
    classes: ClassVar[list[str]] = ["not_entailment", "entailment"]
    _table = _in_folder("WNLI", Source(_GLUE + "WNLI.zip", "a1b4bd2861017d302d29e42139657a42"))

    def _label(self, name: str) -> int:
        return int(name)
