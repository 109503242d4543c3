"""Training in mixed precision by the scripts, as their users meet it."""

from __future__ import annotations

import json
import random

import pytest
from calling import call

import framework as F
from framework.autograd import autocast
from framework.io import load_file
from tests.scripts.running import weights

QUICK = ("--model", "small_cnn", "--image-size", "16", "--batch-size", "8", "--epochs", "2", "--checkpoint-steps", "1")
SMALL = ("--layers", 1, "--heads", 2, "--width", 16, "--block-size", 16, "--batch-size", 4, "--eval-every", 6,
         "--sample-length", 10, "--warmup", 2, "--checkpoint-steps", 1)  # fmt: skip


@pytest.fixture(autouse=True)
def _told_already(monkeypatch):
    """What a processor is slow at is no matter here."""
    monkeypatch.setattr(autocast, "_warned", {"bfloat16"})


@pytest.fixture
def script(tmp_path):
    """Run a script to its end in a fresh folder: (exit code, stdout, stderr)."""
    return lambda name, *arguments: call(name, *arguments, cwd=tmp_path)


@pytest.fixture
def book(tmp_path):
    """A text file of some thousand characters."""
    rng = random.Random(0)
    path = tmp_path / "tale.txt"
    path.write_text("\n".join(" ".join(rng.choices(("it", "was", "the", "age", "of"), k=8)) for _ in range(150)))
    return path


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_a_classifier_learns_in_bfloat16(script, pictures, tmp_path):
    for amp in ("off", "bf16"):
        code, _, err = script("train_classifier.py", "--data", pictures, *QUICK, "--amp", amp, "--out", tmp_path / amp)
        assert code in (0, None), err
    assert summary(tmp_path / "bf16")["amp"] == "bf16" and summary(tmp_path / "off")["amp"] == "off"
    stored = load_file(tmp_path / "bf16" / "model.safetensors")
    assert all(t.dtype is not F.bfloat16 for t in stored.values())  # parameters stay float32
    assert weights(tmp_path / "bf16") != weights(tmp_path / "off")
    losses = [summary(tmp_path / amp)["metrics"]["loss"] for amp in ("off", "bf16")]
    assert abs(losses[0] - losses[1]) < 0.1


@pytest.mark.parametrize("more", [(), ("--ema", "0.9", "--accumulate", "2")])
def test_a_resumed_run_is_the_uninterrupted_one(script, pictures, tmp_path, more):
    arguments = ("train_classifier.py", "--data", pictures, *QUICK, "--amp", "bf16", *more)
    assert script(*arguments, "--out", tmp_path / "whole")[0] in (0, None)
    assert script(*arguments, "--epochs", 1, "--schedule", "constant", "--out", tmp_path / "short")[0] in (0, None)
    assert script(*arguments, "--schedule", "constant", "--out", tmp_path / "long")[0] in (0, None)
    code, out, err = script("train_classifier.py", "--resume", tmp_path / "short", "--epochs", 2)
    assert code in (0, None) and "going on" in out, err
    assert weights(tmp_path / "short") == weights(tmp_path / "long")
    assert summary(tmp_path / "short")["amp"] == "bf16"


def test_features_are_computed_under_it(script, pictures, tmp_path):
    code, out, err = script(
        "train_classifier.py", "--data", pictures, *QUICK, "--amp", "bf16", "--freeze", "backbone", "--cache-features", 1,
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert code in (0, None), err
    assert "features are computed once" in out


def test_a_language_model_learns_in_bfloat16(script, book, tmp_path):
    code, _, err = script(
        "train_language_model.py", "--data", book, *SMALL, "--steps", 12, "--amp", "bf16", "--out", tmp_path / "run"
    )  # fmt: skip
    assert code in (0, None), err
    assert summary(tmp_path / "run")["amp"] == "bf16"


def test_float16_on_the_cpu_is_refused(script, pictures, book):
    for arguments in (("train_classifier.py", "--data", pictures), ("train_language_model.py", "--data", book)):
        code, _, err = script(*arguments, "--amp", "fp16")
        assert code != 0 and "--amp fp16: float16 is for GPUs" in err and "--amp bf16" in err
