"""What Python says at its end of interpreters that still run: of ours, nothing."""

from __future__ import annotations

import atexit
import warnings
from functools import cache


@cache
def leave_quietly() -> None:
    """Have no warning at the end: an abandoned task still runs, and its run has said so."""
    about = "remaining subinterpreters"
    atexit.register(warnings.filterwarnings, "ignore", about, RuntimeWarning)
