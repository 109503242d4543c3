"""Small trees in the layout of each data set: what its archive, or its file, holds."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any, NamedTuple

SQUAD = json.dumps(
    {
        "data": [
            {
                "title": "t",
                "paragraphs": [
                    {
                        "context": "A cat sat.",
                        "qas": [
                            {
                                "id": "q1",
                                "question": "Who?",
                                "answers": [{"text": "A cat", "answer_start": 0}, {"text": "cat", "answer_start": 2}],
                            },
                            {"id": "q2", "question": "Why?", "answers": []},
                        ],
                    }
                ],
            }
        ]
    }
)
ZHANG = '"2","A ""title""","The body\\nof it, all"\n"1","Second","b"\n'
ZHANG_SAMPLES = [(2, 'A "title" The body\\nof it, all'), (1, "Second b")]
COLUMNS = "In IN B-PP\nEurope NNP B-NP\n\nYes UH B-INTJ\n"
TALK = '<url>http://x</url>\n<title>t</title>\n<doc docid="1">\n {0} one \n{0} <b>two</b>\n</doc>\n'
SEGMENTS = (
    '<?xml version="1.0"?><srcset><doc><seg id="1"> {0} &amp; one </seg>\n<seg id="2">{0} two</seg></doc></srcset>'
)


class Layout(NamedTuple):
    """A data set's part: the files by name, the archive they come in (None if each comes by itself), and the samples."""

    name: str
    files: dict[str, str | bytes]
    samples: list[Any]
    archive: str | None = None
    given: dict[str, Any] = {}  # noqa: RUF012

    @property
    def id(self) -> str:
        return "-".join([self.name, *map(str, self.given.values())])


def zhang(name: str, archive: str) -> Layout:
    folder = archive.removesuffix(".tar.gz")
    return Layout(name, {f"{folder}/test.csv": ZHANG}, ZHANG_SAMPLES, archive, {"split": "test"})


def glue(name: str, folder: str, archive: str, split: str, table: str, samples: list[Any]) -> Layout:
    return Layout(name, {f"{folder}/{split}.tsv": table}, samples, archive, {"split": split})


def story(address: str) -> str:
    return f"{hashlib.sha1(address.encode()).hexdigest()}.story"


