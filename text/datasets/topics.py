"""Articles, reviews and questions with classes, in CSV: the sets of Zhang, Zhao and LeCun.

Reference: Zhang, Zhao and LeCun, "Character-level Convolutional Networks for Text Classification",
https://arxiv.org/abs/1509.01626.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from hub.archives import google_drive
from hub.dataset_files import reading
from text.datasets.named import NamedDataset, Rows, Source
from text.datasets.reading import read_delimited
from text.datasets.strings import Strings


class _Topics(NamedDataset):
    """Samples are (class, text): the class counts from 1, the text is the title and the body joined by a blank."""

    splits = ("train", "test")
    classes: ClassVar[list[str]]
    _source: ClassVar[Source]

    def _tables(self) -> tuple[Sequence[str], Source]:
        """The names that the part's file may have, and where it comes from."""
        folder = self._source.file.removesuffix(".tar.gz")
        return (f"{folder}/{self.split}.csv", f"{self.split}.csv"), self._source

    def _read(self) -> Sequence[Any]:
        path = self._file(*self._tables())
        numbers: list[int] = []

        def texts() -> Any:
            for row in read_delimited(path, ",", quoting=True, strict=False):
                numbers.append(int(row[0]))
                yield " ".join(row[1:])

        with reading(path, "a table of classes and texts"):
            column = Strings.of(texts())
            if numbers and not 1 <= min(numbers) <= max(numbers) <= len(self.classes):
                raise ValueError(f"its classes are not 1 to {len(self.classes)}")
        return Rows(np.array(numbers, np.int64), column)


class AG_NEWS(_Topics):
    """News of the classes world, sports, business, and science and technology; 120,000 for training, 7,600 for test."""

    sizes: ClassVar[dict[str, int]] = {"train": 120_000, "test": 7_600}
    classes: ClassVar[list[str]] = ["World", "Sports", "Business", "Sci/Tech"]
    _URL: ClassVar[str] = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/"
    _digests: ClassVar[dict[str, str]] = {
        "train": "b1a00f826fdfbd249f79597b59e1dc12",
        "test": "d52ea96a97a2d943681189a97654912d",
    }

    def _tables(self) -> tuple[Sequence[str], Source]:
        name = f"{self.split}.csv"
        return (name, f"ag_news_csv/{name}"), Source(self._URL + name, self._digests[self.split])


class DBpedia(_Topics):
    """Wikipedia's titles and abstracts by 14 kinds of things; 560,000 for training, 70,000 for test."""

    sizes: ClassVar[dict[str, int]] = {"train": 560_000, "test": 70_000}
    classes: ClassVar[list[str]] = [
        "Company", "EducationalInstitution", "Artist", "Athlete", "OfficeHolder", "MeanOfTransportation", "Building",
        "NaturalPlace", "Village", "Animal", "Plant", "Album", "Film", "WrittenWork",
    ]  # fmt: skip
    _source = Source(
        google_drive("0Bz8a_Dbh9QhbQ2Vic1kxMmZZQ1k"), "dca7b1ae12b1091090db52aa7ec5ca64", "dbpedia_csv.tar.gz"
    )


class YelpReviewPolarity(_Topics):
    """Yelp reviews, of 1 and 2 stars (class 1) or of 3 and 4 (class 2); 560,000 for training, 38,000 for test."""

    sizes: ClassVar[dict[str, int]] = {"train": 560_000, "test": 38_000}
    classes: ClassVar[list[str]] = ["negative", "positive"]
    _source = Source(
        google_drive("0Bz8a_Dbh9QhbNUpYQ2N3SGlFaDg"),
        "620c8ae4bd5a150b730f1ba9a7c6a4d3",
        "yelp_review_polarity_csv.tar.gz",
    )


class YelpReviewFull(_Topics):
    """Yelp reviews by their 1 to 5 stars; 650,000 for training, 50,000 for test."""

    sizes: ClassVar[dict[str, int]] = {"train": 650_000, "test": 50_000}
    classes: ClassVar[list[str]] = ["1", "2", "3", "4", "5"]
    _source = Source(
        google_drive("0Bz8a_Dbh9QhbZlU4dXhHTFhZQU0"), "f7ddfafed1033f68ec72b9267863af6c", "yelp_review_full_csv.tar.gz"
    )


class AmazonReviewPolarity(_Topics):
    """Amazon reviews, of 1 and 2 stars (class 1) or of 4 and 5 (class 2); 3,600,000 for training, 400,000 for test."""

    sizes: ClassVar[dict[str, int]] = {"train": 3_600_000, "test": 400_000}
    classes: ClassVar[list[str]] = ["negative", "positive"]
    _source = Source(
        google_drive("0Bz8a_Dbh9QhbaW12WVVZS2drcnM"),
        "fe39f8b653cada45afd5792e0f0e8f9b",
        "amazon_review_polarity_csv.tar.gz",
    )


class AmazonReviewFull(_Topics):
    """Amazon reviews by their 1 to 5 stars; 3,000,000 for training, 650,000 for test."""

    sizes: ClassVar[dict[str, int]] = {"train": 3_000_000, "test": 650_000}
    classes: ClassVar[list[str]] = ["1", "2", "3", "4", "5"]
    _source = Source(
        google_drive("0Bz8a_Dbh9QhbZVhsUnRWRDhETzA"),
        "57d28bd5d930e772930baddf36641c7c",
        "amazon_review_full_csv.tar.gz",
    )


class YahooAnswers(_Topics):
    """Questions, with their best answers, on 10 topics; 1,400,000 for training, 60,000 for test."""

    sizes: ClassVar[dict[str, int]] = {"train": 1_400_000, "test": 60_000}
    classes: ClassVar[list[str]] = [
        "Society & Culture", "Science & Mathematics", "Health", "Education & Reference", "Computers & Internet", "Sports",
        "Business & Finance", "Entertainment & Music", "Family & Relationships", "Politics & Government",
    ]  # fmt: skip
    _source = Source(
        google_drive("0Bz8a_Dbh9Qhbd2JNdDBsQUdocVU"), "f3f9899b997a42beb24157e62e3eea8d", "yahoo_answers_csv.tar.gz"
    )


class SogouNews(_Topics):
    """Chinese news in pinyin, of 5 topics; 450,000 for training, 60,000 for test."""

    sizes: ClassVar[dict[str, int]] = {"train": 450_000, "test": 60_000}
    classes: ClassVar[list[str]] = ["sports", "finance", "entertainment", "automobile", "technology"]
    _source = Source(
        google_drive("0Bz8a_Dbh9QhbUkVqNEszd0pHaFE"), "0c1700ba70b73f964dd8de569d3fd03e", "sogou_news_csv.tar.gz"
    )
