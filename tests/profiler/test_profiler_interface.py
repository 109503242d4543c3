"""Devices, the older spelling, and PyTorch's arguments."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest

import framework
from framework.errors import ArgumentError, DeviceError
from framework.profiler import (
    ProfilerActivity,
    profile,
    supported_activities,
)
from framework.profiler import recording as rec
from framework.profiler.events import events_of
from tests.profiler.recorded import counts


def test_activities():
    assert ProfilerActivity.CPU in supported_activities()
    with pytest.raises(ArgumentError, match="no activities"):
        profile(activities=[])
    with pytest.raises(ArgumentError, match="got 'cpu'"):
        profile(activities=["cpu"])
    if not framework.cuda.is_available():
        assert supported_activities() == {ProfilerActivity.CPU}
        with pytest.raises(DeviceError, match="needs a GPU"):
            profile(activities=[ProfilerActivity.CUDA])
        with pytest.raises(DeviceError, match="needs a GPU"):
            framework.autograd.profiler.profile(use_cuda=True)


def test_times_on_a_device_come_from_its_events(monkeypatch):
    ticks = iter(range(0, 100, 5))

    class Event:
        def __init__(self):
            self.at = next(ticks)

        def elapsed_time(self, other):
            return float(other.at - self.at)  # milliseconds

    class OnDevice(np.ndarray):
        __cuda_array_interface__ = None

    monkeypatch.setattr(rec, "_cuda_event", Event)
    monkeypatch.setattr(framework.cuda, "synchronize", lambda *_: None)
    x = np.ones(3).view(OnDevice)
    recorder = rec.Recorder(rec.Options(cuda=True))
    block = recorder.begin("block", rec.USER)
    outer = recorder.begin("outer", rec.OP, (x,))
    recorder.end(recorder.begin("inner", rec.KERNEL, (x,)))
    recorder.end(recorder.begin("host", rec.KERNEL, (np.ones(3),)))
    recorder.end(outer)
    recorder.end(block)
    times = {e.name: (e.device_time_total, e.self_device_time_total) for e in events_of(recorder, recorder.finish())}
    assert times == {"block": (15e3, 0), "outer": (15e3, 10e3), "inner": (5e3, 5e3), "host": (0, 0)}
    events = events_of(recorder, recorder.finish())
    assert (
        "Self CUDA %" in events.table(sort_by="self_cuda_time_total") and "CUDA time total: 15.000ms" in events.table()
    )


@pytest.mark.gpu
@pytest.mark.skipif(not framework.cuda.is_available(), reason="needs a GPU and CuPy")
def test_work_on_a_gpu_is_timed():
    x = framework.randn(512, 512, device="cuda")
    x @ x
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as prof:
        x @ x
    matmul = next(e for e in prof.events() if e.name == "MatMul")
    assert matmul.device_time_total > 0


# The older spelling


def test_autograd_profiler(tmp_path):
    prof = framework.autograd.profiler.profile(record_shapes=True, acc_events=True)
    assert "unfinished" in str(prof)
    with pytest.raises(RuntimeError, match="before the block is over"):
        prof.function_events
    for _ in range(2):
        with prof, framework.autograd.profiler.record_function("mine"):
            framework.ones(3).exp()
    assert counts(prof) == {"mine": 2, "Exp": 2}
    assert prof.total_average().count == len(prof.function_events) and prof.self_cpu_time_total > 0
    assert "Exp" in prof.table(sort_by="cpu_time_total") and "Exp" in str(prof)
    prof.export_chrome_trace(tmp_path / "t.json", metadata={"a": 1})
    assert json.loads((tmp_path / "t.json").read_text())["a"] == 1
    with framework.autograd.profiler.profile(enabled=False) as off:
        framework.ones(3).exp()
    assert "unfinished" in str(off)


# Signatures

LEFT_OUT = {  # arguments about PyTorch's own machinery
    "experimental_config", "execution_trace_observer", "use_cuda", "custom_trace_id_callback",
    "post_processing_timeout_s", "activity_filters",
}  # fmt: skip


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("profiler", "profile record_function schedule supported_activities tensorboard_trace_handler"),
        (
            "profiler.profile",
            "start stop step events key_averages export_chrome_trace export_stacks add_metadata add_metadata_json",
        ),
        ("autograd.profiler", "profile record_function"),
        ("autograd.profiler.profile", "table key_averages total_average export_chrome_trace export_stacks"),
        ("autograd.profiler.EventList", "table key_averages total_average export_chrome_trace export_stacks"),
    ],
)
def test_arguments_are_pytorchs(where, names):
    torch = pytest.importorskip("torch")
    ours, theirs = framework, torch
    for part in where.split("."):
        ours, theirs = getattr(ours, part), getattr(theirs, part)
    for name in names.split():
        mine, other = (inspect.signature(getattr(owner, name)).parameters for owner in (ours, theirs))
        other = {n: p for n, p in other.items() if n not in LEFT_OUT or n in mine}
        assert {n: (p.kind, p.default) for n, p in mine.items()} == {n: (p.kind, p.default) for n, p in other.items()}
        assert list(mine) == list(other), name
