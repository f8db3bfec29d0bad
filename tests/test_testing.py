"""The conformance kit: it finds what is broken, in the law that it breaks, and nothing else."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from uuid import uuid4

import broken_executors
import pytest

from concurkit import AsyncExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor
from concurkit.testing import ManualExecutor, Report, Verdict, check_executor
from concurkit.testing._check import all_checks
from concurkit.testing._table import markdown, text

ROOT = Path(__file__).parents[1]

# ---- our executors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "factory", [SerialExecutor, ThreadExecutor, ProcessExecutor, AsyncExecutor]
)
def test_ours_keep_every_law(factory: Callable[..., Any]) -> None:
    report = check_executor(factory, time_limit=20)

    assert report.ok, report
    assert list(all_checks()) == [one.name for one in report.verdicts]
    assert all(one.detail for one in report.verdicts if one.outcome == "n/a")
    for law in range(1, 13):
        kept = [one.outcome for one in report.of_law(law)]
        assert "holds" in kept or (law == 6 and factory is not ProcessExecutor), law


# ---- broken ones ---------------------------------------------------------------------------------

# Each fault is found by these and by no other; what starts programs of its own is left out.
FAULTS: dict[str, list[str]] = {
    "MapsBackwards": ["map_order", "map_goes_up_to_the_failure"],
    "RewordsErrors": ["errors"],
    "ShortMap": ["map_after_a_drop", "map_with_a_buffer_after_a_drop"],
    "DropsWhatIsPending": ["futures_of_a_cancelled_shutdown"],
    "TooMany": ["never_too_many"],
    "Twice": ["once"],
    "SwallowsSystemExit": ["system_exit"],
    "EndsWithTheTask": ["system_exit"],
    "CancelsInName": ["cancelled_never_runs", "cancelled_while_running"],
    "LeavesAThread": ["no_thread_left"],
    "LeavesAPipe": ["no_descriptor_left"],
    "MixesContexts": ["contexts_apart"],
    "RefusesLambdas": ["a_lambda"],
    "TakesAnything": ["submit_after_shutdown"],
    "HangsInTheEnd": ["shutdown_twice"],
}
SLOW = {"ctrl_c", "function_of_the_script", "left_open", "no_guard", "overdue_task"}
SIMILAR = {
    "argument_that_does_not_pickle",
    "cancelled_error",
    "keyboard_interrupt",
    "result_that_does_not_pickle",
    "result_that_does_not_unpickle",
}


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """What is found of each; side by side, since checks mostly wait."""

    def look(name: str) -> Report:
        kind = getattr(broken_executors, name)
        return check_executor(kind, only=set(all_checks()) - SLOW - SIMILAR, time_limit=8)

    with ThreadPoolExecutor(3) as threads:
        return dict(zip(FAULTS, threads.map(look, FAULTS), strict=True))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by_the_law_that_it_breaks(name: str, reports: dict[str, Report]) -> None:
    report = reports[name]

    assert FAULTS[name] == [one.name for one in report.failures], report
    law = getattr(broken_executors, name).__doc__
    assert {law} == {f"Law {one.law}." for one in report.failures}
    assert all(one.detail for one in report.failures)


@pytest.mark.parametrize(
    ("name", "check", "says"),
    [
        ("EndsWithTheTask", "system_exit", "the caller died, with exit code 3"),
        ("HangsInTheEnd", "shutdown_twice", "hangs: not over after 2 s"),
        ("Twice", "once", "20 tasks ran 2 times"),
        ("TooMany", "never_too_many", "4 ran at once on 2 workers"),
    ],
)
def test_a_verdict_says_what_happened(name: str, check: str, says: str) -> None:
    report = check_executor(getattr(broken_executors, name), only=[check], time_limit=2)

    assert says == report.verdicts[0].detail


def test_a_crash_that_costs_more_than_a_task_is_told() -> None:
    pytest.importorskip("loky")
    report = check_executor("loky:ProcessPoolExecutor", only=["worker_that_exits"])

    [verdict] = report.verdicts
    assert "fails" == verdict.outcome
    assert "of 7 other tasks lost (TerminatedWorkerError" in verdict.detail


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_is_left_of_an_executor_that_leaves_processes_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its workers live on when their program is killed; the kit ends them."""
    pytest.importorskip("loky")
    monkeypatch.setenv("TEST_OF_THE_KIT", mark := uuid4().hex)

    report = check_executor("loky:ProcessPoolExecutor", only=["parent_killed_idle"])

    assert not report.ok
    assert [] == _marked(mark.encode())


