"""What a coroutine costs when it never waits."""

from async_work import noop
from harness.model import MICROSECONDS_A_TASK, Scenario, expect

from . import _aio as ways

AT_ONCE = 100

COROUTINES = Scenario(
    name="coroutines",
    title="100,000 no-op coroutines, 100 at once, the loop's start and end included",
    metric=MICROSECONDS_A_TASK,
    tasks=100_000,
    quick_tasks=10_000,
    check=expect(lambda tasks: list(range(tasks))),
    contenders=(
        ways.OURS.contender(noop, AT_ONCE),
        ways.OURS_IN_LOOP.contender(noop, AT_ONCE),
        ways.OURS_ON_TRIO.contender(noop, AT_ONCE),
        ways.QUEUE_WORKERS.contender(noop, AT_ONCE),
        ways.TASK_GROUP.contender(noop, AT_ONCE),
        ways.TASK_GROUP_ACQUIRED.contender(noop, AT_ONCE),
        ways.GATHER.contender(noop, AT_ONCE),
        ways.STREAMABLE.contender(noop, AT_ONCE),
        ways.AIOMETER.contender(noop, AT_ONCE),
        ways.AIOMETER_AMAP.contender(noop, AT_ONCE),
        ways.ANYIO_WORKERS.contender(noop, AT_ONCE),
        ways.ANYIO.contender(noop, AT_ONCE, share=0.2),
        ways.ANYIO_TRIO.contender(noop, AT_ONCE, share=0.2),
        ways.BARE_WORKERS.contender(noop, AT_ONCE),
        ways.LOOP.contender(noop, AT_ONCE),
    ),
)

SCENARIOS = (COROUTINES,)
