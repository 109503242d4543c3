"""Activation checkpointing."""

from typing import Any as _Any

from framework.autograd.checkpoint import checkpoint as checkpoint
from framework.autograd.checkpoint import checkpoint_sequential as checkpoint_sequential
from framework.tensor import missing as _missing


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.utils.checkpoint'", name, globals())
