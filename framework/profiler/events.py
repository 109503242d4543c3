"""Events: what a profile recorded, one by one and summed by name. Times are in microseconds, as in PyTorch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from framework.profiler.recording import ORIGIN, USER, WALL, Range, Recorder
from framework.profiler.table import render, time_words


class Interval(NamedTuple):
    """From when to when, counted from the moment the profiler was imported."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        """How long it took."""
        return self.end - self.start


def _in_words(name: str) -> property:
    return property(lambda self: time_words(getattr(self, name)), doc=f"``{name}`` with its unit.")


class _Times:
    """What single events and sums have in common."""

    cpu_time_total: float
    device_time_total: float
    count: int

    @property
    def cpu_time(self) -> float:
        """The time of one call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def device_time(self) -> float:
        """The time of one call on the GPU's stream."""
        return self.device_time_total / self.count if self.count else 0.0

    cpu_time_str = _in_words("cpu_time")
    cpu_time_total_str = _in_words("cpu_time_total")
    self_cpu_time_total_str = _in_words("self_cpu_time_total")
    device_time_str = _in_words("device_time")
    device_time_total_str = _in_words("device_time_total")
    self_device_time_total_str = _in_words("self_device_time_total")


class FunctionEvent(_Times):
    """One call: of an op, a gradient rule, a kernel, or a block that the user named.

    Attributes:
        name: as in the table; also ``key``.
        thread: the system's number of the thread.
        time_range: when it ran.
        cpu_parent: the call that it was made in; None at the top.
        cpu_children: the calls made in it.
        input_shapes: with ``record_shapes``, of the inputs in order; ``[]`` for what is no array.
        cpu_memory_usage: with ``profile_memory``, bytes of new arrays that it and the calls in it gave. Views and results
            in place count nothing; what was freed, and a kernel's own scratch memory, are not counted.
        flops: with ``with_flops``, of matrix products and convolutions.
        stack: with ``with_stack``, the Python frames around the call, innermost first.
        sequence_nr: joins a forward with its gradient rule; -1 where no gradient was taken.
        device_time_total: on a GPU, between its start and its end on the stream.
    """

    count = 1

    def __init__(self, id: int, item: Range, parent: FunctionEvent | None) -> None:
        self.id = id
        self.name = self.key = self.trace_name = item.name
        self.kind = item.kind
        self.args = item.args
        self.thread = item.lane.thread
        self.thread_name = item.lane.name
        self.fwd_thread = item.forward.lane.thread if item.forward is not None else None
        self.time_range = Interval((item.start - ORIGIN) / 1000, (item.end - ORIGIN) / 1000)
        self.cpu_time_total = self.self_cpu_time_total = (item.end - item.start) / 1000
        self.cpu_memory_usage = self.self_cpu_memory_usage = item.bytes
        device = item.device[0].elapsed_time(item.device[1]) * 1000 if item.device and len(item.device) == 2 else 0.0
        self.device_time_total = self.self_device_time_total = device
        self.flops = item.flops
        self.input_shapes = item.shapes if item.shapes is not None else []
        self.stack = item.stack
        self.sequence_nr = item.sequence
        self.is_user_annotation = item.kind == USER
        self.is_async = False
        self.forward: FunctionEvent | None = None
        self.cpu_parent = parent
        self.cpu_children: list[FunctionEvent] = []
        if parent is not None:
            parent.cpu_children.append(self)
            parent.self_cpu_time_total -= self.cpu_time_total

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start:.3f} end_us={self.time_range.end:.3f} "
            f"cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage}>"
        )


class FunctionEventAvg(_Times):
    """The calls of one name, summed."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.device_time_total = self.self_device_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.flops = 0
        self.input_shapes: list[list[int]] = []
        self.stack: list[str] = []
        self.is_user_annotation = False
        self.kind = ""
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Add a call, or a sum of the same name."""
        if self.key is None:
            self.key, self.kind, self.is_user_annotation = other.key, other.kind, other.is_user_annotation
            self.input_shapes, self.stack, self.cpu_parent = other.input_shapes, other.stack, other.cpu_parent
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.device_time_total += other.device_time_total
        self.self_device_time_total += other.self_device_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        self.flops += other.flops
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} count={self.count} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str} input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage}>"
        )


