"""Where a step's time goes, op by op, under the names of ``torch.profiler``.

``profile`` records, in every thread: each op's forward (``Linear``), each gradient rule (``LinearBackward0``), the kernel
that served it and its library (``generic::gemm.linear``), optimizer steps, the loader's batches, and the ranges that you
name with ``record_function``. While no profiler is on none of it costs anything: the recording functions are put in
place when one starts, and the originals come back when it stops.

Example:
    >>> from framework.profiler import profile, record_function
    >>> with profile(record_shapes=True) as prof:
    ...     with record_function("forward"):
    ...         loss = loss_of(model(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    >>> print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))
    >>> prof.export_chrome_trace("step.json.gz")  # for chrome://tracing or ui.perfetto.dev

A few steps of a long run, each cycle written to a folder:

    >>> with profile(schedule=schedule(wait=10, warmup=2, active=3), on_trace_ready=tensorboard_trace_handler("log")) as prof:
    ...     for batch in loader:
    ...         train(batch)
    ...         prof.step()
"""

from typing import Any as _Any

from framework.tensor import missing as _missing
from framework.profiler.recording import record_function as record_function
from framework.profiler.profiler import ProfilerAction as ProfilerAction
from framework.profiler.profiler import ProfilerActivity as ProfilerActivity
from framework.profiler.profiler import profile as profile
from framework.profiler.profiler import schedule as schedule
from framework.profiler.profiler import supported_activities as supported_activities
from framework.profiler.profiler import tensorboard_trace_handler as tensorboard_trace_handler

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.profiler'", name, globals())
