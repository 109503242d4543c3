"""From ``--data`` to tokens for a language model: the texts, the tokenizer, and the model that belongs to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import text
from framework.data import Subset
from framework.errors import ArgumentError, StateError
from framework.io import FileFormatError
from text.datasets.corpus import TokenBlocks
from text.models import from_config
from text.models.gpt2 import GPT2Config, GPT2LMHeadModel
from text.models.loading import architecture_of
from text.tokenizers import Tokenizer

TASK = "causal-lm"
SHARE_HELD_OUT = 0.1  # the end of a text without a validation part
NAMES = {"train": ("train", "training", "input"), "val": ("val", "valid", "validation", "dev", "test")}
_CHUNK = 1 << 16  # characters that are encoded at once


@dataclass
class Corpus:
    """A text to learn and one to measure on, and what they are called."""

    name: str
    train: str
    val: str


def load_corpus(data: str) -> Corpus:
    """The texts of a file, whose end is held out, or of a folder with files for training and validation.

    Raises:
        FileNotFoundError, FileFormatError: there are none, or they are no text.
    """
    path = Path(data)
    if path.is_file():
        whole = _read(path)
        cut = round(len(whole) * (1 - SHARE_HELD_OUT))
        return Corpus(path.parent.resolve().name if path.stem == "input" else path.stem, whole[:cut], whole[cut:])
    if not path.is_dir():
        raise FileNotFoundError(f"--data {data}: there is no such file; give a text, or a folder with train and valid")
    files = [f for f in sorted(path.iterdir()) if f.is_file()]
    found = {
        part: next((f for name in names for f in files if re.split(r"[._-]", f.name.lower())[0] == name), None)
        for part, names in NAMES.items()
    }
    if found["train"] is None:
        raise FileNotFoundError(f"--data {data}: there is no file train.txt in the folder")
    if found["val"] is None:
        return load_corpus(str(found["train"]))
    return Corpus(path.resolve().name, _read(found["train"]), _read(found["val"]))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: not a text in UTF-8 ({error})") from None


def character_tokenizer(characters: set[str]) -> Tokenizer:
    """A tokenizer whose tokens are single characters, in the order of their code points."""
    from tokenizers import Regex, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Backend

    backend = Backend(models.WordLevel({c: i for i, c in enumerate(sorted(characters))}))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    return Tokenizer(backend)


def tokenizer_for(args: Any, corpus: Corpus, folder: Path | None) -> Tokenizer:
    """The tokenizer of a run's folder, of the model to go on from, or a new one for the corpus."""
    if folder is not None or args.model is not None:
        return Tokenizer.from_pretrained(folder or args.model)
    if args.tokens == "chars":
        return character_tokenizer(set(corpus.train) | set(corpus.val))
    return Tokenizer.train("byte-bpe", _chunks(corpus.train), args.vocab_size)


def tokens_of(tokenizer: Tokenizer, words: str) -> np.ndarray[Any, Any]:
    """The numbers of a text's tokens (N)."""
    kind = np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32
    parts = [
        np.array(tokenizer(chunk, add_special_tokens=False, truncation=False)["input_ids"], kind)
        for chunk in _chunks(words)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, kind)


def _chunks(words: str) -> Iterator[str]:
    """A text in parts that end where a line does, before one that begins with a letter: no token goes over that."""
    start = 0
    border = re.compile(r"\n(?=\S)")
    while start < len(words):
        found = border.search(words, start + _CHUNK)
        stop = len(words) if found is None else found.end()
        yield words[start:stop]
        start = stop


def build(args: Any, tokenizer: Tokenizer, folder: Path | None) -> Any:
    """The model on its device: as the run's folder says, as it is in the folder to go on from, or a new GPT-2.

    ``args.block_size`` is settled, too.

    Raises:
        ArgumentError: the model cannot read blocks of that size.
    """
    if folder is not None:
        model = from_config(folder, TASK)
    elif args.model is not None:
        try:
            model = text.from_pretrained(args.model, TASK)
        except StateError as error:
            raise ArgumentError(f"--model {args.model}: {error}") from None
    else:
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(tokenizer), n_positions=args.block_size, n_embd=args.width, n_layer=args.layers,
                n_head=args.heads, resid_pdrop=args.dropout, embd_pdrop=args.dropout, attn_pdrop=args.dropout,
                bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            )
        )  # fmt: skip
    places = model.config.get("max_position_embeddings") or args.block_size
    if args.block_size > places:
        raise ArgumentError(f"--block-size {args.block_size}: the model reads {places} tokens at most")
    return model.to(args.device)


def save_config(folder: Path, model: Any) -> None:
    """``config.json``, so that with tokenizer and weights a run's folder is a language model's folder itself."""
    model.config.architectures = [architecture_of(type(model), model.config.model_type)]
    model.config.save_pretrained(folder)


def blocks_of(part: str, tokens: Any, size: int, stride: int | None = None) -> TokenBlocks:
    """Blocks of tokens, each with those that come next.

    Raises:
        ArgumentError: there are too few tokens for one.
    """
    blocks = TokenBlocks(tokens, size, stride)
    if not len(blocks):
        raise ArgumentError(f"--data: the {part} text has {len(tokens)} tokens, too few for --block-size {size}")
    return blocks


def some(blocks: TokenBlocks, count: int) -> Any:
    """At most so many of the blocks, evenly spread."""
    if len(blocks) <= count:
        return blocks
    return Subset(blocks, np.linspace(0, len(blocks) - 1, count).astype(int).tolist())
