"""Data sets, samplers and collation."""

from __future__ import annotations

from collections import Counter, namedtuple

import numpy as np
import pytest

import framework as F
from framework.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DistributedSampler,
    IterableDataset,
    LengthBucketSampler,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)


class Stream(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def test_tensor_dataset():
    d = TensorDataset(F.arange(4), F.arange(4) * 10)
    assert [v.item() for v in d[2]] == [2, 20] and len(d) == 4
    with pytest.raises(ValueError, match="lengths differ"):
        TensorDataset(F.zeros(2), F.zeros(3))


def test_concat_chain_stack_subset():
    both = ConcatDataset([range(3), range(10, 12)])
    assert [both[i] for i in range(-1, 5)] == [11, 0, 1, 2, 10, 11] and len(both) == 5
    with pytest.raises(IndexError):
        both[5]
    assert list(ChainDataset([Stream(2), Stream(3)])) == [0, 1, 0, 1, 2]
    assert StackDataset(range(3), range(3, 6))[1] == (1, 4)
    assert StackDataset(a=range(3), b=range(3, 6))[1] == {"a": 1, "b": 4}
    assert [Subset(range(10, 20), [3, 5])[i] for i in range(2)] == [13, 15]
    with pytest.raises(ValueError, match="ChainDataset"):
        ConcatDataset([Stream(1)])


def test_random_split():
    parts = random_split(range(10), [0.7, 0.3], F.Generator().manual_seed(0))
    assert [len(p) for p in parts] == [7, 3]
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    again = random_split(range(10), [7, 3], F.Generator().manual_seed(0))
    assert again[0].indices == parts[0].indices
    with pytest.raises(ValueError, match="sum to 9"):
        random_split(range(10), [5, 4])


def test_random_sampler_is_a_permutation_that_the_seed_decides():
    sampler = RandomSampler(range(100), generator=F.Generator().manual_seed(1))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == list(range(100)) and first != second
    assert first == list(RandomSampler(range(100), generator=F.Generator().manual_seed(1)))
    assert len(list(RandomSampler(range(5), num_samples=12))) == 12
    drawn = list(RandomSampler(range(5), replacement=True, num_samples=1000))
    assert set(drawn) == set(range(5)) and len(drawn) == 1000
    with pytest.raises(ValueError, match="num_samples"):
        RandomSampler(range(5), num_samples=-1)


def test_a_samplers_state_repeats_its_pass():
    sampler = RandomSampler(range(50))
    first = list(sampler)
    state = sampler.state_dict()
    assert list(sampler) != first
    sampler.load_state_dict(state)
    assert list(sampler) == first and list(sampler) != first


def test_weighted_and_subset_samplers():
    counts = Counter(WeightedRandomSampler([0.0, 1.0, 3.0], 4000))
    assert counts[0] == 0 and 2.5 < counts[2] / counts[1] < 3.5
    assert sorted(SubsetRandomSampler([4, 7, 9])) == [4, 7, 9]
    assert sorted(WeightedRandomSampler([1, 1, 1], 3, replacement=False)) == [0, 1, 2]


def test_batches():
    assert list(BatchSampler(SequentialSampler(range(7)), 3, False)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(BatchSampler(SequentialSampler(range(7)), 3, True)) == [[0, 1, 2], [3, 4, 5]]
    assert len(BatchSampler(SequentialSampler(range(7)), 3, False)) == 3
    with pytest.raises(ValueError, match="positive integer"):
        BatchSampler(range(3), 0, False)


def test_distributed_shares_cover_everything():
    shares = [list(DistributedSampler(range(10), 3, rank, seed=5)) for rank in range(3)]
    assert {i for s in shares for i in s} == set(range(10)) and {len(s) for s in shares} == {4}
    one = DistributedSampler(range(10), 2, 0)
    before = list(one)
    one.set_epoch(1)
    assert list(one) != before
    assert len(DistributedSampler(range(10), 3, 0, drop_last=True)) == 3
    with pytest.raises(ValueError, match="rank"):
        DistributedSampler(range(4), 2, 2)


def test_length_buckets_shorten_the_padding():
    lengths = np.random.default_rng(0).integers(1, 100, 1000)
    sampler = LengthBucketSampler(lengths, 10)
    batches = list(sampler)
    assert sorted(i for b in batches for i in b) == list(range(1000)) and len(sampler) == len(batches) == 100
    padded = sum(max(lengths[b]) * len(b) for b in batches)
    assert padded < 1.1 * lengths.sum()


Point = namedtuple("Point", "x y")


def test_collate():
    batch = default_collate([({"a": 1, "b": [1.0, np.float32(2)]}, "s"), ({"a": 2, "b": [3.0, np.float32(4)]}, "t")])
    assert batch[0]["a"].dtype is F.int64 and batch[0]["a"].tolist() == [1, 2]
    assert batch[0]["b"][0].dtype is F.float64 and batch[0]["b"][1].dtype is F.float32 and batch[1] == ["s", "t"]
    assert default_collate([Point(F.zeros(2), True), Point(F.ones(2), False)]).x.shape == (2, 2)
    with pytest.raises(TypeError, match="collate_fn"):
        default_collate([object(), object()])
    with pytest.raises(ValueError, match="differ in shape"):
        default_collate([F.zeros(2), F.zeros(3)])
    with pytest.raises(ValueError, match="equal size"):
        default_collate([[1, 2], [1]])


def test_convert():
    out = default_convert({"a": np.ones(2), "b": [np.float64(1.0), "s"]})
    assert isinstance(out["a"], F.Tensor) and isinstance(out["b"][0], F.Tensor) and out["b"][1] == "s"
