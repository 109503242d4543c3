"""Flags of products on a GPU."""

from __future__ import annotations

from typing import Any

from framework import settings
from framework.tensor import missing


class _Matmul:
    """``matmul.allow_tf32``: whether float32 products may round to TF32. It and the matmul precision are one setting,
    which convolutions follow too.
    """

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 products may round to TF32."""
        return settings.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        if value != self.allow_tf32:
            settings.set_float32_matmul_precision("high" if value else "highest")

    allow_fp16_reduced_precision_reduction = False  # sums of half-precision products are kept in float32
    allow_bf16_reduced_precision_reduction = False


matmul = _Matmul()


def is_built() -> bool:
    """Whether the code for CUDA is here. It is Python, so it always is; ``framework.cuda.is_available()`` asks for a GPU."""
    return True


def __getattr__(name: str) -> Any:
    missing("module 'framework.backends.cuda'", name, globals())
