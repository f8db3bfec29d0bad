"""Retries, rates, time limits and being told to stop, in every mode, against real time."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from conftest import Call

from concurkit import (
    Failure,
    ProcessExecutor,
    Retry,
    Success,
    Task,
    ThreadExecutor,
    _schedule,
    check_cancelled,
    iter_concurrently,
    run_concurrently,
)
from concurkit.exceptions import (
    RunTimeoutError,
    TaskCancelledError,
    TaskTimeoutError,
    WorkerCrashedError,
)

# What takes longer hangs: a minute is how long the tasks here would take that are to be stopped.
FAR_LESS = 20.0

AT_ONCE: dict[str, Any] = {"wait_initial": 0, "wait_jitter": 0}


def lines(path: Path) -> list[str]:
    """What tasks wrote."""
    return path.read_text().split() if path.exists() else []


def wait_until(condition: Callable[[], Any], seconds: float = FAR_LESS) -> None:
    """Wait for a state that nothing announces."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.001)


# A task that takes a minute, unless it is stopped in the way of the mode or listens to it.
STOPPABLE: dict[str, Any] = {
    "serial": sample_tasks.note_and_watch,
    "thread": sample_tasks.note_and_watch,
    "process": sample_tasks.note_and_overstay,
    "async": sample_tasks.note_and_overstay_async,
    "interpreter": sample_tasks.note_and_watch,
}


# ---- retry ---------------------------------------------------------------------------------------


def test_a_task_that_fails_at_first_returns_at_last(call: Call, mode: str, tmp_path: Path) -> None:
    """It has so many attempts, and its value is the last one's."""
    tasks = [Task(sample_tasks.fail_until, str(tmp_path / f"{n}"), n, OSError) for n in (1, 3, 2)]

    outcomes = call(tasks, mode=mode, retry=Retry(attempts=3, **AT_ONCE), on_error="collect")

    assert [(1, 1), (3, 3), (2, 2)] == [(one.value, one.attempts) for one in outcomes]
    assert [1, 3, 2] == [len(lines(tmp_path / f"{n}")) for n in (1, 3, 2)]


def test_a_retried_failure_ends_no_run(call: Call, mode: str, tmp_path: Path) -> None:
    """By default a run ends with the first failure: of the last attempt, that is."""
    tasks = [Task(sample_tasks.fail_until, str(tmp_path / f"{n}"), 2, OSError) for n in range(4)]

    assert [2] * 4 == call(tasks, mode=mode, max_workers=2, retry=Retry(**AT_ONCE))


def test_the_last_error_tells_of_those_before(call: Call, mode: str, tmp_path: Path) -> None:
    """In its notes and its context; it is the task's own."""
    task = Task(sample_tasks.fail_until, str(tmp_path / "attempts"), 9, ValueError)

    with pytest.raises(ValueError, match=r"^3\b") as caught:
        call([task], mode=mode, retry=Retry(attempts=3, on=ValueError, **AT_ONCE))

    first, second, third = caught.value.__notes__
    assert first.startswith("task 0 fail_until(")
    assert first.endswith("attempt 3")
    assert ("attempt 1 failed with ValueError: 1", "attempt 2 failed with ValueError: 2") == (
        second,
        third,
    )
    assert ["3", "2", "1"] == [
        text for one in chain(caught.value) if (text := str(one)) in ("1", "2", "3")
    ]
    assert 3 == len(lines(tmp_path / "attempts"))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised in the context of."""
    while error is not None:
        yield error
        error = error.__context__


def test_only_what_the_policy_names_is_tried_again(call: Call, mode: str, tmp_path: Path) -> None:
    """Another error is the task's last."""
    kinds = [ValueError, KeyError]
    tasks = [
        Task(sample_tasks.fail_until, str(tmp_path / kind.__name__), 9, kind) for kind in kinds
    ]

    outcomes = call(
        tasks, mode=mode, retry=Retry(attempts=2, on=KeyError, **AT_ONCE), on_error="collect"
    )

    assert [(ValueError, 1), (KeyError, 2)] == [(type(o.error), o.attempts) for o in outcomes]
    assert [1, 2] == [len(lines(tmp_path / kind.__name__)) for kind in kinds]


