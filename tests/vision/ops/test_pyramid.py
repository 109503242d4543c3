"""The feature pyramid and pooling from its levels, against torchvision's."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import framework as F
from framework import nn
from framework.errors import ArgumentError
from tests.vision.peer import torchvision
from vision import ops
from vision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool, LastLevelP6P7
from vision.ops.poolers import LevelMapper

SIZES = {"0": (5, 17, 23), "1": (6, 9, 12), "top": (7, 4, 5)}


def maps_of(rng):
    return OrderedDict((name, rng.standard_normal((2, *size))) for name, size in SIZES.items())


@pytest.mark.parametrize("extra", [None, "LastLevelMaxPool", "LastLevelP6P7", "P5"])
@pytest.mark.parametrize("norm", [False, True])
def test_levels_and_gradients_are_torchvisions(extra, norm, rng):
    tv = torchvision().ops
    torch = pytest.importorskip("torch")
    from torchvision.ops import feature_pyramid_network as peer

    blocks = {None: [], "LastLevelMaxPool": [()], "LastLevelP6P7": [(7, 8)], "P5": [(8, 8)]}[extra]
    name = "LastLevelP6P7" if extra == "P5" else extra
    pairs = []
    for module, own, net in ((ops, (LastLevelMaxPool, LastLevelP6P7), nn), (tv, peer, torch.nn)):
        kinds = {
            k: own[i] if module is ops else getattr(own, k) for i, k in enumerate(("LastLevelMaxPool", "LastLevelP6P7"))
        }
        block = kinds[name](*blocks[0]) if name else None
        pairs.append(module.FeaturePyramidNetwork([5, 6, 7], 8, block, net.BatchNorm2d if norm else None).double())
    ours, theirs = pairs
    state = {k: rng.random(v.shape) if v.ndim else np.array(3) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    ours.load_state_dict({k: F.from_numpy(v) for k, v in state.items()})
    maps = maps_of(rng)
    a = OrderedDict((k, F.from_numpy(v).requires_grad_()) for k, v in maps.items())
    b = OrderedDict((k, torch.from_numpy(v).requires_grad_()) for k, v in maps.items())
    y, z = ours(a), theirs(b)
    assert list(y) == list(z)
    for key in y:
        np.testing.assert_allclose(y[key].numpy(force=True), z[key].detach().numpy(), rtol=1e-8, atol=1e-8)
    sum(v.mean() for v in y.values()).backward(), sum(v.mean() for v in z.values()).backward()
    for key in maps:
        np.testing.assert_allclose(a[key].grad.numpy(), b[key].grad.numpy(), rtol=1e-7, atol=1e-9)


def test_weights_from_before_the_blocks_load(rng):
    pyramid = ops.FeaturePyramidNetwork([5, 6], 4)
    old = {
        k.replace(".0.", ".").replace("blocks.weight", "blocks.0.weight"): v for k, v in pyramid.state_dict().items()
    }
    old = {k.replace("blocks.bias", "blocks.0.bias"): v.clone() + 1 for k, v in old.items()}
    assert "inner_blocks.1.weight" in old
    outer = nn.ModuleDict({"fpn": ops.FeaturePyramidNetwork([5, 6], 4)})
    outer.load_state_dict({f"fpn.{k}": v for k, v in old.items()})
    for key, value in pyramid.state_dict().items():
        assert (outer["fpn"].state_dict()[key] == value + 1).all()


def test_the_start_and_what_is_refused():
    pyramid = ops.FeaturePyramidNetwork([5, 6], 4, LastLevelP6P7(4, 4))
    assert not any(m.bias.any() for m in pyramid.modules() if isinstance(m, nn.Conv2d))
    assert pyramid.extra_blocks.use_P5 and not LastLevelP6P7(6, 4).use_P5
    with pytest.raises(ArgumentError, match="positive"):
        ops.FeaturePyramidNetwork([5, 0], 4)
    with pytest.raises(TypeError, match="ExtraFPNBlock"):
        ops.FeaturePyramidNetwork([5], 4, nn.Identity())
    with pytest.raises(NotImplementedError):
        ExtraFPNBlock()([], [], [])


def test_boxes_go_to_torchvisions_levels(rng):
    torchvision()
    torch = pytest.importorskip("torch")
    from torchvision.ops.poolers import LevelMapper as Peer

    sides = np.concatenate([2.0 ** np.arange(-1, 12), rng.random(50) * 900, [0.0]])
    boxes = np.stack([sides * 0, sides * 0, sides, sides * 1.5], 1).astype("float32")
    boxes[:13, 3] = boxes[:13, 2]
    for options in ((2, 5), (3, 7, 320, 5), (2, 2)):
        found = LevelMapper(*options)([F.from_numpy(boxes[:20]), F.from_numpy(boxes[20:])])
        expected = Peer(*options)([torch.from_numpy(boxes[:20]), torch.from_numpy(boxes[20:])])
        assert found.dtype == F.int64
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
def test_every_box_is_pooled_from_its_level(names, rng):
    sizes = {"a": 64, "b": 32, "c": 16, "unused": 8}
    levels = {n: F.from_numpy(rng.standard_normal((2, 3, s, s))).requires_grad_() for n, s in sizes.items()}
    corners = rng.random((2, 9, 4)) * 100
    corners[..., 2:] += corners[..., :2] + (rng.random((2, 9, 2)) ** 3) * 350
    boxes = [F.from_numpy(c) for c in corners]
    pool = ops.MultiScaleRoIAlign(names, (3, 2), 2)
    found = pool(levels, boxes, [(256, 250), (200, 256)])
    assert pool.scales == [0.25, 0.125, 0.0625][: len(names)]
    assert found.shape == (18, 3, 3, 2)
    level_of = LevelMapper(2, 1 + len(names))(boxes).tolist()
    assert len(set(level_of)) == len(names)
    for k, level in enumerate(level_of):
        own = [boxes[i][k % 9 : k % 9 + 1] if k // 9 == i else boxes[i][:0] for i in range(2)]
        expected = ops.roi_align(levels[names[level]], own, (3, 2), pool.scales[level], 2)
        F.testing.assert_close(found[k : k + 1], expected)
    found.sum().backward()
    assert all((levels[n].grad is not None) is (n in names) for n in levels)
    assert pool(levels, [b[:0] for b in boxes], [(256, 256)] * 2).shape == (0, 3, 3, 2)


def test_a_box_past_the_last_level_is_pooled_from_the_last(rng):
    levels = {"a": F.ones(1, 2, 64, 64), "c": F.full((1, 2, 16, 16), 2.0)}
    pool = ops.MultiScaleRoIAlign(["a", "c"], 2, 2)
    assert (pool(levels, [F.tensor([[8.0, 8, 500, 500]])], [(512, 512)]) == 2).all()
    assert repr(pool) == "MultiScaleRoIAlign(featmap_names=['a', 'c'], output_size=(2, 2), sampling_ratio=2)"


def test_pooling_refuses():
    boxes = [F.ones(1, 4)]
    with pytest.raises(ArgumentError, match="image_shapes"):
        ops.MultiScaleRoIAlign(["a"], 2, 2)({"a": F.ones(1, 1, 4, 4)}, boxes, [])
    with pytest.raises(ArgumentError, match="none of"):
        ops.MultiScaleRoIAlign(["b"], 2, 2)({"a": F.ones(1, 1, 4, 4)}, boxes, [(4, 4)])
