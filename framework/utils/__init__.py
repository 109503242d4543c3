"""Tools beside the core, at the paths where PyTorch's users look for them."""

from typing import Any as _Any

from framework.tensor import missing as _missing
from framework.utils import checkpoint, data, dlpack


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.utils'", name, globals())
