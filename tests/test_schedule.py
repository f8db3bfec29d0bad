"""The rules of a run, alone: with a made-up clock, workers made of numbers, and drawn histories."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from simulated import Call, Item, TaskError, Workers

from concurkit import Retry
from concurkit._alarms import Alarms
from concurkit._batch import Report
from concurkit._lanes import Lanes
from concurkit._orders import (
    Abandon,
    Block,
    Failed,
    Look,
    Order,
    Recall,
    Retried,
    Start,
    Stop,
    Terms,
    Warn,
)
from concurkit._schedule import _GRACE, _SETTLE, Schedule
from concurkit._waiting import Piece, Waiting
from concurkit.exceptions import (
    RunTimeoutError,
    TaskCancelledError,
    TaskTimeoutError,
    WorkerCrashedError,
)
from concurkit.executors._flight import Ended, GaveBack, Still

# Carrying out an order takes so long: what it is about may have changed a moment later.
TICK = 1e-6

# What carrying out orders, and rounding, may add to a moment.
SLACK = 1e-3

# How long a quick batch may take.
PATIENCE = 0.01

# The most tasks that a window which the schedule chooses lets be drawn beyond those read.
WIDEST = 4096

# By how many seconds' worth of starts a rate may be exceeded, and how late they are made up for.
CREDIT = 0.02

_quick = st.builds(Call, st.just("returns"), st.sampled_from([0.0, 1e-6, 1e-4, 2e-3]))
_calls = st.one_of(
    _quick,
    st.builds(
        Call,
        st.sampled_from(["returns", "raises", "crashes", "exits", "hangs"]),
        st.sampled_from([0.0, 1e-6, 2e-3, 0.02 + TICK / 2, 0.05, 0.2 + TICK / 2, 3.0]),
        st.booleans(),
    ),
)
_fails = st.builds(Call, st.sampled_from(["raises", "crashes", "hangs"]), st.just(2e-3))
_attempts = st.one_of(
    st.tuples(_calls),
    st.tuples(_fails, _quick),
    st.lists(st.one_of(_fails, _calls), min_size=1, max_size=4).map(tuple),
)
_inputs = st.lists(st.tuples(_attempts, st.sampled_from([1, 1, 2, 5, 40])), max_size=10)


class Trouble(Exception):
    """Raised by a function that is to say whether to try again."""


class TooLate(Exception):
    """Why a run was cut."""


def after_a_moment(error: BaseException) -> float:
    return 0.03


def at_once(error: BaseException) -> int:
    return 0


def every_other(error: BaseException) -> bool:
    return isinstance(error, TaskError) and error.index % 2 == 0


def in_trouble(error: BaseException) -> bool:
    raise Trouble


_retries = st.builds(
    Retry,
    attempts=st.integers(1, 4),
    on=st.sampled_from(
        [
            Exception,
            Exception,
            TaskError,
            (WorkerCrashedError, TaskTimeoutError),
            after_a_moment,
            at_once,
            every_other,
            in_trouble,
        ]
    ),
    wait_initial=st.sampled_from([0, 0.001, 0.1]),
    wait_max=st.sampled_from([0.15, 5.0]),
    wait_jitter=st.just(0),
)


def wait_after(retry: Retry | None, error: BaseException, attempt: int) -> float | None:
    """How long a task waits for its next attempt; None if there is none."""
    if retry is None or attempt >= retry.attempts:
        return None
    if isinstance(retry.on, type | tuple):
        again: Any = isinstance(error, retry.on)
    else:
        try:
            again = retry.on(error)
        except Trouble:
            return None
    if not isinstance(again, bool):
        return float(again)
    doubled = retry.wait_initial * 2 ** (attempt - 1)
    return min(retry.wait_max, doubled) if again else None


_terms = st.builds(
    Terms,
    workers=st.integers(1, 8),
    ahead=st.integers(1, 2),
    shared=st.booleans(),
    timeout=st.sampled_from([None, 0.02, 0.2, 1.0]),
    chunksize=st.sampled_from([None, None, 1, 3, 10]),
    fail_fast=st.booleans(),
    strength=st.sampled_from(["cancelled", "killed", "abandoned"]),
    retry=st.one_of(st.none(), _retries),
    max_per_second=st.sampled_from([None, None, None, 5.0, 50.0, 1000.0]),
    total_timeout=st.sampled_from([None, None, None, 0.05, 0.5, 3.0]),
    window=st.sampled_from([None, None, 0, 1, 3, 50]),
    complete=st.booleans(),
    observed=st.booleans(),
    warn_after=st.sampled_from([None, None, 0.01, 0.1, 0.5]),
)


class Run(RuleBasedStateMachine):
    """A run on simulated workers: whatever happens to it, the laws hold."""

    @initialize(
        terms=_terms,
        calls=_inputs,
        length_known=st.booleans(),
        inert=st.booleans(),
        prompt=st.booleans(),
        lag=st.sampled_from([0.0, 0.0, 0.01, 0.2]),
        trace=st.sampled_from([1, 1, 3]),
        timed=st.booleans(),
        late=st.sampled_from([0.0, 0.0, 0.01, 0.04]),
        in_order=st.booleans(),
        bite=st.sampled_from([1, 3, 1000]),
    )
    def begin(
        self,
        terms: Terms,
        calls: list[tuple[tuple[Call, ...], int]],
        length_known: bool,
        inert: bool,
        prompt: bool,
        lag: float,
        trace: int,
        timed: bool,
        late: float,
        in_order: bool,
        bite: int,
    ) -> None:
        all_calls = [call for call, times in calls for _ in range(times)]
        self.input = [Item(index, call) for index, call in enumerate(all_calls)]
        if length_known:
            terms = terms._replace(length=len(self.input))
        self.terms = terms
        self.timed = timed or terms.timeout is not None
        self.inert = inert  # the input is read as soon as it is wanted
        self.trace = trace  # how many tasks a worker accounts for together
        self.late = late  # how late the driver wakes
        self.in_order = in_order  # results are read in the input's order
        self.bite = bite  # how many are read at once at the end
        self.prompt = prompt  # what the executor is asked reaches its workers at once
        self.schedule = Schedule(terms)
        self.workers = Workers(terms, lag=lag, window=trace, timed=timed)
        self.read = 0
        self.ended = False  # the input
        self.asked = 0  # how many items are being read
        self.requests: list[Recall | Stop] = []
        self.active: dict[int, int | None] = {}  # batches not reported yet, and what they wait for
        self.kept: dict[int, int] = {}  # how many tasks those have that they did not give back
        self.settled: set[int] = set()
        self.values = 0  # how many of those returned
        self.largest = 1  # how many tasks the largest batch reported so far had
        self.bound = math.inf  # no task above this may start
        self.first_failure = math.inf  # when the run was stopped by a failure
        self.halted = math.inf  # when it was halted
        self.abandoned_by = math.inf
        self.stopped: set[int] = set()  # batches told to stop since the run ends
        self.told: dict[int, dict[int, float]] = defaultdict(dict)  # batch: position: time was up
        self.warned: set[tuple[int, int]] = set()  # batch and position of tasks that take long
        self.was_finished = False
        self.taken = 0  # results that were read
        self.prefix = 0  # no task before this one has still to end
        self.reported: dict[int, BaseException] = {}  # failed attempts of the latest report
        self.errors: dict[int, list[BaseException]] = {}  # of attempts that are followed by more
        self.waits: dict[int, float] = {}  # when each task that was put off may start
        self.retried = 0
        self.noted: dict[int, Retried] = {}  # attempts of the latest report that are tried again
        self.lost = 0
        self.never_started = 0
        self.cut_short: type[BaseException] | None = None  # why the run was cut
        self.unread = False
        self.all_accounted = True  # nothing was stopped before the run was cut
        self.deadline = math.inf if terms.total_timeout is None else terms.total_timeout
        self.over_by = math.inf  # when the run must be over by its total_timeout
        self.ordered_at = 0.0  # when the schedule was last asked for orders
        self.ordered_up_to = math.inf  # and which tasks could start then
        self.starts: list[float] = []
        self.hungry: tuple[float, int] | None = None  # since when only the rate holds tasks back
        self.schedule.begin(0.0)
        self.carry_out()

    # ---- what may happen ------------------------------------------------------------------------

    @precondition(lambda self: self.schedule.wanted and not self.ended)
    @rule()
    def ask_for_input(self) -> None:
        self.asked = self.schedule.wanted

    @precondition(lambda self: self.asked)
    @rule(portion=st.integers(0, 30), note_end=st.booleans())
    def read_input(self, portion: int, note_end: bool) -> None:
        self.supply(min(portion, self.asked), note_end=note_end)
        self.asked = 0
        self.carry_out()

    @precondition(lambda self: self.workers.events)
    @rule(which=st.integers(0, 20))
    def deliver(self, which: int) -> None:
        events = self.workers.events
        self.apply(events.pop(which % len(events)))
        self.carry_out()

    @precondition(lambda self: len(self.workers.events) > 1)
    @rule(backwards=st.booleans())
    def deliver_all(self, backwards: bool) -> None:
        events = self.workers.events
        while events:
            self.apply(events.pop(-1 if backwards else 0))
        self.carry_out()

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 20))
    def reach(self, which: int) -> None:
        self.ask(self.requests.pop(which % len(self.requests)))

    @rule(seconds=st.sampled_from([1e-4, 0.002, 0.01, 0.05, 0.1, 0.5]))
    def pass_time(self, seconds: float) -> None:
        self.advance(self.workers.now + seconds)

    @precondition(lambda self: self.active)
    @rule(with_news=st.booleans())
    def pass_to_next(self, with_news: bool) -> None:
        self.advance(min(self.moments(), default=self.workers.now))
        if with_news:
            self.deliver_all(backwards=False)

    @precondition(lambda self: self.halted == math.inf)
    @rule(patience=st.sampled_from([None, 0.0, 0.3]), really=st.integers(0, 4))
    def halt(self, patience: float | None, really: int) -> None:
        if really:
            return
        self.stop_all(patience)

    @rule(patience=st.sampled_from([None, 0.0, 0.3]), really=st.integers(0, 4))
    def cut(self, patience: float | None, really: int) -> None:
        if really:
            return
        self.note_cut(patience, TooLate)
        self.schedule.cut(self.workers.now, TooLate, patience)
        self.carry_out()

    @precondition(lambda self: self.readable())
    @rule(results=st.integers(1, 20))
    def read_results(self, results: int) -> None:
        self.take(results)
        self.carry_out()

    def teardown(self) -> None:
        """Whatever came before, the run comes to its end, and all its tasks to theirs."""
        if hasattr(self, "schedule"):
            self.to_the_end()

    # ---- what must always hold ------------------------------------------------------------------

    @invariant()
    def time_is_kept(self) -> None:
        """Law 7, and no wait without a wake-up."""
        now, timeout, wake = self.workers.now, self.terms.timeout, self.schedule.wake
        assert wake is None or wake > now
        due = [math.inf, self.deadline]
        due += [at for index, at in self.waits.items() if index <= self.bound and at > now]
        for flight in self.unreported():
            number, since = flight.batch.number, flight.task_since
            if since is not None and timeout is not None:
                # If a task before was to be stopped and ended first, this one is looked at later.
                told = max(self.told[number].values(), default=-1.0)
                due.append(max(since + timeout, told + _GRACE))
            due.append(self.warning_due(flight))
            if self.halted < math.inf:
                due.append(self.abandoned_by)
            elif number not in self.stopped and self.terms.strength != "abandoned":
                due.append(self.first_failure + _SETTLE)
        assert now < min(due) + SLACK + self.late
        assert min(due) + SLACK >= (math.inf if wake is None else wake)
        if now > self.over_by:
            assert [] == self.unreported()

    def warning_due(self, flight: Any) -> float:
        """When it must have been said that the running task of a batch takes long."""
        number, since, after = flight.batch.number, flight.task_since, self.terms.warn_after
        if after is None or since is None or (number, flight.position) in self.warned:
            return math.inf
        told = self.told[number]  # what is being stopped is not looked at
        return math.inf if told else float(since + after)

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Law 12: a worker is idle only if nothing may start."""
        wanted = self.schedule.wanted
        if self.bound < math.inf:
            unread = self.cut_short and self.all_accounted and self.terms.complete
            assert bool(wanted) == bool(unread and not self.ended)
        elif self.places() > 0:
            if not self.held_back():
                assert 0 == self.waiting()
            assert self.ended or wanted > 0 or self.waiting() or self.window_is_full()

    @invariant()
    def never_too_far_ahead(self) -> None:
        """Law 3: no more is drawn than the workers and the window take."""
        terms, ahead = self.terms, self.read - self.taken
        if terms.window is not None and self.cut_short is None:
            assert ahead <= terms.workers + (terms.window or WIDEST)

    @invariant()
    def starts_are_even(self) -> None:
        """There are never more starts than the rate allows, nor fewer when tasks and workers wait.

        Each start has its moment, and the moments are at even distances: lateness never adds up.
        """
        if self.hungry is None or self.late > CREDIT / 2:
            return
        since, before = self.hungry
        assert self.terms.max_per_second
        least = (self.workers.now - self.late - since) * self.terms.max_per_second - SLACK
        assert len(self.starts) - before >= math.floor(least)

    @invariant()
    def the_tally_adds_up(self) -> None:
        tally = self.schedule.tally
        failed = len(self.settled) - self.values
        assert (self.read, len(self.settled), failed) == (tally.drawn, tally.ended, tally.failed)
        assert (self.retried, self.taken) == (tally.retried, tally.taken)
        assert (self.lost, self.unread) == (self.schedule.lost, self.schedule.unread)
        assert self.never_started == self.schedule.never_started
        assert self.workers_with_tasks() == self.schedule.running
        why = self.schedule.why_cut()
        assert self.cut_short is (None if why is None else type(why))

    @invariant()
    def nothing_starts_after_the_end(self) -> None:
        """Once what was asked has reached the workers, no task above the failed one can start."""
        if self.requests or self.bound == math.inf:
            return
        for flight in self.unreported():
            begun = flight.position + (flight.since is not None)
            waiting = flight.batch.indices[begun : flight.kept]
            assert [] == [index for index in waiting if index > self.bound]
            if flight.batch.indices[0] > self.bound and not self.workers.events:
                assert flight.cancelled or not begun or self.terms.strength != "cancelled"
                assert not begun or self.terms.strength != "killed"

    @invariant()
    def the_end_is_final(self) -> None:
        """A run that is finished stays so, and has nothing on its way."""
        finished = self.schedule.finished
        assert finished or not self.was_finished
        assert not (finished and self.active)
        self.was_finished = finished

    # ---- the part of a driver -------------------------------------------------------------------

    def carry_out(self) -> None:
        """Do what the schedule wants, until it wants nothing more."""
        schedule, workers = self.schedule, self.workers
        for _ in range(1000):
            wanted = min(30, schedule.wanted)
            read = self.inert and wanted > 0 and self.supply(wanted, note_end=True)
            self.ordered_at = workers.now
            if workers.now >= self.deadline:
                self.over_by = self.deadline + _GRACE + SLACK + 2 * self.late
                self.note_cut(_GRACE, RunTimeoutError)
                self.deadline = math.inf
            if workers.now >= self.first_failure + _SETTLE:  # the others had their moment
                self.bound = -1
            orders = schedule.orders(workers.now)
            self.take_settled()
            self.ordered_up_to = self.bound
            stills = [event for event in workers.events if isinstance(event, Still)]
            wake = schedule.wake
            if not (orders or read or stills) and (wake is None or wake > workers.now):
                self.note_hunger()
                return
            for order in orders:
                number = order.batch.number if isinstance(order, Start) else order.number
                assert isinstance(order, Start) or number in self.active
            for order in orders:
                self.obey(order)
                workers.run_until(workers.now + TICK)
            for still in stills:  # the next task's timeout runs already: these can't wait
                workers.events.remove(still)
                self.apply(still)
        raise AssertionError("the schedule never comes to rest")

    def obey(self, order: Order) -> None:
        schedule, workers = self.schedule, self.workers
        if isinstance(order, Start):
            self.check_start(order)
            workers.launch(order.batch, order.behind)
            return
        if order.number not in self.active:  # abandoned a moment ago
            return
        if isinstance(order, Look):
            schedule.seen(order.number, *workers.look(order.number), workers.now)
        elif isinstance(order, Abandon):
            self.check_stop(order.number, order.position)
            report = workers.abandon(order.number, order.position)
            if report is not None:
                self.apply(Ended(order.number, report))
        elif isinstance(order, Warn):
            self.check_warning(order)
        else:
            if isinstance(order, Stop):
                self.check_stop(order.number, order.position)
            if self.prompt:
                self.ask(order)
            else:
                self.requests.append(order)

    def ask(self, order: Recall | Stop) -> None:
        if isinstance(order, Recall):
            self.workers.recall(order.number, unbegun=order.unbegun)
        else:
            self.workers.stop(order.number, order.position)
        self.workers.run_until(self.workers.now)

    def apply(self, event: Any) -> None:
        schedule, now = self.schedule, self.workers.now
        if isinstance(event, Ended):
            self.reported = self.failed_attempts(event)
            self.active.pop(event.number, None)
            self.kept.pop(event.number, None)
            self.largest = max(self.largest, len(event.report.values))
            schedule.ended(event.number, event.report, now)
            self.take_settled()
            for index, error in self.reported.items():
                if index not in self.settled:
                    self.check_retried(index, error)
            assert not self.noted
            self.reported = {}
        elif isinstance(event, GaveBack):
            if event.number in self.kept:
                self.kept[event.number] = min(event.kept, self.kept[event.number])
            schedule.gave_back(event.number, event.kept, now)
        else:
            schedule.still(event.number, now)

    def supply(self, portion: int, *, note_end: bool) -> bool:
        items = self.input[self.read : self.read + portion]
        self.read += len(items)
        self.schedule.supply(items)
        if self.read == len(self.input) and (note_end or not items) and not self.ended:
            self.ended = True
            self.schedule.no_more()
            return True
        return bool(items)

    def advance(self, until: float) -> None:
        """Let time pass, asking the schedule for orders whenever it wants to be asked."""
        while self.workers.now < until:
            wake = self.schedule.wake
            now = until if wake is None else min(until, wake + self.late)
            self.workers.run_until(now)
            self.carry_out()
            self.time_is_kept()

    def stop_all(self, patience: float | None) -> None:
        self.note_halt(patience)
        self.schedule.halt(self.workers.now, patience)
        self.carry_out()

    def note_halt(self, patience: float | None) -> None:
        now = self.workers.now
        if self.cut_short is None:
            self.all_accounted = False
        self.halted = min(self.halted, now)
        self.bound = -1
        if patience is not None:
            self.abandoned_by = min(self.abandoned_by, now + patience)

    def note_cut(self, patience: float | None, why: type[BaseException]) -> None:
        if self.cut_short is None:
            self.all_accounted = self.bound == math.inf
            drawn = self.read == self.terms.length  # all, though nobody has seen the end
            self.unread = self.all_accounted and not (self.ended or self.terms.complete or drawn)
            self.cut_short = why
        self.note_halt(patience)

    def note_hunger(self) -> None:
        hungry = self.terms.max_per_second and self.bound == math.inf and self.places() > 0
        if not hungry or not self.waiting():
            self.hungry = None
        elif self.hungry is None:
            self.hungry = self.workers.now, len(self.starts)

    def take(self, results: int) -> None:
        """Read so many results, or as many as there are."""
        count = min(results, self.readable())
        self.taken += count
        self.schedule.taken(count)

    def readable(self) -> int:
        """How many more results may be read."""
        while self.prefix in self.settled:
            self.prefix += 1
        return (self.prefix if self.in_order else len(self.settled)) - self.taken

    def moments(self) -> list[float]:
        """When something will happen by itself."""
        found = [] if self.schedule.wake is None else [self.schedule.wake]
        moment = self.workers.next_moment()
        return found if moment == math.inf else [*found, moment]

    def to_the_end(self) -> None:
        for _ in range(20_000):
            while self.requests:
                self.ask(self.requests.pop(0))
            if self.workers.events:
                self.deliver_all(backwards=False)
            if self.schedule.wanted and not self.ended:
                self.ask_for_input()
                self.read_input(portion=30, note_end=True)
            if self.readable():
                self.read_results(self.bite)
            self.nobody_waits_in_vain()
            self.never_too_far_ahead()
            self.starts_are_even()
            self.nothing_starts_after_the_end()
            self.the_end_is_final()
            if self.workers.events or self.requests:
                continue
            if self.schedule.finished:
                break
            moments = self.moments()
            warned = self.terms.warn_after is not None and self.only_hang()
            if moments and not warned:
                self.advance(min(moments))
            elif not (self.schedule.wanted or self.readable()):
                # Only tasks that hang are left, and nothing waits behind them.
                hanging = self.workers.hanging()
                assert hanging
                behind = [flight.kept for seat in hanging for flight in seat.flights[1:]]
                assert warned or not any(behind)
                self.stop_all(0.2)
        assert self.schedule.finished
        assert [] == self.schedule.orders(self.workers.now)
        self.every_task_has_its_outcome()

    def every_task_has_its_outcome(self) -> None:
        """Law 2, and the most starts per second over all the run."""
        self.the_tally_adds_up()
        if self.bound == math.inf or (self.cut_short and self.all_accounted):
            assert set(range(self.read)) == set(self.settled)
            assert self.read == len(self.input) or self.unread
            assert not self.schedule._attempts  # nothing is kept of tasks that have ended
        rate = self.terms.max_per_second
        if rate is not None:
            # Starts i to j, in w seconds, are at most rate * (w + CREDIT) + 1.
            spare = math.inf
            for number, at in enumerate(self.starts):
                spare = min(spare, number - rate * at)
                assert number - rate * at - spare <= rate * CREDIT + SLACK

    # ---- what each order and each outcome must be -----------------------------------------------

    def heads(self) -> list[int]:
        """Batches that wait for no other: one for each worker that has work."""
        return [number for number, leader in self.active.items() if leader not in self.active]

    def workers_with_tasks(self) -> int:
        """One that has only given back what it had is about to be free."""
        lanes = [
            leader if leader in self.active else number
            for number, leader in self.active.items()
            if self.kept[number]
        ]
        return len(set(lanes))

    def unreported(self) -> list[Any]:
        """Batches that the executor has not reported either."""
        flights = [self.workers.flights[number] for number in self.active]
        return [flight for flight in flights if not flight.over]

    def places(self) -> int:
        """How many batches may start at least."""
        now, heads = self.workers.now, self.heads()
        places = self.terms.workers - len(heads)
        if self.terms.shared:  # the quick ones take turns, two at a time
            started = [self.workers.flights[number].given_at for number in heads]
            places = min(places, 2 - sum(now < at + PATIENCE for at in started))
        return places

    def waiting(self) -> int:
        """How many tasks could start now, had they a worker and a moment."""
        put_off = sum(at > self.workers.now for at in self.waits.values())
        return self.read - len(self.settled) - sum(self.kept.values()) - put_off

    def held_back(self) -> bool:
        """Whether the next start is too soon after the last one."""
        rate = self.terms.max_per_second
        return bool(rate and self.starts and self.workers.now < self.starts[-1] + 1 / rate)

    def window_is_full(self) -> bool:
        """Whether there is no room for another batch."""
        terms, ahead = self.terms, self.read - self.taken
        if terms.window is None:
            return False
        if not terms.window:
            return ahead >= 5 * terms.workers
        most = terms.workers + terms.window
        size = 1 if terms.max_per_second else terms.chunksize or most // (2 * terms.workers)
        return ahead + (max(size, 1) if self.active else 1) > most

    def check_start(self, start: Start) -> None:
        """Laws 3 and 4, and how large a batch may be."""
        batch, terms = start.batch, self.terms
        count = len(batch.indices)
        assert [batch.indices[at] for at in range(count)] == [item.index for item in batch.items]
        assert count > 0
        assert max(batch.indices) <= self.ordered_up_to
        single = batch.alone or terms.max_per_second is not None
        assert count <= (1 if single else terms.chunksize or 8 * self.largest)
        if terms.window is not None and terms.chunksize is None:
            most = terms.workers + (terms.window or WIDEST)
            assert count <= max(1, most // (2 * terms.workers))
        for index in batch.indices:
            if index in self.waits:
                assert batch.alone
                assert self.ordered_at >= self.waits.pop(index)
        self.starts.append(self.ordered_at)
        if start.behind is not None:
            assert terms.ahead > 1
            assert terms.max_per_second is None
            assert start.behind in self.heads()
            assert start.behind not in self.active.values()
        self.active[batch.number] = start.behind
        self.kept[batch.number] = count
        assert len(self.heads()) <= terms.workers

    def check_stop(self, number: int, position: int) -> None:
        """A task is stopped only when its time or the run's is up."""
        now = self.workers.now
        if position >= 0:
            assert self.terms.timeout is not None
            self.told[number].setdefault(position, now)
        else:
            self.stopped.add(number)
            assert self.bound < math.inf
            if self.halted == math.inf and now < self.first_failure + _SETTLE:
                # Earlier tasks that are nearly done may still fail first.
                assert self.workers.flights[number].batch.indices[0] > self.bound

    def check_warning(self, warn: Warn) -> None:
        """Once of each attempt, when it has taken that long, and never of another task."""
        flight, after = self.workers.flights[warn.number], self.terms.warn_after
        assert after is not None
        assert self.workers.now - warn.since >= after - SLACK
        assert flight.batch.indices[warn.position] == warn.index
        assert flight.batch.items[warn.position] is warn.item
        assert (warn.number, warn.position) not in self.warned
        self.warned.add((warn.number, warn.position))
        if flight.position == warn.position and flight.task_since is not None:
            assert flight.task_since == warn.since
            if self.trace == 1:
                assert flight.attempt == warn.attempt

    def only_hang(self) -> bool:
        """Whether nothing can come but warnings."""
        limits = (self.terms.timeout, self.terms.total_timeout)
        ends = min(self.halted, self.first_failure) < math.inf
        put_off = any(at > self.workers.now for at in self.waits.values())
        hanging = self.workers.next_moment() == math.inf and bool(self.workers.hanging())
        starts = self.places() > 0 and self.waiting() > 0
        return hanging and not (ends or put_off or starts) and limits == (None, None)

    def take_settled(self) -> None:
        settled, self.schedule.settled = self.schedule.settled, []
        for one in settled:
            if isinstance(one, Failed):
                self.check_failed(one)
            elif isinstance(one, Retried):
                assert self.noted.setdefault(one.index, one) is one
            else:
                self.check_block(one)

    def failed_attempts(self, event: Ended) -> dict[int, BaseException]:
        """The attempts that failed, by what a report says; any timeout stands for each other."""
        number, report = event
        if number not in self.active:
            return {}
        indices = self.workers.flights[number].batch.indices
        count = len(report.values)
        found = {indices[at]: error for at, error in report.failures if at < count}
        left = self.kept[number] - count
        unsure = min(report.unsure, left)
        if report.lost is not None and unsure > 1:
            self.workers.untrace(number, count, count + unsure)
        elif report.lost is not None and left > 0:
            found[indices[count]] = report.lost if report.how is None else TaskTimeoutError()
        return found

    def check_retried(self, index: int, error: BaseException) -> None:
        """An attempt failed, and its task has no outcome: it was right to try again."""
        wait = wait_after(self.terms.retry, error, self.workers.attempts[index])
        assert wait is not None
        assert index <= self.bound
        self.retried += 1
        if self.terms.observed:
            self.check_noted(self.noted.pop(index), error, wait)
        self.waits[index] = self.workers.now + wait
        self.errors.setdefault(index, []).append(error)
        self.workers.restartable.add(index)

    def check_noted(self, noted: Retried, error: BaseException, wait: float) -> None:
        """What observers are told of an attempt that is followed by another."""
        assert noted.item.index == noted.index
        assert noted.attempt == self.workers.attempts[noted.index]
        assert type(noted.error) is type(error)
        assert noted.wait == wait
        assert noted.duration >= 0
        assert (noted.stopped is None) != isinstance(error, TaskTimeoutError)
        if self.timed:
            assert math.isclose(self.workers.begun[noted.index], noted.started, abs_tol=SLACK)

    def check_block(self, block: Block) -> None:
        values, failures = block.report.values, block.report.failures
        failed = {position for position, _ in failures}
        assert len(block.indices) == len(values)
        for position, index in enumerate(block.indices):
            assert block.items[position].index == index
            if position not in failed:
                assert ("value", index) == values[position]
                assert block.attempts == self.workers.attempts[index]
                assert block.attempts == 1 + len(self.errors.pop(index, ()))
                self.values += 1
                self.settle(index)

    def check_failed(self, failed: Failed) -> None:
        """Laws 2, 4, 5, 6 and 7: a failure is the task's own, or the run had ended."""
        error, index, terms = failed.error, failed.index, self.terms
        assert failed.item.index == index
        self.settle(index)
        self.check_attempts(failed)
        if isinstance(error, Trouble):
            assert terms.retry is not None
            assert terms.retry.on is in_trouble
            assert error.__context__ is not None
            error = error.__context__
        call = failed.item.calls[min(failed.attempts, len(failed.item.calls)) - 1]
        if isinstance(error, TaskError):
            assert index == error.index
            assert failed.stopped is None
        elif isinstance(error, WorkerCrashedError):
            # A worker that exits takes the last task's value along if it was not accounted for.
            assert call.ends in ("crashes", "exits")
            assert str(index) == str(error) or (call.ends == "exits" and self.trace > 1)
        elif isinstance(error, TaskTimeoutError):
            assert terms.timeout is not None
            assert self.workers.lost[index] + SLACK >= terms.timeout
            assert failed.stopped in (terms.strength, "abandoned")
        else:
            assert type(error) is (self.cut_short or TaskCancelledError)
            assert not failed.own
            assert self.bound < math.inf
        if failed.own:
            assert index > self.bound or wait_after(terms.retry, error, failed.attempts) is None
        else:
            self.lost += 1
        if failed.own and terms.fail_fast:
            if self.bound == math.inf:
                self.first_failure = self.workers.now
            self.bound = min(self.bound, index)
        if self.timed and failed.worker:
            assert math.isclose(self.workers.begun[index], failed.started, abs_tol=SLACK)

    def check_attempts(self, failed: Failed) -> None:
        """Each start was an attempt, and each attempt but the last left its error."""
        index, errors = failed.index, self.errors.pop(failed.index, [])
        assert failed.attempts == self.workers.attempts[index]
        assert failed.attempts <= (self.terms.retry.attempts if self.terms.retry else 1)
        assert len(errors) == len(failed.earlier)
        for mine, its in zip(errors, failed.earlier, strict=True):
            assert mine is its or (type(mine), type(its)) == (TaskTimeoutError, TaskTimeoutError)
        if index in self.reported:
            assert failed.attempts == len(errors) + 1
        else:  # it was not tried again
            assert self.cut_short
            assert type(failed.error) is self.cut_short
            assert failed.attempts == len(errors)
            self.never_started += not errors
            assert (False, None, "") == (failed.own, failed.stopped, failed.worker)
            self.waits.pop(index, None)

    def settle(self, index: int) -> None:
        assert index < self.read
        assert index not in self.settled
        self.settled.add(index)


TestRun = Run.TestCase
TestRun.settings = settings(stateful_step_count=40)


# ---- the subtle rules, one at a time ------------------------------------------------------------


def supplied(count: int, **terms: Any) -> Schedule:
    """A schedule of one worker that has read its whole input of *count* tasks."""
    schedule = Schedule(Terms(**{"workers": 1, **terms}))
    schedule.supply([f"item {index}" for index in range(count)])
    schedule.no_more()
    return schedule


def starts(schedule: Schedule, now: float = 0.0) -> list[Start]:
    """The batches that the schedule wants started, when it wants nothing else."""
    orders = schedule.orders(now)
    assert all(isinstance(order, Start) for order in orders)
    return [order for order in orders if isinstance(order, Start)]


def started(schedule: Schedule, now: float = 0.0) -> list[list[int]]:
    """The indices of the tasks in each batch that the schedule wants started."""
    return [list(start.batch.indices) for start in starts(schedule, now)]


def returned(count: int, each: float = 0.0, **report: Any) -> Report:
    """*count* tasks have returned, after so many seconds each."""
    return Report(values=[None] * count, busy=count * each, **report)


def quick(**terms: Any) -> Schedule:
    """A schedule whose first task, of very many, proved quick, and whose batches stay at one."""
    schedule = supplied(1000, **{"chunksize": 1, "ahead": 2, "grain": 0.001, **terms})
    schedule.orders(0.0)
    schedule.ended(1, returned(1, 1e-6), 0.0)
    return schedule


def outcomes(schedule: Schedule) -> dict[int, Any]:
    """What came of each task: its error, None if it returned."""
    found: dict[int, Any] = {}
    for one in schedule.settled:
        if isinstance(one, Failed):
            found[one.index] = one.error
        else:
            found.update(dict.fromkeys(one.indices))
    return found


class TestBatches:
    """How many tasks travel together."""

    def test_growth(self) -> None:
        """A batch is at most eight times the last one that proved tiny, and fits the grain."""
        schedule = supplied(100_000, grain=0.001)
        sizes = []
        for number in range(1, 7):
            [start] = starts(schedule)
            sizes.append(len(start.batch.indices))
            schedule.ended(number, returned(sizes[-1], 1e-6), 0.0)

        assert [1, 8, 64, 512, 1000, 1000] == sizes

    def test_growth_is_earned_by_one_batch(self) -> None:
        """Many batches of one task prove no more than one of them does."""
        schedule = supplied(100_000, workers=8)
        schedule.orders(0.0)
        for number in range(1, 9):
            schedule.ended(number, returned(1, 1e-6), 0.0)

        assert [8] * 8 == [len(start.batch.indices) for start in starts(schedule)]

    def test_a_small_batch_that_comes_late_does_not_undo_growth(self) -> None:
        """What a larger batch has proved holds after a smaller one is reported."""
        schedule = supplied(100_000, workers=2)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)
        schedule.orders(0.0)
        schedule.ended(3, returned(8, 1e-6), 0.0)
        schedule.orders(0.0)
        schedule.ended(2, returned(1, 1e-6), 0.0)

        assert [64] == [len(indices) for indices in started(schedule)]

    def test_a_task_that_is_not_tiny_travels_alone(self) -> None:
        """Tasks as long as the grain are never put together."""
        schedule = supplied(10, grain=0.001)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 0.001), 0.0)

        assert [[1]] == started(schedule)

    def test_slower_is_believed_at_once(self) -> None:
        """One slow task after tiny ones, and the next batch has one task again."""
        schedule = supplied(100)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)
        schedule.orders(0.0)
        schedule.gave_back(2, 1, 0.0)
        schedule.ended(2, returned(1, 0.5), 0.0)

        assert [[2]] == started(schedule)

    def test_a_batch_that_was_made_to_wait(self) -> None:
        """Of a batch, four times slower is believed, no more: the system may have let it wait."""
        schedule = supplied(10_000)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-5), 0.0)
        schedule.orders(0.0)
        schedule.ended(2, returned(8, 1.0), 0.0)

        assert [25] == [len(indices) for indices in started(schedule)]

    def test_quicker_is_believed_by_and_by(self) -> None:
        """After a slow task, quick ones are trusted only as far as half their news goes."""
        schedule = supplied(100, grain=0.001)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 0.001), 0.0)
        schedule.orders(0.0)
        schedule.ended(2, returned(1, 0.0), 0.0)

        assert [2] == [len(indices) for indices in started(schedule)]

    def test_tasks_too_quick_for_the_clock(self) -> None:
        """Batches grow while nothing can be measured; the first measure is believed."""
        schedule = supplied(1000)
        sizes = []
        for number, each in enumerate([0.0, 0.0, 0.01, 0.01], 1):
            [start] = starts(schedule)
            sizes.append(len(start.batch.indices))
            schedule.ended(number, returned(sizes[-1], each), 0.0)

        assert [1, 8, 64, 1] == sizes

    def test_a_worker_that_was_lost_teaches_nothing(self) -> None:
        """How long the tasks of a batch took is not known if the last one was lost."""
        schedule = supplied(100, fail_fast=False)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-4), 0.0)
        schedule.orders(0.0)
        lost = WorkerCrashedError("gone")
        schedule.ended(2, Report(values=[None] * 3, lost=lost), 0.0)

        assert [1e-4] == [start.batch.hint for start in starts(schedule)]

    def test_hint(self) -> None:
        """A worker is told how long a task will take; infinity while nobody knows."""
        schedule = supplied(10)
        [first] = starts(schedule)
        schedule.ended(1, returned(1, 0.002), 0.0)
        [second] = starts(schedule)

        assert (math.inf, 0.002) == (first.batch.hint, second.batch.hint)

    def test_the_last_batches_shrink(self) -> None:
        """Where it is known how many tasks there are, the workers end together."""
        schedule = supplied(2000, workers=2, grain=0.01, length=2000)
        sizes = []
        now: list[Start] = []
        while now := now[1:] + starts(schedule):
            sizes.append(len(now[0].batch.indices))
            schedule.ended(now[0].batch.number, returned(sizes[-1], 1e-5), 0.0)

        assert 2000 == sum(sizes)
        assert [1, 1, 8, 8, 64, 64, 464] == sizes[:7]
        assert sorted(sizes[6:], reverse=True) == sizes[6:]
        assert min(sizes[6:-2]) >= 500 // 8

    def test_an_input_of_unknown_length_is_not_shared_out(self) -> None:
        """Batches shrink only when the end is in sight."""
        schedule = supplied(20, workers=2)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)

        assert [list(range(2, 10))] == started(schedule)

    def test_a_wrong_length_stops_nothing(self) -> None:
        """An input longer than it was said to be is read to its end."""
        schedule = Schedule(Terms(workers=1, length=1))
        for number in range(1, 6):
            assert schedule.wanted > 0
            schedule.supply(["item"] * schedule.wanted)
            [start] = starts(schedule)
            schedule.ended(number, returned(len(start.batch.indices), 1e-6), 0.0)

        assert schedule.wanted > 0

    def test_after_a_slow_batch(self) -> None:
        """As soon as a batch gives tasks back, they start one by one."""
        schedule = supplied(100, workers=3)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)
        schedule.ended(2, returned(1, 1e-6), 0.0)
        assert [8, 8] == [len(indices) for indices in started(schedule)]
        schedule.gave_back(4, 1, 0.0)
        schedule.ended(5, Report(), 0.0)

        assert [[4]] == started(schedule)

    def test_after_a_batch_that_never_began(self) -> None:
        """That its worker was not free says nothing of the tasks."""
        schedule = supplied(100, workers=3)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)
        schedule.ended(2, returned(1, 1e-6), 0.0)
        assert [8, 8] == [len(indices) for indices in started(schedule)]
        schedule.gave_back(4, 0, 0.01)
        schedule.ended(4, Report(), 0.01)
        schedule.ended(5, returned(8, 1e-6), 0.01)

        assert [8, 64] == [len(indices) for indices in started(schedule)]

    def test_after_a_batch_that_stood_still_in_the_end(self) -> None:
        """Of many tasks that were quick before, not all that follow are thought slow."""
        schedule = supplied(3000, grain=0.001)
        for number in range(1, 5):
            [indices] = started(schedule)
            schedule.ended(number, returned(len(indices), 1e-6), 0.0)
        [indices] = started(schedule)
        assert len(indices) > 500
        schedule.gave_back(5, 401, 0.004)  # 10 µs for each that has ended
        schedule.ended(5, returned(401, 1e-5), 0.004)

        assert 25 < len(started(schedule)[0]) < 100

    def test_chunksize(self) -> None:
        """A size chosen by hand is kept to, whatever the tasks prove to be."""
        schedule = supplied(7, chunksize=3)

        assert [[0, 1, 2]] == started(schedule)
        schedule.ended(1, returned(3, 1e-9), 0.0)
        assert [[3, 4, 5]] == started(schedule)
        schedule.ended(2, returned(3, 9.0), 0.0)
        assert [[6]] == started(schedule)

    def test_wanted(self) -> None:
        """The input is read one batch at a time, as far as there are free workers."""
        schedule = Schedule(Terms(workers=2, chunksize=3))

        assert 3 == schedule.wanted
        schedule.supply(["item"] * 2)
        assert 3 == schedule.wanted
        schedule.supply(["item"] * 3)
        assert 1 == schedule.wanted
        schedule.orders(0.0)
        assert 0 == schedule.wanted
        schedule.ended(1, returned(2), 0.0)
        assert 3 == schedule.wanted

    def test_an_empty_portion_of_input(self) -> None:
        """Reading nothing starts nothing."""
        schedule = Schedule(Terms(workers=2))
        schedule.supply([])
        schedule.supply(["item"])

        assert [[0]] == started(schedule)
        assert schedule.wanted == 1
        assert not schedule.finished


