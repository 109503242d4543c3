"""Time this toolkit beside PyTorch: the same work, each side in a process of its own, in turn, medians and ratios.

    python scripts/benchmark.py                     every case
    python scripts/benchmark.py --only mlp vit      cases whose name holds one of these words
    python scripts/benchmark.py --profile cnn       where a step of ours spends its time, op by op
    python scripts/benchmark.py --json result.json --plot ratios.png --markdown
    python scripts/benchmark.py --device cuda       the GPU's cases, recorded in scripts/results/gpu-<card>.json

A ratio above 1 means that this toolkit is faster. PyTorch gets channels-last memory where it is faster so, fused
optimizers, and all usable cores. Memory is the most that some steps hold above what model and data take. The ceiling is
the best rate of either side at a large product or a 3 x 3 convolution, in the same run. On a GPU times are the device's,
by events, and ceilings those of a copy and of large products.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from support.benchmarks import plot
from support.benchmarks.cases import CASES
from support.benchmarks.gpu import comparison, record
from support.benchmarks.gpu.cases import CASES as GPU_CASES
from support.benchmarks.gpu.turns import Process
from support.benchmarks.report import Columns, cells, columns, markdown
from support.benchmarks.runs import CaseError, Row, as_json, ceilings, compare, in_own_process, machine
from support.console import Parser, number, run

import framework
from framework import devices
from framework.errors import ArgumentError
from framework.io import atomic_write

ROUNDS, SECONDS = 3, 1.5  # processes a side and case; sampling in each
GPU_ROUNDS, GPU_SECONDS = 5, 1.0  # turns a side and case; their length
QUICK = (1, 0.2)


def arguments() -> Any:
    """What the user asks for."""
    parser = Parser(prog="benchmark.py", description="Time this toolkit beside PyTorch.")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="cuda: the GPU's cases; cpu unless given"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="the GPU's cases in tiny sizes, on the CPU too: no figures"
    )
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases with these names, or whose name holds a word")
    parser.add_argument("--cases", action="store_true", help="list the cases and what is asked of each, and leave")
    parser.add_argument("--sides", nargs="+", choices=("ours", "torch"), help="default: both; with --profile, ours")
    parser.add_argument("--compile", action="store_true", help="a third column: PyTorch with torch.compile")
    parser.add_argument(
        "--rounds",
        type=number(int, 1),
        help=f"processes a side and case, in turn ({ROUNDS}); on a GPU turns ({GPU_ROUNDS})",
    )
    parser.add_argument(
        "--seconds",
        type=number(float, 0),
        help=f"sampling in a process ({SECONDS}); on a GPU of a turn ({GPU_SECONDS})",
    )
    parser.add_argument("--quick", action="store_true", help="one short round: a glance, not a measurement")
    parser.add_argument("--threads", type=number(int, 1), help="of every side (default: all usable cores)")
    parser.add_argument("--json", metavar="FILE", help="write figures, samples and versions")
    parser.add_argument("--update", action="store_true", help="on a GPU: keep the other cases of the file")
    parser.add_argument("--plot", metavar="FILE", help="draw the ratios, a PNG picture (needs Matplotlib)")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown at the end")
    parser.add_argument("--profile", choices=CASES, metavar="CASE", help="print where a step's time goes, and leave")
    parser.add_argument("--trace", metavar="FILE", help="with --profile: write a Chrome trace too")
    args = parser.parse_args()
    if args.trace and (not args.profile or len(args.sides or [1]) > 1):
        parser.error("--trace goes with --profile and one side")
    args.gpu = args.device == "cuda" or args.smoke
    only = [name for name in ("compile", "threads", "plot", "profile") if getattr(args, name)]
    if args.update and not args.gpu:
        parser.error("--update: is for the GPU's cases; add --device cuda")
    if args.gpu and only:
        parser.error(f"--{only[0]}: is for the CPU's cases; leave it out with --device cuda and --smoke")
    if args.profile and CASES[args.profile].build is None:
        parser.error(f"--profile {args.profile}: the case has no steps")
    return args


def check(args: Any, sides: list[str]) -> None:
    """Refuse before anything is measured what would fail after."""
    if "torch" in sides and importlib.util.find_spec("torch") is None:
        raise ArgumentError("PyTorch is missing; pip install torch==2.13.0, or time ours alone with --sides ours")
    if args.device == "cuda" and "ours" in sides:
        devices.module_of(devices.device("cuda"))  # CuPy and a GPU, or an error that says what to install
    for file in filter(None, (args.json, args.plot, args.trace)):
        if not Path(file).absolute().parent.is_dir():
            raise ArgumentError(f"{file}: its folder does not exist")
    if args.plot:
        plot.check()


def choose(words: list[str] | None, cases: dict[str, Any]) -> list[str]:
    """The cases that the words name, or whose name holds one of them."""
    found = [
        name
        for name in cases
        if not words or any(word == name or (word in name and word not in cases) for word in words)
    ]
    if not found:
        raise ArgumentError(f"--only {' '.join(words or [])}: no such case; the cases are {', '.join(cases)}")
    return found


def main() -> int:
    """The exit code: 1 where a case failed."""
    args = arguments()
    cases: dict[str, Any] = GPU_CASES if args.gpu else CASES
    chosen = choose(args.only, cases)
    if args.cases:
        for name in chosen:
            case = cases[name]
            print(
                f"{name:26} {case.what}"
                + (f": {case.asked} asked, {case.aim or case.asked} the aim" if case.asked else "")
            )
        return 0
    sides = args.sides or (["ours"] if args.profile else ["ours", "torch"])
    check(args, sides)
    if args.gpu:
        return on_gpu(args, chosen, sides)
    threads = args.threads or framework.get_num_threads()
    rounds, seconds = QUICK if args.quick else (ROUNDS, SECONDS)
    settings = {"threads": threads, "budget": seconds if args.seconds is None else args.seconds}
    if args.profile:
        for side in sides:
            request = {**settings, "case": args.profile, "side": side, "profile": True, "trace": args.trace}
            print(f"{args.profile} of {side}:\n{in_own_process(request)['table']}")
        return 0
    return table(args, chosen, [*sides, *(["compiled"] if args.compile else [])], args.rounds or rounds, settings)


def table(args: Any, chosen: list[str], sides: list[str], rounds: int, settings: dict[str, Any]) -> int:
    """Measure the cases, print each row as it is known, and write what was asked for."""
    about, top = machine(settings["threads"]), ceilings(sides, rounds, settings)
    ceiling, failed = max(top.values()), []
    rows: list[Row] = []
    lines = Columns(columns(sides))
    print(lines.head(), flush=True)
    for name in chosen:
        try:
            rows.append(compare(name, sides, rounds, settings))
        except CaseError as error:
            print(f"benchmark.py: {error}", file=sys.stderr, flush=True)
            failed.append(str(error))
            continue
        print(lines.line(cells(rows[-1], sides, ceiling)), flush=True)
        if args.json:
            result: dict[str, Any] = {
                "machine": about,
                "settings": {**settings, "rounds": rounds},
                "ceiling_gflops": top,
            }
            result |= {"cases": [as_json(row) for row in rows], "failed": failed}
            atomic_write(args.json, json.dumps(result, indent=1) + "\n")
    if args.plot:
        atomic_write(args.plot, plot.draw(rows, about))
    if args.markdown:
        print("\n" + markdown(rows, sides, ceiling, about))
    return 1 if failed else 0


def on_gpu(args: Any, chosen: list[str], sides: list[str]) -> int:
    """Measure the cases on a card. A whole run, or part of one with ``--update``, is recorded where the results are."""
    rounds, seconds = QUICK if args.quick or args.smoke else (GPU_ROUNDS, GPU_SECONDS)
    settings = {"rounds": args.rounds or rounds, "seconds": seconds if args.seconds is None else args.seconds}
    whole = len(sides) == 2 and (args.update or len(chosen) == len(GPU_CASES)) and not (args.quick or args.smoke)

    def file(card: str) -> Path | None:
        if args.json:
            return Path(args.json)
        return comparison.RESULTS / record.file_name(card) if whole else None

    found, complete = comparison.run(
        chosen, sides, lambda side: Process(side, args.device, args.smoke), settings, file, args.update
    )
    if args.markdown:
        print("\n" + record.markdown(found))
    return 0 if complete else 1


if __name__ == "__main__":
    run(main, "benchmark.py")
