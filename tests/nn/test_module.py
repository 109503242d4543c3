"""``nn.Module``: registration, attributes, traversal, modes, conversions, and errors that name the layer."""

import copy
import pickle

import numpy as np
import pytest

import framework
from framework import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.register_buffer("steps", framework.zeros(2))
        self.register_buffer("scratch", framework.ones(1), persistent=False)
        self.scale = nn.Parameter(framework.ones(3))

    def forward(self, x):
        return self.fc(x) * self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def names(pairs):
    return [name for name, _ in pairs]


def test_named_parameters_run_depth_first_with_own_ones_first():
    assert names(Net().named_parameters()) == [
        "layers.0.scale", "layers.0.fc.weight", "layers.0.fc.bias",
        "layers.1.scale", "layers.1.fc.weight", "layers.1.fc.bias", "head.weight", "head.bias",
    ]  # fmt: skip
    assert names(Block().named_parameters(prefix="b", recurse=False)) == ["b.scale"]
    assert len(list(Net().parameters())) == 8


def test_named_buffers_and_modules():
    net = Net()
    assert names(net.named_buffers()) == ["layers.0.steps", "layers.0.scratch", "layers.1.steps", "layers.1.scratch"]
    assert names(net.named_modules()) == [
        "", "layers", "layers.0", "layers.0.fc", "layers.1", "layers.1.fc", "head",
    ]  # fmt: skip
    assert names(net.named_children()) == ["layers", "head"]
    assert list(net.children())[1] is net.head


def test_shared_parts_come_once_unless_asked():
    net = Net()
    net.tied = net.head
    net.layers[1].scale = net.layers[0].scale
    assert "tied.weight" not in names(net.named_parameters())
    every = names(net.named_parameters(remove_duplicate=False))
    assert {"tied.weight", "head.weight", "layers.0.scale", "layers.1.scale"} <= set(every)
    assert "tied" in names(net.named_modules(remove_duplicate=False))
    assert "tied" not in names(net.named_modules())


def test_attributes_are_registered_by_kind():
    m = nn.Module()
    m.weight = nn.Parameter(framework.ones(2))
    m.state = nn.Buffer(framework.ones(2), persistent=False)
    m.child = nn.Identity()
    m.plain = framework.ones(2)
    m.number = 3
    assert list(m._parameters) == ["weight"] and list(m._buffers) == ["state"] and list(m._modules) == ["child"]
    assert m.__dict__["number"] == 3 and "plain" in m.__dict__
    assert list(m.state_dict()) == ["weight"]
    m.weight = None
    assert m.weight is None and list(m.parameters()) == []
    m.child = nn.Parameter(framework.ones(1))
    assert "child" not in m._modules and "child" in m._parameters
    m.number = nn.Identity()
    assert "number" not in m.__dict__ and isinstance(m.number, nn.Identity)
    del m.child, m.state
    assert not hasattr(m, "child") and not hasattr(m, "state")


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("weight", 3, "cannot assign 'int' object to parameter 'weight'"),
        ("weight", framework.ones(1), "cannot assign 'Tensor' object to parameter 'weight'"),
        ("child", 3, "cannot assign 'int' object to child module 'child'"),
        ("state", 3, "cannot assign 'int' object to buffer 'state'"),
    ],
)
def test_assigning_the_wrong_kind_is_refused(attribute, value, message):
    m = nn.Module()
    m.weight, m.child = nn.Parameter(framework.ones(1)), nn.Identity()
    m.register_buffer("state", framework.ones(1))
    with pytest.raises(TypeError, match=message):
        setattr(m, attribute, value)


