"""oneDNN's C interface: the library found and loaded, its functions typed, its statuses turned into errors.

The one file that knows the C API, which is stable from oneDNN 3.2 on. Every function that returns a status goes through
``call``. Two views of the library are kept: calls that compute release the interpreter's lock, those that only set a
pointer keep it, which is cheaper.

Reference: https://uxlfoundation.github.io/oneDNN/
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint, c_void_p
from pathlib import Path
from typing import Any

from framework.kernels import threads
from framework.kernels.c_library import Found

VARIABLE = "EAGERKIT_ONEDNN"  # a path to libdnnl, or "off"
OLDEST = (3, 2)
SPINS = "30000"
OPENMP = 2  # a runtime whose threads we can set the number of

STATUSES = {
    1: "out of memory",
    2: "invalid arguments",
    3: "not implemented for these shapes and types",
    4: "no further implementation",
    5: "failed while running",
    6: "not needed by this primitive",
}

FORWARD_TRAINING, FORWARD_INFERENCE, BACKWARD, BACKWARD_DATA = 64, 96, 128, 160
DIRECT = 1
MAX_POOL, MEAN_WITH_PADDING, MEAN_WITHOUT_PADDING = 0x1FF, 0x2FF, 0x3FF
SOFTMAX, LOG_SOFTMAX = 0x30000, 0x30001
NEAREST, LINEAR = 0x2FFF0, 0x2FFF1
GLOBAL_STATISTICS, SCALE, SHIFT, NORM_RELU = 1, 2, 4, 8
LEFT_TO_RIGHT, RIGHT_TO_LEFT = 1, 2
LSTM_CELL, RNN_CELL, GRU_CELL = 0x2FFF, 0x1FFF, 0x4FFF
BINARY = {"add": 0x1FFF0, "mul": 0x1FFF1, "max": 0x1FFF2, "min": 0x1FFF3, "div": 0x1FFF4, "sub": 0x1FFF5, "le": 0x1FFF8}
ELTWISE = {
    "relu": 32, "tanh": 33, "elu": 34, "square": 35, "abs": 36, "sqrt": 37, "linear": 38, "soft_relu": 39,
    "hardsigmoid": 40, "logistic": 41, "exp": 42, "gelu_tanh": 43, "swish": 44, "log": 45, "clip": 46, "clip_v2": 47,
    "pow": 48, "gelu_erf": 49, "mish": 51, "hardswish": 52, "relu_dst": 256, "tanh_dst": 257, "elu_dst": 258,
    "sqrt_dst": 259, "logistic_dst": 260, "exp_dst": 261, "clip_v2_dst": 262,
}  # fmt: skip
TYPES = {"float16": 1, "bfloat16": 2, "float32": 3, "int32": 4, "int8": 5, "uint8": 6, "float64": 7}
MATH_MODES = {"highest": 0, "medium": 1, "high": 4}  # float32 products: as they are, in bfloat16, in TF32

# the arguments that primitives are executed with
SRC, SRC_1, SRC_2, DST, DST_1, DST_2 = 1, 2, 3, 17, 18, 19
WEIGHTS, WEIGHTS_1, BIAS = 33, 34, 41
MEAN, VARIANCE, SCALES, SHIFTS = 49, 50, 51, 52
WORKSPACE, SCRATCHPAD = 64, 80
DIFF_SRC, DIFF_SRC_1, DIFF_SRC_2, DIFF_DST, DIFF_DST_1, DIFF_DST_2 = 129, 130, 131, 145, 146, 147
DIFF_WEIGHTS, DIFF_WEIGHTS_1, DIFF_BIAS, DIFF_SCALES, DIFF_SHIFTS = 161, 162, 169, 255, 256
POST_OP = 32768  # times one more than the post-op's place, or-ed with SRC_1

_QUERY_ARGUMENT, _QUERY_IMPLEMENTATION = 255, 8
_CPU, _IN_ORDER, _ANY, _USER_SCRATCHPAD = 1, 1, 1, 1
_HANDLE, _LENGTHS = c_void_p, POINTER(c_int64)

# the arguments of each function after its first, in short: h handle, i int, u unsigned, f float, L lengths, F floats
_CREATORS = {
    "convolution_forward": "hiihhhhLLLLh",
    "convolution_backward_data": "hihhhLLLLhh",
    "convolution_backward_weights": "hihhhhLLLLhh",
    "deconvolution_forward": "hiihhhhLLLLh",
    "matmul": "hhhhhh",
    "pooling_forward": "hiihhLLLLLh",
    "pooling_backward": "hihhLLLLLhh",
    "batch_normalization_forward": "hihhfuh",
    "batch_normalization_backward": "hihhhfuhh",
    "layer_normalization_forward": "hihhhfuh",
    "layer_normalization_backward": "hihhhhfuhh",
    "softmax_forward": "hiihhih",
    "softmax_backward": "hihhhihh",
    "eltwise_forward": "hiihhffh",
    "eltwise_backward": "hihhhffhh",
    "lstm_forward": "hii" + "h" * 11 + "uh",
    "lstm_backward": "hii" + "h" * 22 + "uhh",
    "vanilla_rnn_forward": "hiii" + "h" * 7 + "uffh",
    "vanilla_rnn_backward": "hiii" + "h" * 14 + "uffhh",
    "lbr_gru_forward": "hii" + "h" * 7 + "uh",
    "lbr_gru_backward": "hii" + "h" * 14 + "uhh",
    "binary": "hihhhh",
    "resampling_forward": "hiiFhhh",
    "resampling_backward": "hiFhhhh",
    "reorder": "hhhhh",
}
_LETTERS: dict[str, Any] = {
    "h": _HANDLE, "i": c_int, "u": c_uint, "f": c_float, "L": _LENGTHS, "F": POINTER(c_float)
}  # fmt: skip


class Argument(Structure):
    """One argument of a primitive: what it is, and its memory object."""

    _fields_ = (("kind", c_int), ("memory", c_void_p))


class _Version(Structure):
    _fields_ = (
        ("major", c_int), ("minor", c_int), ("patch", c_int), ("hash", c_char_p), ("cpu", c_uint), ("gpu", c_uint)
    )  # fmt: skip


class Layout(c_void_p):
    """A memory descriptor of ours, which goes with the object; primitives keep copies."""

    def __del__(self) -> None:
        if self.value:
            library().free.dnnl_memory_desc_destroy(self)
            self.value = None


class OneDNNError(RuntimeError):
    """A call that oneDNN refused."""

    def __init__(self, function: str, status: int) -> None:
        self.status = status
        super().__init__(f"oneDNN: {function}: {STATUSES.get(status, f'status {status}')}")


class Missing(RuntimeError):
    """Why there is no oneDNN to use."""


def candidates() -> Iterator[str]:
    """Where the library may be, the likeliest first: a variable, this environment, pip's record of it, the system."""
    given = os.environ.get(VARIABLE, "")
    if given:
        if given.lower() in ("0", "off", "no"):
            raise Missing(f"it is switched off by {VARIABLE}={given}")
        if not Path(given).is_file():
            raise Missing(f"{VARIABLE}={given}: there is no such file")
        yield given
        return
    folder = Path(sys.prefix) / "lib"
    for name in ("libdnnl.so.3", "libdnnl.3.dylib"):
        if (folder / name).is_file():
            yield str(folder / name)
    from importlib import metadata

    try:
        files = metadata.files("onednn-cpu-gomp") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "libdnnl.so.3":
            yield str(file.locate())
    yield "libdnnl.3.dylib" if sys.platform == "darwin" else "libdnnl.so.3"


