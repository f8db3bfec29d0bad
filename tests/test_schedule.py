"""The rules of a run, alone: with a made-up clock, workers made of numbers, and drawn histories."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

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

from concurkit._schedule import (
    _GRACE,
    _SETTLE,
    Abandon,
    Block,
    Failed,
    Look,
    Order,
    Recall,
    Report,
    Schedule,
    Start,
    Stop,
    Terms,
)
from concurkit.exceptions import TaskCancelledError, TaskTimeoutError, WorkerCrashedError
from concurkit.executors._flight import Ended, GaveBack, Still

# Carrying out an order takes so long: what it is about may have changed a moment later.
TICK = 1e-6

# What carrying out orders, and rounding, may add to a moment.
SLACK = 1e-3

# How long a quick batch may take.
PATIENCE = 0.01

_quick = st.builds(Call, st.just("returns"), st.sampled_from([0.0, 1e-6, 1e-4, 2e-3]))
_calls = st.one_of(
    _quick,
    st.builds(
        Call,
        st.sampled_from(["returns", "raises", "crashes", "hangs"]),
        st.sampled_from([0.0, 1e-6, 2e-3, 0.02 + TICK / 2, 0.05, 0.2 + TICK / 2, 3.0]),
        st.booleans(),
    ),
)
_inputs = st.lists(st.tuples(_calls, st.sampled_from([1, 1, 2, 5, 40])), max_size=10)

_terms = st.builds(
    Terms,
    workers=st.integers(1, 8),
    ahead=st.integers(1, 2),
    shared=st.booleans(),
    timeout=st.sampled_from([None, 0.02, 0.2, 1.0]),
    chunksize=st.sampled_from([None, None, 1, 3, 10]),
    fail_fast=st.booleans(),
    strength=st.sampled_from(["cancelled", "killed", "abandoned"]),
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
        window=st.sampled_from([1, 1, 3]),
        timed=st.booleans(),
    )
    def begin(
        self,
        terms: Terms,
        calls: list[tuple[Call, int]],
        length_known: bool,
        inert: bool,
        prompt: bool,
        lag: float,
        window: int,
        timed: bool,
    ) -> None:
        all_calls = [call for call, times in calls for _ in range(times)]
        self.input = [Item(index, call) for index, call in enumerate(all_calls)]
        if length_known:
            terms = replace(terms, length=len(self.input))
        self.terms = terms
        self.timed = timed or terms.timeout is not None
        self.inert = inert  # the input is read as soon as it is wanted
        self.prompt = prompt  # what the executor is asked reaches its workers at once
        self.schedule = Schedule(terms)
        self.workers = Workers(terms, lag=lag, window=window, timed=timed)
        self.read = 0
        self.ended = False  # the input
        self.requests: list[Recall | Stop] = []
        self.active: dict[int, int | None] = {}  # batches not reported yet, and what they wait for
        self.kept: dict[int, int] = {}  # how many tasks those have that they did not give back
        self.settled: dict[int, str] = {}
        self.largest = 1  # how many tasks the largest batch reported so far had
        self.bound = math.inf  # no task above this may start
        self.first_failure = math.inf  # when the run was stopped by a failure
        self.halted = math.inf  # when it was halted
        self.abandoned_by = math.inf
        self.stopped: set[int] = set()  # batches told to stop since the run ends
        self.told: dict[int, dict[int, float]] = defaultdict(dict)  # batch: position: time was up
        self.was_finished = False
        self.carry_out()

    # ---- what may happen ------------------------------------------------------------------------

    @precondition(lambda self: self.schedule.wanted and not self.ended)
    @rule(portion=st.integers(0, 30), note_end=st.booleans())
    def read_input(self, portion: int, note_end: bool) -> None:
        self.supply(portion, note_end=note_end)
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
        due = [math.inf]
        for flight in self.unreported():
            number, since = flight.batch.number, flight.task_since
            if since is not None and timeout is not None:
                # If a task before was to be stopped and ended first, this one is looked at later.
                told = max(self.told[number].values(), default=-1.0)
                due.append(max(since + timeout, told + _GRACE))
            if self.halted < math.inf:
                due.append(self.abandoned_by)
            elif number not in self.stopped and self.terms.strength != "abandoned":
                due.append(self.first_failure + _SETTLE)
        assert now < min(due) + SLACK
        assert min(due) + SLACK >= (math.inf if wake is None else wake)

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Law 12: a worker is idle only if there is nothing to do."""
        waiting = self.read - len(self.settled) - sum(self.kept.values())
        if self.bound == math.inf and self.places() > 0:
            assert 0 == waiting
            assert self.ended or self.schedule.wanted > 0
        if self.bound < math.inf:
            assert not self.schedule.wanted

    @invariant()
    def nothing_starts_after_the_end(self) -> None:
        """Once what was asked has reached the workers, no task above the failed one can start."""
        if self.requests or self.bound == math.inf:
            return
        for flight in self.unreported():
            begun = flight.position + (flight.since is not None)
            waiting = flight.batch.indices[begun : flight.kept]
            assert [] == [index for index in waiting if index > self.bound]

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
            read = self.inert and bool(schedule.wanted) and self.supply(30, note_end=True)
            orders = schedule.orders(workers.now)
            self.take_settled()
            stills = [event for event in workers.events if isinstance(event, Still)]
            wake = schedule.wake
            if not (orders or read or stills) and (wake is None or wake > workers.now):
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
            self.active.pop(event.number, None)
            self.kept.pop(event.number, None)
            self.largest = max(self.largest, len(event.report.values))
            schedule.ended(event.number, event.report, now)
            self.take_settled()
        elif isinstance(event, GaveBack):
            if event.number in self.kept:
                self.kept[event.number] = min(event.kept, self.kept[event.number])
            schedule.gave_back(event.number, event.kept, now)
        else:
            schedule.still(event.number, now)

    def supply(self, portion: int, *, note_end: bool) -> bool:
        wanted = self.schedule.wanted
        items = self.input[self.read : self.read + min(portion, wanted)]
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
            now = until if wake is None else min(until, wake)
            self.workers.run_until(now)
            self.carry_out()
            self.time_is_kept()

    def stop_all(self, patience: float | None) -> None:
        self.halted = self.workers.now
        self.bound = -1
        if patience is not None:
            self.abandoned_by = self.workers.now + patience
        self.schedule.halt(self.workers.now, patience)
        self.carry_out()

    def moments(self) -> list[float]:
        """When something will happen by itself."""
        found = [] if self.schedule.wake is None else [self.schedule.wake]
        moment = self.workers.next_moment()
        return found if moment == math.inf else [*found, moment]

    def to_the_end(self) -> None:
        for _ in range(3000):
            while self.requests:
                self.ask(self.requests.pop(0))
            if self.workers.events:
                self.deliver_all(backwards=False)
            if self.schedule.wanted and not self.ended:
                self.read_input(portion=30, note_end=True)
            self.nobody_waits_in_vain()
            self.nothing_starts_after_the_end()
            self.the_end_is_final()
            if self.workers.events or self.requests:
                continue
            if self.schedule.finished:
                break
            moments = self.moments()
            if moments:
                self.advance(min(moments))
            elif not self.schedule.wanted:
                # Only tasks that hang are left, and nothing waits behind them.
                hanging = self.workers.hanging()
                assert hanging
                assert not any(flight.kept for seat in hanging for flight in seat.flights[1:])
                self.stop_all(0.2)
        assert self.schedule.finished
        assert [] == self.schedule.orders(self.workers.now)
        self.every_task_has_its_outcome()

    def every_task_has_its_outcome(self) -> None:
        """Law 2."""
        tally = self.schedule.tally
        if self.bound == math.inf:
            assert set(range(len(self.input))) == set(self.settled)
        assert self.read == tally.drawn
        assert len(self.settled) == tally.ended
        assert len(self.settled) - list(self.settled.values()).count("value") == tally.failed

    # ---- what each order and each outcome must be -----------------------------------------------

    def heads(self) -> list[int]:
        """Batches that wait for no other: one for each worker that has work."""
        return [number for number, leader in self.active.items() if leader not in self.active]

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

    def check_start(self, start: Start) -> None:
        """Laws 3 and 4, and how large a batch may be."""
        batch, terms = start.batch, self.terms
        count = len(batch.indices)
        assert [batch.indices[at] for at in range(count)] == [item.index for item in batch.items]
        assert count > 0
        assert max(batch.indices) <= self.bound
        assert count <= (1 if batch.alone else terms.chunksize or 8 * self.largest)
        if start.behind is not None:
            assert terms.ahead > 1
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

    def take_settled(self) -> None:
        settled, self.schedule.settled = self.schedule.settled, []
        for one in settled:
            if isinstance(one, Failed):
                self.check_failed(one)
            else:
                self.check_block(one)

    def check_block(self, block: Block) -> None:
        values, failures = block.report.values, block.report.failures
        failed = {position for position, _ in failures}
        assert len(block.indices) == len(values)
        for position, index in enumerate(block.indices):
            assert block.items[position].index == index
            if position not in failed:
                assert ("value", index) == values[position]
                self.settle(index, "value")

    def check_failed(self, failed: Failed) -> None:
        """Laws 2, 5, 6 and 7: a failure is the task's own, or the run had ended."""
        error, index = failed.error, failed.index
        call = failed.item.call
        assert failed.item.index == index
        self.settle(index, type(error).__name__)
        if isinstance(error, TaskError):
            assert index == error.index
            assert failed.stopped is None
        elif isinstance(error, WorkerCrashedError):
            assert "crashes" == call.ends
            assert str(index) == str(error)
        elif isinstance(error, TaskTimeoutError):
            assert self.terms.timeout is not None
            assert self.workers.lost[index] + SLACK >= self.terms.timeout
            assert failed.stopped in (self.terms.strength, "abandoned")
        else:
            assert isinstance(error, TaskCancelledError)
            assert not failed.own
            assert self.bound < math.inf
        if failed.own and self.terms.fail_fast:
            if self.bound == math.inf:
                self.first_failure = self.workers.now
            self.bound = min(self.bound, index)
        if self.timed and failed.worker:
            assert math.isclose(self.workers.begun[index], failed.started, abs_tol=SLACK)

    def settle(self, index: int, how: str) -> None:
        assert index < self.read
        assert index not in self.settled
        self.settled[index] = how


TestRun = Run.TestCase
TestRun.settings = settings(stateful_step_count=40)
