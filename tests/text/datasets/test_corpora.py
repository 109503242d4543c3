"""Lines, parallel lines, folders, columns and blocks of tokens."""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest

import framework
from framework.data import DataLoader
from framework.errors import ArgumentError, ShapeError
from framework.io import FileFormatError
from text.datasets import ConllDataset, DatasetNotFound, LineCorpus, ParallelCorpus, Strings, TextFolder, TokenBlocks
from text.datasets import strings as module


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\r\n\r\nb\r", ["a", "", "b\r"]), ("\n\na", ["", "", "a"]),
        ("\ufeffa\nb", ["a", "b"]), ("\u2028\x0b\n\x85", ["\u2028\x0b", "\x85"]), ("\u00e9\U0001f600\n", ["\u00e9\U0001f600"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_lines(tmp_path, content, lines, packed, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 3)
    path = write(tmp_path / "f.txt", gzip.compress(content.encode()) if packed else content)
    corpus = LineCorpus(path)
    assert list(corpus) == lines and len(corpus) == len(lines)
    again = pickle.loads(pickle.dumps(corpus))
    assert list(again.lines) == lines == list(corpus.lines[:]) and corpus.lines == lines
    assert list(pickle.loads(pickle.dumps(corpus.lines[1:]))) == lines[1:]


def test_strings():
    texts = Strings.of(["a", "", "b\u00e9", "\ud800"])
    assert texts.sizes.tolist() == [1, 0, 3, 3] and texts[-1] == "\ud800" and "b\u00e9" in texts
    assert list(texts.select([2, 0])) == ["b\u00e9", "a"] and texts[::-1][0] == "\ud800"
    with pytest.raises(IndexError, match="text 4 is out of range for 4"):
        texts[4]
    assert repr(texts[:2]) == "Strings(['a', ''], 2 texts)"
    assert list(Strings.of([])) == []


def test_corpora(tmp_path):
    path = write(tmp_path / "a.txt", "One\n \nTwo\n")
    assert list(LineCorpus(path, skip_empty=True, transform=str.lower)) == ["one", "two"]
    other = write(tmp_path / "b.txt", "Eins\n\nZwei")
    pairs = ParallelCorpus(path, other, transforms=[None, str.upper])
    assert pairs[2] == ("Two", "ZWEI") and next(iter(ParallelCorpus(path, other, path))) == ("One", "Eins", "One")
    write(other, "Eins")
    with pytest.raises(FileFormatError, match=r"a\.txt 3, .*b\.txt 1"):
        ParallelCorpus(path, other)
    with pytest.raises(ArgumentError, match="expected 2 transforms"):
        ParallelCorpus(path, path, transforms=[None])
    with pytest.raises(ArgumentError, match="at least one file"):
        ParallelCorpus()
    with pytest.raises(DatasetNotFound, match="there is no file"):
        LineCorpus(tmp_path / "c.txt")
    write(path, b"fine\n\xff\n")
    with pytest.raises(FileFormatError, match="text 1 is not UTF-8"):
        list(LineCorpus(path))
    batches = DataLoader(LineCorpus(write(tmp_path / "d.txt", "a\nb\nc")), batch_size=2, num_workers=1)
    assert list(batches) == [["a", "b"], ["c"]]


def test_folder(tmp_path):
    write(tmp_path / "neg/1.txt", "bad")
    write(tmp_path / "pos/b/2.txt", "good\n")
    write(tmp_path / "pos/3.md", "no")
    data = TextFolder(tmp_path)
    assert (
        [data[i] for i in range(2)] == [("bad", 0), ("good\n", 1)] and data.classes == ["neg", "pos"] and len(data) == 2
    )
    assert TextFolder(tmp_path, ["pos", "neg"], transform=str.strip)[0] == ("good", 0)
    with pytest.raises(DatasetNotFound, match=r"no text \(\.txt\)"):
        TextFolder(tmp_path, ["other"])
    with pytest.raises(DatasetNotFound, match="there is no folder"):
        TextFolder(tmp_path / "x")
    write(tmp_path / "neg/1.txt", b"\xff")
    with pytest.raises(FileFormatError, match=r"1\.txt: not a text in UTF-8"):
        TextFolder(tmp_path)


def test_columns(tmp_path):
    text = "# sent_id = 1\n1\tNew York\tPROPN\n2\tis\tAUX\n\n\n1\tYes\tINTJ\n"
    data = ConllDataset(write(tmp_path / "c.conllu", text), columns=(1, -1), separator="\t", comments="#")
    assert list(data) == [(["New York", "is"], ["PROPN", "AUX"]), (["Yes"], ["INTJ"])]
    assert data.tags() == ["AUX", "INTJ", "PROPN"]
    assert ConllDataset(tmp_path / "c.conllu", (1,), "\t", "#", transform=lambda sentence: len(sentence[0]))[0] == 2
    with pytest.raises(FileFormatError, match="not a file of columns"):
        ConllDataset(tmp_path / "c.conllu", (5,), "\t", "#")
    with pytest.raises(FileFormatError, match="line 3 has 3 columns, the one before 4"):
        ConllDataset(tmp_path / "c.conllu", comments="#")


@pytest.mark.parametrize(
    ("length", "size", "stride", "blocks"),
    [(7, 3, None, 2), (7, 3, 1, 4), (3, 3, None, 0), (0, 3, None, 0), (4, 3, 5, 1)],
)
def test_blocks(length, size, stride, blocks):
    data = TokenBlocks(framework.arange(length), size, stride)
    assert len(data) == blocks
    for number in range(blocks):
        inputs, targets = data[number]
        start = number * (stride or size)
        assert inputs.tolist() == list(range(start, start + size)) and targets.tolist() == list(
            range(start + 1, start + size + 1)
        )
    if blocks:
        assert data[-1][0].tolist() == data[blocks - 1][0].tolist()
    with pytest.raises(IndexError, match="out of range"):
        data[blocks]


def test_blocks_of_mapped_tokens(tmp_path):
    np.arange(100, dtype=np.uint16).tofile(tmp_path / "tokens.bin")
    data = TokenBlocks(np.memmap(tmp_path / "tokens.bin", np.uint16, "r"), 9)
    inputs, targets = next(iter(DataLoader(data, batch_size=4, shuffle=True)))
    assert inputs.shape == (4, 9) and inputs.dtype == framework.int64 and bool((targets == inputs + 1).all())
    with pytest.raises(ShapeError, match="expected token numbers"):
        TokenBlocks([0.5], 1)
    with pytest.raises(ArgumentError, match="must be positive"):
        TokenBlocks([1, 2], 0)


def test_real_corpora(realdata):
    names = LineCorpus(realdata / "names" / "names.txt")
    assert len(names) == 32_033 and names[0] == "emma" and all(name.isalpha() for name in names)
    text = (realdata / "tinyshakespeare" / "input.txt").read_text()
    assert len(text) == 1_115_394
    lines = LineCorpus(realdata / "tinyshakespeare" / "input.txt")
    assert len(lines) == text.count("\n") and lines[0] == "First Citizen:" and "\n".join(lines) + "\n" == text
    characters = np.frombuffer(text.encode(), np.uint8)
    assert len(TokenBlocks(characters, 64)) == (1_115_394 - 1) // 64
