"""A stream under way, read by threads."""

from __future__ import annotations

import os
import threading
from queue import Empty
from typing import Any

from ._caller import PATIENCE, Caller
from ._daemons import DAEMON
from ._engage import Engagement
from ._news import Begin
from ._reading import Reading
from ._snapshot import Running
from ._worker_loop import close_loop, has_loop
from .executors import _exit


class ThreadReading(Reading):
    """A stream that is read by threads, one at a time."""

    def __init__(self, engagement: Engagement, *, ordered: bool, buffersize: int) -> None:
        self._caller = Caller()
        self._held: Any = None
        self._had_loop = False
        self._began_in = 0  # the thread that this is of
        self._finished = False
        super().__init__(engagement, ordered=ordered, buffersize=buffersize)

    def put(self, todo: Any) -> None:
        self._caller.put(todo)

    def begin(self) -> None:
        """Start the run."""
        engagement = self.engagement
        try:
            engagement.open()
            self._began_in, self._had_loop = threading.get_ident(), has_loop()
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
                    waits = wait and not self.ready
                    todo = self._caller.get() if waits else inbox.get_nowait()
                except Empty:
                    return
            if type(todo) is list:
                self.arrive(todo)
            elif type(todo) is int:
                self.skip(todo)
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

    def stacks(self) -> list[Running]:
        """The same, with stacks; may take up to a second."""
        from ._stacks import stacks  # few runs are asked

        self.check_home()
        return stacks(self.drive)

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
        self.engagement.unlimit()
        # Serial tasks may have made one for this thread, be it the one that began or another.
        if not self._had_loop or threading.get_ident() != self._began_in:
            close_loop(unless_held=True)

    def drop(self) -> None:
        """End the run though nobody waits for it: its `Run` is no more."""
        if os.getpid() != self.home or self._finished:
            return
        self.halt(PATIENCE)
        threading.Thread(target=self.join, name="concurkit-finish", daemon=DAEMON).start()