class TestLanes:
    """Which batch waits behind which."""

    def test_nothing_waits_while_nothing_is_known(self) -> None:
        """The first batches have a worker each."""
        schedule = supplied(10, workers=2, ahead=2)

        assert [None, None] == [start.behind for start in starts(schedule)]

    def test_ahead_while_quick(self) -> None:
        """Once tasks prove quick, each worker has one batch more, the oldest first."""
        schedule = quick(workers=2)

        assert [(3, None), (4, 2), (5, 3)] == [
            (start.batch.number, start.behind) for start in starts(schedule)
        ]

    def test_not_ahead_once_slow(self) -> None:
        """Tasks that take longer than two grains wait for a free worker."""
        schedule = quick(workers=2)
        schedule.orders(0.0)
        schedule.ended(2, returned(1, 0.0021), 0.0)
        schedule.ended(3, returned(1, 0.0021), 0.0)

        assert [] == starts(schedule)

    def test_not_ahead_of_tasks_that_are_not_tiny(self) -> None:
        """A task of two milliseconds waits for a free worker, however large the grain is."""
        schedule = supplied(10, chunksize=1, ahead=2, grain=0.003)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 0.002), 0.0)

        assert [None] == [start.behind for start in starts(schedule)]

    def test_not_ahead_of_large_chunks(self) -> None:
        """It is the batch that must be quick, not the task."""
        schedule = supplied(100, chunksize=10, ahead=2, grain=0.001)
        schedule.orders(0.0)
        schedule.ended(1, returned(10, 0.0003), 0.0)

        assert [None] == [start.behind for start in starts(schedule)]

    def test_a_batch_that_waits_too_long_goes_elsewhere(self) -> None:
        """It is asked back unless it has begun, and none waits behind that slow one again."""
        schedule = quick(workers=2)
        schedule.orders(0.0)  # 4 behind 2, 5 behind 3
        schedule.ended(3, returned(1, 1e-6), 0.0)
        assert [5] == [start.behind for start in starts(schedule)]  # 6
        assert 0.01 == schedule.wake
        assert [Recall(4, unbegun=True), Recall(6, unbegun=True)] == schedule.orders(0.01)
        schedule.ended(5, returned(1, 1e-6), 0.01)
        schedule.ended(4, Report(), 0.01)

        assert [([3], 6)] == [(list(s.batch.indices), s.behind) for s in starts(schedule, 0.01)]

    def test_a_chunk_sized_by_hand_is_never_shared_out(self) -> None:
        """Only a batch that waits is asked back, whole."""
        schedule = supplied(100, chunksize=10)
        schedule.orders(0.0)

        assert schedule.wake is None

    def test_crash_of_the_batch_before(self) -> None:
        """A batch that waited behind a crash comes back whole and starts again, in order."""
        schedule = quick()
        assert [None, 2] == [start.behind for start in starts(schedule)]
        schedule.ended(2, Report(lost=WorkerCrashedError("gone")), 0.0)
        schedule.ended(3, Report(), 0.0)

        assert schedule.finished  # the failure ended the run

    @pytest.mark.parametrize("first", [1, 2])
    def test_leaving_in_any_order(self, first: int) -> None:
        """The worker is free once both its batches are over, whichever ends first."""
        lanes = Lanes(1, ahead=True)
        lanes.enter(1)
        assert 1 == lanes.enter(2)
        assert 0 == lanes.room(quick=True)
        lanes.leave(first)
        assert (1, 1) == (lanes.busy, lanes.room(quick=True))
        assert 3 - first == lanes.enter(3)
        assert 0 == lanes.room(quick=True)
        lanes.leave(3)
        lanes.leave(3 - first)

        assert (0, 1) == (lanes.busy, lanes.room(quick=True))

    def test_slow(self) -> None:
        """Nothing waits behind a slow batch; what it gives place to does not share its fault."""
        lanes = Lanes(1, ahead=True)
        lanes.enter(1)
        lanes.enter(2)
        lanes.slow(2)  # since the one before it is slow
        lanes.leave(2)
        assert 0 == lanes.room(quick=True)
        lanes.leave(1)
        lanes.enter(3)
        assert 1 == lanes.room(quick=True)
        lanes.slow(3)

        assert 0 == lanes.room(quick=True)

    def test_turns(self) -> None:
        """Where workers take turns, two quick batches are enough; slow ones don't count."""
        schedule = supplied(100, workers=5, shared=True, chunksize=1)
        schedule.orders(0.0)
        for number in (1, 2, 3):
            schedule.ended(number, returned(1, 1e-6), 0.0)
        assert [] == starts(schedule)  # 4 and 5 are under way
        assert 0.01 == schedule.wake
        assert [[5], [6], [7]] == started(schedule, 0.01)  # 4 and 5 wait for something
        for number in (6, 7, 8):
            schedule.ended(number, returned(1, 1e-6), 0.01)
        assert [[8], [9]] == started(schedule, 0.01)
        for number in (4, 5, 9, 10):
            schedule.ended(number, returned(1, 1e-6), 0.01)

        assert [[10], [11]] == started(schedule, 0.01)

    def test_turns_of_tasks_that_are_known_to_be_slow(self) -> None:
        """They need no look, and are in nobody's way once others prove quick."""
        schedule = supplied(100, workers=5, shared=True, chunksize=1)
        schedule.orders(0.0)
        for number in range(1, 6):
            schedule.ended(number, returned(1, 0.004), 0.004)
        assert [[5], [6], [7], [8], [9]] == started(schedule, 0.004)
        assert schedule.wake is None
        for number, index in ((6, 10), (11, 11), (12, 12)):
            schedule.ended(number, returned(1, 1e-6), 0.004)
            assert [[index]] == started(schedule, 0.004)  # 6 to 9 still wait for something

        assert 0.014 == schedule.wake  # for what may still prove slow


