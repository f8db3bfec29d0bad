"""Workers as seats: what the pools of threads and of processes share.

A `Crew` hands flights to seats, opens a seat when work needs one, and replaces one that is lost.
It knows nothing of why a batch is started or stopped. The public executor holds the crew, the
seats' threads hold only the crew, so an executor that is dropped is noticed and its seats end.
"""

from __future__ import annotations

import os
import threading
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from .._batch import Batch, Job, Stopped, inside, task_context
from .._task import Task
from ..exceptions import ConcurkitError
from . import _exit
from ._flight import Claim, Ended, Flight, Tell, Unfit
from ._holds import Holder, Holds
from ._map import SHUT_DOWN, Keeper, MapExecutor

P = ParamSpec("P")
R = TypeVar("R")


# So many seats in a row may be lost as they start before their tasks fail.
_STILLBORN = 3


# As the standard executors say it, and what to do.
WAITS_FOR_ITSELF = (
    "cannot join current thread: shutdown(wait=True) was called by a task or a callback of this "
    "same executor, and would wait for itself; use shutdown(wait=False)"
)


class Seat(Protocol):
    """One worker, as its crew sees it."""

    load: int
    attempt: int

    def give(self, flight: Any) -> None:
        """Run this flight after those given before."""
        ...

    def close(self) -> None:
        """End, once all that was given is done."""
        ...

    def join(self) -> None:
        """Wait until the worker is gone."""
        ...


