"""The graph's own names: nodes, and what passes through them."""

from typing import Any as _Any

from framework.autograd.engine import key_of as key_of
from framework.autograd.hooks import RemovableHandle as RemovableHandle
from framework.autograd.op import Op as Node
from framework.autograd.op import saved_tensors_hooks as saved_tensors_hooks
from framework.tensor import missing as _missing

__all__ = ["Node", "RemovableHandle", "key_of", "saved_tensors_hooks"]


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.autograd.graph'", name, globals())
