"""A program that maps a function on two threads, first and again, and prints the times.

Started as a script by the scenario `first-thread`, once per library. What a user imports by name
is imported before the clock starts; what a library imports only when it is called counts.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False  # `typing` takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[[], list[int]]

VALUES = (1, 2)
ANSWER = [1, 4]
LATER = 9


def square(x: int) -> int:
    return x * x


def ours(mode: str) -> Call:
    from concurkit import Task, run_concurrently

    return lambda: run_concurrently(Task.map(square, VALUES), mode=mode, max_workers=2)


def ours_kept() -> Call:
    from concurkit import Task, ThreadExecutor, run_concurrently

    pool = ThreadExecutor(2)
    return lambda: run_concurrently(Task.map(square, VALUES), mode=pool)


def executor() -> Call:
    from concurrent.futures import ThreadPoolExecutor

    def call() -> list[int]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(square, VALUES))

    return call


def thread_pool() -> Call:
    from multiprocessing.pool import ThreadPool

    def call() -> list[int]:
        with ThreadPool(2) as pool:
            return pool.map(square, VALUES)

    return call


def joblib() -> Call:
    from joblib import Parallel, delayed

    return lambda: Parallel(2, backend="threading")(delayed(square)(x) for x in VALUES)


def pebble() -> Call:
    from pebble import ThreadPool

    def call() -> list[int]:
        with ThreadPool(max_workers=2) as pool:
            return list(pool.map(square, VALUES).result())

    return call


def mpire() -> Call:
    from mpire.pool import WorkerPool

    def call() -> list[int]:
        with WorkerPool(n_jobs=2, start_method="threading") as pool:
            return pool.map(square, VALUES)

    return call


def streamable() -> Call:
    from streamable import stream

    return lambda: list(stream(VALUES).map(square, concurrency=2))


def anyio() -> Call:
    import anyio
    from anyio.to_thread import run_sync

    async def main() -> list[int]:
        results = [0] * len(VALUES)

        async def one(place: int, value: int) -> None:
            results[place] = await run_sync(square, value)

        async with anyio.create_task_group() as group:
            for place, value in enumerate(VALUES):
                group.start_soon(one, place, value)
        return results

    return lambda: anyio.run(main)


def gather() -> Call:
    import asyncio

    async def main() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(square, x) for x in VALUES))

    return lambda: asyncio.run(main())


def dask() -> Call:
    import dask

    call = dask.delayed(square)
    return lambda: list(dask.compute(*map(call, VALUES), scheduler="threads", num_workers=2))


LIBRARIES: dict[str, Callable[[], Call]] = {
    "ours": lambda: ours("thread"),
    "ours-serial": lambda: ours("serial"),
    "ours-kept": ours_kept,
    "executor": executor,
    "thread-pool": thread_pool,
    "joblib": joblib,
    "pebble": pebble,
    "mpire": mpire,
    "streamable": streamable,
    "anyio": anyio,
    "asyncio": gather,
    "dask": dask,
}


def seconds(call: Call) -> float:
    start = time.perf_counter()
    results = call()
    took = time.perf_counter() - start
    assert results == ANSWER, results
    return took


def main() -> None:
    start = time.perf_counter()
    call = LIBRARIES[sys.argv[1]]()
    imported = time.perf_counter() - start
    first = seconds(call)
    later = sorted(seconds(call) for _ in range(LATER))[LATER // 2]
    print(imported, first, later)


if __name__ == "__main__":
    main()
