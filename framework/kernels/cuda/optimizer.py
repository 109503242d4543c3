"""The optimizers' step on the GPU: all parameters of one kind in one launch, each array read and written once.

A step moves what memory can move: the parameter, its gradient and its state, in accesses of four elements. Numbers that
a rule's elements share are worked out here in double. Arithmetic is in float32, or in double for double parameters.
bfloat16 parameters take the rounded values of their float32 masters in the same pass, or are rounded at random with the
bits that the generic kernel would draw: four elements a word of the stream.

Arrays with gaps in their memory are copied, updated and written back. Nothing waits for the device.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import CTYPES, FLOATS, kernel, real
from framework.kernels.cuda.tensors import is_dense, struct, tables
from framework.kernels.generic import optimizer as generic

NAME = "cuda"
THREADS = 256
Numbers = dict[str, Any]

_REAL: dict[Any, Any] = {np.dtype("complex64"): np.dtype("float32"), np.dtype("complex128"): np.dtype("float64")}


def declines(*arrays: Any, rule: str = "") -> str | None:
    """None if it can serve a parameter, its gradient and state (for ``unscale``, all gradients), else why not."""
    if rule != "unscale" and rule not in NUMBERS:
        return "a rule that needs a parameter's norm, rows or singular vectors"
    for array in arrays:
        if _REAL.get(array.dtype, array.dtype) not in FLOATS:
            return f"there is no kernel for {array.dtype}"
    return None


def _sgd(n: Numbers) -> tuple[float, ...]:
    return n["lr"], n.get("momentum", 0), 1 - n.get("dampening", 0), n.get("nesterov", False)


def _adam(n: Numbers) -> tuple[float, ...]:
    correction = n["correction"]
    return *_betas(n), n["rate"] * correction, n["eps"] * correction, n.get("decay", 1)


def _betas(n: Numbers) -> tuple[float, float, float]:
    return 1 - n["beta1"], n["beta2"], 1 - n["beta2"]


def _nadam(n: Numbers) -> tuple[float, ...]:
    return *_betas(n), n["rate_gradient"], n["rate_mean"], 1 / n["correction"], n["eps"], n["decay"]


def _radam(n: Numbers) -> tuple[float, ...]:
    rectified = n["rectified"]
    return *_betas(n), n["rate"], 0 if rectified is None else n["rate"] * rectified, n["eps"], n["decay"]


NUMBERS: dict[str, Callable[[Numbers], tuple[float, ...]]] = {
    "sgd": _sgd,
    "adam": _adam,
    "rmsprop": lambda n: (n["lr"], n["alpha"], 1 - n["alpha"], n["eps"], n["centered"], n["momentum"]),
    "adagrad": lambda n: (n["rate"], n["eps"]),
    "adadelta": lambda n: (n["lr"], n["rho"], 1 - n["rho"], n["eps"]),
    "nadam": _nadam,
    "radam": _radam,
    "adamax": lambda n: (1 - n["beta1"], n["beta2"], n["rate"], n["eps"]),
    "asgd": lambda n: (n["eta"], n["mu"], 1 - n["lambd"] * n["eta"]),
    "rprop": lambda n: (n["shrink"], n["grow"], n["smallest"], n["largest"]),
    "lion": lambda n: (n["lr"], n["beta1"], 1 - n["beta1"], 1 - n["beta2"], n["decay"]),
}
"""What each rule of ``source/optimizer_rules.cuh`` takes, after the sign of the gradient and the weight decay."""


def step(rule: str, jobs: list[generic.Job], copies: Sequence[Any] = (), generator: Any = None) -> None:
    """Apply a rule to parameters: for each, its arrays (parameter, gradient, state) and the rule's numbers.

    Args:
        copies: for each job the 16-bit array that takes the parameter's new values; or none at all.
        generator: rounds bfloat16 parameters at random, by one draw of 16 bits an element.
    """
    groups: list[tuple[Any, Numbers, list[Any]]] = []
    back: list[tuple[Any, Any]] = []  # arrays with gaps, and what was updated in their place
    held, drawn = [], 0
    for number, (arrays, numbers) in enumerate(jobs):
        size = arrays[0].size
        if not size:
            continue
        if copies:
            arrays = (*arrays, copies[number])
        arrays = _together(arrays, back)
        held.append(arrays)  # copies among them live until the launch
        kinds = [array.dtype for array in arrays]
        for group in groups:  # mostly there is one
            if group[0] == kinds and group[1] == numbers:
                break
        else:
            groups.append(group := (kinds, numbers, []))
        count = 2 * size if kinds[0].kind == "c" else size
        group[2].append(([array.data.ptr for array in arrays], count, drawn))
        if generator is not None:
            drawn += -(-size // 4)
    place = (np.uint64(0),) * 3 if generator is None else generator.stream.place(drawn)
    for kinds, numbers, rows in groups:
        _launch(rule, kinds, numbers, rows, bool(copies), generator is not None, place)
    for array, updated in back:
        array[...] = updated


def _together(arrays: tuple[Any, ...], back: list[tuple[Any, Any]]) -> tuple[Any, ...]:
    """The arrays in one memory order without gaps: themselves, or copies of those that are not in the parameter's."""
    for array in arrays:
        if not array.flags.c_contiguous:
            break
    else:
        return arrays
    p = arrays[0]
    like = p if is_dense(p) else array_module(p).empty_like(p)
    found = []
    for place, array in enumerate(arrays):
        if any(
            n > 1 and own * like.itemsize != other * array.itemsize
            for n, own, other in zip(p.shape, array.strides, like.strides, strict=True)
        ):
            same = array_module(p).empty_like(like, dtype=array.dtype)
            same[...] = array
            if place != 1:
                back.append((array, same))
            array = same
        found.append(array)
    return tuple(found)


