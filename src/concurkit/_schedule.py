"""The rules of a run, without I/O, threads or clocks.

A `Schedule` is told what happened and when; asked, it answers what to do next. It never looks at
a value that a task returned, so a batch of a thousand tasks costs it no more than a batch of one.

What happened:          `supply`, `no_more`, `ended`, `gave_back`, `seen`, `halt`
What to do next:        `orders(now)` (Start, Look, Recall, Stop, Abandon), `wanted`, `wake`
What came of it:        `settled` (blocks of values and failures), `finished`

Every moment is a number of seconds on the caller's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, TypeAlias

from ._outcome import Stopped
from .exceptions import TaskCancelledError, TaskTimeoutError

# Fail-fast gives earlier tasks that are nearly done this long, so that of several quick failures
# the one that a plain for loop would have met first is the one that is raised.
_SETTLE = 0.1

# A cancelled coroutine or a killed process has this long to be gone before it is abandoned: the
# promise is that a timeout is kept within 100 ms.
_GRACE = 0.06

# So many batches of quick tasks are under way where workers take turns.
_FEW = 2

# A batch that is not back after this long, or four times what was expected, is shared out.
_PATIENCE = 0.01

# A batch grows at most this much over the last one that proved tiny.
_GROWTH = 8


class Piece(NamedTuple):
    """Tasks that have not started: their indices and items, side by side."""

    indices: Sequence[int]
    items: Sequence[Any]
    alone: bool = False


class Batch(NamedTuple):
    """Tasks handed to a worker in one message."""

    number: int
    indices: Sequence[int]
    items: Sequence[Any]
    alone: bool
    hint: float


@dataclass(slots=True)
class Report:
    """What became of a batch, as its executor saw it.

    Attributes:
        values: what the tasks that ended returned, in order; None where one failed.
        failures: position in the batch and exception of each task that raised.
        since: when the first task started, on the run's clock.
        busy: seconds that the tasks took.
        ends: when each task ended, where the run keeps times; else empty.
        worker: the worker's name.
        lost: what became of the task at position `len(values)`, if it was running when the
            worker was lost or stopped; the tasks behind it never started.
        how: in which way that task was stopped.
        unsure: how many tasks from `len(values)` on may have run without a trace.
    """

    values: Sequence[Any] = ()
    failures: Sequence[tuple[int, BaseException]] = ()
    since: float = 0.0
    busy: float = 0.0
    ends: Sequence[float] = ()
    worker: str = ""
    lost: BaseException | None = None
    how: Stopped | None = None
    unsure: int = 0


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
    """Report this batch as lost now, whatever its worker does (`ended`)."""

    number: int


Order: TypeAlias = Start | Look | Recall | Stop | Abandon


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
    kept: int
    leader: int | None = None
    follower: int | None = None
    check: float | None = None
    recalled: bool = False
    overdue: int | None = None
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
        self._lanes = 0  # workers that have a batch
        self._alone: dict[int, None] = {}  # batches with no other behind them on their worker
        self._orders: list[Order] = []
        self._alarms: list[tuple[float, int]] = []
        self._numbers = 0
        self._more = True
        self._estimate: float | None = None
        self._chunk = terms.chunksize or 1
        self._bound: int | None = None  # nothing with a higher index starts any more
        self._settled_by: float | None = None
        self._abandon_by: float | None = None

    # ---- what happened ----------------------------------------------------------------------

    def supply(self, items: Sequence[Any]) -> None:
        """The input gave *items*."""
        first = self.tally.drawn
        self.tally.drawn += len(items)
        if self._bound is not None:  # read while the run was being stopped: these never start
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
        self._leave_lane(flight)
        batch = flight.batch
        count = len(report.values)
        if count:
            self._learn(report, count)
            self.tally.ended += count
            self.settled.append(Block(batch.indices[:count], batch.items, report))
        for position, error in report.failures:
            self._fail(batch, position, error, report, now)
        if report.lost is not None and not report.unsure:
            error, own = self._why_lost(flight, count, report.lost)
            self.tally.ended += 1
            self._fail(batch, count, error, report, now, report.how, own)
            count += 1
        if count < flight.kept:
            unsure = min(count + report.unsure, flight.kept)
            self._put_back(batch, unsure, flight.kept, batch.alone)
            self._put_back(batch, count, unsure, True)

    def gave_back(self, number: int, kept: int, now: float) -> None:
        """Batch *number* keeps its first *kept* tasks and gives back the others, not started."""
        flight = self._flights.get(number)
        if flight is None:
            return
        if flight.stopping and self.terms.strength != "abandoned":
            self._orders.append(Stop(number, -1))  # it had not begun when it was told to stop
        if kept < flight.kept:
            batch, upto = flight.batch, flight.kept
            flight.kept = kept
            self._slow_down()
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
            self._orders.append(Abandon(number))
        else:
            flight.overdue = position
            self._orders.append(Stop(number, position))
            self._alarm(flight, now + _GRACE)

    def still(self, number: int, now: float) -> None:
        """Batch *number* was not stopped after all: its task had ended in the meantime."""
        flight = self._flights.get(number)
        if flight is not None and not flight.stopping:
            flight.overdue = None
            if self.terms.timeout is not None:
                self._orders.append(Look(number))

    def halt(self, now: float, patience: float | None = None) -> None:
        """End the run: start nothing more, stop what can be stopped.

        What still runs after *patience* seconds is abandoned; None waits for it.
        """
        if self.tally.at_halt is None:
            self.tally.at_halt = self.tally.ended, self._lanes
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
    def running(self) -> int:
        """How many tasks are in batches on their way."""
        return sum(f.kept for f in self._flights.values())

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
            self._settled_by = None
            self._begin_stop(now, -1)
        self._ring(now)
        if self._abandon_by is not None and now >= self._abandon_by:
            self._abandon_by = None
            self._orders.extend(Abandon(number) for number in self._flights)
        while self._waiting and self._room() > 0:
            self._launch(now)
        orders, self._orders = self._orders, []
        return orders

    # ---- batches ----------------------------------------------------------------------------

    def _room(self) -> int:
        """How many batches may start now: one a worker, or one behind another while all is quick."""
        terms = self.terms
        free = terms.workers - self._lanes
        if self._estimate is not None and self._estimate * self._chunk <= 2 * terms.grain:
            if terms.ahead > 1:
                free += len(self._alone)
            elif terms.shared:
                free = min(free, _FEW - self._lanes)
        return free

    def _enter_lane(self, flight: _Flight) -> None:
        number = flight.batch.number
        if self._lanes < self.terms.workers:
            self._lanes += 1
            self._alone[number] = None
        else:
            leader = next(iter(self._alone))
            del self._alone[leader]
            self._flights[leader].follower = number
            flight.leader = leader

    def _leave_lane(self, flight: _Flight) -> None:
        number = flight.batch.number
        if flight.leader is not None:  # it never began: the batch before it is alone again
            self._flights[flight.leader].follower = None
            self._alone[flight.leader] = None
        elif flight.follower is not None:
            self._flights[flight.follower].leader = None
            self._alone[flight.follower] = None
        else:
            del self._alone[number]
            self._lanes -= 1

    def _size(self) -> int:
        """How many tasks the next batch takes."""
        terms = self.terms
        if terms.chunksize is not None:
            return terms.chunksize
        size = self._chunk
        if terms.length is not None and size > 1:
            # The last batches shrink, so that the workers end together.
            left = terms.length - self.tally.drawn + self._waiting
            size = min(size, max(-(-left // (2 * terms.workers)), size // 8))
        return max(1, size)

    def _launch(self, now: float) -> None:
        piece = self._ready.popleft()
        size = 1 if piece.alone else self._size()
        indices, items = piece.indices, piece.items
        if len(indices) > size:
            self._ready.appendleft(Piece(indices[size:], items[size:], piece.alone))
            indices, items = indices[:size], items[:size]
        self._waiting -= len(indices)
        self._numbers = number = self._numbers + 1
        batch = Batch(number, indices, items, piece.alone, self._estimate or 0.0)
        flight = self._flights[number] = _Flight(batch, len(indices))
        self._enter_lane(flight)
        self._orders.append(Start(batch, flight.leader))
        self._watch(flight, now)

    def _watch(self, flight: _Flight, now: float) -> None:
        """Set the moment to look at a batch that has just started."""
        terms = self.terms
        at = None if terms.timeout is None else now + terms.timeout
        if self._may_recall(flight) or flight.leader is not None or terms.shared:
            patience = now + max(4 * terms.grain * terms.ahead, _PATIENCE)
            at = patience if at is None else min(at, patience)
        if at is not None:
            self._alarm(flight, at)

    def _learn(self, report: Report, count: int) -> None:
        """Fit the size of the next batches to how long the tasks of this one took."""
        mean = report.busy / count
        old = self._estimate
        # Slower is believed sooner than quicker: a batch too small costs little. But of a batch
        # only up to a point, since the system may have let it wait; if its tasks are slow indeed,
        # the next one is shared out again.
        if old is None or count == 1 and mean > old:
            new = mean
        else:
            new = min(mean, 4 * old) if mean > old else old + (mean - old) / 2
        self._estimate = new
        if self.terms.chunksize is not None:
            return
        fitting = int(self.terms.grain / new) if new > 0 else self._chunk * _GROWTH
        self._chunk = max(1, min(fitting, max(count, self._chunk) * _GROWTH, 1 << 16))

    def _slow_down(self) -> None:
        """Not quick after all: no batch waits for another until tasks prove quick again."""
        self._estimate = max(self._estimate or 0.0, 4 * self.terms.grain)
        self._chunk = self.terms.chunksize or 1

    def _put_back(self, batch: Batch, start: int, stop: int, alone: bool) -> None:
        """Let the tasks from *start* to *stop* of a batch, which never started, start again."""
        if start >= stop:
            return
        indices, items = batch.indices[start:stop], batch.items[start:stop]
        if self._bound is not None:
            keep = sum(1 for index in indices if index <= self._bound)
            indices, items = indices[:keep], items[:keep]
        if indices:
            self._ready.appendleft(Piece(indices, items, alone or batch.alone))
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
            self._orders.append(Abandon(number))
            return
        if self.terms.shared and self._lanes <= _FEW:  # it waits: let others go on meanwhile
            self._slow_down()
        if not flight.recalled and (self._may_recall(flight) or self.terms.ahead > 1):
            flight.recalled = True
            self._orders.append(Recall(number, unbegun=not self._may_recall(flight)))
        if self.terms.timeout is not None:
            self._orders.append(Look(number))

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
        self, flight: _Flight, position: int, lost: BaseException
    ) -> tuple[BaseException, bool]:
        """The error of a task that was stopped, and whether it is the task's own."""
        timeout = self.terms.timeout
        if flight.overdue == position and timeout is not None:
            return TaskTimeoutError(f"the task ran longer than its timeout of {timeout:g} s"), True
        if flight.stopping or self._bound == -1:
            return TaskCancelledError("stopped because the run ended"), False
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
        if bound >= 0:
            self._settled_by = now + _SETTLE

    def _stop_flight(self, flight: _Flight) -> None:
        if flight.stopping:
            return
        flight.stopping = True
        self._recall(flight)
        if self.terms.strength != "abandoned":
            self._orders.append(Stop(flight.batch.number, -1))

    def _recall(self, flight: _Flight) -> None:
        if not flight.recalled:
            flight.recalled = True
            self._orders.append(Recall(flight.batch.number, unbegun=False))


def _upto(piece: Piece, bound: int) -> Piece:
    keep = sum(1 for index in piece.indices if index <= bound)
    return Piece(piece.indices[:keep], piece.items[:keep], piece.alone)
