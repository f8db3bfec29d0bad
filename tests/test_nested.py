"""Law 12: a run inside a task of another run works, in every combination of modes."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import anyio
import pytest
import sample_tasks
from conftest import APART, MODES, Call, examples
from hypothesis import given
from hypothesis import strategies as st
from sample_tasks import inner, inner_async, inner_blocking

from concurkit import (
    AsyncExecutor,
    ProcessExecutor,
    Task,
    ThreadExecutor,
    aio,
    cpu_count,
    run_concurrently,
)
from concurkit._batch import inside
from concurkit._schedule import Schedule
from concurkit.exceptions import WorkerCrashedError
from concurkit.executors.process._seat import ProcessSeat


@pytest.mark.parametrize("within", MODES)
@pytest.mark.parametrize("task", [inner, inner_async, inner_blocking])
def test_law_12_nothing_hangs(call: Call, mode: str, within: str, task: Any) -> None:
    """A run inside a run gives what it gives alone, whichever modes meet."""
    if (mode, within) == ("interpreter", "process"):
        pytest.skip("Python's process pools don't work there: see test_interpreters")

    assert [10, 10] == call(Task.map(task, [within] * 2), mode=mode, max_workers=2)


@pytest.mark.parametrize("task", [inner, inner_async, inner_blocking])
@pytest.mark.parametrize("make", [ThreadExecutor, AsyncExecutor])
def test_law_12_nothing_hangs_on_one_executor(make: Any, task: Any) -> None:
    """Also on the very executor whose seats are all taken by the tasks that wait."""
    with make(2) as executor:
        assert [10] * 6 == run_concurrently(Task.map(task, [executor] * 6), mode=executor)


def test_law_12_nothing_hangs_across_two_executors() -> None:
    """Nor when the inner run's tasks need the outer run's executor again."""
    with ThreadExecutor(1) as first, ThreadExecutor(1) as second:

        def there_and_back(_: int) -> int:
            return sum(run_concurrently(Task.map(inner, [first] * 2), mode=second))

        assert [20, 20] == run_concurrently(Task.map(there_and_back, range(2)), mode=first)


def test_law_12_nothing_hangs_three_deep() -> None:
    """Depth makes no difference."""

    def outer(mode: str) -> list[int]:
        return run_concurrently(Task.map(inner, [mode] * 2), mode="thread")

    assert [[10, 10]] * 2 == run_concurrently(Task.map(outer, ["process", "async"]), mode="thread")


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_workers_are_not_multiplied_beyond_the_machine(mode: str) -> None:
    """An inner run counts the workers that the outer one has already."""

    def share() -> int:
        return inside().share

    assert [cpu_count()] == run_concurrently([share], mode=mode, max_workers=cpu_count())
    assert 1 == inside().share


def test_a_seat_that_was_lent_is_given_back(executor: Executor) -> None:
    """After nested runs an executor has no more workers than before."""
    if executor.mode in APART:  # type: ignore[attr-defined]
        pytest.skip("an executor can't be sent to another process or interpreter")
    most = executor.max_workers  # type: ignore[attr-defined]

    run_concurrently(Task.map(inner, [executor] * 4), mode=executor)
    intervals = run_concurrently(Task.map(sample_tasks.interval, [0.01] * 3 * most), mode=executor)

    events = sorted((at, step) for one in intervals for at, step in zip(one, (1, -1), strict=True))
    running, highest = 0, 0
    for _, step in events:
        running += step
        highest = max(highest, running)
    assert highest <= most


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_blocking_call_in_a_running_loop_works_and_warns(backend: str, mode: str) -> None:
    """It says what to write instead."""

    async def main() -> list[int]:
        with pytest.warns(RuntimeWarning, match=r"await concurkit\.aio\.run_concurrently"):
            return run_concurrently(Task.map(sample_tasks.add, range(3)), mode=mode)

    assert [0, 1, 2] == anyio.run(main, backend=backend)


def test_the_async_call_leaves_the_loop_free(mode: str, tmp_path: Path) -> None:
    """While tasks block their workers, the caller's loop goes on."""
    started, go = tmp_path / "started", tmp_path / "go"
    wait = Task(sample_tasks.note_and_wait_for_file, str(started), str(go))

    async def main() -> int:
        turns = 0  # since a task has started
        run = asyncio.ensure_future(aio.run_concurrently([wait] * 2, mode=mode))
        while not run.done():
            turns += started.exists()
            if turns == 5:
                go.touch()
            await asyncio.sleep(0.005)
        await run
        return turns

    assert asyncio.run(main()) >= 5


