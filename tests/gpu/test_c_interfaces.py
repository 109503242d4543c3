"""The C interfaces that ctypes calls beside NVIDIA's headers and libraries, where these are installed; no GPU is needed."""

import ctypes
import json
import subprocess
import sys

import pytest

from framework.kernels.cublas import library as cublas
from framework.kernels.cudnn import rnn_library as cudnn
from tests.gpu.host import compiled

pathfinder = pytest.importorskip("cuda.pathfinder", reason="NVIDIA's libraries are not installed")


def folders():
    found = [pathfinder.find_nvidia_header_directory(name) for name in ("cudart", "cublas", "cudnn", "nvcc")]
    if None in found:
        pytest.skip("the headers of CUDA, its compiler, cuBLAS or cuDNN are not installed")
    return [f"-idirafter{path}" for path in found]


def paths(function):
    try:
        return function()
    except (RuntimeError, ImportError) as error:
        pytest.skip(f"the library is not installed: {error}")


def test_every_function_is_exported():
    cublas.Library(*paths(cublas.paths))
    cudnn.Library(paths(cudnn.path))


CONSTANTS = {
    cublas: {
        "CUDA_": ("R_16F", "R_16BF", "R_32F", "R_64F", "C_32F", "C_64F"),
        "CUBLAS_": ("COMPUTE_32F", "COMPUTE_32F_FAST_TF32", "COMPUTE_64F", "OP_N", "OP_T", "GEMM_DEFAULT"),
        "CUBLAS_MATH_": ("DISALLOW_REDUCED_PRECISION_REDUCTION",),
        "CUBLASLT_": ("EPILOGUE_RELU", "EPILOGUE_BIAS", "EPILOGUE_GELU", "EPILOGUE_BGRADB"),
    },
    cudnn: {
        "CUDNN_DATA_": ("FLOAT", "DOUBLE", "HALF", "BFLOAT16"),
        "CUDNN_RNN_ALGO_": ("STANDARD", "PERSIST_STATIC", "PERSIST_STATIC_SMALL_H"),
        "CUDNN_RNN_": ("NO_BIAS", "DOUBLE_BIAS", "PADDED_IO_DISABLED", "PADDED_IO_ENABLED"),
        "CUDNN_": ("UNIDIRECTIONAL", "LINEAR_INPUT", "DEFAULT_MATH", "TENSOR_OP_MATH", "FMA_MATH"),
        "CUDNN_FWD_MODE_": ("INFERENCE", "TRAINING"),
    },
}
RENAMED = {
    "CUBLASLT_MATMUL_DESC_TRANSA": cublas.TRANS_A,
    "CUBLASLT_MATMUL_DESC_TRANSB": cublas.TRANS_B,
    "CUBLASLT_MATMUL_DESC_EPILOGUE": cublas.EPILOGUE,
    "CUBLASLT_MATMUL_DESC_BIAS_POINTER": cublas.BIAS_POINTER,
    "CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES": cublas.MAX_WORKSPACE,
    "CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK": cublas.REDUCTION_SCHEMES,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES": cublas.ALIGNMENT_A,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES": cublas.ALIGNMENT_B,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES": cublas.ALIGNMENT_C,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES": cublas.ALIGNMENT_D,
    "CUBLASLT_REDUCTION_SCHEME_INPLACE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE": cublas.IN_PLACE_OR_COMPUTE_TYPE,
    "CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED": cudnn.SEQUENCE_MAJOR_UNPACKED,
    "CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED": cudnn.SEQUENCE_MAJOR_PACKED,
    "CUDNN_WGRAD_MODE_ADD": cudnn.ADD_GRADIENTS,
    "CUDNN_STATUS_NOT_SUPPORTED": cudnn.NOT_SUPPORTED.start,
    "CUDNN_RNN_RELU": cudnn.CELLS["RNN_RELU"],
    "CUDNN_RNN_TANH": cudnn.CELLS["RNN_TANH"],
    "CUDNN_LSTM": cudnn.CELLS["LSTM"],
    "CUDNN_GRU": cudnn.CELLS["GRU"],
    **{f"CUBLAS_STATUS_{name}": code for code, (name, _) in cublas.STATUSES.items()},
    **{f"CUDNN_STATUS_{name}": code for code, (name, _) in cudnn.STATUSES.items()},
}
FIELDS = {"algorithm": "algo", "workspace": "workspaceSize", "state": "state", "waves": "wavesCount"}
FUNCTIONS = {**cublas.BLAS, **cublas.LT, **cudnn.FUNCTIONS}

