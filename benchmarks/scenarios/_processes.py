"""The ways to map a function over values on two warm processes."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from harness.model import Contender, Kind

WORKERS = 2

Function = Callable[[int], Any]
Values = Sequence[int]
Map = Callable[[Any, Function, Values], Any]
"""`(pool, function, values)` to the results in order."""
Pool = AbstractContextManager[Any]
Open = Callable[[], Pool]


@dataclass(frozen=True, slots=True)
class Way:
    """A library's way to map on processes, before it is known what."""

    name: str
    settings: str
    map: Map
    pool: Callable[..., Pool] | None
    kind: Kind = "peer"

    def contender(
        self,
        function: Function,
        values: Callable[[int], Values] = range,
        share: float = 1.0,
        rounds: int | None = None,
    ) -> Contender:
        def run_in(pool: Any, tasks: int) -> Any:
            return self.map(pool, function, values(tasks))

        def run_here(tasks: int) -> Any:
            return run_in(None, tasks)

        run: Callable[..., Any] = run_in if self.pool else run_here
        return Contender(self.name, self.settings, run, self.pool, self.kind, share, rounds)


# Pools ---------------------------------------------------------------------------------------


def our_executor(workers: int = WORKERS) -> Pool:
    from concurkit import ProcessExecutor

    pool: Pool = ProcessExecutor(workers)
    return pool


def mp_pool(workers: int = WORKERS) -> Pool:
    return multiprocessing.Pool(workers)


def executor(workers: int = WORKERS) -> Pool:
    return ProcessPoolExecutor(workers)


def loky(workers: int = WORKERS) -> Pool:
    from loky import get_reusable_executor

    pool: Pool = get_reusable_executor(max_workers=workers)
    return pool


def joblib(workers: int = WORKERS, **settings: Any) -> Pool:
    from joblib import Parallel

    pool: Pool = Parallel(n_jobs=workers, **settings)
    return pool


def joblib_singly() -> Pool:
    return joblib(batch_size=1)


def joblib_batches() -> Pool:
    return joblib(batch_size=1000)


def joblib_fork() -> Pool:
    return joblib(backend="multiprocessing")


def pebble(workers: int = WORKERS) -> Pool:
    from pebble import ProcessPool

    pool: Pool = ProcessPool(max_workers=workers)
    return pool


def mpire(workers: int = WORKERS) -> Pool:
    from mpire.pool import WorkerPool

    pool: Pool = WorkerPool(n_jobs=workers, keep_alive=True)
    return pool


def anyio() -> Pool:
    """A loop in a thread: the processes are kept as long as it runs."""
    from anyio.from_thread import start_blocking_portal

    return start_blocking_portal()


# Two workers by hand: what a library could reach at best ---------------------------------------


@dataclass(frozen=True, slots=True)
class Bare:
    """Two processes with a pipe each, and a counter that both can see."""

    pipes: Sequence[Connection]
    cursor: "Synchronized[int]"


@contextmanager
def bare() -> Iterator[Bare]:
    cursor: Synchronized[int] = multiprocessing.Value("q")
    ends = [multiprocessing.Pipe() for _ in range(WORKERS)]
    processes = [multiprocessing.Process(target=_serve, args=(far, cursor)) for _, far in ends]
    for process in processes:
        process.start()
    yield Bare([near for near, _ in ends], cursor)
    for (near, _), process in zip(ends, processes, strict=True):
        near.send(None)
        process.join()


def _serve(pipe: Connection, cursor: "Synchronized[int]") -> None:
    while (message := pipe.recv()) is not None:
        function, values, shared = message
        indexes = _shared_indexes(cursor, len(values)) if shared else range(len(values))
        pipe.send([(index, function(values[index])) for index in indexes])


def _shared_indexes(cursor: "Synchronized[int]", count: int) -> Iterator[int]:
    while True:
        with cursor.get_lock():
            index = cursor.value
            cursor.value += 1
        if index >= count:
            return
        yield index


def _bare_halves(pool: Bare, function: Function, values: Values) -> Any:
    middle = len(values) // 2
    for pipe, half in zip(pool.pipes, (values[:middle], values[middle:]), strict=True):
        pipe.send((function, half, False))
    return [result for pipe in pool.pipes for _, result in pipe.recv()]


def _bare_cursor(pool: Bare, function: Function, values: Values) -> Any:
    pool.cursor.value = 0
    for pipe in pool.pipes:
        pipe.send((function, values, True))
    results = dict(pair for pipe in pool.pipes for pair in pipe.recv())
    return [results[index] for index in range(len(values))]


# Maps ------------------------------------------------------------------------------------------


def _ours(pool: Any, function: Function, values: Values) -> Any:
    from concurkit import Task, run_concurrently

    return run_concurrently(Task.map(function, values), mode=pool)


def _ours_singly(pool: Any, function: Function, values: Values) -> Any:
    from concurkit import Task, run_concurrently

    return run_concurrently(Task.map(function, values), mode=pool, chunksize=1)


def _loop(_: None, function: Function, values: Values) -> Any:
    return [function(value) for value in values]


def _map(pool: Any, function: Function, values: Values) -> Any:
    return list(pool.map(function, values))


def _map_singly(pool: Any, function: Function, values: Values) -> Any:
    return list(pool.map(function, values, chunksize=1))


