"""Norms by cuDNN's graphs give what the generic kernels give."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.backends import cudnn as flags
from framework.kernels.generic import norm as generic
from framework.kernels.layout import is_last
from tests.gpu.cudnn_stand_in import BFLOAT16, cudnn, last, near  # noqa: F401

FLOAT32, FLOAT16 = np.dtype("f4"), np.dtype("f2")
ALL = (True, True, True)


@pytest.fixture
def kernel(cudnn):  # noqa: F811
    from framework.kernels.cudnn import norm

    return norm


def vectors(rng, count, parameters, dtype):
    """Weight and bias: of float32, of the array's type, or none."""
    if parameters == "none":
        return None, None
    kind = dtype if parameters == "same" else FLOAT32
    return [rng.standard_normal(count).astype(kind) for _ in range(2)]


def moved(gpu, *arrays):
    return [None if a is None else gpu.xp.asarray(a) for a in arrays]


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT16, BFLOAT16], ids=str)
@pytest.mark.parametrize("parameters", ["wide", "same", "none"])
@pytest.mark.parametrize("shape", [(3, 8, 5, 4), (6, 16), (3, 8, 7), (2, 8, 3, 4, 5), (4, 24, 1, 1)], ids=str)
@pytest.mark.parametrize("memory", ["rows", "last"])
def test_batch_norm(gpu, kernel, shape, memory, parameters, dtype):
    rng = np.random.default_rng(len(shape))
    x, g = ((rng.standard_normal(shape) * 2 + 1).astype(dtype) for _ in range(2))
    weight, bias = vectors(rng, shape[1], parameters, dtype)
    put = gpu.xp.asarray if memory == "rows" or len(shape) == 2 else lambda a: last(gpu.xp, a)
    there, (w, b) = put(x), moved(gpu, weight, bias)
    y, mean, variance = generic.batch_norm(x, weight, bias, 1e-4)
    found = kernel.batch_norm(there, w, b, 1e-4)
    near(found[0], y, dtype)
    for a, e in zip(found[1:], (mean, variance), strict=True):
        assert a.dtype == FLOAT32
        near(a, e, FLOAT32)
    if len(shape) == 4:
        assert is_last(found[0]) if memory == "last" else found[0].flags.c_contiguous
    rstd = (1 / np.sqrt(variance + 1e-4)).astype("f4")
    expected = generic.batch_norm_gradient(g, x, mean, rstd, weight, False, ALL)
    for wanted in (ALL, (True, False, False)):
        gradients = kernel.batch_norm_gradient(put(g), there, found[1], gpu.xp.asarray(rstd), w, False, wanted)
        for a, e, want in zip(gradients, expected, wanted, strict=True):
            near(a, e if want else None, dtype, 4)
    assert gradients[0].dtype == dtype


@pytest.mark.parametrize("parameters", ["wide", "same", "none"])
@pytest.mark.parametrize("refused", [False, True])
def test_batch_norm_with_relu(gpu, kernel, cudnn, parameters, refused):  # noqa: F811
    if refused:
        if cudnn is None:
            pytest.skip("asks the stand-in")
        cudnn.refused |= {"batchnorm"}
    gpu.use("cuda", "cudnn")
    rng, dtype = np.random.default_rng(0), BFLOAT16
    x, g = ((rng.standard_normal((3, 8, 5, 4)) * 2 + 1).astype(dtype) for _ in range(2))
    weight, bias = vectors(rng, 8, parameters, dtype)
    there, slopes, (w, b) = last(gpu.xp, x), last(gpu.xp, g), moved(gpu, weight, bias)
    *expected, passed = generic.batch_norm_relu(x, weight, bias, 1e-4)
    *found, kept = kernel.batch_norm_relu(there, w, b, 1e-4)
    near(found[0], expected[0], dtype)
    for a, e in zip(found[1:], expected[1:], strict=True):
        near(a, e, FLOAT32)
    rstd = (1 / np.sqrt(expected[2] + 1e-4)).astype("f4")
    slope = generic.batch_norm_relu_gradient(g, x, passed, expected[1], rstd, weight, ALL)
    gradients = kernel.batch_norm_relu_gradient(slopes, there, kept, found[1], gpu.xp.asarray(rstd), w, ALL)
    for a, e in zip(gradients, slope, strict=True):
        near(a, e, dtype, 4)


