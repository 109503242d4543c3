"""Steps from texts to tensors, as in torchtext; each takes one text or list, or a list of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import framework
from framework import Tensor, nn
from framework.errors import ArgumentError, ShapeError
from text import functional
from text.vocab import Vocab, vocab

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_RANDOM, _KEPT = 0.1, 0.1  # of what is masked: replaced by any token, left as it is


class Sequential(nn.Sequential):
    """Steps one after the other.

    Example:
        >>> steps = text.transforms.Sequential(VocabTransform(vocab), Truncate(128), ToTensor(0))  # doctest: +SKIP
    """


class VocabTransform(nn.Module):
    """Tokens to their numbers in a vocabulary."""

    def __init__(self, vocab: Vocab) -> None:
        super().__init__()
        self.vocab = vocab

    def forward(self, input: Any) -> Any:
        """The numbers of a list of tokens, or of a list of such lists."""
        if input and isinstance(input[0], list | tuple):
            return [self.vocab.lookup_indices(tokens) for tokens in input]
        return self.vocab.lookup_indices(input)


class ToTensor(nn.Module):
    """Numbers to a tensor. Lists of several lengths are filled up with ``padding_value``."""

    def __init__(self, padding_value: int | None = None, dtype: Any = framework.long) -> None:
        super().__init__()
        self.padding_value, self.dtype = padding_value, dtype

    def forward(self, input: Any) -> Tensor:
        """The tensor of a list of numbers, or of a list of such lists."""
        return functional.to_tensor(input, self.padding_value, self.dtype)


class LabelToIndex(nn.Module):
    """Labels to their numbers.

    Args:
        label_names: the labels in the order of their numbers.
        label_path: a file with one a line, instead.
        sort_names: number them by the alphabet.
    """

    def __init__(
        self, label_names: Sequence[str] | None = None, label_path: str | None = None, sort_names: bool = False
    ) -> None:
        super().__init__()
        if (label_names is None) == (label_path is None):
            raise ArgumentError("LabelToIndex: expected either label_names or label_path")
        names = label_names if label_path is None else Path(label_path).read_text(encoding="utf-8").splitlines()
        names = [name for name in names or () if name.strip()] if label_path is not None else list(names or ())
        self._vocab = vocab(dict.fromkeys(sorted(names) if sort_names else names, 1))

    @property
    def label_names(self) -> list[str]:
        """The labels in the order of their numbers."""
        return self._vocab.get_itos()

    def forward(self, input: Any) -> Any:
        """The number of a label, or those of a list of them."""
        return self._vocab[input] if isinstance(input, str) else self._vocab.lookup_indices(input)


class Truncate(nn.Module):
    """The first ``max_seq_len`` tokens."""

    def __init__(self, max_seq_len: int) -> None:
        super().__init__()
        self.max_seq_len = max_seq_len

    def forward(self, input: Any) -> Any:
        """The start of a list, or of each of a list of lists."""
        return functional.truncate(input, self.max_seq_len)


class AddToken(nn.Module):
    """A token before the others (``begin``) or after them."""

    def __init__(self, token: int | str, begin: bool = True) -> None:
        super().__init__()
        self.token, self.begin = token, begin

    def forward(self, input: Any) -> Any:
        """The list, or each of a list of lists, with the token."""
        return functional.add_token(input, self.token, self.begin)


class PadTransform(nn.Module):
    """A tensor's last dimension filled up to ``max_length`` with ``pad_value``."""

    def __init__(self, max_length: int, pad_value: int) -> None:
        super().__init__()
        self.max_length, self.pad_value = max_length, float(pad_value)

    def forward(self, x: Tensor) -> Tensor:
        """The tensor; as it is if it is that long already."""
        missing = self.max_length - x.shape[-1]
        return nn.functional.pad(x, (0, missing), value=self.pad_value) if missing > 0 else x


class StrToIntTransform(nn.Module):
    """Strings to the numbers that they spell."""

    def forward(self, input: Any) -> Any:
        """The numbers of a list of strings, or of a list of such lists."""
        return functional.str_to_int(input)


