"""Tokenizers put together from a vocabulary: WordPiece, byte-level BPE, BPE with marked word ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from framework.errors import ArgumentError
from text.tokenizers.families import Family

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

Merges = list[tuple[str, str]]
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_BLANKS = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_SMALL, _LARGE = r"\p{Ll}\p{Lm}\p{Lo}\p{M}", r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_SPLITS = {  # how texts are cut into words, by the vocabulary that began it
    "qwen2": rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_BLANKS}",
    "cl100k": rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_BLANKS}",
    "o200k": rf"[^\r\n\p{{L}}\p{{N}}]?[{_LARGE}]*[{_SMALL}]+{_SHORT}?|[^\r\n\p{{L}}\p{{N}}]?[{_LARGE}]+[{_SMALL}]*{_SHORT}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_BLANKS}",
}
_CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def wordpiece(vocabulary: dict[str, int], unk_token: str = "[UNK]", **options: Any) -> Backend:
    """BERT's: words cut into the longest pieces of the vocabulary, those within a word marked by ``##``.

    Args:
        vocabulary: tokens and their numbers.
        unk_token: what a word becomes that cannot be put together.
        options: ``do_lower_case`` (unless given, whether the vocabulary has no capitals), ``strip_accents`` (as
            ``do_lower_case`` unless given), ``tokenize_chinese_chars`` (``True``).
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    lower = options.get("do_lower_case")
    if lower is None:
        lower = not _has_capitals(vocabulary)
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token=unk_token))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=options.get("tokenize_chinese_chars", True),
        strip_accents=options.get("strip_accents"),
        lowercase=lower,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    return backend


def byte_level(vocabulary: dict[str, int], merges: Merges, **options: Any) -> Backend:
    """GPT-2's: pairs of bytes merged in the order of ``merges``, so that nothing is ever unknown.

    Args:
        vocabulary, merges: what the merges make, and the merges.
        options: ``add_prefix_space`` (``False``), whether a text begins with a blank that is not in it; ``split``, how
            texts are cut into words, GPT-2's way unless given; ``whole`` (``False``), whether a word that is a token is
            taken as it is, whatever the merges.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    prefix = bool(options.get("add_prefix_space", False))
    backend = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=bool(options.get("whole"))))
    split = options.get("split")
    if split is not None:
        if split == "qwen2":
            backend.normalizer = normalizers.NFC()
        words = pre_tokenizers.Split(Regex(_SPLITS[split]), behavior="isolated")
        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([words, as_bytes])
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    return backend


def word_ends(vocabulary: dict[str, int], merges: Merges, unk_token: str, **options: Any) -> Backend:
    """CLIP's: bytes of lower-cased words merged, the end of a word marked by ``</w>``."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    backend = Tokenizer(
        models.BPE(vocabulary, merges, unk_token=unk_token, continuing_subword_prefix="", end_of_word_suffix="</w>")
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(_CLIP), behavior="removed", invert=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    backend.decoder = decoders.Sequence(
        [decoders.ByteLevel(), decoders.Replace("</w>", " "), decoders.Strip(" ", 0, 1)]
    )
    return backend


def surround(backend: Backend, family: Family | None, special: Mapping[str, str], **options: Any) -> None:
    """Set which special tokens go around a text and around a pair; those must be in the vocabulary by now."""
    from tokenizers import processors

    def numbered(role: str) -> tuple[str, int]:
        token = special.get(f"{role}_token")
        number = None if token is None else backend.token_to_id(token)
        if token is None or number is None:
            raise ArgumentError(f"tokenizer: its texts take a {role}_token, and it has none in its vocabulary")
        return token, number

    if family is not None and family.trims:
        prefix = bool(options.get("add_prefix_space", False))
        backend.post_processor = processors.RobertaProcessing(numbered("sep"), numbered("cls"), True, prefix)
        return
    single, pair = (family and family.template) or _start_and_end(options)
    if single == "$A:0":
        return
    roles = [role for role in ("bos", "eos", "cls", "sep", "lang") if f"{{{role}}}" in pair]
    tokens = {role: numbered(role) for role in roles}
    backend.post_processor = processors.TemplateProcessing(
        single=_filled(single, tokens), pair=_filled(pair, tokens), special_tokens=list(dict.fromkeys(tokens.values()))
    )


def _start_and_end(options: Mapping[str, Any]) -> tuple[str, str]:
    single = "{bos}:0 " * bool(options.get("add_bos_token")) + "$A:0" + " {eos}:0" * bool(options.get("add_eos_token"))
    return single, f"{single} {single.replace('A', 'B').replace(':0', ':1')}"


def _filled(template: str, tokens: Mapping[str, tuple[str, int]]) -> list[str]:
    """A list, since a token may have a blank or a colon in it."""
    return [part.format(**{role: token for role, (token, _) in tokens.items()}) for part in template.split(" ")]


def _has_capitals(vocabulary: Mapping[str, int]) -> bool:
    """Whether there are words with capitals, other than special tokens, which are all in capitals and brackets."""
    return any(token[0].isupper() and token[1:].islower() and token.isalpha() for token in vocabulary if len(token) > 2)


def byte_letters() -> list[str]:
    """The letters that stand for bytes in byte-level BPE, in GPT-2's order: the printable ones first, as themselves."""
    return list(letters_of_bytes().values())


def letters_of_bytes() -> dict[int, str]:
    """The letter that stands for each byte in byte-level BPE; ``byte_letters`` has their order."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {byte: chr(0x100 + index) for index, byte in enumerate(rest)}
