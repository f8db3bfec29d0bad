"""Progress as it is seen in a terminal and in a log."""

from __future__ import annotations

import re

import pytest
from shown_runs import Run, Terminal

from concurkit import run_concurrently
from concurkit._stats import Stats
from concurkit.observers import RunEnded, RunStarted, _bars, _lines, _plain, _show
from concurkit.observers._count import Count
from concurkit.observers.progress import observer_for

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
    monkeypatch.setattr(_show.Subject, "elapsed", 0.0)
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
