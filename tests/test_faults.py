"""Real faults: workers that die, errors that travel badly, tasks that hang or return too much."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
import sample_tasks
from conftest import Call
from waiting import wait_until

from concurkit import Failure, ProcessExecutor, Success, Task, aio, run_concurrently
from concurkit.exceptions import (
    RemoteError,
    RemoteTraceback,
    ResultNotPicklableError,
    TaskNotPicklableError,
    TaskTimeoutError,
    WorkerCrashedError,
)
from concurkit.executors.process import _start

GOOD = Task(sample_tasks.give, "fine")


def errors_of(outcomes: list[Any]) -> list[Any]:
    """For each outcome its error, or its value."""
    return [one.value if isinstance(one, Success) else one.error for one in outcomes]


@pytest.fixture
def processes() -> Iterator[ProcessExecutor]:
    """Two processes of the test's own, which it may kill."""
    with ProcessExecutor(2) as executor:
        yield executor


# ---- workers that die ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "exitcode", "words"),
    [
        ("exit", 7, "exit code 7"),
        ("exit 0", 0, "exit code 0"),
        ("SIGKILL", -signal.SIGKILL, "SIGKILL.*memory"),
        ("SIGTERM", -signal.SIGTERM, "SIGTERM"),
        ("null pointer", -signal.SIGSEGV, "SIGSEGV"),
    ],
)
def test_a_worker_that_dies_fails_its_task_alone(
    call: Call, processes: ProcessExecutor, how: str, exitcode: int, words: str
) -> None:
    """A process may end in any way: its task's error says how, and the others give their values."""
    pids = call([sample_tasks.pid], mode=processes)
    tasks = [GOOD, GOOD, Task(sample_tasks.die_or_give, how, 0), GOOD, GOOD]

    before, another, error, behind, last = errors_of(
        call(tasks, mode=processes, on_error="collect")
    )

    assert ["fine"] * 4 == [before, another, behind, last]
    assert (WorkerCrashedError, exitcode) == (type(error), error.exitcode)
    assert error.pid > 0
    assert error.pid != os.getpid()
    assert pytest.approx(0, abs=5) == error.ran
    assert f"pid {error.pid}" in str(error)
    with pytest.raises(WorkerCrashedError, match=words):
        raise error
    assert [f"task 2 die_or_give({how!r}, 0) · {worker_in(error)} · attempt 1"] == error.__notes__
    assert 1 == len(pids)


def worker_in(error: BaseException) -> str:
    """The worker's name in an error's only note."""
    return error.__notes__[0].split(" · ")[1]


def test_a_worker_killed_from_outside_fails_its_task_alone(
    call: Call, processes: ProcessExecutor, tmp_path: Path
) -> None:
    """A SIGKILL from outside, as the system sends when memory runs out, costs the running task."""
    path = tmp_path / "pid"

    def kill() -> None:
        wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
        os.kill(int(path.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    tasks = [GOOD, Task(sample_tasks.tell_pid_and_wait, str(path)), GOOD]

    first, error, last = errors_of(call(tasks, mode=processes, on_error="collect"))

    killer.join()
    assert ["fine", "fine"] == [first, last]
    assert (WorkerCrashedError, -signal.SIGKILL) == (type(error), error.exitcode)


def test_a_worker_killed_while_idle_is_replaced(call: Call, processes: ProcessExecutor) -> None:
    """A process that dies between two runs costs nothing: the next run has another."""
    [pid] = call([sample_tasks.pid], mode=processes)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid))

    assert ["fine"] * 8 == call([GOOD] * 8, mode=processes)


def test_a_worker_killed_just_before_a_run_costs_nothing(
    call: Call, processes: ProcessExecutor
) -> None:
    """Nor does one whose death has not been noticed when it is given a task."""
    for _ in range(5):
        [pid] = call([sample_tasks.pid], mode=processes)
        os.kill(pid, signal.SIGKILL)

        assert ["fine"] * 4 == call([GOOD] * 4, mode=processes)


