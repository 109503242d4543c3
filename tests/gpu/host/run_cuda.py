"""Runs CUDA kernels on the host: g++ compiles their text behind ``host_cuda.h``, ctypes calls them.

What a launch on a GPU would silently take is refused here: a scalar of another type than the kernel declares, an array
of another element type than its pointer, a barrier that not all threads come to.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

HERE = Path(__file__).parent
HEADERS = ("host_cuda.h", "host_types.h", "host_math.h")
FLAGS = (
    "-std=c++17", "-O0", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-fno-exceptions", "-w",
    "-fno-stack-protector",
)  # fmt: skip
_CODES = {np.dtype(ml_dtypes.bfloat16): "E", np.dtype(np.int64): "q", np.dtype(np.uint64): "Q"}
_SAME_SIZE = {"B": "?bB", "?": "?B", "H": "HheE", "I": "Ii", "Q": "Qq", "h": "Hh"}  # bits may be read as such
_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^()]*\)\s*)?(\w+)\s*\(')
_SHARED = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s*)?(?:alignas\(\d+\)\s*)?([\w\s]+?)\s+(\w+)\[\];")


def why_not() -> str | None:
    """None if kernels can be run on the host, else why not."""
    return None if shutil.which("g++") else "g++ is not installed"


@cache
def folder() -> Path:
    """Where what has been compiled is kept, by its content, for this and later runs of the tests."""
    found = Path(tempfile.gettempdir()) / f"host_cuda-{os.getuid()}"
    found.mkdir(mode=0o700, exist_ok=True)
    return found


@cache
def _header() -> str:
    return "".join((HERE / name).read_text() for name in HEADERS)


def _precompiled() -> Path:
    """A folder that holds the headers precompiled, which takes most of a compilation's time."""
    digest = hashlib.sha256((_header() + repr(FLAGS)).encode()).hexdigest()[:20]
    place = folder() / digest
    if not place.exists():
        building = Path(tempfile.mkdtemp(dir=folder()))
        for name in HEADERS:
            shutil.copy(HERE / name, building)
        _run("g++", *FLAGS, "-x", "c++-header", str(building / "host_cuda.h"), "-o", str(building / "host_cuda.h.gch"))
        try:
            building.rename(place)
        except OSError:  # another process was faster
            shutil.rmtree(building)
    return place


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[:6000]}")


class HostModule:
    """The kernels of a CUDA text, compiled for the host.

    Args:
        source: the text.
        options: NVRTC's options; of these the macros (-D) are taken.
        include_dirs: where else to look for included files. CUDA's own headers need none.
        name_expressions: kernels that are instances of templates, such as "pool<float, 2>".
    """

    def __init__(
        self, source: str, options: Sequence[str] = (), include_dirs: Sequence[Any] = (),
        name_expressions: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        source = re.sub(r"^\s*#\s*include\s*<cuda_(fp16|bf16)\.h>", "", source, flags=re.MULTILINE)
        source = _SHARED.sub(r"\1* \2 = (\1*)host_dynamic_shared();", source)
        self.symbols = {name: name for name in _KERNEL.findall(source)}
        self.symbols |= {name: f"expression{i}" for i, name in enumerate(name_expressions or ())}
        kernels = "\n".join(f"HOST_KERNEL({symbol}, {name})" for name, symbol in self.symbols.items())
        flags = [*FLAGS, *(option for option in options if option.startswith("-D"))]
        flags += [f"-I{path}" for path in include_dirs]
        self._library = ctypes.CDLL(str(_compiled(f"{source}\n{kernels}\n", tuple(flags))))

    def get(self, name: str) -> HostKernel:
        """A kernel by its name (or name expression)."""
        return HostKernel(self._library, self.symbols[name], name)

    get_function = get


@cache
def _compiled(source: str, flags: tuple[str, ...]) -> Path:
    digest = hashlib.sha256("\0".join((_header(), source, *flags)).encode()).hexdigest()[:32]
    place = folder() / f"{digest}.so"
    if not place.exists():
        headers = _precompiled()
        handle, text = tempfile.mkstemp(".cpp", dir=folder())
        with os.fdopen(handle, "w") as file:
            file.write(source)
        built = Path(text).with_suffix(".building")
        _run("g++", *flags, "-shared", "-include", str(headers / "host_cuda.h"), text, "-o", str(built))
        os.unlink(text)
        built.rename(place)
    return place


class HostKernel:
    """A kernel that runs on the host, called like CuPy's RawKernel: ``kernel(grid, block, args, shared_mem=0)``."""

    def __init__(self, library: Any, symbol: str, name: str) -> None:
        self.name = name
        self._launch = getattr(library, f"host_launch_{symbol}")
        self._launch.restype = ctypes.c_char_p
        self._launch.argtypes = (ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p)
        signature = getattr(library, f"host_signature_{symbol}")
        signature.restype = ctypes.c_char_p
        text = signature().decode()
        self.parameters = [text[i : i + 2] for i in range(0, len(text), 2)]

    def __call__(self, grid: Any, block: Any, args: Sequence[Any], *, shared_mem: int = 0, stream: Any = None) -> None:
        sizes = (ctypes.c_uint * 6)(*(*grid, 1, 1)[:3], *(*block, 1, 1)[:3])
        if not all(sizes):
            raise ValueError(f"{self.name}: an empty grid {grid} or block {block}")
        if sizes[0] >= 2**31 or sizes[1] > 65535 or sizes[2] > 65535:
            raise ValueError(f"{self.name}: a grid of {grid} is more than a launch takes")
        if len(args) != len(self.parameters):
            raise TypeError(f"{self.name}: takes {len(self.parameters)} arguments, got {len(args)}")
        held = [self._argument(place, *pair) for place, pair in enumerate(zip(self.parameters, args, strict=True))]
        pointers = (ctypes.c_void_p * max(1, len(held)))(*(value.ctypes.data for value in held))
        error = self._launch(sizes, shared_mem, pointers)
        if error:
            raise RuntimeError(f"{self.name}: {error.decode()}")

    def _argument(self, place: int, parameter: str, value: Any) -> Any:
        """The bytes of an argument, in a NumPy array."""
        kind = parameter[1]
        if parameter[0] == "*":
            array = getattr(value, "_numpy", value)  # the stand-in CuPy's arrays wrap one of NumPy
            if array is None or (isinstance(value, np.generic) and value.dtype == np.uint64 and not value):
                return np.zeros(1, np.uint64)
            if isinstance(value, np.uint64):  # an address
                return value.reshape(1)
            if not isinstance(array, np.ndarray):
                raise TypeError(f"{self.name}: argument {place} has to be an array, got {type(value).__name__}")
            given = _CODES.get(array.dtype, array.dtype.char)
            if kind not in "vs" and given not in _SAME_SIZE.get(kind, kind):
                raise TypeError(f"{self.name}: argument {place} points to {kind!r}, got an array of {array.dtype}")
            return np.array([array.ctypes.data], np.uint64)
        if isinstance(value, np.ndarray | np.generic) and kind == "s":  # a struct, handed over by its bytes
            return np.ascontiguousarray(value).reshape(-1)
        if not isinstance(value, np.generic) or _CODES.get(value.dtype, value.dtype.char) != kind:
            got = value.dtype if isinstance(value, np.generic) else type(value).__name__
            raise TypeError(f"{self.name}: argument {place} is declared {kind!r}, got a scalar of {got}")
        return np.array([value])
