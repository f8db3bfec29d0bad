"""What becomes of a run when one task never ends and there is a timeout."""

import math
from typing import Any

from harness.model import Contender, Metric, Sample, Scenario
from work import HANG_AT, hang_at

from . import _accidents as accidents
from . import _clusters as clusters
from . import _processes as ways

TIMEOUT = 1.0

Settled = list[accidents.Settled]


def _until_closed(sample: Sample) -> float:
    closing = sample.extras["close s"]
    return math.inf if isinstance(closing, str) else sample.seconds + closing


def _submit(pool: Any, tasks: int) -> Settled:
    futures = [pool.submit(hang_at, x) for x in range(tasks)]
    return accidents.settle_futures(futures, TIMEOUT)


def _apply_async(pool: Any, tasks: int) -> Settled:
    jobs = [pool.apply_async(hang_at, (x,)) for x in range(tasks)]
    return [accidents.settle(lambda j=job: j.get(TIMEOUT)) for job in jobs]  # type: ignore[misc]


def _pebble(pool: Any, tasks: int) -> Settled:
    results = pool.map(hang_at, range(tasks), timeout=TIMEOUT).result()
    return accidents.settle_iterator(results, tasks)


def _mpire(pool: Any, tasks: int) -> Settled:
    def run() -> Any:
        return pool.map(hang_at, range(tasks), chunk_size=1, task_timeout=TIMEOUT)

    return accidents.settle_whole(run, tasks)


def _joblib(pool: Any, tasks: int) -> Settled:
    from joblib import delayed

    calls = (delayed(hang_at)(x) for x in range(tasks))
    return accidents.settle_whole(lambda: pool(calls), tasks)


def _dask(client: Any, tasks: int) -> Settled:
    return accidents.settle_futures(client.map(hang_at, range(tasks), pure=False), TIMEOUT)


def _ray(pool: Any, tasks: int) -> Settled:
    """A call that takes too long is ended with its worker."""
    remote = pool.remote(max_retries=0)(hang_at)
    settled: Settled = []
    for call in [remote.remote(x) for x in range(tasks)]:
        settled.append(accidents.settle(lambda c=call: pool.get(c, timeout=TIMEOUT)))  # type: ignore[misc]
        if isinstance(settled[-1], BaseException):
            pool.cancel(call, force=True)
    return settled


OURS = accidents.ours(hang_at, timeout=TIMEOUT)
ANYIO = accidents.anyio_process(hang_at, TIMEOUT)

HANG = Scenario(
    name="hang",
    title="40 tasks on 2 warm processes, one hangs, timeout 1 s; until the pool is closed",
    metric=Metric("s", _until_closed),
    tasks=40,
    quick_tasks=24,
    warm_up=4,
    repeats=1,
    limit=15.0,
    check=accidents.count_kept(HANG_AT),
    best="others kept",
    columns=("others kept", "raised", "close s"),
    contenders=(
        Contender("concurkit", "timeout=1", OURS, ways.our_executor, "ours"),
        Contender("ProcessPoolExecutor.submit", "result(timeout=1)", _submit, ways.executor),
        Contender("mp Pool.apply_async", "get(timeout=1)", _apply_async, ways.mp_pool),
        Contender("loky submit", "result(timeout=1)", _submit, accidents.loky_killed),
        Contender("joblib", "timeout=1", _joblib, accidents.joblib(timeout=TIMEOUT)),
        Contender("pebble ProcessPool.map", "timeout=1", _pebble, ways.pebble),
        Contender("mpire map", "chunk_size=1, task_timeout=1", _mpire, ways.mpire),
        Contender("anyio to_process", "fail_after(1); cold", ANYIO),
        Contender("dask client.map", "result(timeout=1)", _dask, clusters.dask),
        Contender("ray", "get(timeout=1), cancel(force=True)", _ray, clusters.ray),
    ),
)

SCENARIOS = (HANG,)
