"""The recorder: what ran while a profiler was on, as ranges with a beginning and an end, thread by thread.

A thread's ranges lie inside one another as its calls do. They are appended when they begin, so a parent stands before
its children, and what they need is taken outside of the time they measure.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from framework.profiler.flops import flops_of

OP, RULE, KERNEL, USER, MODULE = "op", "rule", "kernel", "user", "module"  # what a range is the time of

_HERE = os.path.dirname(__file__) + os.sep
_clock = time.perf_counter_ns
_thread = threading.get_ident
ORIGIN, WALL = _clock(), time.time_ns()  # the moment that events' times count from, on both clocks


class Options(NamedTuple):
    """What a recorder keeps of each range beside its time."""

    shapes: bool = False
    memory: bool = False
    stack: bool = False
    flops: bool = False
    modules: bool = False
    cuda: bool = False


class Lane:
    """One thread: its ranges in the order they began, and those that are open."""

    def __init__(self) -> None:
        self.thread = threading.get_native_id()
        self.name = threading.current_thread().name
        self.ranges: list[Range] = []
        self.open: list[Range] = []


class Range:
    """A call, or a block that the user named. Times are in nanoseconds of ``time.perf_counter_ns``."""

    __slots__ = (
        "args", "bytes", "device", "end", "flops", "forward", "kind", "lane", "made", "name", "parent", "sequence",
        "shapes", "stack", "start",
    )  # fmt: skip

    def __init__(self, name: str, kind: str, lane: Lane) -> None:
        self.name = name
        self.kind = kind
        self.lane = lane
        self.parent = lane.open[-1] if lane.open else None
        self.start = self.end = 0  # no end while it is open
        self.args: str | None = None
        self.bytes = self.flops = 0
        self.device: Any = None  # CUDA events before and after
        self.forward: Range | None = None  # of a gradient rule: the call whose gradient it takes
        self.made: list[Any] = []  # weak references to the memory that its children counted
        self.sequence = -1
        self.shapes: list[list[int]] | None = None
        self.stack: list[str] = []


class Recorder:
    """Collects the ranges of all threads between its making and ``finish``."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lanes: dict[int, Lane] = {}
        self.on = True
        self.calls: dict[int, tuple[Any, Range]] = {}  # by a node's id: the node, weakly, and its forward
        self.lane()  # the thread that starts it is known from here on

    def lane(self) -> Lane:
        """The calling thread's."""
        lane = self.lanes.get(_thread())
        if lane is None:
            lane = self.lanes[_thread()] = Lane()
        return lane

    def wants_kernel(self) -> bool:
        """Whether a kernel call is one that an op made: not one by another kernel, nor a block's in a helping thread."""
        lane = self.lanes.get(_thread())
        return lane is not None and not (lane.open and lane.open[-1].kind == KERNEL)

    def begin(self, name: str, kind: str, arrays: tuple[Any, ...] = ()) -> Range:
        """Open a range in the calling thread."""
        lane, options = self.lane(), self.options
        item = Range(name, kind, lane)
        if options.shapes and kind not in (USER, MODULE):
            item.shapes = [_shape(a) for a in arrays]
        if options.stack:
            item.stack = _callers()
        lane.ranges.append(item)
        lane.open.append(item)
        if options.cuda and any(hasattr(_plain(a), "__cuda_array_interface__") for a in arrays):
            item.device = [_cuda_event()]
        item.start = _clock()
        return item

    def end(self, item: Range, arrays: tuple[Any, ...] = (), result: Any = None) -> None:
        """Close a range, and those inside it that were left open."""
        now = _clock()
        if item.end:
            return
        if item.device:
            item.device.append(_cuda_event())
        opened = item.lane.open
        while item in opened:
            last = opened.pop()
            last.end = last.end or now
        item.end = now
        if result is None:
            return
        if self.options.memory:
            _count_memory(item, arrays, result)
        if self.options.flops and item.kind in (OP, KERNEL):
            item.flops = flops_of(item.name, arrays, result)

    def link(self, node: Any, item: Range) -> None:
        """Remember which range a node's forward was, for its gradient rule to point at."""
        self.calls[id(node)] = weakref.ref(node), item

    def forward_of(self, node: Any) -> Range | None:
        """The forward of a node whose rule runs; None where it was not recorded."""
        found = self.calls.get(id(node))
        return found[1] if found is not None and found[0]() is node else None

    def clear(self) -> None:
        """Forget what was recorded so far; ranges that are open are left out too."""
        for lane in list(self.lanes.values()):
            lane.ranges.clear()
        self.calls.clear()

    def finish(self) -> list[Range]:
        """Stop recording; what is still open, in this thread or another, ends here."""
        self.on = False
        if self.options.cuda:
            from framework import cuda

            cuda.synchronize()
        ranges = [item for lane in list(self.lanes.values()) for item in list(lane.ranges)]
        now = _clock()
        for item in ranges:
            item.end = min(item.end or now, now)
        return ranges