@pytest.mark.parametrize("shape", [(3, 8, 5, 4), (6, 8), (3, 8, 7)], ids=str)
@pytest.mark.parametrize("memory", ["rows", "last"])
@pytest.mark.parametrize("where", ["input", "weight", "bias"])
def test_relu_hides_no_nan(gpu, kernel, shape, memory, where):
    x = np.random.default_rng(0).standard_normal(shape).astype("f4")
    weight, bias = np.ones(8, "f4"), np.zeros(8, "f4")
    {"input": x[1], "weight": weight, "bias": bias}[where][3] = np.nan
    there = gpu.xp.asarray(x) if memory == "rows" or len(shape) == 2 else last(gpu.xp, x)
    y = kernel.batch_norm_relu(there, *moved(gpu, weight, bias), 1e-5)[0].get()
    assert np.isnan(y[:, 3]).all() and np.isfinite(np.delete(y, 3, 1)).all()


@pytest.mark.parametrize("dtype", [FLOAT32, BFLOAT16], ids=str)
@pytest.mark.parametrize("parameters", ["wide", "same", "none"])
@pytest.mark.parametrize(("rows", "count"), [(5, 64), (1, 17), (40, 8)])
@pytest.mark.parametrize("centered", [True, False], ids=["layer", "rms"])
def test_norms_of_rows(gpu, kernel, rows, count, parameters, dtype, centered):
    rng = np.random.default_rng(rows)
    x, g = ((rng.standard_normal((rows, count)) + 0.5).astype(dtype) for _ in range(2))
    weight, bias = vectors(rng, count, parameters, dtype)
    there, slopes, w, b = moved(gpu, x, g, weight, bias)
    if centered:
        expected, found = generic.layer_norm(x, weight, bias, 1e-5), kernel.layer_norm(there, w, b, 1e-5)
        mean, rstd = expected[1:]
    else:
        expected, found = generic.rms_norm(x, weight, 1e-5), kernel.rms_norm(there, w, 1e-5)
        mean, rstd = None, expected[1]
    near(found[0], expected[0], dtype)
    for a, e in zip(found[1:], expected[1:], strict=True):
        near(a, e, FLOAT32)
    expected = generic.layer_norm_gradient(g, x, mean, rstd, weight, ALL)
    gradients = kernel.layer_norm_gradient(slopes, there, *moved(gpu, mean, rstd), w, ALL)
    for a, e in zip(gradients, expected, strict=True):
        near(a, e, dtype, 4)
    alone = kernel.layer_norm_gradient(slopes, there, *moved(gpu, mean, rstd), w, (True, False, False))
    assert alone[1] is alone[2] is None


def test_a_view_that_begins_within_a_vector_is_copied(gpu, kernel):
    x = np.random.default_rng(0).standard_normal((5, 6)).astype("f4")
    there = gpu.xp.asarray(x)[1:]
    assert there.data.ptr % 16
    near(kernel.layer_norm(there, None, None, 1e-5)[0], generic.layer_norm(x[1:], None, None, 1e-5)[0], FLOAT32)


