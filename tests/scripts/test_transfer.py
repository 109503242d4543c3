"""Transfer learning with the training script, and the evaluation of what it gives, as users meet them."""

from __future__ import annotations

import json
import signal
import sys
import time

import numpy as np
import pytest
from PIL import Image

import hub
from framework.io import load_checkpoint, load_file
from tests.scripts.running import ROOT, metrics, one_line, start, weights
from vision.models import squeezenet1_1

QUICK = ("--model", "small_cnn", "--image-size", "16", "--batch-size", "8", "--epochs", "2", "--checkpoint-steps", "1")
TRANSFER = ("--model", "squeezenet1_1", "--epochs", "1", "--batch-size", "8")


def settings(folder):
    return json.loads((folder / "settings.json").read_text())


@pytest.fixture(scope="module")
def squeezenet_file(tmp_path_factory):
    """Weights of a net with five classes as PyTorch's users have them: in a container, under a wrapper's prefix."""
    model = squeezenet1_1(num_classes=5)
    path = tmp_path_factory.mktemp("weights") / "five.pth"
    hub.save_torch({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, path)
    return path


def test_weights_bring_their_preprocessing(script, pictures, squeezenet_file, tmp_path):
    code, out, err = script(
        "train_classifier.py", "--data", pictures, *TRANSFER, "--weights", squeezenet_file, "--freeze", "backbone", "--out", tmp_path / "run"
    )  # fmt: skip
    assert code == 0, err
    assert "50 tensors loaded; the head starts afresh: classifier.1.weight, classifier.1.bias" in out
    preparation = settings(tmp_path / "run")["preparation"]
    assert preparation["size"] == 224 and preparation["resize"] == 256 and preparation["mean"] == [0.485, 0.456, 0.406]
    assert (tmp_path / "run" / "classes.txt").read_text().split() == ["blue", "green", "red"]
    before, after = hub.load_state_dict(squeezenet_file), load_file(tmp_path / "run" / "model.safetensors")
    changed = {k for k in after if not np.array_equal(before[f"module.{k}"].numpy(), after[k].numpy())}
    assert changed == {"classifier.1.weight", "classifier.1.bias"}
    # and on from that run's folder, whose model and preparation hold
    code, out, err = script(
        "train_classifier.py", "--data", pictures, "--weights", tmp_path / "run", "--epochs", 1, "--freeze-until", "features.11", "--out", tmp_path / "on"
    )  # fmt: skip
    assert code == 0, err
    assert "52 tensors loaded" in out and settings(tmp_path / "on")["preparation"] == preparation
    further = load_file(tmp_path / "on" / "model.safetensors")
    changed = {k for k in after if not np.array_equal(further[k].numpy(), after[k].numpy())}
    assert changed == {k for k in after if k.startswith(("features.12", "classifier"))}


@pytest.mark.parametrize("views", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_cached_features(script, pictures, squeezenet_file, tmp_path, views):
    arguments = ["--data", pictures, *TRANSFER, "--epochs", 4, "--weights", squeezenet_file, "--freeze", "backbone", "--cache-features", views]  # fmt: skip
    code, out, err = script("train_classifier.py", *arguments, "--out", tmp_path / "run")
    assert code == 0, err
    assert f"features are computed once, of {views} view(s)" in out
    rows = metrics(tmp_path / "run")
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    code, _, err = script(
        "evaluate.py", "--checkpoint", tmp_path / "run"
    )  # the whole model, on the pictures themselves
    assert code == 0, err
    found = json.loads((tmp_path / "run" / "evaluation.json").read_text())["accuracy"]["top1"]
    assert found == pytest.approx(rows[-1]["accuracy"], abs=1e-9)
    # a run that was stopped goes on with the same features
    stopped = start("train_classifier.py", *arguments, "--checkpoint-steps", 1, "--out", tmp_path / "stopped", cwd=tmp_path)  # fmt: skip
    while stopped.poll() is None and not (tmp_path / "stopped" / "last.ckpt").exists():
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    code, _, err = script("train_classifier.py", "--resume", tmp_path / "stopped")
    assert code == 0, err
    assert weights(tmp_path / "stopped") == weights(tmp_path / "run")


MIXED = ("--mixup-alpha", "0.2", "--cutmix-alpha", "1.0", "--accumulate", "2", "--clip-grad-norm", "1", "--layer-decay", "0.8", "--norm-decay", "off", "--auto-augment", "ta_wide", "--random-erase", "0.5")  # fmt: skip


def test_a_full_recipe_resumes_to_the_same_run(script, pictures, tmp_path):
    arguments = ["--data", pictures, *QUICK, "--augment", "basic", "--ema", "0.9", *MIXED, "--out"]
    code, _, err = script("train_classifier.py", *arguments, tmp_path / "whole")
    assert code == 0, err
    # 48 pictures in batches of 8 are 6 batches, two of which make a step
    state = load_checkpoint(tmp_path / "whole" / "last.ckpt")
    steps = {float(entry["step"]) for entry in state["optimizer"]["state"].values()}
    assert steps == {6.0} and state["state"]["step"] == 12
    rates = {group["initial_lr"] for group in state["optimizer"]["param_groups"]}
    assert len(rates) == 4 and max(rates) / min(rates) == pytest.approx(0.8**-3)
    stopped = start("train_classifier.py", *arguments, tmp_path / "run", cwd=tmp_path)
    while stopped.poll() is None and not (tmp_path / "run" / "last.ckpt").exists():
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    code, _, err = script("train_classifier.py", "--resume", tmp_path / "run")
    assert code == 0, err
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("stl10", "stl10"), ("flowers102", "flowers"), ("oxford-iiit-pet", "pets"), ("food101", "food101"),
    ],
)  # fmt: skip
def test_named_data_sets(name, tree, tmp_path, monkeypatch):
    sys.path.insert(0, str(ROOT / "scripts"))
    from support.images import load_images
    from support.preparation import Augmentation

    from tests.vision.datasets import trees

    monkeypatch.setenv("HUB_OFFLINE", "1")  # what is there is not fetched
    getattr(trees, tree)(tmp_path)
    images = load_images(name, tmp_path, Augmentation("basic"), 32, 0)
    x, y = images.train[0]
    assert tuple(x.shape) == (3, 32, 32) and 0 <= y < len(images.classes)
    assert tuple(images.test[0][0].shape) == (3, 32, 32)


