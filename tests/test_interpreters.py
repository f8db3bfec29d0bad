"""What is special about interpreter mode; the laws and the other tests run on it as on any mode."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import doctest
import importlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

import interpreter_tasks
import pytest
import sample_tasks
from conftest import MODES, examples
from hypothesis import given
from hypothesis import strategies as st

from concurkit import Failure, InterpreterExecutor, Success, Task, run_concurrently
from concurkit._batch import Batch, Job, task_context
from concurkit.exceptions import (
    InitializerError,
    ModeUnavailableError,
    RunTimeoutError,
    TaskNotPicklableError,
    TaskTimeoutError,
)
from concurkit.executors._flight import Ended, GaveBack
from concurkit.executors.interpreter._seat import InterpreterSeat
from concurkit.executors.interpreter._unloadable import unloadable

newer = pytest.mark.skipif(sys.version_info < (3, 14), reason="there are no interpreters")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there are interpreters")
def test_before_python_3_14_the_error_says_what_it_needs() -> None:
    """The name can be imported; using it says which Python has it, and what else to use."""
    says = r"needs Python 3\.14 or newer, and this is Python 3\.\d+\. Use mode='process'"

    with pytest.raises(ModeUnavailableError, match=says):
        InterpreterExecutor(2)
    with pytest.raises(ModeUnavailableError, match=says):
        run_concurrently([sample_tasks.nothing], mode="interpreter")


@newer
def test_the_example_in_the_docstring_holds() -> None:
    """As the tests of the docs see to on older Pythons."""
    module = importlib.import_module("concurkit.executors.interpreter._executor")

    assert (0, 2) == tuple(doctest.testmod(module))[:2]


# ---- where tasks run -----------------------------------------------------------------------------


@newer
def test_each_worker_is_an_interpreter_of_this_process(tmp_path: Path) -> None:
    """Two that run side by side are two interpreters, and neither is the caller's."""
    tasks = [Task(interpreter_tasks.meet_where, str(tmp_path))] * 2

    (pid, first), (_, second) = run_concurrently(tasks, mode="interpreter", max_workers=2)

    assert os.getpid() == pid
    assert 3 == len({0, first, second})


@newer
def test_modules_are_looked_for_where_the_caller_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a place that was added since the program began."""
    monkeypatch.syspath_prepend(str(tmp_path))  # type: ignore[no-untyped-call]

    [path] = run_concurrently([interpreter_tasks.path_of_imports], mode="interpreter")

    assert sys.path == path


@newer
def test_a_value_per_worker_is_one_per_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed when the run ends."""
    notes = tmp_path / "notes"
    monkeypatch.setenv("VALUES", str(notes))

    used = run_concurrently(
        Task.map(interpreter_tasks.use, range(50)), mode="interpreter", max_workers=2, chunksize=1
    )

    lines = Counter(notes.read_text().split())
    assert lines == Counter(f"{did}-{where}" for where in set(used) for did in ("made", "closed"))


SCRIPT = """
    from concurkit import InterpreterExecutor, Task, run_concurrently

    factor = 3

    def times(n):
        print("task", n)
        return n * factor

    print(run_concurrently(Task.map(times, [1, 2]), mode="interpreter", max_workers=1), flush=True)
    print(run_concurrently([lambda: factor], mode="interpreter"), flush=True)
    with InterpreterExecutor(1) as executor:
        run_concurrently(Task.map(times, [4]), mode=executor)
        print("which is there before the executor is closed", flush=True)
"""


def run_script(code: str, *words: str) -> tuple[int, str, str]:
    """Run a script; return its exit code, what it printed, and what it said on stderr."""
    environ = {name: word for name, word in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *words],
        env=environ,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@newer
def test_a_script_needs_no_guard_and_sees_what_its_tasks_print() -> None:
    """What they print is there when the run is over."""
    said = "task 1\ntask 2\n[3, 6]\n[3]\ntask 4\nwhich is there before the executor is closed\n"

    assert (0, said, "") == run_script(SCRIPT)


@newer
def test_tasks_do_not_get_hold_of_the_callers_signal_handlers() -> None:
    """They are objects of another interpreter's, which crash the process sooner or later."""
    assert callable(signal.getsignal(signal.SIGINT))

    assert ["None"] == run_concurrently(
        [Task(interpreter_tasks.handler_of, signal.SIGINT)], mode="interpreter"
    )


