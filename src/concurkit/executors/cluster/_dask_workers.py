"""What is known of Dask's workers: which take tasks, and how many seats of ours each has."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from ._dask_places import Places
from ._needs import ANSWER
from ._wire import LostError


class Seen(NamedTuple):
    """What the scheduler says of a worker.

    Attributes:
        threads: how many it has.
        status: a name of Dask's; "running" is who takes tasks, and who is "paused" for lack of
            memory, or leaves, goes on with what it has begun.
    """

    threads: int
    status: str

    @property
    def takes_tasks(self) -> bool:
        """Whether a batch that is sent there now begins."""
        return self.status == "running"

    @property
    def leaves(self) -> bool:
        """Whether it is retired: it ends soon, unless it is the last."""
        return self.status not in ("running", "paused")


def ask(client: Any, places: Places) -> dict[str, Seen]:
    """What the scheduler says of the workers that may be used.

    Raises:
        LostError: it does not answer.
    """
    try:
        threads: dict[str, int] = client.nthreads(callback_timeout=ANSWER)
        info = client.scheduler_info(n_workers=-1)["workers"]
    except OSError as error:
        raise LostError(f"Dask's scheduler does not answer ({error!r})") from error
    if threads and not info:  # what Dask gives when it could not ask
        raise LostError("Dask's scheduler does not answer")
    return {
        one: Seen(count, info[one]["status"])
        for one, count in threads.items()
        if count and places.fit(one, info)
    }


class Workers:
    """Who takes tasks, and how many seats of ours each has; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Mapping[str, Seen] = {}
        self._seats: dict[str, int] = {}

    def saw(self, seen: Mapping[str, Seen]) -> None:
        """Take in what `ask` gave."""
        with self._lock:
            self._seen = seen

    @property
    def seen(self) -> Mapping[str, Seen]:
        """What `ask` gave last."""
        return self._seen

    @property
    def threads(self) -> int:
        """How many threads there are for tasks."""
        return sum(one.threads for one in self._usable().values())

    def take(self) -> str | None:
        """A seat at the worker that has fewest for its threads, if there is any worker."""
        with self._lock:
            usable = self._usable()
            if not usable:
                return None
            address = min(usable, key=lambda one: self._seats.get(one, 0) / usable[one].threads)
            self._seats[address] = self._seats.get(address, 0) + 1
            return address

    def free(self, address: str) -> None:
        """One seat less is there."""
        with self._lock:
            self._seats[address] -= 1

    def has_room_elsewhere(self, address: str) -> bool:
        """Whether batches wait at this worker, and would not, or not for ever, at another."""
        with self._lock:
            others = self._usable()
            here = others.pop(address, None)
            if here is None:
                return bool(others)
            return self._seats[address] > here.threads and any(
                self._seats.get(one, 0) < others[one].threads for one in others
            )

    def _usable(self) -> dict[str, Seen]:
        return {one: seen for one, seen in self._seen.items() if seen.takes_tasks}
