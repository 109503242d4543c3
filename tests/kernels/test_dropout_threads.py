"""Dropout of large arrays: masks drawn in threads, and applied in one pass by oneDNN."""

import numpy as np
import pytest

import framework
import framework.nn.functional as F
from framework import kernels
from framework import random as streams
from framework.kernels import threads
from framework.kernels.generic import dropout as generic

needs_onednn = pytest.mark.skipif("onednn" not in kernels.libraries(), reason="oneDNN is not installed")


def drawn(generator, count):
    bits = np.zeros(count, np.uint16)

    def use(start, part):
        bits[start : start + part.size] = part

    generator.each_bits16(count, use)
    return bits


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("count", [100, 4096, 4096 + 7, 3 * 4096 + 16, 20001])
def test_bits_are_those_drawn_at_once_and_the_stream_goes_on(before, count, monkeypatch):
    monkeypatch.setattr(streams, "_RUN", 1024)
    results = []
    for number in (None, 1, 2):
        generator = framework.Generator().manual_seed(3)
        generator.numpy.random(1, np.float32)  # leaves half a word over
        generator.bits16(4 * before)
        with threads.limited(number or 1):
            bits = generator.bits16(count) if number is None else drawn(generator, count)
        after = generator.numpy.random(3, np.float32), generator.numpy.random(3), generator.bits16(20)
        results.append((bits, *after))
    for other in results[1:]:
        for found, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_keyed_stream_draws_in_threads_too(monkeypatch):
    monkeypatch.setattr(streams, "_RUN", 1024)
    masks = []
    for count in (1, 2):
        with streams.keyed(7, 1), threads.limited(count):
            masks.append(generic.keep_mask((50, 100), 0.3, streams.default_generator))
    np.testing.assert_array_equal(masks[0], masks[1])
    assert abs(masks[0].mean() - 0.7) < 0.03


def test_a_counter_at_its_end_starts_again(monkeypatch):
    monkeypatch.setattr(streams, "_RUN", 1024)
    results = []
    for at_once in (True, False):
        generator = framework.Generator().manual_seed(0)
        state = generator.numpy.bit_generator.state
        state["state"]["counter"] = np.array([2**64 - 50, 2**64 - 1, 2**64 - 1, 2**64 - 1], np.uint64)
        generator.numpy.bit_generator.state = state
        results.append(generator.bits16(9000) if at_once else drawn(generator, 9000))
        results.append(generator.bits16(9))
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(results[1], results[3])


def test_dropout_does_not_depend_on_threads():
    x = framework.ones(700, 1000)
    outputs = []
    for count in (1, 2):
        framework.manual_seed(1)
        with threads.limited(count):
            outputs.append(F.dropout(x, 0.25).numpy())
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert abs((outputs[0] == 0).mean() - 0.25) < 0.005


def memory(shape, order):
    x = np.random.default_rng(0).standard_normal([shape[axis] for axis in order]).astype(np.float32)
    return x.transpose(np.argsort(order))


LAYOUTS = [
    ((70001,), (0,)), ((300, 301), (0, 1)), ((300, 301), (1, 0)), ((4, 16, 33, 35), (0, 1, 2, 3)),
    ((4, 16, 33, 35), (0, 2, 3, 1)), ((0, 5), (0, 1)), ((3, 1, 7), (0, 1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "order"), LAYOUTS)
@pytest.mark.parametrize("mask_order", ["same", "rows"])
def test_masks_are_applied_in_any_memory_order(shape, order, mask_order, monkeypatch):
    monkeypatch.setattr(generic, "SHARED", 0)
    x = memory(shape, order)
    mask = np.random.default_rng(1).random(shape) > 0.3
    if mask_order == "same":
        mask = np.ascontiguousarray(mask.transpose(order)).transpose(np.argsort(order))
    found = [generic.apply_mask(x, mask, 1.25)]
    if "onednn" in kernels.libraries():
        from framework.kernels.onednn import dropout as onednn

        found.append(onednn.apply_mask(x, mask, 1.25))
    for y in found:
        np.testing.assert_allclose(y, np.where(mask, x * np.float32(1.25), 0), rtol=1e-6)
        if x.size and 1 not in shape:
            assert y.strides == x.strides


@needs_onednn
def test_the_gradient_goes_through_the_same_mask():
    x = framework.randn(300, 200, requires_grad=True)
    with kernels.force("onednn"):
        y = F.dropout(x, 0.5)
        y.backward(framework.ones(300, 200))
    np.testing.assert_array_equal(x.grad.numpy(), np.where(y.detach().numpy() != 0, np.float32(2), np.float32(0)))


@needs_onednn
def test_other_arrays_stay_with_numpy():
    from framework.kernels.onednn import dropout as onednn

    large = np.zeros((300, 300), np.float32)
    assert onednn.declines(large) is None
    assert "float32" in onednn.declines(large.astype(np.float64))
    assert "small" in onednn.declines(large[:3])
    channels = np.ones((300, 1), bool)
    np.testing.assert_array_equal(onednn.apply_mask(large + 1, channels, 2.0), large + 2)
    assert onednn.apply_mask(large.astype(np.float16), large == 0, 2.0).dtype == np.float16
