"""Word vectors from small files in each format."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
import pytest

import framework
from framework.io import FileFormatError
from text.vectors import CharNGram, FastText, GloVe, Vectors
from text.vocab import Vocab

WORDS = ["the", ". . .", "naïve", "dog", "Dog"]
NUMBERS = np.arange(15, dtype=np.float32).reshape(5, 3) / 8 - 1
PLAIN = "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(WORDS, NUMBERS)).encode()


def binary(newlines=True):
    body = b"".join(
        word.replace(" ", "_").encode() + b" " + row.tobytes() + b"\n" * newlines for word, row in zip(WORDS, NUMBERS)
    )
    return b"5 3\n" + body


def packed(kind, name, data):
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(name, data)
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            entry = tarfile.TarInfo(f"folder/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


FORMS = {
    "glove.txt": PLAIN,
    "wiki.vec": b"5 3\n" + PLAIN,
    "blanks.vec": b"5 3\n" + PLAIN.replace(b"\n", b" \n"),
    "crlf.txt": PLAIN.replace(b"\n", b"\r\n"),
    "last.txt": PLAIN.rstrip(b"\n"),
    "glove.txt.gz": gzip.compress(PLAIN),
    "glove.zip": packed("zip", "glove.txt", PLAIN),
    "glove.tar.gz": packed("tar", "glove.txt", PLAIN),
    "words.bin": binary(),
    "packed.bin": binary(newlines=False),
    "words.bin.gz": gzip.compress(binary()),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    words = [word.replace(" ", "_") for word in WORDS] if ".bin" in name else WORDS
    for _ in range(2):  # the second time from the cache
        found = Vectors(path, cache=tmp_path / "cache")
        assert found.itos == words and found.dim == 3 and len(found) == 5
        assert isinstance(found.vectors, framework.Tensor) and found.vectors.dtype == framework.float32
        np.testing.assert_array_equal(found.vectors.numpy(), NUMBERS)
        assert found.stoi["dog"] == 3 and "dog" in found and "cat" not in found
    assert len(list((tmp_path / "cache").iterdir())) == 2
    some = Vectors(path, cache=tmp_path / "none", vocab=["dog", "cat", "the"])
    assert some.itos == ["the", "dog"] and not (tmp_path / "none").exists()
    np.testing.assert_array_equal(some.vectors.numpy(), NUMBERS[[0, 3]])
    assert Vectors(path, cache=tmp_path / "cache", max_vectors=2).itos == words[:2]


def test_lookups(tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(PLAIN)
    found = Vectors(path, cache=tmp_path)
    np.testing.assert_array_equal(found["dog"].numpy(), NUMBERS[3])
    np.testing.assert_array_equal(found["cat"].numpy(), np.zeros(3))
    rows = found.get_vecs_by_tokens(["Dog", "cat", "THE"])
    np.testing.assert_array_equal(rows.numpy(), [NUMBERS[4], np.zeros(3), np.zeros(3)])
    rows = found.get_vecs_by_tokens(["Dog", "cat", "THE"], lower_case_backup=True)
    np.testing.assert_array_equal(rows.numpy(), [NUMBERS[4], np.zeros(3), NUMBERS[0]])
    assert found.get_vecs_by_tokens("dog").shape == (3,) and found.get_vecs_by_tokens([]).shape == (0, 3)
    ones = Vectors(path, cache=tmp_path, unk_init=lambda zeros: zeros + 1)
    np.testing.assert_array_equal(ones["cat"].numpy(), np.ones(3))
    np.testing.assert_array_equal(ones.get_vecs_by_tokens(["cat", "dog"]).numpy(), [np.ones(3), NUMBERS[3]])
    some = Vectors(path, vocab=Vocab(["<unk>", "dog"]))
    assert some.itos == ["dog"]


def test_mapped_and_not_written_through(tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(PLAIN)
    found = Vectors(path, cache=tmp_path)
    base = found.vectors.numpy()
    while not isinstance(base, np.memmap) and base.base is not None and isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    found.vectors.zero_()
    np.testing.assert_array_equal(Vectors(path, cache=tmp_path).vectors.numpy(), NUMBERS)


def test_a_changed_file_is_read_anew(tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(PLAIN)
    assert len(Vectors(path, cache=tmp_path)) == 5
    path.write_bytes(PLAIN + b"more 1 2 3\n")
    assert len(Vectors(path, cache=tmp_path)) == 6


def test_twice_the_same_word(tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(b"a 1 2\nb 3 4\na 5 6\n")
    found = Vectors(path, cache=tmp_path)
    assert found.itos == ["a", "b"] and found["a"].tolist() == [1, 2]


BROKEN = {
    "ragged.txt": (b"a 1 2 3\nb 1 2\n", "line 2: expected a word and 3 numbers"),
    "letters.txt": (b"a 1 2 3\nb 1 x 3\n", "up to line 2: could not convert string 'x'"),
    "empty.txt": (b"", "line 1"),
    "short.bin": (binary()[:-9], "cut short: 4 of 5"),
    "head.bin": (b"no header", "first line"),
    "zero.bin": (b"1 0\na \n", "first line"),
    "lying.bin": (b"99999999999 3\n" + binary()[4:], "cut short: 5 of 99999999999"),
    "wide.bin": (b"1 99999999\na 1234", "cut short"),
    "broken.zip": (b"PK\x03\x04 nothing", "damaged"),
    "broken.txt.gz": (gzip.compress(PLAIN)[:-12], "damaged"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(tmp_path, name):
    data, words = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FileFormatError, match=words) as caught:
        Vectors(tmp_path / name, cache=tmp_path / "cache")
    assert name in str(caught.value)
    assert not list((tmp_path / "cache").glob("*"))


def test_absent(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        Vectors(tmp_path / "none.txt")
    with pytest.raises(FileFormatError, match="one file"):
        path = tmp_path / "two.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", PLAIN)
            archive.writestr("b.txt", PLAIN)
        Vectors(path, cache=tmp_path)


def test_names(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as archive:
        archive.writestr("glove.6B.50d.txt", b"other 1 2\n")
        archive.writestr("glove.6B.100d.txt", PLAIN)
    assert GloVe("6B", dim=100, cache=tmp_path).itos == WORDS
    (tmp_path / "wiki.en.vec").write_bytes(b"5 3\n" + PLAIN)
    assert FastText("en", cache=tmp_path).itos == WORDS
    with pytest.raises(ValueError, match="50, 100, 200, 300"):
        GloVe("6B", dim=25)
    with pytest.raises(ValueError, match=r"twitter\.27B"):
        GloVe("7B")
    with pytest.raises(ValueError, match="hash"):
        FastText("no such language", cache=tmp_path)
    monkeypatch.setenv("HUB_OFFLINE", "1")
    with pytest.raises(RuntimeError, match=r"nlp\.stanford\.edu/data/glove\.840B\.300d\.zip.*c06db255"):
        GloVe(cache=tmp_path)


def test_from_an_address(tmp_path):
    source = tmp_path / "source.txt"
    source.write_bytes(PLAIN)
    import hashlib

    digest = hashlib.sha256(PLAIN).hexdigest()
    found = Vectors("mine.txt", cache=tmp_path / "cache", url=source.as_uri(), sha256=digest)
    assert found.itos == WORDS and (tmp_path / "cache" / "mine.txt").is_file()


def test_char_ngrams(tmp_path):
    rows = {"2gram-#BEGIN#a": [1, 1], "2gram-ab": [3, 3], "3gram-ab#END#": [5, 5], "4gram-#BEGIN#ab#END#": [7, 7]}
    data = "".join(f"{gram} {' '.join(map(str, row))}\n" for gram, row in rows.items()).encode()
    (tmp_path / "jmt_pre-trained_embeddings.tar.gz").write_bytes(packed("tar", "charNgram.txt", data))
    found = CharNGram(cache=tmp_path)
    assert found["ab"].tolist() == [4, 4] and found["zz"].tolist() == [0, 0]
    assert found.get_vecs_by_tokens(["ab", "zz"]).tolist() == [[4, 4], [0, 0]]


def test_struct_order(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(b"1 2\na " + struct.pack("<2f", 1.5, -2.0))
    assert Vectors(path, cache=tmp_path)["a"].tolist() == [1.5, -2.0]