def test_registration_checks_names_and_values():
    m = nn.Module()
    m.taken = 1
    with pytest.raises(KeyError, match="already exists"):
        m.register_buffer("taken", framework.ones(1))
    with pytest.raises(KeyError, match="can't be empty or contain"):
        m.register_parameter("a.b", None)
    with pytest.raises(KeyError, match="can't be empty or contain"):
        m.add_module("", nn.Identity())
    with pytest.raises(TypeError, match="should be a string"):
        m.register_buffer(3, None)
    with pytest.raises(TypeError, match="not a Module"):
        m.add_module("x", 3)
    with pytest.raises(TypeError, match="Tensor or None"):
        m.register_buffer("x", 3)
    with pytest.raises(ValueError, match="non-leaf"):
        m.register_parameter("x", derived_parameter())
    with pytest.raises(TypeError, match="takes no arguments"):
        nn.Module.__init__(nn.Module(), 3)


def derived_parameter():
    p = nn.Parameter(framework.ones(1))
    p._node = (p * 1)._node if p._node is None else p._node
    return p


def test_assignment_before_init_is_refused():
    class Forgetful(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call"):
        Forgetful()


def test_a_missing_attribute_names_the_nearest():
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'heed'; nearest: head"):
        _ = Net().heed
    assert getattr(Net(), "absent", None) is None


def test_an_error_names_the_path_of_its_layer():
    net = Net()
    net.layers[1].fc = nn.Linear(4, 3)
    with pytest.raises(ValueError, match=r"^in layers\.1\.fc \(Linear\): linear: .*\(2, 3\)") as caught:
        net(framework.ones(2, 3))
    assert isinstance(caught.value, RuntimeError)
    with pytest.raises(RuntimeError, match=r"^linear: "):  # no path when the layer itself is called
        nn.Linear(4, 3)(framework.ones(2, 3))


@pytest.mark.parametrize("kind", [KeyError, OSError, type("Own", (Exception,), {})])
def test_errors_with_arguments_of_their_own_keep_them(kind):
    class Raises(nn.Module):
        def forward(self, x):
            raise kind("x")

    with pytest.raises(kind) as caught:
        nn.Sequential(nn.Identity(), Raises())(1)
    if kind is KeyError:
        assert caught.value.args == ("x",)
        assert caught.value.__notes__ == ["in 1 (Raises)"]
    else:
        assert "in 1 (Raises)" in str(caught.value) or caught.value.__notes__ == ["in 1 (Raises)"]


def test_forward_must_be_written():
    with pytest.raises(NotImplementedError, match='is missing the required "forward" function'):
        nn.Module()(1)


def test_paths_lead_to_parts():
    net = Net()
    assert net.get_submodule("layers.0.fc") is net.layers[0].fc
    assert net.get_submodule("") is net
    assert net.get_parameter("layers.1.fc.bias") is net.layers[1].fc.bias
    assert net.get_buffer("layers.0.steps") is net.layers[0].steps
    net.set_submodule("layers.0.fc", nn.Identity())
    assert isinstance(net.layers[0].fc, nn.Identity)
    with pytest.raises(AttributeError, match="nope"):
        net.get_submodule("layers.nope")
    with pytest.raises(AttributeError, match=r"not an nn\.Parameter"):
        net.get_parameter("head.in_features")
    with pytest.raises(AttributeError, match="not a buffer"):
        net.get_buffer("head.weight")
    with pytest.raises(AttributeError, match="nope"):
        net.set_submodule("nope", nn.Identity(), strict=True)


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")


def test_freezing_and_zero_grad():
    net = Net()
    net(framework.ones(2, 3)).sum().backward()
    gradient = net.head.weight.grad
    net.zero_grad(set_to_none=False)
    assert net.head.weight.grad is not None and float(net.head.weight.grad.abs().sum()) == 0
    assert gradient is not None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_apply_visits_children_first():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "Block", "Linear", "Block", "ModuleList", "Linear", "Net"]