def test_what_had_ended_before_a_crash_is_kept_and_nothing_runs_twice(
    call: Call, processes: ProcessExecutor, tmp_path: Path
) -> None:
    """In a batch of slow tasks, those before a crash keep their results, those behind run once."""
    path = str(tmp_path / "started")
    deaths = [None] * 5 + ["SIGKILL"] + [None] * 6
    tasks = Task.map(sample_tasks.append_slowly_or_die, [path] * 12, range(12), deaths)

    values = errors_of(call(tasks, mode=processes, chunksize=12, on_error="collect"))

    assert [*range(5), *range(6, 12)] == [v for v in values if not isinstance(v, Exception)]
    assert WorkerCrashedError is type(values[5])
    assert {str(i): 1 for i in range(12)} == Counter(Path(path).read_text().split())


def test_a_crash_ends_a_run_that_raises(call: Call) -> None:
    """With on_error="raise" the crash is the error that the run raises."""
    with pytest.raises(WorkerCrashedError, match="exit code 7"):
        call([GOOD, sample_tasks.exit_now, GOOD], mode="process")


def test_every_task_may_crash(call: Call, processes: ProcessExecutor) -> None:
    """Where each task kills its worker, each has a crash of its own."""
    outcomes = call([sample_tasks.exit_now] * 6, mode=processes, on_error="collect")

    assert [WorkerCrashedError] * 6 == [type(one.error) for one in outcomes]
    assert 6 == len({one.error.pid for one in outcomes})


def test_a_crash_without_the_result_pipe_being_read(call: Call) -> None:
    """A worker that dies right behind a large result loses nothing of it."""
    tasks = [Task(sample_tasks.big, 5_000_000), sample_tasks.exit_now] * 2

    values = errors_of(call(tasks, mode="process", chunksize=2, max_workers=1, on_error="collect"))

    assert [5_000_000, WorkerCrashedError] * 2 == [
        len(value) if isinstance(value, bytes) else type(value) for value in values
    ]


def test_a_process_that_cannot_start_is_an_error(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system gives no process, the run ends with an error that says why."""
    monkeypatch.setattr(_start.SeatContext, "Process", refuse_to_start)

    with pytest.raises(WorkerCrashedError, match="no process for you") as caught:
        call([GOOD, GOOD], mode="process")

    assert OSError is type(caught.value.__cause__)


def test_futures_of_a_process_that_cannot_start_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a future wait for a process that does not come."""
    monkeypatch.setattr(_start.SeatContext, "Process", refuse_to_start)

    with ProcessExecutor(1) as executor:
        error = executor.submit(sample_tasks.nothing).exception(timeout=20)

    assert WorkerCrashedError is type(error)


def refuse_to_start(self: object, *args: object, **kwargs: object) -> Any:
    """Stands for a system that is out of processes."""
    raise OSError("no process for you")


# ---- errors that travel badly --------------------------------------------------------------------


def test_an_exception_with_two_arguments_arrives_as_it_is(call: Call, mode: str) -> None:
    """It keeps its type, args and attributes, though pickle alone can't rebuild it."""
    task: Any = Task(sample_tasks.fail, sample_tasks.TwoArguments, 51, "the cellar")

    with pytest.raises(sample_tasks.TwoArguments) as caught:
        call([GOOD, task, GOOD], mode=mode)

    assert ("51 degrees in the cellar",) == caught.value.args
    assert (51, "the cellar") == (caught.value.degrees, caught.value.place)


@pytest.mark.parametrize("mode", ["process"])
def test_a_workers_traceback_is_the_cause(call: Call, mode: str) -> None:
    """What crossed a process shows where it was raised."""
    with pytest.raises(ZeroDivisionError) as caught:
        call([Task(sample_tasks.reciprocal, 0)], mode=mode)

    assert RemoteTraceback is type(caught.value.__cause__)
    assert "in reciprocal" in str(caught.value.__cause__)
    assert "return 1 / number" in str(caught.value.__cause__)


def test_the_cause_of_an_error_is_in_the_workers_traceback(call: Call) -> None:
    """So are the errors that it was raised from."""
    with pytest.raises(RuntimeError, match="the last") as caught:
        call([sample_tasks.fail_in_a_chain], mode="process")

    assert "ValueError: the first" in str(caught.value.__cause__)
    assert "direct cause" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("task", "name", "text"),
    [
        (Task(sample_tasks.fail, sample_tasks.LockHolder, "x"), "sample_tasks.LockHolder", "x"),
        (
            sample_tasks.fail_with_local_class,
            "sample_tasks.fail_with_local_class.<locals>.OnlyHere",
            "made in the worker",
        ),
        (sample_tasks.fail_with_class_of_the_worker, "made_up.OnlyThere", "made in the worker"),
    ],
    ids=["unpicklable attribute", "local class", "class of the worker only"],
)
def test_an_exception_that_cannot_be_rebuilt_is_a_remote_error(
    call: Call, task: Any, name: str, text: str
) -> None:
    """It arrives as a RemoteError with its class's name, its text and its traceback."""
    first, error, last = errors_of(call([GOOD, task, GOOD], mode="process", on_error="collect"))

    assert ["fine", "fine"] == [first, last]
    assert (RemoteError, name) == (type(error), error.type_name)
    assert f"{name}: {text}" == str(error)
    assert "Traceback (most recent call last)" in error.text