@pytest.mark.parametrize("how", sorted(sample_tasks.DEATHS))
def test_a_crash_is_tried_again_in_a_fresh_process(call: Call, how: str, tmp_path: Path) -> None:
    """The first one is gone."""
    path = tmp_path / "pids"
    task = Task(sample_tasks.misbehave_once, str(path), how)

    [outcome] = call(
        [task],
        mode="process",
        max_workers=1,
        retry=Retry(attempts=2, on=WorkerCrashedError, **AT_ONCE),
        on_error="collect",
    )

    first, second = map(int, lines(path))
    assert (second, 2) == (outcome.value, outcome.attempts)
    assert len({first, second, os.getpid()}) == 3


def test_a_timeout_is_tried_again_in_a_fresh_process(call: Call, tmp_path: Path) -> None:
    """The first one was killed."""
    path = tmp_path / "pids"
    with ProcessExecutor(1) as processes:
        call([sample_tasks.nothing], mode=processes)

        [outcome] = call(
            [Task(sample_tasks.misbehave_once, str(path), "hang")],
            mode=processes,
            timeout=1.0,
            retry=Retry(attempts=2, on=TaskTimeoutError, **AT_ONCE),
            on_error="collect",
        )

    first, second = map(int, lines(path))
    assert first != second
    assert (second, 2) == (outcome.value, outcome.attempts)


def test_an_attempt_that_takes_too_long_is_tried_again(
    call: Call, mode: str, tmp_path: Path
) -> None:
    """In every mode; where it can't be stopped, elsewhere."""
    path, release = tmp_path / "attempts", tmp_path / "release"
    fn = sample_tasks.wait_at_first_async if mode == "async" else sample_tasks.wait_at_first

    [outcome] = call(
        [Task(fn, str(path), str(release))],
        mode=mode,
        max_workers=1,
        timeout=0.5,
        retry=Retry(attempts=2, **AT_ONCE),
        on_error="collect",
    )

    release.touch()
    assert (2, 2) == (outcome.value, outcome.attempts)


def test_waiting_holds_no_worker(call: Call, mode: str, tmp_path: Path) -> None:
    """With a single one, the other tasks go on meanwhile."""
    path, mark = tmp_path / "order", tmp_path / "mark"
    tasks = [
        Task(sample_tasks.append_and_fail_first, str(path), "A", str(mark)),
        *[Task(sample_tasks.append, str(path), word) for word in "BCD"],
    ]

    values = call(tasks, mode=mode, max_workers=1, retry=Retry(attempts=2, on=lambda _: 0.5))

    order = lines(path)
    assert ["A", "B", "C", "D"] == values
    assert ["A", "A", "B", "C", "D"] == sorted(order)
    assert order[1] != "A"


@pytest.mark.parametrize("wait", [0.3, timedelta(milliseconds=300)])
def test_a_predicate_may_say_how_long_to_wait(
    call: Call, mode: str, wait: Any, tmp_path: Path
) -> None:
    """As a server's Retry-After does."""
    path = tmp_path / "times"

    def after(error: BaseException) -> Any:
        assert isinstance(error, OSError)
        return wait

    value = call(
        [Task(sample_tasks.time_until, str(path), 2)],
        mode=mode,
        retry=Retry(attempts=2, on=after, wait_initial=60, wait_max=60),
    )

    first, second = map(float, lines(path))
    assert [2] == value
    assert 0.3 <= second - first < FAR_LESS


def test_a_predicate_may_refuse(call: Call, mode: str, tmp_path: Path) -> None:
    """By what it is given: False and None are no, True is yes."""
    answers = {"0": True, "1": False, "2": None}
    tasks: list[Any] = [
        Task(sample_tasks.append_and_raise, str(tmp_path / name), ValueError, name)
        for name in answers
    ]

    outcomes = call(
        tasks,
        mode=mode,
        retry=Retry(attempts=2, on=lambda error: answers[str(error)], **AT_ONCE),
        on_error="collect",
    )

    assert [2, 1, 1] == [one.attempts for one in outcomes]
    assert [2, 1, 1] == [len(lines(tmp_path / name)) for name in answers]


