"""A program that maps a function on two processes, from cold and again, and prints the times.

Started as a script by the scenario `cold`, once per library: its first line is where the clock
starts, so it imports nothing that a library might not need.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False  # `typing` takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Call = Callable[[], list[int]]
    Close = Callable[[], object]

START = time.perf_counter()

VALUES = (1, 2)
ANSWER = [1, 4]


def square_here(x: int) -> int:
    return x * x


def ours_per_call() -> tuple[Call, Close | None]:
    from work import square

    from concurkit import Task, run_concurrently

    return lambda: run_concurrently(Task.map(square, VALUES), mode="process", max_workers=2), None


def ours_kept() -> tuple[Call, Close | None]:
    from work import square

    from concurkit import ProcessExecutor, Task, run_concurrently

    pool = ProcessExecutor(2)
    return lambda: run_concurrently(Task.map(square, VALUES), mode=pool), pool.shutdown


def ours_from_main() -> tuple[Call, Close | None]:
    from concurkit import Task, run_concurrently

    def call() -> list[int]:
        return run_concurrently(Task.map(square_here, VALUES), mode="process", max_workers=2)

    return call, None


def executor(method: str, kept: bool) -> tuple[Call, Close | None]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from work import square

    context = get_context(method)
    if kept:
        pool = ProcessPoolExecutor(2, mp_context=context)
        return lambda: list(pool.map(square, VALUES)), pool.shutdown

    def call() -> list[int]:
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            return list(pool.map(square, VALUES))

    return call, None


def mp_pool(method: str) -> tuple[Call, Close | None]:
    from multiprocessing import get_context

    from work import square

    pool = get_context(method).Pool(2)
    return lambda: pool.map(square, VALUES), pool.terminate


def loky() -> tuple[Call, Close | None]:
    from loky import get_reusable_executor
    from work import square

    def call() -> list[int]:
        return list(get_reusable_executor(max_workers=2).map(square, VALUES))

    return call, lambda: get_reusable_executor().shutdown()


def joblib() -> tuple[Call, Close | None]:
    from joblib import Parallel, delayed
    from work import square

    return lambda: Parallel(n_jobs=2)(delayed(square)(x) for x in VALUES), None


def pebble() -> tuple[Call, Close | None]:
    from pebble import ProcessPool
    from work import square

    pool: Any = ProcessPool(max_workers=2)

    def close() -> None:
        pool.close()
        pool.join()

    return lambda: list(pool.map(square, VALUES).result()), close


def mpire() -> tuple[Call, Close | None]:
    from mpire.pool import WorkerPool
    from work import square

    pool = WorkerPool(n_jobs=2, keep_alive=True)
    return lambda: pool.map(square, VALUES), pool.terminate


def anyio() -> tuple[Call, Close | None]:
    import anyio
    from anyio.to_process import run_sync
    from work import square

    async def main() -> list[int]:
        results = [0] * len(VALUES)

        async def one(place: int, value: int) -> None:
            results[place] = await run_sync(square, value)

        async with anyio.create_task_group() as group:
            for place, value in enumerate(VALUES):
                group.start_soon(one, place, value)
        return results

    return lambda: anyio.run(main), None


def kept_open(pool: Any, run: Callable[[Any], list[int]]) -> tuple[Call, Close | None]:
    """A pool that is opened by the first call, closed when all is done."""
    opened: list[Any] = []

    def call() -> list[int]:
        if not opened:
            opened.append(pool.__enter__())
        return run(opened[0])

    return call, lambda: pool.__exit__(None, None, None)


def dask() -> tuple[Call, Close | None]:
    import dask.distributed
    from work import square

    from scenarios._clusters import dask as cluster

    assert dask.distributed
    return kept_open(
        cluster(), lambda client: client.gather(client.map(square, VALUES, pure=False))
    )


def ray() -> tuple[Call, Close | None]:
    import ray
    from work import square

    from scenarios._clusters import ray as cluster

    def run(_: Any) -> list[int]:
        remote = ray.remote(square)
        return ray.get([remote.remote(x) for x in VALUES])

    return kept_open(cluster(), run)


LIBRARIES: dict[str, Callable[[], tuple[Call, Close | None]]] = {
    "ours-per-call": ours_per_call,
    "ours-kept": ours_kept,
    "ours-from-main": ours_from_main,
    "executor-fork": lambda: executor("fork", kept=False),
    "executor-forkserver": lambda: executor("forkserver", kept=False),
    "executor-forkserver-kept": lambda: executor("forkserver", kept=True),
    "executor-spawn": lambda: executor("spawn", kept=False),
    "pool-fork": lambda: mp_pool("fork"),
    "pool-forkserver": lambda: mp_pool("forkserver"),
    "loky": loky,
    "joblib": joblib,
    "pebble": pebble,
    "mpire": mpire,
    "anyio": anyio,
    "dask": dask,
    "ray": ray,
}


LATER = 5
"""So many more calls show what one costs once all is warm."""


def middle_seconds(call: Call, calls: int) -> float:
    """The median of what so many calls take."""
    took: list[float] = []
    for _ in range(calls):
        start = time.perf_counter()
        results = call()
        took.append(time.perf_counter() - start)
        assert results == ANSWER, results
    return sorted(took)[calls // 2]


def main() -> None:
    call, close = LIBRARIES[sys.argv[1]]()
    imported = time.perf_counter()
    results = [call()]
    first = time.perf_counter()
    results.append(call())
    second = time.perf_counter()
    later = middle_seconds(call, LATER)
    closing = time.perf_counter()
    if close:
        close()
    closed = time.perf_counter()
    assert results == [ANSWER, ANSWER], results
    print(imported - START, first - START, second - first, later, closed - closing)


if __name__ == "__main__":
    main()
