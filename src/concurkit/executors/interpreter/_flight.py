"""A batch on its way to a sub-interpreter and back, as its parent sees it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..._batch import Batch, Job, Report, clock
from ...exceptions import InitializerError, TaskCancelledError
from .._flight import Claim, Ended, GaveBack, Poll, Sight, Still, Tell, Unfit
from .._pickling._pickle import dumps_items, unpack_error
from .._pickling._records import open_record, position_of
from .._pickling._refusals import unreadable_result, unsendable
from .._pickling._settings import remember, setting_of
from .._pool import Crew
from ._wire import EXACT, FAST, SINGLE, TASKS, TIMED, Order

if TYPE_CHECKING:
    from ._seat import InterpreterSeat

# Why a running task should end, as the worker reads it.
_STOPPING, _OVERDUE = 1, 2


class InterpreterFlight:
    """A batch on an interpreter; collects its results as they come in."""

    def __init__(self, batch: Batch, job: Job, tell: Tell, claim: Claim | None, crew: Crew) -> None:
        self.number = 0  # among the flights of its seat
        self.batch = batch
        self.job = job
        self.seat: InterpreterSeat | None = None
        self.attempt = 0
        self.over = False
        self.withheld = False  # it was called back before its seat sent it
        self._tell = tell
        self._claim = claim
        self._crew = crew
        self._items = b""
        self._values: list[Any] = []
        self._failures: list[tuple[int, BaseException]] = []
        self._ends: list[float] = []
        self._taking_in = threading.Lock()  # so that what is abandoned changes no more

    # ---- the way there ------------------------------------------------------------------------

    def encode(self) -> bool:
        """Turn the items into bytes; False if that failed and was reported."""
        try:
            setting_of(self.job)
            self._items = dumps_items(self.batch.items)
        except BaseException as error:
            self._refuse(unsendable(self.batch.items[0], self.job, error, "interpreter"))
            return False
        return True

    def order(self, number: int, known: dict[int, Any]) -> Order | None:
        """What goes to the worker that knows these settings; None if the task was cancelled."""
        if self._claim is not None and not self._claim():
            return None
        self.number = number
        job = self.job
        token, setting = setting_of(job)
        if token in known:
            setting = b""
        else:
            remember(known, token, True)
        exact = job.exact or self.batch.alone
        flags = TIMED * job.timed | EXACT * exact | TASKS * (job.fn is None) | SINGLE * job.single
        flags |= FAST * job.fast
        items, self._items = self._items, b""
        batch = self.batch
        first, attempt = batch.indices[0], batch.attempt
        return number, token, setting, flags, job.share, batch.hint, first, attempt, items

    def _refuse(self, error: BaseException) -> None:
        """The batch can't be sent: one task has failed, several are tried one by one."""
        if len(self.batch.items) == 1:
            now = clock()
            ends = [now] if self.job.timed else []
            self.finish(Report(values=[None], failures=[(0, error)], since=now, ends=ends))
        else:
            self.finish(Report(unsure=len(self.batch.items), lost=error))

    # ---- the way back -------------------------------------------------------------------------

    def absorb(self, record: bytes) -> None:
        """Take in one record of results."""
        with self._taking_in:
            if self.over:
                return
            position = len(self._values)
            assert position == position_of(record)
            try:
                values, wire, ends = open_record(record)
            except BaseException as error:
                values, wire, ends = [None], None, [clock()] if self.job.timed else []
                self._failures.append((position, unreadable_result(error, "interpreter")))
            if wire is not None:
                self._failures.append((position, unpack_error(wire)))
            self._ends.extend(ends)
            self._values.extend(values)

    def index_at(self, position: int) -> int | None:
        """The index of the task at *position*, if there is one."""
        indices = self.batch.indices
        return indices[position] if position < len(indices) else None

    def unread(self, error: BaseException) -> None:
        """The worker could not rebuild the batch; nothing of it ran."""
        self._refuse(error)

    def landed(self, since: float, busy: float) -> None:
        """The batch is over."""
        self.finish(self._report(since, busy))

    def refuse(self, error: InitializerError) -> None:
        """The worker could not be set up."""
        if self._end():
            self._tell(Unfit(self.batch.number, error))

    def finish(self, report: Report) -> None:
        if self._end():
            self._tell(Ended(self.batch.number, report))

    def drop(self) -> None:
        """Cancel a flight that never got a seat."""
        self.finish(Report())

    def _end(self) -> bool:
        """Say that the batch is over; whether it was not yet."""
        with self._taking_in:
            over, self.over = self.over, True
            return not over

    def _report(self, since: float, busy: float) -> Report:
        return Report(
            values=self._values,
            failures=self._failures,
            since=since,
            busy=busy,
            ends=self._ends,
            worker=self.seat.name if self.seat is not None else "",
        )

    # ---- what whoever launched it may ask -------------------------------------------------------

    def look(self) -> tuple[int, float | None]:
        if self.seat is None or not self.number:
            return 0, None
        return self.seat.ledger.look(self.number)

    def sight(self) -> Sight:
        seat = self.seat
        if seat is None or not self.number:
            return Sight("", 0, None)
        position, since = seat.ledger.look(self.number)
        return Sight(seat.name, position, since, max(1, seat.ledger.started - position))

    def stack(self) -> Poll | None:
        """Python lets nobody look into an interpreter that is running code."""
        return None

    def recall(self, unbegun: bool) -> None:
        if self._crew.withdraw(self):
            self.finish(Report())
        elif self.seat is not None and not self.seat.withhold(self):
            kept = self.seat.ledger.take_back(self.number, unbegun)
            if kept is not None:
                self._tell(GaveBack(self.batch.number, kept))

    def stop(self, position: int) -> None:
        """Tell the task; it can't be stopped, so whoever must go on abandons it."""
        if self.seat is not None and self.number:
            self.seat.ledger.tell(self.number, _STOPPING)

    def abandon(self, position: int) -> Report | None:
        if self._crew.withdraw(self):
            return Report()
        seat = self.seat
        if self.over or seat is None or seat.withhold(self):
            return None
        kept = seat.ledger.take_back(self.number)  # first, so that no other task can start now
        since = seat.ledger.look(self.number)[1]
        if kept is None:
            return None
        if since is None:  # what keeps it from beginning may never end
            return self._give_up(seat, Report())
        seat.take_in()
        running = len(self._values)
        if running >= kept:  # it has just ended by itself
            return None
        if position not in (-1, running):  # and an innocent one has started
            self._tell(GaveBack(self.batch.number, kept))
            self._tell(Still(self.batch.number))
            return None
        seat.ledger.tell(self.number, _STOPPING if position < 0 else _OVERDUE)
        report = self._report(seat.ledger.begun if self._ends else since, 0.0)
        report.lost = TaskCancelledError("the task was abandoned")
        report.how = "abandoned"
        return self._give_up(seat, report)

    def _give_up(self, seat: InterpreterSeat, report: Report) -> Report | None:
        """Leave the seat to itself, unless the batch is over after all."""
        if not self._end():
            return None
        seat.give_up()
        return report
