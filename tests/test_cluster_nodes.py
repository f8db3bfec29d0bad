"""What both cluster engines share, on one that lives here: see `near_cluster`."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from near_cluster import NearExecutor, NearLine
from waiting import wait_until

from concurkit import Failure, Success, Task, iter_concurrently, run_concurrently
from concurkit.exceptions import InitializerError, TaskTimeoutError, WorkerCrashedError
from concurkit.executors.cluster import _flight, _node
from concurkit.executors.cluster._node import end_node
from concurkit.executors.cluster._wire import (
    LostError,
    NeverBegunError,
    Order,
    ReplacedError,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a node's processes share memory")


# ---- what a node's processes find there ---------------------------------------------------------


def test_each_program_s_own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two programs have modules of one name; the worker that they share has neither."""
    found = []
    for program in ("first", "second"):
        (tmp_path / program).mkdir()
        (tmp_path / program / "its_own_module.py").write_text(f"def whose(): return {program!r}\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / program)
            executor = NearExecutor()
        before = list(sys.path)
        with executor:
            found += run_concurrently(
                [Task(eval, "__import__('its_own_module').whose()")] * 2, mode=executor
            )
        assert before == sys.path

    assert ["first"] * 2 + ["second"] * 2 == found


def test_the_caller_s_modules_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before those of that name that the worker's own path has."""
    for whose in ("caller", "worker"):
        (tmp_path / whose).mkdir()
        (tmp_path / whose / "its_own_module.py").write_text(f"WHOSE = {whose!r}\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "caller")
        executor = NearExecutor()
    monkeypatch.syspath_prepend(tmp_path / "worker")

    with executor:
        found = run_concurrently([Task(eval, "__import__('its_own_module').WHOSE")], mode=executor)

    assert ["caller"] == found


def test_another_machine_s_path_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folders may be something else here."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, "/elsewhere"])
        patch.setattr("platform.node", lambda: "another")
        executor = NearExecutor()

    with executor:
        [path] = run_concurrently([Task(eval, "__import__('sys').path")], mode=executor)

    assert "/elsewhere" not in path


# ---- workers that live in one process -----------------------------------------------------------


def test_workers_in_one_process_have_processes_each(tmp_path: Path) -> None:
    """Tasks on two of them run at the same time, and tell apart where they are."""
    with NearExecutor(2) as executor:
        tasks = [Task(sample_tasks.meet, str(tmp_path), 2)] * 2
        outcomes = run_concurrently(tasks, mode=executor, on_error="collect", total_timeout=30)

    assert [Success] * 2 == [type(one) for one in outcomes]
    assert {"near 1", "near 2"} == {one.worker.rpartition(" process")[0] for one in outcomes}


def test_one_worker_s_processes_end_alone(tmp_path: Path) -> None:
    """The other's in the same process stay, and so do the batches that they run."""
    started, go = str(tmp_path / "started"), str(tmp_path / "go")
    with NearExecutor(2) as executor:
        stays = executor.submit(sample_tasks.note_and_wait_for_file, started, go)
        sample_tasks.wait_for_file(started)
        assert 1 == executor.submit(sample_tasks.give, 1).result(timeout=30)

        end_node(executor.engine.terms.token, "near 2")
        Path(go).touch()

        assert "done" == stays.result(timeout=30)


# ---- a batch that came to another worker --------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "failed"), [(NeverBegunError, []), (ReplacedError, [1]), (LostError, [1])]
)
def test_what_is_known_of_a_batch_that_came_to_another(
    error: type[LostError], failed: list[int]
) -> None:
    """It is sent again if it surely was nowhere else before: tasks run once."""
    raised = []

    def come_to_another(line: NearLine, order: Order, _: list[Any]) -> None:
        if order.number == 2 and not raised:
            raised.append(order)
            raise error("another worker has taken its address")

    tasks = Task.map(sample_tasks.give, range(4))
    with NearExecutor() as executor:
        executor.engine.breaks.append(come_to_another)
        outcomes = run_concurrently(tasks, mode=executor, chunksize=1, on_error="collect")

    assert failed == [one.index for one in outcomes if isinstance(one, Failure)]
    assert {1} == {one.attempts for one in outcomes}


def test_a_batch_that_is_forgone_never_runs() -> None:
    """Whether it comes later or not; one that has come is not forgone."""
    with NearExecutor() as executor:
        token = executor.engine.terms.token
        answers: list[tuple[str, bool]] = []

        def forgo(line: NearLine, order: Order, _: list[Any]) -> None:
            if order.number == 1:
                answers.append(_node.forgo(token, order.seat, 1))

        executor.engine.breaks.append(forgo)
        # The first batch is taken for one that came back, and goes again.
        assert [5] == run_concurrently([Task(sample_tasks.give, 5)], mode=executor)
        seat = executor.engine.orders[0].seat
        answers.append(_node.forgo(token, seat, 2))
        answers.append(_node.forgo(token, seat, 3))

    assert [(_node.ME, True), (_node.ME, False), (_node.ME, True)] == answers
    assert [1, 2] == [one.number for one in executor.engine.orders]


def test_another_process_does_not_run_it() -> None:
    """It may have run in the one that was meant."""
    with NearExecutor() as executor:
        executor.submit(sample_tasks.nothing).result(timeout=30)
        executor.engine.lines[0].node = "another"
        [outcome] = run_concurrently([sample_tasks.nothing], mode=executor, on_error="collect")

    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, WorkerCrashedError)
    assert "another worker has taken its address" in str(outcome.error)


