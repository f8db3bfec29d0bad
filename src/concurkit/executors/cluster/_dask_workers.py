"""What is known of Dask's workers: which take tasks, and where there is room for one more."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from ._dask_places import Places
from ._needs import ANSWER
from ._wire import LostError


class Seen(NamedTuple):
    """What the scheduler says of a worker.

    Attributes:
        slots: how many batches it takes at once, by its threads and what resources they need.
        status: a name of Dask's; "running" is who takes tasks, and who is "paused" for lack of
            memory, or leaves, goes on with what it has begun.
        told: when it told of itself, by its own clock, and
        tasks: how many it was running then, or could have run at once, anybody's.
    """

    slots: int
    status: str
    told: float = 0.0
    tasks: int = 0

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
        one: _seen(count, info[one], places)
        for one, count in threads.items()
        if count and places.fit(one, info)
    }


def _seen(threads: int, its: Mapping[str, Any], places: Places) -> Seen:
    metrics = its.get("metrics") or {}
    counts = metrics.get("task_counts") or {}
    tasks = sum(counts.get(state, 0) for state in ("executing", "ready", "constrained"))
    slots = places.slots(threads, its)
    return Seen(slots, its["status"], metrics.get("time", 0.0), tasks)


class Workers:
    """Who takes tasks, and what each has of ours; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Mapping[str, Seen] = {}
        self._seats: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()  # batches under way
        # Where a batch waited for tasks of others, and when these workers had last told of
        # themselves: a batch that moves from one to the other has to wait anew.
        self._held_up: dict[str, float] = {}

    def saw(self, seen: Mapping[str, Seen]) -> None:
        """Take in what `ask` gave."""
        with self._lock:
            self._seen = seen
            for address, told in list(self._held_up.items()):
                its = seen.get(address)
                if its is None or (its.told != told and its.tasks < its.slots):
                    del self._held_up[address]

    @property
    def seen(self) -> Mapping[str, Seen]:
        """What `ask` gave last."""
        return self._seen

    @property
    def slots(self) -> int:
        """How many tasks there is room for."""
        return sum(one.slots for one in self._usable().values())

    def take(self) -> str | None:
        """A seat where there is room, or else where few are; None if there is no worker."""
        with self._lock:
            usable = self._usable()
            if not usable:
                return None

            def how_full(one: str) -> tuple[bool, float]:
                return not self._has_room(one), self._seats[one] / usable[one].slots

            address = min(usable, key=how_full)
            self._seats[address] += 1
            return address

    def free(self, address: str) -> None:
        """One seat less is there."""
        with self._lock:
            self._seats[address] -= 1

    @contextmanager
    def sending(self, address: str) -> Generator[None]:
        """While a batch is under way there."""
        with self._lock:
            self._sent[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._sent[address] -= 1

    def came(self, address: str) -> None:
        """A batch has got a thread there."""
        with self._lock:
            self._held_up.pop(address, None)

    def is_full(self, address: str) -> bool:
        """Whether one more batch would wait there, and not at another worker."""
        with self._lock:
            return not self._has_room(address) and self._is_room_elsewhere(address)

    def is_better_left(self, address: str) -> bool:
        """Whether a batch that waits there would not, or not for ever, at another worker."""
        with self._lock:
            if not self._is_room_elsewhere(address):
                return False
            here, ours = self._seen.get(address), self._sent[address]
            if here is None or not here.takes_tasks or ours > here.slots:
                return True
            # It may wait for others' tasks, or for large arguments on their way, as it would again.
            held_up = here.tasks > max(ours, here.slots)
            if held_up:
                self._held_up[address] = here.told
            return held_up

    def _is_room_elsewhere(self, address: str) -> bool:
        usable = self._usable()
        if usable.pop(address, None) is None:
            return bool(usable)
        return any(self._has_room(one) for one in usable)

    def _has_room(self, address: str) -> bool:
        its = self._seen.get(address)
        free = its is not None and its.takes_tasks and self._sent[address] < its.slots
        return free and address not in self._held_up

    def _usable(self) -> dict[str, Seen]:
        return {one: seen for one, seen in self._seen.items() if seen.takes_tasks}
