"""What the overloads of the blocking call and of its async twin are written with."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias

from typing_extensions import TypeVar

from ._task import Task
from .typing import Runnable, RunOptions

# What a checker can't work out (mypy: an async and a sync function side by side) is Any: with no
# default it would be Never, and a correct call an error.
K = TypeVar("K", default=Any)
T = TypeVar("T", default=Any)
T1 = TypeVar("T1", default=Any)
T2 = TypeVar("T2", default=Any)
T3 = TypeVar("T3", default=Any)
T4 = TypeVar("T4", default=Any)
T5 = TypeVar("T5", default=Any)
T6 = TypeVar("T6", default=Any)
T7 = TypeVar("T7", default=Any)
T8 = TypeVar("T8", default=Any)

# The overloads try these first: to mypy an async function fits `Runnable` in two ways, as one
# that gives a T and as one that gives a coroutine, and it can't choose.
Async: TypeAlias = Task[T] | Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]]

NineOrMore: TypeAlias = tuple[
    Runnable,
    Runnable,
    Runnable,
    Runnable,
    Runnable,
    Runnable,
    Runnable,
    Runnable,
    Runnable,
    *tuple[Runnable, ...],
]


class Raising(RunOptions, total=False):
    """The keyword arguments of a run that gives values."""

    on_error: Literal["raise", "group"]


class Collecting(RunOptions):
    """The keyword arguments of a run that gives outcomes."""

    on_error: Literal["collect"]
