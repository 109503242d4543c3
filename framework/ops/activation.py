"""Activation functions: each an op over a kernel, or, where its gradient is differentiated, a composition of ops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.autograd.views import inplace
from framework.errors import ArgumentError, ShapeError
from framework.kernels import choose
from framework.ops.casting import into
from framework.ops.exponential import exp, sigmoid
from framework.ops.pointwise import as_array, unsupported
from framework.ops.selection import where
from framework.ops.signs import abs
from framework.ops.special import erf
from framework.ops.trigonometric import tanh
from framework.tensor import Tensor

REAL = "fV"  # NumPy's kinds of the floating-point dtypes; "V" is bfloat16's
NUMBER = REAL + "iu"

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _activation(kind: str, rule: Callable[..., Any], saves: str = "x") -> type[Op]:
    """An op of one input, computed by the activation kernel ``kind``.

    Args:
        rule: its gradient as a composition of ops, ``(g, v, **params)``, for gradients of gradients.
        saves: "x" if ``v`` is the input, "y" if it is the output.
    """

    class Activation(Op):
        def forward(self, x: Any, out: Any = None, **params: Any) -> Any:
            self.kernel, self.params = choose("activation", x, kind=kind), params
            compute = getattr(self.kernel, kind)
            y = compute(x, **params) if out is None else compute(x, out=out, **params)
            if self.needs[0]:
                self.save(x if saves == "x" else y)
            return y

        def backward(self, g: Any) -> Any:
            (v,) = self.saved
            if isinstance(g, Tensor):
                return rule(g, v, **self.params)
            return getattr(self.kernel, f"{kind}_backward")(g, v, **self.params)

    Activation.__name__ = Activation.__qualname__ = Activation.name = kind.replace("_", " ").title().replace(" ", "")
    return Activation


def _gelu_rule(g: Any, x: Any, tanh: bool) -> Any:
    if tanh:
        t = _tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x)))
        inner = math.sqrt(0.5 / math.pi) * (1 + 3 * 0.044715 * (x * x))
        return g * (0.5 * (1 + t) + x * (1 - t * t) * inner)
    density = exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return g * (0.5 * (1 + erf(x * math.sqrt(0.5))) + x * density)


_tanh = tanh  # ``tanh`` is the name of a parameter of the rule above


def _silu_rule(g: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


def _mish_rule(g: Any, x: Any) -> Any:
    t = tanh(softplus(x))
    return g * (t + x * sigmoid(x) * (1 - t * t))


def _elu_rule(g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    # the exponential sees no positive input, where it might overflow
    slope = exp(where(x > 0, 0.0, x) * input_scale) * (alpha * scale * input_scale)
    return g * where(x > 0, scale, slope)


Relu = _activation("relu", lambda g, y: where(y <= 0, 0, g), saves="y")
Hardtanh = _activation("hardtanh", lambda g, y, low, high: where((y > low) & (y < high), g, 0), saves="y")
Threshold = _activation("threshold", lambda g, x, threshold, value: where(x <= threshold, 0, g))
LeakyRelu = _activation("leaky_relu", lambda g, x, slope: where(x > 0, g, g * slope))
Gelu = _activation("gelu", _gelu_rule)
Silu = _activation("silu", _silu_rule)
Mish = _activation("mish", _mish_rule)
Elu = _activation("elu", _elu_rule)
Hardsigmoid = _activation("hardsigmoid", lambda g, x: where((x > -3) & (x < 3), g / 6, 0))
Hardswish = _activation("hardswish", lambda g, x: where(x <= -3, 0, where(x >= 3, g, g * (x / 3 + 0.5))))
Softplus = _activation("softplus", lambda g, x, beta, threshold: where(x * beta > threshold, g, g * sigmoid(x * beta)))
Logsigmoid = _activation("logsigmoid", lambda g, x: g * sigmoid(-x))
Hardshrink = _activation("hardshrink", lambda g, x, lambd: where((x < -lambd) | (x > lambd), g, 0))
Softshrink = _activation("softshrink", lambda g, x, lambd: where((x < -lambd) | (x > lambd), g, 0))


def array_of(input: Any, name: str) -> Any:
    """The array of an input, which may be one itself inside a gradient rule."""
    return input.array if isinstance(input, Tensor) else as_array(input, name, "input")


def _call(
    op: type[Op], name: str, input: Any, kinds: str = REAL, out: Any = None, over: bool = False, **params: Any
) -> Any:
    """Check the input's dtype and call the op; with ``over``, which needs an op that saves its output, over the input."""
    array = input.array if isinstance(input, Tensor) else as_array(input, name, "input")
    if array.dtype.kind not in kinds:
        raise unsupported(name, input)
    if over:
        return apply(op, input, out=array.view(), **params)
    y = apply(op, input, **params)
    return y if out is None else into(out, y)


def relu(input: Any, inplace: bool = False) -> Any:
    """``max(input, 0)``, elementwise. ``inplace`` stores the result in the input."""
    return relu_(input) if inplace else _call(Relu, "relu", input, NUMBER)


