"""Which of Dask's workers gets what, by which way, and from whom: clients may be shared."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import importlib
import itertools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
import sample_tasks
from conftest import ENGINES, dask_cluster
from waiting import wait_until

from concurkit import DaskExecutor, Task, aio, iter_concurrently, run_concurrently
from concurkit.exceptions import ModeUnavailableError
from concurkit.executors.cluster import _needs
from concurkit.executors.cluster._dask_story import times_sent

needs_dask = pytest.mark.skipif("dask" not in ENGINES, reason="needs distributed")


@pytest.fixture
def small_cluster(tmp_path: Path) -> Iterator[Any]:
    """A cluster of one worker process with one thread, which can grow."""
    import dask

    here = {"temporary-directory": str(tmp_path)}
    with dask.config.set(here), dask_cluster(1) as cluster:
        yield cluster


@needs_dask
def test_a_batch_that_waits_moves_to_a_worker_that_came(small_cluster: Any, tmp_path: Path) -> None:
    """The worker that it was sent to is busy, and would be for ever."""
    started, go = str(tmp_path / "started"), str(tmp_path / "go")
    tasks = [
        Task(sample_tasks.note_and_wait_for_file, started, go),
        Task(sample_tasks.append, go, "now"),
    ]
    with DaskExecutor(small_cluster, max_workers=2) as dask, ThreadPoolExecutor(1) as elsewhere:
        run = elsewhere.submit(run_concurrently, tasks, mode=dask, chunksize=1, total_timeout=60)
        sample_tasks.wait_for_file(started)
        assert not run.done()
        small_cluster.scale(2)

        assert ["done", "now"] == run.result()


@needs_dask
def test_two_executors_share_a_client(small_cluster: Any, tmp_path: Path) -> None:
    """When one is done with it, the other still hears of its own tasks while they run."""
    import distributed

    go = tmp_path / "go"
    with (
        distributed.Client(small_cluster, set_as_default=False) as client,
        DaskExecutor(client) as stays,
    ):
        with DaskExecutor(client) as goes:
            for one in (goes, stays, goes):
                assert [1] == run_concurrently([Task(sample_tasks.give, 1)], mode=one)
        slow = Task(sample_tasks.wait_for_file, str(go), 2)
        with iter_concurrently([slow], mode=stays, total_timeout=60) as run:
            wait_until(lambda: any("in wait_for_file" in str(one.stack) for one in run.stacks()))
            go.touch()
            assert [2] == list(run)
        assert "running" == client.status


@needs_dask
@pytest.mark.parametrize("within_reach", [True, False])
def test_large_data_go_straight_to_workers_within_reach(
    small_cluster: Any, within_reach: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by way of the scheduler to those that only it can talk to."""
    import numpy as np
    from distributed import Client

    ways: list[Any] = []
    scatter = Client.scatter

    def noting(self: Any, lot: Any, **options: Any) -> Any:
        ways.append(options["direct"])
        return scatter(self, lot, **options)

    module = importlib.import_module("concurkit.executors.cluster._dask")
    monkeypatch.setattr(Client, "scatter", noting)
    if not within_reach:
        monkeypatch.setattr(module, "is_reached", lambda _: False)
    data = np.arange(500_000.0)
    with DaskExecutor(small_cluster) as dask:
        sums = run_concurrently([Task(np.sum, data)] * 3, mode=dask, chunksize=1)

    assert [float(data.sum())] * 3 == sums
    assert [within_reach] == ways


