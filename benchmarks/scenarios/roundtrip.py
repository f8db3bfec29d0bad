"""What a message to a warm process and back costs, with one call in each message."""

from typing import Any

from harness.model import MICROSECONDS_A_TASK, Contender, Scenario, expect
from work import square

from . import _processes as ways

ANSWER = expect(lambda tasks: [x * x for x in range(tasks)])


def _submit(pool: Any, tasks: int) -> list[int]:
    return [pool.submit(square, x).result() for x in range(tasks)]


def _apply(pool: Any, tasks: int) -> list[int]:
    return [pool.apply(square, (x,)) for x in range(tasks)]


def _schedule(pool: Any, tasks: int) -> list[int]:
    return [pool.schedule(square, args=(x,)).result() for x in range(tasks)]


MANY = Scenario(
    name="roundtrip-many",
    title="10,000 calls on 2 warm processes, one call a message, many under way",
    metric=MICROSECONDS_A_TASK,
    tasks=10_000,
    quick_tasks=2_000,
    check=ANSWER,
    contenders=(
        ways.OURS_SINGLY.contender(square),
        ways.POOL_IMAP_SINGLY.contender(square),
        ways.POOL_MAP_SINGLY.contender(square),
        ways.EXECUTOR_MAP.contender(square),
        ways.LOKY.contender(square),
        ways.PEBBLE.contender(square),
        ways.MPIRE_SINGLY.contender(square),
    ),
)

ONE = Scenario(
    name="roundtrip-one",
    title="2,000 calls on 2 warm processes, the next one sent when the last one is back",
    metric=MICROSECONDS_A_TASK,
    tasks=2_000,
    quick_tasks=500,
    check=ANSWER,
    contenders=(
        Contender("concurkit", "ProcessExecutor.submit", _submit, ways.our_executor, "ours"),
        Contender("mp Pool.apply", "default", _apply, ways.mp_pool),
        Contender("ProcessPoolExecutor.submit", "default", _submit, ways.executor),
        Contender("loky submit", "default", _submit, ways.loky),
        Contender("pebble schedule", "default", _schedule, ways.pebble),
    ),
)

SCENARIOS = (MANY, ONE)
