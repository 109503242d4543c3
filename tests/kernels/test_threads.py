"""The number of threads, work shared among them, and processes that fork or spawn."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import framework
from framework.kernels import threads

WITH_OPENMP = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")


def run(code, **variables):
    environment = {**os.environ, **variables}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    "variables, expected",
    [
        ({"EAGERKIT_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, "3"),
        ({"EAGERKIT_NUM_THREADS": "", "OMP_NUM_THREADS": "5,2"}, "5"),
        ({"EAGERKIT_NUM_THREADS": "none", "OMP_NUM_THREADS": ""}, str(threads.usable())),
    ],
)
def test_the_environment_sets_the_number(variables, expected):
    assert run("import framework; print(framework.get_num_threads())", **variables) == [expected]


@pytest.mark.parametrize("quota, expected", [("150000 100000", 2), ("max 100000", 9), ("20000 100000", 1), ("", 9)])
def test_a_quota_of_the_cgroup_counts(tmp_path, monkeypatch, quota, expected):
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    monkeypatch.setattr(threads, "QUOTA", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)), raising=False)
    assert threads.usable() == expected


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_part_is_worked_on_once(count):
    out = np.zeros(1000)

    def body(part):
        out[part] += 1

    with threads.limited(count):
        threads.parallel(body, [slice(start, start + 7) for start in range(0, 1000, 7)])
    assert (out == 1).all()


def test_an_exception_in_a_part_is_raised():
    def body(part):
        raise KeyError(part)

    with threads.limited(2), pytest.raises(KeyError):
        threads.parallel(body, [1, 2, 3])


@WITH_OPENMP
def test_work_inside_a_part_has_one_thread_and_the_callers_context():
    framework.ones(4)
    seen = []
    with framework.no_grad(), threads.limited(2):
        threads.parallel(lambda _: seen.append((threads.current(), framework.is_grad_enabled())), range(4))
    assert seen == [(1, False)] * 4
    assert framework.is_grad_enabled()


def test_a_limit_is_one_threads_own():
    seen = []

    def other():
        threads.limit(1)
        seen.append(threads.current())

    worker = threading.Thread(target=other)
    with threads.limited(3):
        worker.start()
        worker.join()
        assert threads.current() == 3
    assert seen == [1]


@WITH_OPENMP
def test_a_forked_child_computes_alone():
    code = """
import os, numpy as np, framework
a = framework.randn(300, 300)
expected = (a @ a).numpy()
child = os.fork()
if child == 0:
    found = (a @ a).numpy()
    fine = np.allclose(found, expected, rtol=1e-4, atol=1e-4) and framework.get_num_threads() == 1
    os._exit(0 if fine else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code, EAGERKIT_NUM_THREADS="2") == ["0"]


@WITH_OPENMP
def test_openblas_keeps_to_one_thread_beside_onednn():
    code = """
import framework
from framework.kernels import threads
a = framework.randn(300, 300)
a @ a
print(*{x.scipy_openblas_get_num_threads64_() for x in threads._blas_libraries() if hasattr(x, 'scipy_openblas_get_num_threads64_')})
"""
    assert run(code, EAGERKIT_NUM_THREADS="2") in (["1"], [])


@WITH_OPENMP
def test_threads_side_by_side_get_right_products():
    a = framework.randn(200, 200)
    expected = (a @ a).numpy()
    wrong = []

    def work():
        for _ in range(20):
            if not np.allclose((a @ a).numpy(), expected, rtol=1e-4, atol=1e-4):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_without_onednn_the_generic_kernels_serve_and_explain_says_why():
    code = "import framework, numpy; a = numpy.ones((200, 200), 'f'); print(framework.kernels.explain('gemm', a, a))"
    words = " ".join(run(code, EAGERKIT_ONEDNN="off"))
    assert words.startswith("gemm: generic")
    assert "switched off by EAGERKIT_ONEDNN=off" in words
    words = " ".join(run(code, EAGERKIT_ONEDNN="/nowhere/libdnnl.so"))
    assert "there is no such file" in words