class TestSlowBatches:
    """A batch that turns out slow is shared out again."""

    def test_recall(self) -> None:
        """What a slow batch has not started goes to other workers, in the input's order."""
        schedule = supplied(30, workers=2)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)
        assert [list(range(2, 10))] == started(schedule)
        assert [] == schedule.orders(0.0099)
        assert [Recall(3, unbegun=False)] == schedule.orders(0.01)
        assert schedule.wake is None
        schedule.gave_back(3, 2, 0.01)
        schedule.ended(2, returned(1, 1e-6), 0.01)

        assert [[4]] == started(schedule, 0.01)

    def test_what_is_given_back_twice(self) -> None:
        """Only what was not given back before starts again."""
        schedule = supplied(9)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)
        schedule.orders(0.0)
        schedule.gave_back(2, 5, 0.0)
        schedule.gave_back(2, 3, 0.0)
        schedule.gave_back(2, 4, 0.0)
        schedule.ended(2, returned(3, 1e-6), 0.0)
        seen = started(schedule)
        while not schedule.finished:
            schedule.ended(len(seen) + 2, returned(len(seen[-1])), 0.0)
            seen += started(schedule)

        assert list(range(4, 9)) == [index for batch in seen for index in batch]

    def test_the_end_overtakes_what_was_given_back(self) -> None:
        """A report that is short says the same as giving back."""
        schedule = supplied(9)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)
        schedule.orders(0.0)
        schedule.ended(2, returned(3, 1e-6), 0.0)
        schedule.gave_back(2, 3, 0.0)

        assert [list(range(4, 9))] == started(schedule)

    def test_a_batch_that_comes_back_whole(self) -> None:
        """One that never began, being long under way, is not sent again at the same size."""
        schedule = supplied(30, workers=2)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 1e-6), 0.0)
        assert [list(range(2, 10))] == started(schedule)
        assert [Recall(3, unbegun=False)] == schedule.orders(0.01)
        schedule.ended(3, Report(), 0.01)

        assert [[2]] == started(schedule, 0.01)

    def test_a_batch_of_one_task_is_not_recalled(self) -> None:
        """There is nothing to share out, and nothing waits."""
        schedule = supplied(2)
        schedule.orders(0.0)

        assert schedule.wake is None


