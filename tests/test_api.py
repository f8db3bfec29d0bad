"""What the public names do, seen from outside: shapes, words, messages, executors."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import concurrent.futures
import copy
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, as_completed, wait
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import pytest
import sample_tasks
from conftest import APART, Call

import concurkit
from concurkit import (
    AsyncExecutor,
    Failure,
    InterpreterExecutor,
    ProcessExecutor,
    SerialExecutor,
    Success,
    Task,
    ThreadExecutor,
    aio,
    exceptions,
    run_concurrently,
)

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "serial": SerialExecutor,
    "thread": lambda: ThreadExecutor(2),
    "process": lambda: ProcessExecutor(2),
    "async": lambda: AsyncExecutor(2),
    "interpreter": lambda: InterpreterExecutor(2),
}
NAMES = {
    "serial": r"serial|thread worker \d+",  # with a loop to keep free, it takes a thread
    "thread": r"thread worker \d+",
    "process": r"process worker \d+",
    "async": "async worker",
    "interpreter": r"interpreter worker \d+",
}


# ---- the shape of what comes back ---------------------------------------------------------------


def test_a_list_gives_a_list(call: Call, mode: str) -> None:
    """Values come in the order of their tasks."""
    assert [3, 1, 2] == call([Task(sample_tasks.give, i) for i in [3, 1, 2]], mode=mode)


def test_a_tuple_gives_a_tuple(call: Call, mode: str) -> None:
    """A tuple of different tasks gives a tuple of their values."""
    assert (2, "b") == call((Task(len, "ab"), Task(str.lower, "B")), mode=mode)


def test_a_mapping_gives_a_dict(call: Call, mode: str) -> None:
    """A mapping gives a dict with the same keys in the same order, whatever the keys are."""
    tasks = MappingProxyType({key: Task(sample_tasks.give, key) for key in ["b", 1, None, ("a",)]})

    result = call(tasks, mode=mode)

    assert [("b", "b"), (1, 1), (None, None), (("a",), ("a",))] == list(result.items())


def test_any_other_iterable_gives_a_list(call: Call, mode: str) -> None:
    """A generator, an iterator, a set or the values of a dict."""
    task = Task(sample_tasks.give, 1)

    assert [1, 1] == call((task for _ in range(2)), mode=mode)
    assert [1] == call({task}, mode=mode)
    assert [1] == call({"key": task}.values(), mode=mode)
    assert [1] == call(iter([task]), mode=mode)


@pytest.mark.parametrize("empty", [[], (), {}])
def test_nothing_to_do_gives_the_empty_shape(call: Call, mode: str, empty: Any) -> None:
    """No tasks are no error."""
    assert empty == call(empty, mode=mode)
    assert empty == call(empty, mode=mode, on_error="collect", timeout=1)


def test_a_map_of_tasks_stops_with_the_shortest(call: Call, mode: str) -> None:
    """Task.map takes iterables side by side, as the built-in map does."""
    assert [1 + 5, 2 + 6] == call(Task.map(sample_tasks.add, [1, 2, 3], [5, 6]), mode=mode)


def test_an_input_may_be_endless_until_it_fails(call: Call, mode: str) -> None:
    """An iterable is read as far as the workers come, so an endless one is fine."""

    def numbers() -> Iterator[int]:
        number = 50
        while True:
            yield number
            number -= 1

    with pytest.raises(ZeroDivisionError):
        call(Task.map(sample_tasks.reciprocal, numbers()), mode=mode)


def test_an_input_may_wait_for_results(call: Call, mode: str, tmp_path: Path) -> None:
    """A task starts though the next item of the input is not there yet."""
    path = tmp_path / "done"

    def tasks() -> Iterator[Task[Any]]:
        yield Task(sample_tasks.append, str(path), "first")
        until = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < until, "the first task did not start"
            time.sleep(0.001)
        yield Task(sample_tasks.append, str(path), "second")

    if mode == "serial":
        pytest.skip("there, one thread reads and runs, one after the other")
    assert ["first", "second"] == call(tasks(), mode=mode)


def test_the_input_is_read_in_the_callers_thread(mode: str) -> None:
    """A generator runs where its maker would expect: not in a worker."""
    threads = set()

    def tasks() -> Iterator[Task[Any]]:
        for _ in range(5):
            threads.add(threading.get_ident())
            yield Task(sample_tasks.nothing)

    run_concurrently(tasks(), mode=mode)

    assert {threading.get_ident()} == threads


def test_tasks_run_at_the_same_time(call: Call, tmp_path: Path) -> None:
    """As many as there are workers meet, in each mode that has several."""
    for mode in ["thread", "process", "async"]:
        place = tmp_path / mode
        place.mkdir()

        call([Task(sample_tasks.meet, str(place), 3)] * 3, mode=mode, max_workers=3)

        assert 3 == len(list(place.iterdir()))


# ---- auto ---------------------------------------------------------------------------------------


def test_auto_runs_async_functions_on_a_loop(call: Call) -> None:
    """If the first task is async, all share one thread's loop."""
    threads = call([sample_tasks.thread_async] * 4)

    assert 1 == len(set(threads))


