"""C libraries of the tests, compiled where there is a compiler."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="eagerkit-stand-ins-"))


@functools.cache
def library(name: str) -> str:
    """The path of a shared library compiled from ``name.c`` beside this file; skips where there is no gcc."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc to compile the stand-in of a library with")
    path = str(_folder() / f"lib{name}.so")
    command = [compiler, "-O2", "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, str(HERE / f"{name}.c"), "-lm"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return path


def program(source: str, name: str, *flags: str) -> str:
    """What a C++ program prints; skips where there is no g++."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile a program with")
    text, made = _folder() / f"{name}.cpp", _folder() / name
    text.write_text(source)
    subprocess.run(
        [compiler, "-std=c++17", *flags, "-o", str(made), str(text)], check=True, capture_output=True, text=True
    )
    return subprocess.run([str(made)], check=True, capture_output=True, text=True).stdout
