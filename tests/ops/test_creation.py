"""Making tensors: inference of dtypes, fills, ranges, sharing of memory; call by call against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import framework
from tests.ops.calls import agree

DATA = [
    "1",
    "1.5",
    "True",
    "1j",
    "[1, 2.5]",
    "[True, 2]",
    "[]",
    "[[], []]",
    "(1, 2)",
    "[np.float64(1)]",
    "[np.float32(1), 2]",
    "np.float64(1)",
    "np.int32(3)",
    "np.ones(2, np.float32)",
    "np.ones((2, 2))",
    "[np.ones(2), np.ones(2)]",
    "[[1, 2], [3]]",
    "[1, [2]]",
    "[[1, 2], 3]",
    "'a'",
    "['a']",
    "None",
    "[None]",
    "2**63",
    "[1, 2**64]",
    "range(3)",
    "{1: 2}",
    "1e40",
    "np.array(1, np.uint16)",
    "np.ones(3)[::-1]",
    "bytearray(b'ab')",
    "np.array(['a'])",
    "np.array([None])",
    "[np.int64(1)]",
    "[True, np.bool_(False)]",
    "np.bool_(1)",
    "[[np.float16(1)], [2]]",
    "[[1], [2.5]]",
    "[[[1j]]]",
    "np.zeros((0, 3))",
    "[F.tensor(1), 2.5]",
    "[F.ones(1)]",
    "[F.ones(2)]",
    "F.ones(2, dtype=F.int32)",
    "[[True, False], [1, 0]]",
    "((1, 2.0), (3, 4))",
    "[0.1, 1]",
]

FILLED = [
    "F.Tensor([1,2])",
    "F.Tensor()",
    "F.Tensor(np.ones(2))",
    "F.Tensor(2.5)",
    "F.Tensor((2,3))",
    "F.Tensor(F.ones(2))",
    "F.Tensor(F.ones(2,dtype=F.int64))",
    "F.LongTensor([1.5])",
    "F.FloatTensor([[1,2]])",
    "F.FloatTensor(np.ones(2))",
    "isinstance(F.ones(2),F.FloatTensor)",
    "isinstance(F.ones(2),F.LongTensor)",
    "F.ByteTensor([True])",
    "F.BoolTensor([1,0])",
    "F.full((2,),1)",
    "F.full((2,),1.)",
    "F.full((2,),True)",
    "F.full((2,),1j)",
    "F.full([2],F.tensor(3))",
    "F.full((2,),300,dtype=F.uint8)",
    "F.full((2,),-1,dtype=F.uint8)",
    "F.full((2,),1.5,dtype=F.int64)",
    "F.full(2,1.)",
    "F.zeros(2,3,dtype=F.bool)",
    "F.zeros((2,))",
    "F.zeros([2])",
    "F.zeros(size=(2,3))",
    "F.zeros(())",
    "F.zeros()",
    "F.zeros(-1)",
    "F.zeros(2.5)",
    "F.ones(2,requires_grad=True)",
    "F.ones(2,dtype=F.int64,requires_grad=True)",
    "F.eye(3)",
    "F.eye(2,3,dtype=F.int64)",
    "F.eye(n=2)",
    "F.scalar_tensor(3)",
    "F.scalar_tensor(True)",
]

RANGES = [
    "F.arange(5)",
    "F.arange(5.)",
    "F.arange(1,4)",
    "F.arange(1,2,0.5)",
    "F.arange(5,0,-1)",
    "F.arange(0,1,0.1)",
    "F.arange(end=3)",
    "F.arange(start=1,end=3)",
    "F.arange(1,end=3)",
    "F.arange(F.tensor(3))",
    "F.arange(3,dtype=F.float16)",
    "F.arange(0)",
    "F.arange(5,0)",
    "F.arange(0,5,0)",
    "F.arange(2,5,step=2)",
    "F.range(0,3)",
    "F.linspace(0,1,5)",
    "F.linspace(0,1,steps=1)",
    "F.linspace(0,1,0)",
    "F.linspace(0,1j,3)",
    "F.linspace(3,-3,7,dtype=F.int64)",
    "F.logspace(0,2,3)",
    "F.logspace(0,4,5,base=2,dtype=F.int64)",
    "F.linspace(0,1,-1)",
]

LIKE = [
    "F.zeros_like(F.ones(2,3).T)",
    "F.ones_like(F.ones(2,3),dtype=F.int64)",
    "F.full_like(F.ones(2),3)",
    "F.empty_like(F.ones(2,3,4,5).to(memory_format=F.channels_last)).stride()",
    "F.zeros_like(F.ones(1,3).expand(2,3))",
    "F.ones(2,dtype=F.float64).new_zeros(2,2)",
    "F.ones(2).new_tensor([1,2])",
    "F.ones(2).new_full((2,),2)",
    "F.ones(2).new_ones((2,))",
    "F.ones(2).new_empty(2,3).shape",
    "F.ones(2).new_tensor([1,2],dtype=F.int64)",
    "F.empty_strided((2,3),(1,2)).stride()",
    "F.empty_permuted((2,3,4),(0,2,1)).stride()",
    "F.zeros(2,3).stride()",
    "F.empty(2,3,4,5,memory_format=F.channels_last).stride()",
]

SHARED = [
    'F.frombuffer(bytearray(b"abcd"),dtype=F.uint8)',
    'F.frombuffer(bytearray(b"abcd"),dtype=F.int16,count=1,offset=2)',
    'F.frombuffer(bytearray(b"abc"),dtype=F.int16)',
    "F.from_numpy(np.ones(2,np.int32))",
    "F.from_numpy([1])",
    "F.from_numpy(np.ones(3)[::-1])",
    "F.from_dlpack(np.ones(2))",
    "F.asarray([1,2],dtype=F.float32)",
    "F.tensor(3).fill_(2.7)",
    "F.fill(F.ones(2),3)",
    "F.ones(2).fill_(F.tensor([1.]))",
    "F.ones(2).zero_()",
    "F.is_tensor(F.ones(2))",
    "F.is_tensor(1)",
    "F.numel(F.ones(2,3))",
    "F.is_floating_point(F.ones(2))",
    "F.is_complex(F.ones(2))",
    "F.get_default_dtype()",
    "F.tril_indices(3,3)",
    "F.triu_indices(3,4,1)",
    "F.tril_indices(2,3,-1,dtype=F.int32)",
    "F.tril_indices(2,2,dtype=F.float32)",
]


@pytest.mark.parametrize("call", FILLED + RANGES + LIKE + SHARED)
def test_call_agrees_with_pytorch(call):
    agree(call)


@pytest.mark.parametrize("data", DATA)
def test_dtype_is_inferred_as_by_pytorch(data):
    agree(f"F.tensor({data})")
    agree(f"F.as_tensor({data})")
    agree(f"F.tensor({data}, dtype=F.float64)")


@pytest.mark.parametrize("data", ["1", "-1", "300", "[1.5, 2]", "[True]", "1j", "float('nan')", "[1.0, float('inf')]"])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "complex64", "float16"])
def test_numbers_in_a_given_dtype(data, dtype):
    agree(f"F.tensor({data}, dtype=F.{dtype})")


@pytest.mark.parametrize(
    "call", ["F.tensor(1.0)", "F.zeros(2)", "F.arange(3.0)", "F.linspace(0, 1, 3)", "F.tensor(1j)"]
)
def test_default_dtype_decides(call):
    torch = pytest.importorskip("torch")
    framework.set_default_dtype(framework.float64)
    torch.set_default_dtype(torch.float64)
    try:
        agree(call)
    finally:
        torch.set_default_dtype(torch.float32)
    with pytest.raises(TypeError, match="floating-point"):
        framework.set_default_dtype(framework.int64)


def test_arrays_share_memory():
    array = np.zeros(3)
    for made in (framework.from_numpy(array), framework.as_tensor(array), framework.asarray(array)):
        made[0] = made[0] + 1
    assert array[0] == 3
    copy = framework.tensor(array)
    copy[1] = 7
    assert array[1] == 0
    assert framework.tensor(array, dtype=framework.float32).dtype is framework.float32


def test_dlpack_both_ways():
    x = framework.arange(3.0)
    array = np.from_dlpack(x)
    array[0] = 5
    assert x[0].item() == 5
    y = framework.from_dlpack(array)
    y[1] = 6
    assert x.tolist() == [5, 6, 2]
    torch = pytest.importorskip("torch")
    assert torch.from_dlpack(x).tolist() == [5, 6, 2]
    assert framework.from_dlpack(torch.arange(2)).tolist() == [0, 1]
    with pytest.raises(RuntimeError, match="detach"):
        framework.ones(1, requires_grad=True).__dlpack__()


def test_ragged_lists_say_where():
    with pytest.raises(ValueError, match=r"length 2 at dim 1 \(got 1\)"):
        framework.tensor([[1, 2], [3]])


def test_full_like_keeps_channels_last():
    x = framework.zeros(2, 3, 4, 5).contiguous(memory_format=framework.channels_last)
    assert framework.full_like(x, 1).stride() == x.stride()
    assert framework.full_like(x, 1, memory_format=framework.contiguous_format).is_contiguous()


def test_new_tensors_take_dtype():
    x = framework.ones(2, dtype=framework.float64)
    assert x.new_tensor([1]).dtype is framework.float64
    assert x.new_zeros((2, 2)).dtype is framework.float64
    assert x.new_empty_strided((2, 2), (1, 2)).stride() == (1, 2)


def test_fill_sends_gradients_to_its_value():
    value = framework.tensor(2.0, requires_grad=True)
    framework.zeros(3).fill_(value).sum().backward()
    assert value.grad.item() == 3


def test_out_arguments():
    out = framework.empty(2, 2)
    assert framework.zeros(2, 2, out=out) is out
    assert framework.eye(2, out=out) is out and out.tolist() == [[1, 0], [0, 1]]
    assert framework.arange(3, out=framework.empty(0)).dtype is framework.float32


def test_device_block_is_left_behind():
    with framework.device("cpu"):
        assert framework.zeros(1).is_cpu
    assert framework.get_default_device() == framework.device("cpu")
