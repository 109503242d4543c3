"""Where scripts compute, and how often they ask a GPU for losses."""

from __future__ import annotations

import argparse
import math
import sys

import pytest
from calling import SCRIPTS, call

import framework as F
from framework.errors import ArgumentError

sys.path.insert(0, str(SCRIPTS))

from support.placing import device, pinned
from support.state import STEPS, Losses, State

no_gpu = pytest.mark.skipif(F.cuda.is_available(), reason="there is a GPU")
NEEDED = {
    "train_classifier.py": [], "train_language_model.py": ["--data", "x.txt"], "predict.py": ["--checkpoint", "x", "y.png"],
    "evaluate.py": ["--checkpoint", "x"], "generate.py": ["--model", "x"], "embed.py": ["--model", "x", "a sentence"],
}  # fmt: skip


@no_gpu
@pytest.mark.parametrize("name", NEEDED)
def test_every_script_refuses_a_gpu_that_is_not_there_before_it_begins(name, tmp_path):
    code, out, err = call(name, *NEEDED[name], "--device", "cuda", cwd=tmp_path)
    assert code == 2 and not out and len(err.splitlines()) == 1
    assert "pip install" in err or "check the driver" in err
    assert not list(tmp_path.iterdir())


@no_gpu
def test_auto_takes_what_is_there():
    assert device("auto") == device("cpu") == "cpu"
    assert not pinned("cpu") and pinned("cuda:1")


@pytest.mark.parametrize("text", ["tpu", "cuda:", "cuda:x", "cpu:x", ""])
def test_what_is_no_device(text):
    if text == "cuda:" and F.cuda.is_available():
        pytest.skip("it stands for the GPU in use")
    with pytest.raises((argparse.ArgumentTypeError, F.errors.DeviceError)):
        device(text)


def test_losses_are_read_several_at_once():
    state = State()
    losses = Losses(state, 0.1, "cuda")
    for step in range(STEPS + 3):
        losses.add(F.tensor(float(step)), 2)
    assert state.step == STEPS + 3 and state.seen == 2 * STEPS + 6
    assert state.loss_sum == 2 * sum(range(STEPS))
    losses.read()
    losses.read()
    assert state.loss_sum == 2 * sum(range(STEPS + 3))


@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_the_step_whose_loss_is_not_finite_is_named(where):
    losses = Losses(State(), 0.1, where)
    with pytest.raises(ArgumentError, match="not finite at step 3"):
        for value in (1.0, 2.0, math.inf, *[0.0] * STEPS):
            losses.add(F.tensor(value), 1)
