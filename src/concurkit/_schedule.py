"""The rules of a run, without I/O, threads or clocks.

A `Schedule` is told what happened and when; asked, it answers what to do next. It never looks at
a value that a task returned, so a batch of a thousand tasks costs it no more than a batch of one.

What happened:          `supply`, `no_more`, `ended`, `gave_back`, `seen`, `still`, `halt`
What to do next:        `orders(now)` (Start, Look, Recall, Stop, Abandon), `wanted`, `wake`
What came of it:        `settled` (blocks of values and failures), `finished`

Every moment is a number of seconds on the caller's clock.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, TypeAlias, final

from ._batch import Batch, Report
from ._lanes import Lanes
from ._outcome import Stopped
from ._pace import Pace
from .exceptions import TaskCancelledError, TaskTimeoutError

# Fail-fast gives earlier tasks that are nearly done this long, so that of several quick failures
# the one that a plain for loop would have met first is the one that is raised.
_SETTLE = 0.5

# A cancelled coroutine or a killed process has this long to be gone before it is abandoned: the
# promise is that a timeout is kept within 100 ms.
_GRACE = 0.06

# A batch that is not back after this long, or four times what was expected, is shared out.
_PATIENCE = 0.01


class Piece(NamedTuple):
    """Tasks that have not started: their indices and items, side by side."""

    indices: Sequence[int]
    items: Sequence[Any]
    alone: bool = False


class Block(NamedTuple):
    """Tasks that ended together: indices, items, and the report that holds their values."""

    indices: Sequence[int]
    items: Sequence[Any]
    report: Report


class Failed(NamedTuple):
    """A task that failed for good; *own* unless it was stopped because the run ended."""

    index: int  # type: ignore[assignment]  # in place of the method of tuples, which nobody calls
    item: Any
    error: BaseException
    started: float
    duration: float
    worker: str
    stopped: Stopped | None
    own: bool


@final
class Start(NamedTuple):
    """Start this batch on a free worker, or on the worker that has batch *behind*, after it."""

    batch: Batch
    behind: int | None


class Look(NamedTuple):
    """Say how far this batch has come (`seen`)."""

    number: int


class Recall(NamedTuple):
    """Ask for what this batch has not started (`gave_back`); if *unbegun*, all of it or nothing."""

    number: int
    unbegun: bool


class Stop(NamedTuple):
    """Stop this batch's running task, if it is still at this position, by force if need be."""

    number: int
    position: int


class Abandon(NamedTuple):
    """Report this batch as lost now (`ended`), if its task at this position (-1: any) still runs.

    Whatever its worker does from then on is of no account.
    """

    number: int
    position: int


Question: TypeAlias = Look | Recall | Stop | Abandon
Order: TypeAlias = Start | Question


@dataclass(frozen=True, slots=True)
class Terms:
    """What a schedule needs to know of the run and of the executor.

    Attributes:
        workers: how many tasks may run at once.
        grain: seconds of work that a batch of tiny tasks is let grow to.
        ahead: how many batches a worker may hold; more than one hides the way there and back.
        timeout: seconds for one attempt.
        chunksize: tasks in a batch, or None to choose.
        fail_fast: whether the first failure ends the run.
        shared: whether the workers take turns, as the slots of an event loop do. While tasks
            are quick, more than a few batches would only wait for each other.
        strength: how a running task is stopped.
        length: how many tasks there are, where known.
    """

    workers: int
    grain: float = 0.001
    ahead: int = 1
    timeout: float | None = None
    chunksize: int | None = None
    fail_fast: bool = True
    shared: bool = False
    strength: Stopped = "abandoned"
    length: int | None = None


@dataclass(slots=True)
class _Flight:
    """A batch on its way."""

    batch: Batch
    kept: int  # tasks that were not given back
    check: float | None = None  # when to look at it
    recalled: bool = False  # what it has not started was asked back
    overdue: int | None = None  # position of the task whose time is up
    stopping: bool = False


