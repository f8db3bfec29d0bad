"""Tasks that open spans of their own; importable, so that worker processes find them."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from concurkit import Task, current_task, run_concurrently
from concurkit.observers import OpenTelemetry

# Each process has its own. What is exported in a worker stays there, so tasks return it.
EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))


class Seen(NamedTuple):
    """What a span inside a task knows of where it is."""

    index: int
    trace_id: int
    parent: int
    remote: bool
    tenant: Any


def set_up() -> None:
    """What an initializer does: without it, spans of a worker go nowhere."""
    trace.set_tracer_provider(PROVIDER)


def tracer() -> trace.Tracer:
    """The user's, not ours."""
    return trace.get_tracer("user", tracer_provider=PROVIDER)


def look() -> Seen:
    """Open a span, and say where it is."""
    task = current_task()
    with tracer().start_as_current_span("inner") as span:
        parent = getattr(span, "parent")  # noqa: B009 - the SDK's spans have one
        return Seen(
            -1 if task is None else task.index,
            parent.trace_id,
            parent.span_id,
            parent.is_remote,
            baggage.get_baggage("tenant"),
        )


def seen(_: object) -> Seen:
    """Look in a task."""
    return look()


async def seen_async(_: object) -> Seen:
    """Look in a task on a loop, after others had their turn."""
    from anyio.lowlevel import checkpoint

    await checkpoint()
    return look()


def seen_later(seconds: float) -> Seen:
    """Look after a while, so that the task travels alone."""
    time.sleep(seconds)
    return look()


def seen_by_the_global_one() -> tuple[Seen, str]:
    """Look by way of the provider that the initializer has set, and name what was exported."""
    with trace.get_tracer("user").start_as_current_span("global"):
        found = look()
    return found, EXPORTER.get_finished_spans()[-1].name


class Flaky(NamedTuple):
    """Fails with what it has seen until its second attempt."""

    number: int

    def __call__(self) -> Seen:
        task = current_task()
        assert task is not None
        found = look()
        if task.attempt < 2:
            raise OSError(found)
        return found


def nested() -> tuple[Seen, list[Seen], list[tuple[str, int, int]]]:
    """A traced run inside a task: what that sees, what its tasks see, and the spans of it all."""
    EXPORTER.clear()
    here = look()
    inside = run_concurrently(
        Task.map(seen_later, [0.002, 0.002]),
        mode="thread",
        observers=[OpenTelemetry(tracer_provider=PROVIDER)],
    )
    spans: list[Any] = list(EXPORTER.get_finished_spans())
    found = [(one.name, one.context.span_id, one.parent.span_id) for one in spans]
    return here, inside, found
