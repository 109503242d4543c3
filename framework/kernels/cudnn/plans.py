"""Plans: graphs of cuDNN built once for a kind of call, kept in bounded caches, and run on addresses.

A ``Sketch`` numbers a graph's tensors in the order in which ``Plan.run`` takes their arrays, so that a run hands over a
list of addresses and nothing is looked up. ``planned`` caches a function that makes plans by its arguments and by what
else decides which of cuDNN's algorithms is taken: the device, and the flags for determinism, precision and timing.

cuDNN chooses by its heuristics. With ``framework.backends.cudnn.benchmark`` the candidates of a convolution are timed at
its first run, the first ``benchmark_limit`` of them (0: all), on the arrays of that run.

Convolutions have kernels made before. Those of norms and of attention are compiled for a shape, which took 0.3 to 1
second (cuDNN 9.28 on a CPU): ``settled`` lets the first shapes of a process have theirs at once, later ones when they have
come often, so that lengths that never stop changing do not keep a program compiling.

Not yet run on a GPU: graphs were built for one by cuDNN itself, and run by a stand-in for it (tests/gpu).
"""

from __future__ import annotations

import functools
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.kernels import registry
from framework.kernels.cudnn import library
from framework.kernels.cudnn.library import cudnn
from framework.kernels.precision import convolutions_round

KEPT = 512  # plans that each maker keeps, the least recently used going first
ROOM = 4 << 30  # bytes of workspace above which an algorithm is not taken
ALIGNED = 16  # bytes: what its kernels take at once, so that an address has to be a multiple of it
FIRST = 64  # shapes of a process that kernels are compiled for when they are first seen
OFTEN = 256  # calls after which they are compiled for another shape
REMEMBERED = 4096  # shapes whose calls are counted
SCALARS = 1 << 20  # the number of a graph's first scalar: they come behind all arrays

Ints = tuple[int, ...]


class Refused(RuntimeError):
    """cuDNN has no algorithm for a graph."""


def rows_first(shape: Sequence[int]) -> list[int]:
    """The strides, in elements, of row-major memory."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return strides[::-1]


def place() -> dict[str, Any]:
    """What a graph is built for, as arguments of ``cudnn.pygraph``: here the GPU in use."""
    return {"handle": library.handle()}


class Sketch:
    """A graph that is being described, of sums in float32."""

    def __init__(self) -> None:
        self.library = cudnn()
        kinds = self.library.data_type
        self.graph = self.library.pygraph(
            intermediate_data_type=kinds.FLOAT, compute_data_type=kinds.FLOAT, **place()
        )  # fmt: skip
        self.arrays = 0
        self.scalars: list[Any] = []

    def kind(self, name: str) -> Any:
        """An element type by the frontend's name for it."""
        return getattr(self.library.data_type, name)

    def input(self, dims: Sequence[int], strides: Sequence[int], kind: str) -> Any:
        """The next array that ``run`` takes, to be read."""
        self.arrays += 1
        return self.graph.tensor(dim=list(dims), stride=list(strides), data_type=self.kind(kind), uid=self.arrays)

    def output(self, tensor: Any, dims: Sequence[int], strides: Sequence[int], kind: str) -> None:
        """The next array that ``run`` takes, to be written: the result of a step."""
        self.arrays += 1
        tensor.set_uid(self.arrays).set_output(True).set_data_type(self.kind(kind))
        tensor.set_dim(list(dims)).set_stride(list(strides))

    def scalar(self, value: float, ndim: int) -> Any:
        """A float32 number that belongs to the graph, as a tensor of so many dims."""
        uid = SCALARS + len(self.scalars)
        self.scalars.append(np.array(value, np.float32))
        ones = [1] * ndim
        return self.graph.tensor(dim=ones, stride=ones, data_type=self.kind("FLOAT"), is_pass_by_value=True, uid=uid)


