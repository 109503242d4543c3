"""How to generate: the fields of a model folder's ``generation_config.json``, with transformers' names and defaults."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from framework.errors import ArgumentError
from framework.io import FileFormatError, atomic_path

GENERATION_CONFIG_NAME = "generation_config.json"

DEFAULTS: dict[str, Any] = {
    # lengths and the end
    "max_length": None,
    "max_new_tokens": None,
    "min_length": 0,
    "min_new_tokens": None,
    "early_stopping": False,
    "max_time": None,
    "stop_strings": None,
    # the way
    "do_sample": False,
    "num_beams": 1,
    "use_cache": True,
    # the distribution
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "min_p": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "renormalize_logits": False,
    # penalties, bans and demands
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "sequence_bias": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "remove_invalid_values": False,
    "exponential_decay_length_penalty": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    # what is returned
    "num_return_sequences": 1,
    "output_scores": False,
    "output_logits": False,
    "return_dict_in_generate": False,
    # special tokens
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
    "decoder_start_token_id": None,
}

# fields of other ways of generating, and the values that ask for none of them
_REFUSED: dict[str, tuple[Any, ...]] = {
    "assistant_early_exit": (None,),
    "constraints": (None,),
    "diversity_penalty": (None, 0.0),
    "dola_layers": (None,),
    "force_words_ids": (None,),
    "guidance_scale": (None, 1, 1.0),
    "num_beam_groups": (None, 1),
    "penalty_alpha": (None, 0.0),
    "prompt_lookup_num_tokens": (None,),
    "token_healing": (None, False),
    "top_h": (None,),
    "watermarking_config": (None,),
}


class GenerationConfig:
    """How to generate, as attributes; those not given are None and stand for the defaults, ``DEFAULTS``.

    Args:
        max_new_tokens: the most tokens to generate; without it and ``max_length``, 20.
        max_length: the same with the prompt's tokens (of a decoder that follows an encoder: the first token) counted.
        min_new_tokens, min_length: so many tokens come before an end may.
        early_stopping: of beams: True ends when there are ``num_beams`` texts; False when better ones are unlikely;
            ``"never"`` when there can be none.
        max_time: seconds after which no further token is begun.
        stop_strings: a text, or several, that end generation when they were written; needs ``tokenizer``.
        do_sample: draw each token; else take the likeliest, or search with beams.
        num_beams: texts that are followed at once.
        temperature, top_k, top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff: what to draw from; see ``warpers``.
        repetition_penalty, no_repeat_ngram_size, bad_words_ids, sequence_bias, suppress_tokens: see ``processors``.
        length_penalty: power of the length by which beams' scores are divided; above 0 favours long texts.
        forced_bos_token_id, forced_eos_token_id: tokens that come first and, at the greatest length, last.
        num_return_sequences: texts for each prompt.
        return_dict_in_generate: return a ``GenerateOutput`` rather than the tokens alone; with ``output_scores`` the
            processed scores of each step, with ``output_logits`` the model's.
        fields: all else that ``generation_config.json`` may hold; ``generate`` refuses what asks for other ways than these.
    """

    if TYPE_CHECKING:  # the fields of the table

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, **fields: Any) -> None:
        for name in DEFAULTS:
            setattr(self, name, None)
        for name, value in fields.items():
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GenerationConfig) and self.to_dict() == other.to_dict()

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"GenerationConfig({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"

    def to_dict(self) -> dict[str, Any]:
        """The fields that are given."""
        return {name: copy.deepcopy(value) for name, value in self.__dict__.items() if value is not None}

    def filled(self, other: GenerationConfig | None = None, **fields: Any) -> GenerationConfig:
        """A config of ``fields``, then of what this one says, then the other, then the defaults.

        Raises:
            ArgumentError: a field is not known, or values contradict each other.
        """
        unknown = [name for name in fields if name not in DEFAULTS and name not in _REFUSED]
        if unknown:
            raise ArgumentError(f"generate: there is no argument {', '.join(unknown)}")
        weaker = {} if other is None else other.to_dict()
        given = {name: value for name, value in fields.items() if value is not None}
        result = GenerationConfig(**{**DEFAULTS, **weaker, **self.to_dict(), **given})
        for name in [name for name, value in fields.items() if value is None]:
            setattr(result, name, DEFAULTS.get(name) if name != "top_k" else None)  # None turns off what files say
        result.check()
        return result

    def check(self) -> None:
        """Refuse values that contradict each other, or ask for ways of generating that are not here.

        Raises:
            ArgumentError: so it is.
        """
        for name, neutral in _REFUSED.items():
            if getattr(self, name, None) not in neutral:
                raise ArgumentError(
                    f"generate: {name}={getattr(self, name)!r} asks for what is not supported; leave it out"
                )
        for name in ("num_beams", "num_return_sequences", "max_new_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ArgumentError(f"generate: {name} must be 1 or more, got {value}")
        if self.early_stopping not in (None, True, False, "never"):
            raise ArgumentError(f"generate: early_stopping must be True, False or 'never', got {self.early_stopping!r}")
        if not self.do_sample and (self.num_return_sequences or 1) > (self.num_beams or 1):
            raise ArgumentError(
                f"generate: num_return_sequences={self.num_return_sequences} needs as many beams or do_sample=True; "
                f"num_beams is {self.num_beams}"
            )

    @classmethod
    def from_model_config(cls, config: Any) -> Self:
        """What a model's own config says about generating: its special tokens, and the fields of older folders."""
        fields = {name: config.get(name) for name in DEFAULTS if config.get(name) is not None}
        if fields.get("decoder_start_token_id") is None and config.is_encoder_decoder:
            fields["decoder_start_token_id"] = fields.get("bos_token_id")
        return cls(**fields)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], **fields: Any) -> Self:
        """The config in a model folder.

        Raises:
            FileNotFoundError: there is none.
            FileFormatError: it is no JSON object.
        """
        path = Path(folder) / GENERATION_CONFIG_NAME
        if not path.is_file():
            raise FileNotFoundError(f"{os.fspath(folder)} has no {GENERATION_CONFIG_NAME}")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise FileFormatError(f"{path}: not JSON ({error}); download or save it again") from None
        if not isinstance(found, Mapping):
            raise FileFormatError(f"{path}: expected a JSON object of fields, got a {type(found).__name__}")
        return cls(**{**found, **fields})

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``generation_config.json`` into a folder, which is made if need be."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        with atomic_path(Path(folder) / GENERATION_CONFIG_NAME) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")


def of_model(model: Any) -> GenerationConfig:
    """The config that belongs to a model: that of its folder, else what its own config says."""
    found = getattr(model, "generation_config", None)
    return GenerationConfig.from_model_config(model.config) if found is None else found
