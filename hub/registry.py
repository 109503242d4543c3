"""The registry: models by name. Each model's module registers its builders when it is imported."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from framework.errors import ArgumentError, nearest

Builder = TypeVar("Builder", bound=Callable[..., Any])

_builders: dict[str, Callable[..., Any]] = {}


def register_model(builder: Builder) -> Builder:
    """Decorate a builder ``name(num_classes=..., **config) -> Module`` to make it known under its name.

    Raises:
        ArgumentError: another builder has the name.
    """
    name = builder.__name__
    if name in _builders:
        raise ArgumentError(f"register_model: an entry is already registered under the name {name!r}")
    _builders[name] = builder
    return builder


def list_models() -> list[str]:
    """The names of all registered models, sorted."""
    return sorted(_builders)


def create(name: str, **config: Any) -> Any:
    """Build a registered model.

    Args:
        name: as in ``list_models()``.
        config: the builder's arguments, such as ``num_classes``.

    Raises:
        ArgumentError: no model has the name, or its builder does not take an argument.
    """
    builder = _builders.get(name)
    if builder is None:
        raise ArgumentError(f"unknown model {name!r}{nearest(name, _builders) or '; known: ' + ', '.join(list_models())}")
    try:
        inspect.signature(builder).bind(**config)
    except TypeError as error:
        raise ArgumentError(f"model {name!r}: {error}") from None
    return builder(**config)
