"""Every error that concurkit raises of its own accord; a task's own exception is never wrapped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._outcome import Failure, Success

__all__ = [
    "ConcurkitError",
    "InitializerError",
    "ModeUnavailableError",
    "RemoteError",
    "RemoteTraceback",
    "ResultNotPicklableError",
    "RunTimeoutError",
    "TaskCancelledError",
    "TaskNotPicklableError",
    "TaskTimeoutError",
    "UnknownModeError",
    "WorkerCrashedError",
]


class ConcurkitError(Exception):
    """The parent of every exception defined here."""


class TaskTimeoutError(ConcurkitError, TimeoutError):
    """A task ran longer than its `timeout`."""


class RunTimeoutError(ConcurkitError, TimeoutError):
    """A run lasted longer than its `total_timeout`; `outcomes` holds what had ended."""

    outcomes: Sequence[Success[Any] | Failure]

    def __init__(self, message: str, outcomes: Sequence[Success[Any] | Failure] = ()) -> None:
        super().__init__(message)
        self.outcomes = outcomes


class WorkerCrashedError(ConcurkitError):
    """A worker died under a task.

    Attributes:
        pid: the worker's process.
        exitcode: its exit code, negative for a signal.
        ran: for how many seconds the task had run.
        peak_memory: the most memory that the worker was seen to take, in bytes.
        stack: the Python stack of a segfault or an abort, most recent call first; else empty.
    """

    def __init__(
        self,
        message: str,
        *,
        pid: int | None = None,
        exitcode: int | None = None,
        ran: float | None = None,
        peak_memory: int | None = None,
        stack: str = "",
    ) -> None:
        super().__init__(message)
        self.pid = pid
        self.exitcode = exitcode
        self.ran = ran
        self.peak_memory = peak_memory
        self.stack = stack

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments are not in `args`, so the default would lose them.
        return (type(self), self.args, dict(self.__dict__))


class InitializerError(ConcurkitError):
    """A worker's initializer raised; its own exception is the cause."""


class TaskNotPicklableError(ConcurkitError, TypeError):
    """A task can't be sent to another process; the message names the member that can't."""


class ResultNotPicklableError(ConcurkitError, TypeError):
    """A task's result can't be sent back from its process; the message names the member."""


class UnknownModeError(ConcurkitError, ValueError):
    """`mode` is neither a known name nor an executor."""


class ModeUnavailableError(ConcurkitError, RuntimeError):
    """A known mode that can't run here; the message says what it needs."""


class TaskCancelledError(ConcurkitError):
    """A task was stopped because its run ended."""


class RemoteError(ConcurkitError):
    """Stands for a worker's exception whose class can't be rebuilt on this side."""

    def __init__(self, message: str, type_name: str = "", text: str = "") -> None:
        super().__init__(message)
        self.type_name = type_name
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.args[0], self.type_name, self.text), dict(self.__dict__))


class RemoteTraceback(ConcurkitError):  # noqa: N818 - stands for a traceback, is never raised
    """The traceback of a worker in another process, as text; set as a `__cause__`."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'
