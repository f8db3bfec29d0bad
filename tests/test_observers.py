"""Observers: what they are told is true, the same in every mode, and harms no run."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from conftest import Call, Place, examples
from hypothesis import given
from hypothesis import strategies as st
from observed import SLACK, Told, check_grammar

from concurkit import (
    Failure,
    Retry,
    Success,
    Task,
    ThreadExecutor,
    aio,
    iter_concurrently,
    observers,
    run_concurrently,
)
from concurkit._batch import Report
from concurkit._caller import Caller
from concurkit._endings import Endings
from concurkit._orders import Terms
from concurkit._schedule import Schedule
from concurkit._source import read
from concurkit._watch import Watch
from concurkit.exceptions import (
    InitializerError,
    RunTimeoutError,
    TaskCancelledError,
    TaskTimeoutError,
    WorkerCrashedError,
)
from concurkit.observers import (
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
from concurkit.observers import progress as progress_module

POOLS = (ThreadPoolExecutor, ProcessPoolExecutor)
AT_ONCE = Retry(attempts=3, wait_initial=0, wait_jitter=0)


class Trouble(Exception):
    """Raised by observers and inputs of these tests."""


# ---- the same in every mode ---------------------------------------------------------------------


@examples(6)
@given(numbers=st.lists(st.integers(-1, 2), max_size=12), known=st.booleans())
def test_what_is_told_is_what_came_of_the_tasks(
    place: Place, call: Call, numbers: list[int], known: bool
) -> None:
    """Laws 1 and 2: each task's end is told once, and it is the outcome's."""
    told = Told()
    tasks = Task.map(sample_tasks.reciprocal, numbers if known else iter(numbers))

    outcomes = call(tasks, mode=place.where, on_error="collect", observers=[told])

    check_grammar(told)
    assert list(range(len(numbers))) == told.indices
    assert {i for i, number in enumerate(numbers) if not number} == set(told.errors)
    started = told.events[0]
    assert started.mode == ("executor" if isinstance(place.where, POOLS) else place.mode)
    assert started.total == (len(numbers) if known else None)
    assert told.end.error is None
    for event in told.of(TaskEnded, TasksEnded):
        check_against_outcomes(event, outcomes)


def check_against_outcomes(event: Any, outcomes: list[Any]) -> None:
    if isinstance(event, TasksEnded):
        for index, end in zip(event.indices, event.ends, strict=True):
            outcome = outcomes[index]
            assert isinstance(outcome, Success)
            assert (event.name, event.worker) == (outcome.name, outcome.worker)
            assert abs(outcome.started + outcome.duration - end) < SLACK
        return
    outcome = outcomes[event.index]
    assert isinstance(outcome, Failure if event.error else Success)
    for name in ("name", "attempts", "worker", "started", "duration"):
        assert getattr(outcome, name) == getattr(event, name)
    if isinstance(outcome, Failure):
        assert (outcome.error, outcome.stopped) == (event.error, event.stopped)


@examples(3)
@given(count=st.integers(2, 3_000), size=st.sampled_from(["auto", 1, 100]))
def test_each_task_of_many_is_told_once(place: Place, call: Call, count: int, size: Any) -> None:
    told = Told()
    count = min(count, 200) if size == 1 else count

    call(
        Task.map(sample_tasks.give, range(count)),
        mode=place.where,
        chunksize=size,
        observers=[told],
    )

    check_grammar(told)
    assert list(range(count)) == told.indices
    if size == 1:
        assert count == len(told.of(TaskStarted)) == len(told.of(TaskEnded))
    if size == 100 and count > 200:
        assert told.of(TasksEnded)


def test_attempts_that_fail_are_told(place: Place, call: Call, tmp_path: Path) -> None:
    told = Told()
    tasks = [
        Task(sample_tasks.fail_until, str(tmp_path / f"{i}"), i + 1, OSError) for i in range(4)
    ]

    outcomes = call(tasks, mode=place.where, retry=AT_ONCE, on_error="collect", observers=[told])

    check_grammar(told)
    assert [1, 2, 3, 3] == [outcome.attempts for outcome in outcomes]
    retried = {(event.index, event.attempt) for event in told.of(TaskRetried)}
    assert {(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)} == retried
    assert {OSError} == {type(event.error) for event in told.of(TaskRetried)}
    assert [3] == list(told.errors)
    again = [event for event in told.of(TaskStarted) if event.attempt > 1]
    assert retried == {(event.index, event.attempt - 1) for event in again}


def test_the_first_failure_ends_the_run_and_is_told_as_its_reason(place: Place, call: Call) -> None:
    told = Told()
    tasks = Task.map(sample_tasks.reciprocal, [1, 0, *range(1, 50)])

    with pytest.raises(ZeroDivisionError) as caught:
        call(tasks, mode=place.where, observers=[told])

    check_grammar(told)
    assert caught.value is told.end.error
    assert 1 in told.errors


def test_a_group_of_failures_ends_nothing_early(place: Place, call: Call) -> None:
    told = Told()

    with pytest.raises(ExceptionGroup):
        call(
            Task.map(sample_tasks.reciprocal, [0, 1, 0]),
            mode=place.where,
            on_error="group",
            observers=[told],
        )

    check_grammar(told)
    assert {0, 2} == set(told.errors)
    assert told.end.error is None


# ---- time, stops and losses ---------------------------------------------------------------------


def test_a_task_that_is_overdue_takes_its_worker_along(mode: str, tmp_path: Path) -> None:
    """Where the worker can only be given up or killed; an event loop goes on."""
    told = Told()
    release = sample_tasks.release_for(mode, tmp_path)
    task = sample_tasks.overstay_async if mode == "async" else sample_tasks.overstay
    tasks = [Task(task, release), *Task.map(sample_tasks.give, range(3))]

    outcomes = run_concurrently(
        tasks, mode=mode, max_workers=1, timeout=1.0, on_error="collect", observers=[told]
    )

    if release is not None:
        release.set()
    check_grammar(told)
    assert [0, 1, 2, 3] == told.indices
    assert TaskTimeoutError is type(told.errors[0])
    [stopped] = [event.stopped for event in told.of(TaskEnded) if event.index == 0]
    assert outcomes[0].stopped == stopped
    assert (1 if mode == "async" else 2) == len(told.of(WorkerStarted)) == len(told.of(WorkerEnded))
    assert [] == told.of(WorkerCrashed)


def test_a_timeout_that_is_tried_again_is_told(tmp_path: Path) -> None:
    told = Told()
    path, release = str(tmp_path / "tries"), tmp_path / "release"

    [value] = run_concurrently(
        [Task(sample_tasks.wait_at_first, path, str(release))],
        mode="thread",
        timeout=1.0,
        retry=AT_ONCE,
        observers=[told],
    )

    release.touch()
    check_grammar(told)
    assert 2 == value
    [retried] = told.of(TaskRetried)
    assert (TaskTimeoutError, "abandoned") == (type(retried.error), retried.stopped)
    assert 2 == len({event.worker for event in told.of(WorkerEnded)})


@pytest.mark.parametrize("how", ["exit", "SIGTERM"])
def test_a_crash_is_told_with_its_worker(how: str) -> None:
    told = Told()
    tasks = [Task(sample_tasks.die_or_give, how if i == 2 else None, i) for i in range(6)]

    outcomes = run_concurrently(
        tasks, mode="process", max_workers=1, on_error="collect", observers=[told]
    )

    check_grammar(told)
    assert list(range(6)) == told.indices
    assert [2] == list(told.errors)
    [crash] = told.of(WorkerCrashed)
    assert (outcomes[2].error, outcomes[2].worker) == (crash.error, crash.worker)
    following = told.events[told.events.index(crash) + 1]
    assert (WorkerEnded, crash.worker) == (type(following), following.worker)
    others = {event.worker for event in told.of(TaskEnded) if event.index > 2}
    assert crash.worker not in others


def test_a_crash_inside_a_task_is_not_its_workers() -> None:
    """A task may fail with the crash of a worker of a run of its own."""
    told = Told()

    run_concurrently([run_that_crashes], mode="thread", on_error="collect", observers=[told])

    check_grammar(told)
    assert 1 == len(told.errors)
    assert [] == told.of(WorkerCrashed)


def run_that_crashes() -> None:
    run_concurrently([Task(sample_tasks.die_or_give, "exit", 0)], mode="process", max_workers=1)


@pytest.mark.parametrize("crashed", [True, False])
def test_a_worker_that_is_lost_with_all_it_had_is_told_after_its_tasks(crashed: bool) -> None:
    """As when a node of a cluster is gone: its tasks are failures, but not by themselves."""
    told = Told()
    error: Exception = WorkerCrashedError("gone") if crashed else TaskCancelledError("no answer")
    how: Any = None if crashed else "abandoned"
    failures = [(0, error), (1, error)]
    report = Report([None] * 2, failures, 1.0, 1.0, [2.0, 2.0], "node 1", how=how, gone=True)
    schedule = Schedule(Terms(workers=1, chunksize=2, fail_fast=False, strength="killed"))
    schedule.supply([Task(sample_tasks.nothing)] * 2)
    schedule.no_more()
    watch = Watch([told], number=1, mode="dask", terms=schedule.terms, endings=Endings(read([])))

    watch.begin()
    watch.launched(schedule.orders(0.0), 0.0)  # type: ignore[arg-type]
    watch.landed(report)
    schedule.ended(1, report, 2.0)
    for one in schedule.settled:
        watch.settled(one)
    watch.note_losses()

    kinds = [RunStarted, WorkerStarted, TaskEnded, TaskEnded]
    losses = [WorkerCrashed, WorkerEnded] if crashed else [WorkerEnded]
    assert [*kinds, *losses] == [type(event) for event in told.events]


def test_a_run_that_takes_too_long_says_so(tmp_path: Path) -> None:
    told = Told()
    release = threading.Event()
    tasks = [Task(sample_tasks.overstay, release)] * 3

    outcomes = run_concurrently(
        tasks, mode="thread", max_workers=2, total_timeout=0.2, on_error="collect", observers=[told]
    )

    release.set()
    check_grammar(told)
    assert [0, 1, 2] == told.indices
    assert {i: outcome.error for i, outcome in enumerate(outcomes)} == told.errors
    assert RunTimeoutError is type(told.end.error)


# ---- every run has one end ----------------------------------------------------------------------


def broken_input() -> Any:
    yield from Task.map(sample_tasks.give, range(5))
    raise Trouble("the input")


def test_an_input_that_raises_ends_the_run(place: Place, call: Call) -> None:
    told = Told()

    with pytest.raises(Trouble) as caught:
        call(broken_input(), mode=place.where, observers=[told])

    check_grammar(told)
    assert caught.value is told.end.error


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
@pytest.mark.parametrize("way", ["closed", "cancelled", "dropped", "left with an error"])
def test_a_stream_that_ends_early_ends_once(mode: str, way: str) -> None:
    over = threading.Event()
    told = Told(lambda event: over.set() if isinstance(event, RunEnded) else None)
    tasks = Task.map(sample_tasks.give, iter(range(100_000)))
    run = iter_concurrently(tasks, mode=mode, max_workers=2, observers=[told])

    next(run)
    if way == "closed":
        run.close()
        assert over.is_set()
    elif way == "cancelled":
        run.cancel()
        with pytest.raises(TaskCancelledError):
            list(run)
        assert over.is_set()
    elif way == "dropped":
        del run
        gc.collect()
    else:
        with pytest.raises(Trouble), run:
            raise Trouble
        assert over.is_set()

    assert over.wait(10)
    check_grammar(told)
    assert TaskCancelledError is type(told.end.error)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("mode", ["async", "thread"])
def test_an_awaited_stream_that_is_left_early_ends_once(mode: str, backend: str) -> None:
    import anyio

    told = Told()

    async def main() -> None:
        tasks = Task.map(sample_tasks.give_async, iter(range(100_000)))
        async with aio.iter_concurrently(tasks, mode=mode, observers=[told]) as run:
            async for _ in run:
                break
        assert isinstance(told.events[-1], RunEnded)

    anyio.run(main, backend=backend)

    check_grammar(told)
    assert TaskCancelledError is type(told.end.error)


def test_a_stream_tells_all_before_it_ends() -> None:
    told = Told()

    with iter_concurrently(
        Task.map(sample_tasks.reciprocal, [1, 0, 2]), on_error="collect", observers=[told]
    ) as run:
        count = sum(1 for _ in run)
        assert isinstance(told.events[-1], RunEnded)

    check_grammar(told)
    assert (3, None) == (count, told.end.error)


def test_a_stream_that_was_cancelled_before_it_began_has_a_beginning() -> None:
    told = Told()
    run = iter_concurrently(Task.map(abs, [1]), mode="thread", observers=[told])
    run.cancel()

    with pytest.raises(TaskCancelledError):
        next(run)

    check_grammar(told)


def test_cancelling_the_caller_is_told() -> None:
    told = Told()

    async def main() -> None:
        run = aio.run_concurrently(
            [Task(sample_tasks.sleep_async, 60)], mode="async", observers=[told]
        )
        task = asyncio.ensure_future(run)
        while not told.of(TaskStarted):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())

    check_grammar(told)
    assert asyncio.CancelledError is type(told.end.error)


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
def test_ctrl_c_is_told(mode: str) -> None:
    told = Told()

    with pytest.raises(KeyboardInterrupt) as caught:
        run_concurrently(
            [Task(sample_tasks.give, 1), interrupt, *[wait_a_little] * 50],
            mode=mode,
            max_workers=1,
            observers=[told],
        )

    check_grammar(told)
    assert KeyboardInterrupt is type(told.end.error)
    assert caught.value.args == told.end.error.args
    assert "interrupted" in str(told.end.error)


def interrupt() -> None:
    """Press Ctrl-C, which the main thread sees."""
    signal.raise_signal(signal.SIGINT)


def wait_a_little() -> None:
    threading.Event().wait(0.1)


def test_an_initializer_that_fails_is_told(mode: str) -> None:
    told = Told()

    with pytest.raises(InitializerError) as caught:
        run_concurrently(
            Task.map(sample_tasks.give, range(5)),
            mode=mode,
            max_workers=1,
            initializer=sample_tasks.fail,
            initargs=(ValueError,),
            observers=[told],
        )

    check_grammar(told)
    assert caught.value is told.end.error


def test_a_run_whose_end_never_came_has_one_before_the_call_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from concurkit._caller import Caller

    def fail(*args: Any) -> None:
        raise Trouble("before anything was told")

    monkeypatch.setattr(Caller, "run", fail)
    told = Told()

    with pytest.raises(Trouble):
        run_concurrently([sample_tasks.nothing], mode="thread", observers=[told])

    assert [RunStarted, RunEnded] == [type(event) for event in told.events]


def test_a_fault_of_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise Trouble("a fault")

    monkeypatch.setattr(Schedule, "ended", fail)
    told = Told()

    with pytest.raises(Trouble) as caught:
        run_concurrently([sample_tasks.nothing], mode="thread", observers=[told])

    assert caught.value is told.end.error
    assert [RunStarted, TaskStarted, RunEnded] == [type(event) for event in told.events]


# ---- observers that misbehave -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Trouble, SystemExit, GeneratorExit])
@pytest.mark.parametrize("fails_at", [RunStarted, TaskStarted, TaskEnded, WorkerEnded, RunEnded])
def test_an_observer_that_raises_is_dropped(
    caplog: pytest.LogCaptureFixture, fails_at: type[Any], kind: type[BaseException]
) -> None:
    def fail(event: Any) -> None:
        if isinstance(event, fails_at):
            raise kind

    bad, good = Told(fail), Told()

    found = run_concurrently(
        Task.map(sample_tasks.give, range(20)), mode="thread", chunksize=1, observers=[bad, good]
    )

    assert list(range(20)) == found
    check_grammar(good)
    assert fails_at is type(bad.events[-1])
    assert 1 == len(bad.of(fails_at))
    [record] = caplog.records
    assert ("concurkit", logging.ERROR) == (record.name, record.levelno)
    assert "Told object" in record.getMessage()
    assert record.exc_info is not None
    assert kind is record.exc_info[0]


def test_an_observer_may_ask_how_far_the_run_is_and_cancel_it() -> None:
    found = []

    def look(event: Any) -> None:
        if isinstance(event, TaskEnded):
            found.append(run.stats.done)
            run.cancel()

    told = Told(look)
    run = iter_concurrently(
        Task.map(sample_tasks.give, iter(range(1_000))),
        mode="thread",
        max_workers=1,
        observers=[told],
    )

    with pytest.raises(TaskCancelledError):
        list(run)

    check_grammar(told)
    assert [1] == found[:1]


def test_an_observer_can_close_its_run_but_not_read_it() -> None:
    """It is the run that waits for it, here in a worker's thread."""
    errors: list[BaseException] = []

    def read(event: Any) -> None:
        if threading.current_thread() is threading.main_thread() or errors:
            return
        try:
            while True:
                next(run)
        except RuntimeError as error:
            errors.append(error)
        with contextlib.suppress(RuntimeError), run:
            errors.append(AssertionError("it began the run again"))
        run.close()

    told = Told(read)
    tasks = Task.map(sample_tasks.sleep, iter([0.02] * 1_000))
    run = iter_concurrently(tasks, mode="thread", max_workers=1, observers=[told])

    with pytest.raises(TaskCancelledError):
        list(run)

    check_grammar(told)
    assert ["an observer of the run can't read it"] == [str(error) for error in errors]


