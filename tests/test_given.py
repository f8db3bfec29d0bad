"""Executors that are not ours as a mode: the standard pools, loky, Dask, and odd ones."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from conftest import Call, examples, given_pool
from hypothesis import given
from hypothesis import strategies as st
from sample_tasks import square

from concurkit import Failure, Success, Task, iter_concurrently, run_concurrently
from concurkit.exceptions import (
    ResultNotPicklableError,
    RunTimeoutError,
    TaskNotPicklableError,
    TaskTimeoutError,
    UnknownModeError,
    WorkerCrashedError,
)

KINDS = ["thread", "process"]
if sys.version_info >= (3, 14):
    KINDS.append("interpreter")


@pytest.fixture(scope="module", params=KINDS)
def pool(request: pytest.FixtureRequest, fork_server: None) -> Iterator[Executor]:
    """A standard pool of each kind."""
    with given_pool(request.param) as pool:
        yield pool


@pytest.fixture(params=KINDS)
def own_pool(request: pytest.FixtureRequest, fork_server: None) -> Iterator[Executor]:
    """One for a test that leaves it busy or broken."""
    with given_pool(request.param) as pool:
        yield pool


# ---- executors of other shapes ------------------------------------------------------------------


class AtOnce:
    """Runs each call inside `submit`."""

    def __init__(self) -> None:
        self.shut_down = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True) -> None:
        self.shut_down = True


class CallsBackUnderItsLock:
    """Holds the lock that its `submit` takes while its futures call back."""

    num_workers = 2

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        assert self._lock.acquire(timeout=20), "submit() was called from a callback"
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            value = fn(*args, **kwargs)
            with self._lock:
                future.set_result(value)

        threading.Thread(target=run).start()
        self._lock.release()
        return future

    def shutdown(self) -> None:
        """Nothing to end."""


class PromisesOnly:
    """Gives something that is no future."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return "later"

    def shutdown(self) -> None:
        """Nothing to end."""


# ---- what holds everywhere ----------------------------------------------------------------------


def test_it_is_never_closed_by_us(call: Call, pool: Executor) -> None:
    """Not when a run ends, and not when it fails."""
    assert call(Task.map(square, range(3)), mode=pool) == [0, 1, 4]
    with pytest.raises(ZeroDivisionError):
        call(Task.map(sample_tasks.reciprocal, [1, 0, 2]), mode=pool)

    assert pool.submit(square, 3).result(timeout=20) == 9


@examples(8)
@given(st.integers(0, 400), st.sampled_from(["auto", 1, 7]), st.sampled_from([1, 2, 5]))
def test_it_gives_what_a_loop_gives(
    pool: Executor, count: int, chunksize: Any, max_workers: int
) -> None:
    """Whatever the batches, with more workers asked for than it has, too."""
    tasks = Task.map(square, range(count))
    found = run_concurrently(tasks, mode=pool, chunksize=chunksize, max_workers=max_workers)
    assert [square(number) for number in range(count)] == found


@pytest.mark.parametrize("max_workers", [None, 2, 8])
def test_law_3_at_most_as_many_as_asked_for(max_workers: int | None) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = run_concurrently(
            Task.map(sample_tasks.interval, [0.01] * 24), mode=pool, max_workers=max_workers
        )
    assert most_at_once(found) <= min(max_workers or 4, 4)


def most_at_once(intervals: list[tuple[float, float]]) -> int:
    edges = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    running = most = 0
    for _, step in edges:
        running += step
        most = max(most, running)
    return most


def test_an_overdue_task_is_abandoned_and_the_others_are_kept(
    call: Call, own_pool: Executor, tmp_path: Path
) -> None:
    """Law 7, as far as it goes from outside: the worker is busy until the task ends."""
    gate = str(tmp_path / "gate")
    tasks = [Task(sample_tasks.wait_for_file, gate), *Task.map(square, range(20))]
    start = time.monotonic()
    try:
        first, *others = call(tasks, mode=own_pool, timeout=0.5, on_error="collect")
        took = time.monotonic() - start
    finally:
        Path(gate).touch()

    assert TaskTimeoutError is type(first.error)
    assert first.stopped == "abandoned"
    assert [other for other in others if not isinstance(other, Success)] == []
    assert [square(number) for number in range(20)] == [other.value for other in others]
    assert took < 5


