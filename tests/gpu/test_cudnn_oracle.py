"""cuDNN itself says that it runs our graphs: those of the benchmark models, for an H200, on a machine without one."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from framework.kernels.cudnn.plans import rows_first
from framework.kernels.generic.windows import output_lengths
from tests.gpu.host import cudnn_oracle, fake_cudnn, fake_cudnn_tensors

asks = pytest.mark.skipif(cudnn_oracle.why_not() is not None, reason=str(cudnn_oracle.why_not()))
BOTH, GIB = ("BFLOAT16", "FLOAT"), 1 << 30


def answers(calls, **options):
    """What cuDNN says to each call; all are asked in one process."""
    found = cudnn_oracle.ask(calls, **options)
    refused = {str(call): answer["refused"] for call, answer in zip(calls, found, strict=True) if "refused" in answer}
    assert not refused, refused
    return found


def convolution(kind, x, weight, stride=1, padding=0, dilation=1, first=False, bias=False):
    """The calls of a convolution's forward pass and gradients, as ``conv.py`` makes them."""
    from framework.kernels.cudnn import conv

    axes = len(x) - 2
    stride, padding, dilation = (v if isinstance(v, tuple) else (v,) * axes for v in (stride, padding, dilation))
    y = (x[0], weight[0], *output_lengths(x[2:], weight[2:], stride, padding, dilation))
    last, rows = axes > 1, conv._reads_rows(weight)
    where = conv._where(stride, padding, dilation)
    x, weight, y = conv._planar(x, weight, y)
    geometry = (kind, x, last, weight, not rows, y, last, where)
    calls = [("conv.forward_plan", (*geometry, bias, False, False)), ("conv.weight_gradient_plan", geometry)]
    return calls if first else [*calls, ("conv.input_gradient_plan", geometry)]


def batch_norm(kind, dims, last=True):
    dims = dims if len(dims) > 3 else (*dims[:2], *(1,) * (4 - len(dims)), *dims[2:])
    return [
        ("norm.batch_plan", (kind, dims, last, "FLOAT", 1e-5)),
        ("norm.batch_plan", (kind, dims, last, "FLOAT", 1e-5, True)),
        ("norm.batch_gradient_plan", (kind, dims, last, "FLOAT")),
    ]  # fmt: skip


def rows(kind, count, length, along="FLOAT", centered=True):
    return [
        ("norm.rows_plan", (kind, count, length, along, 1e-5, centered)),
        ("norm.rows_gradient_plan", (kind, count, length, along, centered)),
    ]


def attention(
    kind, batch, heads, queries, width, keys=None, shared=None, bias=None, causal=False, dropout=0.0, train=True,
    bias_gradient=False,
):  # fmt: skip
    """The calls of attention over heads as a projection leaves them."""
    keys, shared = keys or queries, shared or heads

    def steps(shape):
        b, h, n, e = shape
        plain = rows_first(shape)
        return tuple(p if m == 1 else s for m, s, p in zip(shape, (n * h * e, e, h * e, 1), plain, strict=True))

    q, k = (batch, heads, queries, width), (batch, shared, keys, width)
    shapes = (q, k, k, q)
    every = tuple(map(steps, shapes))
    options = (bias, causal, 0.125, dropout)
    calls = [("attention.forward_plan", (kind, shapes, every, *options, train))]
    if train:
        shapes = (*shapes, q, q, k, k)
        calls.append(("attention.backward_plan", (kind, shapes, tuple(map(steps, shapes)), *options, bias_gradient)))
    return calls


@asks
def test_a_graph_of_each_kind():
    y = (32, 64, 28, 28)
    fused = (y, True, (64, 64, 3, 3), False, y, True, ((1, 1), (1, 1), (1, 1)), True, True, True)
    calls = [
        ("conv.forward_plan", ("BFLOAT16", *fused)),
        ("conv.forward_plan", ("FLOAT", *fused)),
        *convolution("BFLOAT16", (32, 64, 56, 56), (64, 64, 3, 3), padding=1, bias=True),
        *convolution("FLOAT", (8, 3, 32, 32), (32, 3, 3, 3), padding=1, first=True),
        *convolution("HALF", (4, 17, 40), (11, 17, 5), padding=2),
        *convolution("FLOAT", (2, 16, 8, 16, 16), (16, 1, 3, 3, 3), padding=1),
        *batch_norm("BFLOAT16", (32, 64, 28, 28)),
        *rows("BFLOAT16", 256, 64, "BFLOAT16"),
        *attention("BFLOAT16", 2, 4, 64, 64, bias=((2, 1, 1, 64), "BFLOAT16"), dropout=0.1),
    ]
    found = answers(calls)
    assert max(answer["seconds"] for answer in found[1:2]) < 0.1  # bias, residual and ReLU: a kernel made before


@asks
def test_the_library_is_found():
    code = "from framework.kernels import cudnn; print(cudnn.why_not())"  # in a process of its own: it loads libraries
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


@asks
def test_float32_is_not_rounded_unless_it_may_be():
    calls = convolution("FLOAT", (32, 64, 56, 56), (64, 64, 3, 3), padding=1)
    exact, rounded = (answers(calls, precision=precision) for precision in ("highest", "high"))
    assert exact[0]["workspace"] != rounded[0]["workspace"]  # another algorithm


@asks
def test_refusals_are_told():
    calls = attention("FLOAT", 2, 4, 64, 64, train=False) + attention("BFLOAT16", 2, 4, 64, 20, train=False)
    found = cudnn_oracle.ask(calls)
    assert "No valid engine" in found[0]["refused"] and "multiple of 8" in found[1]["refused"]


