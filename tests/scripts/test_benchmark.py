"""The benchmark: its models, its cases at a tiny size on both sides, its tables and its errors. Nothing timed is asserted."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest

import framework
from tests.scripts.running import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import benchmark
from support.benchmarks import flops, memory, plot, report, runs
from support.benchmarks.cases import CASES
from support.benchmarks.image_models import mobilenet_v2, resnet18, resnet50, vit
from support.benchmarks.measuring import ceiling, profile, sample
from support.benchmarks.peer import Peer
from support.benchmarks.text_models import decoder, minilm

STEPPED = [name for name, case in CASES.items() if case.build]
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def made(name, lib=framework, **settings):
    """A case at its smallest, without randomness inside the step."""
    lib.manual_seed(3)
    work = CASES[name].build(Peer(lib, CASES[name].channels_last, small=True, **settings))
    for layer in work.model.modules() if work.model is not None else ():
        if hasattr(layer, "p"):
            layer.p = 0.0
    return work


@pytest.fixture
def default_dtypes():
    """Set the default dtype of some libraries for a test."""
    changed = []

    def change(name, *libs):
        for lib in libs:
            changed.append((lib, lib.get_default_dtype()))
            lib.set_default_dtype(getattr(lib, name))

    yield change
    for lib, before in changed:
        lib.set_default_dtype(before)


@pytest.mark.parametrize(
    ("model", "millions"), [(resnet18, 11.69), (resnet50, 25.56), (mobilenet_v2, 3.50), (vit, 5.72), (minilm, 22.71)]
)
def test_models_have_the_published_number_of_parameters(model, millions):
    assert sum(p.numel() for p in model(framework).parameters()) / 1e6 == pytest.approx(millions, abs=0.006)


@pytest.mark.parametrize("name", STEPPED)
def test_cases_run_on_ours(name):
    work = made(name)
    outputs = [work.step() for _ in range(2)]
    assert all(np.isfinite(output.detach().numpy()).all() for output in outputs)
    if name.endswith("train"):
        assert outputs[0].item() != outputs[1].item()  # it learns


@needs_torch
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [name for name in STEPPED if not name.endswith("-fused") and name != "pipeline"])
def test_both_sides_compute_the_same(name, dtype, default_dtypes):
    import torch

    default_dtypes(dtype, framework, torch)
    ours, theirs = made(name), made(name, torch)
    if ours.model is not None:
        theirs.model.load_state_dict(
            {k: torch.from_numpy(v.numpy().copy()) for k, v in ours.model.state_dict().items()}
        )
    with torch.no_grad():
        for a, b in zip(ours.inputs, theirs.inputs, strict=True):
            b.copy_(torch.from_numpy(a.detach().numpy().copy()))
    # from the second step on a training step's update is in it; in float32 the norms of small batches blow up rounding
    exact = dtype == "float64"
    for _ in range(3 if exact else 1):
        a, b = ours.step().detach().numpy(), theirs.step().detach().numpy()
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6 if exact else 5e-4, atol=1e-8 if exact else 2e-5)


@needs_torch
def test_both_pipelines_give_pictures_alike():
    """The crops are each library's own, so what agrees is their mean over a pass, about."""
    import torch

    pytest.importorskip("torchvision")
    means = [np.mean([made("pipeline", lib).step().item() for _ in range(20)]) for lib in (framework, torch)]
    assert means[0] == pytest.approx(means[1], abs=0.25)


