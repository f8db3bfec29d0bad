"""What a scenario's rounds came to; tables, the JSON file, the page and pictures show it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .model import Kind, Sample, Scenario


@dataclass(frozen=True, slots=True)
class Row:
    """All that one contender did.

    Attributes:
        name: As a reader would write it.
        settings: What was set, or "default", and what it got less of than the others.
        kind: Ours, a peer's, or one of the two yardsticks.
        values: One number a round, in the scenario's unit; infinite where it never ended.
        samples: What the numbers were made of.
        failed: Why it sat out some rounds, or all.
    """

    name: str
    settings: str
    kind: Kind
    values: tuple[float, ...] = ()
    samples: tuple[Sample, ...] = ()
    failed: str | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def not_available(self) -> bool:
        return not self.values and (self.failed or "").startswith(NOT_AVAILABLE)


NOT_AVAILABLE = "not available"
"""How the reason begins when a contender's library is not installed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A scenario's figures, with the words that a reader needs; rows are in the scenario's order.

    Attributes:
        date: The day, as 2026-11-23.
        drawn: Which of the columns have a picture of their own.
        others_busy: The most cores that others used meanwhile.

    The rest is as in `Scenario` and `Effort`.
    """

    name: str
    title: str
    unit: str
    date: str
    rounds: int
    quick: bool
    others_busy: float
    rows: tuple[Row, ...]
    columns: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    reference: str | None = None
    best: str | None = None

    def ranked(self) -> list[Row]:
        """Best and fastest first, those without a number last."""
        done = [row for row in self.rows if row.values]
        done.sort(key=lambda row: (-self._best(row), row.median))
        return done + [row for row in self.rows if not row.values]

    def _best(self, row: Row) -> float:
        return min(float(one.extras[self.best]) for one in row.samples) if self.best else 0.0

    def ours(self) -> Row | None:
        """The row that ratios are to: the first of ours that ran."""
        return next((row for row in self.rows if row.kind == "ours" and row.values), None)

    def base(self) -> float | None:
        row = self.ours()
        return row.median if row else None

    def reference_median(self) -> float | None:
        found = (row.median for row in self.rows if row.name == self.reference and row.values)
        return next(found, None)

    def by(self, column: str) -> "Measured":
        """The same with an extra in the place of the number; who has no such number is left out."""
        rows = (replace(row, values=_numbers(row.samples, column)) for row in self.rows)
        name, _, unit = column.rpartition(", ")
        return replace(
            self,
            title=f"{self.title}: {name or column}",
            unit=unit,
            rows=tuple(row for row in rows if row.values),
            best=None,
        )


def _numbers(samples: Sequence[Sample], column: str) -> tuple[float, ...]:
    found = (sample.extras.get(column) for sample in samples)
    return tuple(value for value in found if isinstance(value, float | int))


def described(scenario: Scenario, **measured: Any) -> Measured:
    """A scenario's words, and what was measured."""
    return Measured(
        name=scenario.name,
        title=scenario.title,
        unit=scenario.metric.unit,
        columns=scenario.columns,
        drawn=scenario.drawn,
        reference=scenario.reference,
        best=scenario.best,
        **measured,
    )
