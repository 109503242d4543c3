"""An eager deep-learning core on NumPy and CuPy arrays, under PyTorch's names.

This page is the public surface of the top level: explicit re-exports, a family a group, several names a line.
"""

# isort: off
# fmt: off
import math as _math
import warnings as _warnings

# IEEE arithmetic is silent here, as in PyTorch: a division by zero gives inf. Only warnings from these modules are hidden.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"framework\.")

from framework.dtypes import (
    bfloat16, bool_ as bool, can_cast, complex64, complex128, dtype, finfo, float16, float32, float64, get_default_dtype,
    iinfo, int8, int16, int32, int64, promote_types, set_default_dtype, uint8, uint16, uint32, uint64,
)
from framework.dtypes import complex64 as cfloat, complex128 as cdouble, float16 as half, float32 as float, float64 as double
from framework.dtypes import int16 as short, int32 as int, int64 as long
from framework.devices import device, get_default_device, set_default_device
from framework.settings import (
    are_deterministic_algorithms_enabled, get_deterministic_debug_mode, get_float32_matmul_precision,
    is_deterministic_algorithms_warn_only_enabled, is_warn_always_enabled, set_deterministic_debug_mode,
    set_float32_matmul_precision, set_flush_denormal, set_warn_always, use_deterministic_algorithms,
)
from framework.kernels.threads import get_num_interop_threads, get_num_threads, set_num_interop_threads, set_num_threads
from framework.tensor import Size, Tensor, missing as _missing
from framework.autograd.mode import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled,
)
from framework.autograd.autocast import autocast
from framework.autograd.autocast_state import (
    autocast_decrement_nesting, autocast_increment_nesting, clear_autocast_cache, get_autocast_cpu_dtype,
    get_autocast_dtype, get_autocast_gpu_dtype, is_autocast_cache_enabled, is_autocast_cpu_enabled, is_autocast_enabled,
    set_autocast_cache_enabled, set_autocast_cpu_dtype, set_autocast_cpu_enabled, set_autocast_dtype, set_autocast_enabled,
    set_autocast_gpu_dtype,
)
from framework.autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled
from framework.ops.casting import result_type
from framework.ops.memory import channels_last, channels_last_3d, contiguous_format, memory_format, preserve_format
from framework.ops.memory import layout, strided_layout as strided
from framework.ops.memory import (
    clone, detach, detach_, get_device, is_complex, is_distributed, is_floating_point, is_inference, is_same_size,
    is_signed, is_storage, is_tensor, numel, resize_as_,
)
from framework.ops.storage import UntypedStorage
from framework.ops.shape import (
    adjoint, atleast_1d, atleast_2d, atleast_3d, broadcast_shapes, broadcast_tensors, broadcast_to, flatten, moveaxis,
    movedim, permute, ravel, reshape, squeeze, swapaxes, swapdims, t, transpose, unflatten, unsqueeze,
)
from framework.ops.slices import (
    as_strided, as_strided_scatter, diagonal_scatter, narrow, select, select_scatter, slice_scatter,
)
from framework.ops.diagonals import diag, diag_embed, diagflat, diagonal, trace, tril, tril_indices, triu, triu_indices
from framework.ops.rearrange import flip, fliplr, flipud, repeat_interleave, roll, rot90, tile
from framework.ops.joining import (
    block_diag, cartesian_prod, cat, column_stack, combinations, concat, concatenate, dstack, hstack, meshgrid, row_stack,
    stack, vstack,
)
from framework.ops.splitting import (
    chunk, dsplit, hsplit, split, split_with_sizes, tensor_split, unbind, unsafe_chunk, unsafe_split,
    unsafe_split_with_sizes, vsplit,
)
from framework.ops.copies import (
    alias_copy, as_strided_copy, detach_copy, diagonal_copy, expand_copy, narrow_copy, permute_copy, select_copy, slice_copy,
    split_copy, split_with_sizes_copy, squeeze_copy, t_copy, transpose_copy, unbind_copy, unfold_copy, unsqueeze_copy,
    view_copy,
)
from framework.ops.padding import constant_pad_nd
from framework.ops.ranges import arange, empty_permuted, empty_strided, eye, linspace, logspace, range
from framework.ops.random import (
    bernoulli, binomial, multinomial, normal, poisson, rand, rand_like, randint, randint_like, randn, randn_like, randperm,
)
from framework.random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from framework.printing import get_printoptions, printoptions, set_printoptions
from framework.ops.arithmetic import (
    add, conj, conj_physical, div, divide, gcd, lcm, mul, multiply, neg, negative, positive,
    reciprocal, rsub, sub, subtract, true_divide,
)
from framework.ops.bitwise import (
    bitwise_and, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor,
)
from framework.ops.comparison import (
    allclose, eq, equal, ge, greater, greater_equal, gt, is_nonzero, isclose, isfinite, isinf, isnan, isneginf, isposinf,
    isreal, le, less, less_equal, logical_and, logical_not, logical_or, logical_xor, lt, ne, not_equal,
)
from framework.ops.complex import (
    angle, complex, imag, is_conj, is_neg, polar, real, resolve_conj, resolve_neg, view_as_complex, view_as_real,
)
from framework.ops.exponential import (
    exp, exp2, expm1, float_power, frexp, ldexp, log, log1p, log2, log10, logaddexp, logaddexp2, logit, pow, rsqrt, sigmoid,
    sqrt, square,
)
from framework.ops.multiply_add import addcdiv, addcmul, lerp
from framework.ops.rounding import ceil, fix, floor, floor_divide, fmod, frac, remainder, round, trunc
from framework.ops.selection import clamp, clamp_max, clamp_min, clip, fmax, fmin, maximum, minimum, nan_to_num, where
from framework.ops.signs import abs, absolute, copysign, heaviside, nextafter, sgn, sign, signbit
from framework.ops.special import (
    digamma, erf, erfc, erfinv, i0, igamma, igammac, lgamma, mvlgamma, polygamma, xlogy,
)
from framework.ops.trigonometric import (
    acos, acosh, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh, atan, atan2, atanh, cos, cosh,
    deg2rad, hypot, rad2deg, sin, sinc, sinh, tan, tanh,
)
from framework.ops.creation import (
    empty, empty_like, full, full_like, ones, ones_like, scalar_tensor, zeros, zeros_like,
)
from framework.ops.values import as_tensor, asarray, from_dlpack, from_numpy, frombuffer, tensor, to_dlpack
from framework.ops.filling import fill, fill_, zero_
from framework.legacy import (
    BFloat16Tensor, BoolTensor, ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor,
    ShortTensor, set_default_tensor_type, typename,
)
from framework.ops.gather import gather, index_add, index_select, scatter, scatter_add, take_along_dim
from framework.ops.matmul import bilinear, bmm, dot, matmul, mm, mv, vdot
from framework.ops.products import (
    addbmm, addmm, addmv, addr, baddbmm, chain_matmul, cross, ger, inner, kron, outer, tensordot,
)
from framework.ops.einsum import einsum
from framework.ops.linalg import matrix_exp, matrix_power, vander
from framework.ops.linalg_solve import det, inverse, logdet, slogdet
from framework.ops.linalg_spectral import pinverse, svd
from framework.ops.decompositions import cholesky, cholesky_inverse, cholesky_solve, qr, triangular_solve
from framework.ops.indexing import index_put
from framework.ops.nonzero import argwhere, nonzero, nonzero_static, unravel_index
from framework.ops.masking import masked_fill, masked_scatter, masked_select
from framework.ops.scatter import index_copy, index_fill, index_reduce, put, scatter_reduce, take
from framework.ops.activation import (
    celu, celu_, hardshrink, prelu, relu, relu_, rrelu, rrelu_, selu, selu_, threshold, threshold_,
)
from framework.ops.dropout import (
    alpha_dropout, alpha_dropout_, dropout, dropout_, feature_alpha_dropout, feature_alpha_dropout_, feature_dropout,
    feature_dropout_, native_dropout,
)
from framework.ops.embedding import embedding_renorm_
from framework.ops.shuffle import channel_shuffle, native_channel_shuffle, pixel_shuffle, pixel_unshuffle
from framework.ops.similarity import cosine_similarity, pairwise_distance
from framework.ops.softmax import log_softmax, softmax
from framework.ops.ctc import ctc_loss
from framework.ops.loss import poisson_nll_loss
from framework.ops.loss_margins import (
    cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss, triplet_margin_loss,
)
from framework.ops.recurrent import (
    gru, gru_cell, lstm, lstm_cell, rnn_relu, rnn_relu_cell, rnn_tanh, rnn_tanh_cell,
)
from framework.ops.cumulative import cummax, cummin, cumprod, cumsum, logcumsumexp
from framework.ops.differences import cumulative_trapezoid, diff, gradient, trapezoid, trapz
from framework.ops.distance import cdist, dist, pdist
from framework.ops.extremes import amax, amin, aminmax, argmax, argmin, max, min
from framework.ops.histograms import bincount, histc, histogram, histogramdd
from framework.ops.norms import frobenius_norm, norm, norm_except_dim, nuclear_norm, renorm
from framework.ops.ranks import median, mode, nanmedian, nanquantile, quantile
from framework.ops.reduction import all, any, count_nonzero, hash_tensor, logsumexp, mean, nanmean, nansum, prod, sum
from framework.ops.search import bucketize, isin, searchsorted
from framework.ops.sorting import argsort, kthvalue, msort, sort, topk, unique, unique_consecutive
from framework.ops.statistics import corrcoef, cov, std, std_mean, var, var_mean
from framework.ops.conv import conv1d, conv2d, conv3d, conv_tbc, convolution
from framework.ops.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from framework.ops.pool import avg_pool1d, max_pool1d, max_pool1d_with_indices, max_pool2d, max_pool3d
from framework.ops.pool_adaptive import adaptive_avg_pool1d
from framework.ops.pool_adaptive import adaptive_max_pool1d_with_indices as adaptive_max_pool1d
from framework.ops.batch_norm import batch_norm_plain as batch_norm, native_batch_norm
from framework.ops.norm import (
    group_norm, instance_norm_plain as instance_norm, layer_norm, native_group_norm, native_layer_norm, rms_norm,
)
from framework.ops.grid import affine_grid_generator, grid_sampler, grid_sampler_2d, grid_sampler_3d
from framework.methods import attach as _attach

