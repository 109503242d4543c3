"""Layer, RMS, group, instance and local response norm. Statistics are accumulated in at least float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.composition import gradients_of
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ShapeError
from framework.kernels import choose
from framework.kernels.generic import row_norm
from framework.ops.batch_norm import _affine, check_channels, check_floating, statistics_as, update_running
from framework.ops.casting import cast
from framework.ops.dims import shape_of
from framework.tensor import Tensor


class LayerNorm(Op):
    """The last axes normalized together; if asked for ``statistics``, also mean and 1 / deviation."""

    non_differentiable = (1, 2)

    def forward(self, x: Any, weight: Any, bias: Any, axes: int, eps: float, statistics: bool = True) -> Any:
        if not statistics and x.size <= row_norm.LONGEST and not any(self.needs) and row_norm.serves(x, axes):
            return row_norm.layer_norm(x, weight, bias, eps)
        self.save(x, weight, bias)
        self.axes, self.eps = axes, eps
        self.kernel = choose("norm", x, kind="layer")
        y, self.mean, self.rstd = self.kernel.layer_norm(_matrix(x, axes), _flat(weight), _flat(bias), eps)
        if not statistics:
            return y.reshape(x.shape)
        outer = (*x.shape[: x.ndim - axes], *(1,) * axes)
        return y.reshape(x.shape), self.mean.reshape(outer), self.rstd.reshape(outer)

    def backward(self, g: Any, *_: Any) -> Any:
        x, weight, bias = self.saved
        if g is None:
            return None, None, None
        if isinstance(g, Tensor):
            return gradients_of(self._composition, (x, weight, bias), g)
        wanted = tuple(bool(n) for n in self.needs)
        dx, dw, db = self.kernel.layer_norm_gradient(
            _matrix(g, self.axes), _matrix(x, self.axes), self.mean, self.rstd, _flat(weight), wanted
        )
        shape = x.shape[x.ndim - self.axes :]
        return tuple(None if v is None else v.reshape(s) for v, s in ((dx, x.shape), (dw, shape), (db, shape)))

    def _composition(self, x: Any, weight: Any, bias: Any) -> Any:
        axes = tuple(range(-self.axes, 0))
        x = _wide(x)
        centered = x - x.mean(axes, keepdim=True)
        y = centered / ((centered * centered).mean(axes, keepdim=True) + self.eps) ** 0.5
        y = y if weight is None else y * weight
        return y if bias is None else y + bias


class RMSNorm(Op):
    """The last axes over their root mean square."""

    def forward(self, x: Any, weight: Any, axes: int, eps: float) -> Any:
        if x.size <= row_norm.LONGEST and not any(self.needs) and row_norm.serves_rms(x, weight, axes):
            return row_norm.rms_norm(x, weight, eps)
        self.save(x, weight)
        self.axes, self.eps = axes, eps
        self.kernel = choose("norm", x, kind="rms")
        y, self.rstd = self.kernel.rms_norm(_matrix(x, axes), _flat(weight), eps)
        return y.reshape(x.shape)

    def backward(self, g: Any) -> Any:
        x, weight = self.saved
        if isinstance(g, Tensor):
            return gradients_of(lambda a, b: _rms(_wide(a), b, self.axes, self.eps), (x, weight), g)
        wanted = (*(bool(n) for n in self.needs), False)
        dx, dw, _ = self.kernel.layer_norm_gradient(
            _matrix(g, self.axes), _matrix(x, self.axes), None, self.rstd, _flat(weight), wanted
        )
        return None if dx is None else dx.reshape(x.shape), None if dw is None else dw.reshape(weight.shape)


class GroupNorm(Op):
    """Each sample's groups of channels normalized; also mean and 1 / deviation, (N, groups)."""

    def forward(self, x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
        self.save(x, weight, bias)
        self.groups, self.eps = groups, eps
        self.kernel = choose("norm", x, kind="group")
        y, self.mean, self.rstd = self.kernel.group_norm(x, groups, weight, bias, eps)
        return y, self.mean, self.rstd

    def backward(self, g: Any, gm: Any = None, gr: Any = None) -> Any:
        x, weight, bias = self.saved
        if isinstance(next((v for v in (g, gm, gr) if v is not None), None), Tensor):
            return gradients_of(self._composition, (x, weight, bias), g, gm, gr)
        dx = dw = db = None
        if g is not None:
            wanted = tuple(bool(n) for n in self.needs)
            dx, dw, db = self.kernel.group_norm_gradient(g, x, self.groups, self.mean, self.rstd, weight, wanted)
        if self.needs[0] and (gm is not None or gr is not None):
            parts = x.reshape(x.shape[0], self.groups, math.prod(x.shape[1:]) // self.groups).astype(self.mean.dtype)
            more = parts * 0
            if gm is not None:
                more = more + gm[..., None] / parts.shape[2]
            if gr is not None:
                more = more - (gr * self.rstd**3)[..., None] * (parts - self.mean[..., None]) / parts.shape[2]
            dx = more.reshape(x.shape) if dx is None else dx + more.reshape(x.shape)
        return dx, dw, db

    def _composition(self, x: Any, weight: Any, bias: Any) -> Any:
        parts = _wide(x).reshape((x.shape[0], self.groups, math.prod(x.shape[1:]) // self.groups))
        mean = parts.mean(-1, keepdim=True)
        centered = parts - mean
        rstd = ((centered * centered).mean(-1, keepdim=True) + self.eps) ** -0.5
        shape = (x.shape[0], self.groups)
        return _affine((centered * rstd).reshape(x.shape), weight, bias), mean.reshape(shape), rstd.reshape(shape)


def _wide(x: Any) -> Any:
    return cast(x, dtypes.float32) if x.dtype in (dtypes.float16, dtypes.bfloat16) else x


def _matrix(x: Any, axes: int) -> Any:
    """The normalized axes as the columns of a matrix, contiguous."""
    columns = math.prod(x.shape[x.ndim - axes :])
    rows = math.prod(x.shape[: x.ndim - axes])
    matrix = x.reshape(rows, columns)
    return matrix if matrix.flags.c_contiguous else array_module(x).ascontiguousarray(matrix)


def _flat(v: Any) -> Any:
    return None if v is None else v.reshape(-1)


def _rms(x: Any, weight: Any, axes: int, eps: float) -> Any:
    """RMS norm as a composition of ops; of complex numbers it takes the square, not the magnitude's."""
    y = x * ((x * x).mean(tuple(range(-axes, 0)), keepdim=True) + eps) ** -0.5
    return y if weight is None else y * weight


def _normalized_axes(name: str, input: Any, normalized_shape: Any, **parameters: Any) -> int:
    """The number of axes to normalize over.

    Raises:
        ShapeError: the input does not end in ``normalized_shape``, or a parameter does not have it.
    """
    shape = shape_of((normalized_shape,))
    if not shape:
        raise ShapeError(f"{name}: Expected normalized_shape to be at least 1-dimensional, got {normalized_shape}")
    for argument, v in parameters.items():
        if v is not None and tuple(v.shape) != shape:
            raise ShapeError(
                f"{name}: Expected {argument} to be of same shape as normalized_shape, but got {argument} of shape "
                f"{list(v.shape)} and normalized_shape = {list(shape)}"
            )
    if tuple(input.shape[max(input.ndim - len(shape), 0) :]) != shape:
        raise ShapeError(
            f"{name}: Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size {list(input.shape)}"
        )
    return len(shape)


def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """``layer_norm`` with the means and ``1 / sqrt(var + eps)``, length 1 in the normalized dims."""
    if region() is not None:
        return recast(native_layer_norm, locals())
    check_floating("layer_norm", input)
    axes = _normalized_axes("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return statistics_as(input, apply(LayerNorm, input, weight, bias, axes=axes, eps=eps), weight, bias)


def layer_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last dims.

    Args:
        normalized_shape: the lengths of the last dims, which are normalized together; an int or several.
        weight, bias: tensors of that shape, or None.
        eps: added to the (biased) variance.
        cudnn_enable: accepted for PyTorch's signature.

    Shape:
        input (..., *normalized_shape) -> the same.

    Reference:
        Ba et al., "Layer Normalization", https://arxiv.org/abs/1607.06450.
    """
    if region() is not None:
        return recast(layer_norm, locals())
    if _fits(input, normalized_shape, weight, bias):
        axes = len(normalized_shape)
    else:
        check_floating("layer_norm", input)
        axes = _normalized_axes("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return apply(LayerNorm, input, weight, bias, axes=axes, eps=eps, statistics=False)


def _fits(input: Any, shape: Any, weight: Any, bias: Any) -> bool:
    """Whether ``LayerNorm`` takes these tensors as they are: a short way past the checks."""
    if not isinstance(input, Tensor) or not isinstance(shape, tuple) or not shape:
        return False
    array = input.array
    if array.dtype.kind != "f" or array.shape[-len(shape) :] != shape:
        return False
    if weight is not None and (not isinstance(weight, Tensor) or weight.array.shape != shape):
        return False
    return bias is None or (isinstance(bias, Tensor) and bias.array.shape == shape)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """``x / sqrt(mean(x ** 2) + eps) * weight`` over the last dims.

    Args:
        normalized_shape: the lengths of the last dims; an int or several.
        weight: a tensor of that shape, or None.
        eps: the dtype's machine epsilon unless given.

    Reference:
        Zhang and Sennrich, "Root Mean Square Layer Normalization", https://arxiv.org/abs/1910.07467.
    """
    if region() is not None:
        return recast(rms_norm, locals())
    if eps is not None and _fits(input, normalized_shape, weight, None):
        return apply(RMSNorm, input, weight, axes=len(normalized_shape), eps=eps)
    axes = _normalized_axes("rms_norm", input, normalized_shape, weight=weight)
    if not isinstance(input, Tensor):
        return apply(RMSNorm, input, weight, axes=axes, eps=np.finfo(input.dtype).eps if eps is None else eps)
    if not input.dtype.is_complex:
        check_floating("rms_norm", input)
    if eps is None:
        kind = input.dtype.to_real()
        # 16-bit inputs are computed in float32, whose epsilon is what keeps the division safe
        eps = dtypes.finfo(dtypes.float32 if kind.itemsize == 2 else kind).eps
    if input.dtype.is_complex:
        return _rms(input, weight, axes, eps)
    return apply(RMSNorm, input, weight, axes=axes, eps=eps)


def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Any, Any, Any]:
    """``group_norm`` with each group's mean and ``1 / sqrt(var + eps)``, (N, group)."""
    check_floating("group_norm", input)
    return statistics_as(input, apply(GroupNorm, input, weight, bias, groups=group, eps=eps), weight, bias)


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, cudnn_enabled: bool = True
) -> Any:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean and variance taken over each sample's groups of channels.

    Args:
        num_groups: into how many groups the channels are cut; must divide them.
        weight, bias: (C,) or None.
        eps: added to the (biased) variance.
        cudnn_enabled: accepted for PyTorch's signature.

    Shape:
        input (N, C, ...) -> the same.

    Reference:
        Wu and He, "Group Normalization", https://arxiv.org/abs/1803.08494.
    """
    if region() is not None:
        return recast(group_norm, locals())
    if input.ndim < 2:
        raise ShapeError(f"group_norm: Expected at least 2 dimensions for input tensor but received {input.ndim}")
    if num_groups <= 0 or input.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    for argument, v in (("weight", weight), ("bias", bias)):
        if v is not None and tuple(v.shape) != (input.shape[1],):
            raise ShapeError(
                f"group_norm: Expected {argument} to be a vector of size equal to the number of channels in input, "
                f"but got {argument} of shape {list(v.shape)} and input of shape {list(input.shape)}"
            )
    if input.shape[0] * input.shape[1] // num_groups * math.prod(input.shape[2:]) == 1:
        raise ValueError(
            f"group_norm: Expected more than 1 value per channel when training, got input size {list(input.shape)}"
        )
    return native_group_norm(input, weight, bias, 0, 0, 0, num_groups, eps)[0]


def instance_norm(
    input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean and variance taken over each sample's channels apart.

    Args:
        running_mean, running_var: (C,) or None; moved towards the batch's means, the variance unbiased, if
            ``use_input_stats``, else used in their place.
        momentum: the share of the batch in the running statistics.

    Shape:
        input (N, C, L, ...) -> the same.

    Reference:
        Ulyanov et al., "Instance Normalization", https://arxiv.org/abs/1607.08022.
    """
    if not use_input_stats:
        from framework.ops.batch_norm import batch_norm

        if running_mean is None or running_var is None:
            raise ShapeError(
                "instance_norm: Expected running_mean and running_var to be defined when use_input_stats is false"
            )
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    check_channels("instance_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    check_floating("instance_norm", input)
    count = math.prod(input.shape[2:])
    if count == 1:
        raise ValueError(
            f"instance_norm: Expected more than 1 spatial element when training, got input size {list(input.shape)}"
        )
    y, mean, rstd = apply(GroupNorm, input, weight, bias, groups=input.shape[1], eps=eps)
    if running_mean is not None and input.shape[0]:
        mean, rstd = (v.array if isinstance(v, Tensor) else v for v in (mean, rstd))
        update_running(running_mean, mean.mean(0), momentum)
        variance = (1 / rstd.astype("float64") ** 2 - eps).mean(0) * (count / max(count - 1, 1))
        update_running(running_var, variance.astype(mean.dtype), momentum)
    return y


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """``x / (k + alpha * mean of x ** 2 over the size channels around it) ** beta``.

    Shape:
        input (N, C, ...), at least one dim after the channels -> the same.

    Reference:
        Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012; alpha is
        divided by ``size`` here.
    """
    from framework.ops.padding import pad
    from framework.ops.pool import avg_pool2d

    if input.ndim < 3:
        raise ValueError(
            f"local_response_norm: Expected 3D or higher dimensionality input (got {input.ndim} dimensions); "
            "it is (N, C, ...)"
        )
    if 0 in tuple(input.shape):
        return input
    shape = tuple(input.shape)
    square = (input * input).reshape((shape[0], 1, shape[1], math.prod(shape[2:])))
    square = pad(square, (0, 0, size // 2, (size - 1) // 2))
    mean = avg_pool2d(square, (size, 1), stride=1).reshape(shape)
    return input / (mean * alpha + k) ** beta


def instance_norm_plain(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, use_input_stats: bool, momentum: float,
    eps: float, cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """``instance_norm`` in the argument order that PyTorch has at the top level."""
    return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
