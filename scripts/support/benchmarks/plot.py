"""The comparison as a picture: a bar for each case, as long as the ratio, with what is asked and aimed at."""

from __future__ import annotations

import importlib.util
from io import BytesIO
from typing import Any

from support.benchmarks.runs import Row


def check() -> None:
    """Raise where Matplotlib is missing, before the cases run."""
    if importlib.util.find_spec("matplotlib") is None:
        raise OSError('--plot needs Matplotlib; install it with pip install -e ".[plot]"')


def draw(rows: list[Row], machine: dict[str, Any]) -> bytes:
    """A PNG picture of the ratios, the first case at the top."""
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.ratio is not None][::-1]
    ratios = [row.ratio or 0.0 for row in rows]
    figure = Figure(figsize=(9, 1.5 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    colours = ["C0" if row.asked is None or ratio >= row.asked else "C1" for row, ratio in zip(rows, ratios)]
    axes.barh([row.case for row in rows], ratios, color=colours)
    for place, ratio in enumerate(ratios):
        axes.text(0.03, place, f"{ratio:.2f}", va="center", fontsize=8, color="white")
    for mark, label, values in (("|", "asked", [r.asked for r in rows]), (".", "aim", [r.aim for r in rows])):
        places = [place for place, value in enumerate(values) if value is not None]
        if places:
            axes.scatter(
                [values[place] or 0.0 for place in places],
                places,
                marker=mark,
                s=60,
                color="black",
                label=label,
                zorder=3,
            )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xlabel="PyTorch's time / ours: above 1, ours is faster")
    axes.set_title(f"{machine['processor']}, {machine['threads']} threads, {machine['date']}", fontsize=9)
    axes.margins(x=0.08)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")
    memory = BytesIO()
    figure.savefig(memory, format="png", dpi=130)
    return memory.getvalue()