class MaskTransform(nn.Module):
    """Tokens hidden for a masked language model, as BERT's are: of those chosen eight in ten become the mask, one any
    token, one stays.

    Args:
        vocab_len: how many tokens there are.
        mask_idx, bos_idx, pad_idx: numbers of the mask, the start and the padding token.
        mask_bos: whether the start may be chosen too; padding never is.
        mask_prob: how many of the tokens of a row are chosen.

    Returns:
        The masked tokens, the tokens that were chosen as they had been, and where they are (1 or 0).

    Reference: Devlin et al., "BERT", https://arxiv.org/abs/1810.04805
    """

    def __init__(
        self, vocab_len: int, mask_idx: int, bos_idx: int, pad_idx: int, mask_bos: bool = False, mask_prob: float = 0.15
    ) -> None:
        super().__init__()
        if not 0 <= mask_prob <= 1:
            raise ArgumentError(f"mask_prob: expected 0 to 1, got {mask_prob}")
        self.vocab_len, self.mask_idx, self.bos_idx, self.pad_idx = vocab_len, mask_idx, bos_idx, pad_idx
        self.mask_bos, self.mask_prob = mask_bos, mask_prob

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hide tokens of shape (rows, length)."""
        if tokens.ndim != 2:
            raise ShapeError(f"MaskTransform: expected tokens of shape (rows, length), got {tuple(tokens.shape)}")
        count = int(tokens.shape[1] * self.mask_prob)
        ranks = framework.rand(*tokens.shape).argsort(1).argsort(1)
        chosen = (ranks < count) & (tokens != self.pad_idx)
        if not self.mask_bos:
            chosen = chosen & (tokens != self.bos_idx)
        fate = framework.rand(*tokens.shape)
        masked = tokens.masked_fill(chosen & fate.ge(_RANDOM + _KEPT), self.mask_idx)
        others = framework.randint(0, self.vocab_len, tuple(tokens.shape), dtype=tokens.dtype)
        masked = framework.where(chosen & fate.lt(_RANDOM), others, masked)
        return masked, tokens[chosen], chosen.to(framework.int64)


class RegexTokenizer(nn.Module):
    """Words at blanks, after replacements.

    Args:
        patterns_list: pairs of a regular expression and what takes its place, done one after the other.

    Example:
        >>> text.transforms.RegexTokenizer([(r"'", " ' "), (r",", "")])("it's, so")
        ['it', "'", 's', 'so']
    """

    def __init__(self, patterns_list: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.patterns_list = list(patterns_list)
        try:
            self._patterns = [(re.compile(pattern), replacement) for pattern, replacement in patterns_list]
        except re.error as error:
            raise ArgumentError(f"RegexTokenizer: {error.pattern!r} is no regular expression: {error}") from error

    def forward(self, line: str) -> list[str]:
        """The words of a text."""
        for pattern, replacement in self._patterns:
            line = pattern.sub(replacement, line)
        return line.split()


class _Subwords(nn.Module):
    """What the tokenizers below share: texts through the ``tokenizers`` library."""

    return_tokens = True

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend

    def _number(self, number: int) -> Any:
        return str(number)

    def forward(self, input: Any) -> Any:
        """The tokens of a text, or of each of a list of texts."""
        texts = [input] if isinstance(input, str) else list(input)
        encodings = self.backend.encode_batch(texts, add_special_tokens=False)
        if self.return_tokens:
            rows = [encoding.tokens for encoding in encodings]
        else:
            rows = [list(map(self._number, encoding.ids)) for encoding in encodings]
        return rows[0] if isinstance(input, str) else rows


class SentencePieceTokenizer(_Subwords):
    """The pieces of a SentencePiece model.

    Args:
        sp_model_path: the ``.model`` file.
    """

    def __init__(self, sp_model_path: str) -> None:
        from text.tokenizers import Tokenizer

        super().__init__(Tokenizer.from_pretrained(sp_model_path, family="sentencepiece").backend_tokenizer)


class GPT2BPETokenizer(_Subwords):
    """GPT-2's tokens, or their numbers as strings, which ``StrToIntTransform`` turns into numbers.

    Args:
        encoder_json_path, vocab_bpe_path: its two files.
        return_tokens: whether to give the tokens or their numbers.
    """

    def __init__(self, encoder_json_path: str, vocab_bpe_path: str, return_tokens: bool = False) -> None:
        from text.tokenizers.assembling import byte_level
        from text.tokenizers.files import read_json_vocabulary, read_merges

        vocabulary, merges = read_json_vocabulary(Path(encoder_json_path)), read_merges(Path(vocab_bpe_path))
        super().__init__(byte_level(vocabulary, merges))
        self.return_tokens = return_tokens

    def add_special_tokens(self, special_tokens_dict: Mapping[str, str | Sequence[str]]) -> int:
        """Tokens that are never cut, by role, or a list of them as ``additional_special_tokens``; how many were new."""
        tokens: list[str] = []
        for value in special_tokens_dict.values():
            tokens += [value] if isinstance(value, str) else value
        before = self.backend.get_vocab_size()
        self.backend.add_special_tokens(tokens)
        return self.backend.get_vocab_size() - before


class CLIPTokenizer(GPT2BPETokenizer):
    """CLIP's tokens, or their numbers as strings.

    Args:
        merges_path: the file of merges.
        encoder_json_path: the file of numbers; unless given they follow from the merges, as CLIP's do.
        num_merges: how many of the merges count, where they are not of the same number as the vocabulary's.
        return_tokens: whether to give the tokens or their numbers.

    Reference: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
    https://arxiv.org/abs/2103.00020
    """

    def __init__(
        self,
        merges_path: str,
        encoder_json_path: str | None = None,
        num_merges: int | None = None,
        return_tokens: bool = False,
    ) -> None:
        from text.tokenizers.assembling import byte_letters, word_ends
        from text.tokenizers.files import read_json_vocabulary, read_merges

        merges = read_merges(Path(merges_path))[:num_merges]
        if encoder_json_path is not None:
            vocabulary = read_json_vocabulary(Path(encoder_json_path))
        else:
            letters = byte_letters()
            ends = ["<|startoftext|>", "<|endoftext|>"]
            tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(a + b for a, b in merges), *ends]
            vocabulary = {token: number for number, token in enumerate(tokens)}
        backend = word_ends(vocabulary, merges, "<|endoftext|>")
        backend.add_special_tokens([token for token in ("<|startoftext|>", "<|endoftext|>") if token in vocabulary])
        _Subwords.__init__(self, backend)
        self.return_tokens = return_tokens


class BERTTokenizer(_Subwords):
    """BERT's word pieces, or their numbers as strings, without ``[CLS]`` and ``[SEP]``.

    Args:
        vocab_path: ``vocab.txt``.
        do_lower_case: whether case is taken away.
        strip_accents: whether accents are; as ``do_lower_case`` unless given.
        return_tokens: whether to give the pieces or their numbers.
        never_split: tokens that are never cut, beside the special ones.
    """

    def __init__(
        self,
        vocab_path: str,
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        return_tokens: bool = False,
        never_split: Sequence[str] | None = None,
    ) -> None:
        from text.tokenizers.assembling import wordpiece
        from text.tokenizers.files import read_lines_vocabulary

        vocabulary = read_lines_vocabulary(Path(vocab_path))
        super().__init__(wordpiece(vocabulary, do_lower_case=do_lower_case, strip_accents=strip_accents))
        special = ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")
        self.backend.add_special_tokens([token for token in (*special, *(never_split or ())) if token in vocabulary])
        self.return_tokens = return_tokens


class CharBPETokenizer(_Subwords):
    """Words cut into letters, and these merged.

    Args:
        bpe_encoder_path, bpe_merges_path: the file of numbers and that of merges.
        return_tokens: whether to give the tokens or their numbers.
        unk_token: what a letter becomes that is not there; without one it is left out.
        suffix: what marks the end of a word.
        special_tokens: tokens that are never cut.

    Reference: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units",
    https://arxiv.org/abs/1508.07909
    """

    def __init__(
        self,
        bpe_encoder_path: str,
        bpe_merges_path: str,
        return_tokens: bool = False,
        unk_token: str | None = None,
        suffix: str | None = None,
        special_tokens: Sequence[str] | None = None,
    ) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        from text.tokenizers.files import read_json_vocabulary, read_merges, refusing

        vocabulary = read_json_vocabulary(Path(bpe_encoder_path))
        for token in (*([unk_token] if unk_token else ()), *(special_tokens or ())):
            if token not in vocabulary:
                raise ArgumentError(f"CharBPETokenizer: {token!r} is not in {bpe_encoder_path}")
        with refusing(bpe_merges_path):
            pairs = read_merges(Path(bpe_merges_path))
            model = models.BPE(vocabulary, pairs, unk_token=unk_token, end_of_word_suffix=suffix or "")
        backend = Tokenizer(model)
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        backend.add_special_tokens(list(special_tokens or ()))
        super().__init__(backend)
        self.return_tokens = return_tokens

    def _number(self, number: int) -> int:
        return number
