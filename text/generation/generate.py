"""Text from a model: the call that reads what is asked for and runs the search for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import framework
from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.random import Generator
from framework.tensor import Tensor, wrap
from text.generation import beams
from text.generation.config import GenerationConfig, of_model
from text.generation.decoding import Decoding
from text.generation.plan import Plan, inferred_mask, lengths, processors_of
from text.generation.processors import token_list
from text.generation.search import grow
from text.generation.stopping import gather
from text.models.outputs import ModelOutput


@dataclass(eq=False)
class GenerateOutput(ModelOutput):
    """What ``generate`` gives where ``return_dict_in_generate`` is asked for.

    Attributes:
        sequences: (B * num_return_sequences, length) token ids.
        sequences_scores: of beams, (B * num_return_sequences,), if ``output_scores``.
        scores: a (rows, vocabulary) tensor for each step, after the processors, if ``output_scores``.
        logits: the same before the processors, if ``output_logits``.
        beam_indices: of beams, (B * num_return_sequences, new): the row of ``scores`` that each token was chosen in, -1
            after the end.
        past_key_values: the cache.
    """

    sequences: Any = None
    sequences_scores: Any = None
    scores: tuple[Tensor, ...] | None = None
    logits: tuple[Tensor, ...] | None = None
    beam_indices: Any = None
    past_key_values: Any = None


def generate(
    model: Any,
    input_ids: Tensor | None = None,
    attention_mask: Tensor | None = None,
    *,
    generation_config: GenerationConfig | None = None,
    logits_processor: Sequence[Any] | None = None,
    stopping_criteria: Sequence[Any] | None = None,
    prefix_allowed_tokens_fn: Callable[[int, Tensor], Any] | None = None,
    streamer: Any = None,
    tokenizer: Any = None,
    decoder_input_ids: Tensor | None = None,
    encoder_outputs: Any = None,
    seed: int | None = None,
    generator: Generator | None = None,
    **options: Any,
) -> Any:
    """Continue texts, or answer them, with what a model finds likely.

    A decoder's texts begin with their prompts, which must be padded on the left; those of an encoder and decoder begin
    with ``decoder_start_token_id``. With one beam the likeliest token is taken each time, or one is drawn with
    ``do_sample``; with more, beams are searched. Results are transformers', token by token, but where chance decides.

    Args:
        model: with a head of token scores: of the task "causal-lm" or "seq2seq-lm".
        input_ids: (B, length) prompts, or what the encoder reads; without any, one text begins with ``bos_token_id``.
        attention_mask: (B, length), 0 at padding; unless given, a decoder's is told by ``pad_token_id`` if no end is that.
        generation_config: what is asked for; the model's (``generation_config.json``) and the defaults say the rest.
        logits_processor: more processors, or functions of ids and scores, before those that draw.
        stopping_criteria: more criteria, or functions of ids and scores.
        prefix_allowed_tokens_fn: ``f(number of the prompt, ids so far)`` gives the token ids that may follow.
        streamer: its ``put`` gets the prompt and each token, and its ``end`` is called; not with beams.
        tokenizer: for ``stop_strings``.
        decoder_input_ids: (B, L) with which the decoder begins.
        encoder_outputs: what the encoder gave, instead of ``input_ids``.
        seed: draws the same texts each time; not together with ``generator``.
        generator: what draws; the default generator unless given.
        options: fields of ``GenerationConfig``, such as ``max_new_tokens``, ``num_beams``, ``top_p``; they come first.

    Returns:
        (B * num_return_sequences, length) token ids, prompts included; or a ``GenerateOutput``.

    Raises:
        ArgumentError: an option is not known or contradicts another, or prompts are padded on the right.
        ShapeError: ids or mask are not (B, length).

    Example:
        >>> model = text.from_pretrained("gpt2", "causal-lm")
        >>> batch = tokenizer(["Once upon a time", "Hello"], padding=True, padding_side="left", return_tensors="pt")
        >>> ids = model.generate(**batch, max_new_tokens=40, do_sample=True, top_p=0.9, seed=0)
        >>> tokenizer.batch_decode(ids, skip_special_tokens=True)
    """
    work = _Work(
        model,
        input_ids,
        attention_mask,
        generation_config=generation_config,
        logits_processor=logits_processor,
        stopping_criteria=stopping_criteria,
        prefix_allowed_tokens_fn=prefix_allowed_tokens_fn,
        tokenizer=tokenizer,
        decoder_input_ids=decoder_input_ids,
        encoder_outputs=encoder_outputs,
        seed=seed,
        generator=generator,
        **options,
    )
    if work.plan.config.num_beams > 1:
        if streamer is not None:
            raise ArgumentError("generate: beams are not known until the end and cannot be streamed; use num_beams=1")
        found = beams.search(work.plan, work.decoding, work.prompt)
        return work.output(found.sequences, found)
    if streamer is not None:
        streamer.put(wrap(work.prompt))
    for tokens in work.steps():
        if streamer is not None:
            streamer.put(wrap(tokens))
    if streamer is not None:
        streamer.end()
    return work.output(work.ids[:, : work.length])


def token_steps(
    model: Any, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **options: Any
) -> Iterator[Tensor]:
    """The tokens (B,) of each step of ``generate`` as they come; the arguments are those of ``generate``.

    Raises:
        ArgumentError, ShapeError: as for ``generate``, at the call; beams are refused.
    """
    work = _Work(model, input_ids, attention_mask, **options)
    if work.plan.config.num_beams > 1:
        raise ArgumentError("generate: beams are not known until the end and cannot be streamed; use num_beams=1")
    return (wrap(tokens) for tokens in work.steps())


class _Work:
    """A call of ``generate``, made ready."""

    def __init__(
        self,
        model: Any,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        *,
        generation_config: GenerationConfig | None = None,
        logits_processor: Sequence[Any] | None = None,
        stopping_criteria: Sequence[Any] | None = None,
        prefix_allowed_tokens_fn: Callable[[int, Tensor], Any] | None = None,
        tokenizer: Any = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: Any = None,
        seed: int | None = None,
        generator: Generator | None = None,
        **options: Any,
    ) -> None:
        config = (generation_config or GenerationConfig()).filled(of_model(model), **options)
        eos = [] if config.eos_token_id is None else token_list(config.eos_token_id)
        pad = config.pad_token_id if config.pad_token_id is not None or not eos else eos[0]
        _check(input_ids, attention_mask)
        if input_ids is not None:
            read: Any = input_ids.array.astype(np.int64, copy=False)
        elif encoder_outputs is None and config.bos_token_id is not None:
            xp = array_module(next(iter(model.parameters())).array)
            read = xp.full((1, 1), config.bos_token_id, np.int64)
        elif encoder_outputs is None:
            raise ArgumentError("generate: give input_ids; the model has no bos_token_id to begin with")
        else:
            read = None
        mask = None if attention_mask is None else attention_mask.array
        both = model.config.is_encoder_decoder
        if not both and mask is None:
            mask = inferred_mask(read, pad, eos)
        if mask is not None and bool((mask != 0).all()):
            mask = None
        if both:
            if encoder_outputs is None:
                with framework.inference_mode():
                    encoder_outputs = model.get_encoder()(wrap(read), None if mask is None else wrap(mask))
            self.prompt = _begun(encoder_outputs, decoder_input_ids, config)
        else:
            self.prompt = read
            if mask is not None and not bool((mask[:, -1] != 0).all()):
                raise ArgumentError(
                    "generate: a prompt is padded on the right, so that its text would go on after padding; pad on the left"
                )
        length = self.prompt.shape[1]
        most = lengths(config, length, None if both else model.config.get("max_position_embeddings"))
        if most <= length:
            raise ArgumentError(
                f"generate: the prompt's {length} tokens leave no room in max_length={most}; raise it, or give max_new_tokens"
            )
        self.plan = Plan(
            config,
            length,
            most,
            eos,
            pad,
            processors_of(
                config,
                prompt_length=length,
                max_length=most,
                eos=eos,
                mask=None if both else mask,
                encoder_input_ids=None if read is None else wrap(read),
                own=logits_processor,
                prefix_allowed_tokens_fn=prefix_allowed_tokens_fn,
            ),
            gather(config, stopping_criteria, tokenizer),
            _generator(seed, generator, self.prompt),
            [] if config.output_scores and config.return_dict_in_generate else None,
            [] if config.output_logits and config.return_dict_in_generate else None,
        )
        copies = max(config.num_beams, config.num_return_sequences)
        self.decoding = Decoding(model, self.prompt, mask, encoder_outputs, most, copies, self.plan.logits)
        self.length = length
        if config.num_beams == 1:
            self.prompt = self.prompt.repeat(copies, 0)

    def steps(self) -> Iterator[Any]:
        """The tokens (rows,) of each step; ``ids`` and ``length`` say what there is so far."""
        xp, plan = array_module(self.prompt), self.plan
        self.ids = xp.empty((len(self.prompt), plan.max_length), np.int64)
        self.ids[:, : self.length] = self.prompt
        for tokens in grow(plan, self.decoding, self.ids):
            self.length += 1
            yield tokens

    def output(self, sequences: Any, found: beams.Found | None = None) -> Any:
        """What ``generate`` returns."""
        plan = self.plan
        if not plan.config.return_dict_in_generate:
            return wrap(sequences)
        output = GenerateOutput(wrap(sequences), past_key_values=self.decoding.cache)
        if plan.scores is not None:
            output.scores = tuple(plan.scores)
            output.sequences_scores = None if found is None else wrap(found.scores)
        if plan.logits is not None:
            output.logits = tuple(plan.logits)
        output.beam_indices = None if found is None else wrap(found.rows)
        return output


def _check(input_ids: Tensor | None, attention_mask: Tensor | None) -> None:
    if input_ids is not None and (input_ids.ndim != 2 or input_ids.array.dtype.kind not in "iu"):
        raise ShapeError(
            f"generate: input_ids must be integers (B, length), got {input_ids.dtype} {tuple(input_ids.shape)}"
        )
    if input_ids is not None and not input_ids.shape[1]:
        raise ShapeError("generate: input_ids are empty; begin with bos_token_id")
    if attention_mask is None or input_ids is None:
        return
    if attention_mask.shape != input_ids.shape:
        raise ShapeError(
            f"generate: attention_mask must be of the shape of input_ids, {tuple(input_ids.shape)}, got "
            f"{tuple(attention_mask.shape)}"
        )


def _begun(encoder_outputs: Any, decoder_input_ids: Tensor | None, config: GenerationConfig) -> Any:
    """What the decoder begins with, (B, length): the start token, and then what the user gives."""
    start = config.decoder_start_token_id if config.decoder_start_token_id is not None else config.bos_token_id
    if start is None:
        raise ArgumentError("generate: the model has no decoder_start_token_id; give it")
    states = encoder_outputs[0].array
    xp = array_module(states)
    if decoder_input_ids is None:
        return xp.full((len(states), 1), start, np.int64)
    given = decoder_input_ids.array.astype(np.int64)
    if (given[:, 0] == start).any():
        return given
    return xp.concatenate((xp.full((len(given), 1), start, np.int64), given), 1)


def _generator(seed: int | None, generator: Generator | None, like: Any) -> Generator | None:
    if seed is None:
        return generator
    if generator is not None:
        raise ArgumentError("generate: seed and generator both say what to draw; give one of them")
    return Generator(framework.devices.of(like)).manual_seed(seed)
