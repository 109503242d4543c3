"""Data sets, samplers, and the loader."""

from framework.data.collate import default_collate, default_convert
from framework.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from framework.data.loader import DataLoader
from framework.data.sampler import (
    BatchSampler,
    DistributedSampler,
    LengthBucketSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from framework.data.worker import WorkerInfo, get_worker_info
