"""Recurrent layers by oneDNN: one direction of a tanh or ReLU net, an LSTM or a GRU over a whole sequence.

A sequence is taken in pieces of a few steps, each a call of oneDNN, so that what a piece works in stays in the cache
and is used again by the next one. Of the workspace a piece leaves for the backward pass only the bytes that the forward
pass wrote are kept: a quarter of it, the rest being room for the backward pass.

PyTorch's weights are oneDNN's by strides for the backward pass; for the forward pass, and for their gradients, they are
reordered once a call. GRU's reset and update gates are the other way round, and it has a fourth bias, that of the new
gate's recurrent part.

Measured on two threads of a 2-core EPYC, LSTM of 128 features and 256 outputs over 100 steps of 32 sequences: forward
13 ms and with the backward pass 43, beside 47 and 102 of the generic kernel. Of that oneDNN's own part is 12.4 and 24.6
ms in pieces of 10 steps; in one piece it is 13.4 and 29, with 65 MB of workspace, of which 17 are kept now, and 67 MB of
memory for intermediate results, now 7.
A GRU takes 34 beside 84 ms, a tanh net 19 beside 24. Few steps through small nets are worth it too (LSTM of 8 outputs,
20 steps of 8 sequences: 3 times as fast), but not a single step of a GRU, nor 20 such steps of a tanh net.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from framework.kernels.generic import recurrent as generic
from framework.kernels.onednn import library as api
from framework.kernels.onednn.conversion import same_half, to
from framework.kernels.onednn.library import library
from framework.kernels.onednn.plans import FLOAT32, Plan, kind_of, planned, strides_of

NAME = "onednn"
WORTH = {"RNN_TANH": 1 << 22, "RNN_RELU": 1 << 22, "LSTM": 1 << 11, "GRU": 1 << 11}  # multiplications, and ...
LEAST_STEPS = {"RNN_TANH": 4, "RNN_RELU": 4, "LSTM": 1, "GRU": 4}  # ... steps from which on oneDNN is the faster
FEW_ROWS, LARGE = 16, 1 << 16  # fewer rows than this do not pay for reordering weights of more elements than this
PIECE = 1 << 16  # elements of outputs that a piece should have
FEWEST, MOST = 4, 32  # steps that it has at least, and at most, so that a net's lengths share a few plans

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
_CREATORS = {"RNN_TANH": "vanilla_rnn", "RNN_RELU": "vanilla_rnn", "LSTM": "lstm", "GRU": "lbr_gru"}
_ACTIVATIONS = {"RNN_TANH": ("tanh",), "RNN_RELU": ("relu",)}
_SWAPPED = [1, 0, 2]  # GRU's gates in oneDNN's order
_MARK = 0x7FC5A5A5  # what no result of zeros is
_GRADIENT = 128  # added to the number of an argument it gives that of its gradient


def declines(
    x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, mode: str, sizes: Sequence[int]
) -> str | None:
    """None if it can serve a sequence, else why not."""
    arrays = [a for a in (x, h0, c0, w_ih, w_hh, b_ih, b_hh) if a is not None]
    if kind_of(*arrays) != "float32" and not same_half(*arrays):
        return "not NumPy arrays of float32 or of a 16-bit type"
    if w_hr is not None:
        return "a projected hidden state"
    if not x.size or not sizes:
        return "an empty sequence"
    if sizes[0] != sizes[-1]:
        return "a packed sequence whose batch shrinks"
    if len(sizes) < LEAST_STEPS[mode] or len(x) * (w_ih.size + w_hh.size) < WORTH[mode]:
        return "too small to be worth a call of oneDNN"
    if len(x) < FEW_ROWS and w_hh.size > LARGE:
        return "too few rows to be worth reordering large weights"
    return None


class _Piece:
    """The primitives for some steps of a sequence.

    Args:
        steps, batch, features, width: the lengths.
        training: keep what the backward pass needs.
    """

    def __init__(
        self, mode: str, steps: int, batch: int, features: int, width: int, reverse: bool, training: bool
    ) -> None:  # fmt: skip
        lib, gates = library(), GATES[mode]
        self.steps = steps
        biases = 4 if mode == "GRU" else gates

        def layout(*shape: int) -> Any:
            return lib.layout(shape, "float32", strides_of(shape))

        source, target = layout(steps, batch, features), layout(steps, batch, width)
        state = [layout(1, 1, batch, width)] * (2 if mode == "LSTM" else 1)
        bias = layout(1, 1, biases, width)
        ours, wanted = zip(*(_weight_layouts(rows, gates, width) for rows in (features, width)), strict=True)
        unused = [None, None] if mode == "LSTM" else []  # peepholes and projection
        ahead = [api.ELTWISE[name] for name in _ACTIVATIONS.get(mode, ())]
        ahead.append(api.RIGHT_TO_LEFT if reverse else api.LEFT_TO_RIGHT)
        after = [0, 0.0, 0.0] if mode in _ACTIVATIONS else [0]
        ends = [target, *state]
        kinds = [*range(api.SRC, api.SRC_1 + len(state)), api.WEIGHTS, api.WEIGHTS_1, api.BIAS]
        kinds += range(api.DST, api.DST_1 + len(state))
        use = api.FORWARD_TRAINING if training else api.FORWARD_INFERENCE
        name = _CREATORS[mode]
        forward = [use, *ahead, source, *state, *wanted, *unused, bias, *ends, *after]
        self.forward = Plan(f"{name}_forward", forward, [*kinds, api.WORKSPACE] if training else kinds)
        if training:
            arguments = [source, *state, *ours, *unused, bias, *ends, source, *state, *wanted, *unused, bias, *ends]
            self.backward = Plan(
                f"{name}_backward",
                [api.BACKWARD, *ahead, *arguments, *after],
                [*kinds, api.WORKSPACE, *(kind + _GRADIENT for kind in kinds)],
                hint=self.forward,
                forward=False,
            )
            self.workspace = self.forward.size(api.WORKSPACE)
            spans = self._written()
            self.head = spans.pop(0).stop if spans and not spans[0].start else 0
            self.others = spans

    def _written(self) -> list[slice]:
        """The parts of the workspace that the forward pass writes, found by having it write over marks."""
        arrays = [np.zeros(self.forward.size(kind), np.uint8) for kind in self.forward.kinds[:-1]]
        marks = np.full(-(-self.workspace // 4), _MARK, np.uint32)
        self.forward.run(*arrays, marks)
        pages = np.logical_or.reduceat(marks != _MARK, np.arange(0, len(marks), 1024))
        edges = np.flatnonzero(np.diff(pages, prepend=False, append=False)) * 4096
        return [slice(int(a), min(int(b), self.workspace)) for a, b in edges.reshape(-1, 2)]


def _weight_layouts(rows: int, gates: int, width: int) -> tuple[Any, Any]:
    """PyTorch's layout of a weight, (gates, outputs, inputs), and the one that oneDNN wants, inputs first."""
    lib, shape = library(), (1, 1, rows, gates, width)
    whole, line = rows * gates * width, _padded(gates * width)
    ours = lib.layout(shape, "float32", (whole, whole, 1, width * rows, rows))
    return ours, lib.layout(shape, "float32", (rows * line, rows * line, line, width, 1))


