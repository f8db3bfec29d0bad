"""A run in which much goes wrong: nothing is lost, nothing happens twice, nothing is left."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import unruly_task

from concurkit import Failure, Outcome, Retry, Success, Task, iter_concurrently, run_concurrently
from concurkit.exceptions import TaskTimeoutError, WorkerCrashedError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the signals are POSIX's")

TASKS = 2000
ATTEMPTS = 3
ERRORS: dict[str, type[BaseException]] = {
    "exits": WorkerCrashedError,
    "is killed": WorkerCrashedError,
    "reads null": WorkerCrashedError,
    "hangs": TaskTimeoutError,
    "raises": unruly_task.UnrulyError,
}
OPTIONS: dict[str, Any] = {
    "mode": "process",
    "max_workers": 16,  # those that hang need no processor
    "timeout": 1.0,
    "retry": Retry(attempts=ATTEMPTS, on=Exception, wait_initial=0.01, wait_jitter=0.01),
    "on_error": "collect",
}


def expected(number: int) -> tuple[int, str]:
    """How many attempts a task has, and how the last one ends."""
    endings = [unruly_task.ending(number, attempt) for attempt in range(1, ATTEMPTS + 1)]
    attempts = endings.index("returns") + 1 if "returns" in endings else ATTEMPTS
    return attempts, endings[attempts - 1]


def check(outcomes: list[Outcome[int]], folder: str) -> None:
    """Each task has one outcome, the right one, and started as often as that says."""
    assert list(range(TASKS)) == sorted(outcome.index for outcome in outcomes)
    for outcome in outcomes:
        attempts, how = expected(outcome.index)
        seen = unruly_task.attempts(folder, outcome.index)
        assert (attempts, attempts) == (outcome.attempts, seen), (how, outcome)
        if isinstance(outcome, Success):
            assert ("returns", outcome.index) == (how, outcome.value)
        else:
            assert isinstance(outcome.error, ERRORS[how])
            assert ("killed" if how == "hangs" else None) == outcome.stopped


def test_the_tasks_are_as_unruly_as_they_should_be() -> None:
    """Of 2,000, about 5 % crash, 5 % hang and 10 % raise at first."""
    first = Counter(unruly_task.ending(number, 1) for number in range(TASKS))

    crash = first["exits"] + first["is killed"] + first["reads null"]
    assert pytest.approx(100, abs=25) == crash
    assert pytest.approx(100, abs=25) == first["hangs"]
    assert pytest.approx(200, abs=40) == first["raises"]


@pytest.mark.timeout(300)
def test_two_thousand_unruly_tasks(tmp_path: Path) -> None:
    """Each has exactly one outcome, and the attempts that it says it had."""
    tasks = [Task(unruly_task.behave, str(tmp_path), number) for number in range(TASKS)]

    outcomes = run_concurrently(tasks, **OPTIONS)

    check(outcomes, str(tmp_path))


@pytest.mark.timeout(300)
def test_two_thousand_unruly_tasks_as_a_stream(tmp_path: Path) -> None:
    """And the counts of a stream add up."""
    tasks = (Task(unruly_task.behave, str(tmp_path), number) for number in range(TASKS))

    with iter_concurrently(tasks, **OPTIONS) as run:
        outcomes = list(run)

    check(outcomes, str(tmp_path))
    stats = run.stats
    failed = sum(isinstance(outcome, Failure) for outcome in outcomes)
    assert (TASKS - failed, failed, 0, 0) == (
        stats.done,
        stats.failed,
        stats.running,
        stats.waiting,
    )
    assert stats.started == sum(outcome.attempts for outcome in outcomes)
    assert stats.retried == stats.started - TASKS
