"""``nn.fuse``: a model for inference whose convolutions take what follows them along in one pass.

The model's own code runs as it stands. Its convolutions and linear layers answer with a ``Deferred`` tensor, which is
not computed yet. A batch norm that meets one folds itself into the weights, an addition becomes its residual, an
activation its last step; whatever else asks for its values has them computed. So nothing is traced, no pattern is
looked for in the source, and a layer that is used in an unforeseen way costs speed alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from framework.autograd.autocast import region
from framework.autograd.mode import is_grad_enabled
from framework.kernels.generic.windows import output_lengths
from framework.nn import activation as activations
from framework.nn import batchnorm, conv, linear
from framework.nn.module import Module
from framework.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights
from framework.ops.conv import convolve_then
from framework.ops.matmul import linear_then
from framework.tensor import Tensor

# the activations that layers of these classes add: what ``framework.kernels`` calls them, with their parameters
_ACTIVATIONS: dict[type[Module], Callable[[Any], tuple[Any, ...]]] = {
    activations.ReLU: lambda m: ("relu",),
    activations.ReLU6: lambda m: ("hardtanh", 0.0, 6.0),
    activations.Hardtanh: lambda m: ("hardtanh", m.min_val, m.max_val),
    activations.LeakyReLU: lambda m: ("leaky_relu", m.negative_slope),
    activations.SiLU: lambda m: ("silu",),
    activations.GELU: lambda m: ("gelu", m.approximate == "tanh"),
    activations.Hardswish: lambda m: ("hardswish",),
    activations.Hardsigmoid: lambda m: ("hardsigmoid",),
    activations.Mish: lambda m: ("mish",),
}


_NORM, _RESIDUAL, _ACTIVATION = 2, 3, 4  # places among the parts of a deferred output


class Deferred(Tensor):
    """The output of a layer, computed when its values are first asked for, with all that was added to it until then."""

    def __init__(
        self, layer: Any, input: Tensor, norm: Any = None, residual: Any = None, activation: Any = None
    ) -> None:
        self._parts: tuple[Any, ...] | None = (layer, input, norm, residual, activation)
        self._values: Any = None

    @property
    def array(self) -> Any:  # type: ignore[override]
        """The values."""
        if self._parts is not None:
            layer, input, norm, residual, activation = self._parts
            self._values = layer._compute(input, norm, residual, activation).array
            self._parts = None  # the input's memory is free again
        return self._values

    @array.setter
    def array(self, values: Any) -> None:
        self._parts, self._values = None, values

    def with_norm(self, norm: Any) -> Deferred | None:
        """The same with a batch norm at its end; None where it can't take one any more."""
        parts = self._parts
        if parts is None or parts[2:] != (None, None, None) or not parts[0]._folds(norm):
            return None
        return self._with(_NORM, norm)

    def with_residual(self, residual: Any) -> Deferred | None:
        """The same with another tensor added; None where it can't take one any more."""
        parts = self._parts
        if parts is None or parts[3] is not None or parts[4] is not None or not parts[0].adds:
            return None
        if not isinstance(residual, Tensor) or residual.dtype != parts[0].weight.dtype:
            return None
        return self._with(_RESIDUAL, residual) if residual.shape == parts[0]._shape(parts[1]) else None

    def with_activation(self, activation: tuple[Any, ...]) -> Deferred | None:
        """The same with an activation at its end; None where it has one."""
        parts = self._parts
        return None if parts is None or parts[4] is not None else self._with(_ACTIVATION, activation)

    def _with(self, place: int, part: Any) -> Deferred:
        parts: list[Any] = list(self._parts or ())
        parts[place] = part
        return Deferred(*parts)

    def __add__(self, other: Any) -> Any:
        found = self.with_residual(other)
        return Tensor.__add__(self, other) if found is None else found

    def __radd__(self, other: Any) -> Any:
        found = self.with_residual(other)
        return Tensor.__add__(self, other) if found is None else found

    def __iadd__(self, other: Any) -> Any:
        return self + other


