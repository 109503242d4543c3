"""Settings, the names of torch.cuda without a GPU, memory placement, and the testing module."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import framework
from framework import cuda, testing

WITHOUT_GPU = pytest.mark.skipif(cuda.is_available(), reason="says what happens without a GPU")


@pytest.fixture(autouse=True)
def _settings_as_before():
    threads = framework.get_num_threads()
    yield
    framework.use_deterministic_algorithms(False)
    framework.set_float32_matmul_precision("highest")
    framework.set_num_threads(threads)
    framework.backends.cudnn.benchmark = False


def test_determinism_has_three_modes():
    assert framework.get_deterministic_debug_mode() == 0
    framework.use_deterministic_algorithms(True, warn_only=True)
    assert framework.are_deterministic_algorithms_enabled()
    assert framework.is_deterministic_algorithms_warn_only_enabled()
    framework.set_deterministic_debug_mode("error")
    assert framework.get_deterministic_debug_mode() == 2
    with pytest.raises(RuntimeError, match="expected one of default, warn, error"):
        framework.set_deterministic_debug_mode("loud")


def test_matmul_precision_and_tf32_are_one_setting():
    assert not framework.backends.cuda.matmul.allow_tf32
    framework.set_float32_matmul_precision("high")
    assert framework.backends.cuda.matmul.allow_tf32
    framework.backends.cuda.matmul.allow_tf32 = False
    assert framework.get_float32_matmul_precision() == "highest"
    with pytest.warns(UserWarning, match="nothing changed"):
        framework.set_float32_matmul_precision("exact")


def test_threads_reach_openblas():
    code = (
        "import framework, numpy; framework.set_num_threads(1); "
        "from framework.kernels.threads import _blas_libraries as b; "
        "print([x.scipy_openblas_get_num_threads64_() for x in b() if hasattr(x, 'scipy_openblas_get_num_threads64_')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.strip("[]\n")) <= {"1", ",", " "}
    framework.set_num_threads(2)
    assert framework.get_num_threads() == 2
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(RuntimeError, match="expected a positive integer"):
            framework.set_num_threads(wrong)


def test_cudnn_flags_hold_within_their_context():
    with framework.backends.cudnn.flags(enabled=True, benchmark=True):
        assert framework.backends.cudnn.benchmark
    assert not framework.backends.cudnn.benchmark


@WITHOUT_GPU
def test_without_a_gpu_questions_have_answers():
    assert not cuda.is_available() and cuda.device_count() == 0 and not cuda.is_initialized()
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == cuda.memory_reserved() == 0
    assert not cuda.is_bf16_supported() and cuda.memory_stats() == {} and cuda.get_rng_state_all() == []
    cuda.manual_seed(0)
    cuda.manual_seed_all(0)
    cuda.empty_cache()
    with cuda.stream(None), cuda.device(-1), cuda.device_of(framework.ones(1)):
        pass
    assert not framework.accelerator.is_available() and framework.accelerator.current_accelerator() is None


@WITHOUT_GPU
@pytest.mark.parametrize(
    "call",
    [
        cuda.synchronize, cuda.current_device, cuda.get_device_name, cuda.get_device_properties, cuda.mem_get_info,
        cuda.Stream, cuda.Event, cuda.CUDAGraph, cuda.current_stream, cuda.get_rng_state, cuda.init,
        lambda: cuda.set_device(0), lambda: framework.ones(1).cuda(), lambda: framework.ones(1).pin_memory(),
        lambda: framework.nn.Linear(1, 1).cuda(), lambda: framework.zeros(1, device="cuda"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [RuntimeError, AssertionError])
def test_without_a_gpu_what_needs_one_says_what_is_missing(call, kind):
    with pytest.raises(kind, match=r"CuPy|GPU"):
        call()


def test_importing_does_not_import_cupy():
    code = "import sys, framework; framework.cuda.is_available; print('cupy' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_placement():
    x = framework.arange(6.0).reshape(2, 3).t()
    assert x.cpu() is x and not x.is_pinned() and not x.is_shared()
    y = x.clone().share_memory_()
    assert y.is_shared() and y[0].is_shared() and framework.equal(x, y) and y.stride() == x.clone().stride()
    with pytest.raises(RuntimeError, match="expected a CUDA device"):
        x.cuda("cpu")


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_shared_memory_is_seen_by_a_forked_process():
    code = (
        "import os, framework; x = framework.zeros(3).share_memory_(); pid = os.fork()\n"
        "if pid == 0: x.fill_(7); os._exit(0)\n"
        "os.waitpid(pid, 0); print(x.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[7.0, 7.0, 7.0]"


def test_version_and_typename():
    assert framework.__version__ == framework.version.__version__ and framework.version.cuda is None
    assert framework.typename(framework.ones(1)) == "torch.FloatTensor"
    assert framework.typename(1) == "int"
    framework.set_default_tensor_type("torch.DoubleTensor")
    assert framework.ones(1).dtype is framework.float64
    with pytest.raises(TypeError, match="floating-point tensor type"):
        framework.set_default_tensor_type(framework.LongTensor)


torch = pytest.importorskip("torch")


def pairs(t):
    """Pairs to compare, of torch's tensors or ours."""
    return [
        (t.ones(3), t.tensor([1.0, 2.0, 1.1])), (t.ones(2), t.ones(2, dtype=t.float64)), (t.ones(2), t.ones(3)),
        (t.ones(2), [1.0, 1.0]), (t.tensor(float("nan")), t.tensor(float("nan"))), (t.tensor([1]), t.tensor([2])),
        ([t.ones(2)], [t.zeros(2)]), (t.tensor(1.0), 1.0), ("a", "a"), (1.0, 1.0 + 1e-8), ({"a": 1}, {"b": 1}), (1, 1.0),
        (t.ones(2), t.ones(2) + 1e-6), ((1, 2), (1,)), (t.ones(0), t.ones(0)), (None, None), (True, True),
        (t.tensor([1 + 1j]), t.tensor([1 + 1j])), (t.ones(2, dtype=t.bfloat16), t.full((2,), 1.01, dtype=t.bfloat16)),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(pairs(torch))))
