"""What `per_worker` made where no task runs: each plain thread is then a worker of its own.

In a worker process such a thread has what belongs to the process: a task started it. So it is in a
sub-interpreter, where each call from outside comes as a new thread.
"""

from __future__ import annotations

import atexit
import os
import threading

from ._belongings import Belongings
from ._daemons import DAEMON


class _End:
    """Closes what belongs to a plain thread when that ends, or the interpreter with it."""

    def __init__(self, belongings: Belongings) -> None:
        self._belongings = belongings

    def close(self) -> None:
        if self._belongings.values:
            self._belongings.end()

    __del__ = close


class _Outside(threading.local):
    def __init__(self) -> None:
        self.belongings = Belongings()
        self.end = _End(self.belongings)
        if threading.current_thread() is threading.main_thread():
            atexit.register(self.end.close)


_outside = _Outside()
_process: Belongings | None = None
if not DAEMON:
    _process = Belongings()
    atexit.register(_End(_process).close)


def outside() -> Belongings:
    """What plain threads have: in a worker process what belongs to that, else each its own."""
    return _process or _outside.belongings


def of_process() -> Belongings:
    """What belongs to this process, which is a worker, whichever thread asks."""
    global _process  # noqa: PLW0603 - a process is one worker for good
    _process = Belongings()
    return _process


def _forget() -> None:
    """In a forked child: what threads of the parent have is the parent's."""
    global _outside  # noqa: PLW0603
    _outside = _Outside()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
