"""Progress where nothing can be shown, what is left of it, and what it costs."""

from __future__ import annotations

import io
import logging
import threading
import time

import pytest
from shown_runs import Run, Terminal, drawing

from concurkit.observers import _bars, _lines, _plain, progress
from concurkit.observers.progress import observer_for

# ---- places where nothing can be shown ----------------------------------------------------------


def test_no_stderr_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for gone in (None, closed):
        monkeypatch.setattr(progress, "_stderr", lambda gone=gone: gone)
        assert observer_for(True) is None


def test_a_stream_that_is_closed_meanwhile_is_left_alone(
    either: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(observer_for(True), 10)
    run.end(0)
    either.close()
    run.end(1)
    run.close()

    assert caplog.records == []
    assert not _plain._runs


def test_a_terminal_that_breaks_holds_up_no_other_run(either: Terminal) -> None:
    run, other = Run(observer_for(True), 10), Run(observer_for(True), 10)
    either.broken = True
    for thread in drawing():
        thread.join(timeout=20)
    assert drawing() == []
    run.close()
    other.close()
    either.broken = False

    assert (_bars._bars, _plain._runs) == ({}, [])
    Run(observer_for("later"), 10).close()
    assert any("later" in line for line in either.lines)


def test_an_error_in_drawing_is_logged_once_and_harms_nobody(
    log: Terminal, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(_lines, "line", broken)
    with caplog.at_level(logging.ERROR, "concurkit"):
        run = Run(observer_for(True), 10)
        for thread in drawing():  # it may have ended already
            thread.join(timeout=20)
        assert drawing() == []
        run.end(0)
        run.close()

    assert [record.message for record in caplog.records] == [
        "progress can't be drawn, and is left out"
    ]


def test_a_worker_draws_nothing_on_the_programs_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multiprocessing.process.parent_process", lambda: "the program")
    assert observer_for(True) is None

    monkeypatch.setattr(terminal, "isatty", lambda: False)
    monkeypatch.setattr(_lines, "PERIOD", 60)
    run = Run(observer_for("short"), 1)
    run.close()
    assert terminal.getvalue() == ""


# ---- what is left, and what it costs ------------------------------------------------------------


def test_no_thread_is_left_when_the_run_has_ended(either: Terminal) -> None:
    before = set(threading.enumerate())
    runs = [Run(observer_for(True), 10) for _ in range(3)]
    assert len(drawing()) == 3
    for run in runs:
        run.close()

    assert set(threading.enumerate()) == before


def test_a_slow_terminal_holds_no_event_up(terminal: Terminal, no_tqdm: None) -> None:
    run = Run(observer_for(True), 10)
    with terminal._written:  # whoever writes waits for this
        for thread in drawing():
            assert thread.is_alive()
        run.end(*range(10))  # returns nevertheless
    run.close()

    assert "10 of 10" in terminal.lines[-1]


def test_events_may_come_from_any_thread(either: Terminal) -> None:
    run = Run(observer_for(True), 8)
    for index in range(8):
        thread = threading.Thread(target=run.end, args=(index,))
        thread.start()
        thread.join()
    closer = threading.Thread(target=run.close)
    closer.start()
    closer.join()

    assert "100%" in either.lines[-1]


def test_it_costs_less_than_a_hundredth_at_100_000_tasks_a_second(terminal: Terminal) -> None:
    pytest.importorskip("tqdm")
    took = []
    for _ in range(3):
        run = Run(observer_for(True), 100_000)
        start = time.process_time()  # all threads', and none of what else the machine does
        for first in range(0, 100_000, 500):
            run.end_batch(range(first, first + 500))
        took.append(time.process_time() - start)
        run.close()

    assert min(took) < 0.01
