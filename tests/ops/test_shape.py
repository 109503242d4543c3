"""Views, changes of shape, parts, rearrangements and padding, call by call against PyTorch; their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.nn import functional
from tests.ops.calls import agree

VIEWS = [
    "F.arange(6).view(2,3)",
    "F.arange(6).view(-1)",
    "F.arange(6).view(4,-1)",
    "F.arange(6).view(size=(2,3))",
    "F.arange(6).reshape(2,3).T.view(6)",
    "F.arange(6).reshape((2,3))",
    "F.arange(6).reshape(shape=(3,2))",
    "F.reshape(F.arange(6),(3,-1))",
    "F.arange(6).reshape()",
    "F.zeros(0,3).reshape(0,-1)",
    "F.zeros(0,3).view(0,5)",
    "F.arange(6).view(2,3).flatten()",
    "F.zeros(2,3,4).flatten(1).shape",
    "F.tensor(1).flatten()",
    "F.zeros(2,3,4).flatten(start_dim=0,end_dim=1).shape",
    "F.zeros(2,3,4).flatten(2,1)",
    "F.zeros(2,12).unflatten(1,(3,4)).shape",
    "F.zeros(2,12).unflatten(-1,(3,-1)).shape",
    "F.zeros(2,12).unflatten(1,(5,2))",
    "F.zeros(2,3,4).permute(2,0,1).shape",
    "F.zeros(2,3,4).permute((2,0,1)).stride()",
    "F.permute(F.zeros(2,3),(1,0)).shape",
    "F.zeros(2,3).permute(dims=(1,0)).shape",
    "F.zeros(2,3).permute(0,0)",
    "F.zeros(2,3).permute(0)",
    "F.zeros(2,3,4).transpose(0,-1).shape",
    "F.zeros(2).t()",
    "F.zeros(2,3,4).t()",
    "F.zeros(2,3,4).mT.shape",
    "F.zeros(2,3,4).T.shape",
    "F.zeros(2,3).H.shape",
    "F.zeros(2).mT",
    "F.zeros(2,3,4).swapaxes(0,1).shape",
    "F.swapdims(F.zeros(2,3),0,1).shape",
    "F.zeros(2,3,4).movedim(0,2).shape",
    "F.moveaxis(F.zeros(2,3,4),(0,1),(1,0)).shape",
    "F.zeros(2,3).movedim((0,0),(0,1))",
    "F.zeros(1,2,1).squeeze().shape",
    "F.zeros(1,2,1).squeeze(0).shape",
    "F.zeros(1,2,1).squeeze((0,2)).shape",
    "F.zeros(1,2,1).squeeze(dim=1).shape",
    "F.zeros(1,2,1).squeeze(axis=0).shape",
    "F.zeros(1,2).squeeze(2)",
    "F.tensor(1).squeeze(0)",
    "F.zeros(2).unsqueeze(-1).shape",
    "F.zeros(2).unsqueeze(2)",
    "F.unsqueeze(F.zeros(2),dim=0).shape",
    "F.zeros(1,3).expand(2,-1).shape",
    "F.zeros(1,3).expand(2,3).stride()",
    "F.zeros(3).expand(2,3).stride()",
    "F.zeros(3).expand(-1,3)",
    "F.zeros(2,3).expand(2,4)",
    "F.zeros(3).expand(size=(2,3)).shape",
    "F.zeros(1,3).expand_as(F.zeros(2,3)).shape",
    "F.broadcast_to(F.zeros(3),(2,3)).shape",
    "F.broadcast_tensors(F.zeros(2,1),F.zeros(3))",
    "F.broadcast_shapes((2,1),(3,))",
    "F.broadcast_shapes((2,),(3,))",
    "F.zeros(4,3).narrow(0,1,2).shape",
    "F.zeros(4).narrow(0,-2,2).shape",
    "F.zeros(4).narrow(0,3,2)",
    "F.arange(4).narrow(dim=0,start=1,length=2)",
    "F.arange(6).view(2,3).select(1,-1)",
    "F.arange(3).select(0,3)",
    "F.arange(5).unfold(0,2,2)",
    "F.arange(12).view(3,4).unfold(1,3,1).stride()",
    "F.arange(5).unfold(0,6,1)",
    "F.arange(9).as_strided((2,2),(1,2),1)",
    "F.arange(9)[2:].as_strided((2,2),(1,2))",
    "F.arange(9)[2:].as_strided((2,2),(1,2),0)",
    "F.arange(3).as_strided((5,),(1,))",
    "F.arange(9)[3:].storage_offset()",
    "F.arange(6).view(2,3)[1].storage_offset()",
    "F.arange(3).view(F.int32)",
    "F.zeros(2).view(F.int32)",
    "F.zeros(4,dtype=F.int8).view(F.int32)",
    "F.zeros(3,dtype=F.int8).view(F.int32)",
    "F.zeros(2,4).view(F.float64).shape",
]

REARRANGED = [
    "F.arange(4).flip(0)",
    "F.arange(4).view(2,2).flip(0,1)",
    "F.flip(F.arange(4),dims=(0,))",
    "F.flip(F.arange(4),[0])",
    "F.arange(4).flip(0,0)",
    "F.fliplr(F.arange(4))",
    "F.flipud(F.arange(4))",
    "F.roll(F.arange(4),1)",
    "F.arange(4).view(2,2).roll((1,1),(0,1))",
    "F.arange(4).view(2,2).roll(1)",
    "F.roll(F.arange(4),shifts=1,dims=0)",
    "F.roll(F.arange(4),(1,2))",
    "F.rot90(F.arange(4).view(2,2))",
    "F.rot90(F.arange(4).view(2,2),k=3,dims=[0,1]).stride()",
    "F.rot90(F.arange(4))",
    "F.arange(2).repeat(2,2)",
    "F.arange(2).repeat((3,))",
    "F.zeros(2,2).repeat(2)",
    "F.arange(2).repeat(repeats=(2,))",
    "F.arange(2).repeat(0)",
    "F.tile(F.arange(2),(2,))",
    "F.tile(F.zeros(2,2),(2,))",
    "F.arange(2).tile(2,2).shape",
    "F.repeat_interleave(F.arange(3),2)",
    "F.repeat_interleave(F.arange(3),F.tensor([1,0,2]))",
    "F.repeat_interleave(F.tensor([1,0,2]))",
    "F.arange(4).view(2,2).repeat_interleave(2,dim=1)",
    "F.arange(4).view(2,2).repeat_interleave(2)",
    "F.arange(3).repeat_interleave(F.tensor([1,2]))",
    "F.arange(3).repeat_interleave(-1)",
    "F.arange(3).repeat_interleave(F.tensor([1,2,3]),output_size=6)",
]

DIAGONALS = [
    "F.diag(F.arange(3))",
    "F.diag(F.arange(9).view(3,3),1)",
    "F.diag(F.zeros(2,2,2))",
    "F.arange(9).view(3,3).diagonal()",
    "F.diagonal(F.zeros(2,3,4),offset=1,dim1=1,dim2=2).shape",
    "F.arange(9).view(3,3).diagonal().stride()",
    "F.zeros(3).diagonal()",
    "F.diag_embed(F.arange(2))",
    "F.diag_embed(F.arange(2),offset=-1)",
    "F.diag_embed(F.zeros(2,3),dim1=0,dim2=2).shape",
    "F.diagflat(F.arange(4).view(2,2))",
    "F.tril(F.ones(3,3))",
    "F.triu(F.ones(2,3,dtype=F.bool),1)",
    "F.ones(3).tril()",
    "F.ones(3,3).triu(diagonal=-1)",
    "F.trace(F.arange(9).view(3,3))",
    "F.trace(F.zeros(3))",
    "F.ones(3,3).tril_()",
    "F.select_scatter(F.zeros(2,2),F.ones(2),0,0)",
    "F.slice_scatter(F.zeros(4),F.ones(2),start=1,end=3)",
    "F.slice_scatter(F.zeros(4),F.ones(3),start=1,end=3)",
    "F.diagonal_scatter(F.zeros(2,2),F.ones(2))",
    "F.nn.functional.one_hot(F.tensor([0,2]))",
    "F.nn.functional.one_hot(F.tensor([0,2]),4)",
    "F.nn.functional.one_hot(F.tensor([0,2]),2)",
    "F.nn.functional.one_hot(F.tensor([0.]))",
    "F.nn.functional.one_hot(F.tensor([-1]))",
    "F.nn.functional.one_hot(F.tensor([],dtype=F.int64))",
]

PADDED = [
    "F.nn.functional.pad(F.ones(2),(1,2))",
    "F.nn.functional.pad(F.ones(2,2),(1,0,0,1),value=3.)",
    "F.nn.functional.pad(F.ones(2),(-1,0))",
    "F.nn.functional.pad(F.ones(2),(1,))",
    "F.nn.functional.pad(F.ones(2),(1,1,1,1))",
    'F.nn.functional.pad(F.arange(3.).view(1,3),(2,1),mode="reflect")',
    'F.nn.functional.pad(F.arange(3.).view(1,3),(3,1),mode="reflect")',
    'F.nn.functional.pad(F.arange(3.).view(1,3),(2,1),mode="replicate")',
    'F.nn.functional.pad(F.arange(3.).view(1,3),(2,1),mode="circular")',
    'F.nn.functional.pad(F.arange(3.),(2,1),mode="circular")',
    'F.nn.functional.pad(F.ones(1,1,2,2),(1,1,1,1),"reflect")',
    'F.nn.functional.pad(F.ones(1,2),(1,1),"foo")',
    'F.nn.functional.pad(F.arange(4).view(1,1,4),(1,1),mode="replicate")',
    "F.nn.functional.pad(F.ones(2,dtype=F.bool),(1,1))",
]

MEMORY = [
    "F.ones(2,3).T.contiguous().stride()",
    "F.ones(2,3).T.is_contiguous()",
    "F.ones(2,3,4,5).to(memory_format=F.channels_last).stride()",
    "F.ones(2,3,4,5).to(memory_format=F.channels_last).is_contiguous(memory_format=F.channels_last)",
    "F.ones(2,3).T.clone().stride()",
    "F.ones(2,3).T.clone(memory_format=F.contiguous_format).stride()",
    "F.ones(1,3).expand(2,3).clone().stride()",
    "F.ones(2,3).element_size()",
    "F.ones(2,3).nbytes",
    "F.ones(2,3).is_same_size(F.ones(3,2))",
    "F.arange(4).resize_(2,3).shape",
    "F.arange(4).resize_(2)",
    "F.arange(4).resize_as_(F.zeros(2,2))",
    "F.ones(2,3).dim_order()",
    "F.arange(3).detach_()",
    "F.zeros(1,2).squeeze_()",
    "F.zeros(2,3).t_().stride()",
    "F.zeros(2).unsqueeze_(0).shape",
    "F.zeros(2,3).transpose_(0,1).shape",
    "F.narrow_copy(F.arange(4),0,1,2)",
]


@pytest.mark.parametrize("call", VIEWS + REARRANGED + DIAGONALS + PADDED + MEMORY)
def test_call_agrees_with_pytorch(call):
    agree(call)


DIFFERENTIABLE = {
    "reshape": lambda x: x.reshape(4, 6),
    "permute": lambda x: x.permute(2, 0, 1),
    "T": lambda x: x.transpose(0, 2),
    "expand": lambda x: x[:, :1].expand(-1, 3, -1),
    "squeeze": lambda x: x[:1].squeeze(0),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "movedim": lambda x: x.movedim(0, -1),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(2, -1),
    "unfold": lambda x: x.unfold(2, 3, 1),
    "unfold_wide": lambda x: x.unfold(2, 4, 1),
    "as_strided": lambda x: x.as_strided((3, 3), (2, 1), 1),
    "diagonal": lambda x: x.diagonal(1, 1, 2),
    "diag_embed": lambda x: x.diag_embed(1),
    "tril": lambda x: x.tril(1),
    "triu": lambda x: x.triu(),
    "flip": lambda x: x.flip(0, 2),
    "roll": lambda x: x.roll((1, 2), (0, 2)),
    "rot90": lambda x: x.rot90(1, (1, 2)),
    "repeat": lambda x: x.repeat(2, 1, 2),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 1),
    "repeat_interleave_counts": lambda x: x.repeat_interleave(framework.tensor([2, 0, 1]), 1),
    "split": lambda x: x.split([1, 3], 2)[1],
    "unbind": lambda x: x.unbind(1)[2],
    "clone": lambda x: x.clone(),
    "pad_constant": lambda x: functional.pad(x, (1, -1, 2, 0), value=1.5),
    "pad_reflect": lambda x: functional.pad(x, (3, 1), "reflect"),
    "pad_replicate": lambda x: functional.pad(x, (2, 1), "replicate"),
    "pad_circular": lambda x: functional.pad(x, (2, -1), "circular"),
    "select_scatter": lambda x: x.select_scatter(x[:, 0] * 2, 1, 1),
    "slice_scatter": lambda x: x.slice_scatter(x[:, :2] * x[:, :2], 1, 1, 3),
    "diagonal_scatter": lambda x: x.diagonal_scatter(x[0, :2, :3].sum(0).expand(2, 3) * 2, 0, 1, 2),
    "as_strided_scatter": lambda x: x.as_strided_scatter(x[0, :2, :2] * 3, (2, 2), (5, 2), 1),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name):
    generator = np.random.default_rng(3)
    x = framework.tensor(generator.standard_normal((2, 3, 4))).requires_grad_()
    function = DIFFERENTIABLE[name]
    assert gradcheck(function, (x,))
    assert gradgradcheck(lambda t: function(t * t), (x,))


@pytest.mark.parametrize("dtype", [framework.float16, framework.bfloat16, framework.bool, framework.complex64])
def test_every_dtype_keeps_its_values(dtype):
    x = (framework.arange(24).reshape(2, 3, 4) % 2).to(dtype)
    for name, function in DIFFERENTIABLE.items():
        if "scatter" in name:
            continue
        y = function(x)
        assert y.dtype is dtype, name
        expected = function(x.to(framework.float64))
        if name == "pad_constant" and dtype is framework.bool:
            expected = expected != 0
        assert framework.equal(y.to(framework.float64), expected.to(framework.float64)), name


def test_a_view_of_channels_last_memory_copies_and_refuses_writes():
    x = framework.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=framework.channels_last)
    y = x.view(1, 24)
    assert framework.equal(y, framework.arange(24.0).reshape(1, 24))
    assert framework.equal(x.flatten(1), y)
    with pytest.raises(RuntimeError, match="copy that view"):
        y.add_(1)


def test_view_of_transposed_memory_names_reshape():
    with pytest.raises(RuntimeError, match=r"not compatible.*reshape"):
        framework.zeros(2, 3).T.view(6)


def test_as_strided_shares_the_whole_memory():
    x = framework.arange(10.0)
    y = x[4:].as_strided((2,), (1,), 0)
    y.fill_(-1)
    assert x.tolist()[:3] == [-1, -1, 2]
    with pytest.raises(RuntimeError, match="out of bounds"):
        x.as_strided((11,), (1,))


def test_resize_keeps_the_first_elements():
    x = framework.arange(4.0)
    x.resize_(2, 3)
    assert x.reshape(-1)[:4].tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="require grad"):
        framework.zeros(2, requires_grad=True).resize_(3)