def _map_chunks(pool: Any, function: Function, values: Values) -> Any:
    return list(pool.map(function, values, chunksize=1000))


def _map_shares(pool: Any, function: Function, values: Values) -> Any:
    """In as many chunks as `multiprocessing.Pool` would make."""
    chunksize = max(1, len(values) // (4 * WORKERS))
    return list(pool.map(function, values, chunksize=chunksize))


def _imap_chunks(pool: Any, function: Function, values: Values) -> Any:
    return list(pool.imap(function, values, chunksize=1000))


def _imap_hundreds(pool: Any, function: Function, values: Values) -> Any:
    return list(pool.imap(function, values, chunksize=100))


def _imap_unordered(pool: Any, function: Function, values: Values) -> Any:
    """Sorted, as the checks expect: the values of who takes this are in order."""
    return sorted(pool.imap_unordered(function, values, chunksize=1))


def _imap_singly(pool: Any, function: Function, values: Values) -> Any:
    return list(pool.imap(function, values, chunksize=1))


def _pebble(pool: Any, function: Function, values: Values) -> Any:
    return list(pool.map(function, values).result())


def _pebble_chunks(pool: Any, function: Function, values: Values) -> Any:
    return list(pool.map(function, values, chunksize=1000).result())


def _joblib(pool: Any, function: Function, values: Values) -> Any:
    from joblib import delayed

    return pool(delayed(function)(value) for value in values)


def _streamable(pool: Any, function: Function, values: Values) -> Any:
    from streamable import stream

    return list(stream(values).map(function, concurrency=pool))


def _anyio(pool: Any, function: Function, values: Values) -> Any:
    from anyio import CapacityLimiter, create_task_group
    from anyio.to_process import run_sync

    async def main() -> list[int]:
        results = [0] * len(values)
        limiter = CapacityLimiter(WORKERS)

        async def one(index: int, value: int) -> None:
            results[index] = await run_sync(function, value, limiter=limiter)

        async with create_task_group() as group:
            for index, value in enumerate(values):
                group.start_soon(one, index, value)
        return results

    return pool.call(main)


def _mpire_singly(pool: Any, function: Function, values: Values) -> Any:
    return pool.map(function, values, chunk_size=1)


OURS = Way("concurkit", "kept ProcessExecutor(2)", _ours, our_executor, "ours")
OURS_SIZED = Way("concurkit", "kept ProcessExecutor", _ours, our_executor, "ours")
OURS_SINGLY = Way(
    "concurkit", "kept ProcessExecutor(2), chunksize=1", _ours_singly, our_executor, "ours"
)
LOOP = Way("for loop", "no concurrency", _loop, None, "floor")
BARE_HALVES = Way("two bare workers", "by hand, half each", _bare_halves, bare, "limit")
BARE_CURSOR = Way("two bare workers", "by hand, a shared counter", _bare_cursor, bare, "limit")
POOL_MAP = Way("mp Pool.map", "default (big static chunks)", _map, mp_pool)
POOL_MAP_SINGLY = Way("mp Pool.map", "chunksize=1", _map_singly, mp_pool)
POOL_IMAP_SINGLY = Way("mp Pool.imap", "chunksize=1", _imap_singly, mp_pool)
POOL_IMAP_HUNDREDS = Way("mp Pool.imap", "chunksize=100", _imap_hundreds, mp_pool)
POOL_IMAP_UNORDERED = Way("mp Pool.imap_unordered", "chunksize=1", _imap_unordered, mp_pool)
EXECUTOR_MAP = Way("ProcessPoolExecutor.map", "default (chunksize=1)", _map, executor)
EXECUTOR_CHUNKS = Way("ProcessPoolExecutor.map", "chunksize=1000", _map_chunks, executor)
LOKY = Way("loky map", "default (chunksize=1)", _map, loky)
JOBLIB = Way("joblib", "default (loky, batches by itself)", _joblib, joblib)
EXECUTOR_SHARES = Way("ProcessPoolExecutor.map", "4 chunks a worker", _map_shares, executor)
POOL_IMAP_CHUNKS = Way("mp Pool.imap", "chunksize=1000", _imap_chunks, mp_pool)
LOKY_CHUNKS = Way("loky map", "chunksize=1000", _map_chunks, loky)
JOBLIB_SINGLY = Way("joblib", "loky, batch_size=1", _joblib, joblib_singly)
JOBLIB_FORK = Way("joblib", 'backend="multiprocessing"', _joblib, joblib_fork)
STREAMABLE = Way("streamable map", "concurrency=a ProcessPoolExecutor", _streamable, executor)
ANYIO = Way("anyio to_process", "task group, limiter", _anyio, anyio)
JOBLIB_BATCHES = Way("joblib", "loky, batch_size=1000", _joblib, joblib_batches)
PEBBLE = Way("pebble ProcessPool.map", "default (chunksize=1)", _pebble, pebble)
PEBBLE_CHUNKS = Way("pebble ProcessPool.map", "chunksize=1000", _pebble_chunks, pebble)
MPIRE = Way("mpire map", "default (64 chunks a worker)", _map, mpire)
MPIRE_SINGLY = Way("mpire map", "chunk_size=1", _mpire_singly, mpire)
