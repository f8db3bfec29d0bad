"""One run that is shown: what is counted of it, the way of showing it, and when that is drawn."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ._count import Count
from ._events import RunEnded, RunStarted
from ._ticker import Ticker

# A run inside a task is often short, and there may be thousands: its bar would only flicker.
INSIDE_AFTER = 0.5


@dataclass(frozen=True, slots=True)
class Subject:
    """What is shown.

    Attributes:
        run: the event that it began with.
        label: what the user calls it; may be empty.
        count: how far it is.
        since: when it began, on `time.perf_counter`.
    """

    run: RunStarted
    label: str
    count: Count
    since: float

    @property
    def inside(self) -> bool:
        """Whether the run was started in a task of another."""
        return self.run.inside is not None

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.since

    @property
    def early(self) -> bool:
        """Whether it is too early to show it."""
        return self.inside and self.elapsed < INSIDE_AFTER


class Show(Protocol):
    """A way of showing one run. No two of its methods are called at a time."""

    @property
    def period(self) -> float:
        """Seconds between two draws."""
        ...

    def begin(self) -> None:
        """Show that the run has begun."""
        ...

    def draw(self) -> None:
        """Show how far it is now."""
        ...

    def end(self, event: RunEnded) -> None:
        """Show how it ended, and let go of all that was needed."""
        ...


Way: TypeAlias = Callable[[Subject], Show]


class Shown:
    """A run while it is shown.

    Events are only counted, in whichever thread brings them; a thread of this run's own draws. So
    a slow terminal holds no task up, and the time goes on where nothing happens. Only the beginning
    and the end are drawn in the run's thread, or on its loop, which wait for the terminal: lines of
    the program are to come before and after.
    """

    def __init__(self, run: RunStarted, label: str, way: Way) -> None:
        self.count = Count(run.total, run.max_workers)
        self._show = way(Subject(run, label, self.count, time.perf_counter()))
        self._works = True
        self._ticker = Ticker(self._show.period, lambda: self._try(self._show.draw))
        if self._try(self._show.begin):
            self._ticker.start()

    def end(self, event: RunEnded) -> None:
        """The run is over: its last state is drawn, and its thread is gone."""
        try:
            self._ticker.close()
        finally:  # also when a Ctrl-C comes while that waits
            self.count.close(event)
            self._try(lambda: self._show.end(event))

    def _try(self, draw: Callable[[], None]) -> bool:
        """Draw, and say whether to go on: what is drawn must never harm the run."""
        try:
            draw()
        except (OSError, ValueError):  # the stream was closed, or nobody reads it any more
            self._works = False
        except Exception:
            if self._works:
                log = logging.getLogger("concurkit")
                log.exception("progress can't be drawn, and is left out")
            self._works = False
        return self._works
