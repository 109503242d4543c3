"""The GPU's benchmark where there is no GPU: its cases at a tiny size, the turns of two sides, the record, the errors."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys

import numpy as np
import pytest
from calling import SCRIPTS, call

import framework
from framework.errors import ArgumentError

sys.path.insert(0, str(SCRIPTS))

import benchmark
from support.benchmarks.gpu import comparison, models, record, turns
from support.benchmarks.gpu.cases import CASES, CEILINGS, Load, multiply_adds
from support.benchmarks.gpu.side import Side
from support.benchmarks.peer import Peer
from support.benchmarks.runs import CaseError

NAMES = [
    "resnet50-train-bf16", "resnet50-train-tf32", "vit_b_16-train-bf16", "bert-base-train-bf16-32x128",
    "bert-base-train-bf16-8x512", "lstm-train", "mobilenetv2-train-bf16", "smallcnn-train", "decode-128", "op-overhead",
    "adamw-110M", "matmul-8192-bf16",
]  # fmt: skip
NETS = {name: getattr(models, name) for name in ("resnet50", "mobilenet_v2", "vit_b_16", "bert_base")}
ALIKE = ("resnet50-train-tf32", "bert-base-train-bf16-8x512")  # the same program as another case's
FIELDS = {
    "ours_ms": float, "torch_ms": float, "ratio": float, "share_of_ceiling": float | None, "peak_mb": dict,
    "bound": str | None, "rounds_ms": dict, "fallbacks": dict,
}  # fmt: skip
SETTINGS = {"rounds": 2, "seconds": 0.0}
pytestmark = pytest.mark.filterwarnings("ignore:autocast:UserWarning")  # where bfloat16 saves no time
has_torch = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not has_torch, reason="PyTorch is not installed")


def need(package):
    """Skip where a package of the peer's is missing; torchvision is imported with care, see ``vision_of``."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


class MadeUp:
    """A peer whose steps take 20 ms, and that fails in some cases."""

    def __init__(self, broken=()):
        self.broken, self.case = broken, ""

    def ask(self, do, **request):
        if do == "about":
            return {"card": "A card", "driver": "1.2", "versions": {"torch": "9.9"}}
        self.case = request.get("case", self.case)
        if do == "build" and self.case in self.broken:
            raise CaseError(f"torch: {self.case} is broken")
        answers = {"build": {}, "turn": {"ms": [10.0, 20.0, 30.0]}, "finish": {"peak_mb": 5.0, "amount": 1}}
        return answers[do]


def opened(*broken):
    """Ours in this process, on the CPU and small; the other side made up."""
    return lambda side: contextlib.nullcontext(Side("ours", "cpu", True) if side == "ours" else MadeUp(broken))


@pytest.fixture(autouse=True)
def precision():
    """The sides set the precision of products; here they share the tests' process."""
    flags = framework.backends.cudnn.set_flags()
    before = framework.get_float32_matmul_precision()
    yield
    framework.set_float32_matmul_precision(before)
    framework.backends.cudnn.set_flags(*flags[:4])


def test_the_cases_are_those_asked_for():
    assert list(CASES) == NAMES
    assert {case.bound for case in CASES.values()} <= {None, *CEILINGS}


@pytest.mark.parametrize("name", [*CEILINGS, *CASES])
def test_cases_run(name):
    side = Side("ours", "cpu", True)
    side.ask("build", case=name)
    assert len(side.ask("turn", seconds=0.0)["ms"]) == 2
    assert np.isfinite(side._step().detach().float().numpy()).all()
    found = side.ask("finish")
    assert found["peak_mb"] > 0 and found["fallbacks"] == {}
    assert found["amount"] > 0 or name == "op-overhead"


