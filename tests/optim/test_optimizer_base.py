"""Groups, hooks, names, messages and the other things that all optimizers share."""

import numpy as np
import pytest

import framework
from framework import kernels, nn, optim
from framework.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook


def parameter(*shape):
    return nn.Parameter(framework.from_numpy(np.ones(shape or (2, 2), np.float32)))


def test_groups_take_the_defaults():
    a, b = parameter(), parameter()
    optimizer = optim.SGD([{"params": [a], "lr": 0.5}, {"params": b, "momentum": 0.3}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    assert [group["momentum"] for group in optimizer.param_groups] == [0, 0.3]
    c = parameter()
    optimizer.add_param_group({"params": iter([c]), "weight_decay": 0.2})
    assert optimizer.param_groups[2]["params"][0] is c
    assert optimizer.state_dict()["param_groups"][2]["params"] == [2]


def test_names_are_kept():
    model = nn.Linear(2, 3)
    optimizer = optim.Adam(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    saved = optimizer.state_dict()
    assert saved["param_groups"][0]["param_names"] == ["weight", "bias"]
    other = optim.Adam(model.parameters())
    other.load_state_dict(saved)
    assert other.param_groups[0]["param_names"] == ["weight", "bias"]


def test_repr_lists_the_options():
    assert repr(optim.Lion([parameter()])) == (
        "Lion (\nParameter Group 0\n    betas: (0.9, 0.99)\n    differentiable: False\n    foreach: None\n"
        "    lr: 0.0001\n    maximize: False\n    weight_decay: 0\n)"
    )


def test_repr_is_torchs():
    torch = pytest.importorskip("torch")
    assert repr(optim.SGD([parameter()], lr=0.3)) == repr(torch.optim.SGD([torch.ones(2)], lr=0.3))


def test_zero_grad():
    p = parameter()
    optimizer = optim.SGD([p])
    optimizer.zero_grad()
    p.grad = framework.ones(2, 2)
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept
    assert not kept.numpy().any()
    optimizer.zero_grad()
    assert p.grad is None


def test_step_hooks_run_in_order_and_may_replace_the_arguments():
    p = parameter()
    p.grad = framework.ones(2, 2)
    optimizer = optim.SGD([p])
    calls = []
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append("post")),
        register_optimizer_step_pre_hook(lambda o, args, kwargs: calls.append("global pre")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: calls.append("global post")),
        optimizer.register_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: 7})),
    ]
    assert optimizer.step() == 7
    assert calls == ["global pre", "pre", "post", "global post"]
    for handle in handles:
        handle.remove()
    assert optimizer.step() is None
    assert len(calls) == 4
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_run_once_for_a_step_that_calls_its_parents():
    class Mine(optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    optimizer = Mine([parameter()])
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    optimizer.step()
    assert calls == [1]


def test_state_dict_hooks():
    optimizer = optim.SGD([parameter()])
    calls = []
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("b"))
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("a"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    saved = optimizer.state_dict()
    assert calls == ["a", "b"]
    assert saved["extra"] == 1

    def double(o, state):
        state["param_groups"][0]["lr"] = 9
        return state

    optimizer.register_load_state_dict_pre_hook(double)
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded"))
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 9
    assert calls[-1] == "loaded"


def test_closure_gets_gradients_also_within_no_grad():
    p = parameter()
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        loss = (p * p).sum()
        loss.backward()
        return loss

    with framework.no_grad():
        assert float(optimizer.step(closure)) == 4
    np.testing.assert_allclose(p.numpy(force=True), 0.8)


def test_tensor_rate():
    p = parameter()
    rate = framework.tensor(0.5)
    optimizer = optim.SGD([p], lr=rate)
    p.grad = framework.ones(2, 2)
    optimizer.step()
    np.testing.assert_array_equal(p.numpy(force=True), 0.5)


def test_custom_optimizer_with_a_required_option():
    from framework.optim.optimizer import Optimizer, required

    class Custom(Optimizer):
        def __init__(self, params, lr=required):
            super().__init__(params, {"lr": lr})

    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        Custom([parameter()])
    with pytest.raises(NotImplementedError):
        Custom([{"params": parameter(), "lr": 1}]).step()


def test_invalid_parameters():
    p = parameter()
    with pytest.raises(TypeError, match="should be an iterable of Tensors or dicts"):
        optim.SGD(p)
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD([])
    with pytest.raises(TypeError, match="can only optimize Tensors"):
        optim.SGD([3])
    with pytest.raises(TypeError, match="ordered collections"):
        optim.SGD([{"params": {p}}])
    with pytest.raises(ValueError, match="non-leaf Tensor"):
        optim.SGD([p * 2])
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": p}, {"params": p}])
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("a", p), parameter()])
    with pytest.raises(ValueError, match="cannot add param group with names"):
        optim.SGD([{"params": p}, {"params": [("a", parameter())]}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        optim.SGD([p]).add_param_group([p])


INVALID = [
    ("SGD", {"lr": -1}, "Invalid learning rate: -1"), ("SGD", {"momentum": -0.5}, "Invalid momentum value: -0.5"),
    ("SGD", {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
    ("SGD", {"fused": True, "foreach": True}, "`fused` and `foreach` cannot be `True` together"),
    ("SGD", {"fused": True, "differentiable": True}, "`fused` does not support `differentiable`"),
    ("Adam", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
    ("Adam", {"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
    ("Adam", {"eps": -1}, "Invalid epsilon value: -1"),
    ("AdamW", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
    ("RMSprop", {"alpha": -1}, "Invalid alpha value: -1"), ("Adagrad", {"lr_decay": -1}, "Invalid lr_decay value: -1"),
    ("Adagrad", {"initial_accumulator_value": -1}, "Invalid initial_accumulator_value value: -1"),
    ("Adadelta", {"rho": 1.1}, "Invalid rho value: 1.1"),
    ("NAdam", {"momentum_decay": -1}, "Invalid momentum_decay value: -1"),
    ("Rprop", {"etas": (1.0, 0.5)}, "Invalid eta values: 1.0, 0.5"),
    ("Adamax", {"lr": -0.1}, "Invalid learning rate: -0.1"),
    ("Adafactor", {"d": 0.5}, "Clipping threshold d should be >= 1 but is: 0.5"),
    ("Adafactor", {"beta2_decay": 1}, "beta2_decay should be <= 0 but is: 1"),
    ("Muon", {"adjust_lr_fn": "x"}, "Adjust learning rate function x is not supported"),
    ("ASGD", {"lr": -1}, "Invalid learning rate"),
    ("Lion", {"betas": (0.9, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
    ("Lamb", {"lr": -1}, "Invalid learning rate"), ("LBFGS", {"lr": -1}, "Invalid learning rate: -1"),
    ("RAdam", {"lr": framework.ones(2)}, "Tensor lr must be 1-element"),
    ("Adam", {"lr": framework.tensor(0.1), "foreach": True}, "lr as a Tensor is not supported"),
    ("Adam", {"betas": (0.9, framework.tensor(0.9))}, "betas must be either both floats or both Tensors"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "message"), INVALID)
def test_invalid_options(name, kwargs, message):
    with pytest.raises((ValueError, RuntimeError)) as error:
        getattr(optim, name)([parameter()], **kwargs)
    assert message in str(error.value)


def test_unfit_parameters():
    with pytest.raises(ValueError, match="Muon only supports 2D parameters"):
        optim.Muon([parameter(3)])
    for kind in (optim.Muon, optim.Adafactor, optim.Lamb):
        p = nn.Parameter(framework.from_numpy(np.ones((2, 2), np.complex64)))
        p.grad = p.detach().clone()
        with pytest.raises(RuntimeError, match="does not support complex parameters"):
            kind([p]).step()
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optim.LBFGS([{"params": parameter()}, {"params": parameter()}])
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS([parameter()], line_search_fn="other").step(lambda: framework.tensor(1.0))


def test_load_state_dict_refuses_other_groups():
    a = optim.SGD([parameter(), parameter()])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        a.load_state_dict({"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        a.load_state_dict(optim.SGD([parameter()]).state_dict())


def test_kernel_is_chosen():
    assert "generic" in kernels.explain("optimizer", np.zeros(3), rule="adam")
