"""SentencePiece models: those the library trains, those put together byte by byte, and damaged ones."""

from __future__ import annotations

import contextlib
import io
import random
import struct

import pytest

from framework.io import FileFormatError
from text.tokenizers import Tokenizer, sentencepiece

LINES = [
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs",
    "how vexingly quick daft zebras jump, 12 of 345",
    "sphinx of black quartz: judge my vow!",
    "naïve café déjà vu ﬁne",
] * 10
PROBES = [
    *LINES[:5],
    "",
    " ",
    "  a  b ",
    "unknown 日本 🙂 chars",
    "tab\tnew\nline",
    "x▁y",
    "▁z",
    "ＦＵＬＬ",
    "the<sep>fox",
    "a\u00a0b",
]
TRAINED = {
    "unigram": {"model_type": "unigram", "vocab_size": 90},
    "bpe": {"model_type": "bpe", "vocab_size": 120},
    "bytes": {"model_type": "bpe", "vocab_size": 400, "byte_fallback": True},
    "unigram-bytes": {"model_type": "unigram", "vocab_size": 340, "byte_fallback": True},
    "identity": {"model_type": "unigram", "vocab_size": 90, "normalization_rule_name": "identity"},
    "no-prefix": {"model_type": "bpe", "vocab_size": 120, "add_dummy_prefix": False},
    "blanks": {"model_type": "bpe", "vocab_size": 120, "remove_extra_whitespaces": False},
    "user": {"model_type": "bpe", "vocab_size": 130, "user_defined_symbols": ["<sep>", "qu"]},
    "user-unigram": {"model_type": "unigram", "vocab_size": 95, "user_defined_symbols": ["<sep>"]},
}


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value % (1 << 64))
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def piece(text, score=0.0, kind=1):
    return field(1, field(1, text.encode()) + field(2, score) + (field(3, kind) if kind != 1 else b""))


BASE = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
PIECES = [("▁", -3.0), ("a", -3.0), ("b", -4.0), ("▁a", -2.0), ("ab", -2.5), ("▁ab", -1.0), ("c", -5.0)]


def made(pieces=PIECES, base=BASE, trainer=b"", normalizer=b""):
    return b"".join(piece(*row) for row in [*base, *pieces]) + field(2, trainer) + field(3, normalizer)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    library = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("models")
    for name, options in TRAINED.items():
        out = io.BytesIO()
        library.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES), model_writer=out, minloglevel=2, hard_vocab_limit=False, **options
        )
        (folder / f"{name}.model").write_bytes(out.getvalue())
    return folder


@pytest.mark.parametrize("name", TRAINED)
def test_as_the_library(trained, name):
    import sentencepiece as library

    path = trained / f"{name}.model"
    theirs = library.SentencePieceProcessor(model_file=str(path))
    ours = Tokenizer.from_pretrained(path)
    model = sentencepiece.read(path)
    assert model.pieces == [theirs.id_to_piece(number) for number in range(theirs.get_piece_size())]
    assert model.scores == [theirs.get_score(number) for number in range(theirs.get_piece_size())]
    assert (model.unk_id, model.bos_id, model.eos_id, model.pad_id) == (
        theirs.unk_id(), theirs.bos_id(), theirs.eos_id(), theirs.pad_id(),
    )  # fmt: skip
    for text in PROBES:
        expected = theirs.encode(text, out_type=str)
        got = ours.convert_ids_to_tokens(ours.encode(text))
        assert got == [theirs.id_to_piece(number) for number in theirs.encode(text)], (text, expected)
        if theirs.unk_id() not in theirs.encode(text) and "▁" not in text:
            assert ours.decode(ours.encode(text)) == theirs.decode(theirs.encode(text)), text


def test_by_hand(tmp_path):
    path = tmp_path / "m.model"
    path.write_bytes(made())
    ours = Tokenizer.from_pretrained(path)
    assert ours.tokenize("ab  cab") == ["▁ab", "▁", "c", "ab"]
    assert ours.convert_tokens_to_ids("▁ab") == 8 and ours.unk_token_id == 0
    assert ours.decode(ours.encode("ab cab")) == "ab cab"
    path.write_bytes(made(trainer=field(3, 2)))
    assert Tokenizer.from_pretrained(path).tokenize("ab") == ["▁ab"]


