"""A stream under way, read by tasks of an event loop."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from typing import Any, NoReturn

import anyio
import anyio.lowlevel

from ._adrive import AsyncCaller
from ._caller import PATIENCE
from ._daemons import DAEMON
from ._engage import Engagement
from ._news import Begin
from ._reading import Reading
from ._snapshot import Running
from .executors._slots import Slots


class AsyncReading(Reading):
    """A stream that is read by tasks of one event loop."""

    _caller: AsyncCaller
    _launcher: Any
    _lending: AbstractContextManager[None]

    def __init__(self, engagement: Engagement, *, ordered: bool, buffersize: int) -> None:
        self._slots: Slots | None = None
        self._dropped = False
        self._finished = False
        super().__init__(engagement, ordered=ordered, buffersize=buffersize)

    def put(self, todo: Any) -> None:
        self._caller.put(todo)
        if todo is None and self._dropped:
            self._finish_elsewhere()

    async def begin(self) -> None:
        """Start the run."""
        engagement = self.engagement
        try:
            engagement.open()
            self._caller = AsyncCaller()
            workers = await self._caller.workers(engagement)
            if engagement.mode == "async" and not engagement.kept:
                self._slots = self._launcher = Slots(workers, engagement.options.setup)
            else:
                self._launcher = engagement.executor(workers)
        except BaseException:
            self.note_end()
            engagement.source.close()
            raise
        drive = self.make_drive(self._launcher, workers, self.put)
        self._lending = engagement.lending()
        self._lending.__enter__()
        drive.tell(Begin())

    async def fetch(self, *, wait: bool) -> None:
        """Do what is to be done in the reader's task; if *wait*, until there is a result."""
        if self.over:
            return
        try:
            self.report_taken()
            if not wait:
                await anyio.lowlevel.checkpoint()  # the loop's other tasks have their turn
            while self._caller.inbox or (wait and not self.ready):
                todo = await self._caller.get()
                if todo is None:
                    self.note_end()
                    return
                if type(todo) is list:
                    self.arrive(todo)
                elif type(todo) is int:
                    self.skip(todo)
                else:
                    await self._caller.obey(todo)
        except BaseException as error:
            await self._give_up(error)
        self.set_mark()

    async def _give_up(self, error: BaseException) -> NoReturn:
        drive = self.drive
        assert drive is not None
        self.cut_off = True
        try:
            await self._caller.give_up(drive, error)
        finally:
            self.note_end()
            await self.finish()

    async def stacks(self) -> list[Running]:
        """Which task each worker is at, and what that does; may take up to a second."""
        from ._stacks import stacks_in_loop  # few runs are asked

        self.check_home()
        return await stacks_in_loop(self.drive)

    async def join(self) -> None:
        """Wait until a run that was told to end has ended, and leave nothing behind."""
        if self.drive is not None and not self.over:
            try:
                await self._caller.wait_out()
            except BaseException as error:
                await self._give_up(error)
        self.note_end()
        await self.finish()

    async def finish(self) -> None:
        """Leave nothing behind."""
        if self._finished:
            return
        self._finished = True
        drive = self.drive
        if drive is None:
            self.engagement.source.close()
            return
        self._lending.__exit__(None, None, None)
        with anyio.CancelScope(shield=True):
            try:
                if self._slots is not None:
                    await self._slots.close()
            finally:
                await self._caller.off_loop(lambda: self.engagement.finish(drive, self._launcher))
            self.engagement.unlimit()

    def drop(self) -> None:
        """End the run though nobody waits for it: its `Run` is no more."""
        if os.getpid() != self.home or self._finished:
            return
        if self.drive is None:
            self.engagement.source.close()
            return
        self._dropped = True
        self.halt(PATIENCE)
        if None in list(self._caller.inbox):
            self._finish_elsewhere()

    def _finish_elsewhere(self) -> None:
        drive, slots = self.drive, self._slots
        assert drive is not None

        def finish() -> None:
            if not self._finished:
                self._finished = True
                self._lending.__exit__(None, None, None)
                self.engagement.finish(drive, self._launcher)

        if slots is not None:
            slots.in_loop(slots.dismiss)
        threading.Thread(target=finish, name="concurkit-finish", daemon=DAEMON).start()
