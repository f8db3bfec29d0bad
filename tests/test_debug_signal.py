"""`kill -USR1`: handlers that Python does not know of, and forked processes."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no such signal")

START = """
    import faulthandler, os, signal, sys, threading, time
    from concurkit import ProcessExecutor, Task, run_concurrently

    signal.alarm(60)  # one that is left behind ends
    GO = sys.argv[1]

    def say(what):
        os.write(1, f"{what} {os.getpid()}\\n".encode())

    def wait():
        say("waits")
        while not os.path.exists(GO):
            time.sleep(0.001)

    def fork(then):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            then()
            os._exit(0)
        os.waitpid(child, 0)

    def run():
        run_concurrently([wait], mode="thread")

    def run_elsewhere():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
"""


@contextmanager
def program(code: str, place: Path) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """A program that waits; with the process that does, and the file that ends its wait."""
    path, go = place / "program.py", place / "go"
    path.write_text(dedent(START) + dedent(code))
    with subprocess.Popen(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", path, go],
        env={
            **os.environ,
            "CONCURKIT_DEBUG": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stdout is not None
            told = re.fullmatch(r"waits (\d+)\n", process.stdout.readline())
            assert told is not None
            yield process, int(told[1]), go
        finally:
            go.touch()
            process.stdout.close()
            process.wait(60)


# ---- handlers that were set before ---------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of handlers set in C")
def test_a_handler_that_was_set_in_c_is_not_replaced(tmp_path: Path) -> None:
    """As faulthandler sets them; signal.getsignal knows of none."""
    dump = tmp_path / "dump"
    code = f"""
        with open({str(dump)!r}, "w") as file:
            faulthandler.register(signal.SIGUSR1, file)
            run_concurrently([lambda: signal.raise_signal(signal.SIGUSR1)], mode="serial")
            run()
    """
    with program(code, tmp_path) as (process, _, go):
        go.touch()
        assert process.stderr is not None
        errors = process.stderr.read()

    assert "a handler for SIGUSR1 of its own" in errors
    assert "most recent call first" in dump.read_text()


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    code = "signal.signal(signal.SIGUSR1, signal.SIG_IGN); run()"
    with program(code, tmp_path) as (process, pid, go):
        os.kill(pid, signal.SIGUSR1)
        go.touch()
        assert process.stderr is not None
        errors = process.stderr.read()

    assert "the program ignores SIGUSR1" in errors
    assert "under way" not in errors


# ---- forked processes ----------------------------------------------------------------------------

FIRST = "run_concurrently([Task(abs, 1)], mode='thread')"
FORKS = {
    "a run": f"{FIRST}; fork(run)",
    "a run in another thread": f"{FIRST}; fork(run_elsewhere)",
    "a run inside the parent's": "run_concurrently([lambda: fork(run)], mode='serial')",
    "a worker": """
        with ProcessExecutor(1, start_method="fork") as processes:
            run_concurrently([Task(abs, 1)], mode=processes)
            run_concurrently([run], mode=processes)
    """,
}


def report(process: subprocess.Popen[str], pid: int) -> list[str]:
    """What a process that waits in a task prints, once it says that the task runs."""
    assert process.stderr is not None
    said: list[str] = []
    # A task may say that it waits a moment before its run notes that.
    while not (said and said[-1].endswith(" 1 running")):
        os.kill(pid, signal.SIGUSR1)
        # From 3.13 on a signal waits for another one where a thread forked (see docs/stuck.md).
        while not select.select([process.stderr], [], [], 1)[0]:
            os.kill(pid, signal.SIGUSR1)
        said = []
        while not said or not said[-1].startswith("a run:"):
            said.append(process.stderr.readline().rstrip())
            assert said[-1], said
    return said


@pytest.mark.parametrize("way", FORKS)
def test_a_forked_process_prints_its_own_runs(way: str, tmp_path: Path) -> None:
    """Though the thread that prints is not forked with it; and not its parent's."""
    with program(FORKS[way], tmp_path) as (process, pid, _):
        for _ in range(2):
            said = report(process, pid)
            assert [
                f"concurkit: 1 run under way (pid {pid})",
                "a run: 0 of 1 tasks ended, 0 of them failed, 1 running",
            ] == said[-2:]

    assert 0 == process.returncode


def test_a_forked_process_without_a_run_says_so(tmp_path: Path) -> None:
    """And goes on."""
    code = """
        run_concurrently([lambda: fork(wait)], mode="serial")
        say("ended")
    """
    with program(code, tmp_path) as (process, pid, go):
        assert process.stderr is not None
        for _ in range(2):
            os.kill(pid, signal.SIGUSR1)
            assert f"concurkit: 0 runs under way (pid {pid})\n" == process.stderr.readline()
        go.touch()
        assert process.stdout is not None
        assert f"ended {process.pid}\n" == process.stdout.readline()

    assert 0 == process.returncode
