"""cuBLAS's and cuBLASLt's C interface: the libraries found and loaded, their functions typed, statuses made errors.

The one file that knows the two C APIs. Both libraries come with any installation of CUDA 13 and are found as CuPy finds
them, so that a process has one copy. A thread has a handle of cuBLAS for each device, with a workspace for each stream:
cuBLAS's own workspace is one per handle, and forgotten when the stream changes; one of ours may also be captured in a
graph.

Not yet run on a GPU: the functions and constants were compared with NVIDIA's headers and libraries, and the calls made
on the host with a library of the same interface (tests/gpu).

Reference: https://docs.nvidia.com/cuda/cublas/
"""

from __future__ import annotations

import ctypes
import sys
from collections import OrderedDict
from ctypes import POINTER, Structure, byref, c_float, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from types import ModuleType
from typing import Any

import numpy as np

from framework import dtypes
from framework.kernels.c_library import CLibrary, Found, StatusError
from framework.kernels.per_thread import Handles

WORKSPACE = 32 << 20  # bytes, NVIDIA's advice for the H100; less excludes its fastest algorithms
STREAMS = 8  # whose workspaces a handle keeps
ALIGNED = 256  # bytes; no algorithm asks for addresses that are multiples of more

STATUSES = {
    1: (
        "NOT_INITIALIZED",
        "cuBLAS found no usable GPU; check nvidia-smi, and that the driver is new enough for CUDA 13",
    ),
    3: ("ALLOC_FAILED", "the GPU's memory is full; free some, for instance by framework.cuda.empty_cache()"),
    7: ("INVALID_VALUE", "an argument is out of its range; please report the call"),
    8: ("ARCH_MISMATCH", "the GPU lacks what this element type needs"),
    11: ("MAPPING_ERROR", "the GPU's memory could not be read; please report the call"),
    13: ("EXECUTION_FAILED", "an earlier kernel may have failed; set CUDA_LAUNCH_BLOCKING=1 to see which"),
    14: ("INTERNAL_ERROR", "cuBLAS failed by itself; check that driver and library fit together"),
    15: ("NOT_SUPPORTED", "cuBLAS has no algorithm for these shapes, strides and types; please report the call"),
    16: ("LICENSE_ERROR", "the licence of cuBLAS could not be checked"),
}

# a dtype as cudaDataType, the cublasComputeType_t of its sums, and the cudaDataType and C type of alpha and beta
R_16F, R_16BF, R_32F, R_64F, C_32F, C_64F = 2, 14, 0, 1, 4, 5
COMPUTE_32F, COMPUTE_32F_FAST_TF32, COMPUTE_64F = 68, 77, 70
TYPES: dict[Any, tuple[int, int, int]] = {
    dtypes.float16.numpy: (R_16F, COMPUTE_32F, R_32F),
    dtypes.bfloat16.numpy: (R_16BF, COMPUTE_32F, R_32F),
    dtypes.float32.numpy: (R_32F, COMPUTE_32F, R_32F),
    dtypes.float64.numpy: (R_64F, COMPUTE_64F, R_64F),
    dtypes.complex64.numpy: (C_32F, COMPUTE_32F, C_32F),
    dtypes.complex128.numpy: (C_64F, COMPUTE_64F, C_64F),
}
OP_N, OP_T = 0, 1
DISALLOW_REDUCED_PRECISION_REDUCTION = 16  # of cublasMath_t: partial sums of 16-bit products stay in float32
GEMM_DEFAULT = -1

# cuBLASLt: attributes of a product, of a search for algorithms, and epilogues
TRANS_A, TRANS_B, EPILOGUE, BIAS_POINTER = 3, 4, 7, 8
MAX_WORKSPACE, REDUCTION_SCHEMES, ALIGNMENT_A, ALIGNMENT_B, ALIGNMENT_C, ALIGNMENT_D = 1, 3, 5, 6, 7, 8
IN_PLACE_OR_COMPUTE_TYPE = 3  # reduction schemes: none, in place, in the compute type; not in the output's
EPILOGUE_RELU, EPILOGUE_BIAS, EPILOGUE_GELU, EPILOGUE_BGRADB = 2, 4, 32, 512  # the first three may be or-ed

