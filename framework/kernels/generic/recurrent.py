"""One direction of a recurrent layer over a whole sequence: tanh and ReLU nets, LSTM and GRU, forward and backward.

A sequence comes flat, (sum of sizes, features), with the batch size of each time step, which may shrink towards the end
(packed sequences). The input's product with its weights is one gemm for all steps; a step adds the recurrent product
and turns its gates over in place. The backward pass walks the steps for the gates' gradients, then takes those of the
weights and of the input in one gemm each.

Sigmoids are taken as ``0.5 * tanh(x / 2) + 0.5``, so that one call serves all gates of a step; the half is put into the
weights. 16-bit types are computed in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.registry import choose

NAME = "generic"


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


class State:
    """What the forward pass leaves for the backward pass."""

    def __init__(self, sizes: Sequence[int], reverse: bool) -> None:
        self.packed = any(n != sizes[0] for n in sizes)
        offsets = [0]
        for n in sizes:
            offsets.append(offsets[-1] + n)
        steps = [slice(a, b) for a, b in pairwise(offsets)]
        self.steps = steps[::-1] if reverse else steps  # in the order of processing
        self.total, self.batch, self.reverse = offsets[-1], sizes[0], reverse
        self.arrays: dict[str, Any] = {}

    def track(self, xp: Any, start: Any) -> tuple[Any, Any]:
        """Buffers for a value carried from step to step: what each step made, and what each step was given.

        Where all steps have one size the two are one memory, shifted by a step; else ``carry`` copies between them.
        """
        width = start.shape[1]
        if self.packed:
            return xp.empty((self.total, width), start.dtype), xp.empty((self.total, width), start.dtype)
        memory = xp.empty((self.total + self.batch, width), start.dtype)
        made, given = memory[self.batch :], memory[: self.total]
        if self.reverse:
            made, given = given, made
        if self.steps:
            given[self.steps[0]] = start
        return made, given


def gemm(a: Any, b: Any) -> Any:
    """``a @ b`` by the kernel for it."""
    return choose("gemm", a, b).matmul(a, b)


def _wide(*arrays: Any) -> list[Any]:
    return [a.astype(np.float32) if a is not None and a.dtype in dtypes.HALF else a for a in arrays]


def forward(
    mode: str, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, sizes: Sequence[int],
    reverse: bool, training: bool = True
) -> tuple[tuple[Any, ...], State]:  # fmt: skip
    """Run a sequence: the outputs ``(y, h)`` or ``(y, h, c)``, and the state for ``backward``.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        x: (sum of sizes, features).
        h0, c0: (sizes[0], hidden) initial states; c0 for LSTM only.
        w_ih, w_hh, b_ih, b_hh: weights (gates * hidden, ...) and biases (or None), in PyTorch's order of gates.
        w_hr: (projected, hidden) weights of LSTM's projection, or None.
        sizes: the batch size of each step, never growing.
        reverse: go through the steps from the last to the first.
        training: whether ``backward`` is to follow.
    """
    run = {"LSTM": _lstm, "GRU": _gru}.get(mode, _rnn)
    return forward_by(run, mode, sizes, reverse, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)


def forward_by(
    run: Callable[..., tuple[Any, ...]], mode: str, sizes: Sequence[int], reverse: bool, *inputs: Any
) -> tuple[tuple[Any, ...], State]:
    """``forward`` by a function of all steps, which may be another library's."""
    kind = inputs[0].dtype
    state = State(sizes, reverse)
    outputs = run(mode, state, *_wide(*inputs))
    return tuple(o if o.dtype == kind else o.astype(kind) for o in outputs), state


