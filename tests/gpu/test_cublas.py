"""cuBLAS's products beside the generic kernels', on a library of its interface in the host's memory."""

import copy
import ctypes

import numpy as np
import pytest

import framework
from framework import dtypes
from framework.kernels import registry
from framework.kernels.cublas import gemm, library, plans
from framework.kernels.generic import gemm as generic
from framework.kernels.per_thread import buffers
from tests.gpu.conftest import forget_kernels
from tests.gpu.host import compiled, fake_cupy
from tests.gpu.host.fake_array import ndarray, waits

KINDS = [t.numpy for t in (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.complex64)]
NAMES = [kind.name for kind in KINDS]


def placed(x):
    """An array on the device that lies as x does; CuPy's asarray would close its gaps."""
    return ndarray._over(x)


@pytest.fixture
def blas(monkeypatch):
    """The stand-in of the libraries, in use on the stand-in of CuPy's arrays."""
    path = compiled.library("cublas_stand_in")
    monkeypatch.setattr(library, "paths", lambda: (path, path))
    library._found.forget()
    stand_in = ctypes.CDLL(path)
    stand_in.stand_in_calls.restype = ctypes.c_char_p
    stand_in.stand_in_refuse(0)
    with fake_cupy.installed() as cupy:
        monkeypatch.setitem(registry.LIBRARIES, "cuda", {})  # beside it the generic kernels alone
        forget_kernels()
        monkeypatch.setitem(registry._tables, ("gemm", "cuda"), [gemm, generic])
        stand_in.cupy, stand_in.asarray = cupy, placed
        stand_in.stand_in_forget()
        yield stand_in
        library._found.forget()
        library._handles._of.clear()
        forget_kernels()


def calls(blas):
    """What was called since it was last asked for, setting streams left out."""
    found = [name for name in blas.stand_in_calls().decode().split() if name != "stream"]
    blas.stand_in_forget()
    return found


def numbers(*shape, kind="float32", seed=0):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(shape)
    if np.dtype(kind).kind == "c":
        x = x + 1j * generator.standard_normal(shape)
    return x.astype(kind)


def close(found, expected, kind=None):
    kind = np.dtype(kind or expected.dtype)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    wide = "complex128" if kind.kind == "c" else "float64"
    tolerance = {"float64": 1e-12, "float16": 2e-3, "bfloat16": 1.6e-2}.get(kind.name, 2e-5)
    np.testing.assert_allclose(found.get().astype(wide), expected.astype(wide), rtol=tolerance, atol=8 * tolerance)


