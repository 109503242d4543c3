"""Joining and taking apart, call by call against PyTorch; their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from tests.ops.calls import agree

JOINED = [
    "F.cat([F.zeros(1,2),F.ones(1,2,dtype=F.int64)])",
    "F.cat((F.zeros(0),F.ones(1,2)))",
    "F.cat([F.zeros(2),F.zeros(1,2)])",
    "F.cat([F.tensor(1)])",
    "F.cat([])",
    "F.cat([F.zeros(1,2),F.zeros(1,2)],axis=1).shape",
    "F.cat(tensors=[F.zeros(2)],dim=-1)",
    "F.cat(F.zeros(2))",
    "F.cat([F.zeros(2),1])",
    "F.concat([F.zeros(2),F.ones(1)])",
    "F.stack([F.zeros(2),F.ones(2)],1)",
    "F.stack([F.zeros(2),F.ones(2)],-1).stride()",
    "F.stack([F.zeros(2),F.ones(3)])",
    "F.stack([F.ones(1),F.ones(1,dtype=F.int64)])",
    "F.hstack((F.tensor(1),F.tensor(2)))",
    "F.hstack((F.zeros(2,1),F.zeros(2,2))).shape",
    "F.vstack((F.zeros(2),F.ones(2)))",
    "F.dstack((F.zeros(2),F.zeros(2))).shape",
    "F.column_stack((F.arange(2),F.zeros(2,2)))",
    "F.row_stack((F.zeros(2),F.ones(2)))",
    "F.block_diag(F.ones(2),F.tensor(3.),F.ones(2,1,dtype=F.int64))",
    "F.block_diag()",
    'F.meshgrid(F.arange(2),F.arange(3),indexing="ij")',
    'F.meshgrid([F.arange(2),F.arange(3)],indexing="xy")',
    "F.meshgrid(F.arange(2),F.arange(3.))",
    "F.cartesian_prod(F.arange(2),F.arange(3))",
    "F.cartesian_prod(F.arange(2))",
    "F.combinations(F.arange(3))",
    "F.combinations(F.arange(3),r=2,with_replacement=True)",
    "F.combinations(F.arange(3),0)",
    "F.atleast_1d(F.tensor(1))",
    "F.atleast_2d(F.arange(2),F.tensor(1))",
    "F.atleast_3d(F.arange(2)).shape",
]

APART = [
    "F.arange(6).split(4)",
    "F.split(F.arange(6),[1,5])",
    "F.arange(6).split([1,2])",
    "F.arange(6).split(split_size=2)",
    "F.split(F.arange(6),split_size_or_sections=3,dim=0)",
    "F.arange(6).chunk(4)",
    "F.arange(5).chunk(3)",
    "F.zeros(0,2).chunk(3)",
    "F.arange(7).tensor_split(3)",
    "F.arange(7).tensor_split((2,4))",
    "F.arange(7).tensor_split(F.tensor([1,3]))",
    "F.tensor_split(F.arange(4),sections=2)",
    "F.tensor_split(F.arange(4),indices=(1,))",
    "F.zeros(2,4).hsplit(2)",
    "F.zeros(4,2).vsplit([1])",
    "F.zeros(4).vsplit(2)",
    "F.zeros(3).hsplit(2)",
    "F.zeros(2,3).unbind(1)",
    "F.tensor(1).unbind()",
    "F.unbind(F.zeros(2),dim=0)",
]


@pytest.mark.parametrize("call", JOINED + APART)
def test_call_agrees_with_pytorch(call):
    agree(call)


DIFFERENTIABLE = {
    "cat": lambda a, b: framework.cat([a, b, a], 1),
    "stack": lambda a, b: framework.stack([a, a * 2], -1).sum(0) + b.sum(),
    "hstack": lambda a, b: framework.hstack([a, b]),
    "column_stack": lambda a, b: framework.column_stack([a[:, 0], b]),
    "block_diag": lambda a, b: framework.block_diag(a, b),
    "meshgrid": lambda a, b: framework.meshgrid(a[0], b[0], indexing="xy"),
    "cartesian_prod": lambda a, b: framework.cartesian_prod(a[0], b[1]),
    "combinations": lambda a, b: framework.combinations(a[0]) * b.sum(),
    "chunk": lambda a, b: a.chunk(2, 1)[0] * b.tensor_split(2)[0],
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name):
    generator = np.random.default_rng(1)
    a = framework.tensor(generator.standard_normal((2, 3))).requires_grad_()
    b = framework.tensor(generator.standard_normal((2, 2))).requires_grad_()
    assert gradcheck(DIFFERENTIABLE[name], (a, b))
    assert gradgradcheck(lambda x, y: DIFFERENTIABLE[name](x * x, y * y), (a, b))


def test_unused_parts_get_zero_gradient():
    x = framework.arange(4.0).requires_grad_()
    x.split(1)[2].sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("dtype", [framework.float16, framework.bfloat16])
def test_half_precision_stays(dtype):
    x = framework.ones(2, dtype=dtype)
    assert framework.cat([x, x]).dtype is dtype
    assert framework.stack([x, x]).dtype is dtype
    assert framework.cat([x, framework.ones(2)]).dtype is framework.float32


def test_cat_keeps_channels_last_memory():
    x = framework.zeros(1, 2, 3, 3).contiguous(memory_format=framework.channels_last)
    assert framework.cat([x, x], 1).is_contiguous(memory_format=framework.channels_last)


def test_cat_into_out():
    out = framework.empty(0)
    assert framework.cat([framework.ones(2), framework.zeros(1)], out=out) is out
    assert out.tolist() == [1, 1, 0]


def test_cat_names_the_shapes_that_differ():
    with pytest.raises(RuntimeError, match=r"tensor 0 has shape \(2, 3\), tensor 1 \(2, 4\)"):
        framework.cat([framework.zeros(2, 3), framework.zeros(2, 4)])
