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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .opentelemetry import OpenTelemetry as OpenTelemetry

# Imported on first use: most runs have none of them.
_HOMES = {
    "OpenTelemetry": ".opentelemetry",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        found = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
