"""The timeline: what it keeps of a run, its figures and its colours."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import gc
import json
import re
import sys
import threading
import tracemalloc
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline_events import (
    ZERO,
    again,
    batch,
    begun,
    ended,
    histories,
    history,
    inner,
    many,
    over,
    site,
    started,
    watched,
)

from concurkit.observers import Observer, Timeline

# ---- what is kept -------------------------------------------------------------------------------


def test_a_timeline_is_an_observer() -> None:
    assert isinstance(Timeline(), Observer)


def test_importing_the_observers_imports_no_timeline() -> None:
    import subprocess

    code = "import sys, concurkit.observers; print('concurkit.observers.timeline' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "False\n" == done.stdout


def test_a_task_of_its_own_takes_forty_bytes_or_so() -> None:
    events = list(many(20_000))
    tracemalloc.start()
    timeline = watched(events)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 20_000 * 50
    assert 20_000 == timeline.summary().returned


def test_errors_are_kept_as_text_alone_with_nothing_that_they_hold() -> None:
    class Weighty(Exception):  # builtin errors take no weak references
        pass

    errors = [Weighty(), Weighty(), Weighty()]
    gone = [weakref.ref(error) for error in errors]
    timeline = watched(
        [
            *(started(), again(0, 0, 1, error=errors[0]), ended(0, 1, 1, error=errors[1])),
            over(error=errors[2]),
        ]
    )
    errors.clear()
    gc.collect()

    assert [None] * 3 == [one() for one in gone]
    assert 1 == timeline.summary().failed


def test_events_of_a_run_that_it_did_not_see_begin_are_let_be() -> None:
    timeline = watched([ended(0, 0, 1), over()])

    assert () == timeline.runs
    assert "<Timeline of no run yet>" == repr(timeline)


def test_it_is_saved_from_one_thread_while_another_records(tmp_path: Path) -> None:
    timeline = Timeline()
    stop = threading.Event()

    def record() -> None:
        for event in many(1_000_000):
            timeline.on_event(event)
            if stop.is_set():
                return

    recording = threading.Thread(target=record)
    recording.start()
    try:
        while not timeline.runs:
            pass
        seen = []
        for _ in range(3):
            timeline.save(tmp_path / "run.json")
            text = (tmp_path / "run.json").read_text(encoding="utf-8")
            found = json.loads(text)["traceEvents"]
            seen.append(len(found))
            assert "M" == found[0]["ph"]
        assert sorted(seen) == seen
    finally:
        stop.set()
        recording.join()


def test_an_event_that_a_ctrl_c_cut_short_leaves_no_trace() -> None:
    timeline = watched([started(), ended(0, 0, 1)])
    columns = timeline._recordings[1]._columns
    columns.started.append(5.0)
    columns.worker.append(0)

    assert 1 == timeline.summary().returned
    columns.started.append(5.0)
    timeline.on_event(ended(1, 2, 3))
    assert [3.0, 1.0] == [slow.duration for slow in timeline.summary().slowest]


# ---- figures ------------------------------------------------------------------------------------


def test_figures_of_two_workers_are_those_counted_by_hand() -> None:
    summary = watched(
        [
            started(workers=2),
            ended(0, 0, 4, "thread worker 1"),
            ended(1, 1, 2, "thread worker 2"),
            ended(2, 5, 3, "thread worker 1"),
            ended(3, 3, 1, "thread worker 2", error=ValueError("no")),
            over(at=10),
        ]
    ).summary()

    assert (10, 3, 1, 0) == (summary.seconds, summary.returned, summary.failed, summary.retried)
    one, two = summary.workers
    assert ("thread worker 1", 2, 7, 0.7) == (one.worker, one.tasks, one.busy, one.utilisation)
    assert ("thread worker 2", 2, 3, 0.3) == (two.worker, two.tasks, two.busy, two.utilisation)
    assert (10, 10, 0.5) == (summary.task_seconds, summary.overhead, summary.utilisation)
    assert (1.0, 2.0) == (summary.speedup, summary.possible_speedup)
    assert summary.critical_path is not None
    assert ("thread worker 1", 2, 7, 8) == (
        *(summary.critical_path.worker, summary.critical_path.tasks),
        *(summary.critical_path.busy, summary.critical_path.ended),
    )
    assert [0, 2, 1, 3] == [slow.index for slow in summary.slowest]
    assert "ValueError: no" == summary.slowest[3].error


def test_the_longest_task_limits_what_the_speedup_could_be() -> None:
    tasks = [ended(index, 0, 1, f"thread worker {index}") for index in range(1, 4)]
    summary = watched([started(workers=4), ended(0, 0, 9, "thread worker 4"), *tasks, over()])

    assert 12 / 9 == summary.summary().possible_speedup


def test_a_batch_counts_all_its_tasks_and_a_failure_in_it_no_time_of_its_own() -> None:
    failed = ended(50, 1.5, 0.1, "thread worker 1", error=OSError())
    timeline = watched([started(), failed, batch(0, 1000, 1, 2), over()])
    summary = timeline.summary()

    assert (1000, 1, 2.0) == (summary.returned, summary.failed, summary.task_seconds)
    assert ["thread worker 1"] == [use.worker for use in summary.workers]
    assert [1001] == [use.tasks for use in summary.workers]
    assert [50] == [slow.index for slow in summary.slowest]


def test_tasks_side_by_side_on_one_worker_get_a_row_each() -> None:
    tasks = [ended(index, index % 2, 2, "async worker") for index in range(2)]
    summary = watched(
        [started(mode="async"), *tasks, ended(2, 2.0005, 1, "async worker")]
    ).summary()

    assert ["async worker · slot 1", "async worker · slot 2"] == [w.worker for w in summary.workers]
    assert [2, 1] == [worker.tasks for worker in summary.workers]


def test_a_worker_and_those_in_its_place_count_as_one_and_idle_ones_as_none() -> None:
    replaced = [ended(n, 3 * n, 2, f"process worker {n + 1}") for n in range(3)]
    one = watched([started(workers=1), *replaced, over(at=10)]).summary()
    few = watched([started(workers=8), *replaced, over(at=10)]).summary()

    assert (4, 0.6) == (one.overhead, one.utilisation)
    assert (24, 0.2) == (few.overhead, few.utilisation)


def test_the_clock_of_another_machine_does_not_lengthen_the_run() -> None:
    tasks = [ended(0, -600, 1, "behind"), ended(1, 2, 5, "right"), ended(2, 600, 1, "ahead")]
    summary = watched([started(), *tasks, over(at=10)]).summary()

    assert (10, 5) == (summary.seconds, summary.task_seconds)


def test_worker_ten_comes_after_worker_nine() -> None:
    tasks = [ended(n, 0, 1, f"thread worker {n}") for n in (10, 2, 9, 1)]
    workers = watched([started(), *tasks]).summary().workers

    assert ["1", "2", "9", "10"] == [worker.worker.split()[-1] for worker in workers]


def test_attempts_are_told_apart_from_tasks() -> None:
    summary = watched(
        [
            started(),
            *(begun(0, 0), again(0, 0, 1), begun(0, 1.5, attempt=2)),
            ended(0, 1.5, 1, attempts=2),
            *(begun(1, 3), again(1, 3, 1, stopped="killed", error=TimeoutError("late"))),
            ended(1, 5, 1, attempts=2, error=TimeoutError("late"), stopped="killed"),
            ended(2, 5, 0, "", attempts=0, error=TimeoutError("run over")),
            begun(3, 6),
        ]
    ).summary()

    assert (1, 2, 2, 1, 1) == (
        *(summary.returned, summary.failed, summary.retried),
        *(summary.never_started, summary.running),
    )
    text = str(summary)
    assert "1 returned, 2 failed, 1 of them never started, 2 attempts tried again, 1 still" in text
    assert "work #1, killed" in text


def test_the_summary_reads_well() -> None:
    summary = watched(site()).summary()

    assert str(summary).splitlines()[:4] == [
        "run 1: mode process, 4 workers, 11.2 s in all",
        "tasks          3,286 returned, 4 failed, 6 attempts tried again",
        "speed-up       3.7\u00d7 of 4.0\u00d7 possible (41.5 s in tasks, 3.36 s of workers not)",
        "critical path  process worker 4 ended last, at 11.2 s: 827 tasks, 10.4 s",
    ]


def test_a_run_is_chosen_by_its_number_and_else_is_the_last_outer_one() -> None:
    timeline = watched([*site(1), *inner(2)])

    assert (1, 2) == timeline.runs
    assert 1 == timeline.summary().run
    assert 2 == timeline.summary(run=2).run
    with pytest.raises(ValueError, match="no run 3 was watched; those that were: 1, 2"):
        timeline.summary(run=3)
    with pytest.raises(ValueError, match=r"observers=\[timeline\]"):
        Timeline().summary()


def test_a_run_that_did_nothing_has_figures() -> None:
    summary = watched([started(), over(at=0)]).summary()

    assert (0, 0.0, 0.0, None) == (
        *(summary.returned, summary.speedup, summary.utilisation),
        summary.critical_path,
    )
    assert "0 returned" in str(summary)


@given(histories, st.booleans())
def test_figures_add_up_whatever_happens(
    drawn: list[tuple[str, int, float, float]], whole: bool
) -> None:
    summary = watched([*history(drawn), *([over(at=90)] if whole else [])]).summary()

    assert all(0 <= worker.utilisation <= 1 for worker in summary.workers)
    assert all(0 <= worker.busy <= summary.seconds for worker in summary.workers)
    assert 0 <= summary.utilisation <= 1
    assert summary.overhead >= 0
    assert summary.task_seconds == pytest.approx(sum(w.busy for w in summary.workers))
    assert summary.possible_speedup >= summary.speedup >= 0
    told = [one for one in drawn if one[0] != "open" or not whole]
    counted = sum(number + 1 if kind == "batch" else 1 for kind, number, *_ in told)
    assert counted == sum(worker.tasks for worker in summary.workers) + summary.running
    assert str(summary)


@given(histories)
def test_blocks_of_a_row_lie_side_by_side_or_on_top_of_a_batch(
    drawn: list[tuple[str, int, float, float]],
) -> None:
    from concurkit.observers.timeline._rows import NEAR, draw

    timeline = watched(history(drawn))
    picture = draw(timeline._recordings[1].so_far(), ZERO + 200)
    columns = picture.columns

    assert sorted(block for _, block in picture.blocks()) == list(range(len(columns)))
    for row in picture.rows:
        spans = [
            (columns.started[b], columns.started[b] + columns.duration[b], columns.count[b] > 1)
            for b in row.blocks
        ]
        under = 0.0
        reached = 0.0
        for begin, end, is_batch in spans:
            if begin < reached - NEAR:
                assert end <= under + NEAR
            else:
                reached = max(reached, end)
            under = max(under, end) if is_batch else under


# ---- contrast: of the page's own colours, by the formula of WCAG 2 ------------------------------


def schemes() -> dict[str, dict[str, str]]:
    from concurkit.observers import timeline

    style = (Path(timeline.__path__[0]) / "page" / "page.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    return {
        name: dict(re.findall(r"--([\w-]+): (#\w{6})", rules))
        for name, rules in (("light", light), ("dark", dark))
    }


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([light(one), light(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_blocks_stand_out(scheme: str) -> None:
    colours = schemes()[scheme]
    blocks = [name for name in colours if name.startswith("tone-")]
    blocks += ["failed", "retried", "cancelled", "killed", "abandoned"]

    for text in ("ink", "muted", "failed"):
        assert contrast(colours[text], colours["card"]) >= 4.5, text
    assert contrast(colours["muted"], colours["page"]) >= 4.5
    for block in blocks:
        assert contrast(colours[block], colours["card"]) >= 3, block
        assert contrast(colours[block], colours["on"]) >= 4.5, block
