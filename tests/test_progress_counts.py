"""What progress counts, its words, and what `progress=` may be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st
from shown_runs import Run

from concurkit import Task, run_concurrently
from concurkit.observers._count import Count, line, notes, span
from concurkit.observers.progress import observer_for

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


def test_no_more_tasks_run_than_there_are_workers() -> None:
    """Where tasks are quick, some are handed out ahead and wait behind others."""
    recorder = Recorder()
    run = Run(recorder, 4, max_workers=2)
    run.start(0, 1, 2, 3)

    running = [recorder.count.running]
    for index in range(4):
        run.end(index)
        running.append(recorder.count.running)
    assert running == [2, 2, 2, 1, 0]


def test_what_a_run_hands_out_ahead_is_not_said_to_run() -> None:
    class Looks(Recorder):
        most = 0

        def on_event(self, event: Any) -> None:
            super().on_event(event)
            self.most = max(self.most, self.count.running or 0)

    looks = Looks()
    tasks = Task.map(abs, range(300))
    run_concurrently(tasks, mode="process", max_workers=2, chunksize=1, observers=[looks])
    assert 0 < looks.most <= 2
