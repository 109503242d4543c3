"""Gradients, gradients of gradients and memory layouts of every differentiable op, on the samples of PyTorch's database.

PyTorch only supplies the samples here. The checks are the framework's own: `gradcheck` and `gradgradcheck` in double
precision, and equal results and gradients whatever the strides of the inputs.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch's database supplies the samples")
pytest.importorskip("expecttest", reason="PyTorch's own test tables import expecttest")

import framework  # noqa: E402
from framework.autograd import gradcheck, gradgradcheck  # noqa: E402
from tests.parity.bridge import Bridge, Unconvertible, tensors_in  # noqa: E402
from tests.parity.opinfo import UNINITIALISED, full_name, selected  # noqa: E402
from tests.parity.variants import variants  # noqa: E402

SMALL = 20
"""Elements up to which every element of the gradient is checked; larger samples are checked along a random direction."""

LARGE = 3000
"""Elements beyond which a sample is left out."""

ROUNDED = "rounds to fewer bits, which hides the difference that a small step makes"
REPEATED = "the samples repeat indices, and the gradient of an element written twice is any of the two"
LABELS = "the samples want a gradient for the labels, whose only values are 1 and -1"
ZEROS = "two zeros among the factors of one product: their mixed second derivative is left out"

GRADIENT_KNOWN: dict[str, str] = {
    "bfloat16": ROUNDED,
    "half": ROUNDED,
    "float": ROUNDED,
    "cfloat": ROUNDED,
    "nn.functional.max_unpool1d": REPEATED,
    "nn.functional.max_unpool2d": REPEATED,
    "nn.functional.max_unpool3d": REPEATED,
    "nn.functional.cosine_embedding_loss": LABELS,
    "nn.functional.hinge_embedding_loss": LABELS,
    "normal": "the gradient of a draw is zero by definition, though it moves with its mean",
    "normal[number_mean]": "the gradient of a draw is zero by definition, though it scales with its deviation",
    "index_reduce[prod]": ZEROS,
    "scatter_reduce[prod]": ZEROS,
    "linalg.norm[subgradients_at_zero]": "a norm has no second derivative at zero",
}
"""Entries whose gradients finite differences can't confirm, with the reason."""

MEMORY = "reads the memory behind the tensor"
VIEWS = "a view of memory in another order is refused, as it should be"

LAYOUT_KNOWN: dict[str, str] = {
    "as_strided": MEMORY,
    "as_strided[partial_views]": MEMORY,
    "as_strided_copy": MEMORY,
    "as_strided_scatter": MEMORY,
    "view": VIEWS,
    "view_as": VIEWS,
    "view_copy": VIEWS,
    "view_as_complex": VIEWS,
}
"""Entries whose results depend on the memory layout, with the reason."""

IN_SCOPE = [op for op in selected("") if op.name != "chalf"]  # NumPy has no such dtype

DIFFERENTIABLE = {
    full_name(op): op
    for op in IN_SCOPE
    if op.supports_autograd and torch.float64 in op.supported_backward_dtypes("cpu")
}
ENTRIES = {full_name(op): op for op in IN_SCOPE if torch.float64 in op.dtypes and op.name not in UNINITIALISED}


class Case:
    """One sample, rebuilt of framework tensors, as a function of its float tensors."""

    def __init__(self, op: Any, sample: Any) -> None:
        convert = Bridge(keep_storage=op.name.startswith("as_strided"))
        self.call = convert((sample.input, sample.args, sample.kwargs))
        found = variants(op)[0].ours
        assert found is not None, f"{op.name} is missing"
        wrapper, process = convert(op.gradcheck_wrapper), convert(sample.output_process_fn_grad)
        plain = op.gradcheck_wrapper is type(op).gradcheck_wrapper
        self.run = lambda first, args, kwargs: process(
            found(first, *args, **kwargs) if plain else wrapper(found, first, *args, **kwargs)
        )
        precise = (framework.float64, framework.complex128)  # differences drown in the rounding of any other
        self.inputs = [t for t in tensors_in_ours(self.call) if t.requires_grad and t.dtype in precise]

    def __call__(self, *values: Any) -> Any:
        """The float results with these tensors in place of the sample's own that require grad."""
        places = {id(old): new for old, new in zip(self.inputs, values, strict=True)}
        framework.manual_seed(3)  # the same draws in every run
        outputs = self.run(*replaced(self.call, lambda t: places.get(id(t), t)))
        return tuple(t for t in tensors_in_ours(outputs) if t.is_floating_point() or t.is_complex())


