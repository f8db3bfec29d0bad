"""What a run's timeline says in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final, final

from ._recording import RETURNED, RUNNING, STATUSES
from ._rows import Picture, Row
from ._words import count, seconds, share, times

SLOWEST: Final = 10


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUse:
    """How much of a run one worker spent in tasks.

    Attributes:
        worker: its name; one that ran tasks side by side has a line for each slot.
        tasks: attempts that it ran, those in batches included.
        busy: seconds in tasks, from the run's start to its end.
        utilisation: that as a share of the run's seconds, from 0 to 1.
    """

    worker: str
    tasks: int
    busy: float
    utilisation: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SlowTask:
    """An attempt that took long.

    Attributes:
        index: which task.
        name: its name.
        worker: where it ran.
        started: when, in seconds from the run's start.
        duration: seconds that it took.
        attempt: which attempt it was, from 1 up.
        status: "returned", "failed", "retried", "cancelled", "killed" or "abandoned".
        error: what it failed with, as text; empty if it returned.
        block: where the timeline keeps it.
    """

    index: int
    name: str
    worker: str
    started: float
    duration: float
    attempt: int
    status: str
    error: str
    block: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LastWorker:
    """The worker that ended last: what it ran is the chain of tasks that the run had to wait for.

    Attributes:
        worker: its name.
        tasks: attempts that it ran.
        busy: seconds that it spent in them.
        ended: when its last one ended, in seconds from the run's start.
    """

    worker: str
    tasks: int
    busy: float
    ended: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in numbers. As text it is a few lines to read.

    Attempts that have not ended are counted in `running` and nowhere else.

    Attributes:
        run: the run's number.
        mode: where its tasks ran.
        max_workers: how many could run at once.
        seconds: from its start to its end, or to now while it goes on.
        going: whether it goes on.
        returned: tasks that returned.
        failed: tasks that failed for good, those that were stopped included.
        retried: attempts that failed and were tried again.
        running: attempts that have started and not ended.
        never_started: tasks that the run ended before.
        task_seconds: seconds that its workers spent in tasks, all together.
        overhead: seconds in which its workers were not in tasks, all together: waiting for work,
            carrying arguments and results, being started, or done while others were not. A
            worker and those that replaced it count as one; one that had nothing to do as none.
        utilisation: the share of its workers' seconds that they were in tasks, from 0 to 1.
        workers: how much each worker had to do.
        critical_path: the worker that ended last. Tasks do not depend on each other, so what the
            run waited for is what that one ran. None if nothing has ended.
        slowest: the ten longest attempts, longest first. Batches of tiny tasks are not among them.
        speedup: how many times quicker than one task after the other: task seconds by seconds.
        possible_speedup: what it could be with no overhead: task seconds by the longer of an even
            share of them for each of `max_workers`, and the longest attempt.
    """

    run: int
    mode: str
    max_workers: int
    seconds: float
    going: bool
    returned: int
    failed: int
    retried: int
    running: int
    never_started: int
    task_seconds: float
    overhead: float
    utilisation: float
    workers: tuple[WorkerUse, ...]
    critical_path: LastWorker | None
    slowest: tuple[SlowTask, ...]
    speedup: float
    possible_speedup: float

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def summarise(picture: Picture) -> Summary:
    """Count what is in a picture."""
    began, length = picture.recorded.began, picture.ended - picture.began
    rows = [row for row in picture.rows if not row.running and not row.nobody]
    workers = tuple(_use(picture, row) for row in rows)
    task_seconds = sum(worker.busy for worker in workers)
    there = min(len(workers), began.max_workers) * length
    slowest = tuple(_slow(picture, row, block) for row, block in _longest(picture, rows))
    speedup = task_seconds / length if length > 0 else 0.0
    recorded = picture.recorded
    retried = sum(1 for one in recorded.troubles.values() if one.wait is not None)
    return Summary(
        run=began.run,
        mode=began.mode,
        max_workers=began.max_workers,
        seconds=length,
        going=picture.going,
        returned=_returned(picture),
        failed=len(recorded.troubles) - retried + recorded.never_started + recorded.cut_waiting,
        retried=retried,
        running=len(recorded.unfinished),
        never_started=recorded.never_started,
        task_seconds=task_seconds,
        overhead=max(0.0, there - task_seconds),
        utilisation=min(1.0, task_seconds / there) if there > 0 else 0.0,
        workers=workers,
        critical_path=_last(picture, rows, workers),
        slowest=slowest,
        speedup=speedup,
        possible_speedup=_possible(began.max_workers, task_seconds, slowest, speedup),
    )


