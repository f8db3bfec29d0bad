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