def _marked(mark: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


# ---- what is asked, and what comes back ----------------------------------------------------------


def test_a_factory_may_be_a_lambda_and_need_not_take_max_workers() -> None:
    report = check_executor(lambda: ThreadExecutor(2), only=["values", "no_workers"])

    assert ["holds", "n/a"] == [one.outcome for one in report.verdicts]
    assert "ThreadExecutor (concurkit.executors.thread)" == report.executor


@pytest.mark.parametrize(
    ("factory", "options", "error", "says"),
    [
        (ThreadExecutor, {"laws": [0]}, ValueError, "no law 0; the laws are 1 to 12"),
        (ThreadExecutor, {"only": ["speed"]}, ValueError, "no check 'speed'; there are values,"),
        (
            ThreadExecutor,
            {"only": "values", "laws": [3]},
            ValueError,
            "['values'] belongs to law 3",
        ),
        (ThreadExecutor, {"laws": []}, ValueError, "no check is left"),
        (ThreadExecutor, {"time_limit": 0}, ValueError, "time_limit is 0"),
        (7, {}, TypeError, "the factory is 7; it must be something to call"),
        ("os.path", {}, TypeError, "'package.module:name'"),
        ("os:sep", {}, TypeError, "the factory is '/'"),
        ("nowhere_at_all:x", {}, ImportError, "nowhere_at_all"),
        (dict, {}, RuntimeError, "gives no executor that works: AttributeError"),
    ],
)
def test_bad_input_is_refused(
    factory: Any, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=None) as caught:
        check_executor(factory, **options)

    assert says in str(caught.value)


REPORT = Report(
    "Mine (package.module)",
    (
        Verdict(1, "values", "The values are right.", "holds"),
        Verdict(2, "open", "Every future is done.", "fails", "2 of 10 futures were not done"),
        Verdict(6, "crash", "A crash costs one task.", "n/a", "it has no processes"),
    ),
    "CPython 3.15.2, Linux",
)


def test_a_report_is_read_as_a_table() -> None:
    shown = """\
Mine (package.module), CPython 3.15.2, Linux

1. Same everywhere
   holds  The values are right.

2. One outcome each
   FAILS  Every future is done.
          - 2 of 10 futures were not done

6. A crash costs one task
   n/a    A crash costs one task.
          - it has no processes

1 hold, 1 fail, 1 n/a"""
    assert shown == str(REPORT) == text(REPORT)


def test_reports_stand_side_by_side_in_markdown() -> None:
    other = Report("Other", REPORT.verdicts[:1])

    shown = """\
| law | promise | mine | other |
|---|---|---|---|
| 1 | The values are right. | holds | holds |
| 2 | Every future is done. | **fails** |  |
| 6 | A crash costs one task. | n/a |  |"""
    assert shown == markdown([("mine", REPORT), ("other", other)])


# ---- from a shell --------------------------------------------------------------------------------


def _python(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the kit is installed as it is for users, entry point included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = tmp_path / "site" / "kit-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: kit\nVersion: 1\n")
    [(name, place)] = project["entry-points"]["pytest11"].items()
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{name} = {place}\n")
    path = os.pathsep.join([*map(str, sys.path), str(installed.parent)])
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


KIT = ["pytest", "-p", "no:cacheprovider", "--pyargs", "concurkit.testing"]


def test_pytest_makes_a_test_of_each_check(tmp_path: Path) -> None:
    done = _python(
        tmp_path,
        *[*KIT, "--executor", "concurrent.futures:ThreadPoolExecutor"],
        *["-k", "a_lambda or an_async_function or crash_report"],
    )

    assert 1 == done.returncode, done.stdout + done.stderr
    assert "1 failed, 1 passed, 1 skipped" in done.stdout
    assert "It does not hold: it gave a coroutine that nobody awaits" in done.stdout
    assert "   holds  A lambda runs.\n" in done.stdout


def test_pytest_finds_a_factory_beside_the_caller(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from concurkit import SerialExecutor as make\n")

    done = _python(tmp_path, *KIT, "--executor=mine:make", "-k", "a_lambda")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "pytest --pyargs concurkit.testing --executor package.module:name"),
        (["--executor", "nowhere_at_all:x"], "nowhere_at_all:x: No module named"),
    ],
)
def test_pytest_says_what_to_write(tmp_path: Path, words: list[str], says: str) -> None:
    done = _python(tmp_path, *KIT, *words)

    assert 4 == done.returncode, done.stdout + done.stderr
    assert says in done.stdout + done.stderr


