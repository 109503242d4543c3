"""Layers and optimizers on a GPU give what they give on the CPU, in float32 without rounding to TF32."""

from __future__ import annotations

import copy

import pytest

import framework as F
from framework import nn, optim
from tests.gpu.agreement import EXACT, LOW, STEPS, check_forward_and_gradients, gap


def picture(n=2, c=4, size=(11, 9)):
    return [F.randn(n, c, *size)]


def rows(*shape):
    return [F.randn(*shape)]


class Attended(nn.Module):
    """Self-attention with a causal mask, and without its weights."""

    def __init__(self, causal):
        super().__init__()
        self.attention, self.causal = nn.MultiheadAttention(8, 2, batch_first=True), causal

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device) if self.causal else None
        return self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]


# name: (how it is made, its inputs)
LAYERS = {
    "linear": (lambda: nn.Linear(7, 5), lambda: rows(3, 7)),
    "linear of sequences": (lambda: nn.Linear(7, 5), lambda: rows(2, 3, 7)),
    "bilinear": (lambda: nn.Bilinear(3, 4, 5), lambda: [F.randn(2, 3), F.randn(2, 4)]),
    "conv": (lambda: nn.Conv2d(4, 6, 3, padding=1), picture),
    "conv, strided and dilated": (lambda: nn.Conv2d(4, 6, 3, 2, 2, 2, bias=False), picture),
    "conv, depthwise": (lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4), picture),
    "conv, grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2), picture),
    "conv, 1-D": (lambda: nn.Conv1d(3, 5, 3), lambda: rows(2, 3, 17)),
    "conv, 3-D": (lambda: nn.Conv3d(2, 3, 2), lambda: rows(1, 2, 4, 5, 6)),
    "conv, transposed": (lambda: nn.ConvTranspose2d(4, 3, 3, 2, 1, 1), picture),
    "conv, ReLU": (lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU()), picture),
    "conv, norm, ReLU": (lambda: nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU()), picture),
    "batch norm": (lambda: nn.BatchNorm2d(4), picture),
    "batch norm of rows": (lambda: nn.BatchNorm1d(7), lambda: rows(5, 7)),
    "batch norm, evaluated": (lambda: nn.BatchNorm2d(4).eval(), picture),
    "instance norm": (lambda: nn.InstanceNorm2d(4, affine=True), picture),
    "group norm": (lambda: nn.GroupNorm(2, 4), picture),
    "layer norm": (lambda: nn.LayerNorm(7), lambda: rows(3, 5, 7)),
    "RMS norm": (lambda: nn.RMSNorm(7), lambda: rows(3, 5, 7)),
    "max pool": (lambda: nn.MaxPool2d(3, 2, 1), picture),
    "mean pool": (lambda: nn.AvgPool2d(2), picture),
    "adaptive pool": (lambda: nn.AdaptiveAvgPool2d((3, 2)), picture),
    "global pool": (lambda: nn.AdaptiveAvgPool2d(1), picture),
    "upsample, bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), picture),
    "upsample, nearest": (lambda: nn.Upsample(size=(5, 17)), picture),
    "embedding": (lambda: nn.Embedding(11, 6, padding_idx=0), lambda: [F.randint(0, 11, (3, 5))]),
    "embedding bag": (lambda: nn.EmbeddingBag(11, 6, mode="mean"), lambda: [F.randint(0, 11, (3, 5))]),
    "attention": (lambda: Attended(False), lambda: rows(2, 5, 8)),
    "attention, causal": (lambda: Attended(True), lambda: rows(2, 5, 8)),
    "transformer layer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), lambda: rows(2, 5, 8)
    ),
    "LSTM": (lambda: nn.LSTM(5, 6, 2, batch_first=True), lambda: rows(3, 4, 5)),
    "LSTM, both ways": (lambda: nn.LSTM(5, 6, bidirectional=True), lambda: rows(4, 3, 5)),
    "GRU": (lambda: nn.GRU(5, 6), lambda: rows(4, 3, 5)),
    "RNN": (lambda: nn.RNN(5, 6), lambda: rows(4, 3, 5)),
    **{
        kind.__name__: (kind, lambda: rows(4, 7))
        for kind in (
            nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Sigmoid, nn.Tanh,
            nn.Softplus, nn.PReLU,
        )
    },
    "softmax": (lambda: nn.Softmax(1), lambda: rows(4, 7)),
    "log softmax": (lambda: nn.LogSoftmax(1), lambda: rows(4, 7)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers(gpu, name):
    make, inputs = LAYERS[name]
    check_forward_and_gradients(make(), inputs(), gpu.device)


@pytest.mark.parametrize("memory_format", ["contiguous_format", "channels_last"])
def test_pictures_in_either_layout(gpu, memory_format):
    model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
    layout = getattr(F, memory_format)
    check_forward_and_gradients(model.to(memory_format=layout), [picture()[0].to(memory_format=layout)], gpu.device)


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD with momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "AdamW, fused": lambda p: optim.AdamW(p, lr=0.01, fused=True),
    "AMSGrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "Adadelta": lambda p: optim.Adadelta(p, lr=1.0),
    "Adamax": lambda p: optim.Adamax(p, lr=0.01),
    "ASGD": lambda p: optim.ASGD(p, lr=0.1),
    "NAdam": lambda p: optim.NAdam(p, lr=0.01),
    "RAdam": lambda p: optim.RAdam(p, lr=0.01),
    "Lion": lambda p: optim.Lion(p, lr=1e-3),
    "LAMB": lambda p: optim.Lamb(p, lr=0.01),
}


