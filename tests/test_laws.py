"""The laws of the library, each as a property, on every mode that can carry it."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CoroutineType
from typing import Any

import pytest
import sample_tasks
from conftest import APART, ENGINES, MODES, Call, Place, Remains, examples
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

from concurkit import (
    AsyncExecutor,
    Failure,
    InterpreterExecutor,
    ProcessExecutor,
    SerialExecutor,
    Success,
    Task,
    ThreadExecutor,
    _schedule,
)
from concurkit.exceptions import (
    ResultNotPicklableError,
    TaskNotPicklableError,
    TaskTimeoutError,
    WorkerCrashedError,
)

# A timeout is kept within 100 ms; a machine that is busy with other things is given more.
PROMISE = 0.1
NOISE = 0.5
# What one clock may be ahead of another when a moment is told by both.
ROUNDING = 0.005


EXECUTORS: dict[str, Callable[[], Executor]] = {
    "serial": SerialExecutor,
    "thread": lambda: ThreadExecutor(2),
    "process": lambda: ProcessExecutor(2),
    "async": lambda: AsyncExecutor(2),
    "interpreter": lambda: InterpreterExecutor(2),
}


@contextmanager
def patient(mode: str, kind: str = "async") -> Iterator[None]:
    """Coroutines that are cancelled have time to say so, on a busy machine too.

    A loop that is held up for a moment would have them abandoned, which is right, and not meant.
    """
    with pytest.MonkeyPatch.context() as patch:
        if (mode, kind) == ("async", "async"):
            patch.setattr(_schedule, "_GRACE", 5.0)
        yield


@contextmanager
def released_after(mode: str, place: Path) -> Iterator[sample_tasks.Release]:
    """Lets tasks go that nothing can stop, when the run that left them is over."""
    release = sample_tasks.release_for(mode, Path(tempfile.mkdtemp(dir=place)))
    try:
        yield release
    finally:
        if release is not None:
            release.set()


# ---- tasks of every kind, and what a plain for loop makes of them --------------------------------

Sync = Callable[..., Any]


def _closure(sync: Sync, _: Sync, args: Sequence[Any]) -> Callable[[], Any]:
    def inside() -> Any:
        return sync(*args)

    return inside


def _async_closure(_: Sync, asynchronous: Sync, args: Sequence[Any]) -> Callable[[], Any]:
    async def inside() -> Any:
        return await asynchronous(*args)

    return inside


# From a sync function, an async one that comes to the same, and their arguments: a task.
KINDS: dict[str, Callable[[Sync, Sync, tuple[Any, ...]], Any]] = {
    "task": lambda fn, _, args: Task(fn, *args),
    "async task": lambda _, fn, args: Task(fn, *args),
    "named task": lambda fn, _, args: Task(fn, *args).named("a name"),
    "partial": lambda fn, _, args: partial(fn, *args),
    "async partial": lambda _, fn, args: partial(fn, *args),
    "lambda": lambda fn, _, args: lambda: fn(*args),
    "lambda of an async function": lambda _, fn, args: lambda: fn(*args),
    "closure": _closure,
    "async closure": _async_closure,
    "method": lambda fn, _, args: sample_tasks.Doer(fn, args).method,
    "async method": lambda _, fn, args: sample_tasks.Doer(fn, args).async_method,
    "callable object": lambda fn, _, args: sample_tasks.Doer(fn, args),
    "async callable object": lambda _, fn, args: sample_tasks.AsyncDoer(fn, args),
    "static method": lambda fn, _, args: Task(sample_tasks.Doer.static, fn, *args),
    "class method": lambda fn, _, args: Task(sample_tasks.Doer.of_class, fn, *args),
}

values = (
    st.none()
    | st.integers()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.lists(st.integers(), max_size=3)
)
errors = st.sampled_from(
    [
        (ValueError, "wrong"),
        (KeyError, "key"),
        (OSError, 2, "no such file"),
        (ZeroDivisionError,),
        (TimeoutError, "the task's own"),
        (StopAsyncIteration,),
        (sample_tasks.TwoArguments, 30, "Rome"),
    ]
)
# Each a kind of task, and what it is to do: ("give", value) or ("fail", class, *args).
specs = st.tuples(
    st.sampled_from(sorted(KINDS)),
    st.tuples(st.just("give"), values) | errors.map(lambda error: ("fail", *error)),
)


def made(spec: tuple[str, tuple[Any, ...]]) -> Any:
    """The task that *spec* stands for."""
    kind, (deed, *args) = spec
    return KINDS[kind](
        getattr(sample_tasks, deed), getattr(sample_tasks, f"{deed}_async"), tuple(args)
    )


End = tuple[Any, ...]


def end_of(error: BaseException) -> End:
    """An error as it can be compared."""
    if isinstance(error, BaseExceptionGroup):
        return ("group", type(error), [end_of(one) for one in error.exceptions])
    return ("error", type(error), error.args)


def plainly(task: Any) -> End:
    """What a task comes to where nothing is concurrent."""
    try:
        value = task.fn(*task.args, **task.kwargs) if isinstance(task, Task) else task()
        if isinstance(value, CoroutineType):
            value = asyncio.run(value)
    except BaseException as error:
        return end_of(error)
    return ("value", value)


def in_a_loop(tasks: Sequence[Any], shape: str, on_error: str) -> End:
    """What a plain for loop over the tasks comes to, put into the shape that is asked for."""
    ends = [plainly(task) for task in tasks]
    failed = [end for end in ends if end[0] == "error"]
    if on_error == "collect":
        return ("value", shaped(shape, ends, whole=True))
    if failed and on_error == "raise":
        return failed[0]
    if failed:
        return ("group", ExceptionGroup, failed)
    return ("value", shaped(shape, [end[1] for end in ends], whole=True))


def shaped(shape: str, items: Sequence[Any], *, whole: bool = False) -> Any:
    """*items* in a shape that tasks may be passed in, or, *whole*, in that of its results."""
    if shape == "mapping":
        return {f"key {i}": item for i, item in enumerate(items)}
    if shape == "tuple":
        return tuple(items)
    if shape == "generator" and not whole:
        return (item for item in items)
    return list(items)


def outcome(call: Callable[[], Any]) -> End:
    """What *call* comes to, outcomes inside turned into ends."""
    try:
        result = call()
    except BaseException as error:
        return end_of(error)
    if isinstance(result, dict):
        return ("value", {key: _told(one) for key, one in result.items()})
    return ("value", type(result)(_told(one) for one in result))


def _told(one: Any) -> Any:
    if isinstance(one, Success):
        return ("value", one.value)
    return end_of(one.error) if isinstance(one, Failure) else one


shapes = st.sampled_from(["list", "tuple", "mapping", "generator"])
on_errors = st.sampled_from(["raise", "group", "collect"])
chunksizes = st.just("auto") | st.integers(1, 5)
worker_counts = st.none() | st.integers(1, 4)


# ---- 1. same everywhere --------------------------------------------------------------------------


@examples(12)
@given(st.lists(specs, max_size=12), shapes, on_errors, worker_counts, chunksizes)
def test_law_1_same_everywhere(
    call: Call,
    place: Place,
    drawn: list[Any],
    shape: str,
    on_error: str,
    max_workers: int | None,
    chunksize: Any,
) -> None:
    """Whatever tasks return or raise, a run gives what a plain for loop gives."""
    tasks = [made(spec) for spec in drawn]
    options = {"max_workers": max_workers, "chunksize": chunksize, "on_error": on_error}

    actual = outcome(lambda: call(shaped(shape, tasks), mode=place.where, **options))

    assert in_a_loop(tasks, shape, on_error) == actual


@examples(4)
@given(st.lists(specs, max_size=12), shapes, on_errors)
def test_law_1_same_everywhere_in_new_processes(
    call: Call, drawn: list[Any], shape: str, on_error: str
) -> None:
    """So it is in processes that are started for the run."""
    tasks = [made(spec) for spec in drawn]

    actual = outcome(lambda: call(shaped(shape, tasks), mode="process", on_error=on_error))

    assert in_a_loop(tasks, shape, on_error) == actual


@examples(8)
@given(
    st.sampled_from([sample_tasks.reciprocal, sample_tasks.reciprocal_async]),
    st.integers(-1500, 1),
    st.integers(-1, 1500),
    st.booleans(),
    on_errors,
    worker_counts,
    st.just("auto") | st.integers(1, 300),
)
def test_law_1_same_everywhere_in_large_batches(
    call: Call,
    place: Place,
    fn: Callable[[int], Any],
    first: int,
    last: int,
    lazy: bool,
    on_error: str,
    max_workers: int | None,
    chunksize: Any,
) -> None:
    """So it is for many tiny tasks of one function, one of which may fail among the others."""
    numbers = range(first, last)
    options = {"max_workers": max_workers, "chunksize": chunksize, "on_error": on_error}
    tasks = Task.map(fn, iter(numbers) if lazy else numbers)

    actual = outcome(lambda: call(tasks, mode=place.where, **options))

    plain = [Task(sample_tasks.reciprocal, number) for number in numbers]
    assert in_a_loop(plain, "list", on_error) == actual


# ---- 2. one outcome each -------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A task, and what becomes of it: an error of that class, or None for a value."""

    task: Any
    error: type[BaseException] | None
    apart: type[BaseException] | None = None  # where nothing is shared, if that differs

    def expected(self, mode: str) -> type[BaseException] | None:
        """The class of its error in *mode*."""
        return (self.apart or self.error) if mode in APART else self.error


