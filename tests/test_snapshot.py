"""Who is stuck, and where in the code: what a run says of its tasks while they run."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
import sample_tasks
from conftest import Call, Place
from waiting import wait_until

from concurkit import (
    ProcessExecutor,
    Run,
    Running,
    Task,
    aio,
    iter_concurrently,
    run_concurrently,
)
from concurkit.exceptions import TaskCancelledError, WorkerCrashedError
from concurkit.executors.process import _ledger

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")

# Where nobody can tell what a task does.
BLIND = ("interpreter", "given process")


@contextmanager
def read_elsewhere(run: Run[Any], gate: Gate) -> Iterator[list[Any]]:
    """A thread reads the run, and in serial mode runs its tasks; the gate opens at the end."""
    values: list[Any] = []

    def read() -> None:
        try:
            values.extend(run)
        except TaskCancelledError:
            values.append("cancelled")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield values
    finally:
        gate.open()
        reader.join()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """What a stuck task waits for; open in any case at the end."""
    gate = Gate(tmp_path)
    try:
        yield gate
    finally:
        gate.open()


class Gate:
    """Two files: one says that the task has started, the other lets it go on."""

    def __init__(self, place: Path) -> None:
        self.started = place / "started"
        self.go = place / "go"
        self.paths = (str(self.started), str(self.go))

    def open(self) -> None:
        self.go.touch()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may take longer to answer, as on a busy machine: it is the answer that counts."""
    monkeypatch.setattr("concurkit._stacks.PATIENCE", 20.0)


def functions(stack: str | None) -> list[str]:
    """The functions of a stack, the most recent call first."""
    assert stack is not None
    return re.findall(r'^  File ".*", line \d+ in (\w+)$', stack, re.MULTILINE)


def doing(run: Run[Any]) -> list[str]:
    """The functions that the one task of a run is in; none before it runs."""
    return [name for one in run.stacks() for name in functions(one.stack or "")]


def is_blind(place: Place) -> bool:
    return place.mode == "interpreter" or (
        place.mode == "process" and not isinstance(place.where, str | ProcessExecutor)
    )


# ---- in every mode -------------------------------------------------------------------------------


def told_in(function: str | None, run: Run[Any]) -> tuple[Running, float]:
    """What `stacks` says of the one task once it is in *function*, and how long that answer took.

    The answer is kept: a next one might not come in time. Without a function the first one is.
    """

    def ask() -> tuple[Running, float] | None:
        began = time.monotonic()
        [one] = run.stacks()
        took = time.monotonic() - began
        there = function is None or function in functions(one.stack or "")
        return (one, took) if there else None

    return wait_until(ask)


def check_stuck(where: Any, gate: Gate, *, blind: bool) -> None:
    """The one task of a run on *where* that is stuck is told, with its stack."""
    tasks = [Task(sample_tasks.note_and_wait_for_file, *gate.paths).named("the wait")]
    with iter_concurrently(tasks, mode=where) as run, read_elsewhere(run, gate) as values:
        wait_until(gate.started.exists)
        [before] = wait_until(run.snapshot)
        after, took = told_in(None if blind else "wait_for_file", run)

    assert ["done"] == values
    assert [] == run.snapshot() == run.stacks()
    assert (0, "the wait", 1, 0, 0) == (
        before.index,
        before.name,
        before.attempt,
        before.behind,
        before.unsure,
    )
    assert before.arguments.startswith("'/")
    assert before.stack is None
    assert 0 <= before.seconds <= after.seconds < 30
    assert took < 2
    if blind:
        assert after.stack is None
    else:
        assert before.worker
        found = functions(after.stack)
        assert ["wait_for_file", "note_and_wait_for_file"] == found[-2:]


def test_a_stuck_task_is_told(place: Place, gate: Gate) -> None:
    """Its place in the run, its call, its worker and what it does, from another thread."""
    check_stuck(place.where, gate, blind=is_blind(place))


def test_a_stuck_task_is_told_by_name_of_the_mode(mode: str, gate: Gate) -> None:
    """Also of workers that the run has started itself."""
    check_stuck(mode, gate, blind=mode == "interpreter")


