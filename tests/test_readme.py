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


def test_the_op_that_it_shows_is_in_the_source():
    assert BLOCKS[1].strip() in (ROOT / "framework" / "ops" / "trigonometric.py").read_text()


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
    "flag", sorted(set(re.findall(r"--[a-z][a-z-]+", README.split("## Training on")[1].split("## The folders")[0])))
)
def test_the_flags_that_it_names_exist(flag):
    if flag != "--help":
        scripts = "".join(p.read_text() for p in (ROOT / "scripts").glob("*.py"))
        assert f'"{flag}"' in scripts
