"""Ours are real `concurrent.futures.Executor`s: what its documentation says, without its faults."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    Executor,
    as_completed,
    wait,
)
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st

from concurkit import AsyncExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor
from concurkit.exceptions import InitializerError, RunTimeoutError, WorkerCrashedError

MAKE: dict[str, Callable[[], Executor]] = {
    "serial": SerialExecutor,
    "thread": lambda: ThreadExecutor(2),
    "process": lambda: ProcessExecutor(2),
    "async": lambda: AsyncExecutor(2),
}
ONE: dict[str, Callable[[], Executor]] = {
    "thread": lambda: ThreadExecutor(1),
    "process": lambda: ProcessExecutor(1),
    "async": lambda: AsyncExecutor(1),
}
OVERLAPPING = pytest.mark.parametrize("mode", ONE, scope="module")
LONG = 30.0  # seconds after which a test gives up


def read_all(results: Iterator[Any]) -> list[Any]:
    """All results of a map; what it raised in place of a result, by its type and its text."""
    found: list[Any] = []
    while True:
        try:
            found.append(next(results))
        except StopIteration:
            return found
        except BaseException as error:
            found.append((type(error), str(error)))
        assert len(found) < 100_000


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.001)


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


class Gate:
    """A call that holds up the only worker until it is let go on, and calls behind it."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def map(self, executor: Executor, calls: int, **options: Any) -> Iterator[Any]:
        """Calls of which the first has started."""
        results = executor.map(
            sample_tasks.gated, [str(self._place)] * calls, range(calls), **options
        )
        wait_until((self._place / "started").exists)
        return results

    def open(self) -> None:
        (self._place / "go").touch()

    @property
    def passed(self) -> list[str]:
        """The calls behind the first that ran."""
        return lines(self._place / "ran")


# ---- map: the same as the built-in --------------------------------------------------------------


@examples(25)
@given(
    numbers=st.lists(st.integers(-3, 3), max_size=40),
    more=st.lists(st.integers(), max_size=40),
    way=st.sampled_from(["one", "two", "async"]),
    chunksize=st.integers(1, 9),
    buffersize=st.none() | st.integers(1, 50),
)
def test_map_gives_what_a_loop_gives(
    executor: Executor,
    numbers: list[int],
    more: list[int],
    way: str,
    chunksize: int,
    buffersize: int | None,
) -> None:
    """Values and errors in the order of the input, and none of them lost, whatever the sizes."""
    fn, inputs = {
        "one": (sample_tasks.reciprocal, (numbers,)),
        "two": (sample_tasks.add, (numbers, more)),
        "async": (sample_tasks.reciprocal_async, (numbers,)),
    }[way]
    plain = sample_tasks.add if way == "two" else sample_tasks.reciprocal
    expected: list[Any] = []
    for args in zip(*inputs, strict=False):
        try:
            expected.append(plain(*args))
        except ZeroDivisionError as error:
            expected.append((type(error), str(error)))

    results = executor.map(fn, *inputs, chunksize=chunksize, buffersize=buffersize)

    assert expected == read_all(results)


def test_map_with_a_generator_reads_all_of_it_first(executor: Executor) -> None:
    """Without a buffersize, as documented; and with nothing to call there is nothing to read."""
    numbers = iter(range(5))

    results = executor.map(sample_tasks.give, numbers)

    assert [] == list(numbers)
    assert [0, 1, 2, 3, 4] == list(results)
    assert [] == list(executor.map(sample_tasks.give, []))
    assert [] == list(executor.map(sample_tasks.give))


def test_map_starts_without_being_read(executor: Executor, tmp_path: Path) -> None:
    """Dropping the iterator at once takes nothing back."""
    executor.map(sample_tasks.append, [str(tmp_path / "a")] * 200, range(200))
    executor.map(sample_tasks.append, [str(tmp_path / "b")] * 9, count(), buffersize=20)
    gc.collect()

    wait_until(lambda: len(lines(tmp_path / "a")) == 200)
    wait_until(lambda: len(lines(tmp_path / "b")) == 9)


def test_a_large_map_of_tiny_calls(executor: Executor, mode: str) -> None:
    """They travel in batches, and nobody can tell."""
    size = 2_000 if mode == "async" else 20_000

    assert list(range(size)) == list(executor.map(sample_tasks.give, range(size)))


