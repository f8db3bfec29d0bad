"""Large arguments, on the worker's side: what is mapped here, and which batches use it."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterable
from typing import Any

from .._pickling._pickle import loads
from . import _parcel
from ._parcel import BYTES, FRESH, OWN, SHARED, Place

# Mappings that are kept, so that their pages stay in place. Before Python 3.13 each of them holds a
# descriptor.
_MAPPED = 64
_WORTH_MAPPING = 1 << 20

_NOTE = (
    "An argument of this task came through shared memory, which other tasks may read too, so it is "
    "read-only. Write to a copy of your own: array = array.copy()"
)


class _Mapping:
    """A part of the parent's memory, mapped here; if *private*, what is written is copied first."""

    __slots__ = ("memory", "private")

    def __init__(self, memory: mmap.mmap, *, private: bool = False) -> None:
        self.memory = memory
        self.private = private

    def references(self) -> int:
        """How much refers to the memory, ourselves included.

        Views made from views share one reference to it, and a weak reference to a view would tell
        nothing of those made from it. So its references are counted.
        """
        return sys.getrefcount(self.memory)


_UNUSED = _Mapping(mmap.mmap(-1, 1)).references()


class Lent:
    """The parent's memory, as far as batches here have been given it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._mappings: dict[int, _Mapping] = {}
        self._flights: dict[int, list[_Mapping]] = {}

    def loads(self, flight: int, data: memoryview) -> Any:
        """Rebuild what was sent, from a stream and buffers in shared memory."""
        used = self._flights[flight] = []
        places, stream = _parcel.unseal(data)
        return loads(stream, buffers=[self._open(place, used) for place in places])

    def _open(self, place: Place, used: list[_Mapping]) -> Any:
        """A buffer that pickle left out."""
        mapping = None
        if place.kind == OWN and place.size >= FRESH and len(used) < _MAPPED:
            mapping = _mapped(self._fd, place, private=True)
            if mapping is not None:
                used.append(mapping)
                return memoryview(mapping.memory)[: place.size]
        if place.kind == SHARED or place.size >= _WORTH_MAPPING:
            mapping = self._map(place)
        if mapping is None:
            return self._read(place)
        view = memoryview(mapping.memory)[: place.size]
        if place.kind == SHARED:
            used.append(mapping)
            return view
        return bytes(view) if place.kind == BYTES else _parcel.copied(view)

    def _read(self, place: Place) -> Any:
        read = _parcel.read_bytes if place.kind == BYTES else _parcel.read
        return read(self._fd, place.size, place.offset)

    def _map(self, place: Place) -> _Mapping | None:
        """The region of a place; None if it can't be mapped."""
        mapping = self._mappings.pop(place.offset, None)
        if mapping is None:
            mapping = _mapped(self._fd, place)
            if mapping is None:
                return None
        self._mappings[place.offset] = mapping  # at the end: used last
        if len(self._mappings) > _MAPPED:
            del self._mappings[next(iter(self._mappings))]
        return mapping

    def uses(self, flight: int) -> bool:
        """Whether a batch was given memory that others use too."""
        return bool(self._flights.get(flight))

    def let_go(self) -> list[int]:
        """The batches of whose memory nothing is in use here any more."""
        if not self._flights:
            return []
        flights = [number for number, used in self._flights.items() if not any(map(_busy, used))]
        for number in flights:
            del self._flights[number]
        return flights

    def remark(self, flight: int, failures: Iterable[tuple[int, BaseException]]) -> None:
        """Tell those who wrote to shared memory why they can't."""
        if all(mapping.private for mapping in self._flights.get(flight, ())):
            return
        for _, error in failures:
            if isinstance(error, ValueError | TypeError | BufferError) and _told_read_only(error):
                if _NOTE not in getattr(error, "__notes__", ()):
                    error.add_note(_NOTE)


def _mapped(fd: int, place: Place, *, private: bool = False) -> _Mapping | None:
    """The region of a place, for one task's own use if *private*; None if it can't be mapped."""
    access = mmap.ACCESS_COPY if private else mmap.ACCESS_READ
    try:
        memory = mmap.mmap(fd, place.room, access=access, offset=place.offset)
    except OSError:
        return None
    return _Mapping(memory, private=private)


def _told_read_only(error: BaseException) -> bool:
    try:
        text = str(error).lower()
    except Exception:
        return False
    return "read-only" in text or "readonly" in text or "not writable" in text


def _busy(mapping: _Mapping) -> bool:
    return mapping.references() > _UNUSED
