"""The registry: models by name. Each model's module registers its builders when it is imported."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from framework.errors import ArgumentError, nearest

Builder = TypeVar("Builder", bound=Callable[..., Any])

_builders: dict[str, Callable[..., Any]] = {}


def register_model(builder: Builder) -> Builder:
    """Decorate a builder ``name(*, weights=None, progress=True, **config) -> Module`` to make it known by its name.

    Raises:
        ArgumentError: another builder has the name.
    """
    name = builder.__name__
    if name in _builders:
        raise ArgumentError(f"register_model: an entry is already registered under the name {name!r}")
    _builders[name] = builder
    return builder


def refuse_weights(name: str, weights: Any) -> None:
    """For builders: they take ``weights``, as torchvision's do, but weights come from files.

    Raises:
        ArgumentError: ``weights`` is not None.
    """
    if weights is not None:
        raise ArgumentError(
            f"{name}: weights must be None, got {weights!r}; weights files are loaded with "
            "hub.load_pretrained(model, hub.read_state_dict(path))"
        )


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

    Example:
        >>> hub.create("resnet18", num_classes=10)
    """
    builder = _builders.get(name)
    if builder is None:
        hint = nearest(name, _builders) or f"; known: {', '.join(list_models())}"
        raise ArgumentError(f"unknown model {name!r}{hint}")
    try:
        inspect.signature(builder).bind(**config)
        return builder(**config)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise ArgumentError(f"model {name!r}: {error}") from error
