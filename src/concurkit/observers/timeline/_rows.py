"""Blocks laid out by worker: a row for each, and several where a worker runs tasks side by side."""

from __future__ import annotations

import heapq
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from operator import add
from typing import Final

from ._recording import RUNNING, Columns, Crash, Recorded, Trouble
from ._words import clean

# Clocks of two processes differ a little, and so a task may seem to begin before the one before it
# has ended; up to so many seconds of that, and never half of it, are no reason for a second row.
NEAR: Final = 0.001

NO_WORKER: Final = "worker unknown"
UNFINISHED: Final = "still running"


@dataclass(frozen=True, slots=True)
class Row:
    """What one worker did: its blocks in the order in which they started.

    Attributes:
        name: the worker's name, with the number of the slot where it has several.
        blocks: positions in the columns.
        running: whether this is no worker's, but of tasks whose worker is not known yet.
        crash: when and why the worker died, if it did.
        nobody: whether this is no worker's, but of tasks that reached none, as those that can't be
            pickled.
    """

    name: str
    blocks: array[int]
    running: bool = False
    crash: Crash | None = None
    nobody: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A run as it is drawn.

    Attributes:
        recorded: what it was made of.
        columns: the blocks; those of unfinished tasks come last.
        names: of tasks, fit to be shown.
        began: when the run began.
        ended: when it ended; the present for a run that goes on.
        begin: that, or when the first block began: another machine's clock may be behind.
        end: likewise, when all is over.
        rows: one for each worker, in the order of their names; unfinished tasks come last.
    """

    recorded: Recorded
    columns: Columns
    names: list[str]
    began: float
    ended: float
    begin: float
    end: float
    rows: list[Row]

    @property
    def going(self) -> bool:
        """Whether the run goes on."""
        return self.recorded.ended is None

    def trouble(self, block: int) -> Trouble | None:
        return self.recorded.troubles.get(block)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Each row's number with each of its blocks."""
        for number, row in enumerate(self.rows):
            for block in row.blocks:
                yield number, block


def draw(recorded: Recorded, now: float) -> Picture:
    """Lay out what is known of a run at the moment *now*, in seconds since the epoch."""
    columns = recorded.columns
    began = recorded.began.at
    ended = recorded.ended.at if recorded.ended is not None else max(now, began)
    rows = _worker_rows(recorded)
    names = [clean(name) for name in recorded.names]
    rows += _unfinished_rows(recorded, columns, names, ended)
    ends = map(add, columns.started, columns.duration)
    return Picture(
        recorded=recorded,
        columns=columns,
        names=names,
        began=began,
        ended=ended,
        begin=min(began, min(columns.started, default=began)),
        end=max(ended, max(ends, default=ended)),
        rows=rows,
    )


def _worker_rows(recorded: Recorded) -> list[Row]:
    columns = recorded.columns
    of_worker = [array("L") for _ in recorded.workers]
    for block, worker in enumerate(columns.worker):
        of_worker[worker].append(block)
    crashes = {crash.worker: crash for crash in recorded.crashes}
    rows: list[Row] = []
    for name, blocks in sorted(zip(recorded.workers, of_worker, strict=True), key=_natural):
        lanes = _lanes(columns, blocks)
        shown = clean(name) or NO_WORKER
        for number, lane in enumerate(lanes, 1):
            label = f"{shown} · slot {number}" if len(lanes) > 1 else shown
            crash = crashes.get(name) if number == 1 else None
            rows.append(Row(label, lane, crash=crash, nobody=not name))
    return rows


def _natural(pair: tuple[str, object]) -> list[tuple[int, str]]:
    """Worker 2 before worker 10."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", pair[0])
    return [(int(digits[:15]), "") if digits else (-1, text) for digits, text in parts]


def _lanes(columns: Columns, blocks: array[int]) -> list[array[int]]:
    """Blocks that overlap go to different lanes; what failed in a batch stays on top of it."""
    started, duration, count = columns.started, columns.duration, columns.count
    lanes: list[array[int]] = []
    taken: list[tuple[float, int]] = []  # until when each lane that is in use is so
    free: list[int] = []
    batches: list[tuple[float, int]] = []
    for block in sorted(blocks, key=lambda one: (started[one], -duration[one])):
        begin, end = started[block], started[block] + duration[block]
        near = min(NEAR, duration[block] / 2)
        batches = [batch for batch in batches if batch[0] > begin]
        under = next((lane for until, lane in batches if end <= until + NEAR), None)
        if under is not None and count[block] == 1:
            lanes[under].append(block)
            continue
        while taken and taken[0][0] <= begin + near:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if not free:
            free.append(len(lanes))
            lanes.append(array("L"))
        lane = heapq.heappop(free)
        lanes[lane].append(block)
        heapq.heappush(taken, (end, lane))
        if count[block] > 1:
            batches.append((end, lane))
    return lanes


def _unfinished_rows(
    recorded: Recorded, columns: Columns, names: list[str], end: float
) -> list[Row]:
    """A row for each task that has not ended, whose worker nobody has named yet."""
    rows = []
    known = {name: number for number, name in enumerate(names)}
    going = sorted(recorded.unfinished.items(), key=lambda item: item[1].started)
    for index, task in going:
        shown = clean(task.name)
        number = known.setdefault(shown, len(names))
        if number == len(names):
            names.append(shown)
        rows.append(Row(UNFINISHED, array("L", [len(columns)]), running=True))
        length = end - task.started
        columns.add(task.started, length, 0, number, index, 1, task.attempt, RUNNING)
    return rows
