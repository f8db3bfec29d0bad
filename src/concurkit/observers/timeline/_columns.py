"""The blocks as the page's script reads them: columns of small whole numbers, row after row."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from ._looks import hues
from ._rows import Picture
from ._summary import summarise


def payload(pictures: Sequence[Picture]) -> dict[str, Any]:
    """All that the script is given; moments are microseconds from the start of the first run."""
    zero = min((picture.begin for picture in pictures), default=0.0)
    return {
        "zero": zero,
        "groups": groups(pictures),
        "runs": [_run(picture, zero) for picture in pictures],
    }


def groups(pictures: Sequence[Picture]) -> list[list[int]]:
    """Runs that go on at the same time, put together: they share the axis of time."""
    order = sorted(range(len(pictures)), key=lambda number: pictures[number].begin)
    found: list[list[int]] = []
    until = 0.0
    for number in order:
        picture = pictures[number]
        if found and picture.begin < until:
            found[-1].append(number)
        else:
            found.append([number])
        until = max(until, picture.end)
    return found


def positions(picture: Picture) -> array[int]:
    """Where each block is among those that the script gets."""
    found = array("L", [0]) * len(picture.columns)
    for position, (_, block) in enumerate(picture.blocks()):
        found[block] = position
    return found


def _run(picture: Picture, zero: float) -> dict[str, Any]:
    columns = picture.columns
    blocks = [block for _, block in picture.blocks()]
    uses = [*summarise(picture).workers]
    texts: dict[str, int] = {}
    return {
        "run": picture.recorded.began.run,
        "begin": _micro(picture.begin - zero),
        "end": _micro(picture.end - zero),
        "going": picture.going,
        "rows": [
            [
                row.name,
                len(row.blocks),
                round(uses[number].utilisation, 4) if number < len(uses) else None,
                [_micro(row.crash.at - zero), row.crash.error] if row.crash else None,
            ]
            for number, row in enumerate(picture.rows)
        ],
        "names": picture.names,
        "hues": hues(picture),
        "started": _steps(_micro(columns.started[block] - zero) for block in blocks),
        "duration": [_micro(columns.duration[block]) for block in blocks],
        "name": [columns.name[block] for block in blocks],
        "index": _steps(columns.index[block] for block in blocks),
        "count": [columns.count[block] for block in blocks],
        "attempt": [columns.attempt[block] for block in blocks],
        "status": [columns.status[block] for block in blocks],
        "troubles": [
            [position, texts.setdefault(trouble.error, len(texts)), trouble.wait]
            for position, block in enumerate(blocks)
            if (trouble := picture.trouble(block)) is not None
        ],
        "texts": list(texts),
    }


def _steps(values: Any) -> list[int]:
    """Each value as its distance from the one before: small numbers, which pack well."""
    found, before = [], 0
    for value in values:
        found.append(value - before)
        before = value
    return found


def _micro(value: float) -> int:
    return round(value * 1e6)
