"""joblib's and scikit-learn's work on our workers, by `backend="concurkit"`."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

pytest.importorskip("joblib", reason="joblib is not installed here")

import joblib
import numpy as np
import psutil  # type: ignore[import-untyped, unused-ignore]
import sample_tasks
import threadpoolctl
from conftest import examples, given_pool
from hypothesis import given
from hypothesis import strategies as st
from joblib import Parallel, delayed, parallel_backend, parallel_config

from concurkit import ProcessExecutor, SerialExecutor, ThreadExecutor, register_joblib_backend
from concurkit.exceptions import (
    ModeUnavailableError,
    ResultNotPicklableError,
    TaskNotPicklableError,
    WorkerCrashedError,
)

LONG = 30.0
HERE = os.getpid()

register_joblib_backend()


@pytest.fixture(params=["process", "thread"])
def block(request: pytest.FixtureRequest) -> Iterator[str]:
    """A block with two workers of each mode."""
    with parallel_config(backend="concurkit", n_jobs=2, mode=request.param):
        yield request.param


@pytest.fixture
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", "4")


def gathered(place: Path, parallel: Parallel | None = None) -> set[int]:
    """The processes of two workers that are both at work."""
    place.mkdir()
    both = (delayed(meet_and_tell)(str(place)) for _ in range(2))
    return set((parallel or Parallel(batch_size=1))(both))


def meet_and_tell(place: str) -> int:
    sample_tasks.meet(place, 2)
    return os.getpid()


def are_gone(pids: set[int]) -> bool:
    return not any(map(psutil.pid_exists, pids))


# ---- results ------------------------------------------------------------------------------------


@examples(5)
@given(
    numbers=st.lists(st.integers(), max_size=30),
    n_jobs=st.integers(1, 3),
    mode=st.sampled_from(["process", "thread"]),
)
def test_results_are_those_of_a_loop(numbers: list[int], n_jobs: int, mode: str) -> None:
    """In order, of functions and lambdas, with and without a block."""
    calls = [delayed(lambda number: number + 1)(number) for number in numbers]
    expected = [number + 1 for number in numbers]

    assert expected == Parallel(n_jobs=n_jobs, backend="concurkit", mode=mode)(calls)
    with parallel_config(backend="concurkit", n_jobs=n_jobs, mode=mode):
        assert expected == Parallel()(calls)
        assert [-one for one in expected] == Parallel()(delayed(int.__neg__)(e) for e in expected)


def test_many_tiny_tasks_travel_in_batches(block: str) -> None:
    assert list(range(5000)) == Parallel()(delayed(sample_tasks.give)(i) for i in range(5000))


def test_generators_give_results_as_they_come(block: str, tmp_path: Path) -> None:
    """In order, or whichever is first; two at a time, on the same workers."""
    wait = delayed(sample_tasks.wait_for_file)
    give = delayed(sample_tasks.give)
    calls = [wait(str(tmp_path / "go"), 0), *(give(i) for i in range(1, 5))]

    unordered = Parallel(return_as="generator_unordered", batch_size=1)(calls)
    ordered = Parallel(return_as="generator")(give(i) for i in range(50))

    assert {1, 2, 3, 4} == {next(unordered) for _ in range(4)}
    (tmp_path / "go").touch()
    assert list(range(50)) == list(ordered)
    assert [0] == list(unordered)


def test_a_generator_may_outlive_its_block() -> None:
    """And takes the workers along when it ends."""
    with parallel_config(backend="concurkit", n_jobs=2):
        pids = Parallel(return_as="generator", batch_size=1)(
            delayed(sample_tasks.pid)() for _ in range(20)
        )
        first = next(pids)

    found = {first, *pids}

    assert HERE not in found
    assert are_gone(found)


def test_a_generator_that_is_dropped_stops_its_tasks() -> None:
    """joblib warns of that; nothing is left."""
    calls = Parallel(n_jobs=2, backend="concurkit", return_as="generator", batch_size=1)(
        delayed(sample_tasks.sleep)(60 * i, i) for i in range(4)
    )
    assert next(calls) == 0
    with pytest.warns(UserWarning, match="have been cancelled"):
        del calls


def test_tasks_on_threads_see_the_caller_s_context() -> None:
    sample_tasks.VARIABLE.set("the caller's")

    with parallel_config(backend="concurkit", n_jobs=2, mode="thread"):
        assert ["the caller's"] * 4 == Parallel()(delayed(sample_tasks.swap)("x") for _ in "1234")
    assert "the caller's" == sample_tasks.VARIABLE.get()


# ---- where tasks run ----------------------------------------------------------------------------


def test_hints_choose_threads() -> None:
    """Unless the block says otherwise; what requires shared memory gets threads in any case."""

    def places(**hints: Any) -> set[int]:
        return set(Parallel(batch_size=1, **hints)(delayed(sample_tasks.pid)() for _ in range(8)))

    with parallel_config(backend="concurkit", n_jobs=2):
        assert HERE not in places()
        assert HERE not in places(prefer="processes")
        assert {HERE} == places(prefer="threads")
        assert {HERE} == places(require="sharedmem")
    with parallel_config(backend="concurkit", n_jobs=2, mode="process"):
        assert HERE not in places(prefer="threads")
        assert {HERE} == places(require="sharedmem")
    with parallel_config(backend="concurkit", n_jobs=2, mode="thread"):
        assert {HERE} == places(prefer="processes")


@pytest.mark.usefixtures("four_cpus")
@pytest.mark.parametrize(
    ("asked", "found"), [(-1, 4), (-2, 3), (-9, 1), (3, 3), (9, 9), (1, 1), (None, 1)]
)
def test_numbers_of_jobs_mean_what_joblib_documents(asked: int | None, found: int) -> None:
    with parallel_config(backend="concurkit"):
        assert found == joblib.effective_n_jobs(asked)
        assert found == Parallel(n_jobs=asked)._effective_n_jobs()


@pytest.mark.usefixtures("four_cpus")
def test_no_number_of_jobs_is_the_block_s() -> None:
    with parallel_config(backend="concurkit", n_jobs=3):
        assert 3 == joblib.effective_n_jobs(None)
    with parallel_backend("concurkit"):
        assert 4 == joblib.effective_n_jobs(None)


def test_no_jobs_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="no meaning"):
        Parallel(n_jobs=0, backend="concurkit")([])


def test_one_job_runs_in_the_caller() -> None:
    here = threading.get_ident()
    assert [here] == Parallel(n_jobs=1, backend="concurkit")([delayed(threading.get_ident)()])


# ---- workers ------------------------------------------------------------------------------------


def test_workers_stay_warm_in_a_block_and_end_with_it(tmp_path: Path) -> None:
    """Also if an error ends it."""
    gc.disable()  # the block itself must end them
    try:
        with parallel_config(backend="concurkit", n_jobs=2):
            first = gathered(tmp_path / "1")
            assert first == gathered(tmp_path / "2")
            assert 2 == len(first - {HERE})
        assert are_gone(first)
        with pytest.raises(ZeroDivisionError), parallel_backend("concurkit", n_jobs=2):
            second = gathered(tmp_path / "3")
            Parallel()(delayed(sample_tasks.reciprocal)(i) for i in range(2))
        assert are_gone(second)
    finally:
        gc.enable()


def test_without_a_block_workers_end_with_the_call(tmp_path: Path) -> None:
    """Or with the block of `Parallel` itself."""
    assert are_gone(gathered(tmp_path / "1", Parallel(2, "concurkit", batch_size=1)))
    with Parallel(n_jobs=2, backend="concurkit", batch_size=1) as parallel:
        first = gathered(tmp_path / "2", parallel)
        assert first == gathered(tmp_path / "3", parallel)
    assert are_gone(first)


def test_another_number_of_jobs_replaces_the_workers(tmp_path: Path) -> None:
    with parallel_config(backend="concurkit", n_jobs=2):
        first = gathered(tmp_path / "1")
        assert [1] * 4 == Parallel(n_jobs=3)(delayed(sample_tasks.give)(1) for _ in range(4))
        assert are_gone(first)


@pytest.mark.parametrize("kind", [ProcessExecutor, ThreadExecutor])
def test_an_executor_that_is_passed_stays_open(kind: Any) -> None:
    """It sets the limit, and what requires shared memory does not go to its processes."""
    with kind(2) as executor:
        with parallel_config(backend="concurkit", executor=executor, n_jobs=-1):
            assert 2 == joblib.effective_n_jobs(-1)
            assert 2 == joblib.effective_n_jobs(9)
            found = Parallel(batch_size=1)(delayed(sample_tasks.pid)() for _ in range(6))
            assert (kind is ThreadExecutor) == (HERE in found)
            assert [HERE] * 3 == Parallel(require="sharedmem")(
                delayed(sample_tasks.pid)() for _ in range(3)
            )
        assert 1 == executor.submit(sample_tasks.give, 1).result(LONG)


def test_fewer_jobs_than_an_executor_has_workers_are_kept_to() -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def count() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.002)
        with lock:
            running[0] -= 1

    with ThreadExecutor(6) as threads:
        Parallel(n_jobs=2, backend="concurkit", executor=threads, batch_size=1, pre_dispatch="all")(
            delayed(count)() for _ in range(40)
        )

    assert 2 == most[0]


def test_an_executor_that_was_shut_down_is_an_error() -> None:
    threads = ThreadExecutor(2)
    threads.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        Parallel(n_jobs=2, backend="concurkit", executor=threads)([delayed(abs)(1)])


def test_calls_inside_tasks_do_not_multiply_workers(block: str, four_cpus: None) -> None:
    """Each task of two has half of four CPUs, and what is inside of that a fourth."""

    def inner() -> tuple[list[int], int, list[int]]:
        deeper = Parallel(n_jobs=4)(delayed(joblib.effective_n_jobs)(8) for _ in range(3))
        result = Parallel(n_jobs=4)(delayed(pow)(number, 2) for number in range(20))
        return deeper, joblib.effective_n_jobs(-1), result

    squares = [number**2 for number in range(20)]
    assert [([1, 1, 1], 2, squares)] * 3 == Parallel()(delayed(inner)() for _ in range(3))


# ---- what goes wrong ----------------------------------------------------------------------------


def test_an_error_keeps_its_type_and_tells_where_it_came_from(block: str) -> None:
    def fail(number: int) -> int:
        return [10, 20][number]  # of which the last does not exist

    with pytest.raises(IndexError, match="list index out of range") as caught:
        Parallel()(delayed(fail)(number) for number in (0, 1, 2))

    assert "in fail" in str(caught.value.__cause__)
    assert [10] == Parallel()([delayed(fail)(0)])


def test_an_error_of_the_input_is_the_call_s(block: str) -> None:
    def read() -> Iterator[Any]:
        for number in range(20):
            yield delayed(sample_tasks.give)(number)
        raise KeyError("the input")

    with pytest.raises(KeyError, match="the input"):
        Parallel()(read())


def test_an_exit_in_a_task_is_an_error_of_the_call(block: str) -> None:
    with pytest.raises(SystemExit):
        Parallel()([delayed(sample_tasks.fail)(SystemExit, 3), delayed(abs)(1)])


@pytest.mark.parametrize("how", ["exit", "SIGKILL"])
def test_a_worker_that_dies_fails_the_call(how: str) -> None:
    """By name, at once; the block goes on with others."""
    with parallel_config(backend="concurkit", n_jobs=2):
        with pytest.raises(WorkerCrashedError, match="die_or_give"):
            Parallel(batch_size=1)(
                delayed(sample_tasks.die_or_give)(how if i == 3 else None, i) for i in range(10)
            )
        assert [1, 2] == Parallel()(delayed(abs)(i) for i in (-1, -2))


def test_a_task_over_the_timeout_is_stopped() -> None:
    """Its process is killed; the block goes on."""
    with parallel_config(backend="concurkit", n_jobs=2):
        began = time.monotonic()
        with pytest.raises(multiprocessing.TimeoutError):
            Parallel(timeout=0.2)(delayed(sample_tasks.sleep)(60) for _ in range(2))
        assert time.monotonic() - began < LONG
        assert [1] == Parallel(timeout=LONG)([delayed(abs)(-1)])


def test_a_task_over_the_timeout_is_abandoned_on_a_thread(tmp_path: Path) -> None:
    path = str(tmp_path / "go")
    with parallel_config(backend="concurkit", n_jobs=2, mode="thread"):
        with pytest.raises(multiprocessing.TimeoutError):
            Parallel(timeout=0.1)(delayed(sample_tasks.wait_for_file)(path) for _ in range(2))
        assert [1] == Parallel(timeout=LONG)([delayed(abs)(-1)])
    Path(path).touch()


def test_what_can_t_travel_is_named() -> None:
    with parallel_config(backend="concurkit", n_jobs=2):
        with pytest.raises(TaskNotPicklableError, match="lock"):
            Parallel()([delayed(sample_tasks.give)(threading.Lock())])
        with pytest.raises(ResultNotPicklableError, match="lock"):
            Parallel()([delayed(threading.Lock)()])


@pytest.mark.parametrize("ours", [True, False])
def test_a_call_that_can_t_travel_is_the_user_s(ours: bool, fork_server: None) -> None:
    """Its function and its argument are named, not what joblib wraps them in."""
    calls = [delayed(sample_tasks.give)(1), delayed(sample_tasks.give)({"key": threading.Lock()})]
    message = r"^task give can't be sent to another process: args\[0\]\['key'\] \(<unlocked"
    with given_pool("process") as pool:
        where: dict[str, Any] = {} if ours else {"executor": pool}
        with (
            parallel_config(backend="concurkit", n_jobs=2, **where),
            pytest.raises(TaskNotPicklableError, match=message),
        ):
            Parallel(batch_size=2)(calls)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "fast"}, "'process' or 'thread'"),
        ({"executor": 3}, "submit"),
        ({"executor": SerialExecutor()}, "n_jobs=1"),
        ({"executor": ThreadExecutor(1), "mode": "thread"}, "Leave mode out"),
        ({"executor": ThreadExecutor(1), "inner_max_num_threads": 1}, "make the executor"),
        ({"inner_max_num_threads": 0}, "from 1 up"),
        ({"idle_worker_timeout": 3}, "does not know idle_worker_timeout"),
        ({"mmap_mode": "c"}, "array.copy"),
        ({"max_nbytes": None}, "shared memory"),
        ({"temp_folder": "."}, "Leave temp_folder out"),
    ],
)
def test_what_can_t_be_done_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Parallel(n_jobs=2, backend="concurkit", **given)([delayed(abs)(1)])


def test_a_block_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="does not know scatter"):
        parallel_config(backend="concurkit", scatter=[1])


def test_without_joblib_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an old one is not good enough."""
    monkeypatch.setattr(joblib, "__version__", "1.3.2")
    with pytest.raises(ModeUnavailableError, match=r"1\.4 or newer, and this is 1\.3\.2"):
        register_joblib_backend()
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(ModeUnavailableError, match=r'pip install "concurkit\[joblib\]"'):
        register_joblib_backend()


