"""Asks cuDNN on a machine without a GPU which graphs it would run on one: real plans, kernels compiled and all.

cuDNN builds plans for a GPU that it is told the properties of. It only wants a driver to be there, so a library of that
name is compiled whose functions do nothing, and put in the way of a process of its own. Never where there is a driver.

As a program it reads calls of plan makers as JSON, ``[["conv.forward_plan", [arguments]], ...]``, and writes for each
``{"workspace": bytes, "seconds": it took}`` or ``{"refused": why}``.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SILENT = (
    "cuModuleLoadData", "cuModuleLoadDataEx", "cuModuleGetFunction", "cuModuleUnload", "cuCtxGetCurrent",
    "cuCtxSetCurrent", "cuCtxPushCurrent", "cuCtxPushCurrent_v2", "cuCtxPopCurrent", "cuCtxPopCurrent_v2",
    "cuCtxGetDevice", "cuCtxGetLimit", "cuStreamGetCtx", "cuLinkCreate", "cuLinkCreate_v2", "cuLinkAddData",
    "cuLinkAddData_v2", "cuLinkComplete", "cuLinkDestroy", "cuLaunchKernel", "cuLaunchKernelEx",
    "cuLaunchCooperativeKernel", "cuDeviceGet", "cuDeviceGetCount", "cuDeviceGetAttribute", "cuLibraryLoadFromFile",
    "cuLibraryUnload", "cuKernelSetAttribute", "cuFuncSetAttribute", "cuTensorMapEncodeTiled",
    "cuTensorMapEncodeIm2col",
)  # fmt: skip
# what writes to its first argument; there is no cuInit, so that CUDA's runtime finds no driver and lets cuDNN be
WRITING = """
int cuDriverGetVersion(int* v) { *v = 13000; return 0; }
int cuGetErrorString(int e, const char** s) { *s = "no driver"; return 0; }
int cuGetErrorName(int e, const char** s) { *s = "no driver"; return 0; }
int cuLibraryLoadData(void** p) { *p = (void*)1; return 0; }
int cuLibraryGetKernel(void** p) { *p = (void*)1; return 0; }
int cuKernelGetFunction(void** p) { *p = (void*)1; return 0; }
int cuKernelGetAttribute(int* v) { *v = 0; return 0; }
int cuFuncGetAttribute(int* v) { *v = 0; return 0; }
int cuOccupancyMaxPotentialClusterSize(int* v) { *v = 16; return 0; }
int cuOccupancyMaxActiveClusters(int* v) { *v = 16; return 0; }
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* v) { *v = 1; return 0; }
"""
H200 = {
    "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "deviceVer": 900, "driverVer": 13000,
    "regsPerBlock": 65536, "multiProcessorCount": 132, "smClockRateKHz": 1980000, "memClockRateKHz": 3201000,
    "memoryBusWidth": 6144, "l2CacheSize": 62914560, "warpSize": 32, "maxSharedMemoryPerBlock": 49152,
    "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536,
    "pciDeviceId": 0, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "isTccDriver": 0,
    "supportCoopLaunch": 1, "oversizedSharedMemoryPerBlock": 0, "totalGlobalMem": 150000000000, "cudaDeviceId": 0,
    "smCountOrigin": 0, "deviceName": "NVIDIA H200",
}  # fmt: skip


def why_not() -> str | None:
    """None if cuDNN can be asked here, else why not."""
    if find_spec("cudnn") is None or find_spec("nvidia") is None:
        return "nvidia-cudnn-frontend and cuDNN are not installed"
    if not (_wheels() / "cudnn" / "lib").exists() or not (_wheels() / "cu13" / "lib").exists():
        return "the wheels of cuDNN and CUDA 13 are not installed"
    if shutil.which("gcc") is None:
        return "gcc is not installed"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return "there is a driver, which the silent one would stand in the way of"


def _wheels() -> Path:
    spec = find_spec("cudnn")
    return Path(str(spec and spec.origin)).parents[1] / "nvidia"


@cache
def _folder() -> str:
    """A folder with the silent driver."""
    folder = tempfile.mkdtemp(prefix="cudnn_oracle-")
    text = "".join(f"int {name}(void) {{ return 0; }}\n" for name in SILENT) + WRITING
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-w",
        "-x",
        "c",
        "-Wl,-soname,libcuda.so.1",
        "-o",
        f"{folder}/libcuda.so.1",
        "-",
    ]
    subprocess.run(command, input=text, text=True, check=True)
    return folder


def ask(calls: list[tuple[str, tuple[Any, ...]]], precision: str = "highest", deterministic: bool = False) -> list[Any]:
    """What becomes of each call of a plan maker."""
    paths = [_folder(), str(_wheels() / "cu13" / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, paths))}
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu.host.cudnn_oracle", precision, str(int(deterministic))],
        input=json.dumps(calls), capture_output=True, text=True, env=environment, cwd=root, timeout=900
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the process that asks cuDNN ended with {done.returncode}: {done.stderr[-2000:]}")
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def main() -> None:
    """Answer the calls that come by standard input."""
    import time

    import cudnn

    import framework
    from framework.kernels.cudnn import library, plans

    framework.set_float32_matmul_precision(sys.argv[1])
    framework.use_deterministic_algorithms(sys.argv[2] == "1")
    properties = cudnn.create_device_properties(json.dumps(H200))
    plans.place = lambda: {"device_property": properties, "sm_version": 90}
    library.device = lambda: 0
    answers = []
    for maker, arguments in json.load(sys.stdin):
        room, _, name = maker.partition(".")
        start = time.perf_counter()
        try:
            plan = getattr(import_module(f"framework.kernels.cudnn.{room}"), name)(*_tuples(arguments))
            assert plan._graph._get_variant_pack_uids_sorted() == plan.uids
            answers.append({"workspace": plan.workspace, "seconds": round(time.perf_counter() - start, 3)})
        except plans.Refused as refused:
            answers.append({"refused": str(refused)})
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
