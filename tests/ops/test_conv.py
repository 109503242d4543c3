"""Convolutions: values against PyTorch and a direct sum, gradients of all orders, layouts, dtypes and refusals."""

import itertools

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels.generic import conv as kernel
from framework.kernels.generic import windows
from framework.nn import functional as F
from framework.ops.memory import is_channels_last


def draw(rng, *shape, last=False):
    values = rng.standard_normal(shape)
    if last:  # (N, C, H, W) over channels-last memory
        values = np.ascontiguousarray(np.moveaxis(values, 1, -1))
        values = np.moveaxis(values, -1, 1)
    return values


def leaf(values):
    return framework.tensor(values, dtype=framework.float64, requires_grad=True)


def direct(x, w, stride, padding, dilation, groups):
    """The sum that defines a 2-d convolution, one output at a time."""
    n, _, h, width = x.shape
    out, per, kh, kw = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    oh = (h + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, out, oh, ow))
    for o, i, j in itertools.product(range(out), range(oh), range(ow)):
        g = o // (out // groups)
        rows = slice(i * stride[0], i * stride[0] + dilation[0] * (kh - 1) + 1, dilation[0])
        columns = slice(j * stride[1], j * stride[1] + dilation[1] * (kw - 1) + 1, dilation[1])
        y[:, o, i, j] = (padded[:, g * per : (g + 1) * per, rows, columns] * w[o]).sum((1, 2, 3))
    return y


