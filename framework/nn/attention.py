"""Multi-head attention as a layer."""

from __future__ import annotations

from typing import Any

from framework.errors import ArgumentError
from framework.nn import init
from framework.nn.linear import Linear
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.ops.creation import empty
from framework.ops.multihead import attend


class MultiheadAttention(Module):
    """Attention in several heads, each on its own projection of query, key and value.

    The weights are ``in_proj_weight`` (3 * embed_dim, embed_dim), or ``q_proj_weight``, ``k_proj_weight`` and
    ``v_proj_weight`` where kdim or vdim differ from embed_dim; ``in_proj_bias``; ``out_proj``; ``bias_k``, ``bias_v``.

    Args:
        embed_dim: features of query and output.
        num_heads: heads, each ``embed_dim / num_heads`` wide.
        dropout: share of the attention weights to drop in training.
        bias: whether the projections have biases.
        add_bias_kv: learn one more key and value for every sequence.
        add_zero_attn: add a key and a value of zeros.
        kdim, vdim: features of key and value; embed_dim unless given.
        batch_first: inputs are (N, L, features) instead of (L, N, features).

    Example:
        >>> y, weights = nn.MultiheadAttention(64, 4, batch_first=True)(x, x, x)

    Reference: https://arxiv.org/abs/1706.03762
    """

    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
        add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
        device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ArgumentError(
                f"MultiheadAttention: embed_dim and num_heads must be greater than 0, and embed_dim divisible by "
                f"num_heads; got {embed_dim} and {num_heads}"
            )
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        same = self._qkv_same_embed_dim
        for name, shape, wanted in (
            ("q_proj_weight", (embed_dim, embed_dim), not same),
            ("k_proj_weight", (embed_dim, self.kdim), not same),
            ("v_proj_weight", (embed_dim, self.vdim), not same),
            ("in_proj_weight", (3 * embed_dim, embed_dim), same),
            ("in_proj_bias", (3 * embed_dim,), bias),
        ):
            self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, device, dtype)
        if add_bias_kv:
            self.bias_k = Parameter(empty(1, 1, embed_dim, device=device, dtype=dtype))
            self.bias_v = Parameter(empty(1, 1, embed_dim, device=device, dtype=dtype))
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(self, name)
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self, query: Any, key: Any, value: Any, key_padding_mask: Any = None, need_weights: bool = True,
        attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False
    ) -> tuple[Any, Any]:  # fmt: skip
        """Let each query look at the keys.

        Args:
            query: (L, N, embed_dim), (N, L, embed_dim) with ``batch_first``, or (L, embed_dim).
            key, value: likewise with length S, kdim and vdim features.
            key_padding_mask: (N, S) or (S,): True at keys to pass over, or numbers added to the scores.
            need_weights: give the weights too; switch it off for speed.
            attn_mask: (L, S) or (N * num_heads, L, S): True where not to look, or numbers added to the scores.
            average_attn_weights: average the weights over the heads.
            is_causal: a hint that ``attn_mask`` is the causal mask.

        Returns:
            The output, of the query's shape, and the weights (N, L, S) or (N, num_heads, L, S), None unless asked for.
        """
        separate = None if self._qkv_same_embed_dim else (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        return attend(
            query, key, value, self.embed_dim, self.num_heads, (self.in_proj_weight, self.in_proj_bias), separate,
            (self.bias_k, self.bias_v), self.add_zero_attn, self.dropout if self.training else 0.0,
            (self.out_proj.weight, self.out_proj.bias), key_padding_mask, need_weights, attn_mask, (None, None),
            average_attn_weights, is_causal, self.batch_first
        )  # fmt: skip
