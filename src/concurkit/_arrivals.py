"""What came of a stream's tasks, handed on as it comes in or in the order of the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ._collect import final_error
from ._drive import Drive
from ._endings import Endings
from ._options import OnError, Options
from ._orders import Block, Failed
from ._source import Source


class Arrivals:
    """Hands on results as lists, each as soon as it is its turn.

    Args:
        source: the input.
        options: what the caller asked for.
        ordered: whether results come in the order of the input.
        put: takes a list of results, or how many tasks will have none.

    Attributes:
        keeps_outcomes: whether it hands on outcomes, not values.
        endings: makes them.
    """

    def __init__(
        self,
        source: Source,
        options: Options,
        *,
        ordered: bool,
        put: Callable[[list[Any] | int], None],
    ) -> None:
        self.keeps_outcomes = options.on_error == "collect"
        self._ordered = ordered
        self._on_error: OnError = options.on_error
        self._put = put
        self.endings = Endings(source)
        self._failures: list[Failed] = []
        self._held: dict[int, tuple[int, list[Any] | None]] = {}  # what came before its turn
        self._next = 0  # whose turn it is

    def settle(self, one: Block | Failed) -> None:
        """Take in what a block of tasks, or one that failed, came to."""
        if isinstance(one, Block):
            values = self.endings.successes(one) if self.keeps_outcomes else one.report.values
            for first, part in unbroken(one, values):
                self._hand_on(first, len(part), part)
            return
        self.endings.annotate(one)
        if self.keeps_outcomes:
            self._hand_on(one.index, 1, [self.endings.failure(one)])
            return
        if one.own:
            self._failures.append(one)
        if self._on_error == "group":
            self._hand_on(one.index, 1, None)

    def error(self, drive: Drive) -> BaseException | None:
        """What the stream ends with, if not well."""
        failures, self._failures = self._failures, []
        self._held.clear()
        return final_error(drive, self._on_error, failures)

    def _hand_on(self, first: int, count: int, results: list[Any] | None) -> None:
        """Hand on what *count* tasks from *first* on came to: results, None for nothing to read."""
        if not self._ordered:
            self._put(count if results is None else results)
            return
        self._held[first] = count, results
        due: list[Any] = []
        skipped = 0
        while self._next in self._held:
            count, results = self._held.pop(self._next)
            self._next += count
            if results is None:
                skipped += count
            else:
                due += results
        if due:
            self._put(due)
        if skipped:
            self._put(skipped)


def unbroken(block: Block, values: Any) -> Iterator[tuple[int, list[Any]]]:
    """The parts of a block between the tasks that failed, each with its first index."""
    start = 0
    for stop in sorted(position for position, _ in block.report.failures):
        if start < stop < len(values):
            yield block.indices[start], list(values[start:stop])
        start = max(start, stop + 1)
    if start < len(values):
        yield block.indices[start], list(values[start:]) if start else list(values)