class TestTimeouts:
    """A task has so many seconds, from its own start."""

    @pytest.fixture
    def schedule(self) -> Schedule:
        """One batch of three tasks on a worker that can be killed, under a timeout of 1 s."""
        schedule = supplied(3, chunksize=3, timeout=1.0, strength="killed", fail_fast=False)
        schedule.orders(0.0)
        assert 1.0 == schedule.wake
        assert [] == schedule.orders(0.999)
        assert [Look(1)] == schedule.orders(1.0)
        return schedule

    def test_not_begun(self, schedule: Schedule) -> None:
        """A batch that waits in a queue is looked at again, and harmed by no timeout."""
        schedule.seen(1, 0, None, 1.0)

        assert 2.0 == schedule.wake
        assert [] == schedule.orders(1.0)

    def test_within_its_time(self, schedule: Schedule) -> None:
        """The next look is when the task that runs now will be over its time."""
        schedule.seen(1, 1, 0.7, 1.0)

        assert 1.7 == schedule.wake
        assert [Look(1)] == schedule.orders(1.7)

    def test_stop_then_abandon(self, schedule: Schedule) -> None:
        """A task over its time is stopped; one that does not let itself be stopped is abandoned."""
        schedule.seen(1, 1, 0.0, 1.0)
        assert [Stop(1, 1)] == schedule.orders(1.0)
        assert 1.06 == schedule.wake
        assert [Abandon(1, 1)] == schedule.orders(1.06)
        lost = TaskCancelledError("abandoned")
        schedule.ended(1, returned(1, ends=[0.1], lost=lost, how="abandoned"), 1.06)

        assert [None, TaskTimeoutError] == [outcomes(schedule)[0], type(outcomes(schedule)[1])]
        assert [[2]] == started(schedule, 1.06)

    def test_its_end_came_first(self, schedule: Schedule) -> None:
        """If the task ended before it could be stopped, the next one has all its time."""
        schedule.seen(1, 0, 0.0, 1.0)
        assert [Stop(1, 0)] == schedule.orders(1.0)
        schedule.still(1, 1.01)
        assert [Look(1)] == schedule.orders(1.01)
        schedule.seen(1, 1, 1.005, 1.01)

        assert 2.005 == schedule.wake

    def test_its_end_came_first_while_the_run_ends(self, schedule: Schedule) -> None:
        """Also in a run that is being stopped, no task is abandoned for the one before it."""
        schedule.seen(1, 0, 0.0, 1.0)
        schedule.halt(1.0)
        schedule.orders(1.0)
        schedule.still(1, 1.01)
        assert [Look(1)] == schedule.orders(1.01)
        schedule.seen(1, 1, 1.005, 1.01)

        assert [] == schedule.orders(1.5)

    def test_still_without_a_timeout(self) -> None:
        """Nothing follows from a stop that was not for a timeout."""
        schedule = supplied(2)
        schedule.orders(0.0)
        schedule.still(1, 0.0)

        assert [] == schedule.orders(0.0)

    def test_threads_are_abandoned_at_once(self) -> None:
        """There is no grace for a worker that can't be stopped."""
        schedule = supplied(1, timeout=1.0, strength="abandoned")
        schedule.orders(0.0)
        schedule.orders(1.0)
        schedule.seen(1, 0, 0.0, 1.0)

        assert [Abandon(1, 0)] == schedule.orders(1.0)
        assert schedule.wake is None

    def test_seen_twice(self, schedule: Schedule) -> None:
        """A second look changes nothing for a task that is being stopped."""
        schedule.seen(1, 1, 0.0, 1.0)
        schedule.seen(1, 1, 0.0, 1.0)
        schedule.seen(1, 2, 1.0, 1.0)

        assert [Stop(1, 1)] == schedule.orders(1.0)
        assert 1.06 == schedule.wake

    def test_a_crash_is_no_timeout(self, schedule: Schedule) -> None:
        """A worker that died by itself says so, even if the task was over its time by then."""
        schedule.seen(1, 0, 0.0, 1.0)
        schedule.orders(1.0)
        crash = WorkerCrashedError("gone")
        schedule.ended(1, Report(lost=crash), 1.0)

        assert {0: crash} == outcomes(schedule)

    def test_long_timeouts_over_many_quick_batches(self) -> None:
        """Alarms of batches that are over don't pile up."""
        schedule = supplied(1000, chunksize=1, timeout=60.0, workers=2)
        schedule.orders(0.0)
        for number in range(2, 1001):
            schedule.ended(number, returned(1, 0.5), number / 1000)
            schedule.orders(number / 1000)

            assert len(schedule._alarms) <= 64 + 4 * 2 + 1

        assert 60.0 == schedule.wake
        assert [Look(1)] == schedule.orders(60.0)

    def test_times_of_a_failure(self) -> None:
        """A failed task began when the one before it ended."""
        schedule = supplied(3, chunksize=3, fail_fast=False)
        schedule.orders(0.0)
        failures = [(0, KeyError(0)), (2, KeyError(2))]
        schedule.ended(1, returned(3, failures=failures, since=1.0, ends=[1.5, 2.0, 4.0]), 9.0)
        failed = [one for one in schedule.settled if isinstance(one, Failed)]

        assert [(1.0, 0.5), (2.0, 2.0)] == [(one.started, one.duration) for one in failed]


