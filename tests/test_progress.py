"""Progress: what is counted, and what is seen of it in a terminal, a log, a notebook, in rich."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st
from shown_runs import Run, Terminal, close_all, on_screen

from concurkit import run_concurrently
from concurkit._stats import Stats
from concurkit.observers import RunEnded, RunStarted, _bars, _lines, _plain, _rich, _show, progress
from concurkit.observers._count import Count, line, notes, span
from concurkit.observers.progress import observer_for

HERE = Path(__file__).parent


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """What sys.stderr is; draws are quick, and so are runs inside others."""
    stream = Terminal()
    monkeypatch.setattr(progress, "_stderr", lambda: stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    for way in (_bars, _plain, _rich, _lines):
        monkeypatch.setattr(way, "PERIOD", 0.01)
    monkeypatch.setattr(_show, "INSIDE_AFTER", 0.0)
    yield stream
    close_all()


@pytest.fixture
def log(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What sys.stderr is when it is a file."""
    stream = Terminal(is_terminal=False)
    monkeypatch.setattr(progress, "_stderr", lambda: stream)
    return stream


@pytest.fixture(params=["bars", "plain"])
def either(request: pytest.FixtureRequest, terminal: Terminal) -> Terminal:
    """A terminal, with tqdm and without."""
    if request.param == "plain":
        request.getfixturevalue("no_tqdm")
    else:
        pytest.importorskip("tqdm")
    return terminal


@pytest.fixture
def no_tqdm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    _bars.bar_class.cache_clear()
    yield
    _bars.bar_class.cache_clear()


# ---- what is counted ----------------------------------------------------------------------------


class Recorder:
    """Counts as progress does, without drawing."""

    count: Count

    def on_event(self, event: Any) -> None:
        if hasattr(event, "total"):
            self.count = Count(event.total, event.max_workers)
        elif not self.count.take(event):
            self.count.close(event)


@examples(100)
@given(st.data())
def test_counts_are_right_whatever_the_order_and_the_batches(data: st.DataObject) -> None:
    """A run in which tasks go out alone or in batches, come back, fail, are retried or never start.

    What is counted as running is never too much, and where it is known it is right.
    """
    total, workers = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 5))
    recorder = Recorder()
    run = Run(recorder, total, max_workers=workers)
    count = recorder.count
    waiting, out = list(range(total)), []
    done = failed = retried = 0
    while waiting or out:
        if waiting and len(out) < workers and (not out or data.draw(st.booleans())):
            size = data.draw(st.integers(1, min(4, len(waiting))))
            batch, waiting = waiting[:size], waiting[size:]
            out.append(batch)
            if size == 1:
                run.start(*batch)
        elif out:
            batch = out.pop(data.draw(st.integers(0, len(out) - 1)))
            alone, back = len(batch) == 1, []
            for index in batch:
                end = data.draw(st.sampled_from(["return", "return", "fail", "retry"]))
                if end == "retry":
                    run.retry(index)
                    retried += 1
                    waiting.append(index)
                elif end == "fail":
                    run.end(index, error=ValueError())
                    failed += 1
                elif alone:
                    run.end(index)
                    done += 1
                else:
                    back.append(index)
            if back:
                run.end_batch(back)
                done += len(back)
        if waiting and data.draw(st.integers(0, 19)) == 7:
            run.end(*waiting, error=TimeoutError(), attempts=0)
            failed, waiting = failed + len(waiting), []

        assert (count.done, count.failed, count.retried) == (done, failed, retried)
        running = count.running
        assert running is None or running <= workers
        if running is not None and running == workers:
            assert all(len(batch) == 1 for batch in out)
    run.close()

    assert (count.ended, count.running) == (total, 0)


def test_tasks_that_run_are_not_told_while_batches_are_out() -> None:
    recorder = Recorder()
    run = Run(recorder, 100, max_workers=2)
    run.start(0, 1)
    run.end(0)
    assert recorder.count.running == 1

    run.end_batch(range(2, 50))
    assert recorder.count.running is None

    run.start(50)  # both workers have one by itself
    assert recorder.count.running == 2

    run.end(60, error=ValueError())  # of a batch: it had not been handed out by itself
    assert recorder.count.running is None


def test_a_total_that_was_not_known_is_what_there_was_unless_the_run_broke_off() -> None:
    recorder = Recorder()
    for error, total in [(None, 3), (ValueError(), None)]:
        run = Run(recorder)
        run.end(0, 1)
        run.end(2, error=ValueError())
        run.close(error)

        assert total == recorder.count.total


