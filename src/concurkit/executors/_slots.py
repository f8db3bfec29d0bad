"""Slots of an event loop, asyncio's or trio's: loop tasks that run one batch after another.

All state belongs to the loop's thread; what comes
from other threads is handed over to it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any, cast

import anyio
import anyio.lowlevel

from .._batch import NO_TASK, Batch, Job, Stopped, task_context
from .._belongings import Belongings
from .._ctrl_c import tell_trio
from .._setup import NOTHING, Setup
from .._task import Task
from ._flight import Flight, Tell
from ._pool import Crew
from ._slot_flight import SlotFlight
from ._thread_seat import open_threads, start_threads


class Slots:
    """Up to *most* slots in the event loop that runs in the calling thread."""

    grain = 0.0003
    ahead = 1
    shared = True
    strength: Stopped = "cancelled"

    def __init__(self, most: int, setup: Setup = NOTHING) -> None:
        self.most = most
        self._setup = setup
        self._ready = setup.initializer is None
        self._setting_up: SlotFlight | None = None
        self.home: object = self
        self.crew = Crew(open_threads, most, start_threads)
        self.belongings = Belongings()  # one value for all on this loop
        self.thread = threading.get_ident()  # of the loop
        self._soon, self._spawn = loop_functions()
        self._inbox: deque[SlotFlight] = deque()
        self._parked: list[anyio.Event] = []
        self._count = 0  # slots, less those whose task was abandoned
        self.abandoned = 0  # slots whose task goes on all the same
        self._coming = 0  # slots on their way to the inbox
        self._closed = False
        self._empty: anyio.Event | None = None

    # ---- from any thread ------------------------------------------------------------------------

    def launch(
        self, batches: list[tuple[Batch, Flight | None]], job: Job, tell: Tell
    ) -> list[Flight]:
        """Start batches, each on a free slot."""
        flights: list[Flight] = []
        for batch, _ in batches:
            flight = SlotFlight(batch, job, tell, None, self)
            self._inbox.append(flight)
            flights.append(flight)
        self.in_loop(self._wake)
        return flights

    def start(self, flight: SlotFlight) -> None:
        """Start one flight on a free slot."""
        self._inbox.append(flight)
        self.in_loop(self._wake)

    @property
    def busy(self) -> bool:
        """Whether a slot still has something to do that was not abandoned."""
        return bool(self._inbox) or self._count > 0

    def drop_waiting(self) -> None:
        """Cancel the flights that wait for a slot."""
        while self._inbox:
            self._inbox.pop().drop()

    def in_loop(self, fn: Callable[[], object]) -> None:
        """Call *fn* in the loop's thread: now if this is it, else soon."""
        if threading.get_ident() == self.thread:
            fn()
        else:
            try:
                self._soon(fn)
            except RuntimeError:  # the loop has ended, and its slots with it
                return

    # ---- in the loop's thread -------------------------------------------------------------------

    def withdraw(self, flight: SlotFlight) -> bool:
        """Take back a flight that waits for a slot."""
        try:
            self._inbox.remove(flight)
        except ValueError:
            return False
        return True

    def lend(self, by: int) -> None:
        """Allow *by* more slots, while as many tasks wait for a run of their own."""
        self.most += by
        self.crew.lend(by)
        if by > 0:
            self.in_loop(self._wake)

    def lose_slot(self, flight: SlotFlight) -> None:
        """A flight was abandoned: if it still has its slot, another may take the slot's place."""
        if flight.landed:
            return
        flight.lost_slot = True
        self._count -= 1
        self.abandoned += 1
        self._wake()

    def shutdown(self) -> None:
        """End the threads of sync tasks; `close` has ended the slots."""
        self.crew.close()
        self.crew.join()

    async def close(self) -> None:
        """Let the slots end, wait until those not abandoned are gone, close what is theirs."""
        self._empty = anyio.Event()
        self._let_end()
        try:
            if self._count > 0:
                await self._empty.wait()
        except GeneratorExit:  # the loop is gone: nothing can be awaited any more
            raise
        except BaseException:
            await self._close_belongings()
            raise
        await self._close_belongings()

    async def _close_belongings(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.belongings.aclose()

    def dismiss(self) -> None:
        """Close, without anybody waiting for it."""
        if self.belongings.values:
            self._spawn(self.close)
        else:
            self._let_end()

    def _let_end(self) -> None:
        self._closed = True
        if self._setting_up is not None:
            self._setting_up.stop(-1)
        while self._parked:
            self._parked.pop().set()

    def _wake(self) -> None:
        if not self._ready:
            self._begin_setup()
            return
        while len(self._inbox) > self._coming:
            if self._parked:
                self._parked.pop().set()
            elif self._count < self.most:
                self._count += 1
                self._spawn(self._serve)
            else:
                return
            self._coming += 1

    def _begin_setup(self) -> None:
        """Start the initializer when the first flight comes; the slots start after it."""
        if self._setting_up is not None or not self._inbox:
            return
        fn, args = self._setup.initializer, self._setup.initargs
        batch = Batch(0, NO_TASK, [Task(cast("Any", fn), *args)], True, 0.0)
        job = Job(None, task_context(1, self.home))
        self._setting_up = SlotFlight(batch, job, self._set_up, None, self)
        self._count += 1
        self._spawn(self._serve_setup)

    async def _serve_setup(self) -> None:
        """Run the initializer as a task is: async on the loop, sync in a thread."""
        flight = self._setting_up
        assert flight is not None
        try:
            with anyio.CancelScope(shield=True) as scope:
                await flight.fly(scope)
            flight.report()
        finally:
            self._setting_up = None
            self._count -= 1
            self._wake()
            if self._empty is not None and self._count <= 0:
                self._empty.set()

    def _set_up(self, event: Any) -> None:
        """The initializer has ended, well or not."""
        report = event.report
        error = report.failures[0][1] if report.failures else report.lost
        if error is None:
            self._ready = True
            return
        unfit = self._setup.failed("the event loop", error)
        for flight in list(self._inbox):  # what comes once these are told may try again
            if self.withdraw(flight):
                flight.refuse(unfit)

    async def _serve(self) -> None:
        """One slot."""
        self._coming -= 1
        flight: SlotFlight | None = None
        try:
            while True:
                # The shield keeps a cancelled caller's slots: how they end is for the schedule to
                # say. It serves until it is cancelled, since it costs as much as a small batch.
                with anyio.CancelScope(shield=True) as scope:
                    while True:
                        flight = await self._next()
                        if flight is None:
                            return
                        suspended = await flight.fly(scope)
                        if flight.stopped or flight.over:
                            break
                        if not self._hand_in(flight):
                            return
                        flight = None
                        if not suspended:  # let the loop's other tasks have their turn
                            await anyio.lowlevel.checkpoint()
                assert flight is not None
                if flight.over or not self._hand_in(flight):
                    return
                flight = None
                await anyio.lowlevel.checkpoint()
        finally:
            if flight is not None and flight.lost_slot:
                self.abandoned -= 1
            else:
                if flight is not None:
                    flight.landed = True
                self._count -= 1
                self._wake()  # what this slot was woken for, another takes up
                if self._empty is not None and self._count <= 0:
                    self._empty.set()

    async def _next(self) -> SlotFlight | None:
        """The next batch for a slot, as soon as there is one; None when the slot is to end."""
        while self._count <= self.most:  # else the run that had borrowed this seat is over
            if self._inbox:
                return self._inbox.popleft()
            if self._closed:
                return None
            event = anyio.Event()
            self._parked.append(event)
            await event.wait()
            self._coming -= not self._closed
        return None

    def _hand_in(self, flight: SlotFlight) -> bool:
        """Report a batch; whether its slot goes on."""
        disturbed = flight.disturbed
        self._coming += not disturbed  # the slot is free for what the report brings
        try:
            flight.report()
        finally:
            self._coming -= not disturbed
        # Disturbed: perhaps the loop is ending; else another slot takes this one's place.
        return not disturbed


def loop_functions() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How the running loop takes calls from other threads, and starts tasks of its own."""
    if asyncio._get_running_loop() is not None:
        loop = asyncio.get_running_loop()
        # Not the context of whoever calls, perhaps a task of another loop.
        context = copy_context()
        tasks: set[asyncio.Task[Any]] = set()  # the loop itself holds them weakly

        def spawn(serve: Callable[[], Coroutine[Any, Any, Any]]) -> None:
            task = loop.create_task(serve(), context=context.copy())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        return partial(loop.call_soon_threadsafe, context=context), spawn
    tell_trio()
    trio = sys.modules["trio"]
    return trio.lowlevel.current_trio_token().run_sync_soon, trio.lowlevel.spawn_system_task
