"""Every op of the core on the GPU against the CPU, on the samples of PyTorch's database: values, dtypes and gradients."""

from __future__ import annotations

import random
import warnings
import zlib
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch's database supplies the samples")
pytest.importorskip("expecttest", reason="PyTorch's own test tables import expecttest")

import framework  # noqa: E402
from tests.gpu.compare import check, gradients, moved, tensors_in  # noqa: E402
from tests.parity.bridge import Bridge, Unconvertible  # noqa: E402
from tests.parity.opinfo import NOT_UNIQUE, UNINITIALISED, full_name, selected  # noqa: E402
from tests.parity.variants import variants  # noqa: E402

OPS = {full_name(op): op for op in selected("") if op.name != "chalf" and op.dtypes}  # NumPy has no complex32

DRAWS = {
    *(
        "normal",
        "normal[in_place]",
        "normal[number_mean]",
        "rand_like",
        "randn_like",
        "log_normal",
        "uniform",
        "multinomial",
    ),
    *("nn.functional.multi_head_attention_forward", "bernoulli", "cauchy", "exponential", "geometric", "randint_like"),
    *("nn.functional.dropout2d", "nn.functional.dropout3d", "nn.functional.feature_alpha_dropout[with_train]"),
    *("nn.functional.rrelu", "nn.functional.dropout", "nn.functional.alpha_dropout"),
    *("nn.functional.feature_alpha_dropout[without_train]", "nn.functional.scaled_dot_product_attention"),
}
"""Entries that draw numbers: shape, dtype and device are compared, as the devices may draw others."""

OTHER_MEMORY = {
    "as_strided[partial_views]": "its samples look at memory around the tensor, which does not move with it",
}


def samples(op: Any, dtype: Any, most: int) -> list[Any]:
    """Samples spread over those that there are."""
    seed = zlib.crc32(full_name(op).encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    grad = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
    found = list(op.sample_inputs_func(op, "cpu", dtype, grad))  # not sample_inputs, which looks at the stack each time
    return [found[i * len(found) // most] for i in range(most)] if len(found) > most else found


def outcome(variant: Any, call: Any) -> tuple[Any, list[Any]]:
    """What a call gives, and the gradients of it."""
    framework.manual_seed(3)
    first, args, kwargs = call
    result = variant.ours(first.clone() if variant.mutates else first, *args, **kwargs)
    return result, gradients(result, [t for t in tensors_in(call) if t.requires_grad])


def compare(op: Any, dtype: Any, most: int, all_variants: bool) -> int:
    """Compare the samples of an op in one dtype; gives how many there were."""
    name, count = full_name(op), 0
    given = op.name not in UNINITIALISED and name not in DRAWS
    for sample in samples(op, dtype, most):
        for variant in variants(op)[: None if all_variants else 1]:
            if variant.ours is None:
                continue
            try:
                here = Bridge(keep_storage=op.name == "as_strided")((sample.input, sample.args, sample.kwargs))
            except Unconvertible:
                continue
            if not list(tensors_in(here)):
                continue  # nothing says on which device
            there = moved(here, "cuda")
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    expected, wanted = outcome(variant, here)
            except Exception as error:
                with pytest.raises(type(error)):
                    outcome(variant, there)
                continue
            found, got = outcome(variant, there)
            what = f"{name} {dtype} {variant.name}"
            if op.name != "to":
                values = given and op.name not in NOT_UNIQUE
                check(found, expected, what, values)
                check(got, wanted, f"{what}, gradient", values)
            count += 1
    return count


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPS)
def test_an_op_gives_what_it_gives_on_the_cpu(gpu: Any, name: str) -> None:
    op = OPS[name]
    if name in OTHER_MEMORY:
        pytest.skip(OTHER_MEMORY[name])
    dtype = torch.float32 if torch.float32 in op.dtypes else sorted(op.dtypes, key=str)[0]
    compare(op, dtype, 2, False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPS)
def test_an_op_gives_what_it_gives_on_the_cpu_in_every_form_and_dtype(gpu: Any, name: str) -> None:
    op = OPS[name]
    if name in OTHER_MEMORY:
        pytest.skip(OTHER_MEMORY[name])
    kinds = ("float64", "float16", "bfloat16", "int64", "bool", "complex64", "uint8", "float32")
    for dtype in (getattr(torch, kind) for kind in kinds):
        if dtype in op.dtypes:
            compare(op, dtype, 6, True)
