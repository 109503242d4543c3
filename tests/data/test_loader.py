"""The loader: order, workers, seeds, errors, resuming."""

from __future__ import annotations

import gc
import threading
import time

import pytest

import framework as F
from framework.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info


class Noisy(Dataset):
    """Samples with random numbers, as augmentation draws them."""

    def __init__(self, n=23):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index, F.rand(2)


class Counting(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(start, self.n, step))


class Broken(Noisy):
    def __getitem__(self, index):
        if index == 7:
            raise KeyError("sample seven is broken")
        return index


class Slow(Noisy):
    def __getitem__(self, index):
        time.sleep(5)


def passes(workers, count=2, **options):
    F.manual_seed(3)
    loader = DataLoader(Noisy(), 4, shuffle=True, num_workers=workers, **options)
    return [(i.tolist(), r.tolist()) for _ in range(count) for i, r in loader]


def test_batches_in_order():
    assert [b.tolist() for b in DataLoader(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [b.tolist() for b in DataLoader(range(7), 3, drop_last=True)] == [[0, 1, 2], [3, 4, 5]]
    assert list(DataLoader(["a", "b"], None)) == ["a", "b"]
    assert [b.tolist() for b in DataLoader(range(6), batch_sampler=[[5, 0], [1]])] == [[5, 0], [1]]
    assert len(DataLoader(range(7), 3)) == 3


def test_the_same_run_for_any_number_of_workers():
    expected = passes(0)
    assert passes(1) == expected and passes(4) == expected
    assert passes(2, persistent_workers=True) == expected
    assert expected[:6] != expected[6:]  # another pass, other numbers


@pytest.mark.slow
def test_spawned_processes_give_the_same_run():
    assert passes(2, multiprocessing_context="spawn") == passes(0)


def test_a_stream_is_shared_by_the_workers():
    assert [b.tolist() for b in DataLoader(Counting(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    for workers in (1, 2, 3):
        values = [v for b in DataLoader(Counting(20), 3, num_workers=workers) for v in b.tolist()]
        assert sorted(values) == list(range(20))
    again = DataLoader(Counting(5), 2, num_workers=2, persistent_workers=True)
    assert sorted(v for b in again for v in b.tolist()) == sorted(v for b in again for v in b.tolist())


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_carry_the_workers_traceback(workers):
    loader = DataLoader(Broken(), 4, num_workers=workers)
    with pytest.raises(KeyError) as caught:
        list(loader)
    assert "sample seven is broken" in str(caught.value)
    if workers:
        assert "DataLoader worker" in str(caught.value) and "__getitem__" in str(caught.value)


def test_a_time_out_is_an_error():
    with pytest.raises(RuntimeError, match=r"timed out after 0\.2"):
        next(iter(DataLoader(Slow(), 1, num_workers=1, timeout=0.2)))


def test_worker_init_and_info():
    seen = []
    list(DataLoader(Noisy(), 4, num_workers=3, worker_init_fn=lambda n: seen.append((n, get_worker_info().id))))
    deadline = time.monotonic() + 5  # a worker may start after the others have done all the work
    while len(seen) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(seen) == [(0, 0), (1, 1), (2, 2)] and get_worker_info() is None


def test_a_failing_init_is_an_error():
    def fail(_):
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        list(DataLoader(Noisy(), 4, num_workers=1, worker_init_fn=fail))


def test_workers_end_with_their_pass():
    before = threading.active_count()
    list(DataLoader(Noisy(), 4, num_workers=3))
    broken_off = iter(DataLoader(Noisy(), 4, num_workers=3))
    next(broken_off)
    del broken_off
    gc.collect()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_pass_broken_off_does_not_leak_into_the_next():
    loader = DataLoader(Noisy(), 4, num_workers=2, persistent_workers=True)
    next(iter(loader))
    assert [v for i, _ in loader for v in i.tolist()] == list(range(23))


def test_out_of_order_gives_every_batch_once():
    values = [v for i, _ in DataLoader(Noisy(), 4, num_workers=3, in_order=False) for v in i.tolist()]
    assert sorted(values) == list(range(23))


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("taken", [0, 1, 4, 6])
def test_resuming_in_mid_pass_gives_what_would_have_come(workers, taken):
    def batch(item):
        return item[0].tolist(), item[1].tolist()

    F.manual_seed(0)
    loader = DataLoader(Noisy(), 4, shuffle=True, num_workers=workers)
    expected = [batch(b) for _ in range(3) for b in loader]

    F.manual_seed(0)
    loader = DataLoader(Noisy(), 4, shuffle=True, num_workers=workers)
    got = [batch(b) for b in loader]
    source = iter(loader)
    got += [batch(next(source)) for _ in range(taken)]
    if taken == 6:
        assert next(source, None) is None
    state, random = loader.state_dict(), F.get_rng_state()
    del source

    F.manual_seed(99)
    fresh = DataLoader(Noisy(), 4, shuffle=True, num_workers=workers)
    fresh.load_state_dict(state)
    F.set_rng_state(random)
    got += [batch(b) for b in fresh]
    while len(got) < len(expected):
        got += [batch(b) for b in fresh]
    assert got == expected


def test_generator_decides_the_order():
    orders = []
    for _ in range(2):
        loader = DataLoader(range(50), 50, shuffle=True, generator=F.Generator().manual_seed(7))
        orders.append(next(iter(loader)).tolist())
    assert orders[0] == orders[1] != list(range(50))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "non-negative"),
        ({"timeout": -1}, "timeout"),
        ({"prefetch_factor": 2}, "num_workers > 0"),
        ({"persistent_workers": True}, "num_workers > 0"),
        ({"shuffle": True, "sampler": [0]}, "mutually exclusive"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "mutually exclusive"),
        ({"batch_size": 0}, "positive integer"),
    ],
)
def test_refused_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(range(5), **options)


def test_memory_does_not_grow_over_passes():
    loader = DataLoader(Noisy(64), 8, num_workers=2, persistent_workers=True)
    for _ in range(3):
        list(loader)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        list(loader)
    gc.collect()
    assert len(gc.get_objects()) < before + 200
