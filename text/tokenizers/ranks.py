"""tiktoken's files (``*.tiktoken``, and Llama 3's ``tokenizer.model``): a token's bytes in base64 and its rank on each line.

Reference: https://github.com/openai/tiktoken. Of two neighbours in a word, those are merged first whose bytes together have
the lowest rank, and a word that is a token is taken as it is.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.io import FileFormatError
from text.tokenizers import assembling
from text.tokenizers.families import FAMILIES, RANKS, Family, find
from text.tokenizers.special import content

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")
_KIN = {"llama": "llama3", "qwen2": "qwen", "gpt2": "r50k"}  # families whose other files are of another form
_END = "<|endoftext|>"
_RESERVED = [f"<|reserved_special_token_{number}|>" for number in range(251)]
_FIM = ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]

# special tokens by family: with their numbers, or a list of those that come after the last rank
SPECIAL: dict[str, dict[str, int] | list[str]] = {
    "r50k": [_END],
    "p50k": {_END: 50256},
    "cl100k": {_END: 100257, **{name: 100258 + i for i, name in enumerate(_FIM)}, "<|endofprompt|>": 100276},
    "o200k": {_END: 199999, "<|endofprompt|>": 200018},
    "qwen": [_END, "<|im_start|>", "<|im_end|>", *(f"<|extra_{number}|>" for number in range(205))],
    "llama3": [
        "<|begin_of_text|>", "<|end_of_text|>", *_RESERVED[:4], "<|start_header_id|>", "<|end_header_id|>", _RESERVED[4],
        "<|eot_id|>", *_RESERVED[5:],
    ],
}  # fmt: skip


def is_such(path: Path) -> bool:
    """Whether a file looks like one of tiktoken's, whatever its name."""
    with path.open("rb") as file:
        return _LINE.match(file.read(4096)) is not None


def family_of(path: Path, family: Family | None) -> Family:
    """Whose rules hold: those of the family, if it has such files, else of the file's name, else ``cl100k``'s."""
    if family is not None and family.kind == RANKS:
        return family
    for name, kin in _KIN.items():
        if family is FAMILIES[name]:
            return FAMILIES[kin]
    named = find(path.stem)
    return named if named is not None and named.kind == RANKS else FAMILIES["cl100k"]


def read(path: Path) -> dict[bytes, int]:
    """Tokens and their ranks.

    Raises:
        FileFormatError: a line is none of such a file, a rank or a token is there twice, or a byte has no token.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        line = line.rstrip(b"\r")
        if not line:
            continue
        where = f"{path}, line {number}"
        token, _, rank = line.partition(b" ")
        try:
            key, value = base64.b64decode(token, validate=True), int(rank)
        except (binascii.Error, ValueError):
            raise FileFormatError(
                f"{where}: expected a token in base64 and its rank, got {bytes(line[:40])!r}"
            ) from None
        if not key or not 0 <= value < 1 << 32 or key in ranks:
            raise FileFormatError(
                f"{where}: the token {key!r:.40} is empty or there twice, or its rank {value} is none"
            )
        ranks[key] = value
    if len(set(ranks.values())) != len(ranks):
        raise FileFormatError(f"{path}: two tokens have the same rank")
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise FileFormatError(f"{path}: the byte {missing[0]} has no token; each of the 256 must have one")
    return ranks


def assemble(path: Path, family: Family, added: Mapping[Any, Any], **options: Any) -> Backend:
    """The tokenizer of a file.

    Numbers between or after the ranks that no special token has get a reserved one, so that there are as many tokens as
    the model has rows.

    Args:
        path: the file.
        family: whose rules hold.
        added: special tokens by number as ``tokenizer_config.json`` has them; they come before the family's.
        options: ``split`` (how texts are cut into words) and ``add_prefix_space``.
    """
    from tokenizers import AddedToken

    ranks = read(path)
    end = max(ranks.values()) + 1
    own = SPECIAL[next(name for name, known in FAMILIES.items() if known is family)]
    numbers = own if isinstance(own, dict) else {name: end + place for place, name in enumerate(own)}
    special = {number: name for name, number in numbers.items()} | {int(n): content(t) for n, t in added.items()}
    taken = set(ranks.values())
    clash = next((number for number in numbers.values() if number in taken), None)
    if clash is not None:
        raise FileFormatError(
            f"{path}: the number {clash} is that of a special token of the family and of a rank; say which family it is"
        )
    special = {number: name for number, name in special.items() if number not in taken}
    rows = range(max([end, *(number + 1 for number in special)]))
    reserved = {f"<|reserved_token_{n}|>": n for n in rows if n not in taken and n not in special}
    letters = str.maketrans(assembling.letters_of_bytes())
    vocabulary = {token.decode("latin-1").translate(letters): rank for token, rank in ranks.items()}
    backend = assembling.byte_level(
        vocabulary | reserved | {name: number for number, name in special.items()},
        merges(ranks, letters),
        whole=True,
        **options,
    )
    names = [special[number] for number in sorted(special)]
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    return backend


def merges(ranks: Mapping[bytes, int], letters: Mapping[int, Any]) -> list[tuple[str, str]]:
    """The pairs of tokens that make a token, in the order of its rank. In a word, only one pair of each ever meets."""
    found = []
    for token, rank in ranks.items():
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in ranks and right in ranks:
                found.append((rank, left, right))
    found.sort(key=lambda pair: pair[0])
    return [tuple(part.decode("latin-1").translate(letters) for part in pair) for _, *pair in found]  # type: ignore[misc]
