"""The contract of every optimizer: PyTorch's numbers, checkpoints, options, and that it optimizes."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import framework
from framework import nn, optim
from framework.kernels.generic import flat

SHAPES = [(4, 3), (3, 5)]  # 2-d, so that Muon takes them

CASES = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
            {"momentum": 0.9, "dampening": 0.5}],
    "Adam": [{}, {"weight_decay": 0.1}, {"amsgrad": True}, {"betas": (0.8, 0.9), "eps": 1e-3}],
    "AdamW": [{}, {"weight_decay": 0.3, "amsgrad": True}],
    "RMSprop": [{}, {"momentum": 0.9, "weight_decay": 0.1}, {"centered": True}, {"centered": True, "momentum": 0.5}],
    "Adagrad": [{}, {"lr_decay": 0.1, "weight_decay": 0.1}, {"initial_accumulator_value": 0.3}],
    "Adadelta": [{}, {"rho": 0.5, "weight_decay": 0.1}],
    "NAdam": [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1}],
    "RAdam": [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.9, 0.9)}],
    "Adamax": [{}, {"weight_decay": 0.1}], "ASGD": [{}, {"t0": 1, "lambd": 0.1, "weight_decay": 0.1}],
    "Rprop": [{}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.02)}],
    "Adafactor": [{}, {"weight_decay": 0.1, "d": 2.0, "eps": (1e-3, 1e-2), "beta2_decay": -0.5}],
    "Muon": [{}, {"nesterov": False, "weight_decay": 0.3}, {"adjust_lr_fn": "match_rms_adamw", "ns_steps": 3}],
}  # fmt: skip
OURS = {
    "Lion": [{}, {"weight_decay": 0.1}],
    "Lamb": [{}, {"weight_decay": 0.1, "trust_clip": True, "max_grad_norm": 1.0}],
}
ALL = [(name, kwargs) for table in (CASES, OURS) for name, kinds in table.items() for kwargs in kinds]
NAMES = [*CASES, *OURS]
MAXIMIZE = [name for name in NAMES if name != "Muon"]


def parameters(shapes=SHAPES, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return [nn.Parameter(framework.from_numpy(rng.standard_normal(shape).astype(dtype))) for shape in shapes]


def set_gradients(params, step, sign=1):
    rng = np.random.default_rng(100 + step)
    for p in params:
        p.grad = framework.from_numpy((sign * rng.standard_normal(p.shape)).astype(p.numpy(force=True).dtype))


def run(optimizer, steps, start=0):
    params = optimizer.param_groups[0]["params"]
    for step in range(start, start + steps):
        set_gradients(params, step)
        optimizer.step()


def values(optimizer):
    return [p.numpy(force=True).copy() for group in optimizer.param_groups for p in group["params"]]


def make(name, params, **kwargs):
    return getattr(optim, name)(params, **kwargs)


def assert_same_state(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, dict):
            assert_same_state(value, second[key])
        elif isinstance(value, framework.Tensor):
            assert value.dtype == second[key].dtype
            np.testing.assert_array_equal(value.numpy(), second[key].numpy(), err_msg=str(key))
        else:
            assert value == second[key], key


# PyTorch's numbers


@pytest.mark.parametrize(("name", "kwargs"), [case for case in ALL if case[0] in CASES])
@pytest.mark.parametrize("maximize", [False, True])
def test_parity_with_torch(name, kwargs, maximize):
    torch = pytest.importorskip("torch")
    if maximize and name == "Muon":
        pytest.skip("Muon has no such option")
    kwargs = {**kwargs, "maximize": True} if maximize else kwargs
    mine = parameters()
    theirs = [torch.nn.Parameter(torch.from_numpy(p.numpy(force=True).copy())) for p in mine]
    a, b = make(name, mine, **kwargs), getattr(torch.optim, name)(theirs, **kwargs)
    for step in range(6):
        set_gradients(mine, step)
        for p, q in zip(mine, theirs, strict=True):
            q.grad = torch.from_numpy(p.grad.numpy().copy())
        a.step()
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(force=True), q.detach().numpy(), rtol=2e-5, atol=2e-6)
    own, other = a.state_dict(), b.state_dict()
    assert own["param_groups"] == other["param_groups"]
    assert own["state"].keys() == other["state"].keys()
    for number, state in other["state"].items():
        assert own["state"][number].keys() == state.keys()
        for key, value in state.items():
            got = own["state"][number][key].numpy()
            np.testing.assert_allclose(got, value.numpy(), rtol=1e-4, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("name", CASES)
def test_signatures_are_torchs(name):
    torch = pytest.importorskip("torch")
    own = inspect.signature(getattr(optim, name).__init__).parameters
    other = inspect.signature(getattr(torch.optim, name).__init__).parameters
    assert list(own) == list(other)
    for key, parameter in other.items():
        assert (own[key].kind, own[key].default) == (parameter.kind, parameter.default), key


@pytest.mark.parametrize("name", CASES)
def test_torch_state_loads(name):
    torch = pytest.importorskip("torch")
    mine = parameters()
    theirs = [torch.nn.Parameter(torch.from_numpy(p.numpy(force=True).copy())) for p in mine]
    b = getattr(torch.optim, name)(theirs)
    for step in range(4):
        if step == 3:
            for p, q in zip(mine, theirs, strict=True):
                p.array[...] = q.detach().numpy()
            a = make(name, mine)
            saved = b.state_dict()
            state = {
                number: {key: framework.from_numpy(value.numpy().copy()) for key, value in entry.items()}
                for number, entry in saved["state"].items()
            }
            a.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
            set_gradients(mine, step)
            a.step()
        set_gradients(mine, step)
        for p, q in zip(mine, theirs, strict=True):
            q.grad = torch.from_numpy(p.grad.numpy().copy())
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(force=True), q.detach().numpy(), rtol=1e-5, atol=2e-6)


# Checkpoints


@pytest.mark.parametrize(("name", "kwargs"), ALL)
def test_resumed_run_equals_uninterrupted_bit_for_bit(name, kwargs):
    whole = make(name, parameters(), **kwargs)
    run(whole, 5)
    first = make(name, parameters(), **kwargs)
    run(first, 3)
    saved = pickle.loads(pickle.dumps(first.state_dict()))
    resumed = make(name, [nn.Parameter(framework.from_numpy(v)) for v in values(first)], **kwargs)
    resumed.load_state_dict(saved)
    assert_same_state({"s": first.state_dict()["state"]}, {"s": resumed.state_dict()["state"]})
    run(resumed, 2, start=3)
    for a, b in zip(values(whole), values(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_loaded_state_is_a_copy_and_hyperparameters_are_taken_over():
    a, b = optim.Adam(parameters(), lr=0.5), optim.Adam(parameters(), lr=0.1)
    run(a, 1)
    b.load_state_dict(a.state_dict())
    assert b.param_groups[0]["lr"] == 0.5
    before = a.state_dict()["state"][0]["exp_avg"].numpy().copy()
    run(b, 1)
    np.testing.assert_array_equal(a.state_dict()["state"][0]["exp_avg"].numpy(), before)


@pytest.mark.parametrize("name", NAMES)
def test_pickle_and_deepcopy_keep_the_state(name):
    a = make(name, parameters())
    run(a, 2)
    for b in (pickle.loads(pickle.dumps(a)), copy.deepcopy(a)):
        assert_same_state({"s": a.state_dict()["state"]}, {"s": b.state_dict()["state"]})
        assert b.param_groups[0]["params"][0] is not a.param_groups[0]["params"][0]


def test_old_state_is_completed():
    a = optim.Adam(parameters())
    run(a, 1)
    saved = a.state_dict()
    del saved["param_groups"][0]["amsgrad"]
    saved["state"][0]["step"] = 1
    a.load_state_dict(saved)
    assert a.param_groups[0]["amsgrad"] is False
    assert isinstance(a.state_dict()["state"][0]["step"], framework.Tensor)


# Options


@pytest.mark.parametrize("name", MAXIMIZE)
def test_maximize_is_descent_along_the_negated_gradient(name):
    a, b = make(name, parameters(), maximize=True), make(name, parameters())
    for step in range(3):
        set_gradients(a.param_groups[0]["params"], step)
        set_gradients(b.param_groups[0]["params"], step, sign=-1)
        a.step()
        b.step()
    for x, y in zip(values(a), values(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "Rprop"])
def test_weight_decay_shrinks(name):
    norms = []
    for decay in (0.0, 0.5):
        a = make(name, parameters(), lr=0.05, weight_decay=decay)
        for _ in range(3):
            for p in a.param_groups[0]["params"]:
                p.grad = framework.from_numpy(np.full(p.shape, 1e-8, np.float32))
            a.step()
        norms.append(sum(float((v**2).sum()) for v in values(a)))
    assert norms[1] < norms[0]


@pytest.mark.parametrize("name", NAMES)
def test_groups_have_their_own_rate(name):
    params = parameters()
    before = [p.numpy(force=True).copy() for p in params]
    options = {"weight_decay": 0} if name == "Muon" else {}
    a = make(name, [{"params": params[0], "lr": 0.0}, {"params": params[1:]}], lr=0.1, **options)
    if name == "Rprop":
        a.param_groups[0]["step_sizes"] = (0, 0)  # its lr is only where the step sizes start
    if name == "Adafactor":
        a.param_groups[0]["eps"] = (None, 0.0)
    set_gradients(params, 0)
    a.step()
    np.testing.assert_array_equal(params[0].numpy(force=True), before[0])
    assert (params[1].numpy(force=True) != before[1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_parameters_without_gradient_are_left_alone(name):
    params = parameters()
    before = params[1].numpy(force=True).copy()
    a = make(name, params)
    set_gradients(params[:1], 0)
    a.step()
    np.testing.assert_array_equal(params[1].numpy(force=True), before)
    assert name == "Adagrad" or list(a.state_dict()["state"]) in ([0], [])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [framework.float16, framework.bfloat16])
def test_half_precision_follows_float32(name, dtype):
    wide = make(name, parameters(), lr=0.05)
    half = make(name, [nn.Parameter(p.detach().to(dtype)) for p in parameters()], lr=0.05)
    for step in range(3):
        for a in (wide, half):
            rng = np.random.default_rng(step)
            for p in a.param_groups[0]["params"]:
                p.grad = framework.from_numpy(rng.standard_normal(p.shape).astype(np.float32)).to(p.dtype)
        wide.step()
        half.step()
    for p, q in zip(wide.param_groups[0]["params"], half.param_groups[0]["params"], strict=True):
        assert q.dtype is dtype
        np.testing.assert_allclose(q.detach().float().numpy(), p.numpy(force=True), atol=0.06)
    for state in half.state.values():
        assert all(v.dtype in (dtype, framework.float32) for v in state.values())


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("Lamb", "Adafactor", "Muon")])
def test_complex_parameters_are_pairs_of_reals(name):
    rng = np.random.default_rng(0)
    z, g = (rng.standard_normal((2, 3, 4)) for _ in range(2))
    a = make(name, [nn.Parameter(framework.from_numpy(z[0] + 1j * z[1]))])
    b = make(name, [nn.Parameter(framework.from_numpy(x.copy())) for x in z])
    for _ in range(2):
        a.param_groups[0]["params"][0].grad = framework.from_numpy(g[0] + 1j * g[1])
        for p, part in zip(b.param_groups[0]["params"], g, strict=True):
            p.grad = framework.from_numpy(part.copy())
        a.step()
        b.step()
    np.testing.assert_allclose(values(a)[0], values(b)[0] + 1j * values(b)[1], rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "Muon"])
@pytest.mark.parametrize("layout", ["large", "channels_last", "strided", "scalar", "empty"])
def test_memory_layout_does_not_matter(name, layout):
    """Blocks of the cache, memory orders and strides give what one call on contiguous memory gives."""
    rng = np.random.default_rng(0)
    shape = {"large": (2, flat.BLOCK + 7), "scalar": (), "empty": (0, 3)}.get(layout, (3, 200, 9, 11))
    x, g = (np.asarray(rng.standard_normal(shape), np.float32) for _ in range(2))
    plain = nn.Parameter(framework.from_numpy(x.copy()))
    array = x.copy()
    if layout == "channels_last":
        array = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    elif layout == "strided":
        array = np.repeat(x, 2, axis=-1)[..., ::2]
    other = nn.Parameter(framework.from_numpy(array))
    a, b = make(name, [plain]), make(name, [other])
    for _ in range(2):
        plain.grad, other.grad = framework.from_numpy(g.copy()), framework.from_numpy(g.copy())
        before = flat.BLOCK
        try:
            flat.BLOCK = 1 << 30
            a.step()
        finally:
            flat.BLOCK = before
        b.step()
    np.testing.assert_allclose(other.numpy(force=True), plain.numpy(force=True), rtol=1e-5, atol=1e-6)
    assert other.array is not plain.array
    assert not np.array_equal(other.numpy(force=True), x) or layout == "empty"


def test_update_is_seen_by_autograd():
    p = parameters()[0]
    out = (p * p).sum()
    p.grad = p.detach().clone()
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"SGD\.step"):
        out.backward()


# Use


def rosenbrock(p):
    x, y = p[0, 0], p[0, 1]
    return (1 - x) ** 2 + 10 * (y - x * x) ** 2


RATES = {
    "SGD": 0.01, "Adam": 0.05, "AdamW": 0.05, "RMSprop": 0.01, "Adagrad": 0.5, "Adadelta": 5.0, "NAdam": 0.05,
    "RAdam": 0.03, "Adamax": 0.2, "ASGD": 0.01, "Rprop": 0.01, "Adafactor": 0.1, "Muon": 0.02, "Lion": 0.01,
    "Lamb": 0.02, "LBFGS": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, "LBFGS"])
def test_descends_on_rosenbrock(name):
    p = nn.Parameter(framework.tensor([[-1.0, 1.5]]))
    options = {"LBFGS": {"line_search_fn": "strong_wolfe"}, "RAdam": {"betas": (0.9, 0.95)}}.get(name, {})
    a = make(name, [p], lr=RATES[name], **options)

    def closure():
        a.zero_grad()
        loss = rosenbrock(p)
        loss.backward()
        return loss

    first = float(a.step(closure))
    for _ in range(10 if name == "LBFGS" else 150):
        a.step(closure)
    last = float(rosenbrock(p))
    assert first > 5
    assert last < (1e-6 if name == "LBFGS" else 0.25 * first), last


def test_lbfgs_without_search_solves_a_quadratic():
    target = framework.tensor([1.0, -2.0, 3.0])
    p = nn.Parameter(framework.zeros(3))
    a = optim.LBFGS([p], lr=0.8)

    def closure():
        a.zero_grad()
        loss = ((p - target) ** 2 * framework.tensor([1.0, 5.0, 10.0])).sum()
        loss.backward()
        return loss

    for _ in range(3):
        a.step(closure)
    np.testing.assert_allclose(p.numpy(force=True), target.numpy(), atol=1e-4)
    assert a.state[p]["n_iter"] > 3


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("Adafactor", "Muon")])
def test_gradients_flow_through_differentiable_steps(name):
    """d(loss after two steps)/d(the gradient that was stepped along), against central differences."""

    def after(g, differentiable):
        p = framework.tensor([0.5, -1.0, 2.0], dtype=framework.float64, requires_grad=True)
        q = p.clone() if differentiable else p.detach()
        a = make(name, [q], lr=0.1, differentiable=differentiable)
        for scale in (1.0, 0.7):
            q.grad = g * scale
            a.step()
        return (q * q).sum()

    g = np.array([0.3, -0.2, 0.9])
    tensor = framework.tensor(g, requires_grad=True)
    loss = after(tensor, True)
    loss.backward()
    numeric = []
    for step in np.eye(3) * 1e-6:
        up, down = (float(after(framework.tensor(value), False)) for value in (g + step, g - step))
        numeric.append((up - down) / 2e-6)
    assert float(loss.detach()) == pytest.approx(float(after(framework.tensor(g), False)), rel=1e-9)
    np.testing.assert_allclose(tensor.grad.numpy(), numeric, rtol=1e-4, atol=1e-6)