@pytest.mark.parametrize("in_main", [True, False])
def test_ctrl_c_in_an_observer_ends_the_run_if_it_can_be_one(
    caplog: pytest.LogCaptureFixture, in_main: bool
) -> None:
    """Signals come to the main thread only; elsewhere it is an error as any other."""

    def fail(event: Any) -> None:
        if in_main == (threading.current_thread() is threading.main_thread()):
            raise KeyboardInterrupt

    bad, good = Told(fail), Told()

    def call() -> Any:
        tasks = Task.map(sample_tasks.sleep, [0.01] * 5)
        return run_concurrently(tasks, mode="thread", max_workers=1, observers=[bad, good])

    if in_main:
        with pytest.raises(KeyboardInterrupt):
            call()
        assert isinstance(bad.events[-1], RunEnded)
        assert KeyboardInterrupt is type(good.end.error)
        assert [] == caplog.records
    else:
        assert [None] * 5 == call()
        check_grammar(good)
        assert 1 == len(caplog.records)


@pytest.mark.filterwarnings("ignore:.*where an event loop runs:RuntimeWarning")
@pytest.mark.parametrize("inner", ["serial", "thread", "async"])
def test_an_observer_may_start_runs(place: Place, inner: str) -> None:
    inside = Told()

    def start(event: Any) -> None:
        if isinstance(event, RunStarted | RunEnded):
            found.append(
                run_concurrently(Task.map(sample_tasks.give, [7]), mode=inner, observers=[inside])
            )

    found: list[Any] = []
    told = Told(start)

    run_concurrently([Task(sample_tasks.give, 1)], mode=place.where, observers=[told])

    check_grammar(told)
    assert [[7], [7]] == found
    runs = {event.run for event in inside.events}
    assert 2 == len(runs)
    assert told.end.run not in runs


