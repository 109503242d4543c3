"""The schedules of language-model training, with a linear warm-up, under the names that ``transformers`` gives them.

Each returns a ``LambdaLR``: ``step`` it after every batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from framework.errors import ArgumentError
from framework.optim.lr_scheduler.decay import LambdaLR
from framework.optim.optimizer import Optimizer


def _after_warmup(warmup: float, factor: Callable[[int], float]) -> Callable[[int], float]:
    """Along a line from 0 to 1 in ``warmup`` steps, and ``factor(step)`` from there on."""
    return lambda step: step / max(1.0, warmup) if step < warmup else factor(step)


def get_constant_schedule(optimizer: Optimizer, last_epoch: int = -1) -> LambdaLR:
    """The same rate throughout."""
    return LambdaLR(optimizer, lambda step: 1.0, last_epoch)


def get_constant_schedule_with_warmup(optimizer: Optimizer, num_warmup_steps: int, last_epoch: int = -1) -> LambdaLR:
    """A linear warm-up, then the same rate."""
    return LambdaLR(optimizer, _after_warmup(num_warmup_steps, lambda step: 1.0), last_epoch)


def get_linear_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, last_epoch: int = -1
) -> LambdaLR:
    """A linear warm-up, then a line down to 0 at the last step.

    Example:
        >>> scheduler = get_linear_schedule_with_warmup(optimizer, 100, num_training_steps=1000)
    """

    def factor(step: int) -> float:
        return max(0.0, (num_training_steps - step) / max(1, num_training_steps - num_warmup_steps))

    return LambdaLR(optimizer, _after_warmup(num_warmup_steps, factor), last_epoch)


def _cosine(cycles: float, progress: float) -> float:
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * cycles * 2.0 * progress)))


def get_cosine_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5, last_epoch: int = -1
) -> LambdaLR:
    """A linear warm-up, then a cosine: half a wave down to 0, or ``num_cycles`` waves."""

    def factor(step: int) -> float:
        return _cosine(num_cycles, (step - num_warmup_steps) / max(1, num_training_steps - num_warmup_steps))

    return LambdaLR(optimizer, _after_warmup(num_warmup_steps, factor), last_epoch)


def get_cosine_with_hard_restarts_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, num_cycles: int = 1, last_epoch: int = -1
) -> LambdaLR:
    """A linear warm-up, then half a cosine down to 0, ``num_cycles`` times."""

    def factor(step: int) -> float:
        progress = (step - num_warmup_steps) / max(1, num_training_steps - num_warmup_steps)
        return 0.0 if progress >= 1.0 else _cosine(0.5, (num_cycles * progress) % 1.0)

    return LambdaLR(optimizer, _after_warmup(num_warmup_steps, factor), last_epoch)


def get_polynomial_decay_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, lr_end: float = 1e-7, power: float = 1.0,
    last_epoch: int = -1,
) -> LambdaLR:  # fmt: skip
    """A linear warm-up, then a power's curve down to the rate ``lr_end``."""
    start = optimizer.defaults["lr"]
    if not start > lr_end:
        raise ArgumentError(f"lr_end ({lr_end}) must be smaller than initial lr ({start})")

    def factor(step: int) -> float:
        if step > num_training_steps:
            return lr_end / start
        left = 1 - (step - num_warmup_steps) / (num_training_steps - num_warmup_steps)
        return ((start - lr_end) * left**power + lr_end) / start

    return LambdaLR(optimizer, _after_warmup(num_warmup_steps, factor), last_epoch)


def get_inverse_sqrt_schedule(
    optimizer: Optimizer, num_warmup_steps: int, timescale: int | None = None, last_epoch: int = -1
) -> LambdaLR:
    """A linear warm-up, then ``1 / sqrt(t)``, with time in units of ``timescale`` (by default the warm-up's length).

    Reference: Vaswani et al., Attention Is All You Need, section 5.3, https://arxiv.org/abs/1706.03762.
    """
    unit = (num_warmup_steps or 10_000) if timescale is None else timescale
    shift = unit - num_warmup_steps
    return LambdaLR(
        optimizer, _after_warmup(num_warmup_steps, lambda step: 1.0 / math.sqrt((step + shift) / unit)), last_epoch
    )


def get_wsd_schedule(
    optimizer: Optimizer, num_warmup_steps: int, num_decay_steps: int, num_training_steps: int | None = None,
    num_stable_steps: int | None = None, warmup_type: str = "linear", decay_type: str = "cosine",
    min_lr_ratio: float = 0, num_cycles: float = 0.5, last_epoch: int = -1,
) -> LambdaLR:  # fmt: skip
    """Warm-up, stable, decay: a rise, a constant rate, and a fall to ``min_lr_ratio``.

    Args:
        optimizer: whose rates to set.
        num_warmup_steps, num_stable_steps, num_decay_steps: the length of each part.
        num_training_steps: all steps; then the stable ones are what the other two parts leave.
        warmup_type, decay_type: the curves: "linear", "cosine" or "1-sqrt".
        min_lr_ratio: the factor at both ends.
        num_cycles: waves of the cosine in the decay; 0.5 is from the top to the bottom.
        last_epoch: the number of the last step; -1 starts anew.

    Reference: Hu et al., MiniCPM, https://arxiv.org/abs/2404.06395.
    """
    if num_training_steps is None and num_stable_steps is None:
        raise ArgumentError("Either num_training_steps or num_stable_steps must be specified.")
    for name, kind in (("warmup", warmup_type), ("decay", decay_type)):
        if kind not in ("linear", "cosine", "1-sqrt"):
            raise ArgumentError(f"Unknown {name} type: {kind}, expected 'linear', 'cosine' or '1-sqrt'")
    if num_stable_steps is None:
        num_stable_steps = (num_training_steps or 0) - num_warmup_steps - num_decay_steps
    stable_until = num_warmup_steps + num_stable_steps

    def curve(kind: str, part: float, cycles: float = 0.5) -> float:
        """The height after a part of a fall from 1 to 0."""
        if kind == "linear":
            height = 1.0 - part
        elif kind == "cosine":
            height = _cosine(cycles, part)
        else:
            height = 1.0 - math.sqrt(part)
        return max(0.0, height * (1.0 - min_lr_ratio) + min_lr_ratio)

    def factor(step: int) -> float:
        if step < num_warmup_steps:
            return curve(warmup_type, 1.0 - step / max(1, num_warmup_steps))
        if step < stable_until:
            return 1.0
        if step < stable_until + num_decay_steps:
            return curve(decay_type, (step - stable_until) / max(1, num_decay_steps), num_cycles)
        return min_lr_ratio

    return LambdaLR(optimizer, factor, last_epoch)
