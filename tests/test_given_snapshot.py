"""For how long a task has run on an executor of others that can't be looked into."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from waiting import wait_until

from concurkit import Run, Task, iter_concurrently

A_WHILE = 0.05


class Closed:
    """One worker, which is given bytes, as one in another process is."""

    max_workers = 1

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)

    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        return self._pool.submit(lambda data: pickle.loads(data)(), pickle.dumps(fn))

    def work_of_others(self, go: threading.Event) -> None:
        """Have the worker wait before the next task."""
        self._pool.submit(go.wait)

    def shutdown(self, wait: bool = True) -> None:
        self._pool.shutdown(wait)


@pytest.fixture
def closed() -> Iterator[Closed]:
    """Such an executor."""
    executor = Closed()
    yield executor
    executor.shutdown()


class Gate:
    """Two files: one says that a task has started, the other lets it go on."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.started = place / "started"
        self.go = place / "go"
        self.task = Task(sample_tasks.note_and_wait_for_file, str(self.started), str(self.go))


@contextmanager
def read_elsewhere(run: Run[Any], gate: Gate) -> Iterator[None]:
    """A thread reads the run; the gate opens at the end."""
    reader = threading.Thread(target=lambda: list(run))
    reader.start()
    try:
        yield
    finally:
        gate.go.touch()
        reader.join()


def pass_time() -> None:
    """Come back when a while has passed."""
    since = time.monotonic()
    wait_until(lambda: time.monotonic() > since + A_WHILE)


def test_a_task_that_nobody_has_looked_at(closed: Closed, tmp_path: Path) -> None:
    """The first who looks is told for how long it hangs, and the next a little more."""
    gate = Gate(tmp_path / "1")
    before = time.monotonic()
    with iter_concurrently([gate.task], mode=closed) as run, read_elsewhere(run, gate):
        wait_until(gate.started.exists)
        pass_time()
        [first] = run.snapshot()
        [second] = run.snapshot()
        after = time.monotonic()

    assert A_WHILE <= first.seconds <= second.seconds <= after - before


def test_a_task_that_was_seen_to_wait(closed: Closed, tmp_path: Path) -> None:
    """Behind work that is not the run's: it did not begin before that look."""
    gate, go = Gate(tmp_path / "1"), threading.Event()
    closed.work_of_others(go)
    try:
        with iter_concurrently([gate.task], mode=closed) as run, read_elsewhere(run, gate):
            wait_until(lambda: run.stats.running == 1)
            pass_time()
            looked = time.monotonic()
            assert [] == run.snapshot()
            go.set()
            wait_until(gate.started.exists)
            [one] = run.snapshot()
            after = time.monotonic()
    finally:
        go.set()

    assert one.seconds <= after - looked
