"""What workers bring along: initializers, threads of native libraries, how many start."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from conftest import Call

from concurkit import (
    AsyncExecutor,
    Failure,
    ProcessExecutor,
    SerialExecutor,
    Task,
    ThreadExecutor,
    iter_concurrently,
    run_concurrently,
)
from concurkit.exceptions import (
    InitializerError,
    RunTimeoutError,
    TaskCancelledError,
    TaskNotPicklableError,
    WorkerCrashedError,
)

SYNC_AND_ASYNC = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
# What native libraries read when they are loaded.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
)
WORKERS = {"serial": 1, "thread": 2, "process": 2, "asyncio": 1, "trio": 1}


def make(kind: str, workers: int = 2, **options: Any) -> Executor:
    """An executor of that kind."""
    if kind == "serial":
        return SerialExecutor(**options)
    if kind in ("asyncio", "trio"):
        return AsyncExecutor(workers, backend=kind, **options)
    return {"thread": ThreadExecutor, "process": ProcessExecutor}[kind](workers, **options)


@pytest.fixture(params=WORKERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of executor, on either loop."""
    return str(request.param)


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """A file to which initializers add lines."""
    return tmp_path / "noted"


def lines_of(path: Path) -> list[str]:
    """The lines of a file, if it's there."""
    return path.read_text().splitlines() if path.exists() else []


# ---- initializers that work ----------------------------------------------------------------------


@SYNC_AND_ASYNC
def test_an_initializer_runs_once_in_each_worker_before_its_tasks(
    kind: str, asynchronous: bool, noted: Path, tmp_path: Path
) -> None:
    """In the worker's own thread or process; what `per_worker` made there is the worker's."""
    on_loop = kind in ("asyncio", "trio")
    set_up = sample_tasks.set_up_async if asynchronous else sample_tasks.set_up
    words_here: Any = sample_tasks.words_here_async if on_loop else sample_tasks.words_here
    found = []

    with make(kind, initializer=set_up, initargs=(str(noted), "mine")) as executor:
        for number in range(3):
            place = tmp_path / f"place {number}"
            place.mkdir()
            tasks = [Task(words_here, str(place), WORKERS[kind])] * WORKERS[kind]
            found += run_concurrently(tasks, mode=executor)
        place = tmp_path / "place"
        place.mkdir()
        found.append(executor.submit(words_here, str(place), 1).result(timeout=20))

    # On a loop, a sync initializer runs in a thread, whose values are not the loop's.
    mine = [] if on_loop and not asynchronous else ["mine"]
    assert [mine] * len(found) == [words for _, words in found]
    assert WORKERS[kind] == len(lines_of(noted))
    if mine:
        assert sorted(lines_of(noted)) == sorted({where for where, _ in found})


def test_workers_start_as_work_needs_them(noted: Path, tmp_path: Path) -> None:
    """Two tasks start two of sixteen workers."""
    for kind in ["thread", "process"]:
        place = tmp_path / kind
        place.mkdir()
        noted.unlink(missing_ok=True)
        args = (str(noted), "started")
        with make(kind, 16, initializer=sample_tasks.append, initargs=args) as executor:
            assert [] == lines_of(noted)
            run_concurrently([Task(sample_tasks.meet, str(place), 2)] * 2, mode=executor)

        assert ["started"] * 2 == lines_of(noted), kind


# ---- initializers that fail ----------------------------------------------------------------------


@SYNC_AND_ASYNC
def test_the_first_initializer_that_fails_ends_the_run(
    kind: str, asynchronous: bool, call: Call, noted: Path
) -> None:
    """Whatever `on_error` says, and no attempt of a retry; its own error is the cause."""
    fail: Callable[..., Any] = (
        sample_tasks.append_and_raise_async if asynchronous else sample_tasks.append_and_raise
    )
    args = (str(noted), OSError, 5, "no model")
    tasks = Task.map(sample_tasks.give, range(50))

    for on_error in ["raise", "group", "collect"]:
        noted.unlink(missing_ok=True)
        with make(kind, initializer=fail, initargs=args) as executor:
            with pytest.raises(
                InitializerError, match=r"initializer append_and_raise.* of .*no mo"
            ):
                call(tasks, mode=executor, on_error=on_error)
            with pytest.raises(InitializerError) as raised:
                call(tasks, mode=executor, on_error=on_error, retry=3)

        cause = raised.value.__cause__
        assert (OSError, (5, "no model")) == (type(cause), getattr(cause, "args", None))
        # Two runs, in each of which every worker may have tried once.
        assert 2 <= len(lines_of(noted)) <= 2 * WORKERS[kind]


