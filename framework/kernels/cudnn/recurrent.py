"""Recurrent nets by cuDNN: tanh and ReLU nets, LSTM (with projection) and GRU, all layers and directions in one call.

In one call the layers of a deep net and both directions overlap, and the last states come stacked as they are wanted;
dropout between layers is an op of ours, so a net that has it is called layer by layer. Weights are copied into one block
of memory, as cuDNN wants them: matrices of each layer and direction, then biases, gates in PyTorch's order. Their
gradients are views of such a block. What the forward pass leaves for the backward pass one backward pass uses up; a
second one through the same graph runs the forward pass again.

float32 follows the precision of products: no TF32 unless it is allowed. 16-bit types are computed in float32. cuDNN has
one algorithm for all sequences, and others, which keep the weights in a multiprocessor from step to step, for small nets
and for float16 whose sequences are of one length. A single step is left to other kernels.

Not yet run on a GPU: checked on the host with a library of cuDNN's interface (tests/gpu).
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import byref, c_int, c_size_t, c_void_p
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from framework import dtypes
from framework.kernels.cudnn import rnn_library as api
from framework.kernels.cudnn.library import off
from framework.kernels.cudnn.rnn_library import CudnnError, Handle, current
from framework.kernels.precision import convolutions_round

NAME = "cudnn"
KEPT = 256  # nets, and kinds of sequences for them, the least recently used going first

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
# hidden sizes up to which the weights of a small net stay in registers, forward and backward
SMALL = {"RNN_TANH": (384, 256), "RNN_RELU": (384, 256), "LSTM": (192, 128), "GRU": (192, 128)}
PERSISTENT = 1024  # the same for weights of float16 in shared memory, ...
PROCESSORS, ROWS = 98, 128  # ... on as many multiprocessors, and for so many sequences at most

_unserved: set[Any] = set()  # nets that cuDNN has but the one algorithm for, against what is known of others


def declines(
    x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, mode: str, sizes: Sequence[int]
) -> str | None:
    """None if it can serve a sequence, else why not."""
    kind = x.dtype
    if kind not in api.TYPES:
        return f"cuDNN has no recurrent nets of {kind}"
    if any(a is not None and a.dtype != kind for a in (h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)):
        return "arrays of several types"
    if len(sizes) < 2:
        return "a single step" if sizes else "an empty sequence"
    if not x.size or not w_hh.size:
        return "an empty sequence or state"
    return off() or api.why_not() or _refused(kind)


@lru_cache(8)
def _refused(kind: Any) -> str | None:
    """None if this cuDNN has recurrent nets of an element type, else what it says; asked with a small net."""
    try:
        Weights(current(), "LSTM", kind, 8, 8, 8, 1, 1, True)
    except CudnnError as error:
        if error.status not in api.NOT_SUPPORTED:
            raise
        return str(error)
    return None


class Weights:
    """Where the weights of a net lie in cuDNN's block of memory.

    Attributes:
        size: the elements of the block.
        spans: for each weight, in the order of the op's, its first element and the one behind its last.
    """

    def __init__(
        self, handle: Handle, mode: str, kind: Any, features: int, hidden: int, projected: int, layers: int,
        directions: int, biased: bool
    ) -> None:  # fmt: skip
        net = _descriptor(
            handle, api.STANDARD, False, 0, mode, kind, features, hidden, projected, layers, directions, biased
        )
        lib, size = handle.library, c_size_t()
        lib.call("cudnnGetRNNWeightSpaceSize", handle.pointer, net.rnn, byref(size))
        self.bytes, self.size = size.value, size.value // kind.itemsize
        self.spans: list[tuple[int, int]] = []
        gates = GATES[mode]
        for number in range(layers * directions):
            parts = [self._part(handle, net.rnn, number, gate, kind.itemsize) for gate in range(2 * gates)]
            pairs = [parts[:gates], parts[gates:]]
            for place in (0, 1) if biased else (0,):
                self.spans += [self._joined([part[place] for part in pair]) for pair in pairs]
            if projected != hidden:
                self.spans.append(self._joined([self._part(handle, net.rnn, number, 2 * gates, kind.itemsize)[0]]))
        self.filled = sum(stop - start for start, stop in self.spans) == self.size

    def _part(self, handle: Handle, net: Any, number: int, gate: int, itemsize: int) -> list[Any]:
        """The matrix and the bias of a gate: first element and size, None for a bias that is not there."""
        lib, base = handle.library, 1 << 32  # any address will do: cuDNN adds to it
        descriptors = [lib.object("TensorDescriptor") for _ in range(2)]
        found = [c_void_p(), c_void_p()]
        lib.call(
            "cudnnGetRNNWeightParams", handle.pointer, net, number, self.bytes, base, gate, descriptors[0],
            byref(found[0]), descriptors[1], byref(found[1])
        )  # fmt: skip
        parts: list[Any] = []
        for descriptor, place in zip(descriptors, found, strict=True):
            kind, count, lengths, steps = c_int(), c_int(), (c_int * 3)(), (c_int * 3)()
            lib.call("cudnnGetTensorNdDescriptor", descriptor, 3, byref(kind), byref(count), lengths, steps)
            parts.append(((place.value - base) // itemsize, lengths[1] * lengths[2]) if place.value else None)
        return parts

    @staticmethod
    def _joined(parts: list[tuple[int, int]]) -> tuple[int, int]:
        """A weight of all gates from those of each, which follow one another."""
        start, size = parts[0]
        if parts != [(start + number * size, size) for number in range(len(parts))]:
            raise RuntimeError("recurrent: this cuDNN keeps the gates' weights apart; please report its version")
        return start, start + len(parts) * size


class _Descriptor:
    """A net as cuDNN describes it, with the dropout that it has not."""

    def __init__(self, handle: Handle) -> None:
        lib = handle.library
        self.dropout, self.rnn = lib.object("DropoutDescriptor"), lib.object("RNNDescriptor")
        lib.call("cudnnSetDropoutDescriptor", self.dropout, handle.pointer, 0.0, None, 0, 0)


def _descriptor(
    handle: Handle, algorithm: int, tf32: bool, flags: int, mode: str, kind: Any, features: int, hidden: int,
    projected: int, layers: int, directions: int, biased: bool
) -> _Descriptor:  # fmt: skip
    made, code = _Descriptor(handle), api.TYPES[kind]
    math = api.DEFAULT_MATH
    if kind in dtypes.HALF:
        math = api.TENSOR_OP_MATH
    elif code == api.FLOAT and not tf32:
        math = api.FMA_MATH
    handle.library.call(
        "cudnnSetRNNDescriptor_v8", made.rnn, algorithm, api.CELLS[mode], api.DOUBLE_BIAS if biased else api.NO_BIAS,
        api.UNIDIRECTIONAL + directions - 1, api.LINEAR_INPUT, code, api.DOUBLE if code == api.DOUBLE else api.FLOAT,
        math, features, hidden, projected, layers, made.dropout, flags
    )  # fmt: skip
    return made


@lru_cache(KEPT)
def _weights(device: int, *net: Any) -> Weights:
    return Weights(current(), *net)


def _algorithm(
    handle: Handle, rows: int, training: bool, mode: str, kind: Any, features: int, hidden: int, projected: int,
    layers: int, directions: int
) -> int:  # fmt: skip
    """The algorithm for sequences of one length, by what PyTorch's developers measured."""
    if projected != hidden or kind == np.float64:
        return api.STANDARD
    if hidden <= SMALL[mode][training]:
        return api.PERSIST_STATIC_SMALL_H
    fits = layers == directions == 1 and hidden <= PERSISTENT and not hidden % 128 and not features % 128
    if kind != np.float16 or mode == "GRU" or not fits or rows % 8 or rows > ROWS:
        return api.STANDARD
    if mode != "LSTM" and rows >= 96 and hidden >= 896:
        return api.STANDARD
    device = handle.xp.cuda.Device(handle.device)
    if device.attributes["MultiProcessorCount"] < PROCESSORS or device.compute_capability == "86":
        return api.STANDARD
    return api.PERSIST_STATIC


