"""Recurrent nets over whole sequences: RNN, LSTM and GRU."""

from __future__ import annotations

import math
import warnings
from typing import Any

from framework.autograd.autocast import region
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.nn import init
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.nn.utils.rnn import PackedSequence
from framework.ops.creation import empty
from framework.ops.recurrent import GATES, run, zero_state


class RNNBase(Module):
    """What RNN, LSTM and GRU share: weights, checks, packed and unbatched sequences.

    The weights of layer k are ``weight_ih_lk``, ``weight_hh_lk``, ``bias_ih_lk``, ``bias_hh_lk`` and with ``proj_size``
    ``weight_hr_lk``; those of the backward direction end in ``_reverse``. They start uniform in
    ``±1 / sqrt(hidden_size)``.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: features of the input.
        hidden_size: features of the hidden state.
        num_layers: layers, each fed by the one before.
        bias: whether the layers have biases.
        batch_first: the input is (N, T, features) instead of (T, N, features). States are not affected.
        dropout: in [0, 1], share of each layer's output, but the last's, to drop in training.
        bidirectional: also go through the sequence backwards; the outputs are joined.
        proj_size: features that LSTM's hidden state is projected to; 0 for no projection.
    """

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
        device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
            raise ArgumentError(f"{name}: dropout should be a number in range [0, 1], got {dropout!r}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{name}: dropout={dropout} applies after all layers but the last, and there is one layer; raise "
                "num_layers or leave dropout out",
                stacklevel=3,
            )
        for what, value, kind in (
            ("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int), ("hidden_size",
            hidden_size, int),
        ):  # fmt: skip
            if not isinstance(value, kind):
                raise TypeError(f"{name}: {what} should be of type {kind.__name__}, got: {type(value).__name__}")
        for what, number in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if number <= 0:
                raise ArgumentError(f"{name}: {what} must be greater than zero, got {number}")
        if not 0 <= proj_size < hidden_size:
            raise ArgumentError(
                f"{name}: proj_size must be 0 (no projection) or positive and smaller than hidden_size {hidden_size}, "
                f"got {proj_size}"
            )
        if mode not in GATES:
            raise ArgumentError(f"{name}: unrecognized RNN mode {mode!r}; use one of {', '.join(GATES)}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        rows = GATES[mode] * hidden_size
        out = proj_size or hidden_size
        for layer in range(num_layers):
            features = input_size if layer == 0 else out * (2 if bidirectional else 1)
            for suffix in ("", "_reverse") if bidirectional else ("",):
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, features), "weight_hh": (rows, out)}
                if bias:
                    shapes.update(bias_ih=(rows,), bias_hh=(rows,))
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{part}_l{layer}{suffix}" for part in shapes]
                for weight_name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, weight_name, Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(names)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do here; in PyTorch it lays the weights out for cuDNN."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def check_input(self, input: Any, batch_sizes: Any) -> None:
        """Refuse an input whose dtype or shape does not fit."""
        name, weight = type(self).__name__, getattr(self, self._all_weights[0][0])
        if input.dtype != weight.dtype and region() is None:
            raise DtypeError(
                f"{name}: input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}); convert the input "
                f"with input.to({weight.dtype}) or the model with model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.ndim != expected:
            raise ShapeError(f"{name}: input must have {expected} dimensions, got shape {tuple(input.shape)}")
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.shape[-1]} in shape {tuple(input.shape)}"
            )

    def _initial(self, input: Any, hx: Any, batch: int, single: bool, order: Any) -> list[Any]:
        """The initial states: zeros, or those given, checked and brought into the batch's order."""
        name = type(self).__name__
        layers = self.num_layers * (2 if self.bidirectional else 1)
        shapes = [(layers, batch, self.proj_size or self.hidden_size)]
        if self.mode == "LSTM":
            shapes.append((layers, batch, self.hidden_size))
        if hx is None:
            return [zero_state(input, *shape) for shape in shapes]
        if self.mode == "LSTM" and (not isinstance(hx, tuple | list) or len(hx) != 2):
            raise ArgumentError(f"{name}: expected the pair (h_0, c_0) of initial states, got {type(hx).__name__}")
        states = list(hx) if self.mode == "LSTM" else [hx]
        wanted = 2 if single else 3
        for state in states:
            if state.ndim != wanted:
                raise ShapeError(
                    f"{name}: for {'unbatched 2-D' if single else 'batched 3-D'} input, hx should also be {wanted}-D "
                    f"but got shape {tuple(state.shape)}"
                )
        states = [s.unsqueeze(1) for s in states] if single else states
        for what, state, shape in zip(("hidden[0]", "hidden[1]"), states, shapes, strict=False):
            if tuple(state.shape) != shape:
                raise ShapeError(
                    f"{name}: expected {what if self.mode == 'LSTM' else 'hidden'} size {shape}, "
                    f"got {list(state.shape)}"
                )
        return [s if order is None else s.index_select(1, order) for s in states]

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Run over a sequence.

        Args:
            input: (T, N, features), (N, T, features) with ``batch_first``, (T, features), or a ``PackedSequence``.
            hx: the initial state (layers * directions, N, hidden), for LSTM the pair (h_0, c_0); zeros unless given.

        Returns:
            The last layer's output at each step, and the last state or (LSTM) pair of states.
        """
        name = type(self).__name__
        packed = isinstance(input, PackedSequence)
        single, order = False, None
        if packed:
            data, sizes, order, back = input
            batch = int(sizes[0])
        else:
            data, sizes, back = input, None, None
            if data.ndim not in (2, 3):
                raise ShapeError(f"{name}: expected input to be 2D (unbatched) or 3D, got shape {tuple(data.shape)}")
            single = data.ndim == 2
            if single:
                data = data.unsqueeze(0 if self.batch_first else 1)
            batch = data.shape[0 if self.batch_first else 1]
        self.check_input(data, sizes)
        states = self._initial(data, hx, batch, single, order)
        y, *last = run(
            self.mode, data, states, self._flat_weights, self.bias, self.num_layers, self.dropout, self.training,
            self.bidirectional, self.batch_first, sizes
        )  # fmt: skip
        if single:
            y, last = y.squeeze(0 if self.batch_first else 1), [s.squeeze(1) for s in last]
        if back is not None:
            last = [s.index_select(1, back) for s in last]
        result = PackedSequence(y, sizes, order, back) if packed else y
        return result, tuple(last) if self.mode == "LSTM" else last[0]

    def extra_repr(self) -> str:
        """The options that differ from the defaults, for ``repr``."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for option, default in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0),
            ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, option)
            if value != default:
                parts.append(f"{option}={value}")
        return ", ".join(parts)


class RNN(RNNBase):
    """A plain recurrent net: ``h = tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)``.

    Args:
        nonlinearity: "tanh" or "relu".

    The other arguments are those of ``RNNBase``, without ``mode`` and ``proj_size``.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None,
        dtype: Any = None
    ) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNN: unknown nonlinearity {nonlinearity!r}; select from 'tanh' or 'relu'")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory. Gates in the order input, forget, cell, output.

    The arguments are those of ``RNNBase`` without ``mode``.

    Example:
        >>> output, (h, c) = nn.LSTM(10, 20, num_layers=2)(framework.randn(5, 3, 10))
        >>> output.shape, h.shape
        (framework.Size([5, 3, 20]), framework.Size([2, 3, 20]))

    Reference: https://www.bioinf.jku.at/publications/older/2604.pdf; the projection: https://arxiv.org/abs/1402.1128
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )


class GRU(RNNBase):
    """Gated recurrent units. Gates in the order reset, update, new.

    As in PyTorch (and cuDNN) the reset gate multiplies the hidden state's product with its weights, after the product.
    The arguments are those of ``RNNBase`` without ``mode`` and ``proj_size``.

    Reference: https://arxiv.org/abs/1406.1078
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
