"""Large data in process mode: it arrives as it was, once where it is shared, and leaves nothing."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, examples
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

from concurkit import (
    Failure,
    ProcessExecutor,
    Retry,
    Success,
    Task,
    iter_concurrently,
    run_concurrently,
)
from concurkit.exceptions import (
    TaskNotPicklableError,
    TaskTimeoutError,
    WorkerCrashedError,
)
from concurkit.executors._pickling._pickle import LARGE
from concurkit.executors.process import _parcel, _store

np = pytest.importorskip("numpy")

import big_tasks  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there all goes by the pipes")

MB = 1 << 20


@pytest.fixture
def processes() -> Iterator[ProcessExecutor]:
    """Two processes of the test's own."""
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture
def one() -> Iterator[ProcessExecutor]:
    """A single process."""
    with ProcessExecutor(1) as executor:
        yield executor


def store(executor: ProcessExecutor) -> Any:
    """Where the executor keeps large arguments."""
    return executor._store


def in_use(executor: ProcessExecutor) -> int:
    """How many bytes flights hold there."""
    place = store(executor)
    place.trim()
    return int(place._users)


def mapped() -> list[str]:
    """The shared memory that is mapped here."""
    return big_tasks.memory_files() if sys.platform == "linux" else []


def array(number: int, size: int = MB) -> Any:
    """An array of bytes that only this number gives."""
    return np.random.default_rng(number).integers(0, 255, size, dtype="u1")


# ---- what arrives -------------------------------------------------------------------------------

BIG = np.arange(600_000, dtype="f8").reshape(600, 1000)
RECORDS = np.zeros(50_000, dtype=[("a", "i4"), ("b", "f8", (2,)), ("c", "S5")])
RECORDS["a"] = np.arange(50_000)
READ_ONLY = np.arange(300_000)
READ_ONLY.flags.writeable = False