PROGRAM = """
#include <cstddef>
#include <cstdio>
#include <type_traits>
#include <cublas_v2.h>
#include <cublasLt.h>
#include <cudnn.h>
template <class T> constexpr const char *kind() {
    return std::is_pointer<T>::value ? "p" : std::is_floating_point<T>::value ? "f" : sizeof(T) == 8 ? "l" : "i";
}
template <class F> struct function;
template <class R, class... A> struct function<R(A...)> {
    static void print(const char *name) {
        std::printf("%%s %%s", name, kind<R>());
        (std::printf("%%s", kind<A>()), ...);
        std::printf("\\n");
    }
};
int main() {
%s
}
"""


@pytest.fixture(scope="module")
def headers():
    """What the headers say, by name: of functions the kinds of their result and arguments, of constants the values."""
    lines = [f'function<decltype({name})>::print("{name}");' for name in FUNCTIONS]
    constants = [prefix + name for groups in CONSTANTS.values() for prefix, names in groups.items() for name in names]
    lines += [f'std::printf("{name.replace(" ", "")} %ld\\n", (long)({name}));' for name in (*constants, *RENAMED)]
    result = "cublasLtMatmulHeuristicResult_t"
    lines.append(f'std::printf("size %zu\\n", sizeof({result}));')
    lines += [f'std::printf("{name} %zu\\n", offsetof({result}, {name}));' for name in FIELDS.values()]
    printed = compiled.program(PROGRAM % "\n".join(lines), "headers", "-w", *folders())
    return dict(line.split() for line in printed.splitlines())


def letter(kind):
    if kind is ctypes.c_float:
        return "f"
    if kind in (ctypes.c_int, ctypes.c_int32, ctypes.c_uint32):
        return "i"
    return "l" if kind in (ctypes.c_int64, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_ulonglong) else "p"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments(headers, name):
    assert headers[name] == "i" + "".join(letter(kind) for kind in FUNCTIONS[name])


def test_constants(headers):
    for module, groups in CONSTANTS.items():
        for prefix, names in groups.items():
            for name in names:
                assert int(headers[prefix + name]) == getattr(module, name), name
    for name, value in RENAMED.items():
        assert int(headers[name.replace(" ", "")]) == value, name


def test_an_algorithm_has_the_headers_layout(headers):
    assert ctypes.sizeof(cublas.Choice) == int(headers["size"])
    for ours, theirs in FIELDS.items():
        assert getattr(cublas.Choice, ours).offset == int(headers[theirs]), ours


LAYOUT = """
import ctypes, json, sys
from types import SimpleNamespace
from framework import dtypes
from framework.kernels.cudnn import recurrent, rnn_library
zeros = ctypes.create_string_buffer(1 << 20)  # in a handle's place: the layout depends on no device
library = rnn_library.library()
library.functions["cudnnSetDropoutDescriptor"] = lambda *_: 0  # which would ask the handle for its device
handle = SimpleNamespace(library=library, pointer=ctypes.addressof(zeros))
found = []
for mode, kind, *net in json.loads(sys.argv[1]):
    weights = recurrent.Weights(handle, mode, getattr(dtypes, kind).numpy, *net)
    found.append([weights.spans, weights.size, weights.filled])
print(json.dumps(found))
"""
NETS = [
    ("LSTM", "float32", 5, 3, 3, 1, 1, True), ("LSTM", "float32", 5, 4, 2, 2, 2, True),
    ("LSTM", "bfloat16", 5, 4, 2, 1, 2, False), ("GRU", "float64", 7, 3, 3, 2, 2, True),
    ("RNN_TANH", "float16", 3, 5, 5, 3, 1, False), ("RNN_RELU", "float32", 4, 1, 1, 1, 2, True),
]  # fmt: skip


def test_weights_lie_as_the_real_library_has_them():
    """Matrices of each layer and direction in turn, then all biases, as the stand-in in the host's memory has them too."""
    paths(cudnn.path)
    command = [sys.executable, "-c", LAYOUT, json.dumps(NETS)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for (mode, _, features, hidden, projected, layers, directions, biased), answer in zip(NETS, found, strict=True):
        gates = {"LSTM": 4, "GRU": 3}.get(mode, 1)
        matrices, biases = [], []
        for number in range(layers * directions):
            inputs = features if number < directions else directions * projected
            matrices.append([gates * hidden * inputs, gates * hidden * projected])
            biases.append([gates * hidden] * 2 if biased else [])
            matrices[-1] += [projected * hidden] if projected != hidden else []
        first, second = 0, sum(map(sum, matrices))
        expected = []
        for own, added in zip(matrices, biases, strict=True):
            spans = []
            for size in own:
                spans.append([first, first + size])
                first += size
            place = 2
            for size in added:
                spans.insert(place, [second, second + size])
                second, place = second + size, place + 1
            expected += spans
        assert answer == [expected, second, True]