def test_families(tmp_path):
    """The numbers that each family's models know the pieces by."""
    (tmp_path / "spiece.model").write_bytes(
        made(base=[("<pad>", 0.0, 3), ("<unk>", 0.0, 2), ("[CLS]", 0.0, 3), ("[SEP]", 0.0, 3), ("[MASK]", 0.0, 3)],
             trainer=field(40, 1) + field(41, -1) + field(42, -1) + field(43, 0))
    )  # fmt: skip
    albert = Tokenizer.from_pretrained(tmp_path, family="albert")
    assert albert("AB", "c").tokens() == ["[CLS]", "▁ab", "[SEP]", "▁", "c", "[SEP]"]
    assert albert("ab", "c")["token_type_ids"] == [0, 0, 0, 1, 1, 1]
    other = tmp_path / "other"
    other.mkdir()
    (other / "sentencepiece.bpe.model").write_bytes(made())
    roberta = Tokenizer.from_pretrained(other, family="xlm-roberta")
    assert roberta("ab", "c").tokens() == ["<s>", "▁ab", "</s>", "</s>", "▁", "c", "</s>"]
    assert roberta("ab")["input_ids"] == [0, 9, 2] and roberta.mask_token_id == len(roberta) - 1 == 11
    llama = Tokenizer.from_pretrained(other, family="llama")
    assert llama("ab").tokens() == ["<s>", "▁ab"] and llama.padding_side == "left"
    assert Tokenizer.from_pretrained(other, family="llama", add_eos_token=True)("ab").tokens()[-1] == "</s>"
    deberta = Tokenizer.from_pretrained(
        other, family="deberta-v2", unk_token="<unk>", cls_token="<s>", sep_token="</s>", bos_token=None, eos_token=None
    )
    assert deberta("ab").tokens() == ["<s>", "▁ab", "</s>"] and deberta.mask_token_id is not None
    camembert = Tokenizer.from_pretrained(other, family="camembert")
    assert camembert.convert_tokens_to_ids(["<pad>", "<unk>"]) == [1, 3]


def test_unknown_family_is_refused(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(made())
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "SomethingTokenizer"}')
    with pytest.raises(FileFormatError, match="SomethingTokenizer numbers its pieces"):
        Tokenizer.from_pretrained(tmp_path)
    assert len(Tokenizer.from_pretrained(tmp_path, family="sentencepiece")) == 10


BROKEN = {
    "empty": (b"", "no pieces"),
    "text": (b"this is no protocol buffer at all", "cut short|protocol buffer"),
    "cut": (made()[:-3], "cut short|no pieces|protocol"),
    "long field": (b"\x0a\xff\xff\xff\xff\x0f", "cut short"),
    "endless number": (b"\x08" + b"\xff" * 12, "no number"),
    "wire type": (b"\x0b", "wire type 3"),
    "field 0": (b"\x00\x00", "field number 0"),
    "not text": (field(1, field(1, b"\xff\xfe")) + made(), "UTF-8"),
    "piece is a number": (field(1, 5) + made(), "expected bytes"),
    "text is a number": (field(1, field(1, 5)) + made(), "expected bytes"),
    "score": (field(1, field(1, b"x") + field(2, 3)) + made(), "4 bytes of a float"),
    "nan": (made([("x", float("nan"))]), "score nan"),
    "twice": (made([("x",), ("x",)]), "'x' is there twice"),
    "type": (made([("x", 0.0, 9)]), "of the type 9"),
    "no unknown": (made(base=[]), "what is unknown"),
    "unk_id": (made(trainer=field(40, 77)), "what is unknown"),
    "word": (made(trainer=field(3, 3)), "a word model"),
    "bytes missing": (made(trainer=field(35, 1)), "256 pieces"),
    "charsmap": (made(normalizer=field(2, b"\x10\0\0\0ab")), "table is damaged"),
    "charsmap size": (made(normalizer=field(2, struct.pack("<I", 1 << 31) + bytes(1024))), "table is damaged"),
    "empty piece": (made([("",)]), "is empty"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(tmp_path, name):
    data, words = BROKEN[name]
    path = tmp_path / "m.model"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=words) as caught:
        Tokenizer.from_pretrained(path)
    assert "m.model" in str(caught.value) or name == "bytes missing"


def test_any_bytes(tmp_path):
    """Whatever the bytes are, there is a model or an error of ours."""
    draw = random.Random(0)
    good = made(normalizer=field(3, 1))
    path = tmp_path / "m.model"
    for _ in range(300):
        data = bytearray(good)
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(bytes(data[: draw.randint(1, len(data))]) if draw.random() < 0.3 else bytes(data))
        with contextlib.suppress(FileFormatError):
            Tokenizer.from_pretrained(path, family="sentencepiece").encode("ab c")