@dataclass(slots=True)
class Tally:
    """How many tasks are where."""

    drawn: int = 0
    ended: int = 0
    failed: int = 0
    at_halt: tuple[int, int] | None = None  # how many had ended, how many ran


class Schedule:
    """Decides for one run which batch starts when, what is stopped, and what each task came to."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.tally = Tally()
        self.settled: list[Block | Failed] = []
        self._ready: deque[Piece] = deque()
        self._waiting = 0
        self._flights: dict[int, _Flight] = {}
        self._lanes = Lanes(terms.workers, ahead=terms.ahead > 1, shared=terms.shared)
        self._pace = Pace(terms.grain, terms.chunksize)
        self._questions: list[Question] = []
        self._alarms: list[tuple[float, int]] = []
        self._numbers = 0
        self._more = True
        self._bound: int | None = None  # nothing with a higher index starts any more
        self._settled_by: float | None = None
        self._abandon_by: float | None = None

    # ---- what happened ----------------------------------------------------------------------

    def supply(self, items: Sequence[Any]) -> None:
        """The input gave *items*."""
        first = self.tally.drawn
        self.tally.drawn += len(items)
        if self._bound is not None or not items:  # once the run is being stopped, none start
            return
        self._ready.append(Piece(range(first, first + len(items)), items))
        self._waiting += len(items)

    def no_more(self) -> None:
        """The input has ended."""
        self._more = False

    def ended(self, number: int, report: Report, now: float) -> None:
        """Batch *number* is over; tasks that it never started go elsewhere."""
        flight = self._flights.pop(number, None)
        if flight is None:  # abandoned before: what it says now comes too late
            return
        self._lanes.leave(number)
        batch = flight.batch
        count = len(report.values)
        left = flight.kept - count
        unsure = min(report.unsure, left)
        if count:
            if report.lost is None:
                self._pace.learn(report.busy, count)
            self.tally.ended += count
            self.settled.append(Block(batch.indices[:count], batch.items, report))
        for position, error in report.failures:
            if position < count:  # a worker that was abandoned may still write into its report
                self._fail(batch, position, error, report, now)
        if report.lost is not None and left > 0 and unsure <= 1:
            error, own = self._why_lost(flight, count, report.lost, report.how)
            self.tally.ended += 1
            self._fail(batch, count, error, report, now, report.how, own)
            count, unsure = count + 1, 0
        self._put_back(batch, count + unsure, flight.kept, batch.alone)
        self._put_back(batch, count, count + unsure, True)

    def gave_back(self, number: int, kept: int, now: float) -> None:
        """Batch *number* keeps its first *kept* tasks and gives back the others, not started."""
        flight = self._flights.get(number)
        if flight is None:
            return
        if flight.stopping and self.terms.strength != "abandoned":
            self._questions.append(Stop(number, -1))  # it had not begun when it was told to stop
        if kept < flight.kept:
            batch, upto = flight.batch, flight.kept
            flight.kept = kept
            self._pace.slowed()
            self._put_back(batch, kept, upto, batch.alone)

    def seen(self, number: int, position: int, since: float | None, now: float) -> None:
        """Batch *number*'s task at *position* runs since *since* (None: not begun)."""
        flight = self._flights.get(number)
        timeout = self.terms.timeout
        if flight is None or flight.overdue is not None or timeout is None:
            return
        if since is None or now < since + timeout:
            self._alarm(flight, (now if since is None else since) + timeout)
        elif self.terms.strength == "abandoned":
            flight.overdue = position
            self._questions.append(Abandon(number, position))
        else:
            flight.overdue = position
            self._questions.append(Stop(number, position))
            self._alarm(flight, now + _GRACE)

    def still(self, number: int, now: float) -> None:
        """Batch *number*'s overdue task was not stopped after all: it had ended meanwhile."""
        flight = self._flights.get(number)
        if flight is not None and flight.overdue is not None:
            flight.overdue = None
            self._questions.append(Look(number))

    def halt(self, now: float, patience: float | None = None) -> None:
        """End the run: start nothing more, stop what can be stopped.

        What still runs after *patience* seconds is abandoned; None waits for it.
        """
        if self.tally.at_halt is None:
            self.tally.at_halt = self.tally.ended, self._lanes.busy
        self._begin_stop(now, -1)
        if patience is not None:
            by = now + patience
            self._abandon_by = by if self._abandon_by is None else min(by, self._abandon_by)

    # ---- what to do next --------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether every task that was drawn, and may still start, has ended."""
        return not self._flights and not self._waiting and not self._more

    @property
    def wanted(self) -> int:
        """How many tasks to draw now."""
        if not self._more:
            return 0
        free = self._room()
        size = self._size()
        return min(size, max(0, free * size - self._waiting)) if free > 0 else 0

    @property
    def wake(self) -> float | None:
        """When to ask for `orders` again though nothing happened."""
        alarms = self._alarms
        while alarms and not self._rings(*alarms[0]):
            heappop(alarms)
        due = [at for at in (self._settled_by, self._abandon_by) if at is not None]
        if alarms:
            due.append(alarms[0][0])
        return min(due, default=None)

    def orders(self, now: float) -> list[Order]:
        """What to do now, in this order."""
        if self._settled_by is not None and now >= self._settled_by:
            self._begin_stop(now, -1)
        self._ring(now)
        if self._abandon_by is not None and now >= self._abandon_by:
            self._abandon_by = None
            self._questions.extend(Abandon(number, -1) for number in self._flights)
        orders: list[Order] = [one for one in self._questions if one.number in self._flights]
        self._questions.clear()
        while self._waiting and self._room() > 0:
            orders.append(self._launch(now))
        return orders

    # ---- batches ----------------------------------------------------------------------------

    def _room(self) -> int:
        """How many batches may start now."""
        return self._lanes.room(quick=self._pace.quick)

    def _size(self) -> int:
        """How many tasks the next batch takes."""
        length = self.terms.length
        left = None if length is None else length - self.tally.drawn + self._waiting
        return self._pace.size(left, self.terms.workers)

    def _launch(self, now: float) -> Start:
        piece = self._ready.popleft()
        size = 1 if piece.alone else self._size()
        indices, items = piece.indices, piece.items
        if len(indices) > size:
            self._ready.appendleft(Piece(indices[size:], items[size:], piece.alone))
            indices, items = indices[:size], items[:size]
        self._waiting -= len(indices)
        self._numbers = number = self._numbers + 1
        batch = Batch(number, indices, items, piece.alone, self._pace.hint)
        flight = self._flights[number] = _Flight(batch, len(indices))
        start = Start(batch, self._lanes.enter(number))
        self._watch(flight, now)
        return start

    def _watch(self, flight: _Flight, now: float) -> None:
        """Set the moment to look at a batch that has just started."""
        terms = self.terms
        at = None if terms.timeout is None else now + terms.timeout
        if self._may_recall(flight) or self._lanes.waits(flight.batch.number) or terms.shared:
            patience = now + max(4 * terms.grain * terms.ahead, _PATIENCE)
            at = patience if at is None else min(at, patience)
        if at is not None:
            self._alarm(flight, at)

    def _put_back(self, batch: Batch, start: int, stop: int, alone: bool) -> None:
        """Let the tasks from *start* to *stop* of a batch, which never started, start again."""
        if start >= stop:
            return
        indices, items = batch.indices[start:stop], batch.items[start:stop]
        if self._bound is not None:
            keep = bisect_right(indices, self._bound)
            indices, items = indices[:keep], items[:keep]
        if indices:
            insort(self._ready, Piece(indices, items, alone), key=_first)  # in the input's order
            self._waiting += len(indices)

    # ---- alarms -----------------------------------------------------------------------------

    def _alarm(self, flight: _Flight, at: float) -> None:
        flight.check = at
        alarms = self._alarms
        heappush(alarms, (at, flight.batch.number))
        if len(alarms) > 64 + 4 * len(self._flights):  # long timeouts over many quick batches
            alarms[:] = [alarm for alarm in alarms if self._rings(*alarm)]
            heapify(alarms)

    def _rings(self, at: float, number: int) -> bool:
        flight = self._flights.get(number)
        return flight is not None and flight.check == at

    def _ring(self, now: float) -> None:
        alarms = self._alarms
        while alarms and alarms[0][0] <= now:
            at, number = heappop(alarms)
            if self._rings(at, number):
                self._check(self._flights[number], now)

    def _check(self, flight: _Flight, now: float) -> None:
        flight.check = None
        number = flight.batch.number
        if flight.overdue is not None:
            self._questions.append(Abandon(number, flight.overdue))
            return
        waits = self._lanes.waits(number)
        self._lanes.slow(number)
        if self.terms.shared and self._pace.quick:  # it waits: let others go on meanwhile
            self._pace.slowed()
        if self._may_recall(flight):
            self._recall(flight)
        elif waits:
            self._questions.append(Recall(number, unbegun=True))
        if self.terms.timeout is not None:
            self._questions.append(Look(number))

    # ---- failures and the end ---------------------------------------------------------------

    def _fail(
        self,
        batch: Batch,
        position: int,
        error: BaseException,
        report: Report,
        now: float,
        how: Stopped | None = None,
        own: bool = True,
    ) -> None:
        ends = report.ends
        since = ends[position - 1] if 0 < position <= len(ends) else report.since
        until = ends[position] if position < len(ends) else now
        index, item = batch.indices[position], batch.items[position]
        took = max(0.0, until - since)
        self.tally.failed += 1
        self.settled.append(Failed(index, item, error, since, took, report.worker, how, own))
        if self.terms.fail_fast and own:
            self._begin_stop(now, index)

    def _why_lost(
        self, flight: _Flight, position: int, lost: BaseException, how: Stopped | None
    ) -> tuple[BaseException, bool]:
        """The error of a task that was lost, and whether it is the task's own."""
        timeout = self.terms.timeout
        if how is None:  # nobody stopped it
            return lost, True
        if flight.stopping:
            return TaskCancelledError("stopped because the run ended"), False
        if flight.overdue == position and timeout is not None:
            return TaskTimeoutError(f"the task ran longer than its timeout of {timeout:g} s"), True
        return lost, True

    def _may_recall(self, flight: _Flight) -> bool:
        """Whether a batch that is under way may be shared out again: never one sized by hand."""
        return self.terms.chunksize is None and flight.kept > 1

    def _begin_stop(self, now: float, bound: int) -> None:
        """Start nothing above *bound* any more and stop what runs there; -1 is everything."""
        if self._bound is not None and self._bound <= bound:
            return
        self._bound = bound
        self._more = False
        kept = [_upto(piece, bound) for piece in self._ready]
        self._ready = deque(piece for piece in kept if piece.indices)
        self._waiting = sum(len(piece.indices) for piece in self._ready)
        for flight in self._flights.values():
            if flight.batch.indices[0] > bound:
                self._stop_flight(flight)
            else:
                self._recall(flight)
        if bound < 0:
            self._settled_by = None
        elif self._settled_by is None:
            self._settled_by = now + _SETTLE

    def _stop_flight(self, flight: _Flight) -> None:
        if flight.stopping:
            return
        flight.stopping = True
        self._recall(flight)
        if self.terms.strength != "abandoned":
            self._questions.append(Stop(flight.batch.number, -1))

    def _recall(self, flight: _Flight) -> None:
        if not flight.recalled:
            flight.recalled = True
            self._questions.append(Recall(flight.batch.number, unbegun=False))


def _first(piece: Piece) -> int:
    return piece.indices[0]


def _upto(piece: Piece, bound: int) -> Piece:
    keep = bisect_right(piece.indices, bound)
    return Piece(piece.indices[:keep], piece.items[:keep], piece.alone)
