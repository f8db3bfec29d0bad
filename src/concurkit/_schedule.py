"""The rules of a run, without I/O, threads or clocks.

A `Schedule` is told what happened and when; asked, it answers what to do next. It never looks at
a value that a task returned, so a batch of a thousand tasks costs it no more than a batch of one.

What happened:          `begin`, `supply`, `no_more`, `input_failed`, `taken`, `ended`, `gave_back`,
                        `seen`, `still`, `cut`, `halt`, `drain`
What to do next:        `orders(now)` (Start, Look, Recall, Stop, Abandon, Warn), `wanted`, `wake`
What came of it:        `settled` (blocks of values and failures), `finished`, `unread`, `lost`

Every moment is a number of seconds on the caller's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from ._alarms import Alarms
from ._attempts import Attempts
from ._batch import Batch, Report, Stopped
from ._lanes import Lanes
from ._orders import (
    Abandon,
    Block,
    Failed,
    Look,
    Order,
    Question,
    Reason,
    Recall,
    Retried,
    Start,
    Stop,
    Tally,
    Terms,
    Warn,
)
from ._pace import Pace
from ._rate import Rate
from ._spans import span
from ._waiting import Piece, Waiting
from .exceptions import RunTimeoutError, TaskCancelledError, TaskTimeoutError

# Fail-fast gives earlier tasks that are nearly done this long, or as long as so many grains: then
# of several quick failures the one that a plain for loop would have met first is raised.
_SETTLE = 0.5
_SETTLE_GRAINS = 10

# A cancelled coroutine or a killed process has this long to be gone before it is abandoned: the
# promise is that a timeout is kept within 100 ms.
_GRACE = 0.06

# A batch that is not back after this long, or four times what was expected, is shared out.
_PATIENCE = 0.01

# Where the window is the schedule's to choose, it grows with the batches up to so many tasks.
_WINDOW = 4096


class _Flight:
    """A batch on its way."""

    __slots__ = ("at", "batch", "kept", "overdue", "recalled", "stopping", "warned")

    def __init__(self, batch: Batch, at: float) -> None:
        self.batch = batch
        self.at = at  # when it started
        self.kept = len(batch.indices)  # tasks that were not given back
        self.recalled = False  # what it has not started was asked back
        self.overdue: int | None = None  # position of the task whose time is up
        self.stopping = False
        self.warned = -1  # position of the task that was last said to take long


class Schedule:
    """Decides for one run which batch starts when, what is stopped, and what each task came to."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.tally = Tally()
        self.settled: list[Block | Failed | Retried] = []
        self.unread = False  # the run was cut before the end of its input
        self.never_started = 0  # of those that were lost
        self.lost = 0  # tasks that the run's being cut kept from ending
        self._waiting = Waiting()
        self._attempts = Attempts(terms.retry)
        self._flights: dict[int, _Flight] = {}
        self._lanes = Lanes(terms.workers, ahead=terms.ahead > 1, shared=terms.shared)
        limits = [limit for limit in (terms.timeout, terms.warn_after) if limit is not None]
        self._first_due = min(limits, default=None)  # so long is no running task looked at
        rate = terms.max_per_second
        self._rate = None if rate is None else Rate(rate)
        self._pace = Pace(terms.grain, terms.chunksize if rate is None else 1)
        self._questions: list[Question] = []
        self._alarms = Alarms()
        self._numbers = 0
        self._more = True
        self._bound: int | None = None  # nothing with a higher index starts any more
        self._deadline: float | None = None
        self._settled_by: float | None = None
        self._abandon_by: float | None = None
        self._why: Reason | None = None  # the run was cut
        self._cut_at = 0.0

    # ---- what happened ----------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """The run begins: its total_timeout counts from now."""
        if self.terms.total_timeout is not None:
            self._deadline = now + self.terms.total_timeout

    def supply(self, items: Sequence[Any]) -> None:
        """The input gave *items*."""
        first = self.tally.drawn
        self.tally.drawn += len(items)
        piece = Piece(range(first, first + len(items)), items)
        if self._bound is None:
            self._waiting.add(piece)
        else:  # the run is being stopped, none start
            self._forgo(piece)

    def no_more(self) -> None:
        """The input has ended."""
        self._more = False

    def input_failed(self, now: float) -> None:
        """The input ended with an error, and so will the run; a stream gives its results first."""
        if self.terms.window is None:
            self.halt(now)
        else:
            self.no_more()

    def taken(self, count: int) -> None:
        """So many more results were read."""
        self.tally.taken += count

    def ended(self, number: int, report: Report, now: float) -> None:
        """Batch *number* is over; tasks that it never started go elsewhere."""
        flight = self._flights.pop(number, None)
        if flight is None:  # abandoned before: what it says now comes too late
            return
        self._lanes.leave(number)
        self._alarms.forget(number)
        batch = flight.batch
        count = len(report.values)
        left = flight.kept - count
        unsure = min(report.unsure, left)
        if count:
            if report.lost is None:
                self._pace.learn(report.busy, count)
            self.tally.ended += count
            attempts = 1
            if batch.alone and self._attempts:
                returned = not report.failures
                attempts = self._attempts.number(batch.indices[0], returned=returned)
            self.settled.append(Block(batch.indices[:count], batch.items, report, attempts))
        elif flight.recalled and report.lost is None:  # perhaps it was still on its way there
            self._pace.slowed()
        for position, error in report.failures:
            if position < count:  # a worker that was abandoned may still write into its report
                self._failed(flight, position, error, report, now)
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
            if kept:  # else its worker was not free yet, which says nothing of the tasks
                self._pace.slowed((now - flight.at) / (kept - 1) if kept > 1 else inf)
            self._put_back(batch, kept, upto, batch.alone)

    def seen(self, number: int, position: int, since: float | None, now: float) -> None:
        """Batch *number*'s task at *position* runs since *since* (None: not begun)."""
        flight = self._flights.get(number)
        if flight is None or flight.overdue is not None:
            return
        timeout = self.terms.timeout
        if timeout is None or since is None or now < since + timeout:
            again = self._heed(flight, position, since, now)
            if timeout is not None:
                again = min(again, (now if since is None else since) + timeout)
            if again < inf:
                self._alarm(flight, again)
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

    def cut(self, now: float, why: Reason, patience: float | None = None) -> None:
        """End the run as `halt` does; each task that this keeps from ending fails with *why*."""
        if self._why is None:
            self._why, self._cut_at = why, now
            all_drawn = self.terms.complete or self.tally.drawn == self.terms.length
            self.unread = self._more and not all_drawn
        more = self._more and self.terms.complete
        self.halt(now, patience)
        self._more = more

    def halt(self, now: float, patience: float | None = None) -> None:
        """End the run: start nothing more, stop what can be stopped.

        What still runs after *patience* seconds is abandoned; None waits for it.
        """
        self._note_how_far()
        self._begin_stop(now, -1)
        if patience is not None:
            by = now + patience
            self._abandon_by = by if self._abandon_by is None else min(by, self._abandon_by)

    def drain(self) -> None:
        """Start nothing more, and let what runs go on to its end; the others are not settled."""
        self._note_how_far()
        self._bound = -1
        self._more = False
        self._waiting.cut(-1)
        for flight in self._flights.values():
            self._recall(flight)

    def _note_how_far(self) -> None:
        if self.tally.at_halt is None:
            self.tally.at_halt = self.tally.ended, self.running

    def under_way(self, number: int) -> tuple[Batch, int] | None:
        """A batch that has not ended and how many of its tasks it keeps; from any thread."""
        flight = self._flights.get(number)
        return None if flight is None else (flight.batch, flight.kept)

    @property
    def running(self) -> int:
        """How many workers have something to do; a batch that gave back all it had is nothing."""
        lane = self._lanes.lane
        return len({lane(number) for number, flight in self._flights.items() if flight.kept})

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
        if self._bound is not None:  # only to account for them
            return _WINDOW
        free = self._room()
        ready = self._waiting.ready
        if free < 1 or (ready >= free and self._pace.fitting == 1):
            return 0
        size = self._size()
        wanted = min(size, free * size - ready)
        if wanted > 0 and self.terms.window is not None:
            most = self._window() - self.tally.drawn + self.tally.taken
            wanted = 0 if most < size and self._flights else min(wanted, most)
        return max(0, wanted)

    @property
    def wake(self) -> float | None:
        """When to ask for `orders` again though nothing happened."""
        rate = None
        if self._rate is not None and self._waiting.ready and self._room() > 0:
            rate = self._rate.next
        first = self._alarms.next
        for at in (self._deadline, self._settled_by, self._abandon_by, self._waiting.next, rate):
            if at is not None and (first is None or at < first):
                first = at
        return first

    def orders(self, now: float) -> list[Order]:
        """What to do now, in this order."""
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self.cut(now, self._overtime, _GRACE)
        if self._settled_by is not None and now >= self._settled_by:
            self._begin_stop(now, -1)
        for number in self._alarms.ring(now):
            self._check(self._flights[number], now)
        if self._abandon_by is not None and now >= self._abandon_by:
            self._abandon_by = None
            self._questions.extend(Abandon(number, -1) for number in self._flights)
        self._waiting.ripen(now)
        orders: list[Order] = []
        if self._questions:
            orders += [one for one in self._questions if one.number in self._flights]
            self._questions.clear()
            if any(type(one) is Abandon for one in orders):
                return orders  # what comes of these may end the run
        while self._waiting.ready and self._room() > 0 and self._in_time(now):
            orders.append(self._launch(now))
        return orders

    # ---- batches ----------------------------------------------------------------------------

    def _room(self) -> int:
        """How many batches may start now."""
        # Where starts are timed, none may wait behind another.
        return self._lanes.room(quick=self._pace.quick and self._rate is None)

    def _in_time(self, now: float) -> bool:
        """Whether a task may start now by max_per_second."""
        return self._rate is None or self._rate.due(now)

    def _size(self) -> int:
        """How many tasks the next batch takes."""
        if self._pace.fitting == 1:
            return 1
        terms = self.terms
        length = terms.length
        left = None if length is None else length - self.tally.drawn + self._waiting.ready
        size = self._pace.size(left, terms.workers)
        if terms.window is not None and terms.chunksize is None and size > 1:
            most = terms.workers + (terms.window or _WINDOW)
            size = max(1, min(size, most // (2 * terms.workers)))
        return size

    def _window(self) -> int:
        """How many tasks may be drawn beyond those that were read."""
        terms = self.terms
        chosen = min(max(terms.workers, 4 * terms.workers * self._size()), _WINDOW)
        return terms.workers + (terms.window or chosen)

    def _launch(self, now: float) -> Start:
        indices, items, alone = self._waiting.take(self._size())
        if self._rate is not None:
            self._rate.take(now)
        self._numbers = number = self._numbers + 1
        attempt = self._attempts.next(indices[0]) if alone and self._attempts else 1
        batch = Batch(number, indices, items, alone, self._pace.hint, attempt)
        flight = self._flights[number] = _Flight(batch, now)
        start = Start(batch, self._lanes.enter(number))
        self._watch(flight, now)
        return start

    def _watch(self, flight: _Flight, now: float) -> None:
        """Set the moment to look at a batch that has just started."""
        terms = self.terms
        at = None if self._first_due is None else now + self._first_due
        number = flight.batch.number
        others_wait = terms.shared
        if terms.shared and self._pace.slow:  # as expected: nobody waits for it, nor looks at it
            self._lanes.slow(number)
            others_wait = False
        if self._may_recall(flight) or self._lanes.waits(number) or others_wait:
            patience = now + max(4 * terms.grain * terms.ahead, _PATIENCE)
            at = patience if at is None else min(at, patience)
        if at is not None:
            self._alarm(flight, at)

    def _put_back(self, batch: Batch, start: int, stop: int, alone: bool) -> None:
        """Let the tasks from *start* to *stop* of a batch, which never started, start again."""
        if start >= stop:
            return
        piece = Piece(batch.indices[start:stop], batch.items[start:stop], alone)
        if self._bound is not None:
            self._forgo(piece.beyond(self._bound))
            piece = piece.upto(self._bound)
        self._waiting.put_back(piece)

    def _forgo(self, piece: Piece) -> None:
        """These tasks will never start; in a run that was cut, that is what came of them."""
        if self._why is None:
            return
        for index, item in zip(piece.indices, piece.items, strict=True):
            earlier = self._attempts.earlier(index)
            self.tally.ended += 1
            self.tally.failed += 1
            self.lost += 1
            self.never_started += not earlier
            error, at = self._why(), self._cut_at
            self.settled.append(
                Failed(index, item, error, at, 0.0, "", None, False, len(earlier), earlier)
            )

    # ---- time -------------------------------------------------------------------------------

    def _alarm(self, flight: _Flight, at: float) -> None:
        self._alarms.set(flight.batch.number, at)

    def _heed(self, flight: _Flight, position: int, since: float | None, now: float) -> float:
        """Warn of a running task that takes long, once; when to look at its batch again."""
        after = self.terms.warn_after
        if after is None:
            return inf
        if since is None:
            return now + after
        if flight.warned != position and position < flight.kept:
            if now < since + after:
                return since + after
            flight.warned = position
            batch, behind = flight.batch, flight.kept - position - 1
            index, item = batch.indices[position], batch.items[position]
            self._questions.append(
                Warn(batch.number, position, index, item, batch.attempt, since, behind)
            )
        # The next one has not started, so it can't take long before that.
        return now + after if position + 1 < flight.kept else inf

    def _check(self, flight: _Flight, now: float) -> None:
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
        if self._first_due is not None:
            self._questions.append(Look(number))

    # ---- failures and the end ---------------------------------------------------------------

    def _failed(
        self, flight: _Flight, position: int, error: BaseException, report: Report, now: float
    ) -> None:
        """A task of a batch raised; what it was told to raise is not its own."""
        if flight.stopping and isinstance(error, TaskCancelledError):
            how = report.how if report.lost is None and report.how else "cancelled"
            self._fail(flight.batch, position, self._reason(), report, now, how, False)
        else:
            self._fail(flight.batch, position, error, report, now)

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
        """An attempt failed: try again, or settle it."""
        index, item = batch.indices[position], batch.items[position]
        if own and (self._bound is None or index <= self._bound):
            wait, error = self._attempts.verdict(index, error)
            if wait is not None:
                self.tally.ended -= 1
                self.tally.retried += 1
                self._waiting.put_off(index, item, now + wait)
                if self.terms.observed:
                    since, took = span(report, position, now)
                    attempt = self._attempts.number(index, returned=False) - 1
                    self.settled.append(
                        Retried(index, item, error, since, took, report.worker, how, attempt, wait)
                    )
                return
        since, took = span(report, position, now)
        earlier = self._attempts.earlier(index)
        attempts = len(earlier) + 1
        self.tally.failed += 1
        self.lost += not own
        self.settled.append(
            Failed(index, item, error, since, took, report.worker, how, own, attempts, earlier)
        )
        if self.terms.fail_fast and own:
            self._begin_stop(now, index)

    def why_cut(self) -> BaseException | None:
        """The error of the run itself, if it was cut."""
        return None if self._why is None else self._why()

    def _overtime(self) -> BaseException:
        return RunTimeoutError(
            f"the run lasted longer than its total_timeout of {self.terms.total_timeout:g} s"
        )

    def _reason(self) -> BaseException:
        """Why a task was stopped that had done nothing wrong."""
        return self._why() if self._why else TaskCancelledError("stopped because the run ended")

    def _why_lost(
        self, flight: _Flight, position: int, lost: BaseException, how: Stopped | None
    ) -> tuple[BaseException, bool]:
        """The error of a task that was lost, and whether it is the task's own."""
        timeout = self.terms.timeout
        if how is None:  # nobody stopped it
            return lost, True
        if flight.stopping:
            return _because(lost, self._reason()), False
        if flight.overdue == position and timeout is not None:
            late = TaskTimeoutError(f"the task ran longer than its timeout of {timeout:g} s")
            return _because(lost, late), True
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
        for piece in self._waiting.cut(bound):
            self._forgo(piece)
        for flight in self._flights.values():
            if flight.batch.indices[0] > bound:
                self._stop_flight(flight)
            else:
                self._recall(flight)
        if bound < 0:
            self._settled_by = None
        elif self._settled_by is None:
            self._settled_by = now + max(_SETTLE, _SETTLE_GRAINS * self.terms.grain)

    def _stop_flight(self, flight: _Flight) -> None:
        if flight.stopping:
            return
        flight.stopping = True
        self._recall(flight)
        self._questions.append(Stop(flight.batch.number, -1))

    def _recall(self, flight: _Flight) -> None:
        if not flight.recalled:
            flight.recalled = True
            self._questions.append(Recall(flight.batch.number, unbegun=False))


def _because(lost: BaseException, error: BaseException) -> BaseException:
    """*error*, caused by what the task raised as it was stopped, if it did."""
    if lost.__cause__ is not None:
        error.__cause__ = lost.__cause__
    return error
