"""The observer that `progress=` stands for."""

from __future__ import annotations

import sys

from .._arguments import flag
from ._events import Event, Observer, RunEnded


def observer_for(progress: object) -> Observer | None:
    """The observer for a run's `progress=`; None if nothing is to be shown."""
    return _Line() if flag(progress, "progress") else None


class _Line:
    """One line at the end of a run."""

    def on_event(self, event: Event, /) -> None:
        if isinstance(event, RunEnded):
            done, failed = event.stats.done, event.stats.failed
            sys.stderr.write(f"{done} done, {failed} failed\n")
