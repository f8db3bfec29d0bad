"""What a drive is told, besides what its executor says of batches."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from ._orders import Reason
from .executors._flight import Ended, GaveBack, Still, Unfit


class Read(NamedTuple):
    """The caller's thread has read these items."""

    items: list[Any]
    ended: bool


class ReadFailed(NamedTuple):
    """Reading the input raised."""

    error: BaseException


class Halt(NamedTuple):
    """End the run, since *error* was raised; abandon what still runs after so many seconds."""

    patience: float | None
    error: BaseException | None = None


class Cut(NamedTuple):
    """End the run; the tasks that this keeps from ending are failures, with this error."""

    why: Reason


class Drain(NamedTuple):
    """Start nothing more; the run ends when what runs has ended."""


class Taken(NamedTuple):
    """So many more results were read."""

    results: int


class Begin(NamedTuple):
    """The run begins."""


class Tick(NamedTuple):
    """The moment has come that the schedule asked to be woken at."""


News: TypeAlias = (
    Ended | GaveBack | Still | Unfit | Read | ReadFailed | Halt | Cut | Drain | Taken | Begin | Tick
)
