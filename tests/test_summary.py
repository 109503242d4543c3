"""The table of a model's layers."""

from __future__ import annotations

import pytest

import framework as F
from framework import nn
from framework.utils.summary import summary


def test_layers_shapes_parameters_and_products():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, groups=2), nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(inplace=True)),
        nn.AvgPool2d(4), nn.Flatten(), nn.Linear(6, 4), shared, shared,
    )  # fmt: skip
    model[0].bias.requires_grad_(False)
    model[1][0].eval()
    found = summary(model, (5, 2, 4, 4))
    rows = {row.name: row for row in found.rows}
    assert rows["0"].shapes == [(5, 6, 4, 4)] and rows["0"].params == 6 * 9 + 6
    assert rows["0"].multiply_adds == 5 * 6 * 16 * 9 and rows["1"].multiply_adds == 0 and rows["1"].params == 12
    assert rows["5"].calls == 2 and rows["5"].multiply_adds == 2 * 5 * 16 and rows["5"].params == 20
    assert found.total_mult_adds == 5 * 6 * 16 * 9 + 5 * 24 + 2 * 5 * 16
    assert found.total_params == sum(p.numel() for p in model.parameters()) == found.trainable_params + 6
    lines = str(found).splitlines()
    assert any(line.split()[:3] == ["0", "BatchNorm2d", "[5,"] for line in lines)
    assert f"{found.total_mult_adds:,}" in lines[-1]
    assert model.training and not model[1][0].training and not any(m._forward_hooks for m in model.modules())
    assert len(str(summary(model, (1, 2, 4, 4), depth=1)).splitlines()) == len(lines) - 2


@pytest.mark.parametrize(
    "model, size, expected",
    [
        (nn.LSTM(5, 7, 2, batch_first=True), (2, 9, 5), 2 * 9 * 4 * 7 * (5 + 7 + 7 + 7)),
        (nn.GRU(5, 7), (9, 2, 5), 2 * 9 * 3 * 7 * (5 + 7)),
        (nn.ConvTranspose2d(3, 4, 2, stride=2), (2, 3, 5, 6), 2 * 3 * 30 * 4 * 4),
        (
            nn.TransformerEncoderLayer(16, 4, 32, batch_first=True),
            (2, 9, 16),
            2 * 9 * (4 * 256 + 2 * 512) + 2 * 2 * 81 * 16,
        ),
    ],
    ids=["lstm", "gru", "transposed", "transformer"],
)
def test_multiply_adds(model, size, expected):
    assert summary(model, size).total_mult_adds == expected


def test_inputs_of_other_kinds():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right, self.unused = nn.Linear(2, 3), nn.Linear(4, 3), nn.Linear(9, 9)

        def forward(self, a, b):
            return {"sum": self.left(a) + self.right(b)}

    for options in ({"input_size": [(5, 2), (5, 4)]}, {"input_data": (F.ones(5, 2), F.ones(5, 4))}, {"input_data": {"b": F.ones(5, 4), "a": F.ones(5, 2)}}):  # fmt: skip
        found = summary(Two(), **options)
        assert found.total_mult_adds == 5 * 3 * 6 and found.rows[0].shapes == [(5, 3)]
        assert "not called" in str(found)
    words = summary(nn.Embedding(10, 3), input_data=F.tensor([[1, 2]]))
    assert words.rows[0].shapes == [(1, 2, 3)] and words.total_mult_adds == 0
    with pytest.raises(ValueError, match="give input_size"):
        summary(Two())


def test_a_failing_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(RuntimeError):
        summary(model, (1, 3))
    assert model.training and not any(m._forward_hooks for m in model.modules())
    assert summary(model, (1, 2)).total_mult_adds == 4
