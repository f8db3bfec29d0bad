"""A batch on its way to a process and back, as its parent sees it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Container, Iterable, Sequence
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

from ..._batch import Batch, Job, Report, clock
from ..._task import name_of
from ...exceptions import (
    InitializerError,
    TaskCancelledError,
    WorkerCrashedError,
)
from .._flight import Claim, Ended, GaveBack, Poll, Sight, Still, Tell, Unfit
from .._pickling._pickle import Wire, dumps_items, unpack_error
from .._pickling._refusals import unreadable_result, unsendable
from .._pickling._settings import remember, setting_of
from .._pool import Crew
from .._relay import replay
from . import _parcel, _returns
from ._ledger import Ledger
from ._store import Hold, Store
from ._wire import BATCH, EXACT, FAST, PARCEL, SINGLE, TASKS, TIMED

if TYPE_CHECKING:
    from ._seat import ProcessSeat

# Batches of so many tasks at most are looked through for large bytes objects.
_LOOKED_THROUGH = 32

_ids = itertools.count(1)


class _Each:
    """Contains everything."""

    def __contains__(self, _: object) -> bool:
        return True


_EACH = _Each()


class ProcessFlight:
    """A batch on a process; collects its results as they come in."""

    def __init__(
        self,
        batch: Batch,
        job: Job,
        tell: Tell,
        claim: Claim | None,
        crew: Crew,
        store: Store | None,
    ) -> None:
        self.id = next(_ids)
        self.batch = batch
        self.job = job
        self.seat: ProcessSeat | None = None
        self.attempt = 0
        self.over = False
        self._tell = tell
        self._claim = claim
        self._crew = crew
        self.hold: Hold | None = None  # of the shared memory that the items lie in
        self._store = store
        self._items = b""
        self._aside: list[PickleBuffer] = []
        self._values: list[Any] = []
        self._failures: list[tuple[int, BaseException]] = []
        self._ends: list[float] = []
        self._taking_in = threading.Lock()  # results come through the pipe and from the ledger

    # ---- the way there ------------------------------------------------------------------------

    def encode(self, *, alone: bool = True) -> bool:
        """Turn the items into bytes; False if that failed and was reported.

        Unless *alone*, `place` must follow.
        """
        try:
            setting_of(self.job)
            self._pickle()
            if alone:
                place([self])
        except BaseException as error:
            self._refuse(unsendable(self.batch.items[0], self.job, error))
            return False
        return True

    @property
    def parted(self) -> bool:
        """Whether buffers were left out, for `place` to copy."""
        return bool(self._aside)

    def _pickle(self) -> None:
        items = self.batch.items
        if self._store is None:
            self._items = dumps_items(items)
            return
        # A large batch is one of small tasks.
        if len(items) <= _LOOKED_THROUGH:
            items = _parcel.wrap_items(items, self.job)
        self._items = dumps_items(items, self._aside)

    @property
    def contents(self) -> tuple[Sequence[Any], Job, list[PickleBuffer]]:
        """What was pickled, and the buffers that were left out."""
        return self.batch.items, self.job, self._aside

    def place(self, repeated: Container[int]) -> None:
        """Copy the buffers that were left out to shared memory; see `Store.place`."""
        assert self._store is not None
        if self.job.lent:
            repeated = _EACH
        buffers, self._aside = self._aside, []
        sent = self.job.kept.setdefault("sent", {})
        tasks = self.batch.indices
        try:
            self.hold = self._store.place(buffers, tasks, sent, repeated)
        except OSError:  # no memory there, or no descriptor: the pipe needs neither
            self._items = self._in_one_piece(buffers)

    def _in_one_piece(self, buffers: Sequence[PickleBuffer]) -> bytes:
        """The items with the buffers that were left out."""
        return dumps_items(self.batch.items)

    def message(self, known: dict[int, Any]) -> bytes | None:
        """What goes to the worker that knows these functions; None if the task was cancelled."""
        if self._claim is not None and not self._claim():
            return None
        job = self.job
        token, setting = setting_of(job)
        if token in known:
            setting = b""
        else:
            remember(known, token, True)
        exact = job.exact or self.batch.alone
        flags = TIMED * job.timed | EXACT * exact | TASKS * (job.fn is None) | SINGLE * job.single
        flags |= FAST * job.fast | PARCEL * (self.hold is not None)
        batch = self.batch
        first, attempt = batch.indices[0], batch.attempt
        head = BATCH.pack(
            self.id, token, len(setting), flags, job.share, batch.hint, first, attempt
        )
        items, self._items = self._items, b""
        if self.hold is not None:
            items = _parcel.seal(self.hold.places, items)
        return b"".join((head, setting, items))

    def _refuse(self, error: BaseException) -> None:
        """The batch can't be sent: one task has failed, several are tried one by one."""
        if len(self.batch.items) == 1:
            now = clock()
            ends = [now] if self.job.timed else []
            self.finish(Report(values=[None], failures=[(0, error)], since=now, ends=ends))
        else:
            self.finish(Report(unsure=len(self.batch.items), lost=error))

    # ---- the way back -------------------------------------------------------------------------

    def absorb(self, record: bytes | memoryview) -> None:
        """Take in one record of results; one that came before is passed over."""
        with self._taking_in:
            if not self.over:
                self._absorb(record)

    def _absorb(self, record: bytes | memoryview) -> None:
        position = len(self._values)
        if _returns.position_of(record) != position:
            return
        assert self.seat is not None
        try:
            values, wire, ends = self.seat.open_record(record)
        except BaseException as error:
            values, wire, ends = [None], None, [clock()] if self.job.timed else []
            self._failures.append((position, unreadable_result(error)))
        if wire is not None:
            self._failures.append((position, self._error(wire)))
        self._values.extend(values)
        self._ends.extend(ends)

    def _error(self, wire: Wire) -> BaseException:
        return unpack_error(wire)

    def heard(self, data: memoryview, worker: str, position: int) -> None:
        """A log record or a warning of the task at *position*."""
        replay(data, worker, self.index_at(position), self.job.context)

    def unread(self, error: BaseException) -> None:
        """The worker could not rebuild the batch; nothing of it ran."""
        self._refuse(error)

    def kept(self, count: int) -> None:
        """The worker keeps the first *count* tasks."""
        if count:
            self._tell(GaveBack(self.batch.number, count))
        else:
            self.finish(Report())

    def landed(self, since: float, busy: float) -> None:
        """The batch is over."""
        self.finish(self._report(since, busy))

    def refuse(self, error: InitializerError) -> None:
        """The worker could not be set up."""
        if not self.over:
            self.over = True
            self._tell(Unfit(self.batch.number, error))

    def crashed(self, ledger: Ledger, why: Callable[[float, str], WorkerCrashedError]) -> None:
        """The worker died under the batch: keep what had ended, blame it on the task that ran."""
        for record in ledger.records():
            self.absorb(record)
        _, _, since = ledger.look()
        ended = len(self._values)
        begun = ledger.begun if ended and self._ends else since
        report = self._report(begun, 0.0)
        window = ledger.window
        if window > 1 and not self.job.exact and not self.batch.alone:
            report.unsure = window
        report.lost = why(max(0.0, clock() - since), self._task_at(ended))
        report.how = "killed" if self._stopped else None
        self.finish(report)

    def index_at(self, position: int) -> int | None:
        """The index of the task at *position*, if there is one."""
        indices = self.batch.indices
        return indices[position] if position < len(indices) else None

    def _task_at(self, position: int) -> str:
        """The task at *position*, in words."""
        batch, fn = self.batch, self.job.fn
        if position >= len(batch.items):
            return "a task"
        name = (
            name_of(fn)
            if fn is not None
            else batch.items[position].name or name_of(batch.items[position].fn)
        )
        return f"task {batch.indices[position]} {name}"

    def finish(self, report: Report) -> None:
        if not self.over:
            self.over = True
            self._tell(Ended(self.batch.number, report))

    def drop(self) -> None:
        """Cancel a flight that never got a seat."""
        self.finish(Report())

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

    _stopped = False

    def look(self) -> tuple[int, float | None]:
        if self.seat is None:
            return 0, None
        flight, position, since = self.seat.look()
        if flight == self.id:
            return position, since
        # Its end may be on the way to us while the worker is at the batch behind it.
        return len(self.batch.items) if self.seat.is_past(self.id, flight) else 0, None

    def sight(self) -> Sight:
        seat = self.seat
        if seat is None:
            return Sight("", 0, None)
        position, since = self.look()
        window = 1 if since is None else max(1, seat.window)
        return Sight(seat.name, position, since, window)

    def stack(self) -> Poll | None:
        return None if self.seat is None else self.seat.inquiry.about(self.id)

    def recall(self, unbegun: bool) -> None:
        if self._crew.withdraw(self):
            self.finish(Report())
        elif self.seat is not None:
            self.seat.recall(self.id, unbegun)

    def stop(self, position: int) -> None:
        seat = self.seat
        if seat is None:
            return
        if position < 0:
            if seat.look()[0] == self.id:
                self._stopped = True
                seat.kill()
            return
        # Between the look and the kill the task may end and an innocent one start: so first keep
        # the worker from starting another, give the store a moment to be seen, and look again.
        seat.hold(True)
        time.sleep(0.001)
        if self.look()[0] == position and seat.look()[0] == self.id:
            self._stopped = True
            seat.kill()
        else:
            seat.hold(False)
            self._tell(Still(self.batch.number))

    def abandon(self, position: int) -> Report | None:
        if self._crew.withdraw(self):
            return Report()
        seat = self.seat
        if self.over or seat is None:
            return None
        running, ended, since = seat.look()
        if position >= 0 and (running != self.id or ended != position):
            if running == self.id:  # the next task runs, and has done nothing wrong
                self._tell(Still(self.batch.number))
            return None
        seat.kill()
        with self._taking_in:
            for record in seat.records():
                self._absorb(record)
            if running == self.id and len(self._values) < ended:
                return None  # what ended is still in the pipe, and with it comes a report
            self.over = True
        report = self._report(seat.begun if self._ends else since, 0.0)
        if running == self.id and len(self._values) == ended:
            report.lost = TaskCancelledError("the task's process was killed")
            report.how = "killed"  # nobody waits until it is gone, but nothing survives that signal
        return report


def place(flights: Iterable[ProcessFlight]) -> None:
    """Copy what was left out of these, once where it was left out of several."""
    parted = [flight for flight in flights if flight.parted]
    if parted:
        repeated = _parcel.repeated(flight.contents for flight in parted)
        for flight in parted:
            flight.place(repeated)