def test_auto_runs_other_functions_on_threads_of_this_process(call: Call) -> None:
    """Otherwise it takes threads, and never leaves the process."""
    [first, *_] = call([sample_tasks.where] * 4, mode="auto")

    assert os.getpid() == first[0]
    assert threading.get_ident() != first[1]


def test_auto_looks_through_partials_methods_and_generators(call: Call) -> None:
    """An async function is known behind whatever wraps it, and in an iterator too."""
    firsts: list[Any] = [
        partial(sample_tasks.give_async, 1),
        sample_tasks.AsyncDoer(sample_tasks.give_async, (1,)),
        sample_tasks.Doer(sample_tasks.give_async, (1,)).async_method,
        Task(partial(partial(sample_tasks.give_async), 1)),
    ]
    for first in firsts:
        outcomes = call(iter([first, sample_tasks.nothing]), on_error="collect")
        assert ["async worker"] * 2 == [one.worker for one in outcomes]


# ---- on_error -----------------------------------------------------------------------------------


def test_raise_gives_the_first_failure_as_it_is(call: Call, mode: str) -> None:
    """The task's own exception is raised, not a wrapper."""
    tasks = [Task(sample_tasks.give, 1), Task(sample_tasks.fail, KeyError, "k")]

    with pytest.raises(KeyError) as caught:
        call(tasks, mode=mode, on_error="raise")

    assert (KeyError, ("k",)) == (type(caught.value), caught.value.args)


def test_raise_starts_no_more_tasks(call: Call, mode: str, tmp_path: Path) -> None:
    """Tasks that have not started when one fails never start."""
    path = tmp_path / "started"
    later = [Task(sample_tasks.append_later, 0.05, str(path), i) for i in range(100)]

    with pytest.raises(ValueError, match="wrong"):
        call([Task(sample_tasks.fail, ValueError, "wrong"), *later], mode=mode, max_workers=2)

    assert (len(path.read_text().split()) if path.exists() else 0) < 20


def test_group_runs_all_and_raises_one_group_in_task_order(
    call: Call, mode: str, tmp_path: Path
) -> None:
    """One ExceptionGroup holds every failure in the order of the tasks."""
    path = tmp_path / "started"
    tasks = [
        Task(sample_tasks.append_and, str(path), i, "raises" if i % 3 == 0 else "returns")
        for i in range(10)
    ]

    with pytest.raises(ExceptionGroup) as caught:
        call(tasks, mode=mode, on_error="group")

    assert [(0,), (3,), (6,), (9,)] == [error.args for error in caught.value.exceptions]
    assert "4 of 10 tasks failed" == caught.value.message
    assert 10 == len(path.read_text().split())


def test_group_of_errors_that_end_programs_is_a_base_group(call: Call, mode: str) -> None:
    """Where one failure is no Exception, the group is none either."""
    tasks: list[Any] = [Task(sample_tasks.fail, ValueError), Task(sample_tasks.fail, SystemExit)]

    with pytest.raises(BaseExceptionGroup) as caught:
        call(tasks, mode=mode, on_error="group")

    assert BaseExceptionGroup is type(caught.value)
    assert [ValueError, SystemExit] == [type(error) for error in caught.value.exceptions]


def test_collect_gives_outcomes_in_the_shape_of_the_input(call: Call, mode: str) -> None:
    """Each knows its index, its key and its name."""
    tasks = {
        "good": Task(sample_tasks.give, 1),
        "bad": Task(sample_tasks.fail, ValueError, "wrong").named("the bad one"),
    }

    good, bad = call(tasks, mode=mode, on_error="collect").items()

    assert ("good", "bad") == (good[0], bad[0])
    assert (1, 0, "good", "give", 1) == (
        good[1].value,
        good[1].index,
        good[1].key,
        good[1].name,
        good[1].attempts,
    )
    assert (1, "bad", "the bad one", 1, None) == (
        bad[1].index,
        bad[1].key,
        bad[1].name,
        bad[1].attempts,
        bad[1].stopped,
    )