# ---- however deep -------------------------------------------------------------------------------

levels = st.lists(
    st.tuples(st.sampled_from(["serial", "thread", "async", "process"]), st.booleans()),
    min_size=1,
    max_size=3,
).filter(lambda drawn: sum(mode == "process" for mode, _ in drawn) <= 1)


@examples(12)
@given(levels, st.booleans())
def test_law_12_nothing_hangs_however_deep(call: Call, drawn: Any, asynchronous: bool) -> None:
    """Any nest of modes, of functions that call and of functions that await, comes to its end."""
    fn = sample_tasks.nest_async if asynchronous else sample_tasks.nest

    assert [2 ** len(drawn)] == call([Task(fn, drawn)], mode="thread")


@examples(6)
@given(st.integers(1, 3), st.integers(1, 4), st.sampled_from([ThreadExecutor, AsyncExecutor]))
def test_law_12_nothing_hangs_however_deep_on_one_executor(
    call: Call, seats: int, depth: int, make: Callable[[int], Executor]
) -> None:
    """A tree of runs on one executor ends, and never has more leaves at work than seats."""
    with make(seats) as executor:

        def tree(depth: int) -> list[Any]:
            if depth == 0:
                return [sample_tasks.interval(0.001)]
            return [
                leaf
                for leaves in run_concurrently(Task.map(tree, [depth - 1] * 2), mode=executor)
                for leaf in leaves
            ]

        [leaves] = call([Task(tree, depth)], mode=executor)

    assert 2**depth == len(leaves)
    assert most_at_once(leaves) <= seats


def most_at_once(intervals: list[tuple[float, float]]) -> int:
    """How many of the intervals overlap at most."""
    return max(sum(a <= start < b for a, b in intervals) for start, _ in intervals)


@pytest.mark.parametrize(("outer", "within"), [("thread", "thread"), ("process", "thread")])
def test_runs_inside_tasks_have_no_more_workers_by_default_than_one_run(
    call: Call, outer: str, within: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All inner runs together are as wide as one run alone, unless they say how wide."""
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", "4")
    task = Task(sample_tasks.intervals_inside, within, 8, None)
    wide = Task(sample_tasks.intervals_inside, within, 8, 3)

    found = call([task] * 4, mode=outer, max_workers=4)
    [asked] = call([wide], mode=outer, max_workers=4)

    assert most_at_once([one for intervals in found for one in intervals]) <= 4 + 4
    assert most_at_once(asked) <= 3


# ---- faults of our own --------------------------------------------------------------------------


def fault(*_: object, **__: object) -> None:
    """Stands for a mistake of ours."""
    raise LookupError("a fault of ours")


def test_a_thread_of_ours_that_dies_fails_the_tasks_that_wait_for_it(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what a helper thread reads makes it fail, its tasks fail with that, and nothing hangs."""
    monkeypatch.setattr(ProcessSeat, "_handle_reply", fault)

    outcomes = call([sample_tasks.nothing] * 3, mode="process", on_error="collect")

    assert [WorkerCrashedError] * 3 == [type(one.error) for one in outcomes]
    assert [LookupError] * 3 == [type(one.error.__cause__) for one in outcomes]


def test_a_thread_of_ours_that_dies_fails_the_futures_that_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So it is with futures, and the executor goes on with another worker."""
    with ProcessExecutor(1) as executor:
        with monkeypatch.context() as patch:
            patch.setattr(ProcessSeat, "_handle_reply", fault)
            error = executor.submit(sample_tasks.nothing).exception(timeout=20)

        assert 1 == executor.submit(sample_tasks.give, 1).result(timeout=20)
    assert isinstance(error, WorkerCrashedError)
    assert isinstance(error.__cause__, LookupError)


@pytest.mark.parametrize("step", ["ended", "orders", "supply"])
def test_a_fault_in_the_rules_ends_the_run(
    call: Call, mode: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of our own is raised where the run was called, whichever thread met it."""
    monkeypatch.setattr(Schedule, step, fault)

    with pytest.raises(LookupError, match="a fault of ours"):
        call(iter([Task(sample_tasks.give, 1)] * 5), mode=mode)