class TestWarnings:
    """What is said of tasks that take long."""

    @pytest.fixture
    def schedule(self) -> Schedule:
        """One batch of three tasks, to be warned of after 10 s."""
        schedule = supplied(3, chunksize=3, warn_after=10.0)
        schedule.orders(0.0)
        assert 10.0 == schedule.wake
        assert [] == schedule.orders(9.999)
        assert [Look(1)] == schedule.orders(10.0)
        return schedule

    def test_the_task_that_runs(self, schedule: Schedule) -> None:
        """It is named with its attempt, and with how many wait behind it."""
        schedule.seen(1, 1, 0.0, 10.0)

        assert [Warn(1, 1, 1, "item 1", 1, 0.0, 1)] == schedule.orders(10.0)

    def test_its_own_time_alone_counts(self, schedule: Schedule) -> None:
        """A slow batch of quick tasks is no slow task."""
        schedule.seen(1, 1, 9.0, 10.0)
        assert 19.0 == schedule.wake
        assert [Look(1)] == schedule.orders(19.0)
        schedule.seen(1, 2, 18.5, 19.0)

        assert 28.5 == schedule.wake

    def test_once(self, schedule: Schedule) -> None:
        """The next is only said of the task behind it, when that takes long itself."""
        schedule.seen(1, 0, 0.0, 10.0)
        assert [Warn(1, 0, 0, "item 0", 1, 0.0, 2)] == schedule.orders(10.0)
        assert [Look(1)] == schedule.orders(20.0)
        schedule.seen(1, 0, 0.0, 20.0)
        assert [Look(1)] == schedule.orders(30.0)
        schedule.seen(1, 2, 21.0, 30.0)
        assert [Look(1)] == schedule.orders(31.0)
        schedule.seen(1, 2, 21.0, 31.0)

        assert [Warn(1, 2, 2, "item 2", 1, 21.0, 0)] == schedule.orders(31.0)
        assert schedule.wake is None  # nobody is left to be warned of

    def test_not_begun(self, schedule: Schedule) -> None:
        """Nothing is said of a batch that waits."""
        schedule.seen(1, 0, None, 10.0)

        assert [] == schedule.orders(10.0)
        assert 20.0 == schedule.wake

    def test_what_was_given_back(self, schedule: Schedule) -> None:
        """Those that went elsewhere don't wait behind it."""
        schedule.gave_back(1, 1, 5.0)
        schedule.seen(1, 0, 0.0, 10.0)

        [warn] = [order for order in schedule.orders(10.0) if isinstance(order, Warn)]
        assert 0 == warn.behind

    def test_a_timeout_that_comes_later(self) -> None:
        """Both are kept, each at its moment."""
        schedule = supplied(1, warn_after=1.0, timeout=3.0, strength="killed")
        schedule.orders(0.0)
        assert [Look(1)] == schedule.orders(1.0)
        schedule.seen(1, 0, 0.0, 1.0)
        assert [Warn(1, 0, 0, "item 0", 1, 0.0, 0)] == schedule.orders(1.0)
        assert 3.0 == schedule.wake
        assert [Look(1)] == schedule.orders(3.0)
        schedule.seen(1, 0, 0.0, 3.0)

        assert [Stop(1, 0)] == schedule.orders(3.0)

    def test_a_timeout_that_comes_first(self) -> None:
        """A task whose time is up is stopped, and nothing is said."""
        schedule = supplied(1, warn_after=3.0, timeout=1.0, strength="killed")
        schedule.orders(0.0)
        assert [Look(1)] == schedule.orders(1.0)
        schedule.seen(1, 0, 0.0, 1.0)

        assert [Stop(1, 0)] == schedule.orders(1.0)

    def test_each_attempt(self) -> None:
        """The second attempt is warned of as the second."""
        schedule = supplied(1, warn_after=1.0, retry=policy(2, wait_initial=0))
        schedule.orders(0.0)
        schedule.ended(1, failed(), 0.5)
        schedule.orders(0.5)
        assert [Look(2)] == schedule.orders(1.5)
        schedule.seen(2, 0, 0.5, 1.5)

        assert [Warn(2, 0, 0, "item 0", 2, 0.5, 0)] == schedule.orders(1.5)

    def test_off(self) -> None:
        """By default nobody looks."""
        schedule = supplied(1)
        schedule.orders(0.0)

        assert schedule.wake is None
        schedule.seen(1, 0, 0.0, 1e9)
        assert [] == schedule.orders(1e9)


class TestLosses:
    """What is done about tasks whose worker was lost."""

    def test_the_rest_of_a_batch(self) -> None:
        """What had ended keeps its result, what ran fails, what had not started runs elsewhere."""
        schedule = supplied(5, chunksize=5, fail_fast=False)
        schedule.orders(0.0)
        crash = WorkerCrashedError("gone")
        schedule.ended(1, returned(2, lost=crash), 0.0)

        assert {0: None, 1: None, 2: crash} == outcomes(schedule)
        assert not schedule.finished
        assert [[3, 4]] == started(schedule)

    def test_between_two_tasks(self) -> None:
        """A worker that dies when its batch is done costs no task."""
        schedule = supplied(3, chunksize=3, fail_fast=False)
        schedule.orders(0.0)
        schedule.ended(1, returned(3, lost=WorkerCrashedError("gone")), 0.0)

        assert {0: None, 1: None, 2: None} == outcomes(schedule)
        assert schedule.finished

    def test_beyond_what_was_kept(self) -> None:
        """A worker that dies after it gave tasks back costs none of those."""
        schedule = supplied(3, chunksize=3, fail_fast=False)
        schedule.orders(0.0)
        schedule.gave_back(1, 1, 0.0)
        schedule.ended(1, returned(1, lost=WorkerCrashedError("gone")), 0.0)

        assert {0: None} == outcomes(schedule)
        assert [[1, 2]] == started(schedule)

    def test_unsure(self) -> None:
        """Tasks that may have run without a trace run again one by one, the others together."""
        schedule = supplied(6, chunksize=6, fail_fast=False)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, lost=WorkerCrashedError("gone"), unsure=2), 0.0)

        assert {0: None} == outcomes(schedule)
        seen = []
        for number in (2, 3, 4):
            [start] = starts(schedule)
            seen.append((list(start.batch.indices), start.batch.alone))
            schedule.ended(number, returned(len(start.batch.indices)), 0.0)
        assert [([1], True), ([2], True), ([3, 4, 5], False)] == seen

    def test_unsure_beyond_what_was_kept(self) -> None:
        """What was given back before is not started twice."""
        schedule = supplied(6, chunksize=6, fail_fast=False, workers=9)
        schedule.orders(0.0)
        schedule.gave_back(1, 3, 0.0)
        schedule.ended(1, returned(1, lost=WorkerCrashedError("gone"), unsure=8), 0.0)

        assert [[1], [2], [3, 4, 5]] == started(schedule)

    def test_sure_after_all(self) -> None:
        """If only one task can have run, that one did: it does not run twice."""
        schedule = supplied(3, chunksize=3, fail_fast=False)
        schedule.orders(0.0)
        crash = WorkerCrashedError("gone")
        schedule.ended(1, returned(2, lost=crash, unsure=8), 0.0)

        assert {0: None, 1: None, 2: crash} == outcomes(schedule)
        assert schedule.finished

    def test_a_worker_that_goes_on(self) -> None:
        """What an abandoned worker still writes into its report counts for nothing."""
        schedule = supplied(3, chunksize=3, fail_fast=False)
        schedule.orders(0.0)
        lost, late = TaskCancelledError("abandoned"), KeyError("late")
        schedule.ended(1, returned(1, failures=[(1, late)], lost=lost, how="abandoned"), 0.0)
        schedule.ended(1, returned(3), 0.0)
        schedule.gave_back(1, 0, 0.0)
        schedule.still(1, 0.0)
        schedule.seen(1, 0, 0.0, 9.0)

        assert {0: None, 1: lost} == outcomes(schedule)
        assert 2 == len(schedule.settled)
        assert [[2]] == started(schedule)