def test_outcomes_know_when_and_where(call: Call, mode: str) -> None:
    """Each says when its task started, how long it took and which worker ran it."""
    before = time.time()

    outcomes = call(
        [Task(sample_tasks.sleep, 0.05), Task(sample_tasks.append_and, os.devnull, 1, "raises")],
        mode=mode,
        on_error="collect",
    )

    after = time.time()
    slow, quick = outcomes
    assert (Success, Failure) == (type(slow), type(quick))
    assert all(before - 0.1 <= one.started <= after + 0.1 for one in outcomes)
    assert 0.04 <= slow.duration <= after - before
    assert 0 <= quick.duration <= after - before
    assert all(matches(NAMES[mode], one.worker) for one in outcomes)


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of *text* is as *pattern* says."""
    return re.fullmatch(pattern, text) is not None


# ---- outcomes -----------------------------------------------------------------------------------


def test_outcomes_can_be_matched() -> None:
    """`match` takes the value or the error out of them."""

    def told(outcome: concurkit.Outcome[int]) -> str:
        match outcome:
            case Success(value):
                return f"gave {value}"
            case Failure(error):
                return f"raised {error!r}"

    outcomes = run_concurrently([Task(int, "3"), Task(int, "x")], mode="serial", on_error="collect")

    assert "gave 3" == told(outcomes[0])
    assert told(outcomes[1]).startswith("raised ValueError(")


def test_outcomes_unwrap() -> None:
    """`unwrap` gives the value or raises the error itself."""
    good, bad = run_concurrently(
        [Task(int, "3"), Task(int, "x")], mode="serial", on_error="collect"
    )

    assert 3 == good.unwrap()
    with pytest.raises(ValueError, match="invalid literal") as caught:
        bad.unwrap()
    assert isinstance(bad, Failure)
    assert bad.error is caught.value


def test_outcomes_are_frozen_and_compare_by_what_they_hold() -> None:
    """They are plain values: equal, unequal, copied, pickled, never changed."""
    facts: dict[str, Any] = {
        "index": 0,
        "key": None,
        "name": "f",
        "attempts": 1,
        "started": 1.5,
        "duration": 0.5,
        "worker": "serial",
    }
    one = Success(value=3, **facts)

    assert Success(value=3, **facts) == one
    assert Success(value=4, **facts) != one
    assert one == pickle.loads(pickle.dumps(one)) == copy.copy(one)
    with pytest.raises(AttributeError):
        one.value = 4  # type: ignore[misc]
    assert "value=3" in repr(one)


# ---- notes and messages -------------------------------------------------------------------------


@pytest.mark.parametrize("on_error", ["raise", "group", "collect"])
def test_a_note_says_which_task_failed_where(call: Call, mode: str, on_error: str) -> None:
    """Every error that a task raised carries one note: position, call, worker, attempt."""
    tasks = [sample_tasks.nothing, Task(sample_tasks.fail, ValueError, "x" * 100, [1, 2])]

    if on_error == "collect":
        error: BaseException = call(tasks, mode=mode, on_error=on_error)[1].error
    else:
        with pytest.raises((ValueError, ExceptionGroup)) as caught:
            call(tasks, mode=mode, on_error=on_error)
        raised = caught.value
        error = raised.exceptions[0] if isinstance(raised, ExceptionGroup) else raised

    [note] = error.__notes__
    call_, worker, attempt = note.split(" · ")
    assert call_.startswith("task 1 fail(<class 'ValueError'>, 'xxx")
    assert call_.endswith("xxx', [1, 2])")
    assert len(call_) < 120
    assert matches(NAMES[mode], worker)
    assert "attempt 1" == attempt


def test_a_note_gives_names_and_keywords(call: Call, mode: str) -> None:
    """A task's name comes before its call; keyword arguments are shown as such."""
    wrong: Any = "three"
    task = Task(sample_tasks.add, 1, third=wrong).named("the sum")

    with pytest.raises(TypeError) as caught:
        call([task], mode=mode)

    assert caught.value.__notes__[0].startswith("task 0 'the sum' add(1, third='three') · ")


def test_a_note_of_a_map_gives_the_item(call: Call, mode: str) -> None:
    """So it is for Task.map."""
    with pytest.raises(ZeroDivisionError) as caught:
        call(Task.map(sample_tasks.reciprocal, [2, 1, 0]), mode=mode)

    assert caught.value.__notes__[0].startswith("task 2 reciprocal(0) · ")


def test_a_value_that_cannot_be_shown_spoils_nothing(call: Call, mode: str) -> None:
    """A repr that raises is no reason for another error than the task's."""
    tasks = [Task(sample_tasks.fail, ValueError, sample_tasks.Unspeakable()), sample_tasks.nothing]

    failure, _ = call(tasks, mode=mode, on_error="collect")

    assert ValueError is type(failure.error)
    assert "<Unspeakable" in failure.error.__notes__[0]


def test_the_traceback_leads_to_the_task(mode: str) -> None:
    """In the modes of this process, the traceback ends where the task raised."""
    if mode in APART:
        pytest.skip("there it is the cause: see test_faults")

    with pytest.raises(ZeroDivisionError) as caught:
        run_concurrently([Task(sample_tasks.reciprocal, 0)], mode=mode)

    assert "reciprocal" == caught.traceback[-1].name
    assert caught.value.__cause__ is None


