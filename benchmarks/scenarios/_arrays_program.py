"""A program that gives arrays to two processes, twice, and prints how long each time took.

Started as a script by the scenarios `arrays-shared` and `arrays-back`, once per library. The pool
is open and warm before there is an array, so that no worker can have inherited one, except where
the settings say so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import _array_clusters as clusters
import array_work as work
import numpy as np

Pool = AbstractContextManager[Any]
Run = Callable[[Any, Any, int], Sequence[Any]]
"""`(pool, what, tasks)` to the results in order."""

WORKERS = 2
TOO_LONG = 3.0
"""Seconds; who took longer the first time is spared the second."""

NEEDED = 4 << 30
"""Bytes of memory that must be free: peers that copy for each task hold much at once."""


# What the tasks are given ------------------------------------------------------------------------


def one_array(tasks: int) -> Any:
    return np.arange(tasks * work.SLICE, dtype=np.float64)


def many_arrays(tasks: int) -> list[Any]:
    return [np.full(work.EACH, float(number)) for number in range(tasks)]


def add_one(given: Any) -> None:
    for array in [given] if isinstance(given, np.ndarray) else given:
        array += 1


def check_sums(given: Any, results: Sequence[float]) -> None:
    """All sums are of whole numbers below 2 ** 53: exact in any order."""
    expected = given.reshape(-1, work.SLICE).sum(axis=1).tolist()
    if list(results) != expected:
        raise ValueError("not the sums of this array")


def check_arrays(given: Sequence[Any], results: Sequence[Any]) -> None:
    pairs = zip(given, results, strict=True)
    if not all(np.array_equal(result, array + 1) for array, result in pairs):
        raise ValueError("not the arrays that were given, plus one")


# Ours --------------------------------------------------------------------------------------------


def our_executor() -> Pool:
    from concurkit import ProcessExecutor

    pool: Pool = ProcessExecutor(WORKERS)
    return pool


def ours_each_time() -> Pool:
    """The call opens the pool; only the imports are done before."""
    from concurkit import ProcessExecutor, Task, run_concurrently

    assert None not in (ProcessExecutor, Task, run_concurrently)
    return nullcontext()


def ours_sum(pool: Any, array: Any, tasks: int) -> Sequence[Any]:
    from concurkit import Task, run_concurrently

    calls = Task.map(work.sum_slice, repeat(array), range(tasks))
    return run_concurrently(calls, mode=pool or "process", max_workers=WORKERS)


def ours_plus(pool: Any, arrays: Any, _: int) -> Sequence[Any]:
    from concurkit import Task, run_concurrently

    calls = Task.map(work.plus_one, arrays)
    return run_concurrently(calls, mode=pool or "process", max_workers=WORKERS)


# The standard library ----------------------------------------------------------------------------


def executor() -> Pool:
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(WORKERS, mp_context=get_context("forkserver"))


def mp_pool() -> Pool:
    return get_context("forkserver").Pool(WORKERS)


def map_sum(pool: Any, array: Any, tasks: int) -> Sequence[Any]:
    return list(pool.map(work.sum_slice, repeat(array), range(tasks)))


def starmap_sum(pool: Any, array: Any, tasks: int) -> Sequence[Any]:
    found: list[Any] = pool.starmap(work.sum_slice, zip(repeat(array), range(tasks), strict=False))
    return found


def map_plus(pool: Any, arrays: Any, _: int) -> Sequence[Any]:
    return list(pool.map(work.plus_one, arrays))


def map_plus_singly(pool: Any, arrays: Any, _: int) -> Sequence[Any]:
    return list(pool.map(work.plus_one, arrays, chunksize=1))


# Other libraries ---------------------------------------------------------------------------------


def loky() -> Pool:
    from loky import get_reusable_executor

    pool: Pool = get_reusable_executor(max_workers=WORKERS)
    return pool


def joblib() -> Pool:
    from joblib import Parallel

    pool: Pool = Parallel(n_jobs=WORKERS)
    return pool


def joblib_sum(pool: Any, array: Any, tasks: int) -> Sequence[Any]:
    from joblib import delayed

    found: list[Any] = pool(delayed(work.sum_slice)(array, i) for i in range(tasks))
    return found


def joblib_plus(pool: Any, arrays: Any, _: int) -> Sequence[Any]:
    from joblib import delayed

    found: list[Any] = pool(delayed(work.plus_one)(array) for array in arrays)
    return found


def pebble() -> Pool:
    from pebble import ProcessPool

    pool: Pool = ProcessPool(max_workers=WORKERS)
    return pool


def pebble_sum(pool: Any, array: Any, tasks: int) -> Sequence[Any]:
    return list(pool.map(work.sum_slice, [array] * tasks, range(tasks)).result())


def pebble_plus(pool: Any, arrays: Any, _: int) -> Sequence[Any]:
    return list(pool.map(work.plus_one, arrays).result())


def mpire() -> Pool:
    from mpire.pool import WorkerPool

    pool: Pool = WorkerPool(n_jobs=WORKERS, keep_alive=True)
    return pool


def mpire_inherits(_: None, array: Any, tasks: int) -> Sequence[Any]:
    from mpire.pool import WorkerPool

    with WorkerPool(n_jobs=WORKERS, shared_objects=array, start_method="fork") as pool:
        found: list[Any] = pool.map(work.sum_slice, range(tasks))
    return found


def mpire_plus(pool: Any, arrays: Any, _: int) -> Sequence[Any]:
    # As tuples: an array in the place of the arguments would be taken apart.
    calls = [(array,) for array in arrays]
    return list(pool.map(work.plus_one, calls, concatenate_numpy_output=False))


# By hand: shared memory, and names through a warm pool -------------------------------------------


@contextmanager
def shared(array: Any, name_of: Callable[[Any], Any]) -> Iterator[Any]:
    segment, view = work.make_shared(array)
    try:
        yield name_of(segment.name)
    finally:
        del view
        segment.close()
        segment.unlink()


def hand_sum(pool: Any, array: Any, tasks: int) -> Sequence[Any]:
    with shared(array, lambda name: (name, array.size)) as where:
        return list(pool.map(work.sum_shared, repeat(where), range(tasks)))


def hand_plus(pool: Any, arrays: Any, _: int) -> Sequence[Any]:
    segments = [work.make_shared(array)[0] for array in arrays]
    names = list(pool.map(work.plus_one_shared, [segment.name for segment in segments]))
    for segment in segments:
        segment.close()
        segment.unlink()
    return [work.take_shared(name) for name in names]


def loop_sum(_: None, array: Any, tasks: int) -> Sequence[Any]:
    return [work.sum_slice(array, i) for i in range(tasks)]


def loop_plus(_: None, arrays: Any, __: int) -> Sequence[Any]:
    return [work.plus_one(array) for array in arrays]


# All of them -------------------------------------------------------------------------------------

SHARED: dict[str, tuple[Callable[[], Pool], Run]] = {
    "ours-each-time": (ours_each_time, ours_sum),
    "ours-kept": (our_executor, ours_sum),
    "executor": (executor, map_sum),
    "mp-pool": (mp_pool, starmap_sum),
    "joblib": (joblib, joblib_sum),
    "loky": (loky, map_sum),
    "mpire": (nullcontext, mpire_inherits),
    "pebble": (pebble, pebble_sum),
    "dask-scatter": (clusters.dask, clusters.dask_scatter_sum),
    "ray": (clusters.ray, clusters.ray_sum),
    "ray-put": (clusters.ray, clusters.ray_put_sum),
    "hand": (executor, hand_sum),
    "loop": (nullcontext, loop_sum),
}

BACK: dict[str, tuple[Callable[[], Pool], Run]] = {
    "ours-each-time": (ours_each_time, ours_plus),
    "ours-kept": (our_executor, ours_plus),
    "executor": (executor, map_plus),
    "mp-pool": (mp_pool, map_plus),
    "mp-pool-singly": (mp_pool, map_plus_singly),
    "joblib": (joblib, joblib_plus),
    "loky": (loky, map_plus),
    "mpire": (mpire, mpire_plus),
    "pebble": (pebble, pebble_plus),
    "dask": (clusters.dask, clusters.dask_plus),
    "ray": (clusters.ray, clusters.ray_plus),
    "hand": (executor, hand_plus),
    "loop": (nullcontext, loop_plus),
}


def check_memory() -> None:
    info = Path("/proc/meminfo")
    lines = info.read_text().splitlines() if info.exists() else []
    free = next((int(line.split()[1]) << 10 for line in lines if "MemAvailable" in line), NEEDED)
    if free < NEEDED:
        raise MemoryError(f"{free >> 20} MB of memory are free, {NEEDED >> 20} are needed")


def timed(run: Callable[[], Sequence[Any]]) -> tuple[float, Sequence[Any]]:
    start = time.perf_counter()
    results = run()
    return time.perf_counter() - start, results


def measure(run: Run, pool: Any, given: Any, tasks: int, check: Callable[..., None]) -> list[Any]:
    """Seconds the first time and again, and whether a change in place is seen."""
    first, results = timed(lambda: run(pool, given, tasks))
    check(given, results)
    if first > TOO_LONG:
        return [first, "spared", "-"]
    del results
    again, results = timed(lambda: run(pool, given, tasks))
    check(given, results)
    del results
    add_one(given)
    try:
        check(given, run(pool, given, tasks))
    except ValueError:
        return [first, again, "no"]
    return [first, again, "yes"]


def main() -> None:
    kind, library, tasks = sys.argv[1], sys.argv[2], int(sys.argv[3])
    check_memory()
    shared_one = kind == "shared"
    open_pool, run = (SHARED if shared_one else BACK)[library]
    make, check = (one_array, check_sums) if shared_one else (many_arrays, check_arrays)
    with open_pool() as pool:
        if pool is not None:
            run(pool, make(2 * WORKERS), 2 * WORKERS)
        found = measure(run, pool, make(tasks), tasks, check)
    if library.startswith("ours") and found[-1] == "no":
        raise ValueError("a change of the array in place was not seen")
    print(*found)


if __name__ == "__main__":
    main()