def _launch(
    rule: str, kinds: list[Any], numbers: Numbers, rows: list[Any], copied: bool, at_random: bool, place: Any
) -> None:
    """Apply a rule to the parameters of one kind with the same numbers."""
    p, g, *state = [_REAL.get(kind, kind) for kind in kinds]
    copy = state.pop() if copied else None
    if len(set(state)) > 1:
        raise TypeError(f"optimizer step: the state of {rule} should have one dtype, got {', '.join(map(str, state))}")
    values = np.zeros(12, real(p))
    found = NUMBERS[rule](numbers)
    values[:2] = -1 if numbers.get("maximize") else 1, numbers.get("weight_decay", 0)
    values[2 : 2 + len(found)] = found
    macros: dict[str, Any] = {
        "RULE": rule, "STATES": len(state), "P": CTYPES[p], "G": CTYPES[g], "S": CTYPES[state[0] if state else p],
        "COPIED": int(copied), "DRAWN": int(at_random),
    }  # fmt: skip
    if copy is not None:
        macros["C"] = CTYPES[copy]
    for table, count, chunks, words in tables(rows, len(kinds)):
        kernel("optimizer", "optimizer_step", **macros, WORDS=words)(
            (chunks,), (THREADS,), (table, struct(values), np.int32(count), *place)
        )


def unscale(gradients: list[Any], inverse_scale: Any) -> Any:
    """Multiply gradients in place, and say whether one of them held an infinity or a nan, in one launch.

    Args:
        gradients: of one element type, on one device.
        inverse_scale: a 0-d float32 array there.

    Returns:
        A 0-d float32 array there, 1 or 0.
    """
    xp = array_module(gradients[0])
    found = xp.zeros((), np.float32)
    kind = _REAL.get(gradients[0].dtype, gradients[0].dtype)
    double = 1 + (gradients[0].dtype.kind == "c")
    rows, left = [], []
    for g in gradients:
        if is_dense(g):
            if g.size:
                rows.append(([g.data.ptr], double * g.size, 0))
        else:
            left.append(g)
    for table, count, chunks, words in tables(rows, 1):
        kernel("gradients", "unscale", G=CTYPES[kind], WORDS=words)(
            (chunks,), (THREADS,), (table, inverse_scale, found, np.int32(count))
        )
    return xp.maximum(found, generic.unscale(left, inverse_scale)) if left else found
