"""Encoding: texts, pairs and batches to numbers, of the lengths asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from framework.errors import ArgumentError
from text.tokenizers.batch import BatchEncoding
from text.tokenizers.files import is_refusal
from text.tokenizers.lengths import Lengths, pad_rows, settle
from text.tokenizers.special import SpecialTokens

if TYPE_CHECKING:
    from tokenizers import Encoding


class Encoder(SpecialTokens):
    """The part of a tokenizer that is called with texts."""

    model_input_names: list[str]
    model_max_length: int
    padding_side: str
    truncation_side: str
    split_special_tokens: bool
    _lock: threading.Lock

    def __call__(
        self,
        text: Any,
        text_pair: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        text_target: Any = None,
    ) -> BatchEncoding:
        """Encode a text, a pair of texts, or a batch of either.

        Args:
            text: a string, or a list of them for a batch; with ``is_split_into_words`` a list of words, or a list of
                such lists.
            text_pair: the second text of each pair, in the same form.
            add_special_tokens: whether to add those that the model expects at the start, between and at the end.
            padding: ``False``; ``True`` or ``"longest"``, to the longest of the batch; ``"max_length"``.
            truncation: ``False``; ``True`` or ``"longest_first"``, taking tokens off the longer text of a pair;
                ``"only_first"``; ``"only_second"``.
            max_length: in tokens, with the special ones; the model's limit unless given.
            stride: how many tokens a part that overflows shares with the one before.
            pad_to_multiple_of: pad on to a multiple of this.
            padding_side: ``"left"`` or ``"right"``, otherwise than ``tokenizer.padding_side``.
            return_tensors: ``"pt"`` for framework tensors, ``"np"`` for NumPy arrays; lists unless given.
            return_token_type_ids, return_attention_mask: whether to give those; as ``model_input_names`` says unless
                given.
            return_overflowing_tokens: give what was cut off as further rows, and with them
                ``overflow_to_sample_mapping``, the text that each row comes from.
            return_special_tokens_mask: 1 for tokens that were added.
            return_offsets_mapping: the first and last but one character of each token, as ``(start, end)``.
            return_length: how many tokens each row has.
            text_target: what a sequence-to-sequence model is to answer; its tokens become ``labels``.

        Raises:
            ArgumentError: the texts are no texts, or the arguments do not fit together.
        """
        labels = None
        if text_target is not None:
            labels = self._target_side()(
                text_target,
                add_special_tokens=add_special_tokens,
                padding=padding,
                truncation=truncation,
                max_length=max_length,
                is_split_into_words=is_split_into_words,
                pad_to_multiple_of=pad_to_multiple_of,
                padding_side=padding_side,
                return_tensors=return_tensors,
            )
            if text is None:
                return labels
        rows, batched = _rows(text, text_pair, is_split_into_words)
        how = settle(self, padding, truncation, max_length, pad_to_multiple_of)
        if padding_side not in (None, "left", "right"):
            raise ArgumentError(f"padding_side: expected 'left' or 'right', got {padding_side!r}")
        if how.truncation and stride and rows:
            room = (how.max_length or 0) - add_special_tokens * self.num_special_tokens_to_add(
                isinstance(rows[0], tuple)
            )
            if not 0 < stride < room:
                raise ArgumentError(
                    f"stride: parts of {room} tokens beside the special ones can share 0 to {room - 1}, got {stride}"
                )
        encodings = self._encode(
            rows, add_special_tokens, is_split_into_words, how, stride, pad_to_multiple_of, padding_side
        )
        origins = None
        if return_overflowing_tokens:
            parts = [[encoding, *encoding.overflowing] for encoding in encodings]
            origins = [index for index, group in enumerate(parts) for _ in group]
            encodings = [part for group in parts for part in group]
        names = self.model_input_names
        data: dict[str, Any] = {"input_ids": [self._ids(encoding) for encoding in encodings]}
        if "token_type_ids" in names if return_token_type_ids is None else return_token_type_ids:
            data["token_type_ids"] = [encoding.type_ids for encoding in encodings]
        if "attention_mask" in names if return_attention_mask is None else return_attention_mask:
            data["attention_mask"] = [encoding.attention_mask for encoding in encodings]
        if return_special_tokens_mask:
            data["special_tokens_mask"] = [encoding.special_tokens_mask for encoding in encodings]
        if return_offsets_mapping:
            data["offset_mapping"] = [encoding.offsets for encoding in encodings]
        if return_length:
            data["length"] = [len(encoding) for encoding in encodings]
        if origins is not None:
            data["overflow_to_sample_mapping"] = origins
        if not batched and return_tensors is None and origins is None:
            data = {name: value[0] if name != "length" else value for name, value in data.items()}
        if labels is not None:
            data["labels"] = labels["input_ids"]
        return BatchEncoding(data, encodings, tensor_type=return_tensors)

    def encode(self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **options: Any) -> Any:
        """The numbers of a text's tokens: ``tokenizer(text, ...)["input_ids"]``."""
        return self(text, text_pair, add_special_tokens, **options)["input_ids"]

    def tokenize(self, text: Any, pair: Any = None, add_special_tokens: bool = False, **options: Any) -> list[str]:
        """The tokens of a text as strings."""
        return self(text, pair, add_special_tokens, **options).tokens()

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many tokens are added to a text, or to a pair."""
        return self._backend.num_special_tokens_to_add(pair)

    @property
    def max_len_single_sentence(self) -> int:
        """How many tokens of a text the model takes, without the special ones."""
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """How many tokens of a pair the model takes, without the special ones."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Bring texts that are encoded already to one length, as a collator does.

        Args:
            encoded_inputs: a list of rows (``[{"input_ids": [...]}, ...]``) or one dict of lists, arrays or tensors.
                Entries other than ``input_ids``, ``attention_mask``, ``token_type_ids`` and ``special_tokens_mask``
                stay as they are.
            padding, max_length, pad_to_multiple_of, padding_side, return_attention_mask: as in a call.
            return_tensors: ``"pt"``, ``"np"``; unless given, the kind that came in.
        """
        return pad_rows(
            self,
            encoded_inputs,
            padding,
            max_length,
            pad_to_multiple_of,
            padding_side,
            return_attention_mask,
            return_tensors,
        )

    def _ids(self, encoding: Encoding) -> list[int]:
        return encoding.ids

    def _target_side(self) -> Encoder:
        """The tokenizer of what the model is to answer."""
        return self

    def _before_encoding(self) -> None:
        """Bring the backend into the state that texts are to be encoded in."""

    def _encode(
        self,
        rows: list[Any],
        add_special_tokens: bool,
        is_split_into_words: bool,
        how: Lengths,
        stride: int,
        multiple: int | None,
        side: str | None,
    ) -> list[Encoding]:
        backend = self._backend
        with self._lock:  # the library keeps the lengths as a state of the tokenizer
            try:
                self._before_encoding()
                self._set_truncation(how, stride)
                self._set_padding(how, multiple, side)
                backend.encode_special_tokens = self.split_special_tokens
                if len(rows) == 1 and isinstance(rows[0], list if is_split_into_words else str):
                    return [backend.encode(rows[0], None, is_split_into_words, add_special_tokens)]
                return backend.encode_batch(rows, is_split_into_words, add_special_tokens)
            except TypeError as error:
                wanted = "lists of words" if is_split_into_words else "strings, or pairs of them"
                raise ArgumentError(f"tokenizer: expected {wanted}, got {rows!r:.80}") from error
            except BaseException as error:  # lengths that cannot be met, for which the library has no special error
                if not is_refusal(error):
                    raise
                raise ArgumentError(f"tokenizer: {error}") from error

    def _set_truncation(self, how: Lengths, stride: int) -> None:
        if how.truncation is None:
            if self._backend.truncation is not None:
                self._backend.no_truncation()
            return
        wanted = (how.max_length, stride, how.truncation, self.truncation_side)
        now = self._backend.truncation
        if now is None or wanted != (now["max_length"], now["stride"], now["strategy"], now["direction"]):
            self._backend.enable_truncation(
                how.max_length or 0, stride=stride, strategy=how.truncation, direction=self.truncation_side
            )

    def _set_padding(self, how: Lengths, multiple: int | None, side: str | None) -> None:
        if how.padding is None:
            if self._backend.padding is not None:
                self._backend.no_padding()
            return
        wanted = {
            "length": how.max_length if how.padding == "max_length" else None,
            "direction": side or self.padding_side,
            "pad_id": self.pad_token_id,
            "pad_token": self.pad_token,
            "pad_type_id": self.pad_token_type_id,
            "pad_to_multiple_of": multiple,
        }
        if self._backend.padding != wanted:
            self._backend.enable_padding(**wanted)


def _rows(text: Any, text_pair: Any, is_split_into_words: bool) -> tuple[list[Any], bool]:
    """One entry a text or pair, as the library takes it, and whether they are a batch."""
    for name, value in (("text", text), ("text_pair", text_pair)):
        if not isinstance(value, str | list | tuple) and (name == "text" or value is not None):
            raise ArgumentError(f"{name}: expected a string or a list of strings, got {type(value).__name__}")
    batched = not isinstance(text, str)
    if is_split_into_words:
        batched = bool(text) and isinstance(text[0], list | tuple)
    if not batched:
        if is_split_into_words:
            text, text_pair = list(text), text_pair and list(text_pair)
        return [(text, text_pair) if text_pair else text], False
    if text_pair is None:
        return list(text), True
    if isinstance(text_pair, str) or len(text) != len(text_pair):
        count = "one string" if isinstance(text_pair, str) else f"{len(text_pair)} texts"
        raise ArgumentError(f"text_pair: expected as many as text has, {len(text)}, got {count}")
    return list(zip(text, text_pair)), True
