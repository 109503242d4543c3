"""Our CUDA kernels of the optimizers' steps, of clipping and of unscaling, against the generic ones."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework import optim, random
from framework.kernels.generic import optimizer as generic
from framework.kernels.generic.update_rules import RULES
from tests.gpu.forms import BFLOAT16, DOUBLE, HALF, SINGLE, gaps, last, rows, shifted
from tests.gpu.host import run_cuda

pytestmark = pytest.mark.skipif(run_cuda.why_not() is not None, reason=str(run_cuda.why_not()))

BOTH = {"weight_decay": 0.01, "maximize": False}
BETAS = {"beta1": 0.9, "beta2": 0.99}
CASES = [
    ("sgd", 0, {"lr": 0.1}),
    ("sgd", 0, {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("sgd", 1, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "nesterov": False, **BOTH}),
    ("sgd", 1, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("adam", 2, {**BETAS, "rate": 0.01, "correction": 0.3, "eps": 1e-8, "decay": 0.999}),
    ("adam", 3, {**BETAS, "rate": 0.01, "correction": 0.3, "eps": 1e-3, **BOTH}),
    ("rmsprop", 1, {"lr": 0.01, "alpha": 0.9, "eps": 1e-6, "centered": False, "momentum": 0, **BOTH}),
    ("rmsprop", 2, {"lr": 0.01, "alpha": 0.9, "eps": 1e-6, "centered": True, "momentum": 0, **BOTH}),
    ("rmsprop", 2, {"lr": 0.01, "alpha": 0.9, "eps": 1e-6, "centered": False, "momentum": 0.8, **BOTH}),
    ("rmsprop", 3, {"lr": 0.01, "alpha": 0.9, "eps": 1e-6, "centered": True, "momentum": 0.8, **BOTH}),
    ("adagrad", 1, {"rate": 0.01, "eps": 1e-6, **BOTH}),
    ("adadelta", 2, {"lr": 1.0, "rho": 0.9, "eps": 1e-6, **BOTH}),
    ("nadam", 2, {**BETAS, "rate_gradient": 0.02, "rate_mean": 0.1, "correction": 0.3, "eps": 1e-8, "decay": 0.99, **BOTH}),
    ("radam", 2, {**BETAS, "rate": 0.02, "rectified": None, "eps": 1e-8, "decay": 0.99, **BOTH}),
    ("radam", 2, {**BETAS, "rate": 0.02, "rectified": 0.7, "eps": 1e-8, "decay": 1, **BOTH}),
    ("adamax", 2, {**BETAS, "rate": 0.02, "eps": 1e-8, **BOTH}),
    ("asgd", 1, {"eta": 0.1, "mu": 1, "lambd": 1e-3, **BOTH}),
    ("asgd", 1, {"eta": 0.1, "mu": 0.3, "lambd": 1e-3, **BOTH}),
    ("rprop", 2, {"shrink": 0.5, "grow": 1.2, "smallest": 0.2, "largest": 0.6, "maximize": True}),
    ("lion", 1, {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "decay": 0.99, "maximize": False}),
]  # fmt: skip
SHAPES = [(17, 11), (4096,), (1,), (0, 3), (2, 4100), (3, 5, 7)]


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import optimizer

    return optimizer


def values(rng, shape, dtype, positive=False):
    if dtype.kind == "c":
        return (values(rng, shape, DOUBLE, positive) + 1j * values(rng, shape, DOUBLE, positive)).astype(dtype)
    x = rng.standard_normal(shape)
    return (np.abs(x) if positive else x).astype(dtype)


def jobs(rule, states, numbers, kinds, shapes=SHAPES, seed=0):
    """Parameters with their gradients and state, NumPy arrays; the second state onwards is not negative."""
    rng = np.random.default_rng(seed)
    made = []
    for shape in shapes:
        arrays = [values(rng, shape, kinds[0]), values(rng, shape, kinds[1])]
        first = rule in ("rmsprop", "adagrad", "adadelta")
        arrays += [values(rng, shape, kinds[2], bool(i) or first) for i in range(states)]
        if rule == "rmsprop" and states > 1:
            arrays[2] += arrays[3] ** 2  # a variance is positive
        made.append((tuple(arrays), numbers))
    return made


def on(xp, made):
    return [(tuple(xp.asarray(a) for a in arrays), numbers) for arrays, numbers in made]


def agree(found, expected, rtol):
    for (here, _), (there, _) in zip(expected, found, strict=True):
        for place, (a, b) in enumerate(zip(here, there, strict=True)):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(wide(b.get()), wide(a), rtol=rtol, atol=rtol / 10, err_msg=f"array {place}")


def wide(x):
    return x.astype("c16" if x.dtype.kind == "c" else "f8")


def test_every_rule_has_its_case(kernel):
    assert {rule for rule, *_ in CASES} == set(RULES) == set(kernel.NUMBERS)


@pytest.mark.parametrize(("rule", "states", "numbers"), CASES)
def test_rules(gpu, kernel, rule, states, numbers):
    expected = jobs(rule, states, numbers, (SINGLE, SINGLE, SINGLE))
    expected[0][0][1][0, :3] = np.nan, np.inf, -np.inf
    found = on(gpu.xp, expected)
    assert kernel.declines(*found[0][0], rule=rule) is None
    if gpu.waits is not None:
        gpu.waits.clear()
    kernel.step(rule, found)
    if gpu.waits is not None:
        assert not gpu.waits
    with np.errstate(all="ignore"):
        generic.step(rule, expected)
    agree(found, expected, 2e-5)


@pytest.mark.parametrize(
    ("kinds", "rtol"),
    [
        ((DOUBLE, DOUBLE, DOUBLE), 1e-12), ((SINGLE, BFLOAT16, SINGLE), 2e-5), ((SINGLE, HALF, SINGLE), 2e-5),
        ((HALF, HALF, SINGLE), 2e-3), ((BFLOAT16, BFLOAT16, BFLOAT16), 2e-2), ((np.dtype("c8"),) * 3, 2e-5),
        ((np.dtype("c16"),) * 3, 1e-12),
    ],
)  # fmt: skip
def test_dtypes(gpu, kernel, kinds, rtol):
    expected = jobs("sgd", 1, CASES[2][2], kinds)
    found = on(gpu.xp, expected)
    kernel.step("sgd", found)
    generic.step("sgd", expected)
    agree(found, expected, rtol)


def test_groups_of_numbers_and_dtypes(gpu, kernel):
    expected = jobs("adam", 2, CASES[4][2], (SINGLE, SINGLE, SINGLE)) + jobs(
        "adam", 2, {**CASES[4][2], "rate": 0.5}, (SINGLE, BFLOAT16, SINGLE), seed=1
    )
    found = on(gpu.xp, expected)
    kernel.step("adam", found)
    generic.step("adam", expected)
    agree(found, expected, 2e-5)


def test_more_parameters_than_a_table_holds(gpu, kernel):
    expected = jobs("sgd", 0, CASES[0][2], (SINGLE, SINGLE), [(3,), (2, 2)] * 500)
    found = on(gpu.xp, expected)
    kernel.step("sgd", found)
    generic.step("sgd", expected)
    agree(found, expected, 1e-6)


def test_memory_orders_and_gaps(gpu, kernel):
    made = jobs("adam", 2, CASES[4][2], (SINGLE, SINGLE, SINGLE), [(6, 5, 4, 3)] * 4)
    forms = [(last, rows, last), (rows, gaps, rows), (gaps, gaps, last), (shifted, shifted, shifted)]
    found = []
    for (arrays, numbers), (p, g, s) in zip(made, forms, strict=True):
        found.append((tuple(form(gpu.xp, a) for form, a in zip((p, g, s, s), arrays, strict=True)), numbers))
    kernel.step("adam", found)
    generic.step("adam", made)
    agree(found, made, 2e-5)


@pytest.mark.parametrize("low", [BFLOAT16, HALF], ids=str)
def test_masters_and_their_copies(gpu, kernel, low):
    made = jobs("adam", 2, CASES[4][2], (SINGLE, low, SINGLE))
    copies = [arrays[0].astype(low) for arrays, _ in made]
    found, there = on(gpu.xp, made), [gpu.xp.asarray(c) for c in copies]
    kernel.step("adam", found, there)
    generic.step("adam", made, copies)
    agree(found, made, 2e-5)
    for (arrays, _), copy in zip(found, there, strict=True):
        assert copy.dtype == low
        assert np.array_equal(copy.get().astype("f4"), arrays[0].get().astype(low).astype("f4"))


def test_rounding_at_random_draws_what_the_generic_kernel_draws(gpu, kernel):
    expected = jobs("adam", 2, CASES[4][2], (BFLOAT16, BFLOAT16, SINGLE), [(17, 11), (3,), (2, 4100), (5, 4)])
    expected[0][0][1][0, :2] = np.nan, np.inf
    found = on(gpu.xp, expected)
    here, there = random.Generator().manual_seed(3), random.Generator("cuda").manual_seed(3)
    for generator in (here, there):
        generator.bits16(4)  # so that draws begin within a block
    kernel.step("adam", found, generator=there)
    with np.errstate(invalid="ignore"):
        generic.step("adam", expected, generator=here)
    for (a, _), (b, _) in zip(expected, found, strict=True):
        same = a[0].view(np.uint16) == b[0].get().view(np.uint16)
        same |= np.isnan(a[0].astype("f4")) & np.isnan(b[0].get().astype("f4"))
        assert same.mean() > 0.999  # sums in another order may cut off other bits
        np.testing.assert_allclose(b[2].get(), a[2], rtol=1e-5, atol=1e-6)
    assert np.array_equal(here.bits16(8), there.bits16(8).get())


def test_what_is_declined(gpu, kernel):
    x = gpu.xp.zeros(3, np.float32)
    assert "norm" in kernel.declines(x, x, rule="lamb")
    assert "int64" in kernel.declines(gpu.xp.zeros(3, np.int64), x, rule="sgd")


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE, HALF, BFLOAT16], ids=str)
@pytest.mark.parametrize("bad", [None, np.nan, -np.inf])
def test_unscale(gpu, kernel, dtype, bad):
    rng = np.random.default_rng(0)
    here = [values(rng, shape, dtype) for shape in SHAPES]
    if bad is not None:
        here[-1][2, 4, 6] = bad
    there = [gpu.xp.asarray(g) for g in here]
    there.append(gpu.xp.asarray(np.repeat(here[0], 2, -1))[:, ::2])
    here.append(here[0].copy())
    found = kernel.unscale(there, gpu.xp.asarray(np.float32(0.25)))
    expected = generic.unscale(here, np.asarray(0.25, np.float32))
    assert found.dtype == np.float32 and found.shape == () and float(found) == float(expected) == (bad is not None)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(b.get().astype("f8"), a.astype("f8"))


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE, HALF, BFLOAT16], ids=str)
@pytest.mark.parametrize("most", [1.0, 1e6])
def test_clipping(gpu, dtype, most):
    gpu.use("cuda")
    rng = np.random.default_rng(0)
    kind = getattr(F, str(dtype))
    here = [F.nn.Parameter(F.zeros(shape, dtype=kind)) for shape in SHAPES]
    there = [F.nn.Parameter(F.zeros(shape, dtype=kind, device="cuda")) for shape in SHAPES]
    for a, b in zip(here, there, strict=True):
        a.grad = F.tensor(rng.standard_normal(a.shape).astype(np.float32)).to(kind)
        b.grad = a.grad.to("cuda")
    expected = F.nn.utils.clip_grad_norm_(here, most)
    if gpu.waits is not None:
        gpu.waits.clear()
    found = F.nn.utils.clip_grad_norm_(there, most)
    if gpu.waits is not None:
        assert not gpu.waits
    rtol = 1e-2 if dtype.itemsize == 2 else 1e-5
    assert found.device.type == "cuda" and found.dtype is there[0].grad.dtype
    assert np.isclose(float(found), float(expected), rtol=rtol)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(b.grad.cpu().double().numpy(), a.grad.double().numpy(), rtol=rtol, atol=1e-6)
    assert not F.kernels.fallbacks()


def test_a_norm_that_is_not_finite_scales_to_nan(gpu):
    gpu.use("cuda")
    p = F.nn.Parameter(F.zeros(5, device="cuda"))
    p.grad = F.tensor([1.0, float("nan"), 2.0, 3.0, 4.0], device="cuda")
    assert F.nn.utils.clip_grad_norm_([p], 1.0).isnan().item()
    assert p.grad.isnan().all().item()


OPTIMIZERS = [
    (optim.SGD, {"momentum": 0.9, "nesterov": True}), (optim.Adam, {"amsgrad": True}), (optim.AdamW, {}),
    (optim.RMSprop, {"centered": True, "momentum": 0.5}), (optim.Adagrad, {}), (optim.Adadelta, {}), (optim.NAdam, {}),
    (optim.RAdam, {}), (optim.Adamax, {}), (optim.ASGD, {}), (optim.Rprop, {}), (optim.Lion, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "options", "kind"),
    [*[(*each, "float32") for each in OPTIMIZERS], (optim.AdamW, {}, "bfloat16"), (optim.SGD, {}, "bfloat16")],
    ids=lambda value: getattr(value, "__name__", "" if isinstance(value, dict) else value),
)
def test_optimizers_step_as_on_the_cpu(gpu, make, options, kind):
    gpu.use("cuda")
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(shape).astype(np.float32) for shape in [(5, 7), (11,)]]
    results = []
    for device in ("cpu", "cuda"):
        params = [F.nn.Parameter(F.tensor(x, device=device).to(getattr(F, kind))) for x in start]
        optimizer = make(params, lr=0.01, **options)
        steps = np.random.default_rng(1)
        for _ in range(3):
            for p in params:
                p.grad = F.tensor(steps.standard_normal(p.shape).astype(np.float32), device=device).to(getattr(F, kind))
            optimizer.step()
        results.append([p.detach().float().cpu().numpy() for p in params])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5 if kind == "float32" else 8e-3, atol=1e-6)
    assert not [family for family, _ in F.kernels.fallbacks() if family == "optimizer"]


@pytest.mark.parametrize("make", [optim.Lamb, optim.Adafactor, optim.Muon])
def test_rules_for_whole_parameters_do_not_wait(gpu, make):
    gpu.use("cuda")
    start = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    results = []
    for device in ("cpu", "cuda"):
        p = F.nn.Parameter(F.tensor(start, device=device))
        optimizer = make([p], lr=0.01, weight_decay=0.1)
        for _ in range(2):
            p.grad = (p * 0.5 + 1).detach()
            if gpu.waits is not None:
                gpu.waits.clear()
            optimizer.step()
            if gpu.waits is not None:
                assert not gpu.waits
        results.append(p.detach().cpu().numpy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-6)
