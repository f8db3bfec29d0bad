"""The laws of streams: in every mode, read by a thread, and by a task on asyncio and on trio."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import asyncio
import gc
import math
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import pytest
import sample_tasks
import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from conftest import CALLS, MODES, Place, Remains, examples
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

from concurkit import (
    AsyncExecutor,
    Failure,
    Retry,
    Run,
    Success,
    Task,
    ThreadExecutor,
    aio,
    check_cancelled,
    iter_concurrently,
    run_concurrently,
)
from concurkit._worker_loop import has_loop
from concurkit.exceptions import (
    ResultNotPicklableError,
    RunTimeoutError,
    TaskCancelledError,
    TaskTimeoutError,
    WorkerCrashedError,
)

# The most tasks that a run draws beyond what was read, one for each worker apart.
MOST_AHEAD = 4096


# ---- three callers -------------------------------------------------------------------------------


class Bridge:
    """An async run, read from blocking code through a loop in another thread."""

    def __init__(self, portal: BlockingPortal, run: Any) -> None:
        self.portal = portal
        self.run = run

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        values, error = self.take(1)
        if error is not None:
            raise error
        return values[0]

    def __enter__(self) -> Self:
        self.portal.call(self.run.__aenter__)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.portal.call(self.run.__aexit__, kind, error, traceback)

    def take(self, most: float) -> tuple[list[Any], Exception | None]:
        """Up to so many results, and what the run raised instead of more."""
        taken: tuple[list[Any], Exception | None] = self.portal.call(self._take, self.run, most)
        return taken

    @staticmethod
    async def _take(run: Any, most: float) -> tuple[list[Any], Exception | None]:
        values: list[Any] = []
        try:
            while len(values) < most:
                values.append(await run.__anext__())
        except StopAsyncIteration:
            return values, StopIteration()
        except Exception as error:
            return values, error
        return values, None

    @property
    def stats(self) -> Any:
        return self.run.stats

    def cancel(self) -> None:
        self.run.cancel()

    def close(self) -> None:
        self.portal.call(self.run.aclose)


def take(run: Any, most: float) -> tuple[list[Any], Exception | None]:
    """Up to so many results, and what the run raised instead of more."""
    if isinstance(run, Bridge):
        return run.take(most)
    values: list[Any] = []
    try:
        while len(values) < most:
            values.append(next(run))
    except Exception as error:
        return values, error
    return values, None


def read(run: Any, most: float) -> list[Any]:
    """So many results."""
    values, error = take(run, most)
    assert error is None, error
    return values


def drain(run: Any) -> tuple[list[Any], Exception | None]:
    """All results to the end, and the error that the run ends with, if any."""
    values, error = take(run, math.inf)
    return values, None if isinstance(error, StopIteration) else error


def everything(run: Any) -> list[Any]:
    """All results of a run that ends well."""
    values, error = drain(run)
    assert error is None, error
    return values


Stream = Callable[..., Any]


@pytest.fixture(scope="module", params=CALLS)
def portal(request: pytest.FixtureRequest) -> Iterator[BlockingPortal | None]:
    """The way into a running loop; None for the caller that has none."""
    if request.param == "blocking":
        yield None
        return
    with start_blocking_portal(request.param) as portal:
        yield portal


@pytest.fixture
def stream(portal: BlockingPortal | None) -> Iterator[Stream]:
    """`iter_concurrently`, blocking or on a loop, where no task may be left."""
    if portal is None:
        yield iter_concurrently
        return
    before = portal.call(loop_tasks)
    yield lambda tasks, **options: Bridge(portal, aio.iter_concurrently(tasks, **options))
    wait_until(lambda: before >= portal.call(loop_tasks))


async def loop_tasks() -> int:
    """How many tasks the running loop has."""
    if asyncio._get_running_loop() is not None:
        return len(asyncio.all_tasks())
    return trio.lowlevel.current_statistics().tasks_living


class Input:
    """An input that counts what is drawn from it, and tells when it is closed."""

    def __init__(self, task: Callable[[int], Any], stop: float = math.inf) -> None:
        self.task = task
        self.stop = stop
        self.drawn = 0
        self.closed = threading.Event()

    def __call__(self) -> Iterator[Any]:
        try:
            for number in count():
                if number >= self.stop:
                    return
                self.drawn += 1
                yield self.task(number)
        finally:
            self.closed.set()


def gives(number: Any) -> Task[Any]:
    return Task(sample_tasks.give, number)


def gives_later(number: int) -> Task[Any]:
    return Task(sample_tasks.give_async, number)


kinds = st.sampled_from([gives, gives_later])
functions = st.sampled_from([sample_tasks.give, sample_tasks.give_async])
on_errors = st.sampled_from(["raise", "group", "collect"])
worker_counts = st.integers(1, 4)
chunksizes = st.just("auto") | st.integers(1, 40)
buffersizes = st.none() | st.integers(1, 20)
shapes = st.sampled_from(["map", "lazy map", "list", "generator", "mapping"])


def shaped(shape: str, fn: Callable[[Any], Any], arguments: list[Any]) -> Any:
    """Tasks of one function in a shape that they may be passed in."""
    if shape == "map":
        return Task.map(fn, arguments)
    if shape == "lazy map":
        return Task.map(fn, iter(arguments))
    tasks = [Task(fn, one) for one in arguments]
    if shape == "mapping":
        return {f"key {i}": task for i, task in enumerate(tasks)}
    return (task for task in tasks) if shape == "generator" else tasks


# ---- laziness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "serial", "thread", "process", "async"])
@pytest.mark.parametrize("entered", [False, True])
def test_nothing_is_drawn_before_the_run_begins(stream: Stream, mode: str, entered: bool) -> None:
    """Neither by the call nor by looking at the run; only by `next()` or `with`."""
    source = Input(gives, 3)

    run = stream(source(), mode=mode, max_workers=1)

    assert iter(run) is run
    assert (0, 0, 0, 0.0) == (
        run.stats.started,
        run.stats.done,
        run.stats.waiting,
        run.stats.elapsed,
    )
    assert 0 == source.drawn
    if entered:
        with run:
            assert [0, 1, 2] == sorted(everything(run))
    else:
        first = next(run)
        assert [0, 1, 2] == sorted([first, *everything(run)])


def test_a_run_that_never_begins_leaves_nothing(stream: Stream, mode: str) -> None:
    """Its input is not touched, whether it is dropped or closed."""
    dropped, closed = Input(gives), Input(gives)

    stream(dropped(), mode=mode)
    stream(closed(), mode=mode).close()

    assert (0, 0) == (dropped.drawn, closed.drawn)


def test_a_run_that_never_begins_lets_its_input_go(stream: Stream, mode: str) -> None:
    """A generator that nobody else holds is closed with the run."""
    source = Input(gives)
    tasks = source()
    next(tasks)
    run = stream(tasks, mode=mode)
    del tasks

    run.close()

    assert source.closed.is_set()
    with pytest.raises(TaskCancelledError):
        next(run)


def test_an_empty_input_ends_at_once(stream: Stream, place: Place) -> None:
    """And stays at its end."""
    empty: list[Any] = [[], {}, iter(()), Task.map(sample_tasks.give, [])]
    for tasks in empty:
        run = stream(tasks, mode=place.where)

        assert ([], None) == drain(run)
        assert ([], None) == drain(run)


# ---- completeness --------------------------------------------------------------------------------


@examples(6)
@given(
    st.integers(0, 60) | st.integers(500, 1500),
    functions,
    shapes,
    st.booleans(),
    worker_counts,
    buffersizes,
    chunksizes,
    on_errors,
)
def test_as_many_results_as_tasks(
    stream: Stream,
    place: Place,
    tasks: int,
    fn: Callable[[int], Any],
    shape: str,
    ordered: bool,
    max_workers: int,
    buffersize: int | None,
    chunksize: Any,
    on_error: str,
) -> None:
    """Each once; in the order of the input if asked for."""
    run = stream(
        shaped(shape, fn, list(range(tasks))),
        mode=place.where,
        max_workers=max_workers,
        buffersize=buffersize,
        chunksize=chunksize,
        ordered=ordered,
        on_error=on_error,
    )

    results = everything(run)

    if on_error == "collect":
        assert all(one.index == one.value for one in results)
        results = [one.value for one in results]
    assert list(range(tasks)) == (results if ordered else sorted(results))


@pytest.mark.parametrize("ordered", [False, True])
def test_as_many_results_as_tasks_from_new_processes(stream: Stream, ordered: bool) -> None:
    """Also from processes that are started for the run."""
    run = stream(Task.map(sample_tasks.give, range(400)), mode="process", ordered=ordered)

    results = everything(run)

    assert list(range(400)) == (results if ordered else sorted(results))


def test_results_come_as_tasks_end(stream: Stream, tmp_path: Path) -> None:
    """By default a slow task holds up no quick one; its own result comes last."""
    release = tmp_path / "release"
    slow = Task(sample_tasks.wait_for_file, str(release), "slow")

    with stream([slow, *[gives(1)] * 5], mode="thread", max_workers=2) as run:
        assert [1] * 5 == read(run, 5)
        release.touch()
        assert ["slow"] == everything(run)


def test_ordered_results_wait_for_their_turn(stream: Stream, tmp_path: Path) -> None:
    """A slow first task holds back what ended before it, and nothing is lost by it."""
    release = tmp_path / "release"
    slow = Task(sample_tasks.wait_for_file, str(release), "slow")

    def tasks() -> Iterator[Any]:
        yield slow
        yield from [gives(1)] * 3
        release.touch()
        yield gives(2)

    with stream(tasks(), mode="thread", max_workers=2, ordered=True, buffersize=10) as run:
        assert ["slow", 1, 1, 1, 2] == everything(run)


def test_a_result_is_read_while_other_tasks_run(stream: Stream, mode: str, tmp_path: Path) -> None:
    """The first result comes before the input has ended: it may depend on what was read."""
    results: list[Any] = []

    def tasks() -> Iterator[Any]:
        yield gives("first")
        for _ in range(50):
            if results:
                break
            yield gives("other")
        assert results, "nothing was read meanwhile"

    with stream(tasks(), mode=mode, max_workers=2, buffersize=3) as run:
        results += read(run, 1)
        assert {"first", "other"} >= set(everything(run))


def test_processes_run_the_tasks(stream: Stream) -> None:
    """In process mode, in as many others as asked for at most."""
    pids = everything(stream([sample_tasks.pid] * 20, mode="process", max_workers=2))

    assert 20 == len(pids)
    assert os.getpid() not in pids
    assert len(set(pids)) <= 2


def test_large_results_come_whole(stream: Stream, warm_processes: Any) -> None:
    """A megabyte each, more than any pipe holds."""
    sizes = [1 << 20] * 8

    results = everything(stream(Task.map(sample_tasks.big, sizes), mode=warm_processes))

    assert sizes == [len(one) for one in results]


# ---- no further ahead than asked -----------------------------------------------------------------


@examples(6)
@given(kinds, worker_counts, st.integers(1, 12), st.booleans(), chunksizes, on_errors)
def test_law_3_never_further_ahead(
    stream: Stream,
    place: Place,
    task: Callable[[int], Any],
    max_workers: int,
    buffersize: int,
    ordered: bool,
    chunksize: Any,
    on_error: str,
) -> None:
    """Of an endless input, at most `max_workers + buffersize` more than were read."""
    source = Input(task)
    options = {"ordered": ordered, "chunksize": chunksize, "on_error": on_error}

    with stream(
        source(), mode=place.where, max_workers=max_workers, buffersize=buffersize, **options
    ) as run:
        for taken in range(1, 60):
            read(run, 1)
            assert source.drawn <= taken + max_workers + buffersize

    assert source.closed.is_set()


@examples(4)
@given(st.integers(1, 3), st.integers(1, 40), st.booleans())
def test_law_3_never_further_ahead_with_tiny_tasks(
    stream: Stream, place: Place, max_workers: int, buffersize: int, ordered: bool
) -> None:
    """So it is for tasks of one function, which travel in batches."""
    drawn = [0]

    def numbers() -> Iterator[int]:
        for number in count():
            drawn[0] += 1
            yield number

    with stream(
        Task.map(sample_tasks.give, numbers()),
        mode=place.where,
        max_workers=max_workers,
        buffersize=buffersize,
        ordered=ordered,
    ) as run:
        for taken in range(20, 400, 20):
            read(run, 20)
            assert drawn[0] <= taken + max_workers + buffersize


def test_law_3_by_default_a_thousand_ahead_at_most(stream: Stream, place: Place) -> None:
    """`buffersize=None` lets the window grow with batches of tiny tasks, and no further."""
    drawn, most = [0], 0

    def numbers() -> Iterator[int]:
        for number in count():
            drawn[0] += 1
            yield number

    with stream(Task.map(sample_tasks.give, numbers()), mode=place.where, max_workers=2) as run:
        for taken in range(50, 4_000, 50):
            read(run, 50)
            most = max(most, drawn[0] - taken)

    assert most <= MOST_AHEAD + 2


@pytest.mark.parametrize("mode", ["thread", "process", "async"])
@pytest.mark.parametrize("ordered", [False, True])
def test_the_workers_go_on_while_nobody_reads(stream: Stream, mode: str, ordered: bool) -> None:
    """A reader that does something else finds a window of results ready, and no more."""
    tasks = Task.map(sample_tasks.give, range(1_000_000))

    with stream(tasks, mode=mode, max_workers=2, buffersize=30, ordered=ordered) as run:
        for taken in (1, 40, 41):
            read(run, taken - {1: 0, 40: 1, 41: 40}[taken])
            wait_until(lambda: run.stats.done >= 2 + 30 and not run.stats.running)
            assert run.stats.done <= taken + 2 + 30


@pytest.mark.parametrize("mode", ["thread", "process", "async"])
def test_a_slow_reader_slows_the_workers(stream: Stream, mode: str) -> None:
    """However slow it is, unread results are bounded by the window."""
    tasks = Task.map(sample_tasks.give, range(1_000_000))

    with stream(tasks, mode=mode, max_workers=2, buffersize=5) as run:
        for taken in range(1, 15):
            read(run, 1)
            time.sleep(0.003)  # a slow reader
            stats = run.stats
            assert stats.done <= taken + 2 + 5


@examples(3)
@given(st.integers(1, 3), st.integers(1, 3), st.booleans(), st.sampled_from([1, 50]))
def test_tasks_that_fail_leave_the_window_open(
    stream: Stream, place: Place, max_workers: int, buffersize: int, ordered: bool, chunksize: int
) -> None:
    """With "group" a task that fails gives no result, and the run goes on all the same."""
    run = stream(
        Task.map(sample_tasks.reciprocal, iter([0] * 20 + [1])),
        mode=place.where,
        max_workers=max_workers,
        buffersize=buffersize,
        ordered=ordered,
        chunksize=chunksize,
        on_error="group",
    )

    values, error = drain(run)

    assert [1.0] == values
    assert isinstance(error, ExceptionGroup)
    assert [ZeroDivisionError] * 20 == [type(one) for one in error.exceptions]


@pytest.mark.parametrize("ordered", [False, True])
def test_an_endless_input_is_read_as_far_as_needed(
    stream: Stream, place: Place, ordered: bool
) -> None:
    """The `with` block may be left at any time."""
    with stream(Task.map(sample_tasks.give, count()), mode=place.where, ordered=ordered) as run:
        results = read(run, 300)

    assert 300 == len(set(results))
    if ordered:
        assert list(range(300)) == results


# ---- failures ------------------------------------------------------------------------------------


@examples(5)
@given(st.integers(0, 30), st.booleans(), shapes, functions)
def test_the_first_failure_ends_the_run(
    stream: Stream,
    place: Place,
    position: int,
    ordered: bool,
    shape: str,
    fn: Callable[[Any], Any],
) -> None:
    """With its own exception and the usual note, once what had ended was read."""
    asynchronous = fn is sample_tasks.give_async
    function = sample_tasks.reciprocal_async if asynchronous else sample_tasks.reciprocal
    numbers = [1.0] * 31
    numbers[position] = 0
    run = stream(shaped(shape, function, numbers), mode=place.where, ordered=ordered)

    values, error = drain(run)

    assert isinstance(error, ZeroDivisionError)
    assert any(note.startswith(f"task {position} ") for note in error.__notes__)
    assert {1.0} >= set(values)
    assert len(values) <= (position if ordered else 30)
    assert 1 <= run.stats.failed  # those that it stopped are counted as well
    assert ([], None) == drain(run)


@pytest.mark.parametrize("ordered", [False, True])
def test_what_had_ended_before_a_failure_is_read(stream: Stream, mode: str, ordered: bool) -> None:
    """One worker: all that comes before the task that fails."""
    tasks = [gives(0), gives(1), Task(sample_tasks.fail, ValueError, "wrong"), gives(3)]

    values, error = drain(stream(tasks, mode=mode, max_workers=1, ordered=ordered))

    assert [0, 1] == values[:2]
    assert "wrong" == str(error)


def test_an_endless_run_ends_with_a_failure(stream: Stream, place: Place) -> None:
    """Nothing more is drawn then."""
    source = Input(lambda i: Task(sample_tasks.fail_at, 7, KeyError, i))

    values, error = drain(stream(source(), mode=place.where, max_workers=3, buffersize=4))

    assert isinstance(error, KeyError)
    assert source.drawn <= len(values) + 3 + 4
    assert source.closed.is_set()


@examples(4)
@given(st.lists(st.sampled_from([0, 1, 2]), max_size=40), st.booleans(), buffersizes, shapes)
def test_group_leaves_failures_out_and_raises_them_at_the_end(
    stream: Stream,
    place: Place,
    numbers: list[int],
    ordered: bool,
    buffersize: int | None,
    shape: str,
) -> None:
    """All of them, in the order of the tasks."""
    run = stream(
        shaped(shape, sample_tasks.reciprocal, numbers),
        mode=place.where,
        ordered=ordered,
        buffersize=buffersize,
        on_error="group",
    )

    values, error = drain(run)

    good = [1 / number for number in numbers if number]
    bad = [position for position, number in enumerate(numbers) if not number]
    assert good == values if ordered else sorted(good) == sorted(values)
    if not bad:
        assert error is None
    else:
        assert isinstance(error, ExceptionGroup)
        noted = [int(one.__notes__[0].split()[1]) for one in error.exceptions]
        assert bad == noted


@examples(4)
@given(st.lists(st.sampled_from([0, 1, 2]), max_size=40), st.booleans(), buffersizes, shapes)
def test_collect_gives_an_outcome_for_each(
    stream: Stream,
    place: Place,
    numbers: list[int],
    ordered: bool,
    buffersize: int | None,
    shape: str,
) -> None:
    """With its index, its key and what it came to; the run ends well."""
    run = stream(
        shaped(shape, sample_tasks.reciprocal, numbers),
        mode=place.where,
        ordered=ordered,
        buffersize=buffersize,
        on_error="collect",
    )

    outcomes = everything(run)

    if not ordered:
        outcomes.sort(key=lambda one: one.index)
    assert list(range(len(numbers))) == [one.index for one in outcomes]
    assert [1 / n if n else ZeroDivisionError for n in numbers] == [
        one.value if isinstance(one, Success) else type(one.error) for one in outcomes
    ]
    if shape == "mapping":
        assert [f"key {i}" for i in range(len(numbers))] == [one.key for one in outcomes]
    else:
        assert {None} >= {one.key for one in outcomes}
    assert {"reciprocal"} >= {one.name for one in outcomes}
    assert {1} >= {one.attempts for one in outcomes}


def test_a_crash_and_a_bad_result_cost_one_task_each(stream: Stream) -> None:
    """The others give their values."""
    tasks = {
        "good": gives(1),
        "dies": sample_tasks.exit_now,
        "can't be sent": sample_tasks.unpicklable,
        "as good": gives(2),
    }

    outcomes = everything(stream(tasks, mode="process", max_workers=2, on_error="collect"))

    assert {
        "good": 1,
        "dies": WorkerCrashedError,
        "can't be sent": ResultNotPicklableError,
        "as good": 2,
    } == {one.key: one.value if isinstance(one, Success) else type(one.error) for one in outcomes}


def test_a_task_over_its_timeout_fails_alone(stream: Stream, mode: str, tmp_path: Path) -> None:
    """The stream goes on."""
    release = sample_tasks.release_for(mode, tmp_path)
    linger = sample_tasks.linger_async if mode == "async" else sample_tasks.linger
    tasks = [Task(linger, release, overdue) for overdue in (False, True, False)]

    outcomes = everything(
        stream(tasks, mode=mode, max_workers=2, timeout=0.3, on_error="collect", ordered=True)
    )

    if release is not None:
        release.set()
    first, second, third = outcomes
    assert isinstance(first, Success)
    assert isinstance(third, Success)
    assert isinstance(second.error, TaskTimeoutError)


def test_retries_are_counted_and_give_one_result(stream: Stream, mode: str, tmp_path: Path) -> None:
    """A task that fails at first gives one result all the same."""
    tasks = [
        Task(sample_tasks.fail_until, str(tmp_path / f"{i}"), 1 + i % 2, ValueError)
        for i in range(6)
    ]

    with stream(
        tasks,
        mode=mode,
        max_workers=2,
        retry=Retry(attempts=2, on=ValueError, wait_initial=0.001, wait_jitter=0),
        on_error="collect",
        ordered=True,
    ) as run:
        outcomes = everything(run)

    assert [1, 2] * 3 == [one.value for one in outcomes]
    assert [1, 2] * 3 == [one.attempts for one in outcomes]
    stats = run.stats
    assert (6, 0, 3, 9) == (stats.done, stats.failed, stats.retried, stats.started)


# ---- inputs that misbehave -----------------------------------------------------------------------


@examples(4)
@given(st.integers(0, 30), st.booleans(), on_errors, kinds, buffersizes)
def test_an_input_that_raises_ends_the_run(
    stream: Stream,
    place: Place,
    good: int,
    ordered: bool,
    on_error: str,
    task: Callable[[int], Any],
    buffersize: int | None,
) -> None:
    """With its own error, noted with the position, after all that it gave before was read."""

    def tasks() -> Iterator[Any]:
        for i in range(good):
            yield task(i)
        raise LookupError("no more")

    run = stream(
        tasks(), mode=place.where, ordered=ordered, on_error=on_error, buffersize=buffersize
    )

    values, error = drain(run)

    assert isinstance(error, LookupError)
    assert [f"raised while reading task {good} of the input"] == error.__notes__
    found = [one.index if on_error == "collect" else one for one in values]
    assert list(range(good)) == (found if ordered else sorted(found))


def test_what_had_ended_before_the_input_raised_is_read(stream: Stream, mode: str) -> None:
    """One worker reads on when it is free: then all that came before has ended, and is read."""

    def tasks() -> Iterator[Any]:
        for i in range(5):
            yield gives(i)
        raise LookupError("no more")

    run = stream(tasks(), mode=mode, max_workers=1, chunksize=1, buffersize=20)

    values, error = drain(run)

    assert isinstance(error, LookupError)
    assert [0, 1, 2, 3, 4][: 5 - 2 * (mode == "process")] == values[: 5 - 2 * (mode == "process")]


@pytest.mark.parametrize("bad", [3, "text", None, [sample_tasks.nothing]])
def test_an_item_that_is_no_task_ends_the_run(stream: Stream, place: Place, bad: Any) -> None:
    """With its position, when it is read."""

    def tasks() -> Iterator[Any]:
        yield gives(0)
        yield gives(1)
        yield bad

    _, error = drain(stream(tasks(), mode=place.where))

    assert isinstance(error, TypeError)
    assert "task 2 is " in str(error)


def test_an_input_that_reads_the_run_is_refused(stream: Stream, place: Place) -> None:
    """It can't wait for what waits for it."""

    def tasks() -> Iterator[Any]:
        yield gives(0)
        if isinstance(run, Bridge):
            at_once(run.run.__anext__())
        else:
            next(run)
        pytest.fail("it was let in")

    run = stream(tasks(), mode=place.where)

    _, error = drain(run)

    assert isinstance(error, RuntimeError)
    assert "input" in str(error)


