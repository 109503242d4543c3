"""The blocks models are built of, against torchvision's: children, defaults, numbers; and what is dropped at random."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework import nn
from framework.errors import ArgumentError, ShapeError
from tests.vision.peer import torchvision
from vision import ops

BLOCKS = {
    "conv": lambda m, n: m.Conv2dNormActivation(3, 6),
    "conv-sizes": lambda m, n: m.Conv2dNormActivation(3, 6, (3, 5), 2, dilation=(2, 1), activation_layer=n.SiLU),
    "conv-mixed": lambda m, n: m.Conv2dNormActivation(4, 6, 3, groups=2, dilation=(2, 1), inplace=False),
    "conv-plain": lambda m, n: m.Conv2dNormActivation(3, 6, 1, norm_layer=None, activation_layer=None),
    "conv-no-inplace": lambda m, n: m.Conv2dNormActivation(3, 6, padding=0, activation_layer=n.GELU, inplace=None),
    "conv-bias": lambda m, n: m.Conv2dNormActivation(3, 6, padding="same", bias=True),
    "conv3d": lambda m, n: m.Conv3dNormActivation(3, 6, (1, 3, 3), stride=(1, 2, 2), activation_layer=n.Hardswish),
    "squeeze": lambda m, n: m.SqueezeExcitation(6, 2),
    "squeeze-hard": lambda m, n: m.SqueezeExcitation(6, 2, activation=n.SiLU, scale_activation=n.Hardsigmoid),
    "mlp": lambda m, n: m.MLP(5, [7, 3]),
    "mlp-norm": lambda m, n: m.MLP(5, [7, 6, 3], norm_layer=n.LayerNorm, activation_layer=n.GELU, bias=False),
    "mlp-one": lambda m, n: m.MLP(5, [4], dropout=0.5, inplace=True),
    "permute": lambda m, n: m.Permute([0, 2, 3, 1]),
    "frozen": lambda m, n: m.FrozenBatchNorm2d(6, eps=1e-3),
}
INPUTS = {"conv3d": (2, 3, 4, 9, 11), "mlp": (2, 3, 5), "squeeze": (2, 6, 5, 7), "frozen": (2, 6, 5, 7)}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_torchvisions(name, rng):
    tv = torchvision().ops
    torch = pytest.importorskip("torch")
    ours, theirs = BLOCKS[name](ops, nn).double().eval(), BLOCKS[name](tv, torch.nn).double().eval()
    assert [(n, type(m).__name__) for n, m in ours.named_modules()] == [
        (n, type(m).__name__) for n, m in theirs.named_modules()
    ]
    values = {k: rng.random(v.shape) if v.ndim else np.array(2) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(values)
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()})
    ours.load_state_dict({k: F.from_numpy(v) for k, v in values.items()})
    shape = next((s for start, s in INPUTS.items() if name.startswith(start)), (2, 4 if "mixed" in name else 3, 9, 11))
    x = rng.standard_normal(shape)
    a, b = F.from_numpy(x).requires_grad_(), torch.from_numpy(x).requires_grad_()
    y, z = ours(a), theirs(b)
    np.testing.assert_allclose(y.numpy(force=True), z.detach().numpy(), rtol=1e-10, atol=1e-12)
    y.square().sum().backward(), z.square().sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-6, atol=1e-7)  # PyTorch has 1 / 6 in float32


def test_a_block_says_its_channels_and_the_base_warns():
    assert ops.Conv2dNormActivation(3, 6).out_channels == 6
    from vision.ops.misc import ConvNormActivation

    with pytest.warns(UserWarning, match="base class"):
        ConvNormActivation(3, 6)


def test_a_frozen_norm_takes_a_batch_norms_weights_and_has_no_parameters(rng):
    norm = nn.BatchNorm2d(5)
    norm(F.from_numpy(rng.standard_normal((4, 5, 3, 3)).astype("float32")))
    outer = nn.Sequential(ops.FrozenBatchNorm2d(5))
    outer.load_state_dict(nn.Sequential(norm).state_dict())
    x = F.from_numpy(rng.standard_normal((2, 5, 4, 3)).astype("float32"))
    F.testing.assert_close(outer(x), norm.eval()(x))
    outer.train()
    F.testing.assert_close(outer(x), norm(x))
    assert not list(outer.parameters())
    assert "FrozenBatchNorm2d(5, eps=1e-05)" in repr(outer)


def test_an_mlp_needs_a_layer():
    with pytest.raises(ArgumentError, match="at least one layer"):
        ops.MLP(5, [])


@pytest.mark.parametrize("mode, parts", [("row", 400), ("batch", 1)])
def test_stochastic_depth_drops_rows_or_all(mode, parts):
    layer = ops.StochasticDepth(0.25, mode)
    x = F.ones(400, 2, 3, requires_grad=True)
    y = layer(x)
    rows = y.numpy(force=True).reshape(400, 6)
    assert (rows == rows[:, :1]).all()
    np.testing.assert_allclose(rows[rows != 0], 1 / 0.75, rtol=1e-6)
    if parts == 1:
        assert (rows == rows[0, 0]).all()
    else:
        assert 0.65 < (rows[:, 0] != 0).mean() < 0.85
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy(force=True))
    assert layer.eval()(x) is x
    assert repr(layer) == f"StochasticDepth(p=0.25, mode={mode})"


def test_stochastic_depth_at_its_ends():
    x = F.ones(3, 2)
    assert ops.stochastic_depth(x, 0.0, "row") is x
    assert not ops.stochastic_depth(x, 1.0, "batch").any()
    assert ops.stochastic_depth(x.half(), 0.5, "row").dtype == F.float16
    F.manual_seed(3)
    first = ops.stochastic_depth(F.ones(50, 1), 0.5, "row")
    F.manual_seed(3)
    assert (first == ops.stochastic_depth(F.ones(50, 1), 0.5, "row")).all()
    for p, mode in ((-0.1, "row"), (1.1, "row"), (0.5, "column")):
        with pytest.raises(ArgumentError):
            ops.stochastic_depth(x, p, mode)


@pytest.mark.parametrize("shape, size", [((3, 8, 17, 11), 3), ((2, 4, 9, 11, 17), 5), ((2, 40, 3, 5), 7)])
def test_dropped_blocks_are_whole_and_the_mean_is_kept(shape, size):
    axes = len(shape) - 2
    layer = (ops.DropBlock2d if axes == 2 else ops.DropBlock3d)(0.2, size)
    x = F.ones(*shape, requires_grad=True)
    y = layer(x)
    kept = y.numpy(force=True) != 0
    assert 0 < (~kept).mean() < 0.5
    assert y.numpy(force=True).mean() == pytest.approx(1, rel=1e-4)
    side = min(size, *shape[2:])
    inner = np.lib.stride_tricks.sliding_window_view(~kept, (side,) * axes, tuple(range(2, 2 + axes)))
    whole = inner.all(tuple(range(-axes, 0)))  # where a block of zeros begins
    covered = np.zeros_like(kept)
    for place in np.argwhere(whole):
        covered[tuple(place[:2]) + tuple(slice(p, p + side) for p in place[2:])] = True
    np.testing.assert_array_equal(covered, ~kept)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.numpy(force=True))
    assert layer.eval()(x) is x
    into = F.ones(*shape)
    layer.train().inplace = True
    assert layer(into) is into
    assert not into.all()


def test_drop_block_refuses():
    x = F.ones(1, 1, 4, 6)
    for function, args, error, words in (
        (ops.drop_block2d, (x, 1.5, 3), ArgumentError, "between 0 and 1"),
        (ops.drop_block2d, (x, 0.5, 2), ArgumentError, "odd"),
        (ops.drop_block2d, (x, 0.5, 5), ArgumentError, "odd, got 4"),
        (ops.drop_block2d, (x[0], 0.5, 3), ShapeError, "4 dims"),
        (ops.drop_block3d, (x, 0.5, 3), ShapeError, "5 dims"),
    ):
        with pytest.raises(error, match=words):
            function(*args)
    assert ops.drop_block2d(x, 0.0, 2) is x
