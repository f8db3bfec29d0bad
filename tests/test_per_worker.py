"""One value per worker: made on first use, the same for all that run there, closed at its end."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import asyncio
import copy
import logging
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Self
from uuid import uuid4

import anyio
import cloudpickle
import pytest
import sample_tasks
from conftest import CALLS, Call
from waiting import wait_until

from concurkit import (
    AsyncExecutor,
    Failure,
    PerWorker,
    ProcessExecutor,
    SerialExecutor,
    Success,
    Task,
    ThreadExecutor,
    aio,
    iter_concurrently,
    per_worker,
    run_concurrently,
)
from concurkit.exceptions import WorkerCrashedError

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "serial": SerialExecutor,
    "thread": lambda: ThreadExecutor(2),
    "process": lambda: ProcessExecutor(2),
    "asyncio": lambda: AsyncExecutor(2),
    "trio": lambda: AsyncExecutor(2, backend="trio"),
}

# Each mode by each kind of call, but not each with each: processes take their time.
everywhere = pytest.mark.parametrize(
    ("call", "mode"),
    [
        ("blocking", "serial"),
        ("blocking", "thread"),
        ("blocking", "process"),
        ("blocking", "async"),
        ("asyncio", "serial"),
        ("asyncio", "async"),
        ("trio", "thread"),
        ("trio", "process"),
        ("trio", "async"),
    ],
    indirect=True,
)


@pytest.fixture(autouse=True)
def _not_in_interpreters(request: pytest.FixtureRequest) -> None:
    """The tasks are here, and what this file imports can't be loaded in a sub-interpreter."""
    if "mode" in request.fixturenames and request.getfixturevalue("mode") == "interpreter":
        pytest.skip("see test_interpreters")


# ---- values that write down what becomes of them -------------------------------------------------


class Noted:
    """A value that writes into a file when it is made and when it is closed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = f"{os.getpid()}-{uuid4().hex}"
        self.thread = threading.get_ident()
        self.note("made")

    def note(self, word: str) -> None:
        sample_tasks.append(self.path, f"{word} {self.name}")


class Closed(Noted):
    def close(self) -> None:
        self.note("closed" if threading.get_ident() == self.thread else "closed elsewhere")


class Entered(Noted):
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        assert error == (None, None, None)
        self.note("closed")


class ClosedInLoop(Noted):
    async def aclose(self) -> None:
        await sample_tasks.turn()
        self.note("closed")


class CloseGivesCoroutine(Noted):
    async def close(self) -> None:
        await sample_tasks.turn()
        self.note("closed")


class LeftInLoop(Noted):
    """One that is entered only where its factory is async."""

    async def __aenter__(self) -> Self:
        await sample_tasks.turn()
        self.loop = loop()
        return self

    async def __aexit__(self, *error: object) -> None:
        await sample_tasks.turn()
        assert loop() == getattr(self, "loop", loop())
        self.note("closed")


def loop() -> int:
    """The loop that this runs on."""
    return id(asyncio.get_running_loop() if asyncio._get_running_loop() else sys.modules["trio"])


def made_by(kind: type[Noted], path: str) -> PerWorker[Any]:
    return per_worker(lambda: kind(path))


def made_later(kind: type[Noted], path: str) -> PerWorker[Any]:
    async def make() -> Noted:
        await sample_tasks.turn()
        return kind(path)

    return per_worker(make)


def sync_manager(_: object, path: str) -> PerWorker[Any]:
    @per_worker
    @contextmanager
    def manager() -> Iterator[Noted]:
        noted = Noted(path)
        yield noted
        noted.note("closed")

    return manager


def async_manager(_: object, path: str) -> PerWorker[Any]:
    @per_worker
    @asynccontextmanager
    async def manager() -> AsyncIterator[Noted]:
        await sample_tasks.turn()
        noted = Noted(path)
        yield noted
        await sample_tasks.turn()
        noted.note("closed")

    return manager


SYNC = [Closed, Entered, ClosedInLoop, CloseGivesCoroutine, LeftInLoop]


def use(value: PerWorker[Any], _: object = None) -> tuple[str, ...]:
    """The names that the value of this worker has, asked for twice."""
    return (value().name, value().name)


async def use_in_loop(value: PerWorker[Any], _: object = None) -> tuple[str, ...]:
    first = value().name
    await sample_tasks.turn()
    return (first, value().name)


async def use_awaited(value: PerWorker[Any], _: object = None) -> tuple[str, ...]:
    first = (await value()).name
    await sample_tasks.turn()
    return (first, (await value()).name)


CASES = [
    *(pytest.param(made_by, kind, use, id=kind.__name__) for kind in SYNC),
    pytest.param(made_by, Closed, use_in_loop, id="Closed on a loop"),
    pytest.param(made_by, ClosedInLoop, use_in_loop, id="ClosedInLoop on a loop"),
    *(
        pytest.param(made_later, kind, use_awaited, id=f"{kind.__name__} awaited")
        for kind in (Closed, Entered, LeftInLoop)
    ),
    pytest.param(sync_manager, None, use, id="@contextmanager"),
    pytest.param(async_manager, None, use_awaited, id="@asynccontextmanager"),
]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The file that values write into."""
    file = tmp_path / "notes"
    file.touch()
    return str(file)