def test_a_predicate_that_raises_fails_its_task_alone(call: Call, mode: str) -> None:
    """With its own error, raised in the context of the task's."""

    def picky(error: BaseException) -> bool:
        raise LookupError("what is that?")

    outcomes = call(
        [sample_tasks.nothing, Task(sample_tasks.fail, ValueError, "wrong"), sample_tasks.nothing],
        mode=mode,
        retry=Retry(on=picky),
        on_error="collect",
    )

    assert [Success, Failure, Success] == [type(one) for one in outcomes]
    assert (LookupError, 1) == (type(outcomes[1].error), outcomes[1].attempts)
    assert "wrong" in [str(one) for one in chain(outcomes[1].error)]


@pytest.mark.parametrize("verdict", [-1, float("nan"), float("inf"), "soon", [1]])
def test_a_predicate_that_answers_nonsense_fails_its_task_alone(call: Call, verdict: Any) -> None:
    """With a message that shows the answer."""
    outcomes = call(
        [sample_tasks.nothing, Task(sample_tasks.fail, ValueError, "wrong")],
        mode="thread",
        retry=Retry(on=lambda _: verdict),
        on_error="collect",
    )

    assert isinstance(outcomes[0], Success)
    assert isinstance(outcomes[1].error, TypeError | ValueError)
    assert repr(verdict) in str(outcomes[1].error)


def test_no_attempt_starts_after_the_run_has_failed(call: Call, mode: str, tmp_path: Path) -> None:
    """A task that waits to be tried again is not."""
    path, mark = tmp_path / "order", tmp_path / "mark"

    with pytest.raises(ValueError, match="for good"):
        call(
            [
                Task(sample_tasks.fail, ValueError, "for good"),
                Task(sample_tasks.append_and_fail_first, str(path), "A", str(mark)),
            ],
            mode=mode,
            max_workers=1,
            retry=Retry(attempts=5, on=OSError, wait_initial=0.05, wait_jitter=0),
        )

    assert len(lines(path)) <= 1


# ---- max_per_second ------------------------------------------------------------------------------

kinds = pytest.mark.parametrize("fn", [sample_tasks.interval, sample_tasks.interval_async])


@kinds
def test_starts_are_evenly_spaced(call: Call, mode: str, fn: Any) -> None:
    """The n-th comes n distances after the first at the earliest."""
    began = time.monotonic()

    intervals = call(Task.map(fn, [0] * 12), mode=mode, max_workers=4, max_per_second=40)

    early = [
        number
        for number, (start, _) in enumerate(sorted(intervals))
        if start < began + number / 40 - 0.001
    ]
    assert [] == early
    assert time.monotonic() - began < 12 / 40 + FAR_LESS


def test_a_high_rate_costs_no_waiting(call: Call, mode: str) -> None:
    """A thousand tasks at a million per second are no hour's work."""
    began = time.monotonic()

    assert [3] * 300 == call(
        Task.map(sample_tasks.add, [1] * 300, [2] * 300), mode=mode, max_per_second=1e6
    )

    assert time.monotonic() - began < FAR_LESS


def test_retries_are_starts_too(call: Call, mode: str, tmp_path: Path) -> None:
    """Six starts for three tasks that fail at first."""
    began = time.monotonic()
    tasks = [Task(sample_tasks.time_until, str(tmp_path / "times"), 4)] * 2

    call(
        tasks,
        mode=mode,
        max_workers=2,
        retry=Retry(attempts=5, **AT_ONCE),
        max_per_second=25,
    )

    starts = sorted(map(float, lines(tmp_path / "times")))
    assert len(starts) >= 5
    assert all(start >= began + n / 25 - 0.001 for n, start in enumerate(starts))


# A process or an interpreter may take its time to start.
SHORT = {"serial": 0.6, "thread": 0.6, "process": 1.5, "async": 0.6, "interpreter": 2.0}


# ---- total_timeout -------------------------------------------------------------------------------

STOPPED = {
    "serial": "cancelled",
    "thread": "cancelled",
    "process": "killed",
    "async": "cancelled",
    "interpreter": "cancelled",
}


