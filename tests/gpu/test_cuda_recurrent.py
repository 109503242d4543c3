"""Our CUDA kernels of recurrent nets' steps against the generic ones."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.kernels.generic import recurrent as generic
from tests.gpu.forms import DOUBLE, HALF, SINGLE, agree
from tests.gpu.host import run_cuda

pytestmark = pytest.mark.skipif(run_cuda.why_not() is not None, reason=str(run_cuda.why_not()))

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
SIZES = [(3, 3, 3), (4, 3, 3, 1), (2,)]


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import recurrent

    return recurrent


def inputs(mode, sizes, dtype, biased=True, projected=None):
    rng = np.random.default_rng(0)

    def make(*shape):
        return (rng.standard_normal(shape) * 0.5).astype(dtype)

    features, hidden, gates = 5, 7, GATES[mode] * 7
    out = projected or hidden
    return (
        make(sum(sizes), features), make(sizes[0], out), make(sizes[0], hidden) if mode == "LSTM" else None,
        make(gates, features), make(gates, out), make(gates) if biased else None, make(gates) if biased else None,
        make(projected, hidden) if projected else None,
    )  # fmt: skip


def check(gpu, kernel, mode, sizes, dtype, reverse=False, rtol=1e-5, drop=(), **options):
    here = inputs(mode, sizes, dtype, **options)
    there = tuple(None if a is None else gpu.xp.asarray(a) for a in here)
    outputs, state = generic.forward(mode, *here, sizes, reverse)
    found, own = kernel.forward(mode, *there, sizes, reverse)
    for a, b in zip(outputs, found, strict=True):
        agree(b, a, rtol)
    rng = np.random.default_rng(1)
    above = [None if i in drop else rng.standard_normal(y.shape).astype(dtype) for i, y in enumerate(outputs)]
    below = [None if g is None else gpu.xp.asarray(g) for g in above]
    needs = [a is not None for a in here]
    expected = generic.backward(mode, state, needs, above, *here)
    for a, b in zip(expected, kernel.backward(mode, own, needs, below, *there), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            agree(b, a, rtol)


@pytest.mark.parametrize("mode", GATES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_nets(gpu, kernel, mode, sizes, reverse):
    check(gpu, kernel, mode, sizes, SINGLE, reverse)


@pytest.mark.parametrize("mode", GATES)
def test_options(gpu, kernel, mode):
    check(gpu, kernel, mode, SIZES[0], DOUBLE, rtol=1e-12)
    check(gpu, kernel, mode, SIZES[0], HALF, rtol=3e-3)
    check(gpu, kernel, mode, SIZES[1], SINGLE, biased=False)
    check(gpu, kernel, mode, SIZES[1], SINGLE, drop=(0,))
    check(gpu, kernel, mode, SIZES[1], SINGLE, drop=(1, 2))
    if mode == "LSTM":
        for sizes in SIZES:
            check(gpu, kernel, mode, sizes, SINGLE, projected=3)
            check(gpu, kernel, mode, sizes, SINGLE, projected=3, drop=(0,))


@pytest.mark.parametrize("cell", [F.nn.LSTMCell, F.nn.GRUCell, F.nn.RNNCell])
def test_cells(gpu, cell):
    gpu.use("cuda")
    F.manual_seed(0)
    here = cell(5, 7)
    there = cell(5, 7).to("cuda")
    there.load_state_dict(here.state_dict())
    x = F.randn(3, 5)
    results = []
    for net, device in ((here, "cpu"), (there, "cuda")):
        out = net(x.to(device))
        out = out[0] if isinstance(out, tuple) else out
        (out * out).sum().backward()
        results.append([out.detach(), *[p.grad for p in net.parameters()]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b.cpu().numpy(), a.numpy(), rtol=1e-4, atol=1e-6)
    assert "recurrent" not in [family for family, _ in F.kernels.fallbacks()]
