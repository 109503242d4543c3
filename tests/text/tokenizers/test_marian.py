"""Marian's pair of models beside transformers' own tokenizer for it."""

from __future__ import annotations

import io
import json

import pytest

from framework.io import FileFormatError
from tests.text.peer import transformers
from text.tokenizers import Tokenizer

ENGLISH = ["the quick brown fox jumps over the lazy dog", "a house, a mouse; the end."] * 10
GERMAN = ["der schnelle braune Fuchs springt über den faulen Hund", "ein Haus, eine Maus; Ende."] * 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    library = pytest.importorskip("sentencepiece")
    place = tmp_path_factory.mktemp("marian")
    tokens = ["</s>", "<unk>"]
    for name, lines in (("source.spm", ENGLISH), ("target.spm", GERMAN)):
        out = io.BytesIO()
        library.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=out, minloglevel=2, vocab_size=60, hard_vocab_limit=False
        )
        (place / name).write_bytes(out.getvalue())
        model = library.SentencePieceProcessor(model_proto=out.getvalue())
        tokens += [model.id_to_piece(number) for number in range(3, model.get_piece_size() - 2)]  # two are left out
    tokens += [">>fr<<", "<pad>"]
    numbers = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    (place / "vocab.json").write_text(json.dumps(numbers))
    config = {"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "de", "model_max_length": 32}
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    return place


@pytest.mark.filterwarnings("ignore:Recommended")  # a library for punctuation, which theirs does without too
def test_as_transformers(folder, tmp_path):
    ours, theirs = Tokenizer.from_pretrained(folder), transformers().MarianTokenizer.from_pretrained(folder)
    texts = [*ENGLISH[:2], "unknown 日本 letters", "", ">>fr<< the fox", "über den Fuchs"]
    for call in ({}, {"padding": True}, {"padding": "max_length", "truncation": True, "max_length": 8}):
        mine, other = ours(texts, **call), theirs(texts, **call)
        assert mine["input_ids"] == other["input_ids"] and mine["attention_mask"] == other["attention_mask"]
    targets = ours(texts[:2], text_target=GERMAN[:2])
    assert targets["labels"] == theirs(texts[:2], text_target=GERMAN[:2])["labels"]
    decoded = ours.batch_decode(targets["labels"], skip_special_tokens=True)
    assert decoded == theirs.batch_decode(targets["labels"], skip_special_tokens=True) and decoded[1] == GERMAN[1]
    assert len(ours) == len(theirs) and ours.get_vocab() == theirs.get_vocab()
    for name in ("pad_token_id", "eos_token_id", "unk_token_id", "model_max_length", "model_input_names"):
        assert getattr(ours, name) == getattr(theirs, name)
    ours.save_pretrained(tmp_path)
    again = transformers().MarianTokenizer.from_pretrained(tmp_path)
    assert (
        again(texts)["input_ids"] == ours(texts)["input_ids"] == Tokenizer.from_pretrained(tmp_path)(texts)["input_ids"]
    )
    assert ours.tokenize("the fox") == theirs.tokenize("the fox")
    assert ours.convert_ids_to_tokens(ours.encode("the fox"), True) == ours.tokenize("the fox")
    added = ours.add_tokens(["<new>"])
    assert added == 1 and ours("the<new>")["input_ids"][-2] == len(ours) - 1


def test_incomplete(folder, tmp_path):
    for name in ("vocab.json", "source.spm", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(FileNotFoundError, match=r"target\.spm"):
        Tokenizer.from_pretrained(tmp_path)
    (tmp_path / "target.spm").write_bytes((folder / "target.spm").read_bytes())
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    with pytest.raises(FileFormatError, match=r"vocab\.json.*not in it"):
        Tokenizer.from_pretrained(tmp_path)
