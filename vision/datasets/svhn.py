"""Street View House Numbers: digits cut out of photographs of houses."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from framework.io import FileFormatError
from hub import download as fetch
from hub.dataset_files import chosen, require
from vision.datasets.tables import read_mat
from vision.datasets.vision import VisionDataset


class SVHN(VisionDataset):
    """Digits from house numbers, 32 x 32 colour.

    Args:
        root: the folder.
        split: "train" (73,257 pictures), "test" (26,032) or "extra" (531,131, easier).
        transform: applied to the Pillow image.
        target_transform: applied to the digit, 0 to 9 (the files say 10 for 0).
        download: fetch the split's file if it is missing.

    Attributes:
        data: uint8 array (N, 3, 32, 32).
        labels: the digits (N), int64.

    Raises:
        DatasetNotFound: the file is missing, and ``download`` is off.
        FileFormatError: it does not hold pictures and as many labels.

    Reference: Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", 2011,
    http://ufldl.stanford.edu/housenumbers/
    """

    split_list: ClassVar[dict[str, list[str]]] = {  # address, name, md5
        "train": [
            "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            "train_32x32.mat",
            "e26dedcc434d2e4c54c9b2d4a06d8373",
        ],
        "test": [
            "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
            "test_32x32.mat",
            "eb5a983be6a315427106f1b164d9cef3",
        ],
        "extra": [
            "http://ufldl.stanford.edu/housenumbers/extra_32x32.mat",
            "extra_32x32.mat",
            "a93ce644f1a588dc4d68dda5feec44a7",
        ],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = chosen(self, "split", split, self.split_list)
        self.url, self.filename, self.file_md5 = self.split_list[split]
        path = self.root / self.filename
        require(self, [path], self.download if download else None)
        content = read_mat(path, squeeze=False)
        pixels, labels = content.get("X"), content.get("y")
        if pixels is None or labels is None or pixels.shape[:3] != (32, 32, 3) or pixels.dtype != np.uint8:
            raise FileFormatError(f"{path}: not SVHN's pictures X and labels y; download it again")
        if labels.size != pixels.shape[-1] or labels.min() < 0 or labels.max() > 10:
            raise FileFormatError(f"{path}: {pixels.shape[-1]} pictures, and {labels.size} labels not all of 0 to 10")
        self.data = pixels.transpose(3, 2, 0, 1)
        self.labels = labels.reshape(-1).astype(np.int64) % 10

    def download(self) -> None:
        """Fetch the split's file, verified."""
        fetch(self.url, self.root / self.filename, md5=self.file_md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(np.ascontiguousarray(self.data[index].transpose(1, 2, 0)))
        return self._finish(image, int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"
