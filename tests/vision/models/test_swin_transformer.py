"""Swin transformers of both versions: torchvision's numbers, initial values, and weights for other windows."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
import hub
from framework.errors import ArgumentError, StateError
from tests.vision.models.harness import alike, check_outputs, check_settings, compare, peer_models
from vision import models
from vision.models.relative_position import relative_coords_table
from vision.models.swin_attention import (
    ShiftedWindowAttention,
    ShiftedWindowAttentionV2,
    shifted_window_attention,
)
from vision.models.swin_transformer import (
    PatchMerging,
    PatchMergingV2,
    SwinTransformer,
    SwinTransformerBlock,
    SwinTransformerBlockV2,
)

BOTH = [ShiftedWindowAttention, ShiftedWindowAttentionV2]


def small(module=models.swin_transformer, version=1, window=(3, 3), **config):
    if version == 2:
        config = {"block": module.SwinTransformerBlockV2, "downsample_layer": module.PatchMergingV2, **config}
    given = {"patch_size": [4, 4], "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3], "num_classes": 5}
    return module.SwinTransformer(window_size=list(window), **{**given, **config})


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("window", [(3, 3), (4, 2)])
@pytest.mark.parametrize("version", [1, 2])
def test_numbers(version, window, training):
    theirs, ours = (small(m, version, window) for m in (peer_models().swin_transformer, models.swin_transformer))
    for key, value in theirs.state_dict().items():
        if "relative_coords" in key or "position_index" in key:
            np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-6)
    compare(*alike(theirs, ours), (2, 3, 73, 61), training)


@pytest.mark.parametrize("size", [(11, 17), (3, 3), (6, 2)])
@pytest.mark.parametrize("shift", [(1, 2), (0, 1), (2, 0)])
@pytest.mark.parametrize("kind", BOTH)
def test_attention(kind, shift, size):
    theirs = getattr(peer_models().swin_transformer, kind.__name__)(12, [3, 4], list(shift), 2)
    compare(*alike(theirs, kind(12, [3, 4], list(shift), 2)), (2, *size, 12), False)


@pytest.mark.parametrize("kind", BOTH)
def test_attention_without_biases(kind):
    theirs = getattr(peer_models().swin_transformer, kind.__name__)(8, [2, 2], [1, 1], 2, False, False)
    compare(*alike(theirs, kind(8, [2, 2], [1, 1], 2, False, False)), (1, 5, 4, 8), True)


@pytest.mark.parametrize("kind", [PatchMerging, PatchMergingV2])
def test_patch_merging(kind):
    theirs = getattr(peer_models().swin_transformer, kind.__name__)(6)
    compare(*alike(theirs, kind(6)), (2, 7, 5, 6), True)


@pytest.mark.parametrize("name", ["swin_t", "swin_s", "swin_v2_t", "swin_v2_s"])
def test_outputs(name, monkeypatch):
    check_outputs(name, monkeypatch, (64, 75))


@pytest.mark.parametrize("name", ["swin_s", "swin_b", "swin_v2_t", "swin_v2_b"])
def test_settings(name, monkeypatch):
    check_settings(name, monkeypatch, dropout=0.1, attention_dropout=0.2)


def test_arguments_of_the_builders():
    with F.nn.init.skipped():
        model = models.swin_t(window_size=[4, 4], stochastic_depth_prob=0.6, num_classes=3)
    assert model.features[1][0].attn.window_size == [4, 4] and model.features[7][1].stochastic_depth.p == 0.6
    assert small(depths=[1], num_heads=[2]).features[1][0].stochastic_depth.p == 0.0


def deviation(tensor):
    return float(tensor.detach().numpy().std())


@pytest.mark.parametrize("version", [1, 2])
def test_initial_values(version):
    model = small(version=version, embed_dim=96, window=(7, 7), depths=[1, 1])
    block = model.features[3][0]
    for layer in (block.mlp[0], block.attn.qkv, model.features[2].reduction, model.head):
        assert deviation(layer.weight) == pytest.approx(0.02, rel=0.1)
        assert layer.bias is None or not layer.bias.detach().numpy().any()
    if version == 1:
        assert deviation(block.attn.relative_position_bias_table) == pytest.approx(0.02, rel=0.15)
    else:
        np.testing.assert_allclose(block.attn.logit_scale.detach().numpy(), math.log(10), rtol=1e-6)
    alone = (SwinTransformerBlock if version == 1 else SwinTransformerBlockV2)(64, 2, [4, 4], [0, 0])
    assert deviation(alone.mlp[0].weight) == pytest.approx(math.sqrt(2 / (64 + 256)), rel=0.05)


def test_keys_have_no_bias_in_version_2():
    attention = ShiftedWindowAttentionV2(8, [2, 2], [0, 0], 2)
    bias = attention.qkv.bias.detach().numpy()
    assert not bias[8:16].any() and bias[:8].all() and bias[16:].all()


@pytest.mark.parametrize("kind", BOTH)
def test_dropout(kind):
    x = F.randn(1, 4, 4, 8)
    attention = kind(8, [2, 2], [1, 1], 2, attention_dropout=1.0)
    np.testing.assert_allclose(
        attention(x).detach().numpy(), np.broadcast_to(attention.proj.bias.detach().numpy(), (1, 4, 4, 8)), rtol=1e-6
    )
    assert not kind(8, [2, 2], [1, 1], 2, dropout=1.0)(x).detach().numpy().any()
    still = kind(8, [2, 2], [1, 1], 2, attention_dropout=1.0, dropout=1.0).eval()(x).detach().numpy()
    assert still.std() > 0.01


def test_shifted_pixels_do_not_see_each_other():
    """What wraps around the map does not mix with what it comes to lie beside."""
    attention = ShiftedWindowAttention(8, [4, 4], [2, 2], 2).eval()
    x = F.randn(1, 8, 8, 8)
    changed = x.clone()
    changed[:, :2] += 1.0  # the first rows share windows with the last ones after the roll
    before, after = (attention(t).detach().numpy() for t in (x, changed))
    np.testing.assert_allclose(after[:, 6:], before[:, 6:], atol=1e-6)
    assert np.abs(after[:, :2] - before[:, :2]).max() > 0.01


def test_input_is_left_alone():
    attention = ShiftedWindowAttention(8, [3, 3], [1, 1], 2)
    x = F.randn(1, 5, 4, 8)
    kept = x.numpy().copy()
    attention(x)
    np.testing.assert_array_equal(x.numpy(), kept)
    assert attention.shift_size == [1, 1]


def test_other_windows_of_version_1():
    state, model = small(window=(3, 3)).state_dict(), small(window=(5, 5))
    for key in state:
        if key.endswith("bias_table"):  # a slope in both directions stays one
            slope = np.add.outer(np.arange(-2.0, 3), 10 * np.arange(-2.0, 3)).reshape(25, 1)
            state[key] = F.from_numpy(np.repeat(slope, state[key].shape[1], 1).astype(np.float32))
    fit = hub.load_pretrained(model, state)
    assert len(fit.adapted) == 8 and all("relative_position" in key for key in fit.adapted)
    table = model.features[1][0].attn.relative_position_bias_table.detach().numpy().reshape(9, 9, 2)
    np.testing.assert_allclose(table, -table[::-1, ::-1], atol=1e-5)
    assert (np.diff(table[:, 4, 0]) > 0).all() and (np.diff(table[4, :, 0]) > 0).all()
    own = small(window=(5, 5)).features[1][0].attn.relative_position_index
    np.testing.assert_array_equal(model.features[1][0].attn.relative_position_index.numpy(), own.numpy())
    with pytest.raises(StateError, match="relative_position_bias_table"):
        hub.load_pretrained(small(window=(5, 3)), state)


def test_other_windows_of_version_2():
    """Offsets keep the scale of the windows trained with: pairs that both windows have, have the same biases."""
    trained, model = small(version=2, window=(3, 3)), small(version=2, window=(5, 5))
    fit = hub.load_pretrained(model, trained.state_dict())
    assert len(fit.adapted) == 8
    few, many = (m.features[1][0].attn for m in (trained, model))
    inner = many.relative_coords_table[:, 2:-2, 2:-2]
    np.testing.assert_allclose(inner.numpy(), few.relative_coords_table.numpy(), rtol=1e-6)
    bias = many.get_relative_position_bias().reshape(2, 5, 5, 5, 5)[:, :3, :3, :3, :3].reshape(1, 2, 9, 9)
    np.testing.assert_allclose(bias.detach().numpy(), few.get_relative_position_bias().detach().numpy(), rtol=1e-5)


def test_coordinates_of_a_window_of_one_row():
    assert np.isfinite(relative_coords_table((1, 4)).numpy()).all()


def test_biases_reach_pairs_of_pixels():
    """Attention by its definition: one window, one pair of pixels favoured by a large bias."""
    x, weight = F.randn(1, 2, 2, 4), F.randn(12, 4)
    bias = F.zeros(1, 1, 4, 4)
    bias[0, 0, 1, 2] = 50.0
    y = shifted_window_attention(x, weight, F.eye(4), bias, [2, 2], 1, [0, 0])
    value = x.reshape(4, 4) @ weight[8:].T
    np.testing.assert_allclose(y.reshape(4, 4)[1].numpy(), value[2].numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ShiftedWindowAttention(8, [2], [0, 0], 2), r"length 2, got \[2\] and \[0, 0\]"),
        (lambda: ShiftedWindowAttentionV2(8, [2, 2], [0], 2), "ShiftedWindowAttentionV2: .*length 2"),
        (lambda: ShiftedWindowAttention(8, [2, 2], [0, 0], 3), "num_heads should divide dim, got 3 and 8"),
        (lambda: models.swin_t(windows=3), "model 'swin_t'.*'windows'"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_any_size_of_picture():
    model = small().eval()
    assert isinstance(model, SwinTransformer)
    for size in ((4, 4), (17, 11)):
        assert tuple(model(F.randn(1, 3, *size)).shape) == (1, 5)