class TestFailFast:
    """The first failure ends the run."""

    @pytest.fixture
    def schedule(self) -> Schedule:
        """Tasks 0 to 3 run, two of more that are ready; task 2 has failed at 1 s."""
        schedule = supplied(6, workers=4, chunksize=1, strength="killed")
        schedule.orders(0.0)
        schedule.ended(3, Report(values=[None], failures=[(0, KeyError(2))]), 1.0)
        return schedule

    def test_what_comes_after_is_stopped(self, schedule: Schedule) -> None:
        """Later tasks are stopped, earlier ones get a moment, and nothing else starts."""
        assert [Recall(1, False), Recall(2, False), Recall(4, False), Stop(4, -1)] == (
            schedule.orders(1.0)
        )
        assert 0 == schedule.wanted
        assert 1.5 == schedule.wake
        assert [Stop(1, -1), Stop(2, -1)] == schedule.orders(1.5)

    def test_the_earlier_of_two_failures(self, schedule: Schedule) -> None:
        """An earlier task that fails in that moment counts, and does not prolong it."""
        schedule.orders(1.0)
        schedule.ended(2, Report(values=[None], failures=[(0, KeyError(1))]), 1.49)
        assert 1.5 == schedule.wake
        assert [Stop(1, -1)] == schedule.orders(1.5)
        killed = TaskCancelledError("killed")
        schedule.ended(1, Report(lost=killed, how="killed"), 1.51)
        schedule.ended(4, Report(lost=killed, how="killed"), 1.51)

        assert [(2, True), (1, True), (0, False), (3, False)] == [
            (one.index, one.own) for one in schedule.settled if isinstance(one, Failed)
        ]
        assert schedule.finished

    def test_a_crash_is_its_own(self, schedule: Schedule) -> None:
        """A worker that dies by itself in a run that ends has failed by itself."""
        schedule.orders(1.0)
        schedule.ended(4, Report(lost=WorkerCrashedError("gone")), 1.0)

        assert [True, True] == [one.own for one in schedule.settled if isinstance(one, Failed)]

    def test_earlier_tasks_that_come_back_still_start(self) -> None:
        """What a batch gives back starts elsewhere if it comes before the failure, else never."""
        schedule = supplied(8, workers=2, chunksize=4, strength="killed")
        schedule.orders(0.0)
        schedule.ended(2, Report(values=[None] * 2, failures=[(1, KeyError(5))]), 0.0)
        assert [Recall(1, unbegun=False)] == schedule.orders(0.0)
        schedule.gave_back(1, 1, 0.0)

        assert [[1, 2, 3]] == started(schedule)

    def test_a_batch_asked_back_before(self) -> None:
        """A batch that was asked back only if it had not begun is asked for its rest now."""
        schedule = supplied(100, chunksize=2, ahead=2, workers=2)
        schedule.orders(0.0)
        schedule.ended(1, returned(2, 1e-6), 0.0)
        schedule.orders(0.0)  # 4 behind 2, 5 behind 3
        assert [Recall(4, unbegun=True), Recall(5, unbegun=True)] == schedule.orders(0.01)
        schedule.ended(2, Report(values=[None] * 2, failures=[(0, KeyError())]), 0.02)

        orders = [(Recall(n, unbegun=False), Stop(n, -1)) for n in (3, 4, 5)]
        assert [order for pair in orders for order in pair] == schedule.orders(0.02)

    def test_a_batch_that_began_after_it_was_told_to_stop(self, schedule: Schedule) -> None:
        """What it keeps is running: it is told again."""
        schedule.orders(1.0)
        schedule.gave_back(4, 1, 1.0)

        assert [Stop(4, -1)] == schedule.orders(1.0)

    def test_threads_are_told(self) -> None:
        """Where nothing can be stopped by force, the task can still be told."""
        schedule = supplied(4, workers=2, chunksize=2, strength="abandoned")
        schedule.orders(0.0)
        schedule.ended(1, Report(values=[None] * 2, failures=[(0, KeyError())]), 0.0)
        assert [Recall(2, unbegun=False), Stop(2, -1)] == schedule.orders(0.0)
        schedule.gave_back(2, 1, 0.0)

        assert [] == schedule.orders(0.2)

    def test_nobody_is_asked_about_what_has_ended(self, schedule: Schedule) -> None:
        """Batches that end before the orders are taken are in none of them."""
        schedule.ended(4, returned(1), 1.0)
        schedule.ended(1, returned(1), 1.0)

        assert [Recall(2, unbegun=False)] == schedule.orders(1.0)


class TestHalt:
    """A run can be ended at any time."""

    @pytest.fixture
    def schedule(self) -> Schedule:
        """Two batches of two tasks run, two more are ready."""
        schedule = supplied(6, workers=2, chunksize=2, strength="cancelled")
        schedule.orders(0.0)
        return schedule

    def test_without_patience(self, schedule: Schedule) -> None:
        """What runs is asked to stop and waited for; nothing starts."""
        schedule.halt(1.0)
        assert [Recall(1, False), Stop(1, -1), Recall(2, False), Stop(2, -1)] == (
            schedule.orders(1.0)
        )
        assert schedule.wake is None
        cancelled = TaskCancelledError("cancelled")
        schedule.ended(1, returned(1, lost=cancelled, how="cancelled"), 1.0)
        assert [] == starts(schedule, 1.0)
        schedule.ended(2, returned(1), 1.0)

        assert schedule.finished
        assert [0, 1, 2] == list(outcomes(schedule))
        assert [] == starts(schedule, 1.0)

    def test_with_patience(self, schedule: Schedule) -> None:
        """What has not stopped in time is abandoned; the shorter of two patiences counts."""
        schedule.halt(1.0, 0.5)
        schedule.halt(1.0, 2.0)
        schedule.halt(1.0)
        schedule.orders(1.0)
        assert 1.5 == schedule.wake
        assert [Abandon(1, -1), Abandon(2, -1)] == schedule.orders(1.5)

        assert schedule.wake is None

    def test_after_a_failure(self) -> None:
        """A halt stops at once what a failure would have given a moment."""
        schedule = supplied(2, workers=2, strength="killed")
        schedule.orders(0.0)
        schedule.ended(2, Report(values=[None], failures=[(0, KeyError())]), 0.0)
        schedule.orders(0.0)
        schedule.halt(0.0)

        assert [Stop(1, -1)] == schedule.orders(0.0)
        assert schedule.wake is None

    def test_what_is_read_too_late(self, schedule: Schedule) -> None:
        """Items that were being read when the run was halted never start."""
        schedule.halt(1.0)
        schedule.orders(1.0)
        schedule.supply(["item"] * 3)
        schedule.ended(1, Report(), 1.0)
        schedule.ended(2, Report(), 1.0)

        assert 9 == schedule.tally.drawn
        assert 0 == schedule.wanted
        assert schedule.finished
        assert [] == starts(schedule, 1.0)

    def test_what_is_given_back(self, schedule: Schedule) -> None:
        """Tasks that come back have no outcome and don't start again."""
        schedule.halt(1.0)
        schedule.orders(1.0)
        schedule.ended(1, Report(), 1.0)
        schedule.ended(2, returned(1, lost=WorkerCrashedError("gone"), unsure=5), 1.0)

        assert schedule.finished

    def test_summary(self, schedule: Schedule) -> None:
        """It is noted how far the run had come, once."""
        schedule.ended(1, returned(2), 0.5)
        schedule.orders(0.5)
        schedule.halt(1.0)
        schedule.ended(2, returned(2), 1.0)
        schedule.halt(1.0)

        assert (2, 2) == schedule.tally.at_halt


def failed(error: BaseException | None = None) -> Report:
    """A batch's only task has raised."""
    return Report(values=[None], failures=[(0, error or OSError("busy"))])


def failures(schedule: Schedule) -> list[Failed]:
    """The tasks that failed for good."""
    return [one for one in schedule.settled if isinstance(one, Failed)]


def policy(attempts: int = 3, **options: Any) -> Retry:
    """A policy that leaves nothing to chance: it waits 1 s, 2 s, 4 s, and at most 5 s."""
    return Retry(attempts=attempts, **{"wait_initial": 1, "wait_jitter": 0, **options})


