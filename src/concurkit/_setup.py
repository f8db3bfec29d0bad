"""What a worker does before its first task: the initializer."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from types import CoroutineType
from typing import Any, NamedTuple

from ._arguments import wrong
from ._batch import Interrupted
from ._belongings import Belongings
from ._task import name_of, shown
from ._worker_loop import finish
from .exceptions import InitializerError


class Setup(NamedTuple):
    """A function that each worker calls once, before anything else, with its arguments."""

    initializer: Callable[..., Any] | None = None
    initargs: tuple[Any, ...] = ()

    @classmethod
    def check(cls, initializer: object, initargs: object) -> Setup:
        """A set-up from what the caller passed."""
        if initializer is not None and not callable(initializer):
            raise wrong(initializer, "initializer", "a function, or None")
        if not isinstance(initargs, tuple | list):
            raise TypeError(
                f"initargs is {shown(initargs)}; it must be a tuple of what the initializer is "
                f"called with, as in initargs=({shown(initargs)},)."
            )
        if initializer is None and initargs:
            raise ValueError(
                f"initargs is {shown(initargs)}, but there is no initializer to take it."
            )
        return cls(initializer, tuple(initargs))

    def run(self, worker: str, belongings: Belongings) -> InitializerError | None:
        """Set up the calling thread's *worker*, whose *belongings* these are; the error if any."""
        if self.initializer is None:
            return None
        context = copy_context()
        context.run(belongings.enter)
        try:
            value = context.run(self.initializer, *self.initargs)
            if isinstance(value, CoroutineType):
                finish(value, context)
        except Interrupted:
            raise
        except BaseException as error:
            return self.failed(worker, error)
        return None

    def failed(self, worker: str, error: BaseException) -> InitializerError:
        """What the run ends with since the initializer raised *error*."""
        failure = InitializerError(
            f"the initializer {name_of(self.initializer)} of {worker} failed with "
            f"{type(error).__name__}: {error}"
        )
        failure.__cause__ = error
        return failure


NOTHING = Setup()
