"""The processor, under the name of ``torch.cpu``: mixed precision on it."""

from typing import Any as _Any

from framework.cpu import amp as amp
from framework.tensor import missing as _missing


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.cpu'", name, globals())
