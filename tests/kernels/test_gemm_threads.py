"""Large products of other types than oneDNN's are shared among threads too."""

import numpy as np
import pytest

import framework
from framework.kernels import threads
from framework.kernels.generic import gemm


@pytest.mark.parametrize(
    "a, b",
    [
        ((230, 220), (220, 240)), ((1, 4000), (4000, 3000)), ((5, 130, 140), (5, 140, 150)), ((7, 130, 140), (140, 150)),
        ((1, 300, 200), (6, 200, 300)), ((4, 1, 130, 140), (3, 140, 150)), ((3, 230, 220), (1, 220, 240)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["float64", "complex64"])
def test_shared_products_are_numpys(a, b, kind):
    framework.kernels.libraries()  # loads the threads where there are any
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal(s).astype(kind) for s in (a, b))
    with threads.limited(3):
        found = gemm.matmul(a, b)
    expected = np.matmul(a, b)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-4 if kind == "complex64" else 1e-10, atol=1e-3)