def test_runs_do_not_ask_for_signal_handlers_but_in_the_main_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor do runs inside tasks, before any task could be kept from it."""
    monkeypatch.setattr(signal, "getsignal", fault)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(run_concurrently([sample_tasks.nothing])))

    thread.start()
    thread.join()

    assert [None] == found


@newer
def test_what_tasks_log_comes_home(caplog: pytest.LogCaptureFixture) -> None:
    """To the caller's handlers and filters, with the task that logged it."""
    with pytest.warns(UserWarning, match="careful, 5"), caplog.at_level("INFO", "tasks"):
        run_concurrently(Task.map(interpreter_tasks.log, [5]), mode="interpreter")

    [record] = caplog.records
    assert ("task 5", "tasks", 0) == (record.getMessage(), record.name, record.task_index)  # type: ignore[attr-defined]
    assert "interpreter worker 1" == record.worker  # type: ignore[attr-defined]


# ---- modules that can't be loaded ----------------------------------------------------------------

# A module of Python's own that stands for those of others, NumPy among them.
UNLOADABLE = "faulthandler"
ADVICE = rf"{UNLOADABLE} can't be loaded in a sub-interpreter: .* Use mode='process'"


@newer
def test_an_import_that_fails_in_interpreters_only_says_so() -> None:
    """A task's own error keeps its type; a note says what to do."""
    with pytest.raises(ImportError, match=UNLOADABLE) as caught:
        run_concurrently([Task(interpreter_tasks.load, UNLOADABLE)], mode="interpreter")

    note = caught.value.__notes__[0]
    assert note.startswith(f"{UNLOADABLE} can't be loaded in a sub-interpreter: ")
    assert "Use mode='process'" in note


@newer
def test_an_import_that_fails_anywhere_has_no_such_note() -> None:
    """There is nothing that another mode would help."""
    with pytest.raises(ModuleNotFoundError) as caught:
        run_concurrently([Task(interpreter_tasks.load, "no_such_module")], mode="interpreter")

    assert 1 == len(caught.value.__notes__)  # which task it was