def test_the_layers_are_served_without_falling_back(gpu, cudnn):  # noqa: F811
    nn, rng = F.nn, np.random.default_rng(0)
    for layer, shape in (
        (lambda: nn.BatchNorm2d(8), (3, 8, 4, 4)), (lambda: nn.LayerNorm(32), (4, 5, 32)),
        (lambda: nn.RMSNorm(32, eps=1e-6), (4, 5, 32)), (lambda: nn.GroupNorm(2, 8), (3, 8, 4, 4)),
        (lambda: nn.BatchNorm2d(3), (3, 3, 4, 4)), (lambda: nn.BatchNorm2d(8).eval(), (3, 8, 4, 4)),
    ):  # fmt: skip
        ours, theirs = layer(), layer()
        theirs.load_state_dict(ours.state_dict())
        theirs = theirs.to(gpu.device)
        results = []
        F.kernels.reset_fallbacks()
        x = rng.standard_normal(shape, "f4")
        for model, device in ((ours, "cpu"), (theirs, gpu.device)):
            t = F.from_numpy(x).to(device).requires_grad_()
            y = model(t)
            (y**3).sum().backward()
            results.append(
                [a.detach().cpu().numpy() for a in (y, t.grad, *(p.grad for p in model.parameters()), *model.buffers())]
            )
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
        assert not [found for found in F.kernels.fallbacks() if found[0] == "norm"], F.kernels.fallbacks()


def test_lengths_that_keep_changing_are_left_to_kernels_of_any_length(gpu, cudnn, monkeypatch):  # noqa: F811
    from framework.kernels.cudnn import plans

    monkeypatch.setattr(plans, "FIRST", 3)
    monkeypatch.setattr(plans, "OFTEN", 4)
    served = []
    for rows in (8, 9, 9, 10, 11, 12, 11, 9, 11, 11, 12):
        x = gpu.xp.zeros((rows, 16), "f4")
        served.append(F.kernels.choose("norm", x, kind="layer").NAME == "cudnn")
    assert served == [True, True, True, True, False, False, False, True, False, True, False]
    assert F.kernels.choose("norm", gpu.xp.zeros((4, 8, 2, 2), "f4"), kind="batch").NAME == "cudnn"


def test_what_cudnn_has_no_algorithm_for_is_served_by_another(gpu, kernel, cudnn):  # noqa: F811
    if cudnn is None:
        pytest.skip("asks the stand-in")
    cudnn.refused |= {"batchnorm", "layernorm", "rmsnorm", "batchnorm_backward", "layernorm_backward"}
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((6, 8)).astype("f4") for _ in range(2))
    there, slopes = moved(gpu, x, g)
    near(kernel.layer_norm(there, None, None, 1e-5)[0], generic.layer_norm(x, None, None, 1e-5)[0], FLOAT32)
    near(kernel.rms_norm(there, None, 1e-5)[0], generic.rms_norm(x, None, 1e-5)[0], FLOAT32)
    _, mean, rstd = generic.layer_norm(x, None, None, 1e-5)
    found = kernel.layer_norm_gradient(slopes, there, *moved(gpu, mean, rstd), None, ALL)
    near(found[0], generic.layer_norm_gradient(g, x, mean, rstd, None, ALL)[0], FLOAT32)
    y, mean, variance = generic.batch_norm(x, None, None, 1e-5)
    near(kernel.batch_norm(there, None, None, 1e-5)[0], y, FLOAT32)
    rstd = 1 / np.sqrt(variance + 1e-5)
    found = kernel.batch_norm_gradient(slopes, there, *moved(gpu, mean, rstd), None, False, ALL)
    near(found[0], generic.batch_norm_gradient(g, x, mean, rstd, None, False, ALL)[0], FLOAT32)


def test_declines_in_words(gpu, cudnn):  # noqa: F811
    x = gpu.xp.zeros((2, 6, 4, 4), "f4")
    assert "vectors of 16 bytes" in F.kernels.explain("norm", x, kind="batch")
    assert "no group norm" in F.kernels.explain("norm", x, kind="group")
    assert "float64" in F.kernels.explain("norm", x.astype("f8"), kind="layer")
    with flags.flags(enabled=False):
        assert "enabled is False" in F.kernels.explain("norm", x[0, 0], kind="layer")
