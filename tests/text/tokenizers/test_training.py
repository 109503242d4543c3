"""Tokenizers learnt from texts."""

from __future__ import annotations

import pytest
import tokenizers

from framework.errors import ArgumentError
from text.tokenizers import Tokenizer, train_from_iterator

LINES = ["the quick brown fox jumps over the lazy dog", "The five boxing wizards jump quickly, again!"] * 20
KINDS = {"wordpiece": "WordPiece", "byte-bpe": "BPE", "bpe": "BPE", "unigram": "Unigram", "wordlevel": "WordLevel"}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind, tmp_path):
    made = train_from_iterator(kind, iter(LINES), 300, model_max_length=32)
    assert type(made.backend_tokenizer.model).__name__ == KINDS[kind] and made.model_max_length == 32
    assert len(made) <= 300
    text = "the quick wizards jump again"
    assert made.decode(made.encode(text), skip_special_tokens=True) == text
    rows = made([text, "the dog"])["input_ids"]
    assert made.batch_decode(rows, skip_special_tokens=True) == [text, "the dog"]
    made.save_pretrained(tmp_path)
    assert Tokenizer.from_pretrained(tmp_path)([text])["input_ids"] == rows[:1]
    assert tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(text).ids == rows[0]


def test_templates():
    assert train_from_iterator("wordpiece", LINES, 200)("fox", "dog").tokens()[0] == "[CLS]"
    pair = train_from_iterator("wordpiece", LINES, 200)("fox", "dog")
    assert pair.tokens().count("[SEP]") == 2 and pair["token_type_ids"][-1] == 1
    assert train_from_iterator("unigram", LINES, 60)("fox").tokens()[-1] == "</s>"


def test_bytes_know_everything():
    made = train_from_iterator("byte-bpe", LINES, 300)
    for text in ("日本語 🙂", "\x00\x7f\u0080", " tabs\tand\n\nlines  "):
        assert made.decode(made.encode(text)) == text


def test_special_tokens():
    made = Tokenizer.train("bpe", LINES, 200, special_tokens=["<sep>", "<cls>"])
    assert made.extra_special_tokens == ["<sep>", "<cls>"]
    assert made.tokenize("fox<sep>dog")[-2:] != [] and made.convert_tokens_to_ids("<sep>") < 4
    assert made.decode(made.encode("fox<sep>"), skip_special_tokens=True) == "fox"
    made = Tokenizer.train("byte-bpe", LINES, 300, special_tokens={"pad_token": "<pad>", "eos_token": "<end>"})
    assert made.pad_token_id is not None and made.eos_token == "<end>" and made.bos_token == "<|endoftext|>"


def test_options():
    small = train_from_iterator("wordlevel", LINES, 6)
    assert len(small) == 6 and small.unk_token_id in small.encode("unheard of")
    assert train_from_iterator("wordpiece", LINES, 300, lowercase=True).tokenize("THE Fox") == ["the", "fox"]
    assert train_from_iterator("bpe", LINES, 300, lowercase=True).tokenize("THÉ") == ["▁the"]
    often = train_from_iterator("wordlevel", [*LINES, "once"], 300, min_frequency=2)
    assert "once" not in often.get_vocab()
    assert "once" in train_from_iterator("wordlevel", [*LINES, "once"], 300, min_frequency=1).get_vocab()


def test_batches_of_texts():
    assert train_from_iterator("bpe", (LINES[i : i + 8] for i in range(0, 40, 8)), 150).get_vocab()


def test_errors():
    with pytest.raises(ArgumentError, match=r"no kind 'words'.*wordlevel"):
        train_from_iterator("words", LINES, 100)
    with pytest.raises(ArgumentError, match="no role 'start_token'"):
        train_from_iterator("bpe", LINES, 100, special_tokens={"start_token": "<s>"})
    with pytest.raises(ArgumentError, match="bpe with 100 tokens"):
        train_from_iterator("bpe", [1, 2], 100)
