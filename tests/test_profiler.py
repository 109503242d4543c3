"""The profiler: what it records, that it nests and sums up, and that no trace of it is left when it is off."""

from __future__ import annotations

import gzip
import inspect
import json
import subprocess
import sys
import threading
import time
import types
import warnings
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import framework
from framework import nn
from framework.autograd import walk
from framework.autograd.function import Function
from framework.autograd.op import Op, apply
from framework.data.loader import _Pass
from framework.errors import ArgumentError, DeviceError
from framework.kernels import registry
from framework.ops.matmul import Linear
from framework.optim.optimizer import Optimizer
from framework.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)
from framework.profiler import recording as rec
from framework.profiler.events import events_of
from framework.profiler.hooks import _subclasses
from framework.tensor import Tensor

ROOT = Path(__file__).parents[1]
CPU = [ProfilerActivity.CPU]


def mlp():
    framework.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    return model, framework.optim.AdamW(model.parameters()), framework.randn(8, 6), framework.randint(0, 3, (8,))


def train(model, optimizer, x, y):
    optimizer.zero_grad()
    with record_function("loss"):
        loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


def counts(prof, kernels=False):
    return {e.key: e.count for e in prof.key_averages() if kernels or e.kind != rec.KERNEL}


def recorded(prof):
    """The events without the kernels, which depend on what is installed."""
    return [e for e in prof.events() if e.kind != rec.KERNEL]


def originals():
    """Every function that a profiler replaces, by where it stands."""
    found = {}
    for cls in [
        Op,
        *_subclasses(Op),
        Tensor,
        walk.Walk,
        _Pass,
        nn.Module,
        Optimizer,
        *_subclasses(Optimizer),
        Function,
    ]:
        for name, value in vars(cls).items():
            if callable(value) or isinstance(value, classmethod):
                found[cls, name] = value
                for cell in getattr(value, "__closure__", None) or ():
                    if isinstance(cell.cell_contents, types.FunctionType):
                        found[cls, name, id(cell)] = cell.cell_contents
    found["accumulate"] = walk.accumulate
    for family in registry.families():
        for kernel in registry.table(family):
            found.update({(kernel.__name__, name): value for name, value in vars(kernel).items() if callable(value)})
    return found


@pytest.fixture(autouse=True)
def nothing_is_left():
    """After each test here every function is the one that stood there before it."""
    before = originals()
    yield
    after = originals()
    changed = [key for key in before if after.get(key, before[key]) is not before[key]]
    assert not changed
    assert rec.current == [None]


# What is recorded


def test_a_training_step_has_its_ops_rules_and_steps():
    case = mlp()
    train(*case)
    with profile(activities=CPU) as prof:
        for _ in range(3):
            train(*case)
    found = counts(prof)
    assert {name: n for name, n in found.items() if name not in ("AccumulateGrad", "AddGradients")} == {
        "Optimizer.zero_grad#AdamW.zero_grad": 3,
        "loss": 3,
        "Linear": 6,
        "Relu": 3,
        "CrossEntropy": 3,
        "CrossEntropyBackward0": 3,
        "LinearBackward0": 6,
        "ReluBackward0": 3,
        "MatMul": 3,  # the gradient that the second layer hands on; those of weights are one kernel's
        "Optimizer.step#AdamW.step": 3,
    }


def test_kernels_stand_in_their_ops_and_name_their_library():
    case = mlp()
    with framework.kernels.force("generic"), profile(activities=CPU) as prof:
        train(*case)
    assert counts(prof, kernels=True)["generic::gemm.linear"] == 2
    for event in prof.events():
        if event.kind == rec.KERNEL:
            assert event.cpu_parent is not None and event.cpu_parent.kind != rec.KERNEL
    assert {e.cpu_parent.name for e in prof.events() if e.name == "generic::gemm.linear"} == {"Linear"}