def _relu_over(input: Tensor, inplace: bool = False) -> Any:
    return _call(Relu, "relu", input, NUMBER, over=True)


def relu6(input: Any, inplace: bool = False) -> Any:
    """``min(max(input, 0), 6)``, elementwise."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Each element limited to ``[min_val, max_val]``."""
    return hardtanh_(input, min_val, max_val) if inplace else _hardtanh(input, min_val, max_val, False)


def _hardtanh(input: Any, min_val: float, max_val: float, over: bool) -> Any:
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val can't be greater than max_val, got {min_val} and {max_val}")
    if min_val < 0 and array_of(input, "hardtanh").dtype.kind == "u":
        raise ArgumentError("hardtanh: an unsigned tensor can't be limited below by a negative min_val")
    return _call(Hardtanh, "hardtanh", input, NUMBER, over=over, low=min_val, high=max_val)


def _hardtanh_over(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    return _hardtanh(input, min_val, max_val, True)


def _relu6_over(input: Tensor, inplace: bool = False) -> Any:
    return _hardtanh(input, 0.0, 6.0, True)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False, *, out: Any = None) -> Any:
    """Each element that is greater than ``threshold``; ``value`` in place of the others."""
    if inplace:
        return threshold_(input, threshold, value)
    y = _call(Threshold, "threshold", input, NUMBER, threshold=threshold, value=value)
    return y if out is None else into(out, y)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """``input`` above 0 and ``negative_slope * input`` elsewhere."""
    if inplace:
        return leaky_relu_(input, negative_slope)
    return _call(LeakyRelu, "leaky_relu", input, slope=negative_slope)


def gelu(input: Any, *, approximate: str = "none", out: Any = None) -> Any:
    """``input`` times the standard normal distribution function of it.

    Args:
        approximate: "none" for the exact function, "tanh" for its usual approximation.

    Reference: Hendrycks and Gimpel, 2016, "Gaussian error linear units", https://arxiv.org/abs/1606.08415
    """
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate argument must be either 'none' or 'tanh', got {approximate!r}")
    return _call(Gelu, "gelu", input, out=out, tanh=approximate == "tanh")


def silu(input: Any, inplace: bool = False) -> Any:
    """``input * sigmoid(input)``, also called swish."""
    return silu_(input) if inplace else _call(Silu, "silu", input, REAL + "c")


