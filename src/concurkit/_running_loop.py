"""Whether an event loop runs where a blocking function is called."""

from __future__ import annotations

import sys
import warnings


def warn_where_a_loop_runs(name: str, instead: str) -> None:
    """Warn whoever called the blocking function *name* where a loop runs, but in a notebook."""
    if _loop_is_running() and not _in_notebook():
        warnings.warn(
            f"{name} was called where an event loop runs, and blocks it until the run is over; "
            f"write `{instead}` instead.",
            RuntimeWarning,
            stacklevel=3,
        )


def _loop_is_running() -> bool:
    """Whether an event loop, asyncio's or trio's, runs in this thread."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return True
    try:
        return trio is not None and trio.lowlevel.current_task() is not None
    except RuntimeError:
        return False


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
