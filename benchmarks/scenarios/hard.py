"""How well tasks are shared out when tiny and slow ones come together, or few, or return much."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from harness.model import (
    MILLISECONDS,
    Contender,
    Extras,
    Metric,
    Sample,
    Scenario,
    WrongResultError,
    expect,
)
from work import grow, wait

from . import _hard_cases as cases
from . import _processes, _threads
from ._hard_cases import Case

WORKERS = 4
MANY_THREADS = 32
FEW_TASKS = 5

SLOW = 60
TINY = 150_000


# Threads -------------------------------------------------------------------------------------


def _on_threads(way: _threads.Way, case: Case, workers: int = WORKERS) -> Contender:
    return way.contender(wait, workers, values=partial(cases.values, case))


# ThreadPoolExecutor.map ignores its chunksize, so there is nothing to tune.
THREAD_WAYS = (
    _threads.OURS,
    _threads.EXECUTOR_MAP,
    _threads.THREAD_POOL_MAP,
    _threads.THREAD_POOL_IMAP_SINGLY,
    _threads.THREAD_POOL_IMAP_HUNDREDS,
    _threads.BARE_THREADS,
)
# A future for each of 150,000 tasks, three times, takes longer than all these together.
THREAD_WAYS_FOR_MANY = (
    _threads.OURS,
    _threads.THREAD_POOL_MAP,
    _threads.THREAD_POOL_IMAP_SINGLY,
    _threads.THREAD_POOL_IMAP_HUNDREDS,
    _threads.BARE_THREADS,
)


def _in_threads(ways: Sequence[_threads.Way], which: Sequence[Case]) -> tuple[Contender, ...]:
    return tuple(cases.in_all(which, partial(_on_threads, way)) for way in ways)


# Processes -----------------------------------------------------------------------------------


def _warm(way: _processes.Way) -> Callable[[], _processes.Pool]:
    """Opens the way's pool with all its processes begun, also where they begin when needed."""

    @contextmanager
    def opened() -> Iterator[Any]:
        assert way.pool is not None
        with way.pool(WORKERS) as pool:
            way.map(pool, wait, [20] * (2 * WORKERS))
            yield pool

    return opened


_our_executor = _warm(_processes.OURS)
_executor = _warm(_processes.EXECUTOR_MAP)
_mp_pool = _warm(_processes.POOL_MAP_SINGLY)


def _each_time(_: None, function: _processes.Function, values: _processes.Values) -> Any:
    from concurkit import Task, run_concurrently

    return run_concurrently(Task.map(function, values), mode="process", max_workers=WORKERS)


OURS = replace(_processes.OURS, settings=f"kept ProcessExecutor({WORKERS})", pool=_our_executor)
OURS_EACH_TIME = _processes.Way("concurkit", 'mode="process" each time', _each_time, None, "ours")
EXECUTOR_MAP = replace(_processes.EXECUTOR_MAP, pool=_executor)
POOL_MAP = replace(_processes.POOL_MAP, pool=_mp_pool)
POOL_IMAP_SINGLY = replace(_processes.POOL_IMAP_SINGLY, pool=_mp_pool)
POOL_IMAP_HUNDREDS = replace(_processes.POOL_IMAP_HUNDREDS, pool=_mp_pool)
POOL_IMAP_UNORDERED = replace(_processes.POOL_IMAP_UNORDERED, pool=_mp_pool)


def _on_processes(way: _processes.Way, case: Case) -> Contender:
    return way.contender(wait, partial(cases.values, case))


def _tuned(case: Case) -> Contender:
    def in_chunks(pool: Any, function: _processes.Function, values: _processes.Values) -> Any:
        return list(pool.map(function, values, chunksize=case.chunksize))

    settings = "chunksize tuned to each case"
    way = _processes.Way("ProcessPoolExecutor.map", settings, in_chunks, _executor)
    return _on_processes(way, case)


PROCESS_WAYS = (
    OURS,
    OURS_EACH_TIME,
    EXECUTOR_MAP,
    POOL_MAP,
    POOL_IMAP_SINGLY,
    POOL_IMAP_HUNDREDS,
)
# A message for each of 150,000 tasks, three times, takes over 10 s a round.
PROCESS_WAYS_FOR_MANY = (OURS, OURS_EACH_TIME, POOL_MAP, POOL_IMAP_HUNDREDS)