class TestRetries:
    """A failure may be tried again."""

    def test_waits(self) -> None:
        """Each attempt starts when the wait after the one before is over, and not sooner."""
        schedule = supplied(1, retry=policy(4))
        assert [[0]] == started(schedule)
        moments = [0.0]
        schedule.ended(1, failed(), 0.5)
        while not schedule.finished:
            now = schedule.wake or 0.0
            assert [] == schedule.orders(now - 1e-9)
            assert [[0]] == started(schedule, now)
            moments.append(now)
            schedule.ended(len(moments), failed(), now + 0.5)

        assert [0.0, 1.5, 4.0, 8.5] == moments
        assert schedule.finished

    def test_earlier_errors(self) -> None:
        """A task that fails for good tells what its earlier attempts raised, in their order."""
        schedule = supplied(1, retry=policy(wait_initial=0))
        errors = [OSError("first"), TimeoutError("second"), OSError("third")]
        for number, error in enumerate(errors, 1):
            assert [[0]] == started(schedule)
            assert [] == failures(schedule)
            schedule.ended(number, failed(error), 0.0)
        [last] = failures(schedule)

        assert (errors[2], 3, errors[:2]) == (last.error, last.attempts, last.earlier)
        assert (1, 1, 2) == (schedule.tally.ended, schedule.tally.failed, schedule.tally.retried)

    def test_success_in_the_end(self) -> None:
        """A task that returns at last is no failure; it is known how many attempts it took."""
        schedule = supplied(2, retry=policy(wait_initial=0), workers=2)
        schedule.orders(0.0)
        schedule.ended(1, failed(), 0.0)
        schedule.orders(0.0)
        schedule.ended(3, returned(1), 0.0)
        schedule.ended(2, returned(1), 0.0)
        attempts = {b.indices[0]: b.attempts for b in schedule.settled if isinstance(b, Block)}

        assert {0: 2, 1: 1} == attempts
        assert (2, 0, 1) == (schedule.tally.ended, schedule.tally.failed, schedule.tally.retried)
        assert schedule.finished

    def test_errors_of_one_task_are_not_anothers(self) -> None:
        """Each task has attempts of its own."""
        schedule = supplied(2, retry=policy(2, wait_initial=0), workers=2, fail_fast=False)
        schedule.orders(0.0)
        first, second = OSError("first"), OSError("second")
        schedule.ended(1, failed(first), 0.0)
        schedule.ended(2, failed(second), 0.0)
        schedule.orders(0.0)
        schedule.ended(4, failed(), 0.0)
        schedule.ended(3, failed(), 0.0)

        assert [(1, 2, [second]), (0, 2, [first])] == [
            (one.index, one.attempts, one.earlier) for one in failures(schedule)
        ]

    def test_not_every_error(self) -> None:
        """What the policy does not name is final at once."""
        schedule = supplied(1, retry=policy())
        schedule.orders(0.0)
        schedule.ended(1, failed(KeyError()), 0.0)

        assert [KeyError] == [type(error) for error in outcomes(schedule).values()]
        assert schedule.finished

    def test_the_last_failure_ends_the_run(self) -> None:
        """Fail-fast counts a failure only when it is final."""
        schedule = supplied(2, retry=policy(2), workers=2)
        schedule.orders(0.0)
        schedule.ended(1, failed(), 0.0)
        assert [] == schedule.orders(0.0)
        assert [[0]] == started(schedule, 1.0)
        schedule.ended(3, failed(), 2.0)

        assert [Recall(2, False), Stop(2, -1)] == schedule.orders(2.0)

    def test_an_earlier_task_is_tried_again_while_the_run_ends(self) -> None:
        """A task before the failed one still has its attempts, for the moment that it gets."""
        schedule = supplied(2, retry=policy(3, on=OSError, wait_initial=0.2), workers=2)
        schedule.orders(0.0)
        schedule.ended(2, failed(KeyError()), 0.0)
        schedule.orders(0.0)
        schedule.ended(1, failed(), 0.0)
        assert 0.2 == schedule.wake
        assert [[0]] == started(schedule, 0.2)
        schedule.ended(3, failed(), 0.2)
        assert 0.5 == schedule.wake
        assert not schedule.finished
        assert [] == schedule.orders(0.5)

        assert schedule.finished

    @pytest.mark.parametrize("index", [0, 1])
    def test_final_while_the_run_ends(self, index: int) -> None:
        """In a run that was halted, or behind the failed task, a failure is not tried again."""
        schedule = supplied(3, retry=policy(on=OSError), workers=3)
        schedule.orders(0.0)
        if index:
            schedule.ended(1, failed(KeyError()), 0.0)
        else:
            schedule.halt(0.0)
        schedule.ended(index + 1, failed(), 0.0)
        [last] = [one for one in failures(schedule) if one.index == index]

        assert (True, 1) == (last.own, last.attempts)
        assert 0 == schedule.tally.retried

    def test_waiting_when_the_run_is_halted(self) -> None:
        """A task that waits to be tried again keeps no run from its end."""
        schedule = supplied(1, retry=policy())
        schedule.orders(0.0)
        schedule.ended(1, failed(), 0.0)
        assert not schedule.finished
        schedule.halt(0.5)

        assert schedule.finished
        assert schedule.wake is None
        assert [] == schedule.orders(9.0)

    def test_no_worker_is_held(self) -> None:
        """While a task waits, its worker takes others; then it comes before what is drawn later."""
        schedule = supplied(4, retry=policy(), chunksize=1)
        schedule.orders(0.0)
        schedule.ended(1, failed(), 0.0)
        assert [[1]] == started(schedule, 0.0)
        assert [] == schedule.orders(1.0)
        schedule.ended(2, returned(1, 1.0), 1.5)

        assert [[0]] == started(schedule, 1.5)

    def test_no_wait(self) -> None:
        """Without a wait the next attempt starts at once, before tasks that come later."""
        schedule = supplied(3, retry=policy(wait_initial=0))
        schedule.orders(0.0)
        schedule.ended(1, failed(), 0.0)

        assert [[0]] == started(schedule)

    def test_alone(self) -> None:
        """A task that failed in a batch is tried again by itself; the others keep their results."""
        schedule = supplied(10, retry=policy(2, wait_initial=0), chunksize=5, fail_fast=False)
        schedule.orders(0.0)
        failures = [(1, OSError()), (3, OSError())]
        schedule.ended(1, returned(5, failures=failures), 0.0)
        seen = []
        for number in (2, 3, 4):
            [start] = starts(schedule)
            seen.append((list(start.batch.indices), start.batch.alone))
            schedule.ended(number, returned(len(start.batch.indices)), 0.0)

        assert [([1], True), ([3], True), (list(range(5, 10)), False)] == seen
        attempts = [one.attempts for one in schedule.settled if isinstance(one, Block)]
        assert [1, 2, 2, 1] == attempts
        assert (10, 0, 2) == (schedule.tally.ended, schedule.tally.failed, schedule.tally.retried)

    def test_a_crash(self) -> None:
        """A crash is tried again like any failure; what the others of the batch came to is kept."""
        schedule = supplied(4, retry=policy(2, on=WorkerCrashedError), chunksize=3)
        schedule.orders(0.0)
        crash = WorkerCrashedError("gone")
        schedule.ended(1, returned(1, lost=crash), 0.0)
        assert [[2]] == started(schedule)
        schedule.ended(2, returned(1), 0.0)
        assert [[3]] == started(schedule)
        schedule.ended(3, returned(1), 0.0)
        assert [[1]] == started(schedule, 1.0)
        schedule.ended(4, Report(lost=WorkerCrashedError("again")), 1.0)
        [last] = failures(schedule)

        assert (2, [crash]) == (last.attempts, last.earlier)
        assert schedule.finished

    def test_a_timeout(self) -> None:
        """Each attempt has all of the timeout; one that is over it is a failure like others."""
        schedule = supplied(1, retry=policy(2, on=TaskTimeoutError), timeout=1.0, strength="killed")
        killed = TaskCancelledError("killed")
        for number, begun in ((1, 0.0), (2, 2.0)):
            assert [[0]] == started(schedule, begun)
            assert begun + 1 == schedule.wake
            schedule.seen(number, 0, begun, begun + 1)
            assert Stop(number, 0) in schedule.orders(begun + 1)
            schedule.ended(number, Report(lost=killed, how="killed"), begun + 1)
        [last] = failures(schedule)

        assert (2, "killed") == (last.attempts, last.stopped)
        assert [TaskTimeoutError] * 2 == [type(last.error), *map(type, last.earlier)]

    def test_what_is_stopped_is_not_tried_again(self) -> None:
        """A task that was stopped because the run ends has done nothing wrong."""
        schedule = supplied(2, retry=policy(on=Exception), strength="killed", workers=2)
        schedule.orders(0.0)
        schedule.halt(0.0)
        schedule.ended(1, Report(lost=TaskCancelledError(), how="killed"), 0.0)
        schedule.ended(2, failed(TaskCancelledError("told")), 0.0)

        assert [(False, 1)] * 2 == [(one.own, one.attempts) for one in failures(schedule)]
        assert schedule.finished

    def test_seconds_in_place_of_the_formula(self) -> None:
        """A function may say how long to wait."""
        schedule = supplied(1, retry=policy(on=lambda error: 7))
        schedule.orders(0.0)
        schedule.ended(1, failed(), 1.0)

        assert 8.0 == schedule.wake

    def test_a_function_that_raises(self) -> None:
        """It fails the task with its own error, which tells of the task's."""
        trouble, error = ZeroDivisionError(), OSError()

        def on(_: BaseException) -> bool:
            raise trouble

        schedule = supplied(1, retry=policy(on=on))
        schedule.orders(0.0)
        schedule.ended(1, failed(error), 0.0)

        assert {0: trouble} == outcomes(schedule)
        assert trouble.__context__ is error
        assert schedule.finished

    def test_times_of_the_last_attempt(self) -> None:
        """A failure tells when its last attempt began, and how long that took."""
        schedule = supplied(1, retry=policy(2))
        schedule.orders(0.0)
        schedule.ended(1, Report([None], [(0, OSError())], since=0.0, ends=[0.5]), 0.5)
        schedule.orders(1.5)
        schedule.ended(2, Report([None], [(0, OSError())], since=1.6, ends=[1.8]), 2.0)
        [last] = failures(schedule)

        assert (1.6, pytest.approx(0.2)) == (last.started, last.duration)


class TestRates:
    """So many starts per second."""

    def test_even(self) -> None:
        """Starts come at even distances, in batches of one, however quick the tasks are."""
        schedule = supplied(6, max_per_second=4, workers=9, ahead=2, chunksize=3)
        moments = []
        now = 10.0
        while not schedule.finished:
            for start in starts(schedule, now):
                assert start.behind is None
                moments.append((now, list(start.batch.indices)))
                schedule.ended(start.batch.number, returned(1, 1e-6), now)
            now = schedule.wake or now
            assert [] == schedule.orders(now - 1e-9)

        assert [(10 + index / 4, [index]) for index in range(6)] == moments

    def test_no_worker_is_free(self) -> None:
        """There is nothing to wake for before one is; then the task starts at once."""
        schedule = supplied(2, max_per_second=4)
        schedule.orders(0.0)
        assert schedule.wake is None
        schedule.ended(1, returned(1, 1.0), 1.0)

        assert [[1]] == started(schedule, 1.0)

    def test_none_waits_behind_another(self) -> None:
        """However quick tasks are: a start that waits would come at another moment."""
        schedule = quick(max_per_second=1000)
        [start] = starts(schedule, 1.0)

        assert start.behind is None
        assert [] == schedule.orders(2.0)

    def test_attempts_count(self) -> None:
        """An attempt that follows a failure is a start like another."""
        schedule = supplied(1, max_per_second=2, retry=policy(2, wait_initial=0))
        schedule.orders(0.0)
        schedule.ended(1, failed(), 0.1)
        assert [] == schedule.orders(0.1)
        assert 0.5 == schedule.wake

        assert [[0]] == started(schedule, 0.5)

    def test_not_drawn_before_it_may_start(self) -> None:
        """Of an input that is read as needed, no more is drawn than there are free workers."""
        schedule = Schedule(Terms(workers=2, max_per_second=4))
        assert 1 == schedule.wanted
        schedule.supply(["item"] * 2)

        assert [[0]] == started(schedule)
        assert 0 == schedule.wanted


class TestTotalTimeout:
    """The run has so many seconds."""

    @pytest.fixture
    def schedule(self) -> Schedule:
        """Two tasks run and one waits, in a run of 1 s that began at 10 s."""
        schedule = supplied(3, total_timeout=1.0, workers=2, strength="killed", fail_fast=False)
        schedule.begin(10.0)
        schedule.orders(10.5)
        return schedule

    def test_stopped_and_abandoned(self, schedule: Schedule) -> None:
        """At its end what runs is stopped, and a moment later it is abandoned."""
        assert 11.0 == schedule.wake
        assert [] == schedule.orders(10.999)
        stops = [(Recall(n, unbegun=False), Stop(n, -1)) for n in (1, 2)]
        assert [order for pair in stops for order in pair] == schedule.orders(11.0)
        assert 11.06 == schedule.wake
        assert [Abandon(1, -1), Abandon(2, -1)] == schedule.orders(11.06)
        lost = TaskCancelledError("abandoned")
        for number in (1, 2):
            schedule.ended(number, Report(lost=lost, how="abandoned"), 11.06)

        assert [RunTimeoutError] * 3 == [type(error) for error in outcomes(schedule).values()]
        assert "total_timeout of 1 s" in str(schedule.why_cut())
        assert (3, False) == (schedule.lost, schedule.unread)
        assert schedule.finished
        assert schedule.wake is None

    def test_what_ends_in_time(self, schedule: Schedule) -> None:
        """A run that is over before is not cut."""
        schedule.ended(1, returned(1), 10.6)
        schedule.orders(10.6)
        schedule.ended(2, returned(1), 10.7)
        schedule.ended(3, returned(1), 10.8)

        assert schedule.finished
        assert schedule.why_cut() is None
        assert {0: None, 1: None, 2: None} == outcomes(schedule)

    def test_a_task_that_waits_for_its_next_attempt(self) -> None:
        """It is lost, and says why each attempt failed."""
        schedule = supplied(1, total_timeout=0.5, retry=policy())
        schedule.begin(0.0)
        schedule.orders(0.0)
        error = OSError()
        schedule.ended(1, failed(error), 0.1)
        assert 0.5 == schedule.wake
        assert [] == schedule.orders(0.5)
        [last] = failures(schedule)

        assert (1, [error], False, 0.5) == (last.attempts, last.earlier, last.own, last.started)
        assert schedule.finished

    def test_after_a_cut_that_waits(self) -> None:
        """A run that was cut, and waits for its tasks, is over by its total_timeout as well."""
        schedule = supplied(1, total_timeout=1.0)
        schedule.begin(0.0)
        schedule.orders(0.0)
        schedule.cut(0.5, TooLate)
        schedule.orders(0.5)
        schedule.orders(1.0)

        assert 1.06 == schedule.wake
        assert [Abandon(1, -1)] == schedule.orders(1.06)


