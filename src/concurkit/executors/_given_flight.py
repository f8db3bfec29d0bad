"""A batch on an executor of somebody else's.

One that runs in this process is seen as one of ours is; one that is pickled on its way is a closed
box until it is back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from functools import partial
from typing import TYPE_CHECKING, Any

from .._batch import OVERDUE, STOPPING, Batch, Job, Progress, Report, Stopped, clock, run
from .._task import shown
from .._worker_loop import loop_for_now
from ..exceptions import TaskCancelledError, WorkerCrashedError
from ._crate import opened, packed, run_packed
from ._flight import Ended, GaveBack, Poll, Sight, Still, Tell
from ._frames import Footing
from ._pickling._refusals import unsendable

if TYPE_CHECKING:
    from ._given import GivenExecutor

# So many calls in a row may be cancelled by others before tasks fail.
_REFUSALS = 3


class GivenFlight:
    """A batch on an executor of somebody else's."""

    def __init__(self, batch: Batch, job: Job, tell: Tell, place: GivenExecutor) -> None:
        self.batch = batch
        self._job = job
        self._tell = tell
        self._place = place
        # If it runs in this process.
        self.progress = Progress(batch.items, batch.indices[0], batch.attempt)
        self._future: Future[Any] | None = None
        self._sent = clock()
        self._seen: float | None = None  # when it was first seen to run
        self._no_earlier = self._sent  # it did not begin before that
        self._lock = threading.Lock()
        self._packed = False
        self._dismissed = False  # whether we have cancelled it
        self._over = False
        self._refused: BaseException | None = None
        self._worker = ""
        self._footing = Footing()

    # ---- there and back -------------------------------------------------------------------------

    def start(self) -> None:
        """Hand the batch over."""
        executor = self._place.executor
        future = executor.submit(Freight(self.run, self.pack, len(self.batch.items)))
        needed = ["add_done_callback", "running"][: 1 + self._place.timing]
        for name in needed:
            if not hasattr(future, name):
                raise TypeError(
                    f"submit() of {shown(executor)} gave {shown(future)}; as a mode an executor "
                    f"must give futures as concurrent.futures does, with {name}()"
                    f"{', for a timeout' * (name == 'running')}."
                )
        self._future = future
        future.add_done_callback(lambda done: self._place.soon(partial(self._done, done)))

    def run(self) -> None:
        """Run the batch, in this process."""
        self._worker = self.progress.worker = threading.current_thread().name
        self._footing.enter()
        try:
            with loop_for_now():
                run(self._job, self.progress)
        finally:
            self._footing.leave()

    def pack(self) -> bytes:
        """The batch for another process, or for another interpreter."""
        with self._lock:  # what was taken back must not be sent
            self._packed = True
            self._no_earlier = clock()
            items = self.batch.items[: self.progress.todo.kept]
        try:
            return packed(self._job, items, self.batch.indices[0], self.batch.attempt)
        except BaseException as error:
            self._refused = unsendable(self.batch.items[0], self._job, error)
            raise self._refused from error

    def _done(self, future: Future[Any]) -> None:
        try:
            self._land(future)
        except BaseException as error:  # theirs or ours: nobody may wait in vain
            self.fail(error)

    def _land(self, future: Future[Any]) -> None:
        if future.cancelled():
            self._cancelled()
            return
        self._place.refusals = 0
        error = future.exception()
        reply = None if error is not None else future.result()
        if self._refused is not None:
            self._refuse(self._refused)
        elif error is not None:
            self.fail(error)
        elif reply is None and (self.progress.begun or self._over):
            self._finish(self._report(len(self.progress.values)))
        elif isinstance(reply, bytes):
            self._take(reply)
        else:
            self.fail(
                TypeError(
                    f"a future of {shown(self._place.executor)} gave {shown(reply)}, which is not "
                    "what the call that was submitted returned: as a mode an executor must make "
                    "each call, once, and give back what it returns."
                )
            )

    def _cancelled(self) -> None:
        """It never ran; unless that was us, it is tried again, but not for ever."""
        place = self._place
        place.refusals += not self._dismissed
        if place.refusals < _REFUSALS:
            self._finish(Report())
        else:
            self.fail(TaskCancelledError(f"{shown(place.executor)} cancels all it is given"))

    def _take(self, reply: bytes) -> None:
        try:
            report = opened(reply, self._sent)
        except BaseException as error:
            self.fail(error)
            return
        if isinstance(report, Report):
            self._finish(report)
        else:
            self._refuse(report)

    def _refuse(self, error: BaseException) -> None:
        """The batch could not be sent: one task has failed, several are tried one by one."""
        if len(self.batch.items) == 1:
            self.fail(error)
        else:
            self._finish(Report(unsure=len(self.batch.items), lost=error))

    def fail(self, error: BaseException) -> None:
        """None of the tasks came back: to start one again might run it twice."""
        if isinstance(error, BrokenExecutor):
            crashed = WorkerCrashedError(
                f"the executor that was passed as mode broke ({type(error).__name__}: {error}), "
                "and with it all that it was running. With mode='process' only the task fails "
                "that ran on the worker that died."
            )
            crashed.__cause__ = error
            error = crashed
        self._finish(self._all_lost(error, None))

    def _all_lost(self, error: BaseException, how: Stopped | None) -> Report:
        count, now = self.progress.todo.kept, clock()
        since = self._sent if self._seen is None else self._seen
        return Report(
            values=[None] * count,
            failures=[(position, error) for position in range(count)],
            since=since,
            busy=now - since,
            ends=[now] * count,
            worker=self._worker,
            how=how,
        )

    def _finish(self, report: Report) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
        self._tell(Ended(self.batch.number, report))

    def _report(self, ended: int) -> Report:
        progress = self.progress
        return Report(  # of copies: what was abandoned goes on with its lists
            values=progress.values[:ended],
            failures=[failure for failure in progress.failures if failure[0] < ended],
            since=progress.since,
            busy=clock() - progress.since,
            ends=progress.ends[:ended],
            worker=self._worker,
        )

    # ---- what whoever launched it may ask -------------------------------------------------------

    def look(self) -> tuple[int, float | None]:
        if self.progress.begun:
            return self.progress.look()
        self.sees_it_run()
        return 0, self._seen

    def sight(self) -> Sight:
        """In another process any task of the batch may be the one that runs."""
        window = len(self.batch.items) if self._packed else 1
        position, since = self.look()
        # Nobody may have looked before, unless the run must know when it begins.
        if since is not None and not self.progress.begun and not self._job.exact:
            since = self._no_earlier
        return Sight(self._worker, position, since, window)

    def stack(self) -> Poll | None:
        """Only a task in this process can be seen."""
        return None if self._packed else self._footing.stack

    def sees_it_run(self) -> bool:
        """Whether it runs or has ended by now; notes when that was first so."""
        future = self._future
        if self._seen is not None or future is None:
            return True
        if not hasattr(future, "running") or future.done():
            return True
        now = clock()
        if future.running():
            self._seen = now
        else:
            self._no_earlier = now
        return self._seen is not None

    def recall(self, unbegun: bool) -> None:
        # Not by cancelling, which some executors grant though the call runs: it would run twice.
        with self._lock:
            if self._packed or self._over or (unbegun and self.progress.begun):
                return
            kept = self.progress.todo.take_back()
            self._over = not kept
        number = self.batch.number
        self._tell(GaveBack(number, kept) if kept else Ended(number, Report()))

    def stop(self, position: int) -> None:
        """Tell the task, if it runs in this process; cancel the batch if it does not run yet."""
        self.progress.told = STOPPING
        self._dismiss()

    def abandon(self, position: int) -> Report | None:
        if self._dismiss():
            return None
        with self._lock:
            if self._over:
                return None
            report = self._given_up(position)
            self._over = report is not None
            self._place.abandoned |= self._over
            return report

    def _dismiss(self) -> bool:
        """Cancel the batch if it is not known to run; whether that was granted."""
        if self._seen is not None or self._future is None:
            return False
        self._dismissed = True
        return self._future.cancel()

    def _given_up(self, position: int) -> Report | None:
        progress = self.progress
        gone = TaskCancelledError("the task was abandoned")
        if self._packed and progress.todo.kept > 1:  # any of them may have run
            return self._all_lost(gone, "abandoned")
        if self._packed:
            since = clock() if self._seen is None else self._seen
            return Report(since=since, lost=gone, how="abandoned")
        kept = progress.todo.take_back()  # first, so that no other task can start now
        if not progress.begun:
            return Report()
        running = len(progress.values)
        if running >= kept:  # it has just ended by itself
            return None
        if position not in (-1, running):  # and an innocent one has started
            self._tell(GaveBack(self.batch.number, kept))
            self._tell(Still(self.batch.number))
            return None
        progress.told = progress.told or (STOPPING if position < 0 else OVERDUE)
        report = self._report(running)
        report.lost = gone
        report.how = "abandoned"
        return report


class Freight:
    """What is submitted: runs here if it is called here, and as bytes if it is pickled."""

    def __init__(self, run_here: Callable[[], None], pack: Callable[[], bytes], count: int) -> None:
        self._run = run_here
        self._pack = pack
        self._token = ""
        self.__name__ = f"batch of {count}"  # some executors show it

    def __call__(self) -> None:
        self._run()

    def __dask_tokenize__(self) -> str:
        """To Dask, calls of the same name are one call: equal tasks would run once for all."""
        from uuid import uuid4

        self._token = self._token or uuid4().hex
        return self._token

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, (run_packed, self._pack())