def test_convolutions_and_their_gradients_are_there():
    layer = nn.Conv2d(2, 4, 3)
    x = framework.randn(2, 2, 7, 5, requires_grad=True)
    with profile(activities=CPU) as prof:
        layer(x).sum().backward()
    found = counts(prof, kernels=True)
    for name in ("Convolution", "ConvolutionBackward0", "ConvolutionTranspose", "WeightGradient", "BiasGradient"):
        assert found[name] == 1
    assert sum(n for name, n in found.items() if name.endswith("::conv.forward")) == 1


def test_children_lie_in_their_parents_and_self_times_add_up():
    case = mlp()
    with profile(activities=CPU) as prof:
        train(*case)
    events = prof.events()
    for event in events:
        inside = sum(child.cpu_time_total for child in event.cpu_children)
        assert 0 <= event.self_cpu_time_total <= event.cpu_time_total
        assert event.self_cpu_time_total == pytest.approx(event.cpu_time_total - inside, abs=1e-6)
        parent = event.cpu_parent
        if parent is not None:
            assert event in parent.cpu_children and event.thread == parent.thread
            assert parent.time_range.start <= event.time_range.start
            assert event.time_range.end <= parent.time_range.end
    top = sum(event.cpu_time_total for event in events if event.cpu_parent is None)
    assert events.self_cpu_time_total == pytest.approx(top)
    assert {e.cpu_parent.name for e in events if e.name == "Linear"} == {"loss"}
    assert {e.cpu_parent.name for e in events if e.name == "MatMul"} == {"LinearBackward0"}


def test_a_forward_and_its_rule_have_one_number():
    x = framework.ones(3, requires_grad=True)
    with profile(activities=CPU) as prof:
        (x * 2).exp().sum().backward()
    by_name = {e.name: e for e in prof.events()}
    for name in ("Mul", "Exp", "Sum"):
        assert by_name[f"{name}Backward0"].forward is by_name[name]
        assert by_name[f"{name}Backward0"].sequence_nr == by_name[name].sequence_nr > 0


def test_a_rule_whose_forward_was_not_recorded_has_none():
    y = framework.ones(3, requires_grad=True).exp()
    with profile(activities=CPU) as prof:
        y.sum().backward()
    rule = next(e for e in prof.events() if e.name == "ExpBackward0")
    assert rule.forward is None and rule.sequence_nr > 0


def test_results_are_the_same_to_the_bit():
    runs = []
    for profiled in (False, True):
        case = mlp()
        with profile(activities=CPU, profile_memory=True, record_shapes=True) if profiled else record_function("off"):
            losses = [float(train(*case)) for _ in range(3)]
        runs.append((losses, [p.array.copy() for p in case[0].parameters()]))
    assert runs[0][0] == runs[1][0]
    assert all((a == b).all() for a, b in zip(runs[0][1], runs[1][1], strict=True))