# ---- input that is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([None], r"task 0 is None, which can't be called\. Write Task\(fn, x\) where you wrote"),
        ([sample_tasks.nothing, 3], r"task 1 is 3, which can't be called\. Write Task\(fn, x\)"),
        ({"a": len, "b": "text"}, r"task 1 is 'text'.*Write Task\(fn, x\)"),
        ((sample_tasks.nothing, [1]), r"task 1 is \[1\].*Write Task\(fn, x\)"),
        ([Task.map(len, ["a"])], r"task 0 is Task\.map\(len, \['a'\]\): pass Task\.map\(\.\.\.\)"),
        (3, r"tasks is 3, .*Task\(fn, x\)"),
        (None, r"tasks is None, .*Task\(fn, x\)"),
        ("text", r"tasks is 'text', .*Task\(fn, x\)"),
        (Task(len, "a"), r"tasks is Task\(len, 'a'\), a single task: write .*\[task\]"),
        (sample_tasks.nothing, r"tasks is <function nothing.*a single task: write .*\[task\]"),
    ],
)
def test_what_is_no_task_is_refused_with_position_and_fix(
    call: Call, mode: str, tasks: Any, words: str
) -> None:
    """The message names the position, the value and what to write instead."""
    with pytest.raises(TypeError, match=words):
        call(tasks, mode=mode)


def test_an_async_iterable_is_refused_with_the_fix(call: Call) -> None:
    """One can't be read by a blocking call, nor should it be by half."""

    async def tasks() -> Any:
        yield Task(len, "a")

    with pytest.raises(TypeError, match=r"async iterable: collect it first"):
        call(tasks())


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"max_workers": 0}, ValueError, "max_workers is 0; it must be a whole number from 1 up"),
        ({"max_workers": -1}, ValueError, "max_workers is -1"),
        ({"max_workers": 2.0}, TypeError, "max_workers is 2.0"),
        ({"max_workers": True}, TypeError, "max_workers is True"),
        ({"max_workers": "2"}, TypeError, "max_workers is '2'"),
        ({"timeout": 0}, ValueError, "timeout is 0; it must be a number of seconds above 0"),
        ({"timeout": -1.5}, ValueError, "timeout is -1.5"),
        ({"timeout": float("nan")}, ValueError, "timeout is nan"),
        ({"timeout": float("inf")}, ValueError, "timeout is inf.*None for no limit"),
        ({"timeout": "1"}, TypeError, "timeout is '1'"),
        ({"timeout": True}, TypeError, "timeout is True"),
        ({"chunksize": 0}, ValueError, "chunksize is 0; it must be a whole number from 1 up"),
        ({"chunksize": "automatic"}, TypeError, "chunksize is 'automatic'.*'auto'"),
        ({"chunksize": None}, TypeError, "chunksize is None"),
        ({"on_error": "ignore"}, ValueError, "on_error is 'ignore'.*'raise', 'group' or 'collect'"),
        ({"on_error": None}, TypeError, "on_error is None"),
        ({"mode": "threads"}, exceptions.UnknownModeError, "unknown mode 'threads'.*'thread'"),
        ({"mode": "nothing like it"}, exceptions.UnknownModeError, "known modes: 'auto', 'serial'"),
        ({"mode": 3}, exceptions.UnknownModeError, "mode is 3; it must be one of"),
        ({"mode": None}, exceptions.UnknownModeError, "mode is None"),
        ({"mode": ThreadExecutor}, exceptions.UnknownModeError, "ThreadExecutor.*must be one of"),
    ],
)
def test_wrong_options_are_refused_before_anything_starts(
    call: Call, options: dict[str, Any], kind: type[Exception], words: str, tmp_path: Path
) -> None:
    """The message names the option, its value and the choices."""
    path = tmp_path / "started"

    with pytest.raises(kind, match=words):
        call([Task(sample_tasks.append, str(path), 1)], **options)

    assert not path.exists()


def test_an_unknown_mode_is_a_value_error_that_suggests_the_nearest() -> None:
    """So `except ValueError` catches it."""
    with pytest.raises(ValueError, match="Did you mean 'process'"):
        run_concurrently([list], mode="proces")


def test_options_are_checked_before_the_input_is_touched(call: Call) -> None:
    """A generator is not even started when the options are wrong."""

    def tasks() -> Iterator[Task[Any]]:
        started.append(True)
        yield Task(len, "a")

    started: list[bool] = []

    with pytest.raises(ValueError, match="max_workers"):
        call(tasks(), max_workers=0)

    assert [] == started


class Broken(Exception):
    """What a faulty input raises."""


def test_an_input_that_raises_ends_the_run_with_its_own_error(call: Call, mode: str) -> None:
    """The error is the input's own, with a note of the position reached."""

    def tasks() -> Iterator[Task[Any]]:
        yield Task(sample_tasks.give, 0)
        yield Task(sample_tasks.give, 1)
        raise Broken("line 3 of the file")

    with pytest.raises(Broken, match="line 3") as caught:
        call(tasks(), mode=mode, on_error="collect")

    [note] = caught.value.__notes__
    assert "2" in note


def test_an_input_that_raises_at_once_ends_the_run_with_its_own_error(
    call: Call, mode: str
) -> None:
    """So it is if there is no first item, and in an item's own arguments."""

    def arguments() -> Iterator[int]:
        if mode:
            raise Broken("no file")
        yield 1

    with pytest.raises(Broken, match="no file"):
        call((Task(sample_tasks.give, one) for one in arguments()), mode=mode)
    with pytest.raises(Broken, match="no file"):
        call(Task.map(sample_tasks.give, arguments()), mode=mode)