def test_a_stream_ends_with_the_initializer_that_failed(kind: str) -> None:
    """It is raised where the stream ends; with "collect" once each task drawn has its outcome."""
    with make(kind, initializer=sample_tasks.fail, initargs=(OSError, 5, "no model")) as executor:
        for on_error in ["raise", "collect"]:
            tasks = Task.map(sample_tasks.give, range(50))
            outcomes = []
            with iter_concurrently(tasks, mode=executor, on_error=on_error) as run:
                with pytest.raises(InitializerError) as raised:
                    outcomes.extend(iter(run.__next__, None))
                assert [] == list(run)

            assert (5, "no model") == getattr(raised.value.__cause__, "args", None)
            assert [TaskCancelledError] * len(outcomes) == [
                type(one.error) if isinstance(one, Failure) else one for one in outcomes
            ]
            assert (on_error == "collect") == bool(outcomes)


def test_a_stream_gives_what_ended_before_an_initializer_failed(noted: Path) -> None:
    """The second worker, which can't be set up, takes no result of the first."""

    def fail_the_second_time(path: str) -> None:
        sample_tasks.append(path, "attempt")
        if len(Path(path).read_text().split()) == 2:
            raise OSError(5, "no model")

    found = []
    with (
        ProcessExecutor(
            1, max_tasks_per_child=1, initializer=fail_the_second_time, initargs=(str(noted),)
        ) as executor,
        iter_concurrently(Task.map(sample_tasks.give, range(5)), mode=executor) as run,
        pytest.raises(InitializerError, match="no model"),
    ):
        found.extend(iter(run.__next__, None))

    assert [0] == found


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_initializer_that_wants_to_end_the_program_fails_like_any_other(
    kind: str, error: type[BaseException]
) -> None:
    """The error is the cause; nothing else ends."""
    with make(kind, initializer=sample_tasks.fail, initargs=(error, 3)) as executor:
        with pytest.raises(InitializerError) as raised:
            run_concurrently([sample_tasks.nothing] * 3, mode=executor)
        submitted = executor.submit(sample_tasks.nothing).exception(timeout=20)

    cause = raised.value.__cause__
    assert (error, (3,)) == (type(cause), getattr(cause, "args", None))
    assert (InitializerError, error) == (type(submitted), type(getattr(submitted, "__cause__", 0)))


@pytest.mark.parametrize("kind", ["thread", "process", "asyncio", "trio"])
def test_many_futures_fail_with_few_attempts_to_set_up(
    kind: str, noted: Path, tmp_path: Path
) -> None:
    """Those that wait are refused with the first; no worker is started for them."""
    gate = tmp_path / "gate"
    fail = sample_tasks.append_and_wait_to_raise

    with make(kind, initializer=fail, initargs=(str(noted), str(gate))) as executor:
        futures = [executor.submit(sample_tasks.give, number) for number in range(100)]
        started = time.monotonic()
        gate.touch()
        errors = [future.exception(timeout=20) for future in futures]
        took = time.monotonic() - started

    assert [InitializerError] * 100 == [type(error) for error in errors]
    assert {"no model"} == {getattr(getattr(e, "__cause__", None), "strerror", 0) for e in errors}
    assert 1 <= len(lines_of(noted)) <= WORKERS[kind]
    assert took < 5


def test_an_initializer_that_kills_its_process_ends_the_run(noted: Path) -> None:
    """At the first attempt, for runs, streams and futures; the cause tells how it died."""

    def die(path: str) -> None:
        sample_tasks.append(path, "attempt")
        os._exit(3)

    with ProcessExecutor(1, initializer=die, initargs=(str(noted),)) as executor:
        with pytest.raises(InitializerError, match="died in its initializer") as raised:
            run_concurrently([sample_tasks.nothing] * 9, mode=executor, retry=3, on_error="collect")
        assert ["attempt"] == lines_of(noted)
        with (
            iter_concurrently([sample_tasks.nothing] * 9, mode=executor) as run,
            pytest.raises(InitializerError, match="died in its initializer"),
        ):
            next(run)
        error = executor.submit(sample_tasks.nothing).exception(timeout=20)

    assert ["attempt"] * 3 == lines_of(noted)
    for found in [raised.value, error]:
        assert isinstance(found, InitializerError)
        assert isinstance(found.__cause__, WorkerCrashedError)
        assert 3 == found.__cause__.exitcode