class EventList(list[Any]):
    """Events in the order they began, thread by thread; or sums of them, as ``key_averages`` gives."""

    def __init__(
        self, events: Iterable[Any] = (), shapes: bool = False, memory: bool = False, flops: bool = False
    ) -> None:
        super().__init__(events)
        self.has = {"shapes": shapes, "memory": memory, "flops": flops}
        self.wall = WALL  # the nanoseconds since 1970 at which times count from 0
        self.metadata: dict[str, Any] = {}

    def _like(self, events: Iterable[Any]) -> EventList:
        return EventList(events, **self.has)

    def __str__(self) -> str:
        return self.table()

    def join(self, later: EventList) -> None:
        """Add the events of a later recording."""
        for event in later:
            event.id += len(self)
        self.extend(later)

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, each moment counted once in each thread."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The events summed by name.

        Args:
            group_by_input_shapes: keep calls of other input shapes apart.
            group_by_stack_n: keep calls apart that differ in this many of their innermost Python frames.
            group_by_overload_name: has no effect: an op here has no overloads.
        """
        sums: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = str(event.input_shapes) if group_by_input_shapes else ""
            key = event.key, shapes, event.is_user_annotation, tuple(event.stack[:group_by_stack_n])
            if key not in sums:
                sums[key] = FunctionEventAvg()
            sums[key].add(event)
        for total in sums.values():
            total.stack = total.stack[:group_by_stack_n]
            if not group_by_input_shapes:
                total.input_shapes = []
        return self._like(sums.values())

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum. Its totals count a call in another one twice; its self times do not."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
        total.key, total.input_shapes, total.stack = "Total", [], []
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events as text, a line each.

        Args:
            sort_by: ``"self_cpu_time_total"``, ``"cpu_time_total"``, ``"cpu_time"``, ``"cpu_memory_usage"``,
                ``"self_cpu_memory_usage"``, ``"count"``, or a ``cuda_`` time; the largest comes first. None: as recorded.
            row_limit: how many lines; -1 for all.
            max_src_column_width: what is longer loses its end; so for the names and the shapes.
            max_name_column_width: the same for names.
            max_shapes_column_width: the same for shapes.
            header: a line above the table.
            top_level_events_only: leave out what was called in another event.
            time_unit: "s", "ms" or "us" for all times; None takes the one that suits each.
        """
        widths = {"Name": max_name_column_width, "Source": max_src_column_width, "Shapes": max_shapes_column_width}
        return render(self, self.has, sort_by, row_limit, widths, header, top_level_events_only, time_unit)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the events in Chrome's trace format."""
        from framework.profiler.trace import write_trace

        write_trace(self, path)

    def supported_export_stacks_metrics(self) -> list[str]:
        """The times that ``export_stacks`` takes."""
        return ["self_cpu_time_total", "self_cuda_time_total", "self_device_time_total"]

    def export_stacks(self, path: str | os.PathLike[str], metric: str) -> None:
        """Write a line for each event with a stack, outermost frame first, for flame graphs."""
        from framework.profiler.trace import write_stacks

        write_stacks(self, path, metric)


def events_of(recorder: Recorder, ranges: list[Range]) -> EventList:
    """The events of a recorder's ranges, each with its parent and the children's share taken from its self time."""
    options = recorder.options
    made: dict[Range, FunctionEvent] = {}
    for number, item in enumerate(ranges):
        parent = made.get(item.parent) if item.parent is not None else None
        made[item] = FunctionEvent(number, item, parent)
    for item, event in reversed(made.items()):  # children before their parents
        event.forward = made.get(item.forward) if item.forward is not None else None
        for child in event.cpu_children:
            event.cpu_memory_usage += child.cpu_memory_usage
        inside = sum(child.device_time_total for child in event.cpu_children)
        event.device_time_total = max(event.device_time_total, inside)
        event.self_device_time_total = event.device_time_total - inside
    return EventList(made.values(), shapes=options.shapes, memory=options.memory, flops=options.flops)
