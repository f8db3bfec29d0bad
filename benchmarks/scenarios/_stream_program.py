"""A program that streams many tiny tasks on two workers; prints seconds, and the memory it took.

Started as a script by the scenario `stream`, once per library, so that each has a peak of its own.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

from async_work import noop as async_noop
from work import noop


def ours(mode: str, tasks: int) -> Iterator[int]:
    from concurkit import Task, iter_concurrently

    fn = async_noop if mode == "async" else noop
    return iter_concurrently(Task.map(fn, numbers(tasks)), mode=mode, max_workers=2)


def ours_awaited(tasks: int) -> int:
    from concurkit import Task, aio

    async def main() -> int:
        run = aio.iter_concurrently(Task.map(async_noop, numbers(tasks)), max_workers=2)
        return await count_async(run)

    return asyncio.run(main())


def executor_map(tasks: int) -> Iterator[int]:
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(noop, numbers(tasks))


def thread_pool_imap(tasks: int) -> Iterator[int]:
    with ThreadPool(2) as pool:
        yield from pool.imap(noop, numbers(tasks), chunksize=1000)


def process_executor_map(tasks: int) -> Iterator[int]:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(2) as pool:
        yield from pool.map(noop, numbers(tasks), chunksize=1000)


def pool_imap(tasks: int) -> Iterator[int]:
    from multiprocessing import Pool

    with Pool(2) as pool:
        yield from pool.imap(noop, numbers(tasks), chunksize=1000)


def joblib(tasks: int) -> Iterator[int]:
    from joblib import Parallel, delayed

    pool = Parallel(2, backend="threading", return_as="generator", batch_size=1000)
    yield from pool(delayed(noop)(x) for x in numbers(tasks))


def joblib_processes(tasks: int) -> Iterator[int]:
    from joblib import Parallel, delayed

    yield from Parallel(2, return_as="generator")(delayed(noop)(x) for x in numbers(tasks))


def pebble(tasks: int) -> Iterator[int]:
    from pebble import ThreadPool

    with ThreadPool(max_workers=2) as pool:
        yield from pool.map(noop, numbers(tasks), chunksize=1000).result()


def mpire(method: str, tasks: int) -> Iterator[int]:
    from mpire.pool import WorkerPool

    with WorkerPool(n_jobs=2, start_method=method) as pool:
        yield from pool.imap(noop, numbers(tasks), iterable_len=tasks)


def aiometer(tasks: int) -> int:
    from aiometer import amap

    async def main() -> int:
        async with amap(async_noop, range(tasks), max_at_once=2) as results:
            return await count_async(results)

    return asyncio.run(main())


def streamable(tasks: int) -> Iterator[int]:
    from streamable import stream

    return iter(stream(numbers(tasks)).map(noop, concurrency=2))


def streamable_async(tasks: int) -> Iterator[int]:
    from streamable import stream

    return iter(stream(numbers(tasks)).map(async_noop, concurrency=2))


def numbers(tasks: int) -> Iterator[int]:
    """An input that nobody can look ahead in."""
    yield from range(tasks)


def count(results: Iterable[int]) -> int:
    total = 0
    for _ in results:
        total += 1
    return total


async def count_async(results: AsyncIterator[int]) -> int:
    total = 0
    async for _ in results:
        total += 1
    return total


LIBRARIES = {
    "ours-serial": lambda tasks: count(ours("serial", tasks)),
    "ours-thread": lambda tasks: count(ours("thread", tasks)),
    "ours-process": lambda tasks: count(ours("process", tasks)),
    "ours-async": lambda tasks: count(ours("async", tasks)),
    "ours-awaited": ours_awaited,
    "executor-map": lambda tasks: count(executor_map(tasks)),
    "thread-pool-imap": lambda tasks: count(thread_pool_imap(tasks)),
    "process-executor-map": lambda tasks: count(process_executor_map(tasks)),
    "pool-imap": lambda tasks: count(pool_imap(tasks)),
    "joblib": lambda tasks: count(joblib(tasks)),
    "joblib-processes": lambda tasks: count(joblib_processes(tasks)),
    "pebble": lambda tasks: count(pebble(tasks)),
    "mpire-threads": lambda tasks: count(mpire("threading", tasks)),
    "mpire-processes": lambda tasks: count(mpire("fork", tasks)),
    "aiometer": aiometer,
    "streamable": lambda tasks: count(streamable(tasks)),
    "streamable-async": lambda tasks: count(streamable_async(tasks)),
}


def peak() -> float:
    """The most memory that this program had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    library, tasks = sys.argv[1], int(sys.argv[2])
    run = LIBRARIES[library]
    run(100)  # all is imported
    before, start = peak(), time.perf_counter()
    counted = run(tasks)
    print(counted, time.perf_counter() - start, peak() - before)


if __name__ == "__main__":
    main()
