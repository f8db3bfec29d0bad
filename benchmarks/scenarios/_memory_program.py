"""A program that prints the bytes that many tasks take, pending or kept.

Started as a script by the scenarios `memory-pending` and `memory-kept`, once per library. The bytes
are those of Python's own allocator, which knows them exactly: the same each time.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

WORKERS = 2
SMALL = 100
"""Numbers below are kept by Python anyway: values cost no memory of their own."""

started = threading.Semaphore(0)
released = threading.Event()


def hold(x: int) -> int:
    """Runs until all may go on, so that those behind it stay pending."""
    started.release()
    released.wait()
    return x


async def hold_async(x: int) -> int:
    started.release()
    while not released.is_set():  # noqa: ASYNC110  (set by another thread)
        await asyncio.sleep(0.01)
    return x


def small(x: int) -> int:
    return x % SMALL


def in_use() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


# Pending: a way to start, in a thread of its own, so many tasks --------------------------------


def ours(mode: str, whole: bool, tasks: int) -> Any:
    from concurkit import Task, run_concurrently

    function: Any = hold_async if mode == "async" else hold
    calls = Task.map(function, range(tasks))
    given: Any = [Task(function, x) for x in range(tasks)] if whole else calls
    return run_concurrently(given, mode=mode, max_workers=WORKERS)


def ours_submit(function: Callable[[int], int], tasks: int) -> Any:
    from concurkit import ThreadExecutor

    with ThreadExecutor(WORKERS) as pool:
        return done([pool.submit(function, x) for x in range(tasks)])


def executor_submit(function: Callable[[int], int], tasks: int) -> Any:
    with ThreadPoolExecutor(WORKERS) as pool:
        return done([pool.submit(function, x) for x in range(tasks)])


def pebble(function: Callable[[int], int], tasks: int) -> Any:
    from pebble import ThreadPool as Pool

    with Pool(max_workers=WORKERS) as pool:
        return done([pool.schedule(function, args=(x,)) for x in range(tasks)])


def thread_pool_apply(function: Callable[[int], int], tasks: int) -> Any:
    with ThreadPool(WORKERS) as pool:
        jobs = [pool.apply_async(function, (x,)) for x in range(tasks)]
        for job in jobs:
            job.wait()
        return jobs


def executor_map(tasks: int) -> Any:
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(hold, range(tasks)))


def thread_pool_map(tasks: int) -> Any:
    with ThreadPool(WORKERS) as pool:
        return pool.map(hold, range(tasks), chunksize=1)


def joblib(tasks: int) -> Any:
    from joblib import Parallel, delayed

    return Parallel(WORKERS, backend="threading")(delayed(hold)(x) for x in range(tasks))


def streamable(tasks: int) -> Any:
    from streamable import stream

    return list(stream(range(tasks)).map(hold, concurrency=WORKERS))


def gather(tasks: int) -> Any:
    async def main() -> Any:
        limit = asyncio.Semaphore(WORKERS)

        async def one(value: int) -> int:
            async with limit:
                return await hold_async(value)

        return await asyncio.gather(*(one(x) for x in range(tasks)))

    return asyncio.run(main())


def aiometer(tasks: int) -> Any:
    from functools import partial

    from aiometer import run_all

    calls = [partial(hold_async, x) for x in range(tasks)]
    return asyncio.run(run_all(calls, max_at_once=WORKERS))


def anyio(tasks: int) -> Any:
    import anyio

    async def main() -> list[int]:
        results = [0] * tasks
        limiter = anyio.CapacityLimiter(WORKERS)

        async def one(value: int) -> None:
            async with limiter:
                results[value] = await hold_async(value)

        async with anyio.create_task_group() as group:
            for value in range(tasks):
                group.start_soon(one, value)
        return results

    return anyio.run(main)


def done(futures: Sequence[Any]) -> Sequence[Any]:
    for future in futures:
        future.result()
    return futures


PENDING: dict[str, Callable[[int], Any]] = {
    "ours-map": lambda tasks: ours("thread", False, tasks),
    "ours-list": lambda tasks: ours("thread", True, tasks),
    "ours-async": lambda tasks: ours("async", False, tasks),
    "ours-submit": lambda tasks: ours_submit(hold, tasks),
    "executor-submit": lambda tasks: executor_submit(hold, tasks),
    "executor-map": executor_map,
    "thread-pool-map": thread_pool_map,
    "thread-pool-apply": lambda tasks: thread_pool_apply(hold, tasks),
    "pebble": lambda tasks: pebble(hold, tasks),
    "joblib": joblib,
    "streamable": streamable,
    "gather": gather,
    "aiometer": aiometer,
    "anyio": anyio,
}


def pending(run: Callable[[int], Any], tasks: int) -> int:
    """The bytes while two tasks run and the memory in use has stopped to grow."""
    _pending(run, WORKERS)  # all is imported
    released.clear()
    return _pending(run, tasks)


def _pending(run: Callable[[int], Any], tasks: int) -> int:
    results: list[Any] = []
    before = in_use()
    thread = threading.Thread(target=lambda: results.extend(run(tasks)))
    thread.start()
    for _ in range(WORKERS):
        started.acquire()
    held = _settled()
    released.set()
    thread.join()
    assert [value_of(one) for one in results] == list(range(tasks))
    while started.acquire(blocking=False):
        pass
    return held - before


def _settled() -> int:
    last, now = -1, in_use()
    while last != now:
        threading.Event().wait(0.3)
        last, now = now, in_use()
    return now


# Kept ------------------------------------------------------------------------------------------


def ours_run(on_error: str, tasks: int) -> Any:
    from concurkit import Task, run_concurrently

    calls = Task.map(small, range(tasks))
    return run_concurrently(calls, mode="thread", max_workers=WORKERS, on_error=on_error)


def asyncio_tasks(tasks: int) -> Any:
    async def one(x: int) -> int:
        return small(x)

    async def main() -> Any:
        made = [asyncio.create_task(one(x)) for x in range(tasks)]
        await asyncio.wait(made)
        return made

    return asyncio.run(main())


KEPT: dict[str, Callable[[int], Any]] = {
    "ours-outcomes": lambda tasks: ours_run("collect", tasks),
    "ours-values": lambda tasks: ours_run("raise", tasks),
    "ours-futures": lambda tasks: ours_submit(small, tasks),
    "executor-submit": lambda tasks: executor_submit(small, tasks),
    "thread-pool-apply": lambda tasks: thread_pool_apply(small, tasks),
    "pebble": lambda tasks: pebble(small, tasks),
    "asyncio-tasks": asyncio_tasks,
    "loop": lambda tasks: [small(x) for x in range(tasks)],
}


def kept(run: Callable[[int], Any], tasks: int) -> int:
    run(WORKERS)  # all is imported
    before = in_use()
    outcomes = run(tasks)
    after = in_use()
    assert [value_of(one) for one in outcomes] == [small(x) for x in range(tasks)]
    return after - before


def value_of(outcome: Any) -> int:
    """The value in whatever stands for a finished task."""
    for name in ("unwrap", "result", "get"):
        if hasattr(outcome, name):
            found: int = getattr(outcome, name)()
            return found
    value: int = outcome
    return value


def main() -> None:
    what, library, tasks = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tracemalloc.start()
    if what == "pending":
        print(pending(PENDING[library], tasks))
    else:
        print(kept(KEPT[library], tasks))


if __name__ == "__main__":
    main()
