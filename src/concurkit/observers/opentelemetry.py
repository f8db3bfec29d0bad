"""Traces and metrics of runs, by OpenTelemetry's API; its SDK says where they go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..exceptions import ConcurkitError
from ._events import (
    Event,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    WorkerCrashed,
)
from ._otel_ids import Of, Parent

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ._otel_metrics import Metrics
    from ._otel_run import TracedRun

Attributes = Mapping[str, str | bool | int | float]


class OpenTelemetry:
    """An observer that makes spans and metrics of runs.

    A run has a span, "concurkit run", inside the span that is current where it is started. Each
    attempt of a task has one inside that, with the task's name, when it started and how long it
    took. Tasks so tiny that they travel in batches have one for each batch. Spans that a task
    opens are inside the task's, or its batch's, in every mode; in processes the SDK must be set up
    by `initializer`.

    Args:
        tracer_provider: makes the spans; by default the global one, as it is when a run starts.
        meter_provider: makes the metrics; by default the global one.
        each_task: whether each task of a batch has a span and a duration of its own, at about
            50 µs a task; by default a batch has one.
        attributes: for all spans of runs and all metrics, as `{"job": "nightly"}`.

    Raises:
        ConcurkitError: OpenTelemetry's API is not installed; how to do that.

    Example:
        >>> from concurkit import Task, run_concurrently
        >>> from concurkit.observers import OpenTelemetry
        >>> run_concurrently([Task(abs, -1)], observers=[OpenTelemetry()])
        [1]
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        each_task: bool = False,
        attributes: Attributes | None = None,
    ) -> None:
        try:
            from ._otel_metrics import Metrics
        except ImportError as error:
            raise ConcurkitError(
                "observers.OpenTelemetry needs the package opentelemetry-api, which can't be "
                f'imported ({error}): pip install "concurkit[otel]"'
            ) from error
        self._tracers: Any = tracer_provider
        self._attributes: dict[str, Any] = dict(attributes or {})
        self._metrics: Metrics = Metrics(meter_provider, self._attributes, each=each_task)
        self._each: bool = each_task
        self._runs: dict[int, TracedRun] = {}

    def prelude(self, run: int, /) -> Parent | None:
        """A run begins here: open its span; returns what leads its tasks' spans to it."""
        from ._otel_run import TracedRun

        traced = self._runs[run] = TracedRun(self._tracers, self._attributes)
        of: Of = "task" if self._each else "batch"
        return traced.parent(of)

    def on_event(self, event: Event, /) -> None:
        """Take in what happened."""
        if isinstance(event, RunStarted):
            if event.run not in self._runs:
                self.prelude(event.run)
            self._runs[event.run].begin(event)
            self._metrics.begin(event)
            return
        traced = self._runs.get(event.run)
        if traced is None:
            return
        self._metrics.take(event)
        match event:
            case TaskEnded() | TaskRetried():
                traced.attempt_ended(event)
            case TasksEnded() if self._each and event.ends:
                traced.each_ended(event)
            case TasksEnded():
                traced.batch_ended(event)
            case WorkerCrashed():
                traced.worker_crashed(event)
            case RunEnded():
                del self._runs[event.run]
                traced.end(event)
            case _:
                pass
