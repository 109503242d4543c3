"""Tokenizers written as model folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.io import atomic_path

if TYPE_CHECKING:
    from text.tokenizers.tokenizer import Tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> list[Path]:
    """Write a tokenizer's files. ``Tokenizer.save_pretrained`` says which."""
    folder.mkdir(parents=True, exist_ok=True)
    backend = tokenizer.backend_tokenizer
    with tokenizer._lock:
        backend.no_truncation()
        backend.no_padding()
        whole = backend.to_str(pretty=True)
    roles: dict[str, Any] = dict(tokenizer.special_tokens_map)
    if tokenizer.extra_special_tokens:
        roles["additional_special_tokens"] = tokenizer.extra_special_tokens
    dropped = ("tokenizer_class", "chat_template", "added_tokens_decoder")
    config = {name: value for name, value in tokenizer.config.items() if name not in dropped}
    config |= roles
    config |= {
        "tokenizer_class": tokenizer.save_class,
        "model_max_length": tokenizer.model_max_length,
        "model_input_names": tokenizer.model_input_names,
        "padding_side": tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
        "clean_up_tokenization_spaces": tokenizer.clean_up_tokenization_spaces,
        "split_special_tokens": tokenizer.split_special_tokens,
        "added_tokens_decoder": {str(n): _rules(token) for n, token in tokenizer.added_tokens_decoder.items()},
    }
    written = [
        _write(folder / "tokenizer.json", whole),
        _write(folder / "tokenizer_config.json", _json(config)),
        _write(folder / "special_tokens_map.json", _json(roles)),
    ]
    templates = tokenizer.chat_template
    if isinstance(templates, str):
        templates = {"default": templates}
    for name, template in (templates or {}).items():
        place = folder / "chat_template.jinja"
        if name != "default":
            place = folder / "additional_chat_templates" / f"{name}.jinja"
            place.parent.mkdir(exist_ok=True)
        written.append(_write(place, template))
    return written


def _rules(token: Any) -> dict[str, Any]:
    names = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    return {name: getattr(token, name) for name in names}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _write(path: Path, text: str) -> Path:
    with atomic_path(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")
    return path
