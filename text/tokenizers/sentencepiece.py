"""SentencePiece models (``*.model``), read without the library that made them.

Reference: Kudo and Richardson, "SentencePiece: A simple and language independent subword tokenizer and detokenizer for
Neural Text Processing", https://arxiv.org/abs/1808.06226; the fields are those of its ``sentencepiece_model.proto``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from framework.io import FileFormatError
from text.tokenizers import protobuf

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE, WORD, CHAR = range(1, 5)
_NAMES = {UNIGRAM: "unigram", BPE: "BPE", WORD: "word", CHAR: "character"}


@dataclass
class SentencePiece:
    """What a model file says.

    Args:
        pieces: the pieces, in the order of their numbers.
        scores: of each: a log-probability, or the rank of the merge.
        types: of each: ``NORMAL``, ``UNKNOWN``, ``CONTROL``, ``USER_DEFINED``, ``UNUSED`` or ``BYTE``.
        model_type: ``UNIGRAM``, ``BPE``, ``WORD`` or ``CHAR``.
        byte_fallback: whether an unknown character becomes the pieces of its bytes.
        unk_id, bos_id, eos_id, pad_id: numbers of special pieces; -1 where there is none.
        charsmap: the compiled table of replacements of the normaliser.
        add_dummy_prefix: whether a text begins with a blank that is not in it.
        remove_extra_whitespaces: whether blanks at the ends and doubled ones are taken away.
        escape_whitespaces: whether a blank becomes ``▁``.
        suffix: whether the blank belongs to the piece before it instead of the one after.
    """

    pieces: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    model_type: int = UNIGRAM
    byte_fallback: bool = False
    unk_id: int = 0
    bos_id: int = 1
    eos_id: int = 2
    pad_id: int = -1
    charsmap: bytes = b""
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True
    suffix: bool = False

    def piece(self, number: int) -> str | None:
        """The piece of a number; ``None`` where there is none."""
        return self.pieces[number] if 0 <= number < len(self.pieces) else None

    def of_type(self, kind: int) -> list[str]:
        """The pieces of one type."""
        return [piece for piece, its in zip(self.pieces, self.types, strict=True) if its == kind]


_TRAINER = {35: "byte_fallback", 40: "unk_id", 41: "bos_id", 42: "eos_id", 43: "pad_id", 3: "model_type", 24: "suffix"}
_NORMALIZER = {3: "add_dummy_prefix", 4: "remove_extra_whitespaces", 5: "escape_whitespaces"}
_CHARSMAP = 2


def read(path: Path) -> SentencePiece:
    """Read a model file.

    Raises:
        FileFormatError: it is damaged, is none, or holds a kind of model other than unigram and BPE.
    """
    what = str(path)
    model = SentencePiece()
    for number, value in protobuf.fields(memoryview(path.read_bytes()), what):
        if number == 1:
            _read_piece(model, protobuf.raw(value, what), what)
        elif number == 2:
            _read_flags(model, protobuf.raw(value, what), _TRAINER, what)
        elif number == 3:
            _read_flags(model, protobuf.raw(value, what), _NORMALIZER, what)
    _check(model, what)
    return model


def _read_piece(model: SentencePiece, message: memoryview, what: str) -> None:
    piece, score, kind = "", 0.0, NORMAL
    for number, value in protobuf.fields(message, what):
        if number == 1:
            piece = protobuf.text(value, what)
        elif number == 2:
            score = protobuf.float32(value, what)
        elif number == 3:
            kind = protobuf.number(value, what)
    where = f"{what}: piece {len(model.pieces)}"
    if not piece:
        raise FileFormatError(f"{where} is empty")
    if not math.isfinite(score):
        raise FileFormatError(f"{where}, {piece!r}, has the score {score}")
    if not NORMAL <= kind <= BYTE:
        raise FileFormatError(f"{where}, {piece!r}, is of the type {kind}; there are 1 to 6")
    model.pieces.append(piece)
    model.scores.append(score)
    model.types.append(kind)


def _read_flags(model: SentencePiece, message: memoryview, names: dict[int, str], what: str) -> None:
    for number, value in protobuf.fields(message, what):
        if number in names:
            name = names[number]
            found = protobuf.number(value, what)
            setattr(model, name, bool(found) if isinstance(getattr(model, name), bool) else found)
        elif number == _CHARSMAP and names is _NORMALIZER:
            model.charsmap = bytes(protobuf.raw(value, what))


def _check(model: SentencePiece, what: str) -> None:
    if not model.pieces:
        raise FileFormatError(f"{what}: not a SentencePiece model: there are no pieces in it")
    if model.model_type not in (UNIGRAM, BPE):
        kind = _NAMES.get(model.model_type, model.model_type)
        raise FileFormatError(f"{what}: a {kind} model; only unigram and BPE models can be read")
    if len(set(model.pieces)) != len(model.pieces):
        seen: set[str] = set()
        twice = next(piece for piece in model.pieces if piece in seen or seen.add(piece))  # type: ignore[func-returns-value]
        raise FileFormatError(f"{what}: the piece {twice!r} is there twice")
    if model.types.count(UNKNOWN) != 1 or not 0 <= model.unk_id < len(model.pieces):
        raise FileFormatError(f"{what}: expected one piece for what is unknown, of type 2")
    if model.suffix:
        raise FileFormatError(f"{what}: its pieces carry the blank at their end, which cannot be read")
    if model.charsmap:
        size = int.from_bytes(model.charsmap[:4], "little")
        if len(model.charsmap) < 4 or size % 1024 or not 0 < size <= len(model.charsmap) - 4:  # blocks of 256 units
            raise FileFormatError(f"{what}: the normaliser's table is damaged")
