"""An executor of somebody else's as the place where a run's tasks run.

All that is asked of it is `submit`, which gives futures, and `shutdown`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any

from .._batch import Batch, Job, Stopped
from .._cpus import cpu_count
from .._daemons import DAEMON
from ._flight import Flight, Tell
from ._given_flight import GivenFlight

# Where executors keep how many workers they have; there is no documented way to ask.
_COUNTS = ("max_workers", "_max_workers", "num_workers")

# Their futures never say that they run.
_SILENT = frozenset({"distributed"})

# A future does not say when it begins, so while tasks are timed each is asked so often, in seconds.
_LOOK_EVERY = 0.02


class GivenExecutor:
    """What one run needs to know of an executor, and how it starts batches there.

    Futures call back wherever their executor likes, perhaps under a lock that its `submit` needs:
    so what is done about it is done in a thread of ours.

    Args:
        executor: has `submit` and `shutdown`.
        owned: whether it was made for the run, and ends with it.
    """

    mode = "executor"
    grain: float = 0.003
    ahead = 1  # it may have more workers than the run may use
    shared = False
    apart = True  # it may well be
    strength: Stopped = "abandoned"
    closed = False  # nobody can ask; it refuses what it is given then
    propagate: tuple[ContextVar[Any], ...] = ()

    def __init__(self, executor: Any, *, owned: bool = False) -> None:
        known = _workers(executor)
        self.max_workers: int = known or cpu_count()
        self.sized = known is not None
        self.silent: bool = type(executor).__module__.partition(".")[0] in _SILENT
        self.home: object = executor
        self.executor: Any = executor
        self.timing = False  # whether it must be known when each task starts
        self.abandoned = False  # a task goes on though the run is over
        self.refusals = 0  # calls in a row that were cancelled, and not by us
        self._owned = owned
        self._accepted = False
        self._back: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Those that must be known to run when they do.
        self._unseen: deque[GivenFlight] = deque()

    def launch(
        self, batches: Sequence[tuple[Batch, Flight | None]], job: Job, tell: Tell
    ) -> list[Flight]:
        """Submit batches; what is refused has failed, all of it if that was the first."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._serve, name="concurkit-given", daemon=DAEMON
            )
            self._thread.start()
        flights: list[Flight] = []
        for batch, _ in batches:
            flight = GivenFlight(batch, job, tell, self)
            try:
                flight.start()
            except Exception as error:
                if not self._accepted:
                    raise
                flight.fail(error)
            self._accepted = True
            flights.append(flight)
            if job.exact:
                self._unseen.append(flight)
        self._back.put(self._look)
        return flights

    def reachable(self) -> GivenExecutor:
        """This executor, wherever the caller waits."""
        return self

    def shutdown(self) -> None:
        """The run is over: leave nothing behind but the executor, if that is the caller's."""
        self._back.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._owned:
            self._end_it()

    def _end_it(self) -> None:
        if not self.abandoned:
            self.executor.shutdown()
            return
        try:
            self.executor.shutdown(wait=False)
        except TypeError:  # it knows only to wait
            threading.Thread(target=self.executor.shutdown, daemon=DAEMON).start()

    def soon(self, todo: Callable[[], None]) -> None:
        """Do this in our thread."""
        self._back.put(todo)

    def _serve(self) -> None:
        while True:
            try:
                todo = self._back.get(timeout=_LOOK_EVERY if self._unseen else None)
            except Empty:
                todo = self._look
            if todo is None:
                return
            todo()

    def _look(self) -> None:
        for _ in range(len(self._unseen)):
            flight = self._unseen.popleft()
            if not flight.sees_it_run():
                self._unseen.append(flight)


def _workers(executor: Any) -> int | None:
    for name in _COUNTS:
        count = getattr(executor, name, None)
        if isinstance(count, int) and count > 0:
            return count
    return None
