"""What a check is: a function that tries one promise on an executor of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._bench import Bench

Trial = Callable[["Bench"], None]


class NotApplicable(Exception):  # noqa: N818 - not an error: a verdict
    """The promise means nothing for this executor; the text says why."""


@dataclass(frozen=True)
class Check:
    """One promise and the function that tries it: it raises AssertionError if it is not kept."""

    law: int
    name: str
    promise: str
    trial: Trial


CHECKS: dict[str, Check] = {}


def check(law: int) -> Callable[[Trial], Trial]:
    """Count a function among the checks of *law*; its docstring's first line is the promise."""

    def register(trial: Trial) -> Trial:
        promise = (trial.__doc__ or "").partition("\n")[0]
        CHECKS[trial.__name__] = Check(law, trial.__name__, promise, trial)
        return trial

    return register


def all_checks() -> dict[str, Check]:
    """Every check by its name, in the order of the laws."""
    from . import _checks  # noqa: F401 - its modules register what they hold  # pyright: ignore[reportUnusedImport]

    return dict(sorted(CHECKS.items(), key=lambda item: item[1].law))
