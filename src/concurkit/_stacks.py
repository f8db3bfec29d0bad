"""What the workers of a run do right now: their stacks.

All are asked at once, and nobody is waited for longer than a second.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ._batch import clock
from ._snapshot import Running, spotted

if TYPE_CHECKING:
    from ._drive import Drive
    from .executors._flight import Flight, Poll

PATIENCE = 1.0  # seconds
NO_ANSWER = "no answer"

# How often to look whether the answers are there, in seconds.
MOMENT = 0.002


class Answers:
    """The stacks of these batches' running tasks, as they come in.

    Attributes:
        stacks: of each batch; None where nobody can tell.
    """

    def __init__(self, flights: Sequence[Flight]) -> None:
        self.stacks: list[str | None] = [NO_ANSWER] * len(flights)
        self._until = clock() + PATIENCE
        self._pending: list[tuple[int, Poll]] = []
        for number, flight in enumerate(flights):
            try:
                poll = flight.stack()
            except Exception:  # its worker, or the way there, is going
                continue
            if poll is None:
                self.stacks[number] = None
            else:
                self._pending.append((number, poll))

    def over(self) -> bool:
        """Look for answers; whether none is to come any more."""
        pending, self._pending = self._pending, []
        for number, poll in pending:
            try:
                stack = poll()
            except Exception:  # as above
                continue
            if stack is None:
                self._pending.append((number, poll))
            else:
                self.stacks[number] = stack
        return not self._pending or clock() > self._until


class Question:
    """What each worker of a run does.

    A task that has ended by the time of the answer is left out: the stack may be another's.
    """

    def __init__(self, drive: Drive | None) -> None:
        self._seen = [] if drive is None else spotted(drive)
        self._answers = Answers([flight for flight, _, _ in self._seen])
        self._drive = drive

    def over(self) -> bool:
        """Whether no more answers are to come; ask this until it is so."""
        return self._answers.over()

    def found(self) -> list[Running]:
        """The tasks and their stacks."""
        drive = self._drive
        if drive is None:
            return []
        flying = {flight for _, _, flight in drive.under_way()}
        return [
            replace(running, stack=stack)
            for (flight, sight, running), stack in zip(
                self._seen, self._answers.stacks, strict=True
            )
            if flight in flying and flight.sight().is_at(sight.position)
        ]


def stacks(drive: Drive | None) -> list[Running]:
    """The tasks of a run that run now, with their stacks; may take up to a second."""
    question = Question(drive)
    while not question.over():
        time.sleep(MOMENT)
    return question.found()


async def stacks_in_loop(drive: Drive | None) -> list[Running]:
    """The same without blocking the loop."""
    import anyio

    question = Question(drive)
    while not question.over():  # noqa: ASYNC110 - some answers are only to be seen in memory
        await anyio.sleep(MOMENT)
    return question.found()
