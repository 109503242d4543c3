"""Tokenizers read from model folders, whatever files these hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.errors import ArgumentError, nearest
from framework.io import FileFormatError
from hub import huggingface
from text.tokenizers import assembling, pieces, ranks, sentencepiece
from text.tokenizers.families import (
    BYTES,
    FAMILIES,
    PIECES,
    TWO_PIECES,
    WORD_ENDS,
    WORDPIECE,
    Family,
    find,
    names,
)
from text.tokenizers.files import (
    read_json,
    read_json_vocabulary,
    read_lines_vocabulary,
    read_merges,
    read_text,
    refusing,
)
from text.tokenizers.special import NAMES, content

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

    from text.tokenizers.tokenizer import Tokenizer

SETTINGS: dict[str, Any] = {
    "model_max_length": int | float, "model_input_names": list | tuple, "padding_side": str, "truncation_side": str,
    "clean_up_tokenization_spaces": bool, "split_special_tokens": bool, "chat_template": str | dict,
}  # fmt: skip
OPTIONS = (
    "do_lower_case", "strip_accents", "tokenize_chinese_chars", "add_prefix_space", "add_bos_token", "add_eos_token",
    "extra_ids", "legacy", "keep_accents", "split_by_punct", "offset", "mask_token_sent", "src_lang", "tgt_lang",
    "legacy_behaviour",
)  # fmt: skip
_BERT_NORMALIZER = (
    ("lowercase", "do_lower_case"),
    ("strip_accents", "strip_accents"),
    ("handle_chinese_chars", "tokenize_chinese_chars"),
)
_EXTRA = ("extra_special_tokens", "additional_special_tokens")
_MERGED = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
_MODELS = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "spm.model", "sentencepiece.model")
_WANTED = (
    "tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "config.json", "vocab.*", "merges.txt",
    "encoder.json", "*.model", "*.spm", "*.tiktoken", "chat_template.*", "additional_chat_templates/*",
)  # fmt: skip
_GENERAL = ("PreTrainedTokenizerFast", "TokenizersBackend")  # classes that take the files as they are


def load(
    kind: type[Tokenizer],
    path: str | os.PathLike[str],
    family: str | None,
    revision: str | None,
    settings: Mapping[str, Any],
) -> Tokenizer:
    """The tokenizer of a folder.

    Args:
        kind: the class to make.
        path, family, revision, settings: as for ``Tokenizer.from_pretrained``.
    """
    known_settings = (*SETTINGS, *OPTIONS, *_EXTRA)
    for name, value in settings.items():
        if name not in known_settings and not (name.endswith("_token") and not isinstance(value, bool)):
            raise ArgumentError(f"from_pretrained: no setting {name!r}{nearest(name, known_settings)}")
    folder, file = _place(path, revision)
    config = _read_config(folder) | dict(settings)
    known = _family(folder, config, family)
    whole = file if file is not None and file.suffix == ".json" and file.name not in dict(_MERGED) else None
    if file is None and (folder / "tokenizer.json").is_file():
        whole = folder / "tokenizer.json"
    if known is not None and known.kind == TWO_PIECES and whole is None:
        from text.tokenizers import marian  # it is built upon this module's caller

        with refusing(folder):
            arguments = _arguments(config, known)
        return marian.load(folder, config, arguments)
    if whole is not None:
        backend = _from_whole(whole, config)
    else:
        backend, known = _from_vocabulary(folder, file, config, known)
    with refusing(folder):
        arguments = _arguments(config, known)
        arguments["name_or_path"] = str(path)
        special = {name: content(token) for name, token in arguments.items() if _is_role(name, token)}
        _add_tokens(backend, folder, config)
        if whole is None and known is not None:
            _add_roles(backend, arguments, special, known)
            if not known.languages:
                assembling.surround(backend, known, special, **(known.options | _options(config)))
        elif settings.keys() & {"add_bos_token", "add_eos_token"}:
            assembling.surround(backend, None, special, **_options(config))
    if known is not None and known.languages:
        return _of_languages(backend, known, config, arguments)
    return kind(backend, **arguments)


def _of_languages(backend: Backend, family: Family, config: Mapping[str, Any], arguments: dict[str, Any]) -> Tokenizer:
    from text.tokenizers.languages import LanguageTokenizer  # it is built upon this module's caller

    given = {
        name: config[name] for name in ("src_lang", "tgt_lang", "legacy_behaviour") if config.get(name) is not None
    }
    return LanguageTokenizer(backend, family=family, **given, **arguments)


def _place(path: str | os.PathLike[str], revision: str | None) -> tuple[Path, Path | None]:
    """The folder, and the one file of it that was asked for."""
    place = Path(path)
    if place.is_file():
        return place.parent, place
    if place.is_dir():
        return place, None
    name = os.fspath(path)
    if huggingface.is_local(path):
        raise FileNotFoundError(f"{name}: there is no such folder or file")
    return huggingface.snapshot(name, revision=revision, patterns=_WANTED), None


def _read_config(folder: Path) -> dict[str, Any]:
    """``tokenizer_config.json`` with what the older files beside it add."""
    path = folder / "tokenizer_config.json"
    config = read_json(path) if path.is_file() else {}
    path = folder / "special_tokens_map.json"
    if path.is_file() and "added_tokens_decoder" not in config:
        config |= {name: token for name, token in read_json(path).items() if token is not None}
    templates = {}
    if (folder / "chat_template.json").is_file():
        templates["default"] = read_json(folder / "chat_template.json").get("chat_template")
    if (folder / "chat_template.jinja").is_file():
        templates["default"] = read_text(folder / "chat_template.jinja")
    for more in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        templates[more.stem] = read_text(more)
    if templates:
        config["chat_template"] = templates["default"] if list(templates) == ["default"] else templates
    elif isinstance(config.get("chat_template"), list):
        with refusing(folder / "tokenizer_config.json"):
            config["chat_template"] = {entry["name"]: entry["template"] for entry in config["chat_template"]}
    return config


def _family(folder: Path, config: Mapping[str, Any], name: str | None) -> Family | None:
    if name is not None:
        known = find(name)
        if known is None:
            raise ArgumentError(
                f"family: there is none named {name!r}{nearest(name, names())}; known are {', '.join(names())}"
            )
        return known
    if config.get("tokenizer_class") in _GENERAL:
        return None
    known = find(config.get("tokenizer_class"))
    path = folder / "config.json"
    if known is None and path.is_file():
        model = read_json(path)
        known = find(model.get("tokenizer_class")) or find(model.get("model_type"))
    return known


def _from_whole(path: Path, config: dict[str, Any]) -> Backend:
    """``tokenizer.json``, which says everything but the roles of special tokens."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers

    with refusing(path):
        backend = Tokenizer.from_str(read_text(path))
    if backend.padding:
        config.setdefault("pad_token", backend.padding["pad_token"])
        config.setdefault("padding_side", backend.padding["direction"])
    if backend.truncation:
        config.setdefault("truncation_side", backend.truncation["direction"])
    normalizer = backend.normalizer
    if isinstance(normalizer, normalizers.BertNormalizer):
        for name, option in _BERT_NORMALIZER:
            if option in config:
                setattr(normalizer, name, config[option])
        backend.normalizer = normalizer
    words = backend.pre_tokenizer
    if isinstance(words, pre_tokenizers.ByteLevel) and config.get("add_prefix_space") is not None:
        words.add_prefix_space = bool(config["add_prefix_space"])
        backend.pre_tokenizer = words
    return backend


