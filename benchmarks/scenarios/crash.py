"""What becomes of a run when one task ends its own process."""

from typing import Any

from harness.model import MILLISECONDS, Contender, Scenario
from work import CRASH_AT, crash_at

from . import _accidents as accidents
from . import _clusters as clusters
from . import _processes as ways

Settled = list[accidents.Settled]


def _submit(pool: Any, tasks: int) -> Settled:
    return accidents.settle_futures([pool.submit(crash_at, x) for x in range(tasks)])


def _imap(pool: Any, tasks: int) -> Settled:
    """The lost task never ends, so the first wait of some length is the last."""
    results = pool.imap(crash_at, range(tasks))
    settled: Settled = []
    while len(settled) < tasks:
        settled.append(accidents.settle(lambda: results.next(accidents.GIVE_UP_SECONDS)))
        if isinstance(settled[-1], BaseException):
            break
    return accidents.filled(settled, tasks)


def _pebble(pool: Any, tasks: int) -> Settled:
    return accidents.settle_iterator(pool.map(crash_at, range(tasks)).result(), tasks)


def _mpire(pool: Any, tasks: int) -> Settled:
    return accidents.settle_whole(lambda: pool.map(crash_at, range(tasks), chunk_size=1), tasks)


def _joblib(pool: Any, tasks: int) -> Settled:
    from joblib import delayed

    calls = (delayed(crash_at)(x) for x in range(tasks))
    return accidents.settle_whole(lambda: pool(calls), tasks)


def _generator(pool: Any, tasks: int) -> Settled:
    from joblib import delayed

    return accidents.settle_iterator(pool(delayed(crash_at)(x) for x in range(tasks)), tasks)


def _dask(client: Any, tasks: int) -> Settled:
    return accidents.settle_futures(client.map(crash_at, range(tasks), pure=False))


def _ray(pool: Any, tasks: int) -> Settled:
    remote = pool.remote(max_retries=0)(crash_at)
    calls = [remote.remote(x) for x in range(tasks)]
    return [accidents.settle(lambda c=call: pool.get(c)) for call in calls]  # type: ignore[misc]


OURS = accidents.ours(crash_at)
ANYIO = accidents.anyio_process(crash_at, None)

CRASH = Scenario(
    name="crash",
    title="200 tasks of 2 ms on 2 warm processes, one of them ends its process; ideal is 200 ms",
    metric=MILLISECONDS,
    tasks=200,
    quick_tasks=120,
    warm_up=20,
    repeats=1,
    limit=30.0,
    check=accidents.count_kept(CRASH_AT),
    best="others kept",
    columns=("others kept", "raised", "close s"),
    contenders=(
        Contender("concurkit", 'on_error="collect"', OURS, ways.our_executor, "ours"),
        Contender("ProcessPoolExecutor.submit", "default", _submit, ways.executor),
        Contender("mp Pool.imap", "given up after 3 s", _imap, ways.mp_pool),
        Contender("loky submit", "default", _submit, accidents.loky_killed),
        Contender("joblib", "default", _joblib, accidents.joblib()),
        Contender(
            "joblib",
            "generator, batch_size=1",
            _generator,
            accidents.joblib(return_as="generator", batch_size=1),
        ),
        Contender("pebble ProcessPool.map", "default", _pebble, ways.pebble),
        Contender("mpire map", "chunk_size=1", _mpire, ways.mpire),
        Contender("anyio to_process", "task group, limiter; cold", ANYIO),
        Contender("dask client.map", "default (three more tries)", _dask, clusters.dask),
        Contender("dask client.map", "allowed-failures=0", _dask, clusters.dask_unforgiving),
        Contender("ray", "max_retries=0", _ray, clusters.ray),
    ),
)

SCENARIOS = (CRASH,)
