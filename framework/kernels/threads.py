"""How many threads work on an array, and the threads themselves: those of the OpenMP library that oneDNN runs on.

There is one pool. oneDNN's kernels run on it, and so do blocks of NumPy's work (``parallel``): NumPy releases the
interpreter's lock inside its loops, so that they run side by side. OpenBLAS has a pool of its own, whose threads keep
spinning after a product and took half of the processor from the next kernel of oneDNN (2.2 times its time, on two
cores); so it keeps to one thread where oneDNN is there for the large products.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import numpy as np

from framework.errors import ArgumentError

VARIABLES = ("EAGERKIT_NUM_THREADS", "OMP_NUM_THREADS")
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "max 100000", or microseconds of processor time in each period
_BLAS_SETTERS = ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_", "openblas_set_num_threads")
_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Shared:
    count: int | None = None  # as set, or found at the first question
    interop: int | None = None
    openmp: Any = None  # the library whose threads these are, once it is loaded


class _Local(threading.local):
    count: int | None = None  # of this thread alone
    told: int | None = None  # what OpenMP was last told in this thread


_local = _Local()


def usable() -> int:
    """The processors this process may use: by affinity and by the cgroup's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else max(1, min(count, -(-int(quota) // int(period))))


def _first_count() -> int:
    for name in VARIABLES:
        value = os.environ.get(name, "").split(",")[0]
        if value.isdigit() and int(value):
            return int(value)
    return usable()


def current() -> int:
    """The number of threads that work started by this thread is shared among."""
    if _local.count is not None:
        return _local.count
    if _Shared.count is None:
        _Shared.count = _first_count()
    return _Shared.count


def openmp(most: int | None = None) -> int:
    """``current``, or ``most`` if less, once OpenMP has been told of it: its own number belongs to each thread."""
    count = current()
    if most is not None and count > most:
        count = most
    if _local.told != count:
        _Shared.openmp.omp_set_num_threads(count)
        _local.told = count
    return count


def adopt(library: Any) -> None:
    """Take the threads of an OpenMP library, given a library that is linked with it, for all work from now on."""
    library.omp_set_num_threads.argtypes = (ctypes.c_int,)
    library.GOMP_parallel.argtypes = (_BODY, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    library.GOMP_parallel.restype = None
    _Shared.openmp = library
    _tell_blas(1)


def shared() -> bool:
    """Whether there are threads of ours, and OpenBLAS keeps to one."""
    return _Shared.openmp is not None


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Within it, work started by this thread is shared among so many threads."""
    before, _local.count = _local.count, count
    try:
        yield
    finally:
        _local.count = before


def limit(count: int) -> None:
    """Let work started by this thread be shared among so many threads from now on: one, in a loader's worker."""
    _local.count = count


def parallel(body: Callable[[Any], Any], parts: Iterable[Any]) -> None:
    """Call ``body`` with each part, in as many threads as there are, each taking the next part when it is done.

    It takes 35 microseconds to start, about what NumPy needs for 256 K additions. An exception ends the thread's work
    and is raised here once all have stopped.
    """
    count = current()
    if count == 1 or _Shared.openmp is None:
        for part in parts:
            body(part)
        return
    left, errors = iter(parts), []
    lock = threading.Lock()
    context = copy_context()

    def work(_: Any) -> None:
        try:
            with limited(1):
                while True:
                    with lock:
                        part = next(left, _DONE)
                    if part is _DONE:
                        return
                    body(part)
        except BaseException as error:  # it must not leave through C
            errors.append(error)

    def enter(data: Any) -> None:
        try:
            context.copy().run(work, data)
        except BaseException as error:
            errors.append(error)

    _Shared.openmp.GOMP_parallel(_BODY(enter), None, count, 0)
    if errors:
        raise errors[0]


_DONE = object()


def _after_fork() -> None:
    """A forked child has none of the pool's threads, and waking them would wait for ever: it works alone."""
    if _Shared.openmp is not None:
        _Shared.count, _local.count, _local.told = 1, None, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _blas_libraries() -> Iterator[Any]:
    """The OpenBLAS libraries in NumPy's and SciPy's wheels, those that are loaded."""
    flags = getattr(os, "RTLD_NOLOAD", 0) | getattr(os, "RTLD_NOW", 0)
    site = Path(np.__file__).parent.parent
    for package in ("numpy", "scipy"):
        if package not in sys.modules:
            continue
        for folder in (site / f"{package}.libs", site / package / ".dylibs"):
            for path in sorted(folder.glob("*openblas*")) if folder.is_dir() else ():
                try:
                    yield ctypes.CDLL(str(path), mode=flags)
                except OSError:  # in the wheel, but not in this process
                    continue


def _tell_blas(count: int) -> None:
    for library in _blas_libraries():
        setter = next((getattr(library, name) for name in _BLAS_SETTERS if hasattr(library, name)), None)
        if setter is not None:
            setter(count)


def _positive(name: str, num: Any) -> int:
    if isinstance(num, bool) or not hasattr(num, "__index__") or num <= 0:
        raise ArgumentError(f"{name}: expected a positive integer, got {num!r}")
    return int(num)


def set_num_threads(num: int) -> None:
    """The number of threads for kernels, for blocks of large elementwise work, and for products by OpenBLAS.

    At first it is the environment's ``EAGERKIT_NUM_THREADS`` or ``OMP_NUM_THREADS``, else the number of processors that
    affinity and the cgroup's quota leave. OpenBLAS, which takes the products that oneDNN does not, keeps to one thread
    where oneDNN is in use.
    """
    _Shared.count = _positive("set_num_threads", num)
    if _Shared.openmp is None:
        _tell_blas(_Shared.count)


def get_num_threads() -> int:
    """The number of threads that work started by this thread is shared among."""
    return current()


def set_num_interop_threads(num: int) -> None:
    """Remember a number of threads for independent ops. Ops run one after another here, so it changes nothing."""
    _Shared.interop = _positive("set_num_interop_threads", num)


def get_num_interop_threads() -> int:
    """What ``set_num_interop_threads`` set; the number of usable processors before."""
    return _Shared.interop or usable()
