"""Spans and metrics of runs, as OpenTelemetry's own SDK exports them."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from typing import Any, NoReturn

import anyio
import pytest

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed here")

import sample_tasks
import traced_tasks
from observed import SLACK
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from traced_tasks import EXPORTER, PROVIDER, Seen

from concurkit import Failure, ProcessExecutor, Retry, Stats, Task, aio, run_concurrently
from concurkit.exceptions import ConcurkitError, WorkerCrashedError
from concurkit.observers import (
    Event,
    OpenTelemetry,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    TaskStarted,
    WorkerCrashed,
)
from concurkit.observers._otel_ids import Ids

OTHERS = ["given thread", "given process"]


@pytest.fixture(autouse=True)
def _no_spans() -> Iterator[None]:
    EXPORTER.clear()
    yield
    EXPORTER.clear()


def observer(**options: Any) -> OpenTelemetry:
    """One whose spans are kept here."""
    return OpenTelemetry(tracer_provider=PROVIDER, **options)


def spans() -> dict[int, Any]:
    """What was exported so far, by id."""
    found = {one.context.span_id: one for one in EXPORTER.get_finished_spans() if one.context}
    assert len(found) == len(EXPORTER.get_finished_spans())
    return found


def named(name: str) -> list[Any]:
    """The spans of that name."""
    return [one for one in spans().values() if one.name == name]


def way_up(span_id: int) -> list[str]:
    """The names of a span and of those that it is in, from the inside out."""
    known, names = spans(), []
    while span_id:
        span = known[span_id]  # no parent is missing
        names.append(span.name)
        span_id = span.parent.span_id if span.parent else 0
    return names


# ---- which spans there are -----------------------------------------------------------------------


def test_a_run_is_inside_the_span_that_it_was_started_in() -> None:
    """With what is known of it, when it began and when it ended."""
    before = time.time_ns()
    with traced_tasks.tracer().start_as_current_span("caller"):
        run_concurrently(
            Task.map(time.sleep, [0.01, 0.02]),
            mode="thread",
            max_workers=2,
            observers=[observer(attributes={"job": "nightly"})],
        )
    [run], [caller] = named("concurkit run"), named("caller")

    assert caller.context.span_id == run.parent.span_id
    assert {
        "job": "nightly",
        "concurkit.run.mode": "thread",
        "concurkit.run.max_workers": 2,
        "concurkit.run.total": 2,
        "concurkit.run.started": 2,
        "concurkit.run.done": 2,
        "concurkit.run.failed": 0,
        "concurkit.run.retried": 0,
    } == dict(run.attributes)
    assert before <= run.start_time <= run.end_time <= time.time_ns()
    assert run.status.is_unset


def test_a_task_has_a_span_inside_its_run_s() -> None:
    """Its name, its index, when it started and how long it took."""
    tasks = [Task(time.sleep, 0.02).named("a"), Task(time.sleep, 0.04).named("b")]
    outcomes = run_concurrently(
        tasks, mode="thread", chunksize=1, on_error="collect", observers=[observer()]
    )
    [run] = named("concurkit run")

    for outcome in outcomes:
        [span] = named(outcome.name)
        assert run.context.span_id == span.parent.span_id
        assert {
            "concurkit.task.index": outcome.index,
            "concurkit.task.attempt": 1,
            "concurkit.worker": outcome.worker,
        } == dict(span.attributes)
        assert outcome.started == pytest.approx(span.start_time / 1e9, abs=1e-3)
        assert outcome.duration == pytest.approx((span.end_time - span.start_time) / 1e9, abs=1e-3)
        assert run.start_time <= span.start_time + 1_000_000
        assert span.end_time <= run.end_time + 1_000_000


def test_a_batch_of_tiny_tasks_has_one_span() -> None:
    """Unless each is to have its own: then those follow one another."""
    run_concurrently(Task.map(abs, range(500)), mode="serial", observers=[observer()])
    found = [*named("abs"), *named("abs (batch)")]

    assert len(found) < 100
    assert 500 == sum(one.attributes.get("concurkit.batch.size", 1) for one in found)

    EXPORTER.clear()
    run_concurrently(Task.map(abs, range(500)), mode="serial", observers=[observer(each_task=True)])
    found = sorted(named("abs"), key=lambda one: one.attributes["concurkit.task.index"])

    assert list(range(500)) == [one.attributes["concurkit.task.index"] for one in found]
    for one, after in pairwise(found):
        assert one.start_time <= one.end_time <= after.start_time + 1_000_000


def fail(number: int) -> int:
    """Fail with what a user would see."""
    if number == 2:
        raise KeyError("lost")
    return number


def test_an_error_is_recorded_on_its_task_s_span() -> None:
    """With its traceback; and on the run's, if it ended that."""
    with pytest.raises(KeyError):
        run_concurrently(Task.map(fail, range(3)), mode="serial", observers=[observer()])
    failed = [one for one in spans().values() if not one.status.is_ok and not one.status.is_unset]

    assert {"fail", "concurkit run"} == {one.name for one in failed}
    for span in failed:
        assert "KeyError: 'lost'" == span.status.description
        assert "KeyError" == span.attributes["error.type"]
        [event] = span.events
        assert "exception" == event.name
        assert "in fail" in event.attributes["exception.stacktrace"]
        assert event.timestamp == span.end_time


