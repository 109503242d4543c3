"""``framework.cuda``: devices, memory, generators, streams, events, graphs; and what it says where there is no GPU."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import framework
from framework import cuda
from framework.errors import DeviceError


def test_devices(gpu: Any) -> None:
    assert cuda.is_available() and cuda.device_count() >= 1 and cuda.is_initialized()
    assert cuda.current_device() == 0 and isinstance(cuda.get_device_name(), str) and cuda.get_device_name("cuda:0")
    properties = cuda.get_device_properties(0)
    assert properties.total_memory > 2**30 and properties.major == cuda.get_device_capability()[0]
    assert properties.multi_processor_count > 0 and "total_memory=" in repr(properties)
    assert cuda.is_bf16_supported() == cuda.is_tf32_supported() == (properties.major >= 8)
    cuda.init()
    cuda.synchronize(), cuda.synchronize("cuda:0"), cuda.synchronize(0)
    with cuda.device(0), cuda.device(None), cuda.device_of(framework.ones(1)), cuda.device("cuda:0"):
        assert cuda.current_device() == 0
    cuda.set_device(-1)
    cuda.set_device("cuda:0")
    assert framework.accelerator.is_available() and framework.accelerator.current_accelerator().type == "cuda"
    with pytest.raises(DeviceError, match="expected a CUDA device"):
        cuda.synchronize("cpu")


def test_memory_is_counted(gpu: Any) -> None:
    cuda.empty_cache()
    before = cuda.memory_allocated()
    x = framework.zeros(1 << 18, device=gpu.device)
    assert cuda.memory_allocated() - before == 1 << 20 and cuda.memory_reserved() >= cuda.memory_allocated()
    assert cuda.max_memory_allocated() >= cuda.memory_allocated()
    cuda.reset_peak_memory_stats()
    y = x + 1
    del y
    assert cuda.memory_allocated() - before == 1 << 20
    assert cuda.max_memory_allocated() - before == 2 << 20
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated() - before == 1 << 20
    free, total = cuda.mem_get_info()
    assert 0 < free <= total
    stats = cuda.memory_stats()
    assert stats["allocated_bytes.all.current"] == cuda.memory_allocated()
    assert "reserved_bytes.all.peak" in cuda.memory_summary() and "free_bytes" in cuda.memory_summary()
    del x
    cuda.empty_cache()
    assert cuda.memory_allocated() == before
    cuda.set_per_process_memory_fraction(0.5)
    cuda.set_per_process_memory_fraction(1.0)
    cuda.ipc_collect()


def test_memory_that_is_not_there(gpu: Any) -> None:
    if gpu.real:
        pytest.skip("asks for all memory")
    gpu.xp.get_default_memory_pool().set_limit(size=1 << 20)
    with pytest.raises(cuda.OutOfMemoryError):
        framework.zeros(1 << 20, device=gpu.device)


def test_one_seed_for_all_devices(gpu: Any) -> None:
    def draw() -> list[Any]:
        return [framework.rand(3).tolist(), framework.rand(3, device=gpu.device).tolist()]

    framework.manual_seed(5)
    first = draw()
    assert draw() != first
    framework.manual_seed(5)
    assert draw() == first
    assert cuda.initial_seed() == 5
    cuda.manual_seed(7)
    second = framework.rand(3, device=gpu.device).tolist()
    cuda.manual_seed_all(7)
    assert framework.rand(3, device=gpu.device).tolist() == second != first[1]
    state = cuda.get_rng_state()
    third = framework.randn(3, device=gpu.device)
    cuda.set_rng_state(state)
    assert framework.equal(framework.randn(3, device=gpu.device), third)
    states = cuda.get_rng_state_all()
    assert len(states) == cuda.device_count() and states[0].dtype is framework.uint8 and not states[0].is_cuda
    cuda.set_rng_state_all(states)
    cuda.seed(), cuda.seed_all()
    with framework.random.fork_rng():
        inside = framework.rand(2, device=gpu.device)
    assert framework.equal(framework.rand(2, device=gpu.device), inside)


def test_generators(gpu: Any) -> None:
    generator = framework.Generator(device=gpu.device).manual_seed(3)
    assert generator.device.type == "cuda"
    first = framework.randn(4, generator=generator, device=gpu.device)
    clone = generator.clone_state()
    second = framework.randperm(5, generator=generator, device=gpu.device)
    assert framework.equal(framework.randperm(5, generator=clone, device=gpu.device), second)
    assert framework.equal(framework.randn(4, generator=generator.manual_seed(3), device=gpu.device), first)
    with pytest.raises(DeviceError, match="expected a 'cpu' device type for generator"):
        framework.randn(4, generator=generator)
    with pytest.raises(DeviceError, match=r"expected a 'cuda.*' device type for generator"):
        framework.randn(4, generator=framework.Generator(), device=gpu.device)


def test_streams_and_events(gpu: Any) -> None:
    side = cuda.Stream()
    assert side != cuda.current_stream() == cuda.default_stream() and hash(side) and side.device.index == 0
    x = framework.ones(8, device=gpu.device)
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        assert cuda.current_stream() == side
        y = x * 2
        y.record_stream(cuda.default_stream())
    assert cuda.current_stream() == cuda.default_stream()
    cuda.current_stream().wait_stream(side)
    assert (y + 1).tolist() == [3.0] * 8
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    start.record()
    x @ x
    end.record(cuda.current_stream())
    end.synchronize()
    assert end.query() and start.elapsed_time(end) > 0
    event = side.record_event()
    event.wait(), cuda.current_stream().wait_event(event)
    side.synchronize()
    assert side.query()
    with cuda.stream(None):
        assert cuda.current_stream() == cuda.default_stream()
    cuda.set_stream(None)
    assert cuda.Stream(priority=-1).priority == -1
    with pytest.raises(DeviceError, match="expected a tensor on a GPU"):
        framework.ones(1).record_stream(side)


def test_memory_waits_for_the_streams_that_use_it(gpu: Any) -> None:
    from framework import devices

    if gpu.real:
        pytest.skip("when memory comes back is up to the card")
    side = cuda.Stream()
    x = framework.ones(8, device=gpu.device)
    view = x[2:]
    view.record_stream(side)
    del x
    assert not devices._parked, "a view holds the memory"
    del view
    ((event, memory),) = devices._parked
    assert event._stream == side._stream and memory.ptr


def test_a_graph_keeps_its_memory_to_itself(gpu: Any) -> None:
    x = framework.ones(256, device=gpu.device)
    for _ in range(2):
        x * 2 + 1
    graph = cuda.CUDAGraph()
    shared = gpu.xp.get_default_memory_pool()
    before = shared.used_bytes()
    with cuda.graph(graph):
        assert cuda.is_current_stream_capturing()
        y = x * 2 + 1
    assert not cuda.is_current_stream_capturing() and cuda.current_stream() == cuda.default_stream()
    assert shared.used_bytes() == before and graph.pool().used_bytes() >= 1024
    graph.replay()
    if gpu.real:
        x.fill_(3)
        graph.replay()
        assert y.tolist() == [7.0] * 256
    other = cuda.CUDAGraph()
    with cuda.graph(other, pool=graph.pool(), stream=cuda.Stream()):
        x - 1
    assert other.pool() is graph.pool() is not cuda.graph_pool_handle()
    graph.reset()
    with pytest.raises(DeviceError, match="nothing was captured"):
        graph.replay()
    with pytest.raises(DeviceError, match="without capture_begin"):
        cuda.CUDAGraph().capture_end()


def test_work_that_the_host_waits_for_is_not_captured(gpu: Any) -> None:
    x = framework.ones(4, device=gpu.device)
    graph = cuda.CUDAGraph()
    with pytest.raises(RuntimeError), cuda.graph(graph):
        x.sum().item()
    assert cuda.current_stream() == cuda.default_stream()
    assert (x + 1).tolist() == [2.0] * 4, "the stream goes on"


def test_a_whole_training_step_is_captured(gpu: Any) -> None:
    if gpu.real:
        pytest.skip("the generic kernels multiply by CuPy, which a captured stream refuses")
    model = framework.nn.Sequential(framework.nn.Linear(4, 8), framework.nn.GELU(), framework.nn.Linear(8, 2))
    model.to(gpu.device)
    optimizer = framework.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = framework.randn(3, 4, device=gpu.device), framework.tensor([0, 1, 1], device=gpu.device)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=False)
        loss = framework.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step()
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        loss = step()
    graph.replay()
    assert loss.item() > 0


WITHOUT = """
import sys
sys.modules["cupy"] = None  # an import that fails
import framework
assert not framework.cuda.is_available() and framework.cuda.device_count() == 0
assert framework.cuda.memory_allocated() == 0 and framework.cuda.memory_stats() == {}
framework.cuda.manual_seed_all(3), framework.cuda.empty_cache(), framework.manual_seed(1)
assert not framework.cuda.is_bf16_supported() and framework.accelerator.current_accelerator() is None
assert framework.cuda.OutOfMemoryError and not framework.ones(2).is_cuda
for ask in (
    lambda: framework.ones(2).cuda(), lambda: framework.ones(2, device="cuda"), lambda: framework.nn.Linear(2, 2).to("cuda:1"),
    lambda: framework.ones(2).pin_memory(), lambda: framework.cuda.synchronize(), lambda: framework.cuda.Stream(),
    lambda: framework.set_default_device("cuda"), lambda: framework.cuda.get_device_name(),
):
    try:
        ask()
    except framework.errors.DeviceError as error:
        assert "pip install 'eagerkit[cuda]'" in str(error), error
    else:
        raise SystemExit("asked for a GPU and got something")
assert framework.get_default_device().type == "cpu"
loader = framework.utils.data.DataLoader([1.0, 2.0], pin_memory=True)
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert [b.tolist() for b in loader] == [[1.0], [2.0]]
assert len(caught) == 1 and "there is no GPU" in str(caught[0].message), caught
print("fine")
"""


def test_without_cupy_everything_else_works() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "fine", done.stderr


def test_without_a_driver_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.gpu.host import fake_cupy

    with fake_cupy.installed() as xp:
        monkeypatch.setattr(xp.cuda, "is_available", lambda: False)
        assert not cuda.is_available() and cuda.device_count() == 0
        with pytest.raises(DeviceError, match="no CUDA GPU is available to CuPy; check the driver"):
            framework.ones(1, device="cuda")