@pytest.mark.parametrize("kind", [sample_tasks.BadReduce, sample_tasks.Silent])
def test_an_exception_with_bad_manners_arrives_as_it_is(
    call: Call, mode: str, kind: type[Exception]
) -> None:
    """One whose `__reduce__` or `__str__` raises keeps its type and its args."""
    tasks = [GOOD, Task(sample_tasks.fail, kind, "x", 2), GOOD]

    first, error, last = errors_of(call(tasks, mode=mode, on_error="collect"))

    assert ["fine", "fine"] == [first, last]
    assert (kind, ("x", 2)) == (type(error), error.args)


@pytest.mark.parametrize("on_error", ["raise", "group", "collect"])
@pytest.mark.parametrize(
    "kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]
)
def test_an_exception_that_ends_programs_is_a_tasks_own(
    call: Call, mode: str, kind: type[BaseException], on_error: str
) -> None:
    """SystemExit and its like fail the task that raises them, in every form of on_error."""
    tasks = [GOOD, Task(sample_tasks.fail, kind, "mine"), GOOD]

    if on_error == "collect":
        first, error, last = errors_of(call(tasks, mode=mode, on_error=on_error))
        assert ["fine", "fine"] == [first, last]
    elif on_error == "group":
        with pytest.raises(BaseExceptionGroup) as group:
            call(tasks, mode=mode, on_error=on_error)
        [error] = group.value.exceptions
    else:
        with pytest.raises(kind) as caught:
            call(tasks, mode=mode, on_error=on_error)
        error = caught.value

    assert (kind, ("mine",)) == (type(error), error.args)


# ---- what can't be sent --------------------------------------------------------------------------


def test_a_result_that_cannot_be_pickled_is_named_by_member(call: Call) -> None:
    """The task fails alone, and its error says which member of the result can't travel."""
    first, error, last = errors_of(
        call([GOOD, sample_tasks.unpicklable, GOOD], mode="process", on_error="collect")
    )

    assert ["fine", "fine"] == [first, last]
    assert ResultNotPicklableError is type(error)
    assert "result.parts['lock']" in str(error)
    assert "lock" in str(error).lower()


def test_a_task_that_cannot_be_pickled_is_named_by_member(call: Call) -> None:
    """So it is with an argument."""
    bad = Task(sample_tasks.give, {"inner": sample_tasks.Unpicklable()})

    first, error, last = errors_of(call([GOOD, bad, GOOD], mode="process", on_error="collect"))

    assert ["fine", "fine"] == [first, last]
    assert TaskNotPicklableError is type(error)
    assert "args[0]['inner'].parts['lock']" in str(error)


