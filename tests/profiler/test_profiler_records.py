"""What the profiler records of ops, rules, kernels, steps and ranges, and that results stay the same."""

from __future__ import annotations

import warnings

import pytest

import framework
from framework import nn
from framework.profiler import (
    profile,
    record_function,
)
from framework.profiler import recording as rec
from tests.profiler.recorded import CPU, counts, mlp, train


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