# ---- a worker that is gone ----------------------------------------------------------------------


def test_a_worker_that_left_costs_no_task() -> None:
    """The next batch goes to another one, and the way to the one that left is closed."""
    with NearExecutor() as executor:
        assert [1] == run_concurrently([Task(sample_tasks.give, 1)], mode=executor)
        executor.engine.lines[0].gone = True
        executor.engine.breaks.append(lambda line, *_: _not_gone(line))

        tasks = Task.map(sample_tasks.give, range(3))
        assert [0, 1, 2] == run_concurrently(tasks, mode=executor, chunksize=1)
        assert ["near 1"] == executor.engine.closed
        assert 2 == len(executor.engine.lines)


def _not_gone(line: NearLine) -> None:
    if line.gone:
        raise LostError("it is gone")


# ---- a node that does not answer ----------------------------------------------------------------


def fall_silent(line: NearLine, *_: object) -> None:
    """Once the task is known to run."""
    line.silent = len(line.engine.lines) == 1


@pytest.mark.parametrize("retry", [None, 2])
def test_an_overdue_task_whose_node_does_not_answer(
    retry: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is overdue all the same, and may be tried again."""
    monkeypatch.setattr(_flight, "_PATIENCE", 0.05)
    go = tmp_path / "go"
    task = Task(sample_tasks.wait_for_file, str(go), 1)
    with NearExecutor() as executor:
        executor.engine.breaks += [fall_silent, lambda line, *_: line.silent or go.touch()]
        [outcome] = run_concurrently(
            [task], mode=executor, timeout=0.2, retry=retry, on_error="collect"
        )
        go.touch()

    if retry is None:
        assert isinstance(outcome, Failure)
        assert isinstance(outcome.error, TaskTimeoutError)
        assert ("abandoned", 1) == (outcome.stopped, outcome.attempts)
    else:
        assert 2 == outcome.attempts


def test_a_run_that_ends_does_not_wait_for_a_node_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task is left to itself."""
    monkeypatch.setattr(_flight, "_PATIENCE", 0.05)
    go = tmp_path / "go"
    with NearExecutor() as executor:
        executor.engine.breaks.append(fall_silent)
        [outcome] = run_concurrently(
            [Task(sample_tasks.wait_for_file, str(go))],
            mode=executor,
            total_timeout=1,
            on_error="collect",
        )
        go.touch()

    assert isinstance(outcome, Failure)


# ---- a cluster that is lost ---------------------------------------------------------------------


def test_a_cluster_that_is_lost_between_two_runs() -> None:
    """Shows when its worker is asked for, and is no error of an engine's own."""
    with NearExecutor() as executor:
        assert [1] == run_concurrently([Task(sample_tasks.give, 1)], mode=executor)
        executor.engine.lost = LostError("the scheduler is gone")
        tasks = Task.map(sample_tasks.give, range(3))
        outcomes = run_concurrently(tasks, mode=executor, on_error="collect")

    assert {WorkerCrashedError} == {type(one.error) for one in outcomes}
    assert "no worker of near takes a task: the scheduler is gone" in str(outcomes[0].error)


# ---- on which machine ---------------------------------------------------------------------------


def test_an_initializer_that_fails_tells_where() -> None:
    """The worker's name stands in front, as with crashes."""
    options = {"initializer": sample_tasks.refuse, "initargs": ("no GPU",)}
    with NearExecutor(**options) as executor, pytest.raises(InitializerError) as caught:
        run_concurrently([sample_tasks.nothing], mode=executor)

    assert re.match(
        "near 1: the initializer refuse of process worker 1 failed with .*no GPU", str(caught.value)
    )


def log_and_wait(path: str) -> None:
    """Say something, and wait for a file."""
    logging.getLogger("cluster.node").warning("here")
    sample_tasks.wait_for_file(path)


def test_one_name_for_a_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In what its task logs, in what is seen while that runs, and in its outcome."""
    go = tmp_path / "go"
    with NearExecutor() as executor:
        task = Task(log_and_wait, str(go))
        with iter_concurrently([task], mode=executor, on_error="collect") as run:
            running = wait_until(lambda: [one for one in run.stacks() if one.stack])
            go.touch()
            [outcome] = run

    assert ["near 1 process worker 1"] == [getattr(one, "worker", "") for one in caplog.records]
    assert ["near 1 process worker 1"] == [one.worker for one in running]
    assert "near 1 process worker 1" == outcome.worker