def test_calls_run_at_the_same_time(mode: str, executor: Executor, tmp_path: Path) -> None:
    """As many as there are workers; for a serial one, one after the other."""
    if mode == "serial":
        assert [1] == list(executor.map(sample_tasks.give, [1]))
        return
    workers = executor.max_workers  # type: ignore[attr-defined]

    met = executor.map(sample_tasks.meet, [str(tmp_path)] * workers, [workers] * workers)

    assert [None] * workers == list(met)


def test_a_chunk_travels_to_one_process() -> None:
    """To be taken for what it is; 1 leaves it to us."""
    with ProcessExecutor(2) as executor:
        workers = list(executor.map(sample_tasks.pid_later, [0.02] * 20, chunksize=5))

    assert [1] * 4 == [len(set(workers[i : i + 5])) for i in range(0, 20, 5)]


@pytest.mark.parametrize("mode", ["thread", "async"], scope="module")
def test_a_chunk_holds_nobody_up_elsewhere(mode: str, tmp_path: Path) -> None:
    """As in the standard library it is for processes: these two calls need each other."""
    with MAKE[mode]() as executor:
        met = executor.map(sample_tasks.meet, [str(tmp_path)] * 2, [2] * 2, chunksize=2)

        assert [None, None] == list(met)


# ---- map: errors --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, TimeoutError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("options", [{}, {"timeout": LONG}, {"buffersize": 2}])
def test_an_error_costs_one_result(
    executor: Executor, kind: type[BaseException], options: dict[str, Any]
) -> None:
    """A task's own TimeoutError too, which is not the map's."""
    results = executor.map(sample_tasks.fail_at, [2] * 6, [kind] * 6, range(6), **options)

    assert [0, 1] == [next(results), next(results)]
    with pytest.raises(kind) as caught:
        next(results)
    assert not isinstance(caught.value, RunTimeoutError)
    assert any("task 2 fail_at(" in note for note in caught.value.__notes__)
    assert [3, 4, 5] == list(results)


def test_a_stop_iteration_does_not_cut_the_results_short(executor: Executor) -> None:
    """To an iterator it would say that it has ended."""
    results = executor.map(sample_tasks.fail_at, [1] * 4, [StopIteration] * 4, range(4))

    first = next(results)
    with pytest.raises(RuntimeError, match="task 1 raised StopIteration") as caught:
        next(results)
    assert isinstance(caught.value.__cause__, StopIteration)
    assert [0, 2, 3] == [first, *results]


def failing_input(good: int) -> Iterator[int]:
    yield from range(good)
    raise LookupError("no more input")


def test_an_input_that_raises_before_anything_started(executor: Executor, tmp_path: Path) -> None:
    """Nothing starts, and `map` raises what it raised."""
    for buffersize in [None, 9]:
        paths = (str(tmp_path / "ran") for _ in failing_input(3))
        with pytest.raises(LookupError, match="no more input"):
            executor.map(sample_tasks.append, paths, range(5), buffersize=buffersize)

    assert [] == lines(tmp_path / "ran")


