"""What clusters add to process mode: where a task ran, what is put once, their workers' loss.

The laws are in test_laws and test_streams, which run on kept clusters too; programs of their own
are in test_cluster_programs, what is refused in test_cluster_refusals.
"""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import sample_tasks
from conftest import ENGINES

from concurkit import (
    DaskExecutor,
    Failure,
    RayExecutor,
    Success,
    Task,
    aio,
    per_worker,
    run_concurrently,
)
from concurkit.exceptions import InitializerError, ResultNotPicklableError, WorkerCrashedError

ADDRESS = {"dask": "dask tcp://127.0.0.1:", "ray": "ray 127.0.0.2"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine by its name."""
    return str(request.param)


@pytest.fixture
def cluster(engine: str, request: pytest.FixtureRequest) -> Any:
    """An executor on each engine, two tasks at a time, kept for the whole session."""
    return request.getfixturevalue(f"warm_{engine}")


def another(cluster: Any, **options: Any) -> Any:
    """A further executor on the same cluster."""
    if isinstance(cluster, DaskExecutor):
        return DaskExecutor(cluster._engine._client, **options)
    return RayExecutor(**options)


# ---- what a task and its outcome tell -----------------------------------------------------------


def test_an_outcome_tells_where_its_task_ran(cluster: Any, engine: str) -> None:
    """The worker's name begins with the address of the cluster's own worker."""
    [outcome] = run_concurrently([os.getpid], mode=cluster, on_error="collect")

    assert outcome.worker.startswith(ADDRESS[engine])
    assert os.getpid() != outcome.value


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_crash_tells_where_it_was(cluster: Any, engine: str, how: str) -> None:
    """Address, process, exit code or signal, and the task, as in process mode."""
    die = sample_tasks.exit_now if how == "exit" else sample_tasks.kill_self

    outcomes = run_concurrently([Task(die), os.getpid], mode=cluster, on_error="collect")

    crash = outcomes[0].error
    assert isinstance(crash, WorkerCrashedError)
    text = str(crash)
    assert text.startswith(ADDRESS[engine])
    assert ("exit code 7" if how == "exit" else "SIGKILL") in text
    assert f"task 0 {die.__name__}" in text
    assert crash.pid is not None
    assert crash.exitcode == (7 if how == "exit" else -9)
    assert isinstance(outcomes[1], Success)


def test_a_segfault_brings_its_stack_home(cluster: Any) -> None:
    """The Python stack under which native code crashed."""
    [outcome] = run_concurrently([sample_tasks.read_null], mode=cluster, on_error="collect")

    assert isinstance(outcome.error, WorkerCrashedError)
    assert "in read_null" in (outcome.error.stack or "")


def test_a_crash_is_tried_again_by_retry_only(cluster: Any, tmp_path: Path) -> None:
    """Neither engine repeats a task: `retry` does, as often as it says."""
    path = tmp_path / "started"
    task = Task(sample_tasks.misbehave_once, str(path), "exit")

    [once] = run_concurrently([task], mode=cluster, on_error="collect")
    assert isinstance(once.error, WorkerCrashedError)
    assert 1 == len(path.read_text().split())

    path.unlink()
    [twice] = run_concurrently([task], mode=cluster, retry=2, on_error="collect")
    assert (Success, 2) == (type(twice), twice.attempts)
    assert 2 == len(path.read_text().split())


def test_an_overdue_task_is_tried_again(cluster: Any, tmp_path: Path) -> None:
    """It is killed, which neither engine does, and its second attempt has time of its own."""
    path = tmp_path / "started"
    task = Task(sample_tasks.misbehave_once, str(path), "hang")

    [outcome] = run_concurrently([task], mode=cluster, timeout=2, retry=2, on_error="collect")

    assert (Success, 2) == (type(outcome), outcome.attempts)


# ---- what comes along, and what comes home ------------------------------------------------------


def test_context_variables_that_propagate_names(cluster: Any) -> None:
    """Their values of now, as in process mode."""
    token = sample_tasks.VARIABLE.set("the caller's")
    try:
        [seen] = run_concurrently(
            [sample_tasks.VARIABLE.get], mode=cluster, propagate=[sample_tasks.VARIABLE]
        )
    finally:
        sample_tasks.VARIABLE.reset(token)

    assert "the caller's" == seen


def test_what_tasks_log_comes_home(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Records reach the caller's handlers, with the task and the worker that they come from."""

    def say(number: int) -> int:
        logging.getLogger("cluster.task").info("number %d", number)
        return number

    with caplog.at_level(logging.INFO, logger="cluster"):
        tasks = Task.map(say, range(4))
        outcomes = run_concurrently(tasks, mode=cluster, chunksize=1, on_error="collect")

    told = {(one.getMessage(), one.task_index) for one in caplog.records if "number" in one.msg}
    assert {(f"number {i}", i) for i in range(4)} == told
    names = {one.task_index: one.worker for one in caplog.records if "number" in one.msg}
    assert {one.index: one.worker for one in outcomes} == names


def test_an_async_function_runs_to_its_end(cluster: Any) -> None:
    """On a loop of its worker's."""
    tasks = Task.map(sample_tasks.sleep_async, [0.01] * 6, range(6))

    assert list(range(6)) == run_concurrently(tasks, mode=cluster)


def test_a_value_per_worker(cluster: Any) -> None:
    """Made once in each process there."""

    @per_worker
    def where() -> tuple[int, object]:
        return os.getpid(), object()

    pids = run_concurrently([lambda: (where()[0], os.getpid())] * 20, mode=cluster, chunksize=1)

    assert all(made_in == ran_in for made_in, ran_in in pids)
    assert len(set(pids)) <= 2


def test_an_initializer_sets_up_each_process(cluster: Any) -> None:
    """Before its first task; what it is given travels as tasks do."""
    with another(cluster, max_workers=1, initializer=sample_tasks.set_state, initargs=(5,)) as own:
        assert [5] == run_concurrently([sample_tasks.get_state], mode=own)


def test_an_initializer_that_fails_ends_the_run(cluster: Any, engine: str) -> None:
    """With its own exception as the cause; it tells on which machine that was."""
    options = {"initializer": sample_tasks.refuse, "initargs": ("not here",)}
    with (
        another(cluster, max_workers=1, **options) as own,
        pytest.raises(InitializerError) as caught,
    ):
        run_concurrently([sample_tasks.nothing] * 3, mode=own)

    assert "not here" in str(caught.value.__cause__)
    assert str(caught.value).startswith(ADDRESS[engine])


def test_processes_are_replaced_after_so_many_tasks(cluster: Any) -> None:
    """`max_tasks_per_child` holds for the processes there."""
    with another(cluster, max_workers=1, max_tasks_per_child=1) as own:
        pids = run_concurrently([os.getpid] * 3, mode=own, chunksize=1)

    assert 3 == len(set(pids))


@pytest.mark.parametrize("within", ["serial", "thread", "process", "async"])
def test_a_run_inside_a_task(cluster: Any, within: str) -> None:
    """Works in every mode, without multiplying workers beyond that machine."""
    assert [10] * 2 == run_concurrently([Task(sample_tasks.inner, within)] * 2, mode=cluster)


# ---- large data ---------------------------------------------------------------------------------


@pytest.fixture
def puts(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each buffer has that is given to the engine."""
    sizes: list[int] = []
    put = cluster._engine.put

    def counting(lot: Any) -> Any:
        sizes.append(memoryview(lot).nbytes)
        return put(lot)

    monkeypatch.setattr(cluster._engine, "put", counting)
    return sizes


def test_an_array_that_many_tasks_get_is_put_once(cluster: Any, puts: list[int]) -> None:
    """Into the engine's own memory, from where each worker fetches it once."""
    import numpy as np

    shared = np.arange(500_000.0)

    def take(array: Any, at: int) -> tuple[float, bool]:
        return float(array[at]), bool(array.flags.writeable)

    values = run_concurrently([Task(take, shared, i) for i in range(12)], mode=cluster, chunksize=1)

    assert [(float(i), False) for i in range(12)] == values
    assert [shared.nbytes] == puts


def test_arrays_of_their_own_there_and_back(cluster: Any, puts: list[int]) -> None:
    """Each arrives whole, may be written to, and so may its result here."""
    import numpy as np

    def double(array: Any) -> Any:
        array *= 2
        return array

    given = [np.full(200_000, float(number)) for number in range(4)]
    found = run_concurrently(Task.map(double, given), mode=cluster, chunksize=1)

    assert [2.0 * number for number in range(4)] == [float(one.mean()) for one in found]
    assert [float(number) for number in range(4)] == [float(one[0]) for one in given]
    found[0][0] = 1.0
    assert 4 == len(puts)


def test_large_bytes_arrive_as_bytes(cluster: Any) -> None:
    """There and back."""
    data = bytes(3_000_000)

    [(kind, back)] = run_concurrently([lambda: (type(data).__name__, data)], mode=cluster)

    assert ("bytes", bytes, data) == (kind, type(back), back)


def test_a_result_that_cannot_be_sent_names_its_member(cluster: Any) -> None:
    """And costs its own task only."""
    tasks = [sample_tasks.unpicklable, os.getpid]

    refused, fine = run_concurrently(tasks, mode=cluster, on_error="collect")

    assert isinstance(refused.error, ResultNotPicklableError)
    assert isinstance(fine, Success)


# ---- from a loop --------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_awaited(cluster: Any, backend: str) -> None:
    """From async code, as a call and as a stream."""

    async def main() -> tuple[list[int], list[int]]:
        tasks = Task.map(sample_tasks.square, range(5))
        values = await aio.run_concurrently(tasks, mode=cluster)
        again = Task.map(sample_tasks.square, range(5))
        async with aio.iter_concurrently(again, mode=cluster, ordered=True) as run:
            return values, [value async for value in run]

    squares = [0, 1, 4, 9, 16]
    assert (squares, squares) == anyio.run(main, backend=backend)


# ---- an executor like any other -----------------------------------------------------------------


def test_futures_and_map(cluster: Any) -> None:
    """As `concurrent.futures` has them."""
    assert 3 == cluster.submit(sample_tasks.add, 1, 2).result(timeout=30)
    assert [0, 1, 4] == list(cluster.map(sample_tasks.square, range(3)))
    error = cluster.submit(sample_tasks.fail, ValueError, "wrong").exception(timeout=30)
    assert ("wrong",) == error.args


@pytest.fixture
def shut_down(cluster: Any) -> Iterator[Any]:
    """An executor that was shut down."""
    own = another(cluster, max_workers=1)
    assert 1 == own.submit(sample_tasks.give, 1).result(timeout=30)
    own.shutdown()
    return own


def test_an_executor_that_was_shut_down(shut_down: Any, cluster: Any) -> None:
    """Takes nothing more, and has left the cluster to others."""
    with pytest.raises(RuntimeError, match="shut"):
        shut_down.submit(sample_tasks.give, 1)
    assert [1] == run_concurrently([Task(sample_tasks.give, 1)], mode=cluster)


# ---- a worker of the cluster's own is lost ------------------------------------------------------


def test_a_node_that_dies_costs_the_task_it_ran(cluster: Any, tmp_path: Path) -> None:
    """The engine's worker is killed under a task; others go on, and the task is run no more."""
    path = tmp_path / "started"

    def kill_the_node(number: int) -> int:
        with path.open("a") as started:
            started.write(f"{number}\n")
        if number == 3:
            import psutil

            # Ours has the fork server as its parent, and that the engine's worker.
            psutil.Process().parent().parent().kill()
        return number

    tasks = Task.map(kill_the_node, range(12))
    outcomes = run_concurrently(tasks, mode=cluster, chunksize=1, on_error="collect")

    failed = [one for one in outcomes if isinstance(one, Failure)]
    assert [3] == [one.index for one in failed if one.index == 3]
    assert all(isinstance(one.error, WorkerCrashedError) for one in failed)
    assert 2 >= len(failed)  # Dask's worker runs one at a time, and so does an actor of Ray's
    assert sorted(map(str, range(12))) == sorted(path.read_text().split())
    assert "is run again" in str(failed[0].error)


def test_a_node_that_dies_is_no_matter_with_retry(cluster: Any, tmp_path: Path) -> None:
    """Its task is tried again, on another worker or one that took its place."""

    def kill_the_node_once(number: int) -> int:
        mark = tmp_path / "killed"
        if number == 3 and not mark.exists():
            import psutil

            mark.touch()
            psutil.Process().parent().parent().kill()
        return number

    tasks = Task.map(kill_the_node_once, range(12))
    assert list(range(12)) == run_concurrently(tasks, mode=cluster, chunksize=1, retry=3)


@pytest.mark.skipif("ray" not in ENGINES, reason="needs ray")
def test_an_actor_that_died_while_it_was_idle_costs_no_task(warm_ray: RayExecutor) -> None:
    """The next run has another in its place."""
    import ray

    with RayExecutor(max_workers=1) as own:
        assert 3 == own.submit(sample_tasks.add, 1, 2).result(timeout=60)
        [seat] = own._crew.seats
        ray.kill(seat._line._actor)
        seat._line._heard = 0.0  # as if it had been idle for longer

        assert 3 == own.submit(sample_tasks.add, 1, 2).result(timeout=60)