def _from_vocabulary(
    folder: Path, file: Path | None, config: dict[str, Any], family: Family | None
) -> tuple[Backend, Family]:
    """The vocabulary in the form of its family."""
    path, merges = _vocabulary_files(folder, file, family)
    if _is_ranks(path):
        family = ranks.family_of(path, family)
        with refusing(path):
            added = config.get("added_tokens_decoder") or {}
            return ranks.assemble(path, family, added, **(family.options | _options(config))), family
    if path.suffix in (".model", ".spm"):
        model = sentencepiece.read(path)
        if family is None:
            family = _family_of_pieces(path, config, model)
        if not family.special:
            family = _as_it_is(model)
        if family.kind != PIECES:
            raise FileFormatError(f"{path}: a SentencePiece model, where the family has {family.kind}")
        options = family.options | _options(config)
        special = family.special | {name: content(config[name]) for name in NAMES if config.get(name) is not None}
        with refusing(path):
            return pieces.assemble(model, special, languages=family.languages, **options), family
    if merges is None:
        vocabulary = read_lines_vocabulary(path)
        family = family or FAMILIES["bert"]
        unknown = content(config.get("unk_token") or family.special["unk_token"])
        with refusing(path):
            return assembling.wordpiece(vocabulary, unknown, **_options(config)), family
    vocabulary = read_json_vocabulary(path)
    family = family or FAMILIES["roberta" if {"<mask>", "<s>"} <= vocabulary.keys() else "gpt2"]
    pairs = read_merges(merges)
    with refusing(merges):
        if family.kind == WORD_ENDS:
            unknown = content(config.get("unk_token") or family.special["unk_token"])
            return assembling.word_ends(vocabulary, pairs, unknown), family
        return assembling.byte_level(vocabulary, pairs, **(family.options | _options(config))), family


