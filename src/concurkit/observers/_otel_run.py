"""The spans of one run; needs OpenTelemetry's API."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace import Span, Status, StatusCode

from .._version import __version__
from ._events import (
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    WorkerCrashed,
    attempt_of,
)
from ._otel_ids import Of, Parent, ask_for, choose_ids, span_id_of


class TracedRun:
    """The span of a run, open where it is made, and of what happens in it.

    Args:
        provider: makes the spans; None is the global one.
        attributes: of the run's span.
    """

    def __init__(self, provider: Any, attributes: dict[str, Any]) -> None:
        provider = provider or trace.get_tracer_provider()
        self._tracer: Any = provider.get_tracer("concurkit", __version__)
        self._chosen = choose_ids(self._tracer)
        self._span: Span = self._tracer.start_span("concurkit run", attributes=attributes)
        self._inside = trace.set_span_in_context(self._span)

    def parent(self, of: Of) -> Parent | None:
        """What makes spans that tasks open the children of these; None if there are none."""
        known = self._span.get_span_context()
        if not known.is_valid:
            return None
        baggage: dict[str, str] = {}
        W3CBaggagePropagator().inject(baggage)
        run = known.trace_id, known.span_id, int(known.trace_flags), known.trace_state.to_header()
        return Parent(of if self._chosen else "run", run, baggage)

    def begin(self, event: RunStarted) -> None:
        """What is known of the run as it begins."""
        self._span.set_attribute("concurkit.run.mode", event.mode)
        self._span.set_attribute("concurkit.run.max_workers", event.max_workers)
        if event.total is not None:
            self._span.set_attribute("concurkit.run.total", event.total)

    def attempt_ended(self, event: TaskEnded | TaskRetried) -> None:
        """An attempt of one task, unless the event tells of none."""
        attempt = attempt_of(event)
        if attempt:
            span = self._open(event.name, event.started, event.index, attempt, event.worker)
            if event.stopped is not None:
                span.set_attribute("concurkit.task.stopped", event.stopped)
            until = _ns(event.started + event.duration)
            if event.error is not None:
                fail(span, event.error, until)
            span.end(until)

    def batch_ended(self, event: TasksEnded) -> None:
        """A batch, as one span."""
        indices = event.indices
        many = len(indices) > 1
        name = f"{event.name} (batch)" if many else event.name
        span = self._open(name, event.started, indices[0], 1, event.worker)
        if many:
            span.set_attribute("concurkit.batch.size", len(indices))
        span.end(_ns(event.started + event.duration))

    def each_ended(self, event: TasksEnded) -> None:
        """The tasks of a batch, each as a span."""
        for index, since, until in zip(event.indices, event.starts, event.ends, strict=True):
            self._open(event.name, since, index, 1, event.worker).end(_ns(until))

    def worker_crashed(self, event: WorkerCrashed) -> None:
        """An event on the run's span: the task's has the error."""
        known = {"concurkit.worker": event.worker, "exception.message": _text(event.error)}
        self._span.add_event("worker crashed", known, _ns(event.at))

    def end(self, event: RunEnded) -> None:
        """The run is over."""
        stats = event.stats
        for name in ("started", "done", "failed", "retried"):
            self._span.set_attribute(f"concurkit.run.{name}", getattr(stats, name))
        if event.error is not None:
            fail(self._span, event.error, _ns(event.at))
        self._span.end(_ns(event.at))

    def _open(self, name: str, started: float, index: int, attempt: int, worker: str) -> Span:
        known = {
            "concurkit.task.index": index,
            "concurkit.task.attempt": attempt,
            "concurkit.worker": worker,
        }
        run_span = self._span.get_span_context().span_id
        ask_for(span_id_of(run_span, index, attempt) if self._chosen else None)
        try:
            span: Span = self._tracer.start_span(
                name, self._inside, attributes=known, start_time=_ns(started)
            )
        finally:
            ask_for(None)  # a tracer that is switched off takes no id
        return span


def fail(span: Span, error: BaseException, at: int) -> None:
    """Record on a span what its work ended with."""
    text = _text(error)
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {text}"))
    try:
        span.record_exception(error, timestamp=at)
    except Exception:  # its text can't be had
        span.add_event("exception", {"exception.type": type(error).__qualname__}, at)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} whose str() fails>"


def _ns(at: float) -> int:
    """Seconds since the epoch as OpenTelemetry counts them."""
    return int(at * 1e9)
