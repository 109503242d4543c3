"""Where autocast holds, what it keeps, and what gradients come of it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import framework as F
from framework import nn
from framework.autograd import Function
from framework.autograd import autocast as module
from framework.autograd.autocast_state import current
from framework.utils.checkpoint import checkpoint

HALF = F.bfloat16


@pytest.fixture(autouse=True)
def _off_before_and_after():
    assert not F.is_autocast_enabled("cpu")
    yield
    assert not F.is_autocast_enabled("cpu") and not current().nesting


def product():
    """The type that a product of float32 matrices comes in."""
    return (F.ones(2, 2) @ F.ones(2, 2)).dtype


def test_regions_nest_and_end():
    with F.autocast("cpu"):
        assert product() is HALF and F.is_autocast_enabled("cpu") and not F.is_autocast_enabled("cuda")
        with F.autocast("cpu", F.float16):
            assert product() is F.float16 and F.get_autocast_dtype("cpu") is F.float16
            with F.autocast("cpu", enabled=False):
                assert product() is F.float32 and not F.is_autocast_enabled("cpu")
            assert product() is F.float16
        assert product() is HALF
    assert product() is F.float32


def test_an_error_ends_a_region():
    with pytest.raises(ZeroDivisionError), F.autocast("cpu"):
        raise ZeroDivisionError
    with pytest.raises(RuntimeError), F.autocast("cpu"):
        F.ones(2, 3) @ F.ones(2, 3)
    assert product() is F.float32


def test_one_context_enters_itself():
    region = F.autocast("cpu")
    with region:
        with region:
            assert product() is HALF
        assert product() is HALF


def test_as_a_decorator():
    @F.autocast("cpu")
    def function(x):
        return x @ x

    assert function(F.ones(2, 2)).dtype is HALF and function.__name__ == "function"

    @F.autocast("cpu")
    def generator():
        yield product()
        yield product()

    found = generator()
    assert next(found) is HALF and product() is F.float32 and next(found) is HALF
    with pytest.raises(TypeError, match="expected a callable"):
        F.autocast("cpu")(F.ones(2))


def test_each_thread_has_its_own():
    seen = []
    with F.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append(product()))
        thread.start()
        thread.join()
        assert product() is HALF
    assert seen == [F.float32]


def test_workers_of_a_loader_are_outside():
    class Products(F.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return F.ones(2, 2) @ F.ones(2, 2)

    with F.autocast("cpu"):
        batches = list(F.utils.data.DataLoader(Products(), 2, num_workers=2))
    assert all(b.dtype is F.float32 for b in batches)


def test_the_other_device_is_left_alone(monkeypatch):
    monkeypatch.setattr(F.cuda, "is_available", lambda: True)
    with F.autocast("cuda", F.float16):
        assert F.is_autocast_enabled() and product() is F.float32
        with F.autocast("cpu"):
            assert product() is HALF and F.is_autocast_enabled("cuda")


def test_what_it_can_not_be():
    with pytest.raises(RuntimeError, match="unsupported device_type 'tpu'"):
        F.autocast("tpu")
    with pytest.raises(RuntimeError, match="as a string"):
        F.autocast(F.device("cpu"))
    with pytest.warns(UserWarning, match=r"supports bfloat16 and float16, got framework\.float32; autocast stays off"):
        region = F.autocast("cpu", F.float32)
    with region:
        assert product() is F.float32
    F.autocast("cpu", F.float32, enabled=False)  # no warning
    if not F.cuda.is_available():
        with pytest.warns(UserWarning, match="CUDA is not available"):
            F.autocast("cuda")


@pytest.mark.parametrize("kind", [F.bfloat16, F.float16])
def test_it_says_once_that_a_type_saves_no_time(kind, monkeypatch):
    monkeypatch.setattr(module, "_warned", set())
    monkeypatch.setattr("framework.kernels.precision.multiplies", lambda dtype: False)
    with pytest.warns(UserWarning, match=f"{kind.name} saves no time on this processor"), F.autocast("cpu", kind):
        pass
    with F.autocast("cpu", kind):  # no second one
        pass
    monkeypatch.setattr(module, "_warned", set())
    monkeypatch.setattr("framework.kernels.precision.multiplies", lambda dtype: True)
    with F.autocast("cpu", kind):
        pass


def test_the_switches_underneath():
    F.set_autocast_enabled("cpu", True)
    assert product() is HALF
    F.set_autocast_dtype("cpu", F.float16)
    assert product() is F.float16 and F.get_autocast_cpu_dtype() is F.float16
    F.set_autocast_dtype("cpu", HALF)
    F.set_autocast_cpu_enabled(False)
    assert product() is F.float32 and F.is_autocast_cache_enabled()
    F.set_autocast_cache_enabled(False)
    assert not F.is_autocast_cache_enabled()
    F.set_autocast_cache_enabled(True)
    assert F.autocast_increment_nesting() == 1 and F.autocast_decrement_nesting() == 0
    assert F.amp.is_autocast_available("cuda") and not F.amp.is_autocast_available("tpu")
    with F.cpu.amp.autocast():
        assert product() is HALF


def test_out_and_in_place_keep_their_type():
    x, y = F.rand(4, 4), F.rand(4, 4)
    with F.autocast("cpu"):
        assert F.mm(x, y, out=F.empty(4, 4)).dtype is F.float32
        z = x.clone()
        z.addmm_(x, y)
        assert z.dtype is F.float32
        assert np.allclose(z.numpy(), (x + F.autocast("cpu", enabled=False)(F.mm)(x, y)).numpy())
        assert (x.clone() ** 2).dtype is F.float32


# Gradients


def test_gradients_come_in_each_inputs_own_type():
    layer, x = nn.Linear(8, 4), F.rand(3, 8, requires_grad=True)
    with F.autocast("cpu"):
        y = layer(x)
        loss = nn.functional.mse_loss(y, F.zeros(3, 4))
    assert (y.dtype, loss.dtype) == (HALF, F.float32)
    loss.backward()
    assert layer.weight.grad.dtype is layer.bias.grad.dtype is x.grad.dtype is F.float32
    wide = nn.functional.linear(x, layer.weight, layer.bias)
    weight_gradient = F.autograd.grad(nn.functional.mse_loss(wide, F.zeros(3, 4)), layer.weight)[0]
    assert np.allclose(layer.weight.grad.numpy(), weight_gradient.numpy(), rtol=0.03, atol=1e-3)


def test_gradients_of_gradients():
    x = F.rand(3, 3, requires_grad=True)
    with F.autocast("cpu"):
        y = (x @ x).float().pow(2).sum()
        (g,) = F.autograd.grad(y, x, create_graph=True)
    assert g.dtype is F.float32
    (again,) = F.autograd.grad(g.sum(), x)
    assert again.dtype is F.float32 and F.isfinite(again).all()


def test_backward_inside_a_region():
    layer = nn.Linear(4, 4)
    with F.autocast("cpu"):
        layer(F.rand(2, 4)).float().pow(2).sum().backward()
    assert layer.weight.grad.dtype is F.float32


def test_a_user_written_function():
    seen = []

    class Square(Function):
        @staticmethod
        @F.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x):
            ctx.save_for_backward(x)
            y = x @ x
            seen.append(y.dtype)
            return y

        @staticmethod
        @F.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            seen.append((g @ x.t()).dtype)
            return g @ x.t() + x.t() @ g

    x = F.rand(3, 3, requires_grad=True)
    with F.autocast("cpu"):
        y = Square.apply(x)
    y.sum().backward()
    assert seen == [HALF, HALF] and x.grad.dtype is F.float32
    Square.apply(x).sum().backward()
    assert seen[2:] == [F.float32, F.float32]


def test_a_user_written_function_that_casts_its_inputs():
    seen = []

    class Wide(Function):
        @staticmethod
        @F.amp.custom_fwd(device_type="cpu", cast_inputs=F.float32)
        def forward(ctx, x, scale, others):
            seen.extend([x.dtype, (x @ x).dtype, others[0].dtype, others[1].dtype, scale])
            return x * 2

        @staticmethod
        @F.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append(F.is_autocast_enabled("cpu"))
            return g * 2, None, None

    x = F.rand(3, 3, requires_grad=True).to(HALF)
    with F.autocast("cpu"):
        y = Wide.apply(x, 2.0, [x, F.ones(1, dtype=F.float64)])
        y.sum().backward()
    assert seen == [F.float32, F.float32, F.float32, F.float64, 2.0, False]
    Wide.apply(x, 2.0, [x, x])
    assert seen[6] is HALF  # outside nothing is cast
    with pytest.raises(RuntimeError, match="unsupported device_type"):
        F.amp.custom_fwd(lambda: None, device_type="tpu")


def test_checkpoints_run_again_as_they_ran():
    layer, x = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8)), F.rand(4, 8)
    kinds = []
    layer[1].register_forward_pre_hook(lambda module, args: kinds.append(args[0].dtype))
    gradients = []
    for way in (lambda: layer(x), lambda: checkpoint(layer, x, use_reentrant=False)):
        layer.zero_grad()
        with F.autocast("cpu"):
            loss = way().float().pow(2).mean()
        loss.backward()
        gradients.append([p.grad.numpy().copy() for p in layer.parameters()])
    assert kinds == [HALF, HALF, HALF]
    assert all(np.array_equal(a, b) for a, b in zip(*gradients, strict=True))


# The cache


def casts(function):
    """How many conversions of a type a function makes."""
    made = []
    old = module.Tensor.to

    def counting(self, *args, **kwargs):
        made.append(self)
        return old(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F.Tensor, "to", counting)
        function()
    return len(made)


def test_a_parameters_cast_is_kept_within_the_outermost_region():
    layer, x = nn.Linear(8, 8, bias=False), F.rand(2, 8)

    def twice(**options):
        with F.autocast("cpu", **options):
            layer(x)
            with F.autocast("cpu"):
                layer(x)

    assert casts(twice) == 3  # the input twice
    assert casts(twice) == 3 and not current().casts
    assert casts(lambda: twice(cache_enabled=False)) == 4

    def cleared():
        with F.autocast("cpu"):
            layer(x)
            F.clear_autocast_cache()
            layer(x)

    assert casts(cleared) == 4


def test_a_kept_cast_follows_the_parameter():
    layer, x = nn.Linear(4, 4, bias=False), F.eye(4)
    optimizer = F.optim.SGD(layer.parameters(), lr=1.0)
    with F.autocast("cpu"):
        before = layer(x)
        before.float().sum().backward()
        optimizer.step()
        after = layer(x)
        layer.weight.data = F.zeros(4, 4)
        assert (layer(x) == 0).all()
    assert not F.equal(before, after)


def test_a_cast_made_without_gradients_does_not_cut_them_off():
    layer, x = nn.Linear(4, 4), F.rand(2, 4)
    with F.autocast("cpu"):
        with F.no_grad():
            layer(x)
        layer(x).float().sum().backward()
    assert layer.weight.grad is not None


def test_a_kept_cast_gathers_all_its_gradients():
    layer, x = nn.Linear(4, 4, bias=False), F.rand(2, 4)
    with F.autocast("cpu"):
        loss = layer(layer(x)).float().sum()
    loss.backward()
    together, layer.weight.grad = layer.weight.grad, None
    with F.autocast("cpu", cache_enabled=False):
        loss = layer(layer(x)).float().sum()
    loss.backward()
    assert np.allclose(together.numpy(), layer.weight.grad.numpy(), rtol=0.02, atol=0.02)


def test_a_fused_model_computes_as_the_plain_one():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)
    )
    model.eval()
    fast, x = nn.fuse(model), F.rand(2, 3, 6, 6)
    with F.no_grad(), F.autocast("cpu"):
        plain, fused = model(x), fast(x)
    assert plain.dtype is fused.dtype is HALF and F.equal(plain, fused)
