"""Runs made up event by event, for the tests of the timeline and the pictures in its page."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from types import SimpleNamespace
from unittest import mock

from hypothesis import strategies as st

from concurkit import Stats
from concurkit.observers import (
    Event,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    TaskStarted,
    Timeline,
    WorkerCrashed,
)

ZERO = 1_790_000_000.0


def watched(events: Iterable[Event]) -> Timeline:
    timeline = Timeline()
    for event in events:
        timeline.on_event(event)
    return timeline


def started(
    run: int = 1, at: float = 0.0, workers: int = 2, mode: str = "thread", **more: object
) -> RunStarted:
    return RunStarted(
        **{"run": run, "at": ZERO + at, "mode": mode, "max_workers": workers, "total": None} | more
    )


def over(run: int = 1, at: float = 10.0, error: BaseException | None = None) -> RunEnded:
    return RunEnded(run=run, at=ZERO + at, stats=Stats(), error=error)


def begun(index: int, at: float, name: str = "work", run: int = 1, attempt: int = 1) -> TaskStarted:
    return TaskStarted(run=run, at=ZERO + at, index=index, name=name, attempt=attempt)


def ended(
    index: int, at: float, took: float, worker: str = "thread worker 1", **more: object
) -> TaskEnded:
    """A task of its own that started at a moment and took so many seconds."""
    plain = {"run": 1, "at": ZERO + at + took, "index": index, "name": "work", "attempts": 1}
    plain |= {"worker": worker, "started": ZERO + at, "duration": took}
    return TaskEnded(**plain | more)


def again(
    index: int, at: float, took: float, worker: str = "thread worker 1", **more: object
) -> TaskRetried:
    plain = {"run": 1, "at": ZERO + at + took, "index": index, "name": "work", "attempt": 1}
    plain |= {"worker": worker, "started": ZERO + at, "duration": took, "wait": 0.5}
    return TaskRetried(**plain | {"error": OSError("try later")} | more)


def batch(
    first: int, number: int, at: float, took: float, worker: str = "thread worker 1", **more: object
) -> TasksEnded:
    plain = {"run": 1, "at": ZERO + at + took, "indices": range(first, first + number)}
    plain |= {"name": "tiny", "worker": worker, "started": ZERO + at, "duration": took}
    return TasksEnded(**plain | more)


def crash(at: float, worker: str, run: int = 1) -> WorkerCrashed:
    return WorkerCrashed(run=run, at=ZERO + at, worker=worker, error=RuntimeError("killed"))


def many(number: int, workers: int = 8, names: int = 3) -> Iterator[Event]:
    """So many tasks of their own on so many workers, one after the other without a pause."""
    draw = random.Random(7)
    yield started(workers=workers)
    free = [(0.0, worker) for worker in range(1, workers + 1)]
    for index in range(number):
        at, worker = heapq.heappop(free)
        took = draw.lognormvariate(-4, 0.8)
        heapq.heappush(free, (at + took + 0.0002, worker))
        yield begun(index, at)
        yield ended(index, at, took, f"thread worker {worker}", name=f"step_{index % names}")
    yield over(at=max(free)[0])


# ---- a run such as people have ------------------------------------------------------------------

_ENDS = {
    23: (ValueError("page 23 is not UTF-8: byte 0xe9 at 1,204"), None, 0.6),
    41: (TimeoutError("over its timeout of 2.5 s"), "killed", 2.5),
    58: (ConnectionResetError("the server closed the connection"), None, 0.3),
}


def site(run: int = 1, at: float = 0.0) -> Iterator[Event]:
    """Pages fetched and parsed by four processes, with all that can go wrong."""
    draw = random.Random(3)
    yield started(run, at, 4, "process", total=96)
    free = [(at + 0.12 + 0.03 * number, f"process worker {number}") for number in range(1, 5)]
    heapq.heapify(free)
    waiting: list[tuple[float, int, int]] = []
    index = 0
    while index < 90 or waiting:
        now, worker = heapq.heappop(free)
        attempt = 1
        if waiting and (waiting[0][0] <= now or index >= 90):
            ready, one, attempt = heapq.heappop(waiting)
            now = max(now, ready)
        else:
            one, index = index, index + 1
        name = ("fetch_page", "parse", "fetch_page", "resize_image")[one % 4]
        took = draw.lognormvariate(-1.1, 0.7) * {"parse": 0.35, "resize_image": 1.4}.get(name, 1)
        common = {"run": run, "name": name}
        yield begun(one, now, name, run, attempt)
        if one in _ENDS:
            error, stopped, took = _ENDS[one]
            more = {"error": error, "stopped": stopped, "attempts": attempt}
            yield ended(one, now, took, worker, **common | more)
        elif one in (12, 47, 66) and attempt < 3:
            yield again(one, now, 0.25, worker, **common | {"attempt": attempt})
            took = 0.25
            heapq.heappush(waiting, (now + took + 0.5, one, attempt + 1))
        elif one == 70:
            error = RuntimeError("process worker 2 was killed by SIGKILL: out of memory?")
            yield crash(now + 0.4, worker, run)
            yield ended(one, now, 0.4, worker, **common | {"error": error})
            worker, took = "process worker 5", 0.55
        else:
            yield ended(one, now, took, worker, **common | {"attempts": attempt})
        heapq.heappush(free, (now + took + 0.006, worker))
    tail = max(free)[0]
    for number in range(1, 5):
        begin = tail + 0.02
        worker = f"process worker {number if number != 2 else 5}"
        yield batch(100 * number, 800, begin, 0.3 + 0.1 * number, worker, run=run, name="score")
    yield over(run, tail + 0.75)


def inner(run: int = 2, at: float = 2.0) -> Iterator[Event]:
    """A run of an async function inside a task of the first run."""
    draw = random.Random(5)
    yield started(run, at, 6, "async", inside=(1, 7))
    free = [at + 0.01] * 6
    for index in range(40):
        now = heapq.heappop(free)
        took = draw.uniform(0.1, 0.5)
        heapq.heappush(free, now + took)
        more: dict[str, object] = {"run": run, "name": "head_request"}
        if index == 17:
            more |= {"error": TimeoutError("over its timeout of 0.5 s"), "stopped": "cancelled"}
        yield ended(index, now, took, "async worker", **more)
    yield over(run, max(free) + 0.01)


# ---- any run at all -----------------------------------------------------------------------------

moments = st.floats(0, 100, allow_nan=False)
durations = st.floats(0, 50, allow_nan=False)
histories = st.lists(
    st.tuples(
        *(st.sampled_from(["worker", "again", "batch", "open", "failed"]), st.integers(0, 3)),
        *(moments, durations),
    ),
    max_size=40,
)


def history(drawn: list[tuple[str, int, float, float]]) -> list[Event]:
    found: list[Event] = [started(workers=3)]
    for index, (kind, number, at, took) in enumerate(drawn):
        worker = f"thread worker {number}"
        if kind == "worker":
            found.append(ended(index, at, took, worker))
        elif kind == "failed":
            found.append(ended(index, at, took, worker, error=OSError("x"), stopped="cancelled"))
        elif kind == "again":
            found.append(again(index, at, took, worker))
        elif kind == "batch":
            found.append(batch(1000 * index, number + 1, at, took, worker))
        else:
            found.append(begun(index, at))
    return found


def as_of(at: float) -> AbstractContextManager[object]:
    """A run that goes on is shown as it is so many seconds after zero."""
    clock = SimpleNamespace(time=lambda: ZERO + at)
    return mock.patch("concurkit.observers.timeline._timeline.time", clock)
