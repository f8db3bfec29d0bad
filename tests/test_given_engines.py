"""Executors of other libraries as a mode: loky's, and what a client of Dask's gives.

Each in a program of its own: what they leave open in theirs is not ours to check.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMON = """
import anyio
import os
from concurkit import Task, aio, run_concurrently
from concurkit.exceptions import TaskNotPicklableError, WorkerCrashedError

by = 3

def check(executor):
    expected = [by * number for number in range(500)]
    tasks = Task.map(lambda number: by * number, range(500))
    assert expected == run_concurrently(tasks, mode=executor, max_workers=2)
    assert expected[:5] == anyio.run(
        lambda: aio.run_concurrently([lambda n=n: by * n for n in range(5)], mode=executor)
    )
    assert os.getpid() not in run_concurrently([os.getpid] * 4, mode=executor, chunksize=1)
    tasks = Task.map(lambda number: 1 / number, [1, 0, 2])
    outcomes = run_concurrently(tasks, mode=executor, on_error="collect")
    assert isinstance(outcomes[1].error, ZeroDivisionError)
    assert "division" in str(outcomes[1].error.__cause__)
    assert [1.0, 0.5] == [outcomes[0].value, outcomes[2].value]
    try:
        run_concurrently([os.getpid], mode=executor, require_stop="cancel")
    except ValueError as error:
        assert "require_stop" in str(error)
    else:
        raise AssertionError
"""

LOKY = """
import loky

def main():
    executor = loky.ProcessPoolExecutor(2)
    check(executor)
    [late] = run_concurrently(
        [lambda: __import__("time").sleep(2)], mode=executor, timeout=0.3, on_error="collect"
    )
    assert "abandoned" == late.stopped
    outcomes = run_concurrently([lambda: os._exit(7)] * 3, mode=executor, on_error="collect")
    assert [WorkerCrashedError] * 3 == [type(one.error) for one in outcomes]
    executor.shutdown(kill_workers=True)
"""

DASK = """
import distributed
import tempfile

def main():
    here = "127.0.0.1"
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host=here
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        check(executor)
        try:
            run_concurrently([os.getpid], mode=executor, timeout=5)
        except ValueError as error:
            assert "don't say when a call starts" in str(error)
        else:
            raise AssertionError
        with tempfile.TemporaryDirectory() as place:
            make = Task(tempfile.mkdtemp, "", "", place)
            for runs in (1, 2):
                run_concurrently([make] * 6, mode=executor, chunksize=1)
                assert 6 * runs == len(os.listdir(place)), os.listdir(place)
        found = run_concurrently([os.getpid], mode=client, chunksize=1)
        assert os.getpid() != found[0]
"""

END = """
if __name__ == "__main__":
    main()
    print("all is well")
"""


@pytest.mark.parametrize("engine", [LOKY, DASK], ids=["loky", "dask"])
def test_an_engine_s_executor(engine: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(COMMON + engine + END)
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env={**os.environ, "DASK_TEMPORARY_DIRECTORY": str(tmp_path)},
        check=False,
    )
    assert done.stdout == "all is well\n", done.stderr
