"""One call of a `Parallel`: its batches on their way, and an end to all of them."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ..._batch import Batch, Job, inside, task_context
from ..._inner_threads import limit_here
from ..._task import Task, name_of
from ...executors._flight import Flight
from ...executors._pool import settle
from ._places import Place
from ._unsent import naming_the_call
from ._workers import Workers


class Call:
    """The batches that joblib submits between the start and the end of a call.

    Nothing is opened before the first of them, as joblib may still give up until then. From the
    caller's thread that one comes; the others may come from threads of ours.

    Args:
        workers: opens and keeps executors.
        place: where the batches run, and how many at once.
    """

    def __init__(self, workers: Workers, place: Place) -> None:
        self._workers = workers
        self._place = place
        self._lock = threading.Lock()
        self._executor: Any = None
        self._job: Job | None = None
        self._limits: Any = None
        self._count = 0
        self._most = place.workers
        self._running = 0
        self._held: deque[tuple[Future[Any], Batch]] = deque()
        self._flights: dict[Future[Any], Flight] = {}
        self._over = False

    def submit(
        self, func: Callable[[], Any], callback: Callable[[Any], None] | None
    ) -> Future[Any]:
        """Start a batch of joblib's, now or when its turn comes; *callback* is given its future.

        What goes wrong here is the future's error, too: joblib waits for nothing else.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        future.add_done_callback(_Once(self._ended))
        if callback is not None:
            future.add_done_callback(_Once(callback))
        with self._lock:
            if self._over:  # joblib has given up on this call, in another thread
                return future
            self._prepare()
            batch = self._batch(func)
            if self._running >= self._most:
                self._held.append((future, batch))
                return future
            self._running += 1
        self._launch(future, batch)
        return future

    def abort(self) -> None:
        """Start nothing more, wait for nothing: what runs is killed, or abandoned on threads."""
        with self._lock:
            self._over = True
            flights = list(self._flights.values())
            self._held.clear()
            self._flights.clear()
        for flight in flights:
            _give_up(flight)

    def end(self) -> None:
        """The call is over: native libraries get their threads back, and the workers are free."""
        with self._lock:
            self._over = True
            executor, self._executor = self._executor, None
            limits, self._limits = self._limits, None
        if limits is not None:
            limits.restore_original_limits()
        if executor is not None:
            self._workers.give_back(self._place, executor)

    # ---- one batch ------------------------------------------------------------------------------

    def _prepare(self) -> None:
        if self._executor is not None:
            return
        place = self._place
        executor = self._executor = self._workers.take(place)
        self._job = Job(
            None,
            task_context(place.workers, executor.home),
            exact=True,
            share=inside().share * place.workers,
            propagate=getattr(executor, "propagate", ()),
            lent=True,
        )
        # An executor of that size, or a smaller one, lets the others wait by itself.
        self._most = place.workers if executor.max_workers > place.workers else sys.maxsize
        if place.inner is not None and not place.apart:
            self._limits = limit_here(place.inner)

    def _batch(self, func: Callable[[], Any]) -> Batch:
        """What joblib submits, as one task, known by the first call in it."""
        calls = getattr(func, "items", None) or [(func,)]
        first = self._count
        self._count += len(calls)
        task = Task(func).named(name_of(calls[0][0]))
        return Batch(first, range(first, first + 1), [task], True, 0.0)

    def _launch(self, future: Future[Any], batch: Batch) -> None:
        executor, job = self._executor, self._job
        assert job is not None
        tell = settle(future, self._again(future, batch))
        try:
            told = naming_the_call(batch.items[0].fn, job, executor.mode, tell)
            [flight] = executor.launch([(batch, None)], job, told)
        except Exception as error:
            if not future.done():
                future.set_exception(error)
            return
        with self._lock:
            if future.done():
                return
            if not self._over:
                self._flights[future] = flight
                return
        _give_up(flight)

    def _again(self, future: Future[Any], batch: Batch) -> Callable[[], None]:
        """Start once more what came back though it never began, as its worker was lost before."""

        def start() -> None:
            with self._lock:
                over = self._over
            if not over:
                self._launch(future, batch)

        return start

    def _ended(self, future: Future[Any]) -> None:
        """A batch has ended: the next that was held back may start."""
        with self._lock:
            self._flights.pop(future, None)
            if not self._held:
                self._running -= 1
                return
            held = self._held.popleft()
        self._launch(*held)


class _Once:
    """Calls back once, and refers to nothing from then on: joblib keeps futures."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[Any], None]) -> None:
        self._callback: Callable[[Any], None] | None = callback

    def __call__(self, future: Future[Any]) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(future)


def _give_up(flight: Flight) -> None:
    with contextlib.suppress(Exception):
        flight.abandon(-1)