def test_pictures_of_another_size_than_the_weights(script, pictures, squeezenet_file, tmp_path):
    """And classes in letters that Matplotlib's font lacks; and a folder of new pictures."""
    data = tmp_path / "data"
    for name, known in {"青": "blue", "赤": "red"}.items():
        (data / name).mkdir(parents=True)
        for source in (pictures / known).iterdir():
            (data / name / source.name).write_bytes(source.read_bytes())
    code, _, err = script(
        "train_classifier.py", "--data", data, *TRANSFER, "--weights", squeezenet_file, "--image-size", 64, "--out", tmp_path / "run"
    )  # fmt: skip
    assert code == 0 and "Glyph" not in err, err
    preparation = settings(tmp_path / "run")["preparation"]
    assert preparation["size"] == 64 and preparation["resize"] == 73
    code, out, err = script("predict.py", "--checkpoint", tmp_path / "run", data / "青")
    assert code == 0 and len(out.splitlines()) == 20, err
    code, _, err = script("evaluate.py", "--checkpoint", tmp_path / "run")
    assert code == 0 and "Glyph" not in err, err
    code, _, err = script("predict.py", "--checkpoint", tmp_path / "run", data)
    assert code == 2 and one_line(err) and "a folder without pictures" in err


def test_a_net_for_pictures_of_one_size_is_built_for_them(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from types import SimpleNamespace

    from support import pretrained
    from support.preparation import photographs

    args = SimpleNamespace(model="vit_b_16", weights="none", device="cpu")
    model, config = pretrained.build(args, pretrained.Source(), photographs(32), 3)
    assert config == {"num_classes": 3, "image_size": 32} and model.encoder.pos_embedding.shape[1] == 5
    args.model = "squeezenet1_1"
    assert pretrained.build(args, pretrained.Source(), photographs(32), 3)[1] == {"num_classes": 3}


def test_auxiliary_heads_are_trained_too(script, pictures, tmp_path):
    code, _, err = script(
        "train_classifier.py", "--data", pictures, "--model", "googlenet", "--image-size", "64", "--batch-size", "12", "--epochs", "1", "--out", tmp_path / "run"
    )  # fmt: skip
    assert code == 0, err
    code, out, err = script("predict.py", "--checkpoint", tmp_path / "run", pictures / "red" / "00.png")
    assert code == 0 and "00.png" in out, err


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    """A run on the pictures."""
    folder = tmp_path_factory.mktemp("trained")
    process = start("train_classifier.py", "--data", pictures, *QUICK, "--out", folder / "run", cwd=folder)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return folder / "run"


def test_evaluation(script, trained, pictures, tmp_path):
    code, out, err = script("evaluate.py", "--checkpoint", trained, "--out", tmp_path / "own")
    assert code == 0, err
    report = json.loads((tmp_path / "own" / "evaluation.json").read_text())
    assert report["pictures"] == 12 and set(report["classes"]) == {"blue", "green", "red"}
    assert report["accuracy"]["top1"] == pytest.approx(metrics(trained)[-1]["accuracy"])
    assert sum(map(sum, report["confusion"])) == 12 and "precision" in out and "top1 accuracy" in out
    with Image.open(tmp_path / "own" / "confusion.png") as picture:
        assert picture.width > 200
    # two of the three classes, in a folder of their own, numbered otherwise
    for name in ("red", "green"):
        (tmp_path / "data" / "test" / name).mkdir(parents=True)
        for index in range(3):
            source = pictures / name / f"{index:02d}.png"
            (tmp_path / "data" / "test" / name / source.name).write_bytes(source.read_bytes())
    code, out, err = script("evaluate.py", "--checkpoint", trained, "--data", tmp_path / "data", "--out", tmp_path)
    assert code == 0, err
    report = json.loads((tmp_path / "evaluation.json").read_text())
    assert report["pictures"] == 6 and [row["pictures"] for row in report["classes"].values()] == [0, 3, 3]
    assert report["classes"]["blue"]["recall"] is None
    (tmp_path / "data" / "test" / "red").rename(tmp_path / "data" / "test" / "pink")
    code, out, err = script("evaluate.py", "--checkpoint", trained, "--data", tmp_path / "data")
    assert code == 2 and one_line(err) and "pink" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "DEFAULT"], "say which model they are of with --model"),
        (
            ["--weights", "IMAGENET1K_V9", "--model", "resnet18"],
            "resnet18 has no weights 'IMAGENET1K_V9'; known: resnet18.IMAGENET1K_V1",
        ),
        (["--weights", "absent.pth", "--model", "resnet18"], "there is no such file"),
        (["--cache-features", "1"], "add --freeze backbone"),
        (["--freeze", "backbone", "--freeze-until", "features"], "not both"),
        (["--freeze-until", "tail"], "no part of the model"),
        (["--freeze", "backbone", "--cache-features", "1", "--mixup-alpha", "0.2"], "leave them out"),
        (["--layer-decay", "0"], "between 0.01 and 1"),
        (["--auto-augment", "best"], "invalid choice"),
        (["--accumulate", "0"], "at least 1"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(script, arguments, message):
    code, _, err = script("train_classifier.py", *arguments)
    assert code == 2 and one_line(err) and message in err, err


def test_downloads_are_refused_offline_with_the_way_to_do_it_by_hand(script, pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("HUB_OFFLINE", "1")
    monkeypatch.setenv("EAGERKIT_HOME", str(tmp_path))
    code, _, err = script(
        "train_classifier.py", "--data", pictures, "--model", "resnet18", "--weights", "DEFAULT", "--epochs", 1
    )
    assert code == 2 and one_line(err) and "resnet18-f37072fd.pth" in err and "HUB_OFFLINE" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "least"),
    [(["--freeze", "backbone", "--cache-features", "1"], 0.90), (["--epochs", "5"], 0.88)],
    ids=["head", "whole"],
)
def test_fine_tuning_on_real_pictures(script, realdata, tmp_path, flags, least):
    reached = []
    for seed in range(3 if "--freeze" in flags else 1):
        code, _, err = script(
            "train_classifier.py", "--data", realdata / "hymenoptera-256", "--model", "squeezenet1_1", "--weights",
            realdata / "squeezenet1_1" / "squeezenet1_1.pth", *flags, "--seed", seed, "--out", tmp_path / f"run{seed}", timeout=900
        )  # fmt: skip
        assert code == 0, err
        reached.append(json.loads((tmp_path / f"run{seed}" / "summary.json").read_text())["metrics"]["accuracy"])
    assert np.mean(reached) >= least, reached
