"""Time this toolkit beside PyTorch: the same work, each side in a process of its own, in turn, medians and ratios.

    python scripts/benchmark.py                     every case
    python scripts/benchmark.py --only mlp op       cases whose name holds one of these words
    python scripts/benchmark.py --json result.json

A ratio above 1 means that this toolkit is faster. PyTorch gets channels-last memory and fused optimizers where they help it.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from support.console import Parser, number, run

from framework.io import atomic_write

# name: (what is timed, calls a sample)
CASES: dict[str, tuple[str, int]] = {
    "op": ("200 chained multiplications by a 2x2 tensor and their backward: the cost of an op", 5),
    "chain": ("200 chained scalar multiplications and their backward", 5),
    "mlp": ("MLP 784-128-10, batch 64, training step with SGD", 20),
    "cnn": ("two-conv CNN 28x28, batch 128, training step with AdamW", 1),
    "adamw": ("AdamW step over 21 M parameters", 1),
    "lstm": ("LSTM 32x100x128->256, forward and backward", 1),
    "import": ("import", 1),
}


def case(name: str, side: str) -> Callable[[], Any]:
    """What one call of a case does, for one side."""
    if side == "torch":
        import torch as lib

        lib.set_num_threads(len(os.sched_getaffinity(0)))
    else:
        import framework as lib  # type: ignore[no-redef]
    torch_side = side == "torch"
    if name in ("op", "chain"):
        x = lib.ones(2, 2, requires_grad=True) if name == "op" else lib.tensor(1.0, requires_grad=True)
        factor = lib.ones(2, 2) if name == "op" else 1.0001

        def chained() -> None:
            y = x
            for _ in range(200):
                y = y * factor
            y.sum().backward()

        return chained
    nn, functional, optim = lib.nn, lib.nn.functional, lib.optim
    if name == "mlp":
        model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        optimizer = optim.SGD(model.parameters(), lr=0.01)
        x, y = lib.randn(64, 784), lib.randint(0, 10, (64,))
    elif name == "cnn":
        model = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip
        x, y = lib.randn(128, 1, 28, 28), lib.randint(0, 10, (128,))
        if torch_side:
            model = model.to(memory_format=lib.channels_last)
            x = x.to(memory_format=lib.channels_last)
        optimizer = optim.AdamW(model.parameters(), lr=1e-3, **({"fused": True} if torch_side else {}))
    elif name == "adamw":
        parameters = [nn.Parameter(lib.randn(3_000_000)) for _ in range(7)]
        for p in parameters:
            p.grad = lib.randn(3_000_000)
        return optim.AdamW(parameters, lr=1e-3, **({"fused": True} if torch_side else {})).step
    elif name == "lstm":
        model, x = nn.LSTM(128, 256, batch_first=True), lib.randn(32, 100, 128)
        return lambda: model(x)[0].sum().backward()
    else:
        raise ValueError(f"no case {name!r}")

    def step() -> None:
        loss = functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def measure(name: str, side: str) -> float:
    """One sample of a case in milliseconds a call, in this process."""
    work, calls = case(name, side), CASES[name][1]
    for _ in range(3):
        work()
    samples = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(calls):
            work()
        samples.append((time.perf_counter() - began) / calls * 1e3)
    return statistics.median(samples)


def in_own_process(name: str, side: str) -> float:
    """``measure`` in a fresh process; an import is timed by a process that has imported nothing else."""
    if name == "import":
        module = "torch" if side == "torch" else "framework"
        timed = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1e3)"
        command = [sys.executable, "-c", timed]
    else:
        command = [sys.executable, os.path.abspath(__file__), "--case", name, "--side", side]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1] if done.stderr else f"exit code {done.returncode}"
        raise OSError(f"case {name} of {side} failed: {last}")
    return float(done.stdout)


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    from importlib.metadata import version

    import numpy as np

    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": version("torch"),
    }


def main() -> int:
    """The exit code."""
    parser = Parser(prog="benchmark.py", description="Time this toolkit beside PyTorch.")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases whose name holds one of these words")
    parser.add_argument("--rounds", type=number(int, 1), default=5, help="processes a side and case, in turn")
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    parser.add_argument("--case", choices=CASES, help="print one sample of one case in milliseconds, and nothing else")
    parser.add_argument("--side", choices=("ours", "torch"), default="ours")
    args = parser.parse_args()
    if args.case:
        print(measure(args.case, args.side))
        return 0
    chosen = [name for name in CASES if not args.only or any(word in name for word in args.only)]
    rows = []
    print(f"{'case':8} {'ours, ms':>10} {'torch, ms':>10} {'torch/ours':>10}")
    for name in chosen:
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours.append(in_own_process(name, "ours"))
            theirs.append(in_own_process(name, "torch"))
        a, b = statistics.median(ours), statistics.median(theirs)
        rows.append(
            {
                "case": name,
                "what": CASES[name][0],
                "ours_ms": a,
                "torch_ms": b,
                "ratio": b / a,
                "ours": ours,
                "torch": theirs,
            }
        )
        print(f"{name:8} {a:10.3f} {b:10.3f} {b / a:10.2f}", flush=True)
    result = {"machine": machine(), "rounds": args.rounds, "cases": rows}
    if args.json:
        atomic_write(args.json, json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    run(main, "benchmark.py")
