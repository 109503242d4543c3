"""``functional_call``, ``skip_init`` and batch-norm fusion."""

import numpy as np
import pytest

import framework
from framework import nn
from framework.nn import utils
from framework.nn.utils.stateless import functional_call


def test_functional_call_uses_the_given_tensors():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    w = framework.ones(2, 2, requires_grad=True)
    own = net[0].weight
    y = functional_call(net, {"0.weight": w, "0.bias": framework.zeros(2)}, framework.tensor([[1.0, 2.0]]))
    assert y.tolist() == [[3.0, 3.0]] and net[0].weight is own
    y.sum().backward()
    assert w.grad.tolist() == [[1.0, 2.0], [1.0, 2.0]] and own.grad is None
    parts = ({"0.weight": w}, {"0.bias": framework.ones(2)})
    assert functional_call(net, parts, (framework.ones(1, 2),)).tolist() == [[3.0, 3.0]]
    assert functional_call(net, {}, kwargs={"input": framework.ones(1, 2)}).shape == (1, 2)


def test_tied_weights_move_together():
    net = nn.Module()
    net.a, net.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    net.b.weight = net.a.weight
    net.forward = lambda x: net.b(net.a(x))
    w = framework.eye(2) * 2
    assert functional_call(net, {"a.weight": w}, framework.ones(1, 2)).tolist() == [[4.0, 4.0]]
    apart = functional_call(net, {"a.weight": w, "b.weight": w * 2}, framework.ones(1, 2), tie_weights=False)
    assert apart.tolist() == [[8.0, 8.0]]
    with pytest.raises(ValueError, match="tied"):
        functional_call(net, {"a.weight": w, "b.weight": w * 2}, framework.ones(1, 2))


def test_refusals_leave_the_module_as_it_was():
    net = nn.Linear(2, 2)
    own = net.weight
    with pytest.raises(RuntimeError, match=r"Missing key\(s\): \['bias'\]. Unexpected key\(s\): \['x'\]"):
        functional_call(net, {"weight": own, "x": own}, framework.ones(1, 2), strict=True)
    with pytest.raises(ValueError, match="multiple dictionaries"):
        functional_call(net, ({"weight": own}, {"weight": own}), framework.ones(1, 2))
    with pytest.raises(ValueError, match="dict or a sequence"):
        functional_call(net, 3, framework.ones(1, 2))
    with pytest.raises(TypeError, match="should be a Tensor"):
        functional_call(net, {"bias": framework.zeros(2), "weight": 3}, framework.ones(1, 2))
    with pytest.raises(ValueError, match="linear"):
        functional_call(net, {"weight": framework.ones(2, 5)}, framework.ones(1, 2))
    assert net.weight is own


def test_skip_init_draws_nothing():
    state = framework.get_rng_state()
    layer = utils.skip_init(nn.Linear, 30, 20)
    assert layer.weight.shape == (20, 30) and framework.equal(framework.get_rng_state(), state)
    nn.Linear(2, 2)
    assert not framework.equal(framework.get_rng_state(), state)
    with pytest.raises(RuntimeError, match="'device' arg"):
        utils.skip_init(nn.ReLU)
    with pytest.raises(RuntimeError, match="expected a Module"):
        utils.skip_init(int)


def batch_norm(count, kind):
    bn = kind(count)
    with framework.no_grad():
        for t in (bn.weight, bn.bias, bn.running_mean):
            t.normal_()
        bn.running_var.uniform_(0.5, 2.0)
    return bn.eval()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_fuse_conv_bn(transposed, bias):
    conv = (nn.ConvTranspose2d if transposed else nn.Conv2d)(3, 4, 3, bias=bias).eval()
    bn = batch_norm(4, nn.BatchNorm2d)
    x = framework.randn(2, 3, 6, 6)
    fused = utils.fuse_conv_bn_eval(conv, bn, transpose=transposed)
    np.testing.assert_allclose(fused(x).detach().numpy(), bn(conv(x)).detach().numpy(), rtol=1e-4, atol=1e-4)
    assert fused is not conv and isinstance(fused.bias, nn.Parameter)
    with pytest.raises(AssertionError, match="eval"):
        utils.fuse_conv_bn_eval(conv.train(), bn)


def test_fuse_linear_bn():
    linear, bn = nn.Linear(3, 4).eval(), batch_norm(4, nn.BatchNorm1d)
    x = framework.randn(5, 3)
    fused = utils.fuse_linear_bn_eval(linear, bn)
    np.testing.assert_allclose(fused(x).detach().numpy(), bn(linear(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError, match="num_features"):
        utils.fuse_linear_bn_eval(linear, batch_norm(3, nn.BatchNorm1d))


def test_conv_weights_take_a_memory_format():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(2, 2))
    weight = net[0].weight
    before = weight.detach().clone()
    assert utils.convert_conv2d_weight_memory_format(net, framework.channels_last) is net
    assert net[0].weight is weight and weight.is_contiguous(memory_format=framework.channels_last)
    assert framework.equal(weight, before)
