"""One side of one case, in a process that has imported nothing of the other side.

``python -m support.benchmarks.measuring REQUEST`` takes a request as JSON and prints the figures as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from support.benchmarks import flops, memory
from support.benchmarks.cases import CASES
from support.benchmarks.peer import Peer, Work

MODULES = {"ours": "framework", "torch": "torch", "compiled": "torch"}
WARM_UP = 3  # steps, at least
PROFILED = 3  # steps
SAMPLES = (3, 200)  # at least and at most
SAMPLE_SECONDS = 0.02  # a sample is as many calls as take this long
MEBI = 1 << 20


def load(side: str, threads: int) -> Any:
    """The library of a side, on so many threads."""
    lib = importlib.import_module(MODULES[side])
    lib.set_num_threads(threads)
    lib.manual_seed(0)
    return lib


def build(
    name: str, side: str, threads: int, small: bool = False, channels_last: bool | None = None
) -> tuple[Any, Work]:
    """The library and the case made ready for it, in the layout that is best for it unless one is asked for."""
    lib, case = load(side, threads), CASES[name]
    layout = case.channels_last if channels_last is None else channels_last
    return lib, case.build(Peer(lib, layout, side == "compiled", small))


def seconds(call: Callable[[], Any]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def sample(call: Callable[[], Any], budget: float) -> list[float]:
    """Seconds a call, over and over until the budget is spent; each sample is long enough for the clock."""
    calls = max(1, round(SAMPLE_SECONDS / max(seconds(call), 1e-9)))

    def several() -> None:
        for _ in range(calls):
            call()

    taken: list[float] = []
    least, most = SAMPLES
    ends = time.perf_counter() + budget
    while len(taken) < least or (time.perf_counter() < ends and len(taken) < most):
        taken.append(seconds(several) / calls)
    return taken


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Warm up, time, count. Memory is the most held in these steps above what is held when model and data are there."""
    name, side, small = request["case"], request["side"], request.get("small", False)
    if name == "ceiling":
        return {"gflops": ceiling(load(side, request["threads"]), request["budget"], small)}
    lib, work = build(name, side, request["threads"], small, request.get("channels_last"))
    if request.get("profile"):
        return {"table": profile(lib, work, request.get("trace"))}
    before = memory.settle()
    for _ in range(WARM_UP):
        work.step()
    taken = sample(work.step, request["budget"])
    step_bytes, process_bytes = memory.held("VmHWM") - before, memory.held("VmHWM")
    return {
        "ms": [s * 1e3 for s in taken],
        "step_mb": step_bytes / MEBI,
        "process_mb": process_bytes / MEBI,
        "flops": flops.count(lib, work) if side == "ours" else None,
    }


def profile(lib: Any, work: Work, trace: str | None = None) -> str:
    """Where a step spends its time, op by op, as a table; ``trace`` names a file for a Chrome trace."""
    profiler = importlib.import_module(f"{lib.__name__}.profiler")
    for _ in range(WARM_UP):
        work.step()
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU]) as record:
        for _ in range(PROFILED):
            work.step()
    if trace:
        record.export_chrome_trace(trace)
    return record.key_averages().table(sort_by="self_cpu_time_total", row_limit=40)


def ceiling(lib: Any, budget: float, small: bool = False) -> float:
    """GFLOP/s in float32 of the better of a large product and a 3 x 3 convolution over channels-last memory."""
    size, batch = (64, 1) if small else (2048, 16)
    a, b = lib.randn(size, size), lib.randn(size, size)
    x = lib.randn(batch, 256, 28, 28).to(memory_format=lib.channels_last)
    layer = lib.nn.Conv2d(256, 256, 3, padding=1, bias=False).to(memory_format=lib.channels_last)
    rates = []
    with lib.inference_mode():
        for call, work in ((lambda: a @ b, 2 * size**3), (lambda: layer(x), 2 * x.numel() * 256 * 9)):
            call()
            rates.append(work / min(sample(call, budget / 2)) / 1e9)
    return max(rates)


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