def noted(path: str, word: str) -> list[str]:
    """The names that were written down with that word, in that order."""
    lines = [line.rsplit(" ", 1) for line in Path(path).read_text().splitlines()]
    return [name for first, name in lines if first == word]


# ---- one for each worker, closed when the run is over --------------------------------------------


@everywhere
@pytest.mark.parametrize(("make", "kind", "task"), CASES)
def test_a_worker_has_one_value_closed_before_the_call_returns(
    call: Call, mode: str, make: Any, kind: Any, task: Any, path: str
) -> None:
    value = make(kind, path)
    workers = 1 if mode == "serial" or (mode == "async" and task is not use) else 2

    names = call(Task.map(partial(task, value), range(8)), mode=mode, max_workers=2)

    made = noted(path, "made")
    assert {name for pair in names for name in pair} == set(made)
    assert all(first == second for first, second in names)
    assert 1 <= len(made) <= workers
    assert sorted(made) == sorted(noted(path, "closed"))


@pytest.mark.parametrize(("make", "kind", "task"), CASES)
@pytest.mark.parametrize("make_executor", EXECUTORS.values(), ids=EXECUTORS)
def test_a_kept_executor_keeps_its_values_until_it_is_shut_down(
    make_executor: Callable[[], Any], make: Any, kind: Any, task: Any, path: str
) -> None:
    value = make(kind, path)
    with make_executor() as executor:
        first = run_concurrently([Task(task, value)] * 4, mode=executor)
        second = run_concurrently([Task(task, value)] * 4, mode=executor)

        assert [] == noted(path, "closed")
        made = noted(path, "made")
        assert {name for pair in first + second for name in pair} == set(made)
        assert len(made) <= executor.max_workers
    assert sorted(made) == sorted(noted(path, "closed"))


def test_a_kept_process_has_the_same_value_in_the_next_run(path: str) -> None:
    """Though it was sent there a second time, by value."""
    value = made_by(Closed, path)
    with ProcessExecutor(1) as process:
        first = run_concurrently([Task(use, value)], mode=process)
        second = run_concurrently([lambda: use(value)], mode=process)

    assert first == second
    assert 1 == len(noted(path, "made")) == len(noted(path, "closed"))


@everywhere
def test_values_are_closed_when_tasks_fail(call: Call, mode: str, path: str) -> None:
    value = made_by(Closed, path)

    def fail(_: int) -> NoReturn:
        raise ValueError(value().name)

    outcomes = call(Task.map(fail, range(6)), mode=mode, max_workers=2, on_error="collect")

    assert {outcome.error.args[0] for outcome in outcomes} == set(noted(path, "made"))
    assert sorted(noted(path, "made")) == sorted(noted(path, "closed"))


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
def test_values_are_closed_when_a_failure_ends_the_run(call: Call, mode: str, path: str) -> None:
    value = made_by(Closed, path)

    def fail(number: int) -> None:
        value()
        if number == 3:
            raise ValueError(number)

    with pytest.raises(ValueError, match="3"):
        call(Task.map(fail, range(100)), mode=mode, max_workers=2)

    assert sorted(noted(path, "made")) == sorted(noted(path, "closed")) != []


