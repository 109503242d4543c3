"""Mixed precision on a GPU: autocast's lists there, the scaler without waits, and 16-bit parameters."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework import nn, optim


@pytest.fixture(params=[F.float16, F.bfloat16], ids=["float16", "bfloat16"])
def half(request):
    return request.param


def test_ops_run_in_the_types_of_the_lists(gpu, half):
    x, y = F.rand(8, 8, device="cuda"), F.rand(8, 8, device="cuda")
    with F.autocast("cuda", half):
        product = x @ y
        assert product.dtype is half
        for function in (F.exp, F.log, lambda t: t.softmax(-1), lambda t: t.sum(), lambda t: t**2,
                         lambda t: nn.functional.layer_norm(t, (8,)), lambda t: nn.functional.mse_loss(t, t)):  # fmt: skip
            assert function(product).dtype is F.float32
        for function in (F.relu, nn.functional.gelu, F.sin, lambda t: t + t, lambda t: t.mean()):
            assert function(product).dtype is half
        assert F.addcmul(x, product, product).dtype is F.cat([x, product]).dtype is F.float32
        assert F.tensor([1.0]).matmul(F.tensor([1.0])).dtype is F.float32  # the CPU is not concerned
        with pytest.raises(RuntimeError, match="not safe under autocast"):
            nn.functional.binary_cross_entropy(x, y)
    assert (x @ y).dtype is F.float32


def test_a_training_step_follows_the_cpus(gpu, half):
    F.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    x, y = F.rand(5, 3, 6, 6), F.tensor([0, 1, 2, 3, 0])
    exact = nn.functional.cross_entropy(model(x), y)
    exact.backward()
    wanted = [p.grad.numpy().copy() for p in model.parameters()]
    model.zero_grad()
    model.cuda()
    scaler = F.amp.GradScaler("cuda", init_scale=128.0)
    with F.autocast("cuda", half):
        loss = nn.functional.cross_entropy(model(x.cuda()), y.cuda())
    assert loss.dtype is F.float32 and abs(loss.item() - exact.item()) < 0.02
    scaler.scale(loss).backward()
    scaler.unscale_(optim.SGD(model.parameters(), lr=0.1))
    for p, g in zip(model.parameters(), wanted, strict=True):
        assert p.grad.dtype is F.float32 and abs(p.grad.cpu().numpy() - g).max() < 0.05 * abs(g).max() + 1e-3


def test_the_scaler_waits_once_a_step(gpu):
    p = nn.Parameter(F.ones(5, device="cuda"))
    optimizer = optim.SGD([p], lr=0.1)
    scaler = F.amp.GradScaler("cuda", init_scale=4.0, growth_interval=2)
    for number, factor in enumerate((1.0, float("inf"), 1.0, 1.0)):
        optimizer.zero_grad()
        before = len(gpu.waits or ())
        scaler.scale((p * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        if gpu.waits is not None and number:
            assert len(gpu.waits) - before <= 1, gpu.waits[before:]
    assert scaler.get_scale() == 4.0 and np.allclose(p.detach().cpu().numpy(), 0.7)


@pytest.mark.parametrize("at_random", [False, True], ids=["masters", "at random"])
def test_bfloat16_parameters_take_small_updates_in(gpu, at_random):
    p = nn.Parameter(F.ones(4096, device="cuda", dtype=F.bfloat16))
    optimizer = optim.SGD([p], lr=1e-3)
    if at_random:
        optimizer.stochastic_rounding()
    for _ in range(100):
        p.grad = F.ones(4096, device="cuda", dtype=F.bfloat16)
        optimizer.step()
    assert abs(float(p.detach().cpu().float().mean()) - 0.9) < 5e-3
    assert ("master" in optimizer.state[p]) != at_random
