"""What a call of ``generate`` asks for, worked out: lengths, special tokens, processors and criteria."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from framework.devices import array_module
from framework.random import Generator
from framework.tensor import Tensor, wrap
from text.generation import processors as P
from text.generation import warpers as W
from text.generation.config import GenerationConfig
from text.generation.stopping import StoppingCriteriaList

DEFAULT_NEW_TOKENS = 20


@dataclass
class Plan:
    """What a search needs to know.

    Attributes:
        config: with defaults filled in.
        prompt_length: tokens that every row begins with, padding counted.
        max_length: tokens that a row has at most.
        eos: tokens that end a text.
        pad_token_id: what follows an end; None where there is nothing.
        processors: what is done to scores; none, if empty.
        stopping: what ends texts.
        generator: what draws; the default generator if None.
        scores, logits: of each step, where they are asked for.
    """

    config: GenerationConfig
    prompt_length: int
    max_length: int
    eos: list[int]
    pad_token_id: int | None
    processors: P.LogitsProcessorList
    stopping: StoppingCriteriaList
    generator: Generator | None = None
    scores: list[Tensor] | None = field(default=None)
    logits: list[Tensor] | None = field(default=None)

    def processed(self, ids: Any, scores: Any) -> Any:
        """The scores (rows, vocabulary), an array, after the processors."""
        if self.processors:
            scores = self.processors(wrap(ids), wrap(scores)).array
        if self.scores is not None:
            self.scores.append(wrap(scores))
        return scores


def lengths(config: GenerationConfig, prompt_length: int, positions: int | None) -> int:
    """The greatest length of a text, its prompt included.

    ``max_new_tokens`` goes before ``max_length``; without either, it is 20 new tokens or as many as the model has
    positions for.
    """
    if config.max_new_tokens is not None:
        return prompt_length + config.max_new_tokens
    if config.max_length is not None:
        return int(config.max_length)
    most = prompt_length + DEFAULT_NEW_TOKENS
    return most if positions is None else max(min(most, positions), prompt_length + 1)


def processors_of(
    config: GenerationConfig,
    *,
    prompt_length: int,
    max_length: int,
    eos: list[int],
    mask: Any,
    encoder_input_ids: Tensor | None,
    own: Sequence[Any] | None,
    prefix_allowed_tokens_fn: Callable[[int, Tensor], Any] | None,
) -> P.LogitsProcessorList:
    """The processors that a config asks for, in transformers' order, with those of the user before the warpers.

    Args:
        mask: (rows, prompt_length), 0 at the prompts' padding, which is no repetition; None without padding.
    """
    found = P.LogitsProcessorList()
    rows = max(config.num_beams, config.num_return_sequences)
    if config.sequence_bias is not None:
        found.append(P.SequenceBiasLogitsProcessor(config.sequence_bias))
    if _is_set(config.encoder_repetition_penalty, 1.0) and encoder_input_ids is not None:
        found.append(P.EncoderRepetitionPenaltyLogitsProcessor(config.encoder_repetition_penalty, encoder_input_ids))
    if _is_set(config.repetition_penalty, 1.0):
        skipped = None if mask is None else wrap((mask != 0).argmax(1).repeat(rows))
        found.append(P.RepetitionPenaltyLogitsProcessor(config.repetition_penalty, skipped))
    if config.no_repeat_ngram_size:
        found.append(P.NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size))
    if config.encoder_no_repeat_ngram_size and encoder_input_ids is not None:
        found.append(P.EncoderNoRepeatNGramLogitsProcessor(config.encoder_no_repeat_ngram_size, encoder_input_ids))
    if config.bad_words_ids is not None:
        found.append(P.NoBadWordsLogitsProcessor(config.bad_words_ids, eos))
    if config.min_length and eos:
        found.append(P.MinLengthLogitsProcessor(config.min_length, eos))
    if config.min_new_tokens and eos:
        found.append(P.MinNewTokensLengthLogitsProcessor(prompt_length, config.min_new_tokens, eos))
    if prefix_allowed_tokens_fn is not None:
        found.append(P.PrefixConstrainedLogitsProcessor(prefix_allowed_tokens_fn, rows))
    if config.forced_bos_token_id is not None:
        found.append(P.ForcedBOSTokenLogitsProcessor(config.forced_bos_token_id))
    if config.forced_eos_token_id is not None:
        found.append(P.ForcedEOSTokenLogitsProcessor(max_length, config.forced_eos_token_id))
    if config.remove_invalid_values:
        found.append(P.InfNanRemoveLogitsProcessor())
    if config.exponential_decay_length_penalty is not None:
        found.append(P.ExponentialDecayLengthPenalty(config.exponential_decay_length_penalty, eos, prompt_length))
    if config.suppress_tokens is not None:
        found.append(P.SuppressTokensLogitsProcessor(config.suppress_tokens))
    if config.begin_suppress_tokens is not None:
        after_forced = prompt_length == 1 and config.forced_bos_token_id is not None
        found.append(P.SuppressTokensAtBeginLogitsProcessor(config.begin_suppress_tokens, prompt_length + after_forced))
    found.extend(own or ())
    if config.do_sample:
        found.extend(_warpers(config, len(eos) + 1 if eos else 2))
    if config.renormalize_logits:
        found.append(W.LogitNormalization())
    return found


def _warpers(config: GenerationConfig, of_beams: int) -> list[P.LogitsProcessor]:
    """What shapes the distribution; beams keep a token more than there are ends, so that they can go on."""
    keep, found = of_beams if config.num_beams > 1 else 1, list[P.LogitsProcessor]()
    if _is_set(config.temperature, 1.0):
        found.append(W.TemperatureLogitsWarper(config.temperature))
    if config.top_k:
        found.append(W.TopKLogitsWarper(config.top_k, keep))
    if config.top_p is not None and config.top_p < 1:
        found.append(W.TopPLogitsWarper(config.top_p, keep))
    if config.min_p is not None:
        found.append(W.MinPLogitsWarper(config.min_p, keep))
    if config.typical_p is not None and config.typical_p < 1:
        found.append(W.TypicalLogitsWarper(config.typical_p, keep))
    if config.epsilon_cutoff:
        found.append(W.EpsilonLogitsWarper(config.epsilon_cutoff, keep))
    if config.eta_cutoff:
        found.append(W.EtaLogitsWarper(config.eta_cutoff, keep))
    return found


def _is_set(value: float | None, neutral: float) -> bool:
    return value is not None and value != neutral


def inferred_mask(ids: Any, pad: int | None, eos: list[int]) -> Any:
    """The mask of prompts (B, length) in which the padding can be told by its token; None where it cannot or is none."""
    if pad is None or pad in eos:
        return None
    seen = ids != pad
    return None if seen.all() else array_module(ids).asarray(seen, "int64")
