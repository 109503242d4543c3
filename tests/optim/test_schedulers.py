"""Learning-rate schedules: PyTorch's rates and momenta, checkpoints, closed forms and messages."""

import inspect
import pickle
import warnings

import numpy as np
import pytest

import framework
from framework import nn, optim
from framework.optim import lr_scheduler


def _root(t):
    return t**0.5


CASES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.4, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.4, "end_factor": 0.9, "total_iters": 4}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"power": 0.9, "total_iters": 6}),
    ("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3}),
    ("CyclicLR", {"base_lr": [0, 0.02], "max_lr": 0.1, "step_size_up": 3, "step_size_down": 5, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {"base_lr": 0, "max_lr": 0.1, "step_size_up": 3, "scale_fn": _root, "scale_mode": "iterations"}),
    ("OneCycleLR", {"max_lr": 0.2, "total_steps": 14}),
    ("OneCycleLR", {"max_lr": [0.2, 0.4], "total_steps": 14, "three_phase": True, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.2, "epochs": 7, "steps_per_epoch": 2, "div_factor": 5, "final_div_factor": 10}),
    ("OneCycleLR", {"max_lr": 0.2, "total_steps": 14, "cycle_momentum": False, "pct_start": 0.5}),
    ("LambdaLR", {"lr_lambda": [lambda t: 0.9**t, lambda t: 1 / (t + 1)]}),
    ("MultiplicativeLR", {"lr_lambda": lambda t: 0.95}),
]  # fmt: skip
NAMES = sorted({name for name, _ in CASES} | {"ReduceLROnPlateau", "SequentialLR", "ChainedScheduler"})


def optimizer(kind=optim.SGD, lr=0.1):
    options = {"momentum": 0.9} if kind.__name__ == "SGD" else {}
    make = nn.Parameter if kind.__module__.startswith("framework") else None
    if make is None:
        import torch

        params = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    else:
        params = [make(framework.from_numpy(np.ones(2, np.float32))) for _ in range(2)]
    return kind([{"params": params[0]}, {"params": params[1], "lr": lr * 2}], lr=lr, **options)


def rates(opt):
    return [group["lr"] for group in opt.param_groups]


def trace(opt, scheduler, steps=13, momentum="momentum"):
    out = []
    for _ in range(steps):
        out.append([*rates(opt), *[group.get(momentum, 0) for group in opt.param_groups]])
        opt.step()
        scheduler.step()
        assert scheduler.get_last_lr() == rates(opt)
    return np.array([np.hstack(row) for row in out], float)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_rates_and_momenta_are_torchs(name, kwargs, kind):
    torch = pytest.importorskip("torch")
    momentum = "momentum" if kind == "SGD" else "betas"
    theirs, mine = optimizer(getattr(torch.optim, kind)), optimizer(getattr(optim, kind))
    a = getattr(torch.optim.lr_scheduler, name)(theirs, **kwargs)
    b = getattr(lr_scheduler, name)(mine, **kwargs)
    got, expected = trace(mine, b, momentum=momentum), trace(theirs, a, momentum=momentum)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
    hidden = {"_scale_fn_ref"}
    assert set(a.state_dict()) - hidden <= set(b.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_torchs(name):
    torch = pytest.importorskip("torch")
    own = inspect.signature(getattr(lr_scheduler, name)).parameters
    other = inspect.signature(getattr(torch.optim.lr_scheduler, name)).parameters
    assert [(p.name, p.default) for p in own.values()] == [(p.name, p.default) for p in other.values()]


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_resumed_schedule_goes_on_exactly(name, kwargs):
    whole = optimizer()
    expected = trace(whole, getattr(lr_scheduler, name)(whole, **kwargs))
    first = optimizer()
    scheduler = getattr(lr_scheduler, name)(first, **kwargs)
    head = trace(first, scheduler, 5)
    saved = pickle.loads(pickle.dumps((scheduler.state_dict(), first.state_dict())))
    second = optimizer()
    resumed = getattr(lr_scheduler, name)(second, **kwargs)
    resumed.load_state_dict(saved[0])
    second.load_state_dict(saved[1])
    np.testing.assert_array_equal(np.vstack([head, trace(second, resumed, 8)]), expected)


CLOSED = [case for case in CASES if hasattr(getattr(lr_scheduler, case[0]), "_get_closed_form_lr")]


@pytest.mark.parametrize(("name", "kwargs"), CLOSED)
def test_closed_form_is_the_chained_one(name, kwargs):
    opt = optimizer()
    scheduler = getattr(lr_scheduler, name)(opt, **kwargs)
    expected = trace(opt, scheduler, 6)[:, :2]
    other = optimizer()
    scheduler = getattr(lr_scheduler, name)(other, **kwargs)
    for epoch in range(6):
        with pytest.warns(UserWarning, match="epoch parameter"):
            other.step()
            scheduler.step(epoch)
        np.testing.assert_allclose(rates(other), expected[epoch], rtol=1e-9)


@pytest.mark.parametrize(
    "name", ["StepLR", "CosineAnnealingLR", "LinearLR", "PolynomialLR", "CosineAnnealingWarmRestarts"]
)
def test_last_epoch_starts_in_the_middle_as_torch(name):
    torch = pytest.importorskip("torch")
    kwargs = dict(CASES)[name]
    results = []
    for module in (torch, framework):
        opt = optimizer(module.optim.SGD)
        for group in opt.param_groups:
            group["initial_lr"] = group["lr"]
        scheduler = getattr(module.optim.lr_scheduler, name)(opt, **kwargs, last_epoch=3)
        results.append(trace(opt, scheduler, 5))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12)


def test_warm_restarts_take_fractional_epochs_as_torch():
    torch = pytest.importorskip("torch")
    results = []
    for module in (torch, framework):
        opt = optimizer(module.optim.SGD)
        scheduler = module.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=3, T_mult=2)
        results.append([])
        for epoch in np.arange(0, 12, 0.5):
            scheduler.step(float(epoch))
            results[-1].append(rates(opt))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12)