def test_a_task_that_was_killed_says_so() -> None:
    """As its outcome does."""
    [outcome] = run_concurrently(
        [Task(time.sleep, 60)],
        mode="process",
        timeout=0.2,
        on_error="collect",
        observers=[observer()],
    )
    [span] = named("sleep")

    assert isinstance(outcome, Failure)
    assert "killed" == outcome.stopped == span.attributes["concurkit.task.stopped"]
    assert "TaskTimeoutError" == span.attributes["error.type"]
    lasted = (span.end_time - span.start_time) / 1e9
    assert 0.2 <= outcome.duration == pytest.approx(lasted, abs=1e-3)


# ---- spans that tasks open -----------------------------------------------------------------------


def _where(mode: str) -> Any:
    if mode == "given thread":
        return ThreadPoolExecutor(2)
    return ProcessPoolExecutor(2, get_context("forkserver"))


@pytest.mark.parametrize("each_task", [False, True])
@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async", *OTHERS])
@pytest.mark.parametrize(
    "fn", [traced_tasks.seen, traced_tasks.seen_async, traced_tasks.seen_later]
)
def test_a_span_inside_a_task_is_inside_its_span(
    mode: str, fn: Callable[[Any], Any], each_task: bool, fork_server: None
) -> None:
    """Or inside its batch's; in other processes too, where it finds the caller's baggage."""
    if mode in OTHERS and fn is traced_tasks.seen_async:
        return  # those have no loop of ours, and nothing to add
    apart = mode in ("process", "given process")
    tasks = Task.map(fn, [0.001] * 30)
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        with traced_tasks.tracer().start_as_current_span("caller"):
            found: list[Seen]
            if mode in OTHERS:
                with _where(mode) as pool:
                    found = run_concurrently(
                        tasks, mode=pool, observers=[observer(each_task=each_task)]
                    )
            else:
                found = run_concurrently(
                    tasks, mode=mode, max_workers=3, observers=[observer(each_task=each_task)]
                )
    finally:
        context.detach(token)

    name = fn.__name__
    for index, one in enumerate(found):
        assert ("acme", apart, index) == (one.tenant, one.remote, one.index)
        parent = spans()[one.parent]
        assert [parent.name, "concurkit run", "caller"] == way_up(one.parent)
        assert parent.context.trace_id == one.trace_id
        first = parent.attributes["concurkit.task.index"]
        if each_task or parent.name == name:
            assert (name, index) == (parent.name, first)
        else:
            size = parent.attributes["concurkit.batch.size"]
            assert f"{name} (batch)" == parent.name
            assert first <= index < first + size


