"""What a call costs on a cluster of two workers on this machine, and an array that many get."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.model import (
    MICROSECONDS_A_TASK,
    MILLISECONDS,
    Contender,
    Extras,
    Kind,
    Scenario,
    WrongResultError,
    expect,
)
from work import square

from . import _clusters as ways

SHARED = 32  # tasks that get the array

TINY = Scenario(
    name="clusters-tiny",
    title="100,000 calls of x * x on a warm cluster of 2 worker processes",
    metric=MICROSECONDS_A_TASK,
    tasks=100_000,
    quick_tasks=10_000,
    warm_up=2_000,
    check=expect(lambda tasks: [x * x for x in range(tasks)]),
    contenders=(
        ways.OURS_ON_DASK.contender(square),
        ways.OURS_ON_RAY.contender(square),
        ways.DASK_MAP.contender(square, share=0.02, rounds=3),
        ways.DASK_BAG.contender(square, rounds=3),
        ways.RAY.contender(square, share=0.05, rounds=3),
        ways.RAY_CHUNKS.contender(square),
    ),
)


def _with_array(pool: Callable[[], Any]) -> Callable[[], Any]:
    """A pool, and the array, made before the clock starts."""

    @contextmanager
    def both() -> Iterator[Any]:
        import array_work
        import numpy as np

        with pool() as opened:
            yield opened, np.ones(SHARED * array_work.SLICE)

    return both


def _ours(pool: Any, tasks: int) -> Any:
    from array_work import sum_slice

    from concurkit import Task, run_concurrently

    executor, array = pool
    return run_concurrently([Task(sum_slice, array, i) for i in range(tasks)], mode=executor)


def _dask(pool: Any, tasks: int) -> Any:
    from ._array_clusters import dask_scatter_sum

    return dask_scatter_sum(*pool, tasks)


def _ray(pool: Any, tasks: int) -> Any:
    from ._array_clusters import ray_put_sum

    return ray_put_sum(*pool, tasks)


def _sums(result: Any, tasks: int) -> Extras:
    import array_work

    if list(result) != [float(array_work.SLICE)] * tasks:
        raise WrongResultError("not the sums of the slices")
    return {}


def _contender(
    name: str, settings: str, run: Any, pool: Callable[[], Any], kind: Kind = "peer"
) -> Contender:
    return Contender(name, settings, run, _with_array(pool), kind)


ARRAY = Scenario(
    name="clusters-array",
    title="one array of 200 MB to 32 tasks that sum a slice of it, on a warm cluster of 2 workers",
    metric=MILLISECONDS,
    tasks=SHARED,
    quick_tasks=8,
    warm_up=0,
    repeats=1,
    check=_sums,
    contenders=(
        _contender("concurkit", "DaskExecutor, kept", _ours, ways.ours_on_dask, "ours"),
        _contender("concurkit", "RayExecutor, kept", _ours, ways.ours_on_ray, "ours"),
        _contender("dask client.scatter", "broadcast=True, kept", _dask, ways.dask),
        _contender("ray", "ray.put once, kept", _ray, ways.ray),
    ),
)

SCENARIOS = (TINY, ARRAY)