def test_gradients_of_gradients_and_user_functions():
    class Cube(framework.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * g * x * x

    x = framework.tensor([2.0], requires_grad=True)
    with profile(activities=CPU, profile_memory=True, record_shapes=True) as prof:
        (g,) = framework.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
        (h,) = framework.autograd.grad(g.sum(), x)
    assert g.tolist() == [12.0] and h.tolist() == [12.0]
    found = counts(prof)
    assert found["Cube"] == 1 and found["CubeBackward"] == 1
    assert {e.cpu_parent.name for e in prof.events() if e.name == "Mul"} >= {"Cube", "CubeBackward"}


def test_methods_in_place_and_sums_of_gradients():
    x = framework.ones(4, requires_grad=True)
    with profile(activities=CPU) as prof:
        (x * x + x * 2).sum().backward()
        (x * 2).sum().backward()
        framework.ones(3).add_(1)
    found = counts(prof)
    assert found["add_"] == 1 and found["AccumulateGrad"] >= 2


def test_the_loader_and_module_calls():
    x = framework.arange(6.0).reshape(6, 1)
    loader = framework.utils.data.DataLoader(framework.utils.data.TensorDataset(x), batch_size=2)
    model = nn.Sequential(nn.Linear(1, 2), nn.Tanh())
    with profile(activities=CPU, with_modules=True) as prof:
        for (batch,) in loader:
            model(batch)
    found = counts(prof)
    assert found["enumerate(DataLoader)#_Pass.__next__"] == 4  # the last call finds the end
    assert found["nn.Module: Sequential"] == found["nn.Module: Linear"] == 3
    assert {e.cpu_parent.name for e in prof.events() if e.name == "Tanh"} == {"nn.Module: Tanh"}


def test_step_hooks_and_schedules_work_as_ever():
    model, optimizer, x, y = mlp()
    scheduler = framework.optim.lr_scheduler.StepLR(optimizer, 1)
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("pre"))
    optimizer.register_step_post_hook(lambda *_: calls.append("post"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with profile(activities=CPU) as prof:
            train(model, optimizer, x, y)
            scheduler.step()
    assert calls == ["pre", "post"]
    assert counts(prof)["Optimizer.step#AdamW.step"] == 1


# Ranges of the user's


def test_record_function_as_a_block_and_as_a_decorator():
    @record_function("factorial")
    def factorial(n):
        """Of n."""
        return n * factorial(n - 1) if n > 1 else 1

    block = record_function("block", "some words")
    assert factorial(3) == 6 and factorial.__name__ == "factorial" and factorial.__doc__ == "Of n."
    with profile(activities=CPU) as prof, block, block:  # one object, twice
        assert factorial(3) == 6
    assert counts(prof) == {"block": 2, "factorial": 3}
    events = prof.events()
    assert all(e.is_user_annotation for e in events) and events[0].args == "some words"
    assert [e.cpu_parent.id if e.cpu_parent else None for e in events] == [None, 0, 1, 2, 3]


def test_ranges_that_cross_the_profile_or_one_another():
    outer = record_function("before")
    outer.__enter__()
    with profile(activities=CPU) as prof:
        outer.__exit__()
        first, second = record_function("first"), record_function("second")
        late = record_function("late")
        first.__enter__()
        second.__enter__()
        first.__exit__()  # closes what is open in it
        second.__exit__()
        late.__enter__()
    late.__exit__()
    assert counts(prof) == {"first": 1, "second": 1, "late": 1}
    one, two, three = prof.events()
    assert two.cpu_parent is one and two.time_range.end <= one.time_range.end and three.cpu_parent is None


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


# Schedules


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


def run_steps(prof, steps):
    with prof:
        for i in range(steps):
            (framework.ones(1) if i % 2 else framework.zeros(1)).exp()
            prof.step()


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


# Tables and sums


def test_sums_by_name_and_by_shape():
    with profile(activities=CPU, record_shapes=True) as prof:
        for shape in ((2, 3), (2, 3), (4,)):
            framework.ones(shape) * 2
    (one,) = prof.key_averages()
    assert (one.key, one.count, one.input_shapes) == ("Mul", 3, [])
    assert one.cpu_time == pytest.approx(one.cpu_time_total / 3)
    shapes = {str(e.input_shapes): e.count for e in prof.key_averages(group_by_input_shape=True)}
    assert shapes == {"[[2, 3], []]": 2, "[[4], []]": 1}
    total = prof.total_average()
    assert total.key == "Total" and total.count == 3 and total.self_cpu_time_total == one.self_cpu_time_total


def test_the_table():
    case = mlp()
    with profile(activities=CPU, record_shapes=True, profile_memory=True, with_flops=True) as prof:
        train(*case)
    averages = prof.key_averages(group_by_input_shape=True)
    text = averages.table(sort_by="self_cpu_time_total", row_limit=4, header="a step")
    lines = text.splitlines()
    assert lines[1] == "a step" and set(lines[2]) == {"-", " "}
    for title in (
        "Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "CPU Mem", "Self CPU Mem",
        "# of Calls", "Input Shapes", "Total KFLOPs",
    ):  # fmt: skip
        assert title in lines[3]
    assert len(lines) == 11 and lines[-1].startswith("Self CPU time total: ")
    assert len({len(line) for line in lines[2:-1]}) == 1
    sums = sorted((e.self_cpu_time_total for e in averages), reverse=True)
    assert averages.table(sort_by="self_cpu_time_total", time_unit="us").splitlines()[3].count(f"{sums[0]:.3f}us") >= 1
    assert "# of Calls" in str(averages) and len(averages.table(row_limit=-1).splitlines()) == len(averages) + 5
    top = prof.events().table(top_level_events_only=True, max_name_column_width=12)
    assert "Linear " not in top and "Optimizer..." in top
    assert framework.profiler.events.EventList().table() == ""
    with pytest.raises(ArgumentError, match=r"can't sort by 'cpu_tine'.*nearest: cpu_time"):
        averages.table(sort_by="cpu_tine")
    with pytest.raises(ArgumentError, match="time_unit"):
        averages.table(time_unit="h")


def test_plain_tables_have_plain_columns():
    with profile(activities=CPU) as prof:
        framework.ones(1).exp()
    titles = prof.key_averages().table().splitlines()[1]
    assert titles.split("  ")[-1].strip() == "# of Calls" and "Shapes" not in titles and "Mem" not in titles


def test_memory_is_what_is_new():
    x = framework.ones(256)
    with profile(activities=CPU, profile_memory=True) as prof, record_function("all"):
        x.exp()  # 1024 bytes
        x.reshape(16, 16)  # a view
        x.expand(4, 256)
        framework.stack([x, x])  # 2048
    memory = {e.key: e.cpu_memory_usage for e in prof.key_averages()}
    assert memory["Exp"] == 1024 and memory["View"] == memory["Expand"] == 0
    assert memory["all"] == 3072 == prof.total_average().self_cpu_memory_usage
    assert prof.events()[0].self_cpu_memory_usage == 0


def test_memory_of_nested_calls_counts_once():
    layer = nn.Linear(32, 64, bias=False)
    x = framework.randn(16, 32, requires_grad=True)
    with profile(activities=CPU, profile_memory=True) as prof:
        layer(x).sum().backward()
    events = {e.name: e for e in prof.events()}
    assert events["Linear"].cpu_memory_usage == 16 * 64 * 4
    assert events["LinearBackward0"].cpu_memory_usage == (16 * 32 + 64 * 32) * 4


def test_flops_of_products_and_convolutions():
    linear, conv = nn.Linear(5, 7), nn.Conv2d(4, 6, 3, groups=2)
    x, image = framework.randn(3, 2, 5, requires_grad=True), framework.randn(2, 4, 8, 9, requires_grad=True)
    with profile(activities=CPU, with_flops=True) as prof:
        linear(x).sum().backward()
        conv(image).sum().backward()
        framework.ones(2, 3, 4) @ framework.ones(4, 5)
        framework.ones(3).exp()
    flops = {e.key: e.flops for e in prof.key_averages()}
    products = 2 * 6 * 7 * 5
    places = 2 * 2 * 6 * 6 * 7 * (2 * 3 * 3)  # a multiplication and an addition, for each output and tap
    assert flops["Linear"] == products and flops["Exp"] == 0
    assert flops["MatMul"] == products + 2 * 2 * 3 * 5 * 4
    assert sum(n for key, n in flops.items() if key.endswith("gemm.weight_gradients")) == products
    assert flops["Convolution"] == flops["ConvolutionTranspose"] == flops["WeightGradient"] == places


def test_stacks(tmp_path):
    def busy():
        with record_function("busy"):
            time.sleep(0.002)

    with profile(activities=CPU, with_stack=True) as prof:
        busy()
        busy()
    here = prof.events()[0].stack
    assert "test_profiler.py(" in here[0] and here[0].endswith(": busy")
    assert not any("framework/profiler" in frame for frame in here)
    assert len(prof.key_averages(group_by_stack_n=1)) == 1 and len(prof.key_averages(group_by_stack_n=2)) == 2
    assert "Source Location" in prof.key_averages(group_by_stack_n=1).table()
    prof.export_stacks(tmp_path / "stacks", "self_cpu_time_total")
    lines = (tmp_path / "stacks").read_text().splitlines()
    assert len(lines) == 2 and all(": busy " in line and int(line.rsplit(" ", 1)[1]) >= 2000 for line in lines)
    with pytest.raises(ArgumentError, match="metric should be one of"):
        prof.export_stacks(tmp_path / "stacks", "count")


# Traces


def check_nesting(entries):
    by_thread = {}
    for e in entries:
        by_thread.setdefault(e["tid"], []).append(e)
    for events in by_thread.values():
        opened = []
        for e in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
            while opened and opened[-1] <= e["ts"]:
                opened.pop()
            assert not opened or e["ts"] + e["dur"] <= opened[-1] + 2e-3
            opened.append(e["ts"] + e["dur"])


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_a_chrome_trace_is_json_and_nests(tmp_path, name):
    case = mlp()
    options = {"record_shapes": True, "with_flops": True, "profile_memory": True, "with_modules": True}
    block = record_function('a "name" with \\ and é', "words")
    with profile(activities=CPU, **options) as prof, block:
        train(*case)
    prof.add_metadata("run", "seven")
    prof.add_metadata_json("config", '{"layers": 2}')
    before = time.time_ns()
    prof.export_chrome_trace(str(tmp_path / name))
    data = (tmp_path / name).read_bytes()
    trace = json.loads(gzip.decompress(data) if name.endswith(".gz") else data)
    assert trace["run"] == "seven" and trace["config"] == {"layers": 2}
    complete = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert len(complete) == len(prof.events())
    for entry, event in zip(complete, prof.events(), strict=True):
        assert entry["name"] == event.name and entry["dur"] >= 0
        assert entry["ts"] == event.time_range.start and entry["tid"] == event.thread
        assert abs(trace["baseTimeNanoseconds"] + entry["ts"] * 1000 - before) < 60e9
    check_nesting(complete)
    linear = next(e for e in complete if e["name"] == "Linear")
    assert linear["cat"] == "cpu_op" and linear["args"]["Input Dims"] == [[8, 6], [16, 6], [16]]
    assert linear["args"]["Flops"] == 2 * 8 * 6 * 16
    assert {e["cat"] for e in complete} == {"cpu_op", "cpu_kernel", "user_annotation", "python_function"}
    arrows = Counter((e["ph"], e["id"]) for e in trace["traceEvents"] if e["ph"] in "sf")
    assert set(arrows.values()) == {1} and len(arrows) == 2 * 4  # two layers, a ReLU, the loss
    starts = {e["id"]: e["ts"] for e in trace["traceEvents"] if e["ph"] == "s"}
    assert all(starts[e["id"]] < e["ts"] for e in trace["traceEvents"] if e["ph"] == "f")
    assert [p.name for p in tmp_path.iterdir()] == [name]  # no part of a file beside it


def test_the_tensorboard_handler_writes_a_file_a_cycle(tmp_path):
    for gz, ending in ((False, ".pt.trace.json"), (True, ".pt.trace.json.gz")):
        folder = tmp_path / f"log{gz}"
        plan = schedule(wait=0, warmup=1, active=1, repeat=2)
        run_steps(profile(schedule=plan, on_trace_ready=tensorboard_trace_handler(str(folder), "me", gz)), 5)
        names = [p.name for p in folder.iterdir()]
        assert len(names) == 2 and all(n.startswith("me.") and n.endswith(ending) for n in names)


def test_there_is_nothing_to_see_before_the_end():
    prof = profile(activities=CPU)
    with pytest.raises(RuntimeError, match="nothing was recorded yet"):
        prof.key_averages()


# Devices


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