def test_an_input_that_reads_the_run_first_of_all_is_refused(stream: Stream, mode: str) -> None:
    """Also where the run does not even know yet where its tasks will run."""
    entered = []

    def tasks() -> Iterator[Any]:
        entered.append(1)
        if len(entered) > 1:
            pytest.fail("it was let in")
        if isinstance(run, Bridge):
            at_once(run.run.__anext__())
        else:
            next(run)
        yield gives(0)

    run = stream(tasks(), mode=mode)

    _, error = drain(run)

    assert isinstance(error, RuntimeError)
    assert "input" in str(error)


def test_an_input_that_reads_the_run_loses_nothing(stream: Stream, place: Place) -> None:
    """It is refused, or given a result that was ready; what it does not take is the reader's."""
    taken: list[Any] = []

    def tasks() -> Iterator[Any]:
        for i in range(20):
            yield gives(i)
            with suppress(RuntimeError):
                taken.append(next(run) if isinstance(run, Run) else at_once(run.run.__anext__()))

    run = stream(tasks(), mode=place.where)

    assert list(range(20)) == sorted([*everything(run), *taken])


def at_once(coroutine: Any) -> Any:
    """What a coroutine comes to that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    pytest.fail("it waits")


def test_an_input_may_end_the_run(stream: Stream, place: Place) -> None:
    """By cancel(), which waits for nothing."""

    def tasks() -> Iterator[Any]:
        for i in range(5):
            yield gives(i)
        run.cancel()
        yield from map(gives, count(5))

    run = stream(tasks(), mode=place.where, buffersize=3)

    values, error = drain(run)

    assert isinstance(error, TaskCancelledError)
    assert len(values) == len(set(values)) < 100


def test_an_input_may_close_its_run(place: Place) -> None:
    """Which then ends at once; the reader is told."""

    def tasks() -> Iterator[Any]:
        yield gives(0)
        run.close()
        yield from map(gives, count(1))

    run: Run[Any] = iter_concurrently(tasks(), mode=place.where, buffersize=3)

    values, error = drain(run)

    assert isinstance(error, TaskCancelledError)
    assert len(values) == len(set(values)) < 100


def test_a_serial_task_that_reads_its_run_is_refused() -> None:
    """It fails alone."""
    tasks: list[Any] = [gives(0), lambda: next(run), gives(2)]
    run: Run[Any] = iter_concurrently(tasks, mode="serial", on_error="group")

    values, error = drain(run)

    assert [0, 2] == values
    assert isinstance(error, ExceptionGroup)
    assert "serial task can't read the run" in str(error.exceptions[0])


# ---- cancel --------------------------------------------------------------------------------------


def elsewhere(fn: Callable[[], Any]) -> None:
    """Call *fn* in another thread and wait for it."""
    thread = threading.Thread(target=fn)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_a_run_that_was_cancelled_before_it_begins_starts_nothing(
    stream: Stream, mode: str, tmp_path: Path
) -> None:
    """Whoever reads it is told."""
    path = tmp_path / "started"
    run = stream([Task(sample_tasks.append, str(path), i) for i in range(5)], mode=mode)

    elsewhere(run.cancel)
    values, error = drain(run)

    assert [] == values
    assert isinstance(error, TaskCancelledError)
    assert not path.exists()
    assert 0 == run.stats.started


@pytest.mark.parametrize("mode", ["thread", "process", "async"])
def test_cancel_wakes_a_reader_that_waits(stream: Stream, mode: str, tmp_path: Path) -> None:
    """From any thread, in the middle: what had ended was read, then the reader is told."""
    path = tmp_path / "started"
    wait: Any = {
        "thread": sample_tasks.note_and_watch,
        "process": sample_tasks.note_and_overstay,
        "async": sample_tasks.note_and_overstay_async,
    }[mode]
    tasks = [gives(0), gives(1), Task(wait, str(path), None), *map(gives, range(50))]
    run = stream(tasks, mode=mode, max_workers=1)

    def cancel() -> None:
        wait_until(path.exists)
        run.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    values, error = drain(run)
    thread.join()

    assert [0, 1] == values
    assert isinstance(error, TaskCancelledError)
    assert "cancelled" in str(error)
    assert ([], None) == drain(run)


@pytest.mark.parametrize("ordered", [False, True])
def test_results_of_a_cancelled_run_are_never_silently_short(
    stream: Stream, place: Place, ordered: bool
) -> None:
    """All of them, or an error."""
    for moment in (0, 1, 3, 40, 199, 200):
        run = stream(
            Task.map(sample_tasks.give, iter(range(200))), mode=place.where, ordered=ordered
        )
        before = read(run, moment)

        run.cancel()
        after, error = drain(run)

        values = before + after
        assert len(values) == len(set(values))
        if ordered:
            assert list(range(len(values))) == values
        assert 200 == len(values) if error is None else isinstance(error, TaskCancelledError)


def test_cancel_after_the_end_changes_nothing(stream: Stream, place: Place) -> None:
    """The results are whole, and the end is the end."""
    run = stream(Task.map(sample_tasks.give, range(5)), mode=place.where)
    assert list(range(5)) == sorted(everything(run))

    run.cancel()

    assert ([], None) == drain(run)
    assert 5 == run.stats.done


def test_cancelled_tasks_have_outcomes(stream: Stream, mode: str, tmp_path: Path) -> None:
    """With "collect" each task that was drawn has one; the run ends well if these are all."""
    path = tmp_path / "started"
    wait: Any = {
        "process": sample_tasks.note_and_overstay,
        "async": sample_tasks.note_and_overstay_async,
    }.get(mode, sample_tasks.note_and_watch)
    tasks = {"a": gives(0), "b": Task(wait, str(path), None), "c": gives(2)}
    run = stream(tasks, mode=mode, max_workers=1, buffersize=5, on_error="collect")

    def cancel() -> None:
        wait_until(path.exists)
        run.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    outcomes, error = drain(run)
    thread.join()

    ends = {one.key: one for one in outcomes}
    assert isinstance(ends["a"], Success)
    assert isinstance(ends["b"].error, TaskCancelledError)
    assert 1 == ends["b"].attempts
    if "c" not in ends:  # it was never drawn
        assert isinstance(error, TaskCancelledError)
    else:
        assert error is None
        assert isinstance(ends["c"].error, TaskCancelledError)
        assert 0 == ends["c"].attempts
        assert "never started" in ends["c"].error.__notes__[0]


def test_a_cancelled_run_with_more_to_come_says_so(stream: Stream, place: Place) -> None:
    """With "collect" too: what was never drawn has no outcome."""
    source = Input(gives)
    run = stream(source(), mode=place.where, buffersize=5, on_error="collect")
    before = read(run, 5)

    run.cancel()
    after, error = drain(run)

    assert isinstance(error, TaskCancelledError)
    outcomes = before + after
    assert list(range(source.drawn)) == sorted(one.index for one in outcomes)


# ---- ending it -----------------------------------------------------------------------------------

ENDINGS = ["close", "break", "error", "base error"]


def end(run: Any, ending: str) -> None:
    """Begin a run, read a little, and end it in that way."""
    if ending == "close":
        read(run, 3)
        run.close()
        return
    error = {"error": ValueError, "base error": GeneratorExit}.get(ending)
    with nullcontext() if error is None else pytest.raises(error, match="in the body"), run:
        for number, _ in enumerate(run):
            if number == 2:
                if error is not None:
                    raise error("in the body")
                break


@pytest.mark.parametrize("ending", ENDINGS)
def test_law_8_nothing_outlives_a_run_that_is_left(
    stream: Stream, mode: str, ending: str, temp_home: Path
) -> None:
    """The moment that it is closed, nothing of it is left, and its input was closed."""
    source = Input(gives)
    run = stream(source(), mode=mode, max_workers=2)
    before = Remains.now(temp_home)

    end(run, ending)

    assert [] == Remains.now(temp_home) - before
    assert source.closed.is_set()
    drawn = source.drawn
    with pytest.raises(TaskCancelledError, match="closed before its end"):
        next(run)
    assert drawn == source.drawn


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_kept_executor_outlives_a_run_that_is_left(
    stream: Stream, place: Place, ending: str
) -> None:
    """The next run on it is complete."""
    end(stream(Input(gives)(), mode=place.where), ending)

    again = stream(Task.map(sample_tasks.give, range(100)), mode=place.where)
    assert list(range(100)) == sorted(everything(again))


@pytest.mark.parametrize("mode", ["process", "async"])
def test_what_runs_is_stopped_when_the_run_is_left(
    stream: Stream, mode: str, temp_home: Path
) -> None:
    """Tasks that would take a minute are killed or cancelled."""
    before = Remains.now(temp_home)
    tasks = [gives(0), *[Task(sample_tasks.overstay_async, None)] * 4]
    began = time.monotonic()

    with stream(tasks, mode=mode, max_workers=2) as run:
        assert [0] == read(run, 1)

    assert [] == Remains.now(temp_home) - before
    assert time.monotonic() - began < 20


def test_threads_are_waited_for_when_the_run_is_left(stream: Stream, tmp_path: Path) -> None:
    """They can't be stopped, but they are told."""
    path = tmp_path / "started"
    ended = tmp_path / "ended"

    with stream([Task(sample_tasks.note_and_watch, str(path), str(ended))], mode="thread"):
        wait_until(path.exists)

    assert ended.exists()