def _vocabulary_files(folder: Path, file: Path | None, family: Family | None) -> tuple[Path, Path | None]:
    """The file of the vocabulary, and that of the merges where there is one."""
    candidates = [file] if file is not None else [folder / name for name in ("vocab.txt", *dict(_MERGED), *_MODELS)]
    if file is None:
        candidates += sorted(path for path in folder.glob("*.model") if path.name not in _MODELS)
        candidates += sorted(folder.glob("*.tiktoken"))
    for path in candidates:
        merged = dict(_MERGED).get(path.name)
        kind = BYTES if merged else PIECES if path.suffix in (".model", ".spm") else WORDPIECE
        fits = family is None or family.kind == kind or (family.kind == WORD_ENDS and kind == BYTES) or _is_ranks(path)
        if path.is_file() and (file is not None or fits):
            if merged and not (folder / merged).is_file():
                raise FileNotFoundError(f"{path}: its merges, {merged}, are not beside it")
            return path, folder / merged if merged else None
    held = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "nothing"
    form = f"a vocabulary for {family.kind}" if family is not None else "a vocabulary"
    raise FileNotFoundError(
        f"{folder}: expected tokenizer.json or {form} (vocab.txt, vocab.json and merges.txt, encoder.json and vocab.bpe, "
        f"a SentencePiece model, or one of tiktoken's files), it has {held}"
    )


def _is_ranks(path: Path) -> bool:
    return path.suffix == ".tiktoken" or (path.suffix == ".model" and path.is_file() and ranks.is_such(path))


def _family_of_pieces(path: Path, config: Mapping[str, Any], model: sentencepiece.SentencePiece) -> Family:
    """Where no file names the family: T5's numbers of special pieces are its own; else the model is taken as it is."""
    name = config.get("tokenizer_class")
    if name and "PreTrainedTokenizer" not in name and name != "TokenizersBackend":
        raise FileFormatError(
            f"{path}: how {name} numbers its pieces is not known; save its tokenizer.json beside it, or say family="
            f"'sentencepiece' to have them as they are in the file, or one of {', '.join(names())}"
        )
    t5 = (model.pad_id, model.eos_id, model.unk_id) == (0, 1, 2) and model.piece(model.bos_id) is None
    return FAMILIES["t5" if t5 else "sentencepiece"]


def _as_it_is(model: sentencepiece.SentencePiece) -> Family:
    """SentencePiece's own rules: the file's special pieces have the roles that it says, and none goes around a text."""
    roles = (
        ("unk_token", model.unk_id),
        ("bos_token", model.bos_id),
        ("eos_token", model.eos_id),
        ("pad_token", model.pad_id),
    )
    special = {role: piece for role, number in roles if (piece := model.piece(number)) is not None}
    return Family(PIECES, special)


