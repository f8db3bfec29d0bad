"""What is particular to process mode: how workers start, what they know, how messages travel."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any

import pytest
import sample_tasks

from concurkit import Failure, ProcessExecutor, Success, Task, run_concurrently
from concurkit._batch import Batch, Job, task_context
from concurkit.exceptions import TaskTimeoutError, WorkerCrashedError
from concurkit.executors.process._flight import ProcessFlight
from concurkit.executors.process._seat import ProcessSeat
from concurkit.executors.process._start import SeatContext

METHODS = ["forkserver", "spawn", "fork"] if sys.platform != "win32" else ["spawn"]


@pytest.fixture
def processes() -> Iterator[ProcessExecutor]:
    """Two processes of the test's own."""
    with ProcessExecutor(2) as executor:
        yield executor


# Python 3.12 and newer warn of a fork in a program that has threads, which is why it is only done
# on request.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", METHODS)
def test_every_start_method_keeps_the_laws(method: str) -> None:
    """Lambdas, crashes and timeouts are the same however a worker starts."""
    with ProcessExecutor(2, start_method=method) as executor:
        values = run_concurrently(Task.map(lambda x: x + 1, range(5)), mode=executor)
        crashed, fine = run_concurrently(
            [Task(os._exit, 3), Task(sample_tasks.give, "fine")], mode=executor, on_error="collect"
        )
        [late] = run_concurrently(
            [Task(time.sleep, 60)], mode=executor, timeout=0.1, on_error="collect"
        )

    assert [1, 2, 3, 4, 5] == values
    assert isinstance(crashed, Failure)
    assert isinstance(crashed.error, WorkerCrashedError)
    assert 3 == crashed.error.exitcode
    assert "fine" == fine.unwrap()
    assert isinstance(late, Failure)
    assert "killed" == late.stopped


def test_an_unknown_start_method_is_refused() -> None:
    """The message gives the choices."""
    with pytest.raises(ValueError, match=r"start_method is 'forkit'; .*'spawn'"):
        ProcessExecutor(start_method="forkit")


def test_workers_see_the_environment_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the moment when the fork server was started."""
    for value in ["first", "second"]:
        monkeypatch.setenv("CONCURKIT_TEST", value)

        assert [value] == run_concurrently([Task(os.getenv, "CONCURKIT_TEST")], mode="process")


def test_a_worker_is_given_more_functions_than_it_remembers(processes: ProcessExecutor) -> None:
    """A kept worker forgets the functions of old runs, and is sent them again."""

    def adder(number: int) -> Any:
        return lambda x: x + number

    for _ in range(2):
        for number in range(40):
            expected = [number, number + 1]
            assert expected == run_concurrently(Task.map(adder(number), range(2)), mode=processes)


@pytest.mark.parametrize("chunksize", ["auto", 1])
def test_messages_larger_than_a_pipe_both_ways(processes: ProcessExecutor, chunksize: Any) -> None:
    """Neither side waits for the other to read while it writes."""
    values = [bytes([number]) * 3_000_000 for number in range(12)]

    echoes = run_concurrently(
        Task.map(sample_tasks.give, values), mode=processes, chunksize=chunksize
    )

    assert values == echoes


def test_a_crash_among_tiny_tasks_costs_one_of_them(processes: ProcessExecutor) -> None:
    """Also where many of them are accounted for together."""
    how: list[str | None] = [None] * 20_000
    how[12_345] = "exit"

    outcomes = run_concurrently(
        Task.map(sample_tasks.die_or_give, how, range(20_000)), mode=processes, on_error="collect"
    )

    lost = [one.index for one in outcomes if isinstance(one, Failure)]
    assert [12_345] == lost
    kept = [(one.index, one.value) for one in outcomes if isinstance(one, Success)]
    assert [(index, index) for index in range(20_000) if index != 12_345] == kept


def test_a_thread_that_a_task_left_holds_up_no_shutdown() -> None:
    """A worker that does not end by itself is killed."""
    started = time.monotonic()

    run_concurrently([Task(sample_tasks.leave_a_thread)], mode="process")

    assert time.monotonic() - started < 10


def test_a_task_that_could_not_be_stopped_in_time_is_given_up_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had ended in its batch keeps its result, though nothing of it was sent yet."""
    monkeypatch.setattr(ProcessFlight, "stop", lambda flight, position: None)
    path = str(tmp_path / "started")
    endings = ["returns", "returns", "takes too long", "returns"]
    tasks = [Task(sample_tasks.append_and, path, i, end) for i, end in enumerate(endings)]

    with ProcessExecutor(1) as processes:
        outcomes = run_concurrently(
            tasks, mode=processes, chunksize=4, timeout=0.5, on_error="collect"
        )

    assert ["0", "1", "2", "3"] == Path(path).read_text().split()
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert [(2, "killed")] == [(outcome.index, outcome.stopped) for outcome in failed]
    assert isinstance(failed[0].error, TaskTimeoutError)


def test_a_batch_is_seen_to_be_over_once_its_worker_is_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though what it came to is still on its way, so that Ctrl-C counts it as done."""
    take_in, let_through = ProcessSeat._handle_reply, threading.Event()

    def hold_up(seat: ProcessSeat, message: bytes | bytearray) -> None:
        let_through.wait(30)
        take_in(seat, message)

    monkeypatch.setattr(ProcessSeat, "_handle_reply", hold_up)
    started, go = tmp_path / "started", tmp_path / "go"
    waiting = Task(sample_tasks.tell_and_wait_for_file, str(started), str(go))
    batches = [Batch(0, range(2), [Task(abs, -1)] * 2, True, 0.0)]
    batches.append(Batch(1, range(2, 3), [waiting], True, 0.0))
    told: list[Any] = []

    with ProcessExecutor(1) as processes:
        job = Job(None, task_context(1, processes.home))
        [first] = processes.launch([(batches[0], None)], job, told.append)
        [second] = processes.launch([(batches[1], first)], job, told.append)
        before = second.look()
        while not started.exists():
            time.sleep(0.001)
        looks = [first.look(), second.look()[0]]
        let_through.set()
        go.touch()

    assert (0, None) == before
    assert [(2, None), 0] == looks
    assert [0, 1] == [ended.number for ended in told]


@pytest.mark.skipif("forkserver" not in METHODS, reason="only a fork server tells a code once")
def test_an_exit_code_is_read_once_though_several_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a process asks for the codes of all that were started before."""
    read = forkserver.read_signed

    def read_slowly(file: int) -> Any:
        code = read(file)
        time.sleep(0.1)
        return code

    process = SeatContext("forkserver").Process(target=os._exit, args=(7,))
    process.start()
    connection.wait([process.sentinel])
    with monkeypatch.context() as patch:
        patch.setattr(forkserver, "read_signed", read_slowly)
        with ThreadPoolExecutor(3) as threads:
            codes = [threads.submit(lambda: process.exitcode) for _ in range(3)]

    assert [7] * 3 == [code.result() for code in codes]
    process.close()


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_daemonic_process_may_run_tasks_in_processes(method: str, fork_server: None) -> None:
    """As the workers of Dask and of `multiprocessing.Pool` are; and it stays one."""
    context: Any = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    daemon = context.Process(target=sample_tasks.squares_in_processes, args=(theirs,), daemon=True)
    daemon.start()
    theirs.close()
    try:
        assert ours.recv() == ([0, 1, 4, 9], True)
    finally:
        daemon.join(20)
        ours.close()
        daemon.close()
