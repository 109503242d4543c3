"""Every name of CuPy that the source uses is one that CuPy 14.2 has, by the tables here and by CuPy where it is installed."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.host import cupy_names
from tests.gpu.host.fake_array import table

ROOT = Path(__file__).parents[2]
ROOMS = ("framework", "vision", "text", "hub")
MODULES = {"xp", "cupy", "cp", "cupyx"}
"""What a module of arrays is called in the source."""

CUDA = {
    *(f"cuda.{name}" for name in (
        "Device", "Event", "Event.done", "Event.record", "Event.synchronize", "ExternalStream", "Graph.launch", "Graph.upload",
        "MemoryHook", "MemoryPointer", "MemoryPool", "Stream", "Stream.null", "Stream.ptds", "Stream.begin_capture",
        "Stream.end_capture", "Stream.is_capturing", "Stream.record", "Stream.wait_event", "Stream.synchronize", "Stream.use",
        "Stream.done", "Stream.launch_host_func", "UnownedMemory", "alloc", "alloc_pinned_memory", "get_allocator",
        "get_current_stream", "get_device_id", "get_elapsed_time", "is_available", "memory.OutOfMemoryError",
        "memory.MemoryPointer", "memory_hook.MemoryHook", "pinned_memory.PinnedMemoryPointer",
        "pinned_memory._add_to_watch_list", "set_allocator", "using_allocator", "stream.get_current_stream", "profiler.start",
        "profiler.stop", "nvtx.RangePush", "nvtx.RangePop", "nvtx.Mark", "compiler", "driver", "get_cuda_path",
    )),
    *(f"cuda.runtime.{name}" for name in (
        "CUDARuntimeError", "deviceCanAccessPeer", "deviceGetAttribute", "deviceGetPCIBusId", "deviceSynchronize",
        "driverGetVersion", "free", "getDevice", "getDeviceCount", "getDeviceProperties", "memGetInfo", "memcpyAsync",
        "runtimeGetVersion", "setDevice", "streamLegacy", "memcpyHostToDevice", "memcpyDeviceToHost", "memcpyDeviceToDevice",
        "pointerGetAttributes", "memoryTypeHost", "memsetAsync", "hostRegister", "hostUnregister", "is_hip", "profilerStart",
        "profilerStop", "ipcGetMemHandle", "ipcOpenMemHandle",
    )),
    *(f"cuda.{owner}.{name}" for owner, names in {
        "MemoryPool": "free_all_blocks free_bytes get_limit malloc set_limit total_bytes used_bytes",
        "Device": "attributes compute_capability id mem_info synchronize use",
        "MemoryPointer": "copy_from_device_async copy_from_host_async copy_to_host_async device_id mem memset_async ptr",
        "runtime": "",
    }.items() for name in names.split()),
}  # fmt: skip
"""Names of ``cupy.cuda`` that may be used; CuPy says whether it has them."""

OTHERS = {
    "ndarray", "ufunc", "RawModule", "RawKernel", "cuda", "lib", "linalg", "lib.stride_tricks", "cuda.runtime", "cuda.memory",
    "cuda.memory_hook", "cuda.pinned_memory", "cuda.stream", "cuda.nvtx", "cuda.profiler", "get_default_memory_pool",
    "get_default_pinned_memory_pool", "fft", "__version__", "add.reduce", "add.reduceat", "add.at", "maximum.at", "minimum.at",
    "multiply.reduce", "add.accumulate", "multiply.accumulate",
}  # fmt: skip
_SAME = """
inf nan pi e newaxis bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp float16 float32 float64
complex64 complex128 generic dtype finfo iinfo ndindex result_type promote_types can_cast broadcast_shapes
issubdtype isscalar
"""
SAME = set(_SAME.split())
CUPYX = {
    "empty_pinned",
    "empty_like_pinned",
    "zeros_pinned",
    "scatter_add",
    "scatter_max",
    "scatter_min",
    "scipy",
    "scipy.special",
}


def known() -> set[str]:
    """The names that the tables hold, CuPy's first and ``cupyx.``'s by their whole names."""
    ufuncs = {name for names in cupy_names.UFUNCS.values() for name in names.split()}
    special = {name for name in ufuncs if name.startswith("special.")}
    special |= {f"special.{name}" for name in table(cupy_names.SPECIAL)}
    found = (ufuncs - special) | set(table(cupy_names.FUNCTIONS)) | CUDA | OTHERS | SAME
    return found | {f"cupyx.{name}" for name in CUPYX} | {f"cupyx.scipy.{name}" for name in special}


def chain(node: ast.AST) -> list[str]:
    """The names of `a.b.c`, or nothing."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return [node.id, *reversed(names)]
    return []


