"""What every layer and loss owes its user, whatever it computes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import framework
from framework import nn
from tests.nn.tables import ELSEWHERE, LAYERS, build, inputs

WITH_PARAMETERS = [name for name in LAYERS if list(build(name).parameters())]
LAZY = [name for name in LAYERS if name.startswith("Lazy")]
EAGER = [name for name in LAYERS if name not in LAZY]


def tensors(value: Any) -> Iterator[framework.Tensor]:
    """The float tensors of a nested result."""
    if isinstance(value, framework.Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def called(module: nn.Module, name: str, dtype: Any = framework.float32) -> list[np.ndarray]:
    framework.manual_seed(1)
    return [t.detach().numpy().copy() for t in tensors(module(*inputs(name, dtype)))]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) > 0 and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def ready(name: str) -> nn.Module:
    """A layer that knows its shapes."""
    module = build(name)
    if name in LAZY:
        called(module, name)
    return module


def test_the_table_has_every_exported_layer():
    exported = {name for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    assert exported - ELSEWHERE == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_state_carries_over_to_a_fresh_instance(name):
    module = ready(name)
    framework.manual_seed(77)
    other = ready(name)
    state = module.state_dict()
    missing, unexpected = other.load_state_dict(state)
    assert not missing and not unexpected
    assert same(called(module.eval(), name), called(other.eval(), name))
    assert list(other.state_dict()) == list(state)
    for key, value in other.state_dict().items():
        assert np.array_equal(value.numpy(), state[key].numpy()) and value is not state[key]


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_every_parameter_gets_a_gradient(name):
    module = ready(name)
    total = sum((t * t).sum() for t in tensors(module(*inputs(name))) if t.requires_grad)
    total.backward()
    for path, parameter in module.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.shape == parameter.shape and parameter.grad.dtype == parameter.dtype
        assert np.isfinite(parameter.grad.numpy()).all(), path
    module.zero_grad()
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("name", LAYERS)
def test_inputs_get_gradients(name):
    if name in {"Embedding", "EmbeddingBag"}:
        assert not inputs(name)[0].is_floating_point()
        return
    module = ready(name)
    given = inputs(name)
    given[0].requires_grad_(True)
    passed = given[0] * 1  # layers that work in place may not have a leaf
    total = sum(t.sum() for t in tensors(module(passed, *given[1:])) if t.requires_grad)
    total.backward()
    assert given[0].grad is not None and given[0].grad.shape == given[0].shape


@pytest.mark.parametrize("name", LAYERS)
def test_modes_leave_words_and_state_alone(name):
    module = ready(name)
    words, keys = repr(module), list(module.state_dict())
    assert module.training and module.eval() is module and not module.training
    assert all(not m.training for m in module.modules())
    assert repr(module) == words
    before = [value.numpy().copy() for value in module.state_dict().values()]
    called(module, name)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, module.state_dict().values(), strict=True))
    assert same(called(module, name), called(module, name))
    assert module.train().training and repr(module) == words and list(module.state_dict()) == keys


@pytest.mark.parametrize("name", [name for name, entry in LAYERS.items() if entry.shown])
def test_repr_shows_what_it_was_built_with(name):
    words = repr(build(name))
    assert words.startswith(f"{name}(")
    for part in LAYERS[name].shown:
        assert part in words


@pytest.mark.parametrize("name", LAYERS)
def test_a_deep_copy_is_equal_and_apart(name):
    module = ready(name).eval()
    twin = copy.deepcopy(module)
    assert type(twin) is type(module) and repr(twin) == repr(module)
    expected = called(module, name)
    assert same(called(twin, name), expected)
    with framework.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    assert same(called(module, name), expected)


@pytest.mark.parametrize("name", LAYERS)
def test_double_computes_in_double(name):
    module = ready(name).eval()
    single = called(module, name)
    assert module.double() is module
    assert all(t.dtype == framework.float64 for t in module.state_dict().values() if t.is_floating_point())
    double = called(module, name, framework.float64)
    assert all(a.dtype == np.float64 for a in double)
    for a, b in zip(single, double, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_a_frozen_layer_records_nothing(name):
    module = ready(name)
    assert module.requires_grad_(False) is module
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not any(t.requires_grad for t in tensors(module(*inputs(name))))
    module.requires_grad_(True)
    assert any(t.requires_grad for t in tensors(module(*inputs(name))))


@pytest.mark.parametrize("name", [name for name in WITH_PARAMETERS if name in EAGER])
def test_a_state_of_the_wrong_shape_names_its_key(name):
    module = build(name)
    for key in list(module.state_dict()):
        state = dict(module.state_dict())
        state[key] = framework.zeros((7, *state[key].shape))
        with pytest.raises(RuntimeError) as caught:
            build(name).load_state_dict(state)
        assert key in str(caught.value) and "7" in str(caught.value)


@pytest.mark.parametrize("name", [name for name in WITH_PARAMETERS if name in EAGER])
def test_missing_and_unexpected_keys_are_named(name):
    module = build(name)
    state = dict(module.state_dict())
    first = next(iter(state))
    state["stray"] = state.pop(first)
    with pytest.raises(RuntimeError) as caught:
        module.load_state_dict(state)
    assert first in str(caught.value) and "stray" in str(caught.value)
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert missing == [first] and unexpected == ["stray"]


class Block(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.body = nn.ModuleList([nn.Sequential(nn.Identity(), layer)])

    def forward(self, *given: Any) -> Any:
        return self.body[0][1](*given)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Linear", (2, 5)),
        ("Bilinear", (2, 5)),
        ("Conv1d", (2, 5, 6)),
        ("Conv2d", (2, 5, 6, 6)),
        ("ConvTranspose2d", (2, 5, 6, 6)),
        ("BatchNorm1d", (2, 5, 6)),
        ("BatchNorm2d", (2, 4)),
        ("LayerNorm", (2, 5)),
        ("GroupNorm", (2, 5, 6)),
        ("PReLU", (2, 5)),
        ("LSTM", (2, 5, 7)),
        ("GRUCell", (2, 5)),
        ("Embedding", (2, 5)),
        ("PixelShuffle", (2, 5, 6, 6)),
        ("MultiheadAttention", (3, 2, 5)),
        ("CrossEntropyLoss", (7, 3)),
    ],
)
def test_an_error_deep_inside_names_the_path(name, wrong):
    framework.manual_seed(0)
    given = (framework.ones(wrong), *inputs(name)[1:])
    model = nn.Sequential(nn.Identity(), Block(build(name)))
    model.forward = lambda *args: model[1](*args)  # so that layers of several inputs fit
    with pytest.raises((RuntimeError, ValueError, IndexError)) as caught:
        model(*given)
    assert str(caught.value).startswith(f"in 1.body.0.1 ({name}): ")