FAULTS = {
    "gives": Fault(Task(sample_tasks.give, "value"), None),
    "gives later": Fault(Task(sample_tasks.give_async, "value"), None),
    "raises": Fault(Task(sample_tasks.fail, ValueError, "wrong"), ValueError),
    "raises later": Fault(
        Task(sample_tasks.fail_async, sample_tasks.TwoArguments, 30, "Rome"),
        sample_tasks.TwoArguments,
    ),
    "exits": Fault(Task(sample_tasks.fail, SystemExit, 3), SystemExit),
    "interrupts": Fault(Task(sample_tasks.fail, KeyboardInterrupt), KeyboardInterrupt),
    "cancels": Fault(Task(sample_tasks.fail_async, asyncio.CancelledError), asyncio.CancelledError),
    "can't send its result": Fault(
        Task(sample_tasks.unpicklable), None, apart=ResultNotPicklableError
    ),
    "can't be sent": Fault(
        Task(sample_tasks.give, sample_tasks.Unpicklable()), None, apart=TaskNotPicklableError
    ),
    "can't be rebuilt there": Fault(
        Task(sample_tasks.give, sample_tasks.ExplodesWhenBuilt()),
        None,
        apart=TaskNotPicklableError,
    ),
    "can't be rebuilt here": Fault(
        Task(sample_tasks.ExplodesWhenBuilt), None, apart=ResultNotPicklableError
    ),
}
DEATHS = {
    f"dies by {how}": Fault(Task(sample_tasks.die_or_give, how, 0), WorkerCrashedError)
    for how in sample_tasks.DEATHS
}
# Where a worker that dies under a task costs that task only, and an overdue one is killed.
CAN_DIE = ("process", *ENGINES)

