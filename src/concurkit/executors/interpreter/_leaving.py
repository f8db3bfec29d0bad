"""The end of the program, while interpreters are still there that could not be closed."""

from __future__ import annotations

import atexit
import threading
import warnings
from functools import cache


@cache
def leave_quietly() -> None:
    """Have Python warn of no interpreter at its end: the run has told of the task that it runs."""
    about = "remaining subinterpreters"
    atexit.register(warnings.filterwarnings, "ignore", about, RuntimeWarning)


def wait_at_exit(thread: threading.Thread) -> bool:
    """Have the program wait for *thread* at its end; False if that has come already.

    An interpreter that still has threads must not meet Python's end: they would be left without
    what they run on, and Python 3.14 then waits for them for ever.
    """
    register = getattr(threading, "_register_atexit", None)  # as in `_exit`
    try:
        if register is not None:
            register(thread.join)
    except RuntimeError:
        return False
    return True
