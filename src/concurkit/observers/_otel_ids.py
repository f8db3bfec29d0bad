"""The span of a task, known before it is made.

It is made when the task has ended. What the task does meanwhile needs its id, in another process
too; so the id follows from the run's span, the index and the attempt.
"""

from __future__ import annotations

import os
import threading
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

from .._batch import _progress
from .._current import task_of

Of: TypeAlias = Literal["task", "batch", "run"]
"""Whose span the spans are children of that a task opens."""


def span_id_of(run_span: int, index: int, attempt: int) -> int:
    """The id of a task's span.

    Args:
        run_span: the id of its run's span.
        index: of the task.
        attempt: which of its attempts, from 1 up.
    """
    text = b"%d %d %d" % (run_span, index, attempt)
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") or 1


class Parent:
    """The prelude of a traced run: makes the span to come the current one of its tasks.

    Args:
        of: whose span that is; a batch's has the id that its first task's span would have.
        run: the context of the run's span: trace id, span id, flags and state.
        baggage: W3C baggage, for where the caller's context can't go.
    """

    def __init__(self, of: Of, run: tuple[int, int, int, str], baggage: dict[str, str]) -> None:
        self._of = of
        self._run = run
        self._baggage = baggage
        self._pid = os.getpid()

    def __call__(self) -> None:
        """Set it; does nothing where OpenTelemetry is not installed."""
        try:
            from opentelemetry import context, trace
            from opentelemetry.baggage.propagation import W3CBaggagePropagator
        except ImportError:  # then no task can open a span either
            return
        from ._otel_placeholder import Placeholder

        trace_id, span_id, flags, state = self._run
        remote = os.getpid() != self._pid
        batch = _progress.get()
        task = None if batch is None else task_of(batch)
        if task is not None and self._of == "batch":
            span_id = span_id_of(span_id, task.index, task.attempt)
        parent = trace.SpanContext(
            trace_id,
            span_id,
            remote,
            trace.TraceFlags(flags),
            trace.TraceState.from_header([state]) if state else None,
        )
        span = Placeholder(parent, batch if self._of == "task" else None)
        here = W3CBaggagePropagator().extract(self._baggage) if self._baggage else None
        context.attach(trace.set_span_in_context(span, here))


_wanted = threading.local()


class Ids:
    """The id generator of a tracer, which gives the next span an id that was asked for."""

    def __init__(self, others: Any) -> None:
        self._others = others

    def generate_span_id(self) -> int:
        """The id that `wanting` asks for in this thread, or a new one."""
        wanted: int | None = getattr(_wanted, "span_id", None)
        _wanted.span_id = None
        return int(self._others.generate_span_id()) if wanted is None else wanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._others, name)


def choose_ids(tracer: Any) -> bool:
    """Have spans of *tracer* made with ids that are asked for; whether its SDK lets us."""
    found = getattr(tracer, "id_generator", None)
    if not hasattr(found, "generate_span_id"):
        return False
    if not isinstance(found, Ids):
        tracer.id_generator = Ids(found)
    return True


def ask_for(span_id: int | None) -> None:
    """The next span that is started in this thread, if sampled or not, gets this id."""
    _wanted.span_id = span_id
