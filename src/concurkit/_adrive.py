"""The async caller while a run is under way: its inbox, and being cancelled."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel

from ._caller import PATIENCE
from ._drive import Begin, Drive, Halt
from ._engage import Engagement
from .executors._slots import Slots, loop_functions


async def carry_out(engagement: Engagement) -> Any:
    """Drive a run from this task to its end; its result or its error."""
    caller = AsyncCaller()
    workers = engagement.workers()
    slots = Slots(workers) if engagement.mode == "async" and not engagement.kept else None
    launcher = engagement.executor(workers) if slots is None else slots
    drive, collector = engagement.drive(launcher, workers, caller.put)
    try:
        with engagement.lending():
            await caller.run(drive)
    finally:
        with anyio.CancelScope(shield=True):
            if slots is not None:
                await slots.close()
            await caller.off_loop(lambda: engagement.finish(drive, launcher))
    return collector.result(drive)


class AsyncCaller:
    """Runs in the caller's loop what a drive puts into its inbox, until the run is over."""

    def __init__(self) -> None:
        self._soon, _ = loop_functions()
        self._inbox: deque[Callable[[], Any] | None] = deque()
        self._news = anyio.Event()

    def put(self, todo: Callable[[], Any] | None) -> None:
        """Take *todo*, from any thread; None when the run is over."""
        self._inbox.append(todo)
        try:
            self._soon(self._wake)
        except RuntimeError:  # the caller's loop has ended: nobody waits any more
            return

    async def off_loop(self, fn: Callable[[], None]) -> None:
        """Run *fn*, which may block, in a thread that is gone afterwards."""
        done = anyio.Event()

        def run() -> None:
            try:
                fn()
            finally:
                self._soon(done.set)

        thread = threading.Thread(target=run, name="concurkit-finish", daemon=True)
        thread.start()
        await done.wait()
        thread.join()  # it is at its last instruction

    async def run(self, drive: Drive) -> None:
        """Start the run and serve it to its end; being cancelled ends it."""
        try:
            drive.tell(Begin())
            await self._serve(run=True)
        except BaseException as error:
            drive.tell(Halt(PATIENCE))
            with anyio.CancelScope(shield=True):
                await self._serve(run=False)
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(drive.summary()) from None
            error.add_note(drive.summary())  # asyncio makes of Ctrl-C a cancellation
            raise

    def _wake(self) -> None:
        self._news.set()

    async def _serve(self, *, run: bool) -> None:
        while True:
            while self._inbox:
                todo = self._inbox.popleft()
                if todo is None:
                    return
                # Before the caller's code runs here, what was started has its turn: reading the
                # input may wait for a task. (trio picks the order, hence one more than below.)
                await anyio.lowlevel.checkpoint()
                if run and (then := todo()) is not None:
                    then()
                await anyio.lowlevel.checkpoint()
            self._news = anyio.Event()
            if not self._inbox:
                await self._news.wait()
