"""What families of models share: widths and initial values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from framework import nn
from tests.vision.peer import torchvision
from vision.models.initial import start_by_outputs
from vision.models.widths import make_divisible


@pytest.mark.parametrize(
    "width, divisor, least, expected",
    [
        (32, 8, None, 32),
        (36, 8, None, 40),
        (35, 8, None, 32),
        (35.9, 8, None, 40),
        (11.2, 8, None, 16),
        (3, 8, None, 8),
        (3, 8, 16, 16),
    ],
)
def test_make_divisible(width, divisor, least, expected):
    assert make_divisible(width, divisor, least) == expected


def test_make_divisible_is_torchvisions_and_no_tenth_is_lost():
    torchvision()
    from torchvision.models._utils import _make_divisible
    from torchvision.models.mnasnet import _round_to_multiple_of

    for width in np.linspace(0.5, 400, 1371).tolist():
        for divisor in (1, 4, 8):
            found = make_divisible(width, divisor)
            assert found == _make_divisible(width, divisor) == _round_to_multiple_of(width, divisor)
            assert found % divisor == 0 and found >= 0.9 * width


def test_start_by_outputs():
    model = nn.Sequential(
        nn.Conv2d(16, 64, 5), nn.BatchNorm2d(64), nn.Flatten(), nn.Linear(200, 100), nn.Linear(2, 3, bias=False)
    )
    model[1].weight.data.fill_(0.5)
    start_by_outputs(model)
    convolution, linear = model[0], model[3]
    assert float(convolution.weight.detach().numpy().std()) == pytest.approx(math.sqrt(2 / (64 * 25)), rel=0.02)
    assert float(linear.weight.detach().numpy().std()) == pytest.approx(0.01, rel=0.02)
    assert not convolution.bias.detach().numpy().any() and not linear.bias.detach().numpy().any()
    assert (model[1].weight.detach().numpy() == 0.5).all()
