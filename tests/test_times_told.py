"""Observers are told of each failure in a batch when that task ran, not when its batch did."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from observed import SLACK, Told, check_grammar
from sample_tasks import fail, fail_slowly

from concurkit import Retry, Task, iter_concurrently, run_concurrently
from concurkit._batch import Report
from concurkit._spans import span
from concurkit.observers import Event, TaskEnded, TaskRetried, TasksEnded, Timeline
from concurkit.observers._count import Count

SLOW = 0.02
AGAIN = Retry(attempts=2, on=OSError, wait_initial=0, wait_jitter=0)


def told_of_batch(mode: str, *observers: Any, **options: Any) -> Told:
    """What is told of six tasks in one batch, of which the second, slow, and the last two fail."""
    told = Told()
    seconds = [0, SLOW, 0, 0, 0, 0]
    tasks = Task.map(fail_slowly, range(6), [(1, 4, 5)] * 6, seconds)
    with pytest.raises(ExceptionGroup):
        run_concurrently(
            tasks,
            mode=mode,
            max_workers=1,
            chunksize=6,
            on_error="group",
            observers=[told, *observers],
            **options,
        )
    check_grammar(told)
    return told


@pytest.mark.parametrize("retry", [None, AGAIN], ids=["for good", "and is tried again"])
@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
def test_a_failure_in_a_batch_has_times_of_its_own(mode: str, retry: Retry | None) -> None:
    """They lie one after the other, inside the batch, and none is cut short."""
    told = told_of_batch(mode, retry=retry)

    [batch] = told.of(TasksEnded)
    failed = told.of(TaskEnded) if retry is None else told.of(TaskRetried)
    assert [1, 4, 5] == [one.index for one in failed]
    edges = [batch.started]
    for one in failed:
        edges += [one.started, one.started + one.duration]
    edges.append(batch.started + batch.duration)
    assert all(one <= other + SLACK for one, other in pairwise(edges))
    slow = failed[0]
    assert slow.duration >= slow.error.args[0] - SLACK >= SLOW - SLACK
    assert abs(sum(one.duration for one in failed) - batch.failed_duration) < SLACK
    assert [0, 2, 3] == list(batch.indices)
    after = slow.started + slow.duration  # the one that returned next did not wait for itself
    assert [batch.started, after, batch.ends[1]] == pytest.approx(batch.starts, abs=SLACK)
    assert all(one <= other for one, other in zip(batch.starts, batch.ends, strict=True))


def test_workers_are_busy_for_no_longer_than_the_run_takes() -> None:
    """The figures of a timeline add up, and those of docs/observing.md."""
    timeline = Timeline()
    told = told_of_batch("thread", timeline)

    [batch] = told.of(TasksEnded)
    busy = sum(one.duration for one in told.of(TaskEnded))
    busy += batch.duration - batch.failed_duration
    assert abs(busy - batch.duration) < SLACK
    summary = timeline.summary()
    assert 1 == len(summary.workers)
    assert summary.speedup <= 1
    assert ("failed", 1) == (summary.slowest[0].status, summary.slowest[0].index)


class Counts(Told):
    """Looks at no times."""

    wants_ends = False


def test_a_run_is_not_timed_for_an_observer_that_looks_at_no_times() -> None:
    """Then the tasks of a batch share what it took, and all together are right all the same."""
    counts = Counts()
    with pytest.raises(ExceptionGroup):
        run_concurrently(
            Task.map(fail_slowly, range(6), [(1, 4, 5)] * 6, [0.001] * 6),
            mode="serial",
            chunksize=6,
            on_error="group",
            observers=[counts],
        )

    [batch] = counts.of(TasksEnded)
    failed = counts.of(TaskEnded)
    assert () == tuple(batch.ends)
    assert [batch.duration / 6] * 3 == pytest.approx([one.duration for one in failed])
    shares = [one.started - batch.started for one in failed]
    assert [batch.duration / 6 * at for at in (1, 4, 5)] == pytest.approx(shares, abs=SLACK)
    assert batch.duration / 2 == pytest.approx(batch.failed_duration)


def test_progress_does_not_have_the_run_timed() -> None:
    """Beside an observer that doesn't need it either."""
    counts = Counts()
    tasks = Task.map(abs, range(100))
    run_concurrently(tasks, mode="serial", chunksize=100, observers=[counts], progress=True)
    with_bar = counts.of(TasksEnded)[0]

    assert () == tuple(with_bar.ends)


