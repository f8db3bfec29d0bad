"""Modes of others by a name: registered in the program, or brought by an installed package."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from conftest import Call

from concurkit import (
    AsyncExecutor,
    ProcessExecutor,
    SerialExecutor,
    Task,
    ThreadExecutor,
    _registry,
    register_mode,
    run_concurrently,
)
from concurkit.exceptions import ModeUnavailableError, TaskTimeoutError, UnknownModeError


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test register what it likes."""
    monkeypatch.setattr(_registry, "_registered", dict(_registry._registered))


class Seen:
    """A factory that keeps what it was given and what it made."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make
        self.given: list[dict[str, Any]] = []
        self.made: list[Any] = []

    def __call__(self, **given: Any) -> Any:
        self.given.append(given)
        self.made.append(self.make(**given))
        return self.made[-1]


@pytest.mark.parametrize("make", [ThreadPoolExecutor, ThreadExecutor])
def test_a_run_makes_one_and_shuts_it_down(call: Call, make: type[Executor]) -> None:
    factory = Seen(make)
    register_mode("mine", factory)

    assert call(Task.map(abs, [-1, -2]), mode="mine") == [1, 2]
    assert call([Task(abs, -3)], mode="mine", max_workers=2) == [3]

    assert factory.given == [{}, {"max_workers": 2}]
    for executor in factory.made:
        with pytest.raises(RuntimeError, match=r"shut ?down"):
            executor.submit(abs, 1)


@pytest.mark.parametrize("make", [ThreadPoolExecutor, ThreadExecutor])
def test_its_initializer_is_the_run_s(call: Call, make: type[Executor], tmp_path: Path) -> None:
    register_mode("mine", make)
    log = tmp_path / "log"
    call([Task(abs, 1)], mode="mine", initializer=sample_tasks.append, initargs=(str(log), "x"))
    assert "x" in log.read_text()


def test_the_workers_are_those_of_what_was_made() -> None:
    """Where the caller names no number."""
    register_mode("two", lambda **_: ThreadPoolExecutor(2))
    names = run_concurrently([lambda: threading.current_thread().name] * 50, mode="two")
    assert len(set(names)) <= 2


def test_a_task_that_was_abandoned_does_not_keep_the_run() -> None:
    register_mode("mine", ThreadPoolExecutor)
    gate = threading.Event()
    start = time.monotonic()
    try:
        [outcome] = run_concurrently([gate.wait], mode="mine", timeout=0.2, on_error="collect")
        assert time.monotonic() - start < 5
    finally:
        gate.set()
    assert TaskTimeoutError is type(outcome.error)  # type: ignore[union-attr]


def test_require_stop_is_asked_of_what_was_made() -> None:
    factory = Seen(ThreadPoolExecutor)
    register_mode("mine", factory)
    with pytest.raises(ValueError, match="mode 'mine' can't stop a task"):
        run_concurrently([Task(abs, 1)], mode="mine", require_stop="cancel")
    with pytest.raises(RuntimeError):
        factory.made[0].submit(abs, 1)


def test_what_was_made_is_shut_down_when_the_run_is_refused() -> None:
    """Nothing has started, and nothing is left."""
    factory = Seen(lambda **_: ThreadPoolExecutor(1))
    register_mode("mine", factory)

    for options in ({"timeout": 1, "chunksize": 5}, {"inner_threads": 1}):
        with pytest.raises(ValueError, match="'mine'"):
            run_concurrently([Task(abs, 1)], mode="mine", **options)  # type: ignore[call-overload]

    for executor in factory.made:
        with pytest.raises(RuntimeError, match="shutdown"):
            executor.submit(abs, 1)


def test_one_of_ours_by_another_name_is_what_it_is(call: Call, tmp_path: Path) -> None:
    """A serial one can give up a task, and lets a loop go on; an async one takes coroutines."""
    register_mode("ours", SerialExecutor)
    log = tmp_path / "log"
    gate = str(tmp_path / "gate")
    late = Task(lambda: [sample_tasks.append(str(log), "x"), sample_tasks.wait_for_file(gate)])
    try:
        [outcome] = call([late], mode="ours", timeout=0.2, on_error="collect")
    finally:
        Path(gate).touch()
    assert (type(outcome.error), outcome.stopped) == (TaskTimeoutError, "abandoned")
    assert log.read_text().split() == ["x"]

    register_mode("loop", AsyncExecutor)
    assert call([Task(sample_tasks.give_async, 3)], mode="loop") == [3]
    register_mode("processes", ProcessExecutor)
    with pytest.raises(ValueError, match="let that give inner_threads"):
        call([Task(abs, 1)], mode="processes", inner_threads=1)


class Plain:
    """All that is asked of an executor, and no more: its `shutdown` takes no arguments."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self) -> None:
        self._pool.shutdown()


