"""Thread mode: one single-thread pool per seat, so that one stuck thread can be given up alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .._arguments import check_workers
from .._batch import Batch, Job, Stopped
from .._cpus import default_workers
from .._setup import Setup
from ._flight import Claim, Tell
from ._pool import Crew, PoolExecutor
from ._thread_seat import ThreadFlight, open_threads, start_threads


class ThreadExecutor(PoolExecutor):
    """Runs tasks on threads; a `concurrent.futures.Executor`, and a `mode` that stays open.

    Args:
        max_workers: how many threads at most; by default `min(32, cpu_count() + 4)`.
        initializer: is called in each thread before its first task; if it raises, what was to run
            there ends with InitializerError.
        initargs: what it is called with.

    Example:
        >>> from concurkit import Task, ThreadExecutor, run_concurrently
        >>> with ThreadExecutor(2) as threads:
        ...     run_concurrently(Task.map(len, ["a", "bc"]), mode=threads)
        [1, 2]
    """

    mode = "thread"
    grain: float = 0.001
    strength: Stopped = "abandoned"

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        self.max_workers: int = check_workers(max_workers) or default_workers("thread")
        setup = Setup.check(initializer, initargs)
        self._man(Crew(partial(open_threads, setup=setup), self.max_workers, start_threads))

    def _flight(self, batch: Batch, job: Job, tell: Tell, claim: Claim | None) -> ThreadFlight:
        return ThreadFlight(batch, job, tell, claim, self._crew)
