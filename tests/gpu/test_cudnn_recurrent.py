"""cuDNN's recurrent nets beside the generic kernels, on a library of their interface in the host's memory."""

import copy
import ctypes

import numpy as np
import pytest

import framework
from framework import dtypes
from framework.kernels import registry
from framework.kernels.cudnn import recurrent, rnn_library
from framework.kernels.generic import recurrent as generic
from tests.gpu.conftest import forget_kernels
from tests.gpu.host import compiled, fake_cupy
from tests.gpu.host.fake_array import waits

MODES = ["RNN_TANH", "RNN_RELU", "LSTM", "GRU"]
LAYERS = {"RNN_TANH": framework.nn.RNN, "LSTM": framework.nn.LSTM, "GRU": framework.nn.GRU}
EVEN, SHRINKING = (3,) * 5, (4, 4, 2, 1, 1)


@pytest.fixture
def cudnn(monkeypatch):
    """The stand-in of the library, in use on the stand-in of CuPy's arrays."""
    path = compiled.library("cudnn_rnn_stand_in")
    monkeypatch.setattr(rnn_library, "path", lambda: path)
    caches = (recurrent._weights, recurrent._plan, recurrent._turn, recurrent._refused)
    forget = (rnn_library._found.forget, *(cache.cache_clear for cache in caches))
    for cleared in forget:
        cleared()
    stand_in = ctypes.CDLL(path)
    stand_in.stand_in_refuse(-1)
    recurrent._unserved.clear()
    with fake_cupy.installed() as cupy:
        monkeypatch.setitem(registry.LIBRARIES, "cuda", {})  # beside it the generic kernels alone
        forget_kernels()
        monkeypatch.setitem(registry._tables, ("recurrent", "cuda"), [recurrent, generic])
        stand_in.cupy = cupy
        yield stand_in
        for cleared in forget:
            cleared()
        rnn_library._handles._of.clear()
        recurrent._unserved.clear()
        forget_kernels()


def numbers(*shape, kind="float32", seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 0.5).astype(kind)


def close(found, expected, kind="float32"):
    tolerance = {"float64": 1e-11, "float16": 4e-3, "bfloat16": 3e-2}.get(np.dtype(kind).name, 2e-5)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        if other is None:
            assert one is None
            continue
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        scale = max(1.0, float(np.abs(other.astype("float64")).max()))
        np.testing.assert_allclose(one.get().astype("float64"), other.astype("float64"), atol=tolerance * scale)


def layer_of(mode, kind="float32", features=4, hidden=3, projected=None, biased=True, sizes=EVEN, seed=0):
    """What a kernel's ``forward`` takes: x, the states, and the weights, None for those that are not there."""
    gates, out = generic_gates(mode), hidden if projected is None else projected
    draws = iter(range(seed, seed + 20))

    def draw(*shape):
        return numbers(*shape, kind=kind, seed=next(draws))

    x, h0 = draw(sum(sizes), features), draw(sizes[0], out)
    c0 = draw(sizes[0], hidden) if mode == "LSTM" else None
    weights = [draw(gates * hidden, features), draw(gates * hidden, out)]
    weights += [draw(gates * hidden), draw(gates * hidden)] if biased else [None, None]
    return [x, h0, c0, *weights, None if projected is None else draw(projected, hidden)]


def generic_gates(mode):
    return {"LSTM": 4, "GRU": 3}.get(mode, 1)


def on_device(arrays):
    cupy = fake_cupy.MODULE
    return [None if a is None else cupy.asarray(a) for a in arrays]


