"""The whole comparison: the card and its ceilings, then case after case, printed and written as each is known."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from framework.io import atomic_write
from support.benchmarks.gpu.cases import CASES, CEILINGS
from support.benchmarks.gpu.record import HEADS, cells, entry, rate
from support.benchmarks.gpu.turns import Opener, compare, take_turns
from support.benchmarks.report import Columns
from support.benchmarks.runs import CaseError

RESULTS = Path(__file__).parents[3] / "results"


def setting(sides: list[str], opened: Opener, rounds: int, seconds: float) -> dict[str, Any]:
    """The card, the driver and the versions, by the word of every side, and what the card can do at the better one's best.

    Raises:
        CaseError: a side finds no GPU, or is not installed.
    """
    versions: dict[str, str] = {}
    tops: dict[str, float] = {}
    with ExitStack() as stack:
        asked = {side: stack.enter_context(opened(side)) for side in sides}
        for one in asked.values():
            about = one.ask("about")
            versions |= about["versions"]
        for name in CEILINGS:
            figures = take_turns(name, asked, rounds, seconds).values()
            tops[name] = max(rate(found.amount, found.best, name) for found in figures)
    return {"card": about["card"], "driver": about["driver"], "versions": versions, "ceilings": tops}


def run(
    chosen: list[str],
    sides: list[str],
    opened: Opener,
    settings: dict[str, Any],
    file: Callable[[str], Path | None],
    update: bool = False,
) -> tuple[dict[str, Any], bool]:
    """The record, and whether every case was measured.

    Args:
        chosen: names of cases.
        sides: "ours", "torch" or both.
        opened: makes a side's process.
        settings: ``rounds`` and ``seconds`` of a turn.
        file: of a card's name, where to write the record after each case; None for nowhere.
        update: keep the other cases of that file.
    """
    record: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), **setting(sides, opened, **settings)}
    record |= {"settings": settings, "cases": {}, "failed": {}}
    where, lines = file(record["card"]), Columns(HEADS)
    if update and where is not None and where.exists():
        keep(record, json.loads(where.read_text()), where)
    tops = ", ".join(f"{name} {value:.0f}" for name, value in record["ceilings"].items())
    print(f"{record['card']}, driver {record['driver']}; ceilings: {tops}\n{lines.head()}", flush=True)
    for name in chosen:
        record["cases"].pop(name, None)
        record["failed"].pop(name, None)
        try:
            case = entry(name, compare(name, sides, opened, **settings), record["ceilings"])
        except CaseError as error:
            record["failed"][name] = str(error)
            print(f"benchmark.py: case {name} failed: {error}", file=sys.stderr, flush=True)
        else:
            cases = {**record["cases"], name: case}
            record["cases"] = {known: cases[known] for known in CASES if known in cases}
            print(lines.line(cells(name, case)), flush=True)
        if where is not None:
            where.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(where, json.dumps(record, indent=1) + "\n")
    if where is not None:
        print(f"written: {where}")
    return record, not record["failed"]


def keep(record: dict[str, Any], before: dict[str, Any], where: Path) -> None:
    """Take over an earlier record's cases. Of the ceilings the higher holds, and shares follow it.

    Raises:
        ArgumentError: it is of another card, driver or version.
    """
    for name in ("card", "driver", "versions"):
        if before[name] != record[name]:
            raise ArgumentError(f"--update: {where} has other {name}, {before[name]}; now {record[name]}; leave it out")
    tops = record["ceilings"]
    for name, value in before["ceilings"].items():
        tops[name] = max(tops[name], value)
    for case in before["cases"].values():
        if case["share_of_ceiling"] is not None:
            case["share_of_ceiling"] *= before["ceilings"][case["bound"]] / tops[case["bound"]]
    record["cases"], record["failed"] = before["cases"], before["failed"]