@pytest.mark.parametrize("stop", ["read", "closed"])
def test_a_stream_closes_its_values(mode: str, stop: str, path: str) -> None:
    value = made_by(Closed, path)

    with iter_concurrently([Task(use, value)] * 6, mode=mode, max_workers=2) as run:
        names = list(run) if stop == "read" else [next(run)]

    assert {name for pair in names for name in pair} <= set(noted(path, "made"))
    if mode != "process" or stop == "read":  # else it may have been killed
        assert sorted(noted(path, "made")) == sorted(noted(path, "closed"))


@pytest.mark.parametrize("backend", CALLS[1:])
def test_a_stream_that_a_loop_drops_closes_its_values(backend: str, path: str) -> None:
    value = made_later(ClosedInLoop, path)

    async def main() -> None:
        run = aio.iter_concurrently(Task.map(partial(use_awaited, value), range(9)), mode="async")
        await anext(run)
        del run
        with anyio.fail_after(10):
            while not noted(path, "closed"):
                await anyio.sleep(0.001)

    anyio.run(main, backend=backend)

    assert noted(path, "made") == noted(path, "closed")


def test_a_process_that_dies_takes_its_value_along_and_the_next_makes_its_own(path: str) -> None:
    value = made_by(Closed, path)

    def die_at(number: int) -> str:
        name: str = value().name
        if number == 1:
            os._exit(1)
        return name

    outcomes = run_concurrently(
        Task.map(die_at, range(3)), mode="process", max_workers=1, on_error="collect", chunksize=1
    )

    assert isinstance(outcomes[1].error, WorkerCrashedError)
    first, second = noted(path, "made")
    assert [first, second] == [outcomes[0].unwrap(), outcomes[2].unwrap()]
    assert [second] == noted(path, "closed")


def test_an_abandoned_thread_closes_its_value_when_it_comes_back(path: str) -> None:
    value = made_by(Closed, path)
    release = threading.Event()

    def hang(number: int) -> str:
        name: str = value().name
        if number == 0:
            release.wait(30)
        return name

    hung, went_on = run_concurrently(
        Task.map(hang, range(2)),
        mode="thread",
        max_workers=1,
        timeout=1.0,
        on_error="collect",
    )
    assert isinstance(hung, Failure)
    assert isinstance(went_on, Success)
    assert [went_on.value] == noted(path, "closed")

    release.set()
    wait_until(lambda: len(noted(path, "closed")) == 2)
    assert sorted(noted(path, "made")) == sorted(noted(path, "closed"))


def test_an_abandoned_task_gets_no_new_value_when_its_worker_has_ended(path: str) -> None:
    value, other = made_by(Closed, path), made_by(Closed, path)
    release, ended = threading.Event(), threading.Event()
    errors = []

    async def hang() -> None:
        value()
        await sample_tasks.ignore_cancelling(release)
        try:
            other()
        except RuntimeError as error:
            errors.append(str(error))
        ended.set()

    with AsyncExecutor(1) as executor:
        [outcome] = run_concurrently([hang], mode=executor, timeout=0.1, on_error="collect")
        assert isinstance(outcome, Failure)
        executor.shutdown(wait=False)
        wait_until(lambda: len(noted(path, "closed")) == 1)
        release.set()
    ended.wait(10)

    assert 1 == len(noted(path, "made"))
    assert "the worker has ended" in errors[0]


# ---- made once -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", CALLS[1:])
def test_coroutines_that_ask_at_once_share_one_value(backend: str, path: str) -> None:
    @per_worker
    async def value() -> Noted:
        await anyio.sleep(0.01)
        return Noted(path)

    async def main() -> list[str]:
        return await aio.run_concurrently([Task(name)] * 30, mode="async", max_workers=30)

    async def name() -> str:
        return (await value()).name

    assert anyio.run(main, backend=backend) == noted(path, "made") * 30