@pytest.mark.parametrize(
    ("kind", "cut"),
    [
        ("thread", "total_timeout"),
        ("process", "total_timeout"),
        ("process", "cancel"),
        ("asyncio", "total_timeout"),
        ("asyncio", "cancel"),
    ],
)
def test_an_initializer_that_never_ends_holds_no_run_up(kind: str, cut: str, noted: Path) -> None:
    """Its process is killed, its coroutine cancelled, its thread left to itself."""
    on_loop = kind == "asyncio"
    wait: Any = sample_tasks.note_and_overstay_async if on_loop else sample_tasks.note_and_overstay
    release = threading.Event() if kind == "thread" else None
    letting_go = threading.Timer(12, release.set if release else int)
    letting_go.start()
    seconds = 3.0 if kind == "process" else 1.5  # the process must have come to its initializer
    started = time.monotonic()

    with make(kind, initializer=wait, initargs=(str(noted), release)) as executor:
        tasks = [sample_tasks.nothing] * 9
        if cut == "total_timeout":
            with pytest.raises(RunTimeoutError):
                run_concurrently(tasks, mode=executor, total_timeout=seconds)
        else:
            with iter_concurrently(tasks, mode=executor) as run:

                def cancel() -> None:
                    sample_tasks.wait_for_file(str(noted))
                    run.cancel()

                canceller = threading.Thread(target=cancel)
                canceller.start()
                with pytest.raises(TaskCancelledError, match="the run was cancelled"):
                    next(run)
                canceller.join()
        run_over = time.monotonic() - started
    all_over = time.monotonic() - started

    letting_go.cancel()
    letting_go.join()
    if release is not None:
        release.set()
    assert run_over < 9
    assert all_over < 9
    assert 1 <= len(lines_of(noted)) <= WORKERS[kind]


def test_an_executor_whose_initializer_failed_works_once_it_does_not(
    kind: str, tmp_path: Path
) -> None:
    """Each run tries again."""
    model = tmp_path / "model"

    with make(kind, initializer=sample_tasks.fail_without, initargs=(str(model),)) as executor:
        for _ in range(2):
            with pytest.raises(InitializerError):
                run_concurrently(Task.map(sample_tasks.give, range(9)), mode=executor)
        model.touch()

        expected = list(range(9))
        assert expected == run_concurrently(Task.map(sample_tasks.give, range(9)), mode=executor)
        assert 1 == executor.submit(sample_tasks.give, 1).result(timeout=20)


def test_a_process_left_over_from_a_run_that_failed_fails_no_other_run(tmp_path: Path) -> None:
    """Its initializer fails late, and what that run was told does not hold any more.

    (In other modes a run waits for the initializers that it has begun.)
    """
    noted, model, go = tmp_path / "noted", tmp_path / "model", tmp_path / "go"
    initargs = (str(noted), str(model), str(go))

    with ProcessExecutor(
        2, initializer=sample_tasks.fail_late_without, initargs=initargs
    ) as executor:
        with pytest.raises(InitializerError):
            run_concurrently(Task.map(sample_tasks.give, range(9)), mode=executor)
        while len(lines_of(noted)) < 2:
            time.sleep(0.001)
        model.touch()

        with iter_concurrently(Task.map(sample_tasks.give, range(9)), mode=executor) as run:
            go.touch()
            assert set(range(9)) == set(run)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"initializer": 3}, TypeError, "initializer is 3; it must be a function, or None"),
        ({"initializer": print, "initargs": "ab"}, TypeError, r"initargs=\('ab',\)"),
        ({"initializer": print, "initargs": 5}, TypeError, r"initargs is 5; .*initargs=\(5,\)"),
        ({"initargs": (5,)}, ValueError, r"initargs is \(5,\), but there is no initializer"),
    ],
    ids=["not callable", "a text for initargs", "a number for initargs", "no initializer"],
)
def test_wrong_initializers_are_refused(
    kind: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """When the executor is made."""
    with pytest.raises(error, match=words):
        make(kind, **options)


def test_an_initializer_that_cannot_travel_is_refused() -> None:
    """When the executor is made, with the member that is to blame."""
    with pytest.raises(TaskNotPicklableError, match=r"initializer give can't .*parts\['lock'\]"):
        ProcessExecutor(1, initializer=sample_tasks.give, initargs=(sample_tasks.Unpicklable(),))


def test_an_initializer_that_cannot_be_rebuilt_ends_the_run() -> None:
    """What its argument raises in the worker is the cause."""
    args = (sample_tasks.ExplodesWhenBuilt(),)

    with (
        ProcessExecutor(1, initializer=sample_tasks.give, initargs=args) as executor,
        pytest.raises(InitializerError, match="can't be rebuilt") as raised,
    ):
        run_concurrently([sample_tasks.nothing], mode=executor)

    assert isinstance(raised.value.__cause__, ValueError)


# ---- threads of native libraries -----------------------------------------------------------------


@pytest.fixture
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Eight CPUs, and an environment that says nothing of threads."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", "8")
    return monkeypatch


