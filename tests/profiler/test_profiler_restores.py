"""That threads keep apart, and that no trace of the profiler is left after it, whatever fails."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import framework
from framework import nn
from framework.autograd.op import Op, apply
from framework.data.loader import _Pass
from framework.ops.matmul import Linear
from framework.profiler import (
    profile,
    record_function,
    schedule,
)
from tests.profiler.recorded import CPU, counts, originals

ROOT = Path(__file__).parents[2]


def test_each_thread_has_its_own_nesting():
    x = framework.ones(5, requires_grad=True)
    barrier = threading.Barrier(3)

    def work(name):
        with record_function(name):
            barrier.wait()
            for _ in range(20):
                (x.detach() * 2).exp()

    with profile(activities=CPU) as prof:
        threads = [threading.Thread(target=work, args=(f"thread {i}",)) for i in range(2)]
        for thread in threads:
            thread.start()
        work("main")
        for thread in threads:
            thread.join()
    events = prof.events()
    assert len({e.thread for e in events}) == 3
    assert counts(prof)["Exp"] == 60
    for event in events:
        if event.name in ("Exp", "Mul"):
            assert event.cpu_parent.is_user_annotation and event.cpu_parent.thread == event.thread


def test_a_thread_that_outlives_the_profile():
    started, go = threading.Event(), threading.Event()
    layer = nn.Linear(2, 2)

    class Waits(Op):
        def forward(self, x):
            started.set()
            go.wait(10)
            return x + 1

    def work():
        layer(apply(Waits, framework.ones(1, 2)))

    thread = threading.Thread(target=work)
    with profile(activities=CPU) as prof:
        thread.start()
        started.wait(10)
    go.set()
    thread.join()
    assert counts(prof) == {"Waits": 1}


# Nothing is left, whatever happens


def test_errors_in_ops_pass_through_and_leave_the_nesting_whole():
    class Fails(Op):
        def forward(self, x):
            raise ZeroDivisionError("in forward")

    class FailsBack(Op):
        def forward(self, x):
            return x * 1

        def backward(self, g):
            raise ZeroDivisionError("in backward")

    x = framework.ones(2, requires_grad=True)
    with profile(activities=CPU) as prof:
        with pytest.raises(ZeroDivisionError, match="in forward"), record_function("outer"):
            apply(Fails, x)
        with pytest.raises(ZeroDivisionError, match="in backward"):
            apply(FailsBack, x).sum().backward()
        with pytest.raises(ValueError, match="must match the size"):
            framework.ones(2) + framework.ones(3)
        x.exp()
    by_name = {e.name: e for e in prof.events()}
    assert by_name["Fails"].cpu_parent is by_name["outer"]
    assert by_name["Exp"].cpu_parent is None and by_name["FailsBackBackward0"].cpu_parent is None


def test_an_error_in_the_block_or_in_the_handler_restores_everything():
    with pytest.raises(ZeroDivisionError), profile(activities=CPU):
        1 / 0

    def handler(prof):
        raise KeyError("handler")

    with pytest.raises(KeyError), profile(activities=CPU, on_trace_ready=handler):
        framework.ones(1).exp()
    with profile(activities=CPU):
        pass  # another may run


def test_an_optimizer_that_fails_closes_its_range():
    class Fails(framework.optim.Optimizer):
        def step(self, closure=None):
            raise ZeroDivisionError

    with profile(activities=CPU) as prof:
        optimizer = Fails([framework.ones(1, requires_grad=True)], {})
        with pytest.raises(ZeroDivisionError):
            optimizer.step()
        framework.ones(1).exp()
    assert counts(prof) == {"Optimizer.step#Fails.step": 1, "Exp": 1}
    assert prof.events()[1].cpu_parent is None
    with pytest.raises(ZeroDivisionError):
        optimizer.step()


def test_ops_defined_meanwhile_are_recorded_and_restored():
    def forward(self, x):
        return x + 1

    def backward(self, g):
        return g

    with profile(activities=CPU) as prof:
        kind = type("Fresh", (Op,), {"forward": forward, "backward": backward})
        apply(kind, framework.ones(2, requires_grad=True)).sum().backward()
    assert counts(prof)["Fresh"] == counts(prof)["FreshBackward0"] == 1
    assert vars(kind)["forward"] is forward and vars(kind)["backward"] is backward


def test_a_function_that_someone_else_replaces_meanwhile_stays_theirs():
    def theirs(self):
        raise StopIteration

    written = vars(_Pass)["__next__"]
    try:
        with profile(activities=CPU):
            _Pass.__next__ = theirs
        assert vars(_Pass)["__next__"] is theirs
    finally:
        _Pass.__next__ = written


def test_off_means_the_functions_that_were_written():
    before = originals()
    prof = profile(activities=CPU, schedule=schedule(wait=1, warmup=1, active=1, repeat=1))
    assert all(value is before[key] for key, value in originals().items())
    prof.start()
    assert all(value is before[key] for key, value in originals().items())  # waiting
    prof.step()
    assert vars(Linear)["forward"].__wrapped__ is before[Linear, "forward"]  # warming up
    prof.step()
    prof.step()
    assert all(value is before[key] for key, value in originals().items())  # over
    prof.stop()


def test_importing_the_framework_does_not_load_the_profiler():
    code = (
        "import sys, framework; print([m for m in sys.modules if 'profiler' in m and m.startswith('framework')]); "
        "print(framework.profiler.profile.__name__, framework.autograd.profiler.profile.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split("\n")[:2] == ["[]", "profile profile"]


def test_one_profiler_at_a_time():
    with profile(activities=CPU) as prof:
        with pytest.raises(RuntimeError, match="running already"), profile(activities=CPU):
            raise AssertionError("not reached")
        with pytest.raises(RuntimeError, match="running already"), framework.autograd.profiler.profile():
            raise AssertionError("not reached")
        with pytest.raises(RuntimeError, match="running already"):
            prof.start()
        framework.ones(1).exp()
    assert counts(prof) == {"Exp": 1}
    prof.stop()  # once more does nothing
    with prof:
        framework.ones(1).sin()
    assert counts(prof) == {"Sin": 1}