def layers(model, size, batch):
    """The convolutions and batch norms of a model: the shapes of their inputs in a batch, and the layers, each once."""
    import framework as F

    convolutions, norms = {}, set()

    def see(layer, inputs):
        shape = (batch, *inputs[0].shape[1:])
        if isinstance(layer, F.nn.Conv2d):
            where = (layer.stride, layer.padding, layer.dilation)
            convolutions.setdefault((shape, tuple(layer.weight.shape), *where), layer.bias is not None)
        elif isinstance(layer, F.nn.BatchNorm2d):
            norms.add(shape)

    for layer in model.modules():
        layer.register_forward_pre_hook(see)
    with F.no_grad():
        model.eval()(F.zeros(1, 3, size, size))
    return convolutions, norms


def of_model(model, size, batch, kinds):
    convolutions, norms = layers(model, size, batch)
    calls = []
    for kind in kinds:
        for place, ((x, weight, *where), bias) in enumerate(convolutions.items()):
            calls += convolution(kind, x, weight, *where, first=place == 0, bias=bias)
        for shape in sorted(norms):
            calls += batch_norm(kind, shape)
    return calls


SWEEP = {
    "resnet50": lambda models: of_model(models.resnet50(), 224, 256, BOTH),
    "mobilenet_v2": lambda models: of_model(models.mobilenet_v2(), 224, 256, BOTH),
    "vit_b_16": lambda models: [
        *(call for kind in BOTH for call in convolution(kind, (256, 3, 224, 224), (768, 3, 16, 16), 16, first=True, bias=True)),
        *attention("BFLOAT16", 256, 12, 197, 64), *rows("BFLOAT16", 256 * 197, 768), *rows("FLOAT", 256 * 197, 768),
    ],
    "small cnn": lambda models: [
        *(call for kind in BOTH for x, w in (((256, 3, 32, 32), (32, 3, 3, 3)), ((256, 32, 16, 16), (64, 32, 3, 3)))
          for call in convolution(kind, x, w, padding=1, first=x[1] == 3, bias=True)),
        *batch_norm("FLOAT", (256, 32, 32, 32)), *batch_norm("FLOAT", (256, 64)),
    ],
    "bert-base": lambda models: [
        *(call for batch, length in ((32, 128), (8, 512)) for dropout in (0.0, 0.1) for bias in (None, ((batch, 1, 1, length), "BFLOAT16"))
          for call in attention("BFLOAT16", batch, 12, length, 64, bias=bias, dropout=dropout)),
        *rows("BFLOAT16", 4096, 768), *rows("BFLOAT16", 4096, 768, "BFLOAT16"), *rows("FLOAT", 4096, 768),
    ],
    "decoders": lambda models: [
        *attention("BFLOAT16", 4, 12, 128, 64, causal=True), *attention("BFLOAT16", 4, 12, 128, 64, causal=True, train=False),
        *attention("BFLOAT16", 2, 32, 256, 128, shared=8, causal=True, dropout=0.1),
        *attention("HALF", 2, 8, 100, 64, bias=((1, 8, 100, 100), "HALF"), bias_gradient=True),
        *attention("BFLOAT16", 2, 8, 64, 64, keys=77, bias=((2, 1, 64, 77), "FLOAT")),
        *rows("BFLOAT16", 1024, 4096, centered=False),
    ],
}  # fmt: skip


@asks
@pytest.mark.slow
@pytest.mark.parametrize("model", SWEEP)
def test_the_graphs_of_the_benchmark_models(model):
    from vision import models

    calls = SWEEP[model](models)
    for deterministic in (False, True):
        found = answers(calls, precision="high", deterministic=deterministic)
        most = max(answer["workspace"] for answer in found)
        assert most < 2 * GIB, max(zip((answer["workspace"] for answer in found), map(str, calls), strict=True))


def parameters(docstring):
    """The parameters of a function in order, as pybind11 writes the first of its signatures."""
    text = re.search(r"\(self: cudnn\._compiled_module\.\w+(?:, )?(.*)\) -> ", docstring)[1]
    text = re.sub(r"<[^<>]*>", "", text)
    while re.search(r"[\[(][^\[\]()]*[\])]", text):
        text = re.sub(r"[\[(][^\[\]()]*[\])]", "", text)
    return [part.split(":")[0].strip() for part in text.split(",") if part.strip()]


def test_the_stand_in_has_the_methods_of_the_real_one():
    cudnn = pytest.importorskip("cudnn", reason="nvidia-cudnn-frontend is not installed")
    for name, method in inspect.getmembers(fake_cudnn.pygraph, inspect.isfunction):
        if not name.startswith("_") or name.startswith(("_exec", "_get", "__init__")):
            real = getattr(cudnn.pygraph, name)
            ours = list(inspect.signature(method).parameters)[1:]
            if inspect.isfunction(real):  # written in Python
                theirs = list(inspect.signature(real).parameters)[1:]
            else:
                theirs = parameters(real.__doc__)
            assert ours == theirs, name
    for name in vars(fake_cudnn.tensor):
        if name.startswith(("set_", "get_")):
            assert hasattr(cudnn.tensor, name), name
    for kind in (
        "data_type",
        "heur_mode",
        "build_plan_policy",
        "numerical_note",
        "norm_forward_phase",
        "diagonal_alignment",
    ):
        theirs = getattr(cudnn, kind).__members__
        assert set(getattr(fake_cudnn_tensors, kind).__members__) <= set(theirs), kind
    for name in ("create_handle", "set_stream", "backend_version", "cudnnGraphNotSupportedError"):
        assert hasattr(cudnn, name), name
