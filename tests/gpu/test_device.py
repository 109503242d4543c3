"""Tensors on a device: where they are made, how they move, what mixing them says, and what leaves them for Python."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import framework
from framework import nn
from framework.errors import DeviceError


def several(gpu: Any) -> None:
    if framework.cuda.device_count() < 2:
        pytest.skip("one GPU")


# Where they are made


def test_factories_make_tensors_on_a_device(gpu: Any) -> None:
    made = {
        "tensor": framework.tensor([[1, 2]], device=gpu.device),
        "zeros": framework.zeros(2, 3, device=gpu.device),
        "ones": framework.ones(2, device="cuda:0"),
        "full": framework.full((2,), 3.0, device=0),
        "arange": framework.arange(5, device=framework.device("cuda")),
        "linspace": framework.linspace(0, 1, 3, device=gpu.device),
        "eye": framework.eye(3, device=gpu.device),
        "rand": framework.rand(4, device=gpu.device),
        "randn": framework.randn(4, device=gpu.device),
        "randint": framework.randint(9, (4,), device=gpu.device),
        "randperm": framework.randperm(9, device=gpu.device),
        "empty": framework.empty(2, device=gpu.device),
        "as_tensor": framework.as_tensor(np.ones(3), device=gpu.device),
        "asarray": framework.asarray([1.0], device=gpu.device),
        "like": framework.zeros_like(framework.ones(2), device=gpu.device),
        "new": framework.ones(1, device=gpu.device).new_zeros(3),
        "triu_indices": framework.triu_indices(3, 3, device=gpu.device),
        "logspace": framework.logspace(0, 1, 3, device=gpu.device),
        "complex": framework.zeros(2, dtype=framework.complex64, device=gpu.device),
        "bfloat16": framework.ones(2, dtype=framework.bfloat16, device=gpu.device),
    }
    for name, t in made.items():
        assert t.is_cuda and not t.is_cpu and t.device == framework.device("cuda", 0) and t.get_device() == 0, name
    assert framework.equal(made["arange"].cpu(), framework.arange(5))
    assert sorted(made["randperm"].tolist()) == list(range(9))
    assert made["new"].tolist() == [0, 0, 0] and made["eye"].cpu().sum() == 3


def test_the_default_device(gpu: Any) -> None:
    with framework.device(gpu.device):
        assert framework.ones(2).is_cuda and framework.get_default_device().type == "cuda"
        assert framework.tensor([1]).is_cuda and framework.arange(3).is_cuda and framework.randn(2).is_cuda
        assert not framework.ones(2, device="cpu").is_cuda
        with framework.device("cpu"):
            assert not framework.zeros(2).is_cuda
        assert not framework.from_numpy(np.ones(2)).is_cuda, "shares NumPy's memory"
    assert not framework.ones(2).is_cuda
    framework.set_default_device(gpu.device)
    assert framework.zeros(1).is_cuda and nn.Linear(2, 2).weight.is_cuda
    framework.set_default_device("cpu")
    assert not framework.zeros(1).is_cuda


def test_a_second_gpu(gpu: Any) -> None:
    several(gpu)
    x = framework.arange(6.0, device="cuda:1").reshape(2, 3).requires_grad_()
    w = nn.Linear(3, 2).to("cuda:1")
    assert x.device == framework.device("cuda:1") and w.weight.device.index == 1
    assert framework.cuda.current_device() == 0
    y = (w(x).relu() * 2 + framework.ones(2, device="cuda:1")).softmax(-1).std()
    y.backward()
    optimizer = framework.optim.AdamW(w.parameters())
    optimizer.step()
    places = [y, x.grad, w.weight.grad, x.detach().exp_(), x[0], x.sum(0), framework.cat([x, x]), x.detach().normal_()]
    places += [t for s in optimizer.state.values() for t in s.values() if isinstance(t, framework.Tensor) and t.ndim]
    assert all(t.device == framework.device("cuda:1") for t in places), [t.device for t in places]
    assert framework.cuda.current_device() == 0
    here = x.to("cuda:0")
    assert here.device.index == 0 and framework.equal(here.cpu(), x.cpu())
    assert here.to("cuda") is here and x.to("cuda") is x, "'cuda' is any of them, for what is on one already"
    with pytest.raises(DeviceError, match=r"add.*cuda:1.*cuda:0|Add.*cuda:1.*cuda:0"):
        x + here
    with framework.cuda.device(1):
        assert framework.ones(2, device="cuda").device.index == 1 and framework.cuda.current_device() == 1
    with pytest.raises(DeviceError, match="counted from cuda:0"):
        framework.ones(1, device="cuda:77")


# How they move


def test_moving_keeps_values_layout_and_history(gpu: Any) -> None:
    x = framework.randn(2, 3, 4, 5).to(memory_format=framework.channels_last).requires_grad_()
    y = x.to(gpu.device)
    assert y.is_contiguous(memory_format=framework.channels_last) and y.stride() == x.stride()
    z = (y * y).cpu()
    assert not z.is_cuda
    z.sum().backward()
    assert not x.grad.is_cuda and framework.allclose(x.grad, 2 * x)
    assert y.cuda() is y and y.to("cuda") is y and y.to(y.device) is y and x.cpu() is x
    assert y.to("cpu").stride() == x.stride()
    for strided in (
        x.detach()[:, ::2],
        x.detach().permute(3, 1, 0, 2),
        x.detach()[0, 0],
        x.detach().expand(2, 3, 4, 5),
    ):
        assert framework.equal(strided.to(gpu.device).cpu(), strided)
    assert x.to(gpu.device, framework.float64).dtype is framework.float64
    assert framework.ones(2).to(y).is_cuda and framework.ones(2).type_as(y).is_cuda
    assert framework.ones(2, device=gpu.device).type() == "torch.cuda.FloatTensor"
    assert framework.ones(2).type("torch.cuda.HalfTensor").is_cuda
    with pytest.raises(DeviceError, match="expected a CUDA device"):
        x.cuda("cpu")


def test_views_and_in_place_writes(gpu: Any) -> None:
    x = framework.arange(12.0, device=gpu.device).reshape(3, 4)
    row, column = x[1], x[:, 2]
    row += 10
    column.zero_()
    x[0, 0] = framework.tensor(5.0)
    x[2] = framework.tensor([1.0, 2, 3, 4])
    x[x > 13] = -1
    x.copy_(x.cpu() * 1)
    assert x.tolist() == [[5, 1, 0, 3], [-1, -1, 0, -1], [1, 2, 3, 4]]
    assert row.tolist() == [-1, -1, 0, -1]
    x.data = framework.ones(2, 2, device=gpu.device)
    assert x.tolist() == [[1, 1], [1, 1]]
    y = framework.zeros(3, requires_grad=True, device=gpu.device)
    z = y * 1
    z[1] = 7.0
    z.sum().backward()
    assert y.grad.tolist() == [1, 0, 1]


def test_non_blocking_copies(gpu: Any) -> None:
    x = framework.randn(4, 5)
    pinned = x.pin_memory()
    assert pinned.is_pinned() and not x.is_pinned() and pinned.pin_memory() is pinned
    if gpu.waits is not None:
        gpu.waits.clear()
    y = pinned.to(gpu.device, non_blocking=True)
    z = x.cuda(non_blocking=True)
    back = y.to("cpu", non_blocking=True)
    assert gpu.waits is None or not gpu.waits
    assert back.is_pinned(), "as PyTorch gives it"
    framework.cuda.synchronize()
    assert framework.equal(back, x) and framework.equal(z.cpu(), x)
    channels_last = framework.randn(2, 3, 4, 4).to(memory_format=framework.channels_last).pin_memory()
    moved = channels_last.to(gpu.device, non_blocking=True)
    assert moved.stride() == channels_last.stride() and moved.to("cpu", non_blocking=True).stride() == moved.stride()
    with pytest.raises(DeviceError, match="only CPU tensors can be pinned"):
        y.pin_memory()


# What mixing says


@pytest.mark.parametrize(
    ("op", "call"),
    {
        "Add": lambda a, b: a + b,
        "Mul": lambda a, b: b * a,
        "MatMul": lambda a, b: a @ b,
        "where": lambda a, b: framework.where(a > 0, a, b),
        "cat": lambda a, b: framework.cat([a, b]),
        "stack": lambda a, b: framework.stack([b, a]),
        "linear": lambda a, b: nn.functional.linear(a, b),
        "maximum": lambda a, b: framework.maximum(a, b),
        "sub": lambda a, b: nn.functional.mse_loss(b, a),
        "lt": lambda a, b: a < b,
        "convolution": lambda a, b: nn.functional.conv1d(a[None], b[:, :, None]),
        "LayerNorm": lambda a, b: nn.functional.layer_norm(a, (3,), b[0]),
        "lerp": lambda a, b: framework.lerp(a, b, 0.3),
        "pow": lambda a, b: a**b,
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mixing_devices_names_the_op_and_both(gpu: Any, op: str, call: Any) -> None:
    a, b = framework.ones(3, 3), framework.ones(3, 3, device=gpu.device)
    for first, second in ((a, b), (b, a)):
        with pytest.raises(
            DeviceError, match=r"expected all tensors to be on the same device, but .*; move one"
        ) as caught:
            call(first, second)
        assert "cuda:0" in str(caught.value) and "cpu" in str(caught.value)
        assert str(caught.value).lower().startswith(op.lower())


def test_a_number_in_a_tensor_may_be_on_the_cpu(gpu: Any) -> None:
    x = framework.arange(3.0, device=gpu.device)
    scale = framework.tensor(2.0, requires_grad=True)
    y = x * scale + framework.tensor(1)
    assert y.is_cuda and y.tolist() == [1, 3, 5]
    y.sum().backward()
    assert not scale.grad.is_cuda and scale.grad == 3
    assert (scale * x).is_cuda and (x > framework.tensor(0.5)).tolist() == [False, True, True]
    assert framework.where(x > 1, x, framework.tensor(-1.0)).tolist() == [-1, -1, 2]
    assert x[framework.tensor([2, 0])].tolist() == [2, 0], "an index may be on the CPU"
    assert x[framework.tensor([True, False, True])].tolist() == [0, 2]


# What leaves them


def test_numpy_and_python_values(gpu: Any) -> None:
    x = framework.tensor([[1.5, -2.0]], device=gpu.device)
    with pytest.raises(TypeError, match=r"on a GPU; use cpu\(\)\.numpy\(\)"):
        x.numpy()
    with pytest.raises(TypeError, match="GPU"):
        np.asarray(x)
    assert x.numpy(force=True).tolist() == [[1.5, -2.0]] and x.tolist() == [[1.5, -2.0]]
    assert x[0, 0].item() == 1.5 and float(x[0, 1]) == -2.0 and int(x[0, 0]) == 1 and bool(x[0, 0]) and len(x) == 1
    assert [row.tolist() for row in x] == [[1.5, -2.0]] and x.max() == 1.5 and 1.5 in x
    assert [1, 2, 3][framework.tensor(1, device=gpu.device)] == 2
    assert framework.tensor([1, 2], dtype=framework.bfloat16, device=gpu.device).tolist() == [1.0, 2.0]


def test_printing(gpu: Any) -> None:
    x = framework.tensor([1.0, 2.5], device=gpu.device)
    assert repr(x) == "tensor([1.0000, 2.5000], device='cuda:0')"
    assert repr(x.requires_grad_()) == "tensor([1.0000, 2.5000], device='cuda:0', requires_grad=True)"
    assert "device='cuda:0'" in repr(nn.Linear(1, 1, device=gpu.device).weight)
    assert f"{framework.tensor(1.25, device=gpu.device):.1f}" == "1.2"
    assert "..." in repr(framework.zeros(2000, device=gpu.device))
    assert str(framework.ones(2, dtype=framework.bfloat16, device=gpu.device)).startswith("tensor([1., 1.]")
    with framework.device(gpu.device):
        assert "device" not in repr(framework.ones(1)) or gpu.real


def test_copies_and_pickles(gpu: Any) -> None:
    x = framework.tensor([1.0, 2.0], device=gpu.device, requires_grad=True)
    for again in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))):
        assert again.is_cuda and again.requires_grad and again.tolist() == [1, 2]
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).to(gpu.device)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True):
            assert a.is_cuda and a is not b and framework.equal(a, b)


def test_other_libraries_see_the_memory(gpu: Any) -> None:
    x = framework.arange(6.0, device=gpu.device).reshape(2, 3)
    interface = x.__cuda_array_interface__
    assert interface["shape"] == (2, 3) and interface["typestr"] == "<f4" and interface["data"][0] == x.data_ptr()
    array = gpu.xp.asarray(x.array)
    assert framework.as_tensor(array).is_cuda and framework.tensor(array).tolist() == x.tolist()
    shared = framework.from_dlpack(x.array)
    shared[0, 0] = 9
    assert x[0, 0] == 9, "the same memory"
    assert x.__dlpack_device__() == (2, 0)
    theirs = gpu.xp.from_dlpack(x)
    assert theirs.data.ptr == x.data_ptr()
    assert framework.utils.dlpack.from_dlpack(x).is_cuda
    assert not framework.from_dlpack(x, device="cpu").is_cuda
    with pytest.raises(AttributeError, match="__cuda_array_interface__"):
        framework.ones(1).__cuda_array_interface__


def test_user_functions_and_hooks(gpu: Any) -> None:
    class Double(framework.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            assert x.is_cuda and g.is_cuda
            return g * 2

    x = framework.ones(3, device=gpu.device, requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.is_cuda))
    Double.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 2, 2] and seen == [True]
    assert framework.autograd.gradcheck(lambda t: (t * t).sin(), (x.detach().double().requires_grad_(),))
    y = framework.utils.checkpoint.checkpoint(lambda t: t.exp() * t, x, use_reentrant=False)
    assert framework.autograd.grad(y.sum(), x)[0].is_cuda
