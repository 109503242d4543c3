"""Batches on their way to the GPU: page-locked by the loader, copied while the host goes on."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import framework
from framework.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

Pair = namedtuple("Pair", "x y")


class Nested(Dataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        return {
            "pair": Pair(np.full(2, index, np.float32), index),
            "list": [framework.tensor(index)],
            "name": str(index),
        }


class Numbers(IterableDataset):
    def __iter__(self) -> Any:
        return iter(framework.arange(5.0))


class Own:
    def __init__(self, values: Any) -> None:
        self.values, self.pins = framework.stack(values), 0

    def pin_memory(self) -> Any:
        self.pins += 1
        return self


def pinned(value: Any) -> list[bool]:
    if isinstance(value, framework.Tensor):
        return [value.is_pinned()]
    if isinstance(value, dict):
        value = list(value.values())
    return [p for item in value for p in pinned(item)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize(
    ("workers", "context"), [(0, None), (2, None), (1, "spawn")], ids=["none", "threads", "processes"]
)
def test_batches_are_page_locked(gpu: Any, workers: int, context: Any) -> None:
    if context and not gpu.real:
        pytest.skip("a process of its own has no stand-in")
    data = TensorDataset(framework.arange(12.0).reshape(6, 2), framework.arange(6))
    loader = DataLoader(data, batch_size=4, pin_memory=True, num_workers=workers, multiprocessing_context=context)
    rows = []
    for x, y in loader:
        assert x.is_pinned() and y.is_pinned()
        if gpu.waits is not None:
            gpu.waits.clear()
        moved = x.to(gpu.device, non_blocking=True)
        assert gpu.waits is None or not gpu.waits
        rows += moved.tolist()
    assert rows == framework.arange(12.0).reshape(6, 2).tolist()
    assert not any(pinned(list(DataLoader(data))))


@pytest.mark.parametrize("workers", [0, 2])
def test_containers_keep_their_form(gpu: Any, workers: int) -> None:
    (batch,) = DataLoader(Nested(), batch_size=6, pin_memory=True, num_workers=workers)
    assert type(batch["pair"]) is Pair and batch["name"] == [str(i) for i in range(6)]
    assert pinned(batch) == [True] * 3 and batch["pair"].y.tolist() == [0, 1, 2, 3, 4, 5]
    assert all(t.is_pinned() for t in DataLoader(Numbers(), batch_size=2, pin_memory=True, num_workers=workers))
    (own,) = DataLoader(
        TensorDataset(framework.ones(2)), batch_size=2, collate_fn=lambda b: Own([t for (t,) in b]), pin_memory=True
    )
    assert own.pins == 1


def test_a_loop_over_batches_trains_on_the_gpu(gpu: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3)).astype(np.float32)
    y = (x @ np.array([[1.0], [-2.0], [0.5]], np.float32)).astype(np.float32)
    loader = DataLoader(
        TensorDataset(framework.tensor(x), framework.tensor(y)), 16, shuffle=True, pin_memory=True, num_workers=2
    )
    model = framework.nn.Linear(3, 1).to(gpu.device)
    optimizer = framework.optim.SGD(model.parameters(), lr=0.3)
    for _ in range(8):
        for a, b in loader:
            loss = ((model(a.to(gpu.device, non_blocking=True)) - b.cuda(non_blocking=True)) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert loss.item() < 1e-3
    assert model.weight.detach().cpu().numpy() == pytest.approx(np.array([[1.0, -2.0, 0.5]]), abs=0.05)
