"""Calls of the tokenizer, beside transformers' own over the same files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import framework
from tests.text.peer import transformers
from text.tokenizers import Tokenizer, train_from_iterator

TEXTS = ["The quick brown fox jumps", "over", "naïve  café — 北京 & 🙂 lazy dogs!", "", "a b c d e f g h i j k l m n"]
PAIRS = ["a second text", "jumps over the lazy dog again", "x", "fox", ""]
WORDS = [["The", "quick", "foxes"], ["jumped"], ["über", "dogs", "!"]]
CORPUS = [*TEXTS, *PAIRS, "the quick brown foxes jumped over lazy dogs", "hello world"] * 4

CALLS = [
    {},
    {"padding": True},
    {"padding": "longest", "pad_to_multiple_of": 8},
    {"padding": "max_length", "max_length": 12, "truncation": True},
    {"padding": "max_length", "truncation": True},
    {"max_length": 6},
    {"truncation": "longest_first", "max_length": 9},
    {"truncation": "only_first", "max_length": 19},
    {"truncation": True, "max_length": 9, "stride": 2, "return_overflowing_tokens": True},
    {"padding": True, "padding_side": "left"},
    {"add_special_tokens": False, "padding": True, "return_length": True},
    {"return_offsets_mapping": True, "return_special_tokens_mask": True, "padding": True},
    {"return_token_type_ids": True, "return_attention_mask": False},
    {"return_token_type_ids": False, "padding": "do_not_pad", "truncation": "do_not_truncate"},
]
KINDS = ("wordpiece", "byte-bpe", "bpe", "unigram", "wordlevel")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Ours and theirs of every kind, from the folder that ours wrote."""
    peer = transformers()
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        made = train_from_iterator(kind, CORPUS, 90 if kind == "unigram" else 300, model_max_length=20)
        if kind == "byte-bpe":
            made.pad_token = made.eos_token
        made.save_pretrained(folder)
        found[kind] = Tokenizer.from_pretrained(folder), peer.AutoTokenizer.from_pretrained(folder)
    return found


def same(ours, theirs):
    assert dict(ours) == dict(theirs)
    for index, encoding in enumerate(theirs.encodings):
        assert ours.tokens(index) == encoding.tokens
        assert ours.word_ids(index) == encoding.word_ids
        assert ours.sequence_ids(index) == encoding.sequence_ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_calls(both, kind, call):
    ours, theirs = both[kind]
    same(ours(TEXTS, **call), theirs(TEXTS, **call))
    same(ours(TEXTS[0], **call), theirs(TEXTS[0], **call))
    same(ours(TEXTS[0], PAIRS[0], **call), theirs(TEXTS[0], PAIRS[0], **call))
    if call.get("truncation") != "only_first":  # some of the second texts alone are longer
        same(ours(TEXTS, PAIRS, **call), theirs(TEXTS, PAIRS, **call))


@pytest.mark.parametrize("kind", KINDS)
def test_words(both, kind):
    ours, theirs = both[kind]
    for call in ({}, {"padding": True, "truncation": True, "max_length": 7}):
        same(ours(WORDS, is_split_into_words=True, **call), theirs(WORDS, is_split_into_words=True, **call))
        same(ours(WORDS[0], is_split_into_words=True, **call), theirs(WORDS[0], is_split_into_words=True, **call))
        a = ours(WORDS, WORDS[::-1], is_split_into_words=True, **call)
        same(a, theirs(WORDS, WORDS[::-1], is_split_into_words=True, **call))


@pytest.mark.parametrize("kind", KINDS)
def test_only_second(both, kind):
    ours, theirs = both[kind]
    call = {"truncation": "only_second", "max_length": 12, "stride": 1, "return_overflowing_tokens": True}
    same(ours("fox", TEXTS[4], **call), theirs("fox", TEXTS[4], **call))


@pytest.mark.parametrize("side", ("left", "right"))
def test_truncation_side(both, side):
    ours, theirs = both["wordpiece"]
    ours.truncation_side = theirs.truncation_side = side
    try:
        same(ours(TEXTS, truncation=True, max_length=5), theirs(TEXTS, truncation=True, max_length=5))
    finally:
        ours.truncation_side = theirs.truncation_side = "right"


