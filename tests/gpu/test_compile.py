"""Every CUDA source of ours compiles by NVRTC, in every instantiation that its own line names, without a warning.

The cubin is looked at too: a kernel that keeps its registers in memory would be slow without saying so.
"""

from __future__ import annotations

import io
import itertools
import re

import pytest

from framework.kernels.cuda import modules

SOURCES = sorted(path.stem for path in modules.SOURCES.glob("*.cu"))
LINE = re.compile(r"^// compiled with: (.+)$", re.MULTILINE)
ARCHITECTURES = ("sm_80", "sm_90")
SPILLED = 64  # bytes of registers that a kernel may keep in memory: what it saves around a division of doubles


def instantiations(file):
    """The macros of each instantiation: "T=float,double N=1 | T=__half N=2" are three; an underscore stands for a space
    within a type's name, as in unsigned_int."""
    found = LINE.search((modules.SOURCES / f"{file}.cu").read_text())
    if found is None:
        return [{}]
    every = []
    for part in found[1].split("|"):
        choices = [item.split("=") for item in part.split()]
        for values in itertools.product(*(values.split(",") for _, values in choices)):
            every.append({name: value for (name, _), value in zip(choices, values, strict=True)})
    return every


def cases():
    for file in SOURCES:
        for defines in instantiations(file):
            name = "-".join((file, *(f"{k}={v}" for k, v in defines.items())))
            yield pytest.param(file, defines, id=name)


def compiled(file, defines, architecture):
    """The cubin, and what the compiler and the assembler say."""
    compiler = pytest.importorskip("cupy.cuda.compiler", reason="no CuPy to compile by")
    options = ["--std=c++17", f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    options += ["-ftz=true", "--device-as-default-execution-space"]  # which CuPy adds
    if modules.headers():
        options.append(f"-I{modules.headers()}")
    macros = tuple((name, value if value[0] == "_" else value.replace("_", " ")) for name, value in defines.items())
    log = io.StringIO()
    cubin, _ = compiler._NVRTCProgram(modules.text(file, macros), f"{file}.cu", method="cubin").compile(options, log)
    return cubin, log.getvalue()


@pytest.mark.parametrize(("file", "defines"), list(cases()))
def test_compiles(file, defines):
    for architecture in ARCHITECTURES:
        cubin, said = compiled(file, defines, architecture)
        assert cubin[:4] == b"\x7fELF"
        assert "warning" not in said, said
        assert max(map(int, re.findall(r"(\d+) bytes spill", said)), default=0) <= SPILLED, said
