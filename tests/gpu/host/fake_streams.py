"""Streams, events and graphs of the stand-in. Work is done when it is given, so there is nothing to wait for."""

from __future__ import annotations

import itertools
from typing import Any

_current = [0]  # the device in use
_streams: list[Any] = []  # the streams in use, the innermost last
_addresses = itertools.count(0x5000, 0x100)


class CUDARuntimeError(RuntimeError):
    pass


class Event:
    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.ptr, self._timed, self._stream = next(_addresses), not disable_timing, None
        self.done = True

    def record(self, stream: Any = None) -> None:
        self._stream = get_current_stream() if stream is None else stream
        self._at = next(_addresses)

    def synchronize(self) -> None:
        from tests.gpu.host.fake_array import synchronises

        synchronises("Event.synchronize")


class Stream:
    null: Stream
    ptds: Stream

    def __init__(
        self,
        null: bool = False,
        non_blocking: bool = False,
        ptds: bool = False,
        priority: Any = None,
        *,
        ptr: int | None = None,
    ) -> None:
        self.ptr = (0 if null else 2 if ptds else next(_addresses)) if ptr is None else ptr
        self.non_blocking, self.priority, self._captures = non_blocking, priority, False
        self.device_id = -1 if self.ptr in (0, 1, 2) else _current[0]
        self.waited: list[Event] = []
        self.done = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return self.ptr

    def __enter__(self) -> Stream:
        _streams.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _streams.pop()

    def use(self) -> Stream:
        _streams[:] = [self]
        return self

    def synchronize(self) -> None:
        from tests.gpu.host.fake_array import synchronises

        synchronises("Stream.synchronize")

    def record(self, event: Event | None = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        self.waited.append(event)

    def begin_capture(self, mode: Any = None) -> None:
        if not self.ptr:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        self._captures = True

    def end_capture(self) -> Graph:
        if not self._captures:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is not capturing")
        self._captures = False
        return Graph()

    def is_capturing(self) -> bool:
        return self._captures


class ExternalStream(Stream):
    def __init__(self, ptr: int, device_id: int = -1) -> None:
        super().__init__(ptr=ptr)


Stream.null = Stream(null=True)
Stream.ptds = Stream(ptds=True)


class Graph:
    launches = 0

    def launch(self, stream: Any = None) -> None:
        self.launches += 1

    def upload(self, stream: Any = None) -> None:
        pass


def get_current_stream(device_id: int = -1) -> Stream:
    return _streams[-1] if _streams else Stream.null


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    if not (start_event._timed and end_event._timed):
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: events without timing")
    return 0.001 * float(end_event._at - start_event._at)