@pytest.mark.parametrize("kind", ["serial", "thread", "process", "async"])
def test_a_coroutine_tells_where_it_waits(kind: str, gate: Gate) -> None:
    """The chain of what it awaits, not the loop that waits for it."""
    tasks = [Task(sample_tasks.note_and_wait_for_file_async, *gate.paths)]
    with (
        iter_concurrently(tasks, mode=kind, max_workers=1) as run,
        read_elsewhere(run, gate) as values,
    ):
        wait_until(gate.started.exists)
        wait_until(run.snapshot)
        one, _ = told_in("_file_is_there", run)

    assert ["done"] == values
    found = functions(one.stack)
    assert ["_file_is_there", "note_and_wait_for_file_async"] == found[-2:]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_stacks_on_a_loop(backend: str) -> None:
    """The loop that asks is the one that the tasks wait on; it is not blocked meanwhile."""
    found: list[Running] = []

    async def main() -> None:
        started, go = anyio.Event(), anyio.Event()

        async def inner() -> None:
            started.set()
            await go.wait()

        async def outer(_: int) -> None:
            await inner()

        run: aio.Run[None]
        async with aio.iter_concurrently(Task.map(outer, range(2)), max_workers=1) as run:
            await started.wait()
            found.extend(run.snapshot())
            found.extend(await run.stacks())
            go.set()
            async for _ in run:
                pass
            found.extend(await run.stacks())

    anyio.run(main, backend=backend)

    before, after = found
    assert (0, None) == (before.index, before.stack)
    assert ["inner", "outer"] == functions(after.stack)[-2:]
    assert "outer(0)" in str(after)


def test_a_coroutine_that_blocks_its_loop(gate: Gate) -> None:
    """It never waits, so its thread tells what it does."""
    tasks = [Task(sample_tasks.note_and_block_the_loop, *gate.paths)]
    with iter_concurrently(tasks, mode="async") as run, read_elsewhere(run, gate):
        wait_until(gate.started.exists)
        [one] = wait_until(run.stacks)

    assert ["note_and_wait_for_file", "note_and_block_the_loop"] == functions(one.stack)[-2:]


def test_a_serial_run_inside_a_task(gate: Gate) -> None:
    """Its thread has frames of the outer task, too, which are left out."""
    [[stack]] = run_concurrently([Task(sample_tasks.tell_stack_of_serial_run, *gate.paths)])

    assert ["wait_for_file", "note_and_wait_for_file"] == functions(stack)[-2:]


@pytest.mark.parametrize("kind", ["serial", "thread", "process"])
def test_what_waits_behind(kind: str, gate: Gate) -> None:
    """Of a batch the task that runs is told, and how many wait for it."""
    tasks = [
        Task(sample_tasks.nothing),
        Task(sample_tasks.note_and_wait_for_file, *gate.paths),
        Task(sample_tasks.nothing),
        Task(sample_tasks.nothing),
    ]
    with (
        iter_concurrently(tasks, mode=kind, chunksize=4, max_workers=1) as run,
        read_elsewhere(run, gate) as values,
    ):
        wait_until(gate.started.exists)
        [one] = wait_until(run.snapshot)

    assert 4 == len(values)
    assert (1, 2) == (one.index, one.behind)


def test_which_attempt(gate: Gate) -> None:
    tasks = [Task(sample_tasks.fail_first_and_wait, *gate.paths)]
    with iter_concurrently(tasks, mode="thread", retry=3) as run, read_elsewhere(run, gate):
        wait_until(gate.started.exists)
        [one] = wait_until(run.snapshot)

    assert 2 == one.attempt


def test_a_tiny_task_that_is_stuck_after_all(gate: Gate) -> None:
    """Processes account for tasks under 2 µs in groups: it is said how sure that is."""
    stuck = 150

    tasks = Task.map(sample_tasks.wait_at, range(300), [stuck] * 300, [gate.paths] * 300)
    with (
        iter_concurrently(tasks, mode="process", max_workers=1, chunksize=100) as run,
        read_elsewhere(run, gate) as values,
    ):
        wait_until(gate.started.exists)
        [one] = wait_until(run.snapshot)

    assert 300 == len(values)
    assert one.index <= stuck <= one.index + one.unsure
    assert one.unsure <= one.behind


