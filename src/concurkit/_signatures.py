"""What the overloads of the blocking call and of its async twin are written with."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ._task import Task
from .typing import Runnable, RunOptions, StreamOptions

# What a checker can't work out (mypy: an async and a sync function side by side) is Any: with no
# default it would be Never, and a correct call an error.
if TYPE_CHECKING:
    from typing_extensions import TypeVar

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
else:  # importing typing_extensions would take longer than all of this package
    from typing import TypeVar

    K, T = TypeVar("K"), TypeVar("T")
    T1, T2, T3, T4 = (TypeVar(f"T{number}") for number in (1, 2, 3, 4))
    T5, T6, T7, T8 = (TypeVar(f"T{number}") for number in (5, 6, 7, 8))

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


class StreamRaising(StreamOptions, total=False):
    """The keyword arguments of a stream that gives values."""

    on_error: Literal["raise", "group"]


class StreamCollecting(StreamOptions):
    """The keyword arguments of a stream that gives outcomes."""

    on_error: Literal["collect"]


class Raising(RunOptions, total=False):
    """The keyword arguments of a run that gives values."""

    on_error: Literal["raise", "group"]


class Collecting(RunOptions):
    """The keyword arguments of a run that gives outcomes."""

    on_error: Literal["collect"]