@planned
def _reorder(rows: int, gates: int, width: int, inward: bool) -> Plan:
    ours, wanted = _weight_layouts(rows, gates, width)
    return Plan("reorder", (ours, wanted) if inward else (wanted, ours), (api.SRC, api.DST))


@planned
def _piece(*arguments: Any) -> _Piece:
    return _Piece(*arguments)


def _padded(length: int) -> int:
    """The length of a row of weights in memory: whole cache lines, and not a multiple of 1 KB, which share few of them."""
    length = -(-length // 16) * 16
    return length if length % 256 else length + 16


def _cut(steps: int, most: int, reverse: bool) -> list[tuple[int, int]]:
    """Pieces of a sequence, first and behind the last step, in the order of processing."""
    pieces = [(a, min(a + most, steps)) for a in range(0, steps, most)]
    return pieces[::-1] if reverse else pieces


class State:
    """What the forward pass leaves for the backward pass.

    The workspaces lie in one memory, each beginning where the head of the one before ends: what the forward pass writes
    at a workspace's beginning stays where it is, and what it writes further on, where the next one's head will be, is
    copied. The backward pass, from the last piece to the first, overwrites the heads of pieces it is done with.
    """

    def __init__(self, pieces: Sequence[_Piece], sizes: Sequence[int], reverse: bool) -> None:
        self.pieces, self.sizes, self.reverse, self.spent = pieces, sizes, reverse, False
        ends = list(accumulate((-(-piece.head // 64) * 64 for piece in pieces), initial=0))
        self.spans = [slice(at, at + piece.workspace) for at, piece in zip(ends, pieces, strict=False)]
        self.memory = np.empty(max(span.stop for span in self.spans), np.uint8)
        self.copied: list[list[Any]] = []
        self.bias: Any = None
        self.y: Any = None
        self.states: Any = None  # before and after each piece


def _bias(mode: str, b_ih: Any, b_hh: Any, w_hh: Any) -> Any:
    """The biases as oneDNN has them."""
    width = w_hh.shape[1]
    first, second = (np.zeros(len(w_hh), np.float32) if b is None else b for b in (b_ih, b_hh))
    if mode != "GRU":
        return first + second
    bias = np.empty((4, width), np.float32)
    np.add(first[: 2 * width].reshape(2, width), second[: 2 * width].reshape(2, width), out=bias[1::-1])
    bias[2], bias[3] = first[2 * width :], second[2 * width :]
    return bias


def _ordered(mode: str, weight: Any) -> Any:
    """A weight, or its gradient, with its gates in the other library's order."""
    if mode != "GRU":
        return np.ascontiguousarray(weight)
    return weight.reshape(3, -1, weight.shape[1])[_SWAPPED].reshape(weight.shape)


def _inward(mode: str, weight: Any) -> Any:
    """A weight as oneDNN wants it."""
    (columns, rows), gates = weight.shape, GATES[mode]
    made = np.empty((rows, _padded(columns)), np.float32)
    _reorder(rows, gates, columns // gates, True).run(_ordered(mode, weight), made)
    return made


def _outward(mode: str, gradient: Any, weight: Any) -> Any:
    """The gradient of a weight, in the weight's layout."""
    (columns, rows), gates = weight.shape, GATES[mode]
    made = np.empty(weight.shape, np.float32)
    _reorder(rows, gates, columns // gates, False).run(gradient, made)
    return _ordered(mode, made)


def forward(
    mode: str, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, sizes: Sequence[int],
    reverse: bool, training: bool = True
) -> tuple[tuple[Any, ...], Any]:  # fmt: skip
    """Run a sequence: as the generic kernel's ``forward``, of whose cases it serves those it does not decline."""
    if x.itemsize == 2:
        wide: Any = (mode, *_wide(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr), sizes, reverse, training)
        outputs, state = forward(*wide)
        return tuple([to(y, x.dtype) for y in outputs]), state
    (features, width), batch, steps = (w_ih.shape[1], w_hh.shape[1]), sizes[0], len(sizes)
    x, starts = np.ascontiguousarray(x), [h0] if c0 is None else [h0, c0]
    most = min(max(FEWEST, -(-PIECE // (batch * width))), MOST)
    cuts = _cut(steps, most, reverse)
    made = {n: _piece(mode, n, batch, features, width, reverse, training) for n in {b - a for a, b in cuts}}
    pieces = [made[b - a] for a, b in cuts]
    bias = _bias(mode, b_ih, b_hh, w_hh)
    y = np.empty((steps * batch, width), np.float32)
    states = np.empty((len(cuts) + 1, len(starts), batch, width), np.float32)
    for place, start in zip(states[0], starts, strict=True):
        place[...] = start
    state = State(pieces, sizes, reverse) if training else None
    weights = [_inward(mode, w) for w in (w_ih, w_hh)]
    for number, (piece, (first, last)) in enumerate(zip(pieces, cuts, strict=True)):
        part = slice(first * batch, last * batch)
        arrays = [x[part], *states[number], *weights, bias, y[part], *states[number + 1]]
        if state is None:
            piece.forward.run(*arrays)
        else:
            workspace = state.memory[state.spans[number]]
            piece.forward.run(*arrays, workspace)
            state.copied.append([workspace[span].copy() for span in piece.others])
    if mode == "RNN_RELU" and not all(np.isfinite(a).all() for a in (x, h0, w_ih, w_hh, bias, y)):
        # oneDNN's ReLU turns nan into 0
        return generic.forward(mode, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, reverse, training)
    if state is not None:
        state.bias, state.y, state.states = bias, y, states
    return (y, *states[-1].copy()), state


def backward(
    mode: str, state: Any, needs: Sequence[Any], gradients: Sequence[Any], x: Any, h0: Any, c0: Any, w_ih: Any,
    w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> tuple[Any, ...]:  # fmt: skip
    """The gradients of ``x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr`` from those of the outputs (None where unused)."""
    if x.itemsize == 2:
        wide = _wide(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)
        found = backward(mode, state, needs, _wide(*gradients), *wide)
        return tuple([None if g is None else to(g, x.dtype) for g in found])
    if isinstance(state, generic.State):
        return generic.backward(mode, state, needs, gradients, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)
    if state.spent:  # a second pass through the same graph
        _, state = forward(mode, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, state.sizes, state.reverse)
    state.spent = True
    x, batch = np.ascontiguousarray(x), state.sizes[0]
    cuts = _cut(len(state.sizes), max(piece.steps for piece in state.pieces), state.reverse)
    gy = np.broadcast_to(np.float32(0), state.y.shape) if gradients[0] is None else gradients[0]
    ends, begins = np.empty((2, *state.states.shape[1:]), np.float32)
    for place, gradient in zip(ends, gradients[1:], strict=True):
        place[...] = 0 if gradient is None else gradient
    weights = [_ordered(mode, w) for w in (w_ih, w_hh)]
    # oneDNN adds to what it finds in the weights' gradients
    sums = [np.zeros((w.shape[1], _padded(len(w))), np.float32) for w in (w_ih, w_hh)]
    sums.append(np.zeros_like(state.bias))
    dx = np.empty(x.shape, np.float32)
    for number, (piece, (first, last)) in reversed(list(enumerate(zip(state.pieces, cuts, strict=True)))):
        part, workspace = slice(first * batch, last * batch), state.memory[state.spans[number]]
        for span, copied in zip(piece.others, state.copied[number], strict=True):
            workspace[span] = copied
        piece.backward.run(
            x[part], *state.states[number], *weights, state.bias, state.y[part], *state.states[number + 1], workspace,
            dx[part], *begins, *sums, np.ascontiguousarray(gy[part]), *ends
        )  # fmt: skip
        ends, begins = begins, ends
    db_ih, db_hh = _bias_gradients(mode, sums[2])
    return (
        dx if needs[0] else None,
        ends[0] if needs[1] else None,
        ends[1] if c0 is not None and needs[2] else None,
        _outward(mode, sums[0], w_ih) if needs[3] else None,
        _outward(mode, sums[1], w_hh) if needs[4] else None,
        db_ih if b_ih is not None and needs[5] else None,
        db_hh if b_hh is not None and needs[6] else None,
        None,
    )


def _wide(*arrays: Any) -> tuple[Any, ...]:
    return tuple([None if a is None else to(a, FLOAT32) for a in arrays])


def _bias_gradients(mode: str, total: Any) -> tuple[Any, Any]:
    if mode != "GRU":
        return total, total.copy()
    return total[[1, 0, 2]].reshape(-1), total[[1, 0, 3]].reshape(-1)