@pytest.mark.parametrize("kwargs", [
    {}, {"mode": "max", "threshold_mode": "abs", "threshold": 0.2}, {"cooldown": 2, "min_lr": 0.02},
    {"min_lr": [0.01, 0.05]},
])  # fmt: skip
def test_plateau_is_torchs(kwargs):
    torch = pytest.importorskip("torch")
    results = []
    for module in (torch, framework):
        opt = optimizer(module.optim.SGD)
        scheduler = module.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=1, factor=0.3, **kwargs)
        results.append([])
        for metric in (1.0, 0.8, 0.8, 0.81, 0.79, 0.79, 0.79, 0.79, 1.5, 1.5, 1.5, 1.5, 1.5):
            scheduler.step(metric)
            results[-1].append([*rates(opt), scheduler.num_bad_epochs, scheduler.best])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12)


def composed(module):
    opt = optimizer(module.optim.SGD)
    make = module.optim.lr_scheduler
    inner = make.SequentialLR(opt, [make.LinearLR(opt, 0.1, total_iters=3), make.CosineAnnealingLR(opt, T_max=5)], [3])
    return opt, make.SequentialLR(opt, [inner, make.ConstantLR(opt, 0.5, 2), make.ExponentialLR(opt, 0.9)], [6, 9])


@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step")  # of the inner schedule, in torch too
def test_sequence_of_sequences_is_torchs_and_resumes():
    torch = pytest.importorskip("torch")
    expected = trace(*composed(torch))
    np.testing.assert_allclose(trace(*composed(framework)), expected, rtol=1e-12)
    opt, scheduler = composed(framework)
    head = trace(opt, scheduler, 5)
    saved, state = scheduler.state_dict(), opt.state_dict()
    opt, scheduler = composed(framework)
    scheduler.load_state_dict(saved)
    opt.load_state_dict(state)
    np.testing.assert_allclose(np.vstack([head, trace(opt, scheduler, 8)]), expected, rtol=1e-12)