class Plan:
    """A net for sequences of given lengths: cuDNN's descriptors, and how much memory it works in.

    Args:
        standard: take the algorithm that serves all sequences.
    """

    def __init__(
        self, handle: Handle, net: tuple[Any, ...], sizes: tuple[int, ...], training: bool, tf32: bool, standard: bool
    ) -> None:  # fmt: skip
        mode, kind, features, hidden, projected, layers, directions, _ = net
        lib, rows, even = handle.library, sizes[0], sizes[0] == sizes[-1]
        algorithm = api.STANDARD
        if even and not standard:
            algorithm = _algorithm(handle, rows, training, *net[:-1])
        flags = api.PADDED_IO_ENABLED if even else api.PADDED_IO_DISABLED
        self.net = _descriptor(handle, algorithm, tf32, flags, *net)
        lengths = np.add.reduce(np.arange(rows)[:, None] < np.array(sizes), axis=1, dtype=np.int32)
        layout = api.SEQUENCE_MAJOR_UNPACKED if even else api.SEQUENCE_MAJOR_PACKED
        self.x, self.y = (lib.object("RNNDataDescriptor") for _ in range(2))
        for descriptor, width in ((self.x, features), (self.y, directions * projected)):
            given = (c_int * rows)(*lengths.tolist())
            lib.call(
                "cudnnSetRNNDataDescriptor", descriptor, api.TYPES[kind], layout, len(sizes), rows, width, given, None
            )  # fmt: skip
        self.h = self._state(lib, kind, layers * directions, rows, projected)
        self.c = self._state(lib, kind, layers * directions, rows, hidden) if mode == "LSTM" else None
        workspace, reserve = c_size_t(), c_size_t()
        use = self.use = api.TRAINING if training else api.INFERENCE
        lib.call(
            "cudnnGetRNNTempSpaceSizes", handle.pointer, self.net.rnn, use, self.x, byref(workspace), byref(reserve)
        )  # fmt: skip
        self.workspace, self.reserve = workspace.value, reserve.value if training else 0

    @staticmethod
    def _state(lib: api.Library, kind: Any, *lengths: int) -> Any:
        made = lib.object("TensorDescriptor")
        steps = lengths[1] * lengths[2], lengths[2], 1
        lib.call("cudnnSetTensorNdDescriptor", made, api.TYPES[kind], 3, (c_int * 3)(*lengths), (c_int * 3)(*steps))
        return made