def mish(input: Any, inplace: bool = False) -> Any:
    """``input * tanh(softplus(input))``.

    Reference: Misra, 2019, https://arxiv.org/abs/1908.08681
    """
    return mish_(input) if inplace else _call(Mish, "mish", input)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``input`` above 0 and ``alpha * (exp(input) - 1)`` elsewhere.

    Reference: Clevert et al., 2015, https://arxiv.org/abs/1511.07289
    """
    return elu_(input, alpha) if inplace else _call(Elu, "elu", input, alpha=alpha, scale=1.0, input_scale=1.0)


def selu(input: Any, inplace: bool = False) -> Any:
    """``elu`` with the constants that keep activations at mean 0 and variance 1.

    Reference: Klambauer et al., 2017, "Self-normalizing neural networks", https://arxiv.org/abs/1706.02515
    """
    if inplace:
        return selu_(input)
    return _call(Elu, "selu", input, alpha=SELU_ALPHA, scale=SELU_SCALE, input_scale=1.0)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``input`` above 0 and ``alpha * (exp(input / alpha) - 1)`` elsewhere: smooth for every ``alpha``.

    Reference: Barron, 2017, https://arxiv.org/abs/1704.07483
    """
    if alpha == 0:
        raise ArgumentError("celu: alpha cannot be 0 (ZeroDivisionError); choose a positive alpha")
    return (
        celu_(input, alpha) if inplace else _call(Elu, "celu", input, alpha=alpha, scale=1.0, input_scale=1.0 / alpha)
    )


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """``input / 6 + 1 / 2`` limited to ``[0, 1]``."""
    return hardsigmoid_(input) if inplace else _call(Hardsigmoid, "hardsigmoid", input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """``input * hardsigmoid(input)``.

    Reference: Howard et al., 2019, "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244
    """
    return hardswish_(input) if inplace else _call(Hardswish, "hardswish", input)


def softplus(input: Any, beta: float = 1, threshold: float = 20, *, out: Any = None) -> Any:
    """``log(1 + exp(beta * input)) / beta``, a smooth relu; ``input`` itself where ``beta * input > threshold``."""
    if region() is not None:
        return recast(softplus, locals())
    return _call(Softplus, "softplus", input, out=out, beta=beta, threshold=threshold)


def logsigmoid(input: Any, *, out: Any = None) -> Any:
    """``log(sigmoid(input))``, computed without overflow."""
    return _call(Logsigmoid, "logsigmoid", input, out=out)


def hardshrink(input: Any, lambd: float = 0.5, *, out: Any = None) -> Any:
    """``input`` outside ``[-lambd, lambd]`` and 0 inside."""
    return _call(Hardshrink, "hardshrink", input, out=out, lambd=lambd)


def softshrink(input: Any, lambd: float = 0.5, *, out: Any = None) -> Any:
    """``input`` moved towards 0 by ``lambd``, and 0 where that would pass it."""
    if lambd < 0:
        raise ArgumentError(f"softshrink: lambda must be greater or equal to 0, but found to be {lambd}")
    return _call(Softshrink, "softshrink", input, out=out, lambd=lambd)


def softsign(input: Any) -> Any:
    """``input / (1 + abs(input))``."""
    return input / (abs(input) + 1)


def tanhshrink(input: Any) -> Any:
    """``input - tanh(input)``."""
    return input - tanh(input)


def glu(input: Any, dim: int = -1) -> Any:
    """``a * sigmoid(b)`` of the two halves ``a`` and ``b`` along ``dim``.

    Reference: Dauphin et al., 2016, https://arxiv.org/abs/1612.08083
    """
    if array_of(input, "glu").dtype.kind not in REAL:
        raise unsupported("glu", input)
    if input.ndim == 0:
        raise ShapeError("glu: does not support 0-dimensional tensors")
    length = input.shape[dim]
    if length % 2:
        raise ShapeError(f"glu: halving dimension must be even, but dimension {dim} is size {length}")
    a, b = (
        input[(slice(None),) * (dim % input.ndim) + (part,)] for part in (slice(length // 2), slice(length // 2, None))
    )
    return a * sigmoid(b)


class Prelu(Op):
    """``x`` above 0, ``w * x`` elsewhere."""

    name = "PreluKernel"
    broadcasts = True

    def forward(self, x: Any, w: Any) -> Any:
        self.save(x, w if self.needs[0] else None)
        return where(x > 0, x, w * x)

    def backward(self, g: Any) -> Any:
        x, w = self.saved
        positive = x > 0
        return (
            where(positive, g, w * g) if self.needs[0] else None,
            where(positive, 0, x * g) if self.needs[1] else None,
        )


def prelu(input: Any, weight: Any) -> Any:
    """``input`` above 0 and ``weight * input`` elsewhere.

    Args:
        weight: learned; one number, or one for each channel (dim 1 of the input).

    Reference: He et al., 2015, "Delving deep into rectifiers", https://arxiv.org/abs/1502.01852
    """
    if region() is not None:
        return recast(prelu, locals())
    for x in (input, weight):
        if array_of(x, "prelu").dtype.kind not in REAL:
            raise unsupported("prelu", x)
    if weight.ndim > 1:
        raise ShapeError(f"prelu: expected `weight` to be a scalar or 1D tensor, but got ndim = {weight.ndim}")
    count = math.prod(weight.shape)
    if count != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if input.ndim == 0 or channels != count:
            raise ShapeError(
                f"prelu: mismatch of parameter numbers and input channel size; weight has {count} values, the input "
                f"with shape {tuple(input.shape)} has {channels} channels"
            )
    if weight.dtype != input.dtype:
        raise unsupported("prelu: a weight of another dtype than the input's, which", input)
    w = weight if weight.ndim == 0 else weight.reshape((count,) + (1,) * max(input.ndim - 2, 0))
    return apply(Prelu, input, w if input.ndim else w.reshape(()))


def rrelu(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
    generator: Any = None,
) -> Any:
    """``leaky_relu`` with a slope drawn for each element from ``[lower, upper)`` in training, their mean otherwise.

    Reference: Xu et al., 2015, https://arxiv.org/abs/1505.00853
    """
    if inplace:
        return rrelu_(input, lower, upper, training, generator=generator)
    array = array_of(input, "rrelu")
    if array.dtype.kind not in REAL:
        raise unsupported("rrelu", input)
    if not (math.isfinite(lower) and math.isfinite(upper)) or lower > upper:
        raise ArgumentError(f"rrelu: lower and upper must be finite and lower <= upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    from framework.ops.dropout import uniform_like

    return input * where(array > 0, array.dtype.type(1), uniform_like(array, lower, upper, generator))


relu_ = inplace(relu, "relu_", over=_relu_over)
relu6_ = inplace(relu6, "relu6_", over=_relu6_over)
hardtanh_ = inplace(hardtanh, "hardtanh_", over=_hardtanh_over)
threshold_ = inplace(threshold, "threshold_")
leaky_relu_ = inplace(leaky_relu, "leaky_relu_")
silu_ = inplace(silu, "silu_")
mish_ = inplace(mish, "mish_")
elu_ = inplace(elu, "elu_")
selu_ = inplace(selu, "selu_")
celu_ = inplace(celu, "celu_")
hardsigmoid_ = inplace(hardsigmoid, "hardsigmoid_")
hardswish_ = inplace(hardswish, "hardswish_")
rrelu_ = inplace(rrelu, "rrelu_")
