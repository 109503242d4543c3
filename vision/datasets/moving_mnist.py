"""Moving MNIST: films of two digits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap
from hub import download as fetch
from hub.dataset_files import chosen, reading, require
from vision.datasets.vision import VisionDataset


class MovingMNIST(VisionDataset):
    """10,000 films of 20 frames of 64 x 64, in which two digits cross the picture and bounce. A sample is a film.

    Args:
        root: the folder that holds ``MovingMNIST/mnist_test_seq.npy``.
        split: "train" for the first frames of each film, "test" for the others, None for all.
        split_ratio: how many frames are the first, 1 to 19.
        download: fetch the file if it is missing.
        transform: applied to the film, a uint8 tensor (frames, 1, 64, 64).

    Attributes:
        data: uint8 tensor (films, frames, 1, 64, 64).

    Raises:
        DatasetNotFound: the file is missing, and ``download`` is off.
        FileFormatError: it is broken.

    Reference: Srivastava, Mansimov and Salakhutdinov, "Unsupervised Learning of Video Representations using LSTMs", 2015,
    https://arxiv.org/abs/1502.04681
    """

    _URL: ClassVar[str] = "http://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy"
    _MD5: ClassVar[str] = "be083ec986bfe91a449d63653c411eb2"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = None,
        split_ratio: int = 10,
        download: bool = False,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(root, transform=transform)
        self.split = None if split is None else chosen(self, "split", split, ("train", "test"))
        if not isinstance(split_ratio, int) or not 1 <= split_ratio <= 19:
            raise ArgumentError(f"MovingMNIST: split_ratio must be a whole number from 1 to 19, got {split_ratio!r}")
        self.split_ratio = split_ratio
        self._path = self.root / "MovingMNIST" / "mnist_test_seq.npy"
        require(self, [self._path], self.download if download else None)
        frames = {None: slice(None), "train": slice(split_ratio), "test": slice(split_ratio, None)}[split]
        with reading(self._path, "a NumPy file of frames, films, rows and columns"):
            films = np.load(self._path, mmap_mode="r", allow_pickle=False)
            if films.ndim != 4 or films.dtype != np.uint8:
                raise ValueError(f"it holds {films.dtype} of shape {films.shape}")
            self.data = wrap(np.ascontiguousarray(films[frames].swapaxes(0, 1)[:, :, None]))

    def download(self) -> None:
        """Fetch the file, verified."""
        fetch(self._URL, self._path, md5=self._MD5)

    def __getitem__(self, index: int) -> Tensor:
        film = self.data[index]
        return film if self.transform is None else self.transform(film)

    def __len__(self) -> int:
        return len(self.data)