class Unshowable:
    """An object whose repr fails, in the worst way."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


def test_arguments_are_short_and_never_an_error() -> None:
    """Whatever their reprs do."""
    started, go = threading.Event(), threading.Event()

    def wait(*_: object, **__: object) -> None:
        started.set()
        go.wait()

    bad = [Unshowable(ZeroDivisionError()), Unshowable(SystemExit(3)), Unshowable(RecursionError())]
    tasks = [Task(wait, *bad, "x" * 1000, key=list(range(1000)), more=["y" * 50] * 9)]
    with iter_concurrently(tasks, mode="thread") as run:
        assert started.wait(10)
        [one] = wait_until(run.snapshot)
        go.set()

    assert one.arguments.startswith("<Unshowable")
    assert 3 == one.arguments.count("Unshowable")
    assert len(one.arguments) <= 200
    assert "key=[0, 1, 2, 3, 4, 5, ...]" in one.arguments


def test_a_builtin_function_has_no_frames() -> None:
    """Its stack is empty, which is an answer, too."""
    lock = threading.Lock()
    lock.acquire()
    with iter_concurrently([lock.acquire], mode="thread") as run:
        [one] = wait_until(run.stacks)
        lock.release()

    assert "" == one.stack
    assert str(one).endswith("\n  in C code")


def test_before_the_first_result_is_asked_for() -> None:
    """Nothing runs, and the input is not drawn from."""
    drawn: list[Task[int]] = []
    run = iter_concurrently(drawn.append(Task(abs, 1)) or drawn[-1] for _ in range(3))

    assert [] == run.snapshot() == run.stacks() == drawn
    run.close()


# ---- a process that is stuck in C code -----------------------------------------------------------


@POSIX
@pytest.mark.usefixtures("patient")
def test_c_code_that_holds_the_gil() -> None:
    """No thread of the worker's can answer, so a signal does; twice, and two who ask at once."""
    tasks = [Task(sample_tasks.search_for_ever)]
    with iter_concurrently(tasks, mode="process", max_workers=1) as run:
        wait_until(lambda: ["search_for_ever"] == doing(run))
        began = time.monotonic()
        with ThreadPoolExecutor(2) as askers:
            answers = [asked.result() for asked in [askers.submit(run.stacks) for _ in range(2)]]
        answers.append(run.stacks())
        assert time.monotonic() - began < 3
        run.cancel()

    for [one] in answers:
        assert ["search_for_ever"] == functions(one.stack)


@POSIX
def test_a_crash_after_that_tells_its_own_stack(tmp_path: Path) -> None:
    """What was written when it was asked is not taken for the worker's last words."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with ProcessExecutor(1) as processes:
        tasks = [Task(sample_tasks.read_in_c, str(path))]
        with iter_concurrently(tasks, mode=processes) as run:
            wait_until(lambda: ["read_in_c"] == doing(run))
            with path.open("w"):
                assert [None] == list(run)
        for task in (Task(sample_tasks.read_null), Task(sample_tasks.kill_self)):
            [outcome] = run_concurrently([task], mode=processes, on_error="collect")

            assert isinstance(outcome.error, WorkerCrashedError)
            assert "read_in_c" not in outcome.error.stack
            assert ("read_null" in outcome.error.stack) == (task.fn is sample_tasks.read_null)


@POSIX
def test_an_answer_that_comes_too_late_is_no_last_word() -> None:
    """It may be written when nobody waits for it any more; then the worker dies."""
    ledger, handle = _ledger.make()
    try:
        ledger.clear_dump()
        os.write(ledger.fd, b'Stack (most recent call first):\n  File "a.py", line 1 in asked\n')
        assert "" == ledger.last_words()
        os.write(ledger.fd, b'Fatal Python error: Aborted\n\n  File "b.py", line 2 in died\n')
        assert ["died"] == functions(ledger.last_words())
        ledger.clear_dump()
        assert "" == ledger.dump()
    finally:
        getattr(handle, "close")()  # noqa: B009 - it is a descriptor here
        ledger.close()


@POSIX
def test_a_process_that_stands_still_gives_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks waits a second, no longer."""
    ticks = count(0, 0.01)  # the clock of whoever asks
    path = tmp_path / "pid"
    tasks = [Task(sample_tasks.tell_pid_and_wait, str(path))]
    with iter_concurrently(tasks, mode="process", max_workers=1) as run:
        pid = int(wait_until(lambda: path.exists() and path.read_text()))
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        monkeypatch.setattr("concurkit._stacks.clock", lambda: next(ticks))
        try:
            [one] = run.stacks()
        finally:
            os.kill(pid, signal.SIGCONT)

    assert "no answer" == one.stack
    assert 0.9 < next(ticks) < 1.1


