"""Batch norm folded into the layer before it, for inference."""

from __future__ import annotations

import copy
from typing import Any

from framework.nn.parameter import Parameter
from framework.ops.creation import ones_like, zeros_like


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of a convolution that computes what it and the batch norm after it do in evaluation.

    Args:
        transpose: the convolution is a transposed one.
    """
    _check(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any, transpose: bool = False
) -> tuple[Parameter, Parameter]:
    """The weight and bias of ``fuse_conv_bn_eval``."""
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of a linear layer that computes what it and the batch norm after it do in evaluation."""
    _check(linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "fuse_linear_bn_eval: to fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"{linear.out_features} and {bn.num_features}"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """The weight and bias of ``fuse_linear_bn_eval``."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _check(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("fusion only for eval! Call eval() on both layers first")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError(
            "fusion: bn.running_mean and bn.running_var must not be None; the norm must track statistics"
        )


def _fused(w: Any, b: Any, mean: Any, variance: Any, eps: float, bn_w: Any, bn_b: Any, shape: list[int]) -> Any:
    weight_dtype, bias_dtype = w.dtype, w.dtype if b is None else b.dtype
    trained = w.requires_grad, True if b is None else b.requires_grad
    w, b, bn_w, bn_b = (None if t is None else t.detach() for t in (w, b, bn_w, bn_b))
    b = zeros_like(mean) if b is None else b
    scale = (ones_like(mean) if bn_w is None else bn_w) * (variance + eps).rsqrt()
    shift = zeros_like(mean) if bn_b is None else bn_b
    weight = (w * scale.reshape(shape)).to(weight_dtype)
    bias = ((b - mean) * scale + shift).to(bias_dtype)
    return Parameter(weight, trained[0]), Parameter(bias, trained[1])
