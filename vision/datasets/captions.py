"""Photographs with captions: Flickr8k, Flickr30k and SBU."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

from hub.archives import download_and_extract_archive
from hub.dataset_files import reading, require
from vision.datasets.folder import default_loader
from vision.datasets.tables import read_lines
from vision.datasets.vision import VisionDataset


class _Captioned(VisionDataset):
    """What the two Flickr data sets share: a file of captions, and a folder of images."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        ann_file: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.ann_file = os.path.expanduser(ann_file)
        require(self, [self.root, self.ann_file], None, "ask for the data set on its page")
        self.annotations = self._read(Path(self.ann_file))
        self.ids = sorted(self.annotations)
        self.loader = loader

    def _read(self, path: Path) -> dict[str, list[str]]:
        """The captions of each image."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        id = self.ids[index]
        return self._finish(self.loader(os.path.join(self.root, id)), self.annotations[id])

    def __len__(self) -> int:
        return len(self.ids)


class _Page(HTMLParser):
    """Reads Flickr8k's web page: a table of links to photographs, each followed by a list of captions."""

    def __init__(self) -> None:
        super().__init__()
        self.captions: dict[str, list[str]] = {}
        self.tag = ""
        self.inside = False
        self.current: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        self.inside = self.inside or tag == "table"

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""
        self.inside = self.inside and tag != "table"

    def handle_data(self, data: str) -> None:
        if not self.inside:
            return
        if data == "Image Not Found":
            self.current = []
        elif self.tag == "a":
            self.current = self.captions[data.split("/")[-2]] = []
        elif self.tag == "li":
            self.current.append(data.strip())


class Flickr8k(_Captioned):
    """8,000 photographs with five captions each.

    Args:
        root: the images' folder.
        ann_file: the web page of captions.
        transform: applied to the image.
        target_transform: applied to the target, a list of captions.
        loader: what makes an image of a path.

    Attributes:
        annotations: the captions by image path.
        ids: the images' paths, sorted.

    Raises:
        DatasetNotFound: the folder, the page or one of its images is missing.

    Reference: Hodosh, Young and Hockenmaier, "Framing Image Description as a Ranking Task", 2013,
    http://hockenmaier.cs.illinois.edu/8k-pictures.html
    """

    def _read(self, path: Path) -> dict[str, list[str]]:
        page = _Page()
        with reading(path, "Flickr8k's web page of captions"):
            page.feed(path.read_text(encoding="utf-8"))
        files: dict[str, str] = {}
        for file in sorted(self.root.glob("*_*.jpg"), reverse=True):  # named by the page's numbers and another
            files[file.name.partition("_")[0]] = os.fspath(file)
        missing = page.captions.keys() - files.keys()
        require(self, (self.root / f"{number}_*.jpg" for number in sorted(missing)), None, "put it there")
        return {files[number]: captions for number, captions in page.captions.items()}


class Flickr30k(_Captioned):
    """31,783 photographs with five captions each.

    Args:
        root: the images' folder.
        ann_file: the list of captions, ``results_20130124.token``.
        transform: applied to the image.
        target_transform: applied to the target, a list of captions.
        loader: what makes an image of a path.

    Attributes:
        annotations: the captions by image name.
        ids: the images' names, sorted.

    Raises:
        DatasetNotFound: the folder or the list is missing.
        FileFormatError: the list is broken.

    Reference: Young et al., "From image descriptions to visual denotations", 2014,
    http://web.engr.illinois.edu/~bplumme2/Flickr30kEntities/
    """

    def _read(self, path: Path) -> dict[str, list[str]]:
        captions: dict[str, list[str]] = defaultdict(list)
        lines = read_lines(path, "a list of captions")
        with reading(path, "a list of captions: name, #, number, tab, caption"):
            for line in lines:
                name, caption = line.split("\t")
                captions[name.rpartition("#")[0]].append(caption)
        return dict(captions)


class SBU(VisionDataset):
    """A million photographs on Flickr with the captions that their owners gave.

    Args:
        root: the folder that holds ``dataset``: the lists of addresses and captions, and the photographs.
        transform: applied to the image.
        target_transform: applied to the caption.
        download: fetch the lists if they are missing; on by default, as in torchvision.
        loader: what makes an image of a path.

    Attributes:
        photos: the names of the photographs that are there.
        captions: their captions.

    Raises:
        DatasetNotFound: the lists are missing, and ``download`` is off.

    Reference: Ordonez, Kulkarni and Berg, "Im2Text: Describing Images Using 1 Million Captioned Photographs", 2011,
    https://www.cs.rice.edu/~vo9/sbucaptions/. Unlike in torchvision, the photographs are not fetched: they have no
    checksums, and many are gone. Fetch those you need into ``root/dataset``.
    """

    url: ClassVar[str] = "https://www.cs.rice.edu/~vo9/sbucaptions/SBUCaptionedPhotoDataset.tar.gz"
    filename: ClassVar[str] = "SBUCaptionedPhotoDataset.tar.gz"
    md5_checksum: ClassVar[str] = "9aec147b3488753cf758b4d493422285"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = True,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        self._folder = self.root / "dataset"
        lists = [self._folder / f"SBU_captioned_photo_dataset_{kind}.txt" for kind in ("urls", "captions")]
        require(self, lists, self.download if download else None)
        with reading(lists[1], "a list of captions, one an address"):
            urls, captions = (path.read_text(encoding="utf-8").splitlines() for path in lists)
            pairs = [(os.path.basename(url.strip()), text.strip()) for url, text in zip(urls, captions, strict=True)]
        there = {entry.name for entry in os.scandir(self._folder)}
        self.photos = [name for name, _ in pairs if name in there]
        self.captions = [caption for name, caption in pairs if name in there]

    def download(self) -> None:
        """Fetch the archive of the lists, verified, and unpack it."""
        download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.md5_checksum)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(self.loader(os.fspath(self._folder / self.photos[index])), self.captions[index])

    def __len__(self) -> int:
        return len(self.photos)
