"""Carrying a schedule out.

Nothing here decides anything: events go to the schedule, its orders go to the executor. There is
no thread that does this: whichever thread brings an event carries out what follows from it, one
at a time, so a worker that ends a batch gets its next one without waking anybody. What must
happen in the caller's own thread (reading its input, running serial tasks) is put into its inbox.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ._alarm import Alarm
from ._batch import Batch, Interrupted, Job, Report, clock
from ._ctrl_c import kept_whole, open_to_it
from ._news import Begin, Cut, Drain, Halt, News, Read, ReadFailed, Taken, Tick
from ._orders import Abandon, Look, Order, Recall, Retried, Start, Stop, Warn
from ._schedule import Schedule
from ._source import Source
from .exceptions import ConcurkitError, TaskCancelledError
from .executors._flight import Ended, Flight, GaveBack, Still, Tell, Unfit

if TYPE_CHECKING:
    from ._stats import Stats
    from ._warner import Warner
    from ._watch import Watch


class Launcher(Protocol):
    """What is asked of an executor to carry out a run."""

    def launch(
        self, batches: list[tuple[Batch, Flight | None]], job: Job, tell: Tell
    ) -> list[Flight]:
        """Start batches; say by *tell* what becomes of them."""
        ...


class Drive:
    """One run under way.

    Args:
        schedule: the rules.
        launcher: the executor.
        job: what the batches have in common.
        source: the input.
        settle: is given what each block of tasks came to, one call at a time.
        inbox: is given what must run in the caller's thread, which then runs what that returns;
            None when all is over.
        watch: tells the run's observers; None if it has none.

    Attributes:
        input_error: what reading the input raised.
        unfit: why its workers can't be made ready.
        broken: a fault of ours, or a Ctrl-C, that ended it.
    """

    def __init__(
        self,
        schedule: Schedule,
        launcher: Launcher,
        job: Job,
        source: Source,
        settle: Callable[[Any], None],
        inbox: Callable[[Callable[[], Callable[[], None] | None] | None], None],
        watch: Watch | None = None,
    ) -> None:
        self.schedule = schedule
        self.input_error: BaseException | None = None
        self.unfit: ConcurkitError | None = None
        self.broken: BaseException | None = None
        self._launcher = launcher
        self.job = job
        self._source = source
        self._settle = settle
        self._inbox = inbox
        self._watch = watch
        self._events: deque[Any] = deque()
        self._turn = threading.Lock()
        self._owner: int | None = None  # the thread whose turn it is
        self._flights: dict[int, Flight] = {}
        self._reading = False  # the caller's thread was asked to read
        self._drawing = False  # and is at it
        self._wanted = 0
        self._over = False
        self._partly = 0
        self._alarm = Alarm(lambda: self.tell(Tick()))
        self._warner: Warner | None = None  # once there is something to say

    def tell(self, event: Any) -> None:
        """Take in what happened and do what follows; from any thread, never waiting for another."""
        self._events.append(event)
        self._take_turns()

    @kept_whole
    def _take_turns(self) -> None:
        """Work off what was told, unless another thread is at it: that one will."""
        while self._events and self._turn.acquire(blocking=False):
            self._owner = threading.get_ident()
            try:
                if not self._over:
                    self._work_off()
                else:
                    self._events.clear()
            except BaseException as error:
                # A fault of ours, or a Ctrl-C that nothing keeps out, must not leave the caller
                # waiting.
                self.broken = error
                self._abandon_all()
                self._finish()
            finally:
                self._owner = None
                self._turn.release()

    @property
    def has_turn(self) -> bool:
        """Whether it is the run that called the calling code, and waits for it."""
        return self._owner == threading.get_ident()

    @kept_whole
    def stats(self, elapsed: float) -> Stats:
        """How far the run has come, *elapsed* seconds after it began; from any thread."""
        if self.has_turn:  # asked by code that the schedule called
            return self.count(elapsed)
        with self._turn:
            stats = self.count(elapsed)
        self._take_turns()  # what was told meanwhile
        return stats

    def count(self, elapsed: float) -> Stats:
        """The same, for whoever has the turn."""
        from ._stats import Stats  # few runs are asked

        schedule = self.schedule
        tally, running = schedule.tally, schedule.running
        return Stats(
            started=tally.ended + tally.retried + running - schedule.never_started,
            done=tally.ended - tally.failed,
            failed=tally.failed,
            retried=tally.retried,
            running=running,
            waiting=max(0, tally.drawn - tally.ended - running),
            rate=tally.ended / elapsed if elapsed > 0 else 0.0,
            elapsed=elapsed,
        )

    def under_way(self) -> list[tuple[Batch, int, Flight]]:
        """The batches that have not ended, how many tasks each keeps, and who has them.

        From any thread, also while it is another's turn that never ends.
        """
        flights = self._flights.copy()
        found = ((self.schedule.under_way(number), flight) for number, flight in flights.items())
        return [(*batch, flight) for batch, flight in found if batch is not None]

    @property
    def over(self) -> bool:
        """Whether nothing of the run is under way any more."""
        return self._over

    def summary(self) -> str:
        """How far the run had come when it was ended, in a line."""
        tally = self.schedule.tally
        total = max(tally.drawn, self.schedule.terms.length or 0)
        ended, running = tally.at_halt or (tally.ended, 0)
        ended += self._partly
        running = min(running, total - ended)  # one may have ended that is not reported yet
        rest = total - ended - running
        return f"interrupted: {ended} done, {running} running, {rest} not started"

    def close(self) -> None:
        """Leave nothing behind; whatever is told from now on is ignored."""
        try:
            if self._watch is not None and not self._over:  # its end never came
                with self._turn:
                    self._owner = threading.get_ident()  # an observer may ask for the stats
                    try:
                        self._over = True
                        self._watch.end(self)
                    finally:
                        self._owner = None
        finally:
            self._over = True
            self._alarm.close()
            warner, self._warner = self._warner, None
            if warner is not None:
                warner.close()

    # ---- one at a time ------------------------------------------------------------------------

    def _work_off(self) -> None:
        events = self._events
        if self._watch is not None:
            self._watch.begin()
        while events:
            now = clock()
            while events:
                self._apply(events.popleft(), now)
            self._carry_out(now)
            if self.schedule.finished and not self._drawing:
                self._finish()
                return
            self._alarm.set(self.schedule.wake)

    def _apply(self, event: News, now: float) -> None:
        schedule = self.schedule
        if type(event) is Ended:
            flight = self._flights.pop(event.number, None)
            if self._watch is not None and flight is not None:  # else it was abandoned before
                self._watch.landed(event.report)
            schedule.ended(event.number, event.report, now)
            return
        if type(event) is Read or type(event) is ReadFailed:
            self._reading = self._drawing = False
        if type(event) is Unfit:
            self._flights.pop(event.number, None)
            self.unfit = self.unfit or event.error
            schedule.cut(now, _workers_unfit)
            schedule.ended(event.number, Report(), now)
        elif type(event) is GaveBack:
            schedule.gave_back(event.number, event.kept, now)
        elif type(event) is Read:
            schedule.supply(event.items)
            if event.ended:
                schedule.no_more()
        elif type(event) is ReadFailed:
            self.input_error = event.error
            position = schedule.tally.drawn
            with contextlib.suppress(Exception):  # an exception class may forbid notes
                event.error.add_note(f"raised while reading task {position} of the input")
            schedule.input_failed(now)
        elif type(event) is Halt:
            self._halt(event, now)
        elif type(event) is Taken:
            schedule.taken(event.results)
        elif type(event) is Still:
            schedule.still(event.number, now)
        elif type(event) is Cut:
            schedule.cut(now, event.why)
        elif type(event) is Drain:
            self._look_how_far()
            schedule.drain()
        elif type(event) is Begin:
            schedule.begin(now)

    def _halt(self, event: Halt, now: float) -> None:
        if self._watch is not None:
            self._watch.halted(event.error)
        self._look_how_far()
        self.schedule.halt(now, event.patience)

    def _look_how_far(self) -> None:
        """Note what has ended in batches that are under way."""
        if self.schedule.tally.at_halt is None:
            self._partly = sum(flight.look()[0] for flight in self._flights.values())

    def _carry_out(self, now: float) -> None:
        schedule = self.schedule
        while True:
            while self._feed():
                pass
            orders = schedule.orders(now)
            if self._watch is not None:
                self._show(self._watch)
            elif schedule.settled:
                settled, schedule.settled = schedule.settled, []
                for one in settled:
                    self._settle(one)
            if not orders or not self._obey(orders):
                return

    def _show(self, watch: Watch) -> None:
        """Hand on what was settled, and tell of it."""
        settled, self.schedule.settled = self.schedule.settled, []
        for one in settled:
            if not isinstance(one, Retried):
                self._settle(one)
            watch.settled(one)
        watch.note_losses()

    def _feed(self) -> bool:
        """Read on, here or in the caller's thread; whether anything was read."""
        wanted = self.schedule.wanted
        if not wanted or self._reading:
            return False
        if not self._source.inert:
            self._reading = True
            self._wanted = wanted
            self._inbox(self._read)
            return False
        items, ended = self._source.draw(wanted)
        if items:
            self.schedule.supply(items)
        if ended:
            self.schedule.no_more()
        return True

    @kept_whole
    def _read(self) -> Callable[[], None]:
        """In the caller's thread: read the input; returns what reports it."""
        with self._turn:  # until what is read now was told, the run is not over
            self._drawing = not self._over and self.schedule.wanted > 0
            self._reading = self._drawing
        self._take_turns()  # what was told meanwhile
        if not self._drawing:
            return self._take_turns
        event: Read | ReadFailed
        try:
            event = Read(*self._draw())
        except Interrupted:
            self._drawing = False
            raise
        except BaseException as error:
            event = ReadFailed(error)
        return lambda: self.tell(event)

    @open_to_it
    def _draw(self) -> tuple[list[Any], bool]:
        return self._source.draw(self._wanted)

    def _obey(self, orders: list[Order]) -> bool:
        """Carry out *orders*; whether any was answered at once, so that more may follow."""
        answered = False
        starts: list[Start] = []
        for order in orders:
            if type(order) is Start:
                starts.append(order)
                continue
            self._launch(starts)
            starts = []
            answered = True
            flight = self._flights.get(order.number)
            if flight is None:
                continue
            if type(order) is Look:
                self.schedule.seen(order.number, *flight.look(), clock())
            elif type(order) is Warn:
                self._warn(order, flight)
            elif type(order) is Recall:
                flight.recall(order.unbegun)
            elif type(order) is Stop:
                flight.stop(order.position)
            elif type(order) is Abandon:
                report = flight.abandon(order.position)
                if report is not None:
                    self._apply(Ended(order.number, report), clock())
        self._launch(starts)
        return answered

    def _launch(self, starts: list[Start]) -> None:
        if not starts:
            return
        behind = [None if s.behind is None else self._flights.get(s.behind) for s in starts]
        pairs = [(start.batch, flight) for start, flight in zip(starts, behind, strict=True)]
        now = 0.0 if self._watch is None else clock()
        flights = self._launcher.launch(pairs, self.job, self.tell)
        for start, flight in zip(starts, flights, strict=True):
            self._flights[start.batch.number] = flight
        if self._watch is not None:  # now that the workers are at it
            self._watch.launched(starts, now)

    def _warn(self, warn: Warn, flight: Flight) -> None:
        from ._warner import Warner  # few runs have anything to warn of

        if self._warner is None:
            self._warner = Warner(self.job)
        self._warner.warn(warn, flight)

    def _abandon_all(self) -> None:
        """Wait for none of what runs: there is nobody left to take it in."""
        flights, self._flights = self._flights, {}
        for flight in flights.values():
            with contextlib.suppress(Exception):
                flight.abandon(-1)

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        try:
            if self._watch is not None:
                self._watch.end(self)
        finally:
            self._inbox(None)


def _workers_unfit() -> BaseException:
    return TaskCancelledError("the run ended since a worker's initializer failed")
