"""What the README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import framework

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_the_example_learns(capsys):
    framework.manual_seed(0)
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    assert float(capsys.readouterr().out.split()[0]) < 0.05


@pytest.mark.parametrize(
    ("start", "file"), [("@unary", "framework/ops/trigonometric.py"), ("@register_model", "vision/models/resnet.py")]
)
def test_the_code_that_it_shows_is_in_the_source(start, file):
    block = next(block for block in BLOCKS if block.startswith(start))
    assert block.strip() in (ROOT / file).read_text()


def test_the_weights_are_used_as_it_shows(tmp_path, monkeypatch):
    import hub
    from vision import models

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub.Weights, "get_state_dict", lambda self, progress: models.resnet50().state_dict())
    small = {"num_layers": 8, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 16, "num_classes": 3}
    whole = models.VisionTransformer(224, 16, **small)
    for name in ("my.pth", "checkpoint.pth"):
        hub.save_state_dict(whole.state_dict(), name)
    larger = models.VisionTransformer(384, 16, **small)
    real = hub.create
    monkeypatch.setattr(hub, "create", lambda name, **config: real(name, **config) if "vit" not in name else larger)
    block = next(block for block in BLOCKS if "hub.describe" in block)
    exec(compile(block, "README.md", "exec"), {})
    assert len(hub.load_state_dict("model.pth")) == len(larger.state_dict())


@pytest.mark.filterwarnings("ignore:.*start afresh")
def test_texts_are_used_as_it_shows(realdata, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minilm-folder").symlink_to(realdata / "minilm-l6-v2-fp16")
    block = next(block for block in BLOCKS if block.startswith("import text"))
    shown = {}
    exec(compile(block, "README.md", "exec"), shown)
    assert "(2, 3)" in capsys.readouterr().out.replace("[", "(").replace("]", ")")
    assert tuple(shown["vectors"].shape) == (2, 384)


@pytest.mark.filterwarnings("ignore:autocast. bfloat16 saves no time")
def test_a_step_on_whatever_device_is_as_it_shows():
    block = next(block for block in BLOCKS if "amp.autocast" in block)
    shown = {}
    exec(compile(block, "README.md", "exec"), shown)
    assert float(shown["loss"]) < 10 and shown["loss"].dtype is framework.float32
    framework.set_float32_matmul_precision("highest")


def test_the_map_names_what_is_there():
    listing = README.split("## The folders")[1].split("Imports run")[0]
    top = re.findall(r"^ {4}(\w+/)", listing, re.M)
    inner = re.findall(r"^ {6}([\w./]+)", listing, re.M)
    assert top and inner
    for name in top:
        assert (ROOT / name).is_dir(), name
    for name in inner:
        assert (ROOT / "framework" / name).exists(), name


@pytest.mark.parametrize(
    "flag", sorted(set(re.findall(r"--[a-z][a-z-]+", README.split("## Training on")[1].split("## Pretrained")[0])))
)
def test_the_flags_that_it_names_exist(flag):
    if flag != "--help":
        scripts = "".join(p.read_text() for p in (ROOT / "scripts").glob("*.py"))
        assert f'"{flag}"' in scripts
