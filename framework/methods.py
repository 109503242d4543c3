"""The operators and methods of ``Tensor``: each is the op of ``framework.ops`` that has its name.

An op takes the tensor as its first argument, so it serves as the method unchanged. ``IN_PLACE`` lists the ops that have a
``name_`` form too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework import dtypes
from framework.autograd import engine, hooks
from framework.autograd.views import inplace
from framework.ops import (
    activation,
    arithmetic,
    arithmetic_in_place,
    bitwise,
    casting,
    comparison,
    complex,
    copies,
    cumulative,
    decompositions,
    diagonals,
    differences,
    distance,
    draws,
    exponential,
    extremes,
    filling,
    gather,
    histograms,
    indexing,
    linalg,
    linalg_solve,
    linalg_spectral,
    masking,
    matmul,
    memory,
    multiply_add,
    new,
    nonzero,
    norms,
    placement,
    products,
    random,
    ranks,
    rearrange,
    reduction,
    rounding,
    scatter,
    selection,
    shape,
    signs,
    slices,
    softmax,
    sorting,
    special,
    splitting,
    statistics,
    storage,
    trigonometric,
)
from framework.ops.dims import also_named
from framework.tensor import Tensor

METHODS: dict[str, Callable[..., Any]] = {}


def _collect(module: Any, *names: str) -> None:
    METHODS.update({name: getattr(module, name) for name in names})


_collect(hooks, "register_hook", "register_post_accumulate_grad_hook", "retain_grad")
_collect(arithmetic, "add", "sub", "mul", "div", "neg", "subtract", "multiply", "divide", "true_divide", "negative")
_collect(arithmetic_in_place, "add_", "sub_", "mul_", "div_", "subtract_", "multiply_", "divide_")
_collect(arithmetic, "positive", "reciprocal", "gcd", "lcm", "conj", "conj_physical")
_collect(multiply_add, "addcmul", "addcdiv", "lerp")
_collect(
    bitwise, "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "bitwise_left_shift", "bitwise_right_shift"
)
_collect(comparison, "eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal", "greater", "greater_equal")
_collect(
    comparison, "logical_not", "logical_and", "logical_or", "logical_xor", "isnan", "isinf", "isfinite", "isposinf"
)
_collect(comparison, "isneginf", "isreal", "is_nonzero", "isclose", "allclose", "equal")
_collect(complex, "angle", "resolve_conj", "resolve_neg", "is_conj", "is_neg")
_collect(exponential, "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "square", "pow")
_collect(exponential, "float_power", "sigmoid", "logit", "logaddexp", "logaddexp2", "ldexp", "frexp")
_collect(rounding, "floor", "ceil", "trunc", "fix", "frac", "round", "floor_divide", "fmod", "remainder")
_collect(selection, "maximum", "minimum", "fmax", "fmin", "clamp", "clip", "clamp_min", "clamp_max")
_collect(selection, "nan_to_num")
_collect(signs, "abs", "absolute", "sign", "sgn", "signbit", "copysign", "nextafter", "heaviside")
_collect(special, "erf", "erfc", "erfinv", "lgamma", "digamma", "mvlgamma", "igamma", "igammac", "xlogy", "i0")
_collect(trigonometric, "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
_collect(trigonometric, "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "atan2", "arctan2", "sinc")
_collect(trigonometric, "deg2rad", "rad2deg", "hypot")
_collect(softmax, "softmax", "log_softmax")
_collect(activation, "relu", "relu_", "prelu", "hardshrink")
_collect(
    reduction, "sum", "nansum", "mean", "nanmean", "prod", "any", "all", "count_nonzero", "logsumexp", "sum_to_size"
)
_collect(reduction, "hash_tensor")
_collect(extremes, "max", "min", "amax", "amin", "aminmax", "argmax", "argmin")
_collect(sorting, "sort", "argsort", "msort", "topk", "kthvalue", "unique", "unique_consecutive")
_collect(ranks, "median", "nanmedian", "mode", "quantile", "nanquantile")
_collect(cumulative, "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp")
_collect(statistics, "var", "std", "cov", "corrcoef")
_collect(histograms, "bincount", "histc", "histogram")
_collect(norms, "norm", "renorm")
_collect(distance, "dist")
_collect(differences, "diff")
_collect(
    shape, "reshape", "reshape_as", "view", "view_as", "flatten", "unflatten", "ravel", "permute", "transpose", "t"
)
_collect(shape, "swapaxes", "swapdims", "adjoint", "movedim", "moveaxis", "expand", "expand_as", "broadcast_to")
_collect(shape, "unsqueeze", "squeeze")
_collect(slices, "select", "narrow", "unfold", "as_strided", "select_scatter", "slice_scatter", "diagonal_scatter")
_collect(slices, "as_strided_scatter")
_collect(diagonals, "diagonal", "diag", "diag_embed", "diagflat", "tril", "triu", "trace")
_collect(rearrange, "flip", "fliplr", "flipud", "roll", "rot90", "repeat", "tile", "repeat_interleave")
_collect(splitting, "split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk")
_collect(splitting, "tensor_split", "hsplit", "vsplit", "dsplit", "unbind")
_collect(copies, "narrow_copy")
_collect(memory, "clone", "contiguous", "is_contiguous", "detach", "detach_", "resize_", "resize_as_", "set_")
_collect(memory, "is_same_size", "dim_order", "is_inference")
_collect(storage, "untyped_storage", "storage_offset", "is_set_to")
_collect(filling, "fill_", "zero_", "fill_diagonal_", "apply_", "map_", "map2_")
_collect(placement, "cpu", "cuda", "pin_memory", "is_pinned", "share_memory_", "is_shared", "record_stream")
_collect(new, "new", "new_tensor", "new_zeros", "new_ones", "new_empty", "new_full", "new_empty_strided")
_collect(random, "bernoulli", "multinomial")
_collect(draws, "uniform_", "normal_", "random_", "bernoulli_", "exponential_", "geometric_", "cauchy_", "log_normal_")
_collect(matmul, "matmul", "mm", "bmm", "mv", "dot", "vdot")
_collect(linalg, "matrix_power", "matrix_exp")
_collect(linalg_solve, "det", "slogdet", "logdet", "inverse")
_collect(linalg_spectral, "svd", "pinverse")
_collect(decompositions, "cholesky", "cholesky_inverse", "cholesky_solve", "qr", "triangular_solve")
_collect(products, "addmm", "addmv", "addr", "addbmm", "baddbmm", "outer", "ger", "inner", "kron", "cross")
_collect(casting, "to", "type_as")
_collect(indexing, "index_put")
_collect(nonzero, "nonzero", "argwhere", "nonzero_static")
_collect(scatter, "scatter_reduce", "index_reduce", "index_copy", "index_fill", "take", "put")
_collect(gather, "gather", "take_along_dim", "index_select", "scatter", "scatter_add", "index_add")
_collect(masking, "masked_fill", "masked_select", "masked_scatter")

OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": arithmetic.add,
    "__radd__": arithmetic.add,
    "__sub__": arithmetic.sub,
    "__mul__": arithmetic.mul,
    "__rmul__": arithmetic.mul,
    "__truediv__": arithmetic.div,
    "__floordiv__": rounding.floor_divide,
    "__mod__": rounding.remainder,
    "__divmod__": rounding.divmod,
    "__neg__": arithmetic.neg,
    "__pos__": arithmetic.positive,
    "__abs__": signs.abs,
    "__invert__": bitwise.bitwise_not,
    "__pow__": exponential.pow,
    "__and__": bitwise.bitwise_and,
    "__rand__": bitwise.bitwise_and,
    "__or__": bitwise.bitwise_or,
    "__ror__": bitwise.bitwise_or,
    "__xor__": bitwise.bitwise_xor,
    "__rxor__": bitwise.bitwise_xor,
    "__lshift__": bitwise.bitwise_left_shift,
    "__rshift__": bitwise.bitwise_right_shift,
    "__matmul__": matmul.matmul,
    "__eq__": comparison.eq_operator,
    "__ne__": comparison.ne_operator,
    "__lt__": comparison.lt,
    "__le__": comparison.le,
    "__gt__": comparison.gt,
    "__ge__": comparison.ge,
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
}

POINTWISE_IN_PLACE = (
    "true_divide", "neg", "negative", "reciprocal",
    "addcmul", "addcdiv", "lerp", "gcd", "lcm", "conj_physical", "pow", "square", "exp", "exp2", "expm1",
    "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "sigmoid", "logit", "ldexp", "sin", "cos", "tan", "asin", "acos",
    "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "arcsin", "arccos", "arctan", "arcsinh", "arccosh",
    "arctanh", "atan2", "arctan2", "sinc", "deg2rad", "rad2deg", "hypot", "floor", "ceil", "trunc", "fix", "frac",
    "round", "floor_divide", "fmod", "remainder", "abs", "absolute", "sign", "sgn", "copysign", "nextafter",
    "heaviside", "clamp", "clip", "clamp_min", "clamp_max", "nan_to_num", "eq", "ne", "lt", "le", "gt", "ge",
    "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_not", "logical_and", "logical_or",
    "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "bitwise_left_shift",
    "bitwise_right_shift", "erf", "erfc", "erfinv", "lgamma", "digamma", "polygamma", "mvlgamma", "igamma", "igammac",
    "xlogy", "i0",
)  # fmt: skip

INDEXING_IN_PLACE = (
    "scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill", "index_put", "index_reduce",
    "masked_fill", "masked_scatter", "put", "addmm", "addmv", "addr", "addbmm", "baddbmm",
)  # fmt: skip

IN_PLACE = (*POINTWISE_IN_PLACE, "cumsum", "cumprod", "renorm", *INDEXING_IN_PLACE, "tril", "triu")

SPREAD = ("squeeze", "broadcast_to", "count_nonzero", "hsplit", "vsplit", "dsplit")

VIEWS_IN_PLACE = (
    "squeeze", "unsqueeze", "transpose", "swapaxes", "swapdims", "t", "as_strided",
)  # fmt: skip

PROPERTIES = {
    "T": shape.reversed_dims,
    "mT": shape.matrix_transpose,
    "H": shape.hermitian,
    "mH": shape.adjoint,
    "layout": memory.layout_of,
    "__cuda_array_interface__": storage.cuda_array_interface,
}

IN_PLACE_OPERATORS = {
    "__iadd__": "add",
    "__isub__": "sub",
    "__imul__": "mul",
    "__itruediv__": "div",
    "__idiv__": "div",
    "__ifloordiv__": "floor_divide",
    "__imod__": "remainder",
    "__ipow__": "pow",
    "__iand__": "bitwise_and",
    "__ior__": "bitwise_or",
    "__ixor__": "bitwise_xor",
    "__ilshift__": "bitwise_left_shift",
    "__irshift__": "bitwise_right_shift",
}

REFLECTED: dict[str, Callable[..., Any]] = {
    "__rsub__": arithmetic.sub,
    "__rtruediv__": arithmetic.div,
    "__rdiv__": arithmetic.div,
    "__rfloordiv__": rounding.floor_divide,
    "__rmod__": rounding.remainder,
    "__rdivmod__": rounding.divmod,
    "__rpow__": exponential.pow,
    "__rmatmul__": matmul.matmul,
    "__rlshift__": bitwise.bitwise_left_shift,
    "__rrshift__": bitwise.bitwise_right_shift,
}

# what no tensor here is
FLAGS = ("is_sparse_csr", "is_ipu", "is_maia", "is_mtia", "is_vulkan", "is_xpu", "volatile")

CONVERSIONS = {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32,
    "long": dtypes.int64,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return method


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """The method of an op on a list of numbers, which may be given one by one: ``x.squeeze(0, 2)``."""

    def method(self: Tensor, *numbers: Any, **named: Any) -> Any:
        return function(self, numbers, **named) if len(numbers) > 1 else function(self, *numbers, **named)

    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = function.__doc__
    return method


def _conversion(dtype: dtypes.dtype) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return casting.cast(self, dtype)

    method.__doc__ = f"The tensor as {dtype}."
    return method


def polygamma(self: Tensor, n: int) -> Tensor:
    """The derivative of order ``n`` of the digamma function of each element."""
    return special.polygamma(n, self)


def where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """The tensor's elements where ``condition`` holds, those of ``other`` elsewhere."""
    return selection.where(condition, self, other)