@needs_torch
@pytest.mark.parametrize("name", [name for name in CASES if name not in ALIKE])
def test_cases_run_on_the_peer(name, monkeypatch):
    import torch

    need(
        "transformers"
        if "bert" in name
        else "torchvision"
        if name.startswith(("resnet", "mobilenet", "vit"))
        else "torch"
    )
    before = torch.get_float32_matmul_precision()
    # torch's own test tools, which other tests import, freeze its flags
    flags = torch.backends.flags_frozen.__globals__
    monkeypatch.setitem(flags, "__allow_nonbracketed_mutation_flag", True)
    try:
        side = Side("torch", "cpu", True)
        side.ask("build", case=name)
        assert np.isfinite(side._step().detach().float().numpy()).all()
        assert side.ask("finish")["peak_mb"] > 0
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.benchmark = False


@needs_torch
@pytest.mark.parametrize("name", NETS)
def test_both_sides_have_the_same_nets(name):
    import torch

    need("transformers" if name == "bert_base" else "torchvision")
    ours, theirs = (NETS[name](Peer(lib, small=True)).eval() for lib in (framework, torch))
    theirs.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    x = np.arange(1, 17).reshape(2, 8) if name == "bert_base" else x
    with framework.no_grad(), torch.no_grad():
        a, b = ours(framework.tensor(x)), theirs(torch.from_numpy(x))
    np.testing.assert_allclose(getattr(a, "logits", a).numpy(), getattr(b, "logits", b).numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "millions"), [("resnet50", 25.56), ("mobilenet_v2", 3.50), ("vit_b_16", 86.57), ("bert_base", 109.48)]
)
def test_full_sizes(name, millions):
    with framework.nn.init.skipped():
        net = NETS[name](Peer(framework))
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.006)
    if name == "resnet50":
        assert multiply_adds(net, framework.zeros(1, 3, 224, 224)) / 1e9 == pytest.approx(4.089, abs=0.001)
    if name == "bert_base":
        shapes = models.bert_shapes(768, 12, 3072, 30522)
        inner = [tuple(p.shape) for key, p in net.named_parameters() if not key.startswith("classifier")]
        assert sorted(shapes) == sorted(inner)


def test_the_record(tmp_path):
    chosen = ["smallcnn-train", "lstm-train", "op-overhead", "matmul-8192-bf16"]
    file = tmp_path / "new" / "gpu.json"
    found, complete = comparison.run(chosen, ["ours", "torch"], opened("lstm-train"), SETTINGS, lambda card: file)
    assert not complete
    kept = json.loads(file.read_text())
    assert kept == json.loads(json.dumps(found))
    assert set(kept) == {"card", "driver", "date", "versions", "settings", "ceilings", "cases", "failed"}
    assert (
        kept["driver"] == "1.2" and kept["versions"]["torch"] == "9.9" and kept["versions"]["numpy"] == np.__version__
    )
    assert set(kept["ceilings"]) == {"bandwidth_gbs", "bf16_tflops", "tf32_tflops"}
    assert kept["failed"] == {"lstm-train": "torch: lstm-train is broken"}
    assert list(kept["cases"]) == ["smallcnn-train", "op-overhead", "matmul-8192-bf16"]
    for name, case in kept["cases"].items():
        assert {field: type(case[field]) for field in case} == {
            field: type(None) if case[field] is None and kind in (float | None, str | None) else
            float if kind == float | None else str if kind == str | None else kind
            for field, kind in FIELDS.items()
        }  # fmt: skip
        assert case["torch_ms"] == 20.0 and case["ratio"] == 20.0 / case["ours_ms"]
        assert set(case["peak_mb"]) == {"ours", "torch"} and len(case["rounds_ms"]["ours"]) == SETTINGS["rounds"]
        bound = CASES[name].bound
        assert (case["share_of_ceiling"] is None) == (bound is None) and case["bound"] == bound


