"""What a case is given, and what it gives back."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Peer:
    """One side of the comparison: the library under its names, and how its models are to be run.

    Args:
        lib: this toolkit or PyTorch.
        channels_last: put models and pictures into channels-last memory.
        compiled: run models through ``lib.compile``.
        small: the case's smallest size, for tests.
    """

    lib: Any
    channels_last: bool = False
    compiled: bool = False
    small: bool = False

    def size(self, full: int, small: int) -> int:
        """A size of the case, or the one that tests use."""
        return small if self.small else full

    def placed(self, value: Any) -> Any:
        """A model or a batch of pictures in the memory layout of this side."""
        return value.to(memory_format=self.lib.channels_last) if self.channels_last else value

    def fused(self, model: Any) -> Any:
        """A model for inference whose batch norms are folded into its convolutions: each library has a function for it."""
        if self.lib.__name__ == "torch":
            return importlib.import_module("torch.fx.experimental.optimization").fuse(model)
        return self.lib.nn.fuse(model)

    def runner(self, model: Any) -> Any:
        """What to call in place of the model."""
        return self.lib.compile(model) if self.compiled else model


@dataclass
class Work:
    """A case made ready: one call of ``step`` is what is timed.

    Args:
        step: does the work once and returns the loss or the output.
        model: its model, whose products are counted; None where there is none.
        inputs: the tensors that the step reads, so that a test can give both sides the same numbers.
    """

    step: Callable[[], Any]
    model: Any = None
    inputs: list[Any] = field(default_factory=list)


def classify(
    peer: Peer, model: Any, x: Any, y: Any, optimizer: Any, precision: Callable[[], Any] = nullcontext
) -> Work:
    """A training step: forward and cross-entropy within a context of ``precision``, backward, update."""
    run, loss_of = peer.runner(model), peer.lib.nn.functional.cross_entropy

    def step() -> Any:
        with precision():
            loss = loss_of(run(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Work(step, model, [x, y])


def infer(peer: Peer, model: Any, x: Any) -> Work:
    """A forward pass in evaluation mode, without autograd."""
    run, lib = peer.runner(model.eval()), peer.lib

    def step() -> Any:
        with lib.inference_mode():
            return run(x)

    return Work(step, model, [x])
