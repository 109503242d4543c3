"""Every layer and loss on the GPU against the CPU: outputs, gradients, running statistics, and a state that moves."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import pytest

import framework
from framework import nn
from tests.gpu.compare import check, gradients, moved, tensors_in
from tests.nn.tables import LAYERS, build, inputs

DRAWING = {"RReLU", "FractionalMaxPool2d", "FractionalMaxPool3d", *(n for n in LAYERS if "Dropout" in n)}
"""Layers that draw numbers while training; the devices may draw others."""


def initialised(name: str) -> nn.Module:
    """A layer whose lazy parameters have their shapes."""
    framework.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = build(name)
        if "Lazy" in name:
            layer(*inputs(name))
    return layer


def run(layer: nn.Module, given: Any) -> tuple[Any, list[Any]]:
    """A layer's output, and the gradients in its parameters and inputs."""
    framework.manual_seed(1)
    wanted = [*layer.parameters(), *(t for t in tensors_in(given) if t.requires_grad)]
    result = layer(*given)
    return result, gradients(result, wanted)


def ready(name: str, dtype: Any = framework.float32) -> Any:
    """A layer's inputs, which require gradients where that is allowed."""
    given = inputs(name, dtype)
    for t in tensors_in(given[:1]):
        if t.is_floating_point() and name != "ReLU":  # which works in place here
            t.requires_grad_()
    return given


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_what_it_gives_on_the_cpu(gpu: Any, name: str) -> None:
    here = initialised(name)
    there = copy.deepcopy(here).to(gpu.device)
    assert all(p.is_cuda for p in (*there.parameters(), *there.buffers()))
    for training in (True, False):
        here.train(training), there.train(training)
        given = ready(name)
        expected, wanted = run(here, given)
        found, got = run(there, moved(given, gpu.device))
        values = not (training and name in DRAWING)
        check(found, expected, f"{name}, training {training}", values)
        check(got, wanted, f"{name}, gradients", values)
    check(there.state_dict(), here.state_dict(), f"{name}, state")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [framework.float64, framework.bfloat16, framework.float16], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_what_it_gives_on_the_cpu_in_other_dtypes(gpu: Any, name: str, dtype: Any) -> None:
    here = initialised(name).to(dtype)
    there = copy.deepcopy(here).to(gpu.device)
    given = ready(name, dtype)
    try:
        expected, wanted = run(here, given)
    except (TypeError, ValueError, NotImplementedError) as error:
        with pytest.raises(type(error)):
            run(there, moved(given, gpu.device))
        return
    found, got = run(there, moved(given, gpu.device))
    check(found, expected, name, name not in DRAWING)
    check(got, wanted, f"{name}, gradients", name not in DRAWING and dtype is framework.float64)


@pytest.mark.parametrize(
    "name", ["Linear", "BatchNorm2d", "LSTM", "LazyLinear", "TransformerEncoderLayer", "EmbeddingBag"]
)
def test_a_state_is_saved_and_loaded_across_devices(gpu: Any, name: str) -> None:
    layer = initialised(name).to(gpu.device)
    file = io.BytesIO()
    framework.save(layer.state_dict(), file)
    for where in ("cpu", gpu.device, None):
        file.seek(0)
        state = framework.load(file, map_location=where)
        assert all(t.is_cuda == (where == gpu.device) for t in state.values()), "the CPU, unless it is said where"
        fresh = initialised(name)
        fresh.load_state_dict(state)
        assert all(not t.is_cuda for t in fresh.state_dict().values()), "loading moves no parameter"
        check(
            {k: t.to(gpu.device) for k, t in fresh.state_dict().items()}, {k: t.cpu() for k, t in state.items()}, name
        )


def test_a_module_moves_there_and_back(gpu: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    before = [p.detach().clone() for p in model.parameters()]
    parameters = list(model.parameters())
    assert model.cuda() is model
    assert [id(p) for p in model.parameters()] == [id(p) for p in parameters], "optimizers hold these objects"
    assert all(p.is_cuda and p.is_leaf and p.requires_grad for p in model.parameters())
    model(framework.randn(5, 3, device=gpu.device)).sum().backward()
    model.cpu()
    assert all(not p.is_cuda and not p.grad.is_cuda for p in model.parameters())
    for p, old in zip(model.parameters(), before, strict=True):
        assert framework.equal(p, old)
    model.to(gpu.device, framework.bfloat16)
    assert all(p.is_cuda and p.dtype is framework.bfloat16 for p in model.parameters())


def test_a_layer_is_built_on_a_device(gpu: Any) -> None:
    assert nn.Linear(2, 3, device=gpu.device).weight.is_cuda
    with framework.device(gpu.device):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LSTM(4, 4), nn.Embedding(3, 4))
    assert all(t.is_cuda for t in model.state_dict().values())
    assert not nn.Linear(2, 3).weight.is_cuda