def test_other_sessions_of_pytest_have_no_such_option(tmp_path: Path) -> None:
    """The entry point is there for all of them, and stays out of the way."""
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--executor')\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it(request):\n"
        "    assert request.config.getoption('--executor') == 'theirs'\n"
        "    assert 'concurkit.testing._options' not in sys.modules\n"
        "    assert 'concurkit._run' not in sys.modules\n"
    )

    done = _python(tmp_path, "pytest", "-p", "no:cacheprovider", "--executor", "theirs")

    assert 0 == done.returncode, done.stdout + done.stderr


def test_a_command_prints_the_table(tmp_path: Path) -> None:
    words = ["concurkit.testing", "--law", "9", "--json", "found.json"]

    done = _python(tmp_path, *words, "concurkit:ThreadExecutor", "concurkit:SerialExecutor")

    assert (0, "") == (done.returncode, done.stderr)
    assert 2 == done.stdout.count("2 hold, 0 fail, 0 n/a")
    assert '"name": "contexts_apart"' in (tmp_path / "found.json").read_text(encoding="utf-8")


def test_the_command_puts_executors_side_by_side(tmp_path: Path) -> None:
    both = ["concurkit:SerialExecutor", "concurrent.futures:ThreadPoolExecutor"]

    done = _python(
        tmp_path, *["concurkit.testing", "--markdown", "--only", "contexts_apart"], *both
    )

    head, _, row = done.stdout.splitlines()
    assert "| law | promise | SerialExecutor | ThreadPoolExecutor |" == head
    assert row.endswith(" | holds | **fails** |")


def test_the_command_fails_where_a_law_is_broken(tmp_path: Path) -> None:
    stdlib = "concurrent.futures:ThreadPoolExecutor"

    done = _python(tmp_path, "concurkit.testing", "--only", "an_async_function", stdlib)

    assert (1, "") == (done.returncode, done.stderr)
    assert "   FAILS  An async function is run to its end.\n" in done.stdout


def test_nothing_of_it_is_imported_before_it_is_used() -> None:
    code = "import sys, concurkit; print(*(m for m in sys.modules if 'concurkit.testing' in m))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert "" == done.stdout.strip()


# ---- ManualExecutor ------------------------------------------------------------------------------


def test_a_manual_executor_does_nothing_by_itself() -> None:
    executor = ManualExecutor()

    futures = [executor.submit(pow, 2, n) for n in range(3)]

    assert [False] * 3 == [future.done() for future in futures]
    assert ["pow(2, 0)", "pow(2, 1)", "pow(2, 2)"] == [str(task) for task in executor.pending]
    assert "<ManualExecutor: 3 pending, 0 running>" == repr(executor)
    executor.run_next()
    assert [1] == [future.result() for future in futures if future.done()]
    assert 2 == executor.run_all()
    assert [1, 2, 4] == [future.result() for future in futures]


def test_tasks_end_as_the_test_says_in_any_order() -> None:
    executor = ManualExecutor()
    first, second, third = (executor.submit(_never) for _ in range(3))
    kept = executor.pending

    kept[2].finish("three")
    executor.fail(LookupError("one"))
    executor.finish("two")

    assert (None, "two", "three") == (kept[0].args or None, second.result(), third.result())
    with pytest.raises(LookupError, match="one"):
        first.result()


def _never() -> None:
    raise AssertionError("its function was called")


def test_what_a_task_raises_is_its_own() -> None:
    executor = ManualExecutor()
    future = executor.submit(sys.exit, 3)

    executor.run_all()

    assert isinstance(future.exception(), SystemExit)


def test_a_task_runs_in_the_context_that_it_was_submitted_in() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    executor = ManualExecutor()
    variable.set("then")
    future = executor.submit(variable.get)
    variable.set("now")

    executor.run_all()

    assert "then" == future.result()


def test_an_async_function_is_run_to_its_end() -> None:
    async def give() -> int:
        return 42

    executor = ManualExecutor()
    future = executor.submit(give)

    executor.run_all()

    assert 42 == future.result()


def test_a_started_task_is_not_cancelled_and_a_pending_one_never_runs() -> None:
    executor = ManualExecutor()
    running, pending = executor.submit(pow, 2, 3), executor.submit(_never)
    executor.pending[0].start()
    left = executor.pending[0]

    assert (False, True) == (running.cancel(), pending.cancel())

    assert {pending} == wait([pending], timeout=5).done
    with pytest.raises(CancelledError):
        pending.result()
    with pytest.raises(RuntimeError, match=r"_never\(\) has ended already"):
        left.run()
    assert 1 == executor.run_all()
    assert 8 == running.result()


