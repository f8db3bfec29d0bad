"""The metrics of runs; needs OpenTelemetry's API."""

from __future__ import annotations

from typing import Any

from opentelemetry import metrics

from .._version import __version__
from ._events import (
    Event,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    TaskStarted,
    attempt_of,
)

# Those of the API are meant for milliseconds.
_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),
)


class Metrics:
    """How long tasks take, how many run, and how many have failed.

    Args:
        provider: makes the instruments; None is the global one.
        attributes: of all of them.
        each: whether the duration of each task in a batch is recorded, where it is known.
    """

    def __init__(self, provider: Any, attributes: dict[str, Any], *, each: bool) -> None:
        meter = metrics.get_meter("concurkit", __version__, meter_provider=provider)
        self._attributes = attributes
        self._each = each
        self._duration = meter.create_histogram(
            "concurkit.task.duration",
            unit="s",
            description="Seconds that an attempt took; of a batch, the mean of what returned.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._active = meter.create_up_down_counter(
            "concurkit.task.active",
            unit="{task}",
            description="Tasks that workers have been given, those of batches not counted.",
        )
        self._failures = meter.create_counter(
            "concurkit.task.failures",
            unit="{attempt}",
            description="Attempts that failed, those that are tried again included.",
        )
        self._modes: dict[int, dict[str, Any]] = {}  # the attributes of each run
        self._running: dict[int, set[int]] = {}  # which tasks of each run are counted

    def begin(self, event: RunStarted) -> None:
        """A run begins."""
        self._modes[event.run] = {**self._attributes, "concurkit.run.mode": event.mode}
        self._running[event.run] = set()

    def take(self, event: Event) -> None:
        """Count what happened in a run that has begun."""
        known, running = self._modes[event.run], self._running[event.run]
        match event:
            case TaskStarted(index=index):
                running.add(index)
                self._active.add(1, known)
            case TaskEnded() | TaskRetried():
                self._ended(event, known, running)
            case TasksEnded(indices=indices):
                self._batch_ended(event, known)
                for index in running.intersection(indices) if running else ():
                    running.discard(index)
                    self._active.add(-1, known)
            case RunEnded():
                self._active.add(-len(running), known)
                del self._modes[event.run], self._running[event.run]
            case _:
                pass

    def _ended(
        self, event: TaskEnded | TaskRetried, known: dict[str, Any], running: set[int]
    ) -> None:
        if event.index in running:
            running.discard(event.index)
            self._active.add(-1, known)
        if isinstance(event, TaskEnded) and event.waiting:
            return  # its last attempt was counted when that failed
        if attempt_of(event):
            self._duration.record(event.duration, known)
        if event.error is not None:
            self._failures.add(1, {**known, "error.type": type(event.error).__qualname__})

    def _batch_ended(self, event: TasksEnded, known: dict[str, Any]) -> None:
        if not (self._each and event.ends):
            took = event.duration - event.failed_duration
            self._duration.record(max(0.0, took) / len(event.indices), known)
            return
        for since, until in zip(event.starts, event.ends, strict=True):
            self._duration.record(max(0.0, until - since), known)