class _Layer:
    """What a convolution and a linear layer share when they may answer later."""

    adds = False  # whether a residual can be added in the same pass
    _folded: Any = None  # the batch norm's values that were folded in, as versions, and the weight and bias this gave

    def forward(self, input: Any) -> Any:
        """The output, computed later where no gradient is recorded and no autocast changes types on the way."""
        if is_grad_enabled() or self.training or region() is not None or not self._answers(input):  # type: ignore[attr-defined]
            return super().forward(input)  # type: ignore[misc]
        return Deferred(self, input)

    def _with(self: Any, norm: Any) -> tuple[Any, Any]:
        """Weight and bias with a batch norm folded in; folded again when one of its parts has changed."""
        if norm is None:
            return self.weight, self.bias
        parts = [self.weight, self.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias]
        parts = [t for t in parts if t is not None]
        key = [(t._shared_counter()[0], t.array) for t in parts]
        known = self._folded
        if known is None or any(t._shared_counter()[2] for t in parts) or not _same(known[0], key):
            found = self._fold(
                self.weight, self.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            known = self._folded = (key, *(p.detach() for p in found))
        return known[1], known[2]


def _same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(a[0] == b[0] and a[1] is b[1] for a, b in zip(first, second, strict=True))


class _Convolution(_Layer):
    adds = True
    _fold = staticmethod(fuse_conv_bn_weights)

    def _answers(self: Any, input: Any) -> bool:
        if not isinstance(input, Tensor) or self.padding_mode != "zeros" or isinstance(self.padding, str):
            return False
        fits = input.ndim == len(self.kernel_size) + 2 and input.shape[1] == self.in_channels
        return fits and input.dtype == self.weight.dtype

    def _folds(self: Any, norm: Any) -> bool:
        return bool(norm.num_features == self.out_channels and norm.running_mean is not None)

    def _shape(self: Any, input: Any) -> tuple[int, ...]:
        lengths = output_lengths(input.shape[2:], self.kernel_size, self.stride, self.padding, self.dilation)
        return (input.shape[0], self.out_channels, *lengths)

    def _compute(self: Any, input: Any, norm: Any, residual: Any, activation: Any) -> Any:
        weight, bias = self._with(norm)
        return convolve_then(
            input, weight, bias, self.stride, self.padding, self.dilation, self.groups, residual, activation
        )


class _Linear(_Layer):
    _fold = staticmethod(fuse_linear_bn_weights)

    def _answers(self: Any, input: Any) -> bool:
        return isinstance(input, Tensor) and input.ndim > 0 and input.dtype == self.weight.dtype

    def _folds(self: Any, norm: Any) -> bool:
        return bool(norm.num_features == self.out_features and norm.running_mean is not None)

    def _compute(self: Any, input: Any, norm: Any, residual: Any, activation: Any) -> Any:
        weight, bias = self._with(norm)
        return linear_then(input, weight, bias, activation)


class _Norm:
    def forward(self, input: Any) -> Any:
        """The input normalized; nothing is left to compute where it folds into the layer before."""
        if type(input) is Deferred and not self.training:  # type: ignore[attr-defined]
            found = input.with_norm(self)
            if found is not None:
                return found
        return super().forward(input)  # type: ignore[misc]


class _Activation:
    def forward(self, input: Any) -> Any:
        """The input activated; by the layer before where that is still to be computed."""
        if type(input) is Deferred:
            found = input.with_activation(_ACTIVATIONS[type(self).__mro__[2]](self))
            if found is not None:
                return found
        return super().forward(input)  # type: ignore[misc]


def _fused(kind: type[Module], ability: type) -> type[Module]:
    found = type(f"Fused{kind.__name__}", (ability, kind), {"__module__": __name__, "__doc__": kind.__doc__})
    globals()[found.__name__] = found  # where pickle looks for it
    return found


_FUSED: dict[type[Module], type[Module]] = {
    **{kind: _fused(kind, _Convolution) for kind in (conv.Conv1d, conv.Conv2d, conv.Conv3d)},
    linear.Linear: _fused(linear.Linear, _Linear),
    **{kind: _fused(kind, _Norm) for kind in (batchnorm.BatchNorm1d, batchnorm.BatchNorm2d, batchnorm.BatchNorm3d)},
    **{kind: _fused(kind, _Activation) for kind in _ACTIVATIONS},
}


def fuse(model: Module) -> Module:
    """A copy of a model for inference, in which convolutions take batch norm, additions and activations along.

    Batch norm is folded into the weights (to within rounding: 1e-5 relative), ReLU and its like, and the addition of a
    residual, are done while the convolution's result is still in the cache; linear layers take their activation along.
    The copy shares the model's parameters and buffers and has its state dict; when they change, it folds them anew.
    It is in evaluation mode, and computes as the model does where gradients are recorded or ``train()`` was called.

    Layers of the library's own classes take part; subclasses of them and functional calls are computed as they stand.
    An activation at a convolution's end may turn a nan into a number.

    Args:
        model: any module; it is left as it is.

    Example:
        >>> fast = nn.fuse(resnet18())
        >>> with framework.inference_mode():
        ...     scores = fast(pictures)
    """
    if not isinstance(model, Module):
        raise TypeError(f"fuse: expected a Module, got {type(model).__name__}")
    shared = {id(t): t for t in (*model.parameters(), *model.buffers())}
    fused: Module = copy.deepcopy(model, shared)
    for module in fused.modules():
        kind = _FUSED.get(type(module))
        if kind is not None:
            module.__class__ = kind
    return fused.eval()
