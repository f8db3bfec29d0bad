"""A stream under way, as its reader sees it, whether a thread or a task of a loop.

Nothing here knows the `Run` that the caller holds, so that one which is dropped is noticed.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from ._arrivals import Arrivals
from ._batch import clock
from ._drive import Drive
from ._engage import Engagement
from ._news import Cut, Halt, Taken
from ._snapshot import Running, snapshot
from ._stats import Stats
from .exceptions import TaskCancelledError

# A reader that comes back sooner is told to come back after twice as many results.
_SOON = 0.001
_MOST = 1024


def cancelled() -> TaskCancelledError:
    """What a run that was cancelled ends with."""
    return TaskCancelledError("the run was cancelled")


class Reading(ABC):
    """One stream: how it is begun, read on, and ended.

    Args:
        engagement: the run, checked.
        ordered: whether results come in the order of the input.
        buffersize: how many tasks may be drawn beyond what was read and what runs; 0 is chosen.

    Attributes:
        ready: results that nobody has taken yet.
        over: whether all results have arrived.
        mark: when so few of them are left, it is time to `report`.
    """

    def __init__(self, engagement: Engagement, *, ordered: bool, buffersize: int) -> None:
        self.engagement = engagement
        self.ready: deque[Any] = deque()
        self.mark = -1
        self.over = False
        self.cut_off = False  # an error in the reader's thread ended it
        self.drive: Drive | None = None
        self.home = os.getpid()
        self._buffersize = buffersize
        self._cancelled = False
        self._arrived = 0
        self._skipped = 0
        self._told = 0
        self._every = 1
        self._told_end = False
        self._reported = 0.0
        self._began = self._ended = 0.0
        self.arrivals = Arrivals(
            engagement.source, engagement.options, ordered=ordered, put=self.put
        )

    @abstractmethod
    def put(self, todo: Any) -> None:
        """Take what is for the reader: results, something to run, None at the end."""

    def make_drive(self, launcher: Any, workers: int, call: Callable[[Any], None]) -> Drive:
        """The run, ready to start."""
        drive = self.engagement.drive(
            launcher,
            workers,
            self.put,
            self.arrivals,
            call=call,
            window=self._buffersize,
        )
        self._began = clock()
        self.drive = drive
        if self._cancelled:
            drive.tell(Cut(cancelled))
        return drive

    def cancel(self) -> None:
        """End the run from any thread."""
        self.check_home()
        self._cancelled = True
        if self.drive is not None and not self.over:
            self.drive.tell(Cut(cancelled))

    def check_home(self) -> None:
        """Refuse a child that was forked while the run was open: it has none of its threads."""
        if os.getpid() != self.home:
            raise RuntimeError("this run belongs to the process that it was started in")

    @property
    def has_turn(self) -> bool:
        """Whether it is the run that called the calling code, an observer say, and waits for it."""
        return self.drive is not None and self.drive.has_turn

    def halt(self, patience: float | None) -> None:
        """End the run, whose results nobody wants any more."""
        if self.drive is not None and not self.over:
            self.drive.tell(Halt(patience))

    def arrive(self, results: list[Any]) -> None:
        """Results are ready to be taken."""
        self.ready.extend(results)
        self._arrived += len(results)

    def skip(self, count: int) -> None:
        """So many tasks will have no result to take."""
        self._skipped += count
        self.report_taken()

    def report_taken(self) -> None:
        """Tell the run how many results were taken, so that it draws as many tasks more."""
        taken = self._arrived - len(self.ready) + self._skipped
        if taken > self._told and self.drive is not None:
            self.drive.tell(Taken(taken - self._told))
            self._told = taken

    def set_mark(self) -> None:
        """Choose how many results may be taken before the next report."""
        now = clock()
        soon = now - self._reported < _SOON
        self._every = min(2 * self._every, _MOST) if soon else 1
        self._reported = now
        self.mark = max(0, len(self.ready) - self._every)

    def stats(self) -> Stats:
        """How far the run has come; from any thread."""
        drive = self.drive
        if drive is None:
            return Stats()
        return drive.stats((self._ended or clock()) - self._began)

    def snapshot(self) -> list[Running]:
        """Which task each worker is at; from any thread."""
        self.check_home()
        return snapshot(self.drive)

    def error(self) -> BaseException | None:
        """What the run ends with, if not well; the first time only."""
        if self.drive is None or self._told_end:
            return None
        self._told_end = True
        return self.arrivals.error(self.drive)

    def sum_up(self, interrupt: KeyboardInterrupt) -> None:
        """Have a Ctrl-C that came between two results say how far the run had come."""
        if not interrupt.args and self.drive is not None:
            interrupt.args = (self.drive.summary(),)

    def note_end(self) -> None:
        """All results have arrived."""
        if not self.over:
            self.over = True
            self._ended = clock()
