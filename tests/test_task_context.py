"""Which task the calling code is in, and log lines that say so."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import gc
import json
import logging
import threading
import weakref
from collections.abc import Iterator
from contextvars import copy_context
from importlib.util import find_spec
from typing import Any

import pytest
from conftest import Call, Place
from context_tasks import Flaky, Told, say, tell, tell_before_and_after, told

from concurkit import (
    AsyncExecutor,
    ProcessExecutor,
    Retry,
    Success,
    Task,
    ThreadExecutor,
    aio,
    current_task,
    run_concurrently,
)
from concurkit.observers.logging import TaskFilter, add_task

# ---- in each mode --------------------------------------------------------------------------------


@pytest.mark.parametrize("chunksize", ["auto", 7])
def test_a_task_knows_its_index_and_its_name(place: Place, chunksize: Any) -> None:
    """Wherever it runs, whatever travels in one message, and its worker as its outcome names it."""
    tasks = Task.map(tell, range(40))
    outcomes: Any = run_concurrently(
        tasks, mode=place.where, chunksize=chunksize, on_error="collect"
    )

    assert [(n, "tell", 1) for n in range(40)] == [one.value[:3] for one in outcomes]
    named = {one.value[3]: one.worker for one in outcomes}
    assert all(worker.endswith(own) and own for own, worker in named.items()), named


def test_an_async_task_knows_it_after_others_had_their_turn(place: Place, call: Call) -> None:
    """Tasks on the slots of a loop are in each other's way, and never in each other's context."""
    values = call(Task.map(tell_before_and_after, range(30)), mode=place.where)

    for number, (before, after) in enumerate(values):
        assert before == after
        assert (number, "tell_before_and_after", 1) == before[:3]


def test_tasks_of_different_functions_have_their_own_names(place: Place) -> None:
    """Those that were given, or the functions'."""
    tasks = [Task(tell, 0), Task(told), Task(tell, 1).named("third"), told]

    values: Any = run_concurrently(tasks, mode=place.where)

    assert [(0, "tell"), (1, "told"), (2, "third"), (3, "told")] == [v[:2] for v in values]


def test_a_sync_task_in_async_mode_knows_it_in_its_thread() -> None:
    """The thread's own batch is of one, whatever the index of the task."""
    values = run_concurrently(Task.map(tell, range(5)), mode="async")

    assert [(n, "tell", 1, "async worker") for n in range(5)] == values


def test_outside_tasks_there_is_none(executor: Any) -> None:
    """Nor in an initializer, nor where the caller goes on."""
    assert told() is None
    run_concurrently([told], mode=executor)
    assert told() is None


def _keep(told_here: list[Told]) -> None:
    told_here.append(told())


def test_an_initializer_is_no_task() -> None:
    """Also in async mode, where it runs as tasks do."""
    told_here: list[Told] = []
    for kind in (ThreadExecutor, AsyncExecutor):
        with kind(1, initializer=_keep, initargs=(told_here,)) as executor:
            run_concurrently([told], mode=executor)

    assert [None, None] == told_here


def test_a_call_that_was_submitted_is_the_first_of_its_own(executor: Any) -> None:
    """It belongs to no run."""
    future = executor.submit(tell, None)

    assert (0, "tell", 1) == future.result(timeout=30)[:3]


@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
def test_a_task_knows_which_attempt_it_is(mode: str) -> None:
    """Of those that are tried again; it keeps its index."""
    retry = Retry(attempts=3, on=OSError, wait_initial=0.0, wait_jitter=0.0)
    values = run_concurrently([Flaky(n) for n in range(6)], mode=mode, retry=retry)

    assert [(n, 3 if n % 2 else 1) for n in range(6)] == [(v[0], v[2]) for v in values if v]


def _inner() -> list[Any]:
    before = current_task()
    inside = run_concurrently(Task.map(tell, range(3)), mode="thread")
    return [before, inside, current_task()]


@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
def test_in_a_run_inside_a_task_the_inner_task_counts(mode: str) -> None:
    """And the outer one again once that run is over."""
    for index, (before, inside, after) in enumerate(
        run_concurrently([_inner, _inner], mode=mode, max_workers=2)
    ):
        assert index == before.index
        assert before == after
        assert [(n, "tell") for n in range(3)] == [one[:2] for one in inside]


def test_the_runs_of_tasks_are_told_apart() -> None:
    """Each has a number of its own, in processes too."""

    def number() -> int:
        task = current_task()
        assert task is not None
        return task.run

    with ProcessExecutor(1) as processes:
        found = [run_concurrently([number], mode=mode)[0] for mode in (processes, processes)]
        found += [run_concurrently([number], mode="serial")[0]]

    assert 3 == len(set(found))
    assert min(found) > 0


# ---- where a task's context goes -----------------------------------------------------------------


def test_a_thread_that_a_task_leaves_behind_is_in_no_task() -> None:
    """Once the task's batch is over; while it lasts, it is in the task if it has its context."""
    go_on = threading.Event()
    found: list[Told] = []
    left: list[threading.Thread] = []

    def look(wait: bool) -> None:
        if wait:
            go_on.wait(30)
        found.append(told())

    def leave() -> None:
        for wait in (False, True):
            thread = threading.Thread(target=copy_context().run, args=(look, wait))
            thread.start()
            if wait:
                left.append(thread)
            else:
                thread.join()

    run_concurrently([leave], mode="thread")
    go_on.set()
    left[0].join()

    first, second = found
    assert first is not None
    assert 0 == first[0]
    assert second is None


