"""The table of events, in the columns that PyTorch prints."""

from __future__ import annotations

from typing import Any

from framework.errors import ArgumentError, nearest

_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}
_SORTS = (
    "cpu_time", "cpu_time_total", "self_cpu_time_total", "device_time", "device_time_total", "self_device_time_total",
    "cpu_memory_usage", "self_cpu_memory_usage", "count", "flops",
)  # fmt: skip
_GAP = "  "


def time_words(time: float, unit: str | None = None) -> str:
    """Microseconds with a unit: the one that is given, or the largest that leaves a number above 1."""
    unit = unit or ("s" if time >= 1e6 else "ms" if time >= 1e3 else "us")
    return f"{time / _UNITS[unit]:.3f}{unit}"


def memory_words(count: int) -> str:
    """Bytes with a unit."""
    for unit, size in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "0.00%"


def _cut(text: str, width: int) -> str:
    return text if width < 4 or len(text) <= width else text[: width - 3] + "..."


def metric_of(name: str) -> str:
    """The attribute that a time's name means: ``cuda`` is the device."""
    return name.replace("cuda", "device")


def _flops_unit(most: int) -> tuple[str, float]:
    for words, size in (("TFLOPs", 1e12), ("GFLOPs", 1e9), ("MFLOPs", 1e6), ("KFLOPs", 1e3)):
        if most >= size:
            return words, size
    return "FLOPs", 1.0


def render(
    events: Any,
    has: dict[str, bool],
    sort_by: str | None,
    row_limit: int,
    widths: dict[str, int],
    header: str | None,
    top_level_only: bool,
    unit: str | None,
) -> str:
    """The text of ``EventList.table``."""
    if not events:
        return ""
    if unit is not None and unit not in _UNITS:
        raise ArgumentError(f"table: time_unit must be one of 's', 'ms', 'us' or None, got {unit!r}")
    rows = list(events)
    if sort_by is not None:
        metric = metric_of(sort_by)
        if metric not in _SORTS:
            raise ArgumentError(
                f"table: can't sort by {sort_by!r}; there are {', '.join(_SORTS)}{nearest(metric, _SORTS)}"
            )
        rows.sort(key=lambda event: getattr(event, metric), reverse=True)
    if top_level_only:
        rows = [event for event in rows if event.cpu_parent is None]
    if row_limit >= 0:
        rows = rows[:row_limit]
    cpu = sum(event.self_cpu_time_total for event in events)
    device = sum(event.self_device_time_total for event in events)
    columns = _columns(events, has, cpu, device, widths, unit)
    names = [_cut(str(event.key), widths["Name"]) for event in rows]
    cells = [["Name", *names]] + [[title, *(words(event) for event in rows)] for title, words in columns]
    sizes = [max(12, *map(len, column)) for column in cells]
    rule = _GAP.join("-" * size for size in sizes)
    lines = [_GAP.join(text.rjust(size) for text, size in zip(line, sizes)) for line in zip(*cells)]
    head = [] if header is None else ["=" * len(rule), header]
    totals = [f"Self CPU time total: {time_words(cpu, unit)}"]
    if device:
        totals.append(f"Self CUDA time total: {time_words(device, unit)}")
    return "\n".join([*head, rule, lines[0], rule, *lines[1:], rule, *totals]) + "\n"


def _columns(
    events: Any, has: dict[str, bool], cpu: float, device: float, widths: dict[str, int], unit: str | None
) -> list[tuple[str, Any]]:
    """(title, words for an event) of each column beside the name."""

    def time(metric: str) -> Any:
        return lambda event: time_words(getattr(event, metric), unit)

    columns: list[tuple[str, Any]] = [
        ("Self CPU %", lambda e: _share(e.self_cpu_time_total, cpu)),
        ("Self CPU", time("self_cpu_time_total")),
        ("CPU total %", lambda e: _share(e.cpu_time_total, cpu)),
        ("CPU total", time("cpu_time_total")),
        ("CPU time avg", time("cpu_time")),
    ]
    if device:
        columns += [
            ("Self CUDA", time("self_device_time_total")),
            ("Self CUDA %", lambda e: _share(e.self_device_time_total, device)),
            ("CUDA total", time("device_time_total")),
            ("CUDA time avg", time("device_time")),
        ]
    if has["memory"]:
        columns += [
            ("CPU Mem", lambda e: memory_words(e.cpu_memory_usage)),
            ("Self CPU Mem", lambda e: memory_words(e.self_cpu_memory_usage)),
        ]
    columns.append(("# of Calls", lambda e: str(e.count)))
    if has["shapes"] and any(event.input_shapes for event in events):
        columns.append(("Input Shapes", lambda e: _cut(str(e.input_shapes), widths["Shapes"])))
    if any(event.stack for event in events):
        columns.append(("Source Location", lambda e: _cut(e.stack[0] if e.stack else "", widths["Source"])))
    if has["flops"]:
        words, size = _flops_unit(max(event.flops for event in events))
        columns.append((f"Total {words}", lambda e: f"{e.flops / size:.3f}" if e.flops else "--"))
    return columns
