"""The comparison as a table for the terminal and for the README."""

from __future__ import annotations

from typing import Any

from support.benchmarks.runs import Row

NAMES = {"ours": "ours", "torch": "torch", "compiled": "compiled"}
DASH = "-"
OURS_ALONE = ("asked", "aim")  # columns for us, not for the README


def figure(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number for a column, or a dash where there is none."""
    return DASH if value is None else f"{value:.{digits}f}{unit}"


def columns(sides: list[str]) -> list[str]:
    """The heads of the table's columns."""
    extra = ["compiled, ms", "its ratio"] if "compiled" in sides else []
    return [
        "case", "ours, ms", "torch, ms", "ratio", *extra, "asked", "aim", "GFLOP/s", "of ceiling", "ours, MB", "torch, MB",
    ]  # fmt: skip


def cells(row: Row, sides: list[str], ceiling: float | None) -> list[str]:
    """A row's entries, in the order of ``columns``."""

    def ms(side: str) -> str:
        if side not in row.sides:
            return DASH
        value = row.sides[side].ms
        return figure(value, 3 if value < 10 else 1)

    def memory(side: str) -> str:
        return figure(row.sides[side].step_mb, 0) if side in row.sides else DASH

    extra = [ms("compiled"), figure(row.against("compiled"))] if "compiled" in sides else []
    share = 100 * row.gflops / ceiling if row.gflops and ceiling else None
    return [
        row.case, ms("ours"), ms("torch"), figure(row.ratio), *extra, figure(row.asked), figure(row.aim),
        figure(row.gflops, 0), figure(share, 0, " %"), memory("ours"), memory("torch"),
    ]  # fmt: skip


class Columns:
    """Lines of entries under heads, in columns of fixed width, the first for names."""

    def __init__(self, heads: list[str]) -> None:
        self.heads = heads
        self.widths = [30, *(max(len(head), 8) for head in heads[1:])]

    def head(self) -> str:
        """The columns' heads."""
        return self.line(self.heads)

    def line(self, entries: list[str]) -> str:
        """Entries, one a column."""
        first, *others = (entry.rjust(width) for entry, width in zip(entries, self.widths, strict=True))
        return "  ".join([first.strip().ljust(self.widths[0]), *others])


def markdown(rows: list[Row], sides: list[str], ceiling: float | None, machine: dict[str, Any]) -> str:
    """The table for the README, with a sentence on where it comes from."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    top = "" if ceiling is None else f" The ceiling is {ceiling:.0f} GFLOP/s."
    heads = columns(sides)
    kept = [place for place, head in enumerate(heads) if head not in OURS_ALONE]
    lines = [
        f"{machine['date']}, {machine['processor']}, {machine['threads']} threads, {machine['system']}; {versions}.{top}",
        "",
        "| " + " | ".join(heads[place] for place in kept) + " |",
        "|" + "---|" + "---:|" * (len(kept) - 1),
    ]
    for row in rows:
        entries = [row.what, *cells(row, sides, ceiling)[1:]]
        lines.append("| " + " | ".join(entries[place] for place in kept) + " |")
    return "\n".join(lines)
