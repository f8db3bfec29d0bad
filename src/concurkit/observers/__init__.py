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
