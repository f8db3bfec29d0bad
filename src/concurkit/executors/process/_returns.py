"""Large results: they lie in the ledger's file, behind the ledger, and outlive their worker.

The worker writes them one behind the other and starts again at the front when the parent has
taken all of them, so that it writes to memory that it used before. A record says where they lie.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from pickle import PickleBuffer
from typing import Any

from ..._batch import Progress
from .._pickling._pickle import LARGE, dumps, loads
from .._pickling._records import Content, plain_record, records
from . import _parcel
from ._ledger import SIZE, Ledger
from ._parcel import BYTES, OWN, Place

# A record starts with the position of its first task. This bit says that a parcel follows: its
# number among the worker's large results, and what `seal` makes.
_LARGE_BIT = 1 << 31
_HEAD = 4
_NUMBER = 8

# The start of the room is mapped by the worker, and stays in memory when all was taken.
_MAPPED = 32 << 20
_ALIGNED = 64


def is_large(record: bytes | memoryview) -> bool:
    """Whether a record has a parcel."""
    return record[_HEAD - 1] >= 0x80


def position_of(record: bytes | memoryview) -> int:
    """The position of the first task of a record."""
    return int.from_bytes(record[:_HEAD], "little") & ~_LARGE_BIT


def number_of(record: bytes | memoryview) -> int:
    """The number of a record's parcel."""
    return int.from_bytes(record[_HEAD : _HEAD + _NUMBER], "little")


# ---- the worker's side --------------------------------------------------------------------------


class Returns:
    """Turns results into records."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._number = 0
        self._at = SIZE
        self._filled = SIZE
        self._mapping: mmap.mmap | None = None

    def records(self, progress: Progress, first: int) -> list[bytes]:
        """What ended since the task at *first*, in as few records as will do."""
        return records(progress, first, self._record, _is_long)

    def _record(self, position: int, content: Content) -> bytes:
        values, wire, ends = content
        if self._ledger.fd < 0:
            return plain_record(position, dumps(content))
        buffers: list[PickleBuffer] = []
        stream = dumps(([_parcel.wrap(value) for value in values], wire, ends), buffers)
        if not buffers:
            return plain_record(position, stream)
        try:
            return self._large(position, stream, buffers)
        except OSError:  # no memory: perhaps the pipe will do
            return plain_record(position, dumps(content))

    def _large(self, position: int, stream: bytes, buffers: Sequence[PickleBuffer]) -> bytes:
        if self._ledger.taken == self._number:
            self._start_again()
        places = []
        for buffer in buffers:
            kind = BYTES if type(_parcel.source(buffer)) is bytes else OWN
            with buffer.raw() as view:
                places.append(self._put(view, kind))
        self._number += 1
        head = (position | _LARGE_BIT).to_bytes(_HEAD, "little")
        return head + self._number.to_bytes(_NUMBER, "little") + _parcel.seal(places, stream)

    def _start_again(self) -> None:
        self._at = SIZE
        if self._filled > SIZE + _MAPPED:
            os.ftruncate(self._ledger.fd, SIZE + _MAPPED)
            self._filled = SIZE + _MAPPED

    def _put(self, view: memoryview, kind: int) -> Place:
        """Copy: through a mapping where there is memory already, else by the kernel."""
        at, end = self._at, self._at + view.nbytes
        mapping = self._map() if at < self._filled else None
        known = max(0, min(end, self._filled, SIZE + _MAPPED) - at) if mapping is not None else 0
        if mapping is not None:
            mapping[at - SIZE : at - SIZE + known] = view[:known]
        _parcel.write(self._ledger.fd, view[known:], at + known)
        self._filled = max(self._filled, end)
        self._at = -(-end // _ALIGNED) * _ALIGNED
        return Place(at, view.nbytes, 0, kind)

    def _map(self) -> mmap.mmap | None:
        if self._mapping is None:
            with suppress(OSError):
                fd = self._ledger.fd
                if os.fstat(fd).st_size < SIZE + _MAPPED:
                    os.ftruncate(fd, SIZE + _MAPPED)
                self._mapping = mmap.mmap(fd, _MAPPED, offset=SIZE)
        return self._mapping


def _is_long(value: Any) -> bool:
    return type(value) is bytes and len(value) >= LARGE


# ---- the parent's side --------------------------------------------------------------------------


def open_record(ledger: Ledger, record: bytes | memoryview) -> Content:
    """What a record says."""
    found: Content
    if not is_large(record):
        found = loads(record[_HEAD:])
        return found
    places, stream = _parcel.unseal(memoryview(record)[_HEAD + _NUMBER :])
    buffers: list[Any] = []
    for place in places:
        read = _parcel.read if place.kind == OWN else _parcel.read_bytes
        buffers.append(ledger.read(read, place.size, place.offset))
        ledger.read(_give_back, place.size, place.offset)
    found = loads(stream, buffers=buffers)
    return found


def _give_back(fd: int, size: int, offset: int) -> None:
    """Give memory back that the worker does not fill again: an idle one would keep it."""
    page = mmap.ALLOCATIONGRANULARITY
    start = max(SIZE + _MAPPED, -(-offset // page) * page)
    length = (offset + size) // page * page - start
    if length > 0 and hasattr(mmap, "MADV_REMOVE"):
        with suppress(OSError), mmap.mmap(fd, length, offset=start) as mapping:
            mapping.madvise(mmap.MADV_REMOVE)


def acknowledge(ledger: Ledger, records: Sequence[bytes | memoryview]) -> None:
    """Tell the worker that these records were taken, or never will be."""
    for record in reversed(records):
        if is_large(record):
            with suppress(ValueError):  # the ledger is closed: the worker is gone
                ledger.taken = number_of(record)
            return
