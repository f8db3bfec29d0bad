"""The async caller while a run is under way: its inbox, and being cancelled."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, NoReturn, TypeVar

import anyio
import anyio.lowlevel

from ._caller import PATIENCE, PULSE
from ._collect import Collector
from ._ctrl_c import kept_whole
from ._daemons import DAEMON
from ._drive import Drive
from ._engage import Engagement
from ._news import Begin, Halt
from .executors._slots import Slots, loop_functions

R = TypeVar("R")


@kept_whole
async def carry_out(engagement: Engagement) -> Any:
    """Drive a run from this task to its end; its result or its error."""
    caller = AsyncCaller()
    engagement.open()
    workers = await caller.workers(engagement)
    slots = (
        Slots(workers, engagement.options.setup)
        if engagement.mode == "async" and not engagement.kept
        else None
    )
    launcher = engagement.executor(workers) if slots is None else slots
    collector = Collector(engagement.source, engagement.options)
    drive = engagement.drive(launcher, workers, caller.put, collector)
    try:
        with engagement.lending():
            await caller.run(drive)
    finally:
        with anyio.CancelScope(shield=True):
            try:
                if slots is not None:
                    await slots.close()
            finally:
                await caller.off_loop(lambda: engagement.finish(drive, launcher))
                engagement.unlimit()
    return collector.result(drive)


class AsyncCaller:
    """Runs in the caller's loop what a drive puts into its inbox, until the run is over."""

    def __init__(self) -> None:
        self._soon, _ = loop_functions()
        self.inbox: deque[Any] = deque()
        self._news = anyio.Event()
        in_main = threading.current_thread() is threading.main_thread()  # where signals are seen
        if in_main and asyncio._get_running_loop() is not None:
            _beat(weakref.ref(self))

    def put(self, todo: Any) -> None:
        """Take *todo*, from any thread; None when the run is over."""
        self.inbox.append(todo)
        try:
            self._soon(self._wake)
        except RuntimeError:  # the caller's loop has ended: nobody waits any more
            return

    async def off_loop(self, fn: Callable[[], R]) -> R:
        """Run *fn*, which may block, in a thread that is gone afterwards; what it returns."""
        done = anyio.Event()
        outcome: Future[R] = Future()
        context = copy_context()

        def run() -> None:
            try:
                outcome.set_result(context.run(fn))
            except BaseException as error:
                outcome.set_exception(error)
            finally:
                self._soon(done.set)

        thread = threading.Thread(target=run, name="concurkit-aside", daemon=DAEMON)
        thread.start()
        with anyio.CancelScope(shield=True):  # nobody else would end what it starts
            await done.wait()
        thread.join()  # it is at its last instruction
        return outcome.result()

    async def workers(self, engagement: Engagement) -> int:
        """How many tasks may run at once, off the loop where a cluster must be asked."""
        if not engagement.connects:
            return engagement.workers()
        return await self.off_loop(engagement.workers)

    async def run(self, drive: Drive) -> None:
        """Start the run and serve it to its end; being cancelled ends it."""
        try:
            drive.tell(Begin())
            while (todo := await self.get()) is not None:
                await self.obey(todo)
        except BaseException as error:
            await self.give_up(drive, error)

    async def get(self) -> Any:
        """What was put in first, as soon as there is something."""
        while not self.inbox:
            self._news = anyio.Event()
            if not self.inbox:
                await self._news.wait()
        return self.inbox.popleft()

    async def obey(self, todo: Callable[[], Any]) -> None:
        """Run code of the caller's, then what it leaves to us."""
        # What was started has its turn before: reading the input may wait for a task. (trio picks
        # the order, hence one turn more afterwards.)
        await anyio.lowlevel.checkpoint()
        if (then := todo()) is not None:
            then()
        await anyio.lowlevel.checkpoint()

    async def give_up(self, drive: Drive, error: BaseException) -> NoReturn:
        """End the run since *error* was raised here, and raise that."""
        drive.tell(Halt(PATIENCE, error))
        await self.serve_out(drive)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(drive.summary()) from None
        error.add_note(drive.summary())  # asyncio makes of Ctrl-C a cancellation
        raise error

    async def wait_out(self) -> None:
        """Wait for the end of a run that was told to end."""
        while await self.get() is not None:
            await anyio.lowlevel.checkpoint()

    async def serve_out(self, drive: Drive) -> None:
        """Wait for the end without running any more of the caller's code."""
        with anyio.CancelScope(shield=True):
            while True:
                try:
                    await self.wait_out()
                    return
                except GeneratorExit:  # the loop is gone: nothing can be awaited any more
                    raise
                except BaseException:  # a second Ctrl-C: wait for nothing
                    drive.tell(Halt(0.0))

    def _wake(self) -> None:
        self._news.set()


def _beat(caller: weakref.ref[AsyncCaller]) -> None:
    """Have the loop wait no longer at a time than `PULSE` while there is this caller."""
    if caller() is not None:
        asyncio.get_running_loop().call_later(PULSE, _beat, caller)
