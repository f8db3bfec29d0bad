"""Which task the calling code is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ._batch import Progress, _progress, inside
from ._task import name_of


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentTask:
    """The task that the calling code is in.

    Attributes:
        index: which task of its run, from 0 up; 0 for a call that was submitted by itself.
        name: its name.
        attempt: its how-manieth attempt this is, from 1 up.
        worker: where it runs, as an outcome's `worker` says it.
        run: the number of its run, as observers are told it; 0 where there is none.
    """

    index: int
    name: str
    attempt: int
    worker: str
    run: int


def current_task() -> CurrentTask | None:
    """Inside a task, say which one that is; None outside any.

    It works in every mode, also in processes, and for what a task calls or awaits. In a run inside
    a task the inner task counts. A thread of your own that a task starts knows of it only if it
    runs in a copy of the task's context. Code that outlives its task, be it in such a thread or in
    an asyncio task, is in none once the task's batch is over; before that it is told the task of
    the batch that runs then.

    Returns:
        Its index, name, attempt, worker and run, or None.

    Example:
        >>> from concurkit import Task, current_task, run_concurrently
        >>> def greet(name):
        ...     return f"{name} is task {current_task().index}"
        >>> run_concurrently(Task.map(greet, ["Ada", "Bob"]), mode="thread")
        ['Ada is task 0', 'Bob is task 1']
        >>> current_task() is None
        True
    """
    progress = _progress.get()
    while progress is not None and progress.first < 0:
        progress = progress.outer
    return None if progress is None else task_of(progress)


def enclosing() -> tuple[int, int] | None:
    """The number of the run and the index of the task that the calling code is in, if any.

    A run of another process, whose numbers say nothing here, does not count.
    """
    run, task = inside().run, current_task()
    return (run, task.index) if task is not None and run and run == task.run else None


def task_of(progress: Progress) -> CurrentTask | None:
    """The task of a batch that runs now; None once the batch has ended."""
    position, items, fn = len(progress.values), progress.items, progress.fn
    if progress.first < 0 or position >= progress.todo.kept:
        return None
    if fn is None:
        if position >= len(items):
            return None
        fn = items[position].fn
        named = items[position].name
    else:
        named = None
    return CurrentTask(
        index=progress.first + position,
        name=named or name_of(fn),
        attempt=progress.attempt,
        worker=progress.worker,
        run=progress.run,
    )
