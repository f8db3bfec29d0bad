"""What came of a batch, as a node sends it home.

Each result travels by itself, so that one that can't be rebuilt costs no other.
"""

from __future__ import annotations

from pickle import PickleBuffer
from typing import Any

from ..._batch import Report, clock
from ...exceptions import ConcurkitError, InitializerError, WorkerCrashedError
from .._pickling._pickle import LARGE, Wire, dumps, loads, pack_error, plain, unpack_error
from .._pickling._refusals import unreadable_result, unreturnable
from ..process._parcel import wrap
from ._wire import Reply


def packed(report: Report, where: str) -> Reply:
    """A report for the way home, from the node of that name."""
    aside: list[PickleBuffer] = []
    wires = {position: as_wire(error) for position, error in report.failures}
    values: Any = report.values
    singly = bool(wires) or not plain(values) or any(map(_is_long, values))
    if singly:
        values = [_packed(at, value, wires, aside) for at, value in enumerate(values)]
    lost = None if report.lost is None else as_wire(_located(report.lost, where))
    times = (report.since, report.busy, list(report.ends))
    worker = named(where, report.worker)
    content = (values, singly, wires, times, worker, lost, report.how, report.unsure)
    return Reply(dumps(("report", content)), aside)


def named(where: str, worker: str) -> str:
    """What the caller calls a process of the node's: an outcome, a log record, a stack say so."""
    return f"{where} {worker}".strip()


def refused(error: ConcurkitError, where: str) -> Reply:
    """What tells that the processes can't be set up, at the node of that name."""
    return Reply(dumps(("unfit", (f"{where}: {error}", pack_error(error.__cause__ or error)))))


def opened(reply: Reply, sent: float) -> Report | InitializerError:
    """What a node says of a batch that was sent at that moment."""
    kind, content = loads(reply.stream)
    if kind == "unfit":
        text, cause = content
        unfit = InitializerError(text)
        unfit.__cause__ = unpack_error(cause)
        return unfit
    values, singly, wires, (since, busy, ends), worker, lost, how, unsure = content
    failures = {position: unpack_error(wire) for position, wire in wires.items()}
    if singly:
        buffers = reply.own_buffers()
        values = [_opened(at, one, failures, buffers) for at, one in enumerate(values)]
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
        worker=worker,
        lost=None if lost is None else unpack_error(lost),
        how=how,
        unsure=unsure,
    )


def as_wire(error: Any) -> Wire:
    """An error as it travels; one that came from a process is so already."""
    return error if type(error) is tuple else pack_error(error)


def _located(error: Any, where: str) -> Any:
    """A crash, with the node's name in front of the worker's."""
    if isinstance(error, WorkerCrashedError) and error.args:
        error.args = (f"{where} {error.args[0]}", *error.args[1:])
    return error


def _is_long(value: Any) -> bool:
    return type(value) is bytes and len(value) >= LARGE


def _packed(
    position: int, value: Any, wires: dict[int, Wire], aside: list[PickleBuffer]
) -> tuple[bytes, int, int]:
    """A value as bytes, and which of the buffers beside them are its."""
    first = len(aside)
    if position in wires:
        return b"", first, first
    own: list[PickleBuffer] = []
    try:
        data = dumps(wrap(value), own)
    except BaseException as reason:
        wires[position] = pack_error(unreturnable(value, reason))
        return b"", first, first
    aside.extend(own)
    return data, first, len(aside)


def _opened(
    position: int,
    packed_value: tuple[bytes, int, int],
    failures: dict[int, BaseException],
    buffers: list[Any],
) -> Any:
    if position in failures:
        return None
    data, first, end = packed_value
    try:
        return loads(data, buffers=buffers[first:end])
    except BaseException as error:
        failures[position] = unreadable_result(error)
        return None