def test_a_batch_given_up_in_a_process_says_abandoned_of_each_task(
    fork_server: None, tmp_path: Path
) -> None:
    """Which of them ran can't be known there, so none is said to have been cancelled."""
    gate = str(tmp_path / "gate")
    with given_pool("process") as pool:
        try:
            outcomes = run_concurrently(
                [Task(sample_tasks.wait_for_file, gate)] * 3,
                mode=pool,
                max_workers=1,
                chunksize=3,
                total_timeout=1,
                on_error="collect",
            )
        finally:
            Path(gate).touch()
    assert [outcome.stopped for outcome in outcomes] == ["abandoned"] * 3


def test_what_waits_for_a_thread_of_others_is_not_overdue() -> None:
    """A timeout counts from the start, and here that comes late."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(4):
            pool.submit(time.sleep, 0.4)
        assert run_concurrently([Task(square, 3)], mode=pool, timeout=0.3) == [9]


def test_what_waits_for_a_worker_never_starts_once_the_run_is_over(
    call: Call, own_pool: Executor, tmp_path: Path
) -> None:
    gate, log = str(tmp_path / "gate"), tmp_path / "log"
    log.touch()
    busy = [own_pool.submit(sample_tasks.wait_for_file, gate) for _ in range(12)]

    with pytest.raises(RunTimeoutError):
        call(
            [Task(sample_tasks.append, str(log), "x")] * 5,
            mode=own_pool,
            max_workers=1,
            total_timeout=0.3,
        )

    Path(gate).touch()
    for future in busy:
        future.result(timeout=20)
    assert own_pool.submit(square, 2).result(timeout=20) == 4
    assert log.read_text() == ""


@pytest.mark.parametrize("count", [1, 40])
def test_what_cannot_be_sent_fails_alone(fork_server: None, count: int) -> None:
    lock = threading.Lock()
    arguments = [*range(count), lock, *range(count)]
    with given_pool("process") as pool:
        outcomes = run_concurrently(
            Task.map(sample_tasks.give, arguments), mode=pool, on_error="collect"
        )

    assert [type(one) for one in outcomes].count(Success) == 2 * count
    assert TaskNotPicklableError is type(outcomes[count].error)
    assert "args" in str(outcomes[count].error)


def test_what_cannot_come_back_fails_alone(pool: Executor) -> None:
    tasks = [
        Task(square, 2),
        Task(sample_tasks.unpicklable),
        Task(square, 3),
    ]
    outcomes = run_concurrently(tasks, mode=pool, on_error="collect", chunksize=3)

    assert [outcomes[0].value, outcomes[2].value] == [4, 9]
    if type(pool) is not ThreadPoolExecutor:
        assert ResultNotPicklableError is type(outcomes[1].error)


def test_lambdas_closures_and_async_functions(call: Call, pool: Executor) -> None:
    """Law 10."""
    by = 3
    tasks = [lambda: by * 2, Task(sample_tasks.give_async, "a"), partial(square, 4)]
    assert call(tasks, mode=pool) == [6, "a", 16]


def test_context_variables_reach_it_by_propagate(pool: Executor) -> None:
    variable = sample_tasks.VARIABLE
    token = variable.set("me")
    try:
        found = run_concurrently([lambda: variable.get()], mode=pool, propagate=[variable])
    finally:
        variable.reset(token)
    assert found == ["me"]


def test_a_stream_reads_no_further_than_it_may(pool: Executor) -> None:
    drawn = 0

    def numbers() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    tasks = Task.map(square, numbers())
    with iter_concurrently(tasks, mode=pool, max_workers=2, buffersize=3, ordered=True) as run:
        for read, value in enumerate(run, 1):
            assert square(read) == value
            assert drawn <= read + 2 + 3
            if read == 40:
                break


# ---- crashes and refusals -----------------------------------------------------------------------


@pytest.mark.parametrize("chunksize", [1, 10])
def test_a_crash_breaks_a_standard_pool_and_every_task_is_accounted_for(
    fork_server: None, tmp_path: Path, chunksize: int
) -> None:
    """Law 2 and law 4; what law 6 wants can't be had from outside."""
    log = tmp_path / "log"
    tasks = [
        Task(sample_tasks.append_pid_or_die, str(log), number, "exit" if number == 37 else None)
        for number in range(100)
    ]
    with given_pool("process") as pool:
        outcomes = run_concurrently(tasks, mode=pool, on_error="collect", chunksize=chunksize)

        assert len(outcomes) == 100
        errors = [one.error for one in outcomes if not isinstance(one, Success)]
        assert {WorkerCrashedError} == {type(error) for error in errors}
        assert isinstance(errors[0].__cause__, BrokenProcessPool)
        assert "mode='process'" in str(errors[0])
        words = [line.split()[1] for line in log.read_text().splitlines()]
        assert len(words) == len(set(words))
        assert not isinstance(outcomes[37], Success)

        with pytest.raises(BrokenProcessPool):
            run_concurrently(tasks[:3], mode=pool, on_error="collect")


