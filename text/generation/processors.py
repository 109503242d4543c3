"""What changes the scores of the next token: penalties, bans and demands. All have transformers' names and results.

A processor is called with the ids so far, (B, length), and the scores, (B, vocabulary), and returns scores; it does not
write into those it got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from framework.devices import array_module
from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap

LOWEST = float("-inf")


class LogitsProcessor:
    """The base of all that changes scores; any function of ids and scores does as well."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores (B, vocabulary) as they shall be after the ids (B, length)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it changes scores")


class LogitsProcessorList(list[Callable[[Tensor, Tensor], Tensor]]):
    """Processors that are called one after another."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores after all of them."""
        for process in self:
            scores = process(input_ids, scores)
        return scores


def token_list(tokens: Any) -> list[int]:
    """One token id, several, or a tensor of them, as a list."""
    if isinstance(tokens, Tensor):
        tokens = tokens.tolist()
    return [int(t) for t in tokens] if isinstance(tokens, Iterable) else [int(tokens)]


def without(scores: Tensor, tokens: list[int]) -> Tensor:
    """Scores in which some tokens cannot be had."""
    array = scores.array.copy()
    array[:, tokens] = LOWEST
    return wrap(array)


def only(scores: Tensor, tokens: list[int]) -> Tensor:
    """Scores in which only some tokens can be had."""
    array = array_module(scores.array).full_like(scores.array, LOWEST)
    array[:, tokens] = 0
    return wrap(array)


class MinLengthLogitsProcessor(LogitsProcessor):
    """Allows no end before there are ``min_length`` tokens, the prompt's included."""

    def __init__(self, min_length: int, eos_token_id: Any) -> None:
        self.min_length, self.eos_token_id = _count("min_length", min_length, 0), token_list(eos_token_id)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores without the ends while the text is too short."""
        return without(scores, self.eos_token_id) if input_ids.shape[1] < self.min_length else scores


class MinNewTokensLengthLogitsProcessor(LogitsProcessor):
    """Allows no end before there are ``min_new_tokens`` tokens after the prompt of ``prompt_length_to_skip``."""

    def __init__(self, prompt_length_to_skip: int, min_new_tokens: int, eos_token_id: Any) -> None:
        self.prompt_length_to_skip = prompt_length_to_skip
        self.min_new_tokens, self.eos_token_id = _count("min_new_tokens", min_new_tokens, 0), token_list(eos_token_id)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores without the ends while the text is too short."""
        new = input_ids.shape[1] - self.prompt_length_to_skip
        return without(scores, self.eos_token_id) if new < self.min_new_tokens else scores


class RepetitionPenaltyLogitsProcessor(LogitsProcessor):
    """Divides the positive scores of tokens that are there already by ``penalty``, and multiplies the negative ones.

    Reference: Keskar et al., "CTRL", https://arxiv.org/abs/1909.05858.

    Args:
        penalty: 1 changes nothing; more makes repetition rarer.
        prompt_ignore_length: how many tokens at the front do not count, for all or, as a tensor (B,), for each.
    """

    def __init__(self, penalty: float, prompt_ignore_length: int | Tensor | None = None) -> None:
        if penalty <= 0:
            raise ArgumentError(f"repetition_penalty: expected a number above 0, got {penalty}")
        self.penalty, self.prompt_ignore_length = float(penalty), prompt_ignore_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which repetition is rarer."""
        xp, ids = array_module(scores.array), input_ids.array
        rows, words = scores.shape
        skipped = self.prompt_ignore_length
        if isinstance(skipped, int):
            ids = ids[:, skipped:]
        ids = xp.minimum(
            ids, words
        )  # models may know more tokens than they give scores for: those go to a column to spare
        if isinstance(skipped, Tensor):
            ids = xp.where(xp.arange(ids.shape[1]) < skipped.array[:, None], words, ids)
        array = xp.empty((rows, words + 1), scores.array.dtype)
        array[:, :words], array[:, words] = scores.array, 0
        places = xp.arange(rows)[:, None], ids
        seen = array[places]
        array[places] = xp.where(seen < 0, seen * self.penalty, seen / self.penalty)
        return wrap(array[:, :words])


class EncoderRepetitionPenaltyLogitsProcessor(LogitsProcessor):
    """Favours the tokens of the text that is read, (B, S), by ``penalty``, against inventions."""

    def __init__(self, penalty: float, encoder_input_ids: Tensor) -> None:
        if penalty <= 0:
            raise ArgumentError(f"encoder_repetition_penalty: expected a number above 0, got {penalty}")
        self._divide = RepetitionPenaltyLogitsProcessor(1 / penalty)
        self.encoder_input_ids = encoder_input_ids

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which the tokens that are read are more likely."""
        ids = self.encoder_input_ids
        times = scores.shape[0] // ids.shape[0]
        return self._divide(ids.repeat_interleave(times, 0) if times > 1 else ids, scores)


