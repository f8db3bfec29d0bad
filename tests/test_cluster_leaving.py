"""Workers of Dask's that are paused, busy, or retired, as adaptive clusters do: batches leave."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from conftest import ENGINES, dask_cluster
from waiting import wait_until

from concurkit import DaskExecutor, Success, Task, iter_concurrently, run_concurrently
from concurkit.executors.cluster._dask_workers import Seen, Workers

pytestmark = pytest.mark.skipif("dask" not in ENGINES, reason="needs distributed")


@pytest.fixture(scope="module")
def small_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of two worker processes with one thread each; the last test here retires one."""
    import dask

    here = {"temporary-directory": str(tmp_path_factory.mktemp("dask"))}
    with dask.config.set(here), dask_cluster(2) as cluster:
        yield cluster


@pytest.fixture
def client(small_cluster: Any) -> Iterator[Any]:
    """The test's own way to the cluster, both of whose workers are there."""
    import distributed

    with distributed.Client(small_cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


def become(status: str, client: Any, address: str) -> None:
    """As a worker does that is short of memory, or is so no more."""

    async def now(dask_worker: Any) -> None:
        from distributed.core import Status

        dask_worker.memory_manager.memory_pause_fraction = False  # which is looked at often
        dask_worker.status = Status.lookup[status]

    client.run(now, workers=[address])
    wait_until(lambda: status == client.scheduler_info(n_workers=-1)["workers"][address]["status"])


def where(tasks: list[Any], **options: Any) -> set[str]:
    """The addresses of the workers that these ran at."""
    outcomes = run_concurrently(tasks, chunksize=1, on_error="collect", total_timeout=60, **options)
    assert all(isinstance(one, Success) for one in outcomes), outcomes
    return {one.worker.split()[1] for one in outcomes}


def at_both(dask: DaskExecutor, client: Any, place: Path) -> list[str]:
    """Have a task run at each worker; their addresses."""
    place.mkdir()
    both = where([Task(sample_tasks.meet, str(place), 2)] * 2, mode=dask)
    assert set(client.nthreads()) == both
    return sorted(both)


def test_a_paused_worker_is_sent_nothing(client: Any, tmp_path: Path) -> None:
    """What it was sent and has not begun goes elsewhere."""
    with DaskExecutor(client) as dask:
        paused, other = at_both(dask, client, tmp_path / "met")
        become("paused", client, paused)
        try:
            assert {other} == where([Task(sample_tasks.give, 1)] * 6, mode=dask)
        finally:
            become("running", client, paused)


def test_a_batch_does_not_wait_for_tasks_of_others(client: Any, tmp_path: Path) -> None:
    """It is taken back from a worker that another program keeps busy, and goes where room is."""
    started, go = str(tmp_path / "started"), str(tmp_path / "go")
    [busy, free] = client.nthreads()
    other = client.submit(sample_tasks.note_and_wait_for_file, started, go, workers=[busy])
    try:
        sample_tasks.wait_for_file(started)
        with DaskExecutor(client) as dask:
            assert {free} == where([Task(sample_tasks.give, 1)] * 4, mode=dask)
    finally:
        Path(go).touch()
    assert "done" == other.result(timeout=60)


def test_a_batch_does_not_wait_for_one_that_takes_long(client: Any, tmp_path: Path) -> None:
    """Of more than there are threads some wait, but not while another worker has room."""
    names = [(str(tmp_path / f"started {one}"), str(tmp_path / f"go {one}")) for one in "ab"]
    slow = [Task(sample_tasks.note_and_wait_for_file, *each) for each in names]
    tasks = [*slow, *Task.map(sample_tasks.give, range(2))]  # one of these waits at each worker
    with (
        DaskExecutor(client, max_workers=4) as dask,
        iter_concurrently(tasks, mode=dask, chunksize=1, total_timeout=60, ordered=False) as run,
    ):
        for started, _ in names:
            sample_tasks.wait_for_file(started)
        Path(names[0][1]).touch()
        assert {"done", 0, 1} == {next(run) for _ in range(3)}
        Path(names[1][1]).touch()
        assert ["done"] == list(run)


def test_where_there_is_room() -> None:
    """By what is under way and what the scheduler says; nobody hops from queue to queue."""
    workers = Workers()
    workers.saw({"a": Seen(1, "running", 1.0), "b": Seen(2, "running", 1.0)})
    assert 3 == workers.slots
    assert ["a", "b", "b", "a"] == [workers.take() for _ in range(4)]

    with workers.sending("a"), workers.sending("b"):
        assert workers.is_full("a")
        assert not workers.is_full("b")
        assert "b" == workers.take()
        assert not workers.is_better_left("a")  # large arguments, perhaps
        workers.saw({"a": Seen(1, "running", 1.5, tasks=2), "b": Seen(2, "running", 1.0)})
        assert workers.is_better_left("a")  # others have kept it waiting there
    assert not workers.is_better_left("b")
    assert workers.is_full("a")
    workers.saw({"a": Seen(1, "running", 1.5), "b": Seen(2, "running", 1.0)})  # nothing new
    assert workers.is_full("a")
    workers.saw({"a": Seen(1, "running", 2.0, tasks=1), "b": Seen(2, "running", 1.0)})
    assert workers.is_full("a")
    workers.saw({"a": Seen(1, "running", 3.0), "b": Seen(2, "running", 1.0)})
    assert not workers.is_full("a")
    workers.saw({"a": Seen(1, "paused", 4.0), "b": Seen(2, "running", 1.0)})
    assert 2 == workers.slots
    assert workers.is_full("a")
    workers.saw({"a": Seen(1, "paused", 4.0)})
    assert not workers.is_full("a")
    assert workers.take() is None


def test_a_lease_that_moves_ends_nothing_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask may take a worker's data elsewhere while batches run there, and others may follow."""
    from concurkit.executors.cluster import _dask_lease

    ended: list[str] = []
    monkeypatch.setattr(_dask_lease, "end_node", ended.append)

    def over() -> bool:
        return not any(one.name == "concurkit-end" for one in threading.enumerate())

    lease: Any = _dask_lease.hold("one")
    with _dask_lease.at_work("one"):
        with _dask_lease.at_work("one"):
            del lease
            wait_until(over)
        assert [] == ended
    assert ["one"] == ended
    with _dask_lease.at_work("one"):  # and so it goes on until there is a lease
        pass
    assert ["one"] * 2 == ended
    first, second = _dask_lease.hold("one"), _dask_lease.hold("one")
    with _dask_lease.at_work("one"):
        del first
        wait_until(over)
    assert ["one"] * 2 == ended
    del second
    wait_until(lambda: ["one"] * 3 == ended)


def test_a_worker_that_does_not_answer_at_the_end(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for; it ends what it has of ours when it goes on."""
    monkeypatch.setattr("concurkit.executors.cluster._dask._GOODBYE", 0.3)

    def processes() -> int:
        import psutil

        helpers = psutil.Process().children()  # the fork server stays
        return sum(len(one.children()) for one in helpers)

    with ThreadPoolExecutor(1) as elsewhere:
        dask = DaskExecutor(client)
        stuck, _ = at_both(dask, client, tmp_path / "met")
        assert all(client.run(processes).values())
        [pid] = client.run(os.getpid, workers=[stuck]).values()
        os.kill(pid, signal.SIGSTOP)
        try:
            elsewhere.submit(dask.shutdown).result(timeout=60)
        finally:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not any(client.run(processes).values()))


def test_a_worker_that_is_retired(client: Any, tmp_path: Path) -> None:
    """Retiring it ends soon, though processes were kept there, and the run goes on elsewhere."""
    with DaskExecutor(client) as dask:
        retired, other = at_both(dask, client, tmp_path / "met")

        assert [retired] == list(client.retire_workers([retired], callback_timeout=30))
        wait_until(lambda: [other] == list(client.nthreads()))
        assert {other} == where([Task(sample_tasks.give, 1)] * 6, mode=dask, retry=3)
