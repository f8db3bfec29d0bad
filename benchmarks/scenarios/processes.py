"""What a call costs on warm processes when the call itself costs next to nothing."""

from harness.model import MICROSECONDS_A_TASK, Scenario, expect
from work import square

from . import _clusters as clusters
from . import _processes as ways

PROCESSES = Scenario(
    name="processes",
    title="100,000 calls of x * x on 2 warm processes",
    metric=MICROSECONDS_A_TASK,
    tasks=100_000,
    quick_tasks=10_000,
    warm_up=2_000,
    check=expect(lambda tasks: [x * x for x in range(tasks)]),
    contenders=(
        ways.OURS.contender(square),
        ways.POOL_MAP.contender(square),
        ways.POOL_IMAP_CHUNKS.contender(square),
        ways.EXECUTOR_MAP.contender(square, share=0.1),
        ways.EXECUTOR_CHUNKS.contender(square),
        ways.EXECUTOR_SHARES.contender(square),
        ways.LOKY.contender(square, share=0.1),
        ways.LOKY_CHUNKS.contender(square),
        ways.JOBLIB.contender(square),
        ways.JOBLIB_BATCHES.contender(square),
        ways.JOBLIB_FORK.contender(square),
        ways.MPIRE.contender(square),
        ways.PEBBLE.contender(square, share=0.1),
        ways.PEBBLE_CHUNKS.contender(square),
        ways.STREAMABLE.contender(square, share=0.1),
        ways.ANYIO.contender(square, share=0.05),
        clusters.DASK_MAP.contender(square, share=0.02, rounds=3),
        clusters.DASK_BAG.contender(square, rounds=3),
        clusters.RAY.contender(square, share=0.05, rounds=3),
        clusters.RAY_CHUNKS.contender(square),
        ways.BARE_HALVES.contender(square),
        ways.LOOP.contender(square),
    ),
)

SCENARIOS = (PROCESSES,)
