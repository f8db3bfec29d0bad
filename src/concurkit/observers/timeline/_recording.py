"""What is kept of one run: a few columns of numbers, one line of them for each attempt or batch.

A line takes 39 bytes, however long the run; an object for each attempt would take ten times that.
"""

from __future__ import annotations

import threading
from array import array
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from .._events import (
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    TaskStarted,
    WorkerCrashed,
)
from ._words import error_text

STATUSES: Final = (
    *("returned", "failed", "retried", "cancelled", "killed", "abandoned", "running"),
)
"""How an attempt ended, and "running" for one that has not."""

RETURNED, FAILED, RETRIED, CANCELLED, KILLED, ABANDONED, RUNNING = range(len(STATUSES))

# Of so many different errors the text is kept, of further ones the type alone, so that a run of
# which every task fails in its own words stays small.
MOST_TEXTS: Final = 10_000
MOST_ATTEMPTS: Final = 65_535


class Trouble(NamedTuple):
    """Why an attempt failed, and the seconds until the next one, if there was to be one."""

    error: str
    wait: float | None


class Unfinished(NamedTuple):
    """An attempt that has started and not ended."""

    started: float
    name: str
    attempt: int


class Crash(NamedTuple):
    """A worker that died."""

    worker: str
    at: float
    error: str


class Ended(NamedTuple):
    """When a run ended, and what ended it early; text, for an error keeps all that it has seen."""

    at: float
    error: str


@dataclass(slots=True)
class Columns:
    """Attempts and batches, column by column; a line of them is a *block*."""

    started: array[float] = field(default_factory=lambda: array("d"))
    duration: array[float] = field(default_factory=lambda: array("d"))
    worker: array[int] = field(default_factory=lambda: array("I"))
    name: array[int] = field(default_factory=lambda: array("I"))
    index: array[int] = field(default_factory=lambda: array("q"))
    count: array[int] = field(default_factory=lambda: array("I"))
    attempt: array[int] = field(default_factory=lambda: array("H"))
    status: array[int] = field(default_factory=lambda: array("B"))

    def __len__(self) -> int:
        return len(self.status)

    def add(
        self,
        started: float,
        duration: float,
        worker: int,
        name: int,
        index: int,
        count: int,
        attempt: int,
        status: int,
    ) -> None:
        if len(self.started) != len(self.status):
            self._trim()
        self.started.append(started)
        self.duration.append(max(0.0, duration))
        self.worker.append(worker)
        self.name.append(name)
        self.index.append(index)
        self.count.append(count)
        self.attempt.append(min(attempt, MOST_ATTEMPTS))
        self.status.append(status)

    def copy(self) -> Columns:
        self._trim()
        return Columns(*(column[:] for column in self._all()))

    def _trim(self) -> None:
        """Take off what a Ctrl-C in the middle of `add` has left."""
        for column in self._all():
            del column[len(self.status) :]

    def _all(self) -> tuple[array[Any], ...]:
        return (
            *(self.started, self.duration, self.worker, self.name),
            *(self.index, self.count, self.attempt, self.status),
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """A copy of what is known of a run at one moment."""

    began: RunStarted
    ended: Ended | None
    columns: Columns
    workers: list[str]
    names: list[str]
    troubles: dict[int, Trouble]
    crashes: list[Crash]
    unfinished: dict[int, Unfinished]
    never_started: int
    cut_waiting: int


class Recording:
    """Takes in the events of one run, and gives a copy of what it knows, from any thread."""

    def __init__(self, began: RunStarted) -> None:
        self._began = began
        self._ended: Ended | None = None
        self._columns = Columns()
        self._workers: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._troubles: dict[int, Trouble] = {}
        self._crashes: list[Crash] = []
        self._unfinished: dict[int, Unfinished] = {}
        self._never_started = 0
        self._cut_waiting = 0  # tasks that the run ended while they waited for another attempt
        # Events come one at a time; whoever saves meanwhile may do so in another thread.
        self._lock = threading.Lock()

    @property
    def outer(self) -> int | None:
        """The number of the run in one of whose tasks this one was started."""
        return self._began.inside[0] if self._began.inside is not None else None

    def started(self, event: TaskStarted) -> None:
        with self._lock:
            self._unfinished[event.index] = Unfinished(event.at, event.name, event.attempt)

    def returned(self, event: TasksEnded) -> None:
        if not event.indices:
            return
        with self._lock:
            if self._unfinished:
                for index in self._unfinished.keys() & event.indices:
                    del self._unfinished[index]
            self._columns.add(
                *(event.started, event.duration, self._worker(event.worker)),
                *(self._name(event.name), event.indices[0], len(event.indices), 1, RETURNED),
            )

    def ended(self, event: TaskEnded) -> None:
        with self._lock:
            self._unfinished.pop(event.index, None)
            if event.attempts == 0:
                self._never_started += 1
            elif event.waiting:
                self._cut_waiting += 1
            elif event.error is None:
                self._attempt(event, event.attempts, RETURNED)
            else:
                status = STATUSES.index(event.stopped or "failed")
                self._attempt(event, event.attempts, status)
                self._fault(event.error, None)

    def retried(self, event: TaskRetried) -> None:
        with self._lock:
            self._unfinished.pop(event.index, None)
            status = STATUSES.index(event.stopped or "retried")
            self._attempt(event, event.attempt, status)
            self._fault(event.error, event.wait)

    def crashed(self, event: WorkerCrashed) -> None:
        with self._lock:
            self._crashes.append(Crash(event.worker, event.at, self._text(event.error)))

    def run_ended(self, event: RunEnded) -> None:
        with self._lock:
            self._ended = Ended(event.at, error_text(event.error) if event.error else "")
            self._unfinished.clear()  # what really ran was told; these came back, not started

    def so_far(self) -> Recorded:
        """A copy of all that is known now."""
        with self._lock:
            return Recorded(
                began=self._began,
                ended=self._ended,
                columns=self._columns.copy(),
                workers=list(self._workers),
                names=list(self._names),
                troubles=dict(self._troubles),
                crashes=list(self._crashes),
                unfinished=dict(self._unfinished),
                never_started=self._never_started,
                cut_waiting=self._cut_waiting,
            )

    def _attempt(self, event: TaskEnded | TaskRetried, attempt: int, status: int) -> None:
        self._columns.add(
            *(event.started, event.duration, self._worker(event.worker)),
            *(self._name(event.name), event.index, 1, attempt, status),
        )

    def _fault(self, error: BaseException, wait: float | None) -> None:
        self._troubles[len(self._columns) - 1] = Trouble(self._text(error), wait)

    def _worker(self, name: str) -> int:
        return self._workers.setdefault(name, len(self._workers))

    def _name(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))

    def _text(self, error: BaseException) -> str:
        full = len(self._texts) >= MOST_TEXTS
        text = type(error).__name__ if full else error_text(error)
        return self._texts.setdefault(text, text)
