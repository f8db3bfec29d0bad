"""Progress of real runs: what it ends with is what the outcomes are, in every mode."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from conftest import OURS, Place, examples
from hypothesis import given
from hypothesis import strategies as st
from observed import Told, check_grammar
from sample_tasks import fail_as_told, fail_as_told_async
from shown_runs import Terminal

from concurkit import (
    Failure,
    Retry,
    Stats,
    Task,
    aio,
    iter_concurrently,
    run_concurrently,
)

AGAIN = Retry(attempts=2, on=OSError, wait_initial=0, wait_jitter=0)


KINDS = st.lists(
    st.sampled_from(["returns"] * 5 + ["fails", "fails once", "fails twice"]),
    min_size=1,
    max_size=60,
)
CHUNKSIZES = st.sampled_from(["auto", 1, 2, 7, 100])


def last_counts(terminal: Terminal) -> tuple[int, int, int, int]:
    """Of the last line: tasks that ended, of how many, those that failed, and were retried."""
    line = terminal.lines[-1]
    both = re.search(r"(\d+)(?:/| of )(\d+)", line)
    assert both is not None, line
    noted = {word: int(number) for number, word in re.findall(r"(\d+) (failed|retried)", line)}
    assert "running" not in line
    return int(both[1]), int(both[2]), noted.get("failed", 0), noted.get("retried", 0)


def counted(kinds: list[str]) -> tuple[int, int, int]:
    """How many are done, have failed, and how many attempts were followed by another."""
    of = Counter(kinds)
    failed = of["fails"] + of["fails twice"]
    return len(kinds) - failed, failed, of["fails once"] + of["fails twice"]


def told_by(stats: Stats) -> tuple[int, int, int]:
    return stats.done, stats.failed, stats.retried


@examples(8)
@given(kinds=KINDS, chunksize=CHUNKSIZES, known=st.booleans(), is_async=st.booleans())
def test_the_last_line_is_what_the_outcomes_are(
    place: Place, either: Terminal, kinds: list[str], chunksize: Any, known: bool, is_async: bool
) -> None:
    """Whether tasks go out alone or in batches, and whether their number is known at first."""
    told = Told()
    fn = fail_as_told_async if is_async and isinstance(place.where, (str, *OURS)) else fail_as_told
    tasks = Task.map(fn, kinds if known else iter(kinds))

    outcomes = run_concurrently(
        tasks,
        mode=place.where,
        chunksize=chunksize,
        retry=AGAIN,
        on_error="collect",
        progress="real",
        observers=[told],
    )

    done, failed, retried = counted(kinds)
    assert last_counts(either) == (len(kinds), len(kinds), failed, retried)
    assert told_by(told.end.stats) == (done, failed, retried)
    assert sum(isinstance(outcome, Failure) for outcome in outcomes) == failed
    assert sum(outcome.attempts - 1 for outcome in outcomes) == retried
    check_grammar(told)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_run_that_is_awaited_is_shown_too(loop: str, either: Terminal) -> None:
    import anyio

    kinds = ["returns", "fails once", "fails", "fails twice"] * 5
    told = Told()

    async def main() -> None:
        tasks = Task.map(fail_as_told_async, kinds)
        await aio.run_concurrently(
            tasks, retry=AGAIN, on_error="collect", progress=True, observers=[told]
        )

    anyio.run(main, backend=loop)

    assert last_counts(either) == (20, 20, 10, 10)
    assert told_by(told.end.stats) == (10, 10, 10)


def test_a_stream_that_is_left_ends_with_what_had_ended(either: Terminal) -> None:
    told = Told()
    with iter_concurrently(
        Task.map(fail_as_told, ["returns"] * 1000), mode="thread", progress=True, observers=[told]
    ) as run:
        next(run)

    ended, total, failed, retried = last_counts(either)
    assert (ended, total, failed, retried) == (len(told.indices), 1000, told.end.stats.failed, 0)


def test_a_task_of_rich_ends_with_the_same(terminal: Terminal) -> None:
    rich = pytest.importorskip("rich.progress")
    console = pytest.importorskip("rich.console").Console(file=terminal)
    shown = rich.Progress(console=console)
    kinds = ["returns", "fails once", "fails", "fails twice"] * 5

    run_concurrently(
        Task.map(fail_as_told, kinds),
        mode="thread",
        retry=AGAIN,
        on_error="collect",
        progress=shown,
    )

    [task] = shown.tasks
    assert (task.completed, task.total) == (20, 20)
    assert (task.fields["failed"], task.fields["retried"], task.fields["running"]) == (10, 10, 0)
