"""Products of a few rows by a weight at rest, which oneDNN reads from a copy in its own order."""

import gc

import numpy as np
import pytest

import framework
from framework import kernels, nn
from framework.kernels import registry
from framework.ops.matmul import linear_turned

pytestmark = pytest.mark.skipif("onednn" not in kernels.libraries(), reason="oneDNN is not installed")


@pytest.fixture
def packed():
    registry.table("gemm")
    from framework.kernels.onednn import packed

    return packed


def layer(inner=300, columns=257, bias=True):
    return nn.Linear(inner, columns, bias=bias)


def copies(weight):
    """How many copies of a weight are kept."""
    return sum(isinstance(value, np.ndarray) for value in weight._made[2].values())


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 33, 48])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_same_product(packed, rows, bias):
    one, x = layer(300, 1031, bias), framework.randn(rows, 300)
    with framework.no_grad():
        first = one(x)  # nothing is kept yet
        for _ in range(3):
            again = one(x)
        assert copies(one.weight) == 1 and packed._room[0] < packed.ROOM
        np.testing.assert_allclose(again.numpy(), first.numpy(), rtol=1e-5, atol=2e-5)
        wide = x.double().numpy() @ one.weight.detach().double().numpy().T
        wide += one.bias.detach().double().numpy() if bias else 0
        np.testing.assert_allclose(again.numpy(), wide, rtol=1e-4, atol=2e-5)


def test_many_rows_keep_nothing(packed):
    one, x = layer(), framework.randn(64, 300)
    with framework.no_grad():
        for _ in range(3):
            one(x)
    assert not one.weight._made or not one.weight._made[2]


def test_one_copy_serves_all_counts_of_rows(packed):
    one = layer()
    with framework.no_grad():
        for rows in (4, 4, 4, 7, 30):
            one(framework.randn(rows, 300))
    assert copies(one.weight) == 1


def test_weights_that_lie_the_other_way_round(packed):
    weight, bias = nn.Parameter(framework.randn(300, 257)), nn.Parameter(framework.randn(257))
    x = framework.randn(2, 5, 300)
    expected = x.detach().numpy() @ weight.detach().clone().numpy() + bias.detach().clone().numpy()
    with framework.no_grad():
        for _ in range(3):
            y = linear_turned(x, weight, bias)
    assert copies(weight) == 1
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-4)
    trained = linear_turned(x, weight, bias)
    trained.sum().backward()
    np.testing.assert_allclose(trained.detach().numpy(), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(weight.grad.numpy()[:, 0], x.numpy().sum((0, 1)), rtol=1e-4, atol=1e-4)


def test_a_step_of_training_is_seen(packed):
    one, x = layer(), framework.randn(4, 300)
    with framework.no_grad():
        for _ in range(3):
            one(x)
    one(x).sum().backward()
    framework.optim.SGD(one.parameters(), lr=1.0).step()
    with framework.no_grad():
        for _ in range(3):
            np.testing.assert_allclose(
                one(x).numpy(), x.numpy() @ one.weight.array.copy().T + one.bias.array, rtol=1e-4, atol=1e-4
            )


def test_room_is_bounded_and_given_back(packed, monkeypatch):
    monkeypatch.setattr(packed, "_room", [400_000])
    big, small, x = layer(), layer(300, 230), framework.randn(4, 300)
    with framework.no_grad():
        for _ in range(3):
            big(x), small(x)
        assert big.weight._made[2] and not small.weight._made[2]
        left = packed._room[0]
        del big
        gc.collect()
        assert packed._room[0] == 400_000 > left
        expected = x.numpy() @ small.weight.array.copy().T + small.bias.array
        np.testing.assert_allclose(small(x).numpy(), expected, rtol=1e-4, atol=1e-4)
    assert small.weight._made[2]
