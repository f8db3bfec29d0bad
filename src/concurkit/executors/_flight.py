"""What an executor says of the batches it was given, and what it may be asked of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from .._batch import Report
from ..exceptions import ConcurkitError


class Ended(NamedTuple):
    """A batch is over."""

    number: int
    report: Report


class GaveBack(NamedTuple):
    """A batch keeps its first *kept* tasks; the others have not started and won't."""

    number: int
    kept: int


class Still(NamedTuple):
    """A batch was not stopped: the task that was meant had ended."""

    number: int


class Unfit(NamedTuple):
    """A batch could not start, and none will: no worker can be made ready."""

    number: int
    error: ConcurkitError


class Sight(NamedTuple):
    """How a batch looks from outside.

    Attributes:
        worker: the name of the worker that has it, as in its report; empty while there is none.
        position: the running task's; or one of the *window* tasks from there on runs.
        since: since when that runs; None: the batch has not begun.
        window: how many tasks the worker accounts for together.
    """

    worker: str
    position: int
    since: float | None
    window: int = 1

    def is_at(self, position: int) -> bool:
        """Whether the task at *position* still runs."""
        return self.since is not None and self.position == position


Poll: TypeAlias = Callable[[], str | None]
"""Gives the stack that was asked for, once it is there: frames, the most recent call first."""

Tell: TypeAlias = Callable[[Ended | GaveBack | Still | Unfit], None]
Claim: TypeAlias = Callable[[], bool]


class Flight(Protocol):
    """A batch on its way, as whoever launched it sees it."""

    def look(self) -> tuple[int, float | None]:
        """The running task's position, and since when it runs (None: the batch has not begun)."""
        ...

    def recall(self, unbegun: bool) -> None:
        """Ask for the tasks that have not started: `GaveBack` or `Ended` follows, or nothing."""
        ...

    def stop(self, position: int) -> None:
        """Stop the task at *position* (-1: whichever runs): `Ended` or `Still` follows."""
        ...

    def abandon(self, position: int) -> Report | None:
        """Give the batch up, if the task at *position* (-1: any) still runs, and report it now.

        None if its own report is on the way, or `Still`.
        """
        ...

    def sight(self) -> Sight:
        """The same as `look` says, and on which worker."""
        ...

    def stack(self) -> Poll | None:
        """Ask what the running task does, without waiting; None where nobody can tell.

        The answer is about whatever runs when it is given, or nothing if that is known.
        """
        ...