LAYOUTS = {
    "plain": lambda x: x,
    "transposed": lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2),
    "rows apart": lambda x: np.concatenate([x, x], -1)[..., : x.shape[-1]],
    "columns apart": lambda x: (
        np.concatenate([x, x], -2).swapaxes(-1, -2).copy().swapaxes(-1, -2)[..., : x.shape[-2], :]
    ),
    "every other column": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "every other row": lambda x: np.repeat(x, 2, axis=-2)[..., ::2, :],
    "upside down": lambda x: np.ascontiguousarray(x[..., ::-1, :])[..., ::-1, :],
    "one row": lambda x: np.broadcast_to(x[..., :1, :], x.shape),
    "one column": lambda x: np.broadcast_to(x[..., :1], x.shape),
}
COPIED = {"every other column", "upside down", "one row", "one column"}
SHAPES = [
    ((3, 5), (5, 7)), ((1, 5), (5, 1)), ((17, 11), (11, 13)), ((0, 5), (5, 7)), ((3, 0), (0, 7)), ((3, 5), (5, 0)),
    ((2, 3, 5), (5, 7)), ((2, 3, 5), (2, 5, 7)), ((2, 1, 3, 5), (4, 5, 7)), ((5, 7), (2, 3, 7, 4)), ((0, 3, 5), (0, 5, 7)),
    ((4, 1, 5), (5, 7)), ((2, 3, 1, 5), (5, 1)), ((3, 1), (1, 4)), ((2, 3, 2, 3, 5), (3, 1, 5, 2)), ((1, 3, 5), (4, 5, 2)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("left", LAYOUTS)
def test_products_of_any_strides(blas, shapes, left):
    for right in LAYOUTS:
        a, b = LAYOUTS[left](numbers(*shapes[0])), LAYOUTS[right](numbers(*shapes[1], seed=1))
        close(gemm.matmul(blas.asarray(a), blas.asarray(b)), np.matmul(a, b))


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
@pytest.mark.parametrize("shapes", [((17, 11), (11, 13)), ((3, 5, 4), (3, 4, 2)), ((2, 3, 5, 4), (3, 4, 2))], ids=str)
def test_products_of_any_type(blas, shapes, kind):
    for layout in ("plain", "transposed"):
        a, b = LAYOUTS[layout](numbers(*shapes[0], kind=kind)), numbers(*shapes[1], kind=kind, seed=1)
        close(gemm.matmul(blas.asarray(a), blas.asarray(b)), generic.matmul(a, b))


@pytest.mark.parametrize(
    "shapes",
    [((5,), (5,)), ((3, 5), (5,)), ((5,), (5, 4)), ((2, 3, 5), (5,)), ((5,), (2, 5, 4)), ((0,), (0,))],
    ids=str,
)
def test_vectors(blas, shapes):
    for step in (1, 2, -1):
        a, b = (numbers(*(n * abs(step) for n in shape), seed=i) for i, shape in enumerate(shapes))
        a, b = (x[tuple(slice(None, None, step) for _ in x.shape)] for x in (a, b))
        close(gemm.matmul(blas.asarray(a), blas.asarray(b)), np.asarray(np.matmul(a, b)))


def arrays(blas, *shapes):
    return [blas.asarray(numbers(*shape, seed=i)) for i, shape in enumerate(shapes)]


def heads(x, count):
    """(B, T, H * D) as the (B, H, T, D) view that attention multiplies."""
    return x.reshape(x.shape[0], x.shape[1], count, -1).transpose(0, 2, 1, 3)


@pytest.mark.parametrize(
    "view, expected",
    [
        (lambda a, b: (a, b), ["strided"]),
        (lambda a, b: (a, b[0]), ["gemm"]),  # one matrix of all rows
        (lambda a, b: (a[:, :1], b[0]), ["gemm"]),  # rows of their own, at equal distances
        (lambda a, b: (a.swapaxes(1, 2), b[0].swapaxes(0, 1).copy().swapaxes(0, 1)[:6]), ["strided"]),
        (lambda a, b: (a[:, :, :6], b[:, 1:7]), ["strided"]),
        (lambda a, b: (a[::-1], b), ["strided"]),
        (lambda a, b: (a.reshape(2, 4, 6, 9), b[:4]), ["strided", "strided"]),
        (lambda a, b: (a[0].T, b[0, :6]), ["gemm"]),
    ],
)
def test_which_call_serves_without_a_copy(blas, monkeypatch, view, expected):
    a, b = view(*arrays(blas, (8, 6, 9), (8, 9, 7)))
    monkeypatch.setattr(plans, "copies", lambda *_: pytest.fail("an operand was copied"))
    close(gemm.matmul(a, b), np.matmul(a.get(), b.get()))
    assert calls(blas) == expected


@pytest.mark.parametrize("batch, expected", [(3, ["strided"] * 3), (12, ["batched"])])
def test_attentions_heads_are_multiplied_where_they_lie(blas, monkeypatch, batch, expected):
    q, k, v = (heads(x, 6) for x in arrays(blas, *[(batch, 5, 48)] * 3))
    monkeypatch.setattr(plans, "copies", lambda *_: pytest.fail("an operand was copied"))
    scores = gemm.matmul(q, k.swapaxes(-1, -2))
    close(scores, np.matmul(q.get(), k.get().swapaxes(-1, -2)))
    close(gemm.matmul(scores, v), np.matmul(scores.get(), v.get()))
    assert calls(blas) == expected * 2
    if batch == 12:  # again from other addresses
        other = heads(blas.asarray(numbers(batch, 5, 48, seed=9)), 6)
        close(gemm.matmul(scores, other), np.matmul(scores.get(), other.get()))


def test_tensor_cores_get_no_uneven_addresses(blas):
    """cuBLAS can't look at addresses that lie in the GPU's memory; a stride it sees."""
    half = np.dtype("float16")
    for width, expected in ((48, ["batched"]), (60, ["strided"] * 6)):  # heads of 8 and of 10 numbers, 16 and 20 bytes
        q, k = (heads(blas.asarray(numbers(12, 8, width, kind=half, seed=i)), 6) for i in range(2))
        close(gemm.matmul(q, k.swapaxes(-1, -2)), generic.matmul(q.get(), k.get().swapaxes(-1, -2)))
        assert calls(blas) == expected
    shifted = heads(
        blas.asarray(numbers(12, 8, 56, kind=half))[..., 4:52], 6
    )  # the first of them begins within a vector
    close(gemm.matmul(shifted, shifted.swapaxes(-1, -2)), generic.matmul(shifted.get(), shifted.get().swapaxes(-1, -2)))
    assert calls(blas) == ["strided"] * 6
    rows = heads(blas.asarray(numbers(12, 5, 60)), 6)
    gemm.matmul(rows, rows.swapaxes(-1, -2))
    assert calls(blas) == ["batched"]  # float32 that is not rounded


@pytest.mark.parametrize(
    "left, right", [(left, right) for left in LAYOUTS for right in ("plain", "every other column")]
)
def test_only_what_lies_unevenly_is_copied(blas, monkeypatch, left, right):
    a, b = (blas.asarray(LAYOUTS[way](numbers(6, 8, 8, seed=i))) for i, way in enumerate((left, right)))
    copied = []
    real = plans.copies
    monkeypatch.setattr(plans, "copies", lambda h, which, *x: copied.extend(which) or real(h, which, *x))
    gemm.matmul(a, b)
    assert [*copied, False, False][:2] == [left in COPIED, right in COPIED]


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
@pytest.mark.parametrize(
    "activation", [None, ("relu",), ("gelu", True), ("gelu", False), ("hardtanh", -1.0, 1.0)], ids=str
)
@pytest.mark.parametrize("biased", [False, True])
def test_linear(blas, kind, activation, biased):
    if kind.kind == "c" and activation:
        pytest.skip("no activation of complex numbers")
    x, weight, bias = numbers(17, 11, kind=kind), numbers(13, 11, kind=kind, seed=1), numbers(13, kind=kind, seed=2)
    expected = generic.linear(x, weight, bias if biased else None, activation)
    given = [blas.asarray(v) for v in (x, weight, bias)]
    close(gemm.linear(*given[:2], given[2] if biased else None, activation), expected)
    fused = kind.kind != "c" and (biased or activation in (("relu",), ("gelu", True)))
    assert calls(blas)[:1] == (["lt"] if fused else ["gemm"])
    blas.stand_in_refuse(2 | 4 | 32)
    library._handles._of.clear()
    close(gemm.linear(*given[:2], given[2] if biased else None, activation), expected)
    assert "lt" not in calls(blas)


@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_linear_of_any_strides(blas, left, right):
    x, weight, bias = LAYOUTS[left](numbers(6, 5)), LAYOUTS[right](numbers(7, 5, seed=1)), numbers(14, seed=2)[::2]
    given = [blas.asarray(v) for v in (x, weight, bias)]
    expected = x @ weight.T + bias
    for _ in range(2):  # the second from the plan that was kept
        close(gemm.linear(*given), expected)


@pytest.mark.parametrize("shape", [(0, 3, 2), (4, 0, 2), (4, 3, 0), (1, 1, 1), (1, 300, 2)], ids=str)
def test_linear_of_small_and_empty_matrices(blas, shape):
    rows, inner, columns = shape
    x, weight, bias = numbers(rows, inner), numbers(columns, inner, seed=1), numbers(columns, seed=2)
    close(gemm.linear(*(blas.asarray(v) for v in (x, weight, bias))), x @ weight.T + bias)


def test_a_plan_takes_another_bias(blas):
    x, weight, first, second = arrays(blas, (4, 3), (5, 3), (5,), (5,))
    for bias in (first, second, first):
        close(gemm.linear(x, weight, bias), x.get() @ weight.get().T + bias.get())


@pytest.mark.parametrize("offset", [0, 1, 2, 4])
def test_less_aligned_operands_have_plans_of_their_own(blas, offset):
    memory = blas.asarray(numbers(4 * 8 + 5 * 8 + 5 + 12))
    x, weight = memory[offset : offset + 32].reshape(4, 8), memory[40:80].reshape(5, 8)
    bias = memory[80 + offset : 85 + offset]
    close(gemm.linear(x, weight, bias), x.get() @ weight.get().T + bias.get())


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
@pytest.mark.parametrize("refuse", [0, 512])
@pytest.mark.parametrize("layout", ["plain", "transposed", "every other column"])
def test_gradients_of_weight_and_bias(blas, kind, refuse, layout):
    blas.stand_in_refuse(refuse)
    g, x = LAYOUTS[layout](numbers(17, 5, kind=kind)), numbers(17, 7, kind=kind, seed=1)
    gw, gb = gemm.weight_gradients(blas.asarray(g), blas.asarray(x))
    wide = "complex128" if kind.kind == "c" else "float64"
    close(gw, generic.matmul(g.T, x))
    close(gb, g.astype(wide).sum(0).astype(kind))
    expected = ["lt"] if not refuse and kind.kind != "c" else ["gemm", "gemm"]
    assert calls(blas) == expected


def test_gradients_of_no_rows(blas):
    gw, gb = gemm.weight_gradients(*arrays(blas, (0, 5), (0, 7)))
    assert gw.shape == (5, 7)
    assert not gw.get().any()
    assert gb.shape == (5,)
    assert not gb.get().any()


@pytest.mark.parametrize("precision, exact", [("highest", True), ("high", False), ("medium", False)])
def test_float32_rounds_to_tf32_where_it_may(blas, precision, exact):
    a, b, bias = numbers(9, 64), numbers(64, 9, seed=1), np.zeros(9, "float32")
    framework.set_float32_matmul_precision(precision)
    try:
        found = gemm.matmul(blas.asarray(a), blas.asarray(b)).get()
        added = gemm.linear(blas.asarray(a), blas.asarray(b.T.copy()), blas.asarray(bias)).get()
        double = gemm.matmul(blas.asarray(a.astype("float64")), blas.asarray(b.astype("float64"))).get()
    finally:
        framework.set_float32_matmul_precision("highest")
    right = a.astype("float64") @ b.astype("float64")
    np.testing.assert_allclose(double, right, rtol=1e-12)
    for result in (found, added):
        assert (np.abs(result - right).max() < 2e-5) == exact
        np.testing.assert_allclose(result, right, atol=0.02)


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4), (4,)], ids=str)
def test_a_layer_and_its_gradients(blas, shape):
    """The op calls the fused forms, and comes to no generic kernel."""
    framework.manual_seed(0)
    net = framework.nn.Linear(4, 5)

    def run(device):
        layer = copy.deepcopy(net).to(device)
        x = framework.tensor(numbers(*shape)).to(device).requires_grad_()
        y = layer(x)
        (y * y).sum().backward()
        return [t.detach().cpu() for t in (y, x.grad, layer.weight.grad, layer.bias.grad)]

    registry.reset_fallbacks()
    found = run("cuda")
    assert not [why for why in registry.fallbacks() if why[0] == "gemm"]
    assert calls(blas) == ["lt", "gemm", "lt"]
    for one, other in zip(found, run("cpu"), strict=True):
        framework.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", KINDS[:2], ids=NAMES[:2])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_the_generic_kernel_keeps_16_bit_types_from_cupys_product(blas, kind, shapes):
    a, b = (numbers(*shape, kind=kind, seed=i) for i, shape in enumerate(shapes))
    close(generic.matmul(blas.cupy.asarray(a), blas.cupy.asarray(b)), generic.matmul(a, b))


