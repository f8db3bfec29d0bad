"""A run that is over has no tasks that still run in its timeline."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from observed import Told, check_grammar
from timeline_events import begun, ended, over, started, watched

from concurkit import Task, iter_concurrently
from concurkit.observers import Timeline

ENDINGS = (".html", ".svg", ".json")


def shown(timeline: Timeline, folder: Path) -> Iterator[str]:
    """What it says in each of its formats."""
    yield str(timeline.summary())
    for ending in ENDINGS:
        timeline.save(folder / f"run{ending}")
        yield (folder / f"run{ending}").read_text(encoding="utf-8")


def test_what_has_not_ended_is_shown_until_the_run_has(tmp_path: Path) -> None:
    events = [started(), ended(0, 0, 1), begun(1, 2, "unheard_of")]
    going, gone = watched(events), watched([*events, over()])

    assert 1 == going.summary().running
    assert ["unheard_of" in text for text in shown(going, tmp_path)] == [False, True, True, True]
    assert 0 == gone.summary().running
    for text in shown(gone, tmp_path):
        assert "unheard_of" not in text


@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
def test_a_stream_that_was_left_has_nothing_that_runs(mode: str) -> None:
    """What was handed out and came back unstarted is told by no event."""
    timeline, told = Timeline(), Told()
    tasks = Task.map(abs, range(10_000))
    run: Any = iter_concurrently(
        tasks, mode=mode, max_workers=2, chunksize=1, observers=[timeline, told]
    )
    with closing(run):
        for _ in zip(range(50), run, strict=False):
            pass

    check_grammar(told)
    summary = timeline.summary()
    assert (False, 0) == (summary.going, summary.running)
    assert len(told.indices) == summary.returned + summary.failed
