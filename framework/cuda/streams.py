"""Streams, events, and graphs of captured work.

Not yet run on a GPU: checked on a stand-in for CuPy (tests/gpu).
"""

from __future__ import annotations

from typing import Any

from framework import devices
from framework.cuda.gpus import current_device, device, index_of, library, synchronize
from framework.errors import DeviceError
from framework.kernels.per_thread import buffers


class Event:
    """A mark in a stream's work, to wait for or to measure time between.

    Example:
        >>> start, end = framework.cuda.Event(enable_timing=True), framework.cuda.Event(enable_timing=True)
        >>> start.record(); y = x @ x; end.record(); end.synchronize()
        >>> milliseconds = start.elapsed_time(end)
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        self._event = library().cuda.Event(block=blocking, disable_timing=not enable_timing, interprocess=interprocess)

    def record(self, stream: Stream | None = None) -> None:
        """Set the mark after the work that a stream (the current one) has now."""
        self._event.record(None if stream is None else stream._stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream (the current one) wait for the mark."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether the work before the mark is done."""
        return bool(self._event.done)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between this mark and another; both need ``enable_timing=True``."""
        return float(library().cuda.get_elapsed_time(self._event, end_event._event))

    def synchronize(self) -> None:
        """Wait for the mark."""
        self._event.synchronize()


class Stream:
    """A queue of work on a GPU; ``with framework.cuda.stream(s):`` puts work into it.

    Streams run beside one another. ``wait_stream`` orders them, and a tensor that was made on one stream and is used on
    another needs ``Tensor.record_stream`` if it may be gone before the other stream is done.

    Args:
        device: the GPU; the one in use unless given.
        priority: lower numbers go first.
    """

    def __init__(self, device: Any = None, priority: int = 0, *, _stream: Any = None) -> None:
        cupy = library()
        if _stream is None:
            with cupy.cuda.Device(index_of(device)):
                _stream = cupy.cuda.Stream(non_blocking=True, priority=priority)
        self._stream = _stream
        self.priority = priority

    @property
    def device(self) -> devices.device:
        """The GPU that the stream's work runs on; the default stream has that of the GPU in use."""
        index = self._stream.device_id
        return devices.device("cuda", current_device() if index < 0 else index)

    @property
    def cuda_stream(self) -> int:
        """CUDA's pointer to the stream."""
        return int(self._stream.ptr)

    def synchronize(self) -> None:
        """Wait until the stream's work is done."""
        self._stream.synchronize()

    def query(self) -> bool:
        """Whether the stream's work is done."""
        return bool(self._stream.done)

    def record_event(self, event: Event | None = None) -> Event:
        """Set a mark after the stream's work."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let later work wait for a mark."""
        self._stream.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """Let later work wait for the work that another stream has now."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.cuda_stream == other.cuda_stream

    def __hash__(self) -> int:
        return hash(self.cuda_stream)


class StreamContext:
    """A context that puts work into a stream, whose GPU is in use meanwhile; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self._device = device(self.stream.device)
            self._device.__enter__()
            self.stream._stream.__enter__()

    def __exit__(self, *info: object) -> None:
        if self.stream is not None:
            self.stream._stream.__exit__(*info)
            self._device.__exit__(*info)


def stream(stream: Stream | None) -> StreamContext:
    """A context that puts work into a stream; None changes nothing."""
    return StreamContext(stream)


def current_stream(device: Any = None) -> Stream:
    """The stream that takes work on a GPU now."""
    return Stream(_stream=library().cuda.get_current_stream(index_of(device)))


def default_stream(device: Any = None) -> Stream:
    """The stream that takes work outside ``with stream(...)``."""
    return Stream(_stream=library().cuda.Stream.null)


def set_stream(stream: Stream | None) -> None:
    """Let a stream take work from now on; None changes nothing."""
    if stream is not None:
        stream._stream.use()


def graph_pool_handle() -> Any:
    """A memory pool to share between graphs that are replayed one after the other, in the order of their capture."""
    return library().cuda.MemoryPool()


class CUDAGraph:
    """Work captured once and launched again as a whole, with the same memory.

    What the work allocates comes from a pool that the graph keeps to itself, so that nothing else is put there between
    two replays. What the host decides (a learning rate that is a number, a branch) is frozen, and work that the host would
    have to wait for can't be captured. Do the same work once or twice before, on the stream that will capture it, so that
    kernels are compiled and plans are made.
    """

    def __init__(self, keep_graph: bool = False) -> None:
        library()
        self._graph: Any = None
        self._stream: Stream | None = None
        self._pool: Any = None
        self._kept: list[Any] = []  # what it writes to besides, which others may have done with
        self._allocator: Any = None

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "global") -> None:
        """Capture what the current stream is given from now on. It must not be the default stream.

        Args:
            pool: memory shared with other graphs: their ``pool()``, or a ``graph_pool_handle()``.
            capture_error_mode: accepted; the pool may grow while work is captured.
        """
        cupy = library()
        self._stream = current_stream()
        self._pool = cupy.cuda.MemoryPool() if pool is None else pool
        self._allocator = cupy.cuda.using_allocator(self._pool.malloc)
        self._stream._stream.begin_capture()
        self._allocator.__enter__()

    def capture_end(self) -> None:
        """Stop capturing."""
        if self._allocator is None or self._stream is None:
            raise DeviceError("CUDAGraph: capture_end() without capture_begin()")
        self._allocator.__exit__(None, None, None)
        self._allocator = None
        self._graph = self._stream._stream.end_capture()
        self._kept = buffers()

    def replay(self) -> None:
        """Launch the captured work on the current stream."""
        if self._graph is None:
            raise DeviceError("CUDAGraph: nothing was captured; use `with framework.cuda.graph(g):` first")
        self._graph.launch(stream=current_stream()._stream)

    def pool(self) -> Any:
        """The memory pool of the captured work, for another graph's ``pool=``."""
        if self._pool is None:
            raise DeviceError("CUDAGraph: nothing was captured, so there is no pool")
        return self._pool

    def reset(self) -> None:
        """Forget the captured work, and give its memory up."""
        self._graph = self._stream = self._pool = None
        self._kept = []


class graph:
    """A context that captures its work into a ``CUDAGraph``.

    Example:
        >>> g = framework.cuda.CUDAGraph()
        >>> with framework.cuda.graph(g):
        ...     y = model(x)
        >>> x.copy_(batch); g.replay()
    """

    def __init__(
        self, cuda_graph: CUDAGraph, pool: Any = None, stream: Stream | None = None, capture_error_mode: str = "global"
    ) -> None:
        self.cuda_graph, self.pool = cuda_graph, pool
        self._context = StreamContext(Stream() if stream is None else stream)

    def __enter__(self) -> None:
        synchronize()  # what was asked for before is done, and stays out of the graph
        self._context.__enter__()
        try:
            self.cuda_graph.capture_begin(self.pool)
        except BaseException:
            self._context.__exit__(None, None, None)
            raise

    def __exit__(self, *info: object) -> None:
        try:
            self.cuda_graph.capture_end()
        finally:
            self._context.__exit__(*info)


def is_current_stream_capturing() -> bool:
    """Whether the current stream's work is being captured."""
    return bool(library().cuda.get_current_stream().is_capturing())
