"""A `map` that is never short.

Since Python 3.14 the standard one submits the rest of its input as results are read, and holds the
executor by a weak reference only: where nobody else holds it, the results end early, without an
error.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


class KeptMap(Executor):
    """An executor that lives as long as the results of its `map` are read."""

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any], **options: Any) -> Iterator[T]:
        """Call *fn* on each item, as `concurrent.futures` does, and give the results in order.

        Args:
            fn: what is called, with one item of each iterable.
            iterables: where the items come from.
            options: what this Python's `Executor.map` takes: `timeout` in seconds and, from 3.14
                on, `buffersize`.
        """
        return _holding(self, super().map(fn, *iterables, **options))


def _holding(executor: Executor, results: Iterator[T]) -> Generator[T]:
    yield from results
    del executor  # not before
