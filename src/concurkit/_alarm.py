"""A clock that rings, for a drive."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ._batch import clock
from ._daemons import DAEMON


class Alarm:
    """Calls a function at a set moment, in a thread that is started when first needed."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._at: float | None = None
        self._next: float | None = None  # when the thread will look again
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._closed = False

    def set(self, at: float | None) -> None:
        """Ring at *at* instead of when it was set to before; None is never."""
        if at == self._at:
            return
        with self._changed:
            self._at = at
            if at is None or self._closed:
                return
            if self._thread is None:
                self._next = at
                self._thread = threading.Thread(
                    target=self._run, name="concurkit-alarm", daemon=DAEMON
                )
                self._thread.start()
            elif self._next is None or at < self._next:
                self._changed.notify()

    def close(self) -> None:
        """End the thread and wait for it, unless this is that thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._ring = _nothing  # its owner, and all that this knows, need not wait for a collection

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed:
                    now = clock()
                    self._next = self._at
                    if self._at is None:
                        self._changed.wait()
                    elif now < self._at:
                        self._changed.wait(min(self._at - now, threading.TIMEOUT_MAX))
                    else:
                        self._at = None
                        break
                if self._closed:
                    return
            self._ring()


def _nothing() -> None:
    """Ring no more."""
