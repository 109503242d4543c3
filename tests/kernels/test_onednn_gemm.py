"""oneDNN's matrix products beside NumPy's."""

import numpy as np
import pytest

import framework
from framework.kernels import explain, force
from framework.kernels.generic import gemm as generic

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")


def operand(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def close(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.astype("float32"), expected.astype("float32"), rtol=2e-5, atol=2e-4)


LAYOUTS = {
    "plain": lambda x: x,
    "transposed": lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2),
    "every other column": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "every other row": lambda x: np.repeat(x, 2, axis=-2)[..., ::2, :],
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1, :])[..., ::-1, :],
}
SHAPES = [
    ((3, 5), (5, 7)), ((1, 5), (5, 1)), ((64, 33), (33, 17)), ((0, 5), (5, 7)), ((3, 0), (0, 7)), ((3, 5), (5, 0)),
    ((2, 3, 5), (5, 7)), ((2, 3, 5), (2, 5, 7)), ((2, 1, 3, 5), (4, 5, 7)), ((5, 7), (2, 3, 7, 4)), ((0, 3, 5), (0, 5, 7)),
]  # fmt: skip


@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("a, b", SHAPES)
def test_products_are_numpys(a, b, left, right):
    from framework.kernels.onednn import gemm

    a, b = LAYOUTS[left](operand(*a)), LAYOUTS[right](operand(*b, seed=1))
    close(gemm.matmul(a, b), generic.matmul(a, b))


def test_heads_cut_out_of_rows_are_read_where_they_are():
    from framework.kernels.onednn import gemm

    rows = operand(2, 9, 3, 8)
    q, k = rows.transpose(0, 2, 1, 3), rows.transpose(0, 2, 3, 1)
    assert gemm._operand(q) is q
    assert gemm._operand(k) is k
    close(gemm.matmul(q, k), q @ k)


@pytest.mark.parametrize(
    "activation",
    [None, ("relu",), ("leaky_relu", 0.2), ("hardtanh", 0.0, 6.0), ("gelu", False), ("gelu", True), ("silu",),
     ("hardswish",), ("hardsigmoid",), ("mish",)],
)  # fmt: skip
@pytest.mark.parametrize("bias", [False, True])
def test_linear_with_bias_and_activation_in_one_pass(activation, bias):
    from framework.kernels.onednn import gemm

    x, w, b = operand(13, 21), operand(34, 21, seed=1), operand(34, seed=2) if bias else None
    close(gemm.linear(x, w, b, activation), generic.linear(x, w, b, activation))


def test_sixteen_bit_products_are_rounded_once():
    from framework.kernels.onednn import gemm
    from framework.kernels.onednn.plans import BFLOAT16, has_bfloat16

    if not has_bfloat16():
        pytest.skip("the processor has no bfloat16")
    a, b = operand(40, 50).astype(BFLOAT16), operand(50, 30, seed=1).astype(BFLOAT16)
    np.testing.assert_allclose(
        gemm.matmul(a, b).astype("float32"), generic.matmul(a, b).astype("float32"), rtol=8e-3, atol=8e-3
    )


def test_gradients_through_the_layer_agree():
    layer = framework.nn.Linear(200, 160)
    x = framework.randn(64, 200, requires_grad=True)
    found = {}
    for name in ("onednn", "generic"):
        with force(name):
            x.grad = layer.weight.grad = layer.bias.grad = None
            layer(x).pow(2).sum().backward()
            found[name] = [t.grad.numpy().copy() for t in (x, layer.weight, layer.bias)]
    for a, b in zip(*found.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 7, 12, 13])
def test_a_few_rows_are_not_repacked(rows, bias):
    from framework.kernels.onednn import gemm

    x, weight, bias = operand(rows, 300)[:, :290], operand(500, 290, seed=1), operand(500, seed=2) if bias else None
    assert gemm._takes_few(x, weight.T) == (rows < 13)
    close(gemm.linear(x, weight, bias), generic.linear(x, weight, bias))
    if rows == 2:
        assert explain("gemm", x, weight.T).startswith("gemm: onednn")
        close(gemm.matmul(x.reshape(2, 1, 290), weight.T), generic.matmul(x.reshape(2, 1, 290), weight.T))


@pytest.mark.parametrize(
    "a, b, words",
    [
        (np.ones((200, 200)), np.ones((200, 200)), "float32"),
        (operand(4, 4), operand(4, 4), "too small"),
        (operand(4000000), operand(4000000), "a vector"),
        (operand(3, 2, 500), operand(3, 500, 500).swapaxes(1, 2), "too few rows"),
    ],
)
def test_explain_says_why_numpy_serves(a, b, words):
    text = explain("gemm", a, b)
    assert text.startswith("gemm: generic")
    assert words in text


@pytest.mark.parametrize("layout", ["plain", "transposed", "every other column", "every other row"])
def test_precision_modes_keep_to_their_bounds(layout):
    from framework.kernels.onednn.precision import multiplies_bfloat16

    a, b = LAYOUTS[layout](operand(300, 280)), LAYOUTS[layout](operand(280, 270, seed=1))
    bias = operand(270, seed=2)
    exact = a.astype("float64") @ b.astype("float64") + bias
    try:
        for precision, bound in (("highest", 1e-6), ("high", 1e-3), ("medium", 5e-3)):
            framework.set_float32_matmul_precision(precision)
            found = framework.nn.functional.linear(*(framework.from_numpy(v) for v in (a, b.T, bias))).numpy()
            error = abs(found - exact).max() / abs(exact).max()
            assert error < bound
            assert precision != "medium" or not multiplies_bfloat16() or error > 1e-5  # the mode is in use
    finally:
        framework.set_float32_matmul_precision("highest")
