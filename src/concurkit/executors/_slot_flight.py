"""A batch on a slot of an event loop.

Each coroutine is stepped inside a context of its own, so it costs no task of the loop. A sync
function goes to a thread of ours, off the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import Context
from types import CoroutineType, coroutine
from typing import TYPE_CHECKING, Any

import anyio

from .._batch import NO_TASK, OVERDUE, STOPPING, Batch, Job, Progress, Report, Stopped, clock
from .._task import Task, is_async
from ..exceptions import InitializerError, TaskCancelledError
from ._flight import Claim, Ended, GaveBack, Poll, Sight, Still, Tell, Unfit
from ._frames import task_stack
from ._thread_seat import ThreadFlight

if TYPE_CHECKING:
    from ._slots import Slots


_WORKER = "async worker"


class SlotFlight:
    """A batch on a slot."""

    def __init__(
        self, batch: Batch, job: Job, tell: Tell, claim: Claim | None, slots: Slots
    ) -> None:
        self.batch = batch
        self.over = False  # abandoned: nobody waits for its report
        self.lost_slot = False  # its slot is not counted any more
        self.landed = False  # its slot has ended with it
        self.disturbed = False  # the loop's task under this was cancelled, not by us
        self._unwanted = False
        self._job = job
        self._tell = tell
        self._claim = claim
        self._slots = slots
        self.progress = Progress(batch.items, batch.indices[0], batch.attempt)
        self.progress.belongings = slots.belongings
        self.progress.worker = "async worker"
        self.stopped = False  # its slot's scope was cancelled
        self._scope: anyio.CancelScope | None = None  # of the slot, while it runs here
        self._how: Stopped = "cancelled"
        self._cause: BaseException | None = None
        self._awaited: Any = None  # the coroutine that last waited
        self._helper: ThreadFlight | None = None  # the sync task that runs in a thread

    # ---- in the slot ----------------------------------------------------------------------------

    async def fly(self, scope: anyio.CancelScope) -> bool:
        """Run the batch inside *scope*, to be cancelled with it; whether it ever waited."""
        if self._claim is not None and not self._claim():
            self._unwanted = True  # its future was cancelled while it waited
            return False
        self.progress.begin(self._job)
        self._scope = scope
        try:
            return await self._run()
        finally:
            self._scope = None  # which goes on to other batches
            self._awaited = None
            self.progress.end()

    async def _run(self) -> bool:
        job, progress = self._job, self.progress
        copy, fn, timed = progress.context.copy, job.fn, job.timed
        values, ends = progress.values, progress.ends
        direct = fn if fn is not None and is_async(fn) else None
        waited: list[bool | None] = [False]  # and None behind it once the slot itself is closed
        for item in progress.todo:
            value: Any = None
            try:
                own = copy()
                if direct is not None:
                    made = own.run(direct, item) if job.single else own.run(direct, *item)
                    try:
                        wanted = own.run(made.send, None)
                    except StopIteration as stop:  # it never waited
                        value = stop.value
                    else:
                        waited[0] = True
                        self._awaited = made
                        value = await _stepped(made, own, waited, wanted)
                else:
                    task = item if fn is None else Task(fn, *((item,) if job.single else item))
                    value, error = await self._call(task, own, waited)
                    if error is not None:
                        progress.failures.append((len(values), error))
            except BaseException as error:
                if waited[-1] is None:
                    raise
                if self.stopped:
                    if isinstance(error, anyio.get_cancelled_exc_class()):
                        raise  # the scope's own, which ends there
                    self._cause = error  # it failed as it was being cancelled
                    break
                self.disturbed |= _forget_cancellation()
                progress.failures.append((len(values), error))
                value = None
            if self.stopped:  # it went on all the same: its time was up before
                break
            if timed:
                ends.append(clock())
            values.append(value)
            if job.fast and progress.failures:
                break
        return bool(waited[0])

    async def _call(
        self, task: Task[Any], own: Context, waited: list[bool | None]
    ) -> tuple[Any, BaseException | None]:
        """A task of either kind: an async function on the loop, a sync one in a thread.

        The error of a sync one is handed back, not raised: a coroutine can't raise StopIteration.
        """
        if is_async(task.fn):
            value = own.run(task.fn, *task.args, **task.kwargs)
        else:
            waited[0] = True
            value, error = await self._in_thread(task, own, waited)
            if error is not None:
                return None, error
        if isinstance(value, CoroutineType):  # also a lambda's: `lambda: fetch(url)`
            try:
                wanted = own.run(value.send, None)
            except StopIteration as stop:
                return stop.value, None
            waited[0] = True
            self._awaited = value
            value = await _stepped(value, own, waited, wanted)
        return value, None

    async def _in_thread(
        self, task: Task[Any], own: Context, waited: list[bool | None]
    ) -> tuple[Any, BaseException | None]:
        """What came of a sync task, run in a thread that is abandoned if this is cancelled."""
        boxed = Batch(0, NO_TASK, [Task(_boxed, task)], True, 0.0)  # our own batch has the task
        done = anyio.Event()
        reports: list[Report] = []

        unwanted = False

        def tell(event: Any) -> None:
            reports.append(event.report)
            if unwanted:
                _close_values(reports)
            self._slots.in_loop(done.set)

        flight = ThreadFlight(
            boxed, Job(None, own, share=self._job.share), tell, None, self._slots.crew
        )
        self._helper = flight
        try:
            self._slots.crew.launch([(flight, None)])
            try:
                await done.wait()
            except BaseException as error:
                unwanted = True
                _close_values(reports)
                flight.progress.told = self.progress.told
                if flight.abandon(-1) is not None:
                    self._how = "abandoned"
                if isinstance(error, GeneratorExit):
                    waited.append(None)
                raise
        finally:
            self._helper = None
        if reports[0].failures:
            return None, reports[0].failures[0][1]
        return reports[0].values[0][0], None

    def drop(self) -> None:
        """Cancel a flight that never got a slot."""
        self._tell(Ended(self.batch.number, Report()))

    def refuse(self, error: InitializerError) -> None:
        """The loop could not be set up."""
        self._tell(Unfit(self.batch.number, error))

    def report(self) -> None:
        """Say what came of the batch."""
        if self._unwanted:
            return
        self._tell(Ended(self.batch.number, self._report()))

    def _report(self) -> Report:
        progress = self.progress
        report = Report(
            values=progress.values,
            failures=progress.failures,
            since=progress.since,
            busy=clock() - progress.since,
            ends=progress.ends,
            worker=_WORKER,
        )
        if self.stopped:
            if len(progress.values) < progress.todo.kept:
                report.lost = TaskCancelledError("the task was cancelled")
                report.lost.__cause__, self._cause = self._cause, None
                report.how = self._how
        return report

    # ---- from any thread ------------------------------------------------------------------------

    def look(self) -> tuple[int, float | None]:
        return self.progress.look()

    def sight(self) -> Sight:
        return Sight(_WORKER, *self.progress.look())

    def stack(self) -> Poll | None:
        return self._doing

    def _doing(self) -> str | None:
        helper = self._helper
        if helper is not None:
            return helper.doing()
        # One that has not waited yet is at its first step, in the loop's thread.
        return task_stack(self._awaited, self._slots.thread)

    def recall(self, unbegun: bool) -> None:
        self._slots.in_loop(lambda: self._recall(unbegun))

    def _recall(self, unbegun: bool) -> None:
        if self.over or (unbegun and self.progress.begun):
            return
        if self._slots.withdraw(self):
            self._tell(Ended(self.batch.number, Report()))
        else:
            self._tell(GaveBack(self.batch.number, self.progress.todo.take_back()))

    def stop(self, position: int) -> None:
        self._slots.in_loop(lambda: self._stop(position))

    def _stop(self, position: int) -> None:
        if self._slots.withdraw(self):
            self._tell(Ended(self.batch.number, Report()))
        elif position >= 0 and len(self.progress.values) != position:
            self._tell(Still(self.batch.number))
        elif self._scope is not None:
            self.progress.told = STOPPING if position < 0 else OVERDUE
            self.progress.todo.take_back()
            self.stopped = True
            self._scope.cancel()

    def abandon(self, position: int) -> Report | None:
        if self.over:
            return None
        progress = self.progress
        kept = progress.todo.take_back()  # first, so that no other task can start now
        running = len(progress.values)
        if position not in (-1, running):
            self._tell(GaveBack(self.batch.number, kept))
            self._tell(Still(self.batch.number))
            return None
        self.over = True
        begun = progress.begun
        report = self._report()
        report.values = progress.values[:running]
        report.failures = [failure for failure in progress.failures if failure[0] < running]
        report.ends = progress.ends[:running]
        if begun and running < kept:
            report.lost = TaskCancelledError("the task was abandoned")
            report.how = "abandoned"
            self._slots.in_loop(lambda: self._slots.lose_slot(self))
        return report


def _close_values(reports: list[Report]) -> None:
    """Close coroutines that nobody will await, so that Python does not warn of them."""
    for report in reports:
        for boxed in report.values:
            if boxed is not None and isinstance(boxed[0], CoroutineType):
                boxed[0].close()


def _boxed(task: Task[Any]) -> tuple[Any]:
    """What a sync task returns, out of sight of whoever would await it."""
    return (task.fn(*task.args, **task.kwargs),)


@coroutine
def _stepped(
    coro: Coroutine[Any, Any, Any], context: Context, waited: list[bool | None], wanted: Any
) -> Generator[Any, Any, Any]:
    """Await *coro*, which wants *wanted*, with each of its further steps inside *context*."""
    run, send = context.run, coro.send
    try:
        while True:
            try:
                sent = yield wanted
            except GeneratorExit:
                waited.append(None)
                run(coro.close)
                raise
            except BaseException as error:
                wanted = run(coro.throw, error)
            else:
                wanted = run(send, sent)
    except StopIteration as stop:
        return stop.value


def _forget_cancellation() -> bool:
    """A task of asyncio that was cancelled through its slot has failed, and its batch goes on.

    Whether that was so.
    """
    found = False
    if asyncio._get_running_loop() is not None:
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()
            found = True
    return found
