"""New tokenizers, learnt from texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from framework.errors import ArgumentError
from text.tokenizers.special import NAMES, content
from text.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_BERT = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
_END = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
_ANGLES = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
_WORDS = {"pad_token": "<pad>", "unk_token": "<unk>"}


def train_from_iterator(
    kind: str,
    texts: Iterable[str] | Iterable[Sequence[str]],
    vocab_size: int,
    *,
    special_tokens: Sequence[str] | dict[str, str] | None = None,
    min_frequency: int = 2,
    lowercase: bool = False,
    length: int | None = None,
    show_progress: bool = False,
    model_max_length: int | None = None,
    **trainer: Any,
) -> Tokenizer:
    """Learn a vocabulary.

    Args:
        kind: ``"wordpiece"`` (as BERT: pieces within a word are marked by ``##``, ``[CLS]`` and ``[SEP]`` go around a
            text), ``"byte-bpe"`` (as GPT-2: from bytes, so nothing is unknown), ``"bpe"`` (characters, a blank is part
            of the word after it), ``"unigram"`` (as T5, ``</s>`` goes after a text) or ``"wordlevel"`` (whole words and
            punctuation marks).
        texts: strings, or lists of them, from anything that can be walked through once.
        vocab_size: how many tokens there may be at most, special ones included.
        special_tokens: by role, or a list of those without one, beside the kind's own.
        min_frequency: how often a pair or a word must occur; unigram has no such limit.
        lowercase: whether case and accents are taken away before anything else.
        length: how many texts there are, for the progress bar.
        show_progress: show one.
        model_max_length: how many tokens the model takes.
        trainer: further arguments of the library's trainer, such as ``limit_alphabet``.

    Returns:
        The tokenizer; ``save_pretrained`` writes it down.

    Raises:
        ArgumentError: there is no such kind, or nothing could be learnt.

    Example:
        >>> tokenizer = text.tokenizers.train_from_iterator("byte-bpe", open("book.txt"), vocab_size=4000)  # doctest: +SKIP
    """
    if kind not in _KINDS:
        raise ArgumentError(f"train_from_iterator: there is no kind {kind!r}; there are {', '.join(_KINDS)}")
    from tokenizers import models, trainers

    make, roles, around = _KINDS[kind]
    extra: list[str] = []
    if isinstance(special_tokens, dict):
        wrong = [name for name in special_tokens if name not in NAMES]
        if wrong:
            raise ArgumentError(f"special_tokens: there is no role {wrong[0]!r}; there are {', '.join(NAMES)}")
        roles = roles | special_tokens
    else:
        extra = [content(token) for token in special_tokens or () if content(token) not in roles.values()]
    backend = make(roles, lowercase)
    options = {"vocab_size": vocab_size, "show_progress": show_progress, **trainer}
    options["special_tokens"] = list(dict.fromkeys([*roles.values(), *extra]))
    if isinstance(backend.model, models.Unigram):
        learner: Any = trainers.UnigramTrainer(unk_token=roles["unk_token"], **options)
    else:
        options.setdefault("min_frequency", min_frequency)
        of_kind = {"wordpiece": trainers.WordPieceTrainer, "wordlevel": trainers.WordLevelTrainer}
        if kind == "byte-bpe":
            from tokenizers.pre_tokenizers import ByteLevel

            options.setdefault("initial_alphabet", ByteLevel.alphabet())
        learner = of_kind.get(kind, trainers.BpeTrainer)(**options)
    try:
        backend.train_from_iterator(texts, learner, length)
    except Exception as error:  # the library raises nothing more special
        raise ArgumentError(f"train_from_iterator: {kind} with {vocab_size} tokens: {error}") from error
    if around is not None:
        from tokenizers import processors

        single, pair = around
        used = [token for token in roles.values() if token in pair]
        backend.post_processor = processors.TemplateProcessing(
            single=single, pair=pair, special_tokens=[(token, backend.token_to_id(token)) for token in used]
        )
    with_types = around is not None and ":1" in around[1]
    names = ["input_ids", *(["token_type_ids"] if with_types else []), "attention_mask"]
    arguments: dict[str, Any] = {"extra_special_tokens": extra, **roles}
    return Tokenizer(backend, model_max_length=model_max_length, model_input_names=names, **arguments)


def _wordpiece(roles: dict[str, str], lowercase: bool) -> Backend:
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, normalizers, pre_tokenizers

    backend = Backend(models.WordPiece(unk_token=roles["unk_token"]))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    return backend


def _byte_bpe(roles: dict[str, str], lowercase: bool) -> Backend:
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers

    backend = Backend(models.BPE())
    _plain(backend, lowercase)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend


def _bpe(roles: dict[str, str], lowercase: bool) -> Backend:
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers

    backend = Backend(models.BPE(unk_token=roles["unk_token"], fuse_unk=True))
    _plain(backend, lowercase)
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return backend


def _unigram(roles: dict[str, str], lowercase: bool) -> Backend:
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers

    backend = Backend(models.Unigram())
    _plain(backend, lowercase)
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return backend


def _wordlevel(roles: dict[str, str], lowercase: bool) -> Backend:
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    backend = Backend(models.WordLevel(unk_token=roles["unk_token"]))
    _plain(backend, lowercase)
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return backend


def _plain(backend: Backend, lowercase: bool) -> None:
    from tokenizers import normalizers

    if lowercase:
        backend.normalizer = normalizers.Sequence(
            [normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]
        )


_Around = tuple[str, str] | None
_KINDS: dict[str, tuple[Callable[[dict[str, str], bool], Backend], dict[str, str], _Around]] = {
    "wordpiece": (_wordpiece, _BERT, ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")),
    "byte-bpe": (_byte_bpe, _END, None),
    "bpe": (_bpe, _WORDS, None),
    "unigram": (_unigram, _ANGLES, ("$A </s>", "$A </s> $B </s>")),
    "wordlevel": (_wordlevel, _WORDS, None),
}
