"""What a run itself may say of its workers: `initializer`, `initargs` and `inner_threads`."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import anyio
import numpy as np
import pytest
import sample_tasks
import threadpoolctl  # type: ignore[import-untyped, unused-ignore]
from conftest import MODES, Call
from sample_tasks import get_state, refuse, set_state, state

from concurkit import (
    ProcessExecutor,
    SerialExecutor,
    Task,
    ThreadExecutor,
    aio,
    iter_concurrently,
    run_concurrently,
)
from concurkit.exceptions import InitializerError


@pytest.fixture(autouse=True)
def _no_state() -> None:
    state.clear()


@pytest.mark.parametrize("timeout", [None, 30])
@pytest.mark.parametrize("mode", MODES)
def test_a_run_sets_up_its_workers_in_every_mode(call: Call, mode: Any, timeout: Any) -> None:
    """Before their first task; with a timeout, serial tasks run in a thread, set up as well."""
    options: Any = {"mode": mode, "initializer": set_state, "initargs": (7,), "timeout": timeout}

    assert [7] * 5 == call([get_state] * 5, **options)


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("mode", [one for one in MODES if one in ("process", "interpreter")])
def test_what_a_new_worker_must_import_is_not_a_tasks_time(mode: str, one: bool) -> None:
    """The first async function in a worker makes it import asyncio, to have a loop."""
    tasks = [Task(sample_tasks.add_async, 1)] * 2  # to wait would import more

    found = run_concurrently(
        tasks if one else [*tasks, Task(sample_tasks.add, 1)],
        mode=mode,
        max_workers=1,
        timeout=0.3,
        initializer=sample_tasks.import_asyncio_slowly,
    )

    assert set(found) == {1}


IN_A_NEW_PROGRAM = """
import sys, time
from concurkit import Task, run_concurrently

asked = []

class SlowFinder:
    def find_spec(self, name, path=None, target=None):
        if name == "asyncio":
            asked.append(name)
            time.sleep(0.6)

sys.meta_path.insert(0, SlowFinder())

async def one():
    return "one"

found = run_concurrently([one, Task(str, "one")], mode=sys.argv[1], max_workers=1, timeout=0.3)
assert found == ["one", "one"]
assert asked == ["asyncio"]
"""


@pytest.mark.parametrize("mode", ["thread", "serial"])
def test_nor_is_what_a_new_program_must_import(mode: str) -> None:
    """Where nothing has imported asyncio before."""
    command = [sys.executable, "-c", IN_A_NEW_PROGRAM, mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("on_error", ["raise", "group", "collect"])
@pytest.mark.parametrize("mode", MODES)
def test_a_run_whose_initializer_fails_ends_with_its_error(
    call: Call, mode: Any, on_error: Any
) -> None:
    """Whatever is to be done with tasks that fail."""
    with pytest.raises(InitializerError, match="refuse") as caught:
        call(
            [get_state] * 20,
            mode=mode,
            initializer=refuse,
            initargs=("no model",),
            on_error=on_error,
            retry=3,
        )

    assert (LookupError, ("no model",)) == (
        type(caught.value.__cause__),
        caught.value.__cause__.args,  # type: ignore[union-attr]
    )


@pytest.mark.parametrize("mode", MODES)
def test_streams_set_up_their_workers_too(mode: Any) -> None:
    """Read by a thread or by a loop."""
    options: Any = {"mode": mode, "initializer": set_state, "initargs": (7,)}

    async def read() -> list[Any]:
        async with aio.iter_concurrently([get_state] * 3, **options) as run:
            return [value async for value in run]

    assert [7] * 3 == list(iter_concurrently([get_state] * 3, **options))
    state.clear()
    assert [7] * 3 == anyio.run(read)


def test_what_belongs_to_an_executor_is_refused_beside_one() -> None:
    """Its workers may be there already: the message says where it is to be given."""
    for executor in (SerialExecutor(), ThreadExecutor(1), ProcessExecutor(1)):
        with executor, pytest.raises(ValueError, match="give it to the executor"):
            run_concurrently([get_state], mode=executor, initializer=set_state, initargs=(1,))
    with ProcessExecutor(1) as processes, pytest.raises(ValueError, match=r"inner_threads=\.\.\."):
        run_concurrently([get_state], mode=processes, inner_threads=2)


# ---- native threads ------------------------------------------------------------------------------


def threads_of_numpy() -> set[int]:
    """How many threads each library that NumPy has loaded may use."""
    assert np.ones(3).sum() == 3
    return {library["num_threads"] for library in threadpoolctl.threadpool_info()}


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "interpreter"])
def test_inner_threads_hold_while_the_run_lasts(call: Call, mode: Any) -> None:
    """In this process too, which has its own number again afterwards."""
    with threadpoolctl.threadpool_limits(2):
        assert [{1}] * 2 == call([threads_of_numpy] * 2, mode=mode, inner_threads=1)
        assert {2} == threads_of_numpy()


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
def test_by_default_a_run_in_this_process_changes_nothing(mode: Any) -> None:
    """What others in the process do is not ours to slow down."""
    with threadpoolctl.threadpool_limits(2):
        for inner in ("auto", None):
            assert [{2}] == run_concurrently([threads_of_numpy], mode=mode, inner_threads=inner)


def test_without_threadpoolctl_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything has started."""
    real = importlib.util.find_spec

    def find(name: str) -> Any:
        return None if name == "threadpoolctl" else real(name)

    monkeypatch.setattr("concurkit._inner_threads.find_spec", find)

    with pytest.raises(ModuleNotFoundError, match=r'pip install "concurkit\[inner-threads\]"'):
        run_concurrently([sample_tasks.nothing], mode="thread", inner_threads=2)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", True])
def test_a_wrong_number_of_inner_threads_is_refused(wrong: Any) -> None:
    """With the choices."""
    with pytest.raises((TypeError, ValueError), match=r"inner_threads is .* 'auto'"):
        run_concurrently([Task(sample_tasks.nothing)], inner_threads=wrong)