@pytest.mark.parametrize(
    ("convert", "dtype"),
    [
        (lambda m: m.double(), framework.float64),
        (lambda m: m.half(), framework.float16),
        (lambda m: m.bfloat16(), framework.bfloat16),
        (lambda m: m.to(framework.float64), framework.float64),
        (lambda m: m.to("cpu", framework.float64), framework.float64),
        (lambda m: m.to(dtype=framework.float16), framework.float16),
        (lambda m: m.to(framework.ones(1).double()), framework.float64),
        (lambda m: m.half().float(), framework.float32),
    ],
)
def test_conversions_keep_the_objects(convert, dtype):
    block = Block()
    block.register_buffer("count", framework.tensor(3))
    weight = block.fc.weight
    block(framework.ones(1, 3)).sum().backward()
    assert convert(block) is block
    assert block.fc.weight is weight and weight.dtype == dtype and weight.grad.dtype == dtype
    assert block.steps.dtype == dtype and block.count.dtype == framework.int64


def test_to_refuses_integer_dtypes_and_unknown_arguments():
    with pytest.raises(TypeError, match="floating point or complex"):
        Block().to(framework.int64)
    with pytest.raises(TypeError, match="speed"):
        Block().to(speed=1)


def test_to_memory_format_reaches_4d_parameters():
    m = nn.Module()
    m.weight = nn.Parameter(framework.randn(4, 3, 2, 2))
    m.to(memory_format=framework.channels_last)
    assert m.weight.is_contiguous(memory_format=framework.channels_last)


def test_deepcopy_is_independent_and_keeps_ties():
    net = Net()
    net.layers[1].fc.weight = net.layers[0].fc.weight
    other = copy.deepcopy(net)
    assert other.layers[0].fc.weight is other.layers[1].fc.weight
    assert other.head.weight is not net.head.weight and other.head.weight.requires_grad
    with framework.no_grad():
        other.head.weight.fill_(7)
    assert float(net.head.weight.abs().max()) < 7


def test_pickle_round_trip():
    layer = nn.Linear(2, 2)
    again = pickle.loads(pickle.dumps(layer))
    assert isinstance(again.weight, nn.Parameter)
    np.testing.assert_array_equal(again.weight.detach().numpy(), layer.weight.detach().numpy())


def test_repr_shows_the_tree():
    assert repr(Net()) == (
        "Net(\n"
        "  (layers): ModuleList(\n"
        "    (0-1): 2 x Block(\n"
        "      (fc): Linear(in_features=3, out_features=3, bias=True)\n"
        "    )\n"
        "  )\n"
        "  (head): Linear(in_features=3, out_features=2, bias=True)\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"


def test_dir_lists_what_is_registered():
    assert {"head", "layers", "training"} <= set(dir(Net()))
    assert {"weight", "bias"} <= set(dir(nn.Linear(1, 1)))


def test_parameter_shares_memory_and_is_a_leaf():
    t = framework.ones(2) * 2
    p = nn.Parameter(t)
    assert p.is_leaf and p.requires_grad and isinstance(p, framework.Tensor)
    with framework.no_grad():
        p.fill_(5)
    assert t.tolist() == [5.0, 5.0]
    assert not nn.Parameter(t, requires_grad=False).requires_grad
    assert nn.Parameter().shape == (0,)
    assert repr(nn.Parameter(framework.ones(1))).startswith("Parameter containing:\ntensor([1.]")
    assert type(p * 2) is framework.Tensor
    with pytest.raises(TypeError, match="expected a Tensor"):
        nn.Parameter([1.0])
    with pytest.raises(RuntimeError, match="floating-point"):
        nn.Parameter(framework.tensor([1]))


def test_lazy_linear_becomes_linear():
    lazy = nn.LazyLinear(3)
    with pytest.raises(RuntimeError, match="shape is not known"):
        _ = lazy.weight.shape
    twin = copy.deepcopy(lazy)
    assert lazy(framework.ones(2, 5)).shape == (2, 3)
    assert type(lazy) is nn.Linear and lazy.weight.shape == (3, 5) and type(lazy.weight) is nn.Parameter
    assert repr(lazy) == "Linear(in_features=5, out_features=3, bias=True)"
    twin.load_state_dict(lazy.state_dict())
    assert twin(framework.ones(2, 5)).tolist() == lazy(framework.ones(2, 5)).tolist()