def test_close_may_be_called_again(stream: Stream, place: Place) -> None:
    """Before, after, and instead of the end of a `with` block."""
    with stream(Task.map(sample_tasks.give, count()), mode=place.where) as run:
        read(run, 1)
        run.close()
        run.close()
    run.close()

    with pytest.raises(TaskCancelledError):
        next(run)


def test_close_after_the_end_changes_nothing(stream: Stream, place: Place) -> None:
    """Whoever read all of the run may go on to ask."""
    with stream(Task.map(sample_tasks.give, range(5)), mode=place.where) as run:
        assert 5 == len(everything(run))
    run.close()

    assert ([], None) == drain(run)


def test_close_drops_what_was_not_read(stream: Stream, mode: str) -> None:
    """A run that was closed with results waiting says that it was cut short."""
    run = stream(Task.map(sample_tasks.give, range(50)), mode=mode)
    read(run, 1)

    run.close()

    values, error = drain(run)
    assert [] == values
    assert isinstance(error, TaskCancelledError) or 50 == run.stats.done


@pytest.mark.parametrize("mode", ["thread", "process", "async"])
def test_a_reader_in_another_thread_is_told_of_close(mode: str, tmp_path: Path) -> None:
    """Its results end with an error, not as if they were all."""
    path = tmp_path / "started"
    wait = sample_tasks.note_and_overstay_async if mode == "async" else sample_tasks.note_and_watch
    run = iter_concurrently(
        [gives(0), Task(wait, str(path), None), gives(2)], mode=mode, max_workers=1
    )
    ends: list[Any] = []
    reader = threading.Thread(target=lambda: ends.extend(drain(run)))
    reader.start()
    wait_until(path.exists)

    run.close()

    reader.join(30)
    assert [0] == ends[0]
    assert isinstance(ends[1], TaskCancelledError)