_attach()

from framework import autograd, func, utils
from framework import errors, kernels, linalg, return_types, special
from framework import nn
from framework import optim
from framework import accelerator, amp, backends, cpu, cuda, testing, version
from framework.amp import GradScaler
from framework.func import vmap

from framework.io import load, save

inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None
from framework.version import __version__

# The in-place methods that have a spelling as a function too: ``framework.exp_(x)``.
globals().update({f"{_name}_": getattr(Tensor, f"{_name}_") for _name in (
    "abs", "acos", "acosh", "addmv", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "as_strided",
    "asin", "asinh", "atan", "atanh", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "conj_physical", "cos",
    "cosh", "deg2rad", "erf", "erfc", "exp", "exp2", "expm1", "fix", "floor", "frac", "gcd", "i0", "index_put",
    "lcm", "ldexp", "log", "log10", "log1p", "log2", "logit", "nan_to_num", "neg", "negative", "rad2deg",
    "reciprocal", "round", "rsqrt", "sigmoid", "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh", "trunc",
    "xlogy",
)})


def __getattr__(name: str) -> object:
    if name == "OutOfMemoryError":
        return cuda.OutOfMemoryError
    if name == "profiler":  # loaded when it is first named
        from importlib import import_module

        return import_module("framework.profiler")
    _missing("module 'framework'", name, globals())