class Crew:
    """The seats of one executor and the flights that wait for one.

    Args:
        open_seats: opens so many seats.
        most: how many there may be.
        start: starts seats that were opened and have something to do by now, if opening them
            has not; raises where the system does not let it.
    """

    def __init__(
        self,
        open_seats: Callable[[Crew, int], Sequence[Any]],
        most: int,
        start: Callable[[Sequence[Any]], None] | None = None,
    ) -> None:
        self._open = open_seats
        self._start = start
        self._most = most
        self._lock = threading.RLock()  # a garbage collection inside may drop an executor
        self._holds = Holds(self._lock)
        self._idle: list[Any] = []
        self._waiting: deque[Any] = deque()
        self.seats: list[Any] = []
        self._lost: list[Any] = []
        self.closed = False
        self.numbers = 0
        self._stillborn = 0
        self._unfit = 0  # seats that could not be set up
        self._pid = os.getpid()

    def launch(self, flights: Sequence[tuple[Any, Any]], again: bool = False) -> None:
        """Start each flight on a free seat, behind another flight, or when a seat is free.

        What was launched before, and lost its seat, is launched *again* also when closed.
        """
        need: list[Any] = []
        given: list[tuple[Any, Any]] = []
        with self._lock:
            if self.closed and not again:
                raise RuntimeError(SHUT_DOWN)
            for flight, behind in flights:
                flight.attempt = self._unfit
                seat = None if behind is None else behind.seat
                if seat is not None and seat in self.seats and seat.load == 1:
                    given.append(self._seated(seat, flight))
                elif self._idle:
                    given.append(self._seated(self._idle.pop(), flight))
                elif len(self.seats) + len(need) < self._most:
                    need.append(flight)
                else:
                    self._waiting.append(flight)
            new = self._new(len(need))
            for seat, flight in zip(new, need, strict=True):
                given.append(self._seated(seat, flight))
        for seat, flight in given:  # not under the lock: a process is written to
            seat.give(flight)
        self._begin(new)

    def freed(self, seat: Any) -> None:
        """*seat* has done one flight; give it the next or let it idle."""
        with self._lock:
            seat.load -= 1
            if seat.load > 0 or seat not in self.seats:
                return
            if self._waiting and len(self.seats) <= self._most:
                _, flight = self._seated(seat, self._waiting.popleft())
            elif (self.closed and not self._holds) or len(self.seats) > self._most:
                self._retire(seat)
                return
            else:
                self._idle.append(seat)
                return
        seat.give(flight)

    def lost(self, seat: Any) -> None:
        """*seat* is gone, or as good as gone: another takes its place when work needs it."""
        with self._lock:
            if seat not in self.seats:
                return
            self.seats.remove(seat)
            self._lost.append(seat)
            if seat in self._idle:
                self._idle.remove(seat)
        self._open_one()

    def unfit(self, seat: Any, error: ConcurkitError) -> None:
        """*seat* could not be set up, and what waits would fare no better on another.

        What came after another seat had failed, later than this one was opened, tries again.
        """
        with self._lock:
            refused = [one for one in self._waiting if one.attempt <= seat.attempt]
            self._waiting = deque(one for one in self._waiting if one.attempt > seat.attempt)
            self._unfit += 1
        for flight in refused:
            flight.refuse(error)
        self.lost(seat)

    def count_stillborn(self, stillborn: bool) -> bool:
        """Count a seat that was lost before it took up anything.

        True when it happens again and again, so that there is no use in opening others.
        """
        with self._lock:
            self._stillborn = self._stillborn + 1 if stillborn else 0
            return self._stillborn >= _STILLBORN

    def forget(self, seat: Any) -> None:
        """*seat* has left nothing behind: nobody need wait for it any more."""
        with self._lock:
            if seat in self._lost:
                self._lost.remove(seat)

    def withdraw(self, flight: Any) -> bool:
        """Take a flight back that waits for a seat."""
        with self._lock:
            if flight in self._waiting:
                self._waiting.remove(flight)
                return True
            return False

    def lend(self, by: int) -> None:
        """Allow *by* more seats, while as many tasks wait for a run of their own."""
        with self._lock:
            self._most += by
        if by > 0:
            self._open_one()

    def hold(self, holder: Holder, tasks: int) -> None:
        """*holder* will launch so many tasks more, and may do so after `close`, too."""
        with self._lock:
            if self.closed:
                raise RuntimeError(SHUT_DOWN)
            self._holds.add(holder, tasks)

    def release(self, holder: Holder, tasks: int | None = None) -> None:
        """So many of *holder*'s tasks are over; None is all that there were."""
        with self._lock:
            self._holds.end(holder, tasks)
            if self.closed and not self._holds:
                self._retire_idle()

    def close(self, cancel: bool = False) -> list[Any]:
        """Let the seats end once the work is done; returns the flights dropped by *cancel*."""
        if os.getpid() != self._pid:  # a forked child's copy: its seats are the parent's
            return []
        with self._lock:
            self.closed = True
        for holder in self._holds.holders:
            holder.closing(cancel)
        with self._lock:
            dropped = list(self._waiting) if cancel else []
            if cancel:
                self._waiting.clear()
            if not self._holds:
                self._retire_idle()
            return dropped

    def join(self) -> None:
        """Wait until every seat that was not abandoned is gone."""
        if os.getpid() != self._pid:
            return
        self._holds.wait()
        while True:
            with self._lock:
                seats = [*self.seats, *self._lost]
                self._lost.clear()
            if not seats:
                return
            for seat in seats:
                seat.join()
                with self._lock:
                    if seat in self.seats:
                        self.seats.remove(seat)

    def _open_one(self) -> None:
        """Open a seat for what has waited longest, if there is room for one."""
        with self._lock:
            if not self._waiting or len(self.seats) >= self._most:
                return
            seats = self._new(1)
            seat, flight = self._seated(seats[0], self._waiting.popleft())
        seat.give(flight)
        self._begin(seats)

    def _seated(self, seat: Any, flight: Any) -> tuple[Any, Any]:
        seat.load += 1
        flight.seat = seat
        return seat, flight

    def _new(self, count: int) -> Sequence[Any]:
        if not count:
            return ()
        seats = self._open(self, count)
        for seat in seats:
            seat.attempt = self._unfit
        self.seats.extend(seats)
        return seats

    def _begin(self, seats: Sequence[Any]) -> None:
        """Start seats that were opened, each with work to do at once."""
        if self._start is None or not seats:
            return
        try:
            self._start(seats)
        except BaseException:
            with self._lock:
                self.seats = [one for one in self.seats if one not in seats or one.started]
            raise

    def _retire_idle(self) -> None:
        while self._idle:
            self._retire(self._idle.pop())

    def _retire(self, seat: Any) -> None:
        self.seats.remove(seat)
        self._lost.append(seat)
        seat.close()


