"""What low-rank adapters are put where: PEFT's fields, as they stand in ``adapter_config.json``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from framework.errors import ArgumentError
from framework.io import FileFormatError, atomic_path

ADAPTER_CONFIG_NAME = "adapter_config.json"
ALL_LINEAR = "all-linear"

# fields that ask for other methods, and the values that ask for none
_REFUSED: dict[str, tuple[Any, ...]] = {
    "alora_invocation_tokens": (None,),
    "arrow_config": (None,),
    "corda_config": (None,),
    "eva_config": (None,),
    "kasa_config": (None,),
    "layer_replication": (None,),
    "lora_bias": (None, False),
    "lora_ga_config": (None,),
    "loftq_config": (None, {}),
    "megatron_config": (None,),
    "monteclora_config": (None,),
    "target_parameters": (None, []),
    "trainable_token_indices": (None,),
    "use_bdlora": (None, False),
    "use_qalora": (None, False),
    "velora_config": (None,),
}


@dataclass
class LoraConfig:
    """What adapters a model gets.

    Args:
        r: rank of the adapters.
        lora_alpha: their products are scaled by ``lora_alpha / r``.
        lora_dropout: share of an adapter's input that is dropped in training.
        target_modules: which layers get one: names or ends of names (``["query", "value"]``), a regular expression for the
            whole name, or ``"all-linear"`` for all but the head; unless given, what is usual for the model's family.
        exclude_modules: which do not, in the same forms.
        bias: which biases are trained: ``"none"``, ``"all"``, or ``"lora_only"``, those of the layers with adapters.
        modules_to_save: names, or ends of names, of modules that are trained whole and kept with the adapters: new heads.
        use_rslora: scale by ``lora_alpha / sqrt(r)`` instead.
        use_dora: train the lengths of the weights' rows apart from their directions.
        layers_to_transform: numbers of the layers that get adapters, where ``target_modules`` are names.
        layers_pattern: names of the lists that these numbers count in; any unless given.
        rank_pattern, alpha_pattern: other values of ``r`` and ``lora_alpha`` by end of name or regular expression.
        init_lora_weights: True: the first factor as a linear layer's, the second 0, so that nothing changes at first;
            ``"gaussian"``: the first normal with deviation 1 / r; False: neither 0.
        fan_in_fan_out: whether the weights lie the other way round; found out by the layers' type.
        task_type: kept for PEFT: "SEQ_CLS", "CAUSAL_LM", ...
        base_model_name_or_path: what model it was made for.
        inference_mode: kept for PEFT.

    Raises:
        ArgumentError: a value is out of range.

    Reference: Hu et al., "LoRA", https://arxiv.org/abs/2106.09685; Kalajdzievski, "rsLoRA",
    https://arxiv.org/abs/2312.03732; Liu et al., "DoRA", https://arxiv.org/abs/2402.09353.
    """

    r: int = 8
    lora_alpha: float = 8
    lora_dropout: float = 0.0
    target_modules: Sequence[str] | str | None = None
    exclude_modules: Sequence[str] | str | None = None
    bias: str = "none"
    modules_to_save: Sequence[str] | None = None
    use_rslora: bool = False
    use_dora: bool = False
    layers_to_transform: Sequence[int] | int | None = None
    layers_pattern: Sequence[str] | str | None = None
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    init_lora_weights: bool | str = True
    fan_in_fan_out: bool = False
    task_type: str | None = None
    base_model_name_or_path: str | None = None
    inference_mode: bool = False

    def __post_init__(self) -> None:
        ranks = [self.r, *self.rank_pattern.values()]
        if min(ranks) < 1:
            raise ArgumentError(f"LoraConfig: ranks must be 1 or more, got {min(ranks)}")
        if not 0 <= self.lora_dropout < 1:
            raise ArgumentError(f"LoraConfig: lora_dropout must be at least 0 and below 1, got {self.lora_dropout}")
        if self.bias not in ("none", "all", "lora_only"):
            raise ArgumentError(f"LoraConfig: bias must be 'none', 'all' or 'lora_only', got {self.bias!r}")
        if self.init_lora_weights not in (True, False, "gaussian"):
            raise ArgumentError(
                f"LoraConfig: init_lora_weights must be True, False or 'gaussian', got {self.init_lora_weights!r}"
            )
        if isinstance(self.target_modules, str) and self.target_modules.lower() == ALL_LINEAR:
            self.target_modules = ALL_LINEAR
        elif isinstance(self.target_modules, str) and self.layers_to_transform is not None:
            raise ArgumentError(
                "LoraConfig: layers_to_transform goes with names; write the numbers into the expression"
            )
        if self.layers_pattern and self.layers_to_transform is None:
            raise ArgumentError("LoraConfig: layers_pattern goes with layers_to_transform; give it, too")

    def rank_of(self, name: str) -> int:
        """The rank of the adapter of a layer."""
        return int(_by_pattern(self.rank_pattern, name, self.r))

    def scaling_of(self, name: str) -> float:
        """What the adapter of a layer is scaled by."""
        rank = self.rank_of(name)
        return _by_pattern(self.alpha_pattern, name, self.lora_alpha) / (rank**0.5 if self.use_rslora else rank)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as ``adapter_config.json`` holds them."""
        found = {name: list(value) if isinstance(value, tuple | set) else value for name, value in asdict(self).items()}
        return {**found, "peft_type": "LORA"}

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], **changes: Any) -> Self:
        """The config in an adapter's folder, of which some fields are replaced.

        Raises:
            FileNotFoundError: there is none.
            FileFormatError: it is no JSON object.
            ArgumentError: it is of another method, or has an option that is not known here.
        """
        path = Path(folder) / ADAPTER_CONFIG_NAME
        if not path.is_file():
            raise FileNotFoundError(f"{os.fspath(folder)} is no adapter's folder: it has no {ADAPTER_CONFIG_NAME}")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise FileFormatError(f"{path}: not JSON ({error}); download or save it again") from None
        if not isinstance(found, dict):
            raise FileFormatError(f"{path}: expected a JSON object of fields, got a {type(found).__name__}")
        if found.get("peft_type", "LORA") != "LORA":
            raise ArgumentError(f"{path}: an adapter of the type {found['peft_type']}, not LORA")
        for name, neutral in _REFUSED.items():
            if found.get(name, neutral[0]) not in neutral:
                raise ArgumentError(f"{path}: {name}={found[name]!r} asks for what is not supported")
        if found.get("init_lora_weights") not in (True, False, "gaussian"):
            found["init_lora_weights"] = True  # other ways to begin say nothing about a file that is trained
        known = {f.name for f in fields(cls)}
        given = {name: value for name, value in {**found, **changes}.items() if name in known and value is not None}
        return cls(**given)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``adapter_config.json`` into a folder, which is made if need be."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        with atomic_path(Path(folder) / ADAPTER_CONFIG_NAME) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")


def _by_pattern(patterns: Mapping[str, Any], name: str, default: Any) -> Any:
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", name)), default)