def test_an_input_that_raises_later_comes_after_the_results(executor: Executor) -> None:
    """With a buffer: all that was submitted is read first, and the end is never taken for one."""
    results = executor.map(sample_tasks.give, failing_input(7), buffersize=3)

    assert [0, 1, 2, 3, 4, 5, 6, (LookupError, "no more input")] == read_all(results)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"chunksize": 0}, ValueError, "chunksize is 0"),
        ({"chunksize": "auto"}, TypeError, "chunksize is 'auto'"),
        ({"buffersize": 0}, ValueError, "buffersize is 0"),
        ({"buffersize": -1}, ValueError, "buffersize is -1"),
        ({"buffersize": "2"}, TypeError, "buffersize is '2'"),
        ({"buffersize": 2.0}, TypeError, "buffersize is 2.0"),
        ({"timeout": "2"}, TypeError, "timeout is '2'"),
        ({"timeout": float("nan")}, ValueError, "timeout is nan"),
    ],
)
def test_arguments_out_of_range_are_refused(
    executor: Executor, options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    """At the call, before the input is read."""
    numbers = iter(range(3))

    with pytest.raises(kind, match=text):
        executor.map(sample_tasks.give, numbers, **options)
    with pytest.raises(TypeError, match="a function first"):
        executor.map(numbers)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        executor.map(sample_tasks.give, 5)  # type: ignore[arg-type]
    assert [0, 1, 2] == list(numbers)


# ---- map: buffersize ----------------------------------------------------------------------------


@examples(20)
@given(buffersize=st.integers(1, 7), length=st.integers(0, 20), chunksize=st.integers(1, 3))
def test_a_buffer_is_kept_full_and_no_fuller(
    executor: Executor, buffersize: int, length: int, chunksize: int
) -> None:
    """So many calls are submitted and not yet read: at once, and after each result."""
    drawn = 0

    def numbers() -> Iterator[int]:
        nonlocal drawn
        for number in range(length):
            drawn += 1
            yield number

    results = executor.map(sample_tasks.give, numbers(), buffersize=buffersize, chunksize=chunksize)

    assert min(buffersize, length) == drawn
    for number in range(length):
        assert number == next(results)
        assert min(number + 1 + buffersize, length) == drawn
    assert [] == list(results)


@examples(10)
@given(buffersize=st.integers(8, 300))
def test_a_large_buffer_is_never_overfull(executor: Executor, buffersize: int) -> None:
    """It may be filled again in parts."""
    drawn = iter(count())
    results = executor.map(sample_tasks.give, drawn, buffersize=buffersize)

    for number in range(60):
        assert number == next(results)
        position = drawn.__reduce__()[1][0]
        assert position <= number + 1 + buffersize
        assert position >= number + 1 + 0.7 * buffersize


def test_what_a_buffer_holds_is_done_while_nobody_reads(executor: Executor, tmp_path: Path) -> None:
    """Also where the input is a generator, which only the reader's thread may read."""
    path = str(tmp_path / "ran")
    results = executor.map(sample_tasks.append, (path for _ in count()), count(), buffersize=8)

    wait_until(lambda: len(lines(tmp_path / "ran")) == 8)
    next(results)
    wait_until(lambda: len(lines(tmp_path / "ran")) == 9)


def test_an_input_that_reads_its_own_map_is_told(executor: Executor) -> None:
    """It would wait for itself."""
    found: list[Any] = []

    def numbers() -> Iterator[int]:
        yield 1
        with pytest.raises(RuntimeError, match="can't read the map"):
            next(found[0])
        yield 2

    found.append(executor.map(sample_tasks.give, numbers(), buffersize=1))

    assert [1, 2] == list(found[0])


# ---- map: timeout -------------------------------------------------------------------------------


@OVERLAPPING
def test_a_timeout_counts_from_the_call(mode: str, tmp_path: Path) -> None:
    """What was there in time can be read; each other input gives an error, and nothing starts."""
    gate = Gate(tmp_path)
    with ONE[mode]() as executor:
        began = time.monotonic()
        results = gate.map(executor, 20, timeout=1.0)

        with pytest.raises(RunTimeoutError, match="task 0 had not ended in map's timeout of 1 s"):
            next(results)
        assert 0.9 < time.monotonic() - began < LONG / 2
        gate.open()
        rest = read_all(results)
    assert [RunTimeoutError] * 19 == [kind for kind, _ in rest]
    assert [] == gate.passed


def test_a_timeout_that_is_over_takes_what_is_there(executor: Executor) -> None:
    """As a future's result does that is done."""
    results = executor.map(sample_tasks.give, range(3), timeout=0.5)
    time.sleep(0.7)

    assert [0, 1, 2] == list(results)


@OVERLAPPING
def test_a_timeout_is_for_a_buffer_too(mode: str, tmp_path: Path) -> None:
    """Nothing more is read of the input."""
    with ONE[mode]() as executor:
        waits = (str(tmp_path / "go") for _ in count())
        results = executor.map(sample_tasks.wait_for_file, waits, buffersize=3, timeout=0.2)

        found = read_all(results)
        (tmp_path / "go").touch()
    assert [RunTimeoutError] * 3 == [kind for kind, _ in found]


# ---- map: its end -------------------------------------------------------------------------------


def test_dropping_the_executor_cuts_nothing_short() -> None:
    """The iterator keeps it alive. Of the standard one, two results come in place of eight."""
    for make in MAKE.values():
        assert list(range(8)) == list(make().map(sample_tasks.give, range(8), buffersize=2))
        results = make().map(sample_tasks.give, range(500))
        gc.collect()
        assert list(range(500)) == list(results)


@pytest.mark.parametrize("wait_for_it", [True, False])
def test_shutdown_lets_a_map_be_done(mode: str, wait_for_it: bool) -> None:
    """All that was submitted, in batches or not, as where futures were submitted."""
    executor = MAKE[mode]()
    fast = executor.map(sample_tasks.give, range(3_000))
    slow = executor.map(sample_tasks.sleep, [0.01] * 12, range(12))

    executor.shutdown(wait=wait_for_it)

    if wait_for_it:
        began = time.monotonic()
    assert list(range(3_000)) == list(fast)
    assert list(range(12)) == list(slow)
    if wait_for_it:
        assert time.monotonic() - began < 0.1
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.map(sample_tasks.give, range(3))


def test_shutdown_amid_a_buffer_is_an_error_and_no_end(mode: str) -> None:
    """What was submitted comes first."""
    executor = MAKE[mode]()
    results = executor.map(sample_tasks.give, count(), buffersize=4)
    assert 0 == next(results)

    executor.shutdown()

    assert [1, 2, 3, 4] == [next(results) for _ in range(4)]
    with pytest.raises(RuntimeError, match="shut down"):
        next(results)


@OVERLAPPING
def test_shutdown_can_cancel_a_map(mode: str, tmp_path: Path) -> None:
    """What runs ends well, what waits is cancelled, and each has its result or its error."""
    gate = Gate(tmp_path)
    executor = ONE[mode]()
    results = gate.map(executor, 30)

    executor.shutdown(wait=False, cancel_futures=True)
    gate.open()
    executor.shutdown()

    first, *rest = read_all(results)
    assert 0 == first
    assert [CancelledError] * 29 == [kind for kind, _ in rest]
    assert [] == gate.passed


@OVERLAPPING
def test_closing_a_map_cancels_what_waits(mode: str, tmp_path: Path) -> None:
    """And there is nothing more to read, as of a generator that was closed."""
    gate = Gate(tmp_path)
    with ONE[mode]() as executor:
        results = gate.map(executor, 30)
        results.close()  # type: ignore[attr-defined]
        assert [] == list(results)
        gate.open()
    assert [] == gate.passed


@OVERLAPPING
def test_dropping_a_map_that_was_read_cancels_what_waits(mode: str, tmp_path: Path) -> None:
    """As where a loop over it is left."""
    with ONE[mode]() as executor:
        path = str(tmp_path / "ran")
        for _ in executor.map(sample_tasks.append_later, [0.02] * 50, [path] * 50, range(50)):
            break
    assert len(lines(tmp_path / "ran")) < 20


@OVERLAPPING
def test_a_loop_that_an_error_ends_waits_for_nothing_more(mode: str, tmp_path: Path) -> None:
    """Leaving the `with` block cancels the rest, whether or not the iterator has a name."""
    for named in [True, False]:
        path = tmp_path / str(named)
        with pytest.raises(ZeroDivisionError), ONE[mode]() as executor:
            numbers = [0, *[1] * 50]
            results = executor.map(sample_tasks.append_later_or_fail, [str(path)] * 51, numbers)
            if named:
                for _ in results:
                    pass
            else:
                list(results)
        assert len(lines(path)) < 20


@OVERLAPPING
def test_an_error_that_is_kept_does_not_keep_the_map(mode: str, tmp_path: Path) -> None:
    """Its traceback holds no iterator, so what has not started is cancelled at once."""
    path = str(tmp_path / "ran")
    with ONE[mode]() as executor:
        with pytest.raises(ZeroDivisionError) as kept:
            list(executor.map(sample_tasks.append_later_or_fail, [path] * 51, [0, *[1] * 50]))
        executor.submit(sample_tasks.nothing).result(LONG)
        time.sleep(0.3)
        assert len(lines(tmp_path / "ran")) < 10
        assert kept.value.__traceback__ is not None


# ---- map: where it is called and read -----------------------------------------------------------


def test_several_threads_may_read_one_map(executor: Executor) -> None:
    """Each result goes to one of them."""
    for options in [{}, {"buffersize": 5}]:
        results = executor.map(sample_tasks.give, range(400), **options)
        found: list[int] = []
        readers = [threading.Thread(target=found.extend, args=(results,)) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(LONG)

        assert list(range(400)) == sorted(found)


@pytest.mark.parametrize("mode", ["thread", "async"], scope="module")
@pytest.mark.parametrize("options", [{}, {"buffersize": 2}])
def test_a_task_may_map_on_its_own_executor(mode: str, options: dict[str, Any]) -> None:
    """While it waits there, its seat is lent: of the standard one, it would wait for ever."""
    with ONE[mode]() as executor:

        def inner(number: int) -> list[int]:
            return list(executor.map(sample_tasks.add, range(5), [number] * 5, **options))

        async def inner_async(number: int) -> list[int]:
            return inner(number)

        assert [0, 1, 2, 3, 4] == executor.submit(inner, 0).result(LONG)
        assert [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6]] == list(executor.map(inner, [1, 2]))
        assert [[1, 2, 3, 4, 5]] == list(executor.map(inner_async, [1]))


NUMBER: ContextVar[int] = ContextVar("number", default=0)


@pytest.mark.parametrize("mode", ["serial", "thread", "async"], scope="module")
def test_calls_see_the_context_of_the_call_to_map(mode: str) -> None:
    """And none sees what another has set."""
    executor = MAKE[mode]()

    def look(value: int) -> int:
        before = NUMBER.get()
        NUMBER.set(value)
        return before

    token = NUMBER.set(7)
    results = executor.map(look, range(20))
    buffered = executor.map(look, range(20), buffersize=2)
    NUMBER.reset(token)

    assert [7] * 20 == list(results)
    assert [7] * 20 == list(buffered)
    executor.shutdown()


def test_an_initializer_that_fails_fails_every_call(mode: str) -> None:
    """With the error that `submit` gives."""
    makers: dict[str, Any] = {
        "serial": SerialExecutor,
        "thread": ThreadExecutor,
        "process": ProcessExecutor,
        "async": AsyncExecutor,
    }
    with makers[mode](initializer=sample_tasks.fail, initargs=(ValueError,)) as executor:
        found = read_all(executor.map(sample_tasks.give, range(5)))

    assert [InitializerError] * 5 == [kind for kind, _ in found]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork() here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_is_told_that_the_map_is_not_its_own(tmp_path: Path) -> None:
    """It would wait for ever, since it has none of the threads."""
    gate = Gate(tmp_path)
    with ThreadExecutor(1) as executor:
        results = gate.map(executor, 3)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                next(results)
            except RuntimeError as error:
                os._exit(3 if "process" in str(error) else 4)
            os._exit(5)
        _, status = os.waitpid(child, 0)
        gate.open()
        assert 3 == os.waitstatus_to_exitcode(status)
        assert [0, 1, 2] == list(results)


# ---- Ctrl-C -------------------------------------------------------------------------------------


def test_ctrl_c_ends_a_serial_map_where_it_is(tmp_path: Path) -> None:
    """It is not taken for an error of the task that ran."""
    ran: list[int] = []

    def call(number: int) -> None:
        ran.append(number)
        if number == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="3 done"):
        SerialExecutor().map(call, range(10))
    assert [0, 1, 2, 3] == ran


