"""Mixed precision: what ``--amp`` may say, and what it comes to."""

from __future__ import annotations

from typing import Any

import framework as F
from framework import nn
from framework.errors import ArgumentError

HELP = (
    "compute products in 16 bits: bf16, or fp16, which is for GPUs and scales the loss; parameters stay float32; off "
    "unless given"
)
TYPES = {"off": F.float32, "bf16": F.bfloat16, "fp16": F.float16}


def check(args: Any) -> None:
    """Refuse a type that the device is not for.

    Raises:
        ArgumentError: fp16 on the CPU.
    """
    if args.amp == "fp16" and args.device == "cpu":
        raise ArgumentError(
            "--amp fp16: float16 is for GPUs, a processor converts it to float32 and back at each step; use --amp bf16, "
            "or --device cuda"
        )


def autocast(args: Any) -> F.autocast:
    """The context that the model and the loss are computed in."""
    kind = F.device(args.device).type
    return F.autocast(kind, TYPES[args.amp], enabled=args.amp != "off")


def step(args: Any, model: Any, optimizer: Any, scaler: F.amp.GradScaler, schedule: Any) -> None:
    """Move the parameters by the gradients that were summed up, clipped as asked for, and the schedule with them."""
    if args.clip_grad_norm:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), args.clip_grad_norm)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    schedule.step()


def scaler_for(args: Any) -> F.amp.GradScaler:
    """What scales the loss in float16, and lets it through in the other types."""
    return F.amp.GradScaler(F.device(args.device).type, enabled=args.amp == "fp16")