@needs_torch
@pytest.mark.parametrize("name", ["resnet18-infer-1", "mobilenetv2-infer-1"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # of its own, on import of its fusing
def test_fusing_changes_no_output(name):
    import torch

    for lib in (framework, torch):
        plain, fused = made(name, lib), made(f"{name}-fused", lib)
        with lib.no_grad():
            fused.inputs[0].copy_(plain.inputs[0])
        np.testing.assert_allclose(fused.step().numpy(), plain.step().numpy(), rtol=1e-3, atol=1e-4)


def test_greedy_decoding_agrees_with_reading_everything_again():
    framework.manual_seed(0)
    model = decoder(framework, dim=32, depth=2, heads=4, words=20).eval()
    first = framework.tensor([[7]])
    with framework.inference_mode():
        chosen = model.greedy(first, 5)
        caches = model.caches(1)
        read = framework.cat([first, chosen[:, :-1]], dim=1)
        again = [model(read[:, at : at + 1], caches, at).argmax(-1) for at in range(5)]
    assert framework.cat(again, dim=1).tolist() == chosen.tolist()


def test_operations_are_counted():
    batch, features = 3, 9
    first, second = batch * features * 128, batch * 128 * 10
    assert flops.count(framework, made("mlp")) == 2 * (2 * first + 3 * second)  # the input needs no gradient
    assert flops.count(framework, made("op")) is None
    full = CASES["resnet18-infer-1"].build(Peer(framework))
    assert flops.count(framework, full) / 2e9 == pytest.approx(1.814, abs=0.001)  # as published
    for name in ("lstm", "vit-train", "decode"):
        assert flops.count(framework, made(name)) > 0


def test_memory_is_the_peak_between_two_moments():
    before = memory.settle()
    blocks = np.ones(8 << 20)
    del blocks
    assert memory.held("VmHWM") - before >= 60 << 20
    assert memory.held("VmRSS") > 0


def test_samples_and_the_ceiling():
    calls = []
    assert len(sample(lambda: calls.append(0), 0)) == 3 and len(calls) > 3
    assert ceiling(framework, 0, small=True) > 0


def test_a_profile_names_the_ops(tmp_path):
    trace = tmp_path / "trace.json"
    assert "Linear" in profile(framework, made("mlp"), str(trace))
    assert json.loads(trace.read_text())["traceEvents"]


def row(name, ours, torch, compiled=None, **more):
    sides = {"ours": ours, "torch": torch, "compiled": compiled}
    made_up = {k: runs.Side(ms, 80.0, 200.0, [[ms]]) for k, ms in sides.items() if ms is not None}
    return runs.Row(name, CASES[name].what, CASES[name].asked, CASES[name].aim, True, made_up, more.get("flops"))


ROWS = [row("mlp", 2.0, 5.0, 4.0, flops=6_000_000), row("op", 10.0, 8.0)]
MACHINE = {
    "date": "2026-01-02",
    "processor": "A processor",
    "threads": 2,
    "system": "Linux",
    "versions": {"numpy": "2.4"},
}


def test_the_table_for_the_readme():
    lines = report.markdown(ROWS, ["ours", "torch"], 30.0, MACHINE).splitlines()
    assert lines[0] == "2026-01-02, A processor, 2 threads, Linux; numpy 2.4. The ceiling is 30 GFLOP/s."
    assert lines[4] == "| MLP 784-128-10, batch 64, training | 2.000 | 5.000 | 2.50 | 3 | 10 % | 80 | 80 |"
    assert len({line.count("|") for line in lines[2:]}) == 1
    compiled = report.cells(ROWS[0], ["ours", "torch", "compiled"], None)
    assert compiled[4:6] == ["4.000", "2.00"] and len(compiled) == len(report.columns(["ours", "compiled"]))
    assert report.cells(row("op", 10.0, None), ["ours"], 30.0)[2:4] == ["-", "-"]


def test_the_picture():
    pytest.importorskip("matplotlib")
    assert plot.draw(ROWS, MACHINE).startswith(b"\x89PNG")
    assert plot.draw([row("op", 1.0, None)], MACHINE).startswith(b"\x89PNG")


def test_missing_packages_are_named_before_anything_runs(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for flags, words in ((["--plot", str(tmp_path / "x.png"), "--sides", "ours"], "[plot]"), ([], "torch==2.13.0")):
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *flags])
        with pytest.raises(SystemExit) as left:
            benchmark.run(benchmark.main, "benchmark.py")
        assert left.value.code == 2 and words in capsys.readouterr().err


def test_a_run_of_one_side(script, tmp_path):
    code, out, err = script(
        "benchmark.py", "--only", "op", "import", "--sides", "ours", "--quick", "--seconds", "0", "--json", "figures.json", "--markdown"
    )  # fmt: skip
    assert code == 0, err
    assert "| 200 chained multiplications" in out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures) == {"machine", "settings", "ceiling_gflops", "cases", "failed"} and not figures["failed"]
    assert figures["machine"]["versions"]["numpy"] == np.__version__
    case, bare = figures["cases"]
    assert case["case"] == "op" and case["ratio"] is None and case["sides"]["ours"]["ms"] > 0
    assert bare["case"] == "import" and bare["sides"]["ours"]["ms"] > 0 and bare["sides"]["ours"]["step_mb"] is None
    assert len(case["sides"]["ours"]["samples"]) == 1 and len(case["sides"]["ours"]["samples"][0]) >= 3


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--only", "nothing"], "the cases are resnet18-train"),
        (["--json", "nowhere/x.json", "--sides", "ours"], "folder does not exist"),
        (["--profile", "import"], "no steps"),
        (["--profile", "none"], "invalid choice"),
        (["--trace", "x.json"], "--trace goes with --profile"),
        (["--rounds", "0"], "at least 1"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(script, flags, words):
    code, out, err = script("benchmark.py", *flags)
    assert code == 2 and words in err and len(err.splitlines()) == 1 and not out


def test_a_failing_case_leaves_the_others_standing(monkeypatch, capsys):
    def fake(request):
        if request["case"] == "op":
            raise runs.CaseError("case op of ours failed: why")
        return {"gflops": 10.0} if request["case"] == "ceiling" else {"ms": [2.0], "step_mb": 1.0, "process_mb": 2.0}

    monkeypatch.setattr(runs, "in_own_process", fake)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--only", "op", "mlp", "--sides", "ours"])
    assert benchmark.main() == 1
    said = capsys.readouterr()
    assert "mlp" in said.out and "case op of ours failed: why" in said.err


def test_a_process_that_dies_is_told_with_its_last_line():
    with pytest.raises(runs.CaseError, match="case nothing of ours failed: KeyError"):
        runs.in_own_process({"case": "nothing", "side": "ours", "threads": 1, "budget": 0})


def test_listing(script):
    code, out, _ = script("benchmark.py", "--cases")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == list(CASES)