class Silent:
    """An observer such as anybody writes."""

    def on_event(self, event: Event) -> None: ...


def test_one_that_looks_at_times_is_enough() -> None:
    counts = Counts()
    run_concurrently(
        Task.map(abs, range(100)), mode="serial", chunksize=100, observers=[counts, Silent()]
    )

    assert 100 == len(counts.of(TasksEnded)[0].ends)


# ---- each attempt is told once ------------------------------------------------------------------


def cut_while_it_waits(mode: str, *observers: Any) -> Told:
    """What is told of a run that is cancelled as soon as its task waits for its next attempt."""
    told = Told(lambda event: run.cancel() if isinstance(event, TaskRetried) else None)
    run = iter_concurrently(
        [Task(fail, OSError)],
        mode=mode,
        chunksize=1,
        retry=Retry(attempts=3, on=OSError, wait_initial=600),
        on_error="collect",
        observers=[*observers, told],
    )
    assert 1 == len(list(run))
    check_grammar(told)
    return told


@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
def test_a_task_that_is_cut_while_it_waits_is_told_as_no_attempt(mode: str) -> None:
    told = cut_while_it_waits(mode)

    [retried], [ended] = told.of(TaskRetried), told.of(TaskEnded)
    assert (1, 1, True) == (retried.attempt, ended.attempts, ended.waiting)
    assert ("", 0.0) == (ended.worker, ended.duration)


def test_any_other_end_is_that_of_an_attempt() -> None:
    """Of the last of several, or of the only one; a task that never started had none."""
    told = Told()
    run_concurrently(
        [Task(fail, OSError), Task(fail, ValueError), Task(abs, -1)],
        mode="serial",
        retry=AGAIN,
        on_error="collect",
        observers=[told],
    )

    attempts = {one.index: (one.attempts, one.waiting) for one in told.of(TaskEnded)}
    assert {0: (2, False), 1: (1, False)} == {index: attempts[index] for index in (0, 1)}


def test_a_timeline_shows_no_attempt_that_never_was(tmp_path: Path) -> None:
    timeline = Timeline()
    cut_while_it_waits("thread", timeline)
    summary = timeline.summary()

    assert (1, 1, 0) == (summary.failed, summary.retried, summary.never_started)
    assert [1] == [worker.tasks for worker in summary.workers]
    assert ["retried"] == [slow.status for slow in summary.slowest]
    timeline.save(tmp_path / "run.svg")
    assert "worker unknown" not in (tmp_path / "run.svg").read_text()


def test_a_task_that_reaches_no_worker_makes_none() -> None:
    timeline = Timeline()
    [failure] = run_concurrently(
        [Task(print, threading.Lock())], mode="process", on_error="collect", observers=[timeline]
    )
    summary = timeline.summary()

    assert ("", 1) == (failure.worker, failure.attempts)
    assert (1, 0, 0.0) == (summary.failed, len(summary.workers), summary.overhead)
    assert () == summary.slowest


def test_progress_knows_that_it_was_in_no_batch() -> None:
    """So it still says how many tasks run."""
    count = Count(2, 2)
    for event in cut_while_it_waits("serial").events:
        count.take(event)

    assert (1, 0) == (count.failed, count.running)


# ---- shares -------------------------------------------------------------------------------------


def test_a_task_that_was_lost_has_taken_until_now() -> None:
    """Those before it, of which no times are known, share the rest."""
    report = Report([None, 7], [(0, OSError())], since=10.0, busy=3.0, lost=OSError())

    assert (10.0, 1.0) == span(report, 0, 15.0)
    assert (12.0, 3.0) == span(report, 2, 15.0)
    assert (10.0, 5.0) == span(Report(lost=OSError(), since=10.0), 0, 15.0)
