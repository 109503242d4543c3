"""Recurrent layers and cells: RNN with tanh or ReLU, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.composition import gradients_of
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ShapeError
from framework.kernels import choose
from framework.ops.dropout import dropout as drop
from framework.ops.joining import cat, stack
from framework.ops.matmul import linear
from framework.tensor import Tensor, wrap

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class Recurrent(Op):
    """One direction of one layer over a whole flat sequence. Gives the outputs and the last state (LSTM: both)."""

    def forward(
        self, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, mode: str,
        sizes: tuple[int, ...], reverse: bool
    ) -> Any:  # fmt: skip
        self.mode, self.sizes, self.reverse = mode, sizes, reverse
        inputs, training = (x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr), any(self.needs)
        self.kernel = choose("recurrent", *inputs, mode=mode, sizes=sizes)
        outputs, state = self.kernel.forward(mode, *inputs, sizes, reverse, training)
        if training:
            self.state = state
            # the outputs are what the state's buffers hold: saved, so that a write into them is noticed
            self.save(*inputs, outputs[0])
        return outputs

    def backward(self, *gradients: Any) -> Any:
        inputs = self.saved[:8]
        if any(isinstance(g, Tensor) for g in gradients):
            return gradients_of(self._composition, inputs, *gradients)
        return self.kernel.backward(self.mode, self.state, self.needs, gradients, *inputs)

    def _composition(self, *inputs: Any) -> Any:
        return _sequence(self.mode, self.sizes, self.reverse, *inputs)


class RecurrentNet(Op):
    """All layers and directions of a net over a flat sequence, by kernels that take them in one call.

    Gives the outputs and the last states of all layers and directions (LSTM: both).
    """

    def forward(
        self, x: Any, h0: Any, c0: Any, *weights: Any, kernel: Any, mode: str, sizes: tuple[int, ...], layers: int,
        directions: int, has_biases: bool
    ) -> Any:  # fmt: skip
        training = any(self.needs)
        outputs, state = kernel.net_forward(
            mode, x, h0, c0, weights, sizes, layers, directions, has_biases, training
        )  # fmt: skip
        if training:
            self.kernel, self.mode, self.sizes, self.state = kernel, mode, sizes, state
            self.layers, self.directions, self.has_biases = layers, directions, has_biases
            self.save(x, h0, c0, *weights, outputs[0])
        return outputs

    def backward(self, *gradients: Any) -> Any:
        x, h0, c0, *weights = self.saved[:-1]
        if any(isinstance(g, Tensor) for g in gradients):
            return gradients_of(self._composition, (x, h0, c0, *weights), *gradients)
        return self.kernel.net_backward(self.mode, self.state, self.needs, gradients, x, h0, c0, weights)

    def _composition(self, x: Any, h: Any, c: Any, *weights: Any) -> Any:
        each = len(weights) // (self.layers * self.directions)
        lasts: list[Any] = []
        for layer in range(self.layers):
            outputs = []
            for direction in range(self.directions):
                number = layer * self.directions + direction
                parts = _parts(weights[number * each : (number + 1) * each], self.has_biases)
                starts = h[number], None if c is None else c[number]
                y, *last = _sequence(self.mode, self.sizes, direction == 1, x, *starts, *parts)
                outputs.append(y)
                lasts.append(last)
            x = outputs[0] if self.directions == 1 else cat(outputs, 1)
        return (x, *(stack(list(found)) for found in zip(*lasts, strict=True)))


def _parts(weights: Sequence[Any], has_biases: bool) -> tuple[Any, ...]:
    """A layer's w_ih, w_hh, b_ih, b_hh and w_hr, None for those that it has not."""
    biases = weights[2:4] if has_biases else (None, None)
    return (*weights[:2], *biases, weights[-1] if len(weights) in (3, 5) else None)


def _sequence(
    mode: str, sizes: Sequence[int], reverse: bool, x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any,
    w_hr: Any
) -> tuple[Any, ...]:  # fmt: skip
    """One direction of one layer in plain ops: the outputs and the last state (LSTM: both)."""
    gates = linear(x, w_ih, b_ih)
    starts = [sum(sizes[:t]) for t in range(len(sizes))]
    order = list(zip(starts, sizes, strict=True))
    outputs = []
    for start, n in order[::-1] if reverse else order:
        new = _step(mode, gates[start : start + n], h[:n], None if c is None else c[:n], w_hh, b_hh, w_hr)
        outputs.append(new[0])
        h = new[0] if n == h.shape[0] else cat([new[0], h[n:]])
        if c is not None:
            c = new[1] if n == c.shape[0] else cat([new[1], c[n:]])
    y = cat(outputs[::-1] if reverse else outputs)
    return (y, h) if c is None else (y, h, c)


