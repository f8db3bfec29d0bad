"""Tasks that say which task they are; in a module that sub-interpreters can import."""

from __future__ import annotations

import logging
from typing import NamedTuple

import sample_tasks

from concurkit import current_task

Told = tuple[int, str, int, str] | None


def told() -> Told:
    """What `current_task` says here."""
    task = current_task()
    return None if task is None else (task.index, task.name, task.attempt, task.worker)


def tell(_: object) -> Told:
    """What it says in a task."""
    return told()


async def tell_before_and_after(number: int) -> list[Told]:
    """What it says before and after others had their turn."""
    before = told()
    for _ in range(number % 3):
        await sample_tasks.turn()
    return [before, told()]


class Flaky(NamedTuple):
    """Fails until its attempt is the third, and then says which it was."""

    number: int

    def __call__(self) -> Told:
        task = current_task()
        if task is not None and task.attempt < 3 and self.number % 2:
            raise OSError(f"attempt {task.attempt}")
        return told()


def say(number: int) -> None:
    """Log a line."""
    logging.getLogger("task_context").info("number %d", number)
