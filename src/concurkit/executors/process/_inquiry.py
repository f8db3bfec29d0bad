"""Asking a worker process what it does, whatever that is.

Its control thread answers, which disturbs nobody. While the task is in C code that holds the GIL
it can't: then SIGURG has faulthandler write the stack into the ledger. Of all signals that one
disturbs least: hardly any program uses it, and a process that knows nothing of it passes over it.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable

from ..._batch import clock
from .._flight import Poll
from .._frames import python_stack
from ._ledger import Ledger

# How long the control thread has before the signal is sent, in seconds; and how long after that
# until another may be.
_PATIENCE = 0.2
_ANOTHER = 2.0

# What faulthandler begins with. What stands before is the end of an earlier answer: that was read
# when the task's own frames were there, and those of its callers may have come later.
_BEGIN = "Stack (most recent call first):"

# The lowest frame of ours, or what faulthandler writes in place of frames beyond the hundredth:
# then all of the task's are there.
_ALL = re.compile(
    r'concurrent.futures.process\.py", line \d+ in _process_worker|^  \.\.\.$', re.MULTILINE
)


class Inquiry:
    """What is asked of one worker process.

    Args:
        ledger: the worker's.
        ask: sends a question to its control thread; whether there is one.
        signal: sends the signal; whether there is a process.
    """

    def __init__(self, ledger: Ledger, ask: Callable[[], bool], signal: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._ask = ask
        self._signal = signal
        self._lock = threading.Lock()
        self._asked = False  # a question is on its way: another could fill up the pipe
        self._answers = 0
        self._answer: tuple[int, str] = (0, "")  # the flight that ran, and the stack
        self._signalled: float | None = None

    def about(self, flight: int) -> Poll:
        """Ask what the process does; the answer counts if it still runs this flight."""
        with self._lock:
            before = self._answers
            if not self._asked:
                self._asked = self._ask()
        until = clock() + _PATIENCE

        def poll() -> str | None:
            with self._lock:
                if self._answers > before and self._answer[0] == flight:
                    return self._answer[1]
                return self._dumped() if clock() >= until else None

        return poll

    def answered(self, flight: int, stack: str) -> None:
        """The control thread has answered."""
        with self._lock:
            self._asked = False
            self._answers += 1
            self._answer = (flight, stack)
            self._signalled = None  # what the signal brought is of this moment, not of the next one

    def _dumped(self) -> str | None:
        """What faulthandler wrote, if it has; else have it write."""
        if sys.platform == "win32":
            return None
        now = clock()
        try:
            if self._signalled is None or now > self._signalled + _ANOTHER:
                self._ledger.clear_dump()
                self._signalled = now if self._signal() else None
                return None
            _, begun, text = self._ledger.dump().rpartition(_BEGIN)
            if not begun or _ALL.search(text) is None:
                return None
            self._ledger.clear_dump()
        except ValueError:  # closed: the process is gone
            return None
        self._signalled = None
        return python_stack(text)
