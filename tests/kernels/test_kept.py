"""What kernels make of a weight is kept while the weight does not change, and never when it may have changed unseen."""

import copy

import numpy as np
import pytest

import framework
from framework import nn
from framework.ops.kept import kept

LAST = framework.channels_last


def layer():
    """A convolution that was used often enough for what is made of its weight to be kept."""
    conv = nn.Conv2d(16, 16, 3, bias=False)
    with framework.no_grad():
        for _ in range(3):
            conv(PICTURE)
    return conv


PICTURE = framework.randn(1, 16, 9, 9).to(memory_format=LAST)


def copied_in(conv):
    conv.load_state_dict({"weight": framework.zeros(16, 16, 3, 3)})


def by_optimizer(conv):
    conv.weight.grad = conv.weight.detach().clone()
    framework.optim.SGD(conv.parameters(), lr=1.0).step()


def through_a_view(conv):
    conv.weight[:].zero_()


WRITES = {
    "zero_": lambda conv: conv.weight.zero_(),
    "load_state_dict": copied_in,
    "an optimizer's step": by_optimizer,
    "a view": through_a_view,
    "detach()": lambda conv: conv.weight.detach().zero_(),
    "data": lambda conv: conv.weight.data.zero_(),
    "data replaced": lambda conv: setattr(conv.weight, "data", framework.zeros(16, 16, 3, 3)),
    "numpy()": lambda conv: conv.weight.detach().numpy().fill(0),
    "numpy.asarray": lambda conv: np.asarray(conv.weight.detach()).fill(0),
    "DLPack": lambda conv: np.from_dlpack(conv.weight.detach()).fill(0),
    "the parameter replaced": lambda conv: setattr(conv, "weight", nn.Parameter(framework.zeros(16, 16, 3, 3))),
    "init": lambda conv: nn.init.zeros_(conv.weight),
    "state_dict's tensors": lambda conv: conv.state_dict()["weight"].zero_(),
}


@pytest.mark.parametrize("how", WRITES)
def test_a_write_is_seen(how):
    conv = layer()
    with framework.no_grad():
        assert conv(PICTURE).abs().sum() > 0
        WRITES[how](conv)
        for _ in range(3):
            assert conv(PICTURE).abs().sum() == 0


def test_a_write_through_memory_held_from_before_is_seen():
    memory = np.zeros((16, 16, 3, 3), "float32")
    conv = nn.Conv2d(16, 16, 3, bias=False)
    conv.weight = nn.Parameter(framework.from_numpy(memory))
    with framework.no_grad():
        for value in (1.0, 2.0, 3.0):
            memory.fill(value)
            np.testing.assert_allclose(conv(framework.ones(1, 16, 3, 3)).numpy().reshape(-1), [144 * value] * 16)


def test_it_is_kept_from_the_second_use_on_and_only_for_weights_at_rest():
    conv = nn.Conv2d(16, 16, 3)
    assert kept(conv.weight) is None
    place = kept(conv.weight)
    assert place == {}
    assert kept(conv.weight) is place
    held = conv.weight.detach()
    assert kept(conv.weight) is None  # as long as somebody else holds the memory
    del held
    assert kept(conv.weight) is place
    assert kept(copy.deepcopy(conv).weight) is None
    with framework.no_grad():
        conv.weight.add_(1)
    assert kept(conv.weight) is None
    assert kept(conv.weight) == {}


def test_nothing_is_kept_in_training():
    conv = nn.Conv2d(16, 16, 3)
    for _ in range(3):
        conv(PICTURE).sum().backward()
    assert conv.weight._made is None


def test_channels_last_weights_are_kept_while_nobody_else_holds_their_memory():
    conv = nn.Conv2d(16, 16, 3).to(memory_format=LAST)
    kept(conv.weight)
    assert kept(conv.weight) == {}
    view = conv.weight.detach()[0]
    assert kept(conv.weight) is None
    del view
    assert kept(conv.weight) == {}
