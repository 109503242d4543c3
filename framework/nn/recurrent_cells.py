"""Recurrent cells: one time step a call."""

from __future__ import annotations

import math
from typing import Any

from framework.errors import ArgumentError, ShapeError
from framework.nn import init
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.ops import recurrent as ops
from framework.ops.creation import empty


class RNNCellBase(Module):
    """What the cells share: weights ``weight_ih weight_hh bias_ih bias_hh``, uniform in ``±1 / sqrt(hidden_size)``.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether the cell has biases.
        num_chunks: number of gates.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _checked(self, input: Any, *states: Any) -> list[Any]:
        """The states, or zeros."""
        name = type(self).__name__
        for what, t in (("input", input), *(("hidden", s) for s in states if s is not None)):
            if t.ndim not in (1, 2):
                raise ShapeError(f"{name}: expected {what} to be 1D or 2D, got shape {tuple(t.shape)} instead")
        return [ops.zero_state(input, *input.shape[:-1], self.hidden_size) if s is None else s for s in states]

    def extra_repr(self) -> str:
        """The options that differ from the defaults, for ``repr``."""
        bias = "" if self.bias else f", bias={self.bias}"
        kind = getattr(self, "nonlinearity", "tanh")
        return f"{self.input_size}, {self.hidden_size}{bias}" + ("" if kind == "tanh" else f", nonlinearity={kind}")


class RNNCell(RNNCellBase):
    """One step of a plain recurrent net.

    Args:
        nonlinearity: "tanh" or "relu".

    Shape:
        input (N, input_size) or (input_size,), hx (N, hidden_size) or (hidden_size,) -> hx's shape.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The new hidden state."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNNCell: unknown nonlinearity {self.nonlinearity!r}; use 'tanh' or 'relu'")
        (hx,) = self._checked(input, hx)
        step = ops.rnn_tanh_cell if self.nonlinearity == "tanh" else ops.rnn_relu_cell
        return step(input, hx, *self._weights())


class LSTMCell(RNNCellBase):
    """One LSTM step.

    Shape:
        input (N, input_size) or (input_size,), hx a pair of (N, hidden_size) or (hidden_size,) -> such a pair.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The new hidden state and cell state."""
        return ops.lstm_cell(input, self._checked(input, *(hx or (None, None))), *self._weights())


class GRUCell(RNNCellBase):
    """One GRU step.

    Shape:
        input (N, input_size) or (input_size,), hx (N, hidden_size) or (hidden_size,) -> hx's shape.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The new hidden state."""
        (hx,) = self._checked(input, hx)
        return ops.gru_cell(input, hx, *self._weights())