def test_a_task_that_waits_is_told_of_aclose() -> None:
    """An async reader too."""

    async def main() -> None:
        ends: list[Any] = []
        run = aio.iter_concurrently([Task(sample_tasks.overstay_async, None)], mode="async")

        async def reader() -> None:
            try:
                await run.__anext__()
            except Exception as error:
                ends.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            while not run.stats.running:
                await anyio.sleep(0.001)
            await run.aclose()
        assert [TaskCancelledError] == [type(one) for one in ends]

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)


# ---- dropping it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [0, 1, 50])
def test_law_8_nothing_outlives_a_run_that_is_dropped(
    stream: Stream, mode: str, moment: int, temp_home: Path
) -> None:
    """With its last reference the run ends by itself."""
    before = Remains.now(temp_home)
    source = Input(gives)
    run = stream(source(), mode=mode, max_workers=2)
    read(run, moment)

    del run
    gc.collect()

    if moment:
        wait_until(source.closed.is_set, 30)
    wait_until(lambda: not Remains.now(temp_home) - before)


def test_a_loop_that_is_left_drops_its_run(mode: str) -> None:
    """`for` over a run that nobody else holds, with a `break`."""
    source = Input(gives)

    for value in iter_concurrently(source(), mode=mode, max_workers=2):
        if value > 20:
            break
    gc.collect()

    wait_until(source.closed.is_set, 30)


