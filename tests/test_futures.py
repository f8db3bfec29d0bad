"""Ours are real `concurrent.futures.Executor`s: what its documentation says, without its faults."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import (
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    Executor,
    as_completed,
    wait,
)
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import sample_tasks
from conftest import APART
from executor_kit import HOWS, LONG, MAKE, ONE, OVERLAPPING, lines
from waiting import wait_until

from concurkit import ProcessExecutor
from concurkit.exceptions import WorkerCrashedError

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


# ---- the interpreter's exit ---------------------------------------------------------------------

MAKE_IT = {
    "serial": "SerialExecutor()",
    "thread": "ThreadExecutor(1)",
    "process": "ProcessExecutor(1)",
    "async": "AsyncExecutor(1)",
    "interpreter": "InterpreterExecutor(1)",
}
# What a program leaves undone, its exit code, and how many of the calls that it left are done.
LEFT = {
    "futures": ("[executor.submit(sample_tasks.append_later, *one) for one in zip(*args)]", 0, 20),
    "a map": ("executor.map(sample_tasks.append_later, *args)", 0, 20),
    "a map and no executor": ("make().map(sample_tasks.append_later, *args)", 0, 20),
    "a map by name": ("results = executor.map(sample_tasks.append_later, *args)", 0, 20),
    "a buffer": ("results = executor.map(sample_tasks.append_later, *args, buffersize=4)", 0, 4),
    "an error": ("list(executor.map(sample_tasks.append_later_or_fail, *late))", 1, 9),
    "an error by name": (
        """results = executor.map(sample_tasks.append_later_or_fail, *late)
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
    # Few are done until the error has ended the rest; a serial map does them all.
    late = 0.02 if mode == "serial" else 0.1
    script = (
        "import sample_tasks\n"
        f"from concurkit import {MAKE_IT[mode].partition('(')[0]}\n"
        f"make = lambda: {MAKE_IT[mode]}\n"
        f"args = [0.02] * 20, [{str(tmp_path / 'ran')!r}] * 20, range(20)\n"
        f"late = [{late}] * 20, *args[1:]\n"
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


FROM_INSIDE = [(kind, by) for kind in ("thread", "async") for by in ("task", "callback")]
FROM_INSIDE += [(kind, "callback") for kind in APART if kind in MAKE]


@pytest.mark.parametrize(("kind", "by"), FROM_INSIDE)
def test_shutdown_from_inside_does_not_wait_for_itself(kind: str, by: str, tmp_path: Path) -> None:
    """An error, as of the standard executors."""
    executor = MAKE[kind]()
    heard: SimpleQueue[Any] = SimpleQueue()

    def shut_down(_: object = None) -> None:
        try:
            heard.put(executor.shutdown())
        except RuntimeError as error:
            heard.put(error)

    if by == "task":
        executor.submit(shut_down)
    else:
        gate = tmp_path / "gate"
        executor.submit(sample_tasks.wait_for_file, str(gate)).add_done_callback(shut_down)
        gate.touch()

    assert "cannot join current thread" in str(heard.get(timeout=LONG))
    executor.shutdown()


@OVERLAPPING
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_callback_that_would_end_a_program_costs_no_worker(
    mode: str, kind: type[BaseException], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, as other errors of callbacks are."""

    def leave(_: object) -> None:
        raise kind

    gate = tmp_path / "gate"
    with ONE[mode]() as executor:
        first = executor.submit(sample_tasks.wait_for_file, str(gate))
        first.add_done_callback(leave)
        gate.touch()
        assert 7 == executor.submit(sample_tasks.give, 7).result(LONG)
    assert kind.__name__ in caplog.text
