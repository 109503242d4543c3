"""Pretrained weights as entries: where the file lies, how to verify it, how to prepare pictures for it, where it is from.

An architecture's entries are the members of an enum beside its builder, as in torchvision; ``hub.registry`` knows each as
``arch.tag``, such as ``resnet18.IMAGENET1K_V1``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from framework.errors import ArgumentError, nearest
from framework.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Weights:
    """One set of pretrained weights.

    Args:
        url: where the file is fetched from.
        transforms: makes the preprocessing that the weights were trained with.
        meta: what is known of them, under torchvision's names: ``categories`` (the class names, in the order of the
            outputs), ``num_params``, ``min_size`` (height and width in pixels), ``recipe`` (a link), ``_metrics`` (by data
            set, in percent), ``_ops`` (10⁹ multiply-adds for a picture), ``_file_size`` (2²⁰ bytes), ``license``.
        sha256: the file's hash, or the first digits of it (at least 8), as official file names carry them.
        paper: a link to the architecture's paper.
        licence: of the weights.
        head: dotted names of the layers whose outputs are the classes.
        config: arguments of the builder that go with the weights, unless others are given.
        key_map: (pattern, replacement) pairs, which turn the file's keys into the model's.
        mirrors: further addresses of the same file.
    """

    url: str
    transforms: Callable[[], Any]
    meta: Mapping[str, Any]
    sha256: str = field(kw_only=True)
    paper: str = field(kw_only=True, default="")
    licence: str = field(kw_only=True, default="")
    head: tuple[str, ...] = field(kw_only=True, default=())
    config: Mapping[str, Any] = field(kw_only=True, default_factory=dict)
    key_map: tuple[tuple[str, str], ...] = field(kw_only=True, default=())
    mirrors: tuple[str, ...] = field(kw_only=True, default=())

    @property
    def categories(self) -> list[str]:
        """The class names, in the order of the outputs; none where the weights are of features alone."""
        return list(self.meta["categories"] or ())

    @property
    def file_name(self) -> str:
        """The name of the file."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]

    def get_state_dict(self, progress: bool = True, check_hash: bool = True) -> dict[str, Tensor]:
        """The named tensors of the file, which is fetched into the cache if it is not there. Always verified.

        Args:
            progress: show how far the download is.
            check_hash: accepted for torchvision's sake; the hash is checked whatever it says.

        Raises:
            DownloadError: the file could not be had, or is not the one it should be.
        """
        from hub.cache import weights_path
        from hub.download import download
        from hub.state_files import load_state_dict

        target = weights_path(self.file_name)
        return load_state_dict(download([self.url, *self.mirrors], target, sha256=self.sha256, progress=progress))


class WeightsEnum(enum.Enum):
    """The weights of one architecture: every member's value is a ``Weights``. ``DEFAULT`` is an alias of the best."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """A member from itself or from its name; None for None.

        Raises:
            ArgumentError: there is no such member.
            TypeError: it is another architecture's.
        """
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            names = {name.lower(): name for name in cls.__members__}
            tag = obj.removeprefix(f"{cls.__name__}.")
            if tag.lower() not in names:
                known = ", ".join(cls.__members__)
                raise ArgumentError(f"{cls.__name__} has no {obj!r}; known: {known}{nearest(tag, cls.__members__)}")
            return cls[names[tag.lower()]]
        raise TypeError(f"expected one of {cls.__name__}, got {obj!r}; take weights of this architecture")

    @property
    def url(self) -> str:
        """Where the file is fetched from."""
        return self.value.url

    @property
    def transforms(self) -> Callable[[], Any]:
        """Makes the preprocessing that goes with the weights."""
        return self.value.transforms

    @property
    def meta(self) -> Mapping[str, Any]:
        """What is known of the weights."""
        return self.value.meta

    def get_state_dict(self, progress: bool = True, check_hash: bool = True) -> dict[str, Tensor]:
        """The named tensors; see ``Weights.get_state_dict``."""
        return self.value.get_state_dict(progress, check_hash)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return getattr, (type(self), self.name)  # an enum's own way is by value, and a copy of the entry is another one

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"
