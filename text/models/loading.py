"""Models out of folders: the registry of families, and the way from ``config.json`` and weights to a model."""

from __future__ import annotations

import inspect
import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from framework import nn
from framework.errors import ArgumentError
from framework.tensor import Tensor
from hub import Fit, huggingface, load_pretrained, load_state_dict
from hub.fitting import Source
from text.models.config import read_config

if TYPE_CHECKING:
    from text.models.base import PreTrainedModel

Model = TypeVar("Model", bound="PreTrainedModel")

TASKS = (
    "sequence-classification",
    "token-classification",
    "question-answering",
    "masked-lm",
    "causal-lm",
    "seq2seq-lm",
    "multiple-choice",
    "next-sentence-prediction",
    "pretraining",
)

_families: dict[str, dict[str | None, type[PreTrainedModel]]] = {}  # classes by model_type and task
_names: dict[tuple[type[PreTrainedModel], str], str] = {}  # what transformers calls a class, by model_type


def register_family(
    model_type: str, task: str | None = None, *, name: str | None = None
) -> Callable[[type[Model]], type[Model]]:
    """A decorator that makes a model class known to ``from_pretrained``.

    Args:
        model_type: as in ``config.json``.
        task: what the class is for; None for the model without a head.
        name: what transformers calls the class for this ``model_type``; the class's own name unless given.

    Raises:
        ArgumentError: the task is none of the known, or the pair is taken.
    """
    if task is not None and task not in TASKS:
        raise ArgumentError(f"register_family: there is no task {task!r}; known are {', '.join(TASKS)}")

    def register(cls: type[Model]) -> type[Model]:
        family = _families.setdefault(model_type, {})
        if task in family:
            raise ArgumentError(f"register_family: {family[task].__name__} is {model_type!r} for task {task!r} already")
        family[task] = cls
        _names[cls, model_type] = name or cls.__name__
        return cls

    return register


def list_families() -> list[str]:
    """The values of ``model_type`` that ``from_pretrained`` knows."""
    return sorted(_families)


def architecture_of(cls: type[PreTrainedModel], model_type: str) -> str:
    """What a ``config.json`` calls a class."""
    return _names.get((cls, model_type), cls.__name__)


def from_pretrained(
    path: str | os.PathLike[str],
    task: str | None = None,
    *,
    num_labels: int | None = None,
    id2label: Mapping[int, str] | None = None,
    dtype: Any = None,
    **config_overrides: Any,
) -> Any:
    """Load a model of text: the class by the folder's ``config.json`` and the task, its weights, in evaluation mode.

    Weights may be in safetensors or PyTorch's files, in one or in parts, with or without the prefix of the trunk. A head
    that they lack, or have for another number of classes, starts afresh, with one warning that names the keys; heads that
    the model has not are left out; everything else must fit.

    Args:
        path: a model folder, or the name of a repository on the Hugging Face hub.
        task: ``"sequence-classification"``, ``"token-classification"``, ``"question-answering"``, ``"masked-lm"``,
            ``"causal-lm"``, ``"seq2seq-lm"``, ``"multiple-choice"``, ``"next-sentence-prediction"``, or ``"pretraining"``
            with all heads that the family was pre-trained with; None for the model without a head.
        num_labels: number of classes of a classifier; the config's unless given.
        id2label: names of the classes by number.
        dtype: floating-point type of the model; float32 unless given, whatever the file holds.
        config_overrides: fields of the config to change, such as ``hidden_dropout_prob=0.0``, or arguments of the class,
            such as ``add_pooling_layer=False``. With fewer layers than the file has, its last layers are left out.

    Raises:
        FileNotFoundError, FileFormatError: the folder has no config or weights, or broken ones.
        ArgumentError: the family or the task is not known, or the config has no such field.
        StateError: the weights do not fit.

    Example:
        >>> model = text.from_pretrained("all-MiniLM-L6-v2", task="sequence-classification", num_labels=3)
        >>> model(input_ids, attention_mask).logits.shape
        framework.Size([2, 3])
    """
    folder = _folder(path)
    fields = read_config(folder)
    return load(
        _class(fields, folder, task), folder, num_labels=num_labels, id2label=id2label, dtype=dtype, **config_overrides
    )


def from_config(path: str | os.PathLike[str], task: str | None = None, **config_overrides: Any) -> Any:
    """A model with its weights as initialised, in training mode; the arguments are those of ``from_pretrained``.

    Example:
        >>> model = text.models.from_config("gpt2-folder", "causal-lm", n_layer=4)
    """
    folder = _folder(path)
    fields = read_config(folder)
    cls = _class(fields, folder, task)
    return cls(cls.config_class.from_dict(fields, **config_overrides))


