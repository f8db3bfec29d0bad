"""Libraries that take an executor from their caller are given ours."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from itertools import count
from pathlib import Path
from typing import Any

import dask
import dask.bag
import dask.base
import pytest
import sample_tasks
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st
from streamable import stream

from concurkit import ProcessExecutor
from concurkit.exceptions import WorkerCrashedError

LONG = 30.0


# ---- dask ---------------------------------------------------------------------------------------


@examples(10)
@given(numbers=st.lists(st.integers(-99, 99), min_size=1, max_size=12))
def test_dask_computes_a_graph(executor: Executor, numbers: list[int]) -> None:
    """Of calls that need what other calls return."""
    add = dask.delayed(sample_tasks.add)
    doubled = [add(number, number) for number in numbers]
    total = doubled[0]
    for one in doubled[1:]:
        total = add(total, one)

    found = dask.compute(total, *doubled, scheduler=executor)

    assert (2 * sum(numbers), *[2 * number for number in numbers]) == found


def test_dask_computes_a_bag(executor: Executor) -> None:
    """With lambdas, in partitions."""
    numbers = dask.bag.from_sequence(range(100), npartitions=10)
    found = numbers.map(lambda x: x * x).filter(lambda x: x % 2).sum()

    assert sum(x * x for x in range(100) if x * x % 2) == found.compute(scheduler=executor)


def test_dask_asks_how_many_workers_there_are(executor: Executor) -> None:
    """And hands out its tasks accordingly."""
    get = dask.base.get_scheduler(scheduler=executor)

    assert executor.max_workers == get.args[1]  # type: ignore[attr-defined]


def test_dask_raises_what_a_task_raised(executor: Executor) -> None:
    """And the executor goes on."""
    bad = dask.delayed(sample_tasks.reciprocal)(0)

    with pytest.raises(ZeroDivisionError):
        dask.compute(bad, scheduler=executor)
    assert ([1],) == dask.compute([dask.delayed(sample_tasks.give)(1)], scheduler=executor)


# ---- streamable ---------------------------------------------------------------------------------


@examples(10)
@given(length=st.integers(0, 60), as_completed=st.booleans())
def test_streamable_maps_a_stream(executor: Executor, length: int, as_completed: bool) -> None:
    """In order, or as results come."""
    doubled = stream(range(length)).map(
        sample_tasks.give, concurrency=executor, as_completed=as_completed
    )

    found = list(doubled)

    assert list(range(length)) == (sorted(found) if as_completed else found)


def test_streamable_reads_an_endless_input_as_far_as_needed(executor: Executor) -> None:
    """It learns from the executor how many calls may run at once."""
    numbers = iter(stream(count()).map(sample_tasks.give, concurrency=executor))

    assert list(range(50)) == [next(numbers) for _ in range(50)]


def test_streamable_catches_what_a_task_raised(executor: Executor) -> None:
    """The other elements go on."""
    numbers = stream([1, 0, 2]).map(sample_tasks.reciprocal, concurrency=executor)

    assert [1, 0.5] == list(numbers.catch(ZeroDivisionError))


# ---- asyncio ------------------------------------------------------------------------------------


def on_asyncio(main: Callable[[asyncio.AbstractEventLoop], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await main(asyncio.get_running_loop())

    return asyncio.run(run())


def test_asyncio_awaits_calls_in_an_executor(executor: Executor) -> None:
    """Sync and async functions, many at once, and what they raise."""

    async def main(loop: asyncio.AbstractEventLoop) -> None:
        calls = [loop.run_in_executor(executor, sample_tasks.add, i, 1) for i in range(50)]
        assert list(range(1, 51)) == await asyncio.gather(*calls)
        assert 3 == await loop.run_in_executor(executor, sample_tasks.add_async, 1, 2)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(executor, sample_tasks.reciprocal, 0)
        assert 1 == await asyncio.wrap_future(executor.submit(sample_tasks.give, 1))

    on_asyncio(main)


@pytest.mark.parametrize("mode", ["thread", "process", "async"], scope="module")
def test_asyncio_goes_on_while_an_executor_works(executor: Executor, tmp_path: Path) -> None:
    """A call does not block the loop that awaits it, and one that waits can be cancelled."""

    async def main(loop: asyncio.AbstractEventLoop) -> None:
        path = str(tmp_path / "go")
        workers = executor.max_workers  # type: ignore[attr-defined]
        calls = [
            loop.run_in_executor(executor, sample_tasks.wait_for_file, path, i)
            for i in range(workers)
        ]
        waits = loop.run_in_executor(executor, sample_tasks.append, str(tmp_path / "ran"), 1)
        await asyncio.sleep(0.05)
        assert not any(call.done() for call in calls)
        assert waits.cancel()
        with pytest.raises(asyncio.CancelledError):  # and by the next turn of the loop its call
            await waits
        await asyncio.sleep(0)
        (tmp_path / "go").touch()
        assert list(range(workers)) == await asyncio.wait_for(asyncio.gather(*calls), LONG)

    on_asyncio(main)
    assert 1 == executor.submit(sample_tasks.give, 1).result(LONG)
    assert not (tmp_path / "ran").exists()


def test_asyncio_survives_a_crash_of_a_worker() -> None:
    """Of the call that died, and of no other."""

    async def main(loop: asyncio.AbstractEventLoop) -> None:
        with ProcessExecutor(2) as processes:
            calls = [
                loop.run_in_executor(
                    processes, sample_tasks.die_or_give, "exit" if i == 3 else None, i
                )
                for i in range(10)
            ]
            found = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(found[3], WorkerCrashedError)
        assert [0, 1, 2, 4, 5, 6, 7, 8, 9] == [*found[:3], *found[4:]]

    on_asyncio(main)
