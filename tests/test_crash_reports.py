"""Workers that are replaced, for what they ran, took or died of, and what is told of them."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import sample_tasks

from concurkit import (
    Failure,
    ProcessExecutor,
    Success,
    Task,
    iter_concurrently,
    run_concurrently,
)
from concurkit.exceptions import WorkerCrashedError
from concurkit.executors.process._memory import check_size

MIB = 1 << 20
CHUNKS = pytest.mark.parametrize("chunksize", ["auto", 1, 10])


def started_by(path: Path) -> list[tuple[int, int]]:
    """The process and the number of each task that was started."""
    return [(int(pid), int(task)) for pid, task in map(str.split, path.read_text().splitlines())]


def crash_of(task: Any, **options: Any) -> WorkerCrashedError:
    """The error of the task, which is number 1 of its run."""
    outcomes = run_concurrently(
        [sample_tasks.nothing, task], mode="process", max_workers=1, on_error="collect", **options
    )
    assert [Success, Failure] == [type(outcome) for outcome in outcomes]
    error = outcomes[1].error
    assert isinstance(error, WorkerCrashedError)
    return error


# ---- max_tasks_per_child -------------------------------------------------------------------------


@CHUNKS
@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("how", ["run", "ordered stream", "stream"])
def test_no_process_runs_more_tasks_than_it_may(
    how: str, limit: int, chunksize: Any, tmp_path: Path
) -> None:
    """However tasks travel; each runs once, and no process is started needlessly."""
    count = 5 * limit + 2
    path = tmp_path / "started"
    tasks = Task.map(
        sample_tasks.append_pid_or_die, [str(path)] * count, range(count), [None] * count
    )

    with ProcessExecutor(2, max_tasks_per_child=limit) as executor:
        if how == "run":
            values = run_concurrently(tasks, mode=executor, chunksize=chunksize)
        else:
            with iter_concurrently(
                tasks, mode=executor, chunksize=chunksize, ordered=how == "ordered stream"
            ) as run:
                values = list(run)

    if how == "stream":
        values.sort()
    assert list(range(count)) == values
    assert list(range(count)) == sorted(task for _, task in started_by(path))
    per_process = Counter(pid for pid, _ in started_by(path))
    assert max(per_process.values()) <= limit
    assert len(per_process) <= ceil(count / limit) + 1


@pytest.mark.parametrize("limit", [1, 3])
def test_no_process_runs_more_futures_than_it_may(limit: int) -> None:
    """Submitted one by one and all at once."""
    with ProcessExecutor(2, max_tasks_per_child=limit) as executor:
        pids = [executor.submit(os.getpid).result(timeout=20) for _ in range(4)]
        pids += [f.result(timeout=20) for f in [executor.submit(os.getpid) for _ in range(7)]]

    assert max(Counter(pids).values()) <= limit
    assert ceil(11 / limit) <= len(set(pids)) <= ceil(11 / limit) + 2


@CHUNKS
def test_crashes_among_processes_that_end_anyway_cost_one_task_each(
    chunksize: Any, tmp_path: Path
) -> None:
    """No task is lost or run twice where the replacing of one kind meets that of the other."""
    path = tmp_path / "started"
    how = {2: "exit", 7: "SIGKILL", 8: "exit 0"}
    tasks = Task.map(
        sample_tasks.append_pid_or_die, [str(path)] * 17, range(17), map(how.get, range(17))
    )

    with ProcessExecutor(2, max_tasks_per_child=3) as executor:
        outcomes = run_concurrently(tasks, mode=executor, chunksize=chunksize, on_error="collect")

    assert [(i, i) for i in range(17) if i not in how] == [
        (one.index, one.value) for one in outcomes if isinstance(one, Success)
    ]
    assert [(i, WorkerCrashedError) for i in how] == [
        (one.index, type(one.error)) for one in outcomes if isinstance(one, Failure)
    ]
    assert list(range(17)) == sorted(task for _, task in started_by(path))
    assert max(Counter(pid for pid, _ in started_by(path)).values()) <= 3


@pytest.mark.parametrize("value", [0, -3, True, 1.5, "3"])
def test_wrong_limits_of_tasks_are_refused(value: Any) -> None:
    """The message gives the choices."""
    words = "max_tasks_per_child is .*; it must be a whole number from 1 up, or None"
    with pytest.raises((TypeError, ValueError), match=words):
        ProcessExecutor(1, max_tasks_per_child=value)


# ---- max_memory_per_child ------------------------------------------------------------------------


@CHUNKS
def test_a_process_that_keeps_too_much_memory_is_replaced_after_its_task(chunksize: Any) -> None:
    """The result of that task stays; a process that keeps less stays as well."""
    tasks = [
        Task(os.getpid),
        Task(sample_tasks.keep, 8 * MIB),
        Task(os.getpid),
        Task(sample_tasks.keep, 110 * MIB),
        Task(os.getpid),
        Task(os.getpid),
    ]

    with ProcessExecutor(1, max_memory_per_child="100MiB") as executor:
        first, *pids = run_concurrently(tasks, mode=executor, chunksize=chunksize)
        last = executor.submit(os.getpid).result(timeout=20)

    assert [first] * 3 + [last] * 2 == pids
    assert first != last


def test_a_task_that_takes_far_too_much_memory_is_killed_alone() -> None:
    """Within seconds; the error has the limit and the figures."""
    tasks = [
        Task(sample_tasks.give, "before"),
        Task(sample_tasks.grow, MIB, 500 * MIB),
        Task(sample_tasks.give, "after"),
    ]
    started = time.monotonic()

    with ProcessExecutor(1, max_memory_per_child="60MiB") as executor:
        before, failed, after = run_concurrently(tasks, mode=executor, on_error="collect")

    assert time.monotonic() - started < 10
    assert ["before", "after"] == [before.unwrap(), after.unwrap()]
    error = failed.error
    assert isinstance(error, WorkerCrashedError)
    assert error.peak_memory is not None
    assert 124 * MIB < error.peak_memory < 500 * MIB
    words = r"task 1 grow.* more than twice max_memory_per_child \(60 MiB\)"
    assert re.search(words, str(error))
    assert f"{error.peak_memory / MIB:.3g} MiB of memory at its peak" in str(error)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (4096, 4096),
        ("100_000", 100_000),
        ("500MB", 500_000_000),
        ("500 m", 500_000_000),
        ("2GiB", 2 << 30),
        (" 2 gib ", 2 << 30),
        ("1.5 GB", 1_500_000_000),
        (".5Ki", 512),
        ("1TiB", 1 << 40),
        (None, None),
    ],
)
def test_sizes_are_numbers_or_texts(value: Any, size: int | None) -> None:
    """Units of 1,000 and of 1,024, in any case."""
    assert size == check_size(value, "max_memory_per_child")


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        True,
        1.5,
        b"2",
        [],
        "",
        "0",
        "-1",
        "GiB",
        "2 cats",
        "2iB",
        "1e9",
        "nan",
        "1.2.3",
        "0.1",
    ],
    ids=repr,
)
def test_wrong_sizes_are_refused(value: Any) -> None:
    """The message gives the choices."""
    words = (
        r"max_memory_per_child is .*; it must be a .* from 1 up, .*'2GiB'.*, or None for no limit"
    )
    with pytest.raises((TypeError, ValueError), match=words):
        ProcessExecutor(1, max_memory_per_child=value)


# ---- crash reports -------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "name"), [("segfault", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_crash_tells_where_the_program_was(how: str, name: str) -> None:
    """The user's functions, innermost first, and none of ours."""

    def innermost() -> None:
        if how == "segfault":
            sample_tasks.read_null()
        os.abort()

    def middle() -> None:
        innermost()

    def outermost() -> None:
        middle()

    error = crash_of(outermost)

    found = re.findall(r'^  File ".*", line \d+ in (.*)$', error.stack, re.MULTILINE)
    inside = ["string_at", "read_null"] if how == "segfault" else []
    assert [*inside, "innermost", "middle", "outermost"] == found
    assert len(found) == len(error.stack.splitlines())
    assert str(error).endswith(f"most recent call first:\n{error.stack}")
    assert f"was killed by {name}, " in str(error)
    assert -signal.Signals[name] == error.exitcode


