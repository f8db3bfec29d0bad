"""What both cluster engines share, on one that lives here: see `near_cluster`."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from near_cluster import NearExecutor

from concurkit import Success, Task, run_concurrently
from concurkit.executors.cluster import _node
from concurkit.executors.cluster._node import end_node

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
