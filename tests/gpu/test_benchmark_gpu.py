"""The benchmark's cases on a GPU: in full on a card, where nothing may fall back, and tiny on the stand-in."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from support.benchmarks.gpu.cases import CASES, CEILINGS
from support.benchmarks.gpu.side import Side
from support.benchmarks.gpu.turns import take_turns

import framework

ALIKE = ("resnet50-train-tf32", "bert-base-train-bf16-8x512", "mobilenetv2-train-bf16")  # on the stand-in as another


@pytest.fixture
def side(gpu):
    """Ours on the GPU; the precision of products is as before after it."""
    flags, before = framework.backends.cudnn.set_flags(), framework.get_float32_matmul_precision()
    yield Side("ours", gpu.device, small=not gpu.real)
    framework.set_float32_matmul_precision(before)
    framework.backends.cudnn.set_flags(*flags[:4])


@pytest.mark.parametrize("name", [*CEILINGS, *CASES])
def test_cases(gpu, side, name):
    if not gpu.real and name in ALIKE:
        pytest.skip("the stand-in has run a case like it")
    found = take_turns(name, {"ours": side}, rounds=1, seconds=0.0)["ours"]
    assert found.ms > 0 and found.peak_mb > 0 and (found.amount > 0 or name == "op-overhead")
    if gpu.real:
        assert found.fallbacks == {}


def test_losses_are_finite_and_fall(gpu, side):
    side.ask("build", case="smallcnn-train")
    losses = [side._step().item() for _ in range(4)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_timed_steps_wait_once(gpu, side):
    if gpu.real:
        pytest.skip("a card does not tell what waited for it")
    for name in ("lstm-train", "adamw-110M", "op-overhead", "decode-128"):
        side.ask("build", case=name)
        gpu.waits.clear()
        side.ask("turn", seconds=0.0)
        assert gpu.waits == ["Event.synchronize"], name


def test_the_card_is_named(gpu, side):
    about = side.ask("about")
    assert about["card"] == framework.cuda.get_device_name() and about["driver"]
    assert "cudnn of eagerkit" in about["versions"]
