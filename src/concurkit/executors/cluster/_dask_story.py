"""Whether a batch has begun anywhere: by the log of Dask's scheduler, and by who would run it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._needs import ANSWER
from ._node import forgo


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


def asked_times_sent(client: Any, key: str) -> int | None:
    """The same, by what the scheduler tells now."""
    try:
        story = client.sync(
            client.scheduler.get_story, keys_or_stimuli=[key], callback_timeout=ANSWER
        )
    except Exception:  # it is out of reach, or does not tell
        return None
    return times_sent(key, story)


def asked_to_forgo(client: Any, address: str, token: str, seat: str, number: int) -> Any:
    """What `forgo` gives in the worker there; None if that does not answer."""
    try:
        found = client.run(
            forgo,
            token,
            seat,
            number,
            workers=[address],
            on_error="ignore",
            callback_timeout=ANSWER,
        )
    except Exception:  # it is gone: nobody knows
        return None
    return found.get(address)
