"""What stands for a task's span while the task runs; needs OpenTelemetry's API."""

from __future__ import annotations

from opentelemetry.trace import NonRecordingSpan, SpanContext

from .._batch import Progress
from .._current import task_of
from ._otel_ids import span_id_of


class Placeholder(NonRecordingSpan):
    """A span that is made when the task has ended; until then others can be its children.

    Args:
        known: its context; that of the run's span if there is a *batch*.
        batch: whose tasks have a span each: it is that of the task that runs.
    """

    def __init__(self, known: SpanContext, batch: Progress | None) -> None:
        super().__init__(known)
        self._batch = batch

    def get_span_context(self) -> SpanContext:
        """Which span this is, asked by whoever opens another inside it."""
        known = self._context
        task = None if self._batch is None else task_of(self._batch)
        if task is None:
            return known
        return SpanContext(
            known.trace_id,
            span_id_of(known.span_id, task.index, task.attempt),
            known.is_remote,
            known.trace_flags,
            known.trace_state,
        )
