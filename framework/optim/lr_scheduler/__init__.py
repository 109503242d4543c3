"""Learning-rate schedules. Explicit re-exports, a family a group."""

from typing import Any as _Any

from framework.tensor import missing as _missing
from framework.optim.lr_scheduler.base import LRScheduler, _LRScheduler
from framework.optim.lr_scheduler.decay import (
    ConstantLR, ExponentialLR, LambdaLR, LinearLR, MultiplicativeLR, MultiStepLR, PolynomialLR, StepLR,
)  # fmt: skip
from framework.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from framework.optim.lr_scheduler.cyclic import CyclicLR, OneCycleLR
from framework.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from framework.optim.lr_scheduler.plateau import ReduceLROnPlateau
from framework.optim.lr_scheduler.warmup import (
    get_constant_schedule, get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup,
    get_cosine_with_hard_restarts_schedule_with_warmup, get_inverse_sqrt_schedule, get_linear_schedule_with_warmup,
    get_polynomial_decay_schedule_with_warmup, get_wsd_schedule,
)  # fmt: skip


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.optim.lr_scheduler'", name, globals())
