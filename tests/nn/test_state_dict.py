"""State dicts: keys and order, loading, and one error that reports everything."""

import copy

import numpy as np
import pytest

import framework
from framework import nn
from framework.errors import StateError


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.register_buffer("mean", framework.zeros(2))
        self.register_buffer("scratch", framework.zeros(2), persistent=False)
        self.register_buffer("nothing", None)
        self.weight = nn.Parameter(framework.ones(3))


def net():
    return nn.Sequential(Block(), nn.Linear(2, 1))


KEYS = ["0.weight", "0.mean", "0.fc.weight", "0.fc.bias", "1.weight", "1.bias"]


def test_keys_are_flat_own_parameters_then_buffers_then_children():
    state = net().state_dict()
    assert list(state) == KEYS
    assert all(not t.requires_grad for t in state.values())
    assert state._metadata["0.fc"] == {"version": 1} and list(state._metadata) == ["", "0", "0.fc", "1"]
    assert next(iter(net().state_dict(prefix="m."))) == "m.0.weight"
    kept = net()
    assert kept.state_dict(keep_vars=True)["1.weight"] is kept[1].weight
    destination = {}
    assert kept.state_dict(destination=destination) is destination and list(destination) == KEYS


def test_state_shares_memory():
    m = net()
    m.state_dict()["1.weight"].fill_(3)
    assert m[1].weight.tolist() == [[3.0, 3.0]]


def test_load_copies_and_converts():
    a, b = net(), net().double()
    weight = b[1].weight
    result = b.load_state_dict(a.state_dict())
    assert str(result) == "<All keys matched successfully>" and result.missing_keys == []
    assert b[1].weight is weight and weight.dtype == framework.float64 and weight.requires_grad
    np.testing.assert_array_equal(weight.detach().numpy(), a[1].weight.detach().numpy())
    with framework.no_grad():
        a[1].weight.fill_(9)
    assert float(weight.detach().max()) != 9


def test_assign_takes_the_tensors():
    a, b = net().double(), net()
    frozen = b[1].weight.requires_grad_(False)
    state = a.state_dict()
    b.load_state_dict(state, assign=True)
    assert b[1].weight is not frozen and b[1].weight.dtype == framework.float64 and not b[1].weight.requires_grad
    assert isinstance(b[1].weight, nn.Parameter) and b[0].mean is state["0.mean"]


def test_one_error_reports_everything():
    state = net().state_dict()
    del state["0.fc.bias"], state["0.mean"]
    state["9.weight"] = state["0.extra"] = framework.ones(1)
    state["1.weight"] = framework.ones(5, 5)
    state["1.bias"] = np.ones(1)
    with pytest.raises(StateError) as caught:
        net().load_state_dict(state)
    text = str(caught.value)
    assert isinstance(caught.value, RuntimeError) and text.startswith("Error(s) in loading state_dict for Sequential:")
    assert 'Missing key(s) in state_dict: "0.mean", "0.fc.bias".' in text
    assert 'Unexpected key(s) in state_dict: "0.extra", "9.weight".' in text or (
        'Unexpected key(s) in state_dict: "9.weight", "0.extra".' in text
    )
    assert "size mismatch for 1.weight" in text and "(5, 5)" in text and "(1, 2)" in text
    assert "expected a Tensor for the parameter named 1.bias" in text


def test_not_strict_returns_the_keys_and_still_refuses_shapes():
    state = net().state_dict()
    del state["0.mean"]
    state["x"] = framework.ones(1)
    missing, unexpected = net().load_state_dict(state, strict=False)
    assert missing == ["0.mean"] and unexpected == ["x"]
    state["1.bias"] = framework.ones(4)
    with pytest.raises(RuntimeError, match=r"size mismatch for 1\.bias"):
        net().load_state_dict(state, strict=False)
    with pytest.raises(TypeError, match="expected a dict"):
        net().load_state_dict([1])


def test_scalar_buffers_load_from_one_element():
    m = nn.Module()
    m.register_buffer("count", framework.tensor(0))
    m.load_state_dict({"count": framework.tensor([4])})
    assert m.count.item() == 4 and m.count.ndim == 0


def test_extra_state():
    class Extra(nn.Module):
        state = 1

        def get_extra_state(self):
            return {"state": self.state}

        def set_extra_state(self, state):
            self.state = state["state"]

    a, b = nn.Sequential(Extra()), nn.Sequential(Extra())
    a[0].state = 5
    assert list(a.state_dict()) == ["0._extra_state"]
    b.load_state_dict(a.state_dict())
    assert b[0].state == 5
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0._extra_state"'):
        b.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "0._extra_state"'):
        nn.Sequential(nn.Identity()).load_state_dict(a.state_dict())


def test_hooks_around_saving_and_loading():
    m, seen = nn.Linear(1, 1), []
    m.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append("pre"))
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: state.pop(f"{prefix}bias"))
    assert list(nn.Sequential(m).state_dict()) == ["0.weight"] and seen == ["pre"]
    other = nn.Linear(1, 1)

    def rename(module, state, prefix, meta, strict, missing, unexpected, errors):
        assert module is other
        state[f"{prefix}weight"] = state.pop(f"{prefix}w")

    other.register_load_state_dict_pre_hook(rename)
    other.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    other.load_state_dict({"w": framework.ones(1, 1)})
    assert other.weight.tolist() == [[1.0]]
    other.register_load_state_dict_post_hook(lambda module, keys: 3)
    with pytest.raises(RuntimeError, match="must return None"):
        other.load_state_dict({"w": framework.ones(1, 1)})


def test_the_given_dict_is_left_alone():
    state = net().state_dict()
    before = list(state)
    m = net()
    m[0].register_load_state_dict_pre_hook(lambda module, state, prefix, *rest: state.pop(f"{prefix}mean"))
    m.load_state_dict(state, strict=False)
    assert list(state) == before


def test_a_copied_module_loads_into_itself():
    m = nn.Linear(1, 1)
    seen = []
    m.register_load_state_dict_pre_hook(lambda module, *rest: seen.append(module))
    other = copy.deepcopy(m)
    other.load_state_dict(m.state_dict())
    assert seen == [other]


def test_pytorch_keys_and_values():
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = torch.nn.Embedding(3, 2)
            self.seq = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.PReLU())

    class Ours(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(3, 2)
            self.seq = nn.Sequential(nn.Linear(2, 2), nn.PReLU())

    theirs, ours = Theirs(), Ours()
    state = {k: framework.tensor(v.numpy()) for k, v in theirs.state_dict().items()}
    assert list(state) == list(ours.state_dict())
    ours.load_state_dict(state)
    np.testing.assert_array_equal(ours.seq[0].weight.detach().numpy(), theirs.seq[0].weight.detach().numpy())
