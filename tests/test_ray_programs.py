"""What executors on Ray do with the one connection to it that a program can have.

The programs run by themselves: their connection is not that of the session's executor.
"""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import ENGINES
from test_cluster_programs import finish, home, ray_processes, start  # noqa: F401 - a fixture

from concurkit import RayExecutor
from concurkit.executors.cluster._wire import LostError

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and sessions of POSIX"),
    pytest.mark.skipif("ray" not in ENGINES, reason="needs ray"),
]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Path]:  # noqa: F811
    """Where a cluster has its files, if the way there is so short that its sockets can be there."""
    with TemporaryDirectory(prefix="r", dir="/tmp") as place:
        monkeypatch.setenv("TMPDIR", place)
        yield Path(place)


SHARED = """
import threading
from concurkit import RayExecutor, Task, run_concurrently

made = threading.Barrier(2, timeout=60)
seen = []

def run():
    made.wait()
    executor = RayExecutor(max_workers=1)
    seen.append(executor)
    made.wait()
    print(run_concurrently(Task.map(abs, [-1, -2]), mode=executor))

threads = [threading.Thread(target=run) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
one, other = seen
import ray
job = ray.get_runtime_context().get_node_id()
one.shutdown()
print(run_concurrently(Task.map(abs, [-3, -4]), mode=other))
print(job == ray.get_runtime_context().get_node_id())
"""


def test_executors_that_are_open_at_once_share_a_cluster(short: Path, tmp_path: Path) -> None:
    """Two threads ask for one at once; it goes with the last that needs it, or with the program."""
    said = finish(start(SHARED, tmp_path / "program.py")).splitlines()

    assert ["[1, 2]", "[1, 2]", "[3, 4]", "True"] == said
    assert [] == [*short.iterdir()]
    assert [] == ray_processes(short)


def test_ray_that_is_being_shut_down(warm_ray: RayExecutor) -> None:
    """Ends what waits for it in its own way, which is no way to end a task."""
    session = warm_ray._engine.session
    with session.kept():
        pass
    with pytest.raises(LostError, match="Ray was shut down"), session.kept():
        raise SystemExit(0)


SHUT_DOWN = """
import os, sys, threading, time
from concurkit import RayExecutor, Success, Task, run_concurrently
import psutil, ray

place = sys.argv[1]
ray.init(num_cpus=2, _node_ip_address="127.0.0.2", include_dashboard=False, logging_level="ERROR")

def stay(mark):
    open(mark, "w").close()
    time.sleep(60)

def shut_down(mark):
    while not os.path.exists(mark):
        time.sleep(0.01)
    ray.shutdown()

def show(tasks):
    outcomes = run_concurrently(tasks, mode=executor, on_error="collect", chunksize=1)
    print({type(one.error).__name__ for one in outcomes},
          all("Ray was shut down" in str(one.error) for one in outcomes))

executor = RayExecutor(max_workers=1)
mark = os.path.join(place, "mark")
thread = threading.Thread(target=shut_down, args=[mark])
thread.start()
show([Task(stay, mark), Task(abs, -1)])
thread.join()
show([Task(abs, -1), Task(len, bytes(2_000_000))])
executor.shutdown()
print(ray.is_initialized())
print([one.name() for one in psutil.Process().children(recursive=True) if "ray" in one.name()])
"""


def test_ray_is_shut_down_under_an_executor(tmp_path: Path) -> None:
    """Its tasks fail, and say why; neither they nor `shutdown` start Ray again."""
    said = finish(start(SHUT_DOWN, tmp_path / "program.py", tmp_path)).splitlines()

    assert ["{'WorkerCrashedError'} True"] * 2 + ["False", "[]"] == said