def test_a_worker_process_exports_by_what_its_initializer_sets() -> None:
    """Its provider is its own; the parent of what it exports is here."""
    with ProcessExecutor(1, initializer=traced_tasks.set_up) as processes:
        [(seen, name)] = run_concurrently(
            [traced_tasks.seen_by_the_global_one], mode=processes, observers=[observer()]
        )
    [task] = named("seen_by_the_global_one")

    assert "global" == name
    assert task.context.trace_id == seen.trace_id


@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
def test_each_attempt_has_its_span_and_what_was_opened_in_it(mode: str) -> None:
    """The first of them failed."""
    retry = Retry(attempts=2, on=OSError, wait_initial=0.0, wait_jitter=0.0)
    tasks = [Task(traced_tasks.Flaky(n)).named(f"flaky {n}") for n in range(2)]
    found = run_concurrently(tasks, mode=mode, retry=retry, observers=[observer()])

    for number, seen in enumerate(found):
        attempts = {
            one.attributes["concurkit.task.attempt"]: one for one in named(f"flaky {number}")
        }
        assert {1, 2} == set(attempts)
        assert attempts[2].context.span_id == seen.parent
        assert attempts[2].status.is_unset
        [event] = attempts[1].events
        assert str(attempts[1].context.span_id) in event.attributes["exception.message"]


@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
def test_a_run_inside_a_task_is_inside_its_span(mode: str) -> None:
    """And so on down, from process to process."""
    [(here, inside, found)] = run_concurrently(
        [traced_tasks.nested], mode=mode, observers=[observer()]
    )
    [outer] = named("nested")

    assert outer.context.span_id == here.parent
    [run] = [one for one in found if one[0] == "concurkit run"]
    assert outer.context.span_id == run[2]
    below = {span_id: parent for name, span_id, parent in found if name == "seen_later"}
    assert {seen.parent for seen in inside} == set(below)
    assert {run[1]} == set(below.values())


def test_an_untraced_run_inside_a_task_leaves_its_spans_to_the_task() -> None:
    """Its own tasks have none."""

    def outer() -> list[Seen]:
        return run_concurrently(Task.map(traced_tasks.seen, range(9)), mode="thread")

    found = run_concurrently(
        [outer, outer], mode="thread", chunksize=1, observers=[observer(each_task=True)]
    )
    ids = {one.attributes["concurkit.task.index"]: one.context.span_id for one in named(outer_name)}

    for index, inside in enumerate(found):
        assert {ids[index]} == {seen.parent for seen in inside}


outer_name = "test_an_untraced_run_inside_a_task_leaves_its_spans_to_the_task.outer"


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("mode", ["async", "thread"])
def test_an_awaited_run_is_inside_the_span_of_its_caller(loop: str, mode: str) -> None:
    """Each of two at the same time inside its own, by one observer."""
    shared = observer()
    found: dict[str, list[Seen]] = {}

    async def call(name: str) -> None:
        with traced_tasks.tracer().start_as_current_span(name):
            found[name] = await aio.run_concurrently(
                Task.map(traced_tasks.seen_async, range(5)), mode=mode, observers=[shared]
            )

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(call, "one")
            group.start_soon(call, "two")

    anyio.run(main, backend=loop)

    for name, values in found.items():
        for seen in values:
            assert ["concurkit run", name] == way_up(seen.parent)[1:]


def test_the_spans_of_a_tracer_that_others_share_have_ids_of_their_own() -> None:
    """An id is asked for once."""
    two = [observer(), observer()]
    run_concurrently([Task(abs, -1)] * 3, mode="serial", chunksize=1, observers=two)
    run_concurrently([Task(abs, -1)] * 3, mode="serial", chunksize=1, observers=[observer()])

    assert 6 + 2 + 3 + 1 == len(spans())