def test_an_update_keeps_the_other_cases(tmp_path):
    file = tmp_path / "gpu.json"

    def run(*chosen, broken=(), update=True):
        return comparison.run(list(chosen), ["ours", "torch"], opened(*broken), SETTINGS, lambda card: file, update)

    first, complete = run("op-overhead", "smallcnn-train", broken=["smallcnn-train"])
    assert not complete and list(first["cases"]) == ["op-overhead"]
    first["ceilings"]["tf32_tflops"] = 1e9  # higher than the next run's
    file.write_text(json.dumps(first))
    second, complete = run("lstm-train", "smallcnn-train")
    assert complete and list(second["cases"]) == ["lstm-train", "smallcnn-train", "op-overhead"]
    assert second["ceilings"]["tf32_tflops"] == 1e9
    assert second["cases"]["op-overhead"] == first["cases"]["op-overhead"]
    share = second["cases"]["lstm-train"]["share_of_ceiling"]
    newer = {**second, "ceilings": {**second["ceilings"], "tf32_tflops": 2e9}}
    comparison.keep(newer, second, file)
    assert newer["cases"]["lstm-train"]["share_of_ceiling"] == pytest.approx(share / 2)
    assert list(run("op-overhead", update=False)[0]["cases"]) == ["op-overhead"]
    with pytest.raises(ArgumentError, match=r"other driver, 1\.2; now 3"):
        comparison.keep({**first, "driver": "3"}, first, file)


def test_the_share_of_the_ceiling():
    ceilings = {"bandwidth_gbs": 1000.0, "bf16_tflops": 800.0, "tf32_tflops": 400.0}
    ours = turns.Figures([[2.0, 2.0, 9.0], [2.0]], 10.0, {"conv: why": 3}, 8 * 10**11)
    case = record.entry("resnet50-train-bf16", {"ours": ours}, ceilings)
    assert case["share_of_ceiling"] == pytest.approx(0.5) and case["ratio"] is None and case["torch_ms"] is None
    assert record.cells("resnet50-train-bf16", case)[5:] == ["1.10", "50 %", "10", "-", "3"]
    ours = turns.Figures([[4.0]], 10.0, {}, 10**9)
    assert record.entry("adamw-110M", {"ours": ours}, ceilings)["share_of_ceiling"] == pytest.approx(0.25)


def test_the_table_for_the_readme():
    sides = {"ours": turns.Figures([[2.0]], 10.0, {}, 10**12), "torch": turns.Figures([[3.0]], 20.0)}
    tops = {"bandwidth_gbs": 4000.4, "bf16_tflops": 700.0, "tf32_tflops": 400.0}
    cases = {"matmul-8192-bf16": record.entry("matmul-8192-bf16", sides, tops)}
    about = {"date": "2026-01-02", "card": "A card", "driver": "1.2", "versions": {"cupy": "14"}, "ceilings": tops}
    lines = record.markdown({**about, "cases": cases}).splitlines()
    assert "A card, driver 1.2; cupy 14" in lines[0] and "4000 GB/s, 700 TFLOP/s" in lines[0]
    assert lines[4] == "| bfloat16 product of 8192 x 8192 matrices | 2.000 | 3.000 | 1.50 | 71 % | 10 | 20 |"
    assert len({line.count("|") for line in lines[2:]}) == 1


@pytest.mark.parametrize(
    ("card", "name"),
    [("NVIDIA H200", "gpu-h200.json"), ("NVIDIA H100 80GB HBM3", "gpu-h100-80gb-hbm3.json"), ("A/B", "gpu-a-b.json")],
)
def test_the_file_is_named_after_the_card(card, name):
    assert record.file_name(card) == name


def test_turns_alternate():
    order = []

    class Noted(MadeUp):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def ask(self, do, **request):
            order.append((self.name, do))
            return super().ask(do, **request)

    turns.take_turns("matmul-8192-bf16", {"ours": Noted("a"), "torch": Noted("b")}, 2, 0.0)
    assert order == [(name, do) for do in ("build", "turn", "turn", "finish") for name in "ab"]


def test_a_process_answers_and_tells_its_errors(monkeypatch):
    with turns.Process("ours", "cpu", True) as process:
        assert process.ask("about")["driver"] == "none"
        with pytest.raises(CaseError, match="ours: KeyError: 'nothing'"):
            process.ask("build", case="nothing")
        process.ask("build", case="matmul-8192-bf16")
        assert process.ask("turn", seconds=0.0)["ms"]
        monkeypatch.setattr(turns, "PATIENCE", 0.0)
        with pytest.raises(CaseError, match="no answer in 0 seconds"):
            process.ask("build", case="resnet50-train-tf32")
        with pytest.raises(CaseError, match="ours: "):
            process.ask("about")


