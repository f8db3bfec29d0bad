"""Log lines that say which task they come from: a filter for `logging`, a processor for structlog.

Example:
    >>> import logging, sys
    >>> from concurkit import Task, run_concurrently
    >>> from concurkit.observers.logging import TaskFilter
    >>> handler = logging.StreamHandler(sys.stdout)
    >>> handler.addFilter(TaskFilter())
    >>> handler.setFormatter(logging.Formatter("%(task_name)s %(task_index)s: %(message)s"))
    >>> log = logging.getLogger("example")
    >>> log.addHandler(handler)
    >>> def load(number):
    ...     log.warning("half way")
    >>> run_concurrently(Task.map(load, [7, 8]), mode="serial")
    load 0: half way
    load 1: half way
    [None, None]
    >>> log.removeHandler(handler)
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from .._current import current_task


class TaskFilter(logging.Filter):
    """Gives each record `task_index`, `task_name` and `worker`; None where no task runs.

    Add it to a handler, so that it sees the records of all loggers. It refuses none, unless a name
    is given, as to any `logging.Filter`. Records from worker processes have the three attributes
    already, with or without it, and keep them.

    Args:
        name: only records of the logger of that name and of those below it pass; "" is all.

    Example:
        >>> import logging
        >>> from concurkit.observers.logging import TaskFilter
        >>> record = logging.makeLogRecord({"msg": "hello"})
        >>> TaskFilter().filter(record), record.task_index
        (True, None)
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Say which task *record* comes from; returns whether it passes."""
        if not hasattr(record, "task_index"):
            task = current_task()
            record.task_index = None if task is None else task.index
            record.task_name = None if task is None else task.name
            record.worker = None if task is None else task.worker
        return bool(super().filter(record))


def add_task(
    logger: object,  # noqa: ARG001 - a processor is given three arguments
    method_name: str,  # noqa: ARG001
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Add `task_index`, `task_name` and `worker` to an event of structlog's, inside a task.

    Put it among the processors that structlog is configured with. What an event has already stays.

    Args:
        logger: the logger that structlog wraps.
        method_name: as in "info".
        event_dict: the event so far.

    Returns:
        The same event.

    Example:
        >>> from concurkit import run_concurrently
        >>> from concurkit.observers.logging import add_task
        >>> def work():
        ...     return add_task(None, "info", {"event": "hello"})
        >>> run_concurrently([work], mode="serial")
        [{'event': 'hello', 'task_index': 0, 'task_name': 'work', 'worker': 'serial'}]
    """
    task = current_task()
    if task is not None:
        event_dict.setdefault("task_index", task.index)
        event_dict.setdefault("task_name", task.name)
        event_dict.setdefault("worker", task.worker)
    return event_dict