class TestCut:
    """A run that is cut short accounts for each task."""

    @pytest.fixture
    def schedule(self) -> Schedule:
        """Task 0 has ended, 1 and 2 run together, 3 waits; the input goes on."""
        schedule = Schedule(Terms(workers=1, chunksize=2, fail_fast=False, strength="killed"))
        schedule.supply(["first"])
        schedule.orders(0.0)
        schedule.ended(1, returned(1), 0.0)
        schedule.supply(["second", "third", "fourth"])
        schedule.orders(0.0)
        return schedule

    def test_each_has_its_outcome(self, schedule: Schedule) -> None:
        """What waits is lost at once, what runs when it is stopped, what is drawn late too."""
        schedule.cut(1.0, TooLate)
        assert [3] == [one.index for one in failures(schedule)]
        assert [Recall(2, False), Stop(2, -1)] == schedule.orders(1.0)
        assert schedule.wake is None
        schedule.gave_back(2, 1, 1.1)
        schedule.supply(["fifth"])
        schedule.ended(2, Report(lost=TaskCancelledError(), how="killed"), 1.2)
        found = outcomes(schedule)

        assert [0, 1, 2, 3, 4] == sorted(found)
        assert [TooLate] * 4 == [type(found[index]) for index in range(1, 5)]
        assert 4 == len({id(error) for error in found.values() if error})
        assert (5, 5, 4, 4) == (
            schedule.tally.drawn,
            schedule.tally.ended,
            schedule.tally.failed,
            schedule.lost,
        )
        assert schedule.unread
        assert schedule.finished

    def test_how_each_was_lost(self, schedule: Schedule) -> None:
        """One that ran was stopped, and had an attempt; one that waited has never started."""
        schedule.cut(1.0, TooLate)
        schedule.orders(1.0)
        schedule.ended(2, Report(lost=TaskCancelledError(), how="killed", worker="w"), 1.2)

        assert {1: ("killed", 1, "w"), 2: (None, 0, ""), 3: (None, 0, "")} == {
            one.index: (one.stopped, one.attempts, one.worker) for one in failures(schedule)
        }

    def test_what_ends_by_itself(self, schedule: Schedule) -> None:
        """A task that returns or fails before it can be stopped keeps its result."""
        schedule.cut(1.0, TooLate)
        own = KeyError()
        schedule.ended(2, returned(2, failures=[(1, own)]), 1.1)
        found = outcomes(schedule)

        assert (None, own) == (found[1], found[2])
        assert 1 == schedule.lost

    def test_what_it_is_told_to_raise(self, schedule: Schedule) -> None:
        """A task that heard that it is to stop is lost."""
        schedule.cut(1.0, TooLate)
        schedule.ended(2, returned(2, failures=[(0, TaskCancelledError("told"))]), 1.1)
        [one] = [one for one in failures(schedule) if one.index == 1]

        assert (TooLate, False, "cancelled") == (type(one.error), one.own, one.stopped)

    def test_patience(self, schedule: Schedule) -> None:
        """What can't be stopped is abandoned, if there is a limit to patience."""
        schedule.cut(1.0, TooLate, 0.5)
        schedule.orders(1.0)
        assert 1.5 == schedule.wake

        assert [Abandon(2, -1)] == schedule.orders(1.5)

    def test_the_whole_input_was_read(self, schedule: Schedule) -> None:
        """Then nothing is unread."""
        schedule.no_more()
        schedule.cut(1.0, TooLate)

        assert not schedule.unread

    def test_twice(self, schedule: Schedule) -> None:
        """The first reason stands."""
        schedule.cut(1.0, TooLate)
        schedule.cut(2.0, KeyError)

        assert isinstance(schedule.why_cut(), TooLate)
        assert 1 == schedule.lost

    def test_after_a_halt(self, schedule: Schedule) -> None:
        """What the halt had dropped stays without an outcome; what runs is lost by the cut."""
        schedule.halt(0.5)
        schedule.cut(1.0, TooLate)
        schedule.ended(2, Report(lost=TaskCancelledError(), how="killed"), 1.2)
        found = outcomes(schedule)

        assert {0, 1, 2} == set(found)
        assert [TooLate] * 2 == [type(found[1]), type(found[2])]

    def test_a_halted_run_was_not_cut(self, schedule: Schedule) -> None:
        """Tasks that a halt keeps from starting have no outcome, and nobody asks for a reason."""
        schedule.halt(1.0)
        schedule.ended(2, Report(), 1.0)

        assert [0] == list(outcomes(schedule))
        assert schedule.why_cut() is None
        assert (0, False) == (schedule.lost, schedule.unread)

    def test_complete(self) -> None:
        """All the input is read, and each of its tasks has an outcome."""
        schedule = Schedule(Terms(workers=1, complete=True, window=3))
        schedule.supply(["item"])
        schedule.orders(0.0)
        schedule.cut(1.0, TooLate)
        schedule.ended(1, returned(1), 1.0)
        assert not schedule.finished
        for _ in range(3):
            assert schedule.wanted > 100
            schedule.supply(["item"] * 100)
            assert [] == schedule.orders(1.0)
        schedule.no_more()

        assert (0, True) == (schedule.wanted, schedule.finished)
        assert set(range(301)) == set(outcomes(schedule))
        assert (300, False) == (schedule.lost, schedule.unread)

    def test_not_complete(self, schedule: Schedule) -> None:
        """No more of the input is read."""
        schedule.cut(1.0, TooLate)

        assert 0 == schedule.wanted


class TestWindow:
    """Not too much is drawn beyond what was read."""

    def test_no_window(self) -> None:
        """Where results go does not matter; nothing needs to be read."""
        schedule = Schedule(Terms(workers=1))
        for number in range(1, 100):
            schedule.supply(["item"] * schedule.wanted)
            [start] = starts(schedule)
            schedule.ended(number, returned(len(start.batch.indices), 1e-6), 0.0)

        assert schedule.wanted > 0
        assert schedule.tally.drawn > 5000

    @pytest.mark.parametrize("window", [1, 3])
    def test_full(self, window: int) -> None:
        """When so many results wait, none is drawn until one is read, and then one."""
        schedule = Schedule(Terms(workers=2, window=window, chunksize=1))
        number = 0
        while schedule.wanted:
            schedule.supply(["item"] * schedule.wanted)
            for start in starts(schedule):
                number += 1
                schedule.ended(start.batch.number, returned(1, 0.1), 0.0)
        assert 2 + window == schedule.tally.drawn == number
        schedule.taken(1)

        assert 1 == schedule.wanted

    def test_what_is_not_read_and_what_runs(self) -> None:
        """A slow task and a slow reader use the same window."""
        schedule = Schedule(Terms(workers=2, window=1, chunksize=1))
        schedule.supply(["item"] * schedule.wanted)
        schedule.supply(["item"] * schedule.wanted)
        schedule.orders(0.0)
        schedule.ended(1, returned(1, 0.1), 0.1)
        assert 1 == schedule.wanted
        schedule.supply(["item"])
        schedule.orders(0.1)
        schedule.ended(3, returned(1, 0.1), 0.2)

        assert 0 == schedule.wanted

    @pytest.mark.parametrize("workers", [1, 8])
    def test_chosen(self, workers: int) -> None:
        """A window of its own choice grows with the batches, and not beyond 4096 tasks."""
        schedule = Schedule(Terms(workers=workers, window=0, grain=1.0))
        assert workers == schedule.wanted * workers
        drawn = []
        while wanted := schedule.wanted:
            schedule.supply(["item"] * wanted)
            for start in starts(schedule):
                count = len(start.batch.indices)
                schedule.ended(start.batch.number, returned(count, 1e-6), 0.0)
            drawn.append(schedule.tally.drawn)

        assert workers + WIDEST == drawn[-1]
        schedule.taken(WIDEST)
        assert schedule.wanted > 1

    def test_chosen_for_slow_tasks(self) -> None:
        """While tasks are slow, four for each worker are drawn ahead."""
        schedule = Schedule(Terms(workers=2, window=0))
        while wanted := schedule.wanted:
            schedule.supply(["item"] * wanted)
            for start in starts(schedule):
                schedule.ended(start.batch.number, returned(1, 0.5), 0.0)

        assert 2 + 4 * 2 == schedule.tally.drawn

    def test_batches_fit(self) -> None:
        """Two batches for each worker fit into the window."""
        schedule = Schedule(Terms(workers=2, window=38, grain=1.0))
        sizes = []
        for _ in range(20):
            while wanted := schedule.wanted:
                schedule.supply(["item"] * wanted)
            for start in starts(schedule):
                sizes.append(len(start.batch.indices))
                schedule.ended(start.batch.number, returned(sizes[-1], 1e-6), 0.0)
                schedule.taken(sizes[-1])

        assert 10 == max(sizes)

    def test_a_window_smaller_than_a_chunk(self) -> None:
        """A chunk that does not fit starts with what does, when nothing else is under way."""
        schedule = Schedule(Terms(workers=1, window=2, chunksize=10))
        assert 3 == schedule.wanted
        schedule.supply(["item"] * 3)
        assert [[0, 1, 2]] == started(schedule)
        schedule.ended(1, returned(3), 0.0)
        assert 0 == schedule.wanted
        schedule.taken(2)

        assert 2 == schedule.wanted


class TestWaiting:
    """Tasks that have been drawn and not started."""

    def test_order(self) -> None:
        """They start in the order of the input, whenever they came."""
        waiting = Waiting()
        waiting.add(Piece(range(4, 6), "ef"))
        waiting.put_back(Piece(range(2), "ab"))
        waiting.put_off(3, "d", 1.0)
        waiting.put_off(2, "c", 1.0)
        waiting.ripen(1.0)
        taken = []
        while waiting.ready:
            piece = waiting.take(9)
            taken.append(("".join(piece.items), piece.alone))

        assert [("ab", False), ("c", True), ("d", True), ("ef", False)] == taken

    def test_ripen(self) -> None:
        """What was put off is not ready before its moment, but counts as waiting."""
        waiting = Waiting()
        waiting.put_off(1, "b", 2.0)
        waiting.put_off(0, "a", 1.0)
        assert (1.0, 0, 2, True) == (waiting.next, waiting.ready, len(waiting), bool(waiting))
        waiting.ripen(0.999)
        assert 0 == waiting.ready
        waiting.ripen(1.0)
        assert (2.0, 1, 2) == (waiting.next, waiting.ready, len(waiting))
        assert ((0,), ("a",), True) == waiting.take(5)
        waiting.ripen(9.0)
        assert ((1,), ("b",), True) == waiting.take(5)

        assert (None, 0, False) == (waiting.next, len(waiting), bool(waiting))

    def test_take_a_part(self) -> None:
        """What is too much stays, in its place."""
        waiting = Waiting()
        waiting.add(Piece(range(5), "abcde"))
        waiting.add(Piece(range(5, 6), "f"))

        assert (range(2), "ab", False) == waiting.take(2)
        assert (range(2, 5), "cde", False) == waiting.take(9)
        assert 1 == waiting.ready

    def test_pieces_of_tasks_that_travel_alone(self) -> None:
        """They are taken one by one."""
        waiting = Waiting()
        waiting.put_back(Piece(range(2), "ab", alone=True))

        assert [(range(1), "a", True), (range(1, 2), "b", True)] == [
            waiting.take(9),
            waiting.take(9),
        ]

    def test_cut(self) -> None:
        """What is above the bound is dropped, ready or not; what is below stays as it is."""
        waiting = Waiting()
        waiting.add(Piece(range(2, 6), "cdef"))
        for index, until in ((0, 3.0), (7, 1.0), (8, 5.0), (1, 2.0)):
            waiting.put_off(index, "x", until)
        dropped = waiting.cut(3)

        assert [4, 5, 7, 8] == sorted(i for piece in dropped for i in piece.indices)
        assert (2, 4, 2.0) == (waiting.ready, len(waiting), waiting.next)
        assert (range(2, 4), "cd", False) == waiting.take(9)
        waiting.ripen(2.5)
        assert 3.0 == waiting.next
        assert 0 == sum(len(piece.indices) for piece in waiting.cut(7))
        assert [0, 1] == sorted(i for piece in waiting.cut(-1) for i in piece.indices)

        assert not waiting

    def test_nothing(self) -> None:
        """Empty pieces leave no trace."""
        waiting = Waiting()
        waiting.add(Piece(range(0), ""))
        waiting.put_back(Piece(range(0), ""))

        assert not waiting
        assert [] == waiting.cut(-1)


class TestAlarms:
    """One moment for each batch."""

    def test_order(self) -> None:
        """They ring by their moments, each once."""
        alarms = Alarms()
        for number, at in ((1, 3.0), (2, 1.0), (3, 2.0)):
            alarms.set(number, at)
        assert 1.0 == alarms.next
        assert [] == alarms.ring(0.999)
        assert [2, 3] == alarms.ring(2.0)
        assert 3.0 == alarms.next
        assert [1] == alarms.ring(9.0)

        assert (None, []) == (alarms.next, alarms.ring(9.0))

    @pytest.mark.parametrize("at", [1.0, 2.0, 3.0])
    def test_set_again(self, at: float) -> None:
        """Only the last moment counts, be it sooner, later or the same."""
        alarms = Alarms()
        alarms.set(1, 2.0)
        alarms.set(1, at)

        assert at == alarms.next
        assert [] == alarms.ring(at - 0.5)
        assert [1] == alarms.ring(9.0)

    def test_forget(self) -> None:
        """What is forgotten never rings, and another time is not mistaken for it."""
        alarms = Alarms()
        alarms.set(1, 1.0)
        alarms.set(2, 2.0)
        alarms.forget(1)
        alarms.forget(7)
        assert 2.0 == alarms.next
        alarms.set(1, 3.0)

        assert [2] == alarms.ring(2.5)
        assert [1] == alarms.ring(3.0)

    def test_stale_alarms_are_dropped(self) -> None:
        """However often one is set anew, few are kept."""
        alarms = Alarms()
        alarms.set(0, 5.0)
        for at in range(10_000):
            alarms.set(1, 10.0 + at)
            assert len(alarms) <= 64 + 2 * 2 + 1

        assert 5.0 == alarms.next
        assert [0, 1] == alarms.ring(math.inf)