@OVERLAPPING
def test_ctrl_c_breaks_into_the_wait_for_a_result(mode: str, tmp_path: Path) -> None:
    """What has not started is cancelled with it."""
    gate = Gate(tmp_path)
    with ONE[mode]() as executor:
        results = gate.map(executor, 20)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            next(results)
        timer.join()
        gate.open()
    assert [] == gate.passed


# ---- submit, as_completed, wait -----------------------------------------------------------------


def test_submit_awaits_async_functions(executor: Executor) -> None:
    """With any executor; the future has what they return."""
    futures = [executor.submit(sample_tasks.add_async, i, second=1) for i in range(20)]

    assert list(range(1, 21)) == [future.result(LONG) for future in futures]
    assert {future.result() for future in as_completed(futures, LONG)} == set(range(1, 21))


@OVERLAPPING
def test_futures_tell_their_state(mode: str, tmp_path: Path) -> None:
    """Waiting, running and done; one that runs can't be cancelled."""
    go, on = tmp_path / "go", tmp_path / "on"
    with ONE[mode]() as executor:
        runs = executor.submit(sample_tasks.note_and_wait_for_file, str(on), str(go))
        waits = executor.submit(sample_tasks.give, 2)
        wait_until(on.exists)

        assert (True, False) == (runs.running(), runs.done())
        assert (False, False) == (waits.running(), waits.done())
        assert not runs.cancel()
        with pytest.raises(TimeoutError):
            waits.result(timeout=0.01)
        with pytest.raises(TimeoutError):
            list(as_completed([runs, waits], timeout=0.01))
        assert waits.cancel()
        with pytest.raises(CancelledError):
            waits.result()
        go.touch()
        assert "done" == runs.result(LONG)
        assert (False, True) == (runs.running(), runs.done())


