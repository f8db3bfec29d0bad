"""The cases that are hard for who puts tasks together in batches, and how each one is judged.

A batch that suits tiny tasks holds up slow ones, and the other way round; nothing tells beforehand
which ones come next. A contender takes all the cases of a scenario, one after the other.
"""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from harness.model import Check, Contender, Extras, WrongResultError, from_extra
from work import MILLISECONDS


@dataclass(frozen=True, slots=True)
class Case:
    """Tasks in an order.

    Attributes:
        name: The head of its column.
        sleeps: The milliseconds of each task, 0 for a no-op, for a size that the scenario names.
        chunksize: What one would set who knows the case: the fewest messages that keep its ideal.
    """

    name: str
    sleeps: Callable[[int], Sequence[int]]
    chunksize: int = 1


def _quick_then_slow(slow: int) -> list[int]:
    return [0] * (100 * slow) + [10] * slow


def _slow_then_quick(slow: int) -> list[int]:
    return [10] * slow + [0] * (100 * slow)


def _in_turns(slow: int) -> list[int]:
    return [0, 5] * (2 * slow)


def _ten_last(slow: int) -> list[int]:
    return [0] * (100 * slow) + [50] * min(10, slow)


def _one_slow(place: float, tiny: int) -> list[int]:
    """250 ms for 150,000 tiny tasks, in proportion for others, so that a warm-up is short."""
    before = round(place * tiny)
    return [0] * before + [tiny // 600] + [0] * (tiny - before)


def _few(tasks: int) -> list[int]:
    return [50] * tasks


MIXED = (
    Case("quick-slow", _quick_then_slow, chunksize=15),
    Case("slow-quick", _slow_then_quick, chunksize=15),
    Case("in turns", _in_turns, chunksize=10),
    Case("ten last", _ten_last, chunksize=3),
)
ONE_SLOW = (
    Case("first", partial(_one_slow, 0.0), chunksize=1000),
    Case("middle", partial(_one_slow, 0.5), chunksize=1000),
    Case("near end", partial(_one_slow, 0.97), chunksize=1000),
)
FEW = Case("few", _few)


@cache
def values(case: Case, size: int) -> list[int]:
    """What `work.wait` is called with; kept, so that it is not made while the clock runs."""
    sleeps = enumerate(case.sleeps(size))
    return [number * MILLISECONDS + sleep for number, sleep in sleeps]


def ideal(case: Case, size: int, workers: int) -> float:
    """Seconds until all is done when each free worker takes the next task, and only sleeps last."""
    free_at = [0] * workers
    for sleep in filter(None, case.sleeps(size)):
        heapq.heappush(free_at, heapq.heappop(free_at) + sleep)
    return max(free_at) / 1000


# A contender in all the cases ----------------------------------------------------------------


WORST = from_extra("worst", "worst x ideal")

Timed = list[tuple[float, Any]]


def in_all(cases: Sequence[Case], contender: Callable[[Case], Contender]) -> Contender:
    """The contender that does what `contender(case)` does, case by case, in one process."""
    each = [(case, contender(case)) for case in cases]

    def run(*given: Any) -> Timed:
        return [_timed(case, one, given) for case, one in each]

    return replace(each[0][1], run=run)


def _timed(case: Case, contender: Contender, given: tuple[Any, ...]) -> tuple[float, Any]:
    """`given` is what the harness hands to a contender: its pool, if it has one, and the size."""
    values(case, given[-1])
    start = time.perf_counter()
    results = contender.run(*given)
    return time.perf_counter() - start, results


def judged(cases: Sequence[Case], workers: int) -> Check:
    """A check of each case's results, which tells its time over the ideal one."""

    def check(found: Timed, size: int) -> Extras:
        times: dict[str, float] = {}
        for case, (seconds, results) in zip(cases, found, strict=True):
            if results != values(case, size):
                raise WrongResultError(f"not the expected result of {case.name!r}")
            times[case.name] = seconds / ideal(case, size, workers)
        return times | {"worst": max(times.values())}

    return check