def test_an_argument_that_cannot_be_pickled_harms_no_other_task_of_its_batch(call: Call) -> None:
    """Nor do the other tasks of the batch that it travelled in suffer."""
    values = [*range(20), threading.Lock(), *range(20)]

    outcomes = call(
        Task.map(sample_tasks.give, values), mode="process", chunksize=41, on_error="collect"
    )

    found = errors_of(outcomes)
    assert [*range(20), *range(20)] == [one for one in found if isinstance(one, int)]
    assert TaskNotPicklableError is type(found[20])


def test_a_variable_of_a_closure_that_cannot_be_pickled_is_named(call: Call) -> None:
    """A closure's variable is named as such."""
    guard = threading.Lock()

    def closure() -> bool:
        return guard.locked()

    with pytest.raises(TaskNotPicklableError, match="guard"):
        call([closure], mode="process")


def test_a_task_that_cannot_be_rebuilt_there_says_so(call: Call) -> None:
    """A task whose arguments pickle, but don't unpickle, fails alone."""
    bad = Task(sample_tasks.give, sample_tasks.ExplodesWhenBuilt())

    first, error, last = errors_of(call([GOOD, bad, GOOD], mode="process", on_error="collect"))

    assert ["fine", "fine"] == [first, last]
    assert TaskNotPicklableError is type(error)
    assert "can't be rebuilt" in str(error)


def test_a_result_that_cannot_be_rebuilt_here_says_so(call: Call) -> None:
    """A result that pickles, but doesn't unpickle, fails its task alone."""
    tasks = [GOOD, sample_tasks.ExplodesWhenBuilt, GOOD]

    first, error, last = errors_of(call(tasks, mode="process", on_error="collect"))

    assert ["fine", "fine"] == [first, last]
    assert ResultNotPicklableError is type(error)
    assert "can't be rebuilt" in str(error)


# ---- too much ------------------------------------------------------------------------------------


def test_a_result_of_50_megabytes_arrives(call: Call, mode: str) -> None:
    """Large results arrive whole, between small ones."""
    tasks = [GOOD, Task(sample_tasks.big, 50_000_000), GOOD]

    first, data, last = call(tasks, mode=mode)

    assert ("fine", 50_000_000, "fine") == (first, len(data), last)


def test_arguments_of_50_megabytes_arrive(call: Call, mode: str) -> None:
    """So do large arguments."""
    assert [50_000_000, 1] == call(Task.map(len, [bytes(50_000_000), b"x"]), mode=mode)


