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
        put: takes a list of results.
    """

    def __init__(
        self, source: Source, options: Options, *, ordered: bool, put: Callable[[list[Any]], None]
    ) -> None:
        self.keeps_outcomes = options.on_error == "collect"
        self._ordered = ordered
        self._on_error: OnError = options.on_error
        self._put = put
        self._endings = Endings(source)
        self._failures: list[Failed] = []
        self._held: dict[int, tuple[int, list[Any]]] = {}  # what came before its turn
        self._next = 0  # whose turn it is

    def settle(self, one: Block | Failed) -> None:
        """Take in what a block of tasks, or one that failed, came to."""
        if isinstance(one, Block):
            values = self._endings.successes(one) if self.keeps_outcomes else one.report.values
            for first, part in _unbroken(one, values):
                self._hand_on(first, len(part), part)
            return
        self._endings.annotate(one)
        if self.keeps_outcomes:
            self._hand_on(one.index, 1, [self._endings.failure(one)])
            return
        if one.own:
            self._failures.append(one)
        if self._on_error == "group":
            self._hand_on(one.index, 1, [])

    def error(self, drive: Drive) -> BaseException | None:
        """What the stream ends with, if not well."""
        failures, self._failures = self._failures, []
        self._held.clear()
        return final_error(drive, self._on_error, failures)

    def _hand_on(self, first: int, count: int, results: list[Any]) -> None:
        if self._ordered:
            self._held[first] = count, results
            results = self._due()
        if results:
            self._put(results)

    def _due(self) -> list[Any]:
        """The results whose turn it is."""
        held, due = self._held, []
        while self._next in held:
            count, results = held.pop(self._next)
            self._next += count
            due += results
        return due


def _unbroken(block: Block, values: Any) -> Iterator[tuple[int, list[Any]]]:
    """The parts of a block between the tasks that failed, each with its first index."""
    start = 0
    for stop in sorted(position for position, _ in block.report.failures):
        if start < stop < len(values):
            yield block.indices[start], list(values[start:stop])
        start = max(start, stop + 1)
    if start < len(values):
        yield block.indices[start], list(values[start:]) if start else list(values)