def test_the_generic_kernel_multiplies_integers_without_waiting(blas):
    a, b = np.arange(60 * 50).reshape(60, 50) % 17, np.arange(50 * 70).reshape(50, 70) % 13
    given = blas.asarray(a), blas.asarray(b)
    waits.clear()
    found = generic.matmul(*given)
    assert waits == []
    np.testing.assert_array_equal(found.get(), a @ b)


def test_integers_are_left_to_the_generic_kernel(blas):
    a = blas.asarray(np.arange(6).reshape(2, 3))
    assert gemm.declines(a, a.T) == "cuBLAS has no products of int64"
    assert gemm.declines(*arrays(blas, (2, 3), (3, 2))) is None


def test_a_stream_has_its_workspace_and_is_set_once(blas):
    a, b = arrays(blas, (3, 4), (4, 5))
    for _ in range(3):
        gemm.matmul(a, b)
    assert blas.stand_in_calls().decode().split().count("stream") == 1
    first = library.current().workspace
    with blas.cupy.cuda.Stream(non_blocking=True):
        close(gemm.matmul(a, b), a.get() @ b.get())
        assert library.current().workspace != first
    close(gemm.matmul(a, b), a.get() @ b.get())
    assert library.current().workspace == first
    assert blas.stand_in_calls().decode().split().count("stream") == 3
    streams = [blas.cupy.cuda.Stream(non_blocking=True) for _ in range(library.STREAMS + 2)]
    for stream in streams:
        with stream:
            gemm.matmul(a, b)
    assert len(library.current()._workspaces) == library.STREAMS
    assert [buffer.data.ptr for buffer in buffers()] == [library.current().workspace]  # which a captured graph keeps


