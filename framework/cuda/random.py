"""The default generators of the GPUs.

Not yet run on a GPU: checked on a stand-in for CuPy (tests/gpu).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework import devices
from framework.cuda.gpus import current_device, device_count, index_of, is_available
from framework.random import generator_of
from framework.tensor import Tensor


def manual_seed(seed: int) -> None:
    """Seed the default generator of the current GPU; nothing without one."""
    if is_available():
        generator_of(devices.device("cuda", current_device())).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the default generators of all GPUs."""
    for index in range(device_count()):
        generator_of(devices.device("cuda", index)).manual_seed(seed)


def seed() -> None:
    """Seed the current GPU's generator from the system's entropy."""
    if is_available():
        generator_of(devices.device("cuda", current_device())).seed()


def seed_all() -> None:
    """Seed the generators of all GPUs from the system's entropy."""
    for index in range(device_count()):
        generator_of(devices.device("cuda", index)).seed()


def initial_seed() -> int:
    """The seed of the current GPU's generator."""
    return generator_of(devices.device("cuda", current_device())).initial_seed()


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The state of a GPU's default generator, as a uint8 tensor on the CPU."""
    return generator_of(devices.device("cuda", index_of(device))).get_state()


def get_rng_state_all() -> list[Tensor]:
    """The states of all GPUs' default generators."""
    return [get_rng_state(index) for index in range(device_count())]


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Put a GPU's default generator where it was when ``get_rng_state`` gave this tensor."""
    generator_of(devices.device("cuda", index_of(device))).set_state(new_state)


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """``set_rng_state`` of all GPUs, in order."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)
