"""Count, describe and print the outcome of parity checks."""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from tests.parity.bridge import short

RESULTS = ("ok", "missing", "error", "mismatch", "skipped")
"""What can become of a case; skipped where torch itself gives no reference."""


class OutOfTime(BaseException):
    """Raised inside an op that ran past its time limit."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body after that many seconds."""

    def stop(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Tally:
    """Results of one op, module or optimizer."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, result: str, message: str = "") -> None:
        """Count one case; `result` is ok, missing, error, mismatch or skipped."""
        self.counts[result] += 1
        if message:
            self.failures.append(f"{result}: {message}")

    def failed(self, where: str, error: BaseException) -> None:
        """Count a case that ended with an exception of ours."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        code = trace.tb_frame.f_code if trace else None
        spot = f" at {code.co_name}:{trace.tb_lineno}" if code and trace else ""
        text = " ".join(str(error).split())[:300]
        self.add("error", f"{where}: {type(error).__name__}: {text}{spot}")

    @property
    def passed(self) -> bool:
        """Whether nothing was missing, raised or differed."""
        return not any(self.counts[key] for key in ("missing", "error", "mismatch"))

    def lines(self, shown: int = 3) -> str:
        """Format the counts and the first failures."""
        parts = [f"{k}={self.counts[k]}" for k in RESULTS if self.counts[k] or k == "ok"]
        head = f"{'  ' if self.passed else 'X '}{self.name}: {' '.join(parts)}"
        return "\n".join([head, *(f"      {text}" for text in self.failures[:shown])])


def report(tallies: Iterable[Tally], options: argparse.Namespace) -> int:
    """Print tallies as they come, then totals; return the exit status."""
    total: Counter[str] = Counter()
    bad: list[str] = []
    absent: list[str] = []
    good = 0
    for tally in tallies:
        total.update(tally.counts)
        good += tally.passed
        if not tally.passed:
            only_missing = not (tally.counts["error"] or tally.counts["mismatch"])
            (absent if only_missing else bad).append(tally.name)
        if not (options.summary or (options.failing and tally.passed)):
            print(tally.lines(options.shown), flush=True)
    if options.summary:
        print("missing only:", ", ".join(absent) or "none")
        print("failing:", ", ".join(bad) or "none")
    print("cases:", " ".join(f"{key}={total[key]}" for key in RESULTS))
    print(f"entries: {good} pass, {len(absent)} only miss names, {len(bad)} fail")
    return 1 if absent or bad else 0


class Checker(Protocol):
    """Something to check: one database entry in one dtype."""

    def run(self) -> Tally:
        """Check it."""
        ...


_checkers: list[Checker] = []
"""What there is to run; forked workers inherit it and are sent positions only."""


def _run(position: int) -> Tally:
    return _checkers[position].run()


def run_all(checkers: Iterable[Checker], options: argparse.Namespace) -> int:
    """Run and report all checkers, in processes where more than one is asked for."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    _checkers[:] = checkers
    positions = range(len(_checkers))
    if options.jobs <= 1:
        return report(map(_run, positions), options)
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        return report(pool.imap(_run, positions), options)


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser of the options that all parity checks share."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=kind)
    parser.add_argument("--only", default="", help="pattern searched for in the names")
    parser.add_argument("--dtype", default="float32", help="dtypes, parted by commas")
    parser.add_argument("--grad", action="store_true", help="compare gradients too")
    parser.add_argument("--errors", action="store_true", help="check refusals instead")
    parser.add_argument("--max-samples", type=int, default=0, help="0 means all")
    parser.add_argument("--summary", action="store_true", help="print totals and names only")
    parser.add_argument("--failing", action="store_true", help="leave out what passes")
    parser.add_argument("--shown", type=int, default=3, help="failures printed per entry")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds per entry")
    parser.add_argument("--jobs", "-j", type=int, default=1, help="processes")
    return parser


def describe(value: Any) -> str:
    """Format a nested argument briefly: a tensor as its dtype and shape."""
    if isinstance(value, torch.Tensor):
        strides = "" if value.is_contiguous() else f" strides {list(value.stride())}"
        return f"{short(value.dtype)}{list(value.shape)}{strides}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(describe(item) for item in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        return ", ".join(f"{key}={describe(item)}" for key, item in value.items())
    if isinstance(value, torch.nn.Module):
        return type(value).__name__
    return getattr(value, "__name__", None) or repr(value)
