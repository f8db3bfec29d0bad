"""`map` of our executors: what the documentation of the standard one says, without its faults."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import (
    Executor,
)
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from conftest import examples
from executor_kit import HOWS, LONG, MAKE, ONE, lines, read_all
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

from concurkit import (
    AsyncExecutor,
    InterpreterExecutor,
    ProcessExecutor,
    SerialExecutor,
    ThreadExecutor,
)
from concurkit.exceptions import InitializerError, RunTimeoutError, WorkerCrashedError

# ---- the same as the built-in -------------------------------------------------------------------


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


# ---- errors -------------------------------------------------------------------------------------


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


def test_an_input_that_is_interrupted_says_so_once(executor: Executor) -> None:
    """At once; what was submitted can be read all the same."""

    def interrupted() -> Iterator[int]:
        yield from range(3)
        raise KeyboardInterrupt

    found = read_all(executor.map(sample_tasks.give, interrupted(), buffersize=2))

    assert [0, 1, 2] == [one for one in found if isinstance(one, int)]
    assert 1 == len([one for one in found if not isinstance(one, int)])


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


# ---- buffersize ---------------------------------------------------------------------------------


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
    drawn = 0

    def numbers() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    results = executor.map(sample_tasks.give, numbers(), buffersize=buffersize)

    for number in range(1, 60):
        assert number == next(results)
        assert number + 0.7 * buffersize <= drawn <= number + buffersize


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


# ---- where it is called and read ----------------------------------------------------------------


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
        "interpreter": InterpreterExecutor,
    }
    with makers[mode](initializer=sample_tasks.fail, initargs=(ValueError,)) as executor:
        found = read_all(executor.map(sample_tasks.give, range(5)))

    assert [InitializerError] * 5 == [kind for kind, _ in found]


# ---- crashes ------------------------------------------------------------------------------------


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