def test_an_input_that_raises_stop_iteration_has_ended(call: Call, mode: str) -> None:
    """An iterator that ends is no error, however it is written."""

    class Three:
        def __init__(self) -> None:
            self.count = 0

        def __iter__(self) -> Three:
            return self

        def __next__(self) -> Task[int]:
            self.count += 1
            if self.count > 3:
                raise StopIteration
            return Task(sample_tasks.give, self.count)

    assert [1, 2, 3] == call(Three(), mode=mode)


# ---- coroutine objects --------------------------------------------------------------------------


def test_a_coroutine_object_is_a_task_in_async_mode(call: Call) -> None:
    """There it is awaited."""
    assert [1, 2] == call([sample_tasks.give_async(1), sample_tasks.give_async(2)], mode="async")
    assert [1, 2] == call(iter([sample_tasks.give_async(1), sample_tasks.give_async(2)]))


@pytest.mark.parametrize("mode", ["serial", "thread", "process"])
@pytest.mark.parametrize("lazily", [False, True])
def test_a_coroutine_object_is_refused_in_other_modes(call: Call, mode: str, lazily: bool) -> None:
    """The message names its position and how to write it as a task; it is closed, not lost."""
    tasks = [sample_tasks.nothing, sample_tasks.give_async(1)]

    with pytest.raises(TypeError, match=r"task 1 is a coroutine object \(give_async\).*Task\(give"):
        call(iter(tasks) if lazily else tasks, mode=mode)


def test_coroutine_objects_that_never_ran_are_closed(call: Call) -> None:
    """When the run fails before their turn, Python does not warn that they were never awaited."""
    tasks = [Task(sample_tasks.fail_async, ValueError, "first")]
    later: list[Any] = [sample_tasks.give_async(i) for i in range(5)]

    with pytest.raises(ValueError, match="first"):
        call([*tasks, *later], mode="async", max_workers=1)

    assert [None] * 5 == [coroutine.cr_frame for coroutine in later]


def test_a_coroutine_object_fails_with_its_own_error(call: Call) -> None:
    """And its note names the async function."""
    with pytest.raises(ValueError, match="mine") as caught:
        call([sample_tasks.fail_async(ValueError, "mine")], mode="async")

    assert caught.value.__notes__[0].startswith("task 0 fail_async(")


# ---- Task ---------------------------------------------------------------------------------------


def test_a_task_shows_its_call() -> None:
    """Its repr is what one would write."""
    assert "Task(add, 1, second=2)" == repr(Task(sample_tasks.add, 1, second=2))
    assert "Task(add, 1).named('sum')" == repr(Task(sample_tasks.add, 1).named("sum"))
    assert "Task(add, 1)" == repr(Task(partial(sample_tasks.add), 1))


def test_a_task_knows_its_parts() -> None:
    """The function, the arguments and the name can be read."""
    task = Task(sample_tasks.add, 1, second=2).named("sum")

    assert (sample_tasks.add, (1,), {"second": 2}, "sum") == (
        task.fn,
        task.args,
        task.kwargs,
        task.name,
    )


def test_tasks_are_equal_if_their_parts_are() -> None:
    """Equality and hash go by function, arguments and name."""
    task = Task(sample_tasks.add, 1, second=2)

    assert Task(sample_tasks.add, 1, second=2) == task
    assert hash(Task(sample_tasks.add, 1, second=2)) == hash(task)
    for other in [
        Task(sample_tasks.add, 1),
        Task(sample_tasks.add, 2, second=2),
        Task(sample_tasks.add_async, 1, second=2),
        task.named("sum"),
        "a string",
    ]:
        assert other != task


def test_a_task_cannot_be_changed() -> None:
    """It says so, and how to go about it."""
    task = Task(sample_tasks.add, 1)

    with pytest.raises(AttributeError, match="make a new one"):
        task.args = (2,)
    with pytest.raises(AttributeError, match="make a new one"):
        del task.fn
    task.named("another")
    assert ((1,), None) == (task.args, task.name)


def test_a_task_travels() -> None:
    """It can be pickled and copied, with its name."""
    task = Task(sample_tasks.add, 1, second=2).named("sum")

    assert task == pickle.loads(pickle.dumps(task)) == copy.copy(task) == copy.deepcopy(task)


def test_a_task_takes_any_keyword() -> None:
    """Its own parameters hide none of the function's."""

    def fn(**keywords: int) -> dict[str, int]:
        return keywords

    keywords = {"fn": 1, "self": 2, "name": 3, "args": 4, "kwargs": 5, "mode": 6}
    assert [keywords] == run_concurrently([Task(fn, **keywords)], mode="thread")