def test_a_process_that_dies_is_told_with_its_last_line():
    with turns.Process("nobody", "cpu") as process, pytest.raises(CaseError, match="nobody: KeyError"):
        process.ask("about")


def test_no_step_without_a_case():
    side = Side("ours", "cpu", True)
    with pytest.raises(OSError, match="no case is ready"):
        side.ask("turn", seconds=0.0)


def test_a_smoke_run_of_the_script(script, tmp_path):
    code, out, err = script(
        "benchmark.py", "--smoke", "--only", "op-overhead", "matmul", "--sides", "ours", "--json", "found.json", "--markdown"
    )  # fmt: skip
    assert code == 0, err
    assert "| 200 chained multiplications" in out and "written: found.json" in out
    assert list(json.loads((tmp_path / "found.json").read_text())["cases"]) == ["op-overhead", "matmul-8192-bf16"]


def test_a_failed_case_shows_in_the_exit_code(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(benchmark, "Process", lambda side, device, small: opened("op-overhead")(side))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--smoke", "--only", "op-overhead", "adamw-110M"])
    assert benchmark.main() == 1
    said = capsys.readouterr()
    assert "case op-overhead failed: torch: op-overhead is broken" in said.err and "adamw-110M" in said.out


def test_only_a_whole_run_on_a_card_is_recorded(monkeypatch, tmp_path):
    asked = {}

    def run(chosen, sides, opened, settings, file, update):
        asked["file"] = file("NVIDIA H200")
        return {"cases": {}}, True

    monkeypatch.setattr(comparison, "run", run)
    monkeypatch.setattr(benchmark, "check", lambda args, sides: None)
    for flags, expected in (
        ([], comparison.RESULTS / "gpu-h200.json"), (["--quick"], None), (["--only", "lstm"], None),
        (["--sides", "ours"], None), (["--smoke"], None), (["--only", "lstm", "--json", "x.json"], "x.json"),
        (["--only", "lstm", "--update"], comparison.RESULTS / "gpu-h200.json"),
    ):  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["benchmark.py", "--device", "cuda", *flags])
        assert benchmark.main() == 0
        assert str(asked["file"]) == str(expected)
    assert comparison.RESULTS == SCRIPTS / "results"


@pytest.mark.skipif(framework.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_what_to_install(tmp_path):
    code, out, err = call("benchmark.py", "--device", "cuda", "--sides", "ours", cwd=tmp_path)
    assert code == 2 and not out and len(err.splitlines()) == 1
    assert "pip install" in err or "check the driver" in err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--device", "cuda", "--plot", "x.png"], "--plot: is for the CPU's cases"),
        (["--smoke", "--profile", "cnn"], "--profile: is for the CPU's cases"),
        (["--smoke", "--only", "nothing"], "the cases are resnet50-train-bf16"),
        (["--device", "tpu"], "invalid choice"),
        (["--update"], "--update: is for the GPU's cases"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(tmp_path, flags, words):
    code, out, err = call("benchmark.py", *flags, cwd=tmp_path)
    assert code == 2 and words in err and len(err.splitlines()) == 1 and not out


def test_listing(tmp_path):
    code, out, _ = call("benchmark.py", "--device", "cuda", "--cases", cwd=tmp_path)
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == NAMES


def test_amounts_are_of_a_step():
    load = CASES["adamw-110M"].build(Peer(framework, small=True))
    count = sum(int(np.prod(shape)) for shape in models.bert_shapes(32, 2, 64, 50))
    assert isinstance(load, Load) and load.amount() == 28 * count
    assert CASES["matmul-8192-bf16"].build(Peer(framework, small=True)).amount() == 2 * 32**3
