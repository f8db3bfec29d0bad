"""What a message to a warm process and back costs, with one call in each message."""

from typing import Any

from harness.model import MICROSECONDS_A_TASK, Contender, Scenario, expect
from work import square

from . import _clusters as clusters
from . import _processes as ways

ANSWER = expect(lambda tasks: [x * x for x in range(tasks)])


def _submit(pool: Any, tasks: int) -> list[int]:
    return [pool.submit(square, x).result() for x in range(tasks)]


def _apply(pool: Any, tasks: int) -> list[int]:
    return [pool.apply(square, (x,)) for x in range(tasks)]


def _schedule(pool: Any, tasks: int) -> list[int]:
    return [pool.schedule(square, args=(x,)).result() for x in range(tasks)]


def _submit_to_dask(client: Any, tasks: int) -> list[int]:
    return [client.submit(square, x, pure=False).result() for x in range(tasks)]


def _get(pool: Any, tasks: int) -> list[int]:
    remote = pool.remote(square)
    return [pool.get(remote.remote(x)) for x in range(tasks)]


def _in_process(portal: Any, tasks: int) -> list[int]:
    from anyio.to_process import run_sync

    async def main() -> list[int]:
        return [await run_sync(square, x) for x in range(tasks)]

    found: list[int] = portal.call(main)
    return found


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
        ways.STREAMABLE.contender(square),
        ways.ANYIO.contender(square, share=0.5),
        clusters.DASK_MAP.contender(square, share=0.2, rounds=3),
        clusters.RAY.contender(square, share=0.5, rounds=3),
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
        Contender("anyio to_process", "in a loop that runs", _in_process, ways.anyio),
        Contender("dask client.submit", "LocalCluster", _submit_to_dask, clusters.dask),
        Contender("ray", "remote", _get, clusters.ray),
    ),
)

SCENARIOS = (MANY, ONE)
