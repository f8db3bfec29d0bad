"""Seeing a run go on: what observers are told, and the observers that come along.

Example:
    >>> from concurkit import Task, run_concurrently
    >>> from concurkit.observers import Event, TaskEnded
    >>> class Printer:
    ...     def on_event(self, event: Event) -> None:
    ...         if isinstance(event, TaskEnded):
    ...             print(event.name, "failed" if event.error else "returned")
    >>> run_concurrently([Task(len, "abc")], mode="serial", observers=[Printer()])
    len returned
    [3]
"""

from __future__ import annotations

from ._events import Event as Event
from ._events import Observer as Observer
from ._events import RunEnded as RunEnded
from ._events import RunStarted as RunStarted
from ._events import TaskEnded as TaskEnded
from ._events import TaskRetried as TaskRetried
from ._events import TasksEnded as TasksEnded
from ._events import TaskStarted as TaskStarted
from ._events import WorkerCrashed as WorkerCrashed
from ._events import WorkerEnded as WorkerEnded
from ._events import WorkerStarted as WorkerStarted

TYPE_CHECKING = False  # as in typing, whose import alone would cost more than all of ours
if TYPE_CHECKING:
    from typing import Any

    from .opentelemetry import OpenTelemetry as OpenTelemetry
    from .timeline import Timeline as Timeline

# Imported on first use, so that a run without observers pays for none of them (PEP 562).
_HOMES = {
    "OpenTelemetry": ".opentelemetry",
    "Timeline": ".timeline",
}

__all__ = [
    "Event",
    "Observer",
    "OpenTelemetry",
    "RunEnded",
    "RunStarted",
    "TaskEnded",
    "TaskRetried",
    "TaskStarted",
    "TasksEnded",
    "Timeline",
    "WorkerCrashed",
    "WorkerEnded",
    "WorkerStarted",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(home, __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
