"""How a `map` of our executors ends: by itself, in time, with its executor, or by Ctrl-C."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from concurrent.futures import (
    CancelledError,
    Executor,
)
from itertools import count, repeat
from pathlib import Path
from typing import Any

import pytest
import sample_tasks
from executor_kit import LONG, MAKE, ONE, OVERLAPPING, Gate, lines, read_all
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

from concurkit import ProcessExecutor, SerialExecutor
from concurkit._map_run import MapRun
from concurkit._map_turns import Raised, Turns
from concurkit.exceptions import RunTimeoutError

# ---- timeout ------------------------------------------------------------------------------------


@OVERLAPPING
def test_a_timeout_counts_from_the_call(mode: str, tmp_path: Path) -> None:
    """What was there in time can be read; each other input gives an error, and nothing starts."""
    gate = Gate(tmp_path)
    with ONE[mode]() as executor:
        began = time.monotonic()
        results = gate.map(executor, 20, timeout=1.0)

        with pytest.raises(RunTimeoutError, match="task 0 had not ended in map's timeout of 1 s"):
            next(results)
        assert 0.9 < time.monotonic() - began < LONG / 2
        gate.open()
        rest = read_all(results)
    assert [RunTimeoutError] * 19 == [kind for kind, _ in rest]
    assert [] == gate.passed


@given(data=st.data())
def test_results_are_read_in_turn_however_they_come(data: st.DataObject) -> None:
    """And one that comes when its time was up is left out, not those that come with it."""
    parts, total = [], 0
    for size in data.draw(st.lists(st.integers(1, 4), max_size=8), label="sizes"):
        parts.append((total, list(range(total, total + size))))
        total += size
    turns, late = Turns(), []
    for first, values in data.draw(st.permutations(parts), label="as they come"):
        if turns.next < total and data.draw(st.booleans(), label="time is up"):
            late.append(turns.next)
            turns.pass_over(RunTimeoutError("late"))
        turns.arrive(first, values)

    found = [None if isinstance(one, Raised) else one for one in turns.ready]
    assert [None if i in late else i for i in range(total)] == found


@pytest.mark.parametrize("mode", ["thread", "process", "async"], scope="module")
def test_results_behind_one_that_was_late_can_be_read(mode: str, tmp_path: Path) -> None:
    """They were there in time."""
    gate = Gate(tmp_path)
    with MAKE[mode]() as executor:
        results: Any = gate.map(executor, 6, timeout=LONG)
        wait_until(lambda: len(gate.passed) == 5)
        executor.submit(sample_tasks.nothing).result(LONG)  # behind them: their results are here
        results._reading._deadline = time.monotonic()
        with pytest.raises(RunTimeoutError):
            next(results)
        assert [1, 2, 3, 4, 5] == list(results)
        gate.open()


def test_a_timeout_that_is_over_takes_what_is_there(executor: Executor) -> None:
    """As a future's result does that is done."""
    results = executor.map(sample_tasks.give, range(3), timeout=0.5)
    time.sleep(0.7)

    assert [0, 1, 2] == list(results)


@OVERLAPPING
def test_a_timeout_is_for_a_buffer_too(mode: str, tmp_path: Path) -> None:
    """Nothing more is read of the input."""
    with ONE[mode]() as executor:
        waits = (str(tmp_path / "go") for _ in count())
        results = executor.map(sample_tasks.wait_for_file, waits, buffersize=3, timeout=0.2)

        found = read_all(results)
        (tmp_path / "go").touch()
    assert [RunTimeoutError] * 4 == [kind for kind, _ in found]  # one for what was not read


# ---- its end ------------------------------------------------------------------------------------


def test_dropping_the_executor_cuts_nothing_short() -> None:
    """The iterator keeps it alive. Of the standard one, two results come in place of eight."""
    for make in MAKE.values():
        assert list(range(8)) == list(make().map(sample_tasks.give, range(8), buffersize=2))
        results = make().map(sample_tasks.give, range(500))
        gc.collect()
        assert list(range(500)) == list(results)


@pytest.mark.parametrize("wait_for_it", [True, False])
def test_shutdown_lets_a_map_be_done(mode: str, wait_for_it: bool, tmp_path: Path) -> None:
    """All that was submitted, in batches or not, as where futures were submitted."""
    executor = MAKE[mode]()
    path = tmp_path / "ran"
    fast = executor.map(sample_tasks.give, range(3_000))
    slow = executor.map(sample_tasks.append_later, [0.01] * 12, [str(path)] * 12, range(12))

    executor.shutdown(wait=wait_for_it)

    if wait_for_it:
        assert 12 == len(lines(path))
    assert list(range(3_000)) == list(fast)
    assert [None] * 12 == list(slow)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.map(sample_tasks.give, range(3))


def test_shutdown_amid_a_buffer_is_an_error_and_no_end(mode: str) -> None:
    """What was submitted comes first."""
    executor = MAKE[mode]()
    results = executor.map(sample_tasks.give, count(), buffersize=4)
    assert 0 == next(results)

    executor.shutdown()

    assert [1, 2, 3, 4] == [next(results) for _ in range(4)]
    with pytest.raises(RuntimeError, match="shut down"):
        next(results)