def test_chained_schedules_multiply():
    opt = optimizer()
    chained = lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(opt, 0.1, 2), lr_scheduler.ExponentialLR(opt, 0.9)], optimizer=opt
    )
    got = trace(opt, chained, 4)[:, 0]
    np.testing.assert_allclose(got, [0.01, 0.009, 0.081, 0.0729])
    state = chained.state_dict()
    assert len(state["_schedulers"]) == 2
    chained.load_state_dict(state)


def test_callable_objects_are_saved():
    class Decay:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, t):
            return self.factor**t

    schedulers = [lr_scheduler.LambdaLR(optimizer(), Decay(factor)) for factor in (0.5, 0.1)]
    schedulers[1].load_state_dict(schedulers[0].state_dict())
    assert schedulers[1].lr_lambdas[0].factor == 0.5
    cyclic = [lr_scheduler.CyclicLR(optimizer(), 0.1, 0.2, scale_fn=Decay(factor)) for factor in (0.5, 0.1)]
    cyclic[1].load_state_dict(cyclic[0].state_dict())
    assert cyclic[1].scale_fn(1) == 0.5


def test_tensor_rate_is_changed_in_place():
    p = nn.Parameter(framework.from_numpy(np.ones(2, np.float32)))
    rate = framework.tensor(0.5)
    opt = optim.SGD([p], lr=rate)
    scheduler = lr_scheduler.StepLR(opt, 1, 0.1)
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.05)
    assert float(scheduler.base_lrs[0]) == 0.5


HELPERS = {
    "get_constant_schedule": ({}, [1, 1, 1]),
    "get_constant_schedule_with_warmup": ({"num_warmup_steps": 4}, [0, 0.25, 0.5, 0.75, 1, 1, 1]),
    "get_linear_schedule_with_warmup": (
        {"num_warmup_steps": 2, "num_training_steps": 6}, [0, 0.5, 1, 0.75, 0.5, 0.25, 0, 0]),
    "get_cosine_schedule_with_warmup": (
        {"num_warmup_steps": 2, "num_training_steps": 6}, [0, 0.5, 1, 0.853553, 0.5, 0.146447, 0]),
    "get_cosine_with_hard_restarts_schedule_with_warmup": (
        {"num_warmup_steps": 1, "num_training_steps": 5, "num_cycles": 2}, [0, 1, 0.5, 1, 0.5, 0, 0]),
    "get_polynomial_decay_schedule_with_warmup": (
        {"num_warmup_steps": 1, "num_training_steps": 3, "lr_end": 0.01, "power": 2}, [0, 1, 0.325, 0.1, 0.1]),
    "get_inverse_sqrt_schedule": ({"num_warmup_steps": 4}, [0, 0.25, 0.5, 0.75, 1, 0.894427, 0.816497]),
    "get_wsd_schedule": (
        {"num_warmup_steps": 2, "num_decay_steps": 2, "num_training_steps": 6, "min_lr_ratio": 0.1,
         "decay_type": "linear"}, [0.1, 0.55, 1, 1, 1, 0.55, 0.1, 0.1]),
}  # fmt: skip


@pytest.mark.parametrize("name", HELPERS)
def test_warmup_schedules(name):
    kwargs, expected = HELPERS[name]
    opt = optimizer()
    scheduler = getattr(lr_scheduler, name)(opt, **kwargs)
    assert isinstance(scheduler, lr_scheduler.LambdaLR)
    np.testing.assert_allclose(trace(opt, scheduler, len(expected))[:, 0] / 0.1, expected, atol=1e-6)