def test_a_crash_tells_who_died_of_what_and_when(tmp_path: Path) -> None:
    """The process, the signal, the task and how long it ran; SIGKILL may be for want of memory."""
    path = tmp_path / "pid"

    def wait_and_die() -> None:
        sample_tasks.append(str(path), os.getpid())
        time.sleep(0.3)
        sample_tasks.kill_self()

    error = crash_of(Task(wait_and_die).named("the culprit"))

    pid = int(path.read_text())
    assert (pid, -signal.SIGKILL) == (error.pid, error.exitcode)
    assert error.ran is not None
    assert 0.3 <= error.ran < 5
    assert "" == error.stack
    words = (
        rf"process worker 1 \(pid {pid}\) was killed by SIGKILL, {error.ran:.3g} s into "
        r"task 1 the culprit: killed by the system, perhaps out of memory; it took "
    )
    assert re.match(words, str(error))
    # More than an interpreter can do without, and less than it would ever need for this.
    assert error.peak_memory is not None
    assert 4 * MIB < error.peak_memory < 400 * MIB


def test_a_signal_from_elsewhere_is_told(tmp_path: Path) -> None:
    """As the killer of the system sends it, while the task waits."""
    path = tmp_path / "pid"

    with ProcessExecutor(1) as executor:
        future = executor.submit(sample_tasks.tell_pid_and_wait, str(path))
        while not (path.exists() and path.read_text().endswith("\n")):
            time.sleep(0.001)
        pid = int(path.read_text())
        os.kill(pid, signal.SIGKILL)
        error = future.exception(timeout=20)

    assert isinstance(error, WorkerCrashedError)
    assert pid == error.pid
    assert "SIGKILL" in str(error)
    assert "killed by the system, perhaps out of memory" in str(error)