def wrapped(
    recorder: Recorder, function: Callable[..., Any], name: Callable[..., str], kind: str
) -> Callable[..., Any]:
    """A function that records its calls; ``name`` gives a call's name from its arguments."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not recorder.on:
            return function(*args, **kwargs)
        item = recorder.begin(name(*args), kind, args)
        try:
            return function(*args, **kwargs)
        finally:
            recorder.end(item)

    return wrapper


class record_function:
    """Names a block, or each call of a function, in the profile. It records nothing while no profiler is on.

    Args:
        name: what the table and the trace call it.
        args: more words, shown in the trace.

    Example:
        >>> with record_function("augmentation"):
        ...     x = flip(x)
        >>> @record_function("attention")
        ... def attend(q, k, v): ...
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args
        self._open: list[tuple[Recorder, Range] | None] = []

    def __enter__(self) -> record_function:
        recorder = current[0]
        if recorder is None or not recorder.on:
            self._open.append(None)
            return self
        item = recorder.begin(self.name, USER)
        item.args = self.args
        self._open.append((recorder, item))
        return self

    def __exit__(self, *_: object) -> None:
        opened = self._open.pop()
        if opened is not None:
            opened[0].end(opened[1])

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return wrapper


current: list[Recorder | None] = [None]  # the recorder that is on


def _callers() -> list[str]:
    """The Python frames around a range, innermost first, without the profiler's own."""
    frame: Any = sys._getframe(2)
    lines = []
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_HERE):
            lines.append(f"{code.co_filename}({frame.f_lineno}): {code.co_name}")
        frame = frame.f_back
    return lines


def _cuda_event() -> Any:
    from framework import cuda

    event = cuda.Event(enable_timing=True)
    event.record()
    return event


def _plain(value: Any) -> Any:
    """The array of a Tensor; what else comes, as it is."""
    return getattr(value, "array", value)


def _shape(value: Any) -> list[int]:
    """The shape of an array or a Tensor; nothing for what else comes."""
    shape = getattr(value, "shape", None)
    return list(shape) if isinstance(shape, tuple) else []


def _owner(array: Any) -> Any:
    """The object that holds an array's memory."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return array


def _count_memory(item: Range, arrays: tuple[Any, ...], result: Any) -> None:
    """Count the results that are new memory: no view of an input, and not what a call inside has counted."""
    known = {id(_owner(_plain(a))) for a in arrays}
    known.update(id(owner) for owner in (made() for made in item.made) if owner is not None)
    for value in result if isinstance(result, tuple | list) else (result,):
        array = _plain(value)
        owner = _owner(array)
        if hasattr(array, "nbytes") and hasattr(array, "dtype") and id(owner) not in known:
            known.add(id(owner))
            item.bytes += array.nbytes
            try:
                item.made.append(weakref.ref(owner))
            except TypeError:  # a NumPy scalar: too small to matter twice
                continue
    if item.parent is not None and item.parent.kind in (OP, RULE, KERNEL):
        item.parent.made += item.made
    item.made = []