def _possible(
    workers: int, task_seconds: float, slowest: tuple[SlowTask, ...], speedup: float
) -> float:
    longest = slowest[0].duration if slowest else 0.0
    bound = max(task_seconds / max(1, workers), longest)
    # A seat that was given up and replaced makes more of them than `max_workers`.
    return max(task_seconds / bound, speedup) if bound > 0 else speedup


def _returned(picture: Picture) -> int:
    columns = picture.columns
    pairs = zip(columns.status, columns.count, strict=True)
    return sum(number for status, number in pairs if status == RETURNED)


def _use(picture: Picture, row: Row) -> WorkerUse:
    columns, length = picture.columns, picture.ended - picture.began
    busy, reached = 0.0, picture.began
    for block in row.blocks:  # in the order of their starts, so that one look back is enough
        end = min(columns.started[block] + columns.duration[block], picture.ended)
        begin = max(columns.started[block], reached)
        if end > begin:
            busy += end - begin
            reached = end
    busy = min(busy, length)
    return WorkerUse(
        worker=row.name,
        tasks=sum(columns.count[block] for block in row.blocks),
        busy=busy,
        utilisation=busy / length if length > 0 else 0.0,
    )


def _longest(picture: Picture, rows: Iterable[Row]) -> list[tuple[Row, int]]:
    columns = picture.columns
    single = (
        (row, block)
        for row in rows
        for block in row.blocks
        if columns.count[block] == 1 and columns.status[block] != RUNNING
    )
    return nsmallest(SLOWEST, single, key=lambda pair: -columns.duration[pair[1]])


def _slow(picture: Picture, row: Row, block: int) -> SlowTask:
    columns = picture.columns
    trouble = picture.trouble(block)
    return SlowTask(
        index=columns.index[block],
        name=picture.names[columns.name[block]],
        worker=row.name,
        started=columns.started[block] - picture.began,
        duration=columns.duration[block],
        attempt=columns.attempt[block],
        status=STATUSES[columns.status[block]],
        error=trouble.error if trouble else "",
        block=block,
    )


def _last(picture: Picture, rows: list[Row], uses: tuple[WorkerUse, ...]) -> LastWorker | None:
    columns = picture.columns
    ends = [
        max(columns.started[block] + columns.duration[block] for block in row.blocks)
        for row in rows
    ]
    if not ends:
        return None
    end, use = max(zip(ends, uses, strict=True), key=lambda pair: pair[0])
    ended = min(end, picture.ended) - picture.began
    return LastWorker(worker=use.worker, tasks=use.tasks, busy=use.busy, ended=ended)


def _lines(summary: Summary) -> Iterable[str]:
    state = "so far" if summary.going else "in all"
    yield (
        f"run {summary.run}: mode {summary.mode}, {count(summary.max_workers, 'worker')}, "
        f"{seconds(summary.seconds)} {state}"
    )
    yield f"tasks          {', '.join(ends_in_words(summary))}"
    yield (
        f"speed-up       {times(summary.speedup)} of {times(summary.possible_speedup)} possible "
        f"({seconds(summary.task_seconds)} in tasks, {seconds(summary.overhead)} of workers not)"
    )
    path = summary.critical_path
    if path is not None:
        yield (
            f"critical path  {path.worker} ended last, at {seconds(path.ended)}: "
            f"{count(path.tasks, 'task')}, {seconds(path.busy)}"
        )
    for number, use in enumerate(summary.workers[:SLOWEST]):
        start = "workers" if number == 0 else ""
        yield f"{start:<15}{share(use.utilisation):>5}  {use.worker}, {count(use.tasks, 'task')}"
    if len(summary.workers) > SLOWEST:
        yield f"{'':<15}and {len(summary.workers) - SLOWEST:,} more"
    for number, slow in enumerate(summary.slowest[:5]):
        start = "slowest" if number == 0 else ""
        end = f", {slow.status}" if slow.status != "returned" else ""
        yield f"{start:<15}{seconds(slow.duration):>8}  {slow.name} #{slow.index}{end}"


def ends_in_words(summary: Summary) -> Iterable[str]:
    """How many tasks ended in which way; what did not happen is left out."""
    yield f"{summary.returned:,} returned"
    if summary.failed:
        yield f"{summary.failed:,} failed"
    if summary.never_started:
        yield f"{summary.never_started:,} of them never started"
    if summary.retried:
        yield count(summary.retried, "attempt tried again", "attempts tried again")
    if summary.running:
        yield f"{summary.running:,} still running"
