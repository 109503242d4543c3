"""The kernels seam: choosing, forcing and explaining implementations."""

from __future__ import annotations

import types

import pytest

import framework as F
from framework import kernels
from framework.kernels import registry


@pytest.fixture
def doubled():
    """A gemm implementation that serves square matrices only, and gives twice the product so that it shows."""
    kernel = types.SimpleNamespace(
        NAME="doubled",
        declines=lambda a, b, **_: None if a.shape == b.shape else f"shapes {a.shape} and {b.shape} differ",
        matmul=lambda a, b: 2 * (a @ b),
    )
    kernels.register("gemm", kernel)
    yield kernel
    registry.table("gemm").remove(kernel)


def test_the_first_that_does_not_decline_serves(doubled):
    square, long = F.eye(2), F.ones(2, 3)
    assert (square @ square).tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert (square @ long).tolist() == [[1.0] * 3] * 2


def test_forcing_the_generic_kernels(doubled):
    with kernels.force("generic"):
        assert (F.eye(2) @ F.eye(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert (F.eye(2) @ F.eye(2)).tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_explain_says_which_and_why(doubled):
    assert kernels.explain("gemm", F.eye(2), F.eye(2)).splitlines()[0] == "gemm: doubled"
    said = kernels.explain("gemm", F.eye(2), F.ones(2, 3))
    assert "gemm: generic" in said and "doubled: shapes (2, 2) and (2, 3) differ" in said
    with kernels.force("generic"):
        assert "doubled: generic is forced" in kernels.explain("gemm", F.eye(2), F.eye(2))


def test_names():
    assert set(kernels.families()) >= {"gemm", "conv", "pool", "norm", "optimizer"}
    assert "generic" in kernels.libraries()
    with pytest.raises(ValueError, match="no family 'gem'"):
        kernels.choose("gem")


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_every_family_has_a_generic_implementation(family):
    kernel = registry.table(family)[-1]
    assert kernel.NAME == "generic" and kernel.__doc__
