"""What observers are told: typed, frozen events, from the schedule, the same in every mode.

All moments are seconds since the epoch, as `time.time()` gives them. What one run says comes one
event at a time, in order, in whichever thread brings the news; so an observer needs no lock for
what it keeps of one run, and it must be quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, final, runtime_checkable

from .._batch import Stopped
from .._stats import Stats


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run has begun.

    Attributes:
        run: its number, which no other run of this process has.
        at: when.
        mode: where its tasks run, as in "thread".
        max_workers: how many tasks may run at once.
        total: how many tasks there are; None while that is not known.
        inside: the run and the index of the task that this run was started in, if any.
    """

    run: int
    at: float
    mode: str
    max_workers: int
    total: int | None
    inside: tuple[int, int] | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """A run is over; nothing more is said of it.

    Attributes:
        run: its number.
        at: when.
        stats: how far it came.
        error: what ended it before its input's end, if anything did.
    """

    run: int
    at: float
    stats: Stats
    error: BaseException | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    """A task was handed to a worker by itself. Of tasks in a batch only the end is told.

    Attributes:
        run: of which run.
        at: when.
        index: which task.
        name: its name.
        attempt: its how-manieth attempt, from 1 up.
    """

    run: int
    at: float
    index: int
    name: str
    attempt: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded:
    """A task has ended for good: one that was handed out by itself, or one that failed.

    Attributes:
        run: of which run.
        at: when the run heard of it.
        index: which task.
        name: its name.
        attempts: how many there were; 0 if there was none.
        worker: where the last one ran; empty if it reached none, as when it can't be pickled.
        started: when the last one started.
        duration: seconds that it took.
        error: what it failed with; None if it returned.
        stopped: in which way it was stopped, if it was.
        waiting: whether the run ended it while it waited for its next attempt. Then the last one
            was told by `TaskRetried`, and this is of none: `worker` is empty, `duration` is 0.
    """

    run: int
    at: float
    index: int
    name: str
    attempts: int
    worker: str
    started: float
    duration: float
    error: BaseException | None = None
    stopped: Stopped | None = None
    waiting: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TasksEnded:
    """Tasks of a batch have returned. Those of it that failed are told by `TaskEnded`.

    Attributes:
        run: of which run.
        at: when the run heard of it.
        indices: which tasks.
        name: of the first of them; most often all have the same.
        worker: where they ran.
        started: when the first task of the batch started.
        duration: seconds that the batch took.
        starts: when each of them started, where the run keeps times; else empty.
        ends: when each of them ended, likewise.
        failed_duration: how much of `duration` went to tasks of the batch that failed, which are
            told with their own.
    """

    run: int
    at: float
    indices: Sequence[int]
    name: str
    worker: str
    started: float
    duration: float
    starts: Sequence[float] = ()
    ends: Sequence[float] = ()
    failed_duration: float = 0.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRetried:
    """An attempt failed, and the task is tried again.

    Attributes:
        run: of which run.
        at: when the run heard of it.
        index: which task.
        name: its name.
        attempt: which attempt failed, from 1 up.
        worker: where it ran.
        started: when it started.
        duration: seconds that it took.
        error: what it failed with.
        wait: seconds until the next attempt.
        stopped: in which way it was stopped, if it was.
    """

    run: int
    at: float
    index: int
    name: str
    attempt: int
    worker: str
    started: float
    duration: float
    error: BaseException
    wait: float
    stopped: Stopped | None = None


def attempt_of(event: TaskEnded | TaskRetried) -> int:
    """Which attempt an event tells of, from 1 up; 0 if it tells of none."""
    if isinstance(event, TaskRetried):
        return event.attempt
    return 0 if event.waiting else event.attempts


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted:
    """The run has heard of a worker for the first time: it has brought back its first batch.

    Attributes:
        run: of which run.
        at: when the worker's first task started.
        worker: its name.
    """

    run: int
    at: float
    worker: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCrashed:
    """A worker died under a task. `WorkerEnded` follows.

    Attributes:
        run: of which run.
        at: when the run heard of it.
        worker: its name.
        error: the crash, as its task got it.
    """

    run: int
    at: float
    worker: str
    error: BaseException


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded:
    """A worker takes no more tasks of this run: it was lost or given up, or the run is over.

    Attributes:
        run: of which run.
        at: when.
        worker: its name.
    """

    run: int
    at: float
    worker: str


Event: TypeAlias = (
    RunStarted
    | RunEnded
    | TaskStarted
    | TaskEnded
    | TasksEnded
    | TaskRetried
    | WorkerStarted
    | WorkerCrashed
    | WorkerEnded
)
"""Anything that an observer is told."""


@runtime_checkable
class Observer(Protocol):
    """Whoever wants to see runs go on: pass it in `observers=`.

    One observer may be given to several runs, also at the same time; `event.run` tells them apart.
    """

    def on_event(self, event: Event, /) -> object:
        """Take in what happened.

        Called in whichever thread brings the news, an event loop's too: be quick, and don't wait
        for anything. If it raises, that is logged once, and it hears no more of this run.
        """
        ...
