"""The sampler for several processes, at PyTorch's path."""

from framework.data.sampler import DistributedSampler as DistributedSampler