class _Foreign:
    """A provider whose tracers don't say how they make ids."""

    def get_tracer(self, name: str, version: str) -> Any:
        real = PROVIDER.get_tracer(f"foreign {name}", version)

        class Tracer:
            start_span = real.start_span

        return Tracer()


def test_where_ids_can_t_be_chosen_spans_are_inside_the_run_s() -> None:
    """The task's span is not made yet, and its id is not known."""
    foreign: Any = _Foreign()
    found = run_concurrently(
        Task.map(traced_tasks.seen_later, [0.002] * 3),
        mode="thread",
        observers=[OpenTelemetry(tracer_provider=foreign)],
    )
    [run] = named("concurkit run")

    assert {run.context.span_id} == {seen.parent for seen in found}
    assert {run.context.span_id} == {one.parent.span_id for one in named("seen_later")}


def test_an_id_that_a_tracer_did_not_take_is_not_given_to_another_span() -> None:
    """As one that is switched off; the next span in the same thread has nothing to do with it."""
    real = trace.NoOpTracerProvider().get_tracer("off")

    class Off:
        id_generator = RandomIdGenerator()
        start_span = real.start_span

        def get_tracer(self, name: str, version: str) -> Any:
            return self

    off: Any = Off()
    run_concurrently(
        [Task(abs, -1)] * 2, mode="serial", observers=[OpenTelemetry(tracer_provider=off)]
    )

    class Sevens(RandomIdGenerator):
        def generate_span_id(self) -> int:
            return 7

    assert 7 == Ids(Sevens()).generate_span_id()


def test_without_an_sdk_nothing_happens() -> None:
    """As with any library that is traced."""

    def current() -> bool:
        return trace.get_current_span().get_span_context().is_valid

    silent = OpenTelemetry(tracer_provider=trace.NoOpTracerProvider())
    assert [False] == run_concurrently([current], observers=[silent])
    assert {} == spans()


def test_without_the_package_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the observer is made, not in a run."""
    for name in [one for one in sys.modules if one.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("_otel_metrics", "_otel_run"):
        monkeypatch.delitem(sys.modules, f"concurkit.observers.{name}", raising=False)

    with pytest.raises(ConcurkitError, match=r'pip install "concurkit\[otel\]"'):
        OpenTelemetry()


# ---- metrics -------------------------------------------------------------------------------------


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """What metrics are read with; they are found by `points`."""
    return InMemoryMetricReader()


def metering(reader: InMemoryMetricReader, **options: Any) -> tuple[OpenTelemetry, MeterProvider]:
    """An observer whose metrics are read there."""
    provider = MeterProvider([reader])
    return observer(meter_provider=provider, **options), provider


def points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """The points of each metric."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: list(metric.data.data_points)
        for one in data.resource_metrics
        for scope in one.scope_metrics
        for metric in scope.metrics
    }


def test_durations_failures_and_tasks_in_flight(reader: InMemoryMetricReader) -> None:
    """By mode, and failures by their kind."""
    seeing, provider = metering(reader, attributes={"job": "nightly"})
    go_on = threading.Event()
    starts: list[Event] = []
    running: list[int] = []

    class Watcher:
        def on_event(self, event: Event) -> None:
            if isinstance(event, TaskStarted):
                starts.append(event)
                if len(starts) == 2:
                    running.extend(one.value for one in points(reader)["concurkit.task.active"])
                    go_on.set()

    run_concurrently(
        [Task(go_on.wait, 30), Task(go_on.wait, 30), Task(fail, 2), Task(fail, 2)],
        mode="thread",
        max_workers=2,
        chunksize=1,
        on_error="collect",
        observers=[seeing, Watcher()],
    )
    found = points(reader)
    provider.shutdown()

    known = {"job": "nightly", "concurkit.run.mode": "thread"}
    assert [2] == running
    assert [(0, known)] == [(p.value, dict(p.attributes)) for p in found["concurkit.task.active"]]
    [duration] = found["concurkit.task.duration"]
    assert (4, known) == (duration.count, dict(duration.attributes))
    assert max(duration.explicit_bounds) >= 60
    [failures] = found["concurkit.task.failures"]
    assert (2, {**known, "error.type": "KeyError"}) == (failures.value, dict(failures.attributes))


