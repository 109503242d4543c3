"""What the profiler shows: sums, tables, memory, FLOPs, stacks and traces."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter

import pytest

import framework
from framework import nn
from framework.errors import ArgumentError
from framework.profiler import (
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)
from tests.profiler.recorded import CPU, mlp, run_steps, train

# Tables and sums


def test_sums_by_name_and_by_shape():
    with profile(activities=CPU, record_shapes=True) as prof:
        for shape in ((2, 3), (2, 3), (4,)):
            framework.ones(shape) * 2
    (one,) = prof.key_averages()
    assert (one.key, one.count, one.input_shapes) == ("Mul", 3, [])
    assert one.cpu_time == pytest.approx(one.cpu_time_total / 3)
    shapes = {str(e.input_shapes): e.count for e in prof.key_averages(group_by_input_shape=True)}
    assert shapes == {"[[2, 3], []]": 2, "[[4], []]": 1}
    total = prof.total_average()
    assert total.key == "Total" and total.count == 3 and total.self_cpu_time_total == one.self_cpu_time_total


def test_the_table():
    case = mlp()
    with profile(activities=CPU, record_shapes=True, profile_memory=True, with_flops=True) as prof:
        train(*case)
    averages = prof.key_averages(group_by_input_shape=True)
    text = averages.table(sort_by="self_cpu_time_total", row_limit=4, header="a step")
    lines = text.splitlines()
    assert lines[1] == "a step" and set(lines[2]) == {"-", " "}
    for title in (
        "Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "CPU Mem", "Self CPU Mem",
        "# of Calls", "Input Shapes", "Total KFLOPs",
    ):  # fmt: skip
        assert title in lines[3]
    assert len(lines) == 11 and lines[-1].startswith("Self CPU time total: ")
    assert len({len(line) for line in lines[2:-1]}) == 1
    sums = sorted((e.self_cpu_time_total for e in averages), reverse=True)
    assert averages.table(sort_by="self_cpu_time_total", time_unit="us").splitlines()[3].count(f"{sums[0]:.3f}us") >= 1
    assert "# of Calls" in str(averages) and len(averages.table(row_limit=-1).splitlines()) == len(averages) + 5
    top = prof.events().table(top_level_events_only=True, max_name_column_width=12)
    assert "Linear " not in top and "Optimizer..." in top
    assert framework.profiler.events.EventList().table() == ""
    with pytest.raises(ArgumentError, match=r"can't sort by 'cpu_tine'.*nearest: cpu_time"):
        averages.table(sort_by="cpu_tine")
    with pytest.raises(ArgumentError, match="time_unit"):
        averages.table(time_unit="h")


def test_plain_tables_have_plain_columns():
    with profile(activities=CPU) as prof:
        framework.ones(1).exp()
    titles = prof.key_averages().table().splitlines()[1]
    assert titles.split("  ")[-1].strip() == "# of Calls" and "Shapes" not in titles and "Mem" not in titles


def test_memory_is_what_is_new():
    x = framework.ones(256)
    with profile(activities=CPU, profile_memory=True) as prof, record_function("all"):
        x.exp()  # 1024 bytes
        x.reshape(16, 16)  # a view
        x.expand(4, 256)
        framework.stack([x, x])  # 2048
    memory = {e.key: e.cpu_memory_usage for e in prof.key_averages()}
    assert memory["Exp"] == 1024 and memory["View"] == memory["Expand"] == 0
    assert memory["all"] == 3072 == prof.total_average().self_cpu_memory_usage
    assert prof.events()[0].self_cpu_memory_usage == 0


def test_memory_of_nested_calls_counts_once():
    layer = nn.Linear(32, 64, bias=False)
    x = framework.randn(16, 32, requires_grad=True)
    with profile(activities=CPU, profile_memory=True) as prof:
        layer(x).sum().backward()
    events = {e.name: e for e in prof.events()}
    assert events["Linear"].cpu_memory_usage == 16 * 64 * 4
    assert events["LinearBackward0"].cpu_memory_usage == (16 * 32 + 64 * 32) * 4


def test_flops_of_products_and_convolutions():
    linear, conv = nn.Linear(5, 7), nn.Conv2d(4, 6, 3, groups=2)
    x, image = framework.randn(3, 2, 5, requires_grad=True), framework.randn(2, 4, 8, 9, requires_grad=True)
    with profile(activities=CPU, with_flops=True) as prof:
        linear(x).sum().backward()
        conv(image).sum().backward()
        framework.ones(2, 3, 4) @ framework.ones(4, 5)
        framework.ones(3).exp()
    flops = {e.key: e.flops for e in prof.key_averages()}
    products = 2 * 6 * 7 * 5
    places = 2 * 2 * 6 * 6 * 7 * (2 * 3 * 3)  # a multiplication and an addition, for each output and tap
    assert flops["Linear"] == products and flops["Exp"] == 0
    assert flops["MatMul"] == products + 2 * 2 * 3 * 5 * 4
    assert sum(n for key, n in flops.items() if key.endswith("gemm.weight_gradients")) == products
    assert flops["Convolution"] == flops["ConvolutionTranspose"] == flops["WeightGradient"] == places


def test_stacks(tmp_path):
    def busy():
        with record_function("busy"):
            time.sleep(0.002)

    with profile(activities=CPU, with_stack=True) as prof:
        busy()
        busy()
    here = prof.events()[0].stack
    assert "test_profiler_results.py(" in here[0] and here[0].endswith(": busy")
    assert not any("framework/profiler" in frame for frame in here)
    assert len(prof.key_averages(group_by_stack_n=1)) == 1 and len(prof.key_averages(group_by_stack_n=2)) == 2
    assert "Source Location" in prof.key_averages(group_by_stack_n=1).table()
    prof.export_stacks(tmp_path / "stacks", "self_cpu_time_total")
    lines = (tmp_path / "stacks").read_text().splitlines()
    assert len(lines) == 2 and all(": busy " in line and int(line.rsplit(" ", 1)[1]) >= 2000 for line in lines)
    with pytest.raises(ArgumentError, match="metric should be one of"):
        prof.export_stacks(tmp_path / "stacks", "count")


# Traces


def check_nesting(entries):
    by_thread = {}
    for e in entries:
        by_thread.setdefault(e["tid"], []).append(e)
    for events in by_thread.values():
        opened = []
        for e in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
            while opened and opened[-1] <= e["ts"]:
                opened.pop()
            assert not opened or e["ts"] + e["dur"] <= opened[-1] + 2e-3
            opened.append(e["ts"] + e["dur"])


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_a_chrome_trace_is_json_and_nests(tmp_path, name):
    case = mlp()
    options = {"record_shapes": True, "with_flops": True, "profile_memory": True, "with_modules": True}
    block = record_function('a "name" with \\ and é', "words")
    with profile(activities=CPU, **options) as prof, block:
        train(*case)
    prof.add_metadata("run", "seven")
    prof.add_metadata_json("config", '{"layers": 2}')
    before = time.time_ns()
    prof.export_chrome_trace(str(tmp_path / name))
    data = (tmp_path / name).read_bytes()
    trace = json.loads(gzip.decompress(data) if name.endswith(".gz") else data)
    assert trace["run"] == "seven" and trace["config"] == {"layers": 2}
    complete = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert len(complete) == len(prof.events())
    for entry, event in zip(complete, prof.events(), strict=True):
        assert entry["name"] == event.name and entry["dur"] >= 0
        assert entry["ts"] == event.time_range.start and entry["tid"] == event.thread
        assert abs(trace["baseTimeNanoseconds"] + entry["ts"] * 1000 - before) < 60e9
    check_nesting(complete)
    linear = next(e for e in complete if e["name"] == "Linear")
    assert linear["cat"] == "cpu_op" and linear["args"]["Input Dims"] == [[8, 6], [16, 6], [16]]
    assert linear["args"]["Flops"] == 2 * 8 * 6 * 16
    assert {e["cat"] for e in complete} == {"cpu_op", "cpu_kernel", "user_annotation", "python_function"}
    arrows = Counter((e["ph"], e["id"]) for e in trace["traceEvents"] if e["ph"] in "sf")
    assert set(arrows.values()) == {1} and len(arrows) == 2 * 4  # two layers, a ReLU, the loss
    starts = {e["id"]: e["ts"] for e in trace["traceEvents"] if e["ph"] == "s"}
    assert all(starts[e["id"]] < e["ts"] for e in trace["traceEvents"] if e["ph"] == "f")
    assert [p.name for p in tmp_path.iterdir()] == [name]  # no part of a file beside it


def test_the_tensorboard_handler_writes_a_file_a_cycle(tmp_path):
    for gz, ending in ((False, ".pt.trace.json"), (True, ".pt.trace.json.gz")):
        folder = tmp_path / f"log{gz}"
        plan = schedule(wait=0, warmup=1, active=1, repeat=2)
        run_steps(profile(schedule=plan, on_trace_ready=tensorboard_trace_handler(str(folder), "me", gz)), 5)
        names = [p.name for p in folder.iterdir()]
        assert len(names) == 2 and all(n.startswith("me.") and n.endswith(ending) for n in names)


def test_there_is_nothing_to_see_before_the_end():
    prof = profile(activities=CPU)
    with pytest.raises(RuntimeError, match="nothing was recorded yet"):
        prof.key_averages()
