"""A batch as bytes, for workers that are not ours: run wherever it is opened, and sent back.

Nothing of it is seen while it runs. Each result travels by itself, so that one that can't be
pickled, or rebuilt, costs no other.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import Any

from .._batch import Job, Progress, Report, clock, run, worker_context
from .._worker_loop import loop_for_now
from ._pickling._pickle import dumps, dumps_items, loads, pack_error, plain, unpack_error
from ._pickling._refusals import unreadable_result, unreadable_task, unreturnable


def packed(job: Job, items: Sequence[Any], first: int, attempt: int) -> bytes:
    """A batch for `run_packed`, of tasks from index *first* on; raises what pickling it raises."""
    setting = job.kept.get("crate")
    if setting is None:
        variables = [(one, job.context[one]) for one in job.propagate if one in job.context]
        setting = job.kept["crate"] = dumps((job.fn, variables, job.run, job.preludes))
    how = (job.single, job.timed, job.fast, job.share, first, attempt)
    return pickle.dumps((setting, dumps_items(items), how), pickle.HIGHEST_PROTOCOL)


def run_packed(data: bytes) -> bytes:
    """In the worker: run the batch; what `opened` takes."""
    setting, packed_items, how = loads(data)
    single, timed, fast, share, first, attempt = how
    try:
        fn, variables, number, preludes = loads(setting)
        items = loads(packed_items)
    except BaseException as error:
        return pickle.dumps(pack_error(unreadable_task(error)))
    job = Job(
        fn,
        worker_context(share, variables),
        single=single,
        timed=timed,
        fast=fast,
        run=number,
        preludes=preludes,
    )
    progress = Progress(items, first, attempt)
    progress.worker = name = f"process {os.getpid()}"
    with loop_for_now():
        run(job, progress)
    busy = clock() - progress.since
    wires = {position: pack_error(error) for position, error in progress.failures}
    values = progress.values
    each: list[bytes] | None = None
    if wires or not plain(values):
        each = [_packed_value(position, value, wires) for position, value in enumerate(values)]
    times = (progress.since, busy, progress.ends)
    content = (values if each is None else each, each is not None, wires, times, name)
    return pickle.dumps(content, pickle.HIGHEST_PROTOCOL)


def _packed_value(position: int, value: Any, wires: dict[int, Any]) -> bytes:
    if position not in wires:
        try:
            return dumps(value)
        except BaseException as reason:
            wires[position] = pack_error(unreturnable(value, reason))
    return b""


def opened(reply: bytes, sent: float) -> Report | BaseException:
    """What came of a batch that was sent at that moment; an error if none of it could be run."""
    content = loads(reply)
    if len(content) != 5 or type(content[1]) is not bool:
        return unpack_error(content)
    values, singly, wires, (since, busy, ends), name = content
    failures = {position: unpack_error(wire) for position, wire in wires.items()}
    if singly:
        values = [_opened_value(at, data, failures) for at, data in enumerate(values)]
    now = clock()
    if not sent <= since <= now:  # the clock of another machine
        shift = now - busy - since
        since, ends = since + shift, [end + shift for end in ends]
    return Report(
        values=values,
        failures=sorted(failures.items(), key=lambda failure: failure[0]),
        since=since,
        busy=busy,
        ends=ends,
        worker=name,
    )


def _opened_value(position: int, data: bytes, failures: dict[int, BaseException]) -> Any:
    if position in failures:
        return None
    try:
        return loads(data)
    except BaseException as error:
        failures[position] = unreadable_result(error)
        return None