def _step(mode: str, gates: Any, h: Any, c: Any, w_hh: Any, b_hh: Any, w_hr: Any) -> tuple[Any, ...]:
    """One time step in plain ops: the new hidden state, and LSTM's new cell state."""
    back = linear(h, w_hh, b_hh)
    if mode == "LSTM":
        i, f, g, o = (gates + back).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h if w_hr is None else linear(h, w_hr)), c
    if mode == "GRU":
        (r, z, n), (r2, z2, n2) = gates.chunk(3, 1), back.chunk(3, 1)
        z = (z + z2).sigmoid()
        n = (n + (r + r2).sigmoid() * n2).tanh()
        return (n + z * (h - n),)
    total = gates + back
    return (total.tanh() if mode == "RNN_TANH" else total.clamp(min=0),)


def run(
    mode: str, input: Any, states: Sequence[Any], params: Sequence[Any], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool, batch_sizes: Any = None
) -> tuple[Any, ...]:  # fmt: skip
    """All layers and directions of a recurrent net: the output, and the last states stacked.

    Args:
        input: (T, N, features), (N, T, features) with ``batch_first``, or (sum of batch_sizes, features) if packed.
        states: initial states (layers * directions, N, hidden): one, or two for LSTM.
        params: for each layer and direction w_ih, w_hh, then b_ih, b_hh if ``has_biases``, then w_hr if projected.
        batch_sizes: the batch size of each step of a packed sequence.
    """
    if region() is not None:
        return recast(run, locals(), name=mode.lower())  # type: ignore[no-any-return]
    if batch_sizes is None:
        x = input.transpose(0, 1) if batch_first else input
        steps, batch = x.shape[:2]
        if steps == 0:
            raise ShapeError(f"{mode}: expected sequence length to be larger than 0, got input {tuple(input.shape)}")
        sizes = (batch,) * steps
        x = x.reshape(steps * batch, x.shape[2])
    else:
        sizes = tuple(int(n) for n in (batch_sizes.tolist() if isinstance(batch_sizes, Tensor) else batch_sizes))
        x = input
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    kernel = _kernel(mode, sizes, x, states, _parts(params[:each], has_biases))
    if hasattr(kernel, "net_forward"):
        whole = not (dropout and train)  # dropout comes between the layers
        x, lasts = _by_nets(kernel, mode, sizes, x, states, params, has_biases, num_layers, directions, dropout, whole)
    else:
        x, lasts = _by_layers(
            mode, sizes, x, states, params, has_biases, num_layers, directions, dropout if train else 0
        )
    if batch_sizes is None:
        x = x.reshape(steps, batch, x.shape[1])
        x = x.transpose(0, 1) if batch_first else x
    return (x, *lasts)


def _kernel(mode: str, sizes: Sequence[int], x: Tensor, states: Sequence[Tensor], weights: Sequence[Any]) -> Any:
    """The kernels for a net, as its first layer asks for them."""
    inputs = (x, *states, *(None,) * (2 - len(states)), *weights)
    return choose("recurrent", *(None if v is None else v.array for v in inputs), mode=mode, sizes=sizes)


def _by_nets(
    kernel: Any, mode: str, sizes: tuple[int, ...], x: Any, states: Sequence[Any], params: Sequence[Any],
    has_biases: bool, num_layers: int, directions: int, dropout: float, whole: bool
) -> tuple[Any, list[Any]]:  # fmt: skip
    """The output and the last states of a net by kernels that take several layers: all of them, or one at a time."""
    each, step = len(params) // num_layers, num_layers if whole else 1
    lasts: list[tuple[Any, ...]] = []
    for layer in range(0, num_layers, step):
        part = slice(layer * directions, (layer + step) * directions)
        starts = [*(s if step == num_layers else s[part] for s in states), *(None,) * (2 - len(states))]
        x, *last = apply(
            RecurrentNet, x, *starts, *params[layer * each : (layer + step) * each], kernel=kernel, mode=mode,
            sizes=sizes, layers=step, directions=directions, has_biases=has_biases
        )  # fmt: skip
        lasts.append(tuple(last))
        if not whole and layer < num_layers - 1:
            x = drop(x, dropout, True)
    return x, [found[0] if len(found) == 1 else cat(list(found)) for found in zip(*lasts, strict=True)]