# channels, outputs, kernel, stride, padding, dilation, groups
GRID = [
    (3, 4, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (3, 4, (3, 2), (2, 1), (1, 2), (1, 1), 1),
    (4, 6, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (4, 6, (1, 1), (2, 2), (0, 0), (1, 1), 2),
    (4, 6, (3, 3), (1, 1), (3, 3), (1, 1), 2),  # more padding than the kernel reaches
    (4, 4, (3, 3), (1, 1), (1, 1), (1, 1), 4),  # depthwise
    (4, 8, (3, 2), (2, 2), (1, 0), (2, 1), 4),  # depthwise, two outputs a channel
    (6, 6, (2, 3), (3, 2), (2, 1), (2, 2), 3),
    (1, 1, (5, 5), (2, 3), (2, 2), (1, 1), 1),
]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("case", GRID)
def test_conv2d_is_the_sum_that_defines_it(case, last, rng):
    channels, outputs, k, stride, padding, dilation, groups = case
    x, w = draw(rng, 2, channels, 9, 8, last=last), draw(rng, outputs, channels // groups, *k)
    y = F.conv2d(framework.from_numpy(x), framework.from_numpy(w), None, stride, padding, dilation, groups)
    np.testing.assert_allclose(y.numpy(), direct(x, w, stride, padding, dilation, groups), atol=1e-12)
    assert is_channels_last(y.array)


@pytest.mark.parametrize("case", GRID)
def test_gradients_of_conv2d(case, rng):
    channels, outputs, k, stride, padding, dilation, groups = case
    inputs = (
        leaf(draw(rng, 2, channels, 6, 5)),
        leaf(draw(rng, outputs, channels // groups, *k)),
        leaf(draw(rng, outputs)),
    )
    call = lambda x, w, b: F.conv2d(x, w, b, stride, padding, dilation, groups)  # noqa: E731
    assert gradcheck(call, inputs, fast_mode=True)
    assert gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("case", GRID)
def test_gradients_of_conv_transpose2d(case, rng):
    channels, outputs, k, stride, padding, dilation, groups = case
    if min((n - 1) * s - 2 * p + d * (m - 1) + 1 for n, s, p, d, m in zip((4, 4), stride, padding, dilation, k)) < 1:
        padding = (0, 0)
    inputs = (
        leaf(draw(rng, 2, outputs, 4, 4)),
        leaf(draw(rng, outputs, channels // groups, *k)),
        leaf(draw(rng, channels)),
    )
    call = lambda x, w, b: F.conv_transpose2d(x, w, b, stride, padding, 0, groups, dilation)  # noqa: E731
    assert gradcheck(call, inputs, fast_mode=True)
    assert gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize(
    "extra",
    [
        {"stride": 2, "output_padding": 1},
        {"stride": (3, 2), "padding": (1, 2), "output_padding": (2, 3), "dilation": 4},
    ],
)
def test_output_padding(extra, rng):
    torch = pytest.importorskip("torch")
    x, w = draw(rng, 2, 3, 4, 5), draw(rng, 3, 2, 3, 3)
    want = torch.nn.functional.conv_transpose2d(torch.tensor(x), torch.tensor(w), **extra).numpy()
    call = lambda x, w: F.conv_transpose2d(x, w, **extra)  # noqa: E731
    inputs = leaf(x), leaf(w)
    np.testing.assert_allclose(call(*inputs).detach().numpy(), want, atol=1e-12)
    assert gradcheck(call, inputs, fast_mode=True)
    assert gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_matches_torch_in_all_dimensions(axes, transposed, rng):
    torch = pytest.importorskip("torch")
    name = f"conv_transpose{axes}d" if transposed else f"conv{axes}d"
    for trial in range(12):
        groups = int(rng.choice([1, 2, 4]))
        channels, outputs = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 3))
        k, stride, padding, dilation = (
            tuple(int(v) for v in rng.integers(lo, hi, axes)) for lo, hi in ((1, 4), (1, 4), (0, 3), (1, 3))
        )
        x = draw(rng, 2, channels, *(7, 8, 6)[:axes])
        w = draw(rng, *((channels, outputs // groups) if transposed else (outputs, channels // groups)), *k)
        b = draw(rng, outputs)
        order = (stride, padding, 0, groups, dilation) if transposed else (stride, padding, dilation, groups)
        theirs = [torch.tensor(v, requires_grad=True) for v in (x, w, b)]
        try:
            want = getattr(torch.nn.functional, name)(*theirs, *order)
        except RuntimeError:
            continue  # no window fits
        ours = [leaf(v) for v in (x, w, b)]
        got = getattr(F, name)(*ours, *order)
        g = draw(rng, *want.shape)
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-10)
        got.backward(framework.from_numpy(g))
        want.backward(torch.tensor(g))
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(
                mine.grad.numpy(), other.grad.numpy(), atol=1e-10, err_msg=str((trial, k, stride))
            )


def test_blocks_give_what_one_product_gives(rng, monkeypatch):
    x, w, g = draw(rng, 3, 4, 11, 9, last=True), draw(rng, 5, 4, 3, 3), draw(rng, 3, 5, 6, 5, last=True)
    where = ((2, 2), (1, 1), (1, 1), 1)
    whole = kernel.forward(x, w, None, *where), kernel.weight_gradient(g, x, w.shape, *where)
    back = kernel.input_gradient(g, w, None, (11, 9), *where)
    for limit in (1, 3000, 20000):
        monkeypatch.setattr(windows.Windows.blocks, "__defaults__", (limit,))
        monkeypatch.setattr(kernel, "BLOCK", limit)
        np.testing.assert_allclose(kernel.forward(x, w, None, *where), whole[0], atol=1e-12)
        np.testing.assert_allclose(kernel.weight_gradient(g, x, w.shape, *where), whole[1], atol=1e-12)
        np.testing.assert_allclose(kernel.input_gradient(g, w, None, (11, 9), *where), back, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 8, 16])
def test_small_groups_are_joined_without_a_trace(groups, rng):
    x, w = draw(rng, 2, 32, 5, 5), draw(rng, 32, 32 // groups, 3, 3)
    y = kernel.forward(x, w, None, (1, 1), (1, 1), (1, 1), groups)
    np.testing.assert_allclose(y, direct(x, w, (1, 1), (1, 1), (1, 1), groups), atol=1e-11)


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch's own
@pytest.mark.parametrize("k, dilation", [(3, 1), (2, 1), (4, 1), (2, 3)])
def test_same_padding_keeps_the_size(k, dilation, rng):
    torch = pytest.importorskip("torch")
    x, w = draw(rng, 1, 2, 8, 7), draw(rng, 3, 2, k, k)
    y = F.conv2d(framework.from_numpy(x), framework.from_numpy(w), padding="same", dilation=dilation)
    want = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), padding="same", dilation=dilation)
    assert y.shape == (1, 3, 8, 7)
    np.testing.assert_allclose(y.numpy(), want.numpy(), atol=1e-12)


def test_an_input_without_a_batch(rng):
    x, w = draw(rng, 3, 6, 5), draw(rng, 4, 3, 3, 3)
    y = F.conv2d(framework.from_numpy(x), framework.from_numpy(w))
    np.testing.assert_array_equal(
        y.numpy(), F.conv2d(framework.from_numpy(x[None]), framework.from_numpy(w)).numpy()[0]
    )
    assert y.is_contiguous()


def test_empty_batches_and_channels():
    assert F.conv2d(framework.zeros(0, 3, 5, 5), framework.ones(4, 3, 3, 3)).shape == (0, 4, 3, 3)
    y = F.conv2d(framework.zeros(2, 0, 5, 5), framework.ones(4, 0, 3, 3), framework.ones(4))
    np.testing.assert_array_equal(y.numpy(), np.ones((2, 4, 3, 3)))
    x = framework.zeros(0, 3, 5, 5, requires_grad=True)
    w = framework.ones(4, 3, 3, 3, requires_grad=True)
    F.conv2d(x, w).sum().backward()
    assert x.grad.shape == (0, 3, 5, 5)
    assert float(w.grad.abs().sum()) == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_summed_in_float32(dtype, rng):
    kind = getattr(framework, dtype)
    x, w = (framework.tensor(draw(rng, *s), dtype=kind) for s in ((1, 64, 6, 6), (2, 64, 3, 3)))
    y = F.conv2d(x, w)
    exact = F.conv2d(x.double(), w.double())
    assert y.dtype is kind
    np.testing.assert_array_equal(y.float().numpy(), exact.to(kind).float().numpy())


def test_integers_and_complex_numbers(rng):
    x, w = rng.integers(-5, 5, (1, 2, 5, 5)), rng.integers(-5, 5, (3, 2, 3, 3))
    y = F.conv2d(framework.tensor(x), framework.tensor(w))
    assert y.dtype is framework.int64
    np.testing.assert_array_equal(y.numpy(), direct(x, w, (1, 1), (0, 0), (1, 1), 1))
    a = framework.tensor(draw(rng, 1, 2, 4, 4) + 1j * draw(rng, 1, 2, 4, 4), requires_grad=True)
    b = framework.tensor(draw(rng, 2, 2, 2, 2) + 1j * draw(rng, 2, 2, 2, 2), requires_grad=True)
    assert gradcheck(F.conv2d, (a, b), fast_mode=True)
    assert gradcheck(F.conv_transpose2d, (a, b), fast_mode=True)


def test_sequences_come_back_in_row_major_order(rng):
    y = F.conv1d(framework.from_numpy(draw(rng, 2, 3, 8)), framework.from_numpy(draw(rng, 4, 3, 3)))
    assert y.is_contiguous()
    assert y.view(2, -1).shape == (2, 24)


def test_conv_tbc_and_convolution(rng):
    torch = pytest.importorskip("torch")
    x, w, b = draw(rng, 7, 2, 3), draw(rng, 3, 3, 4), draw(rng, 4)
    want = torch.conv_tbc(torch.tensor(x), torch.tensor(w), torch.tensor(b), 1)
    got = framework.conv_tbc(framework.from_numpy(x), framework.from_numpy(w), framework.from_numpy(b), 1)
    np.testing.assert_allclose(got.numpy(), want.numpy(), atol=1e-12)
    x, w = draw(rng, 1, 2, 5, 5), draw(rng, 2, 3, 2, 2)
    arguments = (None, [2, 2], [1, 1], [1, 1], True, [1, 1], 1)
    want = torch.convolution(torch.tensor(x), torch.tensor(w), *arguments)
    got = framework.convolution(framework.from_numpy(x), framework.from_numpy(w), *arguments)
    np.testing.assert_allclose(got.numpy(), want.numpy(), atol=1e-12)


ONES = framework.ones
REFUSED = [
    (lambda: F.conv2d(ONES(1, 3, 5, 5), ONES(2, 2, 3, 3)), ShapeError, "to have 2 channels, but got 3 channels"),
    (lambda: F.conv2d(ONES(3, 5), ONES(2, 2, 3, 3)), ShapeError, r"Expected 3D \(unbatched\) or 4D \(batched\)"),
    (lambda: F.conv2d(ONES(1, 2, 2, 2), ONES(2, 2, 3, 3)), ShapeError, "Kernel size can't be greater"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5), ONES(2, 2, 3, 3), ONES(3)), ShapeError, "bias to be 1-dimensional with 2"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5), ONES(3, 1, 3, 3), groups=2), ShapeError, "divisible by 2 at dimension 0"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5), ONES(2, 2, 3, 3), stride=0), ArgumentError, "non-positive stride"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5), ONES(2, 2, 3, 3), padding=-1), ArgumentError, "negative padding"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5), ONES(2, 2, 3, 3), None, 2, "same"), ArgumentError, "strided convolutions"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5), ONES(2, 2, 3, 3), padding="full"), ArgumentError, "'same' or 'valid'"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5), ONES(2, 2, 3, 3), stride=(1, 2, 3)), ArgumentError, "list of 2 values"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5), ONES(2, 2, 3, 3).double()), DtypeError, "should be the same"),
    (lambda: F.conv2d(ONES(1, 2, 5, 5).bool(), ONES(2, 2, 3, 3).bool()), DtypeError, "bool"),
    (lambda: F.conv_transpose2d(ONES(1, 3, 5, 5), ONES(2, 2, 3, 3)), ShapeError, "transposed=1"),
    (lambda: F.conv_transpose2d(ONES(1, 2, 5, 5), ONES(2, 2, 3, 3), output_padding=1), ArgumentError, "smaller"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, words", REFUSED)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
    with pytest.raises(RuntimeError):  # what PyTorch raises
        call()
