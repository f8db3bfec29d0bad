"""How well a loop keeps waiting coroutines going."""

from async_work import nap
from harness.model import Scenario, expect, times_ideal

from . import _aio as ways

AT_ONCE = 500

ASLEEP = Scenario(
    name="asleep",
    title="10,000 asyncio.sleep of 10 ms, 500 at once; ideal is 200 ms",
    metric=times_ideal(0.01, AT_ONCE),
    tasks=10_000,
    quick_tasks=2_000,
    warm_up=500,
    check=expect(lambda tasks: list(range(tasks))),
    contenders=(
        ways.OURS.contender(nap, AT_ONCE),
        ways.OURS_IN_LOOP.contender(nap, AT_ONCE),
        ways.QUEUE_WORKERS.contender(nap, AT_ONCE),
        ways.TASK_GROUP.contender(nap, AT_ONCE),
        ways.TASK_GROUP_ACQUIRED.contender(nap, AT_ONCE),
        ways.GATHER.contender(nap, AT_ONCE),
        ways.STREAMABLE.contender(nap, AT_ONCE),
        ways.AIOMETER.contender(nap, AT_ONCE),
        ways.AIOMETER_AMAP.contender(nap, AT_ONCE),
        ways.ANYIO_WORKERS.contender(nap, AT_ONCE),
        ways.ANYIO.contender(nap, AT_ONCE),
        ways.BARE_WORKERS.contender(nap, AT_ONCE),
    ),
)

SCENARIOS = (ASLEEP,)