@cache
def used() -> list[tuple[str, str]]:
    """(name, where) of what the source asks CuPy for."""
    return list(_used())


def _used() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            text = path.read_text()
            if not re.search(r"\b(xp|cp|cupy|cupyx|scipy_for)\b", text):
                continue
            tree = ast.parse(text)
            nodes = list(ast.walk(tree))
            special = {
                target.id
                for node in nodes
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
                and chain(node.value.func)[-1:] == ["scipy_for"]
                and isinstance(node.value.args[1], ast.Constant) and node.value.args[1].value == "special"
                for target in node.targets if isinstance(target, ast.Name)
            }  # fmt: skip
            inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
            for node in nodes:
                where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.Attribute) and id(node) not in inner:
                    names = chain(node)
                    names = names[1:] if names[:1] == ["self"] else names
                    if names and names[0] in MODULES and len(names) > 1:
                        yield ".".join(names[1:] if names[0] != "cupyx" else names), where
                    elif names and names[0] in special:
                        yield "cupyx.scipy.special." + ".".join(names[1:]), where
                elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("cupy", "cupyx"):
                    prefix = [part for part in (node.module or "").split(".") if part != "cupy"]
                    for alias in node.names:
                        yield ".".join((*prefix, alias.name)), where
                elif isinstance(node, ast.Call) and chain(node.func) == ["getattr"] and len(node.args) > 1:
                    owner, name = node.args[0], node.args[1]
                    if isinstance(owner, ast.Name) and owner.id in MODULES and isinstance(name, ast.Constant):
                        yield name.value, where


def test_the_source_uses_only_what_the_tables_hold() -> None:
    has = known()
    missing = [f"{where}: {name}" for name, where in used() if name not in has]
    assert not missing, "\n".join(missing)


def test_the_scan_finds_what_it_looks_for() -> None:
    names = {name for name, _ in used()}
    assert {"concatenate", "linalg.svd", "cuda.runtime.getDeviceCount", "cupyx.empty_like_pinned"} <= names
    assert any(name.startswith("cupyx.scipy.special.") for name in names)


def real(name: str) -> Any:
    """CuPy's own object of a name in the tables."""
    cupy = pytest.importorskip("cupy", reason="compares the tables with CuPy")
    if not hasattr(cupy, "_core"):
        pytest.skip("a stand-in is installed")
    parts = name.split(".")
    found: Any = cupy
    if parts[0] == "cupyx":
        found, parts = importlib.import_module("cupyx"), parts[1:]
    for part in parts:
        if not hasattr(found, part) and inspect.ismodule(found):
            found = importlib.import_module(f"{found.__name__}.{part}")
        else:
            found = getattr(found, part)
    return found


def test_cupy_has_every_name() -> None:
    missing = []
    real("ndarray")
    for name in sorted(known()):
        try:
            real(name)
        except (AttributeError, ImportError):
            missing.append(name)
    assert not missing, missing


def test_the_loops_are_those_of_cupy() -> None:
    for loops, names in cupy_names.UFUNCS.items():
        for name in names.split():
            found = real(f"cupyx.scipy.{name}" if name.startswith("special.") else name)
            assert " ".join(found.types) == loops, name


def test_the_parameters_are_those_of_cupy() -> None:
    for name, ours in table(cupy_names.FUNCTIONS).items():
        try:
            theirs = inspect.signature(real(name))
        except ValueError:  # written in C
            continue
        ours_names = [p for p, kind in ours.parameters.items() if kind.kind is not kind.VAR_KEYWORD]
        theirs_names = [p for p, kind in theirs.parameters.items() if kind.kind is not kind.VAR_KEYWORD]
        assert ours_names == theirs_names, name


def test_an_array_has_these_methods_and_attributes() -> None:
    array = real("ndarray")
    for name in (*table(cupy_names.METHODS), *cupy_names.ATTRIBUTES.split()):
        assert hasattr(array, name), name