def seen_by_a_worker(workers: int, **options: Any) -> dict[str, str]:
    """The variables in a worker's environment."""

    def look(names: tuple[str, ...]) -> dict[str, str]:
        return {name: os.environ[name] for name in names if name in os.environ}

    with ProcessExecutor(workers, **options) as executor:
        return executor.submit(look, VARIABLES).result(timeout=20)


@pytest.mark.parametrize(("workers", "number"), [(2, "4"), (3, "2"), (16, "1")])
def test_workers_share_the_cpus_among_native_threads(
    eight_cpus: pytest.MonkeyPatch, workers: int, number: str
) -> None:
    """Each library may use the CPUs divided by the workers, at least one."""
    assert dict.fromkeys(VARIABLES, number) == seen_by_a_worker(workers)
    assert [] == [name for name in VARIABLES if name in os.environ]


def test_native_threads_are_limited_before_anything_is_imported(
    eight_cpus: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A module that the initializer brings along finds the variables when it is loaded."""
    (tmp_path / "early_reader.py").write_text(
        "import os\n"
        "SEEN = [os.environ.get('OMP_NUM_THREADS')]\n"
        "def set_up(): SEEN.append(os.environ.get('OMP_NUM_THREADS'))\n"
        "def seen(): return SEEN\n"
    )
    eight_cpus.syspath_prepend(str(tmp_path))
    reader = importlib.import_module("early_reader")

    with ProcessExecutor(4, initializer=reader.set_up) as executor:
        assert ["2", "2"] == executor.submit(reader.seen).result(timeout=20)
    assert [None] == reader.seen()


@pytest.mark.parametrize(("inner", "number"), [("auto", 1), (1, 1), (2, 2)])
def test_numpy_in_a_worker_has_the_threads_it_may_use(
    eight_cpus: pytest.MonkeyPatch, inner: Any, number: int
) -> None:
    """As threadpoolctl sees it; no more than the machine has."""

    def native_threads() -> list[int]:
        import numpy  # noqa: F401, ICN001
        import threadpoolctl

        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    with ProcessExecutor(8, inner_threads=inner) as executor:
        found = executor.submit(native_threads).result(timeout=60)

    assert {min(number, os.cpu_count() or 1)} == set(found)


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("OMP_NUM_THREADS", {"VECLIB_MAXIMUM_THREADS": "4", "POLARS_MAX_THREADS": "4"}),
        ("MKL_NUM_THREADS", {name: "4" for name in VARIABLES if name != "MKL_NUM_THREADS"}),
    ],
)
def test_what_the_user_has_set_for_native_threads_stays(
    eight_cpus: pytest.MonkeyPatch, name: str, left: dict[str, str]
) -> None:
    """OMP_NUM_THREADS speaks for the libraries that fall back on it too."""
    eight_cpus.setenv(name, "7")

    assert {name: "7", **left} == seen_by_a_worker(2)


def test_a_number_of_native_threads_goes_before_all(eight_cpus: pytest.MonkeyPatch) -> None:
    """Before the environment, and before the number of CPUs."""
    eight_cpus.setenv("OMP_NUM_THREADS", "7")

    assert dict.fromkeys(VARIABLES, "3") == seen_by_a_worker(2, inner_threads=3)


def test_native_threads_are_left_alone_on_request(eight_cpus: pytest.MonkeyPatch) -> None:
    """None changes nothing."""
    eight_cpus.setenv("OMP_NUM_THREADS", "7")

    assert {"OMP_NUM_THREADS": "7"} == seen_by_a_worker(2, inner_threads=None)


def test_native_threads_count_the_workers_around_them(eight_cpus: pytest.MonkeyPatch) -> None:
    """Two workers in each of two leave two of eight CPUs to each."""

    def inside() -> list[str]:
        return run_concurrently(
            [Task(os.getenv, "OMP_NUM_THREADS")] * 2, mode="process", max_workers=2
        )

    assert [["2", "2"]] == run_concurrently([inside], mode="thread", max_workers=2)


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "2", "automatic", [3]])
def test_wrong_numbers_of_native_threads_are_refused(value: Any) -> None:
    """The message gives the choices."""
    words = r"inner_threads is .*; it must be a whole number from 1 up, or 'auto', or None"
    with pytest.raises((TypeError, ValueError), match=words):
        ProcessExecutor(1, inner_threads=value)