@pytest.mark.parametrize("each_task", [False, True])
def test_a_batch_has_one_duration_unless_each_task_has(
    reader: InMemoryMetricReader, each_task: bool
) -> None:
    """Which then adds up to the same time."""
    seeing, provider = metering(reader, each_task=each_task)
    run_concurrently(Task.map(abs, range(100)), mode="serial", chunksize=50, observers=[seeing])
    [duration] = points(reader)["concurkit.task.duration"]
    provider.shutdown()

    assert (100 if each_task else 2) == duration.count


# ---- by hand -------------------------------------------------------------------------------------

RUN = 1_000_001


def _tell(*events: Event, **options: Any) -> None:
    """Tell an observer of a run, from beginning to end."""
    seeing = observer(**options)
    seeing.on_event(
        RunStarted(run=RUN, at=1000.0, mode="thread", max_workers=4, total=None, inside=None)
    )
    for event in events:
        seeing.on_event(event)
    seeing.on_event(RunEnded(run=RUN, at=1010.0, stats=Stats(done=3)))
    seeing.on_event(RunEnded(run=RUN + 1, at=1010.0, stats=Stats()))  # of one that it never knew


def _ended(**more: Any) -> TaskEnded:
    fields: dict[str, Any] = {
        "run": RUN,
        "at": 1003.0,
        "index": 4,
        "name": "work",
        "attempts": 1,
        "worker": "thread worker 1",
        "started": 1001.5,
        "duration": 1.25,
    }
    return TaskEnded(**{**fields, **more})


def test_moments_are_those_of_the_events() -> None:
    """Whenever the news comes."""
    _tell(_ended())
    [task], [run] = named("work"), named("concurkit run")

    assert (1_001_500_000_000, 1_002_750_000_000) == (task.start_time, task.end_time)
    assert 1_010_000_000_000 == run.end_time
    assert "concurkit.run.total" not in run.attributes


def test_a_task_that_never_started_has_no_span(reader: InMemoryMetricReader) -> None:
    """It is a failure all the same."""
    provider = MeterProvider([reader])
    never = _ended(attempts=0, worker="", duration=0.0, error=OSError("cut"))
    _tell(never, meter_provider=provider)
    found = points(reader)
    provider.shutdown()

    assert [] == named("work")
    assert [1] == [one.value for one in found["concurkit.task.failures"]]
    assert "concurkit.task.duration" not in found


def test_a_crash_is_an_event_of_the_run() -> None:
    """The error itself is on the task's span."""
    crash = WorkerCrashedError("it died")
    _tell(WorkerCrashed(run=RUN, at=1002.0, worker="process worker 1", error=crash))
    [event] = named("concurkit run")[0].events

    assert ("worker crashed", 1_002_000_000_000) == (event.name, event.timestamp)
    assert "process worker 1" == event.attributes["concurkit.worker"]


def test_what_is_in_flight_when_a_run_ends_is_counted_out(reader: InMemoryMetricReader) -> None:
    """As a task that was started and then told of in a batch, or never."""
    provider = MeterProvider([reader])
    starts = [TaskStarted(run=RUN, at=1.0, index=n, name="a", attempt=1) for n in range(4)]
    retried = TaskRetried(
        run=RUN,
        at=2.0,
        index=3,
        name="a",
        attempt=1,
        worker="w",
        started=1.0,
        duration=1.0,
        error=OSError(),
        wait=0.5,
    )
    batch = TasksEnded(
        run=RUN, at=3.0, indices=range(2), name="a", worker="w", started=1.0, duration=1.0
    )
    _tell(*starts, retried, batch, meter_provider=provider)
    found = points(reader)
    provider.shutdown()

    assert [0] == [one.value for one in found["concurkit.task.active"]]