def model_class(folder: str | os.PathLike[str], task: str | None = None) -> type[PreTrainedModel]:
    """The class that ``from_pretrained`` makes from a folder for a task."""
    return _class(read_config(folder), Path(folder), task)


def load(
    cls: type[Model],
    path: str | os.PathLike[str],
    *,
    num_labels: int | None = None,
    id2label: Mapping[int, str] | None = None,
    dtype: Any = None,
    **config_overrides: Any,
) -> Model:
    """``from_pretrained`` for a class that is known."""
    folder = _folder(path)
    fields = read_config(folder)
    if cls.config_class is not _family(fields, folder)[None].config_class:
        raise ArgumentError(f"{cls.__name__}: {os.fspath(folder)} holds a model of the family {fields['model_type']!r}")
    takes = inspect.signature(cls.__init__).parameters
    options = {name: value for name, value in config_overrides.items() if name in takes}
    overrides = {name: value for name, value in config_overrides.items() if name not in takes}
    overrides |= {} if num_labels is None else {"num_labels": num_labels}
    overrides |= {} if id2label is None else {"id2label": id2label}
    unknown = [name for name in overrides if not hasattr(cls.config_class.from_dict(fields), name)]
    if unknown:
        raise ArgumentError(f"{cls.__name__}: its config has no field {', '.join(unknown)}")
    config = cls.config_class.from_dict(fields, **overrides)
    with nn.init.skipped():
        model = cls(config, **options)
    state = load_state_dict(folder)
    if config_overrides:
        state = _without_layers(model, state)
    fit = load_pretrained(model, Source(state, (), os.fspath(folder)))
    _start_afresh(model, fit)
    if dtype is not None:
        model.to(dtype)
    model.generation_config = _generation_config(folder)
    return model.eval()


def _generation_config(folder: Path) -> Any:
    """How the folder says that texts are generated; None where it does not."""
    from text.generation.config import GENERATION_CONFIG_NAME, GenerationConfig

    return GenerationConfig.from_pretrained(folder) if (folder / GENERATION_CONFIG_NAME).is_file() else None


def _folder(path: str | os.PathLike[str]) -> Path:
    return Path(path) if huggingface.is_local(path) else huggingface.snapshot(os.fspath(path))


def _family(fields: Mapping[str, Any], folder: Path) -> dict[str | None, type[PreTrainedModel]]:
    family = _families.get(fields.get("model_type", ""))
    if family is None:
        raise ArgumentError(
            f"{os.fspath(folder)}: no family has the model_type {fields.get('model_type')!r}; "
            f"known are {', '.join(list_families())}"
        )
    return family


def _class(fields: Mapping[str, Any], folder: Path, task: str | None) -> type[PreTrainedModel]:
    family = _family(fields, folder)
    if task not in family:
        known = ", ".join(repr(name) for name in family)
        raise ArgumentError(f"from_pretrained: {fields['model_type']!r} has no class for task {task!r}; it has {known}")
    return family[task]


def _without_layers(model: PreTrainedModel, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without the layers that stacks of the model are too short for."""
    stacks = {
        name.removeprefix(f"{model.base_model_prefix}."): len(module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
    }
    names = re.compile(rf"(?:^|\.)({'|'.join(map(re.escape, stacks))})\.(\d+)\.")
    found = {key: names.search(key) for key in state}
    return {key: state[key] for key, at in found.items() if at is None or int(at[2]) < stacks[at[1]]}


def _start_afresh(model: PreTrainedModel, fit: Fit) -> None:
    """Draw initial values for what the file does not give, and say so."""
    absent = {*fit.fresh, *fit.swapped}
    if not absent:
        return
    keys = [key for key in model.state_dict() if key in absent]
    for owner in dict.fromkeys(key.rpartition(".")[0] for key in keys):
        module = model.get_submodule(owner)
        loaded = {n: p.detach().clone() for n, p in module.named_parameters(owner, False) if n not in keys}
        _reset(model, module)
        for name, value in loaded.items():
            model.get_parameter(name).detach().copy_(value)
    warnings.warn(
        f"{type(model).__name__}: the weights hold nothing that fits {', '.join(keys)}; these start afresh, so train the "
        "model before you use what they give",
        stacklevel=4,
    )


def _reset(model: PreTrainedModel, module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None)
    if reset is not None:  # of norms, which the model's own way leaves as they were made
        reset()
    model._init_weights(module)