def _none(self: Tensor) -> bool:
    """False: no tensor here is of that kind."""
    return False


def _set_part(part: Callable[[Any], Any]) -> Callable[[Tensor, Any], None]:
    """The assignment ``x.real = value``."""

    def assign(self: Tensor, value: Any) -> None:
        indexing.overwrite(part(self), value, "copy_")

    return assign


METHODS.update(polygamma=polygamma, where=where, is_distributed=_none)
METHODS.update(type=casting.to_type, float_power_=exponential.float_power_)


def backward(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Accumulate the gradient of this tensor (times ``gradient``; 1 for a scalar) into ``.grad`` of the leaves."""
    engine.backward(self, gradient, retain_graph, create_graph, inputs=inputs)


@also_named(src="other")
def copy_(self: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """Store ``other``, broadcast and converted, in this tensor. Gradients flow to ``other``."""
    return indexing.overwrite(self, other, "copy_")


def attach() -> None:
    """Give ``Tensor`` its operators and methods."""
    for part in (complex.real, complex.imag):
        setattr(Tensor, part.__name__, property(part, _set_part(part), doc=part.__doc__))
    for table in (METHODS, OPERATORS):
        for name, function in table.items():
            setattr(Tensor, name, function)
    for name in IN_PLACE:
        setattr(Tensor, f"{name}_", inplace(METHODS[name], f"{name}_"))
    for operator, name in IN_PLACE_OPERATORS.items():
        setattr(Tensor, operator, getattr(Tensor, f"{name}_"))
    for name, dtype in CONVERSIONS.items():
        setattr(Tensor, name, _conversion(dtype))
    for name in SPREAD:
        setattr(Tensor, name, _spread(METHODS[name]))
    for name in VIEWS_IN_PLACE:
        setattr(Tensor, f"{name}_", memory.relaid(getattr(Tensor, name), f"{name}_"))
    for flag in FLAGS:
        setattr(Tensor, flag, False)
    for name, getter in PROPERTIES.items():
        setattr(Tensor, name, property(getter, doc=getter.__doc__))
    for function in (backward, copy_):
        setattr(Tensor, function.__name__, function)
    for name, operation in REFLECTED.items():
        setattr(Tensor, name, _reflected(operation))
