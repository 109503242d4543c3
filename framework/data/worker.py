"""Loader workers: what one does, and the two ways to run them, in threads and in spawned processes."""

from __future__ import annotations

import contextlib
import queue
import random
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.kernels import threads
from framework.random import keyed, manual_seed

STOP = None  # the task that ends a worker


@dataclass(frozen=True)
class WorkerInfo:
    """What ``get_worker_info()`` tells a worker: its number, how many there are, its seed, and its dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: ContextVar[WorkerInfo | None] = ContextVar("framework.data.worker", default=None)

get_worker_info = _info.get


_END = object()


class Exhausted:
    """The answer of a worker whose stream has ended."""

    def __init__(self, worker: int) -> None:
        self.worker = worker


class WorkerError:
    """An exception on its way from a worker, with its traceback in words."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.kind = type(error)
        self.text = "".join(traceback.format_exception(error))
        self.where = where
        self.brief = str(error)

    def reraise(self) -> None:
        """Raise the exception again, of its class where that takes one message."""
        message = f"Caught {self.kind.__name__} in {self.where}.\nOriginal {self.text}"
        try:
            error = self.kind(_Literal(message))  # KeyError shows the repr of its message
        except Exception:
            error = RuntimeError(message)
        error.brief = self.brief  # type: ignore[attr-defined]  # the message alone, for programs that show one line
        raise error


class _Literal(str):
    """A text whose repr is itself."""

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Recipe:
    """Everything a worker needs to make batches."""

    dataset: Any
    collate: Callable[[Any], Any]
    iterable: bool
    batched: bool
    batch_size: int
    drop_last: bool
    init: Callable[[int], None] | None


def fetch(recipe: Recipe, indices: Any, seed: int) -> Any:
    """One batch of a map-style dataset (or one sample, unbatched), each sample under its own random stream."""
    dataset = recipe.dataset
    if not recipe.batched:
        with keyed(seed, _number(indices)):
            return recipe.collate(dataset[indices])
    if hasattr(dataset, "__getitems__"):
        with keyed(seed, _number(indices[0])):
            samples = dataset.__getitems__(indices)
    else:
        samples = []
        for index in indices:
            with keyed(seed, _number(index)):
                samples.append(dataset[index])
    with keyed(seed, _number(indices[0]), 1):  # MixUp and its like draw in collate
        return recipe.collate(samples)


def _number(index: Any) -> int:
    return int(index) % 2**32 if isinstance(index, int) or hasattr(index, "__index__") else hash(str(index)) % 2**32


def stream(recipe: Recipe, seed: int) -> Iterator[Any]:
    """The batches of an iterable dataset."""
    number = 0
    with keyed(seed):
        samples = iter(recipe.dataset)
    while True:
        batch: list[Any] = []
        while len(batch) < (recipe.batch_size if recipe.batched else 1):
            with keyed(seed, number):
                try:
                    batch.append(next(samples))
                except StopIteration:
                    break
            number += 1
        if not batch or (recipe.batched and recipe.drop_last and len(batch) < recipe.batch_size):
            return
        with keyed(seed, number, 1):
            joined = recipe.collate(batch if recipe.batched else batch[0])
        yield joined


def serve(tasks: Any, results: Any, recipe: Recipe, number: int, count: int, seed: int) -> None:
    """A worker's life: take a task, answer it, until told to stop.

    A task is (pass number, batch number, sample numbers, seed); the sample numbers are None for a stream.
    """
    where = f"DataLoader worker {number}"
    batches: Iterator[Any] | None = None
    current = -1
    failure = None
    _info.set(WorkerInfo(number, count, seed + number, recipe.dataset))
    threads.limit(1)  # the cores are the training loop's
    try:
        if recipe.init is not None:
            recipe.init(number)
    except Exception as error:
        failure = WorkerError(error, where)
    while (task := tasks.get()) is not STOP:
        epoch, batch, indices, seed = task
        try:
            if epoch != current:
                current, batches = epoch, None
                _info.set(WorkerInfo(number, count, seed + number, recipe.dataset))
            if failure is not None:
                answer: Any = failure
            elif recipe.iterable:
                batches = batches or stream(recipe, seed + number)
                answer = next(batches, _END)
                answer = Exhausted(number) if answer is _END else answer
            else:
                answer = fetch(recipe, indices, seed)
        except Exception as error:
            answer = WorkerError(error, where)
        results.put((epoch, batch, answer))


def serve_process(tasks: Any, results: Any, recipe: Recipe, number: int, count: int, seed: int) -> None:
    """``serve`` in a process of its own: Ctrl-C is the parent's to handle, and global generators get seeds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    random.seed(seed + number)
    np.random.seed((seed + number) % 2**32)
    manual_seed(seed + number)
    serve(tasks, results, recipe, number, count, seed)


class Workers:
    """A set of running workers: one results queue, and a tasks queue for all or (streams) for each."""

    def __init__(self, recipe: Recipe, count: int, context: Any, timeout: float, seed: int) -> None:
        self.count = count
        self.timeout = timeout
        self.context = context
        make: Any = queue.SimpleQueue if context is None else context.Queue
        self.results = make()
        self.tasks = [make() for _ in range(count)] if recipe.iterable else [make()] * count
        self.members: list[Any] = []
        for number in range(count):
            arguments = (self.tasks[number], self.results, recipe, number, count, seed)
            if context is None:
                member: Any = threading.Thread(target=serve, args=arguments, daemon=True, name=f"loader-{number}")
            else:
                member = context.Process(target=serve_process, args=arguments, daemon=True)
            member.start()
            self.members.append(member)

    def submit(self, worker: int, task: Any) -> None:
        """Hand a task to a worker (to whichever is free, for map-style data)."""
        self.tasks[worker].put(task)

    def collect(self) -> Any:
        """The next answer, from whichever worker has one.

        Raises:
            RuntimeError: none came within ``timeout`` seconds, or a worker process died.
        """
        waited = 0.0
        while True:
            step = 5.0 if not self.timeout else min(5.0, self.timeout - waited)
            try:
                return self.results.get(timeout=step)
            except queue.Empty:
                waited += step
            dead = [str(m.pid) for m in self.members if self.context is not None and not m.is_alive()]
            if dead:
                raise RuntimeError(
                    f"DataLoader: worker process(es) {', '.join(dead)} exited unexpectedly; run with num_workers=0 to see why"
                )
            if self.timeout and waited >= self.timeout:
                raise RuntimeError(f"DataLoader: timed out after {self.timeout} seconds waiting for a batch")

    def close(self) -> None:
        """Stop the workers. Threads end after the batch they are on; processes are ended."""
        for number in range(self.count):
            with contextlib.suppress(OSError, ValueError):
                self.tasks[number].put(STOP)
        if self.context is None:
            return
        for member in self.members:
            member.join(timeout=1)
            if member.is_alive():
                member.terminate()
                member.join(timeout=5)
        for q in [self.results, *self.tasks]:
            q.close()
            q.cancel_join_thread()
