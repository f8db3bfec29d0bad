"""Work that an executor was given and must finish, though it was shut down meanwhile."""

from __future__ import annotations

import threading
from typing import Protocol


class Holder(Protocol):
    """Who gives an executor its work piece by piece, and keeps it open until all is done."""

    def closing(self, cancel: bool) -> None:
        """The executor was shut down; *cancel* says whether what has not started is cancelled."""
        ...


class Holds:
    """How many tasks each holder has on an executor.

    Args:
        lock: the executor's own; a garbage collection inside may drop a holder.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._tasks: dict[Holder, int] = {}
        self._free = threading.Condition(lock)

    def __bool__(self) -> bool:
        return bool(self._tasks)

    @property
    def holders(self) -> list[Holder]:
        """All who hold the executor open."""
        with self._lock:
            return list(self._tasks)

    def add(self, holder: Holder, tasks: int) -> None:
        """*holder* has so many tasks more."""
        with self._lock:
            self._tasks[holder] = self._tasks.get(holder, 0) + tasks

    def end(self, holder: Holder, tasks: int | None) -> None:
        """So many of *holder*'s tasks are over, or all."""
        with self._lock:
            left = 0 if tasks is None else self._tasks.get(holder, 0) - tasks
            if left > 0:
                self._tasks[holder] = left
            elif self._tasks.pop(holder, None) is not None and not self._tasks:
                self._free.notify_all()

    def wait(self) -> None:
        """Wait until nobody holds the executor open."""
        with self._lock:
            while self._tasks:
                self._free.wait()
