"""Tables of texts: columns found or named, in every format, whole and broken."""

from __future__ import annotations

import bz2
import gzip
import json
import pickle

import numpy as np
import pytest

from framework.errors import ArgumentError
from framework.io import FileFormatError
from text.datasets import DatasetNotFound, TextTable, find_tables

ROWS = [("good, really", "pos"), ('a "bad" one', "neg"), ("", "pos"), ("so\u2028so \u00e9", "neg")]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(folder, name, rows=ROWS, names=("text", "label")):
    """The rows in the format that the name says."""
    ending = name.partition(".")[2]
    if ending == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        import pyarrow

        parquet.write_table(pyarrow.table({n: [row[i] for row in rows] for i, n in enumerate(names)}), folder / name)
        return folder / name
    objects = [dict(zip(names, row)) for row in rows]
    if ending == "json":
        return write(folder / name, json.dumps(objects))
    if ending.startswith("jsonl"):
        content = "".join(json.dumps(o) + "\n" for o in objects) + "\n"
    elif ending.startswith("csv"):
        content = "\r\n".join(",".join('"' + str(c).replace('"', '""') + '"' for c in row) for row in [names, *rows])
    else:
        content = "".join("\t".join(map(str, row)) + "\n" for row in [names, *rows])
    packer = {"gz": gzip.compress, "bz2": bz2.compress}.get(ending.rpartition(".")[2], bytes)
    return write(folder / name, packer(content.encode()))


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "json", "jsonl", "parquet", "csv.gz", "tsv.bz2", "jsonl.gz"])
def test_formats(tmp_path, ending):
    data = TextTable(table(tmp_path, f"reviews.{ending}"))
    assert list(data.texts) == [text for text, _ in ROWS]
    assert data.classes == ["neg", "pos"] and data.targets.tolist() == [1, 0, 1, 0]
    assert [data[i] for i in range(len(data))] == [(text, int(label == "pos")) for text, label in ROWS]
    assert data.class_to_idx == {"neg": 0, "pos": 1} and data.columns == ["text", "label"]
    again = pickle.loads(pickle.dumps(data))
    assert again[-1] == data[-1] and list(again.texts) == list(data.texts)


@pytest.mark.parametrize(
    ("content", "given", "texts", "targets", "classes"),
    [
        ("good\t1\nbad\t0\nfine\t1\n", {}, ["good", "bad", "fine"], [1, 0, 1], ["0", "1"]),  # no header
        ("3\tA t\tb\n1\tC\td\n3\tE\tf\n", {}, ["A t b", "C d", "E f"], [1, 0, 1], ["1", "3"]),  # two texts
        ("review\tstars\ngood\t10\nbad\t9\n", {}, ["good", "bad"], [1, 0], ["9", "10"]),  # numbers by size
        ("phrase\tkind\na b\tx\nc d\ty\ne f\tx\ng h\ty\n", {}, ["a b", "c d", "e f", "g h"], [0, 1, 0, 1], ["x", "y"]),  # names unknown
        ("id\tphrase\tlabel\n1\ta b\tx\n2\tc\ty\n", {}, ["a b", "c"], [0, 1], ["x", "y"]),  # the longest
        ("id\tmine\tyours\n1\ta\tx\n2\tb\ty\n", {"text": "mine", "label": "yours"}, ["a", "b"], [0, 1], ["x", "y"]),
        ("1\ta\tx\n2\tb\ty\n", {"text": 1, "label": -1, "header": False}, ["a", "b"], [0, 1], ["x", "y"]),
        ("t\tbody\tlabel\na\tb\tx\n", {"text": ["t", "body"]}, ["a b"], [0], ["x"]),
        ("text\tscore\na\t1.5\nb\t2\n", {}, ["a", "b"], [1.5, 2.0], []),  # regression
        ("text\tscore\na\t1\nb\t5\n", {"labels": "number"}, ["a", "b"], [1.0, 5.0], []),
        ("text\tlabel\na\tx\nb\tz\n", {"classes": ["z", "y", "x"]}, ["a", "b"], [2, 0], ["z", "y", "x"]),
        ("only lines\nof text\n", {}, ["only lines", "of text"], None, []),
        ("text\n", {}, [], None, []),
        ("", {}, [], None, []),
        ('text\tlabel\n"quoted ""t"\tx\n', {"quoting": True}, ['quoted "t'], [0], ["x"]),
        ("text;label\na\tb;x\n", {"delimiter": ";"}, ["a\tb"], [0], ["x"]),
    ],
)  # fmt: skip
def test_columns(tmp_path, content, given, texts, targets, classes):
    data = TextTable(write(tmp_path / "t.tsv", content), **given)
    assert list(data.texts) == texts and data.classes == classes
    assert (None if data.targets is None else data.targets.tolist()) == targets
    if texts:
        assert data[0] == (texts[0], None if targets is None else targets[0])


