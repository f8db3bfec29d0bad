"""When a task of a batch ran, told by the report of the batch."""

from __future__ import annotations

from ._batch import Report


def span(report: Report, position: int, now: float) -> tuple[float, float]:
    """When the task at *position* of a batch started, and how many seconds it took.

    Where the run keeps no times, each task has an equal share of what the batch took: then all of
    them together still take what it took. One that was lost has taken until *now*.
    """
    ended = len(report.values)
    if report.ends:
        ends = report.ends
        since = ends[position - 1] if 0 < position <= len(ends) else report.since
        until = ends[position] if position < len(ends) else now
        return since, max(0.0, until - since)
    among = ended + (report.lost is not None)
    each = report.busy / among if among else 0.0
    since = report.since + position * each
    return since, each if position < ended else max(0.0, now - since)
