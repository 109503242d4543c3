"""When a text is finished: after an end, a number of tokens, a time, or a string. Names are transformers'."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from framework.devices import array_module
from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap
from text.generation.processors import token_list

_SLACK = 4  # more tokens than a string can have bytes are decoded: some stand for nothing, or change the one after them


class StoppingCriteria:
    """The base of all that ends texts; any function of ids and scores does as well."""

    def __call__(self, input_ids: Tensor, scores: Any) -> Tensor:
        """Which texts (B, length) are finished, bool (B,)."""
        raise NotImplementedError(f"{type(self).__name__} does not say when a text is finished")


class StoppingCriteriaList(list[Callable[[Tensor, Any], Any]]):
    """Criteria of which one is enough."""

    def __call__(self, input_ids: Tensor, scores: Any) -> Tensor:
        """Which texts are finished, bool (B,)."""
        xp = array_module(input_ids.array)
        done = xp.zeros(input_ids.shape[0], bool)
        for criterion in self:
            found = criterion(input_ids, scores)
            done |= found.array if isinstance(found, Tensor) else xp.asarray(found)
        return wrap(done)


class MaxLengthCriteria(StoppingCriteria):
    """Ends all texts at ``max_length`` tokens, the prompt's included."""

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length

    def __call__(self, input_ids: Tensor, scores: Any) -> Tensor:
        """Whether there are so many tokens."""
        return _all(input_ids, input_ids.shape[1] >= self.max_length)


class MaxTimeCriteria(StoppingCriteria):
    """Ends all texts after so many seconds."""

    def __init__(self, max_time: float, initial_timestamp: float | None = None) -> None:
        self.max_time = max_time
        self._began = time.time() if initial_timestamp is None else initial_timestamp

    def __call__(self, input_ids: Tensor, scores: Any) -> Tensor:
        """Whether the time is over."""
        return _all(input_ids, time.time() - self._began > self.max_time)


class EosTokenCriteria(StoppingCriteria):
    """Ends a text whose last token is one of ``eos_token_id``."""

    def __init__(self, eos_token_id: Any) -> None:
        self.eos_token_id = token_list(eos_token_id)

    def __call__(self, input_ids: Tensor, scores: Any) -> Tensor:
        """Whether the last token is an end."""
        last = input_ids.array[:, -1]
        done = last == self.eos_token_id[0]
        for token in self.eos_token_id[1:]:
            done |= last == token
        return wrap(done)


class StopStringCriteria(StoppingCriteria):
    """Ends a text when its last token completes one of some strings; more characters may come after it in that token.

    Args:
        tokenizer: anything whose ``decode`` turns a list of ids into text.
        stop_strings: one string or several.

    Raises:
        ArgumentError: there is no string, or an empty one.
    """

    def __init__(self, tokenizer: Any, stop_strings: str | Sequence[str]) -> None:
        self.stop_strings = (stop_strings,) if isinstance(stop_strings, str) else tuple(stop_strings)
        if not self.stop_strings or not all(self.stop_strings):
            raise ArgumentError(f"stop_strings: expected strings that are not empty, got {self.stop_strings!r}")
        self.tokenizer = tokenizer
        self._tokens = max(len(string.encode()) for string in self.stop_strings) + _SLACK

    def __call__(self, input_ids: Tensor, scores: Any) -> Tensor:
        """Whether the last token completes a string."""
        xp = array_module(input_ids.array)
        rows = input_ids.array[:, -self._tokens :].tolist()
        return wrap(xp.asarray([self._completes(row) for row in rows], bool))

    def _completes(self, ids: list[int]) -> bool:
        text = self.tokenizer.decode(ids)
        before = len(self.tokenizer.decode(ids[:-1]).rstrip("\N{REPLACEMENT CHARACTER}"))
        return any(string in text[max(before - len(string) + 1, 0) :] for string in self.stop_strings)


def _all(input_ids: Tensor, done: bool) -> Tensor:
    return wrap(array_module(input_ids.array).full(input_ids.shape[0], done, bool))


def gather(config: Any, criteria: Sequence[Any] | None, tokenizer: Any) -> StoppingCriteriaList:
    """The criteria that a ``GenerationConfig`` asks for, but for the length, and those of the user.

    Raises:
        ArgumentError: there are strings to stop at, and no tokenizer.
    """
    found = StoppingCriteriaList(criteria or [])
    if config.eos_token_id is not None:
        found.append(EosTokenCriteria(config.eos_token_id))
    if config.max_time is not None:
        found.append(MaxTimeCriteria(config.max_time))
    if config.stop_strings is not None:
        if tokenizer is None:
            raise ArgumentError("generate: stop_strings are found in decoded text; give tokenizer, too")
        found.append(StopStringCriteria(tokenizer, config.stop_strings))
    return found
