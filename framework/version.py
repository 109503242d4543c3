"""What version this is. The names are those of ``torch.version``."""

from __future__ import annotations

__version__ = "0.1.0"
cuda: str | None = None  # no CUDA is built in: CuPy brings its own, see ``framework.cuda.is_available()``
hip: str | None = None
xpu: str | None = None
git_version = "unknown"
debug = False
