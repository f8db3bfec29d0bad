"""One end of a pipe between a worker and its parent.

Whole messages go in and come out. On POSIX a read takes whatever has arrived, so that many small
messages cost one system call; elsewhere the standard connection does the work.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from multiprocessing import connection
from typing import Any

_LENGTH = 8
_CHUNK = 1 << 16
_WIDE = 1 << 20


def pair() -> tuple[connection.Connection, connection.Connection]:
    """A reading and a writing end, as can be handed to a child that is being started."""
    reading, writing = connection.Pipe(duplex=False)
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # there is a limit for each user
            fcntl.fcntl(writing.fileno(), fcntl.F_SETPIPE_SZ, _WIDE)
    return reading, writing


def never_block(pipe: connection.Connection) -> None:
    """From now on only `send_now` and `send_on` are for this end."""
    if sys.platform != "win32":
        os.set_blocking(pipe.fileno(), False)


if sys.platform == "win32":
    # A message up to this size fits into the pipe's buffer beside those that may be there.
    _SMALL = 8192

    def send(pipe: Any, data: bytes) -> None:
        """Send one message."""
        pipe.send_bytes(data)

    def send_now(pipe: Any, data: bytes) -> bytes | memoryview:
        """Send as much of one message as can be without waiting; returns the rest."""
        if len(data) > _SMALL:
            return data
        pipe.send_bytes(data)
        return b""

    def send_on(pipe: Any, rest: bytes | memoryview) -> None:
        """Send what `send_now` left of a message, however long that takes."""
        if rest:
            pipe.send_bytes(rest)

    def messages(pipe: Any) -> Iterator[bytes | bytearray]:
        """The messages that come in, until the other end is closed."""
        while True:
            try:
                yield pipe.recv_bytes()
            except (EOFError, OSError):
                return

else:

    def send(pipe: Any, data: bytes) -> None:
        """Send one message."""
        fd = pipe.fileno()
        head = len(data).to_bytes(_LENGTH, "little")
        if len(data) < _CHUNK:
            data, head = head + data, b""
        for part in (head, data):
            view = memoryview(part)
            while view:
                view = view[os.write(fd, view) :]

    def send_now(pipe: Any, data: bytes) -> bytes | memoryview:
        """Send as much of one message as can be without waiting; returns the rest."""
        head = len(data).to_bytes(_LENGTH, "little")
        try:
            sent = os.writev(pipe.fileno(), [head, data])
        except BlockingIOError:
            sent = 0
        if sent < _LENGTH:
            return head[sent:] + data
        return memoryview(data)[sent - _LENGTH :]

    def send_on(pipe: Any, rest: bytes | memoryview) -> None:
        """Send what `send_now` left of a message, however long that takes."""
        fd = pipe.fileno()
        room = select.poll()
        room.register(fd, select.POLLOUT)
        while rest:
            room.poll()
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(fd, rest) :]

    def messages(pipe: Any) -> Iterator[bytes | bytearray]:
        """The messages that come in, until the other end is closed."""
        fd = pipe.fileno()
        kept = b""
        while True:
            while len(kept) < _LENGTH:
                more = _read(fd, _CHUNK)
                if not more:
                    return
                kept += more
            size = _LENGTH + int.from_bytes(kept[:_LENGTH], "little")
            if len(kept) < size:
                whole = _rest(fd, kept, size)
                if whole is None:
                    return
                kept = b""
                yield whole
            else:
                message, kept = kept[_LENGTH:size], kept[size:]
                yield message

    def _rest(fd: int, start: bytes, size: int) -> bytearray | None:
        """The message of which *start* has come, or None if its sender died in between."""
        whole = bytearray(size - _LENGTH)
        view = memoryview(whole)
        filled = len(start) - _LENGTH
        view[:filled] = start[_LENGTH:]
        while filled < len(whole):
            try:
                count = os.readv(fd, [view[filled:]])
            except OSError:
                return None
            if not count:
                return None
            filled += count
        view.release()
        return whole

    def _read(fd: int, most: int) -> bytes:
        try:
            return os.read(fd, most)
        except OSError:
            return b""
