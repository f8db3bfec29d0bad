"""What came of a check: a verdict for each promise, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["holds", "fails", "n/a"]

LAWS = {
    1: "Same everywhere",
    2: "One outcome each",
    3: "Never too many",
    4: "At most once",
    5: "A failure is contained",
    6: "A crash costs one task",
    7: "Time is kept",
    8: "Nothing outlives",
    9: "Contexts are kept apart",
    10: "Any task",
    11: "Bad input is refused",
    12: "Nothing hangs",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an executor keeps one promise.

    Attributes:
        law: the number of the law that the promise is a part of, 1 to 12.
        name: the name of the check, for `check_executor(only=...)`.
        promise: what was looked for, in one sentence.
        outcome: "holds", "fails", or "n/a" where the promise means nothing for this executor.
        detail: what happened instead, or why it means nothing; empty where there is no more to say.
        seconds: how long the check took.
    """

    law: int
    name: str
    promise: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What `check_executor` found; `str()` and `print` show it as a table.

    Attributes:
        executor: what the executor calls itself.
        verdicts: one for each promise, in the order of the laws.
        python: the Python and the system that it ran on.

    Example:
        >>> from concurkit.testing import Report, Verdict
        >>> report = Report("Mine", (Verdict(1, "values", "The values are right.", "holds"),))
        >>> report.ok, report.failures
        (True, ())
    """

    executor: str
    verdicts: tuple[Verdict, ...]
    python: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing fails."""
        return not self.failures

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The verdicts that say "fails"."""
        return tuple(one for one in self.verdicts if one.outcome == "fails")

    def of_law(self, law: int) -> tuple[Verdict, ...]:
        """The verdicts on one law.

        Args:
            law: its number, 1 to 12.
        """
        return tuple(one for one in self.verdicts if one.law == law)

    def __str__(self) -> str:
        from ._table import text

        return text(self)