def test_the_words() -> None:
    recorder = Recorder()
    run = Run(recorder, 200)
    run.start(0, 1, 2)
    run.end_batch(range(3, 100))
    run.end(0, error=ValueError())
    run.retry(1)

    assert notes(recorder.count) == "1 failed, 1 retried"
    assert line("parse", recorder.count, 49) == (
        "parse: 98 of 200 tasks (49%) in 0:49, 1 failed, 1 retried, 2 tasks/s, 0:51 left"
    )
    assert line("parse", Count(None, 1), 0.0) == "parse: 0 tasks in 0:00"
    assert line("parse", Count(0, 1), 1.0) == "parse: 0 of 0 tasks in 0:01"
    assert [span(59.6), span(125), span(3725)] == ["1:00", "2:05", "1:02:05"]


# ---- what may be asked --------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [False, None])
def test_nothing_is_shown_unless_asked_for(nothing: object) -> None:
    assert observer_for(nothing) is None


@pytest.mark.parametrize("wrong", [0, 1, "", " ", 2.5, [], print, b"bar"])
def test_anything_else_is_refused_with_the_choices(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"^progress is .*; it must be True, False, a name"):
        observer_for(wrong)


def test_nothing_is_imported_before_it_is_used() -> None:
    code = """if True:
        import sys
        from concurkit.observers.progress import observer_for
        observer_for(False)
        print(sorted({"tqdm", "rich", "IPython", "multiprocessing"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


# ---- a terminal ---------------------------------------------------------------------------------


def test_a_bar_in_a_terminal(terminal: Terminal) -> None:
    pytest.importorskip("tqdm")
    run = Run(observer_for("a\n b"), 10)
    run.start(0, 1, 2)
    run.retry(0)
    run.end(1, error=ValueError())
    run.end(2)
    run.start(3)
    terminal.wait_until(lambda lines: "2/10" in lines[-1] and "1 running" in lines[-1])
    assert re.fullmatch(
        r"a b:  20%\|.*\| 2/10 \[00:0\d<.*task.*, 1 failed, 1 retried, 1 running\]",
        terminal.lines[-1],
    )
    run.end(3)
    run.end_batch([0, *range(4, 10)])
    run.close()

    [last] = terminal.lines
    assert re.fullmatch(
        r"a b: 100%\|.*\| 10/10 \[00:0\d<00:00, .*task.*, 1 failed, 1 retried\]", last
    )
    assert terminal.getvalue().endswith("\n")


def test_without_tqdm_a_line_is_written_over(terminal: Terminal, no_tqdm: None) -> None:
    run = Run(observer_for(True), 10)
    run.start(0, 1)
    run.end(0)
    terminal.wait_until(lambda lines: "1 of 10" in lines[-1])
    [now] = terminal.lines
    assert re.match(r"concurkit: 1 of 10 tasks \(10%\) in 0:0\d, 1 running", now)
    assert terminal.getvalue().count("\n") == 0
    run.close(KeyError("x"))

    [last] = terminal.lines
    assert re.fullmatch(r"concurkit: 1 of 10 tasks \(10%\) in .*; ended by KeyError", last)


def test_the_time_goes_on_while_nothing_happens(either: Terminal) -> None:
    run = Run(observer_for(True), 10)
    run.start(0)
    before = either.getvalue()
    either.wait_until(lambda lines: either.getvalue().count("\r") >= before.count("\r") + 3)
    run.close()


def test_an_unknown_total(either: Terminal) -> None:
    run = Run(observer_for(True))
    run.end_batch(range(30))
    either.wait_until(lambda lines: "30" in lines[-1])
    assert "%" not in either.lines[-1]
    run.close()

    [last] = either.lines
    assert "100%" in last
    assert "30/30" in last or "30 of 30" in last


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no")])
def test_a_run_that_breaks_off_leaves_its_last_state(
    either: Terminal, error: BaseException
) -> None:
    run = Run(observer_for(True), 10)
    run.end(0, 1, 2)
    run.close(error)

    [last] = either.lines
    assert "30%" in last
    assert either.getvalue().endswith("\r" if "of" in last else "\n")


def test_several_at_once_stack_and_leave_a_line_each(terminal: Terminal) -> None:
    """The first to end moves up, above those that go on."""
    pytest.importorskip("tqdm")
    runs = {name: Run(observer_for(name), 10) for name in ("a", "b", "c")}
    assert [one[0] for one in terminal.lines] == ["a", "b", "c"]

    runs["b"].end_batch(range(10))
    runs["b"].close()
    assert [one[0] for one in terminal.lines] == ["b", "a", "c"]
    late = Run(observer_for("d"), 10)
    assert [one[0] for one in terminal.lines] == ["b", "a", "c", "d"]
    for run in (late, runs["a"], runs["c"]):
        run.close()

    assert [one[0] for one in terminal.lines] == ["b", "d", "a", "c"]
    assert "10/10" in terminal.lines[0]
    assert not _bars._bars


def test_several_at_once_share_the_line_without_tqdm(terminal: Terminal, no_tqdm: None) -> None:
    first, second = Run(observer_for("a"), 10), Run(observer_for("b"), 10)
    terminal.wait_until(lambda lines: bool(re.match(r"a: 0 of 10.* \| b: 0 of 10", lines[-1])))
    first.end_batch(range(10))
    first.close()
    assert [one[0] for one in terminal.lines] == ["a", "b"]
    second.close()

    assert [one[0] for one in terminal.lines] == ["a", "b"]


def test_a_run_that_is_over_does_not_come_back(terminal: Terminal, no_tqdm: None) -> None:
    """A draw that waited too long may come after the end."""
    started = RunStarted(run=0, at=0.0, mode="thread", max_workers=1, total=1)
    shown = _plain.Plain(terminal, _show.Subject(started, "late", Count(1, 1), 0.0))
    shown.begin()
    shown.end(RunEnded(run=0, at=0.0, stats=Stats()))
    shown.draw()

    assert not _plain._runs


def test_the_line_never_grows_beyond_the_terminal(terminal: Terminal, no_tqdm: None) -> None:
    runs = [Run(observer_for("図" * 30), 10) for _ in range(7)]

    [line] = terminal.lines
    assert len(line) + 30 <= 79  # those letters take two columns each
    for run in runs:
        run.close()
    assert len(terminal.lines) == 7


def test_one_observer_may_show_several_runs(either: Terminal) -> None:
    observer = observer_for("both")
    first, second = Run(observer, 10), Run(observer, 20)
    first.end(0)
    second.end(0, 1)
    first.close()
    second.close()

    assert not observer._counts  # type: ignore[union-attr]
    assert [re.search(r"\d+%", one)[0] for one in either.lines] == ["10%", "10%"]  # type: ignore[index]


def test_a_run_inside_a_task_is_below_its_parent_and_goes(terminal: Terminal) -> None:
    pytest.importorskip("tqdm")
    outer, other = Run(observer_for("outer"), 2), Run(observer_for("xother"), 2)
    inner = Run(observer_for("inner"), 5, inside=outer)
    deeper = Run(observer_for("deeper"), 5, inside=inner)
    names = [re.split(":", one)[0] for one in terminal.lines]
    assert names == ["outer", "inner", "deeper", "xother"]

    inner.end_batch(range(5))
    deeper.close()
    inner.close()
    assert [one[:6] for one in terminal.lines] == ["outer:", "xother"]
    other.close()
    outer.close()

    assert [one[:6] for one in terminal.lines] == ["xother", "outer:"]


def test_a_run_inside_a_task_goes_without_tqdm(terminal: Terminal, no_tqdm: None) -> None:
    outer = Run(observer_for("outer"), 2)
    inner = Run(observer_for("inner"), 5, inside=outer)
    inner.close()
    outer.close()

    assert [one[:6] for one in terminal.lines] == ["outer:"]


def test_a_short_run_inside_a_task_is_never_seen(
    either: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_show, "INSIDE_AFTER", 60)
    outer = Run(observer_for("outer"), 2)
    for _ in range(3):
        inner = Run(observer_for("inner"), 5, inside=outer)
        inner.end_batch(range(5))
        inner.close()
    outer.close()

    assert "inner" not in either.getvalue()


def test_bars_of_the_program_stay_in_their_places(terminal: Terminal) -> None:
    tqdm = pytest.importorskip("tqdm")

    class Bar(tqdm.tqdm):  # type: ignore[misc, name-defined]
        monitor_interval = 0  # its thread would stay for good
        _lock = tqdm.std.TqdmDefaultWriteLock.th_lock

    with Bar(total=2, desc="mine", file=terminal, ncols=79) as mine:
        for _ in range(2):
            run = Run(observer_for("ours"), 3)
            assert [one[:4] for one in terminal.lines[-2:]] == ["mine", "ours"]
            run.end_batch(range(3))
            run.close()
            mine.update()

    assert [one[:4] for one in terminal.lines] == ["ours", "ours", "mine"]


def test_tqdm_can_be_turned_off_by_its_own_variable() -> None:
    pytest.importorskip("tqdm")
    assert on_pty("run.end(0)", TQDM_DISABLE="1") == []


def test_a_dumb_terminal_gets_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    run = Run(observer_for("dumb"), 1)
    run.end(0)
    run.close()

    assert re.fullmatch(r"(dumb: \d of 1 tasks .*\n)+", terminal.getvalue())


# ---- a log --------------------------------------------------------------------------------------


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(log: Terminal) -> None:
    run = Run(observer_for(True), 10)
    run.end(0, error=ValueError())
    log.wait_until(lambda lines: len(lines) >= 2 and "1 of 10" in lines[-1])
    run.end_batch(range(1, 10))
    run.close()

    assert "\r" not in log.getvalue()
    assert re.fullmatch(r"concurkit: 10 of 10 tasks \(100%\) in 0:0\d, 1 failed.*", log.lines[-1])


def test_a_short_run_is_one_line_in_a_log_and_none_inside_a_task(
    log: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lines, "PERIOD", 60)
    outer = Run(observer_for("outer"), 1)
    inner = Run(observer_for("inner"), 1, inside=outer)
    inner.close()
    outer.close(KeyboardInterrupt())

    assert log.getvalue() == "outer: 0 of 1 tasks (0%) in 0:00; ended by KeyboardInterrupt\n"


def test_a_long_run_inside_a_task_has_its_lines_in_a_log(log: Terminal) -> None:
    outer = Run(observer_for("outer"), 1)
    inner = Run(observer_for("inner"), 1, inside=outer)
    log.wait_until(lambda lines: any("inner: 0 of 1" in line for line in lines))
    inner.end(0)
    inner.close()
    outer.close()

    assert "inner: 1 of 1" in log.getvalue()


def test_a_run_that_a_task_starts_far_away_is_inside_it(
    log: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another machine it can't know of which run it is a part."""
    monkeypatch.setattr(_lines, "PERIOD", 60)
    run_concurrently([lambda: Run(observer_for("far"), 1).close()], mode="thread")

    assert log.getvalue() == ""


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
        [thread] = drawing()
        thread.join(timeout=20)
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