def both(mode, inputs, sizes, reverse, kind, needs=(True,) * 8):
    """Forward and backward by cuDNN's stand-in and by the generic kernels."""
    expected, state = generic.forward(mode, *inputs, sizes, reverse)
    given = on_device(inputs)
    assert recurrent.declines(*given, mode=mode, sizes=sizes) is None
    found, ours = recurrent.forward(mode, *given, sizes, reverse)
    close(found, expected, kind)
    gradients = [numbers(*y.shape, kind=kind, seed=50 + i) for i, y in enumerate(expected)]
    there = [has and bool(need) for has, need in zip((a is not None for a in inputs), needs, strict=True)]
    wanted = generic.backward(mode, state, there, gradients, *inputs)
    for _ in range(2):  # the second time what the forward pass left is used up
        got = recurrent.backward(mode, ours, there, on_device(gradients), *given)
        close(got, [w.astype(kind) if has else None for w, has in zip(wanted, there, strict=True)], kind)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", [EVEN, SHRINKING, (1, 1), (2, 1)], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_a_layer(cudnn, mode, sizes, reverse, biased):
    both(mode, layer_of(mode, "float64", sizes=sizes, biased=biased), sizes, reverse, "float64")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [t.numpy for t in (dtypes.float16, dtypes.bfloat16, dtypes.float32)], ids=str)
def test_types(cudnn, mode, kind):
    both(mode, layer_of(mode, kind), EVEN, False, kind)


@pytest.mark.parametrize("sizes", [EVEN, SHRINKING], ids=str)
@pytest.mark.parametrize("biased", [False, True])
def test_projection(cudnn, sizes, biased):
    inputs = layer_of("LSTM", hidden=5, projected=2, biased=biased, sizes=sizes)
    both("LSTM", inputs, sizes, True, "float32")


def test_only_what_is_wanted_is_given(cudnn):
    needs = (False, True, False, True, False, False, True, True)
    both("LSTM", layer_of("LSTM", hidden=5, projected=2), EVEN, False, "float32", needs)
    inputs = on_device(layer_of("GRU"))
    _, state = recurrent.forward("GRU", *inputs, EVEN, False)
    found = recurrent.backward("GRU", state, [True] + [False] * 7, (inputs[1].sum() + 0 * state.y, None), *inputs)
    assert [g is None for g in found] == [False] + [True] * 7


def test_missing_gradients_are_zeros(cudnn):
    inputs = layer_of("LSTM")
    there = [a is not None for a in inputs]
    (_, h, _), state = generic.forward("LSTM", *inputs, EVEN, False)
    given = on_device(inputs)
    _, ours = recurrent.forward("LSTM", *given, EVEN, False)
    gh = numbers(*h.shape, seed=9)
    found = recurrent.backward("LSTM", ours, there, (None, *on_device([gh]), None), *given)
    close(found, generic.backward("LSTM", state, there, (None, gh, None), *inputs))


def test_inference_keeps_nothing(cudnn):
    inputs = layer_of("GRU")
    found, state = recurrent.forward("GRU", *on_device(inputs), EVEN, False, False)
    assert state is None
    close(found, generic.forward("GRU", *inputs, EVEN, False)[0])


def net_of(mode, device=None, **options):
    framework.manual_seed(3)
    net = (
        framework.nn.RNN(4, 3, nonlinearity="relu", **options) if mode == "RNN_RELU" else LAYERS[mode](4, 3, **options)
    )
    return net if device is None else copy.deepcopy(net).to(device)


def run(net, x, device, **packing):
    x = x.detach().to(device).requires_grad_()
    given = framework.nn.utils.rnn.pack_padded_sequence(x, **packing) if packing else x
    y, last = net(given)
    y = y.data if packing else y
    last = last if isinstance(last, tuple) else (last,)
    weight = framework.arange(y.numel(), dtype=framework.float32).reshape(y.shape).to(device) % 7
    ((y * weight).sum() + sum((s * s).sum() for s in last)).backward()
    return [t.detach().cpu() for t in (y, *last, x.grad, *(p.grad for p in net.parameters()))]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layers, both_ways, biased", [(1, True, True), (2, False, True), (3, True, False)])