@pytest.mark.parametrize("value", [3, "text", None, [len]])
def test_a_task_of_no_function_is_refused_with_the_fix(value: Any) -> None:
    """As in Task(fn(x))."""
    with pytest.raises(TypeError, match=r"Write Task\(fn, x\) where you wrote Task\(fn\(x\)\)"):
        Task(value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((3, [1]), r"Task\.map takes a function first.*not 3\. Write Task\.map\(fn, items\)"),
        ((len,), r"Task\.map needs at least one iterable: write Task\.map\(fn, items\)"),
        (
            (len, [1], 5),
            r"argument 2 of Task\.map is not iterable: 5\. Write Task\.map\(fn, \[x\]\)",
        ),
    ],
)
def test_a_map_of_no_iterables_is_refused_with_the_fix(
    arguments: tuple[Any, ...], words: str
) -> None:
    """Before anything is read."""
    with pytest.raises(TypeError, match=words):
        Task.map(*arguments)


def test_a_map_of_tasks_can_be_iterated_and_shown() -> None:
    """It is an iterable of tasks, as often as its iterables are."""
    tasks = Task.map(len, ["a", "bc"])

    assert [Task(len, "a"), Task(len, "bc")] == list(tasks) == list(tasks)
    assert "Task.map(len, ['a', 'bc'])" == repr(tasks)


def test_a_named_task_is_known_by_its_name(call: Call, mode: str) -> None:
    """Outcomes give the name, or else the function's."""
    tasks = [
        Task(sample_tasks.nothing).named("mine"),
        sample_tasks.nothing,
        partial(sample_tasks.nothing),
        sample_tasks.Doer(sample_tasks.nothing, ()).method,
        lambda: None,
    ]

    outcomes = call(tasks, mode=mode, on_error="collect")

    assert ["mine", "nothing", "nothing", "Doer.method"] == [one.name for one in outcomes[:4]]
    assert "lambda" in outcomes[4].name


# ---- executors as concurrent.futures knows them -------------------------------------------------


def test_an_executor_is_one_of_the_standard_librarys(executor: Executor) -> None:
    """Libraries that ask for a concurrent.futures.Executor take it."""
    assert isinstance(executor, concurrent.futures.Executor)


def test_submit_gives_a_future(executor: Executor) -> None:
    """Of a value, of an error, for sync and async functions alike."""
    value = executor.submit(sample_tasks.add, 1, second=2, third=3)
    later: Future[Any] = executor.submit(sample_tasks.give_async, "later")
    error = executor.submit(sample_tasks.fail, sample_tasks.TwoArguments, 30, "Rome")

    assert isinstance(value, Future)
    assert 6 == value.result(timeout=30)
    assert "later" == later.result(timeout=30)
    assert sample_tasks.TwoArguments is type(error.exception(timeout=30))


def test_map_gives_results_in_order(executor: Executor) -> None:
    """As Executor.map does, with several iterables and a chunksize."""
    assert [5, 7, 9] == list(executor.map(sample_tasks.add, [1, 2, 3], [4, 5, 6]))
    assert [1, 2, 3] == list(executor.map(sample_tasks.add, [1, 2, 3], chunksize=2, timeout=30))


def test_map_raises_where_a_call_did(executor: Executor) -> None:
    """The results before it can be read."""
    results = executor.map(sample_tasks.reciprocal, [1, 0])

    assert 1 == next(results)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_futures_can_be_waited_for(executor: Executor) -> None:
    """By as_completed and by wait."""
    futures = [executor.submit(sample_tasks.give, i) for i in range(8)]

    assert set(range(8)) == {future.result() for future in as_completed(futures, timeout=30)}
    done, not_done = wait(futures, timeout=30)
    assert (set(futures), set()) == (done, not_done)


def test_a_callback_is_called_when_a_future_is_done(executor: Executor) -> None:
    """Once, with the future."""
    called = threading.Event()
    found = []

    def callback(future: Future[int]) -> None:
        found.append(future)
        called.set()

    future = executor.submit(sample_tasks.give, 1)
    future.add_done_callback(callback)

    assert called.wait(30)
    assert [future] == found


