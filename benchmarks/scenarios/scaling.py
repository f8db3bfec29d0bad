"""How pure Python scales from one worker to all the processors that this machine has.

On processes; and on threads, where this Python has no GIL.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from harness import machine
from harness.model import Contender, Extras, Scenario, WrongResultError, from_extra
from work import COUNTS_PER_SECOND, count

from . import _processes as ways
from . import _threads as threads

CPUS = machine.cpus()
NUMBERS = COUNTS_PER_SECOND // 40
TASKS_A_CPU = 40


def counts() -> list[int]:
    """All, and down to 1 by halves; all come first, since ratios are to the first of ours."""
    return [CPUS, *sorted(_powers_below(CPUS), reverse=True)]


def _powers_below(most: int) -> Iterator[int]:
    power = 1
    while power < most:
        yield power
        power *= 2


def _on_processes(way: ways.Way, workers: int) -> Contender:
    """`way` with so many processes."""

    def run(pool: Any, tasks: int) -> Extras:
        return _judged(partial(way.map, pool), tasks, workers)

    settings = f"{workers} process{'es' if workers > 1 else ''}; {way.settings}"
    assert way.pool is not None
    return Contender(way.name, settings, run, partial(way.pool, workers), way.kind)


def _on_threads(way: threads.Way, workers: int) -> Contender:
    """`way` with so many threads."""

    def run(tasks: int) -> Extras:
        return _judged(lambda *call: way.map(*call, workers), tasks, workers)

    settings = f"{workers} thread{'s' if workers > 1 else ''}; {way.settings}"
    return Contender(way.name, settings, run, kind=way.kind)


def _judged(run: Callable[..., Any], tasks: int, workers: int) -> Extras:
    """What a run takes over the plain loop, which is timed in the same process."""
    alone = _seconds_a_task()
    start = time.perf_counter()
    results = list(run(count, [NUMBERS] * tasks))
    took = time.perf_counter() - start
    _check(results, tasks)
    ideal = alone * tasks / workers
    return {"x ideal": took / ideal, "s": took, "workers": float(workers)}


def _seconds_a_task() -> float:
    """The shortest of a few: what a task takes when nothing disturbs it."""
    took = []
    for _ in range(5):
        start = time.perf_counter()
        count(NUMBERS)
        took.append(time.perf_counter() - start)
    return min(took)


def _check(results: list[int], tasks: int) -> None:
    if results != [count(NUMBERS)] * tasks:
        raise WrongResultError(f"not the expected result for {tasks} tasks")


WAYS = (ways.OURS_SIZED, ways.POOL_MAP_SINGLY, ways.EXECUTOR_MAP, ways.LOKY, ways.JOBLIB)

THREAD_WAYS = (threads.OURS, threads.EXECUTOR_MAP, threads.THREAD_POOL_MAP)


def _scaling(name: str, where: str, contenders: Iterable[Contender]) -> Scenario:
    return Scenario(
        name=name,
        title=f"{TASKS_A_CPU * CPUS:,} tasks of about 25 ms on 1 to {CPUS} {where}; "
        "ideal is the plain loop's time shared out",
        metric=from_extra("x ideal", "x ideal"),
        tasks=TASKS_A_CPU * CPUS,
        quick_tasks=8 * CPUS,
        warm_up=2 * CPUS,
        repeats=1,
        check=lambda found, _: dict(found),
        columns=("s",),
        contenders=tuple(contenders),
    )


PROCESSES = _scaling(
    "scaling", "warm processes", (_on_processes(way, n) for way in WAYS for n in counts())
)
THREADS = _scaling(
    "scaling-threads", "threads", (_on_threads(way, n) for way in THREAD_WAYS for n in counts())
)

HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
SCENARIOS = (PROCESSES,) if HAS_GIL else (PROCESSES, THREADS)
