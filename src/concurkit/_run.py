"""The blocking call."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ._batch import close_loop
from ._caller import Caller
from ._engage import Engagement
from ._options import Options


def run_concurrently(tasks, *, mode="auto", max_workers=None, timeout=None, chunksize="auto", on_error="raise"):
    options = Options.check(
        mode=mode, max_workers=max_workers, timeout=timeout, chunksize=chunksize, on_error=on_error
    )
    engagement = Engagement(tasks, options, inline=True)
    if _loop_is_running() and not _in_notebook():
        warnings.warn(
            "run_concurrently was called where an event loop runs, and blocks it until the run is "
            "over; write `await concurkit.aio.run_concurrently(...)` instead.",
            RuntimeWarning,
            stacklevel=2,
        )
    return carry_out(engagement)


def carry_out(engagement: Engagement) -> Any:
    """Drive a run from this thread to its end; its result or its error."""
    caller = Caller()
    workers = engagement.workers()
    launcher = engagement.executor(workers)
    drive, collector = engagement.drive(launcher, workers, caller.put)
    try:
        with engagement.lending(launcher):
            caller.run(drive)
    finally:
        engagement.finish(drive, launcher)
        if engagement.mode == "serial":
            close_loop()
    return collector.result(drive)


def _loop_is_running() -> bool:
    """Whether an event loop, asyncio's or trio's, runs in this thread."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return True
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
