"""Convolution, pooling, padding and resizing layers: PyTorch's keys, shapes, initial ranges, words and results."""

import numpy as np
import pytest

import framework
from framework import nn

# a call that makes the layer in either library, and the shape of its input
LAYERS = [
    ("Conv1d(4, 6, 3, 2, 1, 2, 2)", (2, 4, 11)),
    ("Conv2d(3, 4, 3, padding=1, bias=False)", (2, 3, 6, 5)),
    ("Conv2d(3, 4, 3, padding=1, padding_mode='reflect')", (2, 3, 6, 5)),
    ("Conv2d(3, 4, (3, 2), padding='same', padding_mode='circular')", (2, 3, 6, 5)),
    ("Conv2d(3, 4, 3, padding=(1, 2), padding_mode='replicate')", (3, 6, 5)),
    ("Conv3d(2, 4, 2, groups=2)", (1, 2, 4, 5, 3)),
    ("ConvTranspose1d(3, 4, 3, 2, 1, 1)", (2, 3, 5)),
    ("ConvTranspose2d(4, 6, 3, 2, groups=2, dilation=2)", (2, 4, 5, 4)),
    ("ConvTranspose3d(2, 3, 2, 2)", (1, 2, 3, 2, 3)),
    ("MaxPool1d(3, 2, 1)", (2, 3, 8)),
    ("MaxPool2d(2, ceil_mode=True)", (2, 3, 7, 7)),
    ("MaxPool3d(2)", (1, 2, 4, 4, 4)),
    ("AvgPool1d(3, 2)", (2, 3, 8)),
    ("AvgPool2d(3, 2, 1, count_include_pad=False)", (2, 3, 7, 7)),
    ("AvgPool3d(2, divisor_override=3)", (1, 2, 4, 4, 4)),
    ("AdaptiveAvgPool2d((None, 2))", (2, 3, 5, 7)),
    ("AdaptiveMaxPool1d(3)", (2, 3, 7)),
    ("LPPool2d(2, 3)", (2, 3, 7, 7)),
    ("ZeroPad2d((1, -1, 2, 0))", (2, 3, 4, 5)),
    ("ConstantPad1d(2, 3.5)", (2, 3, 4)),
    ("ReflectionPad2d(1)", (2, 3, 4, 5)),
    ("ReplicationPad3d(1)", (1, 2, 3, 2, 3)),
    ("CircularPad2d((1, 2, 0, 1))", (2, 3, 4, 5)),
    ("Upsample(scale_factor=2, mode='bilinear')", (1, 2, 3, 4)),
    ("UpsamplingNearest2d(size=(5, 7))", (1, 2, 3, 4)),
    ("UpsamplingBilinear2d(scale_factor=2)", (1, 2, 3, 4)),
    ("Unfold(2, stride=2)", (2, 3, 4, 6)),
    ("Fold((4, 6), 2, stride=2)", (2, 12, 6)),
]


def make(library, words):
    return eval(f"nn.{words}", {"nn": library.nn})


@pytest.mark.parametrize("words, shape", LAYERS)
def test_layers_match_torch(words, shape, rng):
    torch = pytest.importorskip("torch")
    ours, theirs = make(framework, words).double(), make(torch, words).double()
    assert repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict({k: framework.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.abs(rng.standard_normal(shape))
    a, b = framework.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-10)
    (y * y).sum().backward()
    (z * z).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-9)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), atol=1e-9)


@pytest.mark.parametrize("words", ["Conv2d(16, 64, 3)", "ConvTranspose2d(16, 64, 3)", "Conv1d(16, 64, 5, groups=4)"])
def test_initial_values_have_torchs_range(words):
    torch = pytest.importorskip("torch")
    ours, theirs = make(framework, words), make(torch, words)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        a, b = mine.detach().numpy(), other.detach().numpy()
        assert abs(a.std() / b.std() - 1) < 0.2
        assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.2


def test_maxima_and_their_places_go_back_and_forth(rng):
    pool, back = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    x = framework.from_numpy(rng.standard_normal((2, 3, 5, 4)))
    y, where = pool(x)
    z = back(y, where, output_size=x.shape)
    assert z.shape == x.shape
    np.testing.assert_array_equal(np.where(z.numpy() != 0, x.numpy(), 0), z.numpy())


def test_an_output_size_for_transposed_convolutions():
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    x = framework.ones(1, 2, 4, 4)
    assert layer(x).shape == (1, 3, 7, 7)
    assert layer(x, output_size=(8, 7)).shape == (1, 3, 8, 7)
    assert layer(x, output_size=(1, 3, 8, 8)).shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match="valid sizes range from"):
        layer(x, output_size=(9, 9))


@pytest.mark.parametrize(
    "lazy, plain, shape",
    [
        ("LazyConv1d(4, 3)", "Conv1d", (2, 3, 8)),
        ("LazyConv2d(4, 3, groups=2)", "Conv2d", (2, 6, 5, 5)),
        ("LazyConv3d(4, 2, bias=False)", "Conv3d", (1, 3, 3, 3, 3)),
        ("LazyConvTranspose1d(4, 3)", "ConvTranspose1d", (3, 8)),
        ("LazyConvTranspose2d(4, 3)", "ConvTranspose2d", (2, 3, 5, 5)),
        ("LazyConvTranspose3d(4, 2)", "ConvTranspose3d", (1, 3, 3, 3, 3)),
    ],
)
def test_lazy_layers_take_their_channels_from_the_input(lazy, plain, shape):
    layer = make(framework, lazy)
    assert layer.has_uninitialized_params()
    layer(framework.ones(*shape))
    assert type(layer) is getattr(nn, plain)
    assert layer.in_channels == shape[-1 - layer.axes]
    if layer.bias is not None:
        assert float(layer.bias.detach().abs().max()) > 0


def test_fractional_pools_shrink_to_the_size_asked_for():
    x = framework.rand(2, 3, 9, 7)
    assert nn.FractionalMaxPool2d(2, output_size=(4, 3))(x).shape == (2, 3, 4, 3)
    assert nn.FractionalMaxPool2d(2, output_ratio=(0.5, 0.5))(x).shape == (2, 3, 4, 3)
    assert nn.FractionalMaxPool3d(2, output_size=2)(framework.rand(1, 2, 5, 6, 5)).shape == (1, 2, 2, 2, 2)


REFUSED = [
    (lambda: nn.Conv2d(3, 4, 3, groups=2), "in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), "out_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 4, 3, groups=0), "positive integer"),
    (lambda: nn.Conv2d(3, 4, 3, padding="full"), "Invalid padding string"),
    (lambda: nn.Conv2d(3, 4, 3, 2, padding="same"), "strided convolutions"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "padding_mode must be one of"),
    (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), "Only \"zeros\""),
    (lambda: nn.FractionalMaxPool2d(2), "output size, or a pooling ratio"),
    (lambda: nn.FractionalMaxPool2d(2, 3, 0.5), "only one of"),
    (lambda: nn.FractionalMaxPool2d(2, output_ratio=1.5), "between 0 and 1"),
]  # fmt: skip


@pytest.mark.parametrize("call, words", REFUSED)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
