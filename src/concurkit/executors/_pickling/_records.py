"""Results on their way home: records, each of which holds what one or several tasks came to."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, TypeAlias

from ..._batch import Progress
from ._pickle import dumps, loads, pack_error, plain
from ._refusals import unreturnable

Content: TypeAlias = tuple[list[Any], Any, list[float]]
"""Values, the packed error of the one task that failed, and when the tasks ended, if known."""

_HEAD = 4


def plain_record(position: int, stream: bytes) -> bytes:
    """A record of what was pickled in one piece, the position of its first task before it."""
    return position.to_bytes(_HEAD, "little") + stream


def packed(position: int, content: Content) -> bytes:
    """A record of what one task came to."""
    return plain_record(position, dumps(content))


def position_of(record: bytes | memoryview) -> int:
    """The position of the first task of a record."""
    return int.from_bytes(record[:_HEAD], "little")


def open_record(record: bytes | memoryview) -> Content:
    """What a record says."""
    found: Content = loads(record[_HEAD:])
    return found


def _never(_: Any) -> bool:
    return False


def records(
    progress: Progress,
    first: int,
    pack: Callable[[int, Content], bytes] = packed,
    apart: Callable[[Any], bool] = _never,
    place: str = "process",
) -> list[bytes]:
    """What ended since the task at *first*, in as few records as will do.

    Args:
        progress: of the batch.
        first: a position.
        pack: makes the record of one task that returned.
        apart: whether a plain value must be packed like any other.
        place: what results are sent home from, for messages.
    """
    values, ends = progress.values[first:], progress.ends[first:]
    failures = {at: error for at, error in progress.failures if at >= first}
    if not failures and plain(values) and not (len(values) == 1 and apart(values[0])):
        # One pickle for all: none of them can fail to be rebuilt.
        data = pickle.dumps((values, None, ends), pickle.HIGHEST_PROTOCOL)
        return [plain_record(first, data)]
    return [
        _one(first + i, value, failures.get(first + i), ends[i : i + 1], pack, place)
        for i, value in enumerate(values)
    ]


def _one(
    position: int,
    value: Any,
    error: BaseException | None,
    ends: list[float],
    pack: Callable[[int, Content], bytes],
    place: str,
) -> bytes:
    """What one task came to; a result that can't be pickled is a failure."""
    if error is None:
        try:
            return pack(position, ([value], None, ends))
        except BaseException as reason:
            error = unreturnable(value, reason, place)
    return plain_record(position, dumps(([None], pack_error(error), ends)))