def backward(
    mode: str, state: State, needs: Sequence[Any], gradients: Sequence[Any], x: Any, h0: Any, c0: Any, w_ih: Any,
    w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> tuple[Any, ...]:  # fmt: skip
    """The gradients of ``x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr`` from those of the outputs (None where unused)."""
    run = {"LSTM": _lstm_backward, "GRU": _gru_backward}.get(mode, _rnn_backward)
    return backward_by(run, mode, state, needs, gradients, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)


def backward_by(
    run: Callable[..., tuple[Any, ...]], mode: str, state: State, needs: Sequence[Any], gradients: Sequence[Any], x: Any,
    h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> tuple[Any, ...]:  # fmt: skip
    """``backward`` by a function of all steps."""
    x, h0, c0, w_ih, w_hh, w_hr, *gradients = _wide(x, h0, c0, w_ih, w_hh, w_hr, *gradients)
    xp = array_module(x)
    gy, gh = gradients[:2]
    dh = xp.zeros(h0.shape, h0.dtype) if gh is None else gh.copy()
    gc = gradients[2] if mode == "LSTM" else None
    dc = None if mode != "LSTM" else xp.zeros(c0.shape, c0.dtype) if gc is None else gc.copy()
    d_in, d_rec, dw_hr = run(mode, xp, state, gy, dh, dc, w_hh, w_hr)
    db_ih = d_in.sum(axis=0) if b_ih is not None and (needs[5] or needs[6]) else None
    db_hh = db_ih.copy() if d_rec is d_in and db_ih is not None else None
    if d_rec is not d_in and b_hh is not None and needs[6]:
        db_hh = d_rec.sum(axis=0)
    return (
        gemm(d_in, w_ih) if needs[0] else None,
        dh if needs[1] else None,
        dc if needs[2] else None,
        gemm(d_in.T, x) if needs[3] else None,
        gemm(d_rec.T, state.arrays["given"]) if needs[4] else None,
        db_ih if needs[5] else None,
        db_hh if needs[6] else None,
        dw_hr,
    )


def projected(x: Any, w_ih: Any, *biases: Any) -> Any:
    """The input's part of the gates for all steps."""
    gates = gemm(x, w_ih.T)
    for bias in biases:
        if bias is not None:
            gates += bias
    return gates


def _rnn(
    mode: str, state: State, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> Any:
    xp = array_module(x)
    gates = projected(x, w_ih, b_ih, b_hh)
    y, given = state.track(xp, h0)
    h = h0.copy()
    back = w_hh.T
    for step in state.steps:
        a, out = gates[step], y[step]
        n = len(a)
        if state.packed:
            given[step] = h[:n]
        a += given[step] @ back
        if mode == "RNN_TANH":
            xp.tanh(a, out=out)
        else:
            xp.maximum(a, 0, out=out)
        if state.packed:
            h[:n] = out
    if state.steps and not state.packed:
        h[...] = y[state.steps[-1]]
    state.arrays.update(y=y, given=given)
    return y, h


def _rnn_backward(mode: str, xp: Any, state: State, gy: Any, dh: Any, dc: Any, w_hh: Any, w_hr: Any) -> Any:
    y = state.arrays["y"]
    d = 1 - y * y if mode == "RNN_TANH" else (y > 0).astype(y.dtype)
    for step in reversed(state.steps):
        da = d[step]
        part = dh[: len(da)]
        if gy is not None:
            part += gy[step]
        da *= part
        xp.matmul(da, w_hh, out=part)
    return d, d, None


def _halved(xp: Any, like: Any, width: int, gates: int, whole: int) -> tuple[Any, Any]:
    """Factor and offset that turn tanh into sigmoid for all gates but number ``whole`` (which keeps tanh)."""
    factor = xp.full((gates, width), 0.5, like.dtype)
    offset = factor.copy()
    factor[whole], offset[whole] = 1, 0
    return factor.reshape(-1), offset.reshape(-1)


def _lstm(
    mode: str, state: State, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> Any:
    xp = array_module(x)
    width = c0.shape[1]
    factor, offset = _halved(xp, x, width, 4, 2)
    gates = projected(x, w_ih * factor[:, None], *(None if b is None else b * factor for b in (b_ih, b_hh)))
    back = (w_hh * factor[:, None]).T
    y, given = state.track(xp, h0)
    cells, cells_given = state.track(xp, c0)
    tanh_c = xp.empty((state.total, width), x.dtype)
    hidden = y if w_hr is None else xp.empty_like(tanh_c)
    h, c = h0.copy(), c0.copy()
    product = xp.empty((state.batch, 4 * width), x.dtype)
    for step in state.steps:
        a, cell, t = gates[step], cells[step], tanh_c[step]
        n = len(a)
        if state.packed:
            given[step], cells_given[step] = h[:n], c[:n]
        p = product[:n]
        xp.matmul(given[step], back, out=p)
        a += p
        xp.tanh(a, out=a)
        a *= factor
        a += offset
        i, f, g, o = a[:, :width], a[:, width : 2 * width], a[:, 2 * width : 3 * width], a[:, 3 * width :]
        xp.multiply(f, cells_given[step], out=cell)
        xp.multiply(i, g, out=t)
        cell += t
        xp.tanh(cell, out=t)
        xp.multiply(o, t, out=hidden[step])
        if w_hr is not None:
            xp.matmul(hidden[step], w_hr.T, out=y[step])
        if state.packed:
            h[:n], c[:n] = y[step], cell
    if state.steps and not state.packed:
        h[...], c[...] = y[state.steps[-1]], cells[state.steps[-1]]
    state.arrays.update(given=given, gates=gates, cells_given=cells_given, tanh_c=tanh_c, hidden=hidden)
    return y, h, c


def _lstm_backward(mode: str, xp: Any, state: State, gy: Any, dh: Any, dc: Any, w_hh: Any, w_hr: Any) -> Any:
    kept = state.arrays
    gates, tanh_c, cells_given = kept["gates"], kept["tanh_c"], kept["cells_given"]
    width = tanh_c.shape[1]
    d = xp.empty_like(gates)
    spare = xp.empty((state.batch, width), gates.dtype)
    total = xp.empty((state.total, dh.shape[1]), gates.dtype) if w_hr is not None else None
    for step in reversed(state.steps):
        a, da, t = gates[step], d[step], tanh_c[step]
        n = len(a)
        part, cell, s = dh[:n], dc[:n], spare[:n]
        if gy is not None:
            part += gy[step]
        if total is None:
            grad = part
        else:
            total[step] = part
            grad = part @ w_hr
        i, f, g, o = a[:, :width], a[:, width : 2 * width], a[:, 2 * width : 3 * width], a[:, 3 * width :]
        di, df, dg, do = da[:, :width], da[:, width : 2 * width], da[:, 2 * width : 3 * width], da[:, 3 * width :]
        # the derivative of each gate's activation: a * (1 - a), and 1 - g * g
        xp.multiply(a, a, out=da)
        xp.subtract(a, da, out=da)
        xp.multiply(g, g, out=dg)
        xp.subtract(1, dg, out=dg)
        do *= grad
        do *= t
        xp.multiply(t, t, out=s)  # dc += grad * o * (1 - t * t)
        xp.subtract(1, s, out=s)
        s *= o
        s *= grad
        cell += s
        di *= cell
        di *= g
        df *= cell
        df *= cells_given[step]
        dg *= cell
        dg *= i
        cell *= f
        xp.matmul(da, w_hh, out=part)
    dw_hr = None if total is None else gemm(total.T, kept["hidden"])
    return d, d, dw_hr


def _gru(
    mode: str, state: State, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any
) -> Any:
    xp = array_module(x)
    width = h0.shape[1]
    gates = projected(x, w_ih, b_ih)
    y, given = state.track(xp, h0)
    candidate = xp.empty((state.total, width), x.dtype)  # the recurrent part of the new gate
    h = h0.copy()
    back = w_hh.T
    product = xp.empty((state.batch, 3 * width), x.dtype)
    for step in state.steps:
        a = gates[step]
        n = len(a)
        if state.packed:
            given[step] = h[:n]
        before, out, part = given[step], y[step], candidate[step]
        p = product[:n]
        xp.matmul(before, back, out=p)
        if b_hh is not None:
            p += b_hh
        rz, new = a[:, : 2 * width], a[:, 2 * width :]
        rz += p[:, : 2 * width]
        rz *= 0.5
        xp.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        part[...] = p[:, 2 * width :]
        xp.multiply(rz[:, :width], part, out=out)
        new += out
        xp.tanh(new, out=new)
        xp.subtract(before, new, out=out)
        out *= rz[:, width:]
        out += new
        if state.packed:
            h[:n] = out
    if state.steps and not state.packed:
        h[...] = y[state.steps[-1]]
    state.arrays.update(given=given, gates=gates, candidate=candidate)
    return y, h


def _gru_backward(mode: str, xp: Any, state: State, gy: Any, dh: Any, dc: Any, w_hh: Any, w_hr: Any) -> Any:
    kept = state.arrays
    gates, given, candidate = kept["gates"], kept["given"], kept["candidate"]
    width = given.shape[1]
    d_in, d_rec = xp.empty_like(gates), xp.empty_like(gates)
    for step in reversed(state.steps):
        a, da, db = gates[step], d_in[step], d_rec[step]
        grad = dh[: len(a)]
        if gy is not None:
            grad += gy[step]
        r, z, new = a[:, :width], a[:, width : 2 * width], a[:, 2 * width :]
        dr, dz, dn = da[:, :width], da[:, width : 2 * width], da[:, 2 * width :]
        xp.multiply(new, new, out=dn)
        xp.subtract(1, dn, out=dn)
        dn *= grad
        xp.subtract(1, z, out=dz)
        dn *= dz
        dz *= z
        dz *= grad
        dz *= given[step] - new
        xp.subtract(1, r, out=dr)
        dr *= r
        dr *= dn
        dr *= candidate[step]
        db[...] = da
        db[:, 2 * width :] *= r
        grad *= z
        grad += db @ w_hh
    return d_in, d_rec, None
