"""``profile`` with its schedule: when to wait, warm up and record, and what to do with what was recorded."""

from __future__ import annotations

import enum
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from framework.errors import ArgumentError, DeviceError
from framework.profiler.events import EventList, FunctionEventAvg
from framework.profiler.recording import Options, record_function
from framework.profiler.session import Session, claim, release


class ProfilerAction(enum.Enum):
    """What a profiler does during a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


class ProfilerActivity(enum.Enum):
    """What is timed: calls on the CPU, and work on the GPU's streams."""

    CPU = 0
    CUDA = 2


_NONE, _WARMUP = ProfilerAction.NONE, ProfilerAction.WARMUP
_RECORD, _SAVE = ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE


def supported_activities() -> set[ProfilerActivity]:
    """What can be timed here: the CPU always, CUDA where there is a GPU."""
    from framework import cuda

    return {ProfilerActivity.CPU, ProfilerActivity.CUDA} if cuda.is_available() else {ProfilerActivity.CPU}


def uses_cuda(activities: Iterable[ProfilerActivity] | None) -> bool:
    """Whether work on the GPU is to be timed.

    Raises:
        ArgumentError: no activity is left, or one is none.
        DeviceError: CUDA is asked for and there is no GPU.
    """
    supported = supported_activities()
    chosen = supported if activities is None else set(activities)
    if not chosen:
        raise ArgumentError("profile: no activities given; pass ProfilerActivity.CPU, or leave activities out")
    for activity in chosen:
        if not isinstance(activity, ProfilerActivity):
            raise ArgumentError(
                f"profile: activities are ProfilerActivity.CPU and ProfilerActivity.CUDA, got {activity!r}"
            )
    if not chosen <= supported:
        raise DeviceError("profile: ProfilerActivity.CUDA needs a GPU and CuPy, and there is none; leave it out")
    return ProfilerActivity.CUDA in chosen


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """What ``profile`` does at which step: cycles of waiting, warming up, and recording.

    Args:
        wait: steps of a cycle with the profiler off.
        warmup: steps with its hooks in place, whose events are thrown away.
        active: steps that are recorded; after the last of them ``on_trace_ready`` is called.
        repeat: how many cycles; 0 goes on to the end.
        skip_first: steps before the first cycle.
        skip_first_wait: other than 0, the first cycle does not wait.
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise ArgumentError(
            f"schedule: active must be positive and the others not negative, got wait={wait}, warmup={warmup}, "
            f"active={active}, repeat={repeat}, skip_first={skip_first}"
        )
    if warmup == 0:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", stacklevel=2)
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise ArgumentError(f"schedule: a step's number can't be negative, got {step}")
        if step < skip_first:
            return _NONE
        step += (wait if skip_first_wait else 0) - skip_first
        cycle, place = divmod(step, length)
        if (0 < repeat <= cycle) or place < wait:
            return _NONE
        if place < wait + warmup:
            return _WARMUP
        return _RECORD if place < length - 1 else _SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, use_python_export: bool = False
) -> Callable[[Any], None]:
    """An ``on_trace_ready`` that writes each trace to a file of its own in a folder, where TensorBoard finds it.

    Args:
        dir_name: the folder; it is made if it is not there.
        worker_name: begins the file's name; the machine's name and the process's number unless given.
        use_gzip: compress the files.
        use_python_export: has no effect: there is one way to write.
    """

    def handler(prof: Any) -> None:
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handler


class profile:
    """Records the calls of ops, gradient rules and kernels, and the ranges the user named, in all threads.

    Args:
        activities: ``ProfilerActivity.CPU``, ``ProfilerActivity.CUDA``; all that there are unless given. CUDA times the
            work of each call on its stream, from its start to its end there.
        schedule: from a step's number to a ``ProfilerAction``, as ``schedule`` makes it; ``step()`` ends a step. None
            records all between start and stop.
        on_trace_ready: called with the profiler when a recording is complete.
        record_shapes: keep the shapes of inputs.
        profile_memory: count the bytes of new arrays.
        with_stack: keep the Python frames around each call. This takes time.
        with_flops: count the operations of matrix products and convolutions.
        with_modules: record the calls of modules too, as ``nn.Module: Linear``.
        acc_events: ``events`` and ``key_averages`` are of all cycles so far; else of the last one.

    Raises:
        RuntimeError: on start, if a profiler is running already.

    Example:
        >>> with profile(with_flops=True) as prof:
        ...     model(x).sum().backward()
        >>> print(prof.key_averages().table(sort_by="cpu_time_total", row_limit=5))
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        acc_events: bool = False,
    ) -> None:
        self.activities = supported_activities() if activities is None else set(activities)
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.record_shapes = record_shapes
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_flops = with_flops
        self.with_modules = with_modules
        self.acc_events = acc_events
        cuda = uses_cuda(activities)
        self._options = Options(record_shapes, profile_memory, with_stack, with_flops, with_modules, cuda)
        self._session: Session | None = None
        self._events: EventList | None = None
        self._metadata: dict[str, Any] = {}
        self._step_range: record_function | None = None
        self._started = False
        self.step_num = 0
        self.current_action = self._action()

    def _action(self) -> ProfilerAction:
        return _RECORD if self.schedule is None else self.schedule(self.step_num)

    # From start to stop

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin with the first step."""
        claim(self)
        self._started = True
        try:
            self._go_to(_NONE, self.current_action)
            self._begin_step()
        except BaseException:
            self._abandon()
            raise

    def stop(self) -> None:
        """End the last step, with it what is being recorded, and put every function back."""
        if not self._started:
            return
        try:
            self._end_step()
            self._go_to(self.current_action, None)
        finally:
            self._abandon()

    def step(self) -> None:
        """Say that a step is over and the next begins: the schedule decides what is done in it."""
        if not self._started or self.schedule is None:
            self.step_num += 1
            return
        self._end_step()
        previous = self.current_action
        self.step_num += 1
        self.current_action = self._action()
        self._go_to(previous, self.current_action)
        self._begin_step()

    def _begin_step(self) -> None:
        if self.schedule is not None:
            self._step_range = record_function(f"ProfilerStep#{self.step_num}")
            self._step_range.__enter__()

    def _end_step(self) -> None:
        if self._step_range is not None:
            self._step_range.__exit__()
            self._step_range = None

    def _abandon(self) -> None:
        session, self._session = self._session, None
        self._started = False
        try:
            if session is not None:
                session.stop()
        finally:
            release(self)

    def _go_to(self, before: ProfilerAction, now: ProfilerAction | None) -> None:
        """Do what lies between two steps' actions; ``now`` is None at the end."""
        if before is _SAVE or (before is _RECORD and now not in (_RECORD, _SAVE)):
            if before is _RECORD and now is not None:
                warnings.warn(f"Incorrect schedule: RECORD followed by {now.name}", stacklevel=3)
            self.stop_trace()
            if (before is _SAVE or now is None) and self.on_trace_ready is not None:
                self.on_trace_ready(self)
            before = _NONE
        if before is _WARMUP and now in (_NONE, None):
            if now is _NONE:
                warnings.warn("Incorrect schedule: WARMUP followed by NONE", stacklevel=3)
            self.start_trace()
            self.stop_trace()
        elif before is _NONE and now not in (_NONE, None):
            self.prepare_trace()
        if before in (_NONE, _WARMUP) and now in (_RECORD, _SAVE):
            self.start_trace()

    # What the schedule calls; they can be called by hand too

    def prepare_trace(self) -> None:
        """Put the hooks in place. What they see is thrown away until ``start_trace``."""
        session = Session(self._options)
        session.prepare()
        self._session = session

    def start_trace(self) -> None:
        """Record from here on."""
        if self._session is None:
            self.prepare_trace()
        if self._session is not None:
            self._session.start()

    def stop_trace(self) -> None:
        """End the recording and keep its events."""
        session, self._session = self._session, None
        if session is None:
            return
        events = session.stop()
        if self.acc_events and self._events is not None:
            self._events.join(events)
        else:
            self._events = events

    # What was recorded

    def events(self) -> EventList:
        """The events of the last recording.

        Raises:
            RuntimeError: nothing has been recorded yet.
        """
        if self._events is None:
            raise RuntimeError("profile: nothing was recorded yet; events are there after stop(), or in on_trace_ready")
        self._events.metadata = self._metadata
        return self._events

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The events summed by name; print its ``.table()``. See ``EventList.key_averages``."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        return self.events().total_average()

    def export_chrome_trace(self, path: str, use_python_export: bool = False) -> None:
        """Write the last recording for chrome://tracing, Perfetto or TensorBoard; compressed if ``path`` ends in .gz.

        ``use_python_export`` has no effect: there is one way to write.
        """
        self.events().export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the stacks of events, with ``with_stack=True``, as lines that flame graph tools read."""
        self.events().export_stacks(path, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """Put a string into the traces that are written from here on."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Put a value, given as JSON, into the traces that are written from here on."""
        self._metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json
