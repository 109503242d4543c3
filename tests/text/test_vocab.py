"""Vocabularies, as torchtext's documentation describes them."""

from __future__ import annotations

import copy
import pickle
from collections import Counter, OrderedDict

import pytest

from framework import nn
from text.vocab import Vocab, build_vocab_from_iterator, vocab

TEXTS = [["b", "a", "b"], ["c", "b", "d"], ["d"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["b", "d", "a", "c"]),
        ({"min_freq": 2}, ["b", "d"]),
        ({"specials": ["<unk>", "<pad>"]}, ["<unk>", "<pad>", "b", "d", "a", "c"]),
        ({"specials": ["<unk>"], "special_first": False}, ["b", "d", "a", "c", "<unk>"]),
        ({"specials": ["<unk>"], "max_tokens": 3}, ["<unk>", "b", "d"]),
        ({"specials": ["d"], "max_tokens": 3}, ["d", "b"]),
    ],
)
def test_build(options, expected):
    assert build_vocab_from_iterator(iter(TEXTS), **options).get_itos() == expected


def test_build_without_room():
    with pytest.raises(ValueError, match="max_tokens, 2"):
        build_vocab_from_iterator(TEXTS, specials=["<unk>", "<pad>"], max_tokens=2)


def test_vocab_keeps_the_order():
    counts = OrderedDict([("x", 1), ("<unk>", 9), ("y", 3)])
    assert vocab(counts, specials=["<unk>"]).get_itos() == ["<unk>", "x", "y"]
    assert vocab(counts, min_freq=2).get_itos() == ["<unk>", "y"]
    assert vocab(Counter("aab")).get_stoi() == {"a": 0, "b": 1}
    assert len(counts) == 3


def test_lookups():
    words = Vocab(["<unk>", "a", "b"])
    assert len(words) == 3 and "a" in words and "z" not in words
    assert words["b"] == 2 and words(["b", "a"]) == [2, 1] == words.lookup_indices(["b", "a"])
    assert words.lookup_token(1) == "a" and words.lookup_tokens([2, 0]) == ["b", "<unk>"]
    with pytest.raises(RuntimeError, match="no token 'z'"):
        words["z"]
    with pytest.raises(RuntimeError, match="no token 'z'"):
        words(["a", "z"])
    words.set_default_index(words["<unk>"])
    assert words.get_default_index() == 0 and words(["z", "b"]) == [0, 2] and words["z"] == 0
    assert "z" not in words and len(words) == 3
    words.set_default_index(None)
    with pytest.raises(RuntimeError):
        words["z"]
    for index in (-1, 3):
        with pytest.raises(IndexError):
            words.lookup_token(index)


def test_changes():
    words = Vocab(["a", "c"], default_index=1)
    words.insert_token("b", 1)
    words.append_token("d")
    assert words.get_itos() == ["a", "b", "c", "d"] and words(["d", "b", "z"]) == [3, 1, 1]
    for change in (lambda: words.append_token("a"), lambda: words.insert_token("a", 0), lambda: Vocab(["a", "a"])):
        with pytest.raises(RuntimeError, match="'a' is there already"):
            change()
    with pytest.raises(IndexError):
        words.insert_token("e", 9)
    assert words.get_itos() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda words: pickle.loads(pickle.dumps(words))])
def test_copies(way):
    words = way(Vocab(["a", "b"], default_index=1))
    assert words(["a", "z"]) == [0, 1] and words.get_itos() == ["a", "b"]


def test_is_a_module():
    words = Vocab(["a"])
    assert nn.Sequential(words)(["a"]) == [0] and not list(words.parameters())
    assert "1 tokens" in repr(words)


def test_wrong_tokens():
    with pytest.raises(ValueError, match="strings, got 3"):
        Vocab(["a", 3])