def _is_role(name: str, value: Any) -> bool:
    return name.endswith("_token") and value is not None and not isinstance(value, bool)


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config[name] for name in OPTIONS if config.get(name) is not None}


def _arguments(config: Mapping[str, Any], family: Family | None) -> dict[str, Any]:
    """The arguments of ``Tokenizer``."""
    arguments: dict[str, Any] = {name: config[name] for name in SETTINGS if config.get(name) is not None}
    for name, value in arguments.items():
        if not isinstance(value, SETTINGS[name]):
            raise ArgumentError(f"{name} cannot be {value!r:.60}")
    if family is not None:
        arguments = {"model_input_names": family.model_input_names, "padding_side": family.padding_side} | arguments
        arguments |= family.special
    arguments |= {name: _token(config[name]) for name in config if _is_role(name, config[name])}
    for name in NAMES:  # a role that the files give to nothing
        if name in config and config[name] is None:
            arguments.pop(name, None)
    extra = next((config[name] for name in _EXTRA if config.get(name)), ())
    if isinstance(extra, Mapping):
        arguments["extra_special_tokens"] = {name: _token(token) for name, token in extra.items()}
    else:
        arguments["extra_special_tokens"] = [_token(token) for token in extra]
    skipped = {*SETTINGS, *_EXTRA, "added_tokens_decoder", "tokenizer_file", "vocab_file", "auto_map", "name_or_path"}
    arguments["config"] = {
        name: value for name, value in config.items() if name not in skipped and not _is_role(name, value)
    }
    return arguments


def _token(token: Any) -> Any:
    """A special token as the files write it: a string, or a string with rules."""
    from tokenizers import AddedToken

    if not isinstance(token, Mapping):
        return token
    rules = {name: bool(token[name]) for name in ("single_word", "lstrip", "rstrip", "normalized") if name in token}
    return AddedToken(content(token), special=True, **rules)


def _add_tokens(backend: Backend, folder: Path, config: Mapping[str, Any]) -> None:
    """Tokens that were added after the vocabulary was made, under the numbers that they got then."""
    from tokenizers import AddedToken

    added: dict[int, Any] = {}
    path = folder / "added_tokens.json"
    decoder = config.get("added_tokens_decoder")
    if isinstance(decoder, Mapping):
        for number, token in decoder.items():
            added[int(number)] = _token(token) if token.get("special") else AddedToken(
                content(token), special=False,
                **{name: token[name] for name in ("single_word", "lstrip", "rstrip", "normalized") if name in token},
            )  # fmt: skip
    elif path.is_file():
        roles = {content(value) for name, value in config.items() if _is_role(name, value)}
        for token, number in read_json_vocabulary(path).items():
            special = token in roles
            added[number] = AddedToken(token, special=special, normalized=not special)
    there = backend.get_added_tokens_decoder()
    for number, token in sorted(added.items()):
        if token != there.get(number):
            (backend.add_special_tokens if token.special else backend.add_tokens)([token])
        got = backend.token_to_id(token.content)
        if got != number:
            raise FileFormatError(
                f"{folder}: the added token {token.content!r} is to have the number {number}, but the vocabulary, of "
                f"{backend.get_vocab_size()} tokens, gives it {got}"
            )


def _add_roles(backend: Backend, arguments: dict[str, Any], special: Mapping[str, str], family: Family) -> None:
    """Special tokens into the vocabulary, which for some families lacks one; the mask takes the blank before it along."""
    from tokenizers import AddedToken

    strips = family.trims or family.options.get("shift") == "fairseq"
    there = {token.content for token in backend.get_added_tokens_decoder().values()}
    for name, text in special.items():
        if text not in there:
            given = arguments[name]
            if isinstance(given, str):
                given = AddedToken(text, special=True, normalized=False, lstrip=strips and name == "mask_token")
            backend.add_special_tokens([given])
            there.add(text)