@OVERLAPPING
@pytest.mark.parametrize("read_before", [0, 1])
def test_shutdown_waits_for_what_is_about_to_start(
    mode: str, read_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Input that was read before, though its calls were not handed over yet."""
    executor = MAKE[mode]()
    end = threading.Thread(target=executor.shutdown)
    supply = MapRun._supply

    def supply_late(run: MapRun, items: list[Any]) -> Any:
        if not drawn.pop(0):
            end.start()
            end.join(0.3)
            assert end.is_alive()
        return supply(run, items)

    drawn = [*[True] * read_before, False, True, True, True]
    monkeypatch.setattr(MapRun, "_supply", supply_late)
    results = executor.map(sample_tasks.give, count(), buffersize=2)
    submitted = 2 + read_before
    assert list(range(submitted)) == [next(results) for _ in range(submitted)]
    with pytest.raises(RuntimeError, match="shut down"):
        next(results)
    end.join(LONG)
    assert not end.is_alive()


def test_a_map_that_outlasts_its_executor_keeps_the_workers() -> None:
    """None is started anew for what is left."""
    executor = ProcessExecutor(2)
    workers = executor.map(sample_tasks.pid_later, [0.01] * 30)
    executor.shutdown()

    assert len(set(workers)) <= 2


@OVERLAPPING
@pytest.mark.parametrize("options", [{}, {"buffersize": 10}, {"chunksize": 10}])
def test_shutdown_can_cancel_a_map(mode: str, options: dict[str, Any], tmp_path: Path) -> None:
    """What runs ends well, what waits is cancelled, and each has its result or its error."""
    gate = Gate(tmp_path)
    executor = ONE[mode]()
    results: Any = gate.map(executor, 30, **options)
    flights = results._reading._drive.schedule._flights

    executor.shutdown(wait=False, cancel_futures=True)
    wait_until(lambda: [1] == [one.kept for one in list(flights.values())])  # the rest came back
    gate.open()
    executor.shutdown()

    first, *rest = read_all(results)
    assert 0 == first
    assert {CancelledError} == {kind for kind, _ in rest}
    assert options.get("buffersize", 29) == len(rest)  # the last for what was not read
    assert [] == gate.passed


def test_a_cancelled_buffer_is_never_cut_short(mode: str, tmp_path: Path) -> None:
    """Though all that it held had ended."""
    executor = MAKE[mode]()
    path = tmp_path / "ran"
    results = executor.map(sample_tasks.append, repeat(str(path)), count(), buffersize=2)
    wait_until(lambda: len(lines(path)) == 2)
    executor.submit(sample_tasks.nothing).result(LONG)
    time.sleep(0.2)
    executor.shutdown(cancel_futures=True)

    found = read_all(results)

    assert [0, 1] == found[:2]
    assert found[2:], "an end where there was none"


@OVERLAPPING
def test_closing_a_map_cancels_what_waits(mode: str, tmp_path: Path) -> None:
    """And there is nothing more to read, as of a generator that was closed."""
    gate = Gate(tmp_path)
    with ONE[mode]() as executor:
        results = gate.map(executor, 30)
        results.close()  # type: ignore[attr-defined]
        assert [] == list(results)
        gate.open()
    assert [] == gate.passed


@OVERLAPPING
def test_dropping_a_map_that_was_read_cancels_what_waits(mode: str, tmp_path: Path) -> None:
    """As where a loop over it is left."""
    with ONE[mode]() as executor:
        for _ in executor.map(sample_tasks.gated_behind, [str(tmp_path)] * 50, range(50)):
            break
        (tmp_path / "go").touch()
    assert len(lines(tmp_path / "ran")) < 20


@OVERLAPPING
def test_a_loop_that_an_error_ends_waits_for_nothing_more(mode: str, tmp_path: Path) -> None:
    """Leaving the `with` block cancels the rest, whether or not the iterator has a name."""
    for named in [True, False]:
        path = tmp_path / str(named)
        with pytest.raises(ZeroDivisionError), ONE[mode]() as executor:
            args = [0.1] * 51, [str(path)] * 51, range(51)
            results = executor.map(sample_tasks.append_later_or_fail, *args)
            if named:
                for _ in results:
                    pass
            else:
                list(results)
        assert len(lines(path)) < 20


@OVERLAPPING
def test_an_error_that_is_kept_does_not_keep_the_map(mode: str, tmp_path: Path) -> None:
    """Its traceback holds no iterator, so what has not started is cancelled at once."""
    args = [str(tmp_path)] * 51, range(51)
    with ONE[mode]() as executor:
        with pytest.raises(ZeroDivisionError) as kept:
            list(executor.map(sample_tasks.gated_behind_a_failure, *args))
        (tmp_path / "go").touch()
        executor.submit(sample_tasks.nothing).result(LONG)
        time.sleep(0.6)  # in which a dozen would run
        assert len(lines(tmp_path / "ran")) < 10
        assert kept.value.__traceback__ is not None


# ---- Ctrl-C -------------------------------------------------------------------------------------


def test_ctrl_c_ends_a_serial_map_where_it_is(tmp_path: Path) -> None:
    """It is not taken for an error of the task that ran."""
    ran: list[int] = []

    def call(number: int) -> None:
        ran.append(number)
        if number == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="3 done"):
        SerialExecutor().map(call, range(10))
    assert [0, 1, 2, 3] == ran


@OVERLAPPING
def test_ctrl_c_breaks_into_the_wait_for_a_result(mode: str, tmp_path: Path) -> None:
    """What has not started is cancelled with it."""
    gate = Gate(tmp_path)
    with ONE[mode]() as executor:
        results = gate.map(executor, 20)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt, match="0 done, 1 running, 19 not started"):
            timer.start()
            next(results)
        timer.join()
        gate.open()
        executor.submit(sample_tasks.nothing).result(LONG)
        time.sleep(0.2)
        assert [] == gate.passed
