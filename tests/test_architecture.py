"""The rules of the house that a machine can check: which way imports run, what they may name, how long files are."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("framework", "hub", "vision", "text")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# a package may import those to its left
ORDER = ("framework", "hub", "vision text", "scripts")
# inside framework, a room may import those of its own and of smaller rank
RANKS = {
    "errors": 0, "dtypes": 0, "devices": 0, "kernels": 1,
    "tensor": 2, "ops": 2, "autograd": 2, "methods": 2, "profiler": 2, "random": 2, "printing": 2, "return_types": 2, "cuda": 2, "amp": 2, "cpu": 2, "backends": 3, "accelerator": 3, "settings": 0, "version": 0, "testing": 3, "func": 4,
    "linalg": 2, "special": 2, "legacy": 2, "nn": 3, "optim": 4, "data": 4, "io": 4,
}  # fmt: skip
LIBRARIES = {"cupy", "onednn", "dnnl", "cudnn", "cublas", "torch", "mkl"}


def imports(path: Path, top_level_only: bool = False) -> list[tuple[str, int]]:
    """(module, line) of every import in a file."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.lineno))
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def package_rank(name: str) -> int | None:
    return next((i for i, group in enumerate(ORDER) if name in group.split()), None)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path):
    own = path.relative_to(ROOT).parts
    for module, line in imports(path):
        parts = module.split(".")
        other = package_rank(parts[0])
        if other is None:
            continue
        mine = package_rank(own[0])
        same = parts[0] == own[0]
        assert same or other < mine, f"{path}:{line}: {own[0]} must not import {parts[0]}"


@pytest.mark.parametrize("path", sorted((ROOT / "framework").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_inside_the_framework(path):
    parts = path.relative_to(ROOT / "framework").parts
    room = parts[0].removesuffix(".py")
    if room not in RANKS:
        return  # the package's own page, and pages of re-exports
    for module, line in imports(path, top_level_only=True):
        target = module.split(".")
        if target[0] == "framework" and len(target) > 1 and target[1] in RANKS:
            assert RANKS[target[1]] <= RANKS[room], f"{path}:{line}: {room} must not import {target[1]}"


def test_no_file_imports_torch():
    for path in FILES + sorted((ROOT / "scripts").rglob("*.py")):
        if path.name == "benchmark.py":
            continue  # it times torch beside us
        assert not [m for m, _ in imports(path) if m.split(".")[0] in ("torch", "torchvision")], path


@pytest.mark.parametrize("room", ["ops", "nn"])
def test_ops_and_layers_name_no_numerical_library(room):
    for path in sorted((ROOT / "framework" / room).rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {m.split(".")[0] for m, _ in imports(path)}
        assert not names & LIBRARIES, f"{path} names {names & LIBRARIES}"


def test_no_assert_in_the_library():
    for path in FILES:
        lines = [n.lineno for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Assert)]
        assert not lines, f"{path}: assert on lines {lines}; raise an error that says what to do"


def test_files_stay_short():
    long = {str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > 400}
    assert not long, f"split by family: {long}"


def test_importing_the_framework_brings_in_numpy_and_ml_dtypes_alone():
    code = (
        "import sys; before = set(sys.modules); import framework; "
        "print(' '.join(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    brought = set(done.stdout.split()) - set(sys.stdlib_module_names) - {"framework"}
    own = {m for m in brought if m.startswith(("__editable__", "_cython", "cython"))}  # NumPy's random brings in cython
    assert brought - own <= {"numpy", "ml_dtypes"}, brought


def test_a_missing_name_names_the_nearest():
    import framework

    with pytest.raises(AttributeError, match=r"'arrange'; nearest: arange"):
        framework.arrange
    with pytest.raises(AttributeError, match=r"nearest: .*unsqueeze"):
        framework.ones(1).unsqueze