def test_a_task_that_prints_a_lot_is_not_held_up(mode: str, tmp_path: Path) -> None:
    """What tasks print goes to the program's stdout and stderr, however much it is."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sample_tasks\n"
        "from concurkit import Task, run_concurrently\n"
        f"print(run_concurrently([Task(sample_tasks.talk, 3000)] * 2, mode={mode!r}))\n"
    )
    out, err = tmp_path / "out", tmp_path / "err"

    with out.open("w") as stdout, err.open("w") as stderr:
        code = subprocess.run(
            [sys.executable, str(script)],
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
            timeout=60,
        ).returncode

    assert (0, 6001, 6000) == (
        code,
        len(out.read_text().splitlines()),
        len(err.read_text().splitlines()),
    )


# ---- too long ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sleep() in the C library")
def test_a_task_stuck_in_c_code_that_holds_the_gil_is_killed(call: Call) -> None:
    """A timeout is kept also where the worker's interpreter can't run any other thread."""
    start = time.monotonic()
    tasks = [GOOD, Task(sample_tasks.hold_the_gil, 60), GOOD]

    outcomes = call(tasks, mode="process", timeout=0.4, on_error="collect")

    assert ["fine", TaskTimeoutError, "fine"] == [
        one.value if isinstance(one, Success) else type(one.error) for one in outcomes
    ]
    stuck = outcomes[1]
    assert isinstance(stuck, Failure)
    assert "killed" == stuck.stopped
    assert stuck.duration < 0.4 + 0.6
    assert time.monotonic() - start < 10


def test_a_coroutine_that_ignores_being_cancelled_is_abandoned() -> None:
    """One that goes on all the same is over its time all the same."""
    release = threading.Event()
    tasks = [GOOD, Task(sample_tasks.ignore_cancelling, release), GOOD]

    outcomes = run_concurrently(tasks, mode="async", timeout=1.0, on_error="collect")

    release.set()
    first, failure, last = outcomes
    assert ["fine", "fine"] == [first.unwrap(), last.unwrap()]
    assert isinstance(failure, Failure)
    assert (TaskTimeoutError, "abandoned") == (type(failure.error), failure.stopped)
    assert failure.duration < 1.0 + 0.6


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_coroutine_on_the_callers_loop_that_ignores_being_cancelled_is_abandoned(
    backend: str,
) -> None:
    """So it is on the caller's own loop, where it goes on until that loop ends."""
    release = threading.Event()
    tasks = [GOOD, Task(sample_tasks.ignore_cancelling, release), GOOD]

    async def main() -> Any:
        start = time.monotonic()
        try:
            outcomes = await aio.run_concurrently(
                tasks, mode="async", timeout=1.0, on_error="collect"
            )
        finally:
            release.set()
        return outcomes, time.monotonic() - start

    (first, failure, last), took = anyio.run(main, backend=backend)

    assert ["fine", "fine"] == [first.unwrap(), last.unwrap()]
    assert (TaskTimeoutError, "abandoned") == (type(failure.error), failure.stopped)
    assert took < 1.0 + 0.6


# ---- futures -------------------------------------------------------------------------------------


def test_futures_fail_alone_when_a_worker_dies(processes: ProcessExecutor) -> None:
    """What was submitted to an executor fails alone, as tasks of a run do."""
    futures = [processes.submit(sample_tasks.die_or_give, how, 1) for how in [None, "exit", None]]

    assert [1, WorkerCrashedError, 1] == [
        future.result() if future.exception(timeout=20) is None else type(future.exception())
        for future in futures
    ]


def test_futures_survive_runs_that_kill_workers(processes: ProcessExecutor) -> None:
    """A run that stops its tasks by force harms no future of the same executor."""
    for _ in range(30):
        with pytest.raises(ValueError, match="stop"):
            run_concurrently(
                [Task(sample_tasks.fail, ValueError, "stop"), *[sample_tasks.nothing] * 3],
                mode=processes,
            )
        futures = [processes.submit(sample_tasks.give, i) for i in range(2)]

        assert [0, 1] == [future.result(timeout=20) for future in futures]


# ---- a system without threads to give ------------------------------------------------------------


def test_threads_that_cannot_be_started_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's own error, and without those that could be."""
    start, started = threading.Thread.start, []

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("concurkit-") and "_" in thread.name:
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        run_concurrently([sample_tasks.nothing] * 4, mode="thread", max_workers=4)

    assert [False, False] == [thread.is_alive() for thread in started]


# ---- an executor that is dropped while somebody sets a context variable -------------------------

DROPPED = """
import gc
from contextvars import ContextVar, copy_context
from concurkit import SerialExecutor

def drop_executors_while_variables_are_set():
    variables = [ContextVar(f"{n}") for n in range(20)]
    for threshold in range(1, 30):
        gc.set_threshold(threshold)
        for variable in variables:
            executor = SerialExecutor()
            executor.itself = executor  # only a garbage collection frees it
            del executor
            variable.set(object())

for _ in range(25):
    copy_context().run(drop_executors_while_variables_are_set)
"""


def test_an_executor_may_be_freed_in_the_middle_of_setting_a_context_variable() -> None:
    """Python 3.11 crashes if that sets another one in the same context (python/cpython#148891)."""
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, timeout=60)

    assert (0, b"") == (done.returncode, done.stderr)
