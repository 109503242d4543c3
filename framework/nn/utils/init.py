"""Modules made without drawing their initial values."""

from __future__ import annotations

import inspect
from typing import Any

from framework.nn.init import skipped
from framework.nn.module import Module


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """Make a module whose parameters hold whatever their memory held, to be loaded or filled later.

    Raises:
        RuntimeError: the class takes no ``device`` argument, or is no Module.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"skip_init: expected a Module, got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("skip_init: module must support a 'device' arg to skip initialization")
    with skipped():
        return module_cls(*args, **kwargs)