def trained(make, device, clip=None):
    """A small net after some steps, with its optimizer."""
    F.manual_seed(5)
    model = nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 3)).to(device)
    x, y = F.randn(8, 7).to(device), F.randint(0, 3, (8,)).to(device)
    optimizer = make(model.parameters())
    schedule = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    for _ in range(STEPS):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        schedule.step()
    return model, optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(gpu, name):
    (here, _), (there, optimizer) = (trained(OPTIMIZERS[name], device) for device in ("cpu", gpu.device))
    for expected, found in zip(here.parameters(), there.parameters(), strict=True):
        assert found.device.type == "cuda" and gap(found, expected) < EXACT
    values = [v for state in optimizer.state.values() for v in state.values() if isinstance(v, F.Tensor) and v.ndim]
    assert all(v.device.type == "cuda" for v in values)


def test_clipping(gpu):
    nets = [trained(OPTIMIZERS["SGD"], device, clip=0.05)[0] for device in ("cpu", gpu.device)]
    free = trained(OPTIMIZERS["SGD"], "cpu")[0]
    pairs = list(zip(*(net.parameters() for net in (*nets, free)), strict=True))
    assert all(gap(found, expected) < EXACT for expected, found, _ in pairs)
    assert any(gap(other, expected) > 1e-3 for expected, _, other in pairs)


def test_averages(gpu):
    ema = optim.swa_utils.get_ema_multi_avg_fn(0.5)
    found = []
    for device in ("cpu", gpu.device):
        F.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).to(device)
        average = optim.swa_utils.AveragedModel(model, multi_avg_fn=ema, use_buffers=True)
        for _ in range(STEPS):
            average.update_parameters(model)
            with F.no_grad():
                for p in model.parameters():
                    p.add_(1)
        found.append(average.module.state_dict())
    for name, expected in found[0].items():
        assert found[1][name].device.type == "cuda" and gap(found[1][name], expected) < EXACT, name


def test_bfloat16_products_are_close(gpu):
    model = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 8))
    x = F.randn(16, 32)
    with F.amp.autocast(gpu.device, dtype=F.bfloat16):
        found = copy.deepcopy(model).to(gpu.device)(x.to(gpu.device))
    assert found.dtype is F.bfloat16
    assert 0 < gap(found, model(x)) < LOW


def test_a_training_step_waits_for_nothing(gpu):
    if gpu.real:
        pytest.skip("a card does not tell what waited for it")
    model = nn.ModuleList([nn.Embedding(20, 8), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 5)]).to(gpu.device)
    ids, y = F.randint(0, 20, (4, 6)).to(gpu.device), F.randint(0, 5, (4,)).to(gpu.device)
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    average = optim.swa_utils.AveragedModel(model, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for step in range(2):
        if step:
            gpu.waits.clear()  # what a first step needs is done
        loss = nn.functional.cross_entropy(model[2](model[1](model[0](ids))[0][:, -1]), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
    assert gpu.waits == []


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "options",
    [{}, {"ignore_index": 2}, {"weight": True}, {"label_smoothing": 0.1}, {"weight": True, "ignore_index": 2}],
)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_losses_of_classes(gpu, name, options, reduction):
    if name == "nll_loss" and "label_smoothing" in options:
        pytest.skip("it has none")
    scores, y = F.randn(6, 5), F.tensor([0, 2, 4, 2, 1, 3])
    weight = F.rand(5) if "weight" in options else None
    found = []
    for device in ("cpu", gpu.device):
        x = scores.detach().to(device).requires_grad_()
        more = {**options, **({} if weight is None else {"weight": weight.to(device)})}
        waits = list(gpu.waits or ())
        loss = getattr(nn.functional, name)(x, y.to(device), reduction=reduction, **more)
        loss.sum().backward()
        assert list(gpu.waits or ()) == waits
        found.append((loss, x.grad))
    for expected, value in zip(*found, strict=True):
        assert value.device.type == "cuda" and gap(value, expected) < EXACT


def test_a_class_out_of_range_makes_the_loss_nan(gpu):
    x = F.randn(3, 4).to(gpu.device)
    for wrong in (-1, 4, 1 << 40):
        y = F.tensor([0, wrong, 3]).to(gpu.device)
        assert nn.functional.cross_entropy(x, y).isnan().item()
        each = nn.functional.cross_entropy(x, y, reduction="none").isnan().tolist()
        assert each == [False, True, False]


def test_nothing_counted(gpu):
    x = F.randn(3, 4).to(gpu.device).requires_grad_()
    loss = nn.functional.cross_entropy(x, F.tensor([-100] * 3).to(gpu.device))
    loss.backward()
    assert loss.isnan().item() and x.grad.abs().sum().item() == 0
