"""Which task of which run the calling code is in, for runs that are started in tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, final

from ._batch import _progress, inside

if TYPE_CHECKING:
    from ._drive import Drive

_numbers = count(1)


@final
class RunMark:
    """A run, as code in its tasks finds it by `inside()`.

    It does not keep the run: what a task leaves running may keep the task's context for long.

    Attributes:
        number: the run's; no other run of this process has it.
        drive: gives the run while it is there.
    """

    __slots__ = ("drive", "number")

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.drive: Callable[[], Drive | None] = _no_drive


def enclosing() -> tuple[int, int] | None:
    """The number of the run and the index of the task that the calling code is in, if any.

    It is looked for only when asked, so tasks need not carry it.
    """
    mark = inside().run
    drive = None if mark is None else mark.drive()
    if mark is None or drive is None:
        return None
    index = _index_in(drive)
    if index is None:  # perhaps the run has just started the task, and not yet put down that it did
        drive.await_turn()
        index = _index_in(drive)
    return None if index is None else (mark.number, index)


def _index_in(drive: Drive) -> int | None:
    """The index of the task of this run that the calling code is in."""
    flights: list[Any] = list(drive.flights.values())
    progress = _progress.get()
    while progress is not None:
        for flight in (one for one in flights if getattr(one, "progress", None) is progress):
            indices: Sequence[int] = flight.batch.indices
            position = len(progress.values)
            return indices[position] if position < len(indices) else None
        progress = progress.outer  # a sync task of async mode has one of its own
    return None


def _no_drive() -> None:
    return None
