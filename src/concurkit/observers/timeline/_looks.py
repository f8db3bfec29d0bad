"""What tells blocks apart: a hue for the names that took most time, patterns for how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ._recording import STATUSES
from ._rows import Picture

HUES: Final = 5
MOST_RUNS: Final = 100
MOST_NAMES: Final = 8

IN_WORDS: Final = {
    "returned": "returned",
    "failed": "failed",
    "retried": "failed, tried again",
    "cancelled": "cancelled",
    "killed": "killed",
    "abandoned": "abandoned",
    "running": "still running",
}


def left_out(pictures: Sequence[Picture]) -> str:
    """A note for what shows the first `MOST_RUNS` runs only; empty if there are no more."""
    if len(pictures) <= MOST_RUNS:
        return ""
    return f"These are the first {MOST_RUNS} of {len(pictures):,} runs; a .json file has all."


def hues(picture: Picture) -> list[int]:
    """The hue of each name: the more time in all, the earlier; one for all if names are many."""
    columns, names = picture.columns, picture.names
    if len(names) > MOST_NAMES:
        return [0] * len(names)
    took = [0.0] * len(names)
    for name, duration in zip(columns.name, columns.duration, strict=True):
        took[name] += duration
    ranked = sorted(range(len(names)), key=lambda name: -took[name])
    found = [0] * len(names)
    for rank, name in enumerate(ranked):
        found[name] = min(rank, HUES - 1)
    return found


def seen_statuses(picture: Picture) -> list[str]:
    """The ways in which blocks of a picture ended, in the order of `STATUSES`."""
    there = set(picture.columns.status)
    return [status for number, status in enumerate(STATUSES) if number in there]
