"""Convolutions by cuDNN's graphs give what the generic kernels give; graphs are kept, told apart, timed and refused."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.backends import cudnn as flags
from framework.kernels.generic import conv as generic
from framework.kernels.generic.activation import activated
from framework.kernels.generic.windows import output_lengths
from framework.kernels.layout import is_last, transpositions
from tests.gpu.cudnn_stand_in import BFLOAT16, cudnn, last, near  # noqa: F401

FLOAT32 = np.dtype("f4")
# x, weight, stride, padding, dilation, groups
CASES = {
    "3x3": ((2, 16, 9, 7), (8, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "strides": ((2, 8, 11, 10), (16, 8, 3, 2), (2, 3), (1, 0), (1, 1), 1),
    "1x1": ((3, 8, 5, 5), (24, 8, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "three channels": ((2, 3, 12, 12), (8, 3, 5, 5), (2, 2), (2, 2), (1, 1), 1),
    "odd channels": ((2, 17, 5, 6), (11, 17, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "groups": ((2, 16, 6, 6), (32, 8, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    "depthwise": ((2, 16, 6, 7), (16, 1, 3, 3), (2, 1), (1, 1), (1, 1), 16),
    "dilation": ((1, 8, 12, 9), (8, 8, 3, 3), (1, 1), (2, 2), (2, 2), 1),
    "one dim": ((3, 8, 20), (16, 8, 5), (2,), (2,), (1,), 1),
    "one dim, odd": ((2, 5, 11), (3, 5, 4), (1,), (0,), (2,), 1),
    "three dims": ((2, 8, 4, 5, 6), (8, 8, 2, 3, 3), (1, 2, 1), (0, 1, 1), (1, 1, 1), 1),
    "patches": ((2, 3, 8, 12), (8, 3, 4, 4), (4, 4), (0, 0), (1, 1), 1),
    "patches and a rest": ((2, 3, 9, 7), (8, 3, 2, 3), (2, 3), (0, 0), (1, 1), 1),
    "patches of volumes": ((1, 3, 4, 4, 6), (8, 3, 2, 2, 3), (2, 2, 3), (0, 0, 0), (1, 1, 1), 1),
    "one place": ((4, 8, 1, 1), (8, 8, 1, 1), (1, 1), (0, 0), (1, 1), 1),
}  # fmt: skip


@pytest.fixture
def kernel(cudnn):  # noqa: F811
    from framework.kernels.cudnn import conv

    return conv


def drawn(case, dtype):
    x, weight, stride, padding, dilation, groups = CASES[case]
    rng = np.random.default_rng(len(case))
    outputs = output_lengths(x[2:], weight[2:], stride, padding, dilation)
    shapes = (x, weight, weight[:1], (x[0], weight[0], *outputs))
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes], (stride, padding, dilation, groups)


KINDS = [*((case, dtype) for case in CASES for dtype in (FLOAT32, BFLOAT16)), ("3x3", np.dtype("f2"))]


@pytest.mark.parametrize("memory", ["rows", "last"])
@pytest.mark.parametrize(("case", "dtype"), KINDS, ids=str)
def test_convolution_and_gradients(gpu, kernel, case, memory, dtype):
    (x, weight, bias, g), where = drawn(case, dtype)
    put = gpu.xp.asarray if memory == "rows" else lambda a: last(gpu.xp, a)
    there = [put(a) for a in (x, weight, g)]
    y = kernel.forward(there[0], there[1], gpu.xp.asarray(bias), *where)
    near(y, generic.forward(x, weight, bias, *where), dtype)
    near(kernel.forward(there[0], there[1], None, *where), generic.forward(x, weight, None, *where), dtype)
    dx = kernel.input_gradient(there[2], there[1], None, x.shape[2:], *where)
    near(dx, generic.input_gradient(g, weight, None, x.shape[2:], *where), dtype)
    dw = kernel.weight_gradient(there[2], there[0], weight.shape, *where)
    near(dw, generic.weight_gradient(g, x, weight.shape, *where), dtype, 4)
    near(kernel.bias_gradient(there[2]), generic.bias_gradient(g), dtype, 4)
    for found in (y, dx):
        assert is_last(found) if x.ndim > 3 else found.flags.c_contiguous
    assert dw.flags.c_contiguous and {y.dtype, dx.dtype, dw.dtype} == {dtype}


@pytest.mark.parametrize("dtype", [FLOAT32, BFLOAT16], ids=str)
@pytest.mark.parametrize("case", ["3x3", "odd channels", "one dim", "patches"])
@pytest.mark.parametrize("activation", [None, ("relu",), ("hardtanh", 0.0, 6.0), ("silu",)], ids=str)
@pytest.mark.parametrize("residual", [False, True])
def test_what_follows_is_fused(gpu, kernel, cudnn, case, activation, residual, dtype):  # noqa: F811
    (x, weight, bias, g), where = drawn(case, dtype)
    added = g if residual else None
    expected = generic.forward(x.astype("f4"), weight.astype("f4"), bias.astype("f4"), *where)
    expected = activated(expected if added is None else expected + added.astype("f4"), activation)
    kept = {}
    for _ in range(2):
        found = kernel.forward(
            gpu.xp.asarray(x), gpu.xp.asarray(weight), gpu.xp.asarray(bias), *where,
            residual=None if added is None else gpu.xp.asarray(added), activation=activation, kept=kept
        )  # fmt: skip
        near(found, expected, dtype)
    assert len(kept) == (case != "patches" or residual)
    if case == "patches" and not residual:
        return  # a product of matrices
    if cudnn is not None:
        steps = ["conv_fprop", *["add"] * residual, "bias", *["relu"] * (activation == ("relu",))]
        assert [graph.steps for graph in cudnn.built] == [steps]


@pytest.mark.parametrize("axes", [1, 2])
def test_transposed_convolution_with_more_output_padding_than_stride(gpu, kernel, axes):
    rng = np.random.default_rng(0)
    stride, padding, dilation, extra = (1,) * axes, (1,) * axes, (3,) * axes, (2,) * axes
    g, weight = rng.standard_normal((2, 8, *(5,) * axes), "f4"), rng.standard_normal((8, 8, *(3,) * axes), "f4")
    bias = rng.standard_normal(8).astype("f4")
    lengths = tuple((5 - 1) - 2 + 3 * 2 + 1 + e for e in extra)
    x = rng.standard_normal((2, 8, *lengths), "f4")
    where = (stride, padding, dilation, 1)
    there = [gpu.xp.asarray(a) for a in (g, weight, bias, x)]
    expected = generic.input_gradient(g, weight, bias, lengths, *where)
    near(kernel.input_gradient(*there[:3], lengths, *where), expected, FLOAT32)
    expected = generic.weight_gradient(g, x, weight.shape, *where)
    near(kernel.weight_gradient(there[0], there[3], weight.shape, *where), expected, FLOAT32)


def test_the_layers_of_a_net_pass_channels_last_memory_on(gpu, cudnn):  # noqa: F811
    nn = F.nn
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=16), nn.ConvTranspose2d(16, 8, 2, 2)
    )
    twin = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=16), nn.ConvTranspose2d(16, 8, 2, 2)
    ).to(gpu.device)
    twin.load_state_dict(net.state_dict())
    x = F.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 10, 10), "f4"))
    there = x.to(gpu.device).requires_grad_()
    x.requires_grad_()
    F.kernels.reset_fallbacks()
    (net(x) ** 2).sum().backward()
    before = transpositions.value
    y = twin(there)
    assert transpositions.value - before == 1  # the picture's, where it enters
    (y**2).sum().backward()
    assert not [found for found in F.kernels.fallbacks() if found[0] == "conv"], F.kernels.fallbacks()
    found, expected = ([t.grad, *(p.grad for p in model.parameters())] for t, model in ((there, twin), (x, net)))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.cpu().numpy(), theirs.numpy(), rtol=2e-4, atol=2e-4)


def test_gradients_of_gradients(gpu, cudnn):  # noqa: F811
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s, "f4") for s in ((2, 8, 5, 5), (8, 8, 3, 3))]
    found = []
    for device in ("cpu", gpu.device):
        x, w = (F.from_numpy(a).to(device).requires_grad_() for a in arrays)
        y = F.nn.functional.conv2d(x, w, padding=1)
        (g,) = F.autograd.grad((y**3).sum(), x, create_graph=True)
        (g**2).sum().backward()
        found.append([t.grad.cpu().numpy() for t in (x, w)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-2 * np.abs(b).max())


def run(gpu, kernel, dtype=FLOAT32, case="3x3"):
    (x, weight, _, _), where = drawn(case, dtype)
    return kernel.forward(gpu.xp.asarray(x), gpu.xp.asarray(weight), None, *where)


def test_plans_are_kept_by_all_that_decides_them(gpu, kernel, cudnn):  # noqa: F811
    if cudnn is None:
        pytest.skip("asks the stand-in")
    notes = cudnn.numerical_note
    for _ in range(3):
        run(gpu, kernel)
    assert len(cudnn.built) == 1 and cudnn.built[0].avoided == [notes.TENSOR_CORE]
    run(gpu, kernel, BFLOAT16)
    assert len(cudnn.built) == 2 and cudnn.built[1].avoided == []
    F.set_float32_matmul_precision("high")
    run(gpu, kernel)
    assert len(cudnn.built) == 3 and cudnn.built[2].avoided == []
    with flags.flags(enabled=True, deterministic=True):
        run(gpu, kernel)
        assert cudnn.built[3].avoided == [notes.NONDETERMINISTIC]
    F.use_deterministic_algorithms(True)
    try:
        run(gpu, kernel)
    finally:
        F.use_deterministic_algorithms(False)
    assert len(cudnn.built) == 4
    with gpu.xp.cuda.Device(1):
        run(gpu, kernel)
    assert len(cudnn.built) == 5 and cudnn.built[4].handle != cudnn.built[0].handle


def test_a_handle_is_told_of_a_stream_when_it_changes(gpu, kernel, cudnn):  # noqa: F811
    if cudnn is None:
        pytest.skip("asks the stand-in")
    stream = gpu.xp.cuda.Stream(non_blocking=True)
    run(gpu, kernel)
    run(gpu, kernel)
    with stream:
        run(gpu, kernel)
        run(gpu, kernel)
    run(gpu, kernel)
    assert [number for _, number in cudnn.streams] == [0, stream.ptr, 0]


def test_candidates_are_timed_once(gpu, kernel, cudnn):  # noqa: F811
    if cudnn is None:
        pytest.skip("asks the stand-in")
    (x, weight, _, _), where = drawn("3x3", FLOAT32)
    with flags.flags(enabled=True, benchmark=True, benchmark_limit=2):
        for _ in range(2):
            y = run(gpu, kernel)
    near(y, generic.forward(x, weight, None, *where), FLOAT32)
    graph = cudnn.built[0]
    assert len(cudnn.built) == 1
    assert graph.timed == [0] * 4 + [2] * 4  # the second was deselected, the limit is two
    assert graph.taken in (0, 2)


@pytest.mark.parametrize("fails", [(0,), (0, 2), (0, 2, 3, 4, 5)], ids=str)
def test_candidates_that_fail_are_left_out(gpu, kernel, cudnn, monkeypatch, fails):  # noqa: F811
    if cudnn is None:
        pytest.skip("asks the stand-in")
    real = cudnn.pygraph._execute_plan_at_index

    def execute(graph, pack, workspace, index, handle):
        if index in fails:
            raise RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")
        real(graph, pack, workspace, index, handle)

    monkeypatch.setattr(cudnn.pygraph, "_execute_plan_at_index", execute)
    (x, weight, _, _), where = drawn("3x3", FLOAT32)
    with flags.flags(enabled=True, benchmark=True, benchmark_limit=2):
        for _ in range(2):
            y = run(gpu, kernel)
    near(y, generic.forward(x, weight, None, *where), FLOAT32)
    assert not set(getattr(cudnn.built[0], "timed", ())) & set(fails)


def test_what_cudnn_has_no_algorithm_for_is_served_by_another(gpu, kernel, cudnn):  # noqa: F811
    if cudnn is None:
        pytest.skip("asks the stand-in")
    (x, weight, bias, g), where = drawn("3x3", FLOAT32)
    there = [gpu.xp.asarray(a) for a in (x, weight, bias, g)]
    cudnn.refused |= {"conv_fprop", "conv_dgrad", "conv_wgrad"}
    F.kernels.reset_fallbacks()
    for _ in range(2):
        y = kernel.forward(*there[:3], *where, activation=("relu",))
    near(y, generic.forward(x, weight, bias, *where, activation=("relu",)), FLOAT32)
    expected = generic.input_gradient(g, weight, None, x.shape[2:], *where)
    near(kernel.input_gradient(there[3], there[1], None, x.shape[2:], *where), expected, FLOAT32)
    expected = generic.weight_gradient(g, x, weight.shape, *where)
    near(kernel.weight_gradient(there[3], there[0], weight.shape, *where), expected, FLOAT32)
    counts = {why: n for (family, why), n in F.kernels.fallbacks().items() if family == "conv"}
    assert sorted(counts.values()) == [1, 1, 2] and all("No valid engine" in why for why in counts), counts


def test_declines_in_words(gpu, cudnn):  # noqa: F811
    x, w = gpu.xp.zeros((1, 8, 4, 4), "f8"), gpu.xp.zeros((8, 8, 3, 3), "f8")
    where = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    assert "float64" in F.kernels.explain("conv", x, w, **where)
    x, w = x.astype("f4"), w.astype("f4")
    assert F.kernels.explain("conv", x, w, **where).startswith("conv: cudnn")
    assert "nothing to convolve" in F.kernels.explain("conv", x[:0], w, **where)
    with flags.flags(enabled=False):
        assert "enabled is False" in F.kernels.explain("conv", x, w, **where)
