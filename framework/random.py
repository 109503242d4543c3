"""Random generators: counter-based (Philox), so that a seed gives the same numbers whatever the number of threads.

A GPU's generator runs through the same stream of words as the CPU's, and draws from the same places of it: raw bits, so
dropout's masks; uniform numbers; and integers, but for one that NumPy would reject and draw anew, of which there is less
than one in ``2**32 / range`` (in ``2**64 / range`` for a range above ``2**32``). Poisson and binomial counts are drawn on
the host. The GPU's normal numbers (by Box and Muller's method) and permutations are others than the CPU's.
States move between devices.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.errors import ArgumentError
from framework.kernels.threads import parallel
from framework.tensor import Tensor, missing, wrap

_FIELDS = (
    ("counter", 4),
    ("key", 2),
    ("buffer", 4),
    ("buffer_pos", 1),
    ("has_uint32", 1),
    ("uinteger", 1),
    ("seed", 1),
)
_BITS = {dtypes.float16.numpy: 11, dtypes.bfloat16.numpy: 8}  # random bits that a half-precision number in [0, 1) holds

_RUN = 1 << 17  # numbers of 16 bits that a thread draws at once: 32 K words


class Generator:
    """A stream of random numbers on one device.

    Attributes:
        device: where its numbers are drawn.
        stream: on a GPU, where it is in its stream; kernels that draw for themselves take their words from it.

    Example:
        >>> g = framework.Generator().manual_seed(0)
        >>> framework.equal(framework.rand(2, generator=g), framework.rand(2, generator=g.manual_seed(0)))
        True
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = devices.device(device)
        self.stream: Any = None
        self._shared = False  # whether ``keyed`` blocks replace its stream: so for the CPU's default generator
        self.manual_seed(67280421310721)

    @property
    def numpy(self) -> Any:
        """The NumPy generator that draws; None on a GPU."""
        return self._numpy if not self._shared else (_stream.get() or self)._numpy

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew from a seed in [-2**63, 2**64); negative ones count from 2**64 down."""
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise ArgumentError(f"manual_seed: overflow when unpacking long long: expected [-2**63, 2**64), got {seed}")
        if self._shared and (stream := _stream.get()) is not None:
            stream.manual_seed(seed)
            return self
        self._seed = seed % 2**64
        if self.device.type == "cpu":
            self._numpy: Any = np.random.Generator(np.random.Philox(key=self._seed))
        else:
            from framework.kernels.cuda.random import Stream

            self._numpy = None
            self.stream = Stream(self._seed)
        return self

    def seed(self) -> int:
        """Seed from the system's entropy, and return that seed."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """Where the stream is, as a uint8 tensor for ``set_state``."""
        state = (self.stream.host() if self.numpy is None else self.numpy.bit_generator).state
        values = {**state, **state["state"], "seed": self._seed}
        parts = [np.atleast_1d(np.asarray(values[name], np.uint64)) for name, _ in _FIELDS]
        return wrap(np.concatenate(parts).view(np.uint8))

    def set_state(self, new_state: Tensor) -> Generator:
        """Put the stream where it was when ``get_state`` gave this tensor."""
        if not isinstance(new_state, Tensor) or new_state.dtype is not dtypes.uint8:
            raise TypeError("set_state: expected a uint8 tensor from get_state()")
        words = np.frombuffer(devices.move(new_state.array, devices.CPU).tobytes(), np.uint64)
        expected = sum(count for _, count in _FIELDS)
        if words.size != expected:
            raise ArgumentError(
                f"set_state: RNG state is wrong size: expected {expected * 8} bytes, got {words.size * 8}"
            )
        values: dict[str, Any] = {}
        start = 0
        for name, count in _FIELDS:
            values[name] = words[start : start + count] if count > 1 else int(words[start])
            start += count
        inner = {"counter": values["counter"].copy(), "key": values["key"].copy()}
        host = np.random.Philox() if self.numpy is None else self.numpy.bit_generator
        host.state = {
            "bit_generator": "Philox",
            "state": inner,
            "buffer": values["buffer"].copy(),
            **{name: values[name] for name in ("buffer_pos", "has_uint32", "uinteger")},
        }
        self._seed = int(values["seed"])
        if self.numpy is None:
            self.stream = type(self.stream).after(host)
        return self

    def clone_state(self) -> Generator:
        """Another generator at the same place of the same stream."""
        return Generator(self.device).set_state(self.get_state())

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (str(self.device), self.get_state())

    # What the ops draw

    def uniform(self, shape: tuple[int, ...], kind: Any) -> Any:
        """An array of a real floating dtype, evenly distributed in [0, 1)."""
        bits = _BITS.get(kind)
        if self.numpy is not None:
            if bits is None:
                return self.numpy.random(shape, kind)
            return (self.numpy.integers(0, 2**bits, shape, np.uint16) * np.float32(2.0**-bits)).astype(kind)
        return self.stream.uniform(math.prod(shape), kind).reshape(shape)

    def normal(self, shape: tuple[int, ...], kind: Any) -> Any:
        """An array of a real floating dtype, normally distributed with mean 0 and deviation 1."""
        work = kind if kind in (np.float32, np.float64) else np.dtype(np.float32)
        if self.numpy is not None:
            return self.numpy.standard_normal(shape, work).astype(kind, copy=False)
        # Box and Muller: two uniform numbers make two normal ones
        xp = devices.module_of(self.device)
        count = math.prod(shape)
        half = -(-count // 2)
        u = self.uniform((2, half), work)
        radius, angle = xp.sqrt(-2 * xp.log1p(-u[0])), work.type(2 * np.pi) * u[1]
        return (
            xp.concatenate((radius * xp.cos(angle), radius * xp.sin(angle)))[:count]
            .reshape(shape)
            .astype(kind, copy=False)
        )

    def bits16(self, count: int) -> Any:
        """So many random uint16 numbers: the cheapest draws, for masks."""
        if self.numpy is not None:
            return self.numpy.bit_generator.random_raw((count + 3) // 4).view(np.uint16)[:count]
        return self.stream.words((count + 3) // 4).view(np.uint16)[:count]

    def each_bits16(self, count: int, use: Callable[[int, Any], None]) -> None:
        """Draw what ``bits16`` would, in threads where it is much: ``use`` gets each run's first place and numbers.

        A run is drawn from its own range of the counter, so that neither the numbers nor where the stream stands
        afterwards depend on the threads. Only on the CPU.
        """
        if count < 2 * _RUN:
            use(0, self.bits16(count))
            return
        source = self.numpy.bit_generator
        state = source.state
        left = 4 - state["buffer_pos"]  # words of the block at hand that are still to be drawn
        if left:
            use(0, source.random_raw(left).view(np.uint16))
        start = 4 * left
        blocks = (count - start) // 16  # of four words, or sixteen numbers
        counter = sum(int(word) << 64 * place for place, word in enumerate(state["state"]["counter"]))
        key = state["state"]["key"]

        def run(first: int) -> None:
            own = np.random.Philox(key=key, counter=(counter + first) % 2**256)
            words = own.random_raw(4 * min(_RUN // 16, blocks - first))
            use(start + 16 * first, words.view(np.uint16))

        parallel(run, range(0, blocks, _RUN // 16))
        counter = (counter + blocks) % 2**256
        state["state"]["counter"] = np.array([counter >> 64 * place & 2**64 - 1 for place in range(4)], np.uint64)
        source.state = {**state, "buffer_pos": 4}
        if count > start + 16 * blocks:
            use(start + 16 * blocks, self.bits16(count - start - 16 * blocks))

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Any:
        """An int64 array (uint64 where ``high`` exceeds 2**63) evenly distributed in [low, high)."""
        if self.numpy is not None:
            return self.numpy.integers(low, high, shape, np.uint64 if high > 2**63 else np.int64)
        return self.stream.integers(math.prod(shape), low, high).reshape(shape)

    def permutation(self, count: int) -> Any:
        """The numbers below ``count`` in random order, int64."""
        if self.numpy is not None:
            return self.numpy.permutation(count)
        return devices.module_of(self.device).argsort(self.stream.words(count))

    def poisson(self, rates: Any) -> Any:
        """An int64 array of Poisson-distributed counts with these float64 rates."""
        if self.numpy is not None:
            return self.numpy.poisson(rates)
        return self._drawn_on_host("poisson", rates)

    def binomial(self, counts: Any, chances: Any) -> Any:
        """An int64 array of the successes in so many trials with these chances."""
        if self.numpy is not None:
            return self.numpy.binomial(counts, chances)
        return self._drawn_on_host("binomial", counts, chances)

    def _drawn_on_host(self, method: str, *arrays: Any) -> Any:
        host = np.random.Generator(self.stream.host())
        drawn = getattr(host, method)(*(devices.move(array, devices.CPU) for array in arrays))
        self.stream = type(self.stream).after(host.bit_generator)
        return devices.move(drawn, self.device)


_stream: ContextVar[Generator | None] = ContextVar("framework.random.stream", default=None)


@contextmanager
def keyed(seed: int, *numbers: int) -> Iterator[None]:
    """Within it the CPU's default generator draws from a stream of its own, named by a seed and up to two numbers.

    The stream belongs to the running thread, so work in threads draws the same whatever the threads are.
    """
    first, second = (*numbers, 0, 0)[:2]
    own = Generator()
    key = (seed % 2**64) | (1 + len(numbers) + 4 * (first % 2**32) + (second % 2**28 << 34)) << 64
    own._numpy = np.random.Generator(np.random.Philox(key=key))
    token = _stream.set(own)
    try:
        yield
    finally:
        _stream.reset(token)


def _restored(device: str, state: Tensor) -> Generator:
    return Generator(device).set_state(state)


default_generator = Generator()
default_generator.seed()
default_generator._shared = True
_on_gpu: dict[int, Generator] = {}  # the default generator of each GPU in use


def generator_of(device: devices.device) -> Generator:
    """The default generator of a device. A GPU's starts from the CPU's seed."""
    if device.type == "cpu":
        return default_generator
    index = devices.index_of(device)
    if index not in _on_gpu:
        _on_gpu[index] = Generator(devices.device(device.type, index)).manual_seed(default_generator.initial_seed())
    return _on_gpu[index]


def manual_seed(seed: int) -> Generator:
    """Seed the default generators of all devices, and return the CPU's."""
    for generator in _on_gpu.values():
        generator.manual_seed(seed)
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generators from the system's entropy, and return that seed."""
    number = default_generator.seed()
    for generator in _on_gpu.values():
        generator.manual_seed(number)
    return number


def initial_seed() -> int:
    """The seed of the CPU's default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's default generator, as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the CPU's default generator where it was when ``get_rng_state`` gave this tensor."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """Within it draws go on as they would, and after it as if there had been none.

    Args:
        devices: the GPUs whose generators are put back too; all in use unless given.
        enabled: off, it does nothing.
        _caller, _devices_kw, device_type: accepted for PyTorch's signature.

    Example:
        >>> with framework.random.fork_rng():
        ...     framework.manual_seed(0)
        ...     sample = framework.rand(3)
    """
    if not enabled:
        yield
        return
    state = default_generator.get_state()
    gpus = {index: generator.get_state() for index, generator in _on_gpu.items()}
    try:
        yield
    finally:
        default_generator.set_state(state)
        for index, generator in _on_gpu.items():
            if index in gpus:
                generator.set_state(gpus[index])


def __getattr__(name: str) -> Any:
    missing("module 'framework.random'", name, globals())
