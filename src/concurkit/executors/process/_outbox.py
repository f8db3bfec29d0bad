"""Messages on their way to one worker, in order; whoever puts one in waits for nobody."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import Any

from ..._daemons import DAEMON
from . import _pipe


class Outbox:
    """Sends what the pipe takes at once, and leaves the rest to a thread that is started for it.

    A thread for each message would have to wait for the GIL before it could send anything.

    Args:
        lock: whoever calls `put` or `open` holds it.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._pipe: Any = None
        self._waiting: deque[bytes] = deque()
        self._busy = False  # a thread is sending

    def open(self, pipe: Any) -> None:
        """There is a pipe now: send what waits."""
        _pipe.never_block(pipe)
        self._pipe = pipe
        self._go_on()

    def put(self, message: bytes) -> None:
        """Send *message* after those put in before."""
        self._waiting.append(message)
        if self._pipe is not None and not self._busy:
            self._go_on()

    def _go_on(self) -> None:
        rest = self._send_what_fits()
        if rest:
            self._busy = True
            threading.Thread(target=self._send_all, args=(rest,), daemon=DAEMON).start()

    def _send_what_fits(self) -> bytes | memoryview:
        """Send until the pipe is full; returns what is left of the message that does not fit."""
        while self._waiting:
            message = self._waiting.popleft()
            with contextlib.suppress(OSError):  # the process is gone: its reader finds out
                rest = _pipe.send_now(self._pipe, message)
                if rest:
                    return rest
        return b""

    def _send_all(self, rest: bytes | memoryview) -> None:
        """Wait for room as often as needed until nothing is left to send."""
        while rest:
            with contextlib.suppress(OSError):
                _pipe.send_on(self._pipe, rest)
            with self._lock:
                rest = self._send_what_fits()
                self._busy = bool(rest)