def tensors_in_ours(value: Any) -> Iterator[Any]:
    if isinstance(value, framework.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in_ours(item)
    elif isinstance(value, dict):
        yield from tensors_in_ours(list(value.values()))


def replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """Nested values with every tensor changed."""
    if isinstance(value, framework.Tensor):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(replaced(item, change) for item in value)
    return {k: replaced(v, change) for k, v in value.items()} if isinstance(value, dict) else value


def samples(op: Any, dtype: Any, most: int, grad: bool = True) -> list[Any]:
    """The smallest samples, none of them empty, and one of medium size."""
    seed = zlib.crc32(full_name(op).encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    sized = []
    for sample in op.sample_inputs("cpu", dtype, requires_grad=grad):
        sizes = [t.numel() for t in tensors_in((sample.input, sample.args, sample.kwargs))]
        if sizes and min(sizes) > 0 and sum(sizes) <= LARGE:
            sized.append((sum(sizes), len(sized), sample))
    sized.sort(key=lambda entry: entry[:2])
    chosen = sized[: most - 1] + sized[max(most - 1, len(sized) // 2) :][:1]
    return [sample for _, _, sample in chosen]


def cases(op: Any, dtype: Any, most: int, grad: bool = True) -> Iterator[Case]:
    for sample in samples(op, dtype, most, grad):
        try:
            yield Case(op, sample)
        except Unconvertible:
            continue


def check_gradients(op: Any, dtype: Any, most: int) -> None:
    for case in cases(op, dtype, most):
        if not case.inputs:
            continue
        results = case(*case.inputs)
        if not all(np.isfinite(t.detach().numpy()).all() for t in results):
            continue  # NaN and infinity have no differences
        size = sum(t.numel() for t in case.inputs)
        fast = size > (SMALL if dtype is torch.float64 else SMALL // 4)
        assert gradcheck(case, case.inputs, fast_mode=fast)
        if op.supports_gradgrad:
            fast = fast or size + sum(t.numel() for t in results) > SMALL
            assert gradgradcheck(case, case.inputs, fast_mode=fast, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    op = DIFFERENTIABLE[name]
    with np.errstate(all="ignore"):
        try:
            check_gradients(op, torch.float64, 6)
            if torch.complex128 in op.supported_backward_dtypes("cpu"):
                check_gradients(op, torch.complex128, 4)
        except Exception:
            if name not in GRADIENT_KNOWN:
                raise
            pytest.xfail(GRADIENT_KNOWN[name])
    assert name not in GRADIENT_KNOWN, f"{name} agrees now: take it out of GRADIENT_KNOWN"


def contiguous(array: Any) -> Any:
    """A fresh copy in plain order."""
    return array.copy(order="C")


def scattered(array: Any) -> Any:
    """Equal values of which every second element of a bigger array is one."""
    wide = np.zeros((*array.shape, 2), array.dtype)[..., 0]
    wide[...] = array
    return wide


def transposed(array: Any) -> Any:
    """Equal values whose memory runs in the opposite order of dims."""
    return array.T.copy(order="C").T


def channels_last(array: Any) -> Any:
    """Equal values with the channels of 4-d ones side by side in memory."""
    return np.moveaxis(np.moveaxis(array, 1, -1).copy(order="C"), -1, 1) if array.ndim == 4 else array


LAYOUTS = {change.__name__: change for change in (scattered, transposed, channels_last)}


def outcome(case: Case, layout: Callable[[Any], Any]) -> list[Any]:
    """Results and gradients, as arrays, with every tensor's memory laid out so."""

    def laid_out(tensor: Any) -> Any:
        fresh = framework.from_numpy(layout(tensor.detach().numpy()))
        return fresh.requires_grad_(True) if tensor.requires_grad else fresh

    call = replaced(case.call, laid_out)
    inputs = [t for t in tensors_in_ours(call) if t.requires_grad]
    framework.manual_seed(3)
    results = list(tensors_in_ours(case.run(*call)))
    found = [r.detach().numpy() for r in results]
    differentiable = [r for r in results if r.requires_grad]
    if differentiable:
        draw = np.random.default_rng(5).standard_normal
        weights = [framework.from_numpy(draw(tuple(r.shape)).astype(r.detach().numpy().dtype)) for r in differentiable]
        gradients = framework.autograd.grad(differentiable, inputs, weights, allow_unused=True)
        found += [g.numpy() for g in gradients if g is not None]
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ENTRIES)
def test_results_do_not_depend_on_the_memory_layout(name: str) -> None:
    op = ENTRIES[name]
    problems = []
    with np.errstate(all="ignore"):
        for case in cases(op, torch.float64, 5, grad=name in DIFFERENTIABLE):
            try:
                expected = outcome(case, contiguous)
            except RuntimeError:
                if name not in LAYOUT_KNOWN:
                    raise
                continue  # the sample's own strides matter
            for label, layout in LAYOUTS.items():
                try:
                    got = outcome(case, layout)
                except Exception as error:
                    problems.append(f"{label}: {type(error).__name__}: {error}")
                    continue
                same = len(got) == len(expected) and all(
                    a.shape == b.shape and a.dtype == b.dtype and np.allclose(a, b, 1e-9, 1e-9, equal_nan=True)
                    for a, b in zip(expected, got, strict=True)
                )
                if not same:
                    problems.append(
                        f"{label}: results differ for {[tuple(t.shape) for t in tensors_in_ours(case.call)]}"
                    )
    if name in LAYOUT_KNOWN:
        assert problems, f"{name} agrees now: take it out of LAYOUT_KNOWN"
        pytest.xfail(LAYOUT_KNOWN[name])
    assert not problems, "\n".join(problems)
