"""Every layer and loss that ``framework.nn`` exports, with small arguments to build it and small inputs to call it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import framework
from framework import nn

Make = Callable[[np.random.Generator], Any]


class Entry(NamedTuple):
    """How to build a layer, what to call it on (a tuple of ints is a shape of normal draws), and words of its repr."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = MappingProxyType({})
    inputs: tuple[Any, ...] = ((2, 3),)
    shown: tuple[str, ...] = ()


def ints(*shape: int, high: int) -> Make:
    """Integers below ``high``."""
    return lambda rng: framework.tensor(rng.integers(0, high, shape))


def between(*shape: int) -> Make:
    """Numbers strictly between 0 and 1."""
    return lambda rng: framework.tensor(rng.uniform(0.05, 0.95, shape).astype(np.float32))


def signs(*shape: int) -> Make:
    """Each 1 or -1."""
    return lambda rng: framework.tensor(np.where(rng.random(shape) < 0.5, -1, 1).astype(np.float32))


def pooled(axes: int) -> tuple[Make, Make]:
    """The values and the places of the windows of a max pool, for its inverse."""

    def make(rng: np.random.Generator) -> Any:
        x = framework.tensor(rng.standard_normal((1, 2, *(4,) * axes)).astype(np.float32))
        return getattr(nn, f"MaxPool{axes}d")(2, return_indices=True)(x)

    return lambda rng: make(rng)[0], lambda rng: framework.zeros((1, 2, *(2,) * axes), dtype=framework.int64)


C1, C2, C3 = (2, 4, 6), (2, 4, 6, 6), (2, 4, 4, 4, 4)
"""Inputs with 4 channels and one to three dims of space."""

POINTWISE = {
    name: Entry(**given)
    for name, given in {
        "CELU": {"args": (0.5,), "shown": ("alpha=0.5",)},
        "ELU": {"args": (0.5,), "shown": ("alpha=0.5",)},
        "GELU": {"args": ("tanh",), "shown": ("approximate='tanh'",)},
        "GLU": {"args": (0,), "shown": ("dim=0",)},
        "Hardshrink": {"args": (0.25,), "shown": ("0.25",)},
        "Hardsigmoid": {},
        "Hardswish": {},
        "Hardtanh": {"args": (-2.0, 3.0), "shown": ("min_val=-2.0", "max_val=3.0")},
        "LeakyReLU": {"args": (0.2,), "shown": ("negative_slope=0.2",)},
        "LogSigmoid": {},
        "LogSoftmax": {"args": (1,), "shown": ("dim=1",)},
        "Mish": {},
        "PReLU": {"args": (3,), "shown": ("num_parameters=3",)},
        "ReLU": {"kwargs": {"inplace": True}, "shown": ("inplace=True",)},
        "ReLU6": {},
        "RReLU": {"args": (0.1, 0.4), "shown": ("lower=0.1", "upper=0.4")},
        "SELU": {},
        "Sigmoid": {},
        "SiLU": {},
        "Softmax": {"args": (1,), "shown": ("dim=1",)},
        "Softmax2d": {"inputs": (C2,)},
        "Softmin": {"args": (1,), "shown": ("dim=1",)},
        "Softplus": {"args": (2, 10), "shown": ("beta=2", "threshold=10")},
        "Softshrink": {"args": (0.3,), "shown": ("0.3",)},
        "Softsign": {},
        "Tanh": {},
        "Tanhshrink": {},
        "Threshold": {"args": (0.1, 20), "shown": ("threshold=0.1", "value=20")},
    }.items()
}

