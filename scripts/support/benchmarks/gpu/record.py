"""What a comparison on a card comes to: one object for JSON, a table for the terminal, one for the README."""

from __future__ import annotations

import re
from typing import Any

from support.benchmarks.gpu.cases import CASES, UNITS
from support.benchmarks.gpu.turns import Figures
from support.benchmarks.report import figure

HEADS = [
    "case", "ours, ms", "torch, ms", "ratio", "asked", "aim", "of ceiling", "ours, MB", "torch, MB", "fallbacks",
]  # fmt: skip
SHOWN = [place for place, head in enumerate(HEADS) if head not in ("asked", "aim", "fallbacks")]  # in the README


def entry(name: str, sides: dict[str, Figures], ceilings: dict[str, float]) -> dict[str, Any]:
    """A case as the record has it; ``share_of_ceiling`` is ours of what ``bound`` names, and ``ratio`` PyTorch's time over ours.

    ``rounds_ms`` are the medians of each turn: how far they lie apart is what a difference must exceed to mean something.
    """
    ours, torch = sides.get("ours"), sides.get("torch")
    bound = CASES[name].bound
    share = None
    if ours is not None and bound in ceilings:
        share = rate(ours.amount, ours.ms, bound) / ceilings[bound]
    return {
        "ours_ms": ours and ours.ms,
        "torch_ms": torch and torch.ms,
        "ratio": torch.ms / ours.ms if ours and torch else None,
        "share_of_ceiling": share,
        "peak_mb": {side: found.peak_mb for side, found in sides.items()},
        "bound": bound,
        "rounds_ms": {side: found.medians for side, found in sides.items()},
        "fallbacks": ours.fallbacks if ours else {},
    }


def rate(amount: int, ms: float, bound: str) -> float:
    """An amount of work in a time, in the ceiling's unit: GB/s or TFLOP/s."""
    return amount / (ms / 1e3) / UNITS[bound]


def cells(name: str, case: dict[str, Any]) -> list[str]:
    """A case's entries, in the order of ``HEADS``."""

    def ms(value: float | None) -> str:
        return figure(value, 3 if value is not None and value < 10 else 1)

    share, peaks, asked = case["share_of_ceiling"], case["peak_mb"], CASES[name]
    return [
        name, ms(case["ours_ms"]), ms(case["torch_ms"]), figure(case["ratio"]), figure(asked.asked), figure(asked.aim),
        figure(share and 100 * share, 0, " %"), figure(peaks.get("ours"), 0), figure(peaks.get("torch"), 0),
        str(sum(case["fallbacks"].values())),
    ]  # fmt: skip


def markdown(record: dict[str, Any]) -> str:
    """The table for the README, with a sentence on where it comes from."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    tops = record["ceilings"]
    lines = [
        f"{record['date']}, {record['card']}, driver {record['driver']}; {versions}. Measured ceilings: "
        f"{tops['bandwidth_gbs']:.0f} GB/s, {tops['bf16_tflops']:.0f} TFLOP/s in bfloat16, {tops['tf32_tflops']:.0f} in TF32.",
        "",
        "| " + " | ".join(HEADS[place] for place in SHOWN) + " |",
        "|" + "---|" + "---:|" * (len(SHOWN) - 1),
    ]
    for name, case in record["cases"].items():
        entries = [CASES[name].what, *cells(name, case)[1:]]
        lines.append("| " + " | ".join(entries[place] for place in SHOWN) + " |")
    return "\n".join(lines)


def file_name(card: str) -> str:
    """``gpu-h200.json`` of "NVIDIA H200"."""
    return f"gpu-{re.sub(r'[^a-z0-9]+', '-', card.lower().removeprefix('nvidia ')).strip('-')}.json"
