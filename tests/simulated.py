"""An executor made of numbers: workers that run batches on a made-up clock, for `test_schedule`.

It does what a real executor may do at its worst: answers come late and out of order, a worker that
was given up goes on talking, a task that is asked to stop does not. It also keeps the truth about
each task, so what the schedule says of it can be held against that.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from concurkit._batch import Batch, Report
from concurkit._orders import Terms
from concurkit.exceptions import TaskCancelledError, WorkerCrashedError
from concurkit.executors._flight import Ended, GaveBack, Still

Event: TypeAlias = Ended | GaveBack | Still


@dataclass(frozen=True)
class Call:
    """What an attempt does: how it ends, after how long, and whether it lets itself be cancelled.

    If it exits and is the last of its batch, its worker is gone before the next batch.
    """

    ends: Literal["returns", "raises", "crashes", "exits", "hangs"]
    takes: float
    stubborn: bool = False


@dataclass(frozen=True)
class Item:
    """One task of the input: what each attempt does, the last one for all that follow."""

    index: int
    calls: tuple[Call, ...]


class TaskError(Exception):
    """The error of the task at *index*."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


@dataclass
class Seat:
    """A worker: its batches, the first of which runs, and when it was free to begin it."""

    free_at: float
    flights: list[SimulatedFlight] = field(default_factory=list)
    alive: bool = True


@dataclass
class SimulatedFlight:
    """A batch on its way."""

    batch: Batch
    seat: Seat
    given_at: float
    kept: int
    values: list[Any] = field(default_factory=list)
    failures: list[tuple[int, BaseException]] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    since: float | None = None  # when the batch began
    over: bool = False
    cancelled: bool = False
    begun: int = 0  # how many of its tasks began
    attempt: int = 0  # which attempt of its task the running one is

    @property
    def position(self) -> int:
        return len(self.values)

    @property
    def task_since(self) -> float | None:
        """When the task that runs began; None if none does."""
        if self.since is None or self.over or self.position >= self.kept:
            return None
        return self.ends[-1] if self.ends else self.since

    @property
    def item(self) -> Item:
        item = self.batch.items[self.position]
        assert isinstance(item, Item)
        return item

    @property
    def call(self) -> Call:
        """What the running attempt does."""
        calls = self.item.calls
        return calls[min(self.attempt, len(calls)) - 1]


