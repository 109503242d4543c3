"""Scripts run inside the test's own process, which saves starting one: for what needs no signals and no second process."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from pathlib import Path
from unittest import mock

import pytest

import framework as F

SCRIPTS = Path(__file__).parents[2] / "scripts"


def call(name, *arguments, cwd, stdin=""):
    """(exit code, stdout, stderr) of a script."""
    out, err = io.StringIO(), io.StringIO()
    random_state = F.get_rng_state()
    try:
        with (
            mock.patch.object(sys, "argv", [name, *map(str, arguments)]),
            mock.patch.object(sys, "path", [str(SCRIPTS), *sys.path]),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as left,
        ):
            runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    finally:
        F.set_rng_state(random_state)
    return left.value.code, out.getvalue(), err.getvalue()
