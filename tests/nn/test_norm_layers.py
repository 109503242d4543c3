"""Norm layers: PyTorch's keys, words, results and running statistics over several steps."""

import copy

import numpy as np
import pytest

import framework
from framework import nn
from framework.autograd import gradcheck
from framework.ops.memory import is_channels_last

LAYERS = [
    ("BatchNorm1d(4)", (5, 4)),
    ("BatchNorm1d(4, momentum=None)", (5, 4, 3)),
    ("BatchNorm2d(4, eps=0.01, momentum=0.3)", (3, 4, 5, 6)),
    ("BatchNorm2d(4, affine=False)", (3, 4, 5, 6)),
    ("BatchNorm2d(4, track_running_stats=False)", (3, 4, 5, 6)),
    ("BatchNorm3d(4, bias=False)", (2, 4, 2, 3, 2)),
    ("InstanceNorm1d(4)", (2, 4, 6)),
    ("InstanceNorm2d(4, affine=True, track_running_stats=True)", (2, 4, 5, 3)),
    ("InstanceNorm2d(4)", (4, 5, 3)),
    ("InstanceNorm3d(4, affine=True)", (2, 4, 2, 3, 2)),
    ("LayerNorm((3, 4))", (2, 3, 4)),
    ("LayerNorm(4, bias=False)", (2, 3, 4)),
    ("LayerNorm(4, elementwise_affine=False)", (2, 3, 4)),
    ("RMSNorm(4)", (2, 3, 4)),
    ("RMSNorm((3, 4), eps=0.1, elementwise_affine=False)", (2, 3, 4)),
    ("GroupNorm(2, 4)", (2, 4, 5)),
    ("GroupNorm(4, 4, affine=False)", (2, 4, 5, 3)),
    ("LocalResponseNorm(3, 0.1)", (2, 4, 5, 3)),
]


def make(library, words):
    return eval(f"nn.{words}", {"nn": library.nn})


@pytest.mark.parametrize("words, shape", LAYERS)
def test_layers_match_torch_over_three_steps_and_in_evaluation(words, shape, rng):
    torch = pytest.importorskip("torch")
    ours, theirs = make(framework, words).double(), make(torch, words).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for step in range(4):
        if step == 3:
            ours.eval()
            theirs.eval()
        x = rng.standard_normal(shape)
        a, b = framework.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-10)
        (y**3).sum().backward()
        (z**3).sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-9)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), atol=1e-12, err_msg=name)


@pytest.mark.parametrize("words", ["CrossMapLRN2d(1)", "CrossMapLRN2d(3, 0.1)", "CrossMapLRN2d(4, 0.1, k=2)"])
def test_cross_map_lrn(words, rng):
    torch = pytest.importorskip("torch")
    ours, x = make(framework, words), rng.standard_normal((2, 8, 2, 3))
    assert repr(ours) == repr(make(torch, words))
    np.testing.assert_allclose(
        ours(framework.tensor(x)).numpy(), make(torch, words)(torch.tensor(x)).numpy(), atol=1e-12
    )
    # PyTorch's gradient leaves out that the first channel stays in the sum; ours is the gradient of what it computes
    assert gradcheck(ours, (framework.tensor(x, requires_grad=True),), fast_mode=True)


def test_a_network_stays_channels_last_from_end_to_end(rng):
    block = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    x = framework.tensor(rng.standard_normal((2, 3, 17, 15)), dtype=framework.float32)
    seen = []
    for layer in block:
        x = layer(x)
        x.retain_grad()
        seen.append(x)
    joined = seen[-1] + nn.Conv2d(8, 8, 3, padding=1)(seen[-1])
    joined.sum().backward()
    assert all(is_channels_last(t.array) for t in [*seen, joined])
    assert all(is_channels_last(t.grad.array) for t in seen)
    assert block[0].weight.grad.is_contiguous()


def test_sync_batch_norm_in_one_process_is_batch_norm(rng):
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4, affine=False)))
    plain = copy.deepcopy(net)
    net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert isinstance(net[1], nn.SyncBatchNorm) and isinstance(net[2][0], nn.SyncBatchNorm)
    assert list(net.state_dict()) == list(plain.state_dict())
    x = framework.tensor(rng.standard_normal((2, 3, 4, 4)), dtype=framework.float32)
    np.testing.assert_array_equal(net(x).detach().numpy(), plain(x).detach().numpy())
    np.testing.assert_array_equal(net[1].running_var.numpy(), plain[1].running_var.numpy())


@pytest.mark.parametrize("words, shape", [("LazyBatchNorm2d()", (2, 3, 4, 4)), ("LazyInstanceNorm1d()", (2, 3, 4))])
def test_lazy_norms_take_their_channels_from_the_input(words, shape):
    layer = make(framework, words)
    assert layer.has_uninitialized_params()
    layer(framework.rand(*shape))
    assert type(layer) is getattr(nn, words[4:-2])
    assert layer.weight.shape == (3,) and layer.running_mean.shape == (3,)
    assert int(layer.num_batches_tracked) == (1 if "Batch" in words else 0)


def test_old_checkpoints_without_the_counter_load():
    layer, state = nn.BatchNorm2d(3), nn.BatchNorm2d(3).state_dict()
    del state["num_batches_tracked"]
    state._metadata[""]["version"] = 1
    layer.load_state_dict(state)
    assert int(layer.num_batches_tracked) == 0


REFUSED = [
    (lambda: nn.BatchNorm2d(3)(framework.ones(2, 3, 4)), "expected 4D input"),
    (lambda: nn.BatchNorm1d(3)(framework.ones(2, 3, 4, 4)), "expected 2D or 3D input"),
    (lambda: nn.SyncBatchNorm(3)(framework.ones(3)), "at least 2D"),
    (lambda: nn.BatchNorm1d(3)(framework.ones(1, 3)), "more than 1 value per channel"),
    (lambda: nn.BatchNorm2d(3)(framework.ones(2, 4, 3, 3)), "should contain 4 elements not 3"),
    (lambda: nn.InstanceNorm2d(3, affine=True)(framework.ones(2, 4, 3, 3)), "to match num_features"),
    (lambda: nn.GroupNorm(2, 3), "must be divisible by"),
    (lambda: nn.CrossMapLRN2d(2)(framework.ones(2, 3, 4)), "expected input to be 4D|Expected input to be 4D"),
]


@pytest.mark.parametrize("call, words", REFUSED)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_channel_count_that_is_not_used_is_warned_about():
    with pytest.warns(UserWarning, match="to match num_features"):
        nn.InstanceNorm2d(3)(framework.rand(2, 4, 3, 3))
