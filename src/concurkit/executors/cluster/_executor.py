"""What the executors of all cluster engines have in common."""

from __future__ import annotations

import os
import platform
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any

from ..._arguments import variables
from ..._batch import Batch, Job, Stopped
from ..._inner_threads import InnerThreads
from ..._task import name_of
from .. import _exit
from .._flight import Claim, Flight, Tell
from .._pool import Crew, PoolExecutor
from ..process._plan import Plan
from ._engine import Engine
from ._flight import ClusterFlight, load
from ._seat import ClusterSeat
from ._wire import Terms


class ClusterExecutor(PoolExecutor):
    """Runs tasks in processes of ours beside the workers of a cluster engine."""

    grain: float = 0.1
    strength: Stopped = "killed"
    apart: bool = True

    def _engage(
        self, engine: Engine, terms: Terms, max_workers: int, propagate: tuple[Any, ...]
    ) -> None:
        self.max_workers = max_workers
        self.propagate = propagate
        self._engine = engine

        def open_seats(crew: Crew, count: int) -> Sequence[Any]:
            return [ClusterSeat(crew, engine, terms.token) for _ in range(count)]

        self._man(Crew(open_seats, max_workers))
        weakref.finalize(self, engine.close).atexit = False
        _exit.end_at_exit(engine)

    def launch(
        self,
        batches: Sequence[tuple[Batch, Flight | None]],
        job: Job,
        tell: Tell,
        again: bool = False,
    ) -> list[Flight]:
        """Start batches; those that can't be sent are reported at once."""
        flights = [self._flight(batch, job, tell, None) for batch, _ in batches]
        ready = [flight for flight in flights if flight.encode(alone=False)]
        self._crew.launch([(flight, None) for flight in load(ready)], again)
        return list(flights)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers once what was submitted is done; *wait* for it."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._engine.close()
        if wait:
            self._engine.wait()

    def _flight(self, batch: Batch, job: Job, tell: Tell, claim: Claim | None) -> ClusterFlight:
        return ClusterFlight(batch, job, tell, claim, self._crew, self._engine.give)


def check_terms(
    token: str,
    size: int | None,
    *,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    max_tasks_per_child: int | None,
    max_memory_per_child: int | str | None,
    inner_threads: InnerThreads,
    propagate: Iterable[ContextVar[Any]],
) -> tuple[Terms, tuple[ContextVar[Any], ...]]:
    """How the processes on the nodes are made, from the caller's arguments."""
    plan = Plan.check(
        start_method=None,
        initializer=initializer,
        initargs=initargs,
        max_tasks_per_child=max_tasks_per_child,
        max_memory_per_child=max_memory_per_child,
        inner_threads=inner_threads,
        sharing=1,
    )
    options = {
        "max_tasks_per_child": plan.max_tasks,
        "max_memory_per_child": plan.max_memory,
        "inner_threads": plan.inner,
    }
    name = "" if initializer is None else name_of(initializer)
    path = tuple(place or os.getcwd() for place in sys.path)
    terms = Terms(token, size, options, plan.setup, name, platform.node(), path)
    return terms, variables(propagate)