def test_order_warnings():
    opt = optimizer()
    scheduler = lr_scheduler.StepLR(opt, 2)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    opt = optimizer()
    scheduler = lr_scheduler.StepLR(opt, 2)
    opt.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()
    opt = optimizer()
    scheduler = lr_scheduler.StepLR(opt, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.step()
        scheduler.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()


def test_errors():
    opt = optimizer()
    one = lr_scheduler.StepLR(opt, 2)
    other = lr_scheduler.StepLR(optimizer(), 2)
    plateau = lr_scheduler.ReduceLROnPlateau(opt)
    cases = [
        (TypeError, "is not an Optimizer", lambda: lr_scheduler.StepLR(3, 2)),
        (KeyError, "initial_lr", lambda: lr_scheduler.StepLR(optimizer(), 2, last_epoch=3)),
        (ValueError, "expected to be between 0 and 1", lambda: lr_scheduler.ConstantLR(opt, 1.5)),
        (ValueError, "greater than 0", lambda: lr_scheduler.LinearLR(opt, 0.0)),
        (ValueError, "Ending multiplicative factor", lambda: lr_scheduler.LinearLR(opt, end_factor=2)),
        (ValueError, "Expected 2 lr_lambdas, but got 1", lambda: lr_scheduler.LambdaLR(opt, [abs])),
        (TypeError, "should be a function", lambda: lr_scheduler.MultiplicativeLR(opt, 3)),
        (ValueError, "Factor should be < 1.0", lambda: lr_scheduler.ReduceLROnPlateau(opt, factor=1.0)),
        (ValueError, "mode up is unknown", lambda: lr_scheduler.ReduceLROnPlateau(opt, "up")),
        (ValueError, "expected 2 min_lrs, got 1", lambda: lr_scheduler.ReduceLROnPlateau(opt, min_lr=[0.1])),
        (ValueError, "positive integer T_0", lambda: lr_scheduler.CosineAnnealingWarmRestarts(opt, 0)),
        (ValueError, "T_mult >= 1", lambda: lr_scheduler.CosineAnnealingWarmRestarts(opt, 1, 0)),
        (ValueError, "either total_steps OR", lambda: lr_scheduler.OneCycleLR(opt, 0.1)),
        (ValueError, "positive integer total_steps", lambda: lr_scheduler.OneCycleLR(opt, 0.1, total_steps=0)),
        (ValueError, "between 0 and 1 pct_start", lambda: lr_scheduler.OneCycleLR(opt, 0.1, 5, pct_start=1.5)),
        (ValueError, "anneal_strategy must be", lambda: lr_scheduler.OneCycleLR(opt, 0.1, 5, anneal_strategy="x")),
        (ValueError, "must have the same length", lambda: lr_scheduler.OneCycleLR(opt, [0.1], 5)),
        (ValueError, "mode is invalid", lambda: lr_scheduler.CyclicLR(opt, 0.1, 0.2, mode="x")),
        (ValueError, "must support momentum", lambda: lr_scheduler.CyclicLR(optimizer(optim.Adagrad), 0.1, 0.2)),
        (ValueError, "at least one scheduler", lambda: lr_scheduler.SequentialLR(opt, [], [])),
        (ValueError, "one more than the number of milestone", lambda: lr_scheduler.SequentialLR(opt, [one], [1])),
        (ValueError, "belong to the same optimizer", lambda: lr_scheduler.ChainedScheduler([one, other])),
        (ValueError, "does not support `ReduceLROnPlateau`", lambda: lr_scheduler.SequentialLR(opt, [plateau], [])),
        (ValueError, "Unknown decay type", lambda: lr_scheduler.get_wsd_schedule(opt, 1, 1, 3, decay_type="x")),
        (ValueError, "must be smaller", lambda: lr_scheduler.get_polynomial_decay_schedule_with_warmup(opt, 1, 2, 1)),
    ]  # fmt: skip
    for kind, message, call in cases:
        with pytest.raises(kind, match=message):
            call()
    scheduler = lr_scheduler.OneCycleLR(opt, 0.1, total_steps=2)
    opt.step()
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        scheduler.step()