@pytest.mark.parametrize("kind", KINDS)
def test_the_rest_of_the_surface(both, kind):
    ours, theirs = both[kind]
    for name in (
        "vocab_size", "model_max_length", "padding_side", "truncation_side", "model_input_names", "pad_token",
        "pad_token_id", "eos_token_id", "unk_token_id", "cls_token_id", "mask_token_id", "bos_token", "sep_token",
        "max_len_single_sentence", "max_len_sentences_pair", "all_special_tokens", "all_special_ids",
    ):  # fmt: skip
        assert getattr(ours, name) == getattr(theirs, name), name
    assert len(ours) == len(theirs)
    assert ours.get_vocab() == theirs.get_vocab()
    ids = ours(TEXTS)["input_ids"]
    assert ours.tokenize(TEXTS[2]) == theirs.tokenize(TEXTS[2])
    assert ours.convert_ids_to_tokens(ids[0]) == theirs.convert_ids_to_tokens(ids[0])
    assert ours.convert_ids_to_tokens(ids[0], True) == theirs.convert_ids_to_tokens(ids[0], skip_special_tokens=True)
    for skip in (False, True):
        assert ours.batch_decode(ids, skip_special_tokens=skip) == theirs.batch_decode(ids, skip_special_tokens=skip)
        assert ours.decode(ids[0], skip_special_tokens=skip) == theirs.decode(ids[0], skip_special_tokens=skip)
    tokens = ours.tokenize(TEXTS[0])
    assert ours.convert_tokens_to_string(tokens) == theirs.convert_tokens_to_string(tokens)
    assert ours.convert_tokens_to_ids(tokens) == theirs.convert_tokens_to_ids(tokens)
    assert ours.convert_tokens_to_ids("zzz not there") == theirs.convert_tokens_to_ids("zzz not there")
    for pair in (False, True):
        assert ours.num_special_tokens_to_add(pair) == theirs.num_special_tokens_to_add(pair)
    assert ours.get_special_tokens_mask(ids[0], None, True) == theirs.get_special_tokens_mask(
        ids[0], already_has_special_tokens=True
    )


PADS = [
    {},
    {"padding": "max_length", "max_length": 16},
    {"pad_to_multiple_of": 8},
    {"padding_side": "left", "return_tensors": "np"},
    {"padding": False},
    {"return_attention_mask": True},
]


@pytest.mark.parametrize("call", PADS, ids=str)
def test_pad(both, call):
    ours, theirs = both["wordpiece"]
    rows = [ours(text, return_special_tokens_mask=True) for text in TEXTS]
    mine = ours.pad([dict(row) for row in rows], **call)
    other = theirs.pad([dict(row) for row in rows], **call)
    assert mine.keys() == other.keys()
    for name in mine:
        np.testing.assert_equal(mine[name], other[name])


def test_char_and_word_maps(both):
    ours, theirs = both["wordpiece"]
    a, b = ours(TEXTS, PAIRS), theirs(TEXTS, PAIRS)
    for char in range(len(TEXTS[2])):
        assert a.char_to_token(2, char) == b.char_to_token(2, char)
        assert a.char_to_word(2, char) == b.char_to_word(2, char)
    for token in range(1, 6):
        assert a.token_to_chars(0, token) == b.token_to_chars(0, token)
        assert a.token_to_word(0, token) == b.token_to_word(0, token)
        assert a.token_to_sequence(0, token) == b.token_to_sequence(0, token)
    assert a.token_to_chars(0, 0) is None
    assert a.word_to_tokens(0, 1) == b.word_to_tokens(0, 1)
    assert a.word_to_chars(0, 1) == b.word_to_chars(0, 1)


def test_added_tokens(both, tmp_path):
    ours, _ = both["wordpiece"]
    ours.save_pretrained(tmp_path)
    ours, theirs = Tokenizer.from_pretrained(tmp_path), transformers().AutoTokenizer.from_pretrained(tmp_path)
    for tokenizer in (ours, theirs):
        assert tokenizer.add_tokens(["newword", "fox"]) >= 1
        assert tokenizer.add_special_tokens({"extra_special_tokens": ["<ent>"], "bos_token": "<bos>"}) == 2
    assert len(ours) == len(theirs)
    text = "a newword<ent> <bos>fox"
    assert ours(text)["input_ids"] == theirs(text)["input_ids"]
    assert ours.decode(ours(text)["input_ids"], True) == theirs.decode(
        theirs(text)["input_ids"], skip_special_tokens=True
    )
    ours.save_pretrained(tmp_path / "again")
    again = transformers().AutoTokenizer.from_pretrained(tmp_path / "again")
    assert again(text)["input_ids"] == theirs(text)["input_ids"]
    assert again.bos_token_id == ours.bos_token_id


@pytest.mark.parametrize("pair", (False, True))
def test_minilm(realdata, pair):
    folder = realdata / "minilm-l6-v2-fp16"
    ours, theirs = Tokenizer.from_pretrained(folder), transformers().AutoTokenizer.from_pretrained(folder)
    lines = (realdata / "sst2" / "dev.tsv").read_text().splitlines()[:200]
    call = {"padding": True, "truncation": True, "max_length": 32, "return_offsets_mapping": True}
    same(ours(lines, lines[::-1] if pair else None, **call), theirs(lines, lines[::-1] if pair else None, **call))
    expected = json.loads((folder / "expected.json").read_text())
    assert [ours(text)["input_ids"] for text in expected["sentences"]] == expected["input_ids"]
    batch = ours(expected["sentences"], padding=True, return_tensors="pt")
    assert isinstance(batch.input_ids, framework.Tensor)
    assert batch.attention_mask.sum(1).tolist() == [len(ids) for ids in expected["input_ids"]]