MATRICES = {
    "Bilinear": Entry((3, 4, 5), {}, ((2, 3), (2, 4)), ("in1_features=3", "in2_features=4", "out_features=5")),
    "Flatten": Entry((0,), {"end_dim": 1}, ((2, 3),), ("start_dim=0", "end_dim=1")),
    "Identity": Entry(),
    "LazyLinear": Entry((4,), {}, ((2, 3),), ("in_features=0", "out_features=4")),
    "Linear": Entry((3, 4), {"bias": False}, ((2, 3),), ("in_features=3", "out_features=4", "bias=False")),
    "Unflatten": Entry((1, (1, 3)), {}, ((2, 3),), ("dim=1", "unflattened_size=(1, 3)")),
    "Embedding": Entry((5, 3), {"padding_idx": 0}, (ints(2, 4, high=5),), ("5, 3", "padding_idx=0")),
    "EmbeddingBag": Entry((5, 3), {"mode": "sum"}, (ints(2, 4, high=5),), ("5, 3", "mode='sum'")),
    "CosineSimilarity": Entry((1,), {}, ((2, 3), (2, 3))),
    "PairwiseDistance": Entry((1.0,), {}, ((2, 3), (2, 3))),
    "LayerNorm": Entry((3,), {"eps": 0.01}, ((2, 3),), ("(3,)", "eps=0.01", "elementwise_affine=True")),
    "RMSNorm": Entry((3,), {"eps": 0.01}, ((2, 3),), ("(3,)", "eps=0.01")),
    "GroupNorm": Entry((2, 4), {}, (C2,), ("2, 4", "affine=True")),
    "LocalResponseNorm": Entry((2,), {"k": 2.0}, (C2,), ("2", "k=2.0")),
    "CrossMapLRN2d": Entry((2,), {"k": 2}, (C2,), ("2", "k=2")),
    "MultiheadAttention": Entry((4, 2), {}, ((3, 2, 4),) * 3),
    "Transformer": Entry((4, 2, 1, 1, 8, 0.0), {}, ((3, 2, 4), (2, 2, 4))),
    "TransformerEncoderLayer": Entry((4, 2, 8, 0.0), {}, ((3, 2, 4),)),
    "TransformerDecoderLayer": Entry((4, 2, 8, 0.0), {}, ((3, 2, 4), (2, 2, 4))),
    "RNN": Entry((3, 4), {"nonlinearity": "relu"}, ((2, 5, 3),), ("3, 4",)),
    "LSTM": Entry((3, 4), {"bidirectional": True}, ((2, 5, 3),), ("3, 4", "bidirectional=True")),
    "GRU": Entry((3, 4), {"num_layers": 2}, ((2, 5, 3),), ("3, 4", "num_layers=2")),
    "RNNCell": Entry((3, 4), {"nonlinearity": "relu"}, ((2, 3),), ("3, 4", "nonlinearity=relu")),
    "LSTMCell": Entry((3, 4), {"bias": False}, ((2, 3),), ("3, 4", "bias=False")),
    "GRUCell": Entry((3, 4), {}, ((2, 3),), ("3, 4",)),
    "AdaptiveLogSoftmaxWithLoss": Entry((4, 8, [3]), {}, ((5, 4), lambda rng: framework.tensor([0, 2, 4, 7, 5]))),
}