def _by_layers(
    mode: str, sizes: tuple[int, ...], x: Any, states: Sequence[Any], params: Sequence[Any], has_biases: bool,
    num_layers: int, directions: int, dropout: float
) -> tuple[Any, list[Any]]:  # fmt: skip
    """The output and the last states of a net, each layer and direction for itself."""
    each = len(params) // (num_layers * directions)
    lasts: list[list[Any]] = [[] for _ in states]
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            number = layer * directions + direction
            parts = _parts(params[number * each : (number + 1) * each], has_biases)
            starts = [s[number] for s in states] + [None] * (2 - len(states))
            y, *last = apply(Recurrent, x, *starts, *parts, mode=mode, sizes=sizes, reverse=direction == 1)
            outputs.append(y)
            for found, new in zip(lasts, last, strict=True):
                found.append(new)
        x = outputs[0] if directions == 1 else cat(outputs, 1)
        if dropout and layer < num_layers - 1:
            x = drop(x, dropout, True)
    return x, [stack(found) if len(found) > 1 else found[0].unsqueeze(0) for found in lasts]


def _entry(mode: str) -> Any:
    def function(*args: Any) -> tuple[Any, ...]:
        packed = not isinstance(
            args[3], bool
        )  # (data, batch_sizes, hx, params, ...) or (input, hx, params, has_biases, ...)
        data, sizes, args = (args[0], args[1], args[2:]) if packed else (args[0], None, args[1:])
        states, params, has_biases, num_layers, dropout, train, bidirectional = args[:7]
        states = tuple(states) if mode == "LSTM" else (states,)
        first = False if packed else bool(args[7])
        return run(mode, data, states, params, has_biases, num_layers, dropout, train, bidirectional, first, sizes)

    function.__name__ = function.__qualname__ = mode.lower()
    function.__doc__ = (
        f"The {mode} net as a function: ``(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, "
        "batch_first)``, or ``(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)`` "
        "for a packed sequence. Gives the output and the last state or states."
    )
    return function


lstm, gru, rnn_tanh, rnn_relu = _entry("LSTM"), _entry("GRU"), _entry("RNN_TANH"), _entry("RNN_RELU")


def _cell(mode: str, input: Any, states: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[Any, ...]:
    name, hidden = mode.lower().split("_")[0] + "_cell", w_hh.shape[1]
    if input.shape[-1] != w_ih.shape[1]:
        raise ShapeError(f"{name}: input has inconsistent input_size: got {input.shape[-1]}, expected {w_ih.shape[1]}")
    for s in states:
        if tuple(s.shape) != (*input.shape[:-1], hidden):
            raise ShapeError(
                f"{name}: hidden has shape {tuple(s.shape)}, expected {(*input.shape[:-1], hidden)} for input "
                f"{tuple(input.shape)}"
            )
    single = input.ndim == 1
    if single:
        input, states = input.unsqueeze(0), [s.unsqueeze(0) for s in states]
    starts = [*states] + [None] * (2 - len(states))
    out = apply(
        Recurrent, input, *starts, w_ih, w_hh, b_ih, b_hh, None, mode=mode, sizes=(input.shape[0],), reverse=False
    )
    new = out[1:]
    return tuple(s.squeeze(0) for s in new) if single else new


def lstm_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> tuple[Any, Any]:
    """One LSTM step: the new hidden and cell states.

    Args:
        input: (N, features) or (features,).
        hx: the hidden and the cell state, each (N, hidden) or (hidden,).
        w_ih, w_hh: (4 * hidden, features) and (4 * hidden, hidden), gates in the order input, forget, cell, output.
        b_ih, b_hh: (4 * hidden,).
    """
    if region() is not None:
        return recast(lstm_cell, locals())
    h, c = _cell("LSTM", input, hx, w_ih, w_hh, b_ih, b_hh)
    return h, c


def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One GRU step: the new hidden state; gates in the order reset, update, new."""
    if region() is not None:
        return recast(gru_cell, locals())
    return _cell("GRU", input, [hx], w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of a plain recurrent net: ``tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh)``."""
    if region() is not None:
        return recast(rnn_tanh_cell, locals())
    return _cell("RNN_TANH", input, [hx], w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of a plain recurrent net with ReLU in tanh's place."""
    if region() is not None:
        return recast(rnn_relu_cell, locals())
    return _cell("RNN_RELU", input, [hx], w_ih, w_hh, b_ih, b_hh)[0]


def zero_state(like: Any, *shape: int) -> Tensor:
    """A state of zeros in the dtype and on the device of ``like``."""
    return wrap(array_module(like.array).zeros(shape, like.array.dtype))