@newer
def test_a_task_whose_module_cannot_be_loaded_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never starts; the message names what its module imports, and another mode."""
    tmp_path.joinpath("needs_it.py").write_text(f"import {UNLOADABLE}\ndef fn(): return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))  # type: ignore[no-untyped-call]
    fn = importlib.import_module("needs_it").fn

    good, bad = run_concurrently(
        [sample_tasks.nothing, fn], mode="interpreter", on_error="collect", max_workers=1
    )

    assert isinstance(good, Success)
    with pytest.raises(TaskNotPicklableError, match=ADVICE):
        bad.unwrap()


@newer
def test_an_initializer_whose_import_fails_says_so() -> None:
    """The cause is its own error, with the note."""
    with pytest.raises(InitializerError, match=UNLOADABLE) as caught:
        run_concurrently(
            [sample_tasks.nothing],
            mode="interpreter",
            initializer=interpreter_tasks.load,
            initargs=(UNLOADABLE,),
        )

    assert "Use mode='process'" in caught.value.__cause__.__notes__[0]  # type: ignore[union-attr]


def test_a_module_that_looks_itself_is_known_too() -> None:
    """As NumPy does, whose error may stand behind one of its own."""
    once = ImportError("cannot load module more than once per process", name="numpy._core")
    shown = ImportError("Importing the numpy C-extensions failed.")
    shown.__cause__ = once

    assert "numpy._core" == unloadable(shown)
    assert "" == unloadable(ImportError("no such name"))
    assert "" == unloadable(ValueError(str(once)))


# ---- what is given up ----------------------------------------------------------------------------


@newer
def test_an_abandoned_task_is_told(tmp_path: Path) -> None:
    """It runs in another interpreter, and hears all the same that its time is up."""
    path = tmp_path / "told"

    [failure] = run_concurrently(
        [Task(interpreter_tasks.watch, str(path))],
        mode="interpreter",
        timeout=0.05,
        on_error="collect",
    )

    assert (TaskTimeoutError, "abandoned") == (type(failure.error), failure.stopped)
    until = time.monotonic() + 10
    while not path.exists() or not path.read_text():
        assert time.monotonic() < until
        time.sleep(0.001)
    assert "the task's time is up" == path.read_text()


@newer
def test_what_had_ended_in_an_abandoned_batch_is_kept(tmp_path: Path) -> None:
    """Their results are there; those behind the abandoned task have not started."""
    go, started = sample_tasks.FileEvent(str(tmp_path / "go")), tmp_path / "started"
    tasks = [
        *[Task(sample_tasks.append, str(started), word) for word in "ab"],
        Task(sample_tasks.overstay, go),
        Task(sample_tasks.append, str(started), "c"),
    ]

    try:
        with InterpreterExecutor(1) as executor:
            run_concurrently([sample_tasks.nothing], mode=executor)
            outcomes = run_concurrently(
                tasks, mode=executor, chunksize=4, total_timeout=0.3, on_error="collect"
            )
    finally:
        go.set()

    assert ["a", "b"] == [one.value for one in outcomes if isinstance(one, Success)]
    lost = [one for one in outcomes if isinstance(one, Failure)]
    assert [(RunTimeoutError, "abandoned"), (RunTimeoutError, None)] == [
        (type(one.error), one.stopped) for one in lost
    ]
    assert ["a", "b"] == started.read_text().split()


class Launched:
    """A batch of calls of one function on an executor, as a run would launch it."""

    def __init__(self, executor: Any, fn: Any, items: list[Any], hint: float) -> None:
        self.events: SimpleQueue[Any] = SimpleQueue()
        context = task_context(executor.max_workers, executor.home)
        batch = Batch(1, range(len(items)), items, False, hint)
        [self.flight] = executor.launch(
            [(batch, None)], Job(fn, context, single=True), self.events.put
        )

    def outcome(self) -> tuple[int | None, list[Any]]:
        """How many tasks it kept, if it was asked, and what they returned."""
        kept = None
        while True:
            event = self.events.get(timeout=30)
            if isinstance(event, GaveBack):
                kept = event.kept
            else:
                assert isinstance(event, Ended)
                return kept, list(event.report.values)


@newer
@examples(40)
@given(st.integers(1, 60_000), st.sampled_from([0.0, 1.0]), st.floats(0, 0.004))
def test_law_4_what_is_taken_back_has_not_started(
    warm: InterpreterExecutor, count: int, hint: float, after: float
) -> None:
    """Whenever a batch is recalled, what it keeps runs once, and what it gives back never."""
    batch = Launched(warm, interpreter_tasks.see, list(range(count)), hint)
    time.sleep(after)

    batch.flight.recall(unbegun=False)
    kept, values = batch.outcome()

    expected = list(range(count if kept is None else kept))
    assert expected == values
    assert expected == warm.submit(interpreter_tasks.take_seen).result(timeout=30)


@pytest.fixture(scope="module")
def warm() -> Any:
    """One interpreter."""
    with InterpreterExecutor(1) as executor:
        executor.submit(interpreter_tasks.take_seen).result(timeout=30)
        yield executor


@newer
def test_law_4_no_task_starts_while_it_is_the_callers_turn(
    warm: InterpreterExecutor, tmp_path: Path
) -> None:
    """So what the caller finds not to have started does not start behind its back."""
    go, started = tmp_path / "go", tmp_path / "started"
    tasks = [Task(sample_tasks.wait_for_file, str(go)), Task(sample_tasks.append, str(started), 1)]
    batch = Launched(warm, None, tasks, 1.0)
    while batch.flight.look()[1] is None:
        time.sleep(0.001)

    with batch.flight.seat.ledger:
        go.touch()
        time.sleep(0.1)
        assert not started.exists()

    assert (None, [None, 1]) == batch.outcome()
    assert started.exists()


@newer
def test_law_4_a_batch_that_was_recalled_on_its_way_never_starts() -> None:
    """Its interpreter is not there yet: all is given back, and that is all."""
    with InterpreterExecutor(1) as executor:
        batch = Launched(executor, interpreter_tasks.see, [1, 2, 3], 0.0)
        batch.flight.recall(unbegun=True)

        assert (0, []) == batch.outcome()
        assert [] == executor.submit(interpreter_tasks.take_seen).result(timeout=30)


@newer
def test_law_4_a_batch_recalled_between_crew_and_seat_never_starts(
    warm: InterpreterExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its seat knows nothing of it yet, and takes the next."""
    give = InterpreterSeat.give

    def recall_first(self: InterpreterSeat, flight: Any) -> None:
        flight.recall(unbegun=False)
        give(self, flight)

    with monkeypatch.context() as patch:
        patch.setattr(InterpreterSeat, "give", recall_first)
        batch = Launched(warm, interpreter_tasks.see, [1, 2, 3], 0.0)

    assert (None, []) == batch.outcome()
    assert [] == warm.submit(interpreter_tasks.take_seen).result(timeout=30)


@newer
def test_a_future_that_waits_can_be_cancelled(tmp_path: Path) -> None:
    """It never starts; those behind it do."""
    go, started = tmp_path / "go", tmp_path / "started"
    with InterpreterExecutor(1) as executor:
        first = executor.submit(sample_tasks.wait_for_file, str(go), "first")
        second = executor.submit(sample_tasks.append, str(started), "second")
        third = executor.submit(sample_tasks.give, "third")

        assert second.cancel()
        go.touch()

        assert ("first", "third") == (first.result(timeout=30), third.result(timeout=30))
    assert not started.exists()


