"""Closing executors that were left open when the interpreter ends.

`atexit` comes too late: the interpreter first waits for the standard pools, whose workers wait
for us. `threading._register_atexit` is what `concurrent.futures` itself uses; it is not
documented, so its absence only means that an executor left open must be shut down by hand.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - its hook must be registered before ours: ours runs first  # pyright: ignore[reportUnusedImport]
import os
import threading
import weakref
from typing import Any

_crews: weakref.WeakSet[Any] = weakref.WeakSet()


def close_at_exit(crew: Any) -> None:
    """Close *crew* when the interpreter ends."""
    _crews.add(crew)


def _close_all() -> None:
    """Let all that was submitted be done, as the standard executors do."""
    crews = list(_crews)
    for crew in crews:
        crew.close()
    for crew in crews:
        crew.join()


def register() -> None:
    """Run our hook before those that were registered until now: the last comes first."""
    hook = getattr(threading, "_register_atexit", None)
    if hook is not None:
        hook(_close_all)


register()

if hasattr(os, "register_at_fork"):  # a forked child has the crews' locks, not their threads
    os.register_at_fork(after_in_child=_crews.clear)