@needs_dask
def test_scattered_data_that_is_lost_is_scattered_again(
    small_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its only holder may be gone with it, as a worker that died; the tasks have not begun."""
    import distributed
    import numpy as np

    data = np.arange(50_000.0)
    with (
        distributed.Client(small_cluster, set_as_default=False) as client,
        DaskExecutor(client, max_workers=1) as dask,
    ):
        submit = dask._engine.submit

        def losing(address: str, order: Any, references: list[Any]) -> Any:
            if order.number == 2:
                client.cancel(references, force=True)
                wait_until(lambda: references[0].key not in client.who_has())
            return submit(address, order, references)

        monkeypatch.setattr(dask._engine, "submit", losing)
        tasks = [Task(np.take, data, at) for at in range(3)]
        outcomes = run_concurrently(tasks, mode=dask, chunksize=1, on_error="collect")

    assert [0.0, 1.0, 2.0] == [getattr(one, "value", one) for one in outcomes]
    assert {1} == {one.attempts for one in outcomes}


@needs_dask
def test_a_worker_in_this_process_keeps_no_memory_of_the_caller_s(small_cluster: Any) -> None:
    """Else what a stream of arrays has scattered would stay: each would be in use for good."""
    import numpy as np

    del small_cluster  # a cluster of its own, but what Dask leaves open is passed over
    tasks = (Task(np.take, np.full(50_000, float(at)), at) for at in itertools.count())
    with DaskExecutor(max_workers=2) as dask:
        client = dask._engine._client
        with iter_concurrently(tasks, mode=dask, chunksize=1, ordered=True) as run:
            assert list(range(40)) == [int(next(run)) for _ in range(40)]
            wait_until(lambda: sum("ndarray" in str(key) for key in client.who_has()) < 20)


FIRST = [("released", "waiting"), ("waiting", "processing")]
AGAIN = [("processing", "released"), ("released", "waiting"), ("waiting", "no-worker")]


@pytest.mark.parametrize(
    ("times", "steps"),
    [
        (0, [("released", "waiting"), ("waiting", "no-worker")]),
        (1, [*FIRST, ("processing", "erred")]),
        (2, [*FIRST, *AGAIN, ("no-worker", "processing"), ("processing", "erred")]),
        (None, [("waiting", "processing"), ("processing", "erred")]),  # a part of its log
        (None, []),
    ],
)
def test_how_many_workers_a_batch_was_at(times: int | None, steps: list[tuple[str, str]]) -> None:
    """By what Dask's scheduler has written down, which is of others too, and not for ever."""
    story = [("other", "waiting", "processing", {"batch": "processing"}, "why", 1.0)]
    story += [("batch", *step, {}, "why", 1.0) for step in steps]

    assert times == times_sent("batch", story)


@needs_dask
def test_a_worker_that_left_while_the_executor_was_idle(small_cluster: Any) -> None:
    """Costs no task: the next run goes to those that are there."""
    import distributed

    with (
        distributed.Client(small_cluster, set_as_default=False) as client,
        DaskExecutor(client, max_workers=1) as dask,
    ):
        assert [1] == run_concurrently([Task(sample_tasks.give, 1)], mode=dask)
        [(first, pid)] = client.run(os.getpid).items()
        psutil.Process(pid).kill()  # its nanny starts another, which has another address
        wait_until(lambda: client.nthreads() and first not in client.nthreads(), 60)
        dask._engine._looked = 0.0  # as if it had been idle for longer

        outcomes = run_concurrently(
            Task.map(sample_tasks.give, range(3)), mode=dask, chunksize=1, on_error="collect"
        )

    assert [0, 1, 2] == [getattr(one, "value", one) for one in outcomes]


@needs_dask
def test_a_worker_that_was_replaced_before_a_batch_was_sent(
    small_cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another process has its address; the batch was at none before, and is sent again."""
    path = tmp_path / "ran"
    with DaskExecutor(small_cluster, max_workers=1) as dask:
        submit = dask._engine.submit

        def meant_for_another(address: str, order: Any, references: list[Any]) -> Any:
            meant = order._replace(node="one that is gone") if order.number == 2 else order
            return submit(address, meant, references)

        monkeypatch.setattr(dask._engine, "submit", meant_for_another)
        tasks = [Task(sample_tasks.append, str(path), number) for number in range(3)]
        outcomes = run_concurrently(tasks, mode=dask, chunksize=1, on_error="collect")

    assert [0, 1, 2] == [getattr(one, "value", one) for one in outcomes]
    assert ["0", "1", "2"] == path.read_text().split()


def test_what_is_within_reach() -> None:
    """Somebody takes the connection; what is no address of a socket is not known to be."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert _needs.is_reached(address)
    assert not _needs.is_reached(address)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loop_goes_on_while_its_call_connects(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers slowly keeps a thread waiting, not the caller's event loop."""
    module = importlib.import_module(f"concurkit.executors.{engine}")
    threads: list[int] = []

    def connect(*_: object) -> None:
        threads.append(threading.get_ident())
        raise ModeUnavailableError("nobody there")

    monkeypatch.setattr(module, "_connect", connect)
    with pytest.raises(ModeUnavailableError, match="nobody there"):
        anyio.run(lambda: aio.run_concurrently([Task(abs, 1)], mode=engine))

    [thread] = threads
    assert threading.get_ident() != thread


def nested(address: str, depth: int) -> int:
    """Runs inside runs, all at the same cluster."""
    if not depth:
        return 1
    with DaskExecutor(address, max_workers=2) as dask:
        tasks = [Task(nested, address, depth - 1), Task(sample_tasks.give, 1)]
        return 1 + sum(run_concurrently(tasks, mode=dask, chunksize=1, total_timeout=60))


@needs_dask
def test_a_task_runs_others_at_its_own_cluster(small_cluster: Any) -> None:
    """Though it is at work in the only thread there: it gives that up."""
    address = small_cluster.scheduler_address
    with DaskExecutor(address) as dask:
        task = Task(nested, address, 2)
        assert [5] == run_concurrently([task], mode=dask, total_timeout=60)
