"""A trace in the Chrome format, JSON object form, which Perfetto and chrome://tracing open.

A process of the trace is a run and a thread of it a worker; moments are microseconds from the
start of the first run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from ._recording import RETURNED, RUNNING, STATUSES
from ._rows import NEAR, Picture, Row


def trace(pictures: Sequence[Picture]) -> Iterator[str]:
    """The parts of the file, one line for each event."""
    zero = min((picture.begin for picture in pictures), default=0.0)
    other = {"writtenBy": "concurkit", "zeroInSecondsSinceTheEpoch": zero}
    yield '{"displayTimeUnit": "ms", "otherData": ' + json.dumps(other) + ', "traceEvents": ['
    before = "\n"
    for picture in pictures:
        for event in _events(picture, zero):
            yield before + json.dumps(event, separators=(",", ":"))
            before = ",\n"
    yield "\n]}\n"


def _events(picture: Picture, zero: float) -> Iterator[dict[str, Any]]:
    began = picture.recorded.began
    pid = began.run
    yield _names("process_name", pid, 0, f"run {pid}, mode {began.mode}")
    for tid, row in enumerate(picture.rows, 1):
        yield _names("thread_name", pid, tid, row.name)
        yield {"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid} | {
            "args": {"sort_index": tid}
        }
        yield from _slices(picture, row, pid, tid, zero)
        if row.crash is not None:
            at = _microseconds(row.crash.at - zero)
            yield {"ph": "i", "s": "t", "name": "worker crashed", "cat": "crash"} | {
                "ts": at,
                "pid": pid,
                "tid": tid,
                "args": {"error": row.crash.error},
            }


def _names(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _slices(
    picture: Picture, row: Row, pid: int, tid: int, zero: float
) -> Iterator[dict[str, Any]]:
    """A slice for each block. Those of a thread must nest, so small overlaps are cut off."""
    columns = picture.columns
    under = (0.0, 0.0)  # the batch on which what failed in it is drawn
    reached = 0.0
    for block in row.blocks:
        begin = max(0.0, _microseconds(columns.started[block] - zero))
        end = begin + _microseconds(columns.duration[block])
        batch = columns.count[block] > 1
        if not batch and begin < under[1] and end <= under[1] + NEAR * 1e6:
            least, most = max(reached, under[0]), under[1]
        else:
            least, most = max(reached, under[1]), math.inf
        begin = min(max(begin, least), most)
        end = min(max(begin, end), most)
        under = (begin, end) if batch else under
        reached = begin if batch else end
        event: dict[str, Any] = {
            "ph": "X",
            "name": picture.names[columns.name[block]],
            "cat": STATUSES[columns.status[block]],
            "ts": begin,
            "dur": round(end - begin, 3),
            "pid": pid,
            "tid": tid,
            "args": _arguments(picture, block),
        }
        if columns.status[block] == RUNNING:
            event["ph"] = "B"  # begun and not ended: drawn up to the end of the trace
            del event["dur"]
        yield event


def _arguments(picture: Picture, block: int) -> dict[str, Any]:
    columns = picture.columns
    found: dict[str, Any] = {"index": columns.index[block]}
    if columns.attempt[block] > 1:
        found["attempt"] = columns.attempt[block]
    if columns.status[block] != RETURNED:
        found["status"] = STATUSES[columns.status[block]]
    if columns.count[block] > 1:
        found["tasks"] = columns.count[block]
    trouble = picture.trouble(block)
    if trouble is not None:
        found["error"] = trouble.error
        if trouble.wait is not None:
            found["seconds_until_next_attempt"] = trouble.wait
    return found


def _microseconds(value: float) -> float:
    return round(value * 1e6, 3)