def test_one_observer_may_watch_several_runs_at_once() -> None:
    events: list[Any] = []

    class Many:
        def on_event(self, event: Any) -> None:
            events.append(event)

    many = Many()

    def start() -> None:
        run_concurrently(Task.map(sample_tasks.give, range(50)), mode="thread", observers=[many])

    run_concurrently([start] * 3, mode="thread", observers=[many, many])

    runs = {event.run for event in events}
    assert 4 == len(runs)
    assert 3 + 2 == sum(isinstance(event, RunEnded) for event in events)


# ---- a run inside a task ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
@pytest.mark.parametrize("observed", [True, False])
def test_a_run_knows_which_task_it_was_started_in(mode: str, observed: bool) -> None:
    outer, inner = Told(), [Told() for _ in range(4)]
    tasks = [Task(start_inside, one) for one in inner]

    run_concurrently(tasks, mode=mode, observers=[outer] if observed else ())

    inside = [told.events[0].inside for told in inner]
    assert [0, 1, 2, 3] == [index for _, index in inside]
    assert 1 == len({run for run, _ in inside})
    if observed:
        assert outer.end.run == inside[0][0]


def start_inside(told: Told) -> None:
    run_concurrently([sample_tasks.nothing], mode="serial", observers=[told])


def test_a_run_outside_of_tasks_is_in_none() -> None:
    told = Told()

    run_concurrently([Task(run_concurrently, [sample_tasks.nothing])], observers=[told])

    assert told.events[0].inside is None


