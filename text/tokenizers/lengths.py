"""How long the rows of a batch become: what ``padding``, ``truncation`` and ``max_length`` mean together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import framework
from framework.errors import ArgumentError
from text.tokenizers.batch import BatchEncoding

if TYPE_CHECKING:
    from text.tokenizers.encoding import Encoder

UNLIMITED = int(1e30)  # what model files say where a model takes texts of any length
_LARGE = int(1e20)
_PADDING = {False: None, "do_not_pad": None, True: "longest", "longest": "longest", "max_length": "max_length"}
_TRUNCATION = {
    None: None,
    False: None,
    "do_not_truncate": None,
    True: "longest_first",
    "longest_first": "longest_first",
    "only_first": "only_first",
    "only_second": "only_second",
}


class Lengths(NamedTuple):
    """A settled choice.

    Args:
        padding: ``"longest"``, ``"max_length"`` or ``None``.
        truncation: ``"longest_first"``, ``"only_first"``, ``"only_second"`` or ``None``.
        max_length: in tokens, where one of the two asks for it.
    """

    padding: str | None
    truncation: str | None
    max_length: int | None


def settle(
    tokenizer: Encoder,
    padding: bool | str,
    truncation: bool | str | None,
    max_length: int | None,
    pad_to_multiple_of: int | None,
) -> Lengths:
    """What the arguments of a call mean.

    Without ``max_length`` it is the model's own limit, and where the model has none nothing is cut. With ``max_length``
    alone, longer texts are cut to it.
    """
    if padding not in _PADDING:
        raise ArgumentError(f"padding: expected one of {', '.join(map(repr, _PADDING))}, got {padding!r}")
    if truncation not in _TRUNCATION:
        raise ArgumentError(f"truncation: expected one of {', '.join(map(repr, _TRUNCATION))}, got {truncation!r}")
    pad, cut = _PADDING[padding], _TRUNCATION[truncation]
    if max_length is not None and padding is False and truncation is None:
        cut = "longest_first"
    if max_length is None and (cut or pad == "max_length"):
        if tokenizer.model_max_length > _LARGE:
            cut, pad = None, None if pad == "max_length" else pad
        else:
            max_length = tokenizer.model_max_length
    if pad and tokenizer.pad_token_id is None:
        raise ArgumentError(
            "padding: this tokenizer has no padding token; set one, as in tokenizer.pad_token = tokenizer.eos_token, "
            "or add one by tokenizer.add_special_tokens({'pad_token': '[PAD]'})"
        )
    if cut and pad and pad_to_multiple_of and max_length is not None and max_length % pad_to_multiple_of:
        raise ArgumentError(
            f"pad_to_multiple_of: texts are cut at {max_length} tokens, which is no multiple of {pad_to_multiple_of}"
        )
    return Lengths(pad, cut, max_length)


def pad_rows(
    tokenizer: Encoder,
    encoded: Any,
    padding: bool | str,
    max_length: int | None,
    pad_to_multiple_of: int | None,
    padding_side: str | None,
    return_attention_mask: bool | None,
    return_tensors: str | None,
) -> BatchEncoding:
    """Rows that have been encoded already, brought to one length. ``Tokenizer.pad`` says what the arguments mean."""
    if isinstance(encoded, Sequence) and encoded and isinstance(encoded[0], Mapping):
        table = {name: [row[name] for row in encoded] for name in encoded[0]}
    else:
        table = dict(encoded)
    main = tokenizer.model_input_names[0]
    if main not in table:
        raise ArgumentError(f"pad: expected rows with {main}, got {', '.join(table) or 'nothing'}")
    if return_tensors is None:
        return_tensors = _kind_of(table[main])
    table = {name: _lists(value) for name, value in table.items()}
    if return_attention_mask is None:
        return_attention_mask = "attention_mask" in tokenizer.model_input_names
    if not table[main]:
        return BatchEncoding(table | ({"attention_mask": []} if return_attention_mask else {}))
    alone = not isinstance(table[main][0], list)
    if alone:
        table = {name: [value] for name, value in table.items()}
    rows = table[main]
    for name, values in table.items():
        if len(values) != len(rows):
            raise ArgumentError(f"pad: {name} has {len(values)} rows, {main} has {len(rows)}")
    if return_attention_mask and "attention_mask" not in table:
        table["attention_mask"] = [[1] * len(row) for row in rows]
    how = settle(tokenizer, padding, False, max_length, None)
    if how.padding:
        length = max(map(len, rows)) if how.padding == "longest" or how.max_length is None else how.max_length
        if pad_to_multiple_of:
            length = -(-length // pad_to_multiple_of) * pad_to_multiple_of
        fills = {
            main: tokenizer.pad_token_id,
            "attention_mask": 0,
            "token_type_ids": tokenizer.pad_token_type_id,
            "special_tokens_mask": 1,
        }
        side = padding_side or tokenizer.padding_side
        for name in fills.keys() & table.keys():
            table[name] = _fill(table[name], length, fills[name], side)
    if alone:
        table = {name: value[0] for name, value in table.items()}
    return BatchEncoding(table, tensor_type=return_tensors)


def _fill(rows: list[list[int]], length: int, fill: int, side: str) -> list[list[int]]:
    if side not in ("left", "right"):
        raise ArgumentError(f"padding_side: expected 'left' or 'right', got {side!r}")
    if side == "right":
        return [row + [fill] * (length - len(row)) for row in rows]
    return [[fill] * (length - len(row)) + row for row in rows]


def _kind_of(value: Any) -> str | None:
    """What ``return_tensors`` must be for the result to be of the kind that came in."""
    first = value[0] if isinstance(value, list | tuple) and value else value
    return "pt" if isinstance(first, framework.Tensor) else "np" if isinstance(first, np.ndarray) else None


def _lists(value: Any) -> Any:
    """Python lists of a tensor, an array, or a list of them."""
    if isinstance(value, framework.Tensor | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_lists(row) if isinstance(row, framework.Tensor | np.ndarray | list | tuple) else row for row in value]
    return value
