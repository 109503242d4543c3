"""Views share memory, and writes through them keep gradients right or are refused."""

from __future__ import annotations

import numpy as np
import pytest

import framework

VIEWS = {
    "view": lambda x: x.view(4, 3),
    "reshape": lambda x: x.reshape(2, 6),
    "flatten": lambda x: x.flatten(),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "ravel": lambda x: x.ravel(),
    "permute": lambda x: x.permute(1, 0),
    "transpose": lambda x: x.transpose(0, 1),
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "movedim": lambda x: x.movedim(0, 1),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "squeeze": lambda x: x.squeeze(),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(0, 1),
    "index": lambda x: x[1:, ::2],
    "unfold": lambda x: x.unfold(1, 2, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (4, 1), 1),
    "diagonal": lambda x: x.diagonal(),
    "chain": lambda x: x.T[1:].reshape(3, 3, 1).squeeze(-1).diagonal(),
    "view_as": lambda x: x.view_as(framework.zeros(6, 2)),
    "tensor_split": lambda x: x.tensor_split(2)[1],
    "real": lambda x: x.real,
    "detach": lambda x: x.detach(),
}
SEVERAL = {
    "split": lambda x: x.split(2, 1)[1],
    "chunk": lambda x: x.chunk(2, 0)[0],
    "unbind": lambda x: x.unbind(0)[2],
}
COPIES = {
    "clone": lambda x: x.clone(),
    "flip": lambda x: x.flip(0),
    "roll": lambda x: x.roll(1),
    "repeat": lambda x: x.repeat(1, 1),
    "index_list": lambda x: x[[0, 1]],
    "mask": lambda x: x[x > -1],
    "reshape_of_transposed": lambda x: x.T.reshape(12),
    "diag": lambda x: x.diag(),
    "tril": lambda x: x.tril(),
    "cat": lambda x: framework.cat([x]),
    "narrow_copy": lambda x: x.narrow_copy(0, 0, 2),
}


def base():
    return framework.arange(12.0).reshape(3, 4).clone()


@pytest.mark.parametrize("name", [*VIEWS, *SEVERAL])
def test_views_share_memory_both_ways(name):
    x = base()
    view = {**VIEWS, **SEVERAL}[name](x)
    assert view.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    x.add_(1)
    expected = {**VIEWS, **SEVERAL}[name](x.clone())
    assert framework.equal(view, expected)
    view.fill_(-7)
    assert framework.equal({**VIEWS, **SEVERAL}[name](x), framework.full_like(view, -7))


@pytest.mark.parametrize("name", COPIES)
def test_copies_do_not(name):
    x = base()
    copy = COPIES[name](x)
    copy.fill_(-7)
    assert framework.equal(x, base())


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "detach"])
def test_gradients_through_a_write_into_a_view(name):
    torch = pytest.importorskip("torch")
    grads = []
    for library in (framework, torch):
        leaf = library.tensor((np.arange(12.0) / 7).reshape(3, 4)).requires_grad_()
        factor = library.tensor(3.0, dtype=library.float64).requires_grad_()
        x = leaf * 1
        view = _view(name, x, library)
        view.mul_(factor)
        (x * x).sum().backward()
        grads.append((leaf.grad.numpy(), factor.grad.item()))
    np.testing.assert_allclose(grads[0][0], grads[1][0])
    assert grads[0][1] == pytest.approx(grads[1][1])


def _view(name, x, library):
    return x.view_as(library.zeros(6, 2)) if name == "view_as" else VIEWS[name](x)


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "detach"])
def test_a_view_taken_before_a_write_follows_its_base(name):
    torch = pytest.importorskip("torch")
    grads = []
    for library in (framework, torch):
        leaf = library.tensor((np.arange(12.0) / 7).reshape(3, 4)).requires_grad_()
        x = leaf * 1
        view = _view(name, x, library)
        x.mul_(2)
        (view * view).sum().backward()
        grads.append(leaf.grad.numpy())
    np.testing.assert_allclose(*grads)


def test_copy_through_views_sends_gradients_to_the_source():
    x, source = framework.zeros(3, 4), framework.ones(3, requires_grad=True)
    x[:, 1].copy_(source * 2)
    x.sum().backward()
    assert source.grad.tolist() == [2, 2, 2]
    assert x.requires_grad and x.grad_fn is not None


@pytest.mark.parametrize("name", SEVERAL)
def test_one_of_several_views_refuses_a_write_that_needs_a_gradient(name):
    x = base().requires_grad_() * 1
    with pytest.raises(RuntimeError, match="one of several"):
        SEVERAL[name](x).mul_(2)


def test_writes_that_damage_the_graph_are_refused():
    leaf = base().requires_grad_()
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.add_(1)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        leaf[0].add_(1)
    with framework.no_grad():
        leaf[0].add_(1)
    x = leaf * 1
    y = x * x
    x[0].zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_versions_are_shared():
    x = base()
    view = x.view(-1)
    before = x._version
    view.add_(1)
    assert x._version == view._version == before + 1
    assert view._base is x and x._base is None


def test_expanded_memory_refuses_writes():
    with pytest.raises(RuntimeError, match="single memory location"):
        framework.zeros(1, 3).expand(2, 3).add_(1)


def test_unsafe_split_parts_are_no_views():
    x = base().requires_grad_() * 1
    part = framework.unsafe_split(x, 2, 1)[0]
    assert part._base is None
    part.mul_(2)


def test_views_in_place_change_the_tensor_itself():
    leaf = base().requires_grad_()
    x = leaf * 2
    x.t_().unsqueeze_(0)
    assert x.shape == (1, 4, 3)
    x[0, 1].sum().backward()
    assert leaf.grad.tolist() == [[0, 2, 0, 0]] * 3


def test_storage_and_offsets():
    x = base()
    view = x[1:, 2:]
    assert view.storage_offset() == 6 and view.stride() == (4, 1)
    assert x.untyped_storage().nbytes() == 48
    assert x.view(framework.int32).dtype is framework.int32
    assert x.is_set_to(x.view(3, 4)) and not x.is_set_to(view)