# ---- warn_after ----------------------------------------------------------------------------------


class Heard(logging.Handler):
    """Opens a gate when it hears a warning of the task that waits for that."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(logging.WARNING)
        self.gate = gate
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        running = getattr(record, "running", None)
        if running is None or running.name != "nothing":  # that may take long on a busy machine
            self.gate.open()


@pytest.fixture
def heard(gate: Gate) -> Iterator[Heard]:
    """What is logged by concurkit."""
    handler = Heard(gate)
    logger = logging.getLogger("concurkit")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.mark.usefixtures("patient")
def test_a_slow_task_is_logged_once(call: Call, place: Place, gate: Gate, heard: Heard) -> None:
    """With its stack; those that are quick are not."""
    tasks = [
        Task(sample_tasks.nothing),
        Task(sample_tasks.note_and_wait_for_file, *gate.paths),
        Task(sample_tasks.nothing),
    ]
    # Of another's processes nobody sees when they begin: the way there counts as the task's time.
    unseen = place.mode == "process" and is_blind(place)
    after = 0.5 if unseen else 0.05
    outcomes = call(tasks, mode=place.where, warn_after=after, on_error="collect")

    assert [None, "done", None] == [one.value for one in outcomes]
    logged = [record.running.index for record in heard.records]  # type: ignore[attr-defined]
    slow = {one.index for one in outcomes if one.duration >= after}
    assert {1} <= set(logged) <= (slow | {1} if unseen else slow)
    assert len(logged) == len(set(logged))
    record = heard.records[logged.index(1)]
    running = record.running  # type: ignore[attr-defined]
    assert logging.WARNING == record.levelno
    assert (1, 1) == (running.index, running.attempt)
    assert running.seconds >= after
    message = record.getMessage()
    assert message.startswith("task 1 note_and_wait_for_file('/")
    assert "has run for " in message
    if is_blind(place):
        assert running.stack is None
    else:
        assert "note_and_wait_for_file" in functions(running.stack)


def test_a_slow_task_is_logged_in_new_workers(mode: str, gate: Gate, heard: Heard) -> None:
    """In each mode by its name; a worker's start is not the task's time."""
    task = Task(sample_tasks.note_and_wait_for_file, *gate.paths)
    assert ["done"] == run_concurrently([task], mode=mode, warn_after=0.05)

    assert ["task 0"] == [record.getMessage()[:6] for record in heard.records]


def test_a_tiny_task_that_is_slow_after_all(gate: Gate, heard: Heard) -> None:
    """Its own time counts, not that of the hundreds before it; it is said how sure its name is."""
    tasks = Task.map(sample_tasks.wait_at, range(300), [150] * 300, [gate.paths] * 300)
    run_concurrently(tasks, mode="process", max_workers=1, chunksize=100, warn_after=1)

    [record] = heard.records
    running = record.running  # type: ignore[attr-defined]
    assert running.index <= 150 <= running.index + running.unsure
    assert ("or one of the next" in record.getMessage()) == (running.unsure > 0)


def test_a_handler_that_raises_harms_no_run(
    gate: Gate, heard: Heard, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(record: logging.LogRecord) -> bool:
        gate.open()
        raise ZeroDivisionError("in a filter")

    heard.addFilter(fail)
    task = Task(sample_tasks.note_and_wait_for_file, *gate.paths)

    assert ["done"] == run_concurrently([task], mode="thread", warn_after=0.01)
    assert "ZeroDivisionError: in a filter" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(0, ValueError), (-1.0, ValueError), (float("inf"), ValueError), ("1", TypeError)],
)
def test_warn_after_is_checked(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"warn_after is .* a number of seconds above 0, or None"):
        run_concurrently([Task(abs, 1)], warn_after=wrong)


def test_warn_after_is_refused_where_nobody_can_tell() -> None:
    """Tasks of a chunk that an executor of others runs can't be timed one by one."""
    message = r"warn_after is given for .* chunksize is 5"
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match=message):
        run_concurrently([Task(abs, 1)], mode=pool, warn_after=1, chunksize=5)