# In these laws one example of three has a task over its time, which takes the time of a timeout:
# long enough that no other task is over it, though its worker may import a loop's backend first.
overdue_or_not = st.sampled_from([False, False, True])
AMPLE = 0.6
AMPLE_APART = 1.0


@pytest.fixture(scope="module", params=[*MODES, *ENGINES])
def mode(request: pytest.FixtureRequest) -> str:
    """Each mode by its name, clusters too."""
    return str(request.param)


@pytest.fixture(params=CAN_DIE)
def own_processes(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Processes of the test's own, which it may kill; a cluster replaces those that it loses."""
    yield from _own(request.param, request)


@pytest.fixture
def own(mode: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The mode by its name, or workers of the test's own that take long to start, to be lost."""
    yield from _own(mode, request)


def _own(mode: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    if mode in ENGINES:
        yield request.getfixturevalue(f"warm_{mode}")
    elif mode not in APART:
        yield mode
    else:
        with EXECUTORS[mode]() as executor:
            yield executor


def too_long(mode: str, release: sample_tasks.Release) -> Fault:
    """A task that never ends in time."""
    fn = sample_tasks.overstay_async if mode == "async" else sample_tasks.overstay
    return Fault(Task(fn, release), TaskTimeoutError)


def drawn_faults(data: st.DataObject, mode: str, overdue: Fault | None = None) -> list[Fault]:
    """Tasks with any faults that *mode* can carry; at most one is *overdue*."""
    known = FAULTS | (DEATHS if mode in CAN_DIE else {})
    names = data.draw(st.lists(st.sampled_from(sorted(known)), max_size=10))
    faults = [known[name] for name in names]
    if overdue is not None:
        faults.insert(data.draw(st.integers(0, len(faults))), overdue)
    return faults


@examples(6)
@given(st.data(), shapes, chunksizes, overdue_or_not)
def test_law_2_one_outcome_each(
    call: Call,
    mode: str,
    own: Any,
    tmp_path: Path,
    data: st.DataObject,
    shape: str,
    chunksize: Any,
    overdue: bool,
) -> None:
    """As many outcomes as tasks, each in its place, whatever becomes of the tasks."""
    timeout = AMPLE_APART if mode in APART else AMPLE
    options = {"chunksize": chunksize, "timeout": timeout if overdue else None}
    with released_after(mode, tmp_path) as release, patient(mode):
        faults = drawn_faults(data, mode, too_long(mode, release) if overdue else None)
        tasks = shaped(shape, [fault.task for fault in faults])

        result = call(tasks, mode=own, on_error="collect", **options)

    outcomes = list(result.values()) if shape == "mapping" else list(result)
    expected = [(i, fault.expected(mode)) for i, fault in enumerate(faults)]
    assert expected == [
        (one.index, type(one.error) if isinstance(one, Failure) else None) for one in outcomes
    ]
    if shape == "mapping":
        assert list(result) == [one.key for one in outcomes]


@examples(5)
@given(st.data(), st.sampled_from(["raise", "group"]))
def test_law_2_never_a_short_result(
    call: Call, mode: str, own: Any, data: st.DataObject, on_error: str
) -> None:
    """As many values as tasks, or an error."""
    faults = drawn_faults(data, mode)

    end = outcome(lambda: call([fault.task for fault in faults], mode=own, on_error=on_error))

    failing = [kind for fault in faults if (kind := fault.expected(mode)) is not None]
    if not failing:
        assert end[0] == "value"
        assert len(faults) == len(end[1])
    elif on_error == "group":
        assert failing == [one[1] for one in end[2]]
    else:
        assert end[1] in failing


# ---- 3. never too many ---------------------------------------------------------------------------


def most_at_once(intervals: Sequence[tuple[float, float]]) -> int:
    """How many of the intervals overlap at most."""
    steps = [(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals]
    most = now = 0
    for _, step in sorted(steps):  # at the same moment, ends come first
        now += step
        most = max(most, now)
    return most


durations = st.lists(st.sampled_from([0, 0, 0.0005, 0.002]), max_size=40)


@examples(8)
@given(
    durations,
    st.sampled_from([sample_tasks.interval, sample_tasks.interval_async]),
    st.integers(1, 3),
    chunksizes,
)
def test_law_3_never_too_many(
    call: Call,
    place: Place,
    seconds: list[float],
    fn: Callable[[float], Any],
    max_workers: int,
    chunksize: Any,
) -> None:
    """At most `max_workers` tasks run at the same time."""
    options = {"max_workers": max_workers, "chunksize": chunksize}

    intervals = call(Task.map(fn, seconds), mode=place.where, **options)

    assert most_at_once(intervals) <= max_workers


@examples(4)
@given(st.integers(0, 20), st.integers(1, 3), st.just("auto") | st.just(1))
def test_law_3_never_too_many_drawn(
    call: Call, place: Place, count: int, max_workers: int, chunksize: Any
) -> None:
    """Of tasks that are not tiny, at most `max_workers` are drawn and have not ended."""
    seconds = 0.01
    if place.mode in ENGINES:  # tasks are tiny to a network that are not to a processor
        seconds, count = 0.15, min(count, 6)
    with tempfile.TemporaryDirectory() as home:
        ended = Path(home, "ended")
        ended.touch()
        drawn_early = []

        def tasks() -> Iterator[Task[Any]]:
            for i in range(count):
                drawn_early.append(i - ended.stat().st_size // 2)
                yield Task(sample_tasks.append_later, seconds, str(ended), "x")

        call(tasks(), mode=place.where, max_workers=max_workers, chunksize=chunksize)

    assert max(drawn_early, default=0) < max_workers


# ---- 4. at most once -----------------------------------------------------------------------------


@examples(6)
@given(st.data(), chunksizes, overdue_or_not)
def test_law_4_at_most_once(
    call: Call,
    mode: str,
    own: Any,
    tmp_path: Path,
    data: st.DataObject,
    chunksize: Any,
    overdue: bool,
) -> None:
    """No task starts twice, whatever it comes to; one that returned has started once."""
    deaths = sorted(sample_tasks.DEATHS) if mode in CAN_DIE else []
    kinds = st.sampled_from(["returns", "returns", "raises", *deaths])
    endings = data.draw(st.lists(kinds, max_size=8))
    if overdue:
        endings.insert(data.draw(st.integers(0, len(endings))), "takes too long")
    fn = sample_tasks.append_and_async if mode == "async" else sample_tasks.append_and
    with tempfile.TemporaryDirectory() as home:
        path = f"{home}/started"
        with released_after(mode, tmp_path) as release, patient(mode):
            outcomes = call(
                [Task(fn, path, i, ending, release) for i, ending in enumerate(endings)],
                mode=own,
                chunksize=chunksize,
                timeout=AMPLE,
                on_error="collect",
            )

        started = Counter(Path(path).read_text().split()) if endings else Counter()
    assert {str(i): 1 for i in range(len(endings))} == started
    assert [ending == "returns" for ending in endings] == [
        isinstance(one, Success) for one in outcomes
    ]


@st.composite
def deadly(draw: st.DrawFn) -> tuple[list[str | None], Any]:
    """For some dozens of tasks how each dies, few of them at all; and a chunksize."""
    deaths: list[str | None] = [None] * draw(st.integers(1, 60))
    for _ in range(draw(st.integers(0, 2))):
        position = draw(st.integers(0, len(deaths) - 1))
        deaths[position] = draw(st.sampled_from(sorted(sample_tasks.DEATHS)))
    return deaths, draw(st.sampled_from(["auto", 1, 7, 60]))


@examples(15)
@given(deadly())
def test_law_4_at_most_once_in_batches_that_die(
    call: Call, own_processes: Any, drawn: tuple[list[str | None], Any]
) -> None:
    """No task of a batch whose worker died starts twice; those behind it start elsewhere."""
    deaths, chunksize = drawn
    with tempfile.TemporaryDirectory() as home:
        path = f"{home}/started"
        fn = partial(sample_tasks.append_and_die, path)

        call(
            Task.map(fn, range(len(deaths)), deaths),
            mode=own_processes,
            chunksize=chunksize,
            on_error="collect",
        )

        started = Counter(Path(path).read_text().split())
    assert {str(i): 1 for i in range(len(deaths))} == started


# ---- 5. a failure is contained -------------------------------------------------------------------

BASE_ERRORS = [
    (SystemExit, 3),
    (KeyboardInterrupt, "pressed"),
    (asyncio.CancelledError, "cancelled"),
    (GeneratorExit, "closed"),
    (StopAsyncIteration, "ended"),
    (MemoryError,),
    (RecursionError, "too deep"),
    (BaseException, "as such"),
    (TimeoutError, "its own"),
    (BrokenPipeError, 32, "Broken pipe"),
    (EOFError, "as a closed pipe would give"),
]
good_or_bad = st.none() | st.sampled_from(BASE_ERRORS)


@examples(12)
@given(st.lists(st.tuples(good_or_bad, st.sampled_from(sorted(KINDS))), max_size=12), chunksizes)
def test_law_5_a_failure_is_contained(
    call: Call, place: Place, drawn: list[Any], chunksize: Any
) -> None:
    """A task that raises anything fails alone, with that very error."""
    tasks = [
        made((kind, ("give", "fine") if error is None else ("fail", *error)))
        for error, kind in drawn
    ]

    actual = outcome(lambda: call(tasks, mode=place.where, chunksize=chunksize, on_error="collect"))

    expected = [
        ("value", "fine") if error is None else ("error", error[0], error[1:]) for error, _ in drawn
    ]
    assert ("value", expected) == actual


@examples(6)
@given(st.sampled_from([ValueError, StopIteration, GeneratorExit, SystemExit]), st.integers(0, 50))
def test_law_5_a_failure_is_contained_in_a_batch(
    call: Call, place: Place, kind: type[BaseException], position: int
) -> None:
    """So it does among many tasks of one function."""
    fn = partial(sample_tasks.fail_at, position, kind)

    actual = outcome(lambda: call(Task.map(fn, range(50)), mode=place.where, on_error="collect"))

    expected: list[Any] = [("value", i) for i in range(50)]
    if position < 50:
        expected[position] = ("error", kind, (position,))
    assert ("value", expected) == actual


# ---- 6. a crash costs one task -------------------------------------------------------------------


@examples(15)
@given(deadly(), st.booleans(), st.booleans())
def test_law_6_a_crash_costs_one_task(
    call: Call,
    own_processes: Any,
    drawn: tuple[list[str | None], Any],
    slow: bool,
    one_function: bool,
) -> None:
    """A worker that dies fails the task that it ran, and every other gives its value."""
    deaths, chunksize = drawn
    numbers = range(len(deaths))
    fn = partial(sample_tasks.die_or_give, seconds=0.002 if slow else 0)
    tasks: Any = Task.map(fn, deaths, numbers)

    outcomes = call(
        tasks if one_function else list(tasks),
        mode=own_processes,
        chunksize=chunksize,
        on_error="collect",
    )

    expected = [WorkerCrashedError if how else i for i, how in enumerate(deaths)]
    assert expected == [
        one.value if isinstance(one, Success) else type(one.error) for one in outcomes
    ]


# ---- 7. time is kept -----------------------------------------------------------------------------

STOPPED = {
    ("serial", "sync"): "abandoned",
    ("serial", "async"): "abandoned",
    ("thread", "sync"): "abandoned",
    ("thread", "async"): "abandoned",
    ("process", "sync"): "killed",
    ("process", "async"): "killed",
    ("async", "sync"): "abandoned",
    ("async", "async"): "cancelled",
    ("interpreter", "sync"): "abandoned",
    ("interpreter", "async"): "abandoned",
    **{(engine, kind): "killed" for engine in ENGINES for kind in ("sync", "async")},
}


@pytest.fixture
def release(mode: str, tmp_path: Path) -> Iterator[sample_tasks.Release]:
    """Lets tasks go that nothing can stop; other processes' can be stopped."""
    event = sample_tasks.release_for(mode, tmp_path)
    yield event
    if event is not None:
        event.set()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_law_7_time_is_kept(
    call: Call, mode: str, own: Any, kind: str, release: sample_tasks.Release, tmp_path: Path
) -> None:
    """A task over its timeout fails within 100 ms of it, counted from its own start."""
    timeout = 0.25
    fn = sample_tasks.note_and_overstay if kind == "sync" else sample_tasks.note_and_overstay_async
    path = tmp_path / "started"

    with patient(mode, kind):
        [failure] = call(
            [Task(fn, str(path), release)], mode=own, timeout=timeout, on_error="collect"
        )

    ended, noted = time.monotonic(), float(path.read_text())
    # Its time counts from when its worker took it up, perhaps long before its first line ran.
    held = max(0.0, noted - (failure.started - time.time() + time.monotonic()))
    assert timeout - ROUNDING <= ended - noted + held
    assert ended - noted <= timeout + PROMISE + NOISE
    assert timeout <= failure.duration <= timeout + PROMISE + NOISE
    assert (TaskTimeoutError, STOPPED[mode, kind]) == (type(failure.error), failure.stopped)


@examples(3)
@given(
    st.lists(st.sampled_from([False, False, False, True]), max_size=12).filter(
        lambda drawn: sum(drawn) < 4
    ),
    st.sampled_from(["sync", "async"]),
    st.sampled_from(["auto", 1, 4]),
)
def test_law_7_time_is_kept_and_no_other_task_harmed(
    call: Call,
    mode: str,
    own: Any,
    release: sample_tasks.Release,
    overdue: list[bool],
    kind: str,
    chunksize: Any,
) -> None:
    """Each task over its timeout fails, and every other gives its value."""
    fn = sample_tasks.linger if kind == "sync" else sample_tasks.linger_async
    timeout = 0.6 if mode in APART else 0.4  # others must end in it, whatever they import first

    with patient(mode, kind):
        outcomes = call(
            Task.map(partial(fn, release), overdue),
            mode=own,
            max_workers=2,
            timeout=timeout,
            chunksize=chunksize,
            on_error="collect",
        )

    assert [TaskTimeoutError if over else "in time" for over in overdue] == [
        one.value if isinstance(one, Success) else type(one.error) for one in outcomes
    ]
    assert [STOPPED[mode, kind]] * sum(overdue) == [
        one.stopped for one in outcomes if isinstance(one, Failure)
    ]
    late = [one.duration for one in outcomes if isinstance(one, Failure)]
    assert all(timeout <= duration <= timeout + PROMISE + NOISE for duration in late)


def test_law_7_a_task_starts_when_its_worker_takes_it_up(call: Call, mode: str, own: Any) -> None:
    """Not when it was handed over, which may be together with the one before it."""
    tasks = [Task(sample_tasks.sleep, 0.05), Task(sample_tasks.give, 1)]

    first, second = call(tasks, mode=own, max_workers=1, chunksize=2, on_error="collect")

    assert first.duration >= 0.05
    assert second.started >= first.started + first.duration - 0.001


# ---- 8. nothing outlives the run -----------------------------------------------------------------

BEHAVIOURS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "returns": ([sample_tasks.nothing, Task(sample_tasks.give_async, 1)] * 4, {}),
    "raises": ([sample_tasks.nothing, Task(sample_tasks.fail, ValueError)] * 4, {}),
    "raises many": ([Task(sample_tasks.fail, ValueError)] * 8, {"on_error": "group"}),
    "collects": ([Task(sample_tasks.fail_async, KeyError)] * 8, {"on_error": "collect"}),
    "refuses": ([sample_tasks.nothing, "no task"], {}),
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("mode", MODES)
def test_law_8_nothing_outlives_the_run(
    call: Call, mode: str, behaviour: str, temp_home: Path
) -> None:
    """The moment that the call is over, nothing of it is left."""
    tasks, options = BEHAVIOURS[behaviour]
    before = Remains.now(temp_home)

    for _ in range(2):
        with suppress(Exception):
            call(tasks, mode=mode, max_workers=2, **options)

        assert [] == Remains.now(temp_home) - before


@pytest.mark.parametrize("mode", ["process", "async"])
def test_law_8_nothing_outlives_the_run_that_stops_its_tasks(
    call: Call, mode: str, temp_home: Path
) -> None:
    """Nor when tasks had to be stopped: one over its time, others because the run failed."""
    before = Remains.now(temp_home)
    tasks = [Task(sample_tasks.overstay_async, None)] * 4

    with patient(mode), pytest.raises(TaskTimeoutError):
        call(tasks, mode=mode, max_workers=2, timeout=0.1)

    assert [] == Remains.now(temp_home) - before


@pytest.mark.parametrize("mode", MODES)
def test_law_8_nothing_outlives_a_dropped_executor(mode: str, temp_home: Path) -> None:
    """An executor that is dropped without being shut down takes its workers with it."""
    before = Remains.now(temp_home)

    executor = EXECUTORS[mode]()
    assert 3 == executor.submit(sample_tasks.add, 1, 2).result(timeout=30)
    del executor
    gc.collect()

    wait_until(lambda: not Remains.now(temp_home) - before, 5)


# ---- 9. contexts are kept apart ------------------------------------------------------------------


@examples(8)
@given(
    st.integers(0, 120),
    worker_counts,
    chunksizes,
    st.sampled_from([sample_tasks.swap, sample_tasks.swap_async]),
    st.booleans(),
)
def test_law_9_contexts_are_kept_apart(
    call: Call,
    place: Place,
    count: int,
    max_workers: int | None,
    chunksize: Any,
    fn: Callable[[str], Any],
    one_function: bool,
) -> None:
    """A task sees the caller's context variables, and never another task's."""

    def inside() -> tuple[list[Any], str]:
        sample_tasks.VARIABLE.set("the caller's")
        names = [f"task {i}" for i in range(count)]
        tasks = Task.map(fn, names) if one_function else [Task(fn, name) for name in names]
        options = {"max_workers": max_workers, "chunksize": chunksize}
        found = call(tasks, mode=place.where, **options)
        return found, sample_tasks.VARIABLE.get()

    found, after = copy_context().run(inside)

    seen = "unset" if place.mode in APART else "the caller's"
    if fn is sample_tasks.swap:
        assert [seen] * count == found
    else:
        assert [(seen, f"task {i}") for i in range(count)] == found
    assert "the caller's" == after


# ---- 10. any task, any mode ----------------------------------------------------------------------


@pytest.fixture
def at(mode: str, request: pytest.FixtureRequest) -> Any:
    """The mode by its name, or a cluster, which takes seconds to start."""
    return request.getfixturevalue(f"warm_{mode}") if mode in ENGINES else mode


@pytest.mark.parametrize("kind", KINDS)
def test_law_10_any_task_in_any_mode(call: Call, at: Any, kind: str) -> None:
    """Whatever can be called without an argument runs in every mode."""
    task = KINDS[kind](sample_tasks.add, sample_tasks.add_async, (1, 2))

    assert [3] == call([task], mode=at, max_workers=1)


def test_law_10_a_sync_function_is_off_the_loop(call: Call) -> None:
    """In async mode a sync function runs in a thread, and async ones share the loop's."""
    sync = [sample_tasks.thread] * 3
    asynchronous = [sample_tasks.thread_async] * 3

    threads = call([*asynchronous, *sync], mode="async")

    assert 1 == len(set(threads[:3]))
    assert threads[0] not in threads[3:]
    assert threading.get_ident() not in threads[3:]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "async"])
def test_law_10_an_async_function_has_its_workers_own_loop(call: Call, mode: str) -> None:
    """In the other modes an async function runs in its worker's thread, on one loop for all."""
    tasks = [sample_tasks.where_async, sample_tasks.where, sample_tasks.where_async]

    first, second, third = call(tasks, mode=mode, max_workers=1)

    assert first == third
    assert first[:2] == second[:2]


# ---- 11. bad input is refused early and clearly --------------------------------------------------

NO_TASKS = [None, 3, "a string", [], Path("file"), [sample_tasks.nothing]]
bad_items = st.sampled_from(NO_TASKS)


@examples(10)
@given(
    st.integers(0, 5),
    st.integers(0, 5),
    bad_items,
    st.sampled_from(["list", "tuple", "mapping"]),
    on_errors,
)
def test_law_11_bad_input_is_refused_early(
    call: Call, place: Place, before: int, behind: int, bad: Any, shape: str, on_error: str
) -> None:
    """One item that is no task is refused with its position before anything has started."""
    with tempfile.TemporaryDirectory() as home:
        good = Task(sample_tasks.append, f"{home}/started", "x")
        tasks = shaped(shape, [*[good] * before, bad, *[good] * behind])

        with pytest.raises(TypeError, match=f"task {before} is .*Write Task\\(fn, x\\)"):
            call(tasks, mode=place.where, on_error=on_error)

        assert [] == os.listdir(home)


@examples(6)
@given(st.integers(0, 20), bad_items, st.sampled_from(["raise", "group", "collect"]))
def test_law_11_bad_input_of_a_generator_is_refused_when_it_is_read(
    call: Call, place: Place, before: int, bad: Any, on_error: str
) -> None:
    """One in a generator ends the run with its position; tasks before it have run at most once."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home, "started")
        path.touch()

        def tasks() -> Iterator[Any]:
            for i in range(before):
                yield Task(sample_tasks.append, str(path), i)
            yield bad
            pytest.fail("read on behind what is no task")

        with pytest.raises(TypeError, match=f"task {before} is "):
            call(tasks(), mode=place.where, on_error=on_error)

        started = Counter(path.read_text().split())
    assert all(count == 1 for count in started.values())


# ---- 12. nothing hangs: see test_nested.py -------------------------------------------------------
