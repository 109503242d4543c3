"""What a model is built from: the fields of a model folder's ``config.json``."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from framework.errors import ArgumentError
from framework.io import FileFormatError, atomic_path

CONFIG_NAME = "config.json"


class Config:
    """The fields of a model's ``config.json`` as attributes; those that the family does not know are kept, too.

    A family's subclass gives ``model_type``, the ``defaults`` of its fields, and in ``attribute_map`` other names of some:
    with ``{"hidden_size": "n_embd"}``, ``config.hidden_size`` reads and sets ``config.n_embd``.

    Args:
        num_labels: number of classes, 2 unless given; labels named LABEL_0, LABEL_1 ... are made for them.
        id2label: the classes' names by number; ``label2id`` follows unless given.
        fields: all else that ``config.json`` may hold.

    Raises:
        ArgumentError: ``num_labels`` is not the number of labels in ``id2label``.

    Example:
        >>> config = BertConfig(hidden_size=128, num_attention_heads=2, num_labels=3)
        >>> config.id2label[2]
        'LABEL_2'
    """

    model_type: str = ""
    defaults: ClassVar[Mapping[str, Any]] = {}
    attribute_map: ClassVar[Mapping[str, str]] = {}

    _common: ClassVar[Mapping[str, Any]] = {
        "architectures": None,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        "initializer_range": 0.02,
        "is_decoder": False,
        "is_encoder_decoder": False,
        "output_attentions": False,
        "output_hidden_states": False,
        "problem_type": None,
        "tie_word_embeddings": True,
    }

    id2label: dict[int, str]
    label2id: dict[str, int]

    def __init__(
        self, *, num_labels: int | None = None, id2label: Mapping[Any, str] | None = None, **fields: Any
    ) -> None:
        for name, value in {**self._common, **self.defaults}.items():
            setattr(self, name, copy.deepcopy(value))
        label2id = fields.pop("label2id", None)
        for name, value in fields.items():
            setattr(self, name, value)
        if id2label is None:
            self.num_labels = 2 if num_labels is None else num_labels
        else:
            self.id2label = {int(number): label for number, label in id2label.items()}
            if num_labels is not None and num_labels != len(self.id2label):
                raise ArgumentError(
                    f"{type(self).__name__}: num_labels={num_labels}, but id2label names {len(self.id2label)}; give one of them"
                )
            self.label2id = label2id or {label: number for number, label in self.id2label.items()}

    @property
    def num_labels(self) -> int:
        """How many classes there are; set, it names them anew unless there are as many already."""
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, number: int) -> None:
        if number < 1:
            raise ArgumentError(f"{type(self).__name__}: num_labels must be 1 or more, got {number}")
        if number != len(self.__dict__.get("id2label", ())):
            self.id2label = {i: f"LABEL_{i}" for i in range(number)}
            self.label2id = {label: i for i, label in self.id2label.items()}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(self.attribute_map.get(name, name), value)

    def __getattr__(self, name: str) -> Any:
        other = type(self).attribute_map.get(name)
        if other is not None:
            return getattr(self, other)
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.to_dict() == other.to_dict()

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"

    def get(self, name: str, default: Any = None) -> Any:
        """A field that not every ``config.json`` has."""
        return getattr(self, name, default)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], **overrides: Any) -> Self:
        """A config of the fields, of which some are replaced.

        Overriding ``num_labels`` sets the labels in ``fields`` aside unless there are as many.
        """
        merged = {cls.attribute_map.get(name, name): value for name, value in fields.items()}
        changed = {cls.attribute_map.get(name, name): value for name, value in overrides.items()}
        if "id2label" in changed:
            merged.pop("label2id", None)
            merged.pop("num_labels", None)
        elif changed.get("num_labels") not in (None, len(merged.get("id2label") or ())):
            merged.pop("id2label", None)
            merged.pop("label2id", None)
        elif merged.get("id2label"):
            changed.pop("num_labels", None)
            merged.pop("num_labels", None)
        return cls(**{**merged, **changed})

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], **overrides: Any) -> Self:
        """The config in a model folder.

        Raises:
            FileNotFoundError, FileFormatError: as for ``read_config``.
        """
        return cls.from_dict(read_config(folder), **overrides)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as ``config.json`` holds them."""
        return {**copy.deepcopy(self.__dict__), "model_type": self.model_type}

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` into a folder, which is made if need be."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        with atomic_path(Path(folder) / CONFIG_NAME) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")


def read_config(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields in a model folder's ``config.json``.

    Raises:
        FileNotFoundError: there is none.
        FileFormatError: it is no JSON object.
    """
    path = Path(folder) / CONFIG_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{os.fspath(folder)} is no model folder: it has no {CONFIG_NAME}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileFormatError(f"{path}: not JSON ({error}); download or save it again") from None
    if not isinstance(fields, dict):
        raise FileFormatError(f"{path}: expected a JSON object of fields, got a {type(fields).__name__}")
    return fields
