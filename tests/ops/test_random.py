"""Random numbers: arguments against PyTorch, distributions against their moments, streams against themselves."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import framework
from tests.ops.calls import agree

CALLS = [
    "F.rand(2,dtype=F.int64)",
    "F.randint(3,3,(2,))",
    "F.randperm(0)",
    "F.multinomial(F.tensor([0.,1.]),1)",
    "F.multinomial(F.tensor([0.,1.]),3)",
    "F.bernoulli(F.tensor([0.,1.]))",
    "F.bernoulli(F.tensor([2.]))",
    "F.randint(5,(2,),dtype=F.float32).dtype",
    "F.randint(low=1,high=2,size=(3,))",
    "F.randint(1,2,(3,))",
    "F.randint(1,(3,))",
    "F.normal(0,-1.,(2,))",
    "F.normal(F.zeros(2),F.zeros(2))",
    "F.normal(F.ones(2),0.)",
    "F.normal(2.,F.zeros(2))",
    "F.normal(0.,1.,(2,)).dtype",
    "F.ones(2).uniform_(3,2)",
    "F.ones(2,dtype=F.int64).uniform_()",
    "F.ones(2).bernoulli_(1.0)",
    "F.ones(2).bernoulli_(F.tensor([0.,1.]))",
    "F.ones(2).random_(1)",
    "F.ones(2).random_(5,6)",
    "F.ones(2,dtype=F.bool).random_().dtype",
    "F.ones(2).geometric_(2.)",
    "F.ones(2).exponential_(-1)",
    'F.ones(2).uniform_(to=1,**{"from":1})',
    "F.rand_like(F.ones(2,3).T).stride()",
    "F.randn(2,3,dtype=F.complex64).dtype",
    "F.randint_like(F.ones(2),3,4)",
    "F.randint_like(F.ones(2),1)",
    "F.manual_seed(3).initial_seed()",
    "F.manual_seed(-1).initial_seed()",
    "F.Generator().device",
    "F.poisson(F.zeros(2))",
    "F.randperm(3,dtype=F.float32).dtype",
    "F.get_rng_state().dtype",
    "F.default_generator.device",
]

COUNT = 20000


@pytest.mark.parametrize("call", CALLS)
def test_call_agrees_with_pytorch(call):
    agree(call)


def in_place(name, *args):
    return lambda: getattr(framework.empty(COUNT, dtype=framework.float64), name)(*args)


MOMENTS = {  # draw, mean, deviation
    "rand": (lambda: framework.rand(COUNT), 0.5, 12**-0.5),
    "randn": (lambda: framework.randn(COUNT), 0, 1),
    "randn_half": (lambda: framework.randn(COUNT, dtype=framework.float16), 0, 1),
    "rand_bfloat16": (lambda: framework.rand(COUNT, dtype=framework.bfloat16), 0.498, 12**-0.5),
    "randint": (lambda: framework.randint(2, 8, (COUNT,)), 4.5, (35 / 12) ** 0.5),
    "normal": (lambda: framework.normal(3.0, 2.0, (COUNT,)), 3, 2),
    "normal_tensors": (lambda: framework.normal(framework.full((COUNT,), 3.0), framework.tensor(2.0)), 3, 2),
    "bernoulli": (lambda: framework.bernoulli(framework.full((COUNT,), 0.3)), 0.3, 0.21**0.5),
    "poisson": (lambda: framework.poisson(framework.full((COUNT,), 4.0)), 4, 2),
    "uniform_": (in_place("uniform_", -1, 3), 1, 4 * 12**-0.5),
    "normal_": (in_place("normal_", 1, 3), 1, 3),
    "bernoulli_": (in_place("bernoulli_", 0.25), 0.25, 0.1875**0.5),
    "exponential_": (in_place("exponential_", 2.0), 0.5, 0.5),
    "geometric_": (in_place("geometric_", 0.4), 2.5, 0.6**0.5 / 0.4),
    "random_": (in_place("random_", 0, 10), 4.5, 8.25**0.5),
    "log_normal_": (in_place("log_normal_", 0.0, 0.5), np.exp(0.125), ((np.exp(0.25) - 1) * np.exp(0.25)) ** 0.5),
    "multinomial": (lambda: framework.multinomial(framework.tensor([1.0, 3.0]), COUNT, True), 0.75, 0.1875**0.5),
    "binomial": (lambda: framework.binomial(framework.full((COUNT,), 10.0), framework.tensor(0.5)), 5, 2.5**0.5),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments(name):
    draw, mean, deviation = MOMENTS[name]
    values = draw().double().numpy()
    assert abs(values.mean() - mean) < 5 * deviation / COUNT**0.5
    assert abs(values.std() / deviation - 1) < 0.06


def test_cauchy_quartiles():
    values = framework.empty(COUNT).cauchy_(1.0, 2.0).numpy()
    assert np.allclose(np.quantile(values, [0.25, 0.5, 0.75]), [-1, 1, 3], atol=0.15)


@pytest.mark.parametrize("dtype", [framework.float16, framework.bfloat16, framework.float32, framework.float64])
def test_uniform_numbers_stay_below_one(dtype):
    x = framework.rand(COUNT, dtype=dtype)
    assert x.dtype is dtype and float(x.max()) < 1 and float(x.min()) >= 0


def test_complex_normal_has_unit_variance():
    x = framework.randn(COUNT, dtype=framework.complex64).numpy()
    assert abs((np.abs(x) ** 2).mean() - 1) < 0.05
    assert abs(x.real.var() - 0.5) < 0.05


def test_multinomial_without_replacement_draws_by_weight():
    weights = framework.tensor([[1.0, 2.0, 7.0]]).expand(COUNT, 3)
    drawn = framework.multinomial(weights, 2).numpy()
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert np.allclose(np.bincount(drawn[:, 0], minlength=3) / COUNT, [0.1, 0.2, 0.7], atol=0.02)
    # the second draw is by the weights that are left
    second = drawn[drawn[:, 0] == 2, 1]
    assert abs((second == 1).mean() - 2 / 3) < 0.02
    with pytest.raises(RuntimeError, match="not enough"):
        framework.multinomial(framework.tensor([1.0, 0.0, 0.0]), 2)
    with pytest.raises(RuntimeError, match="nan"):
        framework.multinomial(framework.tensor([1.0, float("nan")]), 1)


def test_randperm_is_a_permutation():
    drawn = framework.randperm(100)
    assert sorted(drawn.tolist()) == list(range(100)) and drawn.tolist() != list(range(100))


def test_seed_repeats_the_stream():
    framework.manual_seed(7)
    first = framework.randn(5)
    framework.manual_seed(7)
    assert framework.equal(framework.randn(5), first)
    assert not framework.equal(framework.randn(5), first)


def test_state_resumes_the_stream():
    framework.rand(3)
    state = framework.get_rng_state()
    assert state.dtype is framework.uint8
    first = (
        framework.randn(4),
        framework.randint(9, (3,), dtype=framework.int32),
        framework.randn(3, dtype=framework.float16),
    )
    framework.set_rng_state(state)
    second = (
        framework.randn(4),
        framework.randint(9, (3,), dtype=framework.int32),
        framework.randn(3, dtype=framework.float16),
    )
    assert all(framework.equal(a, b) for a, b in zip(first, second, strict=True))
    with pytest.raises(RuntimeError, match="wrong size"):
        framework.set_rng_state(state[:8])
    with pytest.raises(TypeError, match="uint8"):
        framework.set_rng_state(framework.zeros(4))


def test_fork_leaves_the_stream_alone():
    framework.manual_seed(1)
    expected = framework.rand(2)
    framework.manual_seed(1)
    with framework.random.fork_rng():
        framework.manual_seed(5)
        framework.rand(10)
    assert framework.equal(framework.rand(2), expected)


GENERATED = {
    "rand": lambda g: framework.rand(6, generator=g),
    "randn": lambda g: framework.randn(6, generator=g),
    "randint": lambda g: framework.randint(100, (6,), generator=g),
    "randperm": lambda g: framework.randperm(9, generator=g),
    "normal": lambda g: framework.normal(framework.zeros(6), 1.0, generator=g),
    "bernoulli": lambda g: framework.bernoulli(framework.full((40,), 0.5), generator=g),
    "multinomial": lambda g: framework.multinomial(framework.ones(20), 5, generator=g),
    "poisson": lambda g: framework.poisson(framework.full((20,), 5.0), generator=g),
    **{
        name: (lambda g, name=name, args=args: getattr(framework.empty(20), name)(*args, generator=g))
        for name, args in {
            "uniform_": (), "normal_": (), "random_": (100,), "bernoulli_": (0.5,), "exponential_": (),
            "geometric_": (0.2,), "cauchy_": (), "log_normal_": (),
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", GENERATED)
def test_generator_argument_is_used(name):
    before = framework.get_rng_state()
    draw = GENERATED[name]
    first, second = draw(framework.Generator().manual_seed(3)), draw(framework.Generator().manual_seed(3))
    other = draw(framework.Generator().manual_seed(4))
    assert framework.equal(first, second) and not framework.equal(first, other)
    assert framework.equal(framework.get_rng_state(), before)


def test_keyed_streams_belong_to_their_thread():
    from framework.random import keyed

    results = {}

    def draw(number):
        with keyed(11, number):
            results[number] = framework.rand(4).tolist()

    threads = [threading.Thread(target=draw, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared = framework.get_rng_state()
    for number in range(4):
        with keyed(11, number):
            assert framework.rand(4).tolist() == results[number]
    assert len({tuple(v) for v in results.values()}) == 4
    assert framework.equal(framework.get_rng_state(), shared)


def test_draws_keep_the_memory_order():
    x = framework.zeros(2, 3, 4, 5).contiguous(memory_format=framework.channels_last)
    assert framework.rand_like(x).stride() == x.stride()


def test_draws_into_a_computed_tensor_end_its_gradient():
    x = framework.ones(3, requires_grad=True)
    y = x * 2
    y.normal_()
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="leaf"):
        x.uniform_()


def test_bernoulli_has_zero_gradient():
    p = framework.full((4,), 0.5, requires_grad=True)
    framework.bernoulli(p).sum().backward()
    assert p.grad.tolist() == [0, 0, 0, 0]