@OVERLAPPING
def test_wait_returns_when_it_is_asked_to(mode: str, tmp_path: Path) -> None:
    """At the first that is done, or the first that failed."""
    go = tmp_path / "go"
    with MAKE[mode]() as executor:
        waits = executor.submit(sample_tasks.wait_for_file, str(go))
        good = executor.submit(sample_tasks.give, 1)
        assert ({good}, {waits}) == wait([waits, good], LONG, FIRST_COMPLETED)

        bad = executor.submit(sample_tasks.fail, ValueError, "bad")
        assert ({bad}, {waits}) == wait([waits, bad], LONG, FIRST_EXCEPTION)
        go.touch()
        assert (set(), {waits, good, bad}) == tuple(reversed(wait([waits, good, bad], LONG)))


# ---- crashes ------------------------------------------------------------------------------------

HOWS = ["exit", "SIGKILL"] if sys.platform != "win32" else ["exit"]


@pytest.mark.parametrize("how", HOWS)
def test_a_crash_fails_its_own_future_only(how: str) -> None:
    """A standard pool is broken by it: all its futures fail, and it takes no more."""
    with ProcessExecutor(2) as executor:
        hows = [how if i == 7 else None for i in range(30)]
        futures = [executor.submit(sample_tasks.die_or_give, h, i) for i, h in enumerate(hows)]

        for i, future in enumerate(futures):
            if i == 7:
                assert isinstance(future.exception(LONG), WorkerCrashedError)
            else:
                assert i == future.result(LONG)
        assert 5 == executor.submit(sample_tasks.give, 5).result(LONG)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("options", [{}, {"chunksize": 4}, {"buffersize": 5}])
