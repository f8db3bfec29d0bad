"""What a call costs on threads when the call itself costs nothing."""

from harness.model import MICROSECONDS_A_TASK, Scenario, expect
from work import noop

from . import _threads as ways

WORKERS = 8

THREADS = Scenario(
    name="threads",
    title="100,000 no-op calls on 8 threads, the pool's start and end included",
    metric=MICROSECONDS_A_TASK,
    tasks=100_000,
    quick_tasks=10_000,
    check=expect(lambda tasks: list(range(tasks))),
    contenders=(
        ways.OURS.contender(noop, WORKERS),
        ways.EXECUTOR_MAP.contender(noop, WORKERS),
        ways.THREAD_POOL_MAP.contender(noop, WORKERS),
        ways.EXECUTOR_SUBMIT.contender(noop, WORKERS),
        ways.THREAD_POOL_SINGLY.contender(noop, WORKERS),
        ways.THREAD_POOL_IMAP.contender(noop, WORKERS),
        ways.JOBLIB.contender(noop, WORKERS),
        ways.JOBLIB_BATCHES.contender(noop, WORKERS),
        ways.PEBBLE.contender(noop, WORKERS),
        ways.PEBBLE_CHUNKS.contender(noop, WORKERS),
        ways.MPIRE.contender(noop, WORKERS),
        ways.DASK_BAG.contender(noop, WORKERS),
        ways.DASK_DELAYED.contender(noop, WORKERS, share=0.1),
        ways.GATHER.contender(noop, WORKERS, share=0.2),
        ways.STREAMABLE.contender(noop, WORKERS),
        ways.ANYIO.contender(noop, WORKERS, share=0.1),
        ways.BARE_THREADS.contender(noop, WORKERS),
        ways.PLAIN_LOOP.contender(noop, WORKERS),
    ),
)

SCENARIOS = (THREADS,)
