"""``utils.data``: the loader and its kin under PyTorch's path."""

from typing import Any as _Any

from framework.tensor import missing as _missing
from framework.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    LengthBucketSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    WorkerInfo,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)
from framework.data import dataset, loader as dataloader, sampler
from framework.utils.data import distributed


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.utils.data'", name, globals())
