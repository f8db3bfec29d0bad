"""What executors on Ray do with the one connection to it that a program can have.

The programs run by themselves: their connection is not that of the session's executor.
"""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import ENGINES
from test_cluster_programs import finish, home, start  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and sessions of POSIX"),
    pytest.mark.skipif("ray" not in ENGINES, reason="needs ray"),
]

SHARED = """
import threading
from concurkit import RayExecutor, Task, run_concurrently
import ray

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
job = ray.get_runtime_context().get_node_id()
one.shutdown()
print(run_concurrently(Task.map(abs, [-3, -4]), mode=other))
print(job == ray.get_runtime_context().get_node_id())
other.shutdown()
print(ray.is_initialized())
"""


def test_executors_that_are_open_at_once_share_a_cluster(home: Path, tmp_path: Path) -> None:  # noqa: F811
    """Two threads ask for one at once, and the last that needs it ends it."""
    said = finish(start(SHARED, tmp_path / "program.py")).splitlines()

    assert ["[1, 2]", "[1, 2]", "[3, 4]", "True", "False"] == said
    assert [] == [*home.glob("ray-*")]