def test_a_callback_that_raises_harms_nothing(
    executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    """The standard future logs it, and the executor goes on."""
    future = executor.submit(sample_tasks.give, 1)
    future.add_done_callback(lambda _: sample_tasks.fail(ValueError))

    assert 1 == future.result(timeout=30)
    assert 2 == executor.submit(sample_tasks.give, 2).result(timeout=30)
    assert [2] == run_concurrently([Task(sample_tasks.give, 2)], mode=executor)


@pytest.mark.parametrize("mode", ["thread", "process", "async"], scope="module")
def test_a_future_that_waits_can_be_cancelled(mode: str, tmp_path: Path) -> None:
    """One that has not started never does; the others go on."""
    path, go = tmp_path / "started", tmp_path / "go"
    with {"thread": ThreadExecutor, "process": ProcessExecutor, "async": AsyncExecutor}[mode](
        1
    ) as executor:
        first = executor.submit(sample_tasks.wait_for_file, str(go), "first")
        second = executor.submit(sample_tasks.append, str(path), "second")
        third = executor.submit(sample_tasks.give, "third")

        assert second.cancel()
        go.touch()

        assert ("first", "third") == (first.result(timeout=30), third.result(timeout=30))
    assert second.cancelled()
    assert not path.exists()


@pytest.mark.parametrize("mode", ["thread", "process", "async"], scope="module")
def test_shutdown_can_cancel_what_waits(mode: str, tmp_path: Path) -> None:
    """With cancel_futures, what runs is finished and what waits is cancelled."""
    go = tmp_path / "go"
    make = {"thread": ThreadExecutor, "process": ProcessExecutor, "async": AsyncExecutor}[mode]
    executor = make(1)
    first = executor.submit(sample_tasks.note_and_wait_for_file, str(tmp_path / "on"), str(go))
    until = time.monotonic() + 30
    while not (tmp_path / "on").exists():
        assert time.monotonic() < until
        time.sleep(0.001)
    rest = [executor.submit(sample_tasks.give, i) for i in range(5)]

    executor.shutdown(wait=False, cancel_futures=True)
    go.touch()
    executor.shutdown(wait=True)

    assert "done" == first.result(timeout=30)
    assert [True] * 5 == [future.cancelled() for future in rest]


def test_shutdown_finishes_what_was_submitted(mode: str) -> None:
    """Without cancel_futures, everything is done when it returns; it may be called again."""
    executor = EXECUTORS[mode]()
    futures = [executor.submit(sample_tasks.sleep, 0.01, i) for i in range(5)]

    executor.shutdown()
    executor.shutdown()

    assert list(range(5)) == [future.result(timeout=0) for future in futures]


def test_an_executor_that_was_shut_down_refuses_work(call: Call, mode: str) -> None:
    """Both by submit and as a mode, with an error that says so."""
    executor = EXECUTORS[mode]()
    executor.shutdown()

    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(sample_tasks.nothing)
    with pytest.raises(RuntimeError, match="shut down"):
        call([sample_tasks.nothing], mode=executor)


def test_leaving_the_with_block_shuts_down(mode: str) -> None:
    """As with any executor."""
    with EXECUTORS[mode]() as executor:
        assert 1 == executor.submit(sample_tasks.give, 1).result(timeout=30)

    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(sample_tasks.nothing)


def test_a_kept_executor_stays_open_across_runs(call: Call, mode: str, executor: Executor) -> None:
    """Its workers serve one run after the other."""
    first = set(call([sample_tasks.where] * 6, mode=executor))
    second = set(call([sample_tasks.where] * 6, mode=executor))

    if mode == "process":
        assert first & second
    assert 1 == executor.submit(sample_tasks.give, 1).result(timeout=30)


def test_a_kept_executor_gives_no_more_workers_than_it_has(
    call: Call, mode: str, executor: Executor
) -> None:
    """max_workers may ask for fewer, not for more."""
    tasks = [Task(sample_tasks.interval, 0.005)] * 20

    few = call(tasks, mode=executor, max_workers=1)
    many = call(tasks, mode=executor, max_workers=50)

    assert 1 == most_at_once(few)
    assert most_at_once(many) <= {"serial": 1, "process": 2}.get(mode, 3)


def most_at_once(intervals: list[tuple[float, float]]) -> int:
    """How many of the intervals overlap at most."""
    return max(sum(a <= start < b for a, b in intervals) for start, _ in intervals)


def test_runs_from_several_threads_share_an_executor(executor: Executor) -> None:
    """Each gets its own results, though they use the same workers at the same time."""
    results: dict[int, list[int]] = {}

    def run(number: int) -> None:
        tasks = Task.map(sample_tasks.add, range(200), [number] * 200)
        results[number] = run_concurrently(tasks, mode=executor)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert {n: [i + n for i in range(200)] for n in range(4)} == results


def test_runs_from_several_tasks_share_a_loop(mode: str, executor: Executor) -> None:
    """So do runs that are awaited at the same time, on one loop."""

    async def main() -> dict[int, list[int]]:
        results: dict[int, list[int]] = {}

        async def run(number: int) -> None:
            tasks = Task.map(sample_tasks.add_async, range(50), [number] * 50)
            results[number] = await aio.run_concurrently(tasks, mode=executor)

        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(run, number)
        return results

    for backend in ["asyncio", "trio"]:
        assert {n: [i + n for i in range(50)] for n in range(4)} == anyio.run(main, backend=backend)


@pytest.mark.parametrize("make", [ThreadExecutor, ProcessExecutor, AsyncExecutor])
@pytest.mark.parametrize(("value", "kind"), [(0, ValueError), (-3, ValueError), ("2", TypeError)])
def test_an_executor_refuses_a_wrong_number_of_workers(
    make: Callable[[Any], Executor], value: Any, kind: type[Exception]
) -> None:
    """The message names the value."""
    with pytest.raises(kind, match=f"max_workers is {value!r}"):
        make(value)


def test_an_executor_refuses_an_unknown_start_method_or_backend() -> None:
    """The message names the choices."""
    with pytest.raises(ValueError, match=r"start_method is 'frok'.*'spawn'"):
        ProcessExecutor(1, start_method="frok")
    with pytest.raises(ValueError, match="backend is 'curio'; it must be 'asyncio' or 'trio'"):
        AsyncExecutor(1, backend="curio")


# ---- aio ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_cancelling_the_caller_cancels_the_run(
    mode: str, backend: str, asynchronous: bool, tmp_path: Path
) -> None:
    """It returns soon, starts no more tasks and leaves nothing that can be stopped."""
    release = sample_tasks.release_for(mode, tmp_path)
    fn = sample_tasks.overstay_async if asynchronous else sample_tasks.overstay
    took = []

    async def main() -> None:
        start = time.monotonic()
        with anyio.move_on_after(0.15) as scope:
            await aio.run_concurrently([Task(fn, release)] * 5, mode=mode, max_workers=2)
        took.append(time.monotonic() - start)
        assert scope.cancelled_caught
        if release is not None:
            release.set()

    anyio.run(main, backend=backend)

    assert 0.15 <= took[0] < 0.15 + 0.5 + 0.5


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_callers_loop_is_never_blocked(mode: str, backend: str, tmp_path: Path) -> None:
    """While tasks block their workers, and the input is read, the loop goes on."""
    started, go = tmp_path / "started", tmp_path / "go"
    wait = Task(sample_tasks.note_and_wait_for_file, str(started), str(go))
    ticks = 0  # since the first task has started
    seen = set()  # how many there had been when an item was read

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += started.exists()
            if ticks == 10:
                go.touch()
            await anyio.sleep(0)

    def numbers() -> Iterator[int]:
        for number in range(3_000):
            seen.add(ticks)
            yield number

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            await aio.run_concurrently([wait] * 2, mode=mode)
            await aio.run_concurrently(Task.map(sample_tasks.add, numbers()), mode=mode)
            group.cancel_scope.cancel()

    anyio.run(main, backend=backend)

    assert len(seen) >= 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_executor_runs_on_either_loop(call: Call, backend: str) -> None:
    """Whatever loop the caller has."""
    with AsyncExecutor(2, backend=backend) as executor:
        assert [1, 2] == call([Task(sample_tasks.give_async, i) for i in [1, 2]], mode=executor)
        assert [backend] == call([sample_tasks.library], mode=executor)


