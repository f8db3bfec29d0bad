"""The ways to map a function over values on threads, pool included, as one call has to."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from harness.model import Contender, Kind

Function = Callable[[int], int]
Map = Callable[[Function, Sequence[int], int], Any]
"""`(function, values, workers)` to the results in order."""


@dataclass(frozen=True, slots=True)
class Way:
    """A library's way to map on threads, before it is known what."""

    name: str
    settings: str
    map: Map
    kind: Kind = "peer"

    def contender(
        self,
        function: Function,
        workers: int,
        share: float = 1.0,
        values: Callable[[int], Sequence[int]] = range,
    ) -> Contender:
        def run(tasks: int) -> Any:
            return self.map(function, values(tasks), workers)

        return Contender(self.name, self.settings, run, kind=self.kind, share=share)


def _ours(function: Function, values: Sequence[int], workers: int) -> Any:
    from concurkit import Task, run_concurrently

    return run_concurrently(Task.map(function, values), mode="thread", max_workers=workers)


def _plain_loop(function: Function, values: Sequence[int], _: int) -> Any:
    results = []
    for value in values:
        results.append(function(value))  # noqa: PERF401  (the loop that a reader would write)
    return results


def _bare_threads(function: Function, values: Sequence[int], workers: int) -> Any:
    results = [0] * len(values)
    jobs = iter(enumerate(values))

    def work() -> None:
        for index, value in jobs:
            results[index] = function(value)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _executor_map(function: Function, values: Sequence[int], workers: int) -> Any:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, values))


def _thread_pool_map(function: Function, values: Sequence[int], workers: int) -> Any:
    from multiprocessing.pool import ThreadPool

    with ThreadPool(workers) as pool:
        return pool.map(function, values)


def _executor_submit(function: Function, values: Sequence[int], workers: int) -> Any:
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(function, value) for value in values]
        return [future.result() for future in futures]


def _thread_pool_imap_chunks(function: Function, values: Sequence[int], workers: int) -> Any:
    from multiprocessing.pool import ThreadPool

    with ThreadPool(workers) as pool:
        return list(pool.imap(function, values, chunksize=1000))


def _thread_pool_imap_hundreds(function: Function, values: Sequence[int], workers: int) -> Any:
    from multiprocessing.pool import ThreadPool

    with ThreadPool(workers) as pool:
        return list(pool.imap(function, values, chunksize=100))


def _thread_pool_imap_singly(function: Function, values: Sequence[int], workers: int) -> Any:
    from multiprocessing.pool import ThreadPool

    with ThreadPool(workers) as pool:
        return list(pool.imap(function, values, chunksize=1))


def _thread_pool_map_singly(function: Function, values: Sequence[int], workers: int) -> Any:
    from multiprocessing.pool import ThreadPool

    with ThreadPool(workers) as pool:
        return pool.map(function, values, chunksize=1)


def _joblib(function: Function, values: Sequence[int], workers: int) -> Any:
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=workers, backend="threading")
    return pool(delayed(function)(value) for value in values)


def _joblib_batches(function: Function, values: Sequence[int], workers: int) -> Any:
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=workers, backend="threading", batch_size=1000)
    return pool(delayed(function)(value) for value in values)


def _pebble(function: Function, values: Sequence[int], workers: int) -> Any:
    from pebble import ThreadPool

    with ThreadPool(max_workers=workers) as pool:
        return list(pool.map(function, values).result())


def _pebble_chunks(function: Function, values: Sequence[int], workers: int) -> Any:
    from pebble import ThreadPool

    with ThreadPool(max_workers=workers) as pool:
        return list(pool.map(function, values, chunksize=1000).result())


def _dask_bag(function: Function, values: Sequence[int], workers: int) -> Any:
    from dask import bag

    whole = bag.from_sequence(values, npartitions=4 * workers).map(function)
    return whole.compute(scheduler="threads", num_workers=workers)


def _dask_delayed(function: Function, values: Sequence[int], workers: int) -> Any:
    import dask

    calls = [dask.delayed(function, pure=False)(value) for value in values]
    return dask.compute(*calls, scheduler="threads", num_workers=workers)


def _gather(function: Function, values: Sequence[int], workers: int) -> Any:
    import asyncio

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(workers) as pool:
            calls = (loop.run_in_executor(pool, function, value) for value in values)
            return await asyncio.gather(*calls)

    return asyncio.run(main())


def _mpire(function: Function, values: Sequence[int], workers: int) -> Any:
    from mpire.pool import WorkerPool

    with WorkerPool(n_jobs=workers, start_method="threading") as pool:
        return pool.map(function, values)


def _streamable(function: Function, values: Sequence[int], workers: int) -> Any:
    from streamable import stream

    return list(stream(values).map(function, concurrency=workers))


def _anyio(function: Function, values: Sequence[int], workers: int) -> Any:
    import anyio
    from anyio.to_thread import run_sync

    async def main() -> list[int]:
        results = [0] * len(values)
        limiter = anyio.CapacityLimiter(workers)

        async def one(index: int, value: int) -> None:
            results[index] = await run_sync(function, value, limiter=limiter)

        async with anyio.create_task_group() as group:
            for index, value in enumerate(values):
                group.start_soon(one, index, value)
        return results

    return anyio.run(main)


OURS = Way("concurkit", 'mode="thread"', _ours, "ours")
PLAIN_LOOP = Way("for loop", "no concurrency", _plain_loop, "floor")
BARE_THREADS = Way("bare threads", "by hand, one shared iterator", _bare_threads, "limit")
EXECUTOR_MAP = Way("ThreadPoolExecutor.map", "default", _executor_map)
THREAD_POOL_MAP = Way("mp ThreadPool.map", "default (big static chunks)", _thread_pool_map)
THREAD_POOL_SINGLY = Way("mp ThreadPool.map", "chunksize=1", _thread_pool_map_singly)
EXECUTOR_SUBMIT = Way("ThreadPoolExecutor.submit", "a future each", _executor_submit)
THREAD_POOL_IMAP = Way("mp ThreadPool.imap", "chunksize=1000", _thread_pool_imap_chunks)
THREAD_POOL_IMAP_HUNDREDS = Way("mp ThreadPool.imap", "chunksize=100", _thread_pool_imap_hundreds)
THREAD_POOL_IMAP_SINGLY = Way("mp ThreadPool.imap", "chunksize=1", _thread_pool_imap_singly)
PEBBLE_CHUNKS = Way("pebble ThreadPool.map", "chunksize=1000", _pebble_chunks)
DASK_BAG = Way("dask bag.map", "threads, 4 partitions a worker", _dask_bag)
DASK_DELAYED = Way("dask.delayed", "threads, one for each task", _dask_delayed)
GATHER = Way("asyncio.gather", "run_in_executor", _gather)
JOBLIB = Way("joblib", 'backend="threading"', _joblib)
JOBLIB_BATCHES = Way("joblib", 'backend="threading", batch_size=1000', _joblib_batches)
PEBBLE = Way("pebble ThreadPool.map", "default", _pebble)
MPIRE = Way("mpire map", 'start_method="threading"', _mpire)
STREAMABLE = Way("streamable map", "concurrency=workers", _streamable)
ANYIO = Way("anyio to_thread", "task group, limiter", _anyio)
