"""The same work on the CPU and on the GPU, and how far apart the results may be."""

from __future__ import annotations

import copy

import numpy as np

import framework as F
from framework import nn

EXACT, LOW = 1e-4, 4e-2  # of the length of what the CPU gives: float32 with sums in another order, and bfloat16
STEPS = 3


def array(value):
    """A tensor's numbers, wherever it is, as float64."""
    return value.detach().cpu().float().numpy().astype(np.float64)


def gap(found, expected):
    """How long the difference is, by the length of what is expected."""
    a, b = array(found), array(expected)
    assert a.shape == b.shape
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-6))


def moved(value, device):
    """Tensors within lists, tuples and dicts on a device."""
    if isinstance(value, dict):
        return {name: moved(item, device) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(moved(item, device) for item in value)
    return value.to(device) if isinstance(value, F.Tensor) else value


def tensors_in(value):
    """The tensors of a result, in order."""
    if isinstance(value, F.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [found for item in value or () for found in tensors_in(item)] if isinstance(value, list | tuple) else []


def both(model, device):
    """A model and its twin on a device."""
    twin = copy.deepcopy(model).to(device)
    assert {p.device.type for p in twin.parameters()} <= {device.partition(":")[0]}
    return model, twin


def loss_of(model, inputs):
    """A number that depends on all that a model gives, each element in another way."""
    result = model(*inputs)
    outputs = [y for y in tensors_in(getattr(result, "logits", result)) if y.dtype.is_floating_point]
    total = 0.0
    for y in outputs:
        weights = F.linspace(-1, 1, y.numel()).reshape(y.shape).to(y.device)
        total = total + (y.float() * weights).sum() / y.numel() ** 0.5
    return outputs, total


def check_forward_and_gradients(model, inputs, device, tolerance=EXACT):
    """Outputs, the gradients of all parameters and of the inputs are the CPU's."""
    here, there = both(model, device)
    results = []
    for net, where in ((here, "cpu"), (there, device)):
        arguments = [
            x.detach().to(where).requires_grad_() if isinstance(x, F.Tensor) and x.dtype.is_floating_point
            else moved(x, where) for x in inputs
        ]  # fmt: skip
        outputs, loss = loss_of(net, arguments)
        loss.backward()
        gradients = {
            f"input {i}": x.grad for i, x in enumerate(arguments) if isinstance(x, F.Tensor) and x.grad is not None
        }
        gradients |= {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
        results.append((outputs, gradients, dict(net.named_buffers())))
    for name in range(3):
        assert len(results[0][name]) == len(results[1][name])
    for expected, found in zip(results[0][0], results[1][0], strict=True):
        assert found.device.type == "cuda" and found.dtype is expected.dtype
        assert gap(found, expected) < tolerance
    total = sum(np.linalg.norm(array(g)) for g in results[0][1].values())
    for name, expected in results[0][1].items():
        found = results[1][1][name]
        assert found.device.type == "cuda", name
        difference = np.linalg.norm(array(found) - array(expected))
        # a gradient that is nought but for rounding (a bias before a norm) is held against all of them
        assert difference < 5 * tolerance * max(np.linalg.norm(array(expected)), 1e-3 * total), name
    for name, expected in results[0][2].items():
        assert gap(results[1][2][name], expected) < 5 * tolerance, name


def train(model, inputs, targets, optimizer, device, low=False):
    """The losses of some steps."""
    losses = []
    for _ in range(STEPS):
        if low:
            with F.amp.autocast(device.partition(":")[0], dtype=F.bfloat16):
                loss = nn.functional.cross_entropy(scores(model(*inputs)), targets)
        else:
            loss = nn.functional.cross_entropy(scores(model(*inputs)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def scores(output):
    """What a classifier gives, whatever it is in."""
    return output if isinstance(output, F.Tensor) else output.logits
