"""The fixture ``gpu``: the same test on a graphics card, where there is one, and on a stand-in for CuPy, anywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.gpu.host import run_cuda


class GPU:
    """A place to run tests on.

    Attributes:
        device: what to write for the device.
        xp: CuPy, or what stands in for it.
        real: whether it is a card.
        waits: what made the host wait for the device so far; None on a card, which does not tell.
    """

    device = "cuda"

    def __init__(self, xp: Any, waits: list[str] | None) -> None:
        self.xp, self.waits, self.real = xp, waits, waits is None
        self.used = False  # whether ``use`` was called

    def use(self, *libraries: str) -> None:
        """Let these libraries serve it, beside the generic kernels, from now on; on the stand-in none does at first."""
        from framework.kernels import registry

        if "cuda" in libraries and not self.real and (why := run_cuda.why_not()):
            pytest.skip(why)
        registry.LIBRARIES["cuda"] = {name: LIBRARIES[name] for name in libraries}
        self.used = True
        forget_kernels(compiled=True)


def forget_kernels(compiled: bool = False) -> None:
    """Let the kernels of GPUs be chosen, and where they were ``compiled`` for another place made, anew."""
    from framework.kernels import registry

    for key in [key for key in registry._tables if key[1] == "cuda"]:
        del registry._tables[key]
    if not (compiled or card()):
        return  # nothing else was made that another place could not use
    for name, module in list(sys.modules.items()):
        if name.startswith("framework.kernels"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@cache
def card() -> bool:
    """Whether there is a card."""
    import framework

    return framework.cuda.is_available()


@pytest.fixture(params=[pytest.param("card", marks=pytest.mark.gpu), "host"])
def gpu(request: pytest.FixtureRequest) -> Iterator[GPU]:
    """A GPU: a card (skipped where there is none), and the stand-in with the generic kernels."""
    if request.param == "card" and not card():
        pytest.skip("no CUDA GPU")
    import framework
    from framework import devices, random
    from framework.cuda import memory
    from framework.kernels import registry

    libraries = dict(registry.LIBRARIES["cuda"])
    LIBRARIES.update(libraries)
    forget_kernels()
    random._on_gpu.clear()
    place = None
    try:
        if request.param == "card":
            import cupy

            yield (place := GPU(cupy, None))
            cupy.cuda.Device(0).use()
        else:
            from tests.gpu.host import fake_cupy

            registry.LIBRARIES["cuda"] = {}
            with fake_cupy.installed() as xp:
                yield (place := GPU(xp, fake_cupy.waits))
    finally:
        registry.LIBRARIES["cuda"] = libraries
        framework.set_default_device(None)
        forget_kernels(compiled=place is not None and place.used)
        random._on_gpu.clear()
        for peaks in memory._peaks if card() else ():  # a stand-in's hooks go with it
            peaks.hook.__exit__()
        memory._peaks.clear()
        devices.several = False
        devices._parked.clear()
        registry.reset_fallbacks()


LIBRARIES: dict[str, tuple[str, ...]] = {}
