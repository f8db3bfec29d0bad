"""What the observers of a run are told, made from what its schedule decides.

Only a run that has observers has a `Watch`. Its drive calls it in its turn, so events come one at
a time and in order, whichever thread brings the news.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._batch import Batch, Report, clock
from ._current import enclosing
from ._endings import Endings
from ._orders import Block, Failed, Retried, Start, Terms
from ._spans import span
from ._task import shown
from .exceptions import TaskCancelledError, WorkerCrashedError
from .observers._events import (
    Event,
    Observer,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    TaskStarted,
    WorkerCrashed,
    WorkerEnded,
    WorkerStarted,
)

if TYPE_CHECKING:
    from ._drive import Drive


class Watch:
    """Tells the observers of one run what happens to it.

    Args:
        observers: who is told, in this order.
        number: the run's.
        mode: where its tasks run.
        terms: the run's, as its schedule has them.
        endings: knows the tasks' names and the calendar.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        *,
        number: int,
        mode: str,
        terms: Terms,
        endings: Endings,
    ) -> None:
        self._observers = list(observers)
        self._number = number
        self._mode = mode
        self._terms = terms
        self._name = endings.name
        self._epoch = endings.epoch
        self._inside = enclosing()
        self._began: float | None = None
        self._ended = False
        self._workers: dict[str, None] = {}  # those that are known and have not ended
        self._gone: list[Report] = []  # of workers that ended with their batch
        self._started: dict[int, int] = {}  # which attempt of a task was told to have started
        self._failure: Failed | None = None  # what the run ends with, if a failure ends it
        self._halted = False
        self._halt_error: BaseException | None = None

    # ---- what the drive sees --------------------------------------------------------------------

    def begin(self) -> None:
        """The run begins; of no account if it has begun before."""
        if self._began is not None:
            return
        self._began = clock()
        self._tell(
            RunStarted(
                run=self._number,
                at=self._epoch + self._began,
                mode=self._mode,
                max_workers=self._terms.workers,
                total=self._terms.length,
                inside=self._inside,
            )
        )

    def launched(self, starts: Sequence[Start], now: float) -> None:
        """Batches were handed to workers; those of one task are told."""
        for start in starts:
            indices = start.batch.indices
            if len(indices) == 1:
                self._task_started(indices[0], start.batch, now)

    def landed(self, report: Report) -> None:
        """A batch is back, perhaps without its worker; what came of its tasks is told first."""
        if report.worker and (_crash(report) is not None or self._given_up(report)):
            self._gone.append(report)

    def halted(self, error: BaseException | None) -> None:
        """Whoever called the run ends it, since *error* was raised there, if any was."""
        if not self._halted:
            self._halted = True
            self._halt_error = error if self._failure is None else None

    def settled(self, one: Block | Failed | Retried) -> None:
        """Attempts have ended."""
        now = self._epoch + clock()
        if isinstance(one, Block):
            self._see(one.report.worker, one.report.since)
            self._block(one, now)
            return
        self._see(one.worker, one.started)
        if isinstance(one, Retried):
            self._task_retried(one, now)
        else:
            self._task_failed(one, now)

    def note_losses(self) -> None:
        """All that was settled has been told, so the workers that were lost may follow."""
        gone, self._gone = self._gone, []
        for report in gone:
            worker, crash = report.worker, _crash(report)
            self._see(worker, report.since)
            now = self._epoch + clock()
            if crash is not None:
                self._tell(WorkerCrashed(run=self._number, at=now, worker=worker, error=crash))
            del self._workers[worker]
            self._tell(WorkerEnded(run=self._number, at=now, worker=worker))

    def end(self, drive: Drive) -> None:
        """The run is over; of no account if that was told before."""
        if self._ended:
            return
        self.begin()
        self._ended = True
        now = clock()
        at = self._epoch + now
        stats = drive.count(now - (self._began or now))
        workers = [WorkerEnded(run=self._number, at=at, worker=one) for one in self._workers]
        error = self._why_ended(drive)
        self._failure = self._halt_error = None  # their tracebacks may lead here
        try:
            self._tell(*workers, RunEnded(run=self._number, at=at, stats=stats, error=error))
        finally:
            self._observers.clear()
            del error

    # ---- events of tasks ------------------------------------------------------------------------

    def _task_started(self, index: int, batch: Batch, now: float) -> None:
        attempt = batch.attempt
        if self._started.get(index) == attempt:  # it came back from one worker for another
            return
        self._started[index] = attempt
        self._tell(
            TaskStarted(
                run=self._number,
                at=self._epoch + now,
                index=index,
                name=self._name(batch.items[0]),
                attempt=attempt,
            )
        )

    def _block(self, block: Block, now: float) -> None:
        report, indices = block.report, block.indices
        if len(indices) > 1:
            self._tasks_ended(block, now)
        elif not report.failures:
            self._forget(indices)
            self._tell(
                TaskEnded(
                    run=self._number,
                    at=now,
                    index=indices[0],
                    name=self._name(block.items[0]),
                    attempts=block.attempts,
                    worker=report.worker,
                    started=self._epoch + report.since,
                    duration=_duration(report),
                )
            )

    def _tasks_ended(self, block: Block, now: float) -> None:
        report, indices, epoch = block.report, block.indices, self._epoch
        failed = {at for at, _ in report.failures if at < len(indices)}
        started = epoch + report.since
        ends = [epoch + end for end in report.ends[: len(indices)]]
        starts = [started, *ends[:-1]] if ends else ends
        first, failed_duration = 0, 0.0
        if failed:
            returned = [at for at in range(len(indices)) if at not in failed]
            if not returned:
                return
            first = returned[0]
            failed_duration = sum(span(report, at, report.since)[1] for at in failed)
            indices = [indices[at] for at in returned]
            if ends:
                starts = [starts[at] for at in returned]
                ends = [ends[at] for at in returned]
        self._forget(indices)
        self._tell(
            TasksEnded(
                run=self._number,
                at=now,
                indices=indices,
                name=self._name(block.items[first]),
                worker=report.worker,
                started=started,
                duration=_duration(report),
                starts=starts,
                ends=ends,
                failed_duration=failed_duration,
            )
        )

    def _task_failed(self, failed: Failed, now: float) -> None:
        self._forget((failed.index,))
        if failed.own and self._terms.fail_fast:
            if self._failure is None or failed.index < self._failure.index:
                self._failure = failed
        self._tell(
            TaskEnded(
                run=self._number,
                at=now,
                index=failed.index,
                name=self._name(failed.item),
                attempts=failed.attempts,
                worker=failed.worker,
                started=self._epoch + failed.started,
                duration=failed.duration,
                error=failed.error,
                stopped=failed.stopped,
                waiting=0 < failed.attempts == len(failed.earlier),
            )
        )

    def _task_retried(self, retried: Retried, now: float) -> None:
        self._tell(
            TaskRetried(
                run=self._number,
                at=now,
                index=retried.index,
                name=self._name(retried.item),
                attempt=retried.attempt,
                worker=retried.worker,
                started=self._epoch + retried.started,
                duration=retried.duration,
                error=retried.error,
                wait=retried.wait,
                stopped=retried.stopped,
            )
        )

    def _forget(self, indices: Sequence[int]) -> None:
        """These tasks have ended for good."""
        if self._started:
            for index in indices:
                self._started.pop(index, None)

    # ---- events of workers ----------------------------------------------------------------------

    def _see(self, worker: str, since: float) -> None:
        """A worker is named; one that is not known, or not any more, has started."""
        if worker and worker not in self._workers:
            self._workers[worker] = None
            self._tell(WorkerStarted(run=self._number, at=self._epoch + since, worker=worker))

    def _given_up(self, report: Report) -> bool:
        """Whether the worker was stopped together with its task.

        The slots of an event loop have one name between them, and the loop goes on.
        """
        if report.lost is None and not report.gone:
            return False
        shared = self._terms.strength == "cancelled"
        return report.how == "killed" or (report.how == "abandoned" and not shared)

    # ---- the observers --------------------------------------------------------------------------

    def _why_ended(self, drive: Drive) -> BaseException | None:
        """What ended the run before its input's end, if anything did."""
        for error in (drive.broken, drive.unfit, drive.input_error):
            if error is not None:
                return error
        if isinstance(self._halt_error, KeyboardInterrupt):
            return KeyboardInterrupt(drive.summary())
        if self._halt_error is not None:
            return self._halt_error
        if self._failure is not None:
            return self._failure.error
        schedule = drive.schedule
        cut = schedule.why_cut() if schedule.unread or schedule.lost > 0 else None
        if cut is None and self._halted:
            return TaskCancelledError("the run was closed before its end")
        return cut

    def _tell(self, *events: Event) -> None:
        """Tell all observers; one that raises hears no more of this run.

        Raises:
            KeyboardInterrupt: when a Ctrl-C reached one, which is not its fault; all are told.
        """
        interrupt: KeyboardInterrupt | None = None
        for event in events:
            for observer in tuple(self._observers):
                try:
                    observer.on_event(event)
                except KeyboardInterrupt as error:
                    if threading.current_thread() is threading.main_thread():
                        interrupt = error
                    else:  # no Ctrl-C gets there
                        self._drop(observer, error)
                except BaseException as error:
                    self._drop(observer, error)
        if interrupt is not None:
            raise interrupt

    def _drop(self, observer: Observer, error: BaseException) -> None:
        from logging import getLogger  # few observers fail

        self._observers = [one for one in self._observers if one is not observer]
        with contextlib.suppress(Exception):  # a handler of the caller's may raise, too
            getLogger("concurkit").error(
                "the observer %s raised %s; it hears no more of run %d",
                shown(observer),
                type(error).__name__,
                self._number,
                exc_info=error,
            )


def _crash(report: Report) -> WorkerCrashedError | None:
    """The crash of the worker that had the batch, if it crashed by itself."""
    if report.how is not None:
        return None
    error = report.failures[0][1] if report.gone and report.failures else report.lost
    return error if isinstance(error, WorkerCrashedError) else None


def _duration(report: Report) -> float:
    """Seconds from the start of a batch to the end of its last task."""
    return max(0.0, report.ends[-1] - report.since if report.ends else report.busy)
