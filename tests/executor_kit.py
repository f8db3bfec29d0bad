"""What the tests of executors as executors of the standard library share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from waiting import wait_until

from concurkit import (
    AsyncExecutor,
    InterpreterExecutor,
    ProcessExecutor,
    SerialExecutor,
    ThreadExecutor,
)

MAKE: dict[str, Callable[[], Executor]] = {
    "serial": SerialExecutor,
    "thread": lambda: ThreadExecutor(2),
    "process": lambda: ProcessExecutor(2),
    "async": lambda: AsyncExecutor(2),
}
ONE: dict[str, Callable[[], Executor]] = {
    "thread": lambda: ThreadExecutor(1),
    "process": lambda: ProcessExecutor(1),
    "async": lambda: AsyncExecutor(1),
}
if sys.version_info >= (3, 14):
    MAKE["interpreter"] = lambda: InterpreterExecutor(2)
    ONE["interpreter"] = lambda: InterpreterExecutor(1)
OVERLAPPING = pytest.mark.parametrize("mode", ONE, scope="module")
HOWS = ["exit", "SIGKILL"] if sys.platform != "win32" else ["exit"]
LONG = 30.0  # seconds after which a test gives up


def read_all(results: Iterator[Any]) -> list[Any]:
    """All results of a map; what it raised in place of a result, by its type and its text."""
    found: list[Any] = []
    while True:
        try:
            found.append(next(results))
        except StopIteration:
            return found
        except BaseException as error:
            found.append((type(error), str(error)))
        assert len(found) < 100_000


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


class Gate:
    """A call that holds up the only worker until it is let go on, and calls behind it."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def map(self, executor: Executor, calls: int, **options: Any) -> Iterator[Any]:
        """Calls of which the first has started."""
        results = executor.map(
            sample_tasks.gated, [str(self._place)] * calls, range(calls), **options
        )
        wait_until((self._place / "started").exists)
        return results

    def open(self) -> None:
        (self._place / "go").touch()

    @property
    def passed(self) -> list[str]:
        """The calls behind the first that ran."""
        return lines(self._place / "ran")
