"""Files of weights as memory: mapped, so that nothing is read before it is needed, and never written back."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from framework import devices
from framework.errors import DeviceError
from framework.io import FileFormatError
from framework.tensor import Tensor, wrap
from hub.reading.machine import Refusal

_ALIGNMENT = 8  # of the elements of any dtype; memory that lies otherwise is copied
_LITTLE = np.dtype("<u2").isnative


class Mapped:
    """A file's bytes as memory that is private: writing to it changes no file.

    The file must not be written in place while the memory is in use; a new one renamed over it does no harm.

    Args:
        path: the file.

    Attributes:
        bytes: all of it, as uint8.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is no regular file, or empty.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if not os.path.exists(self.path):
            raise FileNotFoundError(f"load_state_dict: there is no file {self.path!r}")
        if not os.path.isfile(self.path):
            raise FileFormatError(f"{self.path}: not a file; give a file of weights, or a folder that holds one")
        with open(self.path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise FileFormatError(f"{self.path}: the file is empty; download it again")
            self.memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.bytes = np.frombuffer(self.memory, np.uint8)

    def __len__(self) -> int:
        return len(self.bytes)

    def head(self, count: int) -> bytes:
        """The first bytes."""
        return self.memory[:count]

    def piece(self, start: int, size: int, what: str) -> np.ndarray[Any, Any]:
        """The bytes at a place, mapped where they are aligned and copied where not.

        Raises:
            Refusal: the file ends before them.
        """
        if start < 0 or size < 0 or start + size > len(self.bytes):
            raise Refusal(
                f"{what} of {size} bytes at {start}, while the file has {len(self.bytes)}: it is cut short or altered"
            )
        found = self.bytes[start : start + size]
        return found.copy() if start % _ALIGNMENT else found


def elements(data: np.ndarray[Any, Any], kind: np.dtype[Any], swapped: bool = False) -> np.ndarray[Any, Any]:
    """Bytes as elements of a type, in the machine's own byte order.

    Args:
        data: uint8.
        kind: the type.
        swapped: whether the bytes of each number are in the other order, which costs a copy.
    """
    found = data[: len(data) // kind.itemsize * kind.itemsize]
    if swapped and kind.itemsize > 1:
        width = kind.itemsize // (2 if kind.kind == "c" else 1)
        found = found.view(f"u{width}").byteswap().view(np.uint8)
    return found.view(kind)


def foreign(order: str) -> bool:
    """Whether numbers of a byte order, "little" or "big", have to be swapped on this machine."""
    return (order == "little") != _LITTLE


def tensor_of(array: np.ndarray[Any, Any], device: Any) -> Tensor:
    """A tensor over an array, on a device."""
    return wrap(devices.move(array, devices.device(device)))


@contextlib.contextmanager
def refusing(where: str) -> Iterator[None]:
    """Turn whatever a strange file brings about into one error that names it.

    Args:
        where: what to call the file.

    Raises:
        FileFormatError: in place of anything that goes wrong in the block, but for a file that is missing, a device that is
            absent, and memory that runs out.
    """
    try:
        yield
    except (FileNotFoundError, DeviceError, MemoryError):
        raise
    except FileFormatError as error:
        raise (error if where in str(error) else FileFormatError(f"{where}: {error}")) from None
    except Refusal as refusal:
        raise FileFormatError(
            f"{where}: refused, since the file holds {refusal}; only tensors, arrays and plain data are read, "
            "such as a model's state_dict()"
        ) from None
    except Exception as error:  # a broken stream can fail in any way inside a reader
        problem = f"{type(error).__name__}: {str(error)[:200]}"
        raise FileFormatError(f"{where}: the file is broken ({problem}); download or save it again") from None