def test_threads_that_share_a_worker_share_one_value(path: str) -> None:
    together = threading.Barrier(4)

    @per_worker
    def value() -> Noted:
        time.sleep(0.02)
        return Noted(path)

    def name(names: list[str]) -> None:
        together.wait(10)
        names.append(value().name)

    def share() -> list[str]:
        names: list[str] = []
        threads = [
            threading.Thread(target=copy_context().run, args=(name, names)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return names

    assert run_concurrently([share], mode="thread") == [noted(path, "made") * 4]


@everywhere
def test_a_factory_that_raises_fails_its_task_and_is_tried_again(call: Call, mode: str) -> None:
    failed = []

    @per_worker
    def value() -> str:
        if not failed:
            failed.append(True)
            raise KeyError("not yet")
        return "made"

    def first_and_then() -> str:
        with pytest.raises(KeyError, match="not yet"):
            value()
        return value()

    assert ["made"] == call([first_and_then], mode=mode)


@everywhere
def test_the_error_of_a_factory_is_that_of_the_task(call: Call, mode: str) -> None:
    @per_worker
    def value() -> NoReturn:
        raise KeyError(30, "Rome")

    @per_worker
    async def awaited() -> NoReturn:
        await sample_tasks.turn()
        raise KeyError(30, "Rome")

    async def use_it() -> None:
        await awaited()

    for task in (lambda: value(), use_it):
        with pytest.raises(KeyError) as caught:
            call([task], mode=mode)
        assert (30, "Rome") == caught.value.args


@pytest.mark.parametrize("backend", CALLS[1:])
def test_an_async_factory_that_raises_or_is_cancelled_is_tried_again(backend: str) -> None:
    attempts = []

    @per_worker
    async def value() -> str:
        attempts.append(True)
        if len(attempts) == 1:
            raise KeyError("not yet")
        if len(attempts) == 2:
            await anyio.sleep(60)
        return "made"

    async def use_it() -> str:
        with pytest.raises(KeyError):
            await value()
        with anyio.move_on_after(0.01):
            await value()
        return await value()

    async def main() -> list[str]:
        return await aio.run_concurrently([use_it], mode="async")

    assert ["made"] == anyio.run(main, backend=backend)


# ---- context managers ----------------------------------------------------------------------------


@everywhere
def test_the_value_is_what_the_context_manager_gives(call: Call, mode: str) -> None:
    class Manager:
        def __enter__(self) -> str:
            return "entered"

        def __exit__(self, *_: object) -> None: ...

    value: PerWorker[str] = per_worker(lambda: Manager())

    assert ["entered"] == call([lambda: value()], mode=mode)


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
def test_a_database_is_committed_and_closed(call: Call, mode: str, tmp_path: Path) -> None:
    file = tmp_path / "data.sqlite"
    with sqlite3.connect(file) as setup:
        setup.execute("CREATE TABLE numbers (n)")
    setup.close()
    opened = []

    @per_worker
    def database() -> sqlite3.Connection:
        opened.append(sqlite3.connect(file, timeout=30, check_same_thread=False))
        return opened[-1]

    def insert(number: int) -> None:
        database().execute("INSERT INTO numbers VALUES (?)", (number,))

    call(Task.map(insert, range(5)), mode=mode, max_workers=1)

    check = sqlite3.connect(file)
    assert list(range(5)) == sorted(n for (n,) in check.execute("SELECT n FROM numbers"))
    check.close()
    for one in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            one.execute("SELECT 1")


def test_what_a_manager_gives_is_not_closed_but_the_manager_left() -> None:
    notes = []

    class Manager:
        def __enter__(self) -> Inner:
            return Inner()

        def __exit__(self, *_: object) -> None:
            notes.append("left")

        def close(self) -> None:
            notes.append("manager closed")

    class Inner:
        def close(self) -> None:
            notes.append("inner closed")

    value = per_worker(lambda: Manager())
    run_concurrently([lambda: value() and None], mode="thread")

    assert ["left"] == notes


def test_a_module_or_a_class_is_nothing_to_close() -> None:
    values = [per_worker(lambda: os), per_worker(lambda: sqlite3.Connection)]

    assert [os, sqlite3.Connection] == run_concurrently(values, mode="thread", max_workers=1)


# ---- how values are closed -----------------------------------------------------------------------


def chain(path: str) -> Callable[[], None]:
    """A task that uses three values, each made of the one before."""

    class Link:
        def __init__(self, name: str, before: Callable[[], Any] | None) -> None:
            self.name = name
            self.before = before
            if before is not None:
                before()

        def close(self) -> None:
            before = self.before().name if self.before is not None else "nothing"
            sample_tasks.append(path, f"closed {self.name}-before-{before}")

    first = per_worker(lambda: Link("first", None))
    second = per_worker(lambda: Link("second", first))
    third = per_worker(lambda: Link("third", second))
    return lambda: third() and None


@everywhere
def test_the_last_made_is_closed_first_and_may_use_the_others(
    call: Call, mode: str, path: str
) -> None:
    call([chain(path)], mode=mode)

    names = ["third-before-second", "second-before-first", "first-before-nothing"]
    assert names == noted(path, "closed")


class Breaks(Noted):
    """One whose closing raises."""

    def close(self) -> None:
        self.note("broke")
        raise RuntimeError("can't close")


class BreaksInLoop(Noted):
    async def close(self) -> None:
        self.note("broke")
        await sample_tasks.turn()
        raise RuntimeError("can't close")


class Exits(Noted):
    def close(self) -> NoReturn:
        self.note("broke")
        sys.exit("can't close")


@pytest.mark.parametrize("kind", [Breaks, BreaksInLoop, Exits])
@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
def test_an_error_in_closing_is_logged_and_harms_nothing(
    call: Call, mode: str, kind: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    good, broken = made_by(Closed, path), made_by(kind, path)

    def both() -> int:
        good()
        broken()
        return 7

    assert [7] == call([both], mode=mode)

    assert 1 == len(noted(path, "broke")) == len(noted(path, "closed"))
    [record] = caplog.records
    assert ("concurkit", logging.ERROR) == (record.name, record.levelno)
    assert "closing the value of" in record.getMessage()
    assert record.exc_info is not None
    assert "can't close" == str(record.exc_info[1])


BREAKING = """
import sys
from concurkit import per_worker, run_concurrently

class Value:
    def close(self): print("closed", flush=True)

class Breaks:
    def close(self): raise {error}("can't close")

value = per_worker(Value)
broken = per_worker(Breaks)
print(run_concurrently([lambda: value() and broken() and 7], mode="process"))
"""


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit", "KeyboardInterrupt"])
def test_an_error_in_closing_is_logged_by_a_process(error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BREAKING.format(error=error)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert ["closed", "[7]"] == done.stdout.splitlines()
    assert f"{error}: can't close" in done.stderr


def test_cancelling_the_call_closes_values(path: str) -> None:
    """Also where the second cancellation comes while they are being closed."""
    closing = threading.Event()

    class Slow(Noted):
        async def aclose(self) -> None:
            closing.set()
            try:
                await asyncio.sleep(60)
            finally:
                self.note("closed")

    value, other = made_by(Slow, path), made_by(Closed, path)

    async def hang() -> None:
        other()
        value()
        await asyncio.sleep(60)

    async def main() -> None:
        call = asyncio.create_task(aio.run_concurrently([hang], mode="async"))
        while len(noted(path, "made")) < 2:
            await asyncio.sleep(0.001)
        call.cancel()
        while not closing.is_set():
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())

    assert sorted(noted(path, "made")) == sorted(noted(path, "closed"))


# ---- what counts as a worker ---------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["serial", "thread", "async"])
def test_a_run_inside_a_task_has_workers_of_its_own(mode: str, inner: str, path: str) -> None:
    value = made_by(Closed, path)

    def outer() -> tuple[str, str, str]:
        before = value().name
        [(inside, _)] = run_concurrently([Task(use, value)], mode=inner)
        return before, inside, value().name

    [(before, inside, after)] = run_concurrently([outer], mode=mode)

    assert before == after != inside
    assert [inside, before] == noted(path, "closed")


def test_a_sync_function_in_async_mode_is_on_a_worker_of_its_own(call: Call, path: str) -> None:
    value = made_by(Closed, path)

    (first, *_), (second, *_) = call([Task(use, value), Task(use_in_loop, value)], mode="async")

    assert first != second


def in_plain_thread(fn: Callable[[], Any]) -> Any:
    """What *fn* gives in a thread that inherits no context."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(fn()))
    if hasattr(thread, "_context"):  # 3.14 and later
        from contextvars import Context

        thread._context = Context()
    thread.start()
    thread.join()
    return found[0]


def test_a_plain_thread_in_a_worker_process_has_the_value_of_the_process(path: str) -> None:
    value = made_by(Noted, path)

    def both() -> tuple[str, str]:
        return value().name, in_plain_thread(lambda: value().name)

    [(own, other)] = run_concurrently([both], mode="process")

    assert own == other


def test_a_plain_thread_has_a_value_closed_when_it_ends(path: str) -> None:
    value = made_by(Closed, path)

    first = in_plain_thread(lambda: use(value)[0])
    assert [first] == noted(path, "closed")
    second, third = in_plain_thread(lambda: use(value))

    assert first != second == third
    assert [first, second] == noted(path, "made") == noted(path, "closed")


def test_a_task_does_not_see_the_value_of_the_thread_that_calls(mode: str, path: str) -> None:
    value = made_by(Closed, path)

    def main() -> tuple[str, str, str]:
        before = value().name
        [(inside, _)] = run_concurrently([Task(use, value)], mode=mode)
        return before, inside, value().name

    before, inside, after = in_plain_thread(main)

    assert before == after != inside


def test_what_is_submitted_to_a_serial_executor_shares_its_value(path: str) -> None:
    value = made_by(Closed, path)
    with SerialExecutor() as executor:
        names = {*executor.submit(use, value).result()}
        names |= {*run_concurrently([Task(use, value)], mode=executor)[0]}
        assert [] == noted(path, "closed")

    assert names == {*noted(path, "closed")}
    assert 1 == len(names)


def test_a_serial_executor_that_is_dropped_closes_its_values(path: str) -> None:
    value = made_by(Closed, path)
    SerialExecutor().submit(use, value).result()

    assert 1 == len(noted(path, "closed"))


@pytest.mark.parametrize("mode", ["serial", "thread", "process"])
def test_a_loop_that_a_task_runs_itself_has_a_value_of_its_own(mode: str, path: str) -> None:
    """It is closed before that loop, which others can't use."""
    value = made_later(LeftInLoop, path)

    def own_loop() -> list[str]:
        names = []
        for backend in ("asyncio", "trio"):
            names.append(anyio.run(use_awaited, value, backend=backend)[0])
            assert names == noted(path, "closed")
        return names

    [names] = run_concurrently([own_loop], mode=mode)

    assert 2 == len(set(names))


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
def test_two_loops_of_one_worker_do_not_share_what_was_made_on_one(mode: str, path: str) -> None:
    value = made_later(LeftInLoop, path)

    async def both() -> list[str]:
        first = (await value()).name
        with ThreadPoolExecutor(1) as own:  # the loop's own threads stay as long as the loop
            loop = asyncio.get_running_loop()
            second, _ = await loop.run_in_executor(own, asyncio.run, use_awaited(value))
        return [first, second, (await value()).name]

    [(first, second, third)] = run_concurrently([both], mode=mode)

    assert second != first == third
    assert [second, first] == noted(path, "closed")


SCRIPT = """
import os, threading
from concurkit import SerialExecutor, ThreadExecutor, per_worker

class Value:
    def __init__(self, name):
        self.name = name
        self.pid = os.getpid()
    def close(self):
        print("closed", self.name, self.pid == os.getpid(), flush=True)

value = per_worker(lambda: Value("of main"))
value()
assert value() is value()
kept = ThreadExecutor(1)
of_thread = per_worker(lambda: Value("of thread"))
kept.submit(of_thread).result()
serial = SerialExecutor()
of_serial = per_worker(lambda: Value("of serial"))
serial.submit(of_serial).result()
{end}
"""
FORK = """
if not (pid := os.fork()):
    assert value().pid == os.getpid()
    raise SystemExit
os.waitpid(pid, 0)
"""


def closed_by_script(end: str) -> list[str]:
    """What a script that ends like that prints as it closes values."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT.format(end=end)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (0, b"") == (done.returncode, done.stderr)
    return sorted(done.stdout.decode().splitlines())


def test_what_is_left_is_closed_when_the_interpreter_ends() -> None:
    expected = ["closed of main True", "closed of serial True", "closed of thread True"]

    assert expected == closed_by_script("")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_makes_its_own_and_leaves_the_parents_alone() -> None:
    expected = ["closed of main True"] * 2 + ["closed of serial True", "closed of thread True"]

    assert expected == closed_by_script(FORK)


# ---- travelling to other processes ---------------------------------------------------------------


@per_worker
def decorated() -> Noted:
    return Noted(os.devnull)


def _make() -> Noted:
    return Noted(os.devnull)


renamed = per_worker(_make)


class Holder:
    attribute = per_worker(_make)

    @per_worker
    @staticmethod
    def decorated() -> Noted:
        return Noted(os.devnull)


of_another = per_worker(partial(sqlite3.connect, ":memory:"))


@pytest.mark.parametrize(
    "value",
    [decorated, renamed, of_another, Holder.decorated],
    ids=["decorated", "renamed", "of another module", "of a class"],
)
def test_a_global_of_a_module_is_pickled_by_its_name(value: Any) -> None:
    for dumps in (pickle.dumps, cloudpickle.dumps):
        assert value is pickle.loads(dumps(value))


def test_any_other_is_pickled_by_value_and_copies_are_the_same(path: str) -> None:
    value = made_by(Closed, path)
    again = pickle.loads(cloudpickle.dumps(value))
    copied = pickle.loads(cloudpickle.dumps(Holder.attribute))

    def names() -> set[str]:
        return {value().name, again().name, copy.copy(value)().name}

    assert again is not value
    assert 1 == len(run_concurrently([names], mode="serial")[0])
    assert copied is not Holder.attribute
    assert run_concurrently([lambda: copied() is Holder.attribute()], mode="serial") == [True]


def test_copies_in_one_process_share_one_value(path: str) -> None:
    """One is an argument, one in a closure, one in another message."""
    value = made_by(Closed, path)

    def both(other: PerWorker[Any]) -> set[str]:
        return {value().name, other().name}

    names = run_concurrently([Task(both, value)] * 3, mode="process", max_workers=1, chunksize=1)

    assert 1 == len(set().union(*names)) == len(noted(path, "made"))


def test_a_script_needs_nothing_to_be_importable(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from concurkit import Task, per_worker, run_concurrently\n"
        "class Value:\n"
        "    def close(self): print('closed', flush=True)\n"
        "@per_worker\n"
        "def value():\n"
        "    print('made', flush=True)\n"
        "    return Value()\n"
        "def use(_): return value() is value()\n"
        "print(run_concurrently(Task.map(use, range(4)), mode='process', max_workers=1))\n"
    )

    done = subprocess.run([sys.executable, script], capture_output=True, timeout=60, check=False)

    assert b"" == done.stderr
    assert ["made", "closed", "[True, True, True, True]"] == done.stdout.decode().splitlines()


# ---- the object itself ---------------------------------------------------------------------------


def test_it_looks_like_its_factory() -> None:
    @per_worker
    def connection() -> int:
        """Connect."""
        return 1

    assert "connection" == connection.__name__
    assert "Connect." == connection.__doc__
    assert __name__ == connection.__module__
    assert "per_worker(test_it_looks_like_its_factory.connection)" == repr(connection)
    with pytest.raises(AttributeError, match="can't be changed"):
        connection.__name__ = "other"


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (7, "factory is 7; .* write per_worker\\(connect\\), not per_worker\\(connect\\(\\)\\)"),
        (None, "factory is None"),
        (generator, "@contextlib.contextmanager below"),
        (async_generator, "@contextlib.asynccontextmanager below"),
    ],
)
def test_what_makes_no_value_is_refused_at_once(factory: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        per_worker(factory)


def test_a_coroutine_from_a_sync_factory_is_refused_with_the_way_to_write_it() -> None:
    value: PerWorker[Any] = per_worker(lambda: sample_tasks.give_async(1))

    with pytest.raises(TypeError, match="give per_worker the async function itself"):
        run_concurrently([lambda: value()], mode="thread")