def test_a_crash_costs_one_result_of_a_map(how: str, options: dict[str, Any]) -> None:
    """Also where calls travel together."""
    with ProcessExecutor(2) as executor:
        hows = [how if i in (3, 17) else None for i in range(40)]

        found = read_all(executor.map(sample_tasks.die_or_give, hows, range(40), **options))

        crashed = [i for i, one in enumerate(found) if isinstance(one, tuple)]
        assert [3, 17] == crashed
        assert {WorkerCrashedError} == {found[i][0] for i in crashed}
        assert [i for i in range(40) if i not in (3, 17)] == [
            one for one in found if isinstance(one, int)
        ]
        assert [6] == list(executor.map(sample_tasks.give, [6]))


# ---- the interpreter's exit ---------------------------------------------------------------------

MAKE_IT = {
    "serial": "SerialExecutor()",
    "thread": "ThreadExecutor(1)",
    "process": "ProcessExecutor(1)",
    "async": "AsyncExecutor(1)",
}
# What a program leaves undone, its exit code, and how many of the calls that it left are done.
LEFT = {
    "futures": ("[executor.submit(sample_tasks.append_later, *one) for one in zip(*args)]", 0, 20),
    "a map": ("executor.map(sample_tasks.append_later, *args)", 0, 20),
    "a map and no executor": ("make().map(sample_tasks.append_later, *args)", 0, 20),
    "a map by name": ("results = executor.map(sample_tasks.append_later, *args)", 0, 20),
    "a buffer": ("results = executor.map(sample_tasks.append_later, *args, buffersize=4)", 0, 4),
    "an error": ("list(executor.map(sample_tasks.append_later_or_fail, args[1], range(20)))", 1, 9),
    "an error by name": (
        """results = executor.map(sample_tasks.append_later_or_fail, args[1], range(20))
for result in results:
    pass""",
        1,
        9,
    ),
}


@pytest.mark.parametrize("left", LEFT)
def test_the_interpreter_ends_when_what_was_submitted_is_done(
    mode: str, left: str, tmp_path: Path
) -> None:
    """It waits for that; what an error has ended is not done any more, and nothing hangs."""
    code, exit_code, most = LEFT[left]
    script = (
        "import sample_tasks\n"
        "from concurkit import AsyncExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor\n"
        f"make = lambda: {MAKE_IT[mode]}\n"
        f"args = [0.02] * 20, [{str(tmp_path / 'ran')!r}] * 20, range(20)\n"
        f"executor = make()\n{code}\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )

    assert exit_code == ended.returncode, ended.stderr
    done = len(lines(tmp_path / "ran"))
    if exit_code:
        assert "ZeroDivisionError: " in ended.stderr
        assert done <= most or mode == "serial"  # whose calls are over when `map` returns
    else:
        assert "" == ended.stderr
        assert most == done
