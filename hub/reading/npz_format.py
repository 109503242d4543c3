"""NumPy's ``.npz``: a zip archive of arrays, each with its own header."""

from __future__ import annotations

import io
import math
import warnings

import numpy as np

from framework import devices, dtypes
from framework.tensor import Tensor
from hub.reading.files import tensor_of
from hub.reading.machine import Refusal, shown
from hub.reading.standins import check_lengths
from hub.reading.zips import Archive

_SUFFIX = ".npy"
_LONGEST_HEADER = 10_240  # NumPy itself refuses those of more than 10,000
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def is_npz(archive: Archive) -> bool:
    """Whether a zip archive holds arrays and nothing else."""
    return bool(archive.names) and all(name.endswith(_SUFFIX) for name in archive.names)


def read(archive: Archive, device: devices.device) -> dict[str, Tensor]:
    """The arrays by name.

    Raises:
        Refusal: one is broken, or not of numbers.
    """
    return {name.removesuffix(_SUFFIX): _read(archive, name, device) for name in archive.names}


def _read(archive: Archive, name: str, device: devices.device) -> Tensor:
    data = archive.data(name)
    head = io.BytesIO(data[:_LONGEST_HEADER].tobytes())
    version = np.lib.format.read_magic(head)
    if version not in _HEADERS:
        raise Refusal(f"an array in version {version} of NumPy's format")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers that Python 2 wrote are read, with a warning
        shape, fortran, kind = _HEADERS[version](head)
    if kind.newbyteorder("=") not in dtypes.OF_NUMPY:
        raise Refusal(f"the array {shown(name)} of {kind} elements; save numbers")
    check_lengths(f"the array {shown(name)}", shape)
    values = data[head.tell() :]
    if len(values) != math.prod(shape) * kind.itemsize:
        raise Refusal(f"the array {shown(name)} of shape {shape} with {len(values)} bytes")
    found = np.require(values.view(kind), kind.newbyteorder("="), ["A", "W"])
    return tensor_of(found.reshape(shape, order="F" if fortran else "C"), device)