_H, _P = c_void_p, POINTER(c_void_p)
_MATRIX = (c_void_p, c_int, c_int64)  # address, type, leading dimension
_SIZES = (_H, c_int, c_int, c_int64, c_int64, c_int64)  # handle, two transpositions, m, n, k
BLAS: dict[str, tuple[Any, ...]] = {
    "cublasCreate_v2": (_P,),
    "cublasDestroy_v2": (_H,),
    "cublasSetStream_v2": (_H, c_void_p),
    "cublasSetWorkspace_v2": (_H, c_void_p, c_size_t),
    "cublasSetMathMode": (_H, c_int),
    "cublasGemmEx_64": (*_SIZES, c_void_p, *_MATRIX, *_MATRIX, c_void_p, *_MATRIX, c_int, c_int),
    "cublasGemmStridedBatchedEx_64": (
        *_SIZES, c_void_p, *_MATRIX, c_int64, *_MATRIX, c_int64, c_void_p, *_MATRIX, c_int64, c_int64, c_int, c_int
    ),
    "cublasGemmBatchedEx_64": (*_SIZES, c_void_p, *_MATRIX, *_MATRIX, c_void_p, *_MATRIX, c_int64, c_int, c_int),
}  # fmt: skip


class Choice(Structure):
    """A ``cublasLtMatmulHeuristicResult_t``: an algorithm and what it needs."""

    _fields_ = (
        ("algorithm", c_uint64 * 8), ("workspace", c_size_t), ("state", c_int), ("waves", c_float),
        ("reserved", c_int * 4),
    )  # fmt: skip


LT: dict[str, tuple[Any, ...]] = {
    "cublasLtCreate": (_P,),
    "cublasLtDestroy": (_H,),
    "cublasLtMatmulDescCreate": (_P, c_int, c_int),
    "cublasLtMatmulDescDestroy": (_H,),
    "cublasLtMatmulDescSetAttribute": (_H, c_int, c_void_p, c_size_t),
    "cublasLtMatrixLayoutCreate": (_P, c_int, c_uint64, c_uint64, c_int64),
    "cublasLtMatrixLayoutDestroy": (_H,),
    "cublasLtMatmulPreferenceCreate": (_P,),
    "cublasLtMatmulPreferenceDestroy": (_H,),
    "cublasLtMatmulPreferenceSetAttribute": (_H, c_int, c_void_p, c_size_t),
    "cublasLtMatmulAlgoGetHeuristic": (*(_H,) * 7, c_int, POINTER(Choice), POINTER(c_int)),
    "cublasLtMatmul": (_H, _H, c_void_p, *(c_void_p, _H) * 2, c_void_p, *(c_void_p, _H) * 2, *(c_void_p,) * 2,
                       c_size_t, c_void_p),
}  # fmt: skip
LAUNCHES = {"cublasGemmEx_64", "cublasGemmStridedBatchedEx_64", "cublasGemmBatchedEx_64", "cublasLtMatmul"}


class CublasError(StatusError):
    """A call that cuBLAS or cuBLASLt refused."""

    known = STATUSES


def paths() -> tuple[str, str]:
    """Where libcublas and libcublasLt of CUDA 13 are.

    Raises:
        ImportError: there is no cuda-pathfinder, which comes with CuPy.
        RuntimeError: it finds no such library.
    """
    from cuda.pathfinder import load_nvidia_dynamic_lib

    light = load_nvidia_dynamic_lib("cublasLt").abs_path  # first, since the other asks for it
    return str(load_nvidia_dynamic_lib("cublas").abs_path), str(light)


class Library(CLibrary):
    """The two libraries, loaded. The functions that are called for every product are attributes."""

    error = CublasError

    def __init__(self, blas: str, light: str) -> None:
        super().__init__()
        self.bind(light, LT, LAUNCHES)
        self.bind(blas, BLAS, LAUNCHES)
        self.gemm = self.functions["cublasGemmEx_64"]
        self.gemm_strided = self.functions["cublasGemmStridedBatchedEx_64"]
        self.gemm_batched = self.functions["cublasGemmBatchedEx_64"]
        self.matmul = self.functions["cublasLtMatmul"]
        self.set_attribute = self.functions["cublasLtMatmulDescSetAttribute"]

    def attribute(self, name: str, owner: c_void_p, attribute: int, value: Any) -> None:
        """Set an attribute of a product or a search to a C value."""
        self.call(name, owner, attribute, byref(value), ctypes.sizeof(value))