def inside_here() -> object:
    told = Told()
    start_inside(told)
    return told.events[0].inside


def test_a_run_is_not_inside_of_one_whose_number_means_nothing_here() -> None:
    """The number is that of a run in another process, or there is none."""

    def submit() -> object:
        with ThreadExecutor(1) as executor:
            return executor.submit(inside_here).result()

    assert [None] == run_concurrently([inside_here], mode="process")
    assert [None] == run_concurrently([submit], mode="thread")


# ---- arguments ----------------------------------------------------------------------------------


class Plain:
    def on_event(self, event: observers.Event) -> None:
        """Take it in."""


class Awaited:
    async def on_event(self, event: observers.Event) -> None:
        """Never awaited."""


CALLS: list[Callable[..., Any]] = [
    run_concurrently,
    iter_concurrently,
    aio.iter_concurrently,
    lambda tasks, **options: asyncio.run(aio.run_concurrently(tasks, **options)),
]


@pytest.mark.parametrize("call", CALLS, ids=["run", "stream", "awaited stream", "awaited run"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Plain(), "put it into brackets"),
        (Plain, r"write observers=\[Plain\(\)\]"),
        ([Plain], r"write Plain\(\) where you wrote Plain\."),
        ("log", "observers is 'log'; it must be a list or tuple of observers"),
        (None, "observers is None"),
        (7, "observers is 7"),
        ([Plain(), print], r"observers has <built-in function print> in it.*on_event\(event\)"),
        (["log"], "observers has 'log' in it"),
        ([Awaited()], "without async"),
    ],
)
def test_what_is_no_observer_is_refused(call: Callable[..., Any], wrong: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call([sample_tasks.nothing], observers=wrong)


@pytest.mark.parametrize("make", [list, tuple, iter, set])
def test_any_iterable_of_observers_will_do(make: Callable[[Any], Any]) -> None:
    told = Told()

    run_concurrently([sample_tasks.nothing], observers=make([told]))

    check_grammar(told)


def test_any_object_with_on_event_is_an_observer() -> None:
    assert isinstance(Plain(), observers.Observer)
    assert not isinstance(print, observers.Observer)


def test_progress_is_one_observer_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before the others."""
    heard: list[str] = []
    asked: list[object] = []

    def stand_in(progress: object) -> Told:
        asked.append(progress)
        return Told(lambda event: heard.append("bar"))

    monkeypatch.setattr(progress_module, "observer_for", stand_in)
    told = Told(lambda event: heard.append("mine"))
    for progress in (True, False, "anything"):
        run_concurrently([sample_tasks.nothing], progress=progress, observers=[told])

    assert [True, "anything"] == asked
    assert ["bar", "mine"] * 2 == heard[:4]
    assert 2 * heard.count("mine") == 3 * heard.count("bar")


def test_a_run_without_observers_imports_none_of_this() -> None:
    code = (
        "import sys; from concurkit import Task, run_concurrently; "
        "run_concurrently(Task.map(abs, [1]), mode='thread'); "
        "print([name for name in sys.modules if 'watch' in name or 'observers' in name])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    said = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )

    assert "[]" == said.stdout.strip()


def test_stats_of_a_run_that_nobody_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler that raises ends the wait, and once more the wait for the run's end."""
    started, go = threading.Event(), threading.Event()
    found: list[Any] = []

    def wait() -> None:
        started.set()
        go.wait()

    def interrupted(caller: Caller) -> None:
        assert started.wait(20)
        raise Trouble

    def ask(event: Any) -> None:
        if isinstance(event, RunEnded):
            found.append(run.stats.started)
            go.set()

    def read() -> None:
        with contextlib.suppress(Trouble):
            next(run)

    monkeypatch.setattr(Caller, "get", interrupted)
    run = iter_concurrently([wait], mode="thread", observers=[Told(ask)])
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(20)

    assert [1] == found
    assert not reader.is_alive()