@pytest.mark.parametrize(
    "packing", [{}, {"lengths": [5, 4, 2]}, {"lengths": [2, 5, 3], "enforce_sorted": False}], ids=str
)
def test_whole_nets(cudnn, mode, layers, both_ways, biased, packing):
    options = {"num_layers": layers, "bidirectional": both_ways, "bias": biased}
    x = framework.tensor(numbers(5, 3, 4))
    expected = run(net_of(mode, **options), x, "cpu", **packing)
    found = run(net_of(mode, "cuda", **options), x, "cuda", **packing)
    for one, other in zip(found, expected, strict=True):
        framework.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_projected_net_batch_first(cudnn):
    options = {"num_layers": 2, "bidirectional": True, "proj_size": 2, "batch_first": True}
    x = framework.tensor(numbers(3, 5, 4))
    found, expected = (run(net_of("LSTM", d, **options), x, d or "cpu") for d in ("cuda", None))
    for one, other in zip(found, expected, strict=True):
        framework.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_net_is_one_call_and_one_a_layer_with_dropout(cudnn, monkeypatch):
    counts = []
    real = recurrent.net_forward
    monkeypatch.setattr(recurrent, "net_forward", lambda *a: counts.append(a[6]) or real(*a))
    monkeypatch.setattr(framework.ops.recurrent, "drop", lambda x, p, train: x * p)  # the same on both devices
    x = framework.tensor(numbers(5, 3, 4))
    for dropout, training, expected in ((0.0, True, [3]), (0.5, True, [1, 1, 1]), (0.5, False, [3])):
        options = {"num_layers": 3, "bidirectional": True, "dropout": dropout}
        given = run(net_of("LSTM", **options).train(training), x, "cpu")
        counts.clear()
        found = run(net_of("LSTM", "cuda", **options).train(training), x, "cuda")
        assert counts == expected
        for one, other in zip(found, given, strict=True):
            framework.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_gradients_of_gradients(cudnn):
    def twice(device):
        net = net_of("GRU", device, num_layers=2, bidirectional=True)
        x = framework.tensor(numbers(4, 2, 4)).to(device or "cpu").requires_grad_()
        y, _ = net(x)
        (gx,) = framework.autograd.grad((y * y).sum(), x, create_graph=True)
        (gx * gx).sum().backward()
        return [x.grad.cpu(), *(p.grad.cpu() for p in net.parameters())]

    for one, other in zip(twice("cuda"), twice(None), strict=True):
        framework.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "kind, precision, math",
    [
        ("float32", "highest", rnn_library.FMA_MATH), ("float32", "high", rnn_library.DEFAULT_MATH),
        ("float64", "high", rnn_library.DEFAULT_MATH), ("float16", "highest", rnn_library.TENSOR_OP_MATH),
    ],
)  # fmt: skip
def test_precision(cudnn, kind, precision, math):
    framework.set_float32_matmul_precision(precision)
    try:
        recurrent.forward("GRU", *on_device(layer_of("GRU", kind)), EVEN, False)
    finally:
        framework.set_float32_matmul_precision("highest")
    assert cudnn.stand_in_math() == math


@pytest.mark.parametrize(
    "mode, kind, hidden, features, sizes, training, algorithm",
    [
        ("LSTM", "float32", 128, 4, (2, 2), True, rnn_library.PERSIST_STATIC_SMALL_H),
        ("LSTM", "float32", 129, 4, (2, 2), True, rnn_library.STANDARD),
        ("LSTM", "float32", 129, 4, (2, 2), False, rnn_library.PERSIST_STATIC_SMALL_H),
        ("RNN_TANH", "float32", 200, 4, (2, 2), True, rnn_library.PERSIST_STATIC_SMALL_H),
        ("LSTM", "float32", 8, 4, (2, 1), True, rnn_library.STANDARD),
        ("LSTM", "float64", 8, 4, (2, 2), True, rnn_library.STANDARD),
        ("LSTM", "float16", 256, 128, (8, 8), True, rnn_library.PERSIST_STATIC),
        ("LSTM", "float16", 256, 100, (8, 8), True, rnn_library.STANDARD),
        ("LSTM", "float16", 256, 128, (9, 9), True, rnn_library.STANDARD),
        ("GRU", "float16", 256, 128, (8, 8), True, rnn_library.STANDARD),
        ("LSTM", "bfloat16", 256, 128, (8, 8), True, rnn_library.STANDARD),
    ],
)
def test_algorithms(cudnn, mode, kind, hidden, features, sizes, training, algorithm):
    handle, dtype = rnn_library.current(), dtypes.as_dtype(getattr(framework, kind)).numpy
    net = (mode, dtype, features, hidden, hidden, 1, 1, True)
    if sizes[0] == sizes[-1]:
        assert recurrent._algorithm(handle, sizes[0], training, *net[:-1]) == algorithm
    if hidden < 10:
        recurrent.forward(mode, *on_device(layer_of(mode, kind, features, hidden, sizes=sizes)), sizes, False)
        assert cudnn.stand_in_algorithm() == algorithm