@pytest.mark.parametrize("mode", ["process", "async"])
def test_what_runs_is_stopped_when_the_run_is_dropped(stream: Stream, mode: str) -> None:
    """Tasks that would take a minute are killed or cancelled; the check of law 8 follows."""
    source = Input(lambda i: Task(sample_tasks.overstay_async, None) if i else gives(0))
    run = stream(source(), mode=mode, max_workers=2)
    read(run, 1)

    del run
    gc.collect()

    wait_until(source.closed.is_set, 30)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("on", ["serial", "thread", "process", "async"])
def test_a_loop_may_end_under_an_open_run(backend: str, on: str, temp_home: Path) -> None:
    """It is ended with the loop, or when it is dropped after that."""
    before = Remains.now(temp_home)
    source = Input(gives)

    async def main() -> None:
        async for _ in aio.iter_concurrently(source(), mode=on, max_workers=2):
            break

    anyio.run(main, backend=backend)
    gc.collect()

    wait_until(source.closed.is_set, 30)
    wait_until(lambda: not Remains.now(temp_home) - before)


ENDS_AT_ONCE = """
import sys, time
from concurkit import Task, iter_concurrently

def begun():
    run = iter_concurrently([Task(abs, -1), Task(time.sleep, 0.2)], mode=sys.argv[1], ordered=True)
    print(next(run))
    return run

runs = [begun() for _ in range(8)]
del runs
"""