_found = Found(lambda: Library(*paths()), "pip install nvidia-cublas, of CUDA 13")
library, why_not = _found.library, _found.why_not


class Handle:
    """What a thread needs of cuBLAS and cuBLASLt on a device: two handles, the stream they are set to, workspaces.

    Attributes:
        stream: the stream that both are set to.
        buffer, workspace: that stream's workspace, of ``WORKSPACE`` bytes, and its address.
        fused: the plans that belong to this thread and device, the least recently used first.
    """

    def __init__(self, xp: ModuleType, device: int) -> None:
        self.library = library()
        self.xp, self.device = xp, device
        self.blas = self.library.create("cublasCreate_v2")
        self.light = self.library.create("cublasLtCreate")
        self.library.call("cublasSetMathMode", self.blas, DISALLOW_REDUCED_PRECISION_REDUCTION)
        self.stream: int | None = None
        self.buffer: Any = None
        self.workspace = 0
        self._workspaces: OrderedDict[int, Any] = OrderedDict()
        self.fused: OrderedDict[Any, Any] = OrderedDict()

    def turn_to(self, stream: int) -> None:
        """Let what follows go into a stream. Its memory is freed in the stream's own order, so it may go at any time."""
        buffer = self._workspaces.pop(stream, None)
        if buffer is None:
            buffer = self.xp.empty(WORKSPACE, np.uint8)
            if len(self._workspaces) >= STREAMS:
                self._workspaces.popitem(last=False)
        self._workspaces[stream] = self.buffer = buffer
        self.workspace = buffer.data.ptr
        self.library.call("cublasSetStream_v2", self.blas, stream)
        self.library.call("cublasSetWorkspace_v2", self.blas, self.workspace, WORKSPACE)  # the line above resets it
        self.stream = stream

    def __del__(self) -> None:
        if not sys.is_finalizing():  # by then the driver may have gone
            for name, handle in (("cublasDestroy_v2", "blas"), ("cublasLtDestroy", "light")):
                if hasattr(self, handle):
                    self.library.call(name, getattr(self, handle))


_handles = Handles(Handle)
current = _handles.current


class Search:
    """How cuBLASLt is to look for an algorithm: workspace, no partial sums in 16 bits, the alignment of each operand."""

    def __init__(self, lib: Library, alignments: tuple[int, int, int, int]) -> None:
        self.library = lib
        self.preference = lib.create("cublasLtMatmulPreferenceCreate")
        values = [(MAX_WORKSPACE, c_uint64(WORKSPACE)), (REDUCTION_SCHEMES, c_uint32(IN_PLACE_OR_COMPUTE_TYPE))]
        kinds = (ALIGNMENT_A, ALIGNMENT_B, ALIGNMENT_C, ALIGNMENT_D)
        values += [(kind, c_uint32(bytes_)) for kind, bytes_ in zip(kinds, alignments, strict=True)]
        for kind, value in values:
            lib.attribute("cublasLtMatmulPreferenceSetAttribute", self.preference, kind, value)

    def best(self, handle: Handle, product: c_void_p, layouts: tuple[c_void_p, c_void_p, c_void_p]) -> Choice | None:
        """The algorithm that cuBLASLt holds to be the fastest, or None if it has none."""
        found, count = Choice(), c_int()
        a, b, out = layouts
        status = handle.library.functions["cublasLtMatmulAlgoGetHeuristic"](
            handle.light, product, a, b, out, out, self.preference, 1, byref(found), byref(count)
        )
        if status not in (0, 7, 15):  # it calls what it doesn't support an invalid value, or says so
            raise CublasError("cublasLtMatmulAlgoGetHeuristic", status)
        return found if not status and count.value and not found.state else None

    def __del__(self) -> None:
        if hasattr(self, "preference") and not sys.is_finalizing():
            self.library.call("cublasLtMatmulPreferenceDestroy", self.preference)