def test_each_thread_has_its_handle(blas):
    import threading

    found = [library.current()]
    thread = threading.Thread(target=lambda: found.append(library.current()))
    thread.start()
    thread.join()
    assert found[0] is library.current()
    assert found[1] is not found[0]


def test_plans_are_bounded(blas, monkeypatch):
    monkeypatch.setattr(plans, "KEPT", 3)
    for rows in range(2, 9):
        gemm.linear(*arrays(blas, (rows, 4), (5, 4), (5,)))
    kept = library.current().fused
    assert len(kept) == 3
    assert next(reversed(kept))[0] == (8, 4)


def test_a_refused_call_says_which_and_why(blas):
    with pytest.raises(library.CublasError, match=r"cublasSetMathMode: .*EXECUTION_FAILED.*CUDA_LAUNCH_BLOCKING"):
        raise library.CublasError("cublasSetMathMode", 13)
    plan = plans.product((3, 4), (16, 4), (4, 5), (20, 4), np.dtype("float32"), False)
    plan._left = (plan._left[0], 1)  # rows of four closer together than four
    with pytest.raises(library.CublasError, match=r"cublasGemmEx: .*INVALID_VALUE"):
        plan.run(library.current(), *arrays(blas, (3, 4), (4, 5)))


def test_without_the_library_it_says_what_to_install(monkeypatch):
    def absent():
        raise ImportError("No module named 'cuda'")

    monkeypatch.setattr(library, "paths", absent)
    library._found.forget()
    try:
        assert "pip install nvidia-cublas" in library.why_not()
        with pytest.raises(RuntimeError, match="No module named 'cuda'"):
            library.library()
    finally:
        library._found.forget()


def test_nothing_waits_for_the_device(blas):
    g, x, weight, bias = arrays(blas, (12, 5), (12, 7), (5, 7), (5,))
    q = heads(blas.asarray(numbers(12, 5, 48)), 6)
    gemm.matmul(q, q.swapaxes(-1, -2))  # whose offsets go to the device once
    waits.clear()
    gemm.linear(x, weight, bias, ("relu",))
    gemm.weight_gradients(g, x)
    gemm.matmul(q, q.swapaxes(-1, -2))
    assert waits == []
