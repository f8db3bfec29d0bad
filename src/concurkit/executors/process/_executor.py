"""The executor of process mode: one single-process pool per seat."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any

from ..._arguments import check_workers, variables
from ..._batch import Batch, Job, Stopped, inside
from ..._cpus import default_workers
from ..._inner_threads import InnerThreads
from .._flight import Claim, Flight, Tell
from .._pool import Crew, PoolExecutor
from . import _parcel
from ._flight import ProcessFlight, place
from ._plan import Plan
from ._seat import ProcessSeat
from ._start import check_possible
from ._store import Store


class ProcessExecutor(PoolExecutor):
    """Runs tasks in processes; a `concurrent.futures.Executor`, and a `mode` that stays open.

    Args:
        max_workers: how many processes at most; by default `cpu_count()`.
        start_method: "forkserver", "spawn" or "fork"; by default "forkserver" where there is
            one, else "spawn". "fork" is unsafe in a program that has threads.
        initializer: is called in each process before its first task; if it raises, what was to
            run there ends with InitializerError.
        initargs: what it is called with.
        max_tasks_per_child: after so many tasks a process is replaced by a new one; by default
            it lives as long as the executor.
        max_memory_per_child: the resident size, in bytes or as a text such as "2GiB", above which
            a process is replaced once its task has ended. A task that takes it above twice that
            is killed, and fails with WorkerCrashedError.
        inner_threads: how many threads the native libraries (OpenMP, BLAS, ...) may use in each
            process. "auto", the default, is the CPUs divided by the workers, where the environment
            doesn't say otherwise; None leaves them alone.
        propagate: context variables whose values, where a run or a call begins, its tasks see.

    Example:
        >>> from concurkit import ProcessExecutor, Task, run_concurrently
        >>> with ProcessExecutor(2) as processes:
        ...     run_concurrently(Task.map(abs, [-1, -2]), mode=processes)
        [1, 2]
    """

    mode = "process"
    grain: float = 0.003
    ahead = 2
    strength: Stopped = "killed"
    apart: bool = True

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        start_method: str | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | str | None = None,
        inner_threads: InnerThreads = "auto",
        propagate: Iterable[ContextVar[Any]] = (),
    ) -> None:
        check_possible()
        self.max_workers: int = check_workers(max_workers) or default_workers("process")
        self.propagate: tuple[ContextVar[Any], ...] = variables(propagate)
        plan = Plan.check(
            start_method=start_method,
            initializer=initializer,
            initargs=initargs,
            max_tasks_per_child=max_tasks_per_child,
            max_memory_per_child=max_memory_per_child,
            inner_threads=inner_threads,
            sharing=inside().share * self.max_workers,
        )

        self._store = store = Store() if _parcel.AVAILABLE else None

        def open_seats(crew: Crew, count: int) -> Sequence[Any]:
            return [ProcessSeat(crew, plan, store) for _ in range(count)]

        self._man(Crew(open_seats, self.max_workers))
        if store is not None:
            weakref.finalize(self, store.close).atexit = False

    def launch(
        self,
        batches: Sequence[tuple[Batch, Flight | None]],
        job: Job,
        tell: Tell,
        again: bool = False,
    ) -> list[Flight]:
        """Start batches; those that can't be sent are reported at once."""
        flights = [(self._flight(batch, job, tell, None), behind) for batch, behind in batches]
        ready = [pair for pair in flights if pair[0].encode(alone=False)]
        place(flight for flight, _ in ready)
        self._crew.launch(ready, again)
        return [flight for flight, _ in flights]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers once what was submitted is done; *wait* for it."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if self._store is not None:
            self._store.close()

    def _flight(self, batch: Batch, job: Job, tell: Tell, claim: Claim | None) -> ProcessFlight:
        return ProcessFlight(batch, job, tell, claim, self._crew, self._store)
