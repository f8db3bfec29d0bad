"""The results of a `map`, made ready in the order of its input."""

from __future__ import annotations

from collections import deque
from typing import Any


class Raised:
    """In place of a result: what the call raised."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Turns:
    """Results that wait for their turn, and those that had it.

    Attributes:
        ready: results to read, in order; an error is `Raised`.
        next: the task whose result is the next to be ready.
    """

    def __init__(self) -> None:
        self.ready: deque[Any] = deque()
        self.next = 0
        self._held: dict[int, list[Any]] = {}

    @property
    def read(self) -> int:
        """How many results were read."""
        return self.next - len(self.ready)

    def arrive(self, first: int, values: list[Any]) -> None:
        """The results of the tasks from *first* on are there."""
        late = self.next - first
        if late > 0:  # they were passed over
            first, values = self.next, values[late:]
        if values:
            self._held[first] = values
            self._make_ready()

    def pass_over(self, error: BaseException) -> None:
        """Have *error* read in place of the result whose turn it is."""
        self.ready.append(Raised(error))
        self.next += 1
        self._make_ready()

    def end(self, count: int) -> None:
        """Nothing is wanted any more of the results of *count* tasks."""
        self.next = count
        self.ready.clear()
        self._held.clear()

    def _make_ready(self) -> None:
        while (values := self._held.pop(self.next, None)) is not None:
            self.next += len(values)
            self.ready.extend(values)
