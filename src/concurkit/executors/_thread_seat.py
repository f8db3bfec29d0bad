"""One thread as a seat, in a standard pool of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as _stdlib
from queue import SimpleQueue
from typing import Any

from .._batch import OVERDUE, STOPPING, Batch, Job, Progress, Report, clock, run
from .._belongings import Belongings
from .._daemons import DAEMON
from .._setup import NOTHING, Setup
from .._worker_loop import loop_for
from ..exceptions import InitializerError, TaskCancelledError
from ._flight import Claim, Ended, GaveBack, Poll, Sight, Still, Tell, Unfit
from ._frames import thread_stack
from ._pool import WAITS_FOR_ITSELF, Crew


class ThreadFlight:
    """A batch on a thread."""

    __slots__ = (
        "_claim",
        "_crew",
        "_tell",
        "attempt",
        "batch",
        "dropped",
        "fault",
        "job",
        "progress",
        "seat",
    )

    def __init__(self, batch: Batch, job: Job, tell: Tell, claim: Claim | None, crew: Crew) -> None:
        self.batch = batch
        self.job = job
        self.progress = Progress(batch.items, batch.indices[0], batch.attempt)
        self.seat: ThreadSeat | None = None
        self.attempt = 0
        self.dropped = False
        self.fault: BaseException | None = None
        self._tell = tell
        self._claim = claim
        self._crew = crew

    def encode(self) -> bool:
        """Make ready to be sent; threads share all they need."""
        return True

    def run(self) -> None:
        """In the seat's thread: run the batch."""
        if self._claim is not None and not self._claim():
            self.dropped = True
            return
        assert self.seat is not None
        self.progress.belongings = self.seat.belongings
        self.progress.worker = self._worker
        if self.job.timed:
            loop_for(self.job.fn, self.batch.items)
        run(self.job, self.progress)

    def done(self) -> None:
        """In the seat's thread: say what came of it."""
        if self.fault is not None:
            report = self._report(len(self.progress.values))
            report.lost = self.fault
            self._tell(Ended(self.batch.number, report))
        elif not self.dropped:
            self._tell(Ended(self.batch.number, self._report(len(self.progress.values))))

    def refuse(self, error: InitializerError) -> None:
        """The worker could not be set up."""
        self._tell(Unfit(self.batch.number, error))

    def look(self) -> tuple[int, float | None]:
        return self.progress.look()

    def sight(self) -> Sight:
        return Sight(self._worker, *self.progress.look())

    def stack(self) -> Poll | None:
        return self.doing

    def doing(self) -> str | None:
        """What the running task does; None while there is none."""
        return None if self.seat is None else self.seat.stack()

    def recall(self, unbegun: bool) -> None:
        if unbegun and self.progress.begun:
            return
        if self._crew.withdraw(self):
            self._tell(Ended(self.batch.number, Report()))
            return
        self._tell(GaveBack(self.batch.number, self.progress.todo.take_back()))

    def stop(self, position: int) -> None:
        """Tell the task; a thread can't be stopped, so whoever must go on abandons it."""
        self.progress.told = STOPPING

    def abandon(self, position: int) -> Report | None:
        if self._crew.withdraw(self):
            return Report()
        kept = self.progress.todo.take_back()  # first, so that no other task can start now
        running = len(self.progress.values)
        if running >= kept:
            if self.seat is None or self.seat.ready:  # it has just ended by itself
                return None
            self.seat.give_up()  # its initializer may never end
            return Report()
        if position not in (-1, running):  # and an innocent one has started
            self._tell(GaveBack(self.batch.number, kept))
            self._tell(Still(self.batch.number))
            return None
        seat = self.seat
        assert seat is not None
        self.progress.told = self.progress.told or (STOPPING if position < 0 else OVERDUE)
        seat.give_up()
        report = self._report(running)
        report.lost = TaskCancelledError("the task was abandoned")
        report.how = "abandoned"
        return report

    def drop(self) -> None:
        """Cancel a flight that never got a seat."""
        self._tell(Ended(self.batch.number, Report()))

    def _report(self, ended: int) -> Report:
        progress = self.progress
        since = progress.since
        return Report(  # of copies: an abandoned thread goes on with its lists
            values=progress.values[:ended],
            failures=[failure for failure in progress.failures if failure[0] < ended],
            since=since,
            busy=clock() - since,
            ends=progress.ends[:ended],
            worker=self._worker,
        )

    @property
    def _worker(self) -> str:
        return self.job.label or (self.seat.name if self.seat is not None else "")


