"""Arrays given to the workers of a cluster's library; apart, since these take long to import."""

from collections.abc import Sequence
from typing import Any

import array_work as work

from scenarios._clusters import dask as dask
from scenarios._clusters import ray as ray


def ray_sum(pool: Any, array: Any, tasks: int) -> Sequence[Any]:
    remote = pool.remote(work.sum_slice)
    return pool.get([remote.remote(array, i) for i in range(tasks)])


def ray_put_sum(pool: Any, array: Any, tasks: int) -> Sequence[Any]:
    return ray_sum(pool, pool.put(array), tasks)


def ray_plus(pool: Any, arrays: Any, _: int) -> Sequence[Any]:
    remote = pool.remote(work.plus_one)
    return pool.get([remote.remote(array) for array in arrays])


def dask_scatter_sum(client: Any, array: Any, tasks: int) -> Sequence[Any]:
    everywhere = client.scatter(array, broadcast=True)
    calls = [client.submit(work.sum_slice, everywhere, i, pure=False) for i in range(tasks)]
    return client.gather(calls)


def dask_plus(client: Any, arrays: Any, _: int) -> Sequence[Any]:
    return client.gather(client.map(work.plus_one, arrays, pure=False))
