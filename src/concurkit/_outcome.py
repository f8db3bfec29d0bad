"""How a task ended: a Success with its value, or a Failure with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar, final

from ._batch import Stopped

T_co = TypeVar("T_co", covariant=True)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Success(Generic[T_co]):
    """A task that returned.

    Attributes:
        value: what the task returned.
        index: the task's position in the input, from 0.
        key: its key when the input was a mapping, else None.
        name: the name given with `Task.named`, else the function's.
        attempts: how many times it was started.
        started: when the last attempt started, in seconds since the epoch.
        duration: how long the last attempt took, in seconds.
        worker: the name of the worker that ran it.

    Example:
        >>> from concurkit import Task, run_concurrently
        >>> [outcome] = run_concurrently([Task(abs, -3)], on_error="collect")
        >>> outcome.unwrap(), outcome.name, outcome.attempts
        (3, 'abs', 1)
    """

    __match_args__ = ("value",)

    value: T_co
    index: int
    key: Any
    name: str
    attempts: int
    started: float
    duration: float
    worker: str

    def unwrap(self) -> T_co:
        """Return the value."""
        return self.value


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A task that raised, was stopped, or lost its worker.

    Attributes:
        error: the task's own exception, or one of `concurkit.exceptions`.
        stopped: None when the task ended by itself; "cancelled", "killed" or "abandoned" when
            it was stopped.

    The other attributes are those of `Success`.

    Example:
        >>> from concurkit import Task, run_concurrently
        >>> [outcome] = run_concurrently([Task(int, "x")], on_error="collect")
        >>> type(outcome.error).__name__, outcome.stopped
        ('ValueError', None)
    """

    __match_args__ = ("error",)

    error: BaseException
    index: int
    key: Any
    name: str
    attempts: int
    started: float
    duration: float
    worker: str
    stopped: Stopped | None = None

    def unwrap(self) -> NoReturn:
        """Raise the error."""
        raise self.error


Outcome: TypeAlias = Success[T_co] | Failure