class ThreadSeat:
    """One thread, in a standard pool of its own, that runs flights as they come."""

    def __init__(self, crew: Crew, setup: Setup) -> None:
        crew.numbers += 1
        self.name = f"thread worker {crew.numbers}"
        self.load = 0
        self.attempt = 0
        self.belongings = Belongings()
        self._crew = crew
        self._setup = setup
        self._inbox: SimpleQueue[ThreadFlight | None] = SimpleQueue()
        self._abandoned = False
        self._left = threading.Event()  # nobody need wait for it any more
        self.started = False
        self.ready = False
        self._name = f"concurkit-{crew.numbers}"
        self._host: ThreadPoolExecutor | None = None
        self._thread: threading.Thread | None = None
        self.give = self._inbox.put

    def start(self) -> None:
        self._host = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        self._host.submit(self._serve)
        self._host.shutdown(wait=False)
        self.started = True

    def close(self) -> None:
        self._inbox.put(None)

    def join(self) -> None:
        if self._host is None:
            return
        if self._thread is threading.current_thread():
            raise RuntimeError(WAITS_FOR_ITSELF)
        self._left.wait()
        if not self._abandoned:
            self._host.shutdown(wait=True)

    def give_up(self) -> None:
        """Leave the thread to itself: its seat is free for another."""
        self._abandoned = True
        self._left.set()
        self._inbox.put(None)
        # The standard pool's exit hook would wait for this thread.
        getattr(_stdlib, "_threads_queues", {}).pop(self._thread, None)
        self._crew.lost(self)
        self._crew.forget(self)

    def stack(self) -> str | None:
        """What the thread does."""
        ident = None if self._thread is None else self._thread.ident
        return None if ident is None else thread_stack(ident)

    def _serve(self) -> None:
        self._thread = threading.current_thread()
        try:
            error = self._setup.run(self.name, self.belongings)
            if error is not None:
                self._give_way(error)
                return
            self.ready = True
            while True:
                flight = self._inbox.get()
                if flight is None:
                    return
                try:
                    flight.run()
                except BaseException as error:  # a fault of ours: nobody may wait in vain
                    flight.fault = error
                self._crew.freed(self)
                flight.done()
                del flight  # an idle seat keeps nobody's values alive
        finally:
            try:
                self.belongings.end()
            finally:
                self._left.set()

    def _give_way(self, error: InitializerError) -> None:
        """This thread could not be set up: have nothing more given to it, and end."""
        self._crew.unfit(self, error)
        flight = self._inbox.get()  # a seat is opened for a flight, which may still be on its way
        if flight is not None:
            flight.refuse(error)


def open_threads(crew: Crew, count: int, setup: Setup = NOTHING) -> Sequence[Any]:
    """Open *count* seats, each for a thread of its own."""
    return [ThreadSeat(crew, setup) for _ in range(count)]


def start_threads(seats: Sequence[ThreadSeat]) -> None:
    """Start the threads of *seats*, which never keep the interpreter from ending.

    A thread is a daemon if the thread that starts it is one: hence the starter.

    Raises:
        RuntimeError: when the system gives no more threads.
    """
    trouble: list[BaseException] = []

    def start() -> None:
        try:
            for seat in seats:
                seat.start()
        except BaseException as error:
            trouble.append(error)

    starter = threading.Thread(target=start, name="concurkit-starter", daemon=DAEMON)
    starter.start()
    starter.join()
    if trouble:
        raise trouble.pop()