# ---- the module ---------------------------------------------------------------------------------


def test_every_public_name_is_there() -> None:
    """What __all__ lists can be imported, and dir() shows it."""
    for name in concurkit.__all__:
        assert getattr(concurkit, name) is not None
    assert set(concurkit.__all__) <= set(dir(concurkit))
    with pytest.raises(AttributeError, match="no attribute 'run_sequentially'"):
        concurkit.run_sequentially  # noqa: B018


def test_every_exception_is_a_concurkit_error() -> None:
    """So that one except clause catches what the library raises of its own accord."""
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), exceptions.ConcurkitError)


@pytest.mark.parametrize(
    ("kind", "parent"),
    [
        (exceptions.TaskTimeoutError, TimeoutError),
        (exceptions.RunTimeoutError, TimeoutError),
        (exceptions.UnknownModeError, ValueError),
        (exceptions.TaskNotPicklableError, TypeError),
        (exceptions.ResultNotPicklableError, TypeError),
    ],
)
def test_an_exception_has_a_builtin_parent_where_one_fits(
    kind: type[Exception], parent: type[Exception]
) -> None:
    """So that an except clause for that catches it."""
    assert issubclass(kind, parent)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.WorkerCrashedError("died", pid=1, exitcode=-9, ran=0.5),
        exceptions.RemoteError("odd.Error: x", "odd.Error", "Traceback"),
        exceptions.TaskTimeoutError("the task ran longer"),
        exceptions.RunTimeoutError("the run lasted longer", [1]),  # type: ignore[list-item]
    ],
)
def test_an_exception_travels_with_all_it_knows(error: Exception) -> None:
    """So that runs inside tasks in other processes report it whole."""
    back = pickle.loads(pickle.dumps(error))

    assert (type(error), error.args, vars(error)) == (type(back), back.args, vars(back))


def imported_by(code: str) -> set[str]:
    """The modules that an interpreter imports to run *code*."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_importing_the_package_imports_nothing_heavy() -> None:
    """`import concurkit` costs next to nothing: what is heavy comes with what needs it."""
    heavy = {"asyncio", "multiprocessing", "concurrent.futures", "anyio", "cloudpickle", "trio"}

    assert set() == heavy & (imported_by("import concurkit") - imported_by("pass"))


def test_a_mode_imports_only_what_it_needs() -> None:
    """Threads need no loop, no processes and no pickle."""
    code = "from concurkit import run_concurrently; run_concurrently([list], mode='thread')"

    found = imported_by(code)

    assert set() == {"asyncio", "multiprocessing", "anyio", "cloudpickle", "trio"} & found


def test_the_mapping_of_tasks_may_be_any_mapping(call: Call) -> None:
    """Not only a dict."""

    class Two(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            return Task(sample_tasks.give, key)

        def __iter__(self) -> Iterator[str]:
            return iter(["a", "b"])

        def __len__(self) -> int:
            return 2

    assert {"a": "a", "b": "b"} == call(Two())
