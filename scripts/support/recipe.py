"""How a model is trained: optimizers, schedules, mixing of pictures, and what is sensible where nothing was said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from framework import nn, optim
from framework.errors import ArgumentError
from framework.optim.lr_scheduler import LambdaLR
from framework.tensor import Tensor
from hub import param_groups
from vision.transforms import CutMix, MixUp, RandomChoice

OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9, nesterov=True),
    "adam": lambda p, lr: optim.Adam(p, lr=lr),
    "adamw": lambda p, lr: optim.AdamW(p, lr=lr),
    "rmsprop": lambda p, lr: optim.RMSprop(p, lr=lr, momentum=0.9),
    "lion": lambda p, lr: optim.Lion(p, lr=lr),
    "lamb": lambda p, lr: optim.Lamb(p, lr=lr),
}
# the learning rate's factor at a share t of the way from the end of the warm-up to the end of training
SCHEDULES: dict[str, Any] = {
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)),
    "linear": lambda t: 1 - t,
    "constant": lambda t: 1.0,
    "step": lambda t: 0.1 ** int(3 * t),
}
_RATES = {  # the highest learning rate: from scratch, of a whole pretrained model, of its head alone
    "sgd": (0.05, 0.01, 0.05),
    "lion": (4e-4, 3e-5, 3e-4),
    "others": (4e-3, 5e-4, 3e-3),
}
_PLAIN = {"device": "cpu", "layer_decay": 1.0, "warmup": 0.5, "clip_grad_norm": 0.0}
AUXILIARY = 0.3  # the weight of auxiliary heads' losses, as in the papers on GoogLeNet and Inception v3


def fill_defaults(args: Any) -> None:
    """Settle what the command line left open for pictures: from scratch, fine-tuning and training a head differ."""
    kind = 0 if args.weights == "none" else 2 if args.freeze == "backbone" else 1
    defaults = {
        "epochs": (5, 12, 30)[kind],
        "batch_size": (100, 32, 32)[kind],
        "augment": ("none", "basic", "basic")[kind],
        "lr": _RATES.get(args.optimizer, _RATES["others"])[kind],
        # what was learned before is changed with care
        "layer_decay": (1.0, 0.8, 1.0)[kind],
        "warmup": (0.5, 1.0, 1.0)[kind],
        "clip_grad_norm": (0.0, 1.0, 1.0)[kind],
        "workers": 2,
    }
    fill(args, defaults)


def fill(args: Any, defaults: Mapping[str, Any]) -> None:
    """Give what the command line left open its default."""
    for name, value in {**_PLAIN, **defaults}.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def refuse(args: Any, reason: str, *names: str) -> None:
    """Refuse flags that were given though they mean nothing here.

    Raises:
        ArgumentError: one was given.
    """
    for name in names:
        if getattr(args, name) not in (None, 0):
            raise ArgumentError(f"--{name.replace('_', '-')}: {reason}; leave it out")


def optimizer_for(model: nn.Module, args: Any) -> Any:
    """The optimizer of a model's parameters that are trained, slower towards the input with ``--layer-decay``."""
    groups = param_groups(
        model,
        args.lr,
        layer_decay=args.layer_decay,
        weight_decay=args.weight_decay,
        no_decay_on_1d=args.norm_decay == "off",
    )
    return OPTIMIZERS[args.optimizer](groups, args.lr)


def schedule_for(optimizer: Any, schedule: str, warmup: int, total: int) -> LambdaLR:
    """The learning rate's course: a linear rise over ``warmup`` steps, then a schedule until ``total`` steps are done."""
    shape = SCHEDULES[schedule]

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return shape(min(1.0, (step - warmup) / max(1, total - warmup)))

    return LambdaLR(optimizer, factor)


def mixing_for(args: Any, classes: int) -> Any:
    """What mixes the pictures of a batch, and their classes with them; None without ``--mixup-alpha`` and ``--cutmix-alpha``."""
    chosen = [
        kind(alpha=alpha, num_classes=classes)
        for kind, alpha in ((MixUp, args.mixup_alpha), (CutMix, args.cutmix_alpha))
        if alpha
    ]
    return RandomChoice(chosen) if len(chosen) > 1 else chosen[0] if chosen else None


def loss_of(criterion: Any, output: Any, target: Tensor) -> Tensor:
    """The loss of a model's output, auxiliary heads included."""
    if not isinstance(output, tuple):
        return criterion(output, target)
    main, *auxiliary = (criterion(part, target) for part in output if part is not None)
    return main + AUXILIARY * sum(auxiliary)
