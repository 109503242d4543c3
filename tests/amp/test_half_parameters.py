"""Training with 16-bit parameters: float32 masters, rounding at random, and their checkpoints."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

import framework as F
from framework import nn, optim

OPTIMIZERS = {
    "SGD": {"lr": 0.02}, "SGD with momentum": {"lr": 0.02, "momentum": 0.9}, "Adam": {"lr": 2e-3}, "AdamW": {"lr": 2e-3},
    "RMSprop": {"lr": 5e-4}, "Adagrad": {"lr": 1e-2}, "Adadelta": {"lr": 1.0}, "NAdam": {"lr": 2e-3},
    "RAdam": {"lr": 2e-3}, "Adamax": {"lr": 2e-3}, "ASGD": {"lr": 0.02}, "Rprop": {"lr": 1e-3}, "Lion": {"lr": 1e-4},
    "Adafactor": {"lr": 1e-2}, "Lamb": {"lr": 1e-3},
}  # fmt: skip


def make(name, params, **more):
    options = OPTIMIZERS[name] | more
    kind = name.split()[0]
    return getattr(optim, kind if hasattr(optim, kind) else kind.upper())(params, **options)


def problem(kind, seed=0, width=16):
    """A small net in a type, and a batch for it."""
    F.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, width), nn.Tanh(), nn.Linear(width, 1)).to(kind)
    x = F.randn(32, 8)
    return model, x.to(kind), (x[:, :1] * x[:, 1:2]).to(kind)


def train(model, optimizer, x, y, steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x).float(), y.float())
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("at_random", [False, True], ids=["masters", "at random"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_bfloat16_training_follows_float32(name, at_random):
    wide, half = problem(F.float32), problem(F.bfloat16)
    exact = train(wide[0], make(name, wide[0].parameters()), *wide[1:], 40)
    optimizer = make(name, half[0].parameters())
    if at_random:
        optimizer.stochastic_rounding()
    found = train(half[0], optimizer, *half[1:], 40)
    assert abs(found[-1] - exact[-1]) < 0.05 * exact[0] + 0.01
    for p in half[0].parameters():
        state = optimizer.state[p]
        assert p.dtype is F.bfloat16 and ("master" in state) != at_random
        assert all(v.dtype is F.float32 for v in state.values() if isinstance(v, F.Tensor))


def test_small_updates_count():
    """A thousand steps of 1e-4: a bfloat16 one near 1 moves in steps of 1/128."""
    for at_random in (False, True):
        p = nn.Parameter(F.ones(4096, dtype=F.bfloat16))
        optimizer = optim.SGD([p], lr=1e-4)
        if at_random:
            optimizer.stochastic_rounding()
        for _ in range(1000):
            p.grad = F.ones(4096, dtype=F.bfloat16)
            optimizer.step()
        assert abs(float(p.float().mean()) - 0.9) < 3e-3
    assert len(set(p.tolist())) > 1  # each went its own way


def test_the_parameter_is_its_master_rounded():
    model, x, y = problem(F.bfloat16)
    optimizer = make("AdamW", model.parameters())
    train(model, optimizer, x, y, 5)
    for p in model.parameters():
        assert F.equal(optimizer.state[p]["master"].to(F.bfloat16), p)


def test_float16_parameters_have_masters_and_are_not_rounded_at_random():
    p = nn.Parameter(F.ones(3, dtype=F.float16))
    optimizer = optim.AdamW([p], lr=1e-5)
    p.grad = F.ones(3, dtype=F.float16)
    optimizer.step()
    assert optimizer.state[p]["master"].dtype is F.float32
    with pytest.raises(TypeError, match="stochastic_rounding is for bfloat16"):
        optimizer.stochastic_rounding().step()


def test_who_writes_to_the_parameter_is_heard():
    model, x, y = problem(F.bfloat16)
    optimizer = make("SGD", model.parameters())
    train(model, optimizer, x, y, 2)
    weight = model[0].weight
    fine = optimizer.state[weight]["master"].numpy().copy()
    with F.no_grad():
        weight[0] = 3.0
    optimizer.zero_grad()
    weight.grad = F.zeros_like(weight)
    optimizer.step()
    assert (weight[0] == 3.0).all()
    assert np.array_equal(optimizer.state[weight]["master"].numpy()[1:], fine[1:])  # where nobody wrote all digits stay
    weight.data[1] = 5.0  # which is not counted
    optimizer.step()
    assert (weight[1] == 5.0).all() and (weight[0] == 3.0).all()


@pytest.mark.parametrize("at_random", [False, True], ids=["masters", "at random"])
@pytest.mark.parametrize("model_first", [False, True])
def test_a_resumed_run_is_the_uninterrupted_one(at_random, model_first, tmp_path):
    def fresh():
        model, x, y = problem(F.bfloat16)
        optimizer = make("AdamW", model.parameters())
        return model, optimizer.stochastic_rounding() if at_random else optimizer, x, y

    model, optimizer, x, y = fresh()
    train(model, optimizer, x, y, 4)
    kept = copy.deepcopy((model.state_dict(), optimizer.state_dict())), F.get_rng_state()
    train(model, optimizer, x, y, 4)
    again, other, _, _ = fresh()
    loads = [lambda: again.load_state_dict(kept[0][0]), lambda: other.load_state_dict(kept[0][1])]
    for load in loads if model_first else reversed(loads):
        load()
    F.set_rng_state(kept[1])
    train(again, other, x, y, 4)
    assert all(F.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert other.param_groups[0].get("stochastic_rounding", False) is at_random


def test_masters_of_a_saved_optimizer(tmp_path):
    model, x, y = problem(F.bfloat16)
    optimizer = make("AdamW", model.parameters())
    train(model, optimizer, x, y, 3)
    twin = copy.deepcopy(optimizer)
    buffer = io.BytesIO()
    F.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    loaded = make("AdamW", model.parameters())
    loaded.load_state_dict(F.load(buffer))
    for p in model.parameters():
        assert F.equal(loaded.state[p]["master"], optimizer.state[p]["master"])
    assert len(twin.state) == len(optimizer.state)


def test_pytorchs_state_is_taken_over():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Parameter(torch.linspace(-1, 1, 6, dtype=torch.bfloat16))
    optimizer = torch.optim.AdamW([theirs], lr=0.01)
    theirs.grad = torch.ones(6, dtype=torch.bfloat16)
    optimizer.step()
    state = optimizer.state_dict()
    given = {"param_groups": state["param_groups"], "state": {0: {
        key: F.tensor(value.float().numpy()).to(F.bfloat16 if value.dtype is torch.bfloat16 else F.float32)
        for key, value in state["state"][0].items()
    }}}  # fmt: skip
    p = nn.Parameter(F.tensor(theirs.detach().float().numpy()).to(F.bfloat16))
    ours = optim.AdamW([p], lr=0.01)
    ours.load_state_dict(given)
    assert ours.state[p]["exp_avg"].dtype is F.float32 and "master" not in ours.state[p]
    p.grad, theirs.grad = F.ones(6, dtype=F.bfloat16), torch.ones(6, dtype=torch.bfloat16)
    ours.step()
    optimizer.step()
    assert "master" in ours.state[p]
    assert np.allclose(p.float().detach().numpy(), theirs.detach().float().numpy(), atol=1e-2)


def test_masters_again_after_rounding_at_random():
    p = nn.Parameter(F.ones(8, dtype=F.bfloat16))
    optimizer = optim.SGD([p], lr=0.1)
    for mode in (False, True, False):
        optimizer.stochastic_rounding(mode)
        p.grad = F.ones(8, dtype=F.bfloat16)
        optimizer.step()
        assert ("master" in optimizer.state[p]) != mode
    assert abs(float(p.float().mean()) - 0.7) < 0.01


def test_groups_may_differ():
    a, b = nn.Parameter(F.ones(4, dtype=F.bfloat16)), nn.Parameter(F.ones(4))
    c = nn.Parameter(F.ones(4, dtype=F.bfloat16))
    optimizer = optim.AdamW([{"params": [a, b], "stochastic_rounding": True}, {"params": [c]}])
    for p in (a, b, c):
        p.grad = F.ones_like(p)
    optimizer.step()
    assert ["master" in optimizer.state[p] for p in (a, b, c)] == [False, False, True]


@pytest.mark.parametrize("order", ["row-major", "channels-last", "with gaps"])
@pytest.mark.parametrize("at_random", [False, True], ids=["masters", "at random"])
@pytest.mark.parametrize("size", [(3, 4, 5, 6), (32, 64, 5, 6)])
def test_memory_in_any_order(order, at_random, size):
    values = F.randn(*size)
    if order == "channels-last":
        values = values.contiguous(memory_format=F.channels_last)
    p = values.to(F.bfloat16)
    if order == "with gaps":
        p = F.cat([p, p], 1)[:, : size[1]].detach()
    before, p = p.float().numpy().copy(), nn.Parameter(p)
    optimizer = optim.AdamW([p], lr=0.5, weight_decay=0.0)
    if at_random:
        optimizer.stochastic_rounding()
    p.grad = F.ones(*size, dtype=F.bfloat16)
    optimizer.step()
    assert abs(p.float().detach().numpy() - (before - 0.5)).max() < 0.03


def test_rounding_at_random_is_right_on_average():
    from framework.kernels.generic.optimizer import rounded_at_random

    x = np.full(200_000, 1 + 2**-9, np.float32)  # a quarter of the way from 1 to the next bfloat16
    bits = np.random.default_rng(0).integers(0, 65536, x.size, np.uint16)
    y = rounded_at_random(x, bits).astype(np.float32)
    assert set(np.unique(y)) == {np.float32(1), np.float32(1 + 2**-7)}
    assert abs((y > 1).mean() - 0.25) < 0.005
    odd = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], np.float32)
    kept = rounded_at_random(odd, np.full(5, 65535, np.uint16)).astype(np.float32)
    assert np.array_equal(kept, odd, equal_nan=True)
