"""An observer that keeps all it hears, and the grammar that any run's events obey."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from concurkit.observers import (
    Event,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    TaskStarted,
    WorkerCrashed,
    WorkerEnded,
    WorkerStarted,
)

# The calendar's seconds have so many digits behind the point.
SLACK = 1e-5


class Told:
    """Keeps the events of a run; calls *then* with each."""

    def __init__(self, then: Callable[[Any], object] = lambda event: None) -> None:
        self.events: list[Any] = []
        self.overlaps = 0
        self._then = then
        self._busy = threading.Lock()

    def on_event(self, event: Event) -> None:
        if not self._busy.acquire(blocking=False):
            self.overlaps += 1
            return
        try:
            self.events.append(event)
            self._then(event)
        finally:
            self._busy.release()

    def of(self, *kinds: type[Any]) -> list[Any]:
        """The events of these kinds."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def end(self) -> RunEnded:
        """The last event, of a run that is over."""
        ended = self.events[-1]
        assert isinstance(ended, RunEnded)
        return ended

    @property
    def indices(self) -> list[int]:
        """The tasks that ended, in their order."""
        singles = [event.index for event in self.of(TaskEnded)]
        return sorted(sum((list(one.indices) for one in self.of(TasksEnded)), singles))

    @property
    def errors(self) -> dict[int, BaseException]:
        """What tasks failed with."""
        return {one.index: one.error for one in self.of(TaskEnded) if one.error is not None}


def check_grammar(told: Told) -> None:
    """What must hold of the events of any run that is over."""
    events = told.events
    assert told.overlaps == 0
    assert [type(events[0]), type(events[-1])] == [RunStarted, RunEnded]
    assert len(told.of(RunStarted, RunEnded)) == 2
    assert {event.run for event in events} == {events[0].run}
    moments = [event.at for event in events if not isinstance(event, WorkerStarted)]
    assert all(one <= other + SLACK for one, other in pairwise(moments))
    _check_tasks(events)
    _check_workers(events)
    _check_counts(told)


def _check_tasks(events: Sequence[Any]) -> None:
    started: dict[int, TaskStarted] = {}
    retried: Counter[int] = Counter()
    ended: set[int] = set()
    for event in events:
        if isinstance(event, TaskStarted):
            assert event.attempt == retried[event.index] + 1
            assert event.index not in ended
            assert event.index not in started, "an attempt was told twice"
            started[event.index] = event
        elif isinstance(event, TaskRetried):
            retried[event.index] += 1
            assert event.attempt == retried[event.index]
            assert event.index not in ended
            assert event.wait >= 0
            _check_time(event, started.pop(event.index, None))
        elif isinstance(event, TaskEnded):
            assert event.index not in ended
            assert event.attempts == retried[event.index] + bool(event.worker)
            ended.add(event.index)
            _check_time(event, started.pop(event.index, None))
        elif isinstance(event, TasksEnded):
            _check_batch(event)
            for index in event.indices:
                assert index not in ended
                ended.add(index)
                started.pop(index, None)


def _check_time(event: Any, started: TaskStarted | None) -> None:
    assert event.duration >= 0
    assert event.name
    if started is not None and event.worker:
        assert started.at <= event.started + SLACK
        assert started.name == event.name


def _check_batch(event: TasksEnded) -> None:
    assert len(event.indices) > 0
    assert event.name
    assert event.duration >= 0
    assert len(event.ends) in (0, len(event.indices))
    assert all(one <= other + SLACK for one, other in pairwise([event.started, *event.ends]))


def _check_workers(events: Sequence[Any]) -> None:
    there: set[str] = set()
    dead: set[str] = set()
    for event in events:
        worker = getattr(event, "worker", "")
        if isinstance(event, WorkerStarted):
            assert worker
            assert worker not in there
            there.add(worker)
        elif isinstance(event, WorkerEnded):
            there.remove(worker)
            dead.discard(worker)
        elif worker:
            assert worker in there
            assert worker not in dead
            if isinstance(event, WorkerCrashed):
                dead.add(worker)
    assert not there
    assert not dead


def _check_counts(told: Told) -> None:
    stats = told.end.stats
    assert stats.failed == len(told.errors)
    assert stats.done == len(told.indices) - len(told.errors)
    assert stats.retried == len(told.of(TaskRetried))
