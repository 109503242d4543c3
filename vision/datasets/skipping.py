"""What happens when a sample's image cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework.io import FileFormatError
from hub.dataset_files import chosen

BROKEN = (FileFormatError, OSError)  # what reading a broken, oversized or missing image raises


class Skipper:
    """Reads samples by number; on request those that cannot be read give way to the next that can.

    Args:
        dataset: whose samples they are.
        on_error: "raise" or "skip".

    Attributes:
        broken: the numbers of samples found broken.
    """

    def __init__(self, dataset: object, on_error: str) -> None:
        self.on_error = chosen(dataset, "on_error", on_error, ("raise", "skip"))
        self.broken: set[int] = set()

    def read(self, index: int, total: int, load: Callable[[int], Any]) -> tuple[int, Any]:
        """The number and the image of sample ``index`` of ``total``, or of the next that can be read."""
        index = range(total)[index]
        if self.on_error == "raise":
            return index, load(index)
        for number in (*range(index, total), *range(index)):
            if number not in self.broken:
                try:
                    return number, load(number)
                except BROKEN:
                    self.broken.add(number)
        raise FileFormatError(f"none of the {total} images can be read")