@lru_cache(KEPT)
def _plan(device: int, *arguments: Any) -> Plan:
    return Plan(current(), *arguments)


class State:
    """What the forward pass leaves for the backward pass."""

    def __init__(self, plan: Plan, weights: Weights, block: Any, reserve: Any, y: Any, arguments: Any) -> None:
        self.plan, self.weights, self.block, self.reserve, self.y = plan, weights, block, reserve, y
        self.arguments = arguments  # to run the forward pass by, once more
        self.spent = False
        self.turned: Any = None


def _address(array: Any) -> int | None:
    return None if array is None else array.data.ptr


def net_forward(
    mode: str, x: Any, h0: Any, c0: Any, weights: Sequence[Any], sizes: Sequence[int], layers: int, directions: int,
    biased: bool, training: bool = True
) -> tuple[tuple[Any, ...], Any]:  # fmt: skip
    """Run all layers and directions of a net: the outputs ``(y, h)`` or ``(y, h, c)``, and the state for ``net_backward``.

    Args:
        x: (sum of sizes, features), as in ``forward``.
        h0, c0: (layers * directions, sizes[0], hidden) initial states; c0 for LSTM only.
        weights: for each layer and direction w_ih, w_hh, then b_ih, b_hh if ``biased``, then w_hr if projected.
    """
    handle = current()
    xp, kind, sizes = handle.xp, x.dtype, tuple(sizes)
    hidden, projected = weights[0].shape[0] // GATES[mode], weights[1].shape[1]
    net = (mode, kind, x.shape[1], hidden, projected, layers, directions, biased)
    lie = _weights(handle.device, *net)
    block = (xp.empty if lie.filled else xp.zeros)(lie.size, kind)
    for (start, stop), weight in zip(lie.spans, weights, strict=True):
        block[start:stop] = weight.ravel()
    x, h0 = xp.ascontiguousarray(x), xp.ascontiguousarray(h0)
    c0 = None if c0 is None else xp.ascontiguousarray(c0)
    y = xp.empty((x.shape[0], directions * projected), kind)
    states = [xp.empty_like(s) for s in (h0, c0) if s is not None]
    tf32 = convolutions_round(kind) != "ieee"
    unserved = (handle.device, net, training)
    for standard in (True,) if unserved in _unserved else (False, True):
        try:
            plan = _plan(handle.device, net, sizes, training, tf32, standard)
            workspace = xp.empty(max(plan.workspace, 1), np.uint8)
            reserve = xp.empty(max(plan.reserve, 1), np.uint8) if training else None
            handle.library.call(
                "cudnnRNNForward", handle.pointer, plan.net.rnn, plan.use, None, plan.x, x.data.ptr, plan.y, y.data.ptr,
                plan.h, h0.data.ptr, states[0].data.ptr, plan.c, _address(c0),
                _address(states[1] if c0 is not None else None), lie.bytes, block.data.ptr, plan.workspace,
                workspace.data.ptr, plan.reserve, _address(reserve)
            )  # fmt: skip
            break
        except CudnnError as error:  # which nets the faster algorithms take depends on cuDNN's version and the GPU
            if standard or error.status not in api.NOT_SUPPORTED:
                raise
            _unserved.add(unserved)
    arguments = (sizes, layers, directions, biased)
    state = State(plan, lie, block, reserve, y, arguments) if training else None
    return (y, *states), state