def test_a_program_may_end_right_after_it_dropped_a_run(mode: str) -> None:
    """Both the thread that ends the run and the end of the program wait for it."""
    command = [sys.executable, "-c", ENDS_AT_ONCE, mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "1\n" * 8, "") == (done.returncode, done.stdout, done.stderr)


# ---- several readers -----------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [False, True])
def test_threads_may_share_a_run(place: Place, ordered: bool) -> None:
    """Each result goes to one of them, and each of them comes to the end."""
    run = iter_concurrently(
        Task.map(sample_tasks.give, iter(range(1500))), mode=place.where, ordered=ordered
    )
    found: list[list[int]] = [[], [], []]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(run)) for mine in found]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not any(thread.is_alive() for thread in threads)
    assert list(range(1500)) == sorted(value for mine in found for value in mine)
    if ordered:
        assert all(mine == sorted(mine) for mine in found)


def test_threads_that_share_a_run_see_its_error_once(place: Place) -> None:
    """One of them; the others come to the end."""
    tasks = Task.map(sample_tasks.fail_at, [500] * 3000, [ValueError] * 3000, range(3000))
    run = iter_concurrently(tasks, mode=place.where, ordered=True)
    ends: list[Any] = []
    threads = [threading.Thread(target=lambda: ends.append(drain(run))) for _ in range(3)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not any(thread.is_alive() for thread in threads)
    assert [ValueError] == [type(error) for _, error in ends if error is not None]
    values = sorted(value for values, _ in ends for value in values)
    assert list(range(len(values))) == values


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_second_task_that_reads_is_refused(backend: str, tmp_path: Path) -> None:
    """The first is not disturbed."""
    release = tmp_path / "release"

    async def main() -> None:
        run = aio.iter_concurrently(
            [Task(sample_tasks.wait_for_file, str(release), "value")], mode="thread"
        )
        results: list[Any] = []
        reads = anyio.Event()

        async def reader() -> None:
            reads.set()
            results.extend([value async for value in run])

        async with run, anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await reads.wait()
            with pytest.raises(RuntimeError, match="another task reads this run"):
                await run.__anext__()
            release.touch()
        assert ["value"] == results

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("kind", ["thread", "process", "async"])
def test_two_runs_on_one_executor(stream: Stream, kind: str, warm_processes: Any) -> None:
    """Read in turns, both are complete."""
    executor = warm_processes if kind == "process" else None
    with ThreadExecutor(2) as threads, AsyncExecutor(2) as loop:
        mode = executor or (threads if kind == "thread" else loop)
        first = stream(Task.map(sample_tasks.give, iter(range(500))), mode=mode, ordered=True)
        second = stream(Task.map(sample_tasks.give, iter(range(500))), mode=mode, ordered=True)
        pairs: list[tuple[Any, Any]] = []
        for _ in range(10):
            pairs += zip(read(first, 50), read(second, 50), strict=True)

        assert [(i, i) for i in range(500)] == pairs
        assert ([], None) == drain(first) == drain(second)


@pytest.mark.parametrize("kind", ["thread", "async"])
def test_closing_one_run_harms_no_other(stream: Stream, kind: str, tmp_path: Path) -> None:
    """Not on the same executor either."""
    release = tmp_path / "release"
    with ThreadExecutor(2) as threads, AsyncExecutor(2) as loop:
        mode: Any = threads if kind == "thread" else loop
        tasks = [Task(sample_tasks.wait_for_file, str(release), i) for i in range(3)]
        other = stream(tasks, mode=mode, max_workers=1, ordered=True)
        with other, stream(Task.map(sample_tasks.give, count()), mode=mode, max_workers=1) as run:
            read(run, 10)
            run.close()
            release.touch()
            assert [0, 1, 2] == everything(other)


# ---- runs inside runs ----------------------------------------------------------------------------


@pytest.mark.parametrize("within", MODES)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_law_12_a_stream_inside_a_task_of_another(
    stream: Stream, mode: str, within: str, asynchronous: bool
) -> None:
    """Whichever modes meet."""
    if (mode, within) == ("interpreter", "process"):
        pytest.skip("Python's process pools don't work there: see test_interpreters")

    fn: Any = sample_tasks.stream_inside_async if asynchronous else sample_tasks.stream_inside
    tasks = Task.map(fn, [within] * 2, [5, 6])

    assert [10, 15] == everything(stream(tasks, mode=mode, max_workers=2, ordered=True))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("make", [ThreadExecutor, AsyncExecutor])
def test_law_12_a_stream_on_the_executor_that_its_task_runs_on(
    stream: Stream, make: Any, asynchronous: bool
) -> None:
    """Though the tasks that wait take all its seats."""
    fn: Any = sample_tasks.stream_inside_async if asynchronous else sample_tasks.stream_inside
    with make(2) as executor:
        tasks = Task.map(fn, [executor] * 4, [5] * 4)

        assert [10] * 4 == everything(stream(tasks, mode=executor))


def test_a_stream_may_feed_another(stream: Stream, place: Place) -> None:
    """A pipeline: the results of one run are the input of the next."""
    first = iter_concurrently(Task.map(sample_tasks.give, range(100)), mode="thread", buffersize=4)

    second = stream(Task.map(sample_tasks.add, first, [1] * 100), mode=place.where, buffersize=4)

    assert list(range(1, 101)) == sorted(everything(second))


# ---- stats ---------------------------------------------------------------------------------------


def test_stats_at_the_end_are_exact(stream: Stream, place: Place) -> None:
    """All that ended and nothing else."""
    numbers = [1, 0, 2, 0, 0, 4, 8]
    run = stream(Task.map(sample_tasks.reciprocal, numbers), mode=place.where, on_error="group")
    drain(run)

    stats = run.stats

    assert (7, 4, 3, 0, 0, 0) == (
        stats.started,
        stats.done,
        stats.failed,
        stats.retried,
        stats.running,
        stats.waiting,
    )
    assert stats.elapsed > 0
    assert 7 / stats.elapsed == pytest.approx(stats.rate)
    assert stats == run.stats


def test_stats_know_what_runs_and_what_waits(stream: Stream, tmp_path: Path) -> None:
    """Two run, the others wait in a window of two and three."""
    release, started = tmp_path / "release", tmp_path / "started"
    task = Task(sample_tasks.tell_and_wait_for_file, str(started), str(release))

    with stream([task] * 10, mode="thread", max_workers=2, buffersize=3) as run:
        wait_until(lambda: started.exists() and 2 == len(started.read_text().split()))
        stats = run.stats
        release.touch()
        assert 10 == len(everything(run))

    assert (2, 0, 0, 2) == (stats.started, stats.done, stats.failed, stats.running)
    assert stats.waiting <= 3
    assert stats.elapsed > 0
    assert 0.0 == stats.rate


@pytest.mark.parametrize("retrying", [False, True])
def test_stats_from_another_thread_add_up(stream: Stream, place: Place, retrying: bool) -> None:
    """At any time: nothing is counted twice, nothing that was counted goes back."""
    total = 800
    numbers = [i % 40 if retrying else 1 for i in range(total)]
    run = stream(
        Task.map(sample_tasks.reciprocal, numbers),
        mode=place.where,
        retry=Retry(attempts=2, on=ZeroDivisionError, wait_initial=0, wait_jitter=0)
        if retrying
        else None,
        on_error="group",
    )
    wrong: list[Any] = []
    over = threading.Event()

    def watch() -> None:
        last = run.stats
        while not over.is_set():
            stats = run.stats
            ended = stats.done + stats.failed
            right = (
                stats.done >= last.done
                and stats.failed >= last.failed
                and stats.retried >= last.retried
                and ended + stats.running + stats.waiting <= total
                and stats.started <= ended + stats.retried + stats.running
                and min(stats.running, stats.waiting, stats.done) >= 0
            )
            if not right:
                wrong.append((last, stats))
            last = stats
            time.sleep(0.0001)  # or it would hardly let the others run

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        values, _ = drain(run)
    finally:
        over.set()
        watcher.join()

    assert [] == wrong[:2]
    zeros = numbers.count(0)
    assert total - zeros == len(values)
    stats = run.stats
    assert (total - zeros, zeros, zeros if retrying else 0) == (
        stats.done,
        stats.failed,
        stats.retried,
    )


def test_what_was_read_was_done(stream: Stream, place: Place) -> None:
    """A result in hand is counted by then."""
    with stream(Task.map(sample_tasks.give, range(300)), mode=place.where) as run:
        for taken in range(5, 301, 5):
            read(run, 5)
            assert taken <= run.stats.done <= 300


# ---- limits on the whole run ---------------------------------------------------------------------


def test_total_timeout_ends_a_stream(stream: Stream, mode: str) -> None:
    """With what had ended read before."""
    wait: Any = {
        "process": sample_tasks.note_and_overstay,
        "async": sample_tasks.note_and_overstay_async,
    }.get(mode, sample_tasks.note_and_watch)
    path = os.devnull
    tasks = [gives(0), gives(1), Task(wait, path, None), gives(3)]
    began = time.monotonic()

    # New interpreters are among the time, and on a busy machine take half a second to start.
    limit = 2.0 if mode == "interpreter" else 1.0
    values, error = drain(stream(tasks, mode=mode, max_workers=1, total_timeout=limit))

    assert limit <= time.monotonic() - began < 15
    # A process may take its time to start.
    assert [0, 1] == values or mode == "process"
    assert isinstance(error, RunTimeoutError)
    assert f"total_timeout of {limit:g} s" in str(error)


def test_total_timeout_of_an_endless_stream(stream: Stream, place: Place) -> None:
    """However quick its tasks are."""
    values, error = drain(stream(Input(gives)(), mode=place.where, total_timeout=0.1))

    assert isinstance(error, RunTimeoutError)
    assert len(values) == len(set(values))


@pytest.mark.parametrize("endless", [False, True])
def test_total_timeout_with_collect(stream: Stream, mode: str, endless: bool) -> None:
    """What was drawn has an outcome; if there was more, the error comes after these."""
    wait: Any = {
        "process": sample_tasks.overstay,
        "async": sample_tasks.overstay_async,
    }.get(mode, sample_tasks.watch)
    source = Input(lambda i: Task(wait, None) if i == 1 else gives(i), math.inf if endless else 3)
    run = stream(
        source(), mode=mode, max_workers=1, buffersize=4, total_timeout=0.6, on_error="collect"
    )

    outcomes, error = drain(run)

    assert list(range(source.drawn)) == sorted(one.index for one in outcomes)
    assert sum(one.attempts for one in outcomes) == run.stats.started
    failures = [one for one in outcomes if isinstance(one, Failure)]
    assert failures
    assert {RunTimeoutError} == {type(one.error) for one in failures}
    if endless:
        assert isinstance(error, RunTimeoutError)
    elif error is None:
        assert 3 == len(outcomes)
    else:  # the run had not yet seen that the input had no more
        assert isinstance(error, RunTimeoutError)


def test_total_timeout_counts_from_the_beginning(stream: Stream) -> None:
    """Not from the call."""
    run = stream([gives(1)], mode="thread", total_timeout=1.0)
    time.sleep(1.1)

    assert [1] == everything(run)


def test_a_slow_reader_has_no_total_timeout_left(stream: Stream) -> None:
    """It counts until the last result has come, whoever is slow."""
    with stream(Input(gives)(), mode="thread", total_timeout=0.1, buffersize=2) as run:
        read(run, 1)
        time.sleep(0.2)
        _, error = drain(run)

    assert isinstance(error, RunTimeoutError)


def test_starts_of_a_stream_are_spaced(stream: Stream, mode: str) -> None:
    """Twenty per second: six tasks need a quarter of a second at least."""
    began = time.monotonic()

    values = everything(stream(map(gives, range(6)), mode=mode, max_workers=3, max_per_second=20))

    assert time.monotonic() - began >= 5 / 20 - 0.02
    assert list(range(6)) == sorted(values)


# ---- interrupted and cancelled readers -----------------------------------------------------------


def test_ctrl_c_in_the_body_says_how_far_it_came(stream: Stream, mode: str) -> None:
    """One line, as from a call that is interrupted."""
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        stream(Task.map(sample_tasks.give, range(50)), mode=mode, chunksize=1, buffersize=1) as run,
    ):
        read(run, 3)
        raise KeyboardInterrupt

    assert re.fullmatch(
        r"interrupted: \d+ done, \d+ running, \d+ not started", str(caught.value)
    ), repr(caught.value)
    assert 50 == sum(map(int, re.findall(r"\d+", str(caught.value))))


