"""How well tasks of very different sizes are shared out between two processes."""

import random
from collections.abc import Callable

from harness.model import SECONDS, Contender, Scenario, expect
from work import SPINS_PER_SECOND, spin

from . import _clusters as clusters
from . import _processes as ways

SECONDS_A_TASK = 0.01
SPREAD = 1.5
"""Sigma of the log-normal law: the longest of 500 tasks takes some 60 times the middle one."""


def in_random_order(tasks: int) -> list[int]:
    """Turns of `spin` for each task; together `SECONDS_A_TASK` a task on average."""
    draw = random.Random(2)
    sizes = [draw.lognormvariate(0, SPREAD) for _ in range(tasks)]
    scale = SPINS_PER_SECOND * SECONDS_A_TASK * tasks / sum(sizes)
    return [round(size * scale) for size in sizes]


def longest_last(tasks: int) -> list[int]:
    return sorted(in_random_order(tasks))


def _contenders(turns: Callable[[int], list[int]]) -> tuple[Contender, ...]:
    return (
        ways.OURS.contender(spin, turns),
        ways.POOL_MAP.contender(spin, turns),
        ways.POOL_MAP_SINGLY.contender(spin, turns),
        ways.EXECUTOR_MAP.contender(spin, turns),
        ways.LOKY.contender(spin, turns),
        ways.JOBLIB.contender(spin, turns),
        ways.JOBLIB_SINGLY.contender(spin, turns, rounds=3),
        ways.PEBBLE.contender(spin, turns),
        ways.MPIRE.contender(spin, turns),
        ways.MPIRE_SINGLY.contender(spin, turns, rounds=3),
        ways.STREAMABLE.contender(spin, turns, rounds=3),
        clusters.DASK_MAP.contender(spin, turns, rounds=3),
        clusters.RAY.contender(spin, turns, rounds=3),
        ways.BARE_CURSOR.contender(spin, turns),
    )


def _scenario(name: str, order: str, turns: Callable[[int], list[int]]) -> Scenario:
    return Scenario(
        name=name,
        title=f"500 CPU tasks of log-normal size, about 5 s in all, {order}, 2 warm processes",
        metric=SECONDS,
        tasks=500,
        quick_tasks=60,
        warm_up=4,
        check=expect(lambda tasks: [count // 2 for count in turns(tasks)]),
        reference="two bare workers",
        contenders=_contenders(turns),
    )


SCENARIOS = (
    _scenario("uneven-random", "random order", in_random_order),
    _scenario("uneven-last", "longest last", longest_last),
)