def _in_processes(ways: Sequence[_processes.Way], which: Sequence[Case]) -> tuple[Contender, ...]:
    untuned = (cases.in_all(which, partial(_on_processes, way)) for way in ways)
    return (*untuned, cases.in_all(which, _tuned))


# Scenarios -----------------------------------------------------------------------------------


def _mixed(kind: str, contenders: tuple[Contender, ...]) -> Scenario:
    return Scenario(
        name=f"hard-{kind}-mixed",
        title=f"6,000 no-ops and 10 to 60 sleeps, or both in turns, on 4 {kind}, in four orders; "
        "ideal is 150 ms for each",
        metric=cases.WORST,
        tasks=SLOW,
        quick_tasks=20,
        warm_up=1,
        repeats=1,
        check=cases.judged(cases.MIXED, WORKERS),
        columns=tuple(case.name for case in cases.MIXED),
        contenders=contenders,
    )


def _one_slow(kind: str, contenders: tuple[Contender, ...]) -> Scenario:
    return Scenario(
        name=f"hard-{kind}-one-slow",
        title=f"150,000 no-ops and one sleep of 250 ms on 4 {kind}, in three places; "
        "ideal is 250 ms for each",
        metric=cases.WORST,
        tasks=TINY,
        quick_tasks=30_000,
        repeats=1,
        check=cases.judged(cases.ONE_SLOW, WORKERS),
        columns=tuple(case.name for case in cases.ONE_SLOW),
        contenders=contenders,
    )


def _few(kind: str, workers: int, contenders: tuple[Contender, ...]) -> Scenario:
    """Who puts a hundred tasks in a message is left out: all five would be in one."""
    seconds = cases.ideal(cases.FEW, FEW_TASKS, workers)

    def over_ideal(sample: Sample) -> float:
        return sample.seconds / seconds

    return Scenario(
        name=f"hard-{kind}-few",
        title=f"{FEW_TASKS} sleeps of 50 ms on {workers} {kind}; ideal is {seconds * 1e3:.0f} ms",
        metric=Metric("x ideal", over_ideal),
        tasks=FEW_TASKS,
        quick_tasks=FEW_TASKS,
        check=expect(partial(cases.values, cases.FEW)),
        contenders=contenders,
    )


def _all_grown(results: Any, tasks: int) -> Extras:
    """One after the other, since the answers together would take as much memory again."""
    if len(results) != tasks or any(one != grow(x) for x, one in enumerate(results)):
        raise WrongResultError(f"not the expected result for {tasks} tasks")
    return {}


RESULTS = Scenario(
    name="hard-processes-results",
    title="200 tiny tasks that return 1 MB each, on 4 warm processes",
    metric=MILLISECONDS,
    tasks=200,
    quick_tasks=40,
    warm_up=8,
    repeats=1,
    check=_all_grown,
    contenders=(
        OURS.contender(grow),
        OURS_EACH_TIME.contender(grow),
        EXECUTOR_MAP.contender(grow),
        POOL_MAP.contender(grow),
        POOL_IMAP_SINGLY.contender(grow),
        POOL_IMAP_HUNDREDS.contender(grow),
        POOL_IMAP_UNORDERED.contender(grow),
    ),
)

FEW_THREAD_WAYS = (
    _threads.OURS,
    _threads.EXECUTOR_MAP,
    _threads.THREAD_POOL_MAP,
    _threads.THREAD_POOL_IMAP_SINGLY,
    _threads.BARE_THREADS,
)
FEW_PROCESS_WAYS = (OURS, OURS_EACH_TIME, EXECUTOR_MAP, POOL_MAP, POOL_IMAP_SINGLY)

SCENARIOS = (
    _mixed("threads", _in_threads(THREAD_WAYS, cases.MIXED)),
    _one_slow("threads", _in_threads(THREAD_WAYS_FOR_MANY, cases.ONE_SLOW)),
    _few(
        "threads",
        MANY_THREADS,
        tuple(_on_threads(way, cases.FEW, MANY_THREADS) for way in FEW_THREAD_WAYS),
    ),
    _mixed("processes", _in_processes(PROCESS_WAYS, cases.MIXED)),
    _one_slow("processes", _in_processes(PROCESS_WAYS_FOR_MANY, cases.ONE_SLOW)),
    _few("processes", WORKERS, tuple(_on_processes(way, cases.FEW) for way in FEW_PROCESS_WAYS)),
    RESULTS,
)
