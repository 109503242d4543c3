"""When the profiler records: schedules, cycles and steps."""

from __future__ import annotations

from itertools import product

import pytest

import framework
from framework.errors import ArgumentError
from framework.profiler import (
    ProfilerAction,
    profile,
    schedule,
)
from tests.profiler.recorded import CPU, counts, recorded, run_steps


@pytest.mark.parametrize(
    ("wait", "warmup", "active", "repeat", "skip_first", "skip_first_wait"),
    list(product((0, 2), (0, 1), (1, 3), (0, 2), (0, 3), (0, 1))),
)
@pytest.mark.filterwarnings("ignore:Profiler won't be using warmup")
def test_schedules_are_pytorchs(wait, warmup, active, repeat, skip_first, skip_first_wait):
    torch = pytest.importorskip("torch")
    given = {"wait": wait, "warmup": warmup, "active": active, "repeat": repeat, "skip_first": skip_first}
    ours = schedule(**given, skip_first_wait=skip_first_wait)
    theirs = torch.profiler.schedule(**given, skip_first_wait=skip_first_wait)
    assert [ours(i).name for i in range(25)] == [theirs(i).name for i in range(25)]


def test_what_schedules_refuse():
    with pytest.raises(ArgumentError, match="active must be positive"):
        schedule(wait=0, warmup=1, active=0)
    with pytest.warns(UserWarning, match="warmup"):
        action = schedule(wait=0, warmup=0, active=1)
    with pytest.raises(ArgumentError, match="negative"):
        action(-1)


def test_a_schedule_records_its_active_steps_and_calls_back():
    seen = []

    def ready(prof):
        seen.append((prof.step_num, [e.name for e in prof.events() if e.name.startswith("ProfilerStep")]))
        assert counts(prof)["Exp"] == 2

    plan = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=2)
    prof = profile(activities=CPU, schedule=plan, on_trace_ready=ready)
    run_steps(prof, 12)
    assert seen == [(5, ["ProfilerStep#3", "ProfilerStep#4"]), (9, ["ProfilerStep#7", "ProfilerStep#8"])]
    assert {e.cpu_parent.name for e in prof.events() if e.name == "Exp"} == {"ProfilerStep#7", "ProfilerStep#8"}


def test_cycles_without_a_pause_and_a_recording_cut_short():
    seen = []
    with pytest.warns(UserWarning, match="warmup"):
        plan = schedule(wait=0, warmup=0, active=2)
    run_steps(profile(activities=CPU, schedule=plan, on_trace_ready=lambda p: seen.append(len(recorded(p)))), 5)
    assert seen == [4, 4, 3]  # a step and an op each; the third cycle ends after an op and an empty step


def test_events_of_all_cycles_with_acc_events():
    plan = schedule(wait=1, warmup=1, active=1)
    last, every = (profile(activities=CPU, schedule=plan, acc_events=acc) for acc in (False, True))
    for prof, expected in ((last, 1), (every, 2)):
        run_steps(prof, 6)
        assert counts(prof)["Exp"] == expected
    assert [e.id for e in every.events()] == list(range(len(every.events())))


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ("WARMUP NONE", "WARMUP followed by NONE"),
        ("RECORD NONE", "RECORD followed by NONE"),
        ("RECORD WARMUP", "RECORD followed by WARMUP"),
    ],
)
def test_a_schedule_out_of_order_warns(actions, words):
    plan = [ProfilerAction[name] for name in actions.split()]
    prof = profile(activities=CPU, schedule=lambda step: plan[min(step, len(plan) - 1)])
    with pytest.warns(UserWarning, match=words):
        run_steps(prof, 1)


def test_without_a_schedule_steps_are_counted_only():
    with profile(activities=CPU) as prof:
        framework.ones(1).exp()
        prof.step()
        framework.ones(1).exp()
    assert counts(prof) == {"Exp": 2} and prof.step_num == 1
