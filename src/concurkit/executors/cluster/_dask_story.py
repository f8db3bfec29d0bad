"""Where Dask's scheduler has sent a batch, by its log of what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def times_sent(key: str, story: Iterable[Sequence[Any]]) -> int | None:
    """To how many workers a call was given, one after the other; None if that is not known.

    Args:
        key: of the call.
        story: of each step its key, what it was, and what it became; of other keys, too. The
            oldest may be missing.
    """
    steps = [(step[1], step[2]) for step in story if step[0] == key]
    if not steps or steps[0][0] != "released":
        return None
    return [became for _, became in steps].count("processing")