class Workers:
    """Simulated workers, and the truth about what they did.

    Args:
        terms: those of the schedule.
        lag: seconds until a new worker is ready.
        window: how many tasks a worker accounts for together; those of the window in which it
            dies leave no trace.
        timed: whether reports say when each task ended.
    """

    def __init__(
        self, terms: Terms, *, lag: float = 0.0, window: int = 1, timed: bool = True
    ) -> None:
        self.terms = terms
        self.now = 0.0
        self.events: list[Event] = []
        self.flights: dict[int, SimulatedFlight] = {}
        self.begun: dict[int, float] = {}  # when each task began, the last time
        self.attempts: Counter[int] = Counter()  # how often it began, but for those without a trace
        self.restartable: set[int] = set()  # tasks that may begin again
        self.lost: dict[int, float] = {}  # how long each task had run when it was stopped
        self._lag = lag
        self._window = window if terms.timeout is None else 1
        self._timed = timed or terms.timeout is not None
        self._seats: list[Seat] = []

    # ---- what an executor is asked --------------------------------------------------------------

    def launch(self, batch: Batch, behind: int | None) -> None:
        leader = None if behind is None else self.flights[behind]
        seat = leader.seat if leader is not None and not leader.over else None
        if seat is None or not seat.alive:
            seat = next((seat for seat in self._seats if not seat.flights), None)
        if seat is None:
            assert len(self._seats) < self.terms.workers, "no worker is free for this batch"
            seat = Seat(self.now + self._lag)
            self._seats.append(seat)
        flight = SimulatedFlight(batch, seat, self.now, len(batch.indices))
        seat.flights.append(flight)
        self.flights[batch.number] = flight

    def look(self, number: int) -> tuple[int, float | None]:
        flight = self.flights[number]
        return flight.position, flight.ends[-1] if flight.ends else flight.since

    def recall(self, number: int, *, unbegun: bool) -> None:
        flight = self.flights[number]
        if flight.over or (unbegun and flight.since is not None):
            return
        if flight.since is None and self.terms.strength != "abandoned":
            self._withdraw(flight)
        else:
            flight.kept = 0 if flight.since is None else min(flight.kept, flight.position + 1)
            self.events.append(GaveBack(number, flight.kept))

    def stop(self, number: int, position: int) -> None:
        strength = self.terms.strength
        flight = self.flights[number]
        if flight.over:
            return
        if strength == "abandoned":  # such a task is told, and may not listen
            running = flight.task_since is not None
            if running and not flight.call.stubborn and flight.call.ends != "hangs":
                self._listen(flight)
            return
        if flight.since is None:
            if strength == "cancelled":
                self._withdraw(flight)
        elif position not in (-1, flight.position):
            self.events.append(Still(number))
        elif strength == "killed":
            self._die(flight, TaskCancelledError("killed"), "killed")
        else:
            flight.kept = min(flight.kept, flight.position + 1)
            flight.cancelled = True
            if flight.task_since is not None and not flight.call.stubborn:
                self._land(flight)

    def abandon(self, number: int, position: int) -> Report | None:
        flight = self.flights[number]
        if flight.over:
            return None
        if flight.since is None:
            self._withdraw(flight)
            return None
        if position not in (-1, flight.position):
            flight.kept = min(flight.kept, flight.position + 1)
            self.events += [GaveBack(number, flight.kept), Still(number)]
            return None
        report = self._report(flight)
        self._lose(flight, report, TaskCancelledError("abandoned"), "abandoned")
        flight.over = True
        self._close(flight.seat)
        # The worker that was given up goes on: it writes into the report, and reports itself.
        late = self._report(flight)
        late.values = [*flight.values, ("late", flight.item.index)]
        self.events += [Ended(number, late), GaveBack(number, 0), Still(number)]
        if flight.call.ends == "raises":
            report.failures = [*report.failures, (flight.position, TaskError(flight.item.index))]
        return report

    def untrace(self, number: int, start: int, stop: int) -> None:
        """The tasks from *start* to *stop* are taken for not started, and may start again."""
        flight = self.flights[number]
        for index in flight.batch.indices[start : min(stop, flight.begun)]:
            self.restartable.add(index)
            self.attempts[index] -= 1

    # ---- time -----------------------------------------------------------------------------------

    def run_until(self, now: float) -> None:
        """Let the workers work up to *now*."""
        for seat in list(self._seats):
            while seat.alive and seat.flights and self._step(seat, now):
                pass
        self.now = now

    def next_moment(self) -> float:
        """When a worker will next have something to say; infinity if never."""
        return min((self._moment(seat) for seat in self._seats if seat.flights), default=math.inf)

    def hanging(self) -> list[Seat]:
        """The workers that will never come to an end by themselves."""
        return [seat for seat in self._seats if seat.flights and self._moment(seat) == math.inf]

    def _moment(self, seat: Seat) -> float:
        flight = seat.flights[0]
        if flight.since is None:
            return max(seat.free_at, flight.given_at)
        since = flight.task_since
        if since is None:
            return self.now
        return math.inf if flight.call.ends == "hangs" else since + flight.call.takes

    def _step(self, seat: Seat, now: float) -> bool:
        """One thing that this worker does before *now*; whether there was one."""
        at = self._moment(seat)
        if at > now:
            return False
        flight = seat.flights[0]
        seat.free_at = at
        if flight.since is None:
            flight.since = at
            if flight.kept:
                self._begin(flight, at)
            else:
                self._land(flight)
            return True
        if flight.cancelled or flight.position >= flight.kept:
            self._land(flight)
            return True
        item, ends = flight.item, flight.call.ends
        if ends == "crashes":
            self._die(flight, WorkerCrashedError(f"{item.index}"), None)
            return True
        if ends == "raises":
            flight.failures.append((flight.position, TaskError(item.index)))
        flight.values.append(None if ends == "raises" else ("value", item.index))
        flight.ends.append(at)
        if flight.position < flight.kept:
            self._begin(flight, at)
        elif ends == "exits" and flight.kept == len(flight.batch.indices):
            self._die(flight, WorkerCrashedError("between two batches"), None)
        else:
            self._land(flight)
        return True

    def _begin(self, flight: SimulatedFlight, at: float) -> None:
        index = flight.item.index
        # Law 4: at most once.
        assert index not in self.begun or index in self.restartable, f"task {index} began twice"
        self.restartable.discard(index)
        self.begun[index] = at
        self.attempts[index] += 1
        flight.attempt = self.attempts[index]
        flight.begun += 1

    # ---- ends -----------------------------------------------------------------------------------

    def _land(self, flight: SimulatedFlight) -> None:
        """The batch is over, the worker goes on."""
        flight.seat.flights.remove(flight)
        flight.seat.free_at = max(flight.seat.free_at, self.now)
        report = self._report(flight)
        if flight.task_since is not None:
            self._lose(flight, report, TaskCancelledError("cancelled"), "cancelled")
        flight.over = True
        self.events.append(Ended(flight.batch.number, report))

    def _listen(self, flight: SimulatedFlight) -> None:
        """The running task hears that it is to stop, and raises."""
        flight.failures.append((flight.position, TaskCancelledError("told")))
        flight.values.append(None)
        flight.ends.append(self.now)
        flight.kept = flight.position
        self._land(flight)

    def _withdraw(self, flight: SimulatedFlight) -> None:
        """The batch is taken back whole."""
        flight.seat.flights.remove(flight)
        flight.over = True
        self.events.append(Ended(flight.batch.number, Report()))

    def _die(self, flight: SimulatedFlight, error: BaseException, how: Any) -> None:
        """The worker dies under this batch."""
        batch, position = flight.batch, flight.position
        report = self._report(flight)
        report.busy = 0.0
        report.lost, report.how = error, how
        if flight.task_since is not None:
            self.lost[flight.item.index] = self.now - flight.task_since
        window = 1 if batch.alone else self._window
        if window > 1:
            first = position // window * window
            report.values = report.values[:first]
            report.ends = report.ends[:first]
            report.failures = [failure for failure in report.failures if failure[0] < first]
            report.unsure = window
        flight.over = True
        self.events.append(Ended(batch.number, report))
        self._close(flight.seat)

    def _close(self, seat: Seat) -> None:
        """This worker is gone: another may take its place, what waited behind it comes back."""
        seat.alive = False
        self._seats.remove(seat)
        for flight in list(seat.flights):
            if not flight.over:
                self._withdraw(flight)

    def _lose(
        self, flight: SimulatedFlight, report: Report, error: BaseException, how: Any
    ) -> None:
        since = flight.task_since
        if since is None:  # it was between two batches
            return
        self.lost[flight.item.index] = self.now - since
        report.lost, report.how = error, how

    def _report(self, flight: SimulatedFlight) -> Report:
        since = flight.since or 0.0
        return Report(
            values=list(flight.values),
            failures=list(flight.failures),
            since=since,
            busy=max(self.now, flight.seat.free_at) - since,
            ends=list(flight.ends) if self._timed else [],
            worker="worker",
        )
