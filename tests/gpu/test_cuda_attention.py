"""Our CUDA kernels of attention, with the products between them, give what the generic kernel gives."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import framework as F
from framework.kernels.generic import attention as generic

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
ROUNDING = {np.dtype("f4"): 2e-5, np.dtype("f8"): 1e-12, np.dtype("f2"): 4e-3, BFLOAT16: 3e-2}


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import attention

    return attention


def draw(shape, dtype, seed):
    """Heads as a projection leaves them: a head's rows lie apart."""
    x = np.random.default_rng(seed).standard_normal((shape[0], shape[2], shape[1], shape[3])).astype(dtype)
    return x.transpose(0, 2, 1, 3)


def near(found, expected, dtype):
    if expected is None:
        assert found is None
        return
    a, b = found.get().astype("f8"), np.asarray(expected).astype("f8")
    assert a.shape == b.shape
    assert np.allclose(a, b, rtol=ROUNDING[dtype], atol=ROUNDING[dtype] * max(1.0, np.abs(b).max(initial=0))), np.abs(
        a - b
    ).max()


MASKS = {
    "none": lambda b, h, n, s, kind: None,
    "padding": lambda b, h, n, s, kind: np.arange(s) < np.array([[[[s]]], [[[1]]]])[:b],
    "rows of nothing": lambda b, h, n, s, kind: np.broadcast_to((np.arange(n) % 3 > 0)[:, None], (n, s)),
    "numbers of each head": lambda b, h, n, s, kind: np.where(
        np.random.default_rng(3).random((1, h, n, s)) < 0.2, -np.inf, np.random.default_rng(4).random((1, h, n, s))
    ).astype(kind),
}  # fmt: skip
SIZES = {
    "few keys": (2, 3, 5, 7, 8, 8), "one part": (2, 2, 9, 100, 16, 24), "a block": (1, 2, 3, 700, 8, 8),
    "long": (1, 1, 2, 5000, 8, 8),
}  # fmt: skip
CASES = [
    *((np.dtype("f4"), size, mask, causal, dropout) for size in ("few keys", "one part") for mask in MASKS
      for causal, dropout in ((False, 0.0), (True, 0.25))),
    *((np.dtype("f4"), size, "padding", False, 0.5) for size in ("a block", "long")),
    *((dtype, "few keys", mask, causal, 0.25) for dtype in (np.dtype("f8"), np.dtype("f2"), BFLOAT16)
      for mask, causal in (("numbers of each head", False), ("none", True))),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "size", "mask", "causal", "dropout"), CASES, ids=str)
@pytest.mark.parametrize("block", [None, 40], ids=["", "blocks"])
def test_forward_and_gradients(gpu, kernel, monkeypatch, dtype, size, mask, causal, dropout, block):
    if block:
        monkeypatch.setattr(kernel, "BLOCK", block)
    b, h, rows, keys, width, depth = SIZES[size]
    q, k, v, g = (
        draw(shape, dtype, seed)
        for seed, shape in enumerate(
            ((b, h, rows, width), (b, h, keys, width), (b, h, keys, depth), (b, h, rows, depth))
        )
    )
    bias = MASKS[mask](b, h, rows, keys, dtype)
    wanted = bias is not None and bias.dtype.kind != "b"
    full = None if bias is None else np.broadcast_to(bias, (b, h, rows, keys))

    def run(module, q, k, v, g, bias, device):
        generator = F.Generator(device).manual_seed(3)
        out, kept = module.forward(q, k, v, bias, causal, 0.4, dropout, generator, True)
        return out, *module.backward(g, q, k, v, out, kept, bias, causal, 0.4, dropout, wanted)

    expected = run(generic, q, k, v, g, full, "cpu")
    moved = [gpu.xp.asarray(x.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3) for x in (q, k, v, g)]
    bias = None if bias is None else gpu.xp.broadcast_to(gpu.xp.asarray(bias), (b, h, rows, keys))
    if gpu.waits is not None:
        gpu.waits.clear()
    found = run(kernel, *moved, bias, gpu.device)
    assert not gpu.waits
    for a, e in zip(found, expected, strict=True):
        near(a, e, dtype)
    assert found[0].transpose(0, 2, 1, 3).flags.c_contiguous  # the heads rejoin without a copy


@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("keys", [1, 7, 300])
def test_one_query_is_one_launch(gpu, kernel, monkeypatch, dtype, mask, keys):
    b, h, width, depth = 2, 3, 40, 72
    q, k, v = (draw(s, dtype, n) for n, s in enumerate(((b, h, 1, width), (b, h, keys, width), (b, h, keys, depth))))
    bias = MASKS[mask](b, h, 1, keys, dtype)
    full = None if bias is None else np.broadcast_to(bias, (b, h, 1, keys))
    expected = [generic.forward(q, k, v, full, causal, 0.3, 0.0, None, False)[0] for causal in (False, True)]
    monkeypatch.setattr(kernel, "_product", None)
    moved = [gpu.xp.asarray(x.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3) for x in (q, k, v)]
    bias = None if bias is None else gpu.xp.broadcast_to(gpu.xp.asarray(bias), (b, h, 1, keys))
    for causal in (False, True):
        near(kernel.forward(*moved, bias, causal, 0.3, 0.0, None, False)[0], expected[causal], dtype)


def test_one_query_of_groups_and_of_many_keys(gpu, kernel):
    q, k = draw((2, 6, 1, 8), "f4", 0), draw((2, 2, 20000, 8), "f4", 1)
    repeated = np.repeat(k, 3, 1)
    expected = generic.forward(q, repeated, repeated, None, False, 0.3, 0.0, None, False)[0]
    q, k = gpu.xp.asarray(q).reshape(2, 2, 3, 1, 8), gpu.xp.asarray(k)[:, :, None]
    for keys in (20000, 50):
        part = gpu.xp.broadcast_to(k[..., :keys, :], (2, 2, 3, keys, 8))
        found = kernel.forward(q, part, part, None, False, 0.3, 0.0, None, False)[0].reshape(2, 6, 1, 8)
        if keys < 20000:
            r = repeated[:, :, :keys]
            expected = generic.forward(q.get().reshape(2, 6, 1, 8), r, r, None, False, 0.3, 0.0, None, False)[0]
        near(found, expected, np.dtype("f4"))


def test_the_op_is_served_without_falling_back(gpu):
    gpu.use("cuda", "cublas") if gpu.real else gpu.use("cuda")
    rng = np.random.default_rng(0)
    leaves = [F.from_numpy(rng.standard_normal((2, 3, 6, 8), "f4")) for _ in range(3)]
    results = []
    for device in ("cpu", gpu.device):
        F.manual_seed(1)
        q, k, v = (t.clone().to(device).requires_grad_() for t in leaves)
        F.kernels.reset_fallbacks()
        y = F.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=0.2)
        y.square().sum().backward()
        results.append([t.detach().cpu().numpy() for t in (y, q.grad, k.grad, v.grad)])
    assert not [family for family, _ in F.kernels.fallbacks() if family == "attention"], F.kernels.fallbacks()
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
