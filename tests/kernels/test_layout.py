"""Channels-last memory goes through convolutional nets without a transposition."""

import numpy as np
import pytest

import framework
from framework import nn
from framework.kernels.layout import empty_last, first, is_last, last, transpositions

WITH_ONEDNN = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x
        return self.relu(out)


class Inverted(nn.Module):
    def __init__(self, channels):
        super().__init__()
        wide = 6 * channels
        self.body = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True),
            nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x):
        return x + self.body(x)


def stem(channels):
    return [nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


NETS = {
    "residual": lambda: [*stem(16), nn.MaxPool2d(3, 2, 1), Residual(16), Residual(16), *head(16)],
    "inverted residual": lambda: [*stem(8), Inverted(8), Inverted(8), nn.Dropout(0.2), *head(8)],
    "other layers": lambda: [
        *stem(16), nn.AvgPool2d(2), nn.Conv2d(16, 16, 3, dilation=2), nn.GELU(), nn.Dropout2d(0.1), nn.SiLU(),
        nn.Conv2d(16, 16, 1, groups=4), nn.Hardswish(), *head(16),
    ],
}  # fmt: skip


@WITH_ONEDNN
@pytest.mark.parametrize("name", NETS)
def test_a_training_step_transposes_nothing(name):
    model = nn.Sequential(*NETS[name]())
    x = framework.randn(4, 3, 40, 40).to(memory_format=framework.channels_last).requires_grad_()
    seen = []
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, args, y: seen.append((type(m).__name__, y)))
    before = transpositions.value
    framework.nn.functional.cross_entropy(model(x), framework.arange(4)).backward()
    assert transpositions.value == before
    maps = [(kind, y) for kind, y in seen if y.ndim == 4]
    assert len(maps) > 8
    for kind, y in maps:
        assert y.is_contiguous(memory_format=framework.channels_last), kind
    assert x.grad.is_contiguous(memory_format=framework.channels_last)


@WITH_ONEDNN
def test_a_row_major_picture_is_transposed_once():
    model = nn.Sequential(*NETS["residual"]())
    before = transpositions.value
    model(framework.randn(4, 3, 40, 40)).sum().backward()
    # once forwards, and once more where the weight's gradient reads the picture
    assert 1 <= transpositions.value - before <= 2


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5), (2, 3, 4, 5, 6), (1, 1, 1, 1), (2, 1, 3, 3), (0, 3, 2, 2)])
def test_layouts_go_there_and_back(shape):
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    y = empty_last(shape, x.dtype)
    y[...] = x
    assert is_last(y)
    assert y.base is None
    np.testing.assert_array_equal(first(last(x)), x)
    np.testing.assert_array_equal(last(y), np.moveaxis(x, 1, -1))
    if 1 not in shape and 0 not in shape:
        assert not is_last(x)
        assert np.shares_memory(last(y), y)


def test_large_results_begin_at_a_cache_line_and_are_nobodys_view():
    from framework.kernels.memory import LARGE, LINE, is_whole

    for shape in ((1, 16, 2, 2), (1, 16, 700, 1000)):
        x = empty_last(shape, np.float32)
        x[...] = 1
        assert is_last(x)
        assert is_whole(x)
        assert not is_whole(x[0])
        assert x[0].base is x
        assert x.nbytes < LARGE or x.ctypes.data % LINE == 0
        assert framework.from_numpy(x).clone().sum() == x.size
        assert framework.from_numpy(x).storage_offset() == 0
