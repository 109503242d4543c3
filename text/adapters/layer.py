"""A linear layer with a low-rank adapter beside it."""

from __future__ import annotations

import math
from typing import Any

from framework import nn
from framework.nn import functional as F
from framework.ops.matmul import matmul
from framework.tensor import Tensor
from text.adapters.config import LoraConfig
from text.models.gpt2 import Conv1D


class LoraLayer(nn.Module):
    """``base_layer(x) + scaling * lora_B(lora_A(dropout(x)))``, with the base layer frozen or not.

    Code that reads the ``weight`` of a linear layer finds here that of both together.

    Args:
        base_layer: a linear layer, or GPT-2's, whose weight lies the other way round.
        rank: of the adapter.
        scaling: of its product.
        config: the other options.

    Attributes:
        merged: whether the base layer's weight holds the adapter's product, so that it alone is run.
        disabled: whether the base layer alone is run, without the adapter.

    Shape:
        as the base layer's; lora_A.weight (rank, in), lora_B.weight (out, rank).
    """

    def __init__(self, base_layer: nn.Module, rank: int, scaling: float, config: LoraConfig) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.transposed = isinstance(base_layer, Conv1D)
        shape = base_layer.weight.shape
        self.in_features, self.out_features = shape if self.transposed else (shape[1], shape[0])
        self.scaling = scaling
        self.lora_dropout = nn.Dropout(config.lora_dropout)
        # adapters of half-precision layers are trained in single precision
        like = base_layer.weight
        dtype = like.dtype if like.dtype.itemsize > 2 else None
        self.lora_A = nn.Linear(self.in_features, rank, bias=False, device=like.device, dtype=dtype)
        self.lora_B = nn.Linear(rank, self.out_features, bias=False, device=like.device, dtype=dtype)
        self._begin(config, rank)
        if config.use_dora:
            self.lora_magnitude_vector = nn.Parameter(self._lengths(self._base_weight().detach()))
        else:
            self.register_parameter("lora_magnitude_vector", None)
        self.merged = self.disabled = False
        self._unmerged: Tensor | None = None
        self.train(base_layer.training)

    def _begin(self, config: LoraConfig, rank: int) -> None:
        if config.init_lora_weights == "gaussian":
            nn.init.normal_(self.lora_A.weight, std=1 / rank)
        else:
            nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        if config.init_lora_weights:
            nn.init.zeros_(self.lora_B.weight)

    def _base_weight(self) -> Tensor:
        """The base layer's weight, (out, in)."""
        weight = self.base_layer.weight
        return weight.t() if self.transposed else weight

    def _product(self) -> Tensor:
        """What the adapter adds to the weight, (out, in)."""
        return matmul(self.lora_B.weight, self.lora_A.weight) * self.scaling

    def _lengths(self, weight: Tensor) -> Tensor:
        return weight.to(self.lora_A.weight.dtype).square().sum(1).sqrt()

    def _factor(self, weight: Tensor) -> Any:
        """What each row of a weight is scaled by to have the length that is trained."""
        return self.lora_magnitude_vector / self._lengths(weight).detach()

    def effective_weight(self) -> Tensor:
        """The weight of both together, (out, in)."""
        base = self._base_weight()
        if self.merged or self.disabled:
            return base
        weight = base + self._product().to(base.dtype)
        if self.lora_magnitude_vector is None:
            return weight
        return weight * self._factor(weight).unsqueeze(1).to(base.dtype)

    @property
    def weight(self) -> Tensor:
        """``effective_weight`` in the base layer's layout."""
        weight = self.effective_weight()
        return weight.t() if self.transposed else weight

    @property
    def bias(self) -> Tensor | None:
        """The base layer's."""
        return self.base_layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """What the base layer gives, and the adapter's part added."""
        y = self.base_layer(x)
        if self.merged or self.disabled:
            return y
        own = self.lora_A.weight.dtype
        dropped = self.lora_dropout(x if x.dtype == own else x.to(own))
        added = self.lora_B(self.lora_A(dropped) * self.scaling)
        if self.lora_magnitude_vector is not None:
            base = self._base_weight().to(own)
            factor = self._factor(base + self._product())
            added = (factor - 1) * F.linear(dropped, base) + factor * added
        return y + (added if y.dtype == own else added.to(y.dtype))

    def merge(self) -> None:
        """Put the adapter's product into the base layer's weight."""
        if not self.merged:
            weight = self.base_layer.weight.detach()
            self._unmerged = weight.clone()
            weight.copy_(self.weight.detach())
            self.merged = True

    def unmerge(self) -> None:
        """Put the base layer's weight back, to the bit."""
        if self.merged and self._unmerged is not None:
            self.base_layer.weight.detach().copy_(self._unmerged)
            self.merged, self._unmerged = False, None

    def extra_repr(self) -> str:
        return f"rank={self.lora_A.out_features}, scaling={self.scaling:g}, merged={self.merged}"