@pytest.mark.parametrize("options", [{}, {"check_dtype": False}, {"equal_nan": True}, {"rtol": 0.0, "atol": 2.0}])
def test_assert_close_decides_as_pytorch_does(number, options):
    verdicts = []
    for module, check in ((torch, torch.testing.assert_close), (framework, testing.assert_close)):
        try:
            check(*pairs(module)[number], **options)
            verdicts.append(("close", ""))
        except (AssertionError, TypeError) as error:
            verdicts.append((type(error), str(error).partition("\n")[0][:24].lower().removeprefix("assert_close: ")))
    (theirs, text), (ours, words) = verdicts
    assert theirs == ours
    if theirs is AssertionError and "shape" not in text:
        assert words.startswith(text[:12])


def test_assert_close_says_where():
    with pytest.raises(AssertionError, match=r"1 / 3 \(33.3%\)(.|\n)*0.5 at index \(2,\)"):
        testing.assert_close(framework.tensor([1.0, 2.0, 3.5]), framework.tensor([1.0, 2.0, 3.0]))
    with pytest.raises(AssertionError, match=r"^mine: Tensor-likes"):
        testing.assert_close(framework.zeros(1), framework.ones(1), msg=lambda text: f"mine: {text}")
    with pytest.raises(ValueError, match="both rtol and atol"):
        testing.assert_close(1, 1, rtol=0.1)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "complex64", "int64", "uint8", "bool"])
def test_make_tensor_keeps_its_promises(name):
    dtype = getattr(framework, name)
    x = testing.make_tensor(40, 5, dtype=dtype, device="cpu", exclude_zero=name != "bool")
    assert x.shape == (40, 5) and x.dtype is dtype and x.is_contiguous()
    if name != "bool":
        assert (
            framework.count_nonzero(x) == 200
            and np.unique(x.float().numpy() if not dtype.is_complex else x.numpy()).size > 5
        )
    gaps = testing.make_tensor((4, 5), dtype=dtype, device="cpu", noncontiguous=True)
    assert gaps.shape == (4, 5) and not gaps.is_contiguous()
    low = testing.make_tensor(50, dtype=framework.float64, device="cpu", low=2, high=3, requires_grad=True)
    assert low.requires_grad and float(low.min()) >= 2 and float(low.max()) < 3


@pytest.mark.parametrize(
    ("shape", "wrap"), [((3, 3), False), ((7, 3), True), ((7, 3), False), ((3, 5), True), ((3, 3, 3), False)]
)
def test_fill_diagonal(shape, wrap):
    ours, theirs = framework.zeros(shape), torch.zeros(shape)
    assert np.array_equal(ours.fill_diagonal_(2, wrap).numpy(), theirs.fill_diagonal_(2, wrap).numpy())


@pytest.mark.filterwarnings("ignore:This overload of:UserWarning")
def test_older_forms_of_arithmetic():
    x, y = np.arange(3.0), np.array([2.0, 4.0, 8.0])
    for module in (framework, torch):
        a, b = module.tensor(x), module.tensor(y)
        assert a.add(-0.5, b).tolist() == (x - 0.5 * y).tolist()
        assert a.clone().sub_(2, b).tolist() == (x - 2 * y).tolist()
        assert module.add(a, 2, 3).tolist() == (x + 6).tolist()
        assert a.clone().addcmul_(2, b, b).tolist() == (x + 2 * y * y).tolist()
        assert module.addcdiv(a, 2, a, b).tolist() == (x + 2 * x / y).tolist()
        with pytest.raises(TypeError):
            module.add(a, b, 3)
    z = framework.ones(3, requires_grad=True)
    framework.zeros(3).add(0.5, z).sum().backward()
    assert z.grad.tolist() == [0.5] * 3


def test_regions_of_memory():
    for module in (framework, torch):
        x, y = module.arange(12.0), module.zeros(0)
        y.set_(x, 2, (2, 3), (4, 1))
        assert y.tolist() == [[2, 3, 4], [6, 7, 8]]
        y[0, 0] = 50
        assert x[2] == 50
        z = module.zeros(0)
        z.set_(x.untyped_storage(), 1, (3,))
        assert z.tolist() == [1, 50, 3]
        assert module.arange(3.0).map_(module.ones(1), lambda a, b: a + 2 * b).tolist() == [2, 3, 4]
        assert module.arange(4.0).resize_(size=(2, 2)).shape == (2, 2)
