"""The C interface of cuDNN's recurrent nets: the library found and loaded, its functions typed, statuses made errors.

cuDNN's graphs have no recurrent nets, so these are called through ctypes, by the functions of cuDNN 8 and 9. This is the
one file that knows them. A thread has a handle for each device.

Not yet run on a GPU: the functions and constants were compared with NVIDIA's headers and library, the layout of weights
was asked of the library itself, and the calls were made on the host with a library of the same interface (tests/gpu).

Reference: https://docs.nvidia.com/deeplearning/cudnn/backend/latest/api/cudnn-adv-library.html
"""

from __future__ import annotations

import sys
from ctypes import POINTER, byref, c_float, c_int, c_int32, c_size_t, c_uint32, c_ulonglong, c_void_p
from types import ModuleType
from typing import Any

from framework import dtypes
from framework.kernels.c_library import CLibrary, Found, StatusError
from framework.kernels.per_thread import Handles

FLOAT, DOUBLE, HALF, BFLOAT16 = 0, 1, 2, 9
TYPES: dict[Any, int] = {
    dtypes.float32.numpy: FLOAT, dtypes.float64.numpy: DOUBLE, dtypes.float16.numpy: HALF,
    dtypes.bfloat16.numpy: BFLOAT16,
}  # fmt: skip
CELLS = {"RNN_RELU": 0, "RNN_TANH": 1, "LSTM": 2, "GRU": 3}
STANDARD, PERSIST_STATIC, PERSIST_STATIC_SMALL_H = 0, 1, 3  # algorithms
NO_BIAS, DOUBLE_BIAS = 0, 2
UNIDIRECTIONAL, LINEAR_INPUT = 0, 0
DEFAULT_MATH, TENSOR_OP_MATH, FMA_MATH = 0, 1, 3  # TF32 allowed, 16-bit units, neither
PADDED_IO_DISABLED, PADDED_IO_ENABLED = 0, 1
SEQUENCE_MAJOR_UNPACKED, SEQUENCE_MAJOR_PACKED = 0, 1
INFERENCE, TRAINING = 0, 1
ADD_GRADIENTS = 0
NOT_SUPPORTED = range(3000, 4000)

STATUSES = {
    1001: ("NOT_INITIALIZED", "cuDNN found no usable GPU; check nvidia-smi and the driver"),
    1002: ("SUBLIBRARY_VERSION_MISMATCH", "parts of several versions of cuDNN are installed; install one anew"),
    1008: ("SUBLIBRARY_LOADING_FAILED", "a part of cuDNN could not be loaded; install nvidia-cudnn-cu13 anew"),
    2000: ("BAD_PARAM", "an argument is out of its range; please report the call"),
    3000: ("NOT_SUPPORTED", "cuDNN does not serve these sizes and types; force the generic kernels"),
    4000: ("INTERNAL_ERROR", "cuDNN failed by itself; check that driver and library fit together"),
    4004: ("INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", "the GPU's memory is full; framework.cuda.empty_cache() frees some"),
    5000: ("EXECUTION_FAILED", "an earlier kernel may have failed; set CUDA_LAUNCH_BLOCKING=1 to see which"),
}  # fmt: skip

