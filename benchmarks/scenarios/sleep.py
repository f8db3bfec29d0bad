"""How well threads keep waiting calls going."""

from harness.model import Scenario, expect, times_ideal
from work import nap

from . import _threads as ways

WORKERS = 64

SLEEP = Scenario(
    name="sleep",
    title="2,000 sleeps of 5 ms on 64 threads; ideal is 156 ms",
    metric=times_ideal(0.005, WORKERS),
    tasks=2_000,
    quick_tasks=640,
    warm_up=64,
    check=expect(lambda tasks: list(range(tasks))),
    contenders=(
        ways.OURS.contender(nap, WORKERS),
        ways.EXECUTOR_MAP.contender(nap, WORKERS),
        ways.THREAD_POOL_MAP.contender(nap, WORKERS),
        ways.JOBLIB.contender(nap, WORKERS),
        ways.PEBBLE.contender(nap, WORKERS),
        ways.MPIRE.contender(nap, WORKERS),
        ways.STREAMABLE.contender(nap, WORKERS),
        ways.GATHER.contender(nap, WORKERS),
        ways.DASK_DELAYED.contender(nap, WORKERS),
        ways.ANYIO.contender(nap, WORKERS),
        ways.BARE_THREADS.contender(nap, WORKERS),
    ),
)

SCENARIOS = (SLEEP,)
