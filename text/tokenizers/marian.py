"""Marian's tokenizer: one SentencePiece model for each side of a translation, and one vocabulary for both.

Reference: Junczys-Dowmunt et al., "Marian: Fast Neural Machine Translation in C++", https://arxiv.org/abs/1804.00344
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.io import FileFormatError, atomic_path
from text.tokenizers import pieces, sentencepiece
from text.tokenizers.files import read_json_vocabulary, refusing
from text.tokenizers.special import content
from text.tokenizers.tokenizer import Tokenizer, id_lists

if TYPE_CHECKING:
    from tokenizers import Encoding

SIDES = ("source.spm", "target.spm")
_LANGUAGE = re.compile(r">>.+<<")  # the token that tells a model of many languages which to answer in


class MarianTokenizer(Tokenizer):
    """Texts of the source language to numbers, and numbers to texts of the target language.

    ``text_target`` is cut by the target's model. It is had by ``Tokenizer.from_pretrained(folder)`` from ``vocab.json``,
    ``source.spm`` and ``target.spm``.

    Args:
        models: the two models, that of the language to be cut first.
        numbers: the tokens of both languages and their numbers.
        settings: the arguments of ``Tokenizer``.
    """

    def __init__(self, models: tuple[Path, Path], numbers: dict[str, int], **settings: Any) -> None:
        self._models, self._numbers, self._settings = models, numbers, settings
        self._tokens = {number: token for token, number in numbers.items()}
        self._files = tuple(path.read_bytes() for path in models)
        special = {name: content(token) for name, token in settings.items() if name.endswith("_token") and token}
        for name, token in special.items():
            if token not in numbers:
                raise FileFormatError(f"{models[0].with_name('vocab.json')}: {name}, {token!r}, is not in it")
        with refusing(models[0]):
            backend = pieces.assemble(sentencepiece.read(models[0]), special)
            backend.add_special_tokens([*special.values(), *filter(_LANGUAGE.fullmatch, numbers)])
            from tokenizers.processors import TemplateProcessing

            end = special["eos_token"]
            backend.post_processor = TemplateProcessing(
                single=["$A", end], pair=["$A", "$B", end], special_tokens=[(end, backend.token_to_id(end))]
            )
        super().__init__(backend, **settings)

    @property
    def vocab_size(self) -> int:
        """How many tokens the two languages have together."""
        return len(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def get_vocab(self) -> dict[str, int]:
        """Every token and its number."""
        return dict(self._numbers)

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The number of a token, or the numbers of a list of them; those unknown get the unknown token's."""
        unknown = self._numbers[self._named["unk_token"]]
        if isinstance(tokens, str):
            return self._numbers.get(tokens, unknown)
        return [self._numbers.get(token, unknown) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """The token of a number, or the tokens of a list of them."""
        if not isinstance(ids, list | tuple) and getattr(ids, "ndim", 0) == 0:
            return self._tokens.get(int(ids))
        skipped = self._special_numbers() if skip_special_tokens else frozenset()
        return [self._tokens.get(number) for number in id_lists(ids) if number not in skipped]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text that tokens make; special tokens stand alone in it."""
        special = set(self.all_special_tokens)
        return "".join(f" {token} " if token in special else token for token in tokens).replace("▁", " ").strip()

    def decode(
        self, token_ids: Any, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool | None = None
    ) -> Any:
        """The text of a sequence of numbers, or the list of texts of a batch of them."""
        rows = id_lists(token_ids)
        if rows and isinstance(rows[0], list):
            return [self.decode(row, skip_special_tokens) for row in rows]
        tokens = self.convert_ids_to_tokens(rows, skip_special_tokens)
        return self.convert_tokens_to_string([token for token in tokens if token is not None])

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Add tokens to the end of the vocabulary."""
        tokens = [new_tokens] if isinstance(new_tokens, str) or not isinstance(new_tokens, list | tuple) else new_tokens
        for token in map(content, tokens):
            number = self._numbers.setdefault(token, len(self._numbers))
            self._tokens[number] = token
        return super().add_tokens(new_tokens, special_tokens)

    def save_pretrained(self, folder: Any) -> list[Path]:
        """Write the two models, ``vocab.json`` and ``tokenizer_config.json``, as transformers reads them."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        config = {**self.config, **self.special_tokens_map, "tokenizer_class": "MarianTokenizer"}
        config["model_max_length"] = self.model_max_length
        contents = dict(zip(SIDES, self._files))
        contents |= {
            "vocab.json": json.dumps(self._numbers, ensure_ascii=False, indent=2).encode(),
            "tokenizer_config.json": json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True).encode(),
        }
        for name, data in contents.items():
            with atomic_path(place / name) as temporary:
                Path(temporary).write_bytes(data)
        return [place / name for name in contents]

    def _ids(self, encoding: Encoding) -> list[int]:
        return self.convert_tokens_to_ids(encoding.tokens)

    def _target_side(self) -> MarianTokenizer:
        return MarianTokenizer(self._models[::-1], self._numbers, **self._settings)


def load(folder: Path, config: Mapping[str, Any], settings: dict[str, Any]) -> MarianTokenizer:
    """The tokenizer of a folder with ``vocab.json`` and the two models.

    Args:
        folder: the folder.
        config: what ``tokenizer_config.json`` says.
        settings: the arguments of ``Tokenizer``.
    """
    missing = [name for name in ("vocab.json", *SIDES) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder}: a tokenizer of Marian's, but {' and '.join(missing)} are not in it")
    if config.get("separate_vocabs"):
        raise FileFormatError(f"{folder}: its two languages have vocabularies of their own (separate_vocabs)")
    numbers = read_json_vocabulary(folder / "vocab.json")
    return MarianTokenizer((folder / SIDES[0], folder / SIDES[1]), numbers, **settings)
