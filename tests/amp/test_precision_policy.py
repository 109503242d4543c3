"""One setting for what float32 products and convolutions may round to, on every device and under all its names."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework import dtypes
from framework.backends import cuda, cudnn
from framework.kernels.precision import convolutions_round, multiplies, products_round


@pytest.fixture(autouse=True)
def _as_before():
    yield
    F.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(("setting", "rounds"), [("highest", "ieee"), ("high", "tf32"), ("medium", "bf16")])
def test_products_and_convolutions_follow_one_setting(setting, rounds):
    F.set_float32_matmul_precision(setting)
    assert products_round() == convolutions_round() == rounds
    for other in (np.float64, np.float16, dtypes.bfloat16.numpy):
        assert products_round(other) == convolutions_round(other) == "ieee"
    assert cuda.matmul.allow_tf32 is cudnn.allow_tf32 is (setting != "highest")


def test_the_flags_are_views_of_it():
    assert not cudnn.allow_tf32 and not cuda.matmul.allow_tf32
    cudnn.allow_tf32 = True
    assert F.get_float32_matmul_precision() == "high" and cuda.matmul.allow_tf32
    F.set_float32_matmul_precision("medium")
    cudnn.allow_tf32 = cuda.matmul.allow_tf32 = True  # which it does already: nothing changes
    assert F.get_float32_matmul_precision() == "medium"
    cuda.matmul.allow_tf32 = False
    assert F.get_float32_matmul_precision() == "highest" and not cudnn.allow_tf32


def test_the_flags_context_puts_it_back():
    F.set_float32_matmul_precision("medium")
    with cudnn.flags(enabled=True, allow_tf32=False):
        assert products_round() == "ieee"
        with cudnn.flags(enabled=True, benchmark=True):  # says nothing of it
            assert products_round() == "ieee" and cudnn.benchmark
    assert F.get_float32_matmul_precision() == "medium"
    assert cudnn.set_flags(_allow_tf32=False)[4] is True and products_round() == "ieee"


def test_no_processor_multiplies_float16_or_float32_as_sixteen_bits():
    assert not multiplies(F.float16) and not multiplies(F.float32)
    assert isinstance(multiplies(F.bfloat16), bool)
