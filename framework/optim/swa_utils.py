"""Averages of a model's weights over training: equal weights (SWA) or exponential ones (EMA)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.mode import no_grad
from framework.autograd.views import bump
from framework.errors import ArgumentError
from framework.nn.module import Module
from framework.optim.lr_scheduler.base import LRScheduler, Rate, for_each_group
from framework.optim.optimizer import Optimizer
from framework.tensor import Tensor, missing, wrap

AvgFn = Callable[[Tensor, Tensor, Any], Tensor]
MultiAvgFn = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ArgumentError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _blend(averaged: Sequence[Tensor], current: Sequence[Tensor], weight: float) -> None:
    """``averaged += weight (current - averaged)`` in place; 16-bit and integer values are blended in float32."""
    for mean, value in zip(averaged, current, strict=True):
        array, new = mean.array, value.array
        if array.dtype in dtypes.HALF or array.dtype.kind in "biu":
            wide = array.astype(np.float32)
            array[...] = (wide + weight * (new.astype(np.float32) - wide)).astype(array.dtype)
        else:
            change = new - array
            change *= weight
            array += change
        bump(mean, "update_parameters")


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """The exponential average of lists: ``ema = decay ema + (1 - decay) current``, in place.

    Example:
        >>> ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9999))
        >>> ema.update_parameters(model)  # after each optimizer step
    """
    _check_decay(decay)

    def ema_update(ema_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], _: Any) -> None:
        _blend(ema_param_list, current_param_list, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """The equal average of lists, in place."""

    def swa_update(
        averaged_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], num_averaged: Any
    ) -> None:
        _blend(averaged_param_list, current_param_list, 1 / (float(num_averaged) + 1))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """The exponential average of one tensor: gives ``decay ema + (1 - decay) current``."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """The equal average of one tensor: gives ``mean + (current - mean) / (n + 1)``."""

    @no_grad()
    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are running averages of the model's. Calling it calls the copy.

    Args:
        model: the model that is trained.
        device: where the copy lies; None for where the model does.
        avg_fn: ``avg_fn(averaged, current, num_averaged)`` gives a parameter's new average.
        multi_avg_fn: the same for lists of parameters of one dtype and device, in place. By default the equal average.
        use_buffers: average the buffers (running means) too; otherwise they are copied.

    Attributes:
        module: the copy.
        n_averaged: how many models were averaged.

    Reference: Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization,
    https://arxiv.org/abs/1803.05407.
    """

    n_averaged: Any

    def __init__(
        self, model: Module, device: Any = None, avg_fn: AvgFn | None = None, multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        count = wrap(np.zeros((), np.int64))
        self.register_buffer("n_averaged", count if device is None else count.to(device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged copy computes."""
        return self.module(*args, **kwargs)

    def _averaged_tensors(self, model: Module) -> Iterable[Tensor]:
        return itertools.chain(model.parameters(), model.buffers() if self.use_buffers else ())

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the averages; the first time they are copied."""
        pairs = [
            (mean.detach(), value.detach().to(mean.device))
            for mean, value in zip(self._averaged_tensors(self.module), self._averaged_tensors(model), strict=False)
        ]
        count = int(self.n_averaged.item())
        if count == 0:
            for mean, value in pairs:
                mean.copy_(value)
        elif self.avg_fn is not None:
            for mean, value in pairs:
                mean.copy_(self.avg_fn(mean, value, self.n_averaged.to(mean.device)))
        else:
            average = self.multi_avg_fn or get_swa_multi_avg_fn()
            kinds: dict[Any, list[tuple[Tensor, Tensor]]] = {}
            for pair in pairs:
                kinds.setdefault((pair[0].device, pair[0].dtype), []).append(pair)
            for (device, _), group in kinds.items():
                means, values = zip(*group, strict=True)
                average(list(means), list(values), self.n_averaged.to(device))
        if not self.use_buffers:
            for mean, value in zip(self.module.buffers(), model.buffers(), strict=True):
                mean.detach().copy_(value.detach().to(mean.device))
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of every batch norm anew, over a pass of the data, for the averaged weights.

    Args:
        loader: batches, or tuples that begin with the batch.
        model: run in training mode, and put back afterwards.
        device: where to move each batch.
    """
    from framework.nn.batchnorm import _BatchNorm

    norms = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not norms:
        return
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # an equal average over the batches
    for batch in loader:
        batch = batch[0] if isinstance(batch, list | tuple) else batch
        model(batch if device is None else batch.to(device))
    for norm, momentum in norms.items():
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Goes from each group's rate to ``swa_lr`` in ``anneal_epochs`` steps, and stays there.

    Args:
        optimizer: whose rates to set.
        swa_lr: the rate to go to, for all groups or a list of one for each.
        anneal_epochs: the steps it takes; 0 for at once.
        anneal_strategy: "cos" or "linear".
        last_epoch: the number of the last step; -1 starts anew.
    """

    def __init__(
        self, optimizer: Optimizer, swa_lr: float | list[float], anneal_epochs: int = 10, anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        for group, rate in zip(optimizer.param_groups, for_each_group("swa_lr", optimizer, swa_lr), strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ArgumentError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way is done after a step, from 0 to 1."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * part)) / 2 if self._anneal_strategy == "cos" else part

    def get_lr(self) -> list[Rate]:
        """Each group's next rate."""
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            target = group["swa_lr"]
            start = target if before == 1 else (group["lr"] - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates


def __getattr__(name: str) -> Any:
    missing("module 'framework.optim.swa_utils'", name, globals())
