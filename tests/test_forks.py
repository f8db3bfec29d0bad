"""A caller that forks while a run is open: the child is harmless, and the parent's run complete."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent

import pytest
from executor_kit import Gate

from concurkit import ProcessExecutor, Task, ThreadExecutor, run_concurrently
from concurkit.executors._forks import Fork

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork() here")

# How the child leaves the `with` block in which it was forked, and its exit code then.
ENDS = {
    "os._exit(3)": 3,
    "sys.exit(3)": 3,
    "raise ValueError('in the child')": 3,
    "break": 0,
    "run.close(); os._exit(3)": 3,
    "os._exit(ask(run.cancel))": 3,
    "del run, value; gc.collect(); sys.exit(3)": 3,
    "os._exit(ask(run.__next__))": 3,
}
SCRIPT = """
    import gc, os, signal, sys, time
    import sample_tasks
    from concurkit import Task, iter_concurrently

    def ask(what):
        try:
            while True:
                what()
        except RuntimeError as error:
            return 3 if "process" in str(error) else 4

    def main():
        child = None
        found = []
        tasks = Task.map(sample_tasks.sleep, [0.002] * 200, iter(range(200)))
        with iter_concurrently(tasks, mode={mode!r}, max_workers=2, buffersize=8) as run:
            for value in run:
                found.append(value)
                if len(found) == 20:
                    child = os.fork()
                    if child == 0:
                        signal.alarm(20)  # a child that hangs is found out
                        {end}
                    _, status = os.waitpid(child, 0)
                    print(os.waitstatus_to_exitcode(status), flush=True)
        if child == 0:
            os._exit(0)
        assert sorted(found) == list(range(200)), found
        assert run.stats.done == 200
        print("complete", flush=True)

    try:
        main()
    except ValueError:
        os._exit(3)
"""


@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
@pytest.mark.parametrize("end", ENDS)
def test_a_forked_child_is_harmless(mode: str, end: str, tmp_path: Path) -> None:
    """However it ends; the parent goes on to read all that there is."""
    script = tmp_path / "script.py"
    script.write_text(dedent(SCRIPT).format(mode=mode, end=end))

    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )

    assert (0, [str(ENDS[end]), "complete"], "") == (
        done.returncode,
        done.stdout.split(),
        done.stderr,
    )


LOCKED = """
    import threading
    import cloudpickle
    from concurkit import ProcessExecutor, Task, run_concurrently
    from concurkit.executors._pickling import _by_value, _variables

    def made(x):
        class Made:
            value = x
        return Made

    locks = [_variables._lock, cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_LOCK, _by_value._lock]
    held, over = threading.Event(), threading.Event()

    def hold():
        with {lock}:
            held.set()
            over.wait(0.3)

    threading.Thread(target=hold).start()
    held.wait()
    with ProcessExecutor(2, start_method="fork") as processes:
        found = run_concurrently(Task.map(made, [1, 2]), mode=processes, total_timeout=20)
    over.set()
    print([one.value for one in found])
"""


@pytest.mark.parametrize("lock", ["locks[0]", "locks[1]", "locks[2]"])
def test_a_forked_worker_finds_no_lock_held(lock: str) -> None:
    """Whatever another thread of its parent is about: there is none in the child to let go."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-"],
        input=dedent(LOCKED).format(lock=lock),
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("[1, 2]\n", "")


def test_nothing_is_sent_while_a_worker_is_to_be_forked(warm_processes: ProcessExecutor) -> None:
    """To send is to pickle, and perhaps to import, under locks that are not ours to keep free."""
    fork = Fork()
    found: list[int] = []

    def run() -> None:
        found.extend(run_concurrently(Task.map(abs, [-1, -2]), mode=warm_processes))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.3)
    before = list(found)
    fork.forgo()
    thread.join(30)

    assert (before, found) == ([], [1, 2])


NESTED = """
    from concurkit import ProcessExecutor, Task, run_concurrently

    def inner(x):
        with ProcessExecutor(1, start_method="fork") as processes:
            return run_concurrently(Task.map(lambda y: x * y, [1, 2]), mode=processes)

    with ProcessExecutor(2, start_method="fork") as processes:
        print(run_concurrently(Task.map(inner, [1, 10]), mode=processes, total_timeout=20))
"""


def test_forked_workers_fork_workers() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-"],
        input=dedent(NESTED),
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("[[1, 2], [10, 20]]\n", "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_is_told_that_the_map_is_not_its_own(tmp_path: Path) -> None:
    """It would wait for ever, since it has none of the threads."""
    gate = Gate(tmp_path)
    with ThreadExecutor(1) as executor:
        results = gate.map(executor, 3)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                next(results)
            except RuntimeError as error:
                os._exit(3 if "process" in str(error) else 4)
            os._exit(5)
        _, status = os.waitpid(child, 0)
        gate.open()
        assert os.waitstatus_to_exitcode(status) == 3
        assert list(results) == [0, 1, 2]
