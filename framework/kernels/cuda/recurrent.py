"""One direction of a recurrent layer on the GPU, for what cuDNN leaves: single steps and types that it has not.

The input's product with its weights is one for all steps. A step is a product by the kernel for it and one launch, which
does all that there is to do with the gates; backward likewise. 16-bit types are computed in float32.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import CTYPES, FLOATS, blocks, kernel
from framework.kernels.generic import recurrent as generic
from framework.kernels.generic.recurrent import State, gemm, projected

NAME = "cuda"
THREADS = 256
NULL = np.uint64(0)


def declines(*arrays: Any, mode: str, sizes: Sequence[int]) -> str | None:
    """None if it can serve a sequence, else why not."""
    return None if arrays[0].dtype in FLOATS else f"there is no kernel for {arrays[0].dtype}"


def forward(
    mode: str, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, sizes: Sequence[int],
    reverse: bool, training: bool = True
) -> tuple[tuple[Any, ...], State]:  # fmt: skip
    """Run a sequence: the outputs ``(y, h)`` or ``(y, h, c)``, and the state for ``backward``."""
    run = {"LSTM": _lstm, "GRU": _gru}.get(mode, _rnn)
    return generic.forward_by(run, mode, sizes, reverse, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)


def backward(
    mode: str, state: State, needs: Sequence[Any], gradients: Sequence[Any], x: Any, h0: Any, c0: Any, w_ih: Any,
    w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> tuple[Any, ...]:  # fmt: skip
    """The gradients of ``x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr`` from those of the outputs (None where unused)."""
    run = {"LSTM": _lstm_backward, "GRU": _gru_backward}.get(mode, _rnn_backward)
    return generic.backward_by(run, mode, state, needs, gradients, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)


def _launch(name: str, units: Any, *arguments: Any) -> None:
    """Run a kernel of a thread for each element of an array, which comes last among its arguments, as their number."""
    if units.size:
        kernel("recurrent", name, T=CTYPES[units.dtype])(
            (blocks(units.size, THREADS),), (THREADS,), (*arguments, np.int64(units.size))
        )


def _given(array: Any, step: slice) -> Any:
    """A step of an array that may be missing."""
    return NULL if array is None else array[step]


def _rows(gy: Any) -> Any:
    """The output's gradient with its rows one behind the other, if there is one."""
    return gy if gy is None else array_module(gy).ascontiguousarray(gy)


def _rnn(
    mode: str, state: State, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> Any:
    gates = projected(x, w_ih, b_ih, b_hh)
    y, given = state.track(array_module(x), h0)
    h, back, relu = h0.copy(), w_hh.T, np.bool_(mode == "RNN_RELU")
    for step in state.steps:
        a, out = gates[step], y[step]
        n = len(a)
        if state.packed:
            given[step] = h[:n]
        _launch("rnn", out, a, gemm(given[step], back), out, relu)
        if state.packed:
            h[:n] = out
    if state.steps and not state.packed:
        h[...] = y[state.steps[-1]]
    state.arrays.update(y=y, given=given)
    return y, h


def _rnn_backward(mode: str, xp: Any, state: State, gy: Any, dh: Any, dc: Any, w_hh: Any, w_hr: Any) -> Any:
    y, gy = state.arrays["y"], _rows(gy)
    d, relu = xp.empty(y.shape, y.dtype), np.bool_(mode == "RNN_RELU")
    for step in reversed(state.steps):
        da = d[step]
        _launch("rnn_gradient", da, y[step], dh, _given(gy, step), da, relu)
        dh[: len(da)] = gemm(da, w_hh)
    return d, d, None


def _lstm(
    mode: str, state: State, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> Any:
    xp, width = array_module(x), c0.shape[1]
    gates = projected(x, w_ih, b_ih, b_hh)
    y, given = state.track(xp, h0)
    cells, cells_given = state.track(xp, c0)
    tanh_c = xp.empty((state.total, width), x.dtype)
    hidden = y if w_hr is None else xp.empty_like(tanh_c)
    h, c, back = h0.copy(), c0.copy(), w_hh.T
    for step in state.steps:
        cell = cells[step]
        n = len(cell)
        if state.packed:
            given[step], cells_given[step] = h[:n], c[:n]
        product = gemm(given[step], back)
        _launch(
            "lstm", cell, gates[step], product, cells_given[step], cell, tanh_c[step], hidden[step], np.int32(width)
        )
        if w_hr is not None:
            y[step] = gemm(hidden[step], w_hr.T)
        if state.packed:
            h[:n], c[:n] = y[step], cell
    if state.steps and not state.packed:
        h[...], c[...] = y[state.steps[-1]], cells[state.steps[-1]]
    state.arrays.update(given=given, gates=gates, cells_given=cells_given, tanh_c=tanh_c, hidden=hidden)
    return y, h, c


def _lstm_backward(mode: str, xp: Any, state: State, gy: Any, dh: Any, dc: Any, w_hh: Any, w_hr: Any) -> Any:
    kept, gy = state.arrays, _rows(gy)
    gates, tanh_c, cells_given = kept["gates"], kept["tanh_c"], kept["cells_given"]
    d = xp.empty_like(gates)
    total = xp.empty((state.total, dh.shape[1]), gates.dtype) if w_hr is not None else None
    for step in reversed(state.steps):
        da, t = d[step], tanh_c[step]
        n = len(t)
        if total is None:
            grad, more = dh, _given(gy, step)
        else:
            part, more = total[step], NULL
            part[...] = dh[:n] if gy is None else dh[:n] + gy[step]
            grad = gemm(part, w_hr)
        _launch("lstm_gradient", t, gates[step], cells_given[step], t, grad, more, dc, da, np.int32(tanh_c.shape[1]))
        dh[:n] = gemm(da, w_hh)
    return d, d, None if total is None else gemm(total.T, kept["hidden"])


def _gru(
    mode: str, state: State, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> Any:
    xp, width = array_module(x), h0.shape[1]
    gates = projected(x, w_ih, b_ih)
    y, given = state.track(xp, h0)
    candidate = xp.empty((state.total, width), x.dtype)  # the recurrent part of the new gate
    h, back, bias = h0.copy(), w_hh.T, NULL if b_hh is None else xp.ascontiguousarray(b_hh)
    for step in state.steps:
        out = y[step]
        n = len(out)
        if state.packed:
            given[step] = h[:n]
        before = given[step]
        product = gemm(before, back)
        _launch("gru", out, gates[step], product, bias, before, candidate[step], out, np.int32(width))
        if state.packed:
            h[:n] = out
    if state.steps and not state.packed:
        h[...] = y[state.steps[-1]]
    state.arrays.update(given=given, gates=gates, candidate=candidate)
    return y, h


def _gru_backward(mode: str, xp: Any, state: State, gy: Any, dh: Any, dc: Any, w_hh: Any, w_hr: Any) -> Any:
    kept, gy = state.arrays, _rows(gy)
    gates, given, candidate = kept["gates"], kept["given"], kept["candidate"]
    d_in, d_rec = xp.empty_like(gates), xp.empty_like(gates)
    for step in reversed(state.steps):
        units, db = candidate[step], d_rec[step]
        _launch(
            "gru_gradient", units, gates[step], given[step], units, dh, _given(gy, step), d_in[step], db,
            np.int32(given.shape[1]),
        )  # fmt: skip
        dh[: len(units)] += gemm(db, w_hh)
    return d_in, d_rec, None
