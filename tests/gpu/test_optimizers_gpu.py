"""Every optimizer and schedule on the GPU against the CPU, states that move, and steps for which the host never waits."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import numpy as np
import pytest

import framework
from framework import nn, optim
from tests.gpu.compare import check
from tests.optim.test_optimizers import ALL, SHAPES

WAITS = {"Adafactor", "Muon", "Lamb", "LBFGS"}
"""Optimizers that read a value in a step."""


def parameters(where: str, dtype: Any = framework.float32) -> list[nn.Parameter]:
    rng = np.random.default_rng(0)
    return [nn.Parameter(framework.tensor(rng.standard_normal(s), dtype=dtype, device=where)) for s in SHAPES]


def step(optimizer: Any, number: int) -> None:
    """One step, with gradients that depend on its number alone."""
    rng = np.random.default_rng(100 + number)
    for p in optimizer.param_groups[0]["params"]:
        p.grad = framework.tensor(rng.standard_normal(tuple(p.shape)), dtype=p.dtype, device=p.device)
    optimizer.step()


def tensors_of(optimizer: Any) -> list[framework.Tensor]:
    return [t for s in optimizer.state.values() for t in s.values() if isinstance(t, framework.Tensor)]


@pytest.mark.parametrize(
    "dtype", [framework.float32, framework.float64, framework.bfloat16, framework.float16], ids=str
)
@pytest.mark.parametrize(("name", "options"), ALL, ids=[f"{n}-{i}" for i, (n, _) in enumerate(ALL)])
def test_an_optimizer_steps_as_on_the_cpu(gpu: Any, name: str, options: dict[str, Any], dtype: Any) -> None:
    here, there = (getattr(optim, name)(parameters(where, dtype), **options) for where in ("cpu", gpu.device))
    for number in range(3):
        step(here, number), step(there, number)
    check(there.param_groups[0]["params"], here.param_groups[0]["params"], name)
    assert len(tensors_of(there)) == len(tensors_of(here))
    for a, b in zip(tensors_of(there), tensors_of(here), strict=True):
        if a.ndim:  # counts of steps stay with the host
            check(a, b, f"{name}, state")


def test_lbfgs_steps_as_on_the_cpu(gpu: Any) -> None:
    results = []
    for where in ("cpu", gpu.device):
        (p, _) = parameters(where)
        optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=5)

        def closure(p: Any = p, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = ((p - 0.5) ** 2 * 3).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        results.append(p)
    check(results[1], results[0])


@pytest.mark.parametrize("name", sorted({name for name, _ in ALL} - WAITS))
def test_the_host_never_waits_in_a_step(gpu: Any, name: str) -> None:
    if gpu.real:
        pytest.skip("a card does not tell")
    optimizer = getattr(optim, name)(parameters(gpu.device))
    step(optimizer, 0)
    gpu.waits.clear()
    step(optimizer, 1)
    optimizer.zero_grad()
    assert not gpu.waits


def test_clipping_gradients(gpu: Any) -> None:
    for clip in (lambda p: nn.utils.clip_grad_norm_(p, 0.1), lambda p: nn.utils.clip_grad_value_(p, 0.2)):
        results = []
        for where in ("cpu", gpu.device):
            params = parameters(where)
            for p in params:
                p.grad = p.detach().clone()
            if gpu.waits is not None:
                gpu.waits.clear()
            total = clip(params)
            assert gpu.waits is None or not gpu.waits, "clipping reads nothing"
            results.append([*([] if total is None else [total]), *(p.grad for p in params)])
        check(results[1], results[0])


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Adafactor", "Rprop"])
def test_a_state_goes_where_the_parameters_are(gpu: Any, name: str) -> None:
    here = getattr(optim, name)(parameters("cpu"), **({"momentum": 0.9} if name == "SGD" else {}))
    step(here, 0)
    there = getattr(optim, name)(parameters(gpu.device))
    state = copy.deepcopy(here.state_dict())
    file = io.BytesIO()
    framework.save(state, file)
    file.seek(0)
    with framework.no_grad():
        for p, q in zip(there.param_groups[0]["params"], here.param_groups[0]["params"], strict=True):
            p.copy_(q)
    there.load_state_dict(framework.load(file))
    assert all(t.is_cuda for t in tensors_of(there) if t.ndim)
    step(here, 1), step(there, 1)
    check(there.param_groups[0]["params"], here.param_groups[0]["params"], name)


def test_an_optimizer_follows_its_module(gpu: Any) -> None:
    model = nn.Linear(3, 2)
    optimizer = optim.AdamW(model.parameters(), lr=0.1)
    model.cuda()
    model(framework.ones(4, 3, device=gpu.device)).sum().backward()
    before = model.weight.detach().clone()
    optimizer.step()
    assert all(t.is_cuda for t in tensors_of(optimizer) if t.ndim) and not framework.equal(before, model.weight)


def test_a_schedule_on_the_gpu(gpu: Any) -> None:
    rates = []
    for where in ("cpu", gpu.device):
        optimizer = optim.SGD(parameters(where), lr=0.1)
        schedule = optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=5)
        for number in range(4):
            step(optimizer, number)
            schedule.step()
            rates.append((number, optimizer.param_groups[0]["lr"]))
    assert rates[:4] == rates[4:]


NETS = {
    "mlp": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)),
    "cnn": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2, padding=1),
        nn.Flatten(), nn.LazyLinear(3),
    ),
    "transformer": lambda: nn.Sequential(
        nn.Unflatten(1, (3, 2)), nn.Linear(2, 8), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.LayerNorm(8),
        nn.Flatten(), nn.Linear(24, 3),
    ),
    "lookup": lambda: nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.GELU(), nn.Linear(24, 3)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [framework.float32, framework.bfloat16], ids=str)
@pytest.mark.parametrize("name", NETS)
def test_the_host_never_waits_in_a_training_step(gpu: Any, name: str, dtype: Any) -> None:
    if gpu.real:
        pytest.skip("a card does not tell")
    rng = np.random.default_rng(0)
    x = framework.tensor(rng.standard_normal((4, 6)), dtype=framework.float32)
    x = framework.tensor(rng.integers(0, 5, (4, 6))) if name == "lookup" else x
    y = framework.tensor(rng.integers(0, 3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = NETS[name]()
        model(x)
    model.to(gpu.device, dtype)
    optimizer = optim.AdamW(model.parameters())
    x, y = x.to(gpu.device), y.to(gpu.device)
    x = x if name == "lookup" else x.to(dtype)
    for number in range(2):
        gpu.waits.clear()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        assert not gpu.waits or number == 0, gpu.waits
    assert loss.item() > 0 and len(gpu.waits) == 1, "reading the loss waits"
