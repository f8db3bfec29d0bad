"""Closing executors that were left open when the interpreter ends.

`atexit` comes too late: the interpreter first waits for the standard pools, whose workers wait
for us. `threading._register_atexit` is what `concurrent.futures` itself uses; it is not
documented, so its absence only means that an executor left open must be shut down by hand.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - its hook must be registered before ours: ours runs first  # pyright: ignore[reportUnusedImport]
import os
import threading
import time
import weakref
from typing import Any

_crews: weakref.WeakSet[Any] = weakref.WeakSet()
_engines: weakref.WeakSet[Any] = weakref.WeakSet()

# So long, in seconds, a program waits at its end for clusters of its executors to be left.
_LONGEST = 30.0


def close_at_exit(crew: Any) -> None:
    """Close *crew* when the interpreter ends."""
    _crews.add(crew)


def end_at_exit(engine: Any) -> None:
    """End *engine* when the interpreter ends, after all crews."""
    _engines.add(engine)


def _close_all() -> None:
    """Let all that was submitted be done, as the standard executors do."""
    crews = list(_crews)
    for crew in crews:
        crew.close()
    for crew in crews:
        crew.join()
    engines = list(_engines)
    for engine in engines:
        engine.close()
    until = time.monotonic() + _LONGEST
    for engine in engines:
        engine.wait(max(0.0, until - time.monotonic()))


def register() -> None:
    """Run our hook before those that were registered until now: the last comes first."""
    hook = getattr(threading, "_register_atexit", None)
    if hook is not None:
        hook(_close_all)


register()


def _forget() -> None:
    """A forked child has the crews' locks and its parent's connections, not their threads."""
    _crews.clear()
    _engines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