def test_a_refused_algorithm_makes_room_for_the_standard_one(cudnn):
    inputs = layer_of("GRU")
    cudnn.stand_in_refuse(rnn_library.PERSIST_STATIC_SMALL_H)
    for _ in range(2):
        found, _ = recurrent.forward("GRU", *on_device(inputs), EVEN, False)
        assert cudnn.stand_in_algorithm() == rnn_library.STANDARD
        close(found, generic.forward("GRU", *inputs, EVEN, False)[0])
    assert len(recurrent._unserved) == 1
    cudnn.stand_in_refuse(rnn_library.STANDARD)
    with pytest.raises(rnn_library.CudnnError, match=r"cudnnRNNForward: status 3000 \(NOT_SUPPORTED\): .*generic"):
        recurrent.forward("GRU", *on_device(inputs), EVEN, False)


def test_what_it_leaves_to_others(cudnn):
    given = on_device(layer_of("LSTM"))

    def words(arrays=given, sizes=EVEN):
        return recurrent.declines(*arrays, mode="LSTM", sizes=sizes)

    assert words() is None
    assert words(sizes=(3,)) == "a single step"
    assert words(sizes=()) == "an empty sequence"
    assert words([given[0].astype("int32"), *given[1:]]) == "cuDNN has no recurrent nets of int32"
    assert words([*given[:5], given[5].astype("float64"), *given[6:]]) == "arrays of several types"
    assert words([given[0][:, :0], *given[1:]]) == "an empty sequence or state"
    with framework.backends.cudnn.flags(enabled=False):
        assert "enabled" in words()


def test_nothing_waits_for_the_device(cudnn):
    given = on_device(layer_of("LSTM", sizes=SHRINKING))
    waits.clear()
    (y, h, c), state = recurrent.forward("LSTM", *given, SHRINKING, False)
    recurrent.backward("LSTM", state, [True] * 8, (y, h, c), *given)
    assert waits == []


def test_without_the_library_it_says_what_to_install(monkeypatch):
    def absent():
        raise ImportError("No module named 'cuda'")

    monkeypatch.setattr(rnn_library, "path", absent)
    rnn_library._found.forget()
    try:
        assert "pip install nvidia-cudnn-cu13" in rnn_library.why_not()
        with pytest.raises(RuntimeError, match="No module named 'cuda'"):
            rnn_library.library()
    finally:
        rnn_library._found.forget()


def test_a_type_that_this_cudnn_refuses_is_left_to_others(cudnn, monkeypatch):
    def refuse(*_):
        raise rnn_library.CudnnError("cudnnSetRNNDescriptor_v8", 3007)

    x, h, w = (
        framework.zeros(*shape, dtype=framework.bfloat16, device="cuda").array for shape in ((4, 8), (1, 2, 8), (32, 8))
    )
    arguments = (x, h, h, w, w, None, None, None, "LSTM", (2, 2))
    assert recurrent.declines(*arguments) is None
    recurrent._refused.cache_clear()
    monkeypatch.setattr(recurrent, "_descriptor", refuse)
    assert "status 3007" in recurrent.declines(*arguments)