# ---- the end -------------------------------------------------------------------------------------

LEAVING = """
    import sys, time
    from concurkit import run_concurrently

    def sleep():
        time.sleep(60)

    def compute():
        while True:
            pass

    def wake():
        while True:
            time.sleep(0.001)

    task = {"sleep": sleep, "compute": compute, "wake": wake}[sys.argv[1]]
    [outcome] = run_concurrently([task], mode="interpreter", timeout=0.1, on_error="collect")
    print(outcome.stopped)
    sys.exit(3)
"""


@newer
@pytest.mark.parametrize("task", ["sleep", "compute", "wake"])
def test_law_7_an_abandoned_task_does_not_keep_the_program_from_ending(task: str) -> None:
    """It ends at once, with its own exit code and without a word."""
    assert (3, "abandoned\n", "") == run_script(LEAVING, task)


LEFT_OPEN = """
    from concurkit import InterpreterExecutor

    executor = InterpreterExecutor(2)
    print(executor.submit(abs, -1).result(), flush=True)
    executor.submit(print, "the last")
"""


@newer
def test_an_executor_left_open_ends_with_the_program() -> None:
    """What was submitted is done first."""
    assert (0, "1\nthe last\n", "") == run_script(LEFT_OPEN)


@newer
def test_a_thread_that_a_task_leaves_holds_nobody_up(tmp_path: Path) -> None:
    """The run is over; the interpreter goes when its last thread has ended."""
    go = tmp_path / "go"

    assert ["left"] == run_concurrently(
        [Task(interpreter_tasks.leave_a_thread, str(go))], mode="interpreter"
    )

    go.touch()  # or what is left behind fails this test


LEAVING_A_THREAD = """
    import threading, time
    from concurkit import run_concurrently

    def say():
        time.sleep(3)
        print("the thread's last words", flush=True)

    def leave():
        threading.Thread(target=say).start()

    run_concurrently([leave], mode="interpreter")
    print("over", flush=True)
"""


@newer
def test_law_12_the_program_waits_for_a_thread_that_a_task_leaves() -> None:
    """As for any thread that is no daemon; and it ends then."""
    assert (0, "over\nthe thread's last words\n", "") == run_script(LEAVING_A_THREAD)


@newer
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_tasks_start_leave_nothing_behind(method: str) -> None:
    """Nor do the helpers that multiprocessing starts for them, once for each interpreter."""
    assert [0] == run_concurrently(
        [Task(interpreter_tasks.start_process, method)], mode="interpreter"
    )


# ---- runs inside tasks ---------------------------------------------------------------------------


@newer
@pytest.mark.parametrize("within", [mode for mode in MODES if mode != "process"])
@pytest.mark.parametrize("task", [sample_tasks.inner, sample_tasks.inner_async])
def test_law_12_runs_inside_interpreters(within: str, task: Any) -> None:
    """Threads there can't be daemons, and need not be."""
    assert [10, 10] == run_concurrently(
        Task.map(task, [within] * 2), mode="interpreter", max_workers=2
    )


@newer
def test_law_12_process_mode_inside_an_interpreter_is_refused() -> None:
    """Python's process pools don't work there; the message says what does."""
    with pytest.raises(ModeUnavailableError, match=r"daemon threads.*Use mode='thread' or"):
        run_concurrently([Task(sample_tasks.inner, "process")], mode="interpreter")


# ---- faults of our own ---------------------------------------------------------------------------


def fault(*_: object, **__: object) -> NoReturn:
    """Stands for a mistake of ours."""
    raise LookupError("a fault of ours")


@newer
@pytest.mark.parametrize("step", ["_hear_all", "_inhabit"])
def test_law_12_a_thread_of_ours_that_dies_fails_what_waits_for_it(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor goes on with another interpreter."""
    with InterpreterExecutor(1) as executor:
        with monkeypatch.context() as patch:
            patch.setattr(InterpreterSeat, step, fault)
            error = executor.submit(sample_tasks.nothing).exception(timeout=20)
            outcomes = run_concurrently(
                [sample_tasks.nothing] * 3, mode=executor, on_error="collect"
            )

        assert 1 == executor.submit(sample_tasks.give, 1).result(timeout=20)
    assert isinstance(error, LookupError)
    assert [LookupError] * 3 == [type(one.error) for one in outcomes]


@newer
def test_no_more_threads_is_an_error_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in thread mode."""
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more_threads)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            run_concurrently([sample_tasks.nothing], mode="interpreter")


def no_more_threads(_: threading.Thread) -> NoReturn:
    """What Python says then."""
    raise RuntimeError("can't start new thread")
