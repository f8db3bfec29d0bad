"""The words of a schedule: what it is told, what it answers, what came of each task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, final

from ._batch import Batch, Report, Stopped

if TYPE_CHECKING:
    from ._retry import Retry


class Block(NamedTuple):
    """Tasks that ended together: indices, items, and the report that holds their values."""

    indices: Sequence[int]
    items: Sequence[Any]
    report: Report
    attempts: int = 1


class Failed(NamedTuple):
    """A task that failed for good; *own* unless it was stopped because the run ended.

    *earlier* are the errors of the attempts before the last.
    """

    index: int  # type: ignore[assignment]  # in place of the method of tuples, which nobody calls
    item: Any
    error: BaseException
    started: float
    duration: float
    worker: str
    stopped: Stopped | None
    own: bool
    attempts: int = 1
    earlier: Sequence[BaseException] = ()


class Retried(NamedTuple):
    """An attempt that failed, after which the task is tried again, *wait* seconds later."""

    index: int  # type: ignore[assignment]  # as above
    item: Any
    error: BaseException
    started: float
    duration: float
    worker: str
    stopped: Stopped | None
    attempt: int
    wait: float


@final
class Start(NamedTuple):
    """Start this batch on a free worker, or on the worker that has batch *behind*, after it."""

    batch: Batch
    behind: int | None


class Look(NamedTuple):
    """Say how far this batch has come (`seen`)."""

    number: int


class Recall(NamedTuple):
    """Ask for what this batch has not started (`gave_back`); if *unbegun*, all of it or nothing."""

    number: int
    unbegun: bool


class Stop(NamedTuple):
    """Stop this batch's running task, if it is still at this position, by force if need be."""

    number: int
    position: int


class Abandon(NamedTuple):
    """Report this batch as lost now (`ended`), if its task at this position (-1: any) still runs.

    Whatever its worker does from then on is of no account.
    """

    number: int
    position: int


class Warn(NamedTuple):
    """Say that this batch's task at this position takes longer than `warn_after`.

    Attributes:
        number: the batch.
        position: where the task stands in it.
        index: which task of the run it is.
        item: the task.
        attempt: its how-manieth attempt this is, from 1 up.
        since: when that started.
        behind: how many tasks of the batch wait for it.
    """

    number: int
    position: int
    index: int  # type: ignore[assignment]  # in place of the method of tuples, which nobody calls
    item: Any
    attempt: int
    since: float
    behind: int


Question: TypeAlias = Look | Recall | Stop | Abandon | Warn
Order: TypeAlias = Start | Question


class Terms(NamedTuple):
    """What a schedule needs to know of the run and of the executor.

    Attributes:
        workers: how many tasks may run at once.
        grain: seconds of work that a batch of tiny tasks is let grow to.
        ahead: how many batches a worker may hold; more than one hides the way there and back.
        timeout: seconds for one attempt.
        total_timeout: seconds for the run.
        retry: which failures are tried again, and when.
        max_per_second: how many attempts may start per second.
        chunksize: tasks in a batch, or None to choose.
        fail_fast: whether the first failure ends the run.
        shared: whether the workers take turns, as the slots of an event loop do. While tasks
            are quick, more than a few batches would only wait for each other.
        strength: how a running task is stopped.
        length: how many tasks there are, where known.
        window: how many tasks may be drawn beyond those that were read (`taken`), besides one
            for each worker; 0 leaves it to the schedule, None is no limit.
        complete: whether a run that is cut short accounts for the tasks that it never drew, too.
        observed: whether attempts that are followed by others are settled, too (`Retried`).
        warn_after: seconds after which it is said that an attempt still runs.
    """

    workers: int
    grain: float = 0.001
    ahead: int = 1
    timeout: float | None = None
    total_timeout: float | None = None
    retry: Retry | None = None
    max_per_second: float | None = None
    chunksize: int | None = None
    fail_fast: bool = True
    shared: bool = False
    strength: Stopped = "abandoned"
    length: int | None = None
    window: int | None = None
    complete: bool = False
    observed: bool = False
    warn_after: float | None = None


class Tally:
    """How many tasks are where."""

    __slots__ = ("at_halt", "drawn", "ended", "failed", "retried", "taken")

    def __init__(self) -> None:
        self.drawn = 0
        self.ended = 0
        self.failed = 0
        self.retried = 0  # attempts that failed and are tried again
        self.taken = 0  # results that were read
        self.at_halt: tuple[int, int] | None = None  # how many had ended, how many ran


Reason: TypeAlias = Callable[[], BaseException]
"""Makes the error of a task that the run's end kept from ending."""