INFERENCE = 'index\tfirst\tsecond\tlabel\n0\tsays "so\tb\t{}\n'
MNLI_ROW = '{}\t1\tx\tx\tx\tA dog\tAn "animal\n'
LAYOUTS = [
    Layout("AG_NEWS", {"test.csv": ZHANG}, ZHANG_SAMPLES, None, {"split": "test"}),
    zhang("DBpedia", "dbpedia_csv.tar.gz"),
    zhang("YelpReviewPolarity", "yelp_review_polarity_csv.tar.gz"),
    zhang("YelpReviewFull", "yelp_review_full_csv.tar.gz"),
    zhang("AmazonReviewPolarity", "amazon_review_polarity_csv.tar.gz"),
    zhang("AmazonReviewFull", "amazon_review_full_csv.tar.gz"),
    zhang("YahooAnswers", "yahoo_answers_csv.tar.gz"),
    zhang("SogouNews", "sogou_news_csv.tar.gz"),
    Layout(
        "IMDB",
        {"aclImdb/train/pos/0_9.txt": "good", "aclImdb/train/neg/1_1.txt": "bad\u00e9", "aclImdb/train/unsup/2_0.txt": "?"},
        [(1, "bad\u00e9"), (2, "good")],
        "aclImdb_v1.tar.gz",
        {"split": "train"},
    ),
    glue("SST2", "SST-2", "SST-2.zip", "dev", 'sentence\tlabel\na "fine film \t1\n', [('a "fine film', 1)]),
    glue("SST2", "SST-2", "SST-2.zip", "test", "index\tsentence\n0\ta film\n", [("a film",)]),
    glue("QNLI", "QNLI", "QNLIv2.zip", "train", INFERENCE.format("entailment"), [(0, 'says "so', "b")]),
    glue("RTE", "RTE", "RTE.zip", "train", INFERENCE.format("not_entailment"), [(1, 'says "so', "b")]),
    glue("RTE", "RTE", "RTE.zip", "test", INFERENCE.format(""), [('says "so', "b")]),
    glue("WNLI", "WNLI", "WNLI.zip", "dev", INFERENCE.format("1"), [(1, 'says "so', "b")]),
    Layout(
        "CoLA", {"cola_public/raw/out_of_domain_dev.tsv": 'gj04\t0\t*\tHe "go.\n'}, [("gj04", 0, 'He "go.')], "cola_public_1.1.zip",
        {"split": "test"},
    ),
    Layout(
        "MRPC", {"msr_paraphrase_train.txt": '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tOne "a\tTwo\n'},
        [(1, 'One "a', "Two")], None, {"split": "train"},
    ),
    Layout(
        "QQP", {"quora_duplicate_questions.tsv": 'id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tWhy?\t"How ""so""\nthen?"\t1\n'},
        [(1, "Why?", 'How "so"\nthen?')],
    ),
    Layout(
        "STSB", {"stsbenchmark/sts-dev.csv": "main\tf\t2012\t0001\t5.000\tA plane\tAn air plane\tlicence\n"},
        [(1, 5.0, "A plane", "An air plane")], "Stsbenchmark.tar.gz", {"split": "dev"},
    ),
    Layout(
        "MNLI", {"multinli_1.0/multinli_1.0_dev_matched.txt": "gold_label\ta\tb\tc\td\te\tf\n" + "".join(map(MNLI_ROW.format, ("neutral", "-", "contradiction")))},
        [(1, "A dog", 'An "animal'), (2, "A dog", 'An "animal')], "multinli_1.0.zip", {"split": "dev_matched"},
    ),
    Layout("WikiText2", {"wikitext-2/wiki.valid.tokens": " \n = T = \n \u2028 a <unk> . \n"}, [" ", " = T = ", " \u2028 a <unk> . "], "wikitext-2-v1.zip", {"split": "valid"}),
    Layout("WikiText103", {"wikitext-103/wiki.test.tokens": "a\r\nb"}, ["a", "b"], "wikitext-103-v1.zip", {"split": "test"}),
    Layout("PennTreebank", {"ptb.valid.txt": " no it was n't \n N years \n"}, ["no it was n't", "N years"], None, {"split": "valid"}),
    Layout("EnWik9", {"enwik9": "<mediawiki>\n  <page>"}, ["<mediawiki>", "  <page>"], "enwik9.zip"),
    Layout(
        "Multi30k", {"val.de.gz": gzip.compress(b"Ein Hund.\nZwei.\n"), "val.fr.gz": gzip.compress(b"Un chien.\nDeux.\n")},
        [("Ein Hund.", "Un chien."), ("Zwei.", "Deux.")], None, {"split": "valid", "language_pair": ("de", "fr")},
    ),
    Layout("UDPOS", {"en-ud-v2/en-ud-tag.v2.dev.txt": "New York\tPROPN\tNNP\nis\tAUX\tVBZ\n\n"}, [(["New York", "is"], ["PROPN", "AUX"], ["NNP", "VBZ"])], "en-ud-v2.zip", {"split": "valid"}),
    Layout(
        "CoNLL2000Chunking", {"test.txt.gz": gzip.compress(COLUMNS.encode())},
        [(["In", "Europe"], ["IN", "NNP"], ["B-PP", "B-NP"]), (["Yes"], ["UH"], ["B-INTJ"])], None, {"split": "test"},
    ),
    Layout("SQuAD1", {"dev-v1.1.json": SQUAD}, [("A cat sat.", "Who?", ["A cat", "cat"], [0, 2]), ("A cat sat.", "Why?", [""], [-1])], None, {"split": "dev"}),
    Layout("SQuAD2", {"train-v2.0.json": SQUAD}, [("A cat sat.", "Who?", ["A cat", "cat"], [0, 2]), ("A cat sat.", "Why?", [""], [-1])], None, {"split": "train"}),
]  # fmt: skip