@pytest.fixture
def patient(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told to stop has time to say that it did, on a busy machine too.

    A process is killed; the others would be abandoned, which is right, and not meant here.
    """
    if mode != "process":
        monkeypatch.setattr(_schedule, "_GRACE", 5.0)


@pytest.mark.usefixtures("patient")
def test_total_timeout_stops_what_runs(call: Call, mode: str, tmp_path: Path) -> None:
    """The rest never starts; the error has what had ended, in order."""
    path = tmp_path / "started"
    wait = Task(STOPPABLE[mode], str(path), None)
    tasks = [Task(sample_tasks.give, "first"), wait, *[Task(sample_tasks.give, "never")] * 5]
    began = time.monotonic()

    with pytest.raises(RunTimeoutError, match=f"total_timeout of {SHORT[mode]} s") as caught:
        call(tasks, mode=mode, max_workers=1, total_timeout=SHORT[mode])

    assert SHORT[mode] <= time.monotonic() - began < FAR_LESS
    assert 1 == len(lines(path))
    [first] = caught.value.outcomes
    assert (0, "first") == (first.index, first.unwrap())
    assert isinstance(caught.value, TimeoutError)


@pytest.mark.usefixtures("patient")
def test_total_timeout_with_collect_gives_an_outcome_for_each(
    call: Call, mode: str, tmp_path: Path
) -> None:
    """Of a known length: what ended, what was stopped, what never started."""
    path = tmp_path / "started"
    tasks = {
        "ended": Task(sample_tasks.give, "value"),
        "stopped": Task(STOPPABLE[mode], str(path), None),
        "never": Task(sample_tasks.give, "never"),
        "ever": Task(sample_tasks.give, "never"),
    }

    outcomes = call(tasks, mode=mode, max_workers=1, total_timeout=SHORT[mode], on_error="collect")

    assert list(tasks) == list(outcomes) == [one.key for one in outcomes.values()]
    assert "value" == outcomes["ended"].value
    errors = [outcomes[key].error for key in ("stopped", "never", "ever")]
    assert [RunTimeoutError] * 3 == [type(error) for error in errors]
    assert 3 == len({id(error) for error in errors})
    assert [1, 0, 0] == [outcomes[key].attempts for key in ("stopped", "never", "ever")]
    assert (STOPPED[mode], None) == (outcomes["stopped"].stopped, outcomes["never"].stopped)


def test_total_timeout_with_collect_of_an_endless_input(call: Call, mode: str) -> None:
    """There can't be an outcome for each: it is raised, with those that there are."""
    began = time.monotonic()

    with pytest.raises(RunTimeoutError) as caught:
        call(
            Task.map(sample_tasks.sleep, (0.001 for _ in count())),
            mode=mode,
            max_workers=2,
            total_timeout=SHORT[mode],
            on_error="collect",
        )

    assert time.monotonic() - began < FAR_LESS
    outcomes = caught.value.outcomes
    assert any(isinstance(one, Success) for one in outcomes)
    assert list(range(len(outcomes))) == [one.index for one in outcomes]


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
def test_total_timeout_abandons_what_does_not_listen(call: Call, mode: str) -> None:
    """A thread that sleeps is left alone."""
    release = threading.Event()
    try:
        [outcome] = call(
            [Task(sample_tasks.overstay, release)],
            mode=mode,
            total_timeout=0.6,
            on_error="collect",
        )
    finally:
        release.set()

    assert (RunTimeoutError, "abandoned") == (type(outcome.error), outcome.stopped)


def test_shutdown_waits_no_longer_for_a_thread_once_it_is_abandoned() -> None:
    """Also when it waits already."""
    release, started = threading.Event(), threading.Event()

    def overstay() -> None:
        started.set()
        sample_tasks.overstay(release)

    executor = ThreadExecutor(1)
    with iter_concurrently([overstay], mode=executor, timeout=1.0, on_error="collect") as run:
        shutting_down = threading.Thread(
            target=lambda: started.wait(30) and executor.shutdown(wait=True)  # type: ignore[func-returns-value]
        )
        shutting_down.start()
        [outcome] = run
    shutting_down.join(FAR_LESS)
    ended = not shutting_down.is_alive()
    release.set()

    assert "abandoned" == outcome.stopped
    assert ended


def test_total_timeout_of_a_run_that_waits_for_an_attempt(call: Call, mode: str) -> None:
    """Its wait ends, and the task's failure tells of the attempt that there was."""
    [outcome] = call(
        [Task(sample_tasks.fail, OSError, "busy")],
        mode=mode,
        retry=Retry(wait_initial=60, wait_max=60),
        total_timeout=SHORT[mode],
        on_error="collect",
    )

    assert (RunTimeoutError, 1) == (type(outcome.error), outcome.attempts)
    assert "busy" in [str(one) for one in chain(outcome.error)]


def test_total_timeout_of_a_run_that_is_quicker(call: Call, mode: str) -> None:
    """Is of no account, and its values are values."""
    assert [1, 2] == call(
        Task.map(sample_tasks.give, [1, 2]), mode=mode, max_workers=2, total_timeout=60
    )


def test_total_timeout_leaves_a_kept_executor_in_order(call: Call) -> None:
    """The next run on it is complete."""
    with ThreadExecutor(2) as threads:
        with pytest.raises(RunTimeoutError):
            call([sample_tasks.watch] * 5, mode=threads, total_timeout=0.2)

        assert list(range(20)) == call(Task.map(sample_tasks.give, range(20)), mode=threads)


def test_a_failure_comes_before_total_timeout(call: Call, mode: str) -> None:
    """What ended the run first is raised."""
    with pytest.raises(ValueError, match="wrong"):
        call([Task(sample_tasks.fail, ValueError, "wrong")], mode=mode, total_timeout=30)


# ---- check_cancelled -----------------------------------------------------------------------------


def test_check_cancelled_outside_a_task_does_nothing() -> None:
    """Whoever calls a task's function by hand is not disturbed."""
    check_cancelled()
    sample_tasks.watch(None, 0.01)


def test_check_cancelled_in_a_task_that_may_go_on_does_nothing(call: Call, mode: str) -> None:
    """In every mode."""
    for fn in (sample_tasks.check, sample_tasks.check_async):
        assert ["went on"] * 3 == call([fn] * 3, mode=mode, max_workers=2)


@pytest.mark.parametrize("fn", [sample_tasks.tell_why, sample_tasks.tell_why_async])
def test_check_cancelled_tells_that_the_time_is_up(call: Call, fn: Any, tmp_path: Path) -> None:
    """A thread that was abandoned ends by itself, with the usual error for its task."""
    for mode in ("serial", "thread", "async"):
        if mode == "async" and fn is sample_tasks.tell_why_async:
            continue  # a coroutine is cancelled
        path = tmp_path / mode

        [outcome] = call([Task(fn, str(path))], mode=mode, timeout=0.2, on_error="collect")

        assert isinstance(outcome.error, TaskTimeoutError)
        wait_until(lambda path=path: path.exists() and "time is up" in path.read_text())  # type: ignore[misc]


@pytest.mark.parametrize("mode", ["thread", "async"])
def test_check_cancelled_tells_that_the_run_is_stopping(
    call: Call, mode: str, tmp_path: Path
) -> None:
    """Another task failed, and the call raises that failure."""
    path = tmp_path / "why"
    tasks = [
        Task(sample_tasks.tell_why, str(path)),
        Task(sample_tasks.fail_when_there, str(path), ValueError, "wrong"),
    ]

    with pytest.raises(ValueError, match="wrong"):
        call(tasks, mode=mode, max_workers=2)

    wait_until(lambda: "the run is stopping" in path.read_text())


@pytest.mark.parametrize("within", ["serial", "thread", "async"])
@pytest.mark.parametrize("outer", ["thread", "serial", "async"])
def test_check_cancelled_in_a_run_inside_a_task(
    call: Call, outer: str, within: str, tmp_path: Path
) -> None:
    """The inner run's tasks hear that the outer task's time is up."""
    path = tmp_path / "why"

    [outcome] = call(
        [Task(sample_tasks.tell_why_inside, str(path), within)],
        mode=outer,
        timeout=0.4,
        on_error="collect",
    )

    assert isinstance(outcome.error, TaskTimeoutError)
    wait_until(lambda: path.exists() and "time is up" in path.read_text())


def test_a_task_that_raises_the_error_of_its_own_accord_fails(call: Call, mode: str) -> None:
    """Nobody told it to stop, so the failure is its own."""
    task: Any = Task(sample_tasks.fail, TaskCancelledError, "mine")

    with pytest.raises(TaskCancelledError, match="mine"):
        call([task], mode=mode)


def test_check_cancelled_is_cheap() -> None:
    """A loop can call it each turn: under a microsecond, and ten on a busy machine."""
    [took] = run_concurrently([Task(sample_tasks.time_of_checks, 20_000)], mode="thread")

    assert took / 20_000 < 10e-6
