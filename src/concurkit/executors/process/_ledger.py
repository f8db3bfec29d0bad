"""A few bytes that a worker shares with its parent: how far it has come, and its results so far.

What a worker writes here outlives it. The worker is the only writer but for `hold`. The memory
has no name: a file descriptor (POSIX) or a tagged mapping (Windows) that vanishes with its users.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

_HEADER = 128
_END_OF_RECORDS = 1 << 16
SIZE = 2 * _END_OF_RECORDS  # behind the records, what faulthandler writes

# Words of the header.
_FLIGHT, _ENDED, _SINCE, _HOLD, _WINDOW, _USED, _BEGUN, _STAGE, _PEAK, _TAKEN = range(10)

# What faulthandler begins with when the process dies.
_FATAL = "Fatal Python error"

# How far a worker has come at all: its initializer runs, or has ended well.
INITIALIZING, READY = 1, 2


class Ledger:
    """The account of one worker.

    Attributes of the header, each one word: the flight that runs, how many of its tasks have
    ended, since when the running task (or window of tiny tasks) runs, whether the next task must
    wait, how many tasks the window has, how many bytes of records there are, when the batch began,
    the stage of the worker's start, the most memory that it took, and how many large results the
    parent has taken.

    Args:
        memory: the bytes shared.
        fd: the file that they are of, which has room for more behind the ledger.
    """

    def __init__(self, memory: mmap.mmap, fd: int = -1) -> None:
        self.fd = fd
        self._closing = threading.Lock()
        self._memory = memory
        view = memoryview(memory)
        self._words = view[:_HEADER].cast("Q")
        self._times = view[:_HEADER].cast("d")
        self._records = view[_HEADER:_END_OF_RECORDS]
        self._dump = view[_END_OF_RECORDS:]
        self._view = view
        self.room = len(self._records)

    # ---- the worker's side --------------------------------------------------------------------

    def begin(self, flight: int, now: float) -> None:
        """A batch begins."""
        words = self._words
        self._times[_BEGUN] = self._times[_SINCE] = now
        words[_USED] = 0
        words[_ENDED] = 0
        words[_WINDOW] = 1
        words[_FLIGHT] = flight

    def started(self, now: float, window: int) -> None:
        """A task, or a window of tiny ones, starts."""
        self._words[_WINDOW] = window
        self._times[_SINCE] = now

    def record(self, data: bytes) -> bool:
        """Keep *data*; False when there is no room."""
        used = self._words[_USED]
        end = used + 4 + len(data)
        if end > self.room:
            return False
        self._records[used : used + 4] = len(data).to_bytes(4, "little")
        self._records[used + 4 : end] = data
        self._words[_USED] = end
        return True

    def ended(self, count: int) -> None:
        """*count* tasks of the batch have ended; their records are written or sent."""
        self._words[_ENDED] = count

    def sent(self) -> None:
        """All records so far went through the pipe."""
        self._words[_USED] = 0

    def reached(self, stage: int) -> None:
        """The worker's start has come so far."""
        self._words[_STAGE] = stage

    def took(self, memory: int) -> None:
        """The most memory that the worker ever took, in bytes."""
        self._words[_PEAK] = memory

    # ---- the parent's side --------------------------------------------------------------------

    def look(self) -> tuple[int, int, float]:
        """The flight that runs, its running task's position, and since when that runs."""
        while True:
            flight, ended = self._words[_FLIGHT], self._words[_ENDED]
            since = self._times[_SINCE]
            if flight == self._words[_FLIGHT] and ended == self._words[_ENDED]:
                return flight, ended, since

    @property
    def begun(self) -> float:
        """When the batch began."""
        return self._times[_BEGUN]

    @property
    def window(self) -> int:
        """How many tasks the running window has; 1 when each is accounted for."""
        return self._words[_WINDOW]

    @property
    def hold(self) -> bool:
        """Whether the worker must not start its next task; the parent's to set."""
        return bool(self._words[_HOLD])

    @hold.setter
    def hold(self, value: bool) -> None:
        self._words[_HOLD] = int(value)

    @property
    def taken(self) -> int:
        """How many large results the parent has taken; the parent's to set."""
        return self._words[_TAKEN]

    @taken.setter
    def taken(self, count: int) -> None:
        self._words[_TAKEN] = count

    def records(self) -> list[bytes]:
        """What a dead worker had recorded and not sent."""
        found, at, used = [], 0, min(self._words[_USED], self.room)
        while at + 4 <= used:
            size = int.from_bytes(self._records[at : at + 4], "little")
            found.append(bytes(self._records[at + 4 : at + 4 + size]))
            at += 4 + size
        return found

    @property
    def stage(self) -> int:
        """How far the worker's start has come."""
        return self._words[_STAGE]

    @property
    def peak(self) -> int:
        """The most memory that the worker was seen to take, in bytes."""
        return self._words[_PEAK]

    def dump(self) -> str:
        """What faulthandler wrote: when it was asked to, or when the worker died."""
        return bytes(self._dump).partition(b"\0")[0].decode(errors="replace")

    def last_words(self) -> str:
        """What faulthandler wrote when the worker died, and not what it was asked for before."""
        return "".join(self.dump().partition(_FATAL)[1:])

    def clear_dump(self) -> None:
        """Have faulthandler write at the beginning: its file and this one share their position.

        Raises:
            ValueError: the ledger is closed.
        """
        with self._closing:
            if self.fd < 0:
                raise ValueError("the ledger is closed")
            self._dump[:] = bytes(len(self._dump))
            os.lseek(self.fd, _END_OF_RECORDS, os.SEEK_SET)

    def read(self, read: Callable[[int, int, int], Any], size: int, offset: int) -> Any:
        """Have something read that lies behind the ledger.

        Raises:
            ValueError: the ledger is closed.
        """
        with self._closing:
            if self.fd < 0:
                raise ValueError("the ledger is closed")
            return read(self.fd, size, offset)

    def close(self) -> None:
        """Let the memory go."""
        for view in (self._words, self._times, self._records, self._dump, self._view):
            view.release()
        self._memory.close()
        with self._closing:
            if self.fd >= 0:
                os.close(self.fd)
                self.fd = -1


def make() -> tuple[Ledger, Callable[[], Any]]:
    """A new ledger, and a function that gives what its worker opens it with.

    The function must be called while the worker's process is being started, and the result is
    for that process only.
    """
    if sys.platform == "win32":
        tag = f"concurkit-{os.getpid()}-{os.urandom(8).hex()}"
        return Ledger(mmap.mmap(-1, SIZE, tagname=tag)), lambda: tag
    fd = anonymous_file()
    os.ftruncate(fd, SIZE)
    return Ledger(mmap.mmap(fd, SIZE), fd), Descriptor(os.dup(fd))


def open_in_worker(handle: Any) -> Ledger:
    """The ledger that the parent made."""
    if sys.platform == "win32":
        return Ledger(mmap.mmap(-1, SIZE, tagname=handle))
    fd = handle.detach()
    os.lseek(fd, _END_OF_RECORDS, os.SEEK_SET)  # for faulthandler
    return Ledger(mmap.mmap(fd, SIZE), fd)


class Descriptor:
    """Hands a file descriptor to one child, then closes it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __call__(self) -> Descriptor:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import DupFd

        return (_same, (DupFd(self._fd),))

    def detach(self) -> int:
        """The descriptor itself: in a forked child, which has it by inheritance."""
        fd, self._fd = self._fd, -1
        return fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _same(value: Any) -> Any:
    return value


def anonymous_file() -> int:
    """A file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("concurkit")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