PROGRAM = """
import os, sys, time
from joblib import Parallel, delayed, parallel_config
import concurkit

concurkit.register_joblib_backend()
parallel_config(backend="concurkit", n_jobs=2, mode=sys.argv[1])

def work(seconds):
    os.write(1, b"works\\n")  # whole, beside others
    time.sleep(seconds)

Parallel()(delayed(work)(seconds) for seconds in (0, float(sys.argv[2])))
"""


Start: TypeAlias = Callable[[str, float], subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the program, in a process group of its own that ends with the test."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    with ExitStack() as stack:

        def start(mode: str, seconds: float) -> subprocess.Popen[str]:
            pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            command = [sys.executable, str(path), mode, str(seconds)]
            program = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
            stack.enter_context(program)
            stack.callback(program.kill)
            return program

        yield start


@pytest.mark.skipif(sys.platform == "win32", reason="signals and groups are POSIX's here")
@pytest.mark.parametrize("mode", ["process", "thread"])
def test_ctrl_c_ends_a_call_at_once(mode: str, start: Start) -> None:
    """With one traceback; the backend was chosen without a block, and nothing waits for it."""
    program = start(mode, 60)
    assert program.stdout is not None
    assert ["works\n"] * 2 == [program.stdout.readline() for _ in range(2)]
    os.killpg(program.pid, signal.SIGINT)

    _, err = program.communicate(timeout=LONG)

    assert program.returncode
    assert "KeyboardInterrupt" in err
    assert 1 == err.count("Traceback")


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_a_program_ends_that_chose_the_backend_for_good(mode: str, start: Start) -> None:
    program = start(mode, 0)

    out, err = program.communicate(timeout=LONG)

    assert (0, ["works"] * 2, "") == (program.returncode, out.split(), err)


# ---- arrays and native libraries ----------------------------------------------------------------


def test_large_arrays_are_copied_once_for_all_tasks() -> None:
    """They are read-only, and the error says what to do about that."""
    table = np.arange(200_000.0)

    def look(array: Any, index: int) -> tuple[bool, float]:
        return array.flags.writeable, float(array[index])

    def change(array: Any) -> None:
        array[0] = 1.0

    with (
        ProcessExecutor(2) as processes,
        parallel_config(backend="concurkit", n_jobs=2, executor=processes),
    ):
        found = Parallel(batch_size=2)(delayed(look)(table, i) for i in range(10))
        assert [(False, float(i)) for i in range(10)] == found
        assert table.nbytes == processes._store.copied  # type: ignore[union-attr]
        small = Parallel()(delayed(look)(np.arange(9.0), i) for i in range(2))
        assert [(True, 0.0), (True, 1.0)] == small
        with pytest.raises(ValueError, match="read-only") as caught:
            Parallel()([delayed(change)(np.zeros(200_000))])
    assert "array.copy()" in "".join(caught.value.__notes__)


def test_native_libraries_share_the_cpus(four_cpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless their number of threads is given."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    calls = [delayed(os.getenv)("OMP_NUM_THREADS") for _ in range(3)]

    assert ["2"] * 3 == Parallel(n_jobs=2, backend="concurkit")(calls)
    with parallel_config(backend="concurkit", n_jobs=2, inner_max_num_threads=3):
        assert ["3"] * 3 == Parallel()(calls)


def threads_of_libraries() -> list[int]:
    return [library["num_threads"] for library in threadpoolctl.threadpool_info()]


def test_native_libraries_are_limited_around_threads_while_a_call_lasts() -> None:
    with threadpoolctl.threadpool_limits(2):
        assert 2 in threads_of_libraries()
        with parallel_config(backend="concurkit", n_jobs=2, mode="thread", inner_max_num_threads=1):
            for _ in range(2):
                found = Parallel()(delayed(threads_of_libraries)() for _ in range(2))
                assert {1} == {number for numbers in found for number in numbers}
                assert 2 in threads_of_libraries()


# ---- scikit-learn -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sklearn() -> Callable[[str], Any]:
    """Looks up a class or function of scikit-learn's."""
    from importlib import import_module

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its import alone
        for name in ("datasets", "ensemble", "linear_model", "model_selection"):
            import_module(f"sklearn.{name}")

    def look_up(name: str) -> Any:
        module, _, attribute = name.partition(".")
        return getattr(sys.modules[f"sklearn.{module}"], attribute)

    return look_up


def test_a_grid_search_finds_what_it_finds_alone(sklearn: Callable[[str], Any]) -> None:
    x, y = sklearn("datasets.make_classification")(n_samples=80, n_features=6, random_state=0)

    def search(n_jobs: int) -> Any:
        model = sklearn("linear_model.LogisticRegression")()
        grid = {"C": [0.01, 0.1, 1.0]}
        return sklearn("model_selection.GridSearchCV")(model, grid, cv=3, n_jobs=n_jobs).fit(x, y)

    alone = search(1)
    with parallel_backend("concurkit"):
        ours = search(2)

    assert alone.best_params_ == ours.best_params_
    for part in range(3):
        key = f"split{part}_test_score"
        assert list(alone.cv_results_[key]) == list(ours.cv_results_[key])


def test_a_random_forest_grows_on_threads(sklearn: Callable[[str], Any]) -> None:
    """It prefers them to grow, and requires shared memory to predict."""
    x, y = sklearn("datasets.make_classification")(n_samples=80, random_state=0)

    def predict(n_jobs: int) -> Any:
        forest = sklearn("ensemble.RandomForestClassifier")(8, random_state=0, n_jobs=n_jobs)
        return forest.fit(x, y).predict_proba(x)

    alone = predict(1)
    with parallel_config(backend="concurkit"):
        assert np.array_equal(alone, predict(2))
