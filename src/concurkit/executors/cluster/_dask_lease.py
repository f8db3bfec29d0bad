"""In Dask's workers: an executor's processes end when its client is gone, and not before.

A lease is what a call has given there, so Dask drops it when nobody holds its future any more. It
also drops it when it takes a worker's data elsewhere, as when that is retired, though batches run
there still: so the processes end once there are none.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from weakref import finalize

from ..._daemons import DAEMON
from ._needs import engine_module
from ._node import end_node

_protocol = engine_module("distributed.protocol", "dask")

_lock = threading.Lock()
_leases: Counter[str] = Counter()  # of each executor, by its token
_batches: Counter[str] = Counter()
_ending: dict[str, None] = {}  # whose leases are gone, the last so many
_ENDING = 256


def hold(token: str) -> _Lease:
    """Keep an executor's processes here for as long as its client holds the future of this call."""
    with _lock:
        _leases[token] += 1
        _ending.pop(token, None)
    return _Lease(token)


@contextmanager
def at_work(token: str) -> Generator[None]:
    """While a batch is here the executor's processes are needed."""
    with _lock:
        _batches[token] += 1
    try:
        yield
    finally:
        with _lock:
            _count_down(_batches, token)
            over = token in _ending and not _batches[token]
        if over:
            end_node(token)


class _Lease:
    def __init__(self, token: str) -> None:
        finalize(self, _dropped, token).atexit = False

    def __reduce__(self) -> Any:
        raise TypeError("a lease stays in the memory of the worker that it was made in")

    def __sizeof__(self) -> int:  # the least that Dask would want to spill
        return 0


class Moved:
    """What another worker gets of a lease."""


def _to_frames(_: _Lease, context: Any = None) -> tuple[dict[str, Any], list[Any]]:
    if context is None:  # it goes to a disk, and its processes are needed here
        raise TypeError("a lease stays in memory")
    return {}, []


def _from_frames(_: dict[str, Any], __: list[Any]) -> Moved:
    return Moved()


_protocol.dask_serialize.register(_Lease)(_to_frames)
_protocol.dask_deserialize.register(_Lease)(_from_frames)


def _dropped(token: str) -> None:
    """Perhaps a garbage collection's doing, in whatever thread: so nothing is waited for."""
    threading.Thread(target=_end, args=(token,), name="concurkit-end", daemon=DAEMON).start()


def _end(token: str) -> None:
    with _lock:
        _count_down(_leases, token)
        if _leases[token]:
            return
        _ending[token] = None
        if len(_ending) > _ENDING:
            del _ending[next(iter(_ending))]
        over = not _batches[token]
    if over:
        end_node(token)


def _count_down(counts: Counter[str], token: str) -> None:
    counts[token] -= 1
    if counts[token] <= 0:
        del counts[token]
