"""Our CUDA sources, each compiled by NVRTC for the types it is asked for, when a kernel of it is first wanted.

A source is plain text with macros where its types stand: ``kernel("softmax", "softmax", T="float")`` compiles
``source/softmax.cu`` with ``T`` defined as ``float``. What is compiled is one text: ``common.cuh``, the macros (after
it, since CUDA's own headers and templates use such names), and the source with what it includes of ours spliced in.
CuPy's cache on disk knows a kernel by its text, and would not see a change in another file. A line of the source that
starts with ``// compiled with:`` says which values the macros take, so that all can be compiled where there is no GPU.

CuPy compiles with ``-ftz=true``: float32 numbers below 1.2e-38, in which bfloat16 is computed too, count as 0.

    Not yet run on a GPU: compiled, and checked on the host (tests/gpu).
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from framework import dtypes

SOURCES = Path(__file__).parent / "source"
BYTES = 16  # what one access of a thread moves at most
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)

CTYPES: dict[np.dtype[Any], str] = {
    dtypes.bool_.numpy: "bool",
    dtypes.uint8.numpy: "unsigned char",
    dtypes.int8.numpy: "signed char",
    dtypes.int16.numpy: "short",
    dtypes.uint16.numpy: "unsigned short",
    dtypes.int32.numpy: "int",
    dtypes.uint32.numpy: "unsigned int",
    dtypes.int64.numpy: "long long",
    dtypes.uint64.numpy: "unsigned long long",
    dtypes.float16.numpy: "__half",
    dtypes.bfloat16.numpy: "__nv_bfloat16",
    dtypes.float32.numpy: "float",
    dtypes.float64.numpy: "double",
}  # what CUDA calls an element type
_FLOAT32 = dtypes.float32.numpy
FLOATS = (*dtypes.HALF, dtypes.float32.numpy, dtypes.float64.numpy)


def why_not() -> str | None:
    """None if the kernels can be compiled here, else why not, in words."""
    return None if "cupy" in sys.modules or find_spec("cupy") is not None else "CuPy is not installed"


@cache
def text(file: str, defines: tuple[tuple[str, Any], ...] = ()) -> str:
    """What is compiled for a source and these macros."""
    seen = {"common.cuh"}

    def spliced(match: re.Match[str]) -> str:
        name = match[1]
        if name in seen:
            return ""
        seen.add(name)
        return _INCLUDE.sub(spliced, (SOURCES / name).read_text())

    macros = "\n".join(f"#define {name} {value}" for name, value in defines)
    body = _INCLUDE.sub(spliced, (SOURCES / f"{file}.cu").read_text())
    return f"{(SOURCES / 'common.cuh').read_text()}\n{macros}\n{body}"


@cache
def headers() -> str | None:
    """The folder of CUDA's own headers (cuda_fp16.h, cuda_bf16.h); None leaves it to CuPy to find them."""
    if find_spec("cuda") is None:
        return None
    return import_module("cuda.pathfinder").find_nvidia_header_directory("cudart")


@cache
def module(file: str, defines: tuple[tuple[str, Any], ...]) -> Any:
    """A source with these macros defined, as CuPy's module; each device that uses it loads its own."""
    found = headers()
    options = ("--std=c++17", *([f"-I{found}"] if found else []))
    return import_module("cupy").RawModule(code=text(file, defines), options=options)


@cache
def kernel(file: str, name: str, /, **defines: Any) -> Any:
    """A kernel of ``source/{file}.cu``, called as ``kernel(grid, block, args, shared_mem=0)``.

    Scalars among its arguments have to be NumPy's, of exactly the types that the kernel declares.

    Args:
        defines: the macros that the source takes, such as ``T="float"``.
    """
    return module(file, tuple(sorted(defines.items()))).get_function(name)


def blocks(count: int, each: int) -> int:
    """How many blocks it takes, if each does so many; at least 1."""
    return -(-count // each) or 1


def aligned(size: int, *arrays: Any) -> bool:
    """Whether arrays begin at multiples of a size in bytes; None stands for any place."""
    return all(array is None or array.data.ptr % size == 0 for array in arrays)


def width(length: int, *arrays: Any) -> int:
    """How many elements of rows of some length an access may move: 16 bytes' worth of the widest array's, or 1."""
    most = BYTES // max(array.itemsize for array in arrays if array is not None)
    return most if length % most == 0 and aligned(BYTES, *arrays) else 1


def alike(a: Any, b: Any) -> bool:
    """Whether two arrays of one shape have their elements in the same order in memory."""
    one, other = a.itemsize, b.itemsize
    if one == other and a.strides == b.strides:
        return True
    return all(n < 2 or s * other == t * one for n, s, t in zip(a.shape, a.strides, b.strides, strict=True))


def in_order_of(x: Any, like: Any) -> Any:
    """x in the memory order of another array that has no gaps: itself or a copy."""
    if alike(x, like):
        return x
    copy = import_module("cupy").empty_like(like, dtype=x.dtype)
    copy[...] = x
    return copy


def real(dtype: Any) -> Any:
    """The dtype that numbers of a floating dtype are computed in."""
    return _FLOAT32 if dtype in dtypes.HALF else dtype