@pytest.mark.parametrize("on_error", ["raise", "group", "collect"])
def test_one_that_was_shut_down_is_refused_before_anything_starts(
    call: Call, own_pool: Executor, on_error: str
) -> None:
    own_pool.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        call(Task.map(square, range(5)), mode=own_pool, on_error=on_error)


def test_one_that_is_shut_down_meanwhile_costs_no_outcome(call: Call, own_pool: Executor) -> None:
    def tasks() -> Iterator[Task[Any]]:
        yield Task(square, 2)
        own_pool.shutdown(wait=False, cancel_futures=True)
        for number in range(10):
            yield Task(square, number)

    first, *others = call(tasks(), mode=own_pool, on_error="collect", max_workers=1)

    assert first.value == 4
    assert [RuntimeError] * 10 == [type(one.error) for one in others]


@pytest.mark.parametrize(
    "mode", ["thread", "serial", "async", "process", "given", "kept"], ids=lambda mode: str(mode)
)
@pytest.mark.parametrize("required", ["cancel", "kill"])
def test_require_stop_refuses_what_cannot_stop(
    call: Call, mode: str, required: str, warm_processes: Executor
) -> None:
    with ThreadPoolExecutor(1) as pool:
        where: Any = {"given": pool, "kept": warm_processes}.get(mode, mode)
        tasks = [Task(sample_tasks.give_async, 1)]
        can = mode in {"process", "kept"} or (mode == "async" and required == "cancel")
        if can:
            assert call(tasks, mode=where, require_stop=required) == [1]
        else:
            with pytest.raises(ValueError, match=rf"require_stop is '{required}'.*mode='process'"):
                call(tasks, mode=where, require_stop=required)


