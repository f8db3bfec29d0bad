"""What `map` of our executors returns."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from math import isnan
from typing import Any

from ._arguments import whole, wrong
from ._map_reading import END, MapReading
from ._map_run import FAILED, READ, Asked
from ._map_turns import Raised
from ._task import shown
from .executors._map import SHUT_DOWN


def map_on(
    executor: Any,
    fn: object,
    iterables: tuple[Iterable[Any], ...],
    timeout: object,
    chunksize: object,
    buffersize: object,
) -> Mapped:
    """What `map` of *executor* returns; see there."""
    asked = _check(fn, timeout, chunksize, buffersize)
    if executor.closed:
        raise RuntimeError(SHUT_DOWN)
    return Mapped(MapReading(executor.reachable(), asked, iterables))


class Mapped(Iterator[Any]):
    """An iterator over the results of a `map`, in order, which goes on after an error."""

    def __init__(self, reading: MapReading) -> None:
        self._reading = reading
        # The results of a buffer are handed out one by one, since its input is read on with each.
        unbuffered = reading.asked.buffersize is None
        self._ready = reading.turns.ready if unbuffered else deque[Any]()
        weakref.finalize(self, reading.dropped).atexit = False

    def __iter__(self) -> Mapped:
        return self

    def __next__(self) -> Any:
        reading = self._reading
        reading.state = READ
        try:
            result = self._ready.popleft()
        except IndexError:
            result = END  # and no context for what is raised next
        # Whoever holds a traceback must not hold the iterator with it: a loop that an error ends
        # drops it, and with it what has not started.
        del self
        if result is END:
            result = reading.take()
        if result.__class__ is not Raised:
            return result
        if result is END:
            raise StopIteration
        reading.state = FAILED
        error = result.error
        del reading, result
        try:
            raise error
        finally:
            del error

    def close(self) -> None:
        """Cancel what has not started; there is nothing more to read."""
        self._reading.close()


def _check(fn: object, timeout: object, chunksize: object, buffersize: object) -> Asked:
    """The arguments of a `map`; TypeError or ValueError for one that is not as it should be."""
    if not callable(fn):
        raise TypeError(
            f"map takes a function first, then iterables of arguments, not {shown(fn)}. "
            "Write executor.map(fn, items)."
        )
    return Asked(
        fn,
        None if timeout is None else _time(timeout),
        whole(chunksize, "chunksize"),
        None if buffersize is None else whole(buffersize, "buffersize", "None for no limit"),
    )


def _time(timeout: object) -> float:
    """*timeout* as a number of seconds; one that is over already takes what is there."""
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or isnan(timeout):
        raise wrong(timeout, "timeout", "a number of seconds, or None for no limit", float)
    return float(timeout)
