"""Outputs of inner layers, and where a classifier looks."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from tests.vision.peer import torchvision
from vision.cam import grad_cam
from vision.extraction import features


class Twice(nn.Module):
    """Calls one layer two times, and another only when asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(2, 2, bias=False)
        self.twice.weight = nn.Parameter(F.eye(2) * 2)
        self.never = nn.Linear(2, 2)
        self.last = nn.Identity()
        self.ended = False

    def forward(self, x, shift=0.0):
        x = self.twice(self.twice(x + shift))
        self.ended = True
        return self.last(x)


def test_outputs_by_name_and_by_call():
    model = Twice()
    x = F.tensor([[1.0, 2.0]])
    found = features(model, {"twice_1": "second", "twice": "first"})(x, shift=1.0)
    assert list(found) == ["second", "first"]
    assert found["first"].tolist() == [[4, 6]] and found["second"].tolist() == [[8, 12]]
    assert not model.ended  # what comes after is not computed
    assert features(model, ["last"])(x)["last"].tolist() == [[4, 8]] and model.ended
    assert not any(m._forward_hooks for m in model.modules())


def test_what_is_not_there():
    for layer in ("twiec", "", "last.inner", "twice_x"):
        with pytest.raises(ValueError, match=f"the model has no layer '{layer}'"):
            features(Twice(), [layer])
    with pytest.raises(ValueError, match=r"'flatten'; layers are modules, named as in model\.named_modules"):
        features(Twice(), ["flatten"])
    with pytest.raises(ValueError, match="at least one"):
        features(Twice(), [])
    for layer in ("never", "twice_2"):
        with pytest.raises(ValueError, match=f"did not reach {layer}"):
            features(Twice(), [layer])(F.ones(1, 2))


def test_gradients_pass_through():
    model = Twice()
    features(model, ["twice"])(F.ones(1, 2))["twice"].sum().backward()
    assert model.twice.weight.grad.tolist() == [[1, 1], [1, 1]]


def test_the_same_maps_as_torchvisions():
    torch = pytest.importorskip("torch")
    torchvision()
    from torchvision.models import resnet18
    from torchvision.models.feature_extraction import create_feature_extractor

    from vision.models.feature_extraction import create_feature_extractor as ours_create
    from vision.models.feature_extraction import get_graph_node_names

    theirs, ours = resnet18().eval(), hub.create("resnet18").eval()
    ours.load_state_dict({k: F.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    nodes = {"relu": "stem", "layer1.0.relu": "in", "layer1.0.relu_1": "out", "layer3": "third", "avgpool": "pooled"}
    picture = np.random.default_rng(0).standard_normal((1, 3, 64, 64), dtype=np.float32)
    with torch.no_grad(), F.no_grad():
        expected = create_feature_extractor(theirs, nodes)(torch.from_numpy(picture))
        found = ours_create(ours, nodes)(F.from_numpy(picture))
    assert list(found) == list(nodes.values())
    for name in ("out", "third", "pooled"):
        np.testing.assert_allclose(found[name].numpy(), expected[name].numpy(), rtol=1e-3, atol=1e-4)
    assert {"layer1.0.relu", "layer4", "fc"} <= set(get_graph_node_names(ours)[0])


class Corner(nn.Module):
    """Scores: the brightness of the upper left, and of the lower right."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 1, 1, bias=False)
        self.maps.weight = nn.Parameter(F.ones(1, 1, 1, 1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.maps(x))
        return F.stack([x[:, 0, :4, :4].mean((1, 2)), x[:, 0, 4:, 4:].mean((1, 2))], 1)


def test_heat_lies_where_the_picture_speaks_for_the_class():
    images = F.zeros(2, 1, 8, 8)
    images[0, 0, 1, 2] = 1.0
    images[1, 0, 6, 5] = 1.0
    model = Corner().train()
    heat = grad_cam(model, images)
    assert tuple(heat.shape) == (2, 8, 8) and float(heat.amax()) == 1.0
    assert [divmod(int(h.argmax()), 8) for h in heat] == [(1, 2), (6, 5)]
    assert model.training and model.relu.training and model.maps.weight.grad is None
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with F.no_grad():  # the backbone may be frozen, and gradients off
        np.testing.assert_array_equal(grad_cam(model, images, target=[0, 1]).numpy(), heat.numpy())


def test_it_is_the_papers_formula():
    model = hub.create("resnet18", num_classes=5).eval()
    images = F.randn(2, 3, 96, 64)
    found = grad_cam(model, images, target=3, layer="layer3")
    kept = {}
    handle = model.layer3.register_forward_hook(lambda m, i, o: kept.setdefault("maps", o.clone()))
    maps = model(images) is not None and kept["maps"].detach()
    handle.remove()
    leaf = maps.clone().requires_grad_()
    model.fc(model.avgpool(model.layer4(leaf)).flatten(1))[:, 3].sum().backward()
    heat = (leaf.grad.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
    heat = nn.functional.interpolate(heat, (96, 64), mode="bilinear")[:, 0]
    np.testing.assert_allclose(found.numpy(), (heat / heat.amax((1, 2), keepdim=True)).numpy(), atol=1e-4)


def test_layers_that_give_no_maps():
    with pytest.raises(ValueError, match="no layer 'layer9'; nearest: "):
        grad_cam(hub.create("resnet18"), F.zeros(1, 3, 32, 32), layer="layer9")
    with pytest.raises(ValueError, match="layer 'fc' gives no feature maps"):
        grad_cam(hub.create("resnet18"), F.zeros(1, 3, 32, 32), layer="fc")
    with pytest.raises(ValueError, match="no layer gives feature maps"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), F.zeros(1, 3, 2, 2))
