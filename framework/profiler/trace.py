"""Writing events to files: Chrome's trace format, which Perfetto and TensorBoard read too, and stacks for flame graphs."""

from __future__ import annotations

import gzip
import json
import os
from typing import Any

from framework.errors import ArgumentError
from framework.profiler.recording import KERNEL, MODULE, USER
from framework.profiler.table import metric_of

_CATEGORIES = {USER: "user_annotation", MODULE: "python_function", KERNEL: "cpu_kernel"}  # the others are cpu_op


def write_trace(events: Any, path: str | os.PathLike[str]) -> None:
    """Write a trace, whole or not at all; compressed if the name ends in ``.gz``."""
    from framework.io.atomic import atomic_write

    data = json.dumps(trace_of(events)).encode()
    atomic_write(path, gzip.compress(data) if os.fspath(path).endswith(".gz") else data)


def trace_of(events: Any) -> dict[str, Any]:
    """The trace: a complete event ("X") each, and an arrow from each forward to its gradient rule."""
    pid = os.getpid()
    threads = {event.thread: event.thread_name for event in events}
    entries: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "ts": 0, "pid": pid, "tid": 0, "args": {"name": "python"}}
    ]
    for thread, name in threads.items():
        args = {"name": f"thread {thread} ({name})"}
        entries.append({"ph": "M", "name": "thread_name", "ts": 0, "pid": pid, "tid": thread, "args": args})
    for event in events:
        entries.append(_complete(event, pid))
    for event in events:
        if event.forward is not None:
            arrow = {"id": event.sequence_nr, "pid": pid, "cat": "fwdbwd", "name": "fwdbwd"}
            start, end = event.forward, event
            entries.append({"ph": "s", "tid": start.thread, "ts": start.time_range.start, **arrow})
            entries.append({"ph": "f", "tid": end.thread, "ts": end.time_range.start, "bp": "e", **arrow})
    return {
        "schemaVersion": 1,
        **events.metadata,
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": events.wall,
        "traceEvents": entries,
    }


def _complete(event: Any, pid: int) -> dict[str, Any]:
    args: dict[str, Any] = {"External id": event.id}
    if event.input_shapes:
        args["Input Dims"] = event.input_shapes
    if event.sequence_nr >= 0:
        args["Sequence number"] = event.sequence_nr
    if event.fwd_thread is not None:
        args["Fwd thread id"] = event.fwd_thread
    if event.cpu_memory_usage:
        args["Bytes"] = event.cpu_memory_usage
    if event.flops:
        args["Flops"] = event.flops
    if event.device_time_total:
        args["Device time (us)"] = event.device_time_total
    if event.stack:
        args["Call stack"] = ";".join(reversed(event.stack))
    if event.args is not None:
        args["Args"] = event.args
    return {
        "ph": "X",
        "cat": _CATEGORIES.get(event.kind, "cpu_op"),
        "name": event.name,
        "pid": pid,
        "tid": event.thread,
        "ts": event.time_range.start,
        "dur": round(event.cpu_time_total, 3),
        "args": args,
    }


def write_stacks(events: Any, path: str | os.PathLike[str], metric: str) -> None:
    """Write ``frame;frame;frame time`` lines, outermost frame first, times in whole microseconds."""
    from framework.io.atomic import atomic_write

    if metric not in events.supported_export_stacks_metrics():
        raise ArgumentError(
            f"export_stacks: metric should be one of: {events.supported_export_stacks_metrics()}, got {metric!r}"
        )
    lines = []
    for event in events:
        value = int(getattr(event, metric_of(metric)))
        if event.stack and value > 0:
            lines.append(f"{';'.join(frame.replace(';', ',') for frame in reversed(event.stack))} {value}\n")
    atomic_write(path, "".join(lines))