@pytest.mark.parametrize("wrong", ["stop", 1, True])
def test_require_stop_names_its_choices(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"require_stop is .* 'cancel', 'kill'"):
        run_concurrently([Task(square, 1)], require_stop=wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initializer": print}, "initializer is given"),
        ({"inner_threads": 2}, "inner_threads is given"),
        ({"timeout": 1.0, "chunksize": 5}, "a timeout is given .* chunksize is 5"),
    ],
)
def test_what_it_cannot_do_is_refused(
    pool: Executor, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_concurrently([Task(square, 1)], mode=pool, **options)


# ---- odd ones -----------------------------------------------------------------------------------


def test_one_that_runs_each_call_at_once(call: Call) -> None:
    executor = AtOnce()
    found = call(Task.map(square, range(300)), mode=executor)
    assert [square(number) for number in range(300)] == found
    assert not executor.shut_down


def test_one_that_calls_back_under_the_lock_of_its_submit(call: Call) -> None:
    """As ProcessPoolExecutor does when it breaks, and Dask on its loop."""
    found = call(Task.map(square, range(50)), mode=CallsBackUnderItsLock(), chunksize=1)
    assert [square(number) for number in range(50)] == found


def test_one_that_gives_no_futures() -> None:
    with pytest.raises(TypeError, match=r"submit\(\) of .* gave 'later'.*add_done_callback"):
        run_concurrently([Task(square, 1)], mode=PromisesOnly())


@pytest.mark.parametrize("wrong", [ThreadPoolExecutor, object(), None, 7])
def test_what_is_no_executor_is_refused(wrong: Any) -> None:
    with pytest.raises(UnknownModeError, match=r"submit\(\) and shutdown\(\)"):
        run_concurrently([Task(square, 1)], mode=wrong)


def test_law_12_a_run_inside_a_task_of_the_same_pool() -> None:
    """With one worker it would wait for itself; so the worker runs those tasks, too."""
    with ThreadPoolExecutor(1) as pool:
        inner = partial(run_concurrently, [Task(square, 3)] * 2, mode=pool)
        middle = partial(run_concurrently, [inner], mode=pool, timeout=20)
        with ThreadPoolExecutor(1) as other:
            outer = partial(run_concurrently, [middle], mode=other)
            assert run_concurrently([outer], mode=pool) == [[[[9, 9]]]]


class Others:
    """What may be between an executor and its caller: here each future is what *make* gives."""

    def __init__(self, make: Callable[[Callable[..., Any]], Any]) -> None:
        self.make = make
        self.submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.submitted += 1
        return self.make(partial(fn, *args, **kwargs))

    def shutdown(self) -> None: ...


def done(value: object) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def cancelled() -> Future[Any]:
    future: Future[Any] = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    return future


class Bare:
    """A future that only calls back."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._value = fn()

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        fn(self)

    def cancelled(self) -> bool:
        return False

    def exception(self) -> None:
        return None

    def result(self) -> Any:
        return self._value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda fn: done(None), "gave None, .* make each call, once"),
        (lambda fn: done("dry run"), "gave 'dry run'"),
        (lambda fn: cancelled(), "cancels all it is given"),
    ],
    ids=["nothing", "something else", "cancelled"],
)
def test_what_never_makes_the_calls_is_told(call: Call, make: Any, message: str) -> None:
    """It is not asked for ever."""
    executor = Others(make)
    outcomes = call([Task(abs, -1)] * 3, mode=executor, on_error="collect", chunksize=1)
    assert {type(outcome) for outcome in outcomes} == {Failure}
    assert re.search(message, str(outcomes[0].error))
    assert executor.submitted < 20


def test_a_future_that_can_t_tell_that_it_runs(call: Call) -> None:
    """It need not, but for a timeout."""
    found = call(Task.map(square, range(9)), mode=Others(Bare), chunksize=1)
    assert found == [square(number) for number in range(9)]
    with pytest.raises(TypeError, match=r"with running\(\), for a timeout"):
        call([Task(square, 3)], mode=Others(Bare), timeout=1)


def test_a_future_that_breaks_fails_its_task(call: Call) -> None:
    """The thread that waits for it goes on."""

    def breaks(fn: Callable[..., Any]) -> Any:
        future = Bare(fn)
        future.exception = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        return future

    outcomes = call([Task(square, 3)] * 2, mode=Others(breaks), on_error="collect", chunksize=1)
    assert [type(outcome.error) for outcome in outcomes] == [ZeroDivisionError] * 2


def test_more_workers_than_cpus_where_an_executor_does_not_say(tmp_path: Path) -> None:
    """Its caller knows better: all six are there at once, or none ends."""
    with ThreadPoolExecutor(6) as pool:
        found = run_concurrently(
            [Task(sample_tasks.meet, str(tmp_path), 6)] * 6,
            mode=Others(pool.submit),
            max_workers=6,
            chunksize=1,
        )
    assert found == [None] * 6


def test_a_pool_with_a_launch_of_its_own_is_still_others() -> None:
    class Launches(ThreadPoolExecutor):
        def launch(self) -> None: ...

    with Launches(2) as pool:
        assert run_concurrently([Task(square, 3)], mode=pool) == [9]


def test_per_worker_gives_each_worker_of_it_one_value(pool: Executor) -> None:
    found = run_concurrently([sample_tasks.worker_number] * 30, mode=pool)
    assert 1 <= len(set(found)) <= 3
