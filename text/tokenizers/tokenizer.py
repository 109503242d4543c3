"""The tokenizer: texts to numbers and back, over the ``tokenizers`` library.

A batch is encoded on all cores, in threads of the library's own (``RAYON_NUM_THREADS`` says how many;
``TOKENIZERS_PARALLELISM=false`` turns them off). In a process forked after such a batch the library turns them off by
itself and says so, unless that variable is set; the workers of our ``DataLoader`` are threads, or processes started
afresh, so for them nothing needs to be set.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import framework
from framework.errors import ArgumentError
from text.tokenizers.encoding import Encoder
from text.tokenizers.lengths import UNLIMITED
from text.tokenizers.special import NAMES, content, contents

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Backend

_WORDPIECE_BLANKS = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


class Tokenizer(Encoder):
    """Texts to the numbers that a model takes, and back.

    Mostly had by ``Tokenizer.from_pretrained(folder)``, or by ``Tokenizer.train``; this takes a tokenizer of the
    ``tokenizers`` library that was put together by hand, and keeps it as its own.

    Args:
        backend: the library's tokenizer; whatever it does to lengths is turned off, for the call says that.
        model_max_length: how many tokens the model takes at most.
        model_input_names: which entries a call gives; the first is that of the tokens.
        padding_side, truncation_side: where padding goes and where long texts are cut, ``"right"`` or ``"left"``.
        clean_up_tokenization_spaces: whether decoding takes the blank away before punctuation.
        split_special_tokens: whether special tokens written out in a text are taken apart like any other word.
        chat_template: the Jinja template of a chat, or several by name.
        extra_special_tokens: special tokens without a role; by name (``{"image_token": "<image>"}``) with one.
        config: further entries of ``tokenizer_config.json``, kept for saving.
        special_tokens: by role: ``pad_token``, ``unk_token``, ``bos_token``, ``eos_token``, ``sep_token``,
            ``cls_token``, ``mask_token``. Those that the vocabulary lacks are added to it.

    Example:
        >>> tokenizer = text.tokenizers.Tokenizer.from_pretrained("minilm")  # doctest: +SKIP
        >>> batch = tokenizer(["a text", "another text"], padding=True, return_tensors="pt")  # doctest: +SKIP
        >>> model(**batch)  # doctest: +SKIP
    """

    is_fast = True
    # what transformers is told to read it by: the one class that takes tokenizer.json as it is, in every version
    save_class = "PreTrainedTokenizerFast"

    def __init__(
        self,
        backend: Backend,
        *,
        model_max_length: int | None = None,
        model_input_names: Sequence[str] = ("input_ids", "attention_mask"),
        padding_side: str = "right",
        truncation_side: str = "right",
        clean_up_tokenization_spaces: bool = False,
        split_special_tokens: bool = False,
        chat_template: str | dict[str, str] | None = None,
        extra_special_tokens: Sequence[str | AddedToken] | Mapping[str, str | AddedToken] = (),
        config: Mapping[str, Any] | None = None,
        name_or_path: str = "",
        **special_tokens: str | AddedToken | None,
    ) -> None:
        for name, side in (("padding_side", padding_side), ("truncation_side", truncation_side)):
            if side not in ("left", "right"):
                raise ArgumentError(f"{name}: expected 'left' or 'right', got {side!r}")
        wrong = [name for name in special_tokens if not name.endswith("_token")]
        if wrong:
            raise ArgumentError(f"Tokenizer: no argument {wrong[0]!r}; special tokens are {', '.join(NAMES)}")
        self._backend = backend
        self._lock = threading.Lock()
        backend.no_truncation()
        backend.no_padding()
        if backend.post_processor is None:  # without one the tokens of a pair's two texts are not told apart
            from tokenizers.processors import TemplateProcessing

            backend.post_processor = TemplateProcessing(single="$A:0", pair="$A:0 $B:1", special_tokens=[])
        named = dict(special_tokens)
        if isinstance(extra_special_tokens, Mapping):
            named.update(extra_special_tokens)
            extra_special_tokens = ()
        self._named = {name: content(token) for name, token in named.items() if token is not None}
        self._extra = contents(extra_special_tokens)
        self.model_max_length = UNLIMITED if model_max_length is None else int(model_max_length)
        self.model_input_names = list(model_input_names)
        self.padding_side = padding_side
        self.truncation_side = truncation_side
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.split_special_tokens = split_special_tokens
        self.chat_template = chat_template
        self.config = dict(config or {})
        self.name_or_path = name_or_path
        self._add_missing([*(token for token in named.values() if token is not None), *extra_special_tokens])

    def _add_missing(self, tokens: Sequence[str | AddedToken]) -> None:
        from tokenizers import AddedToken

        there = {token.content for token in self._backend.get_added_tokens_decoder().values() if token.special}
        missing = {content(token): token for token in tokens if content(token) not in there}
        self.add_tokens(
            [
                AddedToken(token, special=True, normalized=False) if isinstance(token, str) else token
                for token in missing.values()
            ],
            special_tokens=True,
        )

    @classmethod
    def from_pretrained(
        cls, path: str | os.PathLike[str], *, family: str | None = None, revision: str | None = None, **settings: Any
    ) -> Tokenizer:
        """The tokenizer of a model folder, or of a repository of the Hugging Face hub.

        It is read from the first of these that is there: ``tokenizer.json``; a vocabulary in the form of its family:
        ``vocab.txt`` (WordPiece), ``vocab.json`` and ``merges.txt`` or ``encoder.json`` and ``vocab.bpe`` (byte-level
        BPE), a SentencePiece model (``*.model``), tiktoken's ranks (``*.tiktoken``). ``tokenizer_config.json``,
        ``special_tokens_map.json``, ``added_tokens.json`` and the files of chat templates say the rest; where they are
        absent ``config.json`` names the family, and where that is absent too the vocabulary's own look does.

        Args:
            path: a folder, one of those files, or a name such as ``"bert-base-cased"``.
            family: whose rules hold, such as ``"bert"``, ``"gpt2"`` or ``"t5"``, where no file says it.
            revision: of the repository.
            settings: what to have otherwise than the files say: the arguments of ``Tokenizer``, special tokens by role,
                and ``do_lower_case``, ``strip_accents``, ``tokenize_chinese_chars``, ``add_prefix_space``,
                ``add_bos_token``, ``add_eos_token``, ``extra_ids``, ``legacy``, ``src_lang``, ``tgt_lang`` and
                ``legacy_behaviour`` for the families that know them.

        Raises:
            FileFormatError: a file is damaged, or there is none to read from.
        """
        from text.tokenizers.loading import load

        return load(cls, path, family, revision, settings)

    @classmethod
    def train(cls, kind: str, texts: Iterable[str], vocab_size: int, **settings: Any) -> Tokenizer:
        """A new tokenizer, learnt from texts. ``text.tokenizers.train_from_iterator`` says what the arguments mean."""
        from text.tokenizers.training import train_from_iterator

        return train_from_iterator(kind, texts, vocab_size, **settings)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``tokenizer.json``, ``tokenizer_config.json``, ``special_tokens_map.json`` and the chat template, as
        ``tokenizers.Tokenizer.from_file`` and ``transformers.AutoTokenizer.from_pretrained`` read them.

        Returns:
            The files.
        """
        from text.tokenizers.saving import save

        return save(self, Path(folder))

    @property
    def backend_tokenizer(self) -> Backend:
        """The ``tokenizers`` library's own tokenizer."""
        return self._backend

    @property
    def vocab_size(self) -> int:
        """How many tokens there are without the added ones; ``len(tokenizer)`` counts these too."""
        return self._backend.get_vocab_size(with_added_tokens=False)

    def __len__(self) -> int:
        return self._backend.get_vocab_size(with_added_tokens=True)

    def __bool__(self) -> bool:
        return True

    def get_vocab(self) -> dict[str, int]:
        """Every token and its number."""
        return self._backend.get_vocab(with_added_tokens=True)

    vocab = property(get_vocab)

    def get_added_vocab(self) -> dict[str, int]:
        """The added tokens and their numbers."""
        return {token.content: number for number, token in sorted(self.added_tokens_decoder.items())}

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by number, with their rules."""
        return self._backend.get_added_tokens_decoder()

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """The token of a number, or the tokens of a list of them."""
        if isinstance(ids, int | np.integer):
            return self._backend.id_to_token(int(ids))
        skipped = self._special_numbers() if skip_special_tokens else frozenset()
        return [self._backend.id_to_token(number) for number in id_lists(ids) if number not in skipped]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text that tokens make."""
        decoder = self._backend.decoder
        return " ".join(tokens) if decoder is None else decoder.decode(tokens)

    def decode(
        self, token_ids: Any, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool | None = None
    ) -> Any:
        """The text of a sequence of numbers, or the list of texts of a batch of them.

        Args:
            token_ids: a number, a list, an array or a tensor; with two axes, or lists in a list, a batch.
            skip_special_tokens: leave the special tokens out.
            clean_up_tokenization_spaces: take the blank away before punctuation; unless given, as the tokenizer's own
                setting says. Byte-level BPE keeps its blanks in any case, for in it they are part of the text.
        """
        numbers = id_lists(token_ids)
        batch = bool(numbers) and isinstance(numbers[0], list)
        with_rows = numbers if batch else [numbers]
        texts = self._backend.decode_batch(with_rows, skip_special_tokens=skip_special_tokens)
        clean = (
            self.clean_up_tokenization_spaces if clean_up_tokenization_spaces is None else clean_up_tokenization_spaces
        )
        if clean and type(self._backend.model).__name__ != "BPE":
            for before, after in _WORDPIECE_BLANKS:
                texts = [line.replace(before, after) for line in texts]
        return texts if batch else texts[0]

    def batch_decode(
        self, sequences: Any, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool | None = None
    ) -> list[str]:
        """The texts of a batch of sequences of numbers, in threads."""
        rows = [id_lists(row) for row in sequences]
        return self.decode(rows, skip_special_tokens, clean_up_tokenization_spaces) if rows else []

    def get_special_tokens_mask(
        self, token_ids_0: Any, token_ids_1: Any = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """1 for special tokens, 0 for others, of a sequence that has them already."""
        if not already_has_special_tokens or token_ids_1 is not None:
            raise ArgumentError(
                "get_special_tokens_mask: only for one sequence that has its special tokens "
                "(already_has_special_tokens=True); for a text, call the tokenizer with return_special_tokens_mask=True"
            )
        special = self._special_numbers()
        return [int(number in special) for number in id_lists(token_ids_0)]

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """The text or the tokens of a chat. ``text.tokenizers.chat.apply`` says what the arguments mean."""
        from text.tokenizers.chat import apply

        return apply(self, conversation, **options)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def __repr__(self) -> str:
        kind = type(self._backend.model).__name__
        special = ", ".join(f"{name}={token!r}" for name, token in self._named.items())
        return f"{type(self).__name__}({kind}, {len(self)} tokens, model_max_length={self.model_max_length}, {special})"


def id_lists(ids: Any) -> list[Any]:
    """A list of numbers, or of lists of them."""
    if isinstance(ids, Mapping):
        ids = ids["input_ids"]
    if isinstance(ids, framework.Tensor | np.ndarray):
        ids = ids.tolist()
    if isinstance(ids, int | np.integer):
        return [int(ids)]
    ids = list(ids)
    if ids and isinstance(ids[0], list | tuple | np.ndarray | framework.Tensor):
        return [id_lists(row) for row in ids]
    return [int(number) for number in ids]