def test_a_plain_shutdown_will_do(call: Call, tmp_path: Path) -> None:
    factory = Seen(Plain)
    register_mode("mine", factory)
    gate = str(tmp_path / "gate")

    assert call(Task.map(abs, [-1, -2]), mode="mine") == [1, 2]
    try:
        [late] = call(
            [Task(sample_tasks.wait_for_file, gate)], mode="mine", timeout=0.2, on_error="collect"
        )
    finally:
        Path(gate).touch()

    assert late.stopped == "abandoned"
    for executor in factory.made:
        executor.shutdown()
        with pytest.raises(RuntimeError, match="shutdown"):
            executor.submit(abs, 1)


def test_the_last_one_registered_counts() -> None:
    register_mode("mine", ThreadExecutor)
    register_mode("mine", lambda **_: ThreadPoolExecutor(1, thread_name_prefix="second"))
    [name] = run_concurrently([lambda: threading.current_thread().name], mode="mine")
    assert name.startswith("second")


@pytest.mark.parametrize("name", ["", "auto", "thread", "fastest", "process"])
def test_a_name_of_ours_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="can't be registered"):
        register_mode(name, ThreadExecutor)


def test_what_is_no_name_and_no_factory_is_refused() -> None:
    with pytest.raises(TypeError, match="name is 3"):
        register_mode(3, ThreadExecutor)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="factory is <"):
        register_mode("mine", ThreadPoolExecutor(1))  # type: ignore[arg-type]


def test_a_factory_that_makes_no_executor_is_told_so() -> None:
    register_mode("mine", lambda **_: 3)
    with pytest.raises(TypeError, match=r"factory of mode 'mine' gave 3.*submit\(\)"):
        run_concurrently([Task(abs, 1)], mode="mine")


def test_a_factory_that_does_not_take_what_a_run_gives_is_named() -> None:
    register_mode("mine", lambda: ThreadPoolExecutor(1))
    with pytest.raises(TypeError) as caught:
        run_concurrently([Task(abs, 1)], mode="mine", max_workers=2)
    assert "for mode 'mine', which was given {'max_workers': 2}" in caught.value.__notes__[0]


def test_an_unknown_name_is_answered_with_the_known_ones(installed: Path) -> None:
    register_mode("cluster", ThreadExecutor)
    known = r"'auto', 'serial', 'thread', .*'cluster', 'brought'"
    with pytest.raises(UnknownModeError, match=known + r"\. Did you mean 'cluster'\?"):
        run_concurrently([Task(abs, 1)], mode="clutser")
    with pytest.raises(UnknownModeError, match=known + r"\.$"):
        run_concurrently([Task(abs, 1)], mode="zzz")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that brings a mode by an entry point."""
    (tmp_path / "brings_a_mode.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def make(max_workers=None):\n"
        "    return ThreadPoolExecutor(max_workers, thread_name_prefix='brought')\n"
    )
    info = tmp_path / "brings_a_mode-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brings-a-mode\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[concurkit.executors]\nbrought = brings_a_mode:make\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("brings_a_mode", None)


def test_a_package_brings_a_mode(call: Call, installed: Path) -> None:
    found = call([lambda: threading.current_thread().name] * 3, mode="brought", max_workers=2)
    assert all(name.startswith("brought") for name in found)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("nowhere_at_all:make", "can't be loaded .ModuleNotFoundError"),
        ("os:sep", "must be a function or a class that makes an executor"),
    ],
)
def test_a_package_whose_mode_can_t_be_had_is_named(installed: Path, value: str, why: str) -> None:
    for points in installed.rglob("entry_points.txt"):
        points.write_text(f"[concurkit.executors]\nbroken = {value}\nfastest = os:sep\n")

    with pytest.raises(
        ModeUnavailableError, match=f"'broken' is brought by .* as '{value}'.*{why}"
    ):
        run_concurrently([Task(abs, 1)], mode="broken")
    with pytest.raises(UnknownModeError):
        run_concurrently([Task(abs, 1)], mode="fastest")