def test_a_crash_shows_the_most_memory_that_the_worker_took() -> None:
    """Also what it had given back by then."""

    def take_and_die() -> None:
        sample_tasks.keep(150 * MIB)
        sample_tasks.KEPT.clear()
        time.sleep(0.6)  # longer than a look at the memory takes to come round
        os._exit(3)

    error = crash_of(take_and_die)

    assert error.peak_memory is not None
    assert 150 * MIB < error.peak_memory < 400 * MIB
    assert "exit code 3" in str(error)


def test_a_crash_report_can_be_pickled() -> None:
    """All that it knows comes along."""
    error = crash_of(sample_tasks.read_null)

    copy = pickle.loads(pickle.dumps(error))

    assert type(error) is type(copy)
    assert error.args == copy.args
    assert vars(error) == vars(copy)
    assert {"pid", "exitcode", "ran", "peak_memory", "stack"} <= vars(copy).keys()
    assert all(vars(copy)[name] for name in ["pid", "exitcode", "ran", "peak_memory", "stack"])


def test_a_segfault_writes_nothing_to_stderr(tmp_path: Path) -> None:
    """What is known of it is in the error."""
    script = tmp_path / "script.py"
    script.write_text(
        "import ctypes\n"
        "from concurkit import Task, run_concurrently\n"
        "tasks = [Task(ctypes.string_at, 0)]\n"
        "[failure] = run_concurrently(tasks, mode='process', on_error='collect')\n"
        "print(failure.error.exitcode, 'string_at' in failure.error.stack)\n"
    )

    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )

    assert ("", f"{-signal.SIGSEGV} True\n", 0) == (done.stderr, done.stdout, done.returncode)
