"""Tokenizers put together from SentencePiece models, each family in its own way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from framework.io import FileFormatError
from text.tokenizers.sentencepiece import BPE, BYTE, CONTROL, NORMAL, UNUSED, USER_DEFINED, SentencePiece

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_BLANK = "▁"  # what a blank is written as in a piece
_NEVER = -1e6  # the score of a piece that no text becomes


def assemble(model: SentencePiece, special: dict[str, str], **options: Any) -> Backend:
    """A tokenizer that cuts a text as SentencePiece does.

    Args:
        model: the model.
        special: the special tokens by role, for families that rename pieces.
        options: those of the family: ``shift``, ``languages`` and ``extra_ids`` (pieces moved or added), ``do_lower_case``,
            ``keep_accents`` and ``quotes`` (before the model's own normaliser), ``add_prefix_space``, ``legacy``
            (whether every part of a text between special tokens begins with a blank, or only the first),
            ``split_by_punct``.
    """
    from tokenizers import Tokenizer, decoders, models

    pieces = _moved(model, special, options)
    if model.model_type == BPE:
        vocabulary = {piece: number for number, (piece, _) in enumerate(pieces)}
        backend = Tokenizer(
            models.BPE(
                vocabulary,
                merges(model),
                unk_token=model.pieces[model.unk_id],
                fuse_unk=True,
                byte_fallback=model.byte_fallback,
                ignore_merges=bool(model.of_type(USER_DEFINED)),
            )
        )
    else:
        unknown = next(number for number, (piece, _) in enumerate(pieces) if piece == model.pieces[model.unk_id])
        backend = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=model.byte_fallback))
    backend.normalizer = _normalizer(model, options)
    steps = _pre_tokenizers(model, options)
    if steps is not None:
        backend.pre_tokenizer = steps
    ends: list[Any] = [decoders.Replace(_BLANK, " ")]
    if model.byte_fallback:
        ends.append(decoders.ByteFallback())
    ends.append(decoders.Fuse())
    if _prefix(model, options) != "never":
        ends.append(decoders.Strip(" ", 1, 0))
    backend.decoder = decoders.Sequence(ends)
    _mark(backend, model, pieces, options.get("languages", ()))
    return backend


def merges(model: SentencePiece) -> list[tuple[str, str]]:
    """The pairs that make the pieces of a BPE model, those of the best scores first."""
    ranks = {
        piece: (-score, number)
        for number, (piece, score, kind) in enumerate(zip(model.pieces, model.scores, model.types, strict=True))
        if kind == NORMAL
    }
    pairs = [
        (rank, piece[:cut], piece[cut:])
        for piece, rank in ranks.items()
        for cut in range(1, len(piece))
        if piece[:cut] in ranks and piece[cut:] in ranks
    ]
    return [(left, right) for _, left, right in sorted(pairs)]


def _moved(model: SentencePiece, special: dict[str, str], options: dict[str, Any]) -> list[tuple[str, float]]:
    """The pieces and their scores at the numbers that the family's models know them by."""
    pieces = [
        (piece, _NEVER if kind == UNUSED else score)
        for piece, score, kind in zip(model.pieces, model.scores, model.types, strict=True)
    ]
    if options.get("quotes"):  # "1," was to be cut before the comma
        pieces = [(p, s - 100 if len(p) > 1 and p[-1] == "," and p[-2].isdigit() else s) for p, s in pieces]
    shift = options.get("shift")
    unknown = model.pieces[model.unk_id]
    if shift == "fairseq":
        pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), (unknown, 0.0), *pieces[3:]]
        pieces += [(code, 0.0) for code in (*options.get("languages", ()), "<mask>")]
    elif shift == "camembert":
        first = [("<s>NOTUSED", 0.0), ("<pad>", 0.0), ("</s>NOTUSED", 0.0), (unknown, 0.0), ("<unk>NOTUSED", -100.0)]
        pieces = [*first, *pieces[1:], ("<mask>", 0.0)]
    elif shift == "pegasus":
        offset = int(options.get("offset", 103))
        first = [(special[name], 0.0) for name in ("pad_token", "eos_token")]
        names = [options.get("mask_token_sent", "<mask_1>"), special.get("mask_token")]
        first += [(name, 0.0) for name in names if name]
        first += [(f"<unk_{number}>", -100.0) for number in range(2, offset + 4 - len(first))]
        pieces = [*first, *pieces[2:]]
    for number in reversed(range(int(options.get("extra_ids", 0)))):
        token = f"<extra_id_{number}>"
        if token not in model.pieces:
            pieces.append((token, 0.0))
    return pieces


def _normalizer(model: SentencePiece, options: dict[str, Any]) -> Any:
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    if options.get("quotes"):
        steps += [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
        if not options.get("keep_accents"):
            steps += [normalizers.NFKD(), normalizers.StripAccents()]
    if options.get("do_lower_case"):
        steps.append(normalizers.Lowercase())
    if model.charsmap:
        steps.append(normalizers.Precompiled(model.charsmap))
    if model.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if model.escape_whitespaces:
        steps.append(normalizers.Replace(" ", _BLANK))
    if _prefix(model, options) == "always":  # Metaspace puts none before a text that begins with one already
        steps.append(normalizers.Replace(Regex(rf"\A{_BLANK}"), 2 * _BLANK))
    return normalizers.Sequence(steps)


def _pre_tokenizers(model: SentencePiece, options: dict[str, Any]) -> Any:
    from tokenizers import Regex, pre_tokenizers

    steps: list[Any] = []
    if options.get("split_by_punct"):
        steps.append(pre_tokenizers.Punctuation(behavior="isolated"))
    if model.escape_whitespaces:
        # words of a unigram model have no blanks inside, so that each can be cut, and remembered, alone
        split = model.model_type != BPE and not any(_BLANK in piece[1:] for piece in model.of_type(NORMAL))
        steps.append(pre_tokenizers.Metaspace(_BLANK, prepend_scheme=_prefix(model, options), split=split))
    whole = sorted(model.of_type(USER_DEFINED), key=len, reverse=True)
    if whole:  # never cut, never merged with what is beside them
        steps.append(pre_tokenizers.Split(Regex("|".join(map(re.escape, whole))), behavior="isolated"))
    return pre_tokenizers.Sequence(steps) if steps else None


def _prefix(model: SentencePiece, options: dict[str, Any]) -> str:
    """Which parts of a text begin with a blank that is not in it."""
    if not (model.add_dummy_prefix and options.get("add_prefix_space", True)):
        return "never"
    return "always" if options.get("legacy", True) else "first"


def _mark(backend: Backend, model: SentencePiece, pieces: list[tuple[str, float]], languages: tuple[str, ...]) -> None:
    """Tell which pieces are special: those that no text becomes."""
    from tokenizers import AddedToken

    names = [piece for piece in model.of_type(CONTROL) if backend.token_to_id(piece) is not None]
    names += [piece for piece, _ in pieces[len(model.pieces) :] if piece.startswith("<extra_id_")]
    names += languages
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    if model.byte_fallback and len(model.of_type(BYTE)) != 256:
        raise FileFormatError(
            f"a model that falls back to bytes has 256 pieces for them, got {len(model.of_type(BYTE))}"
        )
