"""Tokenizers of many languages: numbers of pieces and codes, what stands around a text, and saving."""

from __future__ import annotations

import io

import pytest

from framework.errors import ArgumentError
from tests.text.peer import transformers
from tests.text.tokenizers.test_sentencepiece import LINES, field, made
from text.tokenizers import Tokenizer, codes
from text.tokenizers.families import FAMILIES
from text.tokenizers.languages import LanguageTokenizer

FRENCH = {"mbart": "fr_XX", "mbart50": "fr_XX", "nllb": "fra_Latn"}
AROUND = {"mbart": ["▁ab", "</s>", "{}"], "mbart50": ["{}", "▁ab", "</s>"], "nllb": ["{}", "▁ab", "</s>"]}
CLASSES = {"mbart": "MBartTokenizer", "mbart50": "MBart50Tokenizer", "nllb": "NllbTokenizer"}


@pytest.fixture(params=FRENCH)
def family(request, tmp_path):
    kind = field(3, 2) if request.param == "nllb" else b""
    (tmp_path / "sentencepiece.bpe.model").write_bytes(made(trainer=kind))
    (tmp_path / "tokenizer_config.json").write_text(f'{{"tokenizer_class": "{CLASSES[request.param]}"}}')
    return request.param


def expected(family, code, content="▁ab"):
    return [code if token == "{}" else content if token == "▁ab" else token for token in AROUND[family]]


def test_numbers_and_sides(family, tmp_path):
    ours = Tokenizer.from_pretrained(tmp_path)
    first, french = FAMILIES[family].language, FRENCH[family]
    languages = FAMILIES[family].languages
    assert isinstance(ours, LanguageTokenizer) and ours.src_lang == first and ours.tgt_lang is None
    # <s> <pad> </s> <unk>, seven pieces, the languages, <mask>
    assert ours.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>", "▁", "c"]) == [0, 1, 2, 3, 4, 10]
    assert ours.convert_tokens_to_ids(list(languages)) == list(range(11, 11 + len(languages)))
    assert ours.mask_token_id == len(ours) - 1 == 11 + len(languages)
    assert ours.lang_code_to_id[french] == ours.convert_tokens_to_ids(french)
    assert ours("ab").tokens() == expected(family, first)

    ours.src_lang, ours.tgt_lang = french, first
    batch = ours(["ab", "ab"], text_target=["c", "ab"])
    assert batch.tokens() == expected(family, french)
    answers = [ours.convert_ids_to_tokens(row) for row in batch["labels"]]
    assert [[token for token in row if token != "▁"] for row in answers] == [
        expected(family, first, "c"), expected(family, first),
    ]  # fmt: skip
    assert ours("ab").tokens() == expected(family, french)  # the answers' language has left no trace
    assert ours.decode(batch["input_ids"][0], skip_special_tokens=True) == "ab"
    pair = [token for token in ours("ab", "ab").tokens() if token == "▁ab"]
    assert len(pair) == 2

    ours.save_pretrained(tmp_path / "saved")
    again = Tokenizer.from_pretrained(tmp_path / "saved")
    assert (again.src_lang, again.tgt_lang, len(again)) == (french, first, len(ours))
    assert again("ab", text_target="c")["labels"] == batch["labels"][0] and again("ab").tokens() == batch.tokens()
    theirs = transformers().AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert type(theirs).__name__ == CLASSES[family] and theirs.get_vocab() == ours.get_vocab()
    assert theirs(["ab", "c ab"])["input_ids"] == ours(["ab", "c ab"])["input_ids"]
    assert theirs("ab", text_target="c")["labels"] == batch["labels"][0]


def test_where_nllb_stood_at_first(tmp_path):
    (tmp_path / "spm.model").write_bytes(made(trainer=field(3, 2)))
    ours = Tokenizer.from_pretrained(tmp_path, family="nllb", src_lang="fra_Latn", legacy_behaviour=True)
    assert ours("ab").tokens() == ["▁ab", "</s>", "fra_Latn"]


def test_unknown_languages(tmp_path):
    (tmp_path / "spm.model").write_bytes(made())
    with pytest.raises(ArgumentError, match=r"no language 'en_US'.*it has ar_AR"):
        Tokenizer.from_pretrained(tmp_path, family="mbart", src_lang="en_US")
    ours = Tokenizer.from_pretrained(tmp_path, family="mbart", extra_special_tokens=["xx_XX"])
    with pytest.raises(ArgumentError, match="no language 'french'"):
        ours.tgt_lang = "french"
    ours.src_lang = "xx_XX"
    assert ours("ab").tokens()[-1] == "xx_XX" and ours.src_lang == "xx_XX"


def test_codes():
    assert [len(set(c)) for c in (codes.MBART, codes.MBART50, codes.NLLB)] == [25, 52, 202]
    assert (codes.MBART50[:25], codes.MBART50[-1]) == (codes.MBART, "sl_SI")
    assert (codes.NLLB[0], codes.NLLB[-1]) == ("ace_Arab", "zul_Latn")


@pytest.mark.parametrize("family", ["mbart50", "nllb", "xlm-roberta"])
def test_pieces_of_a_trained_model(family, tmp_path):
    """fairseq's numbers are SentencePiece's and one, of all but the first special ones."""
    library = pytest.importorskip("sentencepiece")
    out = io.BytesIO()
    kind = "bpe" if family == "nllb" else "unigram"
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=out,
        minloglevel=2,
        vocab_size=90,
        hard_vocab_limit=False,
        model_type=kind,
    )
    (tmp_path / "sentencepiece.bpe.model").write_bytes(out.getvalue())
    theirs = library.SentencePieceProcessor(model_proto=out.getvalue())
    ours = Tokenizer.from_pretrained(tmp_path, family=family)
    for text in (*LINES[:5], "unknown 日本", "  a  b "):
        moved = [number + 1 if number > 2 else 3 for number in theirs.encode(text)]
        assert ours(text, add_special_tokens=False)["input_ids"] == moved