def drawing() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "concurkit-progress"]


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
        start = time.perf_counter()
        for first in range(0, 100_000, 500):
            run.end_batch(range(first, first + 500))
        took.append(time.perf_counter() - start)
        run.close()

    assert min(took) < 0.01


# ---- real terminals and pipes -------------------------------------------------------------------

SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from concurkit.observers.progress import observer_for
from shown_runs import Run
run = Run(observer_for("real"), 4)
{body}
"""


def on_pty(body: str, columns: int = 0, **environ: str) -> list[str]:
    """What stands on a real terminal after a program; without *columns* of no known size."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    main, side = pty.openpty()
    if columns:
        termios.tcsetwinsize(side, (24, columns))
    code = SCRIPT.format(here=str(HERE), body=body)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stderr=side,
        stdout=side,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environ},
    ) as program:
        os.close(side)
        written = b"".join(iter(lambda: _read(main), b""))
    os.close(main)
    assert program.returncode == 0, written
    return on_screen(written.decode().replace("\r\n", "\n"))


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux's way to say that nobody writes any more
        return b""


@pytest.mark.parametrize("columns", [0, 50, 120])
def test_a_real_terminal_of_any_width(columns: int) -> None:
    pytest.importorskip("tqdm")
    lines = on_pty("run.end(0, 1, 2, 3); run.close(); print('after')", columns)

    assert len(lines) == 2
    assert re.match(r"real: 100%\|█+\| 4/4 \[00:0\d<00:00,", lines[0])
    assert len(lines[0]) <= (columns or 80)
    assert lines[1] == "after"


def test_a_program_that_ends_in_a_run_ends_in_peace() -> None:
    """The bar is as it was, nothing is written by a thread when the interpreter is gone."""
    [last] = on_pty("run.end(0)")

    assert last.startswith("real:")
    assert "Error" not in last


def test_a_pipe_gets_lines() -> None:
    code = SCRIPT.format(here=str(HERE), body="run.end(0, 1, 2, 3); run.close()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert re.fullmatch(r"real: 4 of 4 tasks \(100%\) in 0:00.*\n", done.stderr)


def test_a_reader_that_went_away_ends_the_lines_only() -> None:
    code = SCRIPT.format(here=str(HERE), body="run.end(0); run.close(); print('went on')")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=writing, text=True, check=False
    )
    os.close(writing)

    assert done.stdout == "went on\n"