def test_ctrl_c_of_somebody_else_keeps_its_text(stream: Stream) -> None:
    """What was raised with a text of its own is left as it is."""
    with (
        pytest.raises(KeyboardInterrupt, match="mine"),
        stream(Task.map(sample_tasks.give, range(50)), mode="thread"),
    ):
        raise KeyboardInterrupt("mine")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("on", ["thread", "process", "async"])
@pytest.mark.parametrize("entered", [False, True])
def test_cancelling_a_reader_that_waits_ends_the_run(
    backend: str, on: str, entered: bool, tmp_path: Path, temp_home: Path
) -> None:
    """And leaves nothing behind; the run is over for others too."""
    path = tmp_path / "started"
    wait: Any = {
        "thread": sample_tasks.note_and_watch,
        "process": sample_tasks.note_and_overstay,
        "async": sample_tasks.note_and_overstay_async,
    }[on]

    async def main() -> None:
        before = Remains.now(temp_home)
        run = aio.iter_concurrently([gives(0), Task(wait, str(path), None)], mode=on, max_workers=1)
        results = []

        async def reader() -> None:
            async with run if entered else nullcontext():
                async for value in run:
                    results.append(value)  # noqa: PERF401  (it is cancelled in the middle)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            while not path.exists():
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
        assert results in ([], [0])
        assert [] == Remains.now(temp_home) - before
        with pytest.raises(TaskCancelledError):
            await run.__anext__()

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_loop_goes_on_while_a_stream_is_read(backend: str, tmp_path: Path) -> None:
    """Serial tasks, too, leave it free: another task of the loop lets the first one end."""
    release = tmp_path / "release"

    async def main(on: str) -> None:
        async def let_go() -> None:
            await anyio.sleep(0.01)
            release.touch()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(let_go)
            task = Task(sample_tasks.wait_for_file, str(release), "value")
            async with aio.iter_concurrently([task], mode=on) as run:
                assert ["value"] == [value async for value in run]
        release.unlink()

    for on in ("serial", "thread", "async"):
        anyio.run(main, on, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_reading_a_full_buffer_lets_the_loop_go_on(backend: str) -> None:
    """Results that are ready don't keep other tasks of the loop from their turn."""

    async def main() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.sleep(0)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            async with aio.iter_concurrently(
                Task.map(sample_tasks.give_async, range(20_000)), mode="async"
            ) as run:
                total = 0
                async for value in run:
                    total += value
            tasks.cancel_scope.cancel()
        assert sum(range(20_000)) == total
        assert turns > 20

    anyio.run(main, backend=backend)


# ---- bad input -----------------------------------------------------------------------------------

both = pytest.mark.parametrize(
    "make", [iter_concurrently, aio.iter_concurrently], ids=["blocking", "async"]
)

BAD: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"buffersize": 0}, ValueError),
    ({"buffersize": -1}, ValueError),
    ({"buffersize": True}, TypeError),
    ({"buffersize": 1.5}, TypeError),
    ({"buffersize": "x"}, TypeError),
    ({"ordered": 1}, TypeError),
    ({"ordered": None}, TypeError),
    ({"ordered": "yes"}, TypeError),
    ({"retry": 0}, ValueError),
    ({"retry": -2}, ValueError),
    ({"retry": True}, TypeError),
    ({"retry": 1.5}, TypeError),
    ({"retry": ValueError}, TypeError),
    ({"max_per_second": 0}, ValueError),
    ({"max_per_second": -3}, ValueError),
    ({"max_per_second": math.nan}, ValueError),
    ({"max_per_second": math.inf}, ValueError),
    ({"max_per_second": True}, TypeError),
    ({"max_per_second": "5"}, TypeError),
    ({"total_timeout": -1}, ValueError),
    ({"total_timeout": 0}, ValueError),
    ({"total_timeout": math.nan}, ValueError),
    ({"total_timeout": True}, TypeError),
    ({"timeout": -1}, ValueError),
    ({"timeout": math.inf}, ValueError),
    ({"max_workers": 0}, ValueError),
    ({"max_workers": False}, TypeError),
    ({"chunksize": 0}, ValueError),
    ({"chunksize": "many"}, TypeError),
    ({"on_error": "ignore"}, ValueError),
    ({"on_error": None}, TypeError),
    ({"mode": "threads"}, ValueError),
    ({"mode": 3}, ValueError),
    ({"progress": 3}, TypeError),
    ({"observers": print}, TypeError),
    ({"warn_after": 0}, ValueError),
]