ARRAYS = {
    "C": BIG,
    "F": np.asfortranarray(BIG),
    "transposed": BIG.T,
    "rows": BIG[100:500],
    "columns": BIG[:, 100:900],
    "backwards": BIG[::-1],
    "reshaped": BIG.reshape(1000, 600),
    "structured": RECORDS,
    "a field of it": RECORDS["b"],
    "big endian": BIG.astype(">f8"),
    "complex": BIG + 1j,
    "booleans": BIG > 1000,
    "dates": np.arange("2000-01-01", "2200-01-01", dtype="M8[h]"),
    "strings": np.array(["one", "two", "three"] * 20_000),
    "objects": np.array([1, "two", None] * 50_000, dtype=object),
    "empty": np.zeros((0, 5)),
    "empty view": BIG[:0],
    "a number": np.array(5),
    "one below": np.ones(LARGE - 1, "u1"),
    "just large": np.ones(LARGE, "u1"),
    "read-only": READ_ONLY,
    "of bytes": np.frombuffer(bytes(range(256)) * 1000, "u1"),
    "matrix": np.ma.masked_array(BIG, BIG > 5),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_arrives_as_it_was_and_comes_back(name: str, warm_processes: Any) -> None:
    """Of any layout and type, as an argument and as a result."""
    value = ARRAYS[name]

    [told] = run_concurrently([Task(big_tasks.kind, value)], mode=warm_processes)
    [back] = run_concurrently([Task(big_tasks.give, value)], mode=warm_processes)

    assert (str(value.dtype), value.shape) == (told[1], told[2])
    assert (value.dtype, value.shape) == (back.dtype, back.shape)
    assert np.array_equal(value, back)
    if not value.flags.writeable:
        assert not back.flags.writeable
    else:
        assert back.flags.writeable
        back[...] = back


BYTES = bytes(range(256)) * 2000
VALUES: dict[str, Any] = {
    "bytes": BYTES,
    "bytes below": BYTES[: LARGE - 1],
    "bytes just large": BYTES[:LARGE],
    "bytearray": bytearray(BYTES),
    "a string": "é" * LARGE,
    "in a list": [array(1), BYTES, array(2)],
    "in a dict": {"a": array(3), "b": {"c": BYTES, "d": bytearray(BYTES)}},
    "in a dataclass": big_tasks.Pair("name", array(4), [array(5, 100), array(6, LARGE)]),
    "a set of bytes": {BYTES, BYTES[1:]},
    "a frame": big_tasks.Frame(bytearray(BYTES), BYTES, b"small", bytearray()),
    "large bytes in small lists": [[BYTES]] * 5,
}


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types throughout."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return [*one] == [*other] and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, big_tasks.Pair):
        return same(vars(one), vars(other))
    return bool(one == other)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("chunksize", [1, 4])
def test_other_large_values_arrive_as_they_were(
    name: str, chunksize: int, warm_processes: Any
) -> None:
    """As an argument by position, by name, as the only one, and as a result."""
    value = VALUES[name]
    tasks = [Task(big_tasks.give, value), Task(big_tasks.give, value=value).named("it")] * 2
    options: dict[str, Any] = {"mode": warm_processes, "chunksize": chunksize}

    for back in [
        *run_concurrently(tasks, **options),
        *run_concurrently(Task.map(big_tasks.give, [value] * 4), **options),
        warm_processes.submit(big_tasks.give, value).result(),
    ]:
        assert same(value, back)


VIEWS = {
    "bytes": memoryview(BYTES),
    "bytearray": memoryview(bytearray(BYTES)),
    "doubles": memoryview(BYTES).cast("d"),
    "with a shape": memoryview(bytearray(BYTES)).cast("i", (4000, 32)),
    "with gaps": memoryview(BYTES)[::2],
    "small": memoryview(b"abc"),
    "none": memoryview(b""),
    "no doubles": memoryview(bytearray(8)).cast("d")[:0],
    "of an array": memoryview(BIG),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_memoryview_keeps_its_format_and_shape(name: str, warm_processes: Any) -> None:
    """Plain pickle refuses it."""
    view = VIEWS[name]

    [back] = run_concurrently([Task(big_tasks.give, view)], mode=warm_processes)
    [told] = run_concurrently([Task(big_tasks.kind, view)], mode=warm_processes)
    [nested] = run_concurrently([Task(lambda v: v["it"], {"it": view})], mode=warm_processes)

    expected = big_tasks.kind(view)
    assert [expected] * 3 == [big_tasks.kind(back), told, big_tasks.kind(nested)]
    assert view.tobytes() == back.tobytes() == nested.tobytes()


def test_a_memoryview_of_an_unusual_format_is_refused(warm_processes: Any) -> None:
    """It could not be rebuilt."""
    view = memoryview(RECORDS)

    with pytest.raises(TaskNotPicklableError, match="memoryview"):
        run_concurrently([Task(big_tasks.give, view)], mode=warm_processes)


def test_a_large_array_in_an_error(warm_processes: Any) -> None:
    """An exception may carry one home."""
    with pytest.raises(ValueError, match="no") as caught:
        run_concurrently([Task(big_tasks.large_error, BIG)], mode=warm_processes)

    assert np.array_equal(BIG, caught.value.args[1])


def test_results_are_the_callers_own(one: ProcessExecutor) -> None:
    """They may be written to, and outlive the worker and what it does next."""
    first = run_concurrently(Task.map(big_tasks.give, [array(i) for i in range(6)]), mode=one)
    for result in first[:3]:
        result += 1
    second = run_concurrently(Task.map(big_tasks.give, [array(i) for i in range(6, 12)]), mode=one)
    one.shutdown()

    for number, result in enumerate(first + second):
        assert np.array_equal(array(number) + (number < 3), result)


SIZES = st.sampled_from([0, 1, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE, MB, MB + 4096])
PIECES = st.one_of(
    SIZES.map(lambda size: BYTES[:size].ljust(size, b"x")),
    SIZES.map(lambda size: bytearray(size)),
    st.tuples(SIZES, st.integers(0, 9)).map(lambda drawn: array(drawn[1], drawn[0])),
    st.integers(),
    st.text(max_size=5),
    SIZES.map(lambda size: "s" * size),
)
MIXTURES = st.recursive(
    PIECES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    values=st.lists(MIXTURES, max_size=8),
    again=st.lists(st.integers(0, 7), max_size=8),
    chunksize=st.sampled_from(["auto", 1, 3]),
)
@examples(60)
def test_any_mixture_is_the_same_as_in_serial_mode(
    warm_processes: Any, values: list[Any], again: list[int], chunksize: Any
) -> None:
    """Of any sizes around the limits, some of them given to several tasks."""
    values += [values[index % len(values)] for index in again] if values else []
    tasks = [Task(big_tasks.give, value) for value in values]

    expected = run_concurrently(tasks, mode="serial")
    actual = run_concurrently(tasks, mode=warm_processes, chunksize=chunksize)

    assert same(expected, actual)


# ---- shared once --------------------------------------------------------------------------------


@pytest.mark.parametrize("chunksize", [1, 4])
@pytest.mark.parametrize(
    "value",
    [
        BIG,
        np.asfortranarray(BIG),
        BIG.reshape(100, 6000),
        BIG.T,
        BYTES,
        bytearray(BYTES),
    ],
    ids=["C", "F", "reshaped", "transposed", "bytes", "bytearray"],
)
def test_what_many_tasks_share_travels_once_a_run(
    processes: ProcessExecutor, value: Any, chunksize: int
) -> None:
    """To all workers, in however many batches."""
    size = memoryview(value).nbytes
    for run in range(1, 3):
        tasks = Task.map(big_tasks.kind, [value] * 30)
        told = run_concurrently(tasks, mode=processes, chunksize=chunksize)

        assert 1 == len(set(map(str, told)))
        assert run * size == store(processes).copied


def test_a_shared_array_is_read_only_and_the_error_says_why(processes: ProcessExecutor) -> None:
    """As the tasks would see what others write."""
    outcomes = run_concurrently(
        Task.map(big_tasks.fill, [BIG] * 8, range(8)), mode=processes, on_error="collect"
    )

    for outcome in outcomes:
        assert isinstance(outcome, Failure)
        assert isinstance(outcome.error, ValueError)
        notes = "\n".join(outcome.error.__notes__)
        assert "read-only" in str(outcome.error)
        assert 1 == notes.count("array = array.copy()")


def test_no_other_error_is_explained_so(processes: ProcessExecutor) -> None:
    """Nor one whose task had nothing of the kind."""

    def refuse(array: Any) -> None:
        raise ValueError("something is wrong")

    def own() -> None:
        READ_ONLY[:] = 0

    tasks = [Task(refuse, BIG), Task(refuse, BIG), Task(own)]
    outcomes = run_concurrently(tasks, mode=processes, chunksize=1, on_error="collect")

    assert not any(
        "copy()" in note
        for outcome in outcomes
        if isinstance(outcome, Failure)
        for note in outcome.error.__notes__
    )


@pytest.mark.parametrize("chunksize", [1, 3])
def test_a_task_may_work_in_place_on_what_is_its_own(
    processes: ProcessExecutor, chunksize: int
) -> None:
    """The caller's array stays as it was."""
    own = [array(number) for number in range(9)]
    before = [float(one.sum()) for one in own]

    sums = run_concurrently(
        Task.map(big_tasks.fill, own, [1] * 9), mode=processes, chunksize=chunksize
    )

    assert [one + MB for one in before] == sums
    assert before == [float(one.sum()) for one in own]


def test_a_very_large_array_of_a_tasks_own_is_copied_where_it_is_written_to(
    one: ProcessExecutor,
) -> None:
    """Nowhere, if it is not; and what a task wrote, or keeps, no other task sees."""
    own = [array(number, 40 * MB) for number in range(3)]
    expected = [float(one.sum()) for one in own]
    one.submit(big_tasks.total_and_memory, array(9)).result()  # what it has without them

    for value, total in zip(own, expected, strict=True):
        found, took = one.submit(big_tasks.total_and_memory, value).result()
        assert total == found
        assert took < 10 * MB

    for value, total in zip(own, expected, strict=True):
        assert total + 40 * MB == one.submit(big_tasks.fill, value, 1).result()
        one.submit(big_tasks.keep, value).result()
    assert expected == one.submit(big_tasks.kept).result()
    assert expected == [float(value.sum()) for value in own]
    one.submit(big_tasks.drop).result()
    wait_until(lambda: not in_use(one))


def test_own_and_shared_in_one_batch(one: ProcessExecutor) -> None:
    """Only what several tasks have is read-only."""
    own = [array(number) for number in range(6)]

    told = run_concurrently(Task.map(big_tasks.writeable, own, [BIG] * 6), mode=one, chunksize=3)
    shared = run_concurrently(Task.map(big_tasks.writeable, [BIG] * 6, own), mode=one, chunksize=3)

    assert ([True] * 6, [False] * 6) == (told, shared)


def test_a_second_run_sees_what_changed(processes: ProcessExecutor) -> None:
    """Also where the sample would not tell; and the memory is used again."""
    value = np.zeros(4 * MB, "u1")
    for number in range(4):
        value[number * 100_003 + 7] = 1

        sums = run_concurrently(Task.map(big_tasks.total, [value] * 6), mode=processes)

        assert [number + 1.0] * 6 == sums
        wait_until(lambda: not in_use(processes))
        assert 1 == len(store(processes)._spare)


def test_a_buffer_that_is_filled_anew_for_each_task(one: ProcessExecutor) -> None:
    """Each task gets what was in it when the task was started."""
    buffer = np.zeros(2 * MB, "u1")
    futures = []
    for number in range(12):
        buffer[:] = number
        futures.append(one.submit(big_tasks.total, buffer))
    assert [number * 2.0 * MB for number in range(12)] == [future.result() for future in futures]


def test_a_stream_whose_input_fills_one_buffer_again_and_again(one: ProcessExecutor) -> None:
    """Where one task is drawn at a time, each has its own content within the run, too."""
    buffer = np.zeros(2 * MB, "u1")

    def tasks() -> Iterator[Task[float]]:
        for number in range(12):
            buffer[:] = number
            time.sleep(0.002)  # so long that what was read is handed on, one at a time
            yield Task(big_tasks.total, buffer)

    with iter_concurrently(tasks(), mode=one, chunksize=1, ordered=True) as run:
        assert [number * 2.0 * MB for number in range(12)] == list(run)


def test_memory_is_used_again_but_never_while_anything_sees_it(one: ProcessExecutor) -> None:
    """An argument that a task keeps for good stays as it was, whatever comes later."""
    shared = [array(number) for number in range(3)]
    expected = [float(one.sum()) for one in shared]
    for value in shared:
        run_concurrently(Task.map(big_tasks.keep, [value, value]), mode=one, chunksize=1)
    later = [array(number) for number in range(10, 40)]

    for _ in range(2):
        sums = run_concurrently(Task.map(big_tasks.total, later), mode=one)
        assert [float(one.sum()) for one in later] == sums

    [kept] = run_concurrently([big_tasks.kept], mode=one)
    assert sorted(expected * 2) == sorted(kept)
    run_concurrently([big_tasks.drop], mode=one)
    wait_until(lambda: not in_use(one))


def test_the_memory_of_a_run_is_let_go_when_it_ends(processes: ProcessExecutor) -> None:
    """And used again by the next."""
    for number in range(20):
        run_concurrently(Task.map(big_tasks.total, [array(number)] * 4), mode=processes)

        wait_until(lambda: not in_use(processes))
    assert len(store(processes)._spare) <= 4


def test_spare_memory_has_a_limit(
    processes: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is beyond goes back to the system, and the file's memory shrinks."""
    monkeypatch.setattr(_store, "_SPARE", 3 * MB)
    values = [array(number, 2 * MB) for number in range(12)]

    for _ in range(2):
        sums = run_concurrently(Task.map(big_tasks.total, values), mode=processes)
        assert [float(one.sum()) for one in values] == sums

    wait_until(lambda: not in_use(processes))
    assert sum(region.room for region in store(processes)._spare) <= 3 * MB
    if sys.platform == "linux":
        assert os.fstat(store(processes)._fd).st_blocks * 512 <= 3 * MB


@pytest.mark.parametrize("how", ["returns it", "raises"])
def test_what_a_task_returned_or_raised_holds_nothing(one: ProcessExecutor, how: str) -> None:
    """Though a result, or the frames of an error, refer to the argument."""
    task = big_tasks.give if how == "returns it" else big_tasks.large_error

    run_concurrently(Task.map(task, [BIG] * 4), mode=one, on_error="collect")

    wait_until(lambda: not in_use(one))


def test_a_large_buffer_with_what_pickle_refuses(warm_processes: Any) -> None:
    """It is pickled by value from the start, and the buffer goes but once."""
    value = {"array": BIG, "function": lambda x: x + 1}

    [(total, two)] = run_concurrently(
        [Task(lambda v: (v["array"].sum(), v["function"](1)), value)], mode=warm_processes
    )
    [back] = run_concurrently([Task(big_tasks.give, value)], mode=warm_processes)

    assert (BIG.sum(), 2) == (total, two)
    assert np.array_equal(BIG, back["array"])
    assert 3 == back["function"](2)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it stays until it is needed")
def test_an_idle_worker_keeps_little_of_its_results(one: ProcessExecutor) -> None:
    """However large they were."""
    for size in [60 * MB, 20 * MB, 100 * MB + 1]:
        [result] = run_concurrently([Task(big_tasks.large_then, 7, "", size)], mode=one)

        assert np.array_equal(np.full(size, 7, "u1"), result)
        [seat] = one._crew.seats
        assert os.fstat(seat._ledger.fd).st_blocks * 512 <= 33 * MB


# ---- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["exit", "kill"])
@pytest.mark.parametrize("size", [LARGE * 2, 12 * MB])
def test_large_results_outlive_a_crash(processes: ProcessExecutor, how: str, size: int) -> None:
    """What had ended in the batch keeps its result."""
    hows = ["", "", "", how, ""] * 3
    outcomes = run_concurrently(
        Task.map(big_tasks.large_then, range(15), hows, [size] * 15),
        mode=processes,
        chunksize=5,
        on_error="collect",
    )

    for number, outcome in enumerate(outcomes):
        if number % 5 == 3:
            assert isinstance(outcome, Failure)
            assert isinstance(outcome.error, WorkerCrashedError)
        else:
            assert isinstance(outcome, Success)
            assert np.array_equal(np.full(size, number, "u1"), outcome.value)


def test_workers_killed_amid_large_transfers(processes: ProcessExecutor) -> None:
    """Each kill costs at most one task; all other results are right."""
    values = [array(number, 3 * MB) for number in range(40)]
    kills, outcomes = 0, []
    with iter_concurrently(
        Task.map(big_tasks.slow, values, [0.01] * 40),
        mode=processes,
        ordered=True,
        on_error="collect",
        buffersize=8,
    ) as run:
        for number, outcome in enumerate(run):
            outcomes.append(outcome)
            if number % 10 == 5:
                for seat in list(processes._crew.seats)[:1]:
                    with contextlib.suppress(ProcessLookupError, AttributeError, TypeError):
                        os.kill(seat._context.process.pid, signal.SIGKILL)
                        kills += 1

    for value, outcome in zip(values, outcomes, strict=True):
        if isinstance(outcome, Success):
            assert np.array_equal(value * 2, outcome.value)
        else:
            assert isinstance(outcome.error, WorkerCrashedError)
    assert kills >= sum(isinstance(outcome, Failure) for outcome in outcomes)
    wait_until(lambda: not in_use(processes))


def test_a_timeout_with_large_data_under_way(processes: ProcessExecutor) -> None:
    """It costs the task that hangs alone, also in a batch."""
    hows = ["", "", "hang", "", "", ""] * 2
    outcomes = run_concurrently(
        Task.map(big_tasks.large_then, range(12), hows, [2 * MB] * 12),
        mode=processes,
        chunksize=6,
        timeout=0.5,
        on_error="collect",
    )

    for number, outcome in enumerate(outcomes):
        if hows[number]:
            assert isinstance(outcome, Failure)
            assert isinstance(outcome.error, TaskTimeoutError)
        else:
            assert isinstance(outcome, Success)
            assert np.array_equal(np.full(2 * MB, number, "u1"), outcome.value)
    assert 0 == in_use(processes)


@pytest.mark.parametrize("size", [MB, 40 * MB])
def test_what_is_sent_again_is_still_the_tasks_own(
    one: ProcessExecutor, tmp_path: Path, size: int
) -> None:
    """An attempt that follows another shares nothing with it."""

    def fail_at_first(array: Any, path: str) -> float:
        with open(path, "a") as file:
            file.write("x")
        total = big_tasks.fill(array, 1)
        if os.path.getsize(path) == 1:
            raise OSError
        return total

    value = array(1, size)
    retry = Retry(attempts=2, on=OSError, wait_initial=0.01)
    [total] = run_concurrently(
        [Task(fail_at_first, value, str(tmp_path / "x"))], mode=one, retry=retry
    )

    assert float(value.sum()) + size == total
    assert size == store(one).copied


def test_a_retry_has_its_large_argument_again(processes: ProcessExecutor, tmp_path: Path) -> None:
    """The memory of the first attempt may be gone by then."""
    tasks = [
        Task(big_tasks.fail_at_first, str(tmp_path / str(number)), array(number))
        for number in range(6)
    ]

    sums = run_concurrently(
        tasks, mode=processes, retry=Retry(attempts=2, on=OSError, wait_initial=0.01)
    )

    assert [float(array(number).sum()) for number in range(6)] == sums


def test_a_run_that_is_stopped_holds_nothing(processes: ProcessExecutor) -> None:
    """Neither what was sent nor what never was."""
    hows = ["", "", "raise", *[""] * 40]

    with pytest.raises(ValueError, match="2 raises"):
        run_concurrently(
            (
                Task(lambda n, h, _: big_tasks.large_then(n, h, MB), number, how, array(number))
                for number, how in enumerate(hows)
            ),
            mode=processes,
        )

    wait_until(lambda: not in_use(processes))


def test_a_stream_that_is_left_holds_nothing(processes: ProcessExecutor) -> None:
    """Its tasks under way are stopped."""
    tasks = (Task(big_tasks.slow, array(number), 0.01) for number in range(1000))
    with iter_concurrently(tasks, mode=processes, ordered=True, buffersize=8) as run:
        for number, value in enumerate(run):
            assert np.array_equal(array(number) * 2, value)
            if number == 5:
                break

    wait_until(lambda: not in_use(processes))


def test_cancelled_futures_hold_nothing() -> None:
    """Their arguments were copied, and never sent."""
    with ProcessExecutor(1) as executor:
        futures = [executor.submit(big_tasks.slow, array(number), 0.05) for number in range(8)]
        cancelled = [future.cancel() for future in futures[4:]]
        for future in futures[:4]:
            future.result()
        wait_until(lambda: not in_use(executor))
    assert any(cancelled)


@pytest.mark.parametrize("where", ["memory", "file"])
def test_without_shared_memory_all_goes_by_the_pipes(
    processes: ProcessExecutor, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Where there is no room, or no descriptor."""

    def fail(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    if where == "memory":
        monkeypatch.setattr(_parcel, "write", fail)
    else:
        monkeypatch.setattr(_store.Store, "_region", fail)

    values = [array(number) for number in range(6)]
    for _ in range(2):
        sums = run_concurrently(Task.map(big_tasks.total, values), mode=processes)
        assert [float(value.sum()) for value in values] == sums
    [back] = run_concurrently([Task(big_tasks.give, BYTES)], mode=processes)
    assert back == BYTES
    assert 0 == in_use(processes)


def test_a_platform_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.setattr(_parcel, "AVAILABLE", False)

    with ProcessExecutor(2) as executor:
        assert executor._store is None
        for value in [BIG, BYTES, {"a": array(1)}]:
            [back] = run_concurrently([Task(big_tasks.give, value)], mode=executor)
            assert same(value, back)


def test_a_temporary_file_where_memory_has_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Mac; it has no name either."""
    monkeypatch.delattr(os, "memfd_create", raising=False)

    with ProcessExecutor(2) as executor:
        values = [array(number) for number in range(8)]
        back = run_concurrently(Task.map(big_tasks.slow, values, [0.0] * 8), mode=executor)
        sums = run_concurrently(Task.map(big_tasks.total, [BIG] * 8), mode=executor)

    assert all(np.array_equal(value * 2, one) for value, one in zip(values, back, strict=True))
    assert [float(BIG.sum())] * 8 == sums


def test_few_descriptors_are_enough() -> None:
    """However many arrays are on their way, and are kept."""
    code = """
import resource
import big_tasks, numpy as np
from concurkit import ProcessExecutor, Task, run_concurrently
with ProcessExecutor(2) as executor:
    run_concurrently(Task.map(big_tasks.total, [np.ones(5)] * 9), mode=executor, chunksize=1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    values = [np.full(1_200_000, n % 200, "u1") for n in range(150)]
    for chunksize in (1, 75):
        tasks = Task.map(big_tasks.give, values)
        back = run_concurrently(tasks, mode=executor, chunksize=chunksize)
        assert all((a == b).all() for a, b in zip(values, back))
        pairs = run_concurrently(
            Task.map(big_tasks.total, [values[n // 2] for n in range(300)]), mode=executor
        )
        assert pairs == [float(values[n // 2].sum()) for n in range(300)]
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([HERE, *sys.path])},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ("fine\n", "") == (done.stdout, done.stderr)


# ---- what is left -------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_every_start_method_shares_memory(method: str) -> None:
    """And none leaves any of it mapped."""
    before = len(mapped())
    with ProcessExecutor(2, start_method=method) as executor:
        values = [array(number) for number in range(6)]
        back = run_concurrently(Task.map(big_tasks.slow, values, [0.0] * 6), mode=executor)
        sums = run_concurrently(Task.map(big_tasks.total, [BIG] * 6), mode=executor)
        copied = store(executor).copied

    assert all(np.array_equal(value * 2, one) for value, one in zip(values, back, strict=True))
    assert [float(BIG.sum())] * 6 == sums
    assert 6 * MB + BIG.nbytes == copied
    gc.collect()
    assert before == len(mapped())


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_workers_keep_few_mappings(one: ProcessExecutor) -> None:
    """However many arrays they were given."""
    for start in range(0, 300, 100):
        values = [np.full(LARGE * 2, number % 200, "u1") for number in range(start, start + 100)]
        tasks = Task.map(big_tasks.total, values + values)
        run_concurrently(tasks, mode=one, chunksize=100)

    [lines] = run_concurrently([big_tasks.memory_files], mode=one)
    assert len(lines) < 80


def test_a_dropped_executor_leaves_nothing() -> None:
    """Though nobody shut it down."""
    executor = ProcessExecutor(1)
    run_concurrently(Task.map(big_tasks.total, [BIG] * 3), mode=executor)
    place = store(executor)

    del executor
    gc.collect()

    wait_until(lambda: place._fd < 0)


def test_a_shutdown_that_does_not_wait_leaves_nothing() -> None:
    """Once the last worker is gone."""
    executor = ProcessExecutor(2)
    futures = [executor.submit(big_tasks.slow, array(number), 0.02) for number in range(6)]
    executor.shutdown(wait=False)

    for number, future in enumerate(futures):
        assert np.array_equal(array(number) * 2, future.result())
    wait_until(lambda: store(executor)._fd < 0)
