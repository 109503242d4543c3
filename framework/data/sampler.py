"""Samplers: the order in which a loader asks for samples. Each draws its seed when iteration starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.random import default_generator

BLOCK = 1024  # numbers drawn at once for samplers with replacement


class Sampler:
    """An iterable of sample numbers."""

    def __init__(self, data_source: Any = None) -> None:
        self.data_source = data_source

    def __class_getitem__(cls, item: Any) -> type:
        return cls

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}: a sampler must define __iter__")


class SequentialSampler(Sampler):
    """0, 1, 2, ..."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


def draw_seed(generator: Any) -> int:
    """A seed for one pass, drawn from the generator given or from the default one."""
    return int((generator or default_generator).numpy.integers(0, 2**63 - 1))


class _Seeded(Sampler):
    """A sampler whose pass follows from one seed; its state is that seed, and the next pass can be made to repeat it."""

    generator: Any
    _seed: int | None = None
    _repeat: int | None = None

    def _start(self) -> np.random.Generator:
        self._seed = draw_seed(self.generator) if self._repeat is None else self._repeat
        self._repeat = None
        return np.random.Generator(np.random.Philox(self._seed))

    def state_dict(self) -> dict[str, Any]:
        """The seed of the pass under way (None before the first)."""
        return {"seed": self._seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next pass repeat the one that the state was taken from."""
        self._repeat = state_dict["seed"]


class RandomSampler(_Seeded):
    """Samples in random order, without replacement unless asked.

    Args:
        data_source: the data set.
        replacement: draw with replacement.
        num_samples: how many to draw in a pass; the data set's length unless given.
        generator: where a pass draws its seed; the default generator unless given.
    """

    def __init__(
        self, data_source: Any, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement should be a boolean value, but got {replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(self.num_samples, int) or self.num_samples < 0:
            raise ArgumentError(f"RandomSampler: num_samples should be a non-negative integer, but got {num_samples!r}")

    @property
    def num_samples(self) -> int:
        """How many samples a pass draws."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        rng, total = self._start(), len(self.data_source)
        blocks: Iterator[Any]
        if self.replacement:
            blocks = (rng.integers(0, total, BLOCK) for _ in itertools.count())
        else:
            blocks = (rng.permutation(total) for _ in itertools.count()) if total else iter(())
        return itertools.islice((int(i) for block in blocks for i in block), self.num_samples)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(_Seeded):
    """The given sample numbers in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = self._start().permutation(len(self.indices))
        return iter([self.indices[i] for i in order])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(_Seeded):
    """Sample numbers drawn with probabilities proportional to ``weights`` (which need not sum to 1)."""

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ArgumentError(f"WeightedRandomSampler: num_samples should be a positive integer, got {num_samples!r}")
        if not isinstance(replacement, bool):
            raise TypeError(f"WeightedRandomSampler: replacement should be a boolean value, but got {replacement!r}")
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1:
            raise ArgumentError(f"WeightedRandomSampler: weights should be 1-d, got shape {self.weights.shape}")
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        shares = self.weights / self.weights.sum()
        chosen = self._start().choice(len(shares), self.num_samples, self.replacement, shares)
        return iter(chosen.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of ``batch_size`` numbers from another sampler; the last may be shorter unless ``drop_last``."""

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ArgumentError(f"BatchSampler: batch_size should be a positive integer value, but got {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise TypeError(f"BatchSampler: drop_last should be a boolean value, but got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        source = iter(self.sampler)  # here, so that a seed is drawn when the pass starts
        return self._batches(source)

    def _batches(self, source: Iterator[int]) -> Iterator[list[int]]:
        while batch := list(itertools.islice(source, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (0 if self.drop_last else rest > 0)


class DistributedSampler(Sampler):
    """This process's share of the samples, the same permutation in every process; call ``set_epoch`` before each pass.

    Args:
        dataset: the data set.
        num_replicas: the number of processes.
        rank: this process's number.
        shuffle: permute; else in order.
        seed: the same in every process.
        drop_last: drop what does not divide evenly, rather than repeat samples to fill up.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.num_replicas = 1 if num_replicas is None else num_replicas
        self.rank = 0 if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ArgumentError(f"DistributedSampler: invalid rank {rank}, should be in [0, {self.num_replicas - 1}]")
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0
        total, parts = len(dataset), self.num_replicas
        self.num_samples = total // parts if drop_last else math.ceil(total / parts)
        self.total_size = self.num_samples * parts

    def __iter__(self) -> Iterator[int]:
        total = len(self.dataset)
        if self.shuffle:
            order = np.random.Generator(np.random.Philox(self.seed + self.epoch)).permutation(total).tolist()
        else:
            order = list(range(total))
        if not self.drop_last and order:
            order = list(itertools.islice(itertools.cycle(order), self.total_size))
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of a pass."""
        self.epoch = epoch


class LengthBucketSampler(_Seeded):
    """Batches of samples of like length, so that padding is short: lists for ``batch_sampler=``.

    Args:
        lengths: of every sample.
        batch_size: samples a batch.
        bucket_batches: how many batches' samples are sorted together; more gives shorter padding and less randomness.
        shuffle: draw the order anew each pass.
        drop_last: leave out the last batch if it is short.
        generator: where a pass draws its seed.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        bucket_batches: int = 50,
        shuffle: bool = True,
        drop_last: bool = False,
        generator: Any = None,
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.bucket_batches = bucket_batches
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.generator = generator

    def __iter__(self) -> Iterator[list[int]]:
        total, size = len(self.lengths), self.batch_size
        rng = self._start() if self.shuffle else None
        order = np.arange(total) if rng is None else rng.permutation(total)
        span = size * self.bucket_batches
        batches = []
        for start in range(0, total, span):
            part = order[start : start + span]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[i : i + size].tolist() for i in range(0, len(part), size)]
        if self.drop_last:
            batches = [b for b in batches if len(b) == size]
        if rng is not None:
            batches = [batches[i] for i in rng.permutation(len(batches))]
        return iter(batches)

    def __len__(self) -> int:
        total, span = len(self.lengths), self.batch_size * self.bucket_batches
        spans = [min(span, total - start) for start in range(0, total, span)]
        return sum(n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size) for n in spans)