# ---- kill -USR1 ----------------------------------------------------------------------------------

PROGRAM = """
    import os, sys, time
    from concurkit import Task, aio, iter_concurrently, run_concurrently

    def wait(path):
        print("started", flush=True)
        while not os.path.exists(path):
            time.sleep(0.001)

    async def wait_on_loop(path):
        import anyio
        print("started", flush=True)
        while not os.path.exists(path):
            await anyio.sleep(0.001)

    tasks, how = [Task(wait, sys.argv[2])], sys.argv[1]
    if how in ("asyncio", "trio"):
        import anyio
        tasks = [Task(wait_on_loop, sys.argv[2])]
        async def main():
            await aio.run_concurrently(tasks)
        anyio.run(main, backend=how)
    elif how == "stream":
        list(iter_concurrently(tasks, mode="thread"))
    elif how == "own handler":
        import signal
        signal.signal(signal.SIGUSR1, lambda *_: print("mine", flush=True))
        run_concurrently(tasks, mode="thread")
    elif how == "another thread":
        import threading
        thread = threading.Thread(target=lambda: run_concurrently(tasks, mode="thread"))
        thread.start()
        thread.join()
    else:
        run_concurrently(tasks, mode=how)
    print("ended", flush=True)
"""


@contextmanager
def program(how: str, gate: Gate, debug: str) -> Iterator[subprocess.Popen[str]]:
    """A program whose task has started."""
    path = gate.go.parent / "program.py"
    path.write_text(dedent(PROGRAM))
    with subprocess.Popen(
        [sys.executable, str(path), how, str(gate.go)],
        env={
            **os.environ,
            "CONCURKIT_DEBUG": debug,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stdout is not None
            assert "started\n" == process.stdout.readline()
            yield process
        finally:
            process.kill()


def tells_where_it_waits(process: subprocess.Popen[str]) -> bool:
    """Whether the program tells, when it is asked, where its one task waits; else ask again."""
    process.send_signal(signal.SIGUSR1)
    while not next_line(process).startswith("concurkit: 1 run under way"):
        pass
    head = next_line(process)
    if head.endswith(" 0 running\n"):  # a task may have started a moment before its run notes it
        return False
    assert "a run: 0 of 1 tasks ended, 0 of them failed, 1 running\n" == head
    call = next_line(process)
    assert re.match(r"- task 0 wait(_on_loop)?\('/.*'\) · .* s on .*, attempt 1\n", call)
    while " in wait" not in (frame := next_line(process)):
        if "no answer" in frame:  # the machine is busy
            return False
    return True


def next_line(process: subprocess.Popen[str]) -> str:
    """The next line of what the program tells."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line, "the program has ended"
    return line


@POSIX
@pytest.mark.parametrize("how", ["serial", "process", "async", "asyncio", "trio", "stream"])
def test_the_signal_prints_what_runs(how: str, gate: Gate) -> None:
    """As often as it comes, while the main thread waits; the program goes on."""
    with program(how, gate, "1") as process:
        for _ in range(2):
            wait_until(lambda: tells_where_it_waits(process))
        gate.open()
        out, _ = process.communicate(timeout=30)

    assert ("ended\n", 0) == (out, process.returncode)


@POSIX
@pytest.mark.parametrize("debug", ["", "0"])
def test_without_opting_in_the_signal_does_what_it_does(gate: Gate, debug: str) -> None:
    with program("thread", gate, debug) as process:
        process.send_signal(signal.SIGUSR1)
        _, errors = process.communicate(timeout=30)

    assert (-signal.SIGUSR1, "") == (process.returncode, errors)


@POSIX
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("own handler", "a handler for SIGUSR1 of its own"),
        ("another thread", "only the main thread"),
    ],
)
def test_where_it_can_not_be_that_is_said(how: str, why: str, gate: Gate) -> None:
    """Nobody's handler is replaced."""
    with program(how, gate, "1") as process:
        if how == "own handler":
            process.send_signal(signal.SIGUSR1)
            assert process.stdout is not None
            assert "mine\n" == process.stdout.readline()
        gate.open()
        out, errors = process.communicate(timeout=30)

    assert ("ended\n", 0) == (out, process.returncode)
    assert "RuntimeWarning: CONCURKIT_DEBUG is set, but" in errors
    assert why in errors