_H, _P = c_void_p, POINTER(c_void_p)
_SPACE = (c_size_t, c_void_p)
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "cudnnCreate": (_P,),
    "cudnnDestroy": (_H,),
    "cudnnSetStream": (_H, c_void_p),
    "cudnnCreateTensorDescriptor": (_P,),
    "cudnnDestroyTensorDescriptor": (_H,),
    "cudnnSetTensorNdDescriptor": (_H, c_int, c_int, POINTER(c_int), POINTER(c_int)),
    "cudnnGetTensorNdDescriptor": (_H, c_int, POINTER(c_int), POINTER(c_int), POINTER(c_int), POINTER(c_int)),
    "cudnnCreateDropoutDescriptor": (_P,),
    "cudnnDestroyDropoutDescriptor": (_H,),
    "cudnnSetDropoutDescriptor": (_H, _H, c_float, c_void_p, c_size_t, c_ulonglong),
    "cudnnCreateRNNDescriptor": (_P,),
    "cudnnDestroyRNNDescriptor": (_H,),
    "cudnnSetRNNDescriptor_v8": (_H, *(c_int,) * 8, *(c_int32,) * 4, _H, c_uint32),
    "cudnnCreateRNNDataDescriptor": (_P,),
    "cudnnDestroyRNNDataDescriptor": (_H,),
    "cudnnSetRNNDataDescriptor": (_H, *(c_int,) * 5, POINTER(c_int), c_void_p),
    "cudnnGetRNNWeightSpaceSize": (_H, _H, POINTER(c_size_t)),
    "cudnnGetRNNWeightParams": (_H, _H, c_int32, *_SPACE, c_int32, _H, _P, _H, _P),
    "cudnnGetRNNTempSpaceSizes": (_H, _H, c_int, _H, POINTER(c_size_t), POINTER(c_size_t)),
    "cudnnRNNForward": (
        _H, _H, c_int, c_void_p, *(_H, c_void_p) * 2, *(_H, c_void_p, c_void_p) * 2, *_SPACE * 3
    ),
    "cudnnRNNBackwardData_v8": (
        _H, _H, c_void_p, _H, c_void_p, c_void_p, _H, c_void_p, *(_H, c_void_p, c_void_p, c_void_p) * 2, *_SPACE * 3
    ),
    "cudnnRNNBackwardWeights_v8": (_H, _H, c_int, c_void_p, *(_H, c_void_p) * 3, *_SPACE * 3),
}  # fmt: skip
LAUNCHES = {"cudnnRNNForward", "cudnnRNNBackwardData_v8", "cudnnRNNBackwardWeights_v8"}


class CudnnError(StatusError):
    """A call that cuDNN refused."""

    known = STATUSES

    @classmethod
    def described(cls, status: int) -> tuple[str, str]:
        """A status's name, and what to do; the kinds of one error share thousands."""
        return super().described(status if status in STATUSES else status // 1000 * 1000)


def path() -> str:
    """Where libcudnn is.

    Raises:
        ImportError: there is no cuda-pathfinder, which comes with CuPy.
        RuntimeError: it finds no such library.
    """
    from cuda.pathfinder import load_nvidia_dynamic_lib

    load_nvidia_dynamic_lib("cublasLt")  # cuDNN asks for it
    return str(load_nvidia_dynamic_lib("cudnn").abs_path)


class Library(CLibrary):
    """cuDNN, loaded."""

    error = CudnnError

    def __init__(self, path: str) -> None:
        super().__init__()
        self.bind(path, FUNCTIONS, LAUNCHES)

    def object(self, what: str) -> Object:
        """A new object, such as a "TensorDescriptor", that goes with its Python object."""
        return Object(self, what)


class Object(c_void_p):
    """An object of cuDNN's that goes with its Python object."""

    def __init__(self, library: Library, what: str) -> None:
        super().__init__()
        self.library, self.what = library, what
        library.call(f"cudnnCreate{what}", byref(self))

    def __del__(self) -> None:
        if self.value and not sys.is_finalizing():  # at the end the driver may have gone
            self.library.call(f"cudnnDestroy{self.what}", self)


_found = Found(lambda: Library(path()), "pip install nvidia-cudnn-cu13")
library, why_not = _found.library, _found.why_not


class Handle:
    """cuDNN for one thread and device, and the stream that it is set to."""

    def __init__(self, xp: ModuleType, device: int) -> None:
        self.library, self.xp, self.device = library(), xp, device
        self.pointer = self.library.object("")
        self.stream: int | None = None

    def turn_to(self, stream: int) -> None:
        """Let what follows go into a stream."""
        self.library.call("cudnnSetStream", self.pointer, stream)
        self.stream = stream


_handles = Handles(Handle)
current = _handles.current
