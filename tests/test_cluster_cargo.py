"""Large arguments on a cluster: what is put into the engine, lost there, and put again.

On a cluster that lives here: see `near_cluster`.
"""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from near_cluster import NearExecutor, NearLine

from concurkit import Failure, Success, Task, iter_concurrently, run_concurrently
from concurkit.exceptions import WorkerCrashedError
from concurkit.executors.cluster import _node
from concurkit.executors.cluster._wire import LostError, MissingError, Order

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a node's processes share memory")


# ---- the way there ------------------------------------------------------------------------------


def test_large_arguments_without_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """They go by the pipe, in one pickle that the node doesn't open."""
    import numpy as np

    monkeypatch.setattr("concurkit.executors.process._parcel.AVAILABLE", False)

    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("the node has opened a batch")

    monkeypatch.setattr(_node.Processes.__module__ + ".loads", opened)

    def change(array: Any, data: bytes) -> tuple[float, type]:
        array += 1
        return float(array.sum()), type(data)

    with NearExecutor() as executor:
        given = [(np.zeros(100_000), bytes(200_000)) for _ in range(2)]
        tasks = [Task(change, *one) for one in given]
        assert [(100_000.0, bytes)] * 2 == run_concurrently(tasks, mode=executor)


@pytest.mark.parametrize(
    ("lost", "why"),
    [
        (None, "near takes no large argument: it is full, or out of reach (OSError: no room)"),
        (LostError("gone"), "near takes no large argument: the connection to near's scheduler is"),
    ],
)
def test_large_arguments_that_the_engine_does_not_take(lost: LostError | None, why: str) -> None:
    """The error is one of ours, and the engine's own is its cause."""
    with NearExecutor() as executor:
        executor.engine.full = full = OSError("no room")
        executor.engine.lost = lost
        tasks = [Task(len, bytes(200_000))] * 2
        outcomes = run_concurrently(tasks, mode=executor, on_error="collect")
        error = executor.submit(len, bytes(200_000)).exception(timeout=30)

    for one in (outcomes[0].error, outcomes[1].error, error):
        assert isinstance(one, WorkerCrashedError)
        assert str(one).startswith(why)
        assert one.__cause__ is full


# ---- large buffers that the engine loses --------------------------------------------------------


def read(array: Any, at: int) -> float:
    """One item of an array."""
    return float(array[at])


def lose(how_often: int) -> Callable[[NearLine, Order, list[Any]], None]:
    """The engine loses what the batches after the first one refer to, so many times."""
    lost: set[Any] = set()

    def lose(line: NearLine, order: Order, references: list[Any]) -> None:
        if order.number > 1 and len(lost) < how_often:
            lost.update(references)
        if lost.intersection(references):
            raise MissingError("lost dependencies")

    return lose


@pytest.mark.parametrize("workers", [1, 3])
def test_lost_buffers_are_put_again(workers: int) -> None:
    """Batches that need them have not begun, and are sent again; it costs no task an attempt."""
    import numpy as np

    array, other = np.arange(50_000.0), np.arange(60_000.0)
    tasks = [Task(read, (array, other)[at % 2], at) for at in range(12)]
    with NearExecutor(workers) as executor:
        executor.engine.breaks.append(lose(2))
        outcomes = run_concurrently(tasks, mode=executor, chunksize=1, on_error="collect")

        assert [float(at) for at in range(12)] == [getattr(one, "value", None) for one in outcomes]
        assert {1} == {one.attempts for one in outcomes}
        assert workers == len(executor.engine.lines)
        assert 3 <= executor.engine.put_count <= 4  # a loss may be of either


def test_a_lost_setting_is_put_again() -> None:
    """The function that all tasks share may be large, too."""
    import numpy as np

    large = np.arange(50_000.0)

    def at(number: int) -> float:
        return float(large[number])

    with NearExecutor() as executor:
        executor.engine.breaks.append(lose(1))
        values = run_concurrently(Task.map(at, range(6)), mode=executor, chunksize=1)

        assert [float(number) for number in range(6)] == values
        assert 2 == executor.engine.put_count


def test_an_engine_that_loses_everything() -> None:
    """Has the run end after some tries."""
    import numpy as np

    tasks = [Task(read, np.arange(50_000.0), at) for at in range(4)]
    with NearExecutor() as executor:
        executor.engine.breaks.append(lose(1_000_000))
        outcomes = run_concurrently(tasks, mode=executor, chunksize=1, on_error="collect")

    assert isinstance(outcomes[0], Success)
    errors = [one.error for one in outcomes[1:] if isinstance(one, Failure)]
    assert [WorkerCrashedError] * 3 == [type(one) for one in errors]
    assert "near loses what is put into it: lost dependencies" in str(errors[0])


def test_a_stream_of_large_arguments_leaves_the_engine_again() -> None:
    """What no task needs any more is not kept there, though the run goes on."""
    import numpy as np

    tasks = (Task(read, np.full(50_000, float(at)), at) for at in range(40))
    with NearExecutor(2) as executor:
        with iter_concurrently(tasks, mode=executor, ordered=True, buffersize=4) as run:
            assert [float(at) for at in range(40)] == list(run)

        assert 40 == executor.engine.put_count
        assert 20 > executor.engine.most
