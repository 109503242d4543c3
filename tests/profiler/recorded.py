"""A small model to record, and what was recorded of it."""

from __future__ import annotations

import types

import framework
from framework import nn
from framework.autograd import walk
from framework.autograd.function import Function
from framework.autograd.op import Op
from framework.data.loader import _Pass
from framework.kernels import registry
from framework.optim.optimizer import Optimizer
from framework.profiler import (
    ProfilerActivity,
    record_function,
)
from framework.profiler import recording as rec
from framework.profiler.hooks import _subclasses
from framework.tensor import Tensor

CPU = [ProfilerActivity.CPU]


def mlp():
    framework.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    return model, framework.optim.AdamW(model.parameters()), framework.randn(8, 6), framework.randint(0, 3, (8,))


def train(model, optimizer, x, y):
    optimizer.zero_grad()
    with record_function("loss"):
        loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


def counts(prof, kernels=False):
    return {e.key: e.count for e in prof.key_averages() if kernels or e.kind != rec.KERNEL}


def recorded(prof):
    """The events without the kernels, which depend on what is installed."""
    return [e for e in prof.events() if e.kind != rec.KERNEL]


def originals():
    """Every function that a profiler replaces, by where it stands."""
    found = {}
    for cls in [
        Op,
        *_subclasses(Op),
        Tensor,
        walk.Walk,
        _Pass,
        nn.Module,
        Optimizer,
        *_subclasses(Optimizer),
        Function,
    ]:
        for name, value in vars(cls).items():
            if callable(value) or isinstance(value, classmethod):
                found[cls, name] = value
                for cell in getattr(value, "__closure__", None) or ():
                    if isinstance(cell.cell_contents, types.FunctionType):
                        found[cls, name, id(cell)] = cell.cell_contents
    found["accumulate"] = walk.accumulate
    for family in registry.families():
        for kernel in registry.table(family):
            found.update({(kernel.__name__, name): value for name, value in vars(kernel).items() if callable(value)})
    return found


def run_steps(prof, steps):
    with prof:
        for i in range(steps):
            (framework.ones(1) if i % 2 else framework.zeros(1)).exp()
            prof.step()
