"""The older spelling of the profiler, ``autograd.profiler``: the same recording without a schedule."""

from __future__ import annotations

import os
from typing import Any

from framework.profiler.events import EventList, FunctionEventAvg
from framework.profiler.events import FunctionEvent as FunctionEvent
from framework.profiler.profiler import ProfilerActivity as ProfilerActivity
from framework.profiler.profiler import uses_cuda
from framework.profiler.recording import Options
from framework.profiler.recording import record_function as record_function
from framework.profiler.session import Session, claim, release
from framework.tensor import missing as _missing


class profile:
    """Records all between the block's beginning and its end; ``framework.profiler.profile`` can do more.

    Args:
        enabled: False makes it do nothing.
        use_cuda: time work on the GPU's streams too; so does ``use_device="cuda"``.
        use_device: "cuda" or None.
        record_shapes: keep the shapes of inputs.
        with_flops: count the operations of matrix products and convolutions.
        profile_memory: count the bytes of new arrays.
        with_stack: keep the Python frames around each call.
        with_modules: record the calls of modules too.
        use_kineto: has no effect: there is one recorder.
        use_cpu: has no effect: the CPU is always timed.
        acc_events: keep the events of earlier blocks when it is entered again.

    Example:
        >>> with framework.autograd.profiler.profile() as prof:
        ...     model(x).sum().backward()
        >>> print(prof.key_averages().table(sort_by="self_cpu_time_total"))
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        acc_events: bool = False,
    ) -> None:
        self.enabled = enabled
        self.acc_events = acc_events
        gpu = [ProfilerActivity.CUDA] if enabled and (use_cuda or use_device == "cuda") else []
        cuda = uses_cuda([ProfilerActivity.CPU, *gpu])
        self._options = Options(record_shapes, profile_memory, with_stack, with_flops, with_modules, cuda)
        self._session: Session | None = None
        self._events: EventList | None = None

    def __enter__(self) -> profile:
        if self.enabled:
            claim(self)
            try:
                session = Session(self._options)
                session.prepare()
                session.start()
            except BaseException:
                release(self)
                raise
            self._session = session
        return self

    def __exit__(self, *_: object) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            events = session.stop()
        finally:
            release(self)
        if self.acc_events and self._events is not None:
            self._events.join(events)
        else:
            self._events = events

    def __str__(self) -> str:
        return "<unfinished autograd.profiler.profile>" if self._events is None else str(self._events)

    __repr__ = __str__

    @property
    def function_events(self) -> EventList:
        """The events.

        Raises:
            RuntimeError: the block is not over yet.
        """
        if self._events is None:
            raise RuntimeError("autograd.profiler.profile: there are no events before the block is over")
        return self._events

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, in microseconds."""
        return self.function_events.self_cpu_time_total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The events as text, a line each. See ``EventList.table``."""
        return self.function_events.table(
            sort_by,
            row_limit,
            max_src_column_width,
            max_name_column_width,
            max_shapes_column_width,
            header,
            top_level_events_only,
        )

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The events summed by name. See ``EventList.key_averages``."""
        return self.function_events.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        return self.function_events.total_average()

    def export_chrome_trace(
        self, path: str | os.PathLike[str], metadata: dict[str, Any] | None = None, use_python_export: bool = False
    ) -> None:
        """Write the events in Chrome's trace format; compressed if ``path`` ends in .gz.

        Args:
            path: the file.
            metadata: more entries of the trace's top level.
            use_python_export: has no effect: there is one way to write.
        """
        self.function_events.metadata = metadata or {}
        self.function_events.export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the stacks of events, with ``with_stack=True``, as lines that flame graph tools read."""
        self.function_events.export_stacks(path, metric)


def __getattr__(name: str) -> Any:
    _missing("module 'framework.autograd.profiler'", name, globals())
