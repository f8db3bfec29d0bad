"""A stream under way, as its reader's thread sees it.

Nothing here knows the `Run` that the caller holds, so that one which is dropped is noticed.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty
from typing import Any

from ._arrivals import Arrivals
from ._batch import clock, close_loop, has_loop
from ._caller import PATIENCE, Caller
from ._drive import Begin, Cut, Drive, Halt, Taken
from ._engage import Engagement
from ._stats import Stats
from .exceptions import TaskCancelledError
from .executors import _exit

# A reader that comes back sooner is told to come back after twice as many results.
_SOON = 0.001
_MOST = 256


def cancelled() -> TaskCancelledError:
    """What a run that was cancelled ends with."""
    return TaskCancelledError("the run was cancelled")


class Reading:
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
        self._told = 0
        self._every = 1
        self._told_end = False
        self._reported = 0.0
        self._began = self._ended = 0.0
        self.arrivals = Arrivals(
            engagement.source, engagement.options, ordered=ordered, put=self.put
        )

    def put(self, todo: Any) -> None:
        """Take what is for the reader's thread: results, something to run, None at the end."""
        raise NotImplementedError

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

    def halt(self, patience: float | None) -> None:
        """End the run, whose results nobody wants any more."""
        if self.drive is not None and not self.over:
            self.drive.tell(Halt(patience))

    def arrive(self, results: list[Any]) -> None:
        """Results are ready to be taken."""
        self.ready.extend(results)
        self._arrived += len(results)

    def report_taken(self) -> None:
        """Tell the run how many results were taken, so that it draws as many tasks more."""
        taken = self._arrived - len(self.ready)
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

    def error(self) -> BaseException | None:
        """What the run ends with, if not well; the first time only."""
        if self.drive is None or self._told_end:
            return None
        self._told_end = True
        return self.arrivals.error(self.drive)

    def note_end(self) -> None:
        """All results have arrived."""
        self.over = True
        self._ended = clock()


class ThreadReading(Reading):
    """A stream that is read by threads, one at a time."""

    def __init__(self, engagement: Engagement, *, ordered: bool, buffersize: int) -> None:
        self._caller = Caller()
        self._held: Any = None
        self._had_loop = False
        self._finished = False
        super().__init__(engagement, ordered=ordered, buffersize=buffersize)

    def put(self, todo: Any) -> None:
        self._caller.put(todo)

    def begin(self) -> None:
        """Start the run."""
        engagement = self.engagement
        try:
            engagement.open()
            self._had_loop = has_loop()
            workers = engagement.workers()
            self._launcher = engagement.executor(workers)
        except BaseException:
            self.note_end()
            self.finish()
            raise
        # A serial task is wrapped, so that it can be left alone while there are results.
        drive = self.make_drive(self._launcher, workers, lambda fn: self.put((fn,)))
        self._lending = engagement.lending()
        self._lending.__enter__()
        _exit.close_at_exit(self)
        with self._caller.listening():
            try:
                drive.tell(Begin())
            except BaseException as error:
                self._give_up(error)

    def fetch(self, *, wait: bool) -> None:
        """Do what is to be done in the reader's thread; if *wait*, until there is a result."""
        if self.over:
            return
        with self._caller.listening():
            try:
                self.report_taken()
                self._fetch(wait)
            except BaseException as error:
                self._give_up(error)
        self.set_mark()

    def _fetch(self, wait: bool) -> None:
        inbox = self._caller.inbox
        while True:
            todo, self._held = self._held, None
            if todo is None:
                try:
                    todo = inbox.get(wait and not self.ready)
                except Empty:
                    return
            if type(todo) is list:
                self.arrive(todo)
            elif todo is None:
                self.note_end()
                self.put(None)  # whoever else waits for the end
                return
            elif type(todo) is not tuple:
                self._caller.obey(todo)
            elif wait and not self.ready:
                self._caller.obey(todo[0])
            else:
                self._held = todo
                return

    def _give_up(self, error: BaseException) -> None:
        drive = self.drive
        assert drive is not None
        self.cut_off = True
        try:
            self._caller.give_up(drive, error)
        finally:
            self.note_end()
            self.finish()

    def close(self, patience: float | None = PATIENCE) -> None:
        """End the run; what still runs after *patience* seconds is abandoned."""
        self.halt(patience)

    def join(self) -> None:
        """Wait until a run that was told to end has ended, in the reader's thread."""
        drive = self.drive
        if drive is not None and not self.over:
            with self._caller.listening():
                try:
                    self._caller.wait_out()
                except BaseException as error:
                    self._give_up(error)
            self.note_end()
        self.finish()

    def finish(self) -> None:
        """Leave nothing behind."""
        if self._finished:
            return
        self._finished = True
        if self.drive is None:
            self.engagement.source.close()
            return
        self._lending.__exit__(None, None, None)
        self.engagement.finish(self.drive, self._launcher)
        if not self._had_loop:  # serial tasks may have made one for this thread
            close_loop()

    def drop(self) -> None:
        """End the run though nobody waits for it: its `Run` is no more."""
        if os.getpid() != self.home or self._finished:
            return
        self.halt(PATIENCE)
        threading.Thread(target=self.join, name="concurkit-finish", daemon=True).start()
