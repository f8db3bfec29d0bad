"""How large buffers travel: beside the pickle (protocol 5), through memory both sides can read.

What is pickled becomes a stream and buffers. The buffers are copied into an anonymous file, and a
head in front of the stream says where each lies and what the reader may do with it.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pickle import PickleBuffer
from typing import Any, NamedTuple

from ..._batch import Job
from ..._task import Task
from .._pickling._pickle import LARGE

# Whether this system can share memory that has no name. Where it can't, all goes by the pipes.
AVAILABLE = sys.platform != "win32"

# Copies smaller than this find memory that was used before, as malloc keeps it.
FRESH = 1 << 25
_MOST = 1 << 30  # no system call moves more than 2 GiB

# What a place holds: a buffer that is one task's own, one that tasks share, or one that was a bytes
# object and must be one again.
OWN, SHARED, BYTES = range(3)

_PLACE = struct.Struct("<QQQB")
_COUNT = struct.Struct("<I")


class Place(NamedTuple):
    """Where a buffer lies in the file: `size` bytes at `offset`, in a region of `room` bytes."""

    offset: int
    size: int
    room: int
    kind: int


def seal(places: Sequence[Place], stream: bytes) -> bytes:
    """Head and stream as one message."""
    return b"".join((_COUNT.pack(len(places)), *(_PLACE.pack(*one) for one in places), stream))


def unseal(data: memoryview) -> tuple[list[Place], memoryview]:
    """What `seal` put together."""
    (count,) = _COUNT.unpack_from(data)
    end = _COUNT.size + count * _PLACE.size
    places = [Place(*fields) for fields in _PLACE.iter_unpack(data[_COUNT.size : end])]
    return places, data[end:]


# ---- bytes and bytearrays, which pickle would put into the stream -------------------------------


class Exact:
    """Stands for a large bytes or bytearray object on its way; the object itself arrives."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | bytearray) -> None:
        self._value = value

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _exactly, (type(self._value), PickleBuffer(self._value))


def _exactly(kind: type[bytes | bytearray], buffer: Any) -> bytes | bytearray:
    return buffer if type(buffer) is kind else kind(buffer)


def wrap(value: Any) -> Any:
    """*value*, or what stands for it if it is a large bytes or bytearray object."""
    return Exact(value) if _is_large(value) else value


def wrap_items(items: Sequence[Any], job: Job) -> Sequence[Any]:
    """The items of a batch, their large arguments wrapped."""
    if not any(_is_large(argument) for argument in _arguments(items, job)):
        return items
    if job.single:
        return [wrap(item) for item in items]
    if job.fn is not None:
        return [tuple(map(wrap, item)) for item in items]
    return [_wrap_task(item) for item in items]


def _wrap_task(task: Task[Any]) -> Task[Any]:
    kwargs = {key: wrap(value) for key, value in task.kwargs.items()}
    wrapped = Task(task.fn, *map(wrap, task.args), **kwargs)
    return wrapped if task.name is None else wrapped.named(task.name)


def _is_large(value: Any) -> bool:
    kind = type(value)
    return (kind is bytes or kind is bytearray) and len(value) >= LARGE


def _arguments(items: Sequence[Any], job: Job) -> Iterator[Any]:
    if job.single:
        yield from items
    elif job.fn is not None:
        for item in items:
            yield from item
    else:
        for item in items:
            yield from item.args
            if item.kwargs:
                yield from item.kwargs.values()


# ---- whose memory a buffer is -------------------------------------------------------------------


def owner(value: Any) -> Any:
    """The object that a buffer belongs to: *value*, or its base where it covers all of that.

    An array in Fortran's order offers its transpose, which is a new object each time; so does
    whoever reshapes. They are known by what they are views of.
    """
    try:
        base = getattr(value, "base", None)
        if base is None:
            return value
        with memoryview(base) as whole, memoryview(value) as view:
            return base if whole.nbytes == view.nbytes else value
    except Exception:  # no such buffer; and an attribute of that name may be anything
        return value


def source(buffer: PickleBuffer) -> Any:
    """The object that gave the buffer."""
    with memoryview(buffer) as view:
        return view.obj


def repeated(parcels: Iterable[tuple[Sequence[Any], Job, Sequence[PickleBuffer]]]) -> set[int]:
    """The owners, by their `id`, whose memory goes to more than one task of these batches."""
    total: Counter[int] = Counter()
    for items, job, buffers in parcels:
        here = Counter(id(owner(source(buffer))) for buffer in buffers)
        if len(items) > 1:  # an array that comes again in a batch is pickled once
            seen = Counter(id(owner(argument)) for argument in _arguments(items, job))
            here = Counter({one: max(count, seen[one]) for one, count in here.items()})
        total += here
    return {one for one, count in total.items() if count > 1}


# ---- memory -------------------------------------------------------------------------------------


def write(fd: int, data: memoryview, offset: int) -> None:
    """Write all of *data*."""
    while data:
        count = os.pwrite(fd, data[:_MOST], offset)
        data, offset = data[count:], offset + count


def read(fd: int, size: int, offset: int) -> memoryview:
    """So many bytes of a file, in new memory that may be written to."""
    memory = memoryview(_room(size))
    _fill(fd, memory, offset)
    return memory


def read_bytes(fd: int, size: int, offset: int) -> bytes:
    """So many bytes of a file, as such."""
    if size > _MOST:
        return bytes(read(fd, size, offset))
    data = os.pread(fd, size, offset)
    if len(data) < size:
        raise EOFError("shared memory ends too early")
    return data


def copied(data: memoryview) -> bytearray | memoryview:
    """A copy that may be written to."""
    if data.nbytes < FRESH:
        return bytearray(data)
    memory = memoryview(_room(data.nbytes))
    memory[:] = data
    return memory


def _fill(fd: int, memory: memoryview, offset: int) -> None:
    while memory:
        count = os.preadv(fd, [memory[:_MOST]], offset)
        if not count:
            raise EOFError("shared memory ends too early")
        memory, offset = memory[count:], offset + count


def _room(size: int) -> Any:
    """New memory for so many bytes."""
    # NumPy's is quickest: malloc may have memory that was used before, and nothing zeroes it. If
    # large buffers travel, it has mostly been imported.
    empty = getattr(sys.modules.get("numpy"), "empty", None)
    if empty is not None:
        return empty(size, "B")
    if size < FRESH:
        return bytearray(size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
