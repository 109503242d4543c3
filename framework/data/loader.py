"""The loader: batches of a dataset, made ahead of time by workers."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from framework.cuda.gpus import is_available
from framework.data.collate import default_collate, default_convert, pinned
from framework.data.dataset import IterableDataset
from framework.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from framework.data.worker import Exhausted, Recipe, WorkerError, Workers, fetch, stream
from framework.errors import ArgumentError
from framework.random import default_generator


class _Endless(Sampler):
    """The sampler of a stream: it says nothing but "the next"."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader:
    """Batches of a dataset, one pass each time it is iterated over.

    Workers are **threads** unless ``multiprocessing_context`` says otherwise: Pillow and NumPy let go of the interpreter
    lock where their time goes, and threads share the dataset and cost no start-up. For pure-Python transforms
    ask for processes with ``multiprocessing_context="spawn"``.

    Randomness inside ``dataset[i]`` is keyed by the pass and the sample, so it does not depend on the number of workers.
    ``state_dict()`` between two batches, given to ``load_state_dict()`` of a loader made alike, makes its next
    pass go on with the batch that would have come.

    Args:
        dataset: map-style or iterable.
        batch_size: samples a batch; None gives single samples.
        shuffle: a new random order each pass.
        sampler: the order of samples; excludes ``shuffle``.
        batch_sampler: lists of sample numbers; excludes the four arguments before it and ``drop_last``.
        num_workers: workers that make batches ahead; 0 makes them when asked.
        collate_fn: joins a list of samples; ``default_collate`` unless given.
        pin_memory: put batches into page-locked memory, in the workers where these are threads, so that
            ``batch.to("cuda", non_blocking=True)`` copies while the host goes on. Without a GPU a warning says that it
            changes nothing.
        drop_last: leave out a last batch that is short.
        timeout: seconds to wait for a batch from the workers; 0 waits for ever.
        worker_init_fn: called in each worker with its number, before its first batch.
        multiprocessing_context: None or "thread" for threads; "spawn", "forkserver", "fork" or a context for processes.
        generator: where passes draw their seeds; the default generator unless given.
        prefetch_factor: batches that each worker makes ahead; 2 unless given.
        persistent_workers: keep the workers from one pass to the next.
        in_order: give batches in the sampler's order; else as they come.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        self._refuse(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.iterable = isinstance(dataset, IterableDataset)
        if self.iterable:
            if shuffle or sampler is not None or batch_sampler is not None:
                raise ArgumentError(
                    "DataLoader: an IterableDataset decides its own order: leave out shuffle, sampler and batch_sampler"
                )
        elif sampler is not None and shuffle:
            raise ArgumentError("DataLoader: sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ArgumentError(
                    "DataLoader: batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ArgumentError(
                "DataLoader: batch_size=None gives single samples and is mutually exclusive with drop_last"
            )
        if sampler is None:
            if self.iterable:
                sampler = _Endless()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn or (default_collate if batch_sampler is not None else default_convert)
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._workers: Workers | None = None
        self._passes = 0
        self._progress: _Progress | None = None
        self._resume: dict[str, Any] | None = None

    @staticmethod
    def _refuse(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
        if num_workers < 0:
            raise ArgumentError("DataLoader: num_workers option should be non-negative; use num_workers=0 for none")
        if timeout < 0:
            raise ArgumentError("DataLoader: timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ArgumentError("DataLoader: prefetch_factor needs workers: set num_workers > 0")
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ArgumentError("DataLoader: prefetch_factor option should be positive")
        if num_workers == 0 and persistent_workers:
            raise ArgumentError("DataLoader: persistent_workers option needs num_workers > 0")

    def __len__(self) -> int:
        if not self.iterable:
            return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)
        total = len(self.dataset)
        if self.batch_size is None:
            return total
        return total // self.batch_size if self.drop_last else -(-total // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        current = _Pass(self, self._resume)
        self._resume = None
        self._progress = current.progress
        return current

    def state_dict(self) -> dict[str, Any]:
        """Where the current pass stands: the random state it began with, and how many batches it has given."""
        progress = self._progress
        if self._resume is not None or progress is None or progress.finished:
            return self._resume or {"generator": None, "batches": 0}
        return {"generator": progress.origin, "batches": progress.given}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next pass go on from a state. The skipped batches are not loaded again (a stream is read past)."""
        self._resume = dict(state_dict) if state_dict["generator"] is not None else None

    def _recipe(self) -> Recipe:
        batched = self.batch_sampler is not None
        size = self.batch_size or 1
        collate = self.collate_fn
        if self._pins() and not self._in_processes():
            collate = _Pinning(collate)
        return Recipe(self.dataset, collate, self.iterable, batched, size, self.drop_last, self.worker_init_fn)

    def _in_processes(self) -> bool:
        """Whether batches come from other processes, which can't hand page-locked memory over."""
        return bool(self.num_workers) and self._context() is not None

    def _pins(self) -> bool:
        """Whether batches go into page-locked memory."""
        if self.pin_memory and not is_available():
            warnings.warn(
                "DataLoader: pin_memory is on, but there is no GPU to copy batches to; they stay in ordinary memory",
                stacklevel=4,
            )
            return False
        return self.pin_memory

    def _context(self) -> Any:
        choice = self.multiprocessing_context
        if choice is None or choice == "thread":
            return None
        import multiprocessing  # here, since threads do without it

        return multiprocessing.get_context(choice) if isinstance(choice, str) else choice

    def _open_workers(self, seed: int) -> Workers:
        if self._workers is None:
            workers = Workers(self._recipe(), self.num_workers, self._context(), self.timeout, seed)
            if not self.persistent_workers:
                return workers
            self._workers = workers
            weakref.finalize(self, workers.close)
        return self._workers


