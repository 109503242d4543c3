"""Containers of modules and parameters: list and dict methods, names, and what is refused."""

from collections import OrderedDict

import pytest

import framework
from framework import nn


def ids(count):
    return [nn.Identity() for _ in range(count)]


def test_sequential_runs_in_order_and_names_its_parts():
    a, b = nn.Linear(2, 3), nn.Linear(3, 4)
    net = nn.Sequential(a, nn.ReLU(), b)
    x = framework.randn(5, 2)
    assert framework.equal(net(x), b(a(x).relu()))
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    named = nn.Sequential(OrderedDict(first=a, last=b))
    assert named.first is a and next(iter(named.state_dict())) == "first.weight"
    assert len(net) == 3 and list(net)[2] is b and net[-1] is b


def test_sequential_as_a_list():
    a, b, c, d = ids(4)
    s = nn.Sequential(a, b)
    assert s.append(c) is s and list(s) == [a, b, c]
    assert list(s.insert(1, d)) == [a, d, b, c]
    assert list(s.insert(-1, a)) == [a, d, b, a, c]
    assert s.pop(3) is a and list(s) == [a, d, b, c] and list(s._modules) == ["0", "1", "2", "3"]
    assert list(s.extend([a])) == [a, d, b, c, a]
    assert type(s[1:3]) is nn.Sequential and list(s[1:3]) == [d, b] and list(s[1:3]._modules) == ["1", "2"]
    del s[1:3]
    assert list(s) == [a, c, a]
    del s[-1]
    s[0] = d
    assert list(s) == [d, c]
    assert list(s + nn.Sequential(a)) == [d, c, a]
    s += nn.Sequential(b)
    assert list(s) == [d, c, b]
    assert list(nn.Sequential(a) * 3) == [a, a, a] and list(2 * nn.Sequential(a, b)) == [a, b, a, b]
    s *= 2
    assert list(s) == [d, c, b, d, c, b]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda s: s[2], IndexError, "index 2 is out of range"),
        (lambda s: s[-3], IndexError, "index -3 is out of range"),
        (lambda s: s.__add__([1]), ValueError, "another Sequential"),
        (lambda s: s * 0, ValueError, "positive int"),
        (lambda s: s * "2", TypeError, "int only"),
        (lambda s: s.insert(5, nn.Identity()), IndexError, "index out of range"),
        (lambda s: s.insert(0, 3), AssertionError, "module should be"),
        (lambda s: s.append(3), TypeError, "not a Module"),
    ],
)
def test_sequential_refuses(act, error, message):
    with pytest.raises(error, match=message):
        act(nn.Sequential(*ids(2)))


def test_module_list():
    a, b, c = ids(3)
    m = nn.ModuleList([a, b])
    assert m.append(c) is m and m[2] is c and m[-1] is c and len(m) == 3
    m.insert(0, c)
    assert list(m) == [c, a, b, c] and list(m._modules) == list("0123")
    assert m.pop(0) is c and list(m) == [a, b, c]
    assert list(m[:2]) == [a, b] and type(m[:2]) is nn.ModuleList
    m.extend([a])
    m += [b]
    assert list(m) == [a, b, c, a, b] and list(m.__add__([c])) == [a, b, c, a, b, c]
    m[1] = c
    del m[0]
    assert list(m) == [c, c, a, b]
    assert repr(nn.ModuleList()) == "ModuleList()"
    assert repr(nn.ModuleList([a, b, nn.ReLU()])) == "ModuleList(\n  (0-1): 2 x Identity()\n  (2): ReLU()\n)"
    with pytest.raises(TypeError, match="iterable"):
        m.extend(3)
    with pytest.raises(NotImplementedError):
        m(1)


def test_module_dict():
    a, b, c = ids(3)
    m = nn.ModuleDict({"x": a, "y": b})
    assert list(m) == ["x", "y"] and "x" in m and m["y"] is b and len(m) == 2
    assert list(m.keys()) == ["x", "y"] and list(m.values()) == [a, b] and dict(m.items()) == {"x": a, "y": b}
    m["z"] = c
    m.update([("x", c)])
    m.update(nn.ModuleDict({"w": a}))
    assert list(m) == ["x", "y", "z", "w"] and m["x"] is c
    assert m.pop("y") is b and "y" not in m
    del m["z"]
    assert list(m) == ["x", "w"]
    m.clear()
    assert len(m) == 0
    with pytest.raises(TypeError, match="key/value"):
        m.update(3)
    with pytest.raises(ValueError, match="2 is required"):
        m.update([("x", a, b)])
    with pytest.raises(KeyError):
        _ = m["nope"]


def test_parameter_list():
    p = nn.ParameterList([framework.ones(2), nn.Parameter(framework.zeros(3))])
    assert all(isinstance(v, nn.Parameter) for v in p) and list(p.state_dict()) == ["0", "1"]
    p.append(framework.ones(1)).extend([framework.ones(4)])
    p += [framework.ones(5)]
    assert len(p) == 5 and p[-1].shape == (5,) and type(p[1:3]) is nn.ParameterList and len(p[1:3]) == 2
    p[0] = framework.ones(7)
    assert p[0].shape == (7,)
    p.append("text")
    assert p[5] == "text"
    assert repr(nn.ParameterList([framework.ones(2, 3)])) == (
        "ParameterList(  (0): Parameter containing: [framework.float32 of size 2x3])"
    )
    with pytest.raises(IndexError):
        _ = p[9]
    with pytest.raises(RuntimeError, match="should not be called"):
        p(1)
    with pytest.raises(TypeError, match="iterable"):
        p.extend(framework.ones(2))


def test_parameter_dict():
    p = nn.ParameterDict({"a": framework.ones(2)})
    p["b"] = nn.Parameter(framework.zeros(3))
    assert list(p) == ["a", "b"] and isinstance(p["a"], nn.Parameter) and list(p.state_dict()) == ["a", "b"]
    p.update({"c": framework.ones(1)})
    assert [k for k, _ in p.items()] == ["a", "b", "c"] and len(list(p.values())) == 3
    assert p.setdefault("d", framework.ones(4)) is p["d"] and p.get("zz", 5) == 5
    assert list(reversed(p)) == ["d", "c", "b", "a"]
    popped = p.pop("a")
    assert popped.shape == (2,) and "a" not in p and not hasattr(p, "a")
    assert p.popitem()[0] == "d"
    merged = p | nn.ParameterDict({"z": framework.ones(1)})
    assert list(merged) == ["b", "c", "z"] and list(p) == ["b", "c"] and merged["b"] is p["b"]
    p |= nn.ParameterDict({"q": framework.ones(1)})
    assert "q" in p
    assert list(nn.ParameterDict.fromkeys(["x", "y"], framework.ones(1))) == ["x", "y"]
    p.clear()
    assert len(p) == 0 and list(p.parameters()) == []
    with pytest.raises(KeyError):
        _ = p["b"]
    with pytest.raises(TypeError, match="strings"):
        p[3] = framework.ones(1)