class Mute(Exception):
    """An error that can't be shown."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("no text")


def test_an_error_that_can_t_be_shown_is_told_by_its_type() -> None:
    """The observer goes on."""
    _tell(_ended(error=Mute()))
    [span] = named("work")

    assert "Mute" in span.status.description
    kinds = [event.attributes["exception.type"].rpartition(".")[2] for event in span.events]
    assert ["Mute"] == kinds


def test_runs_of_several_threads_share_an_observer() -> None:
    """Each has its own spans, and none is left open."""
    shared = observer()

    def call() -> None:
        run_concurrently(Task.map(time.sleep, [0.001] * 5), mode="thread", observers=[shared])

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    runs = {one.context.span_id for one in named("concurkit run")}
    assert 4 == len(runs)
    tasks = Counter(one.parent.span_id for one in [*named("sleep"), *named("sleep (batch)")])
    assert runs == set(tasks)


def test_a_prelude_that_fails_fails_no_task(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged where it was called."""

    class Rude:
        def __init__(self, at_once: bool) -> None:
            self.at_once = at_once

        def prelude(self, run: int) -> Any:
            return self.fail() if self.at_once else self.fail

        def fail(self) -> NoReturn:
            raise OSError("not today")

        def on_event(self, event: object) -> None: ...

    rude = [Rude(True), Rude(False)]
    assert [os.getpid()] == run_concurrently([os.getpid], mode="thread", observers=rude)
    assert "an observer has no prelude for its run" in caplog.text
    assert "the prelude of an observer failed" in caplog.text


@pytest.mark.parametrize("each_task", [False, True])
def test_the_time_of_a_failed_task_in_a_batch_is_no_other_s(
    reader: InMemoryMetricReader, each_task: bool
) -> None:
    """Spans of tasks lie one after the other, and durations add up to what the batch took."""
    provider = MeterProvider([reader])
    run_concurrently(
        Task.map(sample_tasks.fail_slowly, range(4), [(1, 3)] * 4, [0, 0.02, 0, 0.02]),
        mode="serial",
        chunksize=4,
        on_error="collect",
        observers=[observer(meter_provider=provider, each_task=each_task)],
    )
    [duration] = points(reader)["concurkit.task.duration"]
    provider.shutdown()
    [run] = named("concurkit run")

    assert [4 if each_task else 3] == [duration.count]
    shown = duration.sum if each_task else duration.sum + duration.min  # the mean of two
    assert shown <= (run.end_time - run.start_time) / 1e9 + SLACK
    found = [one for one in spans().values() if one.name == "fail_slowly"]
    found.sort(key=lambda one: one.start_time)
    assert [4 if each_task else 2] == [len(found)]
    for one, after in pairwise(found):
        assert one.end_time <= after.start_time + SLACK * 1e9


def test_a_task_that_is_cut_while_it_waits_has_one_span_for_each_attempt(
    reader: InMemoryMetricReader,
) -> None:
    """And each counts once."""
    provider = MeterProvider([reader])
    retried = TaskRetried(
        run=RUN,
        at=2.0,
        index=4,
        name="work",
        attempt=1,
        worker="thread worker 1",
        started=1.0,
        duration=1.0,
        error=OSError(),
        wait=600.0,
    )
    cut = _ended(worker="", duration=0.0, error=OSError("cut"), waiting=True)
    _tell(retried, cut, meter_provider=provider)
    found = points(reader)
    provider.shutdown()

    assert 1 == len(named("work"))
    assert [1] == [one.value for one in found["concurkit.task.failures"]]
    assert [1] == [one.count for one in found["concurkit.task.duration"]]
