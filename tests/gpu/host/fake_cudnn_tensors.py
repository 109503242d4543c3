"""What the graphs of the stand-in for ``cudnn`` are made of: its enumerations, and tensors in memory or computed."""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np


class data_type(enum.Enum):
    NOT_SET, FLOAT, HALF, BFLOAT16, INT64 = range(5)


class heur_mode(enum.Enum):
    A, B, FALLBACK = range(3)


class build_plan_policy(enum.Enum):
    HEURISTICS_CHOICE, ALL = range(2)


class numerical_note(enum.Enum):
    TENSOR_CORE, NONDETERMINISTIC = range(2)


class norm_forward_phase(enum.Enum):
    NOT_SET, INFERENCE, TRAINING = range(3)


class diagonal_alignment(enum.Enum):
    TOP_LEFT, BOTTOM_RIGHT = range(2)


class attention_implementation(enum.Enum):
    AUTO = 0


class convolution_mode(enum.Enum):
    CROSS_CORRELATION = 2


class tensor_reordering(enum.Enum):
    NONE = 0


class cudnnGraphNotSupportedError(RuntimeError):
    pass


TYPES = {
    data_type.FLOAT: np.dtype(np.float32), data_type.HALF: np.dtype(np.float16),
    data_type.BFLOAT16: np.dtype(ml_dtypes.bfloat16), data_type.INT64: np.dtype(np.int64),
}  # fmt: skip
NOT_SET, PLAIN = data_type.NOT_SET, tensor_reordering.NONE


def memory(address: int, dims: list[int], strides: list[int], dtype: Any) -> Any:
    """The array of these dims that lies at an address."""
    span = 1 + sum(step * (n - 1) for n, step in zip(dims, strides, strict=True))
    raw = np.frombuffer((ctypes.c_uint8 * (span * dtype.itemsize)).from_address(address), dtype)
    return np.lib.stride_tricks.as_strided(raw, dims, [step * dtype.itemsize for step in strides])


class tensor:
    """A tensor of a graph: read from memory, or computed."""

    def __init__(self, compute: Callable[[Any], Any] | None = None) -> None:
        self.dims: list[int] | None = None
        self.strides: list[int] | None = None
        self.kind, self.uid, self.written, self.by_value = NOT_SET, 0, False, False
        self.compute = compute

    def set_uid(self, uid: int) -> tensor:
        self.uid = uid
        return self

    def set_output(self, written: bool) -> tensor:
        self.written = written
        return self

    def set_dim(self, dims: list[int]) -> tensor:
        self.dims = dims
        return self

    def set_stride(self, strides: list[int]) -> tensor:
        self.strides = strides
        return self

    def set_data_type(self, kind: data_type) -> tensor:
        self.kind = kind
        return self

    def get_uid(self) -> int:
        return self.uid

    def at(self, address: int) -> Any:
        """What lies at the address that the tensor was given."""
        return memory(address, self.dims or [], self.strides or [], TYPES[self.kind])


class Run:
    """The values of one run, each computed once."""

    def __init__(self, addresses: dict[int, int]) -> None:
        self.addresses, self.values = addresses, {}

    def __call__(self, source: tensor) -> Any:
        if id(source) not in self.values:
            if source.compute is not None:
                value = source.compute(self)
            else:
                value = source.at(self.addresses[source.uid])
                value = value.astype(np.float32) if value.dtype != np.int64 else value
            self.values[id(source)] = value
        return self.values[id(source)]


def several(count: int, compute: Callable[[Any], Any]) -> list[tensor]:
    """The results of a step that gives several."""
    whole = tensor(compute)
    return [tensor(lambda run, place=place: run(whole)[place]) for place in range(count)]