def test_no_more_tasks_run_than_there_are_workers() -> None:
    executor = ManualExecutor(max_workers=1)
    for number in range(2):
        executor.submit(pow, 2, number)
    first, second = executor.pending

    first.start()
    for act in (second.start, second.run, second.finish):
        with pytest.raises(RuntimeError, match=r"pow\(2, 1\) can't start: max_workers is 1"):
            act()
    first.finish()
    second.start()

    assert (second,) == executor.running


def test_a_task_ends_once() -> None:
    executor = ManualExecutor()
    executor.submit(pow, 2, 3)
    [task] = executor.pending
    task.start()

    with pytest.raises(RuntimeError, match="was started already"):
        task.start()
    task.run()
    for act in (task.start, task.run, task.finish, lambda: task.fail(LookupError())):
        with pytest.raises(RuntimeError, match="has ended already"):
            act()
    with pytest.raises(RuntimeError, match=r"no task is left.*wait_for\(2\)"):
        executor.run_next()


def test_code_in_another_thread_is_waited_for_without_sleeping() -> None:
    executor = ManualExecutor()
    found: list[int] = []

    def code_under_test() -> None:
        found.append(executor.submit(pow, 2, 3).result(timeout=10))
        found.append(executor.submit(pow, 2, 4).result(timeout=10))

    thread = threading.Thread(target=code_under_test)
    thread.start()
    executor.wait_for(1)
    executor.finish(7)
    executor.wait_for(2)
    executor.run_all()
    thread.join(timeout=10)

    assert [7, 16] == found
    with pytest.raises(TimeoutError, match=r"2 of 3 tasks were submitted within 0\.01 s"):
        executor.wait_for(3, timeout=0.01)


def test_tasks_end_once_whoever_ends_them() -> None:
    """Many threads submit, cancel and run at the same time."""
    executor = ManualExecutor()
    ran: list[int] = []
    futures = [executor.submit(ran.append, n) for n in range(500)]

    def cancel_some() -> None:
        for future in futures[::3]:
            future.cancel()

    def run_some() -> None:
        while executor.pending:
            try:
                executor.run_next()
            except RuntimeError:  # another thread was quicker
                continue

    threads = [threading.Thread(target=each) for each in (cancel_some, run_some, run_some)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    cancelled = {n for n, future in enumerate(futures) if future.cancelled()}
    assert all(future.done() for future in futures)
    assert sorted(ran) == sorted(set(range(500)) - cancelled)


def test_shutdown_does_not_wait_for_what_nobody_ends() -> None:
    executor = ManualExecutor()
    future = executor.submit(pow, 2, 3)

    with pytest.raises(RuntimeError, match=r"wait for ever: nobody has ended pow\(2, 3\)"):
        executor.shutdown()
    with pytest.raises(RuntimeError, match="was shut down"):
        executor.submit(pow, 2, 3)
    executor.shutdown(wait=False)
    assert not future.done()
    executor.shutdown(cancel_futures=True)
    assert future.cancelled()


def test_shutdown_waits_for_another_thread_if_it_is_told_to() -> None:
    executor = ManualExecutor(shutdown_timeout=10)
    executor.submit(pow, 2, 3)
    thread = threading.Thread(target=executor.shutdown)
    thread.start()

    executor.run_all()

    thread.join(timeout=10)
    assert not thread.is_alive()


def test_an_error_is_not_hidden_by_the_tasks_that_it_left() -> None:
    with pytest.raises(LookupError), ManualExecutor() as executor:
        future = executor.submit(pow, 2, 3)
        raise LookupError

    assert future.cancelled()


@pytest.mark.parametrize("workers", [0, -1, "two"])
def test_a_wrong_number_of_workers_is_refused(workers: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="max_workers"):
        ManualExecutor(workers)


def test_what_cant_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="7 can't be called"):
        ManualExecutor().submit(7)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to ignore")
def test_ctrl_c_is_tried_in_the_background_too() -> None:
    """There a shell lets programs ignore it, and what they start."""
    command = [sys.executable, "-m", "concurkit.testing", "concurkit:ThreadExecutor"]
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command, "--only", "ctrl_c"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr), done.stdout


def test_a_manual_task_fails_with_an_exception_only() -> None:
    """What else it is given is refused at once, and the task is still there."""
    executor = ManualExecutor()
    future = executor.submit(abs, -1)

    with pytest.raises(TypeError, match="error is 'down'; it must be an exception"):
        executor.fail("down")  # type: ignore[arg-type]

    assert 1 == executor.run_all()
    assert 1 == future.result()
