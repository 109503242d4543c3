"""The libraries underneath, under the names of ``torch.backends``: flags that kernels read, and what is available."""

# isort: off
# fmt: off
from typing import Any as _Any

from framework.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp
from framework.tensor import missing as _missing


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.backends'", name, globals())