def net_backward(
    mode: str, state: State, needs: Sequence[Any], gradients: Sequence[Any], x: Any, h0: Any, c0: Any,
    weights: Sequence[Any]
) -> tuple[Any, ...]:  # fmt: skip
    """The gradients of ``x``, ``h0``, ``c0`` and each of the weights from those of the outputs (None where unused)."""
    if state.spent:  # a second pass through the same graph
        _, state = net_forward(mode, x, h0, c0, weights, *state.arguments)
    state.spent = True
    handle = current()
    xp, plan, lie, lib = handle.xp, state.plan, state.weights, handle.library
    x, h0 = xp.ascontiguousarray(x), xp.ascontiguousarray(h0)
    c0 = None if c0 is None else xp.ascontiguousarray(c0)
    gy, *rest = (None if g is None else xp.ascontiguousarray(g) for g in gradients)
    gh, gc = [*rest, None][:2]
    gy = xp.zeros_like(state.y) if gy is None else gy
    dx, dh = xp.empty_like(x), xp.empty_like(h0)
    dc = None if c0 is None else xp.empty_like(c0)
    workspace = xp.empty(max(plan.workspace, 1), np.uint8)
    spaces = (plan.workspace, workspace.data.ptr, plan.reserve, state.reserve.data.ptr)
    lib.call(
        "cudnnRNNBackwardData_v8", handle.pointer, plan.net.rnn, None, plan.y, state.y.data.ptr, gy.data.ptr, plan.x,
        dx.data.ptr, plan.h, h0.data.ptr, _address(gh), dh.data.ptr, plan.c, _address(c0), _address(gc), _address(dc),
        lie.bytes, state.block.data.ptr, *spaces
    )  # fmt: skip
    found: list[Any] = [None] * len(lie.spans)
    if any(needs[3:]):
        sums = xp.zeros(lie.size, x.dtype)  # cuDNN adds to what it finds
        lib.call(
            "cudnnRNNBackwardWeights_v8", handle.pointer, plan.net.rnn, api.ADD_GRADIENTS, None, plan.x, x.data.ptr,
            plan.h, h0.data.ptr, plan.y, state.y.data.ptr, lie.bytes, sums.data.ptr, *spaces
        )  # fmt: skip
        found = [
            sums[start:stop].reshape(weight.shape) if need else None
            for (start, stop), weight, need in zip(lie.spans, weights, needs[3:], strict=True)
        ]
    return (dx if needs[0] else None, dh if needs[1] else None, dc if needs[2] else None, *found)


def _parts(b_ih: Any, w_hr: Any) -> list[int]:
    """Which of w_ih, w_hh, b_ih, b_hh, w_hr a layer has."""
    return [0, 1] + [2, 3] * (b_ih is not None) + [4] * (w_hr is not None)


@lru_cache(KEPT)
def _turn(device: int, sizes: tuple[int, ...]) -> Any:
    """The rows of a flat sequence with the steps of each of its sequences from the last to the first."""
    starts = [0, *accumulate(sizes)]
    lengths = np.add.reduce(np.arange(sizes[0])[:, None] < np.array(sizes), axis=1)
    rows = [starts[lengths[i] - 1 - t] + i for t, n in enumerate(sizes) for i in range(n)]
    return current().xp.asarray(np.array(rows))


def forward(
    mode: str, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, sizes: Sequence[int],
    reverse: bool, training: bool = True
) -> tuple[tuple[Any, ...], Any]:  # fmt: skip
    """Run one direction of a layer, as the generic kernel does; cuDNN has no lone one backwards, so that turns x."""
    turn = _turn(current().device, tuple(sizes)) if reverse else None
    given = (w_ih, w_hh, b_ih, b_hh, w_hr)
    weights = [given[part] for part in _parts(b_ih, w_hr)]
    x = x if turn is None else x[turn]
    starts = h0[None], None if c0 is None else c0[None]
    (y, *states), state = net_forward(mode, x, *starts, weights, sizes, 1, 1, b_ih is not None, training)
    if state is not None:
        state.turned = turn
    return (y if turn is None else y[turn], *(s[0] for s in states)), state


def backward(
    mode: str, state: State, needs: Sequence[Any], gradients: Sequence[Any], x: Any, h0: Any, c0: Any, w_ih: Any,
    w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> tuple[Any, ...]:  # fmt: skip
    """The gradients of ``x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr`` from those of the outputs (None where unused)."""
    turn, given, parts = state.turned, (w_ih, w_hh, b_ih, b_hh, w_hr), _parts(b_ih, w_hr)
    gy, *ends = gradients
    gy = gy if gy is None or turn is None else gy[turn]
    ends = [None if g is None else g[None] for g in ends]
    wanted = [*needs[:3], *(needs[3 + part] for part in parts)]
    x = x if turn is None else x[turn]
    starts = h0[None], None if c0 is None else c0[None]
    dx, dh, dc, *found = net_backward(mode, state, wanted, (gy, *ends), x, *starts, [given[part] for part in parts])
    weights: list[Any] = [None] * 5
    for part, gradient in zip(parts, found, strict=True):
        weights[part] = gradient
    dx = dx if dx is None or turn is None else dx[turn]
    return (dx, None if dh is None else dh[0], None if dc is None else dc[0], *weights)