@pytest.mark.parametrize(("chunksize", "found"), [(2, 1), (1, None)])
def test_what_outlives_its_task_is_in_the_one_that_runs(chunksize: int, found: int | None) -> None:
    """In the same batch: docs/opentelemetry.md says so, and what helps."""
    go_on = threading.Event()
    told_to: list[int | None] = []
    left: list[threading.Thread] = []

    def look() -> None:
        go_on.wait(30)
        task = current_task()
        told_to.append(None if task is None else task.index)

    def work(number: int) -> None:
        if number == 0:
            left.append(threading.Thread(target=copy_context().run, args=(look,)))
            left[0].start()
        else:
            go_on.set()
            left[0].join()

    run_concurrently(Task.map(work, range(2)), mode="thread", max_workers=1, chunksize=chunksize)

    assert [found] == told_to


def test_a_batch_that_a_failure_has_ended_is_over() -> None:
    """The tasks behind the one that failed never ran, so nobody is in them."""
    go_on = threading.Event()
    found: list[Told] = []
    left: list[threading.Thread] = []

    def look() -> None:
        go_on.wait(30)
        found.append(told())

    def leave_and_fail(_: object) -> None:
        left.append(threading.Thread(target=copy_context().run, args=(look,)))
        left[0].start()
        raise OSError("enough")

    with pytest.raises(OSError, match="enough"):
        run_concurrently(Task.map(leave_and_fail, range(3)), mode="thread", chunksize=3)
    go_on.set()
    left[0].join()

    assert [None] == found


@pytest.mark.parametrize("mode", ["serial", "thread"])
def test_nothing_of_a_batch_is_kept_for_a_garbage_collection(mode: str) -> None:
    """What tasks were given and gave goes when the caller lets go of it."""

    class Thing:
        pass

    def same(thing: Thing) -> Thing:
        return thing

    things = [Thing() for _ in range(20)]
    refs = [weakref.ref(one) for one in things]
    gc.disable()
    try:
        run_concurrently([Task(same, one) for one in things], mode=mode, chunksize=5)
        del things[:]
        assert [None] * 20 == [ref() for ref in refs]
    finally:
        gc.enable()


# ---- log records ---------------------------------------------------------------------------------

LOGGER = logging.getLogger("task_context")


class Keeper(logging.Handler):
    """Keeps what the records say of tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields: Any = record
        where = (fields.task_index, fields.task_name, fields.worker)
        self.kept.append((record.getMessage(), *where))


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    """A handler with the filter."""
    handler = Keeper()
    handler.addFilter(TaskFilter())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    yield handler
    LOGGER.removeHandler(handler)
    LOGGER.propagate = True
    LOGGER.setLevel(logging.NOTSET)


def test_records_say_which_task_they_come_from(mode: str, keeper: Keeper) -> None:
    """The same in each mode; and outside tasks, that they come from none."""
    outcomes = run_concurrently(
        [Task(say, 5), Task(say, 6).named("six")], mode=mode, on_error="collect"
    )
    LOGGER.info("outside")

    workers = [one.worker for one in outcomes if isinstance(one, Success)]
    expected = [("number 5", 0, "say", workers[0]), ("number 6", 1, "six", workers[1])]
    assert expected == sorted(keeper.kept[:2])
    assert [("outside", None, None, None)] == keeper.kept[2:]


def test_a_record_that_says_it_itself_keeps_it(keeper: Keeper) -> None:
    """As one that comes from a process, or the `extra` of a call."""

    def log() -> None:
        LOGGER.info("by hand", extra={"task_index": 7, "task_name": "mine", "worker": "me"})

    run_concurrently([log], mode="serial")

    assert [("by hand", 7, "mine", "me")] == keeper.kept


def test_the_filter_of_a_name_passes_what_any_such_filter_does() -> None:
    """The base class decides."""
    record = logging.makeLogRecord({"name": "other"})

    assert not TaskFilter("mine").filter(record)
    assert TaskFilter("other").filter(record)


def structured(number: int) -> str:
    """Log by structlog as somebody sets it up, and return the line."""
    import structlog

    lines: list[str] = []

    def keep(_: object, __: str, event: Any) -> Any:
        lines.append(json.dumps(event, sort_keys=True))
        raise structlog.DropEvent

    structlog.wrap_logger(None, processors=[add_task, keep]).info("hello", number=number)
    return lines[0]


@pytest.mark.skipif(not find_spec("structlog"), reason="structlog is not installed here")
@pytest.mark.parametrize("where", ["serial", "thread", "process", "async"])
def test_structlog_events_say_which_task_they_come_from(where: str) -> None:
    """By a processor, in processes too, where structlog writes by itself."""
    lines = [
        json.loads(line) for line in run_concurrently(Task.map(structured, [3, 4]), mode=where)
    ]

    assert [(0, "structured", 3), (1, "structured", 4)] == [
        (line["task_index"], line["task_name"], line["number"]) for line in lines
    ]
    assert all(line["worker"] for line in lines)
    assert {"event": "hello", "number": 3} == json.loads(structured(3))


def test_an_event_keeps_what_it_says_itself() -> None:
    """Like the records of `logging`."""

    task = Task(add_task, None, "info", {"worker": "me"})

    expected = {"worker": "me", "task_index": 0, "task_name": "add_task"}
    assert [expected] == run_concurrently([task])


# ---- for async callers ---------------------------------------------------------------------------


async def _async_caller() -> list[Told]:
    tasks = Task.map(tell, range(3))
    return [*await aio.run_concurrently(tasks, mode="thread"), told()]


def test_the_loop_that_awaits_a_run_is_in_no_task() -> None:
    """What a run says of its tasks stays with them."""
    import anyio

    found = anyio.run(_async_caller)

    assert [0, 1, 2] == [one[0] for one in found[:3] if one]
    assert found[3] is None