SPACE: dict[str, Entry] = {}
for _axes, _shape in ((1, C1), (2, C2), (3, C3)):
    SPACE |= {
        f"Conv{_axes}d": Entry((4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, (_shape,), ("4, 6", "groups=2")),
        f"ConvTranspose{_axes}d": Entry((4, 6, 3), {"bias": False}, (_shape,), ("4, 6", "bias=False")),
        f"LazyConv{_axes}d": Entry((6, 3), {}, (_shape,), ("0, 6",)),
        f"LazyConvTranspose{_axes}d": Entry((6, 3), {}, (_shape,), ("0, 6",)),
        f"BatchNorm{_axes}d": Entry(
            (4,), {"momentum": 0.3}, (_shape,), ("4", "momentum=0.3", "track_running_stats=True")
        ),
        f"LazyBatchNorm{_axes}d": Entry((), {"eps": 0.1}, (_shape,), ("0", "eps=0.1")),
        f"InstanceNorm{_axes}d": Entry((4,), {"affine": True}, (_shape,), ("4", "affine=True")),
        f"LazyInstanceNorm{_axes}d": Entry((), {"affine": True}, (_shape,), ("0", "affine=True")),
        f"MaxPool{_axes}d": Entry((2,), {"ceil_mode": True}, (_shape,), ("kernel_size=2", "ceil_mode=True")),
        f"AvgPool{_axes}d": Entry((2,), {"stride": 1}, (_shape,), ("2", "1")),
        f"LPPool{_axes}d": Entry((2, 2), {}, (_shape,), ("norm_type=2", "kernel_size=2")),
        f"AdaptiveAvgPool{_axes}d": Entry((2,), {}, (_shape,), ("output_size=2",)),
        f"AdaptiveMaxPool{_axes}d": Entry((2,), {}, (_shape,), ("output_size=2",)),
        f"MaxUnpool{_axes}d": Entry((2,), {}, pooled(_axes), ("kernel_size=", "2")),
        f"CircularPad{_axes}d": Entry((1,), {}, (_shape,), ("1, 1",)),
        f"ConstantPad{_axes}d": Entry((1, 2.5), {}, (_shape,), ("padding=", "1", "value=2.5")),
        f"ReflectionPad{_axes}d": Entry((1,), {}, (_shape,), ("1, 1",)),
        f"ReplicationPad{_axes}d": Entry((1,), {}, (_shape,), ("1, 1",)),
        f"ZeroPad{_axes}d": Entry((1,), {}, (_shape,), ("1, 1",)),
        f"Dropout{_axes}d": Entry((0.3,), {}, (_shape,), ("p=0.3",)),
    }
SPACE |= {
    "SyncBatchNorm": Entry((4,), {"momentum": 0.3}, (C2,), ("4", "momentum=0.3")),
    "Dropout": Entry((0.3,), {}, ((2, 3),), ("p=0.3",)),
    "AlphaDropout": Entry((0.3,), {}, ((2, 3),), ("p=0.3",)),
    "FeatureAlphaDropout": Entry((0.3,), {}, (C2,), ("p=0.3",)),
    "FractionalMaxPool2d": Entry((2,), {"output_size": 3}, (C2,)),
    "FractionalMaxPool3d": Entry((2,), {"output_size": 2}, (C3,)),
    "Fold": Entry(((4, 4), 2), {"stride": 2}, ((1, 8, 4),), ("output_size=(4, 4)", "kernel_size=2", "stride=2")),
    "Unfold": Entry((2,), {"stride": 2}, (C2,), ("kernel_size=2", "stride=2")),
    "ChannelShuffle": Entry((2,), {}, (C2,), ("groups=2",)),
    "PixelShuffle": Entry((2,), {}, (C2,), ("upscale_factor=2",)),
    "PixelUnshuffle": Entry((2,), {}, (C2,), ("downscale_factor=2",)),
    "Upsample": Entry((), {"scale_factor": 2, "mode": "bilinear"}, (C2,), ("scale_factor=2.0", "mode='bilinear'")),
    "UpsamplingBilinear2d": Entry((), {"scale_factor": 2}, (C2,), ("scale_factor=2.0",)),
    "UpsamplingNearest2d": Entry((), {"size": 3}, (C2,), ("size=3",)),
}

LOSSES = {
    "BCELoss": Entry((), {}, (between(2, 3), between(2, 3))),
    "BCEWithLogitsLoss": Entry((), {}, ((2, 3), between(2, 3))),
    "CTCLoss": Entry(
        (), {}, ((6, 2, 4), lambda rng: framework.tensor([[1, 2], [3, 1]]), lambda rng: (6, 6), lambda rng: (2, 2))
    ),
    "CosineEmbeddingLoss": Entry((0.1,), {}, ((2, 3), (2, 3), signs(2))),
    "CrossEntropyLoss": Entry((), {"label_smoothing": 0.1}, ((2, 3), ints(2, high=3))),
    "GaussianNLLLoss": Entry((), {}, ((2, 3), (2, 3), between(2, 3))),
    "HingeEmbeddingLoss": Entry((), {}, ((2, 3), signs(2, 3))),
    "HuberLoss": Entry((), {}, ((2, 3), (2, 3))),
    "KLDivLoss": Entry((), {"reduction": "batchmean"}, ((2, 3), between(2, 3))),
    "L1Loss": Entry((), {}, ((2, 3), (2, 3))),
    "LinearCrossEntropyLoss": Entry((3, 4), {}, ((2, 3), ints(2, high=4))),
    "MSELoss": Entry((), {}, ((2, 3), (2, 3))),
    "MarginRankingLoss": Entry((), {}, ((2, 3), (2, 3), signs(2, 3))),
    "MultiLabelMarginLoss": Entry((), {}, ((2, 3), lambda rng: framework.tensor([[1, -1, 0], [0, 2, -1]]))),
    "MultiLabelSoftMarginLoss": Entry((), {}, ((2, 3), ints(2, 3, high=2))),
    "MultiMarginLoss": Entry((), {}, ((2, 3), ints(2, high=3))),
    "NLLLoss": Entry((), {}, ((2, 3), ints(2, high=3))),
    "NLLLoss2d": Entry((), {}, (C2, ints(2, 6, 6, high=4))),
    "PoissonNLLLoss": Entry((), {}, ((2, 3), between(2, 3))),
    "SmoothL1Loss": Entry((), {}, ((2, 3), (2, 3))),
    "SoftMarginLoss": Entry((), {}, ((2, 3), signs(2, 3))),
    "TripletMarginLoss": Entry((), {}, ((2, 3),) * 3),
    "TripletMarginWithDistanceLoss": Entry((), {}, ((2, 3),) * 3),
}

LAYERS = POINTWISE | MATRICES | SPACE | LOSSES

ELSEWHERE = {
    *("Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"),
    *("RNNBase", "RNNCellBase", "TransformerEncoder", "TransformerDecoder"),
}
"""Containers, base classes and those that are built from another layer: tested in files of their own."""


def build(name: str) -> nn.Module:
    """A fresh layer, in training mode."""
    entry = LAYERS[name]
    return getattr(nn, name)(*entry.args, **entry.kwargs)


def inputs(name: str, dtype: Any = framework.float32) -> tuple[Any, ...]:
    """The inputs of a layer, equal in every call."""
    rng = np.random.default_rng(11)

    def one(given: Any) -> Any:
        made = given(rng) if callable(given) else framework.tensor(rng.standard_normal(given).astype(np.float32))
        floating = isinstance(made, framework.Tensor) and made.is_floating_point()
        return made.to(dtype) if floating else made

    return tuple(one(given) for given in LAYERS[name].inputs)
