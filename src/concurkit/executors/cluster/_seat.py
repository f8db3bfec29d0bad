"""One task at a time on a cluster: a thread of ours that sends batches to one worker of it."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from ..._daemons import DAEMON
from ...exceptions import ConcurkitError, WorkerCrashedError
from .._pool import Crew
from ._engine import Engine, Line
from ._flight import ClusterFlight
from ._reports import opened
from ._wire import CrowdedError, LostError, MissingError, NeverBegunError, Note, Order


class ClusterSeat:
    """A place for one batch at a time."""

    def __init__(self, crew: Crew, engine: Engine, token: str) -> None:
        crew.numbers += 1
        self.name = f"{engine.name} worker {crew.numbers}"
        self.load = 0
        self.attempt = 0
        self._key = f"{token}-{crew.numbers}"
        self._crew = crew
        self._engine = engine
        self._inbox: SimpleQueue[ClusterFlight | None] = SimpleQueue()
        self._line: Line | None = None
        self._left = False
        self._sent = 0
        self._thread = threading.Thread(
            target=self._live, name=f"concurkit {self.name}", daemon=DAEMON
        )
        engine.enter()
        try:
            self._thread.start()
        except BaseException:  # there can be no more threads
            engine.leave()
            raise
        self.give = self._inbox.put

    def close(self) -> None:
        self._inbox.put(None)

    def join(self) -> None:
        self._thread.join()

    def ask(self, number: int, what: int, position: int) -> None:
        """Ask something of the batch that has this number here."""
        line = self._line
        if line is not None and number:
            line.tell(self._key, number, what, position)

    def leave(self) -> None:
        """Wait for this seat's worker no more."""
        self._left = True
        self._crew.lost(self)
        line = self._line
        if line is not None:
            line.cut()

    # ---- in the seat's thread -------------------------------------------------------------------

    def _live(self) -> None:
        flight: ClusterFlight | None = None
        try:
            while True:
                flight = self._inbox.get()
                if flight is None or not self._take(flight):
                    return
                flight = None
        except BaseException as error:  # a fault of ours: nobody may wait in vain
            self._crew.lost(self)
            if flight is not None:
                flight.put_back(error)
        finally:
            self._end()

    def _end(self) -> None:
        try:
            if self._line is not None:
                self._line.close()
        finally:
            self._crew.forget(self)
            self._engine.leave()

    def _take(self, flight: ClusterFlight) -> bool:
        """Have a batch run; whether this seat can take another."""
        if not flight.is_wanted():
            self._crew.freed(self)
            return True
        try:
            line = self._fit_line()
        except CrowdedError:  # the batch goes on, when a seat is free that has a worker
            self._crew.lost(self)
            flight.put_back()
            return False
        except LostError as error:
            self._give_way(flight, str(error))
            return False
        except ConcurkitError as error:
            self._refuse(flight, error)
            return False
        order = flight.order(self._key, self._sent + 1, line.node)
        if order is None:
            self._crew.freed(self)
            return True
        self._sent += 1
        try:
            return self._carry(line, order, flight)
        except NeverBegunError:
            self._crew.lost(self)
            flight.put_back()
            return False
        except MissingError as error:
            return self._reload(flight, str(error))
        except LostError as error:
            self._crew.count_stillborn(stillborn=False)
            self._crew.lost(self)
            flight.lost(f"{self.name} ({line.where}) is lost: {error}")
            return False

    def _fit_line(self) -> Line:
        """The way to a worker that is there, and has no more to do than others."""
        line = self._line
        if line is not None and (line.is_gone() or line.is_crowded()):
            self._line = None
            line.close()
        line = self._line = self._line or self._engine.new_line(lambda: not self._left)
        return line

    def _carry(self, line: Line, order: Order, flight: ClusterFlight) -> bool:
        """Follow a batch to its end; whether this seat can take another."""
        for said in line.carry(order, flight.cargo.references):
            if isinstance(said, Note):
                flight.noted(said)
                if not flight.over:
                    continue
                self._crew.freed(self)  # all of it was given back
                return True
            outcome = opened(said, flight.sent)
            self._crew.count_stillborn(stillborn=False)
            if isinstance(outcome, ConcurkitError):
                self._crew.unfit(self, outcome)
            else:
                self._crew.freed(self)
            flight.landed(outcome)
            return not isinstance(outcome, ConcurkitError)
        raise LostError("it gave no answer")

    def _reload(self, flight: ClusterFlight, why: str) -> bool:
        """What the batch needs is to be put into the engine again, and the batch sent again."""
        failing = flight.cargo.spoil() and self._crew.count_stillborn(stillborn=True)
        self._crew.freed(self)
        flight.put_back(
            WorkerCrashedError(f"{self._engine.name} loses what is put into it: {why}")
            if failing
            else None
        )
        return True

    def _refuse(self, flight: ClusterFlight, error: ConcurkitError) -> None:
        """No worker can be used: of a cluster that has worked, what had ended is kept."""
        if not self._engine.worked:
            self._crew.unfit(self, error)
            flight.refuse(error)
            return
        self._crew.lost(self)
        lost = WorkerCrashedError(f"no worker of {self._engine.name} takes a task: {error}")
        lost.__cause__ = error
        flight.put_back(lost)

    def _give_way(self, flight: ClusterFlight, why: str) -> None:
        """There is no worker for this seat: another seat may find one."""
        failing = self._crew.count_stillborn(stillborn=True)
        self._crew.lost(self)
        flight.put_back(
            WorkerCrashedError(f"no worker of {self._engine.name} takes a task: {why}")
            if failing
            else None
        )