class NoRepeatNGramLogitsProcessor(LogitsProcessor):
    """Lets no sequence of ``ngram_size`` tokens come twice in a text, its prompt included."""

    def __init__(self, ngram_size: int) -> None:
        self.ngram_size = _count("no_repeat_ngram_size", ngram_size, 1)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores without the tokens that would complete a sequence again."""
        ids = input_ids.array
        if ids.shape[1] < self.ngram_size:
            return scores
        return _without_ngrams(scores, ids, ids, self.ngram_size)


class EncoderNoRepeatNGramLogitsProcessor(LogitsProcessor):
    """Lets no sequence of ``encoder_ngram_size`` tokens of the text that is read, (B, S), come in the answer."""

    def __init__(self, encoder_ngram_size: int, encoder_input_ids: Tensor) -> None:
        self.ngram_size = _count("encoder_no_repeat_ngram_size", encoder_ngram_size, 1)
        self.encoder_input_ids = encoder_input_ids

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores without the tokens that would complete such a sequence."""
        read, ids = self.encoder_input_ids.array, input_ids.array
        if read.shape[1] < self.ngram_size or ids.shape[1] < self.ngram_size - 1:
            return scores
        return _without_ngrams(scores, read.repeat(len(ids) // len(read), 0), ids, self.ngram_size)


def _without_ngrams(scores: Tensor, texts: Any, ids: Any, size: int) -> Tensor:
    """Scores without tokens that, after the last ones of ``ids``, would complete sequences that are in ``texts``."""
    xp = array_module(scores.array)
    words, starts = scores.shape[1], texts.shape[1] - size + 1
    fits = xp.ones((len(texts), starts), bool)
    for place in range(size - 1):
        fits &= texts[:, place : place + starts] == ids[:, ids.shape[1] + 1 - size + place, None]
    rows, columns = xp.nonzero(fits)
    completing = texts[rows, columns + size - 1]
    scored = completing < words
    array = scores.array.copy()
    array[rows[scored], completing[scored]] = LOWEST
    return wrap(array)


class SequenceBiasLogitsProcessor(LogitsProcessor):
    """Adds a number to the score of a token that would complete a sequence.

    Args:
        sequence_bias: numbers by sequence, ``{(7, 12): -2.0}``, or pairs of both, ``[[[7, 12], -2.0]]``.
    """

    def __init__(self, sequence_bias: Mapping[tuple[int, ...], float] | Sequence[Any]) -> None:
        pairs = sequence_bias.items() if isinstance(sequence_bias, Mapping) else sequence_bias
        self.sequence_bias = {tuple(int(t) for t in sequence): float(bias) for sequence, bias in pairs}
        if not self.sequence_bias:
            raise ArgumentError("sequence_bias: expected one sequence at least, got none")
        wrong = [s for s in self.sequence_bias if not s or min(s) < 0]
        if wrong:
            raise ArgumentError(f"sequence_bias: expected sequences of token ids, got {wrong[0]}")

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores with what is added."""
        array, ids = scores.array.copy(), input_ids.array
        for sequence, bias in self.sequence_bias.items():
            if max(sequence) >= array.shape[1]:
                raise ArgumentError(f"sequence_bias: {sequence} has a token id of {array.shape[1]} or more")
            *before, last = sequence
            if not before:
                array[:, last] += bias
            elif len(before) <= ids.shape[1]:
                rows = (ids[:, ids.shape[1] - len(before) :] == array_module(array).asarray(before)).all(1)
                array[rows, last] += bias
        return wrap(array)


class NoBadWordsLogitsProcessor(SequenceBiasLogitsProcessor):
    """Lets no sequence of ``bad_words_ids`` be completed; one that is an end alone is left out."""

    def __init__(self, bad_words_ids: Sequence[Sequence[int]], eos_token_id: Any = None) -> None:
        ends = [] if eos_token_id is None else [[t] for t in token_list(eos_token_id)]
        if not bad_words_ids:
            raise ArgumentError("bad_words_ids: expected one sequence at least, got none")
        super().__init__({tuple(s): LOWEST for s in bad_words_ids if list(s) not in ends})


class PrefixConstrainedLogitsProcessor(LogitsProcessor):
    """Allows only the tokens that a function names.

    Args:
        prefix_allowed_tokens_fn: ``f(number of the prompt, ids so far)`` gives the token ids that may follow.
        num_beams: how many rows each prompt has.
    """

    def __init__(self, prefix_allowed_tokens_fn: Callable[[int, Tensor], Any], num_beams: int) -> None:
        self._allowed, self._num_beams = prefix_allowed_tokens_fn, num_beams

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which only the allowed tokens can be had."""
        array = array_module(scores.array).full_like(scores.array, LOWEST)
        for row in range(len(array)):
            allowed = token_list(self._allowed(row // self._num_beams, input_ids[row]))
            if not allowed:
                raise ArgumentError(
                    f"prefix_allowed_tokens_fn: it allows no token after row {row}'s; name one at least"
                )
            array[row, allowed] = scores.array[row, allowed]
        return wrap(array)


class ForcedBOSTokenLogitsProcessor(LogitsProcessor):
    """Makes the token after the first one ``bos_token_id``, such as the language of a translation."""

    def __init__(self, bos_token_id: int) -> None:
        self.bos_token_id = int(bos_token_id)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which, after one token, only that one can be had."""
        return only(scores, [self.bos_token_id]) if input_ids.shape[1] == 1 else scores


class ForcedEOSTokenLogitsProcessor(LogitsProcessor):
    """Makes the last of ``max_length`` tokens an end."""

    def __init__(self, max_length: int, eos_token_id: Any) -> None:
        self.max_length, self.eos_token_id = max_length, token_list(eos_token_id)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which, at the last place, only ends can be had."""
        return only(scores, self.eos_token_id) if input_ids.shape[1] == self.max_length - 1 else scores


class InfNanRemoveLogitsProcessor(LogitsProcessor):
    """Turns nan into 0 and infinities into the greatest numbers of the dtype."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores that are all finite."""
        return wrap(array_module(scores.array).nan_to_num(scores.array))


class ExponentialDecayLengthPenalty(LogitsProcessor):
    """Makes ends likelier with every token after a while.

    Args:
        exponential_decay_length_penalty: after how many new tokens it begins, and the factor a token.
        eos_token_id: the ends.
        input_ids_seq_length: tokens of the prompt.
    """

    def __init__(
        self, exponential_decay_length_penalty: tuple[int, float], eos_token_id: Any, input_ids_seq_length: int
    ) -> None:
        after, self.regulation_factor = exponential_decay_length_penalty
        self.regulation_start, self.eos_token_id = after + input_ids_seq_length, token_list(eos_token_id)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which ends are likelier."""
        times = input_ids.shape[1] - self.regulation_start
        if times <= 0:
            return scores
        xp, array = array_module(scores.array), scores.array.copy()
        ends = array[:, self.eos_token_id]
        more = xp.abs(ends) * (self.regulation_factor**times - 1)
        array[:, self.eos_token_id] = ends + xp.where(xp.isfinite(ends), more, 0)
        return wrap(array)


class SuppressTokensLogitsProcessor(LogitsProcessor):
    """Allows some tokens nowhere."""

    def __init__(self, suppress_tokens: Any) -> None:
        self.suppress_tokens = token_list(suppress_tokens)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores without these tokens."""
        return without(scores, self.suppress_tokens)


class SuppressTokensAtBeginLogitsProcessor(LogitsProcessor):
    """Allows some tokens everywhere but at place ``begin_index``."""

    def __init__(self, begin_suppress_tokens: Any, begin_index: int) -> None:
        self.begin_suppress_tokens, self.begin_index = token_list(begin_suppress_tokens), begin_index

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores without these tokens at that place."""
        return without(scores, self.begin_suppress_tokens) if input_ids.shape[1] == self.begin_index else scores


def _count(name: str, number: int, least: int) -> int:
    if number < least:
        raise ArgumentError(f"{name}: expected {least} or more, got {number}")
    return int(number)