class _Pinning:
    """A collate function whose batches go into page-locked memory."""

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: Any) -> Any:
        return pinned(self.collate(samples))


class _Progress:
    """How far a pass has come: what a state is made of. The loader keeps this, not the pass, which keeps the loader."""

    def __init__(self, origin: Any, given: int) -> None:
        self.origin = origin
        self.given = given
        self.finished = False


class _Pass:
    """One pass over the data."""

    def __init__(self, loader: DataLoader, resume: dict[str, Any] | None) -> None:
        self.loader = loader
        generator = loader.generator or default_generator
        now = generator.get_state()
        if resume is not None:
            generator.set_state(resume["generator"])
        self.progress = _Progress(generator.get_state(), 0)
        self.seed = draw_seed(generator) % 2**32
        self.indices = iter(loader.batch_sampler if loader.batch_sampler is not None else loader.sampler)
        if resume is not None:
            generator.set_state(now)
        loader._passes += 1
        self.number = loader._passes
        self.recipe = loader._recipe()
        self.pins = loader._in_processes() and loader._pins()  # on arrival
        self.stream = stream(self.recipe, self.seed) if self.recipe.iterable and not loader.num_workers else None
        self.workers: Workers | None = None
        if loader.num_workers:
            self.workers = loader._open_workers(self.seed)
            self.alive = list(range(loader.num_workers))
            self.sent = self.wanted = 0
            self.waiting: set[int] = set()
            self.ready: dict[int, Any] = {}
            self.exhausted = False
            if not loader.persistent_workers:
                self.close = weakref.finalize(self, self.workers.close)
        if resume is not None:
            self._skip(resume["batches"])

    def __iter__(self) -> _Pass:
        return self

    def __len__(self) -> int:
        return len(self.loader)

    def __next__(self) -> Any:
        try:
            batch = self._next()
        except StopIteration:
            self.progress.finished = True
            if self.workers is not None and not self.loader.persistent_workers:
                self.close()
            raise
        self.progress.given += 1
        return pinned(batch) if self.pins else batch

    def _skip(self, batches: int) -> None:
        for _ in range(batches):
            if self.recipe.iterable:
                self._next()
            else:
                next(self.indices, None)
        self.progress.given = batches

    def _next(self) -> Any:
        if self.workers is not None:
            return self._next_from(self.workers)
        if self.stream is not None:
            return next(self.stream)
        return fetch(self.recipe, next(self.indices), self.seed)

    def _send(self, workers: Workers) -> None:
        """Keep the workers busy, as far ahead as ``prefetch_factor`` allows."""
        ahead = self.loader.num_workers * (self.loader.prefetch_factor or 1)
        while not self.exhausted and self.alive and len(self.waiting) + len(self.ready) < ahead:
            indices = next(self.indices, _NOTHING)
            if indices is _NOTHING:
                self.exhausted = True
                return
            task = (self.number, self.sent, None if self.recipe.iterable else indices, self.seed)
            workers.submit(self.alive[self.sent % len(self.alive)], task)
            self.waiting.add(self.sent)
            self.sent += 1

    def _next_from(self, workers: Workers) -> Any:
        in_order = self.loader.in_order
        while True:
            self._send(workers)
            if not self.waiting and not self.ready:
                raise StopIteration
            while not (self.wanted in self.ready if in_order else self.ready):
                epoch, number, answer = workers.collect()
                if epoch != self.number:
                    continue  # left over from a pass that was broken off
                self.waiting.discard(number)
                self.ready[number] = answer
                if isinstance(answer, Exhausted) and answer.worker in self.alive:
                    self.alive.remove(answer.worker)
            number = self.wanted if in_order else min(self.ready)
            answer = self.ready.pop(number)
            self.wanted = number + 1
            if isinstance(answer, Exhausted):
                continue
            self._send(workers)
            if isinstance(answer, WorkerError):
                answer.reraise()
            return answer


_NOTHING = object()
