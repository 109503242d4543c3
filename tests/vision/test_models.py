"""Image models against torchvision's: the same keys and shapes, and with the same weights the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from tests.vision.peer import torchvision
from vision import models

RESNETS = [name for name in hub.list_models() if "resne" in name and not name.startswith("cifar_")]


@pytest.mark.parametrize("name", RESNETS)
def test_keys_and_shapes_are_torchvisions(name, monkeypatch):
    torch = pytest.importorskip("torch")

    for start in ("kaiming_normal_", "kaiming_uniform_"):  # values are of no account here, and drawing them takes time
        monkeypatch.setattr(nn.init, start, lambda *args, **kwargs: None)

    peer = torchvision().models
    with torch.device("meta"):
        expected = getattr(peer, name)(weights=None).state_dict()
    found = getattr(models, name)(weights=None, progress=False).state_dict()
    assert list(found) == list(expected)
    assert {k: tuple(v.shape) for k, v in found.items()} == {k: tuple(v.shape) for k, v in expected.items()}
    assert {k: str(v.dtype).split(".")[-1] for k, v in found.items()} == {
        k: str(v.dtype).split(".")[-1] for k, v in expected.items()
    }


@pytest.mark.parametrize(
    "name, config",
    [
        ("resnet18", {}),
        ("resnet18", {"num_classes": 3, "replace_stride_with_dilation": None}),
        pytest.param("resnet50", {"num_classes": 7}, marks=pytest.mark.slow),
        pytest.param("resnet50", {"replace_stride_with_dilation": [False, True, True]}, marks=pytest.mark.slow),
        pytest.param("resnext50_32x4d", {"num_classes": 5}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_gradients_are_torchvisions(name, config, training):
    """In float64, so that what differs is a mistake and not rounding."""
    torch = pytest.importorskip("torch")

    torch.manual_seed(0)
    theirs = getattr(torchvision().models, name)(weights=None, **config).double()
    ours = getattr(models, name)(**config).double()
    with torch.no_grad():
        for key, value in theirs.state_dict().items():
            if value.is_floating_point() and ("running" in key or "bn" in key):
                value.copy_(torch.rand_like(value) + 0.5)
    ours.load_state_dict({k: F.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    picture = np.random.default_rng(0).standard_normal((2, 3, 64, 64))
    theirs.train(training), ours.train(training)
    x, y = torch.from_numpy(picture).requires_grad_(), F.from_numpy(picture).requires_grad_()
    expected, found = theirs(x), ours(y)
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-7, atol=1e-7)
    expected.square().sum().backward(), found.square().sum().backward()
    pairs = zip((y, *ours.parameters()), (x, *theirs.parameters()), strict=True)
    for one, other in ((a.grad, b.grad) for a, b in pairs):
        # some gradients are zero but for rounding, since a norm follows
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6 * float(other.abs().max()) + 1e-9)
    for key, value in theirs.state_dict().items():
        if "running" in key or "num_batches" in key:
            np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-7, atol=1e-9)


def test_resnet_arguments():
    with pytest.raises(ValueError, match=r"weights must be None.*hub\.load_pretrained"):
        models.resnet50(weights="DEFAULT")
    with pytest.raises(ValueError, match="unexpected keyword argument 'classes'"):
        hub.create("resnet18", classes=3)
    with pytest.raises(ValueError, match="3 booleans"):
        models.resnet50(replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="BasicBlock"):
        models.resnet18(groups=2)


def test_resnet_initialisation():
    model = models.resnet18(num_classes=4, zero_init_residual=True, in_channels=1)
    assert model.conv1.weight.shape[1] == 1 and not model.layer1[0].bn2.weight.detach().numpy().any()
    deviation = float(model.layer4[1].conv2.weight.detach().numpy().std())
    assert abs(deviation - (2 / (512 * 9)) ** 0.5) < 1e-4  # He et al., by the outputs
    grouped = models.resnet18(norm_layer=lambda channels: nn.GroupNorm(8, channels))
    assert isinstance(grouped.bn1, nn.GroupNorm) and "bn1.running_mean" not in grouped.state_dict()
    assert sum(p.numel() for p in models.resnet18().parameters()) == 11_689_512


def test_frozen_parts_of_a_resnet_keep_their_statistics():
    model = models.resnet18(num_classes=2)
    frozen = hub.freeze(model, ["backbone"])
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    model.train()
    for module in frozen:
        module.eval()
    model(F.randn(2, 3, 32, 32)).sum().backward()
    assert {k for k, p in model.named_parameters() if p.grad is not None} == {"fc.weight", "fc.bias"}
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])


@pytest.mark.parametrize("size", [(28, 28), (32, 20), (4, 5), (64, 64)])
def test_small_cnn_takes_any_size(size):
    model = hub.create("small_cnn", num_classes=6, in_channels=3, width=4)
    assert tuple(model(F.randn(2, 3, *size)).shape) == (2, 6)


@pytest.mark.slow
def test_small_cnn_learns_the_rendered_digits():
    """In four passes it is far beyond the 85 % at which a linear model ends; the training script takes it to 98 %."""
    from framework.optim import AdamW
    from vision.datasets import RenderedDigits

    def load(data):
        pixels = np.stack([np.asarray(data[i][0], np.float32) for i in range(len(data))])[:, None]
        return F.from_numpy((pixels / 255 - 0.25) / 0.3), F.tensor(data.targets)

    (x, y), (held_out, targets) = load(RenderedDigits()), load(RenderedDigits(train=False))
    model = hub.create("small_cnn")
    optimizer = AdamW(model.parameters(), lr=4e-3)
    for step in range(400):
        if step % 100 == 0:
            order = F.randperm(len(x))
        chosen = order[step % 100 * 100 :][:100]
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / 400)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    model.eval()
    with F.no_grad():
        accuracy = float((model(held_out).argmax(1) == targets).float().mean())
    assert accuracy > 0.965
