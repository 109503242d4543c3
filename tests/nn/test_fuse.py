"""``nn.fuse``: the same outputs, parameters and names, with what follows a convolution computed in its pass."""

import copy
import pickle

import numpy as np
import pytest

import framework
from framework import nn
from framework.nn.fuse import Deferred


class Block(nn.Module):
    """A residual block with a projection, and a use of a convolution's output that nothing can fold into."""

    def __init__(self, activation):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.shortcut = nn.Sequential(nn.Conv2d(6, 8, 1, stride=2), nn.BatchNorm2d(8))
        self.act = activation

    def forward(self, x):
        out = self.act(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return self.act(out)


class Awkward(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.other = nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.BatchNorm2d(8)

    def forward(self, x):
        y = self.conv(x)
        a, b = self.bn(y), self.other(y)  # one output, two norms
        c = torch_like_scale(y)  # and its plain values
        return a + b * c + (a + 1.0) + framework.relu(y) + y.shape[0]


def torch_like_scale(y):
    return y.mean((2, 3), keepdim=True)


def prepared(model, seed=0):
    """A model whose norms have lived statistics."""
    generator = framework.Generator().manual_seed(seed)
    for name, t in model.state_dict().items():
        if name.endswith("running_var"):
            t.uniform_(0.3, 2.0, generator=generator)
        elif t.is_floating_point():
            t.normal_(0, 0.5, generator=generator)
    return model.eval()


ACTIVATIONS = [
    nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(0.2), nn.Hardtanh(-0.5, 0.5), nn.SiLU(), nn.GELU(),
    nn.GELU("tanh"), nn.Hardswish(), nn.Hardsigmoid(), nn.Mish(), nn.Tanh(),
]  # fmt: skip


def agree(model, x):
    fused = nn.fuse(model)
    with framework.inference_mode():
        expected = model(x)
        for _ in range(3):  # what is kept from the first calls serves the later ones
            found = fused(x)
            scale = float(expected.abs().max())
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5 * scale)
    return fused


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_residual_blocks_agree(activation):
    agree(prepared(Block(activation)), framework.randn(2, 6, 9, 9))


@pytest.mark.parametrize("kernel", ["generic", "onednn"])
def test_outputs_that_are_used_twice_agree(kernel):
    with framework.kernels.force(kernel):
        agree(prepared(Awkward()), framework.randn(2, 6, 9, 9))


@pytest.mark.parametrize(
    "model, shape",
    [
        (nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3), nn.GELU()), (4, 7)),
        (nn.Sequential(nn.Linear(7, 5), nn.ReLU()), (2, 3, 7)),
        (nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.ReLU()), (2, 3, 9)),
        (nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4), nn.ReLU()), (2, 3, 4, 5, 6)),
        (nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.BatchNorm2d(8, affine=False), nn.SiLU()), (2, 4, 6, 6)),
        (nn.Sequential(nn.Conv2d(4, 8, 3, padding="same"), nn.BatchNorm2d(8)), (2, 4, 6, 6)),
        (nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect"), nn.ReLU()), (2, 4, 6, 6)),
        (nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU()), (4, 6, 6)),
        (nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.ReLU6()), (2, 4, 6, 6)),
        (nn.Sequential(nn.ConvTranspose2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU()), (2, 4, 6, 6)),
        (nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8, track_running_stats=False)), (2, 4, 6, 6)),
    ],
    ids=lambda v: "" if isinstance(v, tuple) else "-".join(type(m).__name__ for m in v),
)
def test_chains_of_layers_agree(model, shape):
    agree(prepared(model), framework.randn(*shape))


def test_resnet_agrees_to_a_hundred_thousandth():
    from vision.models import resnet18

    model = resnet18(num_classes=10)
    with framework.no_grad():
        for _ in range(2):
            model(framework.randn(4, 3, 64, 64))  # statistics of its own
    model.eval()
    x = framework.randn(2, 3, 64, 64)
    fused = nn.fuse(model)
    with framework.inference_mode():
        expected, found = model(x), fused(x)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_the_state_dict_is_untouched_and_shared():
    model = prepared(Block(nn.ReLU()))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    fused = nn.fuse(model)
    with framework.inference_mode():
        fused(framework.randn(2, 6, 9, 9))
    assert list(fused.state_dict()) == list(before)
    for name, t in fused.state_dict().items():
        assert framework.equal(t, before[name])
    assert all(a is b for a, b in zip(model.parameters(), fused.parameters(), strict=True))
    assert type(model.conv1) is nn.Conv2d


def test_changed_weights_and_statistics_are_folded_anew():
    model = prepared(Block(nn.ReLU()))
    x = framework.randn(2, 6, 9, 9)
    fused = agree(model, x)
    for change in (
        lambda: model.bn1.running_mean.add_(1.0),
        lambda: model.load_state_dict({k: v * 2 for k, v in model.state_dict().items()}),
        lambda: model.conv2.weight.data.mul_(3.0),
        lambda: np.copyto(model.bn2.bias.detach().numpy(), 7.0),
    ):
        with framework.no_grad():
            change()
            np.testing.assert_allclose(fused(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-3)


def test_gradients_and_training_are_the_models_own():
    model = prepared(Block(nn.ReLU()))
    fused = nn.fuse(model)
    x = framework.randn(2, 6, 9, 9)
    fused(x).sum().backward()
    found = model.conv1.weight.grad.clone()
    model.zero_grad()
    model(x).sum().backward()
    assert framework.allclose(found, model.conv1.weight.grad)
    fused.train()
    with framework.no_grad():
        assert type(fused.conv1(x)) is framework.Tensor


def test_an_output_is_computed_once_and_only_when_asked_for():
    fused = nn.fuse(nn.Sequential(nn.Conv2d(4, 8, 3)))
    with framework.no_grad():
        y = fused(framework.randn(1, 4, 6, 6))
        assert type(y) is Deferred
        assert y._parts is not None
        assert y.shape == (1, 8, 4, 4)
        assert y._parts is None
        assert y.array is y.array


def test_fused_models_are_copied_and_pickled():
    model = prepared(Block(nn.ReLU()))
    fused, x = nn.fuse(model), framework.randn(2, 6, 9, 9)
    with framework.no_grad():
        expected = fused(x)
        for other in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused)), nn.fuse(fused)):
            np.testing.assert_allclose(other(x).numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)
    assert "FusedConv2d(6, 8" in repr(fused)


def test_a_wrong_input_is_refused_by_the_layer():
    fused = nn.fuse(nn.Sequential(nn.Conv2d(4, 8, 3)))
    with framework.no_grad(), pytest.raises(RuntimeError, match=r"expected input.* 4 channels"):
        fused(framework.randn(1, 5, 6, 6))
    with pytest.raises(TypeError, match="expected a Module"):
        nn.fuse(lambda x: x)