class Library:
    """oneDNN, loaded: its functions, an engine on the CPU and a stream."""

    def __init__(self, path: str) -> None:
        self.path = path
        with _patience():
            self.free = ctypes.CDLL(path)  # releases the interpreter's lock
        self.held = ctypes.PyDLL(path)  # keeps it
        self.free.dnnl_version.restype = POINTER(_Version)
        found = self.free.dnnl_version().contents
        self.version = (found.major, found.minor, found.patch)
        if found.major != OLDEST[0] or self.version < OLDEST:
            raise Missing(f"{path} is version {'.'.join(map(str, self.version))}; 3.2 or a later 3.x is needed")
        if found.cpu != OPENMP or not hasattr(self.free, "GOMP_parallel"):
            raise Missing(f"{path} does not run on GNU OpenMP's threads; install onednn-cpu-gomp")
        self._declare()
        self.engine, self.stream = c_void_p(), c_void_p()
        self.call("engine_create", byref(self.engine), _CPU, c_size_t(0))
        self.call("stream_create", byref(self.stream), self.engine, _IN_ORDER)
        self.execute = self.free.dnnl_primitive_execute
        self.execute.argtypes = (c_void_p, c_void_p, c_int, POINTER(Argument))
        self.set_pointer = self.held.dnnl_memory_set_data_handle
        self.set_pointer.argtypes = (c_void_p, c_void_p)
        whole, letter, matrix = c_int64, c_char, (c_void_p, c_int64)
        self.sgemm = self.free.dnnl_sgemm
        self.sgemm.argtypes = (letter, letter, *(whole,) * 3, c_float, *matrix * 2, c_float, *matrix)
        threads.adopt(self.free)

    def _declare(self) -> None:
        typed = {
            "engine_create": (POINTER(_HANDLE), c_int, c_size_t),
            "stream_create": (POINTER(_HANDLE), _HANDLE, c_uint),
            "memory_create": (POINTER(_HANDLE), _HANDLE, _HANDLE, c_void_p),
            "memory_desc_create_with_strides": (POINTER(_HANDLE), c_int, _LENGTHS, c_int, _LENGTHS),
            "memory_desc_create_with_tag": (POINTER(_HANDLE), c_int, _LENGTHS, c_int, c_int),
            "primitive_create": (POINTER(_HANDLE), _HANDLE),
            "primitive_attr_create": (POINTER(_HANDLE),),
            "primitive_attr_set_scratchpad_mode": (_HANDLE, c_int),
            "primitive_attr_set_fpmath_mode": (_HANDLE, c_int),
            "primitive_attr_set_post_ops": (_HANDLE, _HANDLE),
            "post_ops_create": (POINTER(_HANDLE),),
            "post_ops_append_eltwise": (_HANDLE, c_int, c_float, c_float),
            "post_ops_append_sum": (_HANDLE, c_float, c_int, c_int),
            "post_ops_append_binary": (_HANDLE, c_int, _HANDLE),
            "primitive_desc_query": (_HANDLE, c_int, c_int, c_void_p),
        }
        for name in ("memory", "memory_desc", "primitive", "primitive_desc", "primitive_attr", "post_ops"):
            typed[f"{name}_destroy"] = (_HANDLE,)
        for name, letters in _CREATORS.items():
            typed[f"{name}_primitive_desc_create"] = (POINTER(_HANDLE), *(_LETTERS[c] for c in letters))
        for name, types in typed.items():
            function = getattr(self.free, f"dnnl_{name}")
            function.argtypes, function.restype = types, c_int
        self.free.dnnl_primitive_desc_query_md.argtypes = (_HANDLE, c_int, c_int)
        self.free.dnnl_primitive_desc_query_md.restype = _HANDLE
        for name in ("memory_desc_equal", "memory_desc_get_size"):
            getattr(self.free, f"dnnl_{name}").restype = c_size_t if name.endswith("size") else c_int
        self.free.dnnl_memory_desc_equal.argtypes = (_HANDLE, _HANDLE)
        self.free.dnnl_memory_desc_get_size.argtypes = (_HANDLE,)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that returns a status.

        Raises:
            OneDNNError: any other status than success.
        """
        status = getattr(self.free, f"dnnl_{name}")(*arguments)
        if status:
            raise OneDNNError(f"dnnl_{name}", status)

    def create(self, name: str, *arguments: Any) -> c_void_p:
        """Call a function that creates something, and return its handle."""
        handle = c_void_p()
        self.call(name, byref(handle), *arguments)
        return handle

    def layout(self, shape: tuple[int, ...], kind: str, strides: tuple[int, ...] | None) -> Layout:
        """A memory descriptor: lengths, element type, strides in elements (None leaves the layout to oneDNN)."""
        made = Layout()
        lengths = (c_int64 * len(shape))(*shape)
        if strides is None:
            self.call("memory_desc_create_with_tag", byref(made), len(shape), lengths, TYPES[kind], _ANY)
        else:
            places = (c_int64 * len(shape))(*strides)
            self.call("memory_desc_create_with_strides", byref(made), len(shape), lengths, TYPES[kind], places)
        return made

    def size(self, layout: c_void_p) -> int:
        """The bytes that a memory of this layout takes."""
        return int(self.free.dnnl_memory_desc_get_size(layout)) if layout else 0

    def argument_layout(self, description: c_void_p, kind: int) -> c_void_p:
        """The layout that a primitive wants one of its arguments in; it belongs to the description."""
        return c_void_p(self.free.dnnl_primitive_desc_query_md(description, _QUERY_ARGUMENT, kind))

    def same(self, first: c_void_p, second: c_void_p) -> bool:
        """Whether two layouts are one."""
        return bool(self.free.dnnl_memory_desc_equal(first, second))

    def attributes(self, post_ops: tuple[Any, ...], math_mode: str) -> c_void_p:
        """Attributes: memory of ours for intermediate results, the precision of products, and what follows them.

        Args:
            post_ops: ("eltwise", algorithm, alpha, beta), ("sum",), or ("binary", algorithm, layout), in order.
        """
        attributes = self.create("primitive_attr_create")
        self.call("primitive_attr_set_scratchpad_mode", attributes, _USER_SCRATCHPAD)
        if MATH_MODES[math_mode]:
            self.call("primitive_attr_set_fpmath_mode", attributes, MATH_MODES[math_mode])
        if post_ops:
            chain = self.create("post_ops_create")
            for kind, *rest in post_ops:
                if kind == "eltwise":
                    self.call("post_ops_append_eltwise", chain, *rest)
                elif kind == "sum":
                    self.call("post_ops_append_sum", chain, 1.0, 0, 0)
                else:
                    self.call("post_ops_append_binary", chain, *rest)
            self.call("primitive_attr_set_post_ops", attributes, chain)
            self.call("post_ops_destroy", chain)
        return attributes

    def implementation(self, description: c_void_p) -> str:
        """The name oneDNN has for the implementation that it chose."""
        text = c_char_p()
        self.call("primitive_desc_query", description, _QUERY_IMPLEMENTATION, 0, byref(text))
        return (text.value or b"").decode()


@contextmanager
def _patience() -> Iterator[None]:
    """Have OpenMP, if it is loaded now, spin for some tenths of a millisecond where it waits, and sleep then.

    Left to itself it spins for several, and where another process has one of the cores, the thread that is waited for may
    be queued behind the one that spins, for a time slice of 4 ms: a step of a small transformer took 490 ms, not 380.
    """
    if any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")):
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _load() -> Library:
    reasons = []
    for path in candidates():
        try:
            return Library(path)
        except (OSError, Missing) as error:
            reasons.append(str(error))
    raise Missing(f"{reasons[-1]}; pip install onednn-cpu-gomp (Linux x86-64), or name a libdnnl by {VARIABLE}")


_found = Found(_load)
library, why_not = _found.library, _found.why_not
