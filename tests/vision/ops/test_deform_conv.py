"""Deformable convolution against plain loops, plain convolution and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels.generic.windows import output_lengths
from vision import ops


def plain(x, offset, weight, bias, mask, stride, padding, dilation):
    """One place, tap and corner after another."""
    n, channels, height, width = x.shape
    out_channels, own, kh, kw = weight.shape
    oh, ow = offset.shape[2:]
    groups = offset.shape[1] // (2 * kh * kw)
    out = np.zeros((n, out_channels, oh, ow))
    for b, o, i, j in np.ndindex(*out.shape):
        total = 0.0 if bias is None else bias[o]
        start = o // (out_channels * own // channels) * own
        for c, u, v in np.ndindex(own, kh, kw):
            group = (start + c) // (channels // groups)
            tap = (group * kh + u) * kw + v
            y = i * stride[0] - padding[0] + u * dilation[0] + offset[b, 2 * tap, i, j]
            z = j * stride[1] - padding[1] + v * dilation[1] + offset[b, 2 * tap + 1, i, j]
            low = math.floor(y), math.floor(z)
            value = 0.0
            for p, q in ((0, 0), (0, 1), (1, 0), (1, 1)):
                if 0 <= low[0] + p < height and 0 <= low[1] + q < width:
                    share = (1 - abs(y - low[0] - p)) * (1 - abs(z - low[1] - q))
                    value += share * x[b, start + c, low[0] + p, low[1] + q]
            total += weight[o, c, u, v] * value * (1 if mask is None else mask[b, tap, i, j])
        out[b, o, i, j] = total
    return out


CASES = {
    "plain": {},
    "strided": {"kernel": (2, 3), "stride": (2, 1), "padding": (1, 2), "bias": True},
    "dilated": {"kernel": (3, 2), "dilation": (1, 2), "padding": (2, 0), "mask": True},
    "groups": {"groups": 2, "mask": True, "bias": True},
    "offset-groups": {"offset_groups": 4, "mask": True},
    "both": {"groups": 2, "offset_groups": 2, "stride": (2, 2), "padding": (1, 1), "mask": True, "bias": True},
    "one-tap": {"kernel": (1, 1), "mask": True},
}


def operands(rng, case, size=(7, 5)):
    kernel, groups = case.get("kernel", (3, 3)), case.get("groups", 1)
    options = [case.get(n, d) for n, d in (("stride", (1, 1)), ("padding", (0, 0)), ("dilation", (1, 1)))]
    outputs = output_lengths(size, kernel, *options)
    taps = case.get("offset_groups", 1) * kernel[0] * kernel[1]
    return [
        rng.standard_normal((2, 4, *size)),
        rng.standard_normal((2, 2 * taps, *outputs)) * 2,
        rng.standard_normal((6, 4 // groups, *kernel)),
        rng.standard_normal(6) if case.get("bias") else None,
        rng.random((2, taps, *outputs)) if case.get("mask") else None,
    ], options


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_plain_loops(name, rng):
    values, options = operands(rng, CASES[name])
    x, offset, weight, bias, mask = (None if v is None else F.from_numpy(v) for v in values)
    found = ops.deform_conv2d(x, offset, weight, bias, *options, mask)
    np.testing.assert_allclose(found.numpy(), plain(*values, *options), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_differences(name, rng):
    values, options = operands(rng, CASES[name], (4, 5))
    present = [i for i, v in enumerate(values) if v is not None]
    inputs = [F.from_numpy(values[i]).requires_grad_() for i in present]

    def function(*tensors):
        full = dict(zip(present, tensors, strict=True))
        return ops.deform_conv2d(*(full.get(i) for i in range(4)), *options, full.get(4))

    assert gradcheck(function, inputs, fast_mode=name != "both")
    assert gradgradcheck(function, inputs, fast_mode=True)


def test_without_offsets_it_is_convolution(rng):
    values, options = operands(rng, CASES["both"])
    x, offset, weight, bias, _ = (None if v is None else F.from_numpy(v).float() for v in values)
    found = ops.deform_conv2d(x, offset * 0, weight, bias, *options)
    F.testing.assert_close(found, F.nn.functional.conv2d(x, weight, bias, *options, 2), rtol=1e-4, atol=1e-4)
    last = ops.deform_conv2d(x.to(memory_format=F.channels_last), offset * 0, weight, bias, *options)
    F.testing.assert_close(last, found)


def test_far_offsets_read_zeros(rng):
    values, options = operands(rng, {"bias": True})
    x, offset, weight, bias, _ = (None if v is None else F.from_numpy(v) for v in values)
    for far in (1e3, -1e30, math.inf):
        found = ops.deform_conv2d(x, F.full_like(offset, far), weight, bias, *options)
        assert (found == bias.reshape(1, -1, 1, 1)).all()


def test_half_precision_is_computed_in_float32(rng):
    values, options = operands(rng, CASES["both"])
    half = [F.from_numpy(v).half() for v in values]
    x, offset, weight, bias, mask = half
    found = ops.deform_conv2d(x, offset, weight, bias, *options, mask)
    assert found.dtype == F.float16
    x, offset, weight, bias, mask = (v.float() for v in half)
    exact = ops.deform_conv2d(x, offset, weight, bias, *options, mask)
    F.testing.assert_close(found.float(), exact, rtol=2e-3, atol=2e-2)


def test_the_layer_is_the_function_and_trains(rng):
    layer = ops.DeformConv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2)
    assert {k: tuple(v.shape) for k, v in layer.state_dict().items()} == {"weight": (6, 2, 3, 3), "bias": (6,)}
    assert layer.weight.abs().max() <= 1 / math.sqrt(18) and layer.bias.abs().max() <= 1 / math.sqrt(18)
    x = F.from_numpy(rng.standard_normal((2, 4, 9, 11)).astype("float32"))
    offset = F.from_numpy(rng.standard_normal((2, 18, 4, 5)).astype("float32")).requires_grad_()
    y = layer(x, offset, F.ones(2, 9, 4, 5))
    F.testing.assert_close(y, layer(x, offset))
    y.sum().backward()
    assert layer.weight.grad.any() and layer.bias.grad.any() and offset.grad.any()
    assert repr(layer) == (
        "DeformConv2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2)"
    )
    assert repr(ops.DeformConv2d(4, 6, 1, bias=False)).endswith("stride=(1, 1), bias=False)")
    assert ops.deform_conv2d(x[:0], offset[:0], layer.weight, None, 2, 1, 2).shape == (0, 6, 4, 5)


@pytest.mark.parametrize(
    "changed",
    [
        {"offset": (2, 17, 5, 3)},
        {"offset": (2, 18, 4, 3)},
        {"offset": (1, 18, 5, 3)},
        {"offset": (2, 54, 5, 3)},  # three groups of four channels
        {"offset": (2, 4, 5, 3)},
        {"weight": (6, 3, 3, 3)},
        {"weight": (6, 4, 9, 9)},
        {"weight": (5, 2, 3, 3)},
        {"bias": (5,)},
        {"mask": (2, 8, 5, 3)},
        {"x": (4, 7, 5)},
    ],
)
def test_what_does_not_fit_is_refused(changed):
    shapes = {"x": (2, 4, 7, 5), "offset": (2, 18, 5, 3), "weight": (6, 4, 3, 3), "bias": (6,), "mask": (2, 9, 5, 3)}
    x, offset, weight, bias, mask = (F.ones(*(shapes | changed)[name]) for name in shapes)
    with pytest.raises(ShapeError, match="deform_conv2d"):
        ops.deform_conv2d(x, offset, weight, bias, mask=mask)


def test_other_refusals():
    with pytest.raises(DtypeError, match="offset"):
        ops.deform_conv2d(F.ones(1, 1, 3, 3), F.ones(1, 2, 3, 3).double(), F.ones(1, 1, 1, 1))
    for groups in (3, 4):
        with pytest.raises(ArgumentError, match="groups"):
            ops.DeformConv2d(4, 6, 3, groups=groups)
