"""A batch on its way to a cluster and back, as its caller sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Sequence
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

from ..._batch import Batch, Job, Report, clock
from ..._daemons import DAEMON
from ..._task import name_of
from ...exceptions import ConcurkitError, TaskCancelledError, WorkerCrashedError
from .._flight import Claim, Ended, GaveBack, Poll, Sight, Still, Tell, Unfit
from .._pickling._pickle import LARGE, dumps_items
from .._pickling._refusals import unsendable
from .._pickling._settings import setting_of
from .._pool import Crew
from .._relay import replay
from ..process import _parcel
from . import _cargo, _wire
from ._cargo import Cargo
from ._wire import AT, KEPT, LOG, STACK, STILL, Note, Order

if TYPE_CHECKING:
    from ._seat import ClusterSeat

# Batches of so many tasks at most are looked through for large bytes objects.
_LOOKED_THROUGH = 32

# A node that does not answer for so long, in seconds, when a batch is to end, is left alone.
_PATIENCE = 2.0


class ClusterFlight:
    """A batch on a cluster."""

    def __init__(
        self,
        batch: Batch,
        job: Job,
        tell: Tell,
        claim: Claim | None,
        crew: Crew,
        put: Callable[[Any], Any],
    ) -> None:
        self.batch = batch
        self.job = job
        self.seat: ClusterSeat | None = None
        self.attempt = 0
        self.number = 0  # among the flights of its seat; 0 until it is on its way
        self.over = False
        self.cargo = Cargo()
        self._tell = tell
        self._claim = claim
        self._crew = crew
        self._put = put
        self._items = b""
        self._aside: list[PickleBuffer] = []
        self._kept = len(batch.items)
        self._position = 0
        self._since: float | None = None
        self._window = 1
        self._worker = ""
        self._sent = 0.0
        self._stopping = False  # whether it was given up
        self._overdue = -1  # the task that it was given up for
        self._ending = threading.Lock()
        self._stacks: list[str] = []  # the answers to what was asked

    # ---- the way there ------------------------------------------------------------------------

    def encode(self, *, alone: bool = True) -> bool:
        """Turn the items into bytes; False if that failed and was reported.

        Unless *alone*, `load` must follow.
        """
        try:
            setting_of(self.job)
            items = self.batch.items
            if len(items) <= _LOOKED_THROUGH:
                items = _parcel.wrap_items(items, self.job)
            self._items = dumps_items(items, self._aside)
            if alone:
                load([self])
        except BaseException as error:
            self._refuse(unsendable(self.batch.items[0], self.job, error, "machine"))
            return False
        return True

    @property
    def contents(self) -> tuple[Sequence[Any], Job, list[PickleBuffer]]:
        """What was pickled, and the buffers that were left out."""
        return self.batch.items, self.job, self._aside

    def load(self, repeated: Container[int]) -> None:
        """Have large buffers put into the engine; see `_cargo.loaded`."""
        kept, buffers = self.job.kept, self._aside
        self._aside = []
        setting = setting_of(self.job)[1]
        large = len(setting) >= LARGE
        if buffers or large:
            known = kept.setdefault("sent", {})
            place = _cargo.setting_put(setting, kept, self._put) if large else None
            self.cargo = _cargo.loaded(
                place, buffers, self.batch.indices, known, repeated, self._put
            )

    def is_wanted(self) -> bool:
        """Whether it is to run; a future may have been cancelled while it waited."""
        return self._claim is None or self._claim()

    def order(self, seat: str, number: int, node: str) -> Order | None:
        """What goes to the node, now; None if it was taken back before."""
        with self._ending:
            if self.over:
                return None
            self.number = number
        job, batch = self.job, self.batch
        exact = job.exact or batch.alone
        flags = _wire.SINGLE * job.single | _wire.TIMED * job.timed | _wire.FAST * job.fast
        flags |= _wire.EXACT * exact | _wire.TASKS * (job.fn is None)
        token, setting = setting_of(job)
        items, self._items = self._items, b""
        self._sent = clock()
        return Order(
            seat=seat,
            number=number,
            node=node,
            token=token,
            setting=None if "put" in job.kept else setting,
            flags=flags,
            hint=batch.hint,
            attempt=batch.attempt,
            indices=batch.indices,
            names=self._names(),
            lots=self.cargo.lots,
            items=items,
        )

    def _names(self) -> list[str]:
        fn = self.job.fn
        if fn is not None:
            return [name_of(fn)]
        return [item.name or name_of(item.fn) for item in self.batch.items]

    def _refuse(self, error: BaseException) -> None:
        """The batch can't be sent: one task has failed, several are tried one by one."""
        if len(self.batch.items) == 1:
            now = clock()
            ends = [now] if self.job.timed else []
            self._finish(Report(values=[None], failures=[(0, error)], since=now, ends=ends))
        else:
            self._finish(Report(unsure=len(self.batch.items), lost=error))

    # ---- the way back, in the seat's thread -----------------------------------------------------

    @property
    def sent(self) -> float:
        """When it was sent."""
        return self._sent

    def noted(self, note: Note) -> None:
        """Take in what the node says while the batch is under way."""
        number = self.batch.number
        if note.kind == AT:
            self._position, self._since = note.first, clock() - note.second
            self._window = int.from_bytes(note.data, "little") or 1
            self._worker = note.worker
        elif note.kind == KEPT:
            self._kept = note.first
            if note.first:
                self._tell(GaveBack(number, note.first))
            else:
                self._finish(Report())
        elif note.kind == STILL:
            self._tell(Still(number))
        elif note.kind == STACK:
            self._stacks.append(note.data.decode(errors="replace"))
        elif note.kind == LOG:
            index = note.first if note.first >= 0 else None
            replay(note.data, note.worker, index, self.job.context)

    def landed(self, outcome: Report | ConcurkitError) -> None:
        """The batch is over."""
        if isinstance(outcome, Report):
            self._finish(outcome)
        else:
            self.refuse(outcome)

    def refuse(self, error: ConcurkitError) -> None:
        """No worker can be made ready."""
        if self._end():
            self._tell(Unfit(self.batch.number, error))

    def lost(self, why: str) -> None:
        """The node is gone, and with it all that is known of the batch: none of it runs twice."""
        count = self._kept
        if not self._stopping:
            crash = WorkerCrashedError(
                f"{why}; with it went the batch that it was running, of {count} "
                f"task{'s' * (count != 1)}. Nothing of it is run again, unless by retry=."
            )
            self._finish(self._all_failed(crash, count))
            return
        error = TaskCancelledError("the task was abandoned: its node did not answer")
        if self._overdue == count - 1:  # what ran before it has ended, and nobody knows how
            report = self._all_failed(WorkerCrashedError(f"{why}, and what it did"), count - 1)
            report.lost = error
        else:
            report = self._all_failed(error, count)
        report.how = "abandoned"
        self._finish(report)

    def _all_failed(self, error: BaseException, count: int) -> Report:
        """That nothing is known of the first *count* tasks but this error."""
        since, now = self._sent if self._since is None else self._since, clock()
        return Report(
            values=[None] * count,
            failures=[(position, error) for position in range(count)],
            since=since,
            busy=now - since,
            ends=[now] * count,
            worker=self.worker,
            gone=True,
        )

    def put_back(self, error: BaseException | None = None) -> None:
        """It never started; with an *error*, there is no use in another try."""
        if error is None:
            self._finish(Report())
        else:
            self._finish(Report(lost=error, since=clock()))

    def drop(self) -> None:
        """Cancel a flight that never got a seat."""
        self._finish(Report())

    def _finish(self, report: Report) -> None:
        if self._end():
            self._tell(Ended(self.batch.number, report))

    def _end(self) -> bool:
        with self._ending:
            over, self.over = self.over, True
            return not over

    # ---- what whoever launched it may ask -------------------------------------------------------

    def look(self) -> tuple[int, float | None]:
        return self._position, self._since

    def sight(self) -> Sight:
        return Sight(self.worker, self._position, self._since, self._window)

    @property
    def worker(self) -> str:
        """The process that has it, as in its report; its seat until that is known."""
        return self._worker or (self.seat.name if self.seat is not None else "")

    def stack(self) -> Poll | None:
        """Ask the node, which asks the process."""
        before, stacks = len(self._stacks), self._stacks
        self._ask(_wire.ASK)
        return lambda: stacks[-1] if len(stacks) > before else None

    def recall(self, unbegun: bool) -> None:
        if self._taken_back():
            self._tell(Ended(self.batch.number, Report()))
        else:
            self._ask(_wire.RECALL_UNBEGUN if unbegun else _wire.RECALL)

    def stop(self, position: int) -> None:
        if self._taken_back():
            self._tell(Ended(self.batch.number, Report()))
        else:
            self._ask(_wire.STOP, position)

    def abandon(self, position: int) -> Report | None:
        if self._taken_back():
            return Report()
        if not self.over:
            self._overdue = position
            self._ask(_wire.ABANDON, position)
            timer = threading.Timer(_PATIENCE, self._leave)
            timer.daemon = DAEMON
            timer.start()
        return None

    def _taken_back(self) -> bool:
        """Take it back if it is not on its way yet; whether that was so."""
        if self._crew.withdraw(self):
            return self._end()
        with self._ending:
            taken = not self.number and not self.over
            self.over = self.over or taken
            return taken

    def _ask(self, what: int, position: int = -1) -> None:
        if self.seat is not None:
            self.seat.ask(self.number, what, position)

    def _leave(self) -> None:
        """The node has not answered: nobody may wait for it."""
        if not self.over and self.seat is not None:
            self._stopping = True
            self.seat.leave()


def load(flights: Sequence[ClusterFlight]) -> list[ClusterFlight]:
    """Have what was left out of these put into the engine, once where it is in several.

    Returns those for which that went well; the others have failed.
    """
    repeated = _parcel.repeated(flight.contents for flight in flights)
    ready = []
    for flight in flights:
        try:
            flight.load(repeated)
        except Exception as error:  # the engine's own: it is full, or out of reach
            flight.put_back(error)
        else:
            ready.append(flight)
    return ready
