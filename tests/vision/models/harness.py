"""torchvision's model and ours with the same random weights, and what they are compared by."""

from __future__ import annotations

from typing import Any

import numpy as np

import framework as F
from tests.vision.peer import torchvision
from vision import models


def peer_models() -> Any:
    """torchvision's models, or the test is skipped."""
    return torchvision().models


def without_initial_values(monkeypatch) -> None:
    """Both sides leave parameters as memory holds them: drawing values that are overwritten takes most of the time."""
    import torch

    for name in dir(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)


def random_values(state: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Values for a state dict: weights by their fan-in, positive scales and variances, buffers of whole numbers as they are."""
    rng = np.random.default_rng(seed)
    values = {}
    for key, tensor in state.items():
        shape = tuple(tensor.shape)
        if not tensor.is_floating_point():
            values[key] = tensor.numpy()
        elif (
            "var" in key or (key.endswith("weight") and len(shape) == 1) or "layer_scale" in key or "logit_scale" in key
        ):
            values[key] = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            values[key] = rng.standard_normal(shape, dtype=np.float32) * (1.5 / np.prod(shape[1:])) ** 0.5
        else:
            values[key] = rng.standard_normal(shape) * 0.1
    return values


def pair(name: str, monkeypatch, double: bool = True, **config: Any) -> tuple[Any, Any]:
    """(theirs, ours): a builder's models with the same values, without dropout and stochastic depth."""
    with monkeypatch.context() as patch:
        without_initial_values(patch)
        theirs = getattr(peer_models(), name)(weights=None, **config)
        with F.nn.init.skipped():
            ours = getattr(models, name)(**config)
    return alike(theirs, ours, double)


def alike(theirs: Any, ours: Any, double: bool = True) -> tuple[Any, Any]:
    """Both models with the same values, without dropout and stochastic depth."""
    import torch

    if double:
        theirs, ours = theirs.double(), ours.double()
    values = random_values(theirs.state_dict())
    kind = np.float64 if double else np.float32
    arrays = {k: v if v.dtype.kind in "iu" else np.asarray(v, kind) for k, v in values.items()}
    state = theirs.state_dict()  # whose versions one of torchvision's nets asks for
    state.update({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()})
    theirs.load_state_dict(state)
    ours.load_state_dict({k: F.from_numpy(np.array(v)) for k, v in arrays.items()})
    for model in (theirs, ours):
        for module in model.modules():
            if isinstance(getattr(module, "p", None), float):
                module.p = 0.0
    return theirs, ours


def outputs(result: Any) -> list[Any]:
    """A model's outputs as a list: logits, or logits and those of auxiliary heads."""
    return [part for part in result if part is not None] if isinstance(result, tuple) else [result]


def check_numbers(name: str, monkeypatch, size: tuple[int, int], training: bool, batch: int = 2, **config: Any) -> None:
    """The same outputs, gradients and running statistics, in float64: what differs is a mistake and not rounding."""
    compare(*pair(name, monkeypatch, **config), (batch, 3, *size), training)


def compare(theirs: Any, ours: Any, shape: tuple[int, ...], training: bool) -> None:
    """``check_numbers`` of two models, for an input of the shape."""
    import torch

    picture = np.random.default_rng(1).standard_normal(shape)
    theirs.train(training), ours.train(training)
    x, y = torch.from_numpy(picture).requires_grad_(), F.from_numpy(picture).requires_grad_()
    expected, found = outputs(theirs(x)), outputs(ours(y))
    assert len(expected) == len(found)
    for one, other in zip(found, expected, strict=True):
        wanted = other.detach().numpy()
        np.testing.assert_allclose(one.detach().numpy(), wanted, rtol=1e-7, atol=1e-7 * (1 + np.abs(wanted).max()))
    sum(e.square().sum() for e in expected).backward(), sum(f.square().sum() for f in found).backward()
    for (key, one), (_, other) in zip(
        [("picture", y), *ours.named_parameters()], [("picture", x), *theirs.named_parameters()], strict=True
    ):
        assert (one.grad is None) == (other.grad is None), key
        if other.grad is not None:
            # some gradients are zero but for rounding, since a norm follows
            largest = float(other.grad.abs().max())
            np.testing.assert_allclose(
                one.grad.numpy(), other.grad.numpy(), rtol=1e-5, atol=1e-6 * largest + 1e-9, err_msg=key
            )
    for key, value in theirs.state_dict().items():
        if "running" in key or "num_batches" in key:
            np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-7, atol=1e-9, err_msg=key)


def check_outputs(name: str, monkeypatch, size: tuple[int, int], **config: Any) -> None:
    """The same outputs in evaluation, in float32 and within its rounding; also of the fused model."""
    compare_outputs(*pair(name, monkeypatch, double=False, **config), size)


def compare_outputs(theirs: Any, ours: Any, size: tuple[int, int]) -> None:
    """``check_outputs`` of two models."""
    import torch

    theirs.eval(), ours.eval()
    picture = np.random.default_rng(1).standard_normal((1, 3, *size), dtype=np.float32)
    with torch.no_grad(), F.no_grad():
        expected, found = theirs(torch.from_numpy(picture)).numpy(), ours(F.from_numpy(picture)).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4 * (1 + np.abs(expected).max()))
    with F.inference_mode():
        fused = F.nn.fuse(ours)(F.from_numpy(picture)).numpy()
    np.testing.assert_allclose(fused, found, rtol=1e-4, atol=1e-4 * np.abs(found).max())


def check_settings(name: str, monkeypatch, **config: Any) -> None:
    """Every layer has the same settings: eps, momentum, probabilities, strides and the like."""
    kinds = (
        "p",
        "eps",
        "momentum",
        "stride",
        "padding",
        "kernel_size",
        "groups",
        "num_heads",
        "approximate",
        "dropout",
    )
    kinds += ("shift_size", "window_size", "attention_dropout", "scale_factor", "inplace", "batch_first", "grid_size")

    def settings(model: Any) -> dict[str, Any]:
        found = {}
        for module, layer in model.named_modules():
            for kind in kinds:
                value = getattr(layer, kind, None)
                if isinstance(value, int | float | str | tuple | list):
                    found[f"{module}.{kind}"] = list(value) if isinstance(value, tuple) else value
        return found

    with monkeypatch.context() as patch:
        without_initial_values(patch)
        expected = settings(getattr(peer_models(), name)(weights=None, **config))
        with F.nn.init.skipped():
            found = settings(getattr(models, name)(**config))
    assert found == expected and len(found) > 20
