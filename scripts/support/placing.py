"""Where a script computes: what ``--device`` may say."""

from __future__ import annotations

import argparse

import framework as F
from framework import devices
from framework.errors import DeviceError

HELP = "cpu, cuda for the GPU in use, cuda:N for another, auto for a GPU where there is one"


def device(text: str) -> str:
    """An argument type: the name of a device that is there, which is the GPU in use from then on.

    Raises:
        DeviceError: a GPU is asked for, and CuPy, the driver or that GPU is missing.
    """
    if text == "auto":
        return "cuda" if F.cuda.is_available() else "cpu"
    try:
        where = F.device(text)
    except DeviceError:
        raise argparse.ArgumentTypeError(f"expected cpu, cuda, cuda:N or auto, got {text!r}") from None
    devices.module_of(where)
    if where.type == "cuda" and where.index is not None:
        count = F.cuda.device_count()
        if where.index >= count:
            raise DeviceError(f"--device {text}: there are {count} GPUs, counted from cuda:0")
        F.cuda.set_device(where)
    return str(where)


def pinned(where: str) -> bool:
    """Whether batches for a device are best put into page-locked memory, out of which copies need no waiting for."""
    return where != "cpu"
