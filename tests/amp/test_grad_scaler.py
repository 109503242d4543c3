"""GradScaler beside PyTorch's on the CPU: scales, skipped steps, state, and what it refuses."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import framework as F
from framework import nn

torch = pytest.importorskip("torch")


class Side:
    """A parameter, an optimizer and a scaler of one library."""

    def __init__(self, library, **options):
        self.library = library
        self.p = library.nn.Parameter(library.tensor([1.0, 2.0, 3.0]))
        self.q = library.nn.Parameter(library.tensor([4.0]))
        self.optimizer = library.optim.SGD([self.p, self.q], lr=0.1, momentum=0.9)
        self.scaler = library.amp.GradScaler("cpu", **options)

    def iteration(self, factor, clip):
        self.optimizer.zero_grad()
        loss = ((self.p * self.p).sum() + self.q.sum()) * factor
        self.scaler.scale(loss).backward()
        norm = None
        if clip:
            self.scaler.unscale_(self.optimizer)
            norm = float(self.library.nn.utils.clip_grad_norm_([self.p, self.q], 1.0))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        gradients = self.p.grad.tolist() + self.q.grad.tolist()
        return norm, gradients, self.p.tolist(), self.q.tolist(), self.scaler.state_dict()


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"init_scale": 4.0, "growth_interval": 2},
        {"init_scale": 2.0**16, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 3},
        {"init_scale": 2.0**127, "growth_interval": 1},  # the next scale would be infinite
        {"enabled": False},
    ],
)
def test_iterations_are_pytorchs(options, clip):
    ours, theirs = Side(F, **options), Side(torch, **options)
    for factor in (1.0, 2.0, float("inf"), 0.5, float("nan"), 1e-3, 1.0, 1.0, 3.0):
        if not options.get("enabled", True) and not np.isfinite(factor):
            continue
        mine, wanted = ours.iteration(factor, clip), theirs.iteration(factor, clip)
        for a, b in zip(mine, wanted, strict=True):
            if isinstance(a, dict):
                assert a == b
            elif a is not None:
                np.testing.assert_allclose(np.hstack([a]), np.hstack([b]), rtol=1e-6)


def started(**options):
    side = Side(F, **options)
    side.scaler.scale((side.p * side.p).sum()).backward()
    return side


def test_steps_out_of_order_are_refused():
    side = Side(F)
    for name in ("step", "unscale_"):
        with pytest.raises(RuntimeError, match=f"Attempted {name} but _scale is None"):
            getattr(side.scaler, name)(side.optimizer)
    with pytest.raises(AssertionError, match="Attempted update"):  # PyTorch's error
        side.scaler.update()
    side = started()
    with pytest.raises(RuntimeError, match="No inf checks were recorded prior to update"):
        side.scaler.update()
    side.scaler.unscale_(side.optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called"):
        side.scaler.unscale_(side.optimizer)
    side.scaler.step(side.optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        side.scaler.step(side.optimizer)
    with pytest.raises(RuntimeError, match="being called after step"):
        side.scaler.unscale_(side.optimizer)
    with pytest.raises(RuntimeError, match="closure use is not supported"):
        side.scaler.step(side.optimizer, closure=lambda: None)
    side.scaler.update()
    side.optimizer.zero_grad()
    with pytest.raises(RuntimeError, match="No inf checks were recorded for this optimizer"):
        side.scaler.step(side.optimizer)


def test_float16_parameters_are_refused():
    p = nn.Parameter(F.ones(2, dtype=F.float16))
    scaler, optimizer = F.amp.GradScaler("cpu", init_scale=2.0), F.optim.SGD([p], lr=0.1)
    scaler.scale((p * p).sum()).backward()
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.unscale_(optimizer)


def test_bfloat16_parameters_are_unscaled():
    p = nn.Parameter(F.ones(2, dtype=F.bfloat16))
    scaler, optimizer = F.amp.GradScaler("cpu", init_scale=8.0), F.optim.SGD([p], lr=0.1)
    scaler.scale((p * p).sum()).backward()
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [2.0, 2.0]


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(RuntimeError, match=r"growth factor must be > 1\.0"):
        F.amp.GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(RuntimeError, match=r"backoff factor must be < 1\.0"):
        F.amp.GradScaler("cpu", backoff_factor=1.0)
    with pytest.raises(RuntimeError, match="expected a Tensor"):
        F.amp.GradScaler("cpu").scale(3)
    side = started()
    with pytest.raises(RuntimeError, match="1-element tensor"):
        side.scaler.update(F.ones(2))


def test_without_a_gpu_the_gpus_is_off():
    if F.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scaler = F.GradScaler()
    assert not scaler.is_enabled() and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    x = F.ones(1)
    assert scaler.scale(x) is x
    with pytest.warns(UserWarning, match="CUDA is not available"):
        F.cuda.amp.GradScaler()


def test_several_losses_and_optimizers():
    a, b = nn.Parameter(F.ones(2)), nn.Parameter(F.ones(2))
    first, second = F.optim.SGD([a], lr=0.1), F.optim.SGD([b], lr=0.1)
    scaler = F.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    one, (two, [three]) = scaler.scale([a.sum(), (b.sum() * float("inf"), [b.sum()])])
    assert one.item() == 8.0 and three.item() == 8.0
    for scaled in scaler.scale(x for x in (a.sum(),)):
        scaled.backward()
    two.backward()
    scaler.step(first)
    scaler.step(second)
    assert a.tolist() != [1.0, 1.0] and b.tolist() == [1.0, 1.0]
    scaler.update()
    assert scaler.get_scale() == 2.0  # one of the two held an infinity


def test_state_goes_to_pytorch_and_back():
    side = started(init_scale=16.0, growth_interval=5)
    side.scaler.step(side.optimizer)
    side.scaler.update()
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(side.scaler.state_dict())
    assert other.state_dict() == side.scaler.state_dict()
    fresh = F.amp.GradScaler("cpu")
    fresh.load_state_dict(other.state_dict())
    assert fresh.state_dict() == other.state_dict() and fresh._get_growth_tracker() == 1
    side.scaler.update(2.0)
    assert side.scaler.get_scale() == 2.0
    side.scaler.update(F.tensor(3.0))
    side.scaler.load_state_dict(other.state_dict())  # into one whose scale is in use
    assert side.scaler.get_scale() == 16.0
    for twin in (pickle.loads(pickle.dumps(side.scaler)), copy.deepcopy(side.scaler)):
        assert twin.state_dict() == side.scaler.state_dict()
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        side.scaler.load_state_dict({})
    side.scaler.scale(side.p.sum()).backward()
    side.scaler.step(side.optimizer)
    with pytest.raises(RuntimeError, match="may be pickled only"):
        pickle.dumps(side.scaler)


def test_setters():
    scaler = F.amp.GradScaler("cpu")
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.25)
    scaler.set_growth_interval(7)
    assert (scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()) == (3.0, 0.25, 7)


def test_a_gradient_that_a_graph_reads_is_not_changed_unseen():
    side = started()
    gradient = side.p.grad
    before = gradient._version
    side.scaler.unscale_(side.optimizer)
    assert gradient._version == before + 1


def test_float16_training_with_a_scaler():
    """Gradients of 1e-8 vanish in float16 without a scaler and come through with one."""
    moved = []
    for enabled in (False, True):
        layer = nn.Linear(4, 1, bias=False)
        optimizer = F.optim.SGD(layer.parameters(), lr=1.0)
        scaler = F.amp.GradScaler("cpu", enabled=enabled)
        before = layer.weight.detach().clone()
        with F.autocast("cpu", F.float16):
            loss = layer(F.ones(1, 4)).float().sum() * 1e-8
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        moved.append(float((layer.weight - before).abs().max()))
    assert moved[0] == 0 and moved[1] > 5e-9
