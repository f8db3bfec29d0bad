"""How far a run has come, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How far a run has come.

    Attributes:
        started: attempts that have started.
        done: tasks that returned; those of a batch count when it is back.
        failed: tasks that failed for good, those that were stopped as the run ended included.
        retried: attempts that failed and are tried again.
        running: tasks that run.
        waiting: tasks that were drawn from the input and do not run, those that wait to be tried
            again included.
        rate: tasks that ended per second, since the run began.
        elapsed: seconds since the run began.

    Example:
        >>> from concurkit import Task, iter_concurrently
        >>> with iter_concurrently(Task.map(abs, [-1, -2, -3]), mode="serial") as run:
        ...     values = list(run)
        >>> run.stats.done, run.stats.failed, run.stats.running
        (3, 0, 0)
    """

    started: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    running: int = 0
    waiting: int = 0
    rate: float = 0.0
    elapsed: float = 0.0