@pytest.mark.parametrize("names", [("sentence1", "sentence2"), ("premise", "hypothesis"), ("question", "sentence")])
def test_pairs(tmp_path, names):
    path = table(tmp_path, "p.csv", [("a", "b", "yes"), ("c", "d", "no")], (*names, "label"))
    data = TextTable(path)
    assert data[0] == (("a", "b"), 1) and list(data.pairs) == ["b", "d"]
    named = TextTable(path, text=names[1], text_pair=names[0], label="label", transform=lambda pair: "+".join(pair))
    assert named[1] == ("d+c", 0)


def test_cells_longer_than_the_csv_module_likes(tmp_path):
    data = TextTable(table(tmp_path, "long.csv", [("x\ny," * 100_000, "a")]))
    assert len(data.texts[0]) == 400_000 and data.texts.sizes.tolist() == [400_000]


@pytest.mark.parametrize(
    ("name", "content", "given", "error", "words"),
    [
        ("t.csv", 'text,label\n"a,x\n', {}, FileFormatError, "not a table"),
        ("t.csv", b"text,label\n\xff,x\n", {}, FileFormatError, "not a table"),
        ("t.tsv", b"text\tlabel\n\xff\tx\n", {}, FileFormatError, "not UTF-8"),
        ("t.tsv", "text\tlabel\na\tx\nb\n", {}, FileFormatError, "row 1 has 1 cells"),
        ("t.csv", "text,label\na,b,x\n", {}, FileFormatError, "row 0 has 3 cells, the first line 2"),
        ("t.tsv", "a\tx\nb\tx\nc\td\tx\n", {}, FileFormatError, "row 2 has 3 cells, the first line 2"),
        ("t.csv.gz", b"\x1f\x8b\x08\0 broken", {}, FileFormatError, "not a table"),
        ("t.tsv.gz", b"\x1f\x8b\x08\0 broken", {}, FileFormatError, "broken"),
        ("t.json", "{}", {}, FileFormatError, "no objects"),
        ("t.json.gz", b"\x1f\x8b\x08\0 broken", {}, FileFormatError, "broken"),
        ("t.json", "[1]", {}, FileFormatError, "no objects"),
        ("t.jsonl", '{"text": 1}\n{', {}, FileFormatError, "not a table of JSON objects"),
        ("t.parquet", "PAR1 nothing", {}, FileFormatError, "not a Parquet file"),
        ("t.tsv", "text\tlabel\na\tx\n", {"classes": ["y"]}, FileFormatError, "row 0 is labelled 'x'"),
        ("t.tsv", "text\tlabel\na\tx\n", {"labels": "number"}, FileFormatError, "not all numbers"),
        ("t.tsv", "text\tlabel\na\tx\n", {"label": "lable"}, ArgumentError, "no column 'lable'.*nearest: label"),
        ("t.tsv", "text\tlabel\na\tx\n", {"label": 2}, ArgumentError, "has 2 columns, there is no number 2"),
        ("t.json", '[{"a": 1}]', {}, ArgumentError, "no column .* looks like a text"),
        ("t.tsv", "a\tb\n", {"labels": "x"}, ArgumentError, "labels must be"),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}', {}, FileFormatError, "row 1 has no label"),
        ("t.xls", "", {}, ArgumentError, "expected a table that ends in"),
    ],
)  # fmt: skip
def test_broken(tmp_path, name, content, given, error, words):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    write(tmp_path / name, content)
    with pytest.raises(error, match=words):
        TextTable(tmp_path / name, **given)


def test_missing(tmp_path):
    for name in ("a.tsv", "a.csv", "a.json", "a.jsonl", "a.parquet"):
        with pytest.raises(DatasetNotFound, match="there is no file"):
            TextTable(tmp_path / name)


def test_find_tables(tmp_path):
    with pytest.raises(DatasetNotFound, match="no table train"):
        find_tables(tmp_path / "nowhere")
    for name in ("train.tsv.gz", "dev.csv", "testing.jsonl", "notes.md", "train.md"):
        write(tmp_path / name, "")
    assert {split: path.name for split, path in find_tables(tmp_path).items()} == {
        "train": "train.tsv.gz", "val": "dev.csv", "test": "testing.jsonl",
    }  # fmt: skip
    write(tmp_path / "valid.tsv", "")
    with pytest.raises(ArgumentError, match="both for val"):
        find_tables(tmp_path)


def test_real_tables(realdata):
    tables = find_tables(realdata / "sst2")
    assert [len(TextTable(tables[split])) for split in ("train", "val", "test")] == [6920, 872, 1821]
    train = TextTable(tables["train"])
    assert train.classes == ["0", "1"] and train.columns is None
    assert train[0] == (
        "a stirring , funny and finally transporting re imagining of beauty and the beast and 1930s horror films", 1
    )  # fmt: skip
    news = TextTable(realdata / "ag-news-test" / "test.csv")
    assert (
        len(news) == 7600 and news.classes == ["1", "2", "3", "4"] and np.bincount(news.targets).tolist() == [1900] * 4
    )
    assert news.texts[0].startswith("Fears for T N pension after talks Unions representing")
