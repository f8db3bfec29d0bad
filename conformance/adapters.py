"""Libraries whose pools are not shaped like an executor, made so with as little as possible.

What an adapter adds is not the library's doing, so `contenders.py` leaves out the laws that would
say more of the adapter than of the library.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any


class _Pebble(Executor):
    """Pebble's `submit` takes a timeout before the arguments; its `schedule` is the same call."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = self._pool.schedule(fn, args=args, kwargs=kwargs)
        return future

    def shutdown(self, wait: bool = True) -> None:
        self._pool.close()
        if wait:
            self._pool.join()


def pebble_threads(max_workers: int = 2, initializer: Any = None, initargs: Any = ()) -> Executor:
    from pebble import ThreadPool

    return _Pebble(ThreadPool(max_workers, initializer=initializer, initargs=initargs))


def pebble_processes(max_workers: int = 2, initializer: Any = None, initargs: Any = ()) -> Executor:
    from pebble import ProcessPool

    return _Pebble(ProcessPool(max_workers, initializer=initializer, initargs=initargs))


class _Joblib(Executor):
    """Joblib has calls, not an executor: each task here is one `Parallel` call of a thread's."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._threads.submit(self._call, fn, args, kwargs)

    def _call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        from joblib import Parallel, delayed

        [value] = Parallel(n_jobs=self._workers)([delayed(fn)(*args, **kwargs)])
        return value

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def joblib_calls(max_workers: int = 2) -> Executor:
    return _Joblib(max_workers)