@pytest.mark.parametrize(
    ("options", "kind"), BAD, ids=[f"{k}={v}" for one, _ in BAD for k, v in one.items()]
)
@both
def test_law_11_bad_options_are_refused_at_once(
    make: Any, options: dict[str, Any], kind: type[Exception]
) -> None:
    """With the argument and its value in the message, and nothing drawn."""
    source = Input(gives)
    [(name, value)] = options.items()

    with pytest.raises(kind) as caught:
        make(source(), **options)

    assert kind in type(caught.value).__mro__
    assert name in str(caught.value)
    if name != "progress":
        assert repr(value) in str(caught.value)
    assert 0 == source.drawn


@pytest.mark.parametrize("tasks", [None, 3, "text", b"bytes", sample_tasks.nothing, gives(1)])
@both
def test_law_11_what_is_no_input_is_refused_at_once(make: Any, tasks: Any) -> None:
    """By the call itself."""
    with pytest.raises(TypeError):
        make(tasks)


@pytest.mark.parametrize("shape", ["list", "tuple", "mapping"])
@both
def test_law_11_a_list_is_checked_whole(make: Any, shape: str) -> None:
    """An item that is no task is refused by the call, with its position."""
    items = [gives(0), gives(1), 3]
    tasks: Any = {"list": items, "tuple": tuple(items), "mapping": dict(enumerate(items))}[shape]

    with pytest.raises(TypeError, match="task 2 is 3"):
        make(tasks, mode="thread")


def test_law_11_an_executor_that_was_shut_down_is_refused(stream: Stream) -> None:
    """Before anything is drawn."""
    source = Input(gives)
    executor = ThreadExecutor(1)
    executor.shutdown()

    with pytest.raises(RuntimeError, match="shut down"):
        stream(source(), mode=executor)

    assert 0 == source.drawn


def test_check_cancelled_in_the_body_of_a_stream_does_nothing(stream: Stream) -> None:
    """The reader is no task."""
    with stream(Task.map(sample_tasks.give, count()), mode="serial") as run:
        read(run, 1)
        run.cancel()
        check_cancelled()


def test_each_task_of_an_overlong_run_starts_once(
    stream: Stream, place: Place, tmp_path: Path
) -> None:
    """Law 4, with a reader that stops in the middle: none starts twice, no other at all."""
    path = tmp_path / "started"
    source = Input(lambda i: Task(sample_tasks.append, str(path), i))

    with stream(source(), mode=place.where, buffersize=6) as run:
        values = read(run, 40)

    started = Counter(int(word) for word in path.read_text().split())
    assert {1} == set(started.values())
    assert set(values) <= set(started) <= set(range(source.drawn))


# ---- where a loop runs ---------------------------------------------------------------------------


def test_the_blocking_stream_warns_where_a_loop_runs() -> None:
    """It works, and holds up that loop; the warning names the line that called it."""

    async def main() -> list[int]:
        with pytest.warns(
            RuntimeWarning, match=r"iter_concurrently .* aio\.iter_concurrently"
        ) as w:
            run = iter_concurrently([gives(1)], mode="thread")
        assert __file__ == w[0].filename
        return list(run)

    assert [1] == asyncio.run(main())


def test_a_reader_in_another_thread_leaves_no_loop_of_its_own() -> None:
    """Also where the thread that began the run had one already."""

    def inside() -> list[Any]:
        found: list[Any] = []

        def read() -> None:
            found.extend((list(run), has_loop()))

        with iter_concurrently([Task(sample_tasks.give_async, 1)], mode="serial") as run:
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
        return found

    tasks = [Task(sample_tasks.give_async, 0), inside]
    assert [0, [[1], False]] == run_concurrently(tasks, mode="serial")
