"""A thread that calls a function again and again."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable

from .._daemons import DAEMON


class Ticker:
    """Calls *tick* every *period* seconds, in a thread of its own, until that says False."""

    def __init__(self, period: float, tick: Callable[[], bool]) -> None:
        self._period = period
        self._tick = tick
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="concurkit-progress", daemon=DAEMON)

    def start(self) -> None:
        """Begin; the first call is one period from now."""
        try:
            self._thread.start()
        except RuntimeError:  # no more threads, or the interpreter is ending: it stands still then
            return
        # A run may be open when the program ends. A daemon that writes after that can crash it.
        atexit.register(self.close)

    def close(self) -> None:
        """End, and wait for a call that is under way; the thread is gone then."""
        self._closed.set()
        atexit.unregister(self.close)
        # A dropped run is closed wherever it is collected. That can be in this thread, or where
        # the lock is held that the call waits for: so there is an end to waiting.
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._closed.wait(self._period) and self._tick():
            pass
