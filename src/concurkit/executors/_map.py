"""What all our executors have in common as executors of the standard library: `map`."""

# The overloads overlap on purpose, and the first that fits counts.
# mypy: disable-error-code=overload-overlap
# pyright: reportOverlappingOverload=false

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar, overload

from ._holds import Holder

R = TypeVar("R")

SHUT_DOWN = "this executor was shut down; make a new one"


class Keeper(Protocol):
    """What keeps an executor's workers, and keeps them though it was shut down."""

    def hold(self, holder: Holder, tasks: int) -> None:
        """*holder* will launch so many tasks more, and may do so after a shutdown, too."""
        ...

    def release(self, holder: Holder, tasks: int | None = None) -> None:
        """So many of *holder*'s tasks are over; None is all that there were."""
        ...


class MapExecutor(Executor):
    """An executor whose `map` is ours.

    Attributes:
        keeper: keeps its workers; None where the caller's thread does the work.
        max_workers: how many tasks may run at once.
    """

    keeper: Keeper | None = None
    max_workers: int

    @property
    def _max_workers(self) -> int:
        """How libraries that take an executor find out how many workers it has."""
        return self.max_workers

    @overload
    def map(
        self,
        fn: Callable[..., Coroutine[Any, Any, R]],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[R]: ...

    @overload
    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[R]: ...

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """Call *fn* with the items of *iterables* side by side; its results come in their order.

        As in the standard library, all of the input is read and submitted at once, unless
        *buffersize* is given. What a call raised is raised where its result is read, and reading
        may go on after it. Closing or dropping an iterator that was read cancels what has not
        started; so does shutting down the executor after an error, unless reading went on.

        Args:
            fn: the function, sync or async.
            *iterables: one iterable for each of its arguments; the shortest ends it.
            timeout: how many seconds from now on results are waited for; None is no limit.
            chunksize: how many calls travel to a process in one message; 1, the default, leaves it
                to us. Other executors choose it themselves.
            buffersize: how many calls may be submitted and not yet read. By default there is no
                limit.

        Returns:
            An iterator with a method `close()`. It keeps the executor alive.

        Raises:
            TypeError, ValueError: an argument is not as above; nothing has started.
            RuntimeError: the executor was shut down. Where that happens before all of the input
                was submitted, it is raised after the results of what was.
            RunTimeoutError: a TimeoutError, raised where a result was not there in time. What has
                not started is cancelled.

        Example:
            >>> from concurkit import ThreadExecutor
            >>> with ThreadExecutor(2) as threads:
            ...     list(threads.map(pow, [2, 3], [5, 2]))
            [32, 9]
        """
        from .._mapped import map_on  # rules are made above the executors, and few need these

        return map_on(self, fn, iterables, timeout, chunksize, buffersize)