class PoolExecutor(MapExecutor):
    """A `concurrent.futures.Executor` over a crew of seats.

    `mode`, `grain`, `ahead` and `strength` say how a run may use it; see `Terms`.
    """

    mode: str
    grain: float
    ahead: int = 1
    shared: bool = False
    strength: Stopped
    max_workers: int
    home: object
    propagate: tuple[ContextVar[Any], ...] = ()
    apart: bool = False  # whether its workers are other processes

    def _man(self, crew: Crew) -> None:
        self._crew = self.home = crew
        self.keeper: Keeper | None = crew
        # Dropped without shutdown: the seats end by themselves.
        self._finalizer = weakref.finalize(self, crew.close)
        self._finalizer.atexit = False
        _exit.close_at_exit(crew)

    @abstractmethod
    def _flight(self, batch: Batch, job: Job, tell: Tell, claim: Claim | None) -> Any: ...

    def launch(
        self,
        batches: Sequence[tuple[Batch, Flight | None]],
        job: Job,
        tell: Tell,
        again: bool = False,
    ) -> list[Flight]:
        """Start batches, each on a seat of its own or behind the flight that comes with it.

        See `Crew.launch` for *again*.
        """
        flights = [(self._flight(batch, job, tell, None), behind) for batch, behind in batches]
        self._crew.launch(flights, again)
        return [flight for flight, _ in flights]

    @overload
    def submit(
        self, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]: ...

    @overload
    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]: ...

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule one call and return its future, as `concurrent.futures` does.

        An async function is run to its end and its result is the future's.
        """
        future: Future[Any] = Future()
        batch = Batch(0, range(1), [Task(fn, *args, **kwargs)], True, 0.0)
        context = task_context(self.max_workers, self.home)
        share = inside().share * self.max_workers
        job = Job(None, context, exact=True, share=share, propagate=self.propagate)

        def start(claim: Claim | None = None) -> None:
            flight = self._flight(batch, job, settle(future, start), claim)
            if flight.encode():
                self._crew.launch([(flight, None)], again=claim is None)

        start(future.set_running_or_notify_cancel)
        return future

    @contextmanager
    def lending(self) -> Generator[None]:
        """While a task of ours waits for a run on this same executor, that run may use its seat."""
        waiting = self.home in inside().executors
        if waiting:
            self._crew.lend(1)
        try:
            yield
        finally:
            if waiting:
                self._crew.lend(-1)

    @property
    def closed(self) -> bool:
        """Whether this executor was shut down."""
        return self._crew.closed

    def reachable(self) -> Executor:
        """This executor, wherever the caller waits."""
        return self

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers once what was submitted is done; *wait* for it."""
        for flight in self._crew.close(cancel_futures):
            flight.drop()
        if wait:
            self._crew.join()


def settle(future: Future[Any], again: Callable[[], None] | None = None) -> Tell:
    """Give a future what its one-task batch came to; *again* starts one that never began."""

    def tell(event: Any) -> None:
        try:
            _settle(future, event, again)
        except Exception:
            raise
        except BaseException as error:  # of a callback: our thread has others' work to do
            if threading.current_thread() is threading.main_thread():
                raise
            _log_callback(future, error)

    return tell


def _settle(future: Future[Any], event: Any, again: Callable[[], None] | None) -> None:
    if type(event) is Unfit and not future.cancelled():
        if not future.running():
            future.set_running_or_notify_cancel()
        future.set_exception(event.error)
    if type(event) is not Ended or future.cancelled():
        return
    report = event.report
    error = report.failures[0][1] if report.failures else report.lost
    if error is not None:
        future.set_exception(error)
    elif report.values:
        future.set_result(report.values[0])
    elif future.running() and again is not None:
        try:
            again()
        except BaseException as trouble:
            future.set_exception(trouble)
    else:
        future.cancel()
        future.set_running_or_notify_cancel()


def _log_callback(future: Future[Any], error: BaseException) -> None:
    """As `concurrent.futures` does with the exceptions of callbacks that do not end programs."""
    from logging import getLogger

    getLogger("concurrent.futures").error("a callback of %r raised", future, exc_info=error)
