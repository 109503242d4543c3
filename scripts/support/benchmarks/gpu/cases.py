"""The cases on a GPU: what each is, how much faster than PyTorch it is asked to be, its program, and what bounds it.

Nets are trained as is usual: float32 weights, the products of the bfloat16 cases under autocast, fused optimizers, pictures
and their nets in channels-last memory. Float32 products and convolutions may round to TF32 throughout. Sequences
are without padding, and so without a mask.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from support.benchmarks.cases import chained
from support.benchmarks.gpu import models
from support.benchmarks.image_models import two_convolutions
from support.benchmarks.peer import Peer, Work, classify
from support.benchmarks.text_models import decoder

BF16, TF32, BANDWIDTH = "bf16_tflops", "tf32_tflops", "bandwidth_gbs"  # the ceilings, as the record names them
PASSES = 3  # a training step's products are those of three forward passes
ADAMW_BYTES = 7 * 4  # of a parameter: it, its gradient and two moments are read, three of them written


@dataclass(frozen=True)
class Load:
    """A case made ready.

    Args:
        work: what is timed.
        amount: how many operations, or bytes, a step asks for; called on ours alone.
    """

    work: Work
    amount: Callable[[], int]


@dataclass(frozen=True)
class GpuCase:
    """A row of the table.

    Args:
        what: it in words.
        build: makes it ready for one side.
        bound: the ceiling that it is held against; None where the processor's time is what counts.
        asked: PyTorch's time over ours, at least; None where nothing is asked.
        aim: the ratio hoped for.
        channels_last: that its net and pictures are in that layout.
    """

    what: str
    build: Callable[[Peer], Load]
    bound: str | None = None
    asked: float | None = None
    aim: float | None = None
    channels_last: bool = False


def multiply_adds(model: Any, x: Any) -> int:
    """The multiplications, each with an addition, of a forward pass of a model of ours."""
    return int(importlib.import_module("framework.utils.summary").summary(model, input_data=x).total_mult_adds)


def _train(
    peer: Peer, model: Any, x: Any, classes: int, optimizer: Any, low: bool, run: Callable[[Any], Any] | None = None
) -> Load:
    """A training step; ``low`` computes in bfloat16, and ``run`` is what gives scores where the model does not itself."""
    lib, where = peer.lib, x.device.type
    y = lib.randint(0, classes, (x.shape[0],))
    precision: Callable[[], Any] = (lambda: lib.amp.autocast(where, dtype=lib.bfloat16)) if low else nullcontext
    work = classify(peer, run or model, x, y, optimizer, precision)
    return Load(work, lambda: 2 * PASSES * multiply_adds(model, x))


def _train_pictures(net: Callable[[Peer], Any], low: bool, adamw: bool = False) -> Callable[[Peer], Load]:
    def build(peer: Peer) -> Load:
        lib, image, classes = peer.lib, peer.size(*models.IMAGE), peer.size(*models.CLASSES)
        model = peer.placed(net(peer))
        x = peer.placed(lib.randn(peer.size(256, 2), 3, image, image))
        if adamw:
            optimizer = lib.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
        else:
            optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)
        return _train(peer, model, x, classes, optimizer, low)

    return build


def _train_bert(batch: int, length: int) -> Callable[[Peer], Load]:
    def build(peer: Peer) -> Load:
        lib, model = peer.lib, models.bert_base(peer)
        ids = lib.randint(1, models.words(peer), (peer.size(batch, 2), peer.size(length, 8)))
        optimizer = lib.optim.AdamW(model.parameters(), lr=2e-5, fused=True)
        return _train(peer, model, ids, 2, optimizer, True, lambda ids: model(ids).logits)

    return build


def _train_lstm(peer: Peer) -> Load:
    nn, features, width = peer.lib.nn, peer.size(512, 6), peer.size(512, 8)

    class Reader(nn.Module):
        """Two recurrent layers, and the classes' scores from the last step's state."""

        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(features, width, num_layers=2, batch_first=True)
            self.head = nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            """(N, T, features) -> (N, 10)."""
            return self.head(self.lstm(x)[0][:, -1])

    model, x = Reader(), peer.lib.randn(peer.size(128, 2), peer.size(128, 5), features)
    return _train(peer, model, x, 10, peer.lib.optim.AdamW(model.parameters(), lr=1e-3, fused=True), False)


def _train_cnn(peer: Peer) -> Load:
    lib, image = peer.lib, peer.size(28, 12)
    model = peer.placed(two_convolutions(lib, peer.size(32, 4), image))
    x = peer.placed(lib.randn(peer.size(128, 2), 1, image, image))
    return _train(peer, model, x, 10, lib.optim.AdamW(model.parameters(), lr=1e-3, fused=True), False)


def _decode(peer: Peer) -> Load:
    lib, count, words = peer.lib, peer.size(128, 4), peer.size(50257, 20)
    sizes = {"dim": 32, "depth": 2, "heads": 4} if peer.small else {"dim": 768, "depth": 12, "heads": 12}
    model = decoder(lib, words=words, positions=count, **sizes).eval()
    first = lib.randint(0, words, (1, 1))

    def step() -> Any:
        with lib.inference_mode():
            return model.greedy(first, count)

    def read() -> int:  # every weight for every token; of the tables of words and positions a row
        return count * sum(p.numel() * 4 for name, p in model.named_parameters() if name.split(".")[0] not in tables)

    tables = ("words", "positions")
    return Load(Work(step, model, [first]), read)


def _overhead(peer: Peer) -> Load:
    return Load(chained(False)(peer), lambda: 0)


def _adamw(peer: Peer) -> Load:
    lib = peer.lib
    shapes = models.bert_shapes(32, 2, 64, 50) if peer.small else models.bert_shapes(768, 12, 3072, 30522)
    parameters = [lib.nn.Parameter(lib.randn(*shape)) for shape in shapes]
    for p in parameters:
        p.grad = lib.randn(*p.shape)
    optimizer = lib.optim.AdamW(parameters, lr=1e-3, fused=True)

    def step() -> Any:
        optimizer.step()
        return parameters[0].detach()

    return Load(Work(step), lambda: ADAMW_BYTES * sum(math.prod(shape) for shape in shapes))


def _product(dtype: str) -> Callable[[Peer], Load]:
    def build(peer: Peer) -> Load:
        lib, size = peer.lib, peer.size(8192, 32)
        a, b = (lib.randn(size, size).to(getattr(lib, dtype)) for _ in range(2))
        return Load(Work(lambda: a @ b, None, [a, b]), lambda: 2 * size**3)

    return build


def _copy(peer: Peer) -> Load:
    lib, count = peer.lib, peer.size(1 << 28, 1 << 10)  # 1 GiB in full: many times what a cache holds
    x, y = lib.randn(count), lib.randn(count)
    return Load(Work(lambda: y.copy_(x), None, [x]), lambda: 2 * 4 * count)


# what the card can do, by the same machinery: the best sample of either side is the ceiling
CEILINGS: dict[str, GpuCase] = {
    BANDWIDTH: GpuCase("copy of 1 GiB within the card", _copy, BANDWIDTH),
    BF16: GpuCase("bfloat16 product of 8192 x 8192 matrices", _product("bfloat16"), BF16),
    TF32: GpuCase("float32 product of 8192 x 8192 matrices in TF32", _product("float32"), TF32),
}
UNITS = {BANDWIDTH: 1e9, BF16: 1e12, TF32: 1e12}

CASES: dict[str, GpuCase] = {
    "resnet50-train-bf16": GpuCase(
        "ResNet-50 224x224, batch 256, training, bfloat16", _train_pictures(models.resnet50, True), BF16, 0.95, 1.1, True
    ),
    "resnet50-train-tf32": GpuCase(
        "ResNet-50 224x224, batch 256, training, TF32", _train_pictures(models.resnet50, False), TF32, channels_last=True
    ),
    "vit_b_16-train-bf16": GpuCase(
        "ViT-B/16 224x224, batch 256, training, bfloat16", _train_pictures(models.vit_b_16, True, True), BF16, 0.95, 1.2, True
    ),
    "bert-base-train-bf16-32x128": GpuCase(
        "BERT-base, 32x128 tokens, dropout, training, bfloat16", _train_bert(32, 128), BF16, 0.95, 1.2
    ),
    "bert-base-train-bf16-8x512": GpuCase("BERT-base, 8x512 tokens, dropout, training, bfloat16", _train_bert(8, 512), BF16),
    "lstm-train": GpuCase("LSTM 2 x 512, 128x128 steps, training, TF32", _train_lstm, TF32),
    "mobilenetv2-train-bf16": GpuCase(
        "MobileNetV2 224x224, batch 256, training, bfloat16", _train_pictures(models.mobilenet_v2, True), BF16, channels_last=True
    ),
    "smallcnn-train": GpuCase("two-conv CNN 28x28, batch 128, training, TF32", _train_cnn, TF32, channels_last=True),
    "decode-128": GpuCase("greedy decoding of 128 tokens, 12 layers x 768, key/value cache", _decode, BANDWIDTH),
    "op-overhead": GpuCase(
        "200 chained multiplications by a 2x2 tensor and their backward", _overhead, None, 0.6, 1.0
    ),
    "adamw-110M": GpuCase("AdamW over BERT-base's 109.5 M parameters", _adamw, BANDWIDTH, 1.0),
    "matmul-8192-bf16": GpuCase("bfloat16 product of 8192 x 8192 matrices", _product("bfloat16"), BF16, 0.97, 1.0),
}  # fmt: skip