class Plan:
    """A graph ready to run.

    Args:
        sketch: the graph.
        rounds: whether float32 may be rounded to TF32, where the graph multiplies matrices.
        timed: whether its candidates may be timed.

    Raises:
        Refused: cuDNN has no algorithm for it.
    """

    def __init__(self, sketch: Sketch, rounds: bool = True, timed: bool = False) -> None:
        library_, graph = sketch.library, sketch.graph
        notes = library_.numerical_note
        avoided = [] if rounds else [notes.TENSOR_CORE]
        if library.deterministic():
            avoided.append(notes.NONDETERMINISTIC)
        self._untried = timed and library.flags().benchmark
        try:
            graph.validate()
            graph.build_operation_graph()
            graph.create_execution_plans([library_.heur_mode.A, library_.heur_mode.FALLBACK])
            if avoided:
                graph.deselect_numeric_notes(avoided)
            graph.deselect_workspace_greater_than(ROOM)
            graph.check_support()
            if not self._untried:
                graph.build_plans(library_.build_plan_policy.HEURISTICS_CHOICE)
        except (library_.cudnnGraphNotSupportedError, RuntimeError) as error:
            raise Refused(str(error).splitlines()[0]) from error
        self._graph, self._lock = graph, threading.Lock()
        self._scalars = sketch.scalars  # kept alive: what is handed over is where they lie
        self._tail = [scalar.ctypes.data for scalar in sketch.scalars]
        self.uids = [*range(1, sketch.arrays + 1), *range(SCALARS, SCALARS + len(sketch.scalars))]
        self.workspace = 0 if self._untried else graph.get_workspace_size()

    def run(self, *arrays: Any) -> None:
        """Execute on arrays in the order in which the sketch named them."""
        where = library.handle()
        addresses = [array.data.ptr for array in arrays]
        for number, address in enumerate(addresses):
            if address % ALIGNED:  # a view that begins within a row; of a dense one the copy has the same strides
                arrays = (*arrays[:number], arrays[number].copy("K"), *arrays[number + 1 :])
                addresses[number] = arrays[number].data.ptr
        addresses += self._tail
        with self._lock:
            if self._untried:
                self._choose(addresses, where)
            room = sys.modules["cupy"].cuda.alloc(self.workspace) if self.workspace else None
            self._graph._execute_with_ptrs(addresses, room.ptr if room is not None else 0, where)

    def _choose(self, addresses: list[int], where: int) -> None:
        """Take the fastest of the candidates."""
        cuda, graph = sys.modules["cupy"].cuda, self._graph
        pack, best, limit = dict(zip(self.uids, addresses, strict=True)), None, library.flags().benchmark_limit
        tried = 0
        for index in range(graph.get_execution_plan_count()):
            if limit and tried == limit:
                break
            try:
                graph.build_plan_at_index(index)
                size = graph.get_workspace_size_plan_at_index(index)
                room = cuda.alloc(size) if size else None
                pointer = room.ptr if room is not None else 0
                graph._execute_plan_at_index(pack, pointer, index, where)  # its kernels are loaded now
            except (cudnn().cudnnGraphNotSupportedError, RuntimeError, MemoryError):
                continue  # deselected, not for this GPU, or no room for it
            tried += 1
            start, end = cuda.Event(), cuda.Event()
            start.record()
            for _ in range(3):
                graph._execute_plan_at_index(pack, pointer, index, where)
            end.record()
            end.synchronize()
            took = cuda.get_elapsed_time(start, end)
            if best is None or took < best[0]:
                best = (took, index, size)
        if best is None:  # what the heuristics would take is built without being tried, or says why not
            graph.build_plans(cudnn().build_plan_policy.HEURISTICS_CHOICE)
            self.workspace, self._untried = graph.get_workspace_size(), False
            return
        graph.build_plan_at_index(best[1])  # the one built last is the one that runs
        self.workspace, self._untried = best[2], False


def planned(make: Callable[..., Plan]) -> Callable[..., Plan]:
    """Keep what a function makes, by its arguments and by what else decides which algorithms are taken.

    That it was refused is kept too, and raised again.
    """

    @functools.lru_cache(KEPT)
    def made(device: int, state: tuple[Any, ...], arguments: tuple[Any, ...]) -> Plan | str:
        try:
            return make(*arguments)
        except Refused as refused:
            return str(refused)

    @functools.wraps(make)
    def get(*arguments: Any) -> Plan:
        flags = library.flags()
        state = (convolutions_round(), library.deterministic(), flags.benchmark, flags.benchmark_limit)
        found = made(library.device(), state, arguments)
        if isinstance(found, str):
            raise Refused(found)
        return found

    get.cache_clear = made.cache_clear  # type: ignore[attr-defined]
    return get


_calls: Counter[Any] = Counter()
_compiled: set[Any] = set()


def settled(*key: Any) -> bool:
    """Whether kernels may be compiled for a shape, which this call adds to the calls of."""
    if key in _compiled:
        return True
    if len(_compiled) >= FIRST:
        _calls[key] += 1
        if _calls[key] < OFTEN:
            if len(_calls) > REMEMBERED:
                _calls.clear()
            return False
        del _calls[key]
    if len(_compiled) >= REMEMBERED:
        _compiled.clear()
    _compiled.add(key)
    return True


def instead(family: str, why: Refused, *arrays: Any, **params: Any) -> Any:
    """The implementation that serves a call for which cuDNN turned out to have no algorithm."""
    return registry.next_after(library.NAME, family, f"{library.NAME}: {why}", *arrays, **params)
