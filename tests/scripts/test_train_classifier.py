"""The training script as its users meet it."""

from __future__ import annotations

import json
import random
import signal
import time

import numpy as np
import pytest

from framework.io import load_file
from tests.scripts.running import metrics, start, weights

QUICK = ("--model", "small_cnn", "--image-size", "16", "--batch-size", "8", "--epochs", "2", "--checkpoint-steps", "1")


@pytest.fixture(scope="module")
def whole_run(pictures, tmp_path_factory):
    """A run without interruption, to compare others with."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(
        "train_classifier.py",
        "--data",
        pictures,
        *QUICK,
        "--augment",
        "basic",
        "--ema",
        "0.9",
        "--out",
        folder / "run",
        cwd=folder,
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return folder / "run", out


def test_what_a_run_leaves(whole_run):
    folder, out = whole_run
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary) == {"task", "model", "data", "epochs", "amp", "seconds", "metrics"}
    assert summary["epochs"] == 2 and set(summary["metrics"]) == {"accuracy", "loss"}
    assert [row["epoch"] for row in metrics(folder)] == [1, 2]
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["classes"] == ["blue", "green", "red"] and settings["model"] == "small_cnn"
    assert "epoch 1/2: 100 %" in out and "test accuracy" in out  # a line each tenth where there is no terminal
    assert {p.name for p in folder.iterdir()} >= {"last.ckpt", "model.safetensors", "settings.json", "metrics.jsonl"}


@pytest.mark.parametrize("workers", [0, 4])
def test_workers_do_not_change_the_run(whole_run, script, pictures, tmp_path, workers):
    code, _, err = script(
        "train_classifier.py", "--data", pictures, *QUICK, "--augment", "basic", "--ema", "0.9", "--workers", workers, "--out", tmp_path / "run"
    )  # fmt: skip
    assert code == 0, err
    assert weights(tmp_path / "run") == weights(whole_run[0])


def test_another_seed_gives_another_run(whole_run, script, pictures, tmp_path):
    script(
        "train_classifier.py",
        "--data",
        pictures,
        *QUICK,
        "--augment",
        "basic",
        "--seed",
        "5",
        "--out",
        tmp_path / "run",
    )
    assert weights(tmp_path / "run") != weights(whole_run[0])


def test_ctrl_c_saves_and_resuming_equals_the_uninterrupted_run(whole_run, script, pictures, tmp_path):
    arguments = ["--data", pictures, *QUICK, "--augment", "basic", "--ema", "0.9", "--out", tmp_path / "run"]
    process = start("train_classifier.py", *arguments, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in out and "Traceback" not in err
    code, out, err = script("train_classifier.py", "--resume", tmp_path / "run")
    assert code == 0, err
    assert weights(tmp_path / "run") == weights(whole_run[0])
    assert metrics(tmp_path / "run") == metrics(whole_run[0])


@pytest.mark.slow
def test_twenty_kills_at_random_moments(script, pictures, tmp_path):
    arguments = ["--data", pictures, *QUICK, "--epochs", 40, "--augment", "basic", "--ema", "0.9", "--out"]
    code, _, err = script("train_classifier.py", *arguments, tmp_path / "whole")
    assert code == 0, err
    rng, folder = random.Random(0), tmp_path / "run"
    checkpoint = folder / "last.ckpt"
    for _ in range(20):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        resume = ["--resume", folder] if before else [*arguments, folder]
        process = start("train_classifier.py", *resume, cwd=tmp_path)
        while process.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns != before):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))  # some steps further, anywhere: also in the middle of writing a file
        assert process.poll() is None, process.communicate()
        process.kill()
        process.communicate()
    code, _, err = script("train_classifier.py", "--resume", folder)
    assert code == 0, err
    assert weights(folder) == weights(tmp_path / "whole")
    assert metrics(folder) == metrics(tmp_path / "whole")


def one_line(err):
    lines = [line for line in err.splitlines() if line.strip()]
    return len(lines) == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "no/such/folder"], "no such folder"),
        (["--data", "mnits"], "nearest: mnist"),
        (["--epochs", "zero"], "whole number"),
        (["--epochs", "0"], "at least 1"),
        (["--lr", "-1"], "at least 0"),
        (["--lr", "nan"], "at least 0"),
        (["--label-smoothing", "2"], "between 0 and 1"),
        (["--optimizer", "sgdd"], "invalid choice"),
        (["--model", "resnet19"], "nearest: resnet18"),
        (["--weights", "absent.safetensors"], "no such file"),
        (["--freeze", "nothing"], "no part of the model"),
        (["--device", "tpu"], "tpu"),
        (["--resume", "absent"], "no checkpoint"),
        (["--surprise"], "unrecognized arguments"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(script, arguments, message):
    code, _, err = script("train_classifier.py", *arguments)
    assert code == 2 and one_line(err) and message in err, err


def test_an_empty_class_is_named(script, pictures, tmp_path):
    data = tmp_path / "data"
    for name in ("a", "b"):
        (data / name).mkdir(parents=True)
    (data / "a" / "1.png").write_bytes((pictures / "red" / "00.png").read_bytes())
    code, _, err = script("train_classifier.py", "--data", data, *QUICK)
    assert code == 2 and one_line(err) and "b" in err


def test_a_broken_picture_is_named_and_nothing_is_lost(script, pictures, tmp_path):
    data = tmp_path / "data"
    for name in ("red", "blue"):
        (data / name).mkdir(parents=True)
        for index in range(6):
            source = (pictures / name / f"{index:02d}.png").read_bytes()
            (data / name / f"{index}.png").write_bytes(source if (name, index) != ("red", 3) else source[:100])
    code, _, err = script("train_classifier.py", "--data", data, *QUICK, "--out", tmp_path / "run")
    assert code == 2 and one_line(err) and "3.png" in err and "broken" in err, err


def test_a_run_is_not_overwritten(script, whole_run, pictures):
    before = weights(whole_run[0])
    code, _, err = script("train_classifier.py", "--data", pictures, *QUICK, "--out", whole_run[0])
    assert code == 2 and "holds a run already" in err and weights(whole_run[0]) == before


def test_a_checkpoint_of_another_model_is_refused(script, whole_run, pictures, tmp_path):
    code, _, err = script(
        "train_classifier.py",
        "--data",
        pictures,
        *QUICK,
        "--model",
        "resnet18",
        "--weights",
        whole_run[0] / "model.safetensors",
    )
    assert code == 2 and one_line(err) and "model.safetensors" in err
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    code, _, err = script("train_classifier.py", "--data", pictures, *QUICK, "--weights", tmp_path / "junk.safetensors")
    assert code == 2 and one_line(err) and "safetensors" in err
    broken = tmp_path / "run"
    broken.mkdir()
    for file in whole_run[0].iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "last.ckpt").write_bytes((broken / "last.ckpt").read_bytes()[:1000])
    code, _, err = script("train_classifier.py", "--resume", broken)
    assert code == 2 and one_line(err) and "last.ckpt" in err


def test_weights_and_freezing(script, whole_run, pictures, tmp_path):
    code, out, err = script(
        "train_classifier.py", "--data", pictures, *QUICK, "--weights", whole_run[0] / "model.safetensors", "--freeze", "backbone", "--out", tmp_path / "run"
    )  # fmt: skip
    assert code == 0, err
    before, after = load_file(whole_run[0] / "model.safetensors"), load_file(tmp_path / "run" / "model.safetensors")
    changed = {name for name in before if not np.array_equal(before[name].numpy(), after[name].numpy())}
    assert changed == {"classifier.4.weight", "classifier.4.bias"}


@pytest.mark.parametrize(
    "flags",
    [
        ["--optimizer", "sgd", "--schedule", "linear", "--warmup", "0"],
        ["--optimizer", "lion", "--schedule", "step", "--label-smoothing", "0.1"],
        ["--optimizer", "lamb", "--schedule", "constant", "--augment", "strong"],
    ],
    ids=lambda f: f[1],
)
def test_flags(script, pictures, flags, tmp_path):
    code, out, err = script("train_classifier.py", "--data", pictures, *QUICK, *flags, "--out", tmp_path / "run")
    assert code == 0, err
    assert len(metrics(tmp_path / "run")) == 2


def test_predict(script, whole_run, pictures, tmp_path):
    images = [pictures / "red" / "00.png", pictures / "blue" / "01.png"]
    code, out, err = script("predict.py", "--checkpoint", whole_run[0], *images)
    assert code == 0, err
    assert len(out.splitlines()) == 2 and "00.png: " in out and "%" in out
    code, _, err = script("predict.py", "--checkpoint", tmp_path, *images)
    assert code == 2 and one_line(err) and "settings.json" in err
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    code, out, err = script("predict.py", "--checkpoint", whole_run[0], tmp_path / "broken.png")
    assert code == 2 and one_line(err) and "broken.png" in err and out == ""


@pytest.mark.slow
def test_the_default_run_reaches_97_percent(script, tmp_path):
    code, _, err = script("train_classifier.py", "--out", tmp_path / "run", timeout=600)
    assert code == 0, err
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["metrics"]["accuracy"] >= 0.97


@pytest.mark.slow
def test_mnist_in_three_epochs(script, realdata, tmp_path):
    code, _, err = script(
        "train_classifier.py", "--data", "mnist", "--data-root", realdata / "mnist-idx", "--epochs", "3", "--out", tmp_path / "run", timeout=900
    )  # fmt: skip
    assert code == 0, err
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["metrics"]["accuracy"] >= 0.99
